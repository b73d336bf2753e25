//! Offset, time and transaction indexes and producer snapshots: entries, and their searches against
//! looking at one after the other.

use super::memory::{SMALL, within};
use super::picks::Picks;
use super::slow;
use segkit::format::Offset;
use segkit::format::offset_index::{OffsetIndex, OffsetPosition};
use segkit::format::producer_snapshot::{self, ProducerSnapshot};
use segkit::format::time_index::{TimeIndex, TimestampOffset};
use segkit::format::txn_index::TxnIndex;

/// Entries that are looked up; files are short.
const LOOKED_UP: usize = 200;

/// The first byte says which file it is, and whether its entries are put in order.
pub fn run(data: &[u8]) {
    let mut picks = Picks::new(data);
    let choice = picks.byte();
    let base = Offset(picks.number());
    let mut bytes = picks.rest().to_vec();
    within(SMALL + 16 * bytes.len(), || match choice % 4 {
        0 => {
            sort(&mut bytes, 8, choice & 4 != 0);
            offset_index(&bytes, base);
        }
        1 => {
            sort(&mut bytes, 12, choice & 4 != 0);
            time_index(&bytes, base);
        }
        2 => txn_index(&bytes),
        _ => snapshot(&bytes),
    });
}

/// Puts entries in the order of their bytes, which is that of numbers not below 0.
fn sort(bytes: &mut [u8], size: usize, wanted: bool) {
    if wanted {
        let mut entries: Vec<Vec<u8>> = bytes.chunks_exact(size).map(<[u8]>::to_vec).collect();
        for entry in &mut entries {
            entry[0] &= 0x7f;
        }
        entries.sort();
        let sorted = entries.concat();
        bytes[..sorted.len()].copy_from_slice(&sorted);
    }
}

/// Entries up to the zeros at the end, if there is no zero entry among them but the first.
fn entries_by_scan(bytes: &[u8], size: usize) -> Option<usize> {
    let is_zero = |entry: &&[u8]| entry.iter().all(|&byte| byte == 0);
    let entries: Vec<&[u8]> = bytes.chunks_exact(size).collect();
    let end = entries.iter().rposition(|entry| !is_zero(entry)).map_or(0, |last| last + 1);
    let zeros = entries[..end].iter().skip(1).filter(|entry| is_zero(entry)).count();
    (zeros == 0).then_some(end)
}

fn offset_index(bytes: &[u8], base: Offset) {
    let index = OffsetIndex::new(bytes, base);
    assert_eq!(index.entries_as_kafka(), bytes.len() / 8);
    assert_eq!(index.bytes_left(), bytes.len() % 8);
    assert_eq!(index.entries() * 8 + index.tail().len(), bytes.len());
    if let Some(entries) = entries_by_scan(bytes, 8) {
        assert_eq!(index.entries(), entries);
    }
    let all: Vec<OffsetPosition> = index.iter().collect();
    assert_eq!(all.len(), index.entries());
    assert_eq!(all.last().copied(), index.last());
    for (at, entry) in all.iter().enumerate() {
        let bytes = &bytes[8 * at..8 * at + 8];
        let relative = slow::number(bytes, 0, 4) as i64;
        assert_eq!((entry.index, entry.offset), (at, base.plus(relative)));
        assert_eq!(i128::from(entry.position), slow::number(bytes, 4, 4));
        assert_eq!(entry.log_position().is_none(), entry.position < 0);
    }
    assert_eq!(index.get(index.entries_as_kafka()), None);
    let is_sorted = all.is_sorted_by(|a, b| a.offset <= b.offset);
    let targets = all.iter().take(LOOKED_UP).map(|entry| entry.offset.0);
    for target in targets.chain([i64::MIN, -1, 0, i64::MAX]).flat_map(around) {
        let floor = index.floor(Offset(target));
        assert!(floor.steps <= 64);
        assert!(floor.entry.is_none_or(|found| found.offset.0 <= target));
        if is_sorted {
            let obvious = all.iter().rfind(|entry| entry.offset.0 <= target);
            assert_eq!(floor.entry.as_ref(), obvious, "the floor of {target}");
        }
    }
}

fn around(number: i64) -> [i64; 3] {
    [number.saturating_sub(1), number, number.saturating_add(1)]
}

fn time_index(bytes: &[u8], base: Offset) {
    let index = TimeIndex::new(bytes, base);
    assert_eq!(index.entries_as_kafka(), bytes.len() / 12);
    assert_eq!(index.bytes_left(), bytes.len() % 12);
    assert_eq!(index.entries() * 12 + index.tail().len(), bytes.len());
    if let Some(entries) = entries_by_scan(bytes, 12).filter(|_| bytes.len() / 12 != 1) {
        assert_eq!(index.entries(), entries);
    }
    let all: Vec<TimestampOffset> = index.iter().collect();
    assert_eq!(all.last().copied(), index.last());
    for (at, entry) in all.iter().enumerate() {
        let bytes = &bytes[12 * at..12 * at + 12];
        assert_eq!(i128::from(entry.timestamp), slow::number(bytes, 0, 8));
        assert_eq!(entry.offset, base.plus(slow::number(bytes, 8, 4) as i64));
    }
    let is_sorted = all.is_sorted_by(|a, b| a.timestamp <= b.timestamp);
    let targets = all.iter().take(LOOKED_UP).map(|entry| entry.timestamp);
    for target in targets.chain([i64::MIN, -1, 0, i64::MAX]).flat_map(around) {
        let floor = index.floor(target);
        assert!(floor.steps <= 64);
        assert!(floor.entry.is_none_or(|found| found.timestamp <= target));
        if is_sorted {
            let obvious = all.iter().rfind(|entry| entry.timestamp <= target);
            assert_eq!(floor.entry.as_ref(), obvious, "the floor of {target}");
        }
    }
}

fn txn_index(bytes: &[u8]) {
    let index = TxnIndex::new(bytes);
    assert_eq!(index.entries(), bytes.len() / 34);
    assert_eq!(index.bytes_left(), bytes.len() % 34);
    let mut encoded = Vec::new();
    for (at, entry) in index.iter().enumerate() {
        let stored = &bytes[34 * at..34 * at + 34];
        let Ok(entry) = entry else {
            assert_ne!(stored[0], 0, "a known version is refused");
            break;
        };
        assert_eq!(index.get(at), Some(Ok(entry)));
        entry.encode(&mut encoded);
        assert_eq!(encoded[34 * at + 2..], stored[2..]);
    }
    assert_eq!(index.get(index.entries()), None);
}

fn snapshot(bytes: &[u8]) {
    let Ok(snapshot) = ProducerSnapshot::parse(bytes) else {
        assert!(
            bytes.len() < 10
                || slow::number(bytes, 0, 2) != 1
                || slow::number(bytes, 6, 4) < 0
                || slow::number(bytes, 6, 4) * 46 + 10 > bytes.len() as i128
        );
        return;
    };
    assert_eq!(snapshot.entries() * 46 + 10 + snapshot.bytes_left(), bytes.len());
    assert_eq!(snapshot.crc(), slow::number(bytes, 2, 4) as u32);
    assert_eq!(snapshot.compute_crc(), slow::crc32c(&bytes[6..]));
    let entries: Vec<_> = snapshot.iter().collect();
    assert_eq!(entries.len(), snapshot.entries());
    for (at, entry) in entries.iter().enumerate() {
        let stored = &bytes[10 + 46 * at..];
        assert_eq!(i128::from(entry.producer_id), slow::number(stored, 0, 8));
        assert_eq!(i128::from(entry.timestamp), slow::number(stored, 26, 8));
        if let Some(last) = entry.last_batch {
            assert_eq!(i128::from(last.last_offset.0), slow::number(stored, 14, 8));
            let _ = last.first_sequence();
        }
    }
    // Written again it says the same.
    let written = producer_snapshot::encode(&entries);
    let again = ProducerSnapshot::parse(&written).unwrap();
    assert_eq!(again.crc(), again.compute_crc());
    assert!(again.iter().eq(entries));
}
