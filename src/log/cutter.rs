//! A `.log` cut into runs that can be walked at the same time.
//!
//! ```text
//!   | batch | batch | batch | batch | batch | batch | batch |
//!   '------- run -----------'------- run -----------'- ...
//!           ^ at an entry of the .index, at the next batch that proves itself, or by hopping from
//!             length to length
//! ```
//!
//! Each is a guess: indexes lie, records may hold batches, and lengths are not under the checksum.
//! The walk of a run tells where it really ends.

use super::FileBytes;
use super::damage::Prefix;
use super::runs::RUN_BYTES;
use crate::format::batch::PREFIX_BYTES;
use crate::format::offset_index::OffsetIndex;
use crate::format::{Batch, FormatErrorKind, Offset, Position};
use std::collections::VecDeque;
use std::ops::Range;

/// Batches below this size are hopped over in memory: one read gives many of them.
const SMALL_BATCH_BYTES: u64 = 4 << 10;
/// How much is read for them.
const READ_AHEAD_BYTES: usize = 64 << 10;
/// How much is searched for a batch, and how many that might be one are looked at.
const SEARCHED_BYTES: usize = 64 << 10;
const SEARCHED_CANDIDATES: usize = 8;
/// Up to the last offset delta of magic 2; batches of any magic are as long.
const HEADER_BYTES: usize = 27;
const LAST_OFFSET_DELTA_AT: usize = 23;

/// Cuts a `.log` into runs.
#[derive(Clone, Debug)]
pub struct Cutter {
    position: u64,
    previous: Option<Offset>,
    /// Where batches begin, at least [`RUN_BYTES`] apart, as an index says.
    hints: VecDeque<u64>,
    hops: bool,
    searches: bool,
}

/// A run, as far as can be told ahead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// A [`Scanner`](super::runs::Scanner) of this range begins no batch at or behind its end.
    pub range: Range<u64>,
    /// The last offset before it, as the header there says; `None` as well where nobody looked.
    pub previous: Option<Offset>,
    /// False when nothing tells where the next run begins: the walk of this one will.
    pub is_end_known: bool,
}

impl Cutter {
    /// Cuts by hopping from header to header, from `position` on, at which a batch begins;
    /// `previous` is the last offset before it.
    #[must_use]
    pub fn new(position: u64, previous: Option<Offset>) -> Self {
        Self { position, previous, hints: VecDeque::new(), hops: true, searches: false }
    }

    /// Cuts at entries of `index`, and behind them at batches that are searched for or come to by
    /// hopping, or not at all: then the walk of one run tells where the next begins.
    #[must_use]
    pub fn by_index(index: &OffsetIndex<'_>, hops: bool) -> Self {
        let mut hints = VecDeque::new();
        let mut from = 0;
        for entry in index.iter() {
            let position = u64::try_from(entry.position).unwrap_or(0);
            if position >= from + RUN_BYTES {
                hints.push_back(position);
                from = position;
            }
        }
        Self { position: 0, previous: None, hints, hops, searches: hops }
    }

    /// The next run; `None` at the end of the file, except that a file has one run at least:
    /// `is_first` asks for it.
    pub fn next(&mut self, file: &FileBytes, is_first: bool) -> Option<Cut> {
        let (start, previous) = (self.position, self.previous);
        let unknown = start..start.saturating_add(RUN_BYTES);
        if file.is_stream() {
            // It can be read only once, so nothing can be known ahead.
            return Some(Cut { range: unknown, previous, is_end_known: false });
        }
        if start >= file.len() {
            let empty = Cut { range: start..start, previous, is_end_known: true };
            return is_first.then_some(empty);
        }
        let mut hops = Hops { file, at: 0, bytes: Vec::new() };
        if hops.frame_at(start).is_none() {
            // Damage: what is before it says which offsets may follow.
            return Some(Cut { range: unknown, previous, is_end_known: false });
        }
        if let Some(end) = self.hints.pop_front().filter(|end| *end < file.len()) {
            (self.position, self.previous) = (end, None);
            return Some(Cut { range: start..end, previous, is_end_known: true });
        }
        if unknown.end >= file.len() {
            // No need to look: whatever is left is one run.
            (self.position, self.previous) = (file.len(), None);
            return Some(Cut { range: start..file.len(), previous, is_end_known: true });
        }
        if !self.hops {
            return Some(Cut { range: unknown, previous, is_end_known: false });
        }
        if self.searches
            && let Some(end) = batch_near(file, unknown.end)
        {
            (self.position, self.previous) = (end, None);
            return Some(Cut { range: start..end, previous, is_end_known: true });
        }
        while self.position < file.len() && self.position - start < RUN_BYTES {
            match hops.frame_at(self.position) {
                Some((size, last_offset)) => {
                    self.position += size;
                    self.previous = Some(last_offset);
                }
                None => break,
            }
        }
        Some(Cut { range: start..self.position, previous, is_end_known: true })
    }
}

/// Where the first batch of magic 2 begins that proves itself, near `position` and behind it.
fn batch_near(file: &FileBytes, position: u64) -> Option<u64> {
    let mut buffer = Vec::new();
    let bytes = file.read(position, SEARCHED_BYTES, &mut buffer).ok()?;
    let prefixes = bytes.windows(PREFIX_BYTES).enumerate();
    let newest = prefixes.filter(|(_, prefix)| prefix.last() == Some(&2));
    let batches = newest.filter_map(|(at, _)| {
        Batch::parse(bytes.get(at..)?, Position(0)).ok().map(|batch| (at, batch))
    });
    let mut candidates = batches.take(SEARCHED_CANDIDATES);
    let (at, _) = candidates.find(|(_, batch)| batch.crc() == batch.compute_crc())?;
    Some(position + at as u64)
}

/// Headers of a file, read one by one where batches are large, and many together where not.
struct Hops<'f> {
    file: &'f FileBytes,
    at: u64,
    bytes: Vec<u8>,
}

impl Hops<'_> {
    /// Size and last offset of the batch at `position` as its header says, if they are possible.
    fn frame_at(&mut self, position: u64) -> Option<(u64, Offset)> {
        let bytes = match self.file.whole() {
            Some(whole) => whole.get(usize::try_from(position).ok()?..)?,
            None => self.read(position)?,
        };
        let prefix = bytes.first_chunk::<PREFIX_BYTES>()?;
        let needed = match Batch::parse(prefix, Position(position)).err()?.kind {
            FormatErrorKind::Truncated { needed, .. } => needed,
            _ => return None,
        };
        let prefix = Prefix::read(prefix)?;
        let delta = match prefix.magic {
            2 => i32::from_be_bytes(*bytes.get(LAST_OFFSET_DELTA_AT..)?.first_chunk()?),
            _ => 0,
        };
        let is_whole = position + needed <= self.file.len();
        is_whole.then_some((needed, prefix.offset.plus(delta.into())))
    }

    fn read(&mut self, position: u64) -> Option<&[u8]> {
        let from = usize::try_from(position.checked_sub(self.at)?).ok()?;
        let have = self.bytes.len().saturating_sub(from);
        if have < HEADER_BYTES {
            let is_small = position - self.at < SMALL_BATCH_BYTES + self.bytes.len() as u64;
            let wanted = if is_small { READ_AHEAD_BYTES } else { HEADER_BYTES };
            let read = self.file.read(position, wanted, &mut self.bytes).ok()?.len();
            self.bytes.truncate(read);
            self.at = position;
            return Some(&self.bytes);
        }
        self.bytes.get(from..)
    }
}
