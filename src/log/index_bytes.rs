//! The entries of an offset index in memory, to be kept: without the zeros behind them, and built
//! from the log where the file is of no use.
//!
//! ```text
//!   .index   |entries|000000000000000000000000000000000000|   10 MiB where a broker was killed
//!            '-read--'   ^ some 20 entries looked at, to find where the zeros begin
//! ```
//!
//! What is kept is in order, and inside the log. That it agrees with the log is for others to find
//! out, by the batches they come to.

use super::FileBytes;
use super::header_at::read_exactly_at;
use super::runs::{Bounds, Piece, Scanner};
use crate::error::Result;
use crate::format::offset_index::{ENTRY_BYTES, OffsetIndex, OffsetPosition};
use crate::format::replay::{INDEX_INTERVAL_BYTES, IndexInterval};
use crate::format::time_index::{self, TimeIndex, TimestampOffset};
use crate::format::{Offset, Position};
use crate::limits::Limits;
use std::fs::File;
use std::io;
use std::ops::Range;

/// The entries of a segment's offset index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexBytes {
    base_offset: Offset,
    bytes: Box<[u8]>,
}

/// An index that was built from the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// The index.
    pub index: IndexBytes,
    /// What no batch proves, before the end that was given. Behind each of them the first batch is
    /// in the index.
    pub damaged: Vec<Range<Position>>,
}

impl IndexBytes {
    /// Reads the `.index` of the segment that begins with `base_offset` and whose log ends at
    /// `log_end`. Entries behind that are left out. `None` when the entries do not rise: the file
    /// is of no use.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(
        file: &File,
        base_offset: Offset,
        log_end: Position,
        limits: Limits,
    ) -> io::Result<Option<Self>> {
        let entries = entries_in(file, ENTRY_BYTES, limits.index_bytes)?;
        // At most the limit, and no more than the file has.
        let length = usize::try_from(entries).unwrap_or(0).saturating_mul(ENTRY_BYTES);
        let mut bytes = vec![0; length];
        read_exactly_at(file, &mut bytes, 0)?;
        let index = OffsetIndex::new(&bytes, base_offset);
        let (mut before, mut kept): (Option<OffsetPosition>, usize) = (None, 0);
        for entry in index.iter() {
            let rises = before.is_none_or(|before| {
                entry.offset > before.offset && entry.position > before.position
            });
            if !rises || entry.offset < base_offset || entry.position < 0 {
                return Ok(None);
            }
            before = Some(entry);
            kept += usize::from(entry.log_position().is_some_and(|position| position < log_end));
        }
        bytes.truncate(kept.saturating_mul(ENTRY_BYTES));
        Ok(Some(Self { base_offset, bytes: bytes.into_boxed_slice() }))
    }

    /// Builds the index from the batches of `log` below `log_end` whose checksums are right, with
    /// an entry for one batch in 4 KiB.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn rebuilt(
        log: &FileBytes,
        base_offset: Offset,
        log_end: Position,
        limits: Limits,
    ) -> Result<Rebuilt> {
        let bounds =
            Bounds { last_proved: None, segment_base: Some(base_offset), next_segment_base: None };
        let mut scanner = Scanner::new(log, 0..log_end.0, bounds, limits);
        let mut interval = IndexInterval::new(INDEX_INTERVAL_BYTES, Position(0));
        let (mut bytes, mut damaged) = (Vec::new(), Vec::<Range<Position>>::new());
        let mut greatest: Option<Offset> = None;
        while let Some(piece) = scanner.next()? {
            let batch = match piece {
                Piece::Proved(batch) => batch,
                Piece::Damaged(damage) => {
                    let end = damage.range.end.min(log_end);
                    match damaged.last_mut().filter(|last| last.end == damage.range.start) {
                        Some(last) => last.end = end,
                        None => damaged.push(damage.range.start..end),
                    }
                    continue;
                }
            };
            let (last, position) = (batch.last_offset(), batch.position());
            if greatest.is_some_and(|greatest| last <= greatest) {
                continue;
            }
            greatest = Some(last);
            let is_behind_damage = damaged.last().is_some_and(|damage| damage.end == position);
            if (interval.is_due(position) || is_behind_damage)
                && let Some(relative) = last.0.checked_sub(base_offset.0)
                && let (Ok(relative @ 0..), Ok(place)) =
                    (i32::try_from(relative), i32::try_from(position.0))
            {
                OffsetPosition::encode(relative, place, &mut bytes);
                interval.indexed(position);
            }
        }
        let index = Self { base_offset, bytes: bytes.into_boxed_slice() };
        Ok(Rebuilt { index, damaged })
    }

    /// The entries, as a broker would write them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many bytes are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The greatest entry with an offset of at most `target`: every batch before its position ends
    /// below its offset.
    #[must_use]
    pub fn floor(&self, target: Offset) -> Option<(Offset, Position)> {
        self.view().floor(target).entry.and_then(place)
    }

    /// The first entry at or behind `position`.
    #[must_use]
    pub fn ceiling(&self, position: Position) -> Option<(Offset, Position)> {
        let index = self.view();
        let (mut low, mut high) = (0, index.entries());
        while low < high {
            let middle = low + (high - low) / 2;
            let entry = index.get(middle).and_then(place);
            if entry.is_some_and(|(_, at)| at < position) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        index.get(low).filter(|_| low < index.entries()).and_then(place)
    }

    fn view(&self) -> OffsetIndex<'_> {
        OffsetIndex::new(&self.bytes, self.base_offset)
    }
}

fn place(entry: OffsetPosition) -> Option<(Offset, Position)> {
    Some((entry.offset, entry.log_position()?))
}

/// The last entries of an offset index, of which no more than `limit` bytes are looked at: at most
/// 8, in the order of the file.
///
/// # Errors
/// When it cannot be read.
pub(super) fn last_entries(
    file: &File,
    base_offset: Offset,
    limit: u64,
) -> io::Result<Vec<OffsetPosition>> {
    const MOST: usize = 8;
    let entries = entries_in(file, ENTRY_BYTES, limit)?;
    let first = entries.saturating_sub(MOST as u64);
    let mut buffer = [0; MOST * ENTRY_BYTES];
    let length = usize::try_from(entries - first).unwrap_or(0).saturating_mul(ENTRY_BYTES);
    let bytes = buffer.get_mut(..length).unwrap_or_default();
    read_exactly_at(file, bytes, first.saturating_mul(ENTRY_BYTES as u64))?;
    Ok(OffsetIndex::new(bytes, base_offset).iter().collect())
}

/// The last entry of a time index: in that of a closed segment, its greatest timestamp.
///
/// # Errors
/// When it cannot be read.
pub fn last_timestamp(
    file: &File,
    base_offset: Offset,
    limits: Limits,
) -> io::Result<Option<TimestampOffset>> {
    let entries = match entries_in(file, time_index::ENTRY_BYTES, limits.index_bytes)? {
        // A lone entry may be all zeros: timestamp 0 of the first record.
        0 if file.metadata()?.len() / time_index::ENTRY_BYTES as u64 == 1 => 1,
        entries => entries,
    };
    let Some(last) = entries.checked_sub(1) else { return Ok(None) };
    let mut slot = [0; time_index::ENTRY_BYTES];
    read_exactly_at(file, &mut slot, last.saturating_mul(time_index::ENTRY_BYTES as u64))?;
    let entry = TimeIndex::new(&slot, base_offset).last();
    Ok(entry.map(|entry| TimestampOffset { index: usize::try_from(last).unwrap_or(0), ..entry }))
}

/// How many entries stand before the zeros, in the first `limit` bytes: found by bisection, as
/// [`OffsetIndex`] does with the whole file.
fn entries_in(file: &File, entry_bytes: usize, limit: u64) -> io::Result<u64> {
    let slots = file.metadata()?.len().min(limit) / entry_bytes as u64;
    let mut buffer = [0; 16];
    let mut in_use = |slot: u64| -> io::Result<bool> {
        let bytes = buffer.get_mut(..entry_bytes).unwrap_or_default();
        read_exactly_at(file, bytes, slot.saturating_mul(entry_bytes as u64))?;
        Ok(bytes.iter().any(|&byte| byte != 0))
    };
    if slots == 0 || in_use(slots - 1)? {
        return Ok(slots);
    }
    // The first may be all zeros and yet an entry, when one follows.
    let (mut low, mut high) = (1, slots);
    while low < high {
        let middle = low + (high - low) / 2;
        if in_use(middle)? {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if low == 1 { Ok(u64::from(in_use(0)?)) } else { Ok(low) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Batch;
    use crate::log::file_bytes::Access;
    use crate::log::partition::PartitionDir;
    use crate::log::segment::SegmentFiles;
    use std::path::Path;

    fn segments() -> Vec<SegmentFiles> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
        let mut found = Vec::new();
        for broker in ["kafka-2.8.2", "kafka-4.3.1-killed"] {
            for entry in std::fs::read_dir(root.join(broker)).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    found.extend(PartitionDir::open(&path).unwrap().segments);
                }
            }
        }
        assert!(found.len() > 100);
        found
    }

    fn pairs(index: &IndexBytes) -> Vec<(Offset, Position)> {
        index.view().iter().filter_map(place).collect()
    }

    fn file_of(dir: &tempfile::TempDir, bytes: &[u8], length: u64) -> File {
        let path = dir.path().join("00000000000000000000.index");
        std::fs::write(&path, bytes).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
        File::open(path).unwrap()
    }

    /// Every index of real brokers, with the zeros of a killed one behind it too.
    #[test]
    fn the_entries_of_the_file_without_its_zeros() {
        let dir = tempfile::tempdir().unwrap();
        let everything = Position(u64::MAX);
        for files in segments() {
            let (Some(index), base) = (&files.index, files.base_offset) else { continue };
            let whole = std::fs::read(&index.path).unwrap();
            let view = OffsetIndex::new(&whole, base);
            let expected: Vec<_> = view.iter().filter_map(place).collect();
            let read = |file: &File, end| {
                IndexBytes::read(file, base, end, Limits::STANDARD).unwrap().unwrap()
            };
            for length in [whole.len(), 10 << 20] {
                let file = file_of(&dir, &whole, (length.max(whole.len())) as u64);
                let found = read(&file, everything);
                assert_eq!((pairs(&found), found.bytes()), (expected.clone(), expected.len() * 8));
                let last = last_entries(&file, base, u64::MAX).unwrap();
                let last: Vec<_> = last.into_iter().filter_map(place).collect();
                assert!(expected.ends_with(&last) && last.len() == expected.len().min(8));
            }
            let Some((_, middle)) = expected.get(expected.len() / 2) else { continue };
            let below = pairs(&read(&File::open(&index.path).unwrap(), *middle));
            assert_eq!(below, expected[..expected.len() / 2]);
        }
    }

    #[test]
    fn floor_and_ceiling_as_a_scan_finds_them() {
        for files in segments() {
            let Some(index) = &files.index else { continue };
            let file = File::open(&index.path).unwrap();
            let end = Position(files.log.size);
            let index = IndexBytes::read(&file, files.base_offset, end, Limits::STANDARD);
            let index = index.unwrap().unwrap();
            let all = pairs(&index);
            for (offset, position) in &all {
                for delta in -1..=1 {
                    let at = offset.plus(delta);
                    let floor = all.iter().rev().find(|(offset, _)| *offset <= at);
                    assert_eq!(index.floor(at), floor.copied());
                    let at = Position(position.0.saturating_add_signed(delta));
                    let ceiling = all.iter().find(|(_, position)| *position >= at);
                    assert_eq!(index.ceiling(at), ceiling.copied());
                }
            }
        }
        let none = IndexBytes { base_offset: Offset(7), bytes: Box::default() };
        assert_eq!((none.floor(Offset(9)), none.ceiling(Position(0))), Default::default());
    }

    #[test]
    fn a_file_whose_entries_do_not_rise_is_of_no_use() {
        let dir = tempfile::tempdir().unwrap();
        let sound = [(3, 4500), (6, 9000), (9, 13500)];
        for (at, entry) in
            [(1, (3, 9000)), (1, (6, 4500)), (0, (-1, 100)), (0, (1, -1)), (2, (5, 20000))]
        {
            let mut entries = sound;
            for changes in [false, true] {
                let mut bytes = Vec::new();
                for (offset, position) in entries {
                    OffsetPosition::encode(offset, position, &mut bytes);
                }
                let file = file_of(&dir, &bytes, bytes.len() as u64);
                let end = Position(1 << 20);
                let found = IndexBytes::read(&file, Offset(50), end, Limits::STANDARD).unwrap();
                assert_eq!(found.is_none(), changes, "{entries:?}");
                entries[at] = entry;
            }
        }
    }

    #[test]
    fn the_last_timestamp_is_that_of_the_whole_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut entries = 0;
        for files in segments() {
            let (Some(index), base) = (&files.time_index, files.base_offset) else { continue };
            let whole = std::fs::read(&index.path).unwrap();
            let expected = TimeIndex::new(&whole, base).last();
            entries += usize::from(expected.is_some());
            for length in [whole.len() as u64, 10_485_756] {
                let file = file_of(&dir, &whole, length.max(whole.len() as u64));
                assert_eq!(last_timestamp(&file, base, Limits::STANDARD).unwrap(), expected);
            }
        }
        assert!(entries > 50);
        for length in [0, 12, 24] {
            let file = file_of(&dir, &[], length);
            let found = last_timestamp(&file, Offset(5), Limits::STANDARD).unwrap();
            let zeros = vec![0; usize::try_from(length).unwrap()];
            assert_eq!(found, TimeIndex::new(&zeros, Offset(5)).last());
        }
    }

    /// What each entry promises, asked of every batch.
    fn agrees(index: &IndexBytes, batches: &[(Position, Offset)]) {
        for (offset, position) in pairs(index) {
            assert!(batches.contains(&(position, offset)));
            assert!(batches.iter().all(|(at, last)| *at >= position || *last < offset));
        }
    }

    #[test]
    fn rebuilt_from_the_batches() {
        let (mut entries, mut holes) = (0, 0);
        for files in segments() {
            let mut bytes = std::fs::read(&files.log.path).unwrap();
            let mut batches = Vec::new();
            let mut end = Position(0);
            while let Ok(batch) = Batch::parse(&bytes[usize::try_from(end.0).unwrap()..], end) {
                batches.push((batch.position(), batch.last_offset()));
                end = batch.end();
            }
            let base = files.base_offset;
            let rebuild = |bytes: Vec<u8>| {
                let log = FileBytes::owned(&files.log.path, bytes);
                IndexBytes::rebuilt(&log, base, end, Limits::STANDARD).unwrap()
            };
            let built = rebuild(bytes.clone());
            assert_eq!(built.damaged, []);
            agrees(&built.index, &batches);
            let least = (end.0 / 8192).saturating_sub(batches.len() as u64 / 8);
            let count = pairs(&built.index).len();
            assert!(batches.len() < 9 || count as u64 >= least.min(1), "{:?}", files.log.path);
            entries += count;
            // The first byte under the checksum of a batch in the middle.
            let middle = batches.len() / 2;
            let (Some(lost), Some(behind)) = (batches.get(middle), batches.get(middle + 1)) else {
                continue;
            };
            bytes[usize::try_from(lost.0.0).unwrap() + 25] ^= 1;
            let (lost, behind) = (*lost, *behind);
            batches.remove(middle);
            let built = rebuild(bytes);
            assert_eq!(built.damaged, [lost.0..behind.0]);
            agrees(&built.index, &batches);
            assert!(pairs(&built.index).contains(&(behind.1, behind.0)));
            holes += 1;
        }
        assert!(entries > 20 && holes > 50, "{entries} {holes}");
    }

    #[test]
    fn rebuilt_in_windows_as_from_a_map() {
        let files = segments().into_iter().max_by_key(|files| files.log.size).unwrap();
        let end = Position(files.log.size);
        let build = |access| {
            let log = FileBytes::open(&files.log.path, access).unwrap();
            IndexBytes::rebuilt(&log, files.base_offset, end, Limits::STANDARD).unwrap()
        };
        assert_eq!(build(Access::Map), build(Access::Read));
    }
}
