//! The walk over damaged logs and the search behind damage: every byte is in exactly one piece,
//! what is called proved proves itself, the work is linear.

use super::memory::{SMALL, within};
use super::picks::Picks;
use super::seal::seal;
use super::slow;
use segkit::format::resync::{LOOKAHEAD, Next, Resync, Work};
use segkit::format::{Batch, Offset, Position};
use segkit::limits::Limits;
use segkit::log::FileBytes;
use segkit::log::index_bytes::IndexBytes;
use segkit::log::runs::{Bounds, Cutter, DamageKind, Piece, Scanner};
use std::ops::Range;
use std::path::Path;

/// Each kind of answer that a search keeps, one megabyte of each; and two windows.
const SEARCH: usize = 6 << 20;
const START: u64 = 5_000;
/// Up to this length every position is looked at by the second reader.
const SHORT: usize = 8 << 10;

type Found = (Range<u64>, bool);

/// The first byte says whether checksums are made right before the damage, which the next ones say:
/// where, and by what, a few bytes are replaced.
pub fn run(data: &[u8]) {
    let mut picks = Picks::new(data);
    let choice = picks.byte();
    let damages: Vec<(usize, u8)> =
        (0..choice >> 5).map(|_| (usize::from(picks.u16()), picks.byte())).collect();
    let bounds = Bounds {
        last_proved: (choice & 2 != 0).then(|| Offset(picks.number())),
        segment_base: (choice & 4 != 0).then(|| Offset(picks.number())),
        next_segment_base: (choice & 8 != 0).then(|| Offset(picks.number())),
    };
    let mut bytes = picks.rest().to_vec();
    if choice & 1 == 1 {
        seal(&mut bytes);
        for (at, change) in damages {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= change;
            }
        }
    }
    within(SEARCH + 16 * bytes.len() + SMALL, || {
        let whole = walk(&FileBytes::owned(Path::new("log"), bytes.clone()), &bytes, bounds);
        if choice & 16 != 0 {
            // What comes in through a pipe is walked with less in memory at a time.
            let pipe = Box::new(std::io::Cursor::new(bytes.clone()));
            let piped = walk(&FileBytes::stream(Path::new("log"), pipe), &bytes, bounds);
            assert_eq!(piped, whole, "a pipe gives other pieces");
        }
    });
    within(SEARCH + 16 * bytes.len() + SMALL, || rebuild(&bytes));
    within(SEARCH + 16 * bytes.len() + SMALL, || search(&bytes, bounds));
    within(SMALL + 16 * bytes.len(), || cut(&bytes));
}

/// Whether the second reader says that a batch at `at` proves itself.
fn proves(bytes: &[u8], range: &Range<u64>) -> bool {
    let header = slow::header(&bytes[range.start as usize..]);
    header.is_some_and(|header| {
        header.crc == header.computed_crc && header.size as u64 == range.end - range.start
    })
}

fn walk(file: &FileBytes, bytes: &[u8], bounds: Bounds) -> Vec<Found> {
    let length = bytes.len() as u64;
    let mut scanner = Scanner::new(file, 0..file.len(), bounds, Limits::STANDARD);
    let (mut at, mut found) = (0, Vec::new());
    while let Some(piece) = scanner.next().unwrap() {
        let (range, is_proved) = match &piece {
            Piece::Proved(batch) => (batch.position()..batch.end(), true),
            Piece::Damaged(damage) => {
                if damage.kind == DamageKind::Zeros {
                    assert_eq!(damage.range.end.0, length);
                    assert!(bytes[damage.range.start.0 as usize..].iter().all(|&byte| byte == 0));
                }
                assert!(!matches!(damage.kind, DamageKind::Gone | DamageKind::Limit { .. }));
                (damage.range.clone(), false)
            }
        };
        let range = range.start.0..range.end.0;
        assert_eq!(range.start, at, "the pieces do not touch");
        assert!(range.end > at && range.end <= length, "{range:?} of {length}");
        assert!(!is_proved || proves(bytes, &range), "{range:?} is called proved");
        at = range.end;
        assert_eq!(scanner.position(), at);
        found.push((range, is_proved));
    }
    assert_eq!(at, length, "the end is in no piece");
    assert!(scanner.next().unwrap().is_none());
    found
}

/// The index that is made of the log: entries rise and lead to batches that prove themselves, and
/// are found by their searches.
fn rebuild(bytes: &[u8]) {
    let file = FileBytes::owned(Path::new("log"), bytes.to_vec());
    let end = Position(bytes.len() as u64);
    let rebuilt = IndexBytes::rebuilt(&file, Offset(0), end, Limits::STANDARD).unwrap();
    assert!(rebuilt.damaged.iter().all(|range| range.start < range.end && range.end <= end));
    assert!(rebuilt.damaged.is_sorted_by(|a, b| a.end < b.start));
    let pairs: Vec<(i64, u64)> = rebuilt
        .index
        .as_bytes()
        .chunks(8)
        .map(|entry| (slow::number(entry, 0, 4) as i64, slow::number(entry, 4, 4) as u64))
        .collect();
    assert!(pairs.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1), "{pairs:?}");
    for &(offset, position) in &pairs {
        let header = slow::header(&bytes[position as usize..]).unwrap();
        assert_eq!(header.crc, header.computed_crc);
        let delta = header.v2.map_or(0, |v2| v2.last_offset_delta);
        assert_eq!(header.offset.saturating_add(delta.into()), offset);
    }
    if pairs.last() == Some(&(0, 0)) {
        // One entry of zeros looks like none.
        return;
    }
    for target in pairs.iter().flat_map(|pair| [pair.0 - 1, pair.0, pair.0 + 1]).take(300) {
        let floor = rebuilt.index.floor(Offset(target)).map(|(offset, at)| (offset.0, at.0));
        assert_eq!(floor, pairs.iter().rfind(|pair| pair.0 <= target).copied());
    }
    for place in pairs.iter().flat_map(|pair| [pair.1, pair.1 + 1]).take(300) {
        let ceiling = rebuilt.index.ceiling(Position(place)).map(|(offset, at)| (offset.0, at.0));
        assert_eq!(ceiling, pairs.iter().find(|pair| pair.1 >= place).copied());
    }
}

/// The search by itself, in a window that stands somewhere in its file.
fn search(bytes: &[u8], mut bounds: Bounds) {
    let length = bytes.len() as u64;
    let mut resync = Resync::new(bytes, Position(START), true);
    let mut at = 0;
    while at < length {
        let rest = &bytes[at as usize..];
        let position = Position(START + at);
        if let Ok(batch) = Batch::parse(rest, position)
            && batch.crc() == batch.compute_crc()
        {
            bounds.last_proved = Some(batch.last_offset());
            at += batch.size() as u64;
            continue;
        }
        let damage = resync.damage_at(position, &bounds);
        assert_eq!(damage.damaged.start, position);
        assert!(damage.damaged.end > position && damage.damaged.end.0 <= START + length);
        at = damage.damaged.end.0 - START;
        let header = slow::header(&bytes[at as usize..]);
        let is_proved = header.is_some_and(|header| header.crc == header.computed_crc);
        assert!(damage.next != Next::Proved || is_proved, "{damage:?}");
        assert_eq!(damage.next == Next::EndOfFile, at == length, "{damage:?}");
        assert_ne!(damage.next, Next::NeedMore);
    }
    is_linear(&resync.work(), length);
    let whole = resync.whole_batches();
    assert!(whole.is_sorted_by(|a, b| a.range.end <= b.range.start));
    for batch in &whole {
        let range = batch.range.start.0 - START..batch.range.end.0 - START;
        assert!(proves(bytes, &range), "{range:?} is called whole");
    }
    if bytes.len() <= SHORT && whole.is_empty() {
        let chance = (0..bytes.len()).find(|&at| stands_alone(bytes, at));
        assert_eq!(chance, None, "a batch with nothing behind it or before it is not seen");
    }
}

/// A batch from the very beginning to the very end.
fn stands_alone(bytes: &[u8], at: usize) -> bool {
    let header = slow::header(&bytes[at..]).filter(|_| at == 0);
    header.is_some_and(|header| {
        let is_usual = header.v2.as_ref().is_some_and(|v2| {
            v2.last_offset_delta >= 0
                && v2.records_count >= 1
                && v2.records_count <= v2.last_offset_delta.saturating_add(1)
                && v2.payload.len() >= 7 * v2.records_count as usize
                && v2.partition_leader_epoch >= -1
                && v2.producer_id >= -1
                && v2.producer_epoch >= -1
                && v2.base_sequence >= -1
        });
        let attributes = header.attributes & 0xff87;
        is_usual
            && attributes == 0
            && header.offset >= 0
            && header.crc == header.computed_crc
            && header.size == bytes.len()
    })
}

/// As the library promises: a kilobyte of checksums for each position that is looked at and each
/// link of a chain, and of positions no more than there are bytes and what a supply pays for.
fn is_linear(work: &Work, length: u64) {
    let supply = 2 * length + 8 * LOOKAHEAD as u64;
    assert!(work.supply_used <= supply, "{work:?}");
    assert!(work.positions <= length + work.supply_used + 1, "{work:?}");
    let links = work.supply_used / 8 + length / 26 + 1;
    assert!(work.checksums <= 3 * work.positions + 20 * links, "{work:?}");
    assert!(work.bytes_checksummed <= 2 * length + 1_024 * work.checksums, "{work:?}");
}

/// Runs follow each other to the end of the file.
fn cut(bytes: &[u8]) {
    let file = FileBytes::owned(Path::new("log"), bytes.to_vec());
    let (mut cutter, mut at) = (Cutter::new(0, None), 0);
    while let Some(cut) = cutter.next(&file, at == 0) {
        assert_eq!(cut.range.start, at);
        if !cut.is_end_known || cut.range.end == at {
            return;
        }
        at = cut.range.end;
    }
    assert_eq!(at, bytes.len() as u64);
}
