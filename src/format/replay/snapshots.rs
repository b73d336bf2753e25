//! A producer snapshot beside the replay: what the log contradicts, and what the snapshot has to
//! hold.
//!
//! ```text
//!   replay up to offset X    7  8  9       8 is missing: it expired, if no older one is left
//!   X.snapshot               7     9  5    5: from before the first segment
//! ```
//!
//! A broker forgets producers that it did not hear of for a day (or as long as it was told), all of
//! them at the same time. One that comes back then begins anew.
//!
//! Old brokers wrote the same entries with another meaning, and later ones went on from those:
//!
//! ```text
//!   .log         7 7 7 | commit      sequences 10 to 12 at offsets 20 to 22, the marker at 23
//!   1.0 and 1.1          the timestamp is that of the last batch, a marker leaves it as it was
//!   0.11                 12 at 23, delta 0: a marker is a batch of one record
//! ```

use super::Producers;
use super::producers::Producer;
use crate::format::Offset;
use crate::format::producer_snapshot::{self, LastBatch, ProducerEntry, ProducerSnapshot};
use std::collections::{BTreeMap, BTreeSet};

/// What a replay says against a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotDifference {
    /// The first producer that differs, by its id.
    pub producer_id: i64,
    /// How.
    pub why: &'static str,
    /// How many producers differ.
    pub producers: u64,
}

/// What the replay of all batches below a snapshot's offset says against it. In a partition that
/// was `compacted` batches that it knows may be gone. Behind damage nothing is said, and nothing
/// behind a gap that is not the cleaner's.
#[must_use]
pub fn difference(
    snapshot: &ProducerSnapshot<'_>,
    producers: &Producers,
    compacted: bool,
) -> Option<SnapshotDifference> {
    if producers.is_damaged() || (producers.has_gaps() && !compacted) {
        return None;
    }
    let mut difference: Option<SnapshotDifference> = None;
    for (producer_id, why) in contradictions(snapshot, producers, compacted) {
        let first = difference.get_or_insert(SnapshotDifference { producer_id, why, producers: 0 });
        first.producers += 1;
    }
    difference
}

/// The bytes of a snapshot that holds what the log says: `existing`, where that reads and its
/// checksum agrees, with the producers replaced that the log contradicts. `None` when `existing`
/// is right as it is.
#[must_use]
pub fn rebuilt(existing: Option<&[u8]>, producers: &Producers, compacted: bool) -> Option<Vec<u8>> {
    let sound = existing.and_then(sound_snapshot);
    let Some(snapshot) = sound else {
        return Some(producer_snapshot::encode(&producers.entries()));
    };
    let wrong: BTreeSet<i64> = match difference(&snapshot, producers, compacted) {
        None => return None,
        Some(_) => contradictions(&snapshot, producers, compacted).into_keys().collect(),
    };
    let mut entries: Vec<_> =
        snapshot.iter().filter(|entry| !wrong.contains(&entry.producer_id)).collect();
    entries.extend(wrong.iter().filter_map(|id| producers.get(*id)).map(|known| known.entry));
    entries.sort_by_key(|entry| entry.producer_id);
    Some(producer_snapshot::encode(&entries))
}

/// The snapshot in `bytes` if it is whole and its checksum agrees.
#[must_use]
pub fn sound_snapshot(bytes: &[u8]) -> Option<ProducerSnapshot<'_>> {
    let snapshot = ProducerSnapshot::parse(bytes).ok()?;
    (snapshot.crc() == snapshot.compute_crc()).then_some(snapshot)
}

fn contradictions(
    snapshot: &ProducerSnapshot<'_>,
    producers: &Producers,
    compacted: bool,
) -> BTreeMap<i64, &'static str> {
    let mut found = BTreeMap::new();
    let mut stored_ids = BTreeSet::new();
    for stored in snapshot.iter() {
        stored_ids.insert(stored.producer_id);
        let beside = Beside { stored, start: producers.start(), compacted };
        let why = match producers.get(stored.producer_id) {
            None => beside.unknown(),
            Some(known) => beside.known(known),
        };
        if let Some(why) = why {
            found.insert(stored.producer_id, why);
        }
    }
    let kept = Kept::new(snapshot, producers);
    for known in producers.iter().filter(|known| !stored_ids.contains(&known.entry.producer_id)) {
        let is_open = known.entry.current_txn_first_offset.is_some();
        let why = if is_open && known.first_records.is_some() {
            "missing, though its transaction is open"
        } else if !compacted && kept.has_older_than(known) {
            "missing, though producers that were silent for longer are there"
        } else {
            continue;
        };
        found.insert(known.entry.producer_id, why);
    }
    found
}

/// The producers that did not expire: when, and with which timestamp, each was heard of last.
struct Kept(Vec<(Offset, i64)>);

impl Kept {
    fn new(snapshot: &ProducerSnapshot<'_>, producers: &Producers) -> Self {
        let mut kept: Vec<_> = snapshot
            .iter()
            .filter(|stored| stored.current_txn_first_offset.is_none())
            .filter_map(|stored| {
                let known = producers.get(stored.producer_id)?;
                let is_same = known.entry.timestamp == stored.timestamp;
                is_same.then_some((known.updated_at?, stored.timestamp))
            })
            .collect();
        kept.sort_unstable();
        let mut least = i64::MAX;
        for (_, timestamp) in &mut kept {
            least = least.min(*timestamp);
            *timestamp = least;
        }
        Self(kept)
    }

    /// True when one that was heard of before `known`, with a timestamp no younger, is there.
    fn has_older_than(&self, known: &Producer) -> bool {
        let Some(updated_at) = known.updated_at else { return false };
        let before = self.0.partition_point(|(at, _)| *at < updated_at);
        let oldest = before.checked_sub(1).and_then(|index| self.0.get(index));
        oldest.is_some_and(|(_, timestamp)| *timestamp <= known.entry.timestamp)
    }
}

/// An entry of a snapshot beside what the replay knows.
struct Beside {
    stored: ProducerEntry,
    start: Offset,
    compacted: bool,
}

impl Beside {
    /// Of a producer that the replay did not come upon.
    fn unknown(&self) -> Option<&'static str> {
        let is_older = match self.stored.last_batch {
            Some(batch) => batch.last_offset < self.start,
            None => self.start.0 > 0,
        };
        (!is_older && !self.compacted).then_some("the log has no batch of it")
    }

    fn known(&self, known: &Producer) -> Option<&'static str> {
        if known.updated_at.is_none() {
            let is_new = self.stored.last_batch.is_some_and(|b| b.last_offset >= self.start);
            return (is_new && !self.compacted).then_some("the log has no such batch of it");
        }
        self.last_batch(known).or_else(|| self.transaction(known)).or_else(|| self.rest(known))
    }

    fn last_batch(&self, known: &Producer) -> Option<&'static str> {
        if self.stored.last_batch.is_some_and(|stored| self.is_marker(stored, known)) {
            return None;
        }
        let replayed = known.entry.last_batch.filter(|batch| batch.last_offset >= self.start);
        match (self.stored.last_batch, replayed) {
            (Some(stored), Some(replayed)) => self.both(stored, replayed),
            (None, Some(replayed)) => {
                // It expired, and then only a marker came.
                let is_marker_behind = known.last_end.is_some_and(|at| at > replayed.last_offset);
                let is_explained = is_marker_behind || self.compacted;
                (!is_explained).then_some("without a last batch, of which the log has one")
            }
            (Some(stored), None) => {
                let is_older = stored.last_offset < self.start || self.compacted;
                (!is_older).then_some("the log has no such last batch of its epoch")
            }
            (None, None) => None,
        }
    }

    fn both(&self, stored: LastBatch, replayed: LastBatch) -> Option<&'static str> {
        if stored.last_offset < replayed.last_offset {
            return Some("the log has a later batch of it");
        }
        if stored.last_offset > replayed.last_offset {
            return (!self.compacted).then_some("the log has no such batch of it");
        }
        (stored != replayed).then_some("other sequence numbers than its last batch")
    }

    /// True for what 0.11 took for the last batch: a marker behind it, and the last sequence.
    fn is_marker(&self, stored: LastBatch, known: &Producer) -> bool {
        let ends = known.first_end_since_data.zip(known.last_end);
        let is_at_end = ends.is_some_and(|(first, last)| {
            (first..=last).contains(&stored.last_offset) && stored.offset_delta == 0
        });
        let is_its_sequence = match known.entry.last_batch {
            Some(batch) => stored.last_sequence == batch.last_sequence,
            // The batch may stand before the first segment; with a new epoch there is none.
            None => stored.last_sequence == -1 || self.start.0 > 0,
        };
        is_at_end && (is_its_sequence || self.compacted)
    }

    /// True for what 1.0 and 1.1 left as it was when a marker came: the last batch's timestamp.
    fn is_older_timestamp(&self, known: &Producer) -> bool {
        let last_batch = known.entry.last_batch.filter(|batch| batch.last_offset >= self.start);
        let is_data = match (last_batch, self.stored.last_batch) {
            (Some(_), _) => known.data_timestamp == Some(self.stored.timestamp),
            (None, None) => self.stored.timestamp == -1,
            (None, Some(stored)) => stored.last_offset < self.start,
        };
        known.first_end_since_data.is_some() && is_data
    }

    fn transaction(&self, known: &Producer) -> Option<&'static str> {
        let replayed = known.entry.current_txn_first_offset;
        let records = known.first_records.map(|first| first.offset);
        match (self.stored.current_txn_first_offset, replayed) {
            (None, Some(_)) if records.is_some() => Some("its open transaction is missing"),
            (Some(stored), Some(first)) if stored > first && records.is_some() => {
                Some("its open transaction begins earlier")
            }
            (Some(stored), Some(first)) if stored < first && stored >= self.start => {
                (!self.compacted).then_some("its open transaction begins later")
            }
            (Some(stored), None) => {
                let is_ended = known.last_end.is_some_and(|end| end > stored);
                let is_explained = self.compacted || stored < self.start;
                (is_ended || !is_explained).then_some("the log has no such open transaction")
            }
            _ => None,
        }
    }

    fn rest(&self, known: &Producer) -> Option<&'static str> {
        let (stored, replayed) = (&self.stored, &known.entry);
        if self.compacted {
            return None;
        }
        // -1: it expired since the marker.
        let knows_coordinator = known.last_end.is_some() || self.start.0 <= 0;
        let has_other_coordinator = knows_coordinator
            && ![-1, replayed.coordinator_epoch].contains(&stored.coordinator_epoch);
        if stored.producer_epoch != replayed.producer_epoch {
            Some("another epoch than its last batch")
        } else if stored.timestamp != replayed.timestamp && !self.is_older_timestamp(known) {
            Some("another timestamp than its last batch")
        } else if has_other_coordinator {
            Some("another coordinator epoch than its last marker")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::producer_snapshot::encode;
    use crate::format::replay::{BatchFacts, Marker};
    use crate::format::{Attributes, Position};

    /// Of producer 7: two batches of three records, at timestamps 100 and 200.
    fn facts(number: i32, marker: Marker) -> BatchFacts {
        // Batch 2 is the marker, of one offset.
        let base = i64::from(number) * 3 - if number > 2 { 2 } else { 0 };
        let is_marker = marker != Marker::None;
        let records = if is_marker { 1 } else { 3 };
        BatchFacts {
            position: Position(base.unsigned_abs() * 100),
            size: 100,
            base_offset: Some(Offset(base)),
            last_offset: Offset(base + records - 1),
            magic: 2,
            attributes: Attributes(if is_marker { 0x30 } else { 0x10 }),
            partition_leader_epoch: 0,
            max_timestamp: (i64::from(number) + 1) * 100,
            records_count: i32::try_from(records).ok(),
            producer_id: 7,
            producer_epoch: 0,
            base_sequence: if is_marker { -1 } else { number * 3 },
            last_sequence: if is_marker { -1 } else { number * 3 + 2 },
            marker,
        }
    }

    /// As old brokers wrote it: the log says nothing against it, and it stays as it is.
    #[test]
    fn entries_of_0_11_and_1_0_and_1_1() {
        let mut producers = Producers::new(Offset(0));
        producers.take(&facts(0, Marker::None));
        producers.take(&facts(1, Marker::None));
        let marker = Marker::End { is_abort: false, coordinator_epoch: 0, timestamp: 350 };
        producers.take(&facts(2, marker));
        let [newest] = producers.entries()[..] else { panic!("one producer") };
        let last = |last_sequence, last_offset, offset_delta| {
            Some(LastBatch { last_sequence, last_offset: Offset(last_offset), offset_delta })
        };
        assert_eq!((newest.last_batch, newest.timestamp), (last(5, 5, 2), 350));
        let sound = [
            newest,
            ProducerEntry { timestamp: 200, ..newest },
            ProducerEntry { last_batch: last(5, 6, 0), ..newest },
        ];
        let wrong = [
            ProducerEntry { timestamp: 100, ..newest },
            ProducerEntry { last_batch: last(4, 6, 0), ..newest },
            ProducerEntry { last_batch: last(5, 6, 1), ..newest },
            ProducerEntry { last_batch: last(5, 7, 0), ..newest },
            ProducerEntry { last_batch: last(2, 3, 0), ..newest },
        ];
        for (entries, is_sound) in [(&sound[..], true), (&wrong[..], false)] {
            for entry in entries {
                let built = rebuilt(Some(&encode(&[*entry])), &producers, false);
                assert_eq!(built.is_none(), is_sound, "{entry:?}");
            }
        }
        // Behind the next batch, what a marker did before it is of the past.
        producers.take(&facts(3, Marker::None));
        let newest = producers.entries()[0];
        for entry in [
            ProducerEntry { timestamp: 200, ..newest },
            ProducerEntry { last_batch: last(5, 6, 0), ..newest },
        ] {
            assert!(rebuilt(Some(&encode(&[entry])), &producers, false).is_some(), "{entry:?}");
        }
    }
}
