//! Which partition a record goes to.
//!
//! ```text
//!   the record's own `partition`                      always
//!   murmur2       by its key; null keys stick         Kafka's default
//!   sticky        stick, whatever the key
//!   round-robin   one after the other
//!   random        any
//! ```
//!
//! To stick is to stay with a partition until it got batch.size bytes and its last batch is full,
//! so that batches become large, and then to go on with any other: the rule of Kafka's producer
//! since 3.3, without its regard for brokers that are slow.

use super::input::InputRecord;
use super::random::{below, number};
use crate::format::murmur2::partition_for_key;
use std::num::NonZeroU32;

/// How partitions are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// By the key; records without one stick.
    Murmur2,
    /// One after the other.
    RoundRobin,
    /// Any.
    Random,
    /// Stay with one for a while.
    Sticky,
}

/// A partition that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("partition {partition} is not among the {partitions}, which begin at 0")]
pub struct NoSuchPartition {
    /// What the record says.
    pub partition: u32,
    /// How many there are.
    pub partitions: NonZeroU32,
}

/// Chooses a partition for one record after the other.
#[derive(Clone, Debug)]
pub struct Partitioner {
    strategy: Strategy,
    partitions: NonZeroU32,
    seed: u64,
    /// Partitions chosen so far without looking at the record.
    count: u64,
    sticky: Sticky,
}

#[derive(Clone, Debug)]
struct Sticky {
    batch_size: u64,
    /// The partition, and the bytes it got since it was chosen.
    current: Option<(u32, u64)>,
}

impl Partitioner {
    /// Among `partitions`, with batches of `batch_size` bytes. What is chosen by chance depends on
    /// `seed` alone.
    #[must_use]
    pub fn new(strategy: Strategy, partitions: NonZeroU32, batch_size: usize, seed: u64) -> Self {
        let sticky = Sticky { batch_size: batch_size.max(1) as u64, current: None };
        Self { strategy, partitions, seed, count: 0, sticky }
    }

    /// The partition of `record`. `has_room` says whether the open batch of a partition takes this
    /// record, false where none is open.
    pub fn partition(
        &mut self,
        record: &InputRecord<'_>,
        has_room: impl FnOnce(u32) -> bool,
    ) -> Result<u32, NoSuchPartition> {
        if let Some(partition) = record.partition {
            let partitions = self.partitions;
            let is_there = partition < partitions.get();
            return is_there.then_some(partition).ok_or(NoSuchPartition { partition, partitions });
        }
        Ok(match (self.strategy, record.key) {
            (Strategy::Murmur2, Some(key)) => partition_for_key(key, self.partitions),
            (Strategy::Murmur2, None) | (Strategy::Sticky, _) => self.stick(has_room),
            (Strategy::Random, _) => self.any(),
            (Strategy::RoundRobin, _) => {
                let turn = self.count % u64::from(self.partitions.get());
                self.count += 1;
                u32::try_from(turn).unwrap_or_default()
            }
        })
    }

    /// What came of the record that was last given a partition: it took `bytes` of a batch, and
    /// whether that batch is full now.
    pub fn appended(&mut self, record: &InputRecord<'_>, bytes: u64, is_full: bool) {
        let sticks = match self.strategy {
            Strategy::Sticky => true,
            Strategy::Murmur2 => record.key.is_none(),
            Strategy::RoundRobin | Strategy::Random => false,
        };
        let Some((_, so_far)) = self.sticky.current.as_mut() else { return };
        if !sticks || record.partition.is_some() {
            return;
        }
        *so_far += bytes;
        let (so_far, enough) = (*so_far, self.sticky.batch_size);
        // The second bound is for a batch that never gets full because keyed records go there too.
        if so_far >= enough && is_full || so_far >= enough * 2 {
            self.sticky.current = Some((self.any(), 0));
        }
    }

    fn stick(&mut self, has_room: impl FnOnce(u32) -> bool) -> u32 {
        match self.sticky.current {
            Some((partition, bytes)) if bytes < self.sticky.batch_size || has_room(partition) => {
                partition
            }
            _ => {
                let next = self.any();
                self.sticky.current = Some((next, 0));
                next
            }
        }
    }

    fn any(&mut self) -> u32 {
        let bits = number(self.seed, self.count);
        self.count += 1;
        u32::try_from(below(bits, self.partitions.get().into())).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partitions(count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).unwrap()
    }

    fn record(key: Option<&'static str>) -> InputRecord<'static> {
        InputRecord::plain(1, key.map(str::as_bytes), Some(b"value"))
    }

    fn chosen(partitioner: &mut Partitioner, key: Option<&'static str>) -> u32 {
        partitioner.partition(&record(key), |_| true).unwrap()
    }

    #[test]
    fn what_the_record_says_comes_first() {
        for strategy in
            [Strategy::Murmur2, Strategy::RoundRobin, Strategy::Random, Strategy::Sticky]
        {
            let mut partitioner = Partitioner::new(strategy, partitions(3), 100, 1);
            let mut record = record(Some("key"));
            record.partition = Some(2);
            assert_eq!(partitioner.partition(&record, |_| true), Ok(2));
            record.partition = Some(3);
            let error = partitioner.partition(&record, |_| true).unwrap_err();
            let sentence = "partition 3 is not among the 3, which begin at 0";
            assert_eq!(error.to_string(), sentence);
        }
    }

    #[test]
    fn keys_stay_together() {
        let mut partitioner = Partitioner::new(Strategy::Murmur2, partitions(1000), 100, 1);
        let first = chosen(&mut partitioner, Some("user-1"));
        assert_ne!(first, chosen(&mut partitioner, Some("user-2")));
        assert_eq!(first, chosen(&mut partitioner, Some("user-1")));
        // 0x7fff_ffff & murmur2("21") % 1000, as the Java client has it: murmur2 is -973932308.
        assert_eq!(
            chosen(&mut partitioner, Some("21")),
            (0x7fff_ffff & -973_932_308_i32) as u32 % 1000
        );
    }

    #[test]
    fn round_robin_takes_turns_and_random_spreads() {
        let mut partitioner = Partitioner::new(Strategy::RoundRobin, partitions(3), 100, 1);
        let turns: Vec<u32> = (0..7).map(|_| chosen(&mut partitioner, Some("same"))).collect();
        assert_eq!(turns, [0, 1, 2, 0, 1, 2, 0]);
        let mut counts = [0_u32; 5];
        let mut partitioner = Partitioner::new(Strategy::Random, partitions(5), 100, 9);
        let mut again = partitioner.clone();
        for _ in 0..5000 {
            let partition = chosen(&mut partitioner, Some("same"));
            assert_eq!(partition, chosen(&mut again, None));
            counts[partition as usize] += 1;
        }
        assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
    }

    /// Records of 10 bytes; batches of 100, of which each takes 7 records and is never full.
    #[test]
    fn sticking_goes_on_at_the_end_of_a_batch() {
        let mut partitioner = Partitioner::new(Strategy::Sticky, partitions(1000), 100, 3);
        let (mut stays, mut in_batch) = (Vec::new(), 0);
        let mut last = None;
        for _ in 0..100 {
            let has_room = in_batch < 7;
            let partition = partitioner.partition(&record(Some("k")), |_| has_room).unwrap();
            in_batch = if has_room && last == Some(partition) { in_batch + 1 } else { 1 };
            match stays.last_mut() {
                Some(count) if last == Some(partition) => *count += 1,
                _ => stays.push(1),
            }
            last = Some(partition);
            partitioner.appended(&record(Some("k")), 10, false);
        }
        // 70 bytes are not enough, so a second batch is begun, and 140 are reached with it.
        assert_eq!(stays, [14, 14, 14, 14, 14, 14, 14, 2]);
    }

    #[test]
    fn sticking_goes_on_when_enough_is_there() {
        let mut partitioner = Partitioner::new(Strategy::Murmur2, partitions(1000), 100, 3);
        let first = chosen(&mut partitioner, None);
        partitioner.appended(&record(None), 99, true);
        // Keyed records do not count, wherever they go.
        partitioner.appended(&record(Some("k")), 99, true);
        assert_eq!(chosen(&mut partitioner, None), first);
        partitioner.appended(&record(None), 1, true);
        let second = chosen(&mut partitioner, None);
        assert_ne!(second, first);
        partitioner.appended(&record(None), 199, false);
        assert_eq!(chosen(&mut partitioner, None), second);
        partitioner.appended(&record(None), 1, false);
        assert_ne!(chosen(&mut partitioner, None), second);
    }
}
