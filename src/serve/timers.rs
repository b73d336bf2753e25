//! When a processor has to look at a connection again.
//!
//! At most one entry a connection, however often its deadline moves: an entry that is too early is
//! found out when it is over, and only a deadline that moves forward to before its entry costs one
//! more step here. Most never do: an answer that is sent at once touches nothing.

use crate::serve::queue::ConnectionId;
use std::collections::BTreeSet;
use std::time::Instant;

/// Entries in the order of time.
#[derive(Debug, Default)]
pub(super) struct Timers {
    entries: BTreeSet<(Instant, ConnectionId)>,
}

impl Timers {
    /// Makes `at` the connection's entry, which was `scheduled`, unless that comes first.
    pub(super) fn schedule(
        &mut self,
        id: ConnectionId,
        at: Instant,
        scheduled: &mut Option<Instant>,
    ) {
        if scheduled.is_none_or(|before| at < before) {
            self.remove(id, scheduled.take());
            self.entries.insert((at, id));
            *scheduled = Some(at);
        }
    }

    pub(super) fn remove(&mut self, id: ConnectionId, scheduled: Option<Instant>) {
        if let Some(at) = scheduled {
            self.entries.remove(&(at, id));
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.entries.first().map(|&(at, _)| at)
    }

    /// Takes the first entry if its time has come.
    pub(super) fn pop(&mut self, now: Instant) -> Option<ConnectionId> {
        let &(at, id) = self.entries.first()?;
        if at > now {
            return None;
        }
        self.entries.pop_first();
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_connection_has_one_entry_which_is_never_late() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let id = |slot| ConnectionId { slot, generation: 1 };
        let mut timers = Timers::default();
        let mut scheduled = [None; 3];
        let mut random = 1_u64;
        let mut earliest = [u64::MAX; 3];
        for _ in 0..1000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
            let (slot, due) = ((random >> 33) as usize % 3, 100 + (random >> 40) % 1000);
            timers.schedule(id(slot), at(due), &mut scheduled[slot]);
            earliest[slot] = earliest[slot].min(due);
            assert!(timers.entries.len() <= 3);
        }
        assert_eq!(timers.next(), earliest.iter().min().map(|&due| at(due)));
        assert_eq!(timers.pop(at(99)), None);
        let mut order = [0, 1, 2];
        order.sort_by_key(|&slot| (earliest[slot], slot));
        let popped: Vec<_> = std::iter::from_fn(|| timers.pop(at(2000))).collect();
        assert_eq!(popped, order.map(id));
        assert_eq!(timers.next(), None);
    }
}
