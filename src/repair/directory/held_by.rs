//! Two groups of `.log` files, walked side by side: which batches of the one does the other hold?
//!
//! ```text
//!   new   | 0-9 | 10-19 |??damaged??| 40-49 |          it has lost what old has at 20 to 39,
//!   old   | 0-9 | 10-19 | 20-29 | 30-39 | 40-49 | 50-59 |    and what is behind 49
//! ```
//!
//! A cleaner drops records and whole batches, but never joins batches or changes the offsets of
//! one: a batch of the new files is held by the old ones where they have one of its offsets. No
//! checksum covers a batch's offsets, so a batch counts as damaged as well whose offsets do not fit
//! those around it, or those of the old files.

use crate::error::Result;
use crate::format::Offset;
use crate::limits::Limits;
use crate::log::runs::{Bounds, Piece, Scanner};
use crate::log::{Access, FileBytes};
use std::path::Path;

/// A `.log` that is read.
pub(super) struct Log {
    bytes: FileBytes,
    base: Offset,
}

impl Log {
    pub(super) fn open(path: &Path, base: Offset) -> Result<Self> {
        Ok(Self { bytes: FileBytes::open(path, Access::Read)?, base })
    }
}

/// What the comparison says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Compared {
    /// Batches of the new files.
    pub(super) new: u64,
    /// Those of them that no old file holds.
    pub(super) only_new: u64,
    /// Batches of old files that go, at offsets that the new files have in damaged bytes, or
    /// behind the end of the new ones.
    pub(super) lost: u64,
    /// Where in the new files the first damage is: which of them, and at which byte.
    pub(super) damage: Option<(usize, u64)>,
    /// The offset behind the last batch of the new files.
    pub(super) next: Option<Offset>,
    /// Whether the old ones have any batch.
    pub(super) has_old: bool,
}

/// A batch.
#[derive(Clone, Copy)]
struct Span {
    /// `None` in a wrapper message of old, which does not say where it begins.
    first: Option<Offset>,
    last: Offset,
    /// The base offset of its file.
    base: Offset,
    /// Which file that is, and where in it the batch begins.
    place: (usize, u64),
}

impl Span {
    /// The first offset, or a guess that is not above it by much.
    fn first(&self) -> Offset {
        self.first.unwrap_or(self.last)
    }

    fn fits_file(&self) -> bool {
        self.last.0.checked_sub(self.base.0).is_some_and(|delta| delta <= i64::from(i32::MAX))
            && (self.base..=self.last).contains(&self.first())
    }

    fn is_behind(&self, previous: Option<Offset>) -> bool {
        previous.is_none_or(|previous| self.first() > previous)
    }

    fn is_same(&self, other: &Self) -> bool {
        match self.first.zip(other.first) {
            Some((one, other_first)) => one == other_first && self.last == other.last,
            None => true,
        }
    }
}

enum Step {
    Batch(Span),
    Damage { place: (usize, u64) },
}

/// Walks files one behind the other.
struct Walk<'f> {
    files: &'f [Log],
    file: usize,
    scanner: Option<Scanner<'f>>,
    /// The buffer of a file that was read to its end, for the next.
    buffer: Vec<u8>,
    /// What was read too far.
    ahead: Option<Step>,
    previous: Option<Offset>,
}

impl<'f> Walk<'f> {
    fn new(files: &'f [Log]) -> Self {
        Self { files, file: 0, scanner: None, buffer: Vec::new(), ahead: None, previous: None }
    }

    fn read(&mut self) -> Result<Option<Step>> {
        if let Some(step) = self.ahead.take() {
            return Ok(Some(step));
        }
        while let Some(log) = self.files.get(self.file) {
            let buffer = &mut self.buffer;
            let scanner = self.scanner.get_or_insert_with(|| {
                let bounds = Bounds { segment_base: Some(log.base), ..Bounds::default() };
                let all = 0..log.bytes.len();
                let buffer = std::mem::take(buffer);
                Scanner::with_buffer(&log.bytes, all, bounds, Limits::STANDARD, buffer)
            });
            match scanner.next()? {
                Some(Piece::Proved(batch)) => {
                    let (first, last) = (batch.known_base_offset(), batch.last_offset());
                    let place = (self.file, batch.position().0);
                    return Ok(Some(Step::Batch(Span { first, last, base: log.base, place })));
                }
                Some(Piece::Damaged(damage)) => {
                    return Ok(Some(Step::Damage { place: (self.file, damage.range.start.0) }));
                }
                None => {
                    self.buffer = self.scanner.take().map_or(Vec::new(), Scanner::into_buffer);
                    self.file += 1;
                }
            }
        }
        Ok(None)
    }

    fn next(&mut self) -> Result<Option<Step>> {
        let span = match self.read()? {
            Some(Step::Batch(span)) => span,
            other => return Ok(other),
        };
        self.ahead = self.read()?;
        let is_passed = match &self.ahead {
            Some(Step::Batch(next)) => next.first() <= span.last && next.is_behind(self.previous),
            _ => false,
        };
        if is_passed || !span.fits_file() || !span.is_behind(self.previous) {
            return Ok(Some(Step::Damage { place: span.place }));
        }
        self.previous = Some(span.last);
        Ok(Some(Step::Batch(span)))
    }

    /// The next batch, whatever is before it.
    fn next_batch(&mut self) -> Result<Option<Span>> {
        while let Some(step) = self.next()? {
            if let Step::Batch(span) = step {
                return Ok(Some(span));
            }
        }
        Ok(None)
    }
}

/// Compares the files that are to come with those that are there, both in the order of their base
/// offsets. Of the old ones those go whose base offset is among the new offsets, or is that of a
/// new file. Each file is read once.
pub(super) fn compare(new: &[Log], old: &[Log]) -> Result<Compared> {
    let (mut news, mut olds) = (Walk::new(new), Walk::new(old));
    let mut found = Compared::default();
    let mut held = olds.next_batch()?;
    found.has_old = held.is_some();
    let floor = new.first().map(|log| log.base).unwrap_or_default();
    let reaches_floor = old.last().is_some_and(|log| log.base >= floor);
    let mut is_damaged = false;
    while let Some(step) = news.next()? {
        let span = match step {
            Step::Batch(span) => span,
            Step::Damage { place } => {
                found.damage = found.damage.or(Some(place));
                is_damaged = true;
                continue;
            }
        };
        let mut between = 0;
        while let Some(old) = held.filter(|old| old.last < span.last) {
            between += u64::from(old.base >= floor && old.last < span.first());
            held = olds.next_batch()?;
        }
        let fits = match held {
            Some(old) => old.first() > span.last || old.is_same(&span),
            None => !reaches_floor,
        };
        is_damaged |= !fits;
        found.lost += if is_damaged { between } else { 0 };
        if !fits {
            found.damage = found.damage.or(Some(span.place));
            continue;
        }
        found.new += 1;
        found.only_new += u64::from(held.is_none_or(|old| old.first() > span.last));
        found.next = Some(span.last.plus(1));
        is_damaged = false;
    }
    while let Some(old) = held {
        let goes = old.base >= floor
            && (found.next.is_some_and(|next| old.base < next)
                || new.iter().any(|log| log.base == old.base));
        if old.base >= floor && !goes {
            break;
        }
        found.lost += u64::from(goes && found.next.is_none_or(|next| old.last >= next));
        held = olds.next_batch()?;
    }
    Ok(found)
}
