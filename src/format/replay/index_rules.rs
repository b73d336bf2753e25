//! When a broker adds entries to the offset index and the time index, and which.
//!
//! ```text
//!   interval 4096      |b0 1500|b1 1500|b2 1500|b3 1500|b4 1500|b5 1500|b6 1500|
//!   bytes without one  0       1500    3000    4500    1500    3000    4500
//!   .index                                     (last offset of b3, 4500)   (b6, 9000)
//!   .timeindex                                 (greatest timestamp of b0 to b3, ...)
//! ```
//!
//! A batch is indexed when *more* than the interval lies between its beginning and the batch that
//! was indexed before it, or the beginning of the segment: the first batch never is. With each
//! entry the greatest timestamp so far is offered to the time index, and once more at the end; it
//! is taken when it is greater than the last one there. Its offset is the last one of the first
//! batch that reaches it.
//!
//! This is how a recovery writes both. A broker that appends batch by batch does the same, except
//! that it counts from where it opened the segment, not from its beginning, which is what
//! [`IndexInterval`] is told.

use super::BatchFacts;
use crate::format::offset_index::OffsetPosition;
use crate::format::time_index::TimestampOffset;
use crate::format::{Offset, Position};

/// Kafka's own default of `index.interval.bytes`.
pub const INDEX_INTERVAL_BYTES: u64 = 4096;

/// Tells which batches are far enough behind the last indexed one.
#[derive(Clone, Copy, Debug)]
pub struct IndexInterval {
    bytes: u64,
    since: Position,
}

impl IndexInterval {
    /// Counts from `since` on: where the segment begins in a recovery, where it ended when it was
    /// opened to a broker that appends.
    #[must_use]
    pub fn new(bytes: u64, since: Position) -> Self {
        Self { bytes, since }
    }

    /// True when a batch at `position` is to be indexed.
    #[must_use]
    pub fn is_due(&self, position: Position) -> bool {
        position.0.saturating_sub(self.since.0) > self.bytes
    }

    /// A batch at `position` was indexed.
    pub fn indexed(&mut self, position: Position) {
        self.since = position;
    }
}

/// The bytes of both indexes, trimmed to their entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RebuiltIndexes {
    /// The `.index`.
    pub index: Vec<u8>,
    /// The `.timeindex`.
    pub time_index: Vec<u8>,
}

/// Builds both indexes of a segment from its batches, as a broker's recovery does.
#[derive(Clone, Debug)]
pub struct IndexBuilder {
    base_offset: Offset,
    interval: IndexInterval,
    /// The greatest last offset so far: Kafka's recovery gives up where offsets go backwards.
    last_offset: Option<Offset>,
    /// The greatest timestamp so far, and the last offset of the first batch that has it.
    greatest: Option<(i64, Offset)>,
    /// The last entry of the time index.
    last_time: Option<(i64, Offset)>,
    built: RebuiltIndexes,
}

impl IndexBuilder {
    /// For the segment whose files are named after `base_offset`.
    #[must_use]
    pub fn new(base_offset: Offset, interval_bytes: u64) -> Self {
        Self {
            base_offset,
            interval: IndexInterval::new(interval_bytes, Position(0)),
            last_offset: None,
            greatest: None,
            last_time: None,
            built: RebuiltIndexes::default(),
        }
    }

    /// Takes the next batch. One that no entry can name is passed over, and the batch behind it is
    /// indexed in its place: an offset too far from the base offset, or not above all before it, or
    /// a position of more than 31 bits.
    pub fn take(&mut self, batch: &BatchFacts) {
        let last = batch.last_offset;
        if self.relative(last).is_none() || self.last_offset.is_some_and(|before| last <= before) {
            return;
        }
        self.last_offset = Some(last);
        if batch.max_timestamp > self.greatest.map_or(-1, |(timestamp, _)| timestamp) {
            self.greatest = Some((batch.max_timestamp, last));
        }
        if self.interval.is_due(batch.position) && self.index(last, batch.position) {
            self.offer_timestamp();
            self.interval.indexed(batch.position);
        }
    }

    /// The indexes so far, without the last entry of the time index.
    #[must_use]
    pub fn so_far(&self) -> &RebuiltIndexes {
        &self.built
    }

    /// The indexes of the batches taken.
    #[must_use]
    pub fn finish(mut self) -> RebuiltIndexes {
        self.offer_timestamp();
        self.built
    }

    fn index(&mut self, last: Offset, position: Position) -> bool {
        let (Some(relative), Ok(position)) = (self.relative(last), i32::try_from(position.0))
        else {
            return false;
        };
        OffsetPosition::encode(relative, position, &mut self.built.index);
        true
    }

    fn offer_timestamp(&mut self) {
        let Some((timestamp, offset)) = self.greatest else { return };
        let is_greater = self.last_time.is_none_or(|(last, _)| timestamp > last);
        if let (true, Some(relative)) = (is_greater, self.relative(offset)) {
            TimestampOffset::encode(timestamp, relative, &mut self.built.time_index);
            self.last_time = self.greatest;
        }
    }

    fn relative(&self, offset: Offset) -> Option<i32> {
        i32::try_from(offset.0.checked_sub(self.base_offset.0)?).ok().filter(|&delta| delta >= 0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::cast_possible_truncation)]

    use super::*;
    use crate::format::{Attributes, replay::Marker};

    /// A batch at `position`, of which only what the indexes depend on is told.
    fn batch(position: u64, size: u64, last_offset: i64, max_timestamp: i64) -> BatchFacts {
        BatchFacts {
            position: Position(position),
            size,
            base_offset: Some(Offset(last_offset)),
            last_offset: Offset(last_offset),
            magic: 2,
            attributes: Attributes(0),
            partition_leader_epoch: 0,
            max_timestamp,
            records_count: Some(1),
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            last_sequence: -1,
            marker: Marker::None,
        }
    }

    fn build(base: i64, interval: u64, batches: &[BatchFacts]) -> RebuiltIndexes {
        let mut builder = IndexBuilder::new(Offset(base), interval);
        batches.iter().for_each(|batch| builder.take(batch));
        builder.finish()
    }

    fn equal_batches(size: u64, count: i64) -> Vec<BatchFacts> {
        (0..count).map(|i| batch(size * i.unsigned_abs(), size, i, 1000 + i)).collect()
    }

    fn index(entries: &[(i32, i32)]) -> Vec<u8> {
        entries.iter().flat_map(|(o, p)| [o.to_be_bytes(), p.to_be_bytes()].concat()).collect()
    }

    fn time_index(entries: &[(i64, i32)]) -> Vec<u8> {
        let bytes = |(t, o): &(i64, i32)| [&t.to_be_bytes()[..], &o.to_be_bytes()].concat();
        entries.iter().flat_map(bytes).collect()
    }

    #[test]
    fn batches_of_1500_bytes_are_indexed_every_third_time() {
        let built = build(0, 4096, &equal_batches(1500, 10));
        assert_eq!(built.index, index(&[(3, 4500), (6, 9000), (9, 13500)]));
        assert_eq!(built.time_index, time_index(&[(1003, 3), (1006, 6), (1009, 9)]));
        let built = build(0, 4096, &equal_batches(1500, 12));
        assert_eq!(built.time_index, time_index(&[(1003, 3), (1006, 6), (1009, 9), (1011, 11)]));
    }

    #[test]
    fn the_interval_itself_is_not_enough() {
        let built = build(0, 4096, &equal_batches(4096, 6));
        assert_eq!(built.index, index(&[(2, 8192), (4, 16384)]));
        let built = build(0, 4096, &equal_batches(4097, 4));
        assert_eq!(built.index, index(&[(1, 4097), (2, 8194), (3, 12291)]));
        let large_first = [batch(0, 10 << 20, 7, 5), batch(10 << 20, 100, 8, 6)];
        assert_eq!(build(0, 4096, &large_first).index, index(&[(8, 10 << 20)]));
    }

    #[test]
    fn the_greatest_timestamp_is_named_by_the_first_batch_that_has_it() {
        let times = [5, 9, 2, 9, 9, 12, 3];
        let batches: Vec<_> =
            (0_u64..).zip(times).map(|(i, time)| batch(i * 60, 60, i as i64, time)).collect();
        assert_eq!(build(0, 0, &batches).time_index, time_index(&[(9, 1), (12, 5)]));
        assert_eq!(build(0, 1 << 20, &batches).time_index, time_index(&[(12, 5)]));
        assert_eq!(build(0, 100, &batches).index, index(&[(2, 120), (4, 240), (6, 360)]));
    }

    #[test]
    fn no_timestamp_no_time_index_and_zero_is_one() {
        let none: Vec<_> = (0..5).map(|i| batch(i * 100, 100, i as i64, -1)).collect();
        assert_eq!(build(0, 0, &none).time_index, time_index(&[]));
        assert_eq!(build(0, 0, &none).index.len(), 4 * 8);
        assert_eq!(build(0, 0, &[batch(0, 100, 0, 0)]).time_index, time_index(&[(0, 0)]));
        assert_eq!(build(0, 0, &[batch(0, 100, 0, -7)]).time_index, time_index(&[]));
        assert_eq!(build(0, 0, &[]), RebuiltIndexes::default());
    }

    #[test]
    fn what_no_entry_can_name_is_passed_over() {
        let max = i64::from(i32::MAX);
        let at = |position, offset| batch(position, 10, offset, offset);
        let far = [at(0, 100), at(10, 100 + max), at(20, 101 + max), at(30, 102 + max)];
        let built = build(100, 1, &far);
        assert_eq!(built.index, index(&[(i32::MAX, 10)]));
        assert_eq!(built.time_index, time_index(&[(100 + max, i32::MAX)]));
        let back = [at(0, 100), at(10, 105), at(20, 103), at(30, 105), at(40, 99), at(50, 106)];
        assert_eq!(build(100, 1, &back).index, index(&[(5, 10), (6, 50)]));
        let positions = [at(0, 1), at(1 << 31, 2), at(u64::MAX, 3)];
        let built = build(0, 1, &positions);
        assert_eq!((built.index, built.time_index), (index(&[]), time_index(&[(3, 3)])));
        let wild = [at(0, i64::MAX), at(1, i64::MIN), at(2, -1)];
        assert_eq!(build(i64::MAX, 0, &wild).time_index, time_index(&[(i64::MAX, 0)]));
        assert_eq!(build(i64::MIN, 0, &wild[..1]), RebuiltIndexes::default());
    }

    /// The other way round: the bytes counted, as a broker that appends does, and every entry made
    /// by looking at all batches before it.
    fn slowly(base: i64, interval: u64, batches: &[BatchFacts]) -> RebuiltIndexes {
        let greatest = |batches: &[BatchFacts]| {
            let timestamp = batches.iter().map(|b| b.max_timestamp).max()?;
            let first = batches.iter().find(|b| b.max_timestamp == timestamp)?;
            (timestamp >= 0).then(|| (timestamp, (first.last_offset.0 - base) as i32))
        };
        let (mut counted, mut entries, mut times) = (0, Vec::new(), Vec::new());
        for (i, batch) in batches.iter().enumerate() {
            if counted > interval {
                entries.push(((batch.last_offset.0 - base) as i32, batch.position.0 as i32));
                times.extend(greatest(&batches[..=i]));
                counted = 0;
            }
            counted += batch.size;
        }
        times.extend(greatest(batches));
        times.dedup();
        RebuiltIndexes { index: index(&entries), time_index: time_index(&times) }
    }

    proptest::proptest! {
        #[test]
        fn as_the_slow_way_gives_them(
            interval in 0_u64..300,
            shapes in proptest::collection::vec((60_u64..200, 1_i64..9, -1_i64..40), 0..60),
        ) {
            let (mut position, mut offset) = (0, 99);
            let batches: Vec<_> = shapes.into_iter().map(|(size, count, time)| {
                offset += count;
                position += size;
                batch(position - size, size, offset, time)
            }).collect();
            proptest::prop_assert_eq!(
                build(100, interval, &batches),
                slowly(100, interval, &batches)
            );
        }
    }
}
