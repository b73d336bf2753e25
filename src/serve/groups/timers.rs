//! What is to happen when. Every timer is set once at most, so there are never more of them than
//! members and a few a group.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

/// What is to happen to a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Timer {
    /// Waiting for members to join ends.
    Join(Arc<str>),
    /// Waiting for members to ask for their assignments ends.
    Sync(Arc<str>),
    /// A member, or one that was only given an id, was not heard of.
    Session(Arc<str>, Arc<str>),
    /// A group that nobody uses is forgotten.
    Forget(Arc<str>),
}

impl Timer {
    /// The group's id.
    pub(super) fn group(&self) -> &Arc<str> {
        match self {
            Self::Join(id) | Self::Sync(id) | Self::Session(id, _) | Self::Forget(id) => id,
        }
    }
}

/// Timers in the order of their times.
#[derive(Debug, Default)]
pub(super) struct Timers {
    order: BTreeSet<(Instant, Timer)>,
    times: HashMap<Timer, Instant>,
}

impl Timers {
    /// Sets a timer, anew if it was set.
    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        if let Some(before) = self.times.insert(timer.clone(), at) {
            let entry = (before, timer);
            self.order.remove(&entry);
            self.order.insert((at, entry.1));
        } else {
            self.order.insert((at, timer));
        }
    }

    pub(super) fn clear(&mut self, timer: &Timer) {
        if let Some(at) = self.times.remove(timer) {
            self.order.remove(&(at, timer.clone()));
        }
    }

    pub(super) fn is_set(&self, timer: &Timer) -> bool {
        self.times.contains_key(timer)
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes out those that are due, the earliest first.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Timer> {
        let mut due = Vec::new();
        while self.order.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, timer)) = self.order.pop_first() else { break };
            self.times.remove(&timer);
            due.push(timer);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_timer_is_due_once_at_the_time_it_was_set_to_last() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let (join, sync) = (Timer::Join("g".into()), Timer::Sync("g".into()));
        let mut timers = Timers::default();
        assert_eq!(timers.next(), None);
        timers.set(join.clone(), at(5));
        timers.set(sync.clone(), at(3));
        timers.set(join.clone(), at(9));
        assert_eq!(timers.next(), Some(at(3)));
        assert_eq!(timers.take_due(at(2)), []);
        assert_eq!(timers.take_due(at(8)), std::slice::from_ref(&sync));
        assert!(timers.is_set(&join) && !timers.is_set(&sync));
        timers.set(sync.clone(), at(1));
        assert_eq!(timers.take_due(at(9)), [sync.clone(), join.clone()]);
        timers.set(join.clone(), at(1));
        timers.clear(&join);
        timers.clear(&sync);
        assert_eq!((timers.next(), timers.times.len()), (None, 0));
    }
}
