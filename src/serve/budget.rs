//! Memory that many share: paid for before it is used, given back when the receipt is dropped.
//!
//! ```text
//!   processor: grow, or be told of room later --.
//!                                               +--> used <= limit
//!   handler:   take, or close the connection ---'      | Paid dropped: processors are told
//! ```

use crate::serve::inbox::{Inbox, Waiting};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What one frame and one answer may take without paying, so that small ones never wait.
pub const FREE_BYTES: usize = 16 << 10;

/// A bound on bytes that many hold together.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    state: Mutex<State>,
    inboxes: Vec<Arc<Inbox>>,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    waiting: Waiting,
}

impl State {
    fn take(&mut self, bytes: usize, limit: usize) -> bool {
        let used = self.used.saturating_add(bytes);
        let is_within = used <= limit;
        if is_within {
            self.used = used;
        }
        is_within
    }
}

impl Budget {
    /// Nothing is used yet. The processors behind `inboxes` are told of room that they waited for.
    pub fn new(limit: usize, inboxes: Vec<Arc<Inbox>>) -> Arc<Self> {
        Arc::new(Self { limit, state: Mutex::default(), inboxes })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pays where there is room now. What is larger than everything has to be the only one.
    pub fn take(self: &Arc<Self>, bytes: usize) -> Option<Paid> {
        let bytes = bytes.min(self.limit);
        let is_taken = self.state().take(bytes, self.limit);
        is_taken.then(|| Paid { bytes, to: Some(Arc::clone(self)) })
    }

    fn give_back(&self, bytes: usize) {
        let mut state = self.state();
        state.used = state.used.saturating_sub(bytes);
        let waiting = state.waiting.take();
        drop(state);
        waiting.tell(&self.inboxes);
    }

    /// What is in use.
    #[must_use]
    pub fn used(&self) -> usize {
        self.state().used
    }
}

/// A receipt for bytes of a [`Budget`].
#[derive(Debug, Default)]
pub struct Paid {
    bytes: usize,
    to: Option<Arc<Budget>>,
}

impl Paid {
    /// How many bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Pays for more. Where there is no room, this processor is told when there may be.
    pub(super) fn grow(&mut self, to: &Arc<Budget>, more: usize, processor: usize) -> bool {
        let mut state = to.state();
        if !state.take(more, to.limit) {
            state.waiting.add(processor);
            return false;
        }
        drop(state);
        self.bytes += more;
        self.to.get_or_insert_with(|| Arc::clone(to));
        true
    }
}

impl Drop for Paid {
    fn drop(&mut self) {
        if let Some(budget) = &self.to {
            budget.give_back(self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::inbox::ToProcessor;

    #[test]
    fn who_was_refused_is_told_of_room() {
        let inboxes: Vec<_> = (0..3).map(|_| Arc::new(Inbox::new(|| ()))).collect();
        let budget = Budget::new(100, inboxes.clone());
        let (mut first, mut second) = (Paid::default(), Paid::default());
        assert!(first.grow(&budget, 60, 0) && first.grow(&budget, 40, 0));
        assert!(!second.grow(&budget, 1, 2));
        let told = |number: usize| {
            let mut list = Vec::new();
            inboxes[number].take(&mut list);
            list.iter().filter(|message| matches!(message, ToProcessor::Room)).count()
        };
        assert_eq!((told(0), told(1), told(2)), (0, 0, 0));
        drop(first);
        assert_eq!((told(0), told(1), told(2)), (0, 0, 1));
        assert!(second.grow(&budget, 100, 2));
        assert_eq!(budget.used(), 100);
        drop(second);
        assert_eq!((budget.used(), told(2)), (0, 0));
    }

    #[test]
    fn a_handler_takes_what_there_is_room_for() {
        let budget = Budget::new(100, Vec::new());
        let all = budget.take(1000).unwrap();
        assert_eq!(all.bytes(), 100);
        assert!(budget.take(1).is_none());
        drop(all);
        assert_eq!(budget.take(1).unwrap().bytes(), 1);
        assert_eq!(budget.used(), 0);
    }
}
