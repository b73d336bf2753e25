//! The replay against a slow one that looks at the whole history again for every question, on
//! made-up histories of interleaved transactions.

use super::snapshots::{difference, rebuilt, sound_snapshot};
use super::*;
use crate::format::checkpoint::{EpochEntry, encode, leader_epoch_checkpoint};
use crate::format::producer_snapshot::{self, LastBatch, ProducerEntry};
use crate::format::txn_index::AbortedTxn;
use crate::format::{Attributes, Offset, Position};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// What a producer does next.
#[derive(Clone, Copy, Debug)]
enum Act {
    Data(i32),
    Plain,
    Commit,
    Abort,
    AbortWithNewEpoch,
}

fn acts() -> impl Strategy<Value = Vec<(i64, Act)>> {
    let act = prop_oneof![
        4 => (1..4_i32).prop_map(Act::Data),
        1 => Just(Act::Plain),
        1 => Just(Act::Commit),
        2 => Just(Act::Abort),
        1 => Just(Act::AbortWithNewEpoch),
    ];
    vec((0..5_i64, act), 0..60)
}

/// A log as healthy brokers write it: producers 0 to 3 are transactional, 4 is not, and 3 begins
/// just below the greatest sequence number.
fn history(acts: &[(i64, Act)]) -> Vec<BatchFacts> {
    let mut sequences = [0, 0, 0, i32::MAX - 2, 0];
    let mut epochs = [0_i16; 5];
    let (mut log, mut offset) = (Vec::new(), 0_i64);
    for (number, &(id, act)) in acts.iter().enumerate() {
        let at = usize::try_from(id).unwrap();
        let (is_plain, id) = (matches!(act, Act::Plain), if at == 4 { 4 } else { id });
        let records = if let Act::Data(records) = act { records } else { 1 };
        let is_data = is_plain || at == 4 || matches!(act, Act::Data(_));
        if matches!(act, Act::AbortWithNewEpoch) && !is_data {
            (epochs[at], sequences[at]) = (epochs[at] + 1, 0);
        }
        let (base_sequence, mut last_sequence) = (sequences[at], -1);
        if is_data && !is_plain {
            for _ in 0..records {
                last_sequence = sequences[at];
                sequences[at] = sequences[at].checked_add(1).unwrap_or(0);
            }
        }
        let is_abort = !matches!(act, Act::Commit);
        let marker = Marker::End { is_abort, coordinator_epoch: 7, timestamp: number as i64 };
        let bits = [(at != 4 && !is_plain, 16), (!is_data, 32)];
        log.push(BatchFacts {
            position: Position(number as u64 * 100),
            size: 100,
            base_offset: Some(Offset(offset)),
            last_offset: Offset(offset + i64::from(records) - 1),
            magic: 2,
            attributes: Attributes(bits.iter().filter(|(is, _)| *is).map(|(_, bit)| *bit).sum()),
            partition_leader_epoch: 0,
            max_timestamp: number as i64,
            records_count: Some(records),
            producer_id: if is_plain { -1 } else { id },
            producer_epoch: if is_plain { -1 } else { epochs[at] },
            base_sequence: if is_data && !is_plain { base_sequence } else { -1 },
            last_sequence,
            marker: if is_data { Marker::None } else { marker },
        });
        offset += i64::from(records);
    }
    log
}

fn is_end(batch: &BatchFacts) -> bool {
    batch.attributes.is_control()
}

/// Where the transaction of `id` that is open behind `log` began.
fn open_since(log: &[BatchFacts], id: i64) -> Option<Offset> {
    let own = log.iter().filter(|batch| batch.producer_id == id && id != 4);
    own.rev().take_while(|batch| !is_end(batch)).last().and_then(|batch| batch.base_offset)
}

/// The entry of the marker that `log` ends with.
fn entry_of(log: &[BatchFacts]) -> Option<AbortedTxn> {
    let (marker, before) = log.split_last()?;
    let Marker::End { is_abort: true, .. } = marker.marker else { return None };
    let first_offset = open_since(before, marker.producer_id)?;
    let others = (0..4).filter(|id| *id != marker.producer_id);
    let oldest = others.filter_map(|id| open_since(before, id)).min();
    Some(AbortedTxn {
        index: 0,
        version: 0,
        producer_id: marker.producer_id,
        first_offset,
        last_offset: marker.last_offset,
        last_stable_offset: oldest.unwrap_or(marker.last_offset.plus(1)),
    })
}

/// What a snapshot behind `log` says of `id`.
fn state_of(log: &[BatchFacts], id: i64) -> Option<ProducerEntry> {
    let own: Vec<_> = log.iter().filter(|batch| batch.producer_id == id).collect();
    let last = own.last()?;
    let data = own.iter().rfind(|batch| !is_end(batch));
    let data = data.filter(|batch| batch.producer_epoch == last.producer_epoch);
    // An epoch that came and went in between forgets, too.
    Some(ProducerEntry {
        index: 0,
        producer_id: id,
        producer_epoch: last.producer_epoch,
        last_batch: data.map(|batch| LastBatch {
            last_sequence: batch.last_sequence,
            last_offset: batch.last_offset,
            offset_delta: i32::try_from(batch.last_offset.0 - batch.base_offset.unwrap().0)
                .unwrap(),
        }),
        timestamp: last.max_timestamp,
        coordinator_epoch: if own.iter().any(|batch| is_end(batch)) { 7 } else { -1 },
        current_txn_first_offset: open_since(log, id),
    })
}

fn index_of(entries: &[AbortedTxn]) -> Vec<u8> {
    let mut bytes = Vec::new();
    entries.iter().for_each(|entry| entry.encode(&mut bytes));
    bytes
}

/// The verdicts on an index of the whole log, which is one segment, and the rebuilt one. The
/// batches numbered in `lost` are damaged.
fn judged(log: &[BatchFacts], bytes: &[u8], lost: &[usize]) -> (Vec<Verdict>, Option<Vec<u8>>) {
    let mut producers = Producers::new(Offset(0));
    let mut index = AbortedIndex::new(Offset(0), Some(bytes), false).rebuilding();
    for (number, batch) in log.iter().enumerate() {
        if lost.contains(&number) {
            producers.damaged();
            index.damaged();
        } else {
            index.batch(batch, &producers.take(batch));
        }
    }
    index.end(None);
    let is_said = |verdict: &Verdict| match verdict {
        Verdict::FirstOffset { across_gap, .. } | Verdict::Missing { across_gap, .. } => {
            !across_gap
        }
        _ => true,
    };
    let verdicts = index.found().filter(is_said).collect();
    (verdicts, index.rebuilt(false))
}

proptest! {
    #[test]
    fn the_replay_against_a_slow_one(acts in acts()) {
        let log = history(&acts);
        let mut producers = Producers::new(Offset(0));
        for (number, batch) in log.iter().enumerate() {
            let so_far = &log[..=number];
            let step = producers.take(batch);
            prop_assert_eq!(step.sequence_break, None);
            prop_assert_eq!(step.ended.and_then(|ended| ended.entry()), entry_of(so_far));
            if let Some(ended) = step.ended {
                prop_assert_eq!(ended.last_stable_offset, ended.sure_last_stable_offset);
                prop_assert_eq!(ended.first_records, ended.first_offset);
            }
            let mut states = producers.entries();
            states.iter_mut().for_each(|entry| entry.index = 0);
            let slow: Vec<_> = (0..5).filter_map(|id| state_of(so_far, id)).collect();
            prop_assert_eq!(&states, &slow);
            let oldest = (0..4).filter_map(|id| open_since(so_far, id)).min();
            let (end, oldest) = (Offset(999), oldest.unwrap_or(Offset(999)));
            prop_assert_eq!(producers.last_stable_offset(end), oldest);
            // A replay that goes on from a snapshot is the same replay.
            let next = batch.last_offset.plus(1);
            let mut resumed = Producers::starting_from(next, states.into_iter());
            for batch in &log[number + 1..] {
                resumed.take(batch);
            }
            let ends: Vec<_> = (0..5).filter_map(|id| state_of(&log, id)).collect();
            let mut resumed = resumed.entries();
            resumed.iter_mut().for_each(|entry| entry.index = 0);
            prop_assert_eq!(resumed, ends);
        }
    }

    #[test]
    fn an_index_is_judged_and_rebuilt(acts in acts(), lost in vec(0..60_usize, 0..3)) {
        let log = history(&acts);
        let entries: Vec<_> = (1..=log.len()).filter_map(|end| entry_of(&log[..end])).collect();
        let whole = index_of(&entries);
        prop_assert_eq!(judged(&log, &whole, &[]), (vec![], None));
        // What was lost accuses no entry.
        prop_assert_eq!(judged(&log, &whole, &lost).0, vec![]);
        // Nor does what is gone without a trace.
        let numbered = log.iter().copied().enumerate();
        let rest: Vec<_> = numbered.filter(|(at, _)| !lost.contains(at)).map(|(_, b)| b).collect();
        if rest.last() == log.last() && rest.first() == log.first() {
            prop_assert_eq!(judged(&rest, &whole, &[]), (vec![], None));
        }
        for (number, entry) in entries.iter().enumerate() {
            let mut without = entries.clone();
            without.remove(number);
            let verdict = Verdict::Missing { entry: *entry, across_gap: false };
            let expected = (vec![verdict], Some(whole.clone()));
            prop_assert_eq!(judged(&log, &index_of(&without), &[]), expected);
            let change = |change: &dyn Fn(&mut AbortedTxn)| {
                let mut changed = entries.clone();
                change(&mut changed[number]);
                judged(&log, &index_of(&changed), &[])
            };
            // Every lower last stable offset is wrong, and every first offset that is too high.
            for lower in 0..entry.last_stable_offset.0 {
                let (verdicts, rebuilt) = change(&|entry| entry.last_stable_offset = Offset(lower));
                let is_it = matches!(verdicts[..], [Verdict::LastStableOffset { computed, .. }]
                    if computed == entry.last_stable_offset);
                prop_assert!(is_it, "{:?}", verdicts);
                prop_assert_eq!(rebuilt.as_ref(), Some(&whole));
            }
            for first in 0..entry.last_offset.0 + 3 {
                let (verdicts, rebuilt) = change(&|entry| entry.first_offset = Offset(first));
                // A reader hides this producer's records from the first offset to the marker.
                let hidden = |from: i64| -> BTreeSet<i64> {
                    let own = log.iter().filter(|b| b.producer_id == entry.producer_id);
                    let own = own.filter(|b| !is_end(b) && b.last_offset < entry.last_offset);
                    own.filter(|b| b.base_offset.unwrap().0 >= from)
                        .map(|b| b.base_offset.unwrap().0)
                        .collect()
                };
                let is_same = hidden(first) == hidden(entry.first_offset.0);
                let is_above = first > entry.first_offset.0;
                let crosses = log.iter().any(|b| {
                    let before = b.last_offset < entry.first_offset && b.last_offset.0 >= first;
                    before && b.producer_id == entry.producer_id
                });
                prop_assert!(!is_above || crosses || !verdicts.is_empty());
                prop_assert_eq!(verdicts.is_empty(), is_same && !is_above && !crosses);
                if !verdicts.is_empty() {
                    prop_assert_eq!(rebuilt.as_ref(), Some(&whole));
                }
            }
        }
    }

    #[test]
    fn a_snapshot_is_judged_and_rebuilt(acts in acts(), lost in 0..5_i64) {
        let log = history(&acts);
        let mut producers = Producers::new(Offset(0));
        log.iter().for_each(|batch| { producers.take(batch); });
        let entries = producers.entries();
        let bytes = producer_snapshot::encode(&entries);
        let snapshot = sound_snapshot(&bytes).unwrap();
        prop_assert_eq!(difference(&snapshot, &producers, false), None);
        prop_assert_eq!(difference(&snapshot, &producers, true), None);
        prop_assert_eq!(rebuilt(Some(&bytes), &producers, false), None);
        for damaged in [None, Some(&bytes[..bytes.len() - 1])] {
            prop_assert_eq!(rebuilt(damaged, &producers, false), Some(bytes.clone()));
        }
        // One that is missing expired, if none that was silent for longer is there.
        let Some(gone) = entries.iter().find(|entry| entry.producer_id == lost) else {
            return Ok(());
        };
        let kept: Vec<_> = entries.iter().copied().filter(|e| e.producer_id != lost).collect();
        let without = producer_snapshot::encode(&kept);
        let is_expired = gone.current_txn_first_offset.is_none()
            && kept.iter().all(|entry| {
                entry.timestamp > gone.timestamp || entry.current_txn_first_offset.is_some()
            });
        let found = difference(&sound_snapshot(&without).unwrap(), &producers, false);
        prop_assert_eq!(found.is_none(), is_expired);
        let made = rebuilt(Some(&without), &producers, false);
        prop_assert_eq!(made, (!is_expired).then_some(bytes));
    }

    /// Any checkpoint beside any epochs: what is rebuilt is right, and the rest is kept.
    #[test]
    fn a_checkpoint_is_rebuilt(
        epochs in vec((0..3_i32, 1..5_i64), 0..12),
        stored in vec((0..8_i32, 0..40_i64), 0..5),
    ) {
        let (mut epoch, mut offset) = (0, 0);
        let mut log = Vec::new();
        for (rise, records) in epochs {
            epoch += rise;
            let batch = history(&[(0, Act::Data(1))])[0];
            log.push(BatchFacts {
                partition_leader_epoch: epoch,
                base_offset: Some(Offset(offset)),
                last_offset: Offset(offset + records - 1),
                ..batch
            });
            offset += records;
        }
        let entry = |&(epoch, start): &(i32, i64)| {
            EpochEntry { epoch, start_offset: Offset(start) }
        };
        let stored: Vec<_> = stored.iter().map(entry).collect();
        let bytes = encode(&stored).into_bytes();
        // What is wrong with entries, batch by batch.
        let rises = |entries: &[EpochEntry]| entries.windows(2).all(|pair| {
            pair[0].epoch < pair[1].epoch && pair[0].start_offset < pair[1].start_offset
        });
        let agrees = |entries: &[EpochEntry]| log.iter().all(|batch| {
            let base = batch.base_offset.unwrap();
            let here = entries.iter().rfind(|entry| entry.start_offset <= base);
            here.is_none_or(|entry| entry.epoch == batch.partition_leader_epoch)
        });
        let is_inside = |entries: &[EpochEntry]| {
            entries.iter().all(|entry| entry.start_offset.0 <= offset)
        };
        let is_right = |entries: &[EpochEntry]| {
            rises(entries) && agrees(entries) && is_inside(entries)
        };
        let rebuild = |bytes: Option<&[u8]>| {
            let mut epochs = Epochs::beside(bytes);
            log.iter().for_each(|batch| epochs.take(batch));
            epochs.rebuilt(bytes, Offset(offset))
        };
        let made = rebuild(Some(&bytes));
        prop_assert_eq!(made.is_none(), is_right(&stored), "{:?} {:?}", stored, made);
        if let Some(made) = made {
            prop_assert_eq!(rebuild(Some(&made)), None);
            let entries = leader_epoch_checkpoint(&made).unwrap();
            let entries: Vec<_> = entries.iter().map(|entry| entry.value).collect();
            prop_assert!(is_right(&entries), "{:?} {:?}", stored, entries);
            // Those that neither the log nor another stored entry contradicts are kept.
            for kept in stored.iter().filter(|kept| kept.start_offset.0 <= offset) {
                let is_alone = stored.iter().all(|other| {
                    let order = other.epoch.cmp(&kept.epoch);
                    other == kept
                        || order.is_ne() && order == other.start_offset.cmp(&kept.start_offset)
                });
                let is_allowed = log.iter().all(|batch| {
                    let (base, start) = (batch.base_offset.unwrap(), kept.start_offset);
                    let epoch = batch.partition_leader_epoch;
                    let is_first_of_higher = base == start && epoch > kept.epoch;
                    (base >= start) == (epoch >= kept.epoch) && !is_first_of_higher
                });
                let is_kept = entries.contains(kept);
                prop_assert!(!is_alone || !is_allowed || is_kept, "{:?} {:?}", stored, entries);
            }
        }
    }
}
