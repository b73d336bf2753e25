//! What a leader-epoch-checkpoint says about offsets and epochs.
//!
//! ```text
//!   entries   (0, 0)         (3, 118264)        (5, 200000)
//!   offsets   0 ... 118263   118264 ... 199999  200000 ... log end
//!   epoch     0              3                  5
//! ```
//!
//! An entry (e, s): the first record written under leader epoch e has offset s.

use crate::format::Offset;
use std::collections::BTreeMap;
use std::fmt;

/// Kafka's number for "no epoch".
pub const UNDEFINED_EPOCH: i32 = -1;

/// One entry of a leader-epoch-checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    /// The leader epoch.
    pub epoch: i32,
    /// The first offset written under it.
    pub start_offset: Offset,
}

impl fmt::Display for EpochEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.epoch, self.start_offset)
    }
}

/// The epochs of a partition, in the order of their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderEpochs(Vec<EpochEntry>);

impl LeaderEpochs {
    /// As a broker loads entries: ordered by epoch, of equal epochs the last one, start offsets
    /// not looked at.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = EpochEntry>) -> Self {
        let by_epoch: BTreeMap<i32, EpochEntry> =
            entries.into_iter().map(|entry| (entry.epoch, entry)).collect();
        Self(by_epoch.into_values().collect())
    }

    /// The entries, ordered by epoch.
    #[must_use]
    pub fn entries(&self) -> &[EpochEntry] {
        &self.0
    }

    /// The entry of the highest epoch.
    #[must_use]
    pub fn latest(&self) -> Option<EpochEntry> {
        self.0.last().copied()
    }

    /// The epoch under which `offset` was or would be written; `None` below the first entry.
    /// Start offsets that do not rise give one of their epochs.
    #[must_use]
    pub fn epoch_for_offset(&self, offset: Offset) -> Option<i32> {
        let above = self.0.partition_point(|entry| entry.start_offset <= offset);
        self.0.get(above.checked_sub(1)?).map(|entry| entry.epoch)
    }

    /// Kafka's answer to a follower that asks where its `epoch` ended: the greatest epoch at or
    /// below it, and the offset behind that one's last record. `None` where Kafka answers -1, -1:
    /// for no epoch, and for one above the latest. Below the first entry it is the epoch asked for,
    /// with the first start offset.
    #[must_use]
    pub fn end_offset_for(&self, epoch: i32, log_end_offset: Offset) -> Option<(i32, Offset)> {
        if epoch == UNDEFINED_EPOCH {
            return None;
        }
        if self.latest().is_some_and(|latest| latest.epoch == epoch) {
            return Some((epoch, log_end_offset));
        }
        let higher = self.0.partition_point(|entry| entry.epoch <= epoch);
        let end_offset = self.0.get(higher)?.start_offset;
        let floor = higher.checked_sub(1).and_then(|index| self.0.get(index));
        Some((floor.map_or(epoch, |entry| entry.epoch), end_offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(pairs: &[(i32, i64)]) -> LeaderEpochs {
        let entry =
            |&(epoch, start): &(i32, i64)| EpochEntry { epoch, start_offset: Offset(start) };
        LeaderEpochs::new(pairs.iter().map(entry))
    }

    #[test]
    fn the_rules_one_by_one() {
        let three = epochs(&[(2, 10), (4, 20), (7, 50)]);
        let asked = |epoch| three.end_offset_for(epoch, Offset(99)).map(|(e, o)| (e, o.0));
        assert_eq!(asked(-1), None);
        assert_eq!(asked(-2), Some((-2, 10)));
        assert_eq!(asked(0), Some((0, 10)));
        assert_eq!(asked(2), Some((2, 20)));
        assert_eq!(asked(3), Some((2, 20)));
        assert_eq!(asked(4), Some((4, 50)));
        assert_eq!(asked(6), Some((4, 50)));
        assert_eq!(asked(7), Some((7, 99)));
        assert_eq!(asked(8), None);
        assert_eq!(epochs(&[]).end_offset_for(0, Offset(99)), None);
    }

    #[test]
    fn the_epoch_of_every_offset_against_a_scan() {
        let pairs = [(2, 10), (4, 20), (7, 50)];
        for offset in 0..70 {
            let scan =
                pairs.iter().filter(|(_, start)| *start <= offset).map(|(e, _)| *e).next_back();
            assert_eq!(epochs(&pairs).epoch_for_offset(Offset(offset)), scan);
        }
        assert_eq!(epochs(&[]).epoch_for_offset(Offset(0)), None);
    }

    #[test]
    fn a_lying_checkpoint_is_ordered_by_epoch_and_keeps_the_last_of_equals() {
        let loaded = epochs(&[(5, 90), (1, 100), (5, 7)]);
        assert_eq!(loaded, epochs(&[(1, 100), (5, 7)]));
        assert_eq!(loaded.latest().unwrap().start_offset, Offset(7));
        for offset in 0..120 {
            let epoch = loaded.epoch_for_offset(Offset(offset));
            assert!(epoch.is_none_or(|epoch| [1, 5].contains(&epoch)));
        }
    }
}
