//! A `.log` walked from piece to piece: batches that prove themselves, and the ranges of bytes
//! that none proves. The range that is walked is a run, as `cutter.rs` cuts it.
//!
//! ```text
//!   | batch | batch | batch |..damaged..| batch | batch |000000000000|
//!   '---- proved -----------'  Damage   '--- proved ----' Damage: zeros to the end
//!   '--------- run --------------'------ run ------------------------'
//! ```
//!
//! A batch proves itself by its checksum. Behind damage the walk goes on at the next batch that
//! does; which that is, `format::resync` finds out. Every byte is in exactly one piece.

use super::FileBytes;
use super::damage::{Prefix, damages};
use super::window::{Trouble, Window, readable_behind};
use crate::error::Result;
use crate::format::batch::{LOG_OVERHEAD, PREFIX_BYTES};
use crate::format::resync::{self, Next};
use crate::format::{Batch, FormatErrorKind, Offset, Position};
use crate::limits::Limits;
use std::collections::VecDeque;
use std::ops::Range;

pub use super::cutter::{Cut, Cutter};
pub use super::damage::{Damage, DamageKind};
pub use crate::format::resync::Bounds;

/// About how many bytes of whole batches make a run.
pub const RUN_BYTES: u64 = 4 << 20;

/// How much of a batch that is too large for memory is read at a time.
const PIECE_BYTES: usize = 1 << 20;

/// How much of a file is looked at first to find out how a damage ends.
const RESYNC_WINDOW_BYTES: usize = 8 << 20;

/// Enough for the checksum field of any magic.
const MAGIC_2_HEADER_BYTES: usize = 61;

/// What the walk comes upon.
#[derive(Debug)]
pub enum Piece<'w> {
    /// A batch whose stored and computed checksum agree.
    Proved(Batch<'w>),
    /// Bytes that no batch proves.
    Damaged(Damage<'w>),
}

/// Walks a range of a `.log`.
pub struct Scanner<'f> {
    file: &'f FileBytes,
    position: u64,
    stop: u64,
    bounds: Bounds,
    limits: Limits,
    window: Window,
    /// Damages ahead that were found out together.
    known: VecDeque<resync::Damage>,
}

/// What begins at the position of a [`Scanner`].
enum Step {
    Proved {
        size: usize,
    },
    Unproved {
        computed: Option<u32>,
    },
    /// Larger than what is read into memory; its checksum agrees.
    TooLarge {
        size: u64,
    },
    /// The same by its length, in a stream, where its checksum cannot be looked at.
    Unread {
        size: u64,
    },
    End,
    /// It cannot be read on from here.
    Trouble(Trouble),
}

impl<'f> Scanner<'f> {
    /// Walks the pieces that begin in `range`, at whose start a batch begins; the last one may end
    /// behind it.
    #[must_use]
    pub fn new(file: &'f FileBytes, range: Range<u64>, bounds: Bounds, limits: Limits) -> Self {
        Self::with_buffer(file, range, bounds, limits, Vec::new())
    }

    /// The same with a buffer that was used before, which [`Scanner::into_buffer`] gives back.
    #[must_use]
    pub fn with_buffer(
        file: &'f FileBytes,
        range: Range<u64>,
        bounds: Bounds,
        limits: Limits,
        buffer: Vec<u8>,
    ) -> Self {
        let (window, known) = (Window::new(buffer), VecDeque::new());
        Self { file, position: range.start, stop: range.end, bounds, limits, window, known }
    }

    /// Gives the buffer back.
    #[must_use]
    pub fn into_buffer(self) -> Vec<u8> {
        self.window.into_buffer()
    }

    /// Where the next piece begins.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// What is known about the offsets from here on.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The next piece, `None` behind the last.
    ///
    /// # Errors
    /// When the file cannot be read.
    #[allow(clippy::should_implement_trait)] // A piece borrows the scanner's window.
    pub fn next(&mut self) -> Result<Option<Piece<'_>>> {
        if self.position >= self.stop {
            return Ok(None);
        }
        let start = self.position;
        match self.step()? {
            Step::End => Ok(None),
            Step::Trouble(Trouble { at, error: Some(why) }) => {
                let end = readable_behind(self.file, at);
                self.damaged(start, end, DamageKind::Unreadable { why })
            }
            Step::Trouble(_) => self.damaged(start, self.file.len(), DamageKind::Gone),
            Step::Proved { size } => {
                self.position += size as u64;
                if let Some(batch) = self.batch_at(start, size) {
                    let (base, last) = (batch.known_base_offset(), batch.last_offset());
                    self.learn(base.unwrap_or(last), last);
                }
                // It was parsed a moment ago.
                Ok(self.batch_at(start, size).map(Piece::Proved))
            }
            Step::TooLarge { size } => {
                let allowed = self.limits.batch_bytes as u64;
                let kind = DamageKind::Limit { limit: "batch_bytes", allowed };
                self.damaged(start, start.saturating_add(size), kind)
            }
            Step::Unread { size } => {
                let (damage, is_decided) = self.damage_at(start)?;
                if is_decided {
                    let kind = self.kind(&damage, None)?;
                    return self.damaged(start, damage.damaged.end.0, kind);
                }
                let allowed = self.limits.batch_bytes as u64;
                let kind = DamageKind::Limit { limit: "batch_bytes", allowed };
                let end = self.skip(start, size)?;
                self.damaged(start, end, kind)
            }
            Step::Unproved { computed } => {
                let (damage, is_decided) = self.damage_at(start)?;
                let kind = match is_decided {
                    true => self.kind(&damage, computed)?,
                    false => {
                        let allowed = self.limits.resync_bytes as u64;
                        DamageKind::Limit { limit: "resync_bytes", allowed }
                    }
                };
                self.damaged(start, damage.damaged.end.0, kind)
            }
        }
    }

    /// What a batch that proves itself says about where offsets may go on. Where it and the names
    /// of the files contradict each other, one of them is wrong, and neither is believed.
    fn learn(&mut self, base: Offset, last: Offset) {
        let bounds = &mut self.bounds;
        let is_below = bounds.segment_base.is_some_and(|segment| base < segment);
        let is_beyond = bounds.next_segment_base.is_some_and(|next| last >= next);
        let greatest = |segment: Offset| segment.plus(i32::MAX.into());
        let overflows = bounds.segment_base.is_some_and(|segment| last > greatest(segment));
        if is_below {
            bounds.segment_base = None;
        }
        if is_beyond {
            bounds.next_segment_base = None;
        }
        if !(is_below || is_beyond || overflows) {
            bounds.last_proved = Some(last);
        }
    }

    fn damaged(&mut self, start: u64, end: u64, kind: DamageKind) -> Result<Option<Piece<'_>>> {
        self.position = end;
        let size = usize::try_from(end - start).unwrap_or(usize::MAX);
        let is_framed = matches!(kind, DamageKind::Checksum { .. });
        if is_framed {
            self.fill(start, size);
        }
        let batch = if is_framed { self.batch_at(start, size) } else { None };
        let range = Position(start)..Position(end);
        Ok(Some(Piece::Damaged(Damage { range, kind, batch })))
    }

    /// Looks at what begins at the position, with enough of the file in the window.
    fn step(&mut self) -> Result<Step> {
        let mut wanted = PREFIX_BYTES;
        loop {
            let reaches_end = self.fill(self.position, wanted);
            let bytes = self.bytes_at(self.position);
            if bytes.is_empty() {
                return Ok(self.trouble().map_or(Step::End, Step::Trouble));
            }
            match Batch::parse(bytes, Position(self.position)) {
                Ok(batch) => {
                    let computed = batch.compute_crc();
                    if computed == batch.crc() {
                        return Ok(Step::Proved { size: batch.size() });
                    }
                    return Ok(Step::Unproved { computed: Some(computed) });
                }
                Err(error) => match error.kind {
                    FormatErrorKind::Truncated { needed, .. } if !reaches_end => {
                        match usize::try_from(needed).ok().filter(|n| *n <= self.limits.batch_bytes)
                        {
                            Some(needed) => wanted = needed,
                            None => return self.step_over_large(needed),
                        }
                    }
                    // Nothing is said against a batch of which not everything could be had.
                    FormatErrorKind::Truncated { .. } if self.trouble().is_some() => {
                        return Ok(self.trouble().map_or(Step::End, Step::Trouble));
                    }
                    _ => return Ok(Step::Unproved { computed: None }),
                },
            }
        }
    }

    fn trouble(&self) -> Option<Trouble> {
        self.window.trouble().cloned()
    }

    /// A batch that is not read into memory: what its length claims is believed when the checksum
    /// agrees, which is found out piece by piece.
    fn step_over_large(&mut self, size: u64) -> Result<Step> {
        let Some(prefix) = Prefix::read(self.bytes_at(self.position)) else { return Ok(Step::End) };
        let end = self.position.saturating_add(size);
        if self.file.is_stream() {
            // To look further would be to give up what is here.
            return Ok(Step::Unread { size });
        }
        if end > self.file.len() {
            return Ok(Step::Unproved { computed: None });
        }
        let (mut at, mut crc) = (self.position + prefix.checked_from(), 0);
        let mut buffer = Vec::new();
        while at < end {
            let length = usize::try_from(end - at).map_or(PIECE_BYTES, |l| l.min(PIECE_BYTES));
            let bytes = self.file.read(at, length, &mut buffer)?;
            if bytes.is_empty() {
                return Ok(Step::Unproved { computed: None });
            }
            crc = prefix.append_crc(crc, bytes);
            at += bytes.len() as u64;
        }
        let stored = self.file.read(self.position, MAGIC_2_HEADER_BYTES, &mut buffer)?;
        let is_proved = prefix.stored_crc(stored) == Some(crc);
        Ok(if is_proved { Step::TooLarge { size } } else { Step::Unproved { computed: None } })
    }

    /// Goes over `size` bytes of a stream from `start` on; where that, or the stream, ends.
    fn skip(&mut self, start: u64, size: u64) -> Result<u64> {
        let (mut at, end) = (start, start.saturating_add(size));
        let mut buffer = Vec::new();
        while at < end {
            let length = usize::try_from(end - at).map_or(PIECE_BYTES, |l| l.min(PIECE_BYTES));
            match self.file.read(at, length, &mut buffer)?.len() {
                0 => break,
                read => at += read as u64,
            }
        }
        Ok(at)
    }

    fn fill(&mut self, position: u64, wanted: usize) -> bool {
        self.window.fill(self.file, position, wanted, self.stop)
    }

    fn bytes_at(&self, position: u64) -> &[u8] {
        self.window.bytes_at(self.file, position)
    }

    fn batch_at(&self, position: u64, size: usize) -> Option<Batch<'_>> {
        let bytes = self.bytes_at(position).get(..size)?;
        Batch::parse(bytes, Position(position)).ok()
    }

    /// How the damage at `start` ends; false when a limit kept that from being found out.
    fn damage_at(&mut self, start: u64) -> Result<(resync::Damage, bool)> {
        while let Some(known) = self.known.pop_front() {
            if known.damaged.start.0 == start {
                return Ok((known, true));
            }
        }
        let mut length = RESYNC_WINDOW_BYTES;
        loop {
            let reaches_end = self.window.refill(self.file, start, length);
            let bytes = self.bytes_at(start);
            let window = bytes.get(..length).unwrap_or(bytes);
            let reaches_end = reaches_end && window.len() == bytes.len();
            if !reaches_end && window.iter().all(|&byte| byte == 0) {
                return Ok((self.zeros_at(start, start + length as u64)?, true));
            }
            let mut known = damages(window, Position(start), reaches_end, self.bounds);
            let is_lost = |first: &resync::Damage| {
                first.kind == resync::DamageKind::Unclaimed && first.next == Next::EndOfFile
            };
            if known.front().is_some_and(is_lost) && self.bounds.last_proved.is_some() {
                // A base offset too far to the front must not cost all that is behind it.
                let bounds = Bounds { last_proved: None, ..self.bounds };
                let again = damages(window, Position(start), reaches_end, bounds);
                if again.front().is_some_and(|first| first.next == Next::Proved) {
                    known = again;
                }
            }
            let is_decided = known.front().is_some_and(|first| first.next != Next::NeedMore);
            let is_capped = self.file.whole().is_none() && length >= self.limits.resync_bytes;
            if let Some(first) = known.pop_front().filter(|_| is_decided || is_capped) {
                self.known = known;
                return Ok((first, is_decided));
            }
            length = length.saturating_mul(2);
        }
    }

    /// The end of zeros that go from `start` at least to `known`: gone through in windows, because
    /// room that was made in advance may be as large as a file can be. Windows overlap, because a
    /// batch may begin with zeros: those of its offset, and of its length.
    fn zeros_at(&mut self, start: u64, known: u64) -> Result<resync::Damage> {
        const OVERLAP: usize = PREFIX_BYTES;
        let mut at = known - OVERLAP as u64;
        let mut buffer = Vec::new();
        let (end, kind, next) = loop {
            let bytes = self.file.read(at, PIECE_BYTES, &mut buffer)?;
            if let Some(zeros) = bytes.iter().position(|&byte| byte != 0) {
                let end = at + zeros.saturating_sub(OVERLAP) as u64;
                break (end, resync::DamageKind::Unclaimed, Next::Unproved);
            }
            if bytes.len() < PIECE_BYTES {
                let end = at + bytes.len() as u64;
                break (end, resync::DamageKind::Zeros, Next::EndOfFile);
            }
            at += (bytes.len() - OVERLAP) as u64;
        };
        Ok(resync::Damage { damaged: Position(start)..Position(end), next, kind })
    }

    /// What the damage is called, from what the search said and what stands at its beginning.
    fn kind(&mut self, damage: &resync::Damage, computed: Option<u32>) -> Result<DamageKind> {
        let start = damage.damaged.start.0;
        self.fill(start, PREFIX_BYTES);
        let prefix = Prefix::read(self.bytes_at(start));
        let size = i64::try_from(damage.damaged.end.0 - start).unwrap_or(i64::MAX);
        let fits = i32::try_from(size - LOG_OVERHEAD as i64).ok();
        Ok(match (damage.kind, prefix) {
            (resync::DamageKind::Zeros, _) => DamageKind::Zeros,
            (resync::DamageKind::CutOff, prefix) => DamageKind::CutOff {
                needed: prefix
                    .and_then(|prefix| u64::try_from(prefix.length).ok())
                    .map(|length| length + LOG_OVERHEAD as u64),
            },
            (_, None) => DamageKind::Unclaimed,
            (resync::DamageKind::Framing { magic }, Some(prefix)) if magic != prefix.magic => {
                DamageKind::Magic { magic: prefix.magic }
            }
            (resync::DamageKind::Framing { .. }, Some(prefix)) => {
                DamageKind::Length { stored: prefix.length, fits }
            }
            (resync::DamageKind::Checksum, Some(prefix)) => match computed {
                Some(computed) => {
                    DamageKind::Checksum { stored: self.stored_crc(start, size), computed }
                }
                None => prefix.impossible(),
            },
            // Where an offset stands that the next batch may have, its header follows.
            (resync::DamageKind::Unclaimed, Some(prefix))
                if self.may_begin(prefix.offset) && prefix.cannot_be(self.file.len() - start) =>
            {
                prefix.impossible()
            }
            (resync::DamageKind::Unclaimed, Some(_)) => DamageKind::Unclaimed,
        })
    }

    fn stored_crc(&self, start: u64, size: i64) -> u32 {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        self.batch_at(start, size).map_or(0, |batch| batch.crc())
    }

    /// True when the next batch of the log may have this offset.
    fn may_begin(&self, offset: Offset) -> bool {
        let Bounds { last_proved, segment_base, next_segment_base } = self.bounds;
        offset.0 >= 0
            && last_proved.is_none_or(|last| offset > last)
            && segment_base
                .is_none_or(|base| offset >= base && offset <= base.plus(i32::MAX.into()))
            && next_segment_base.is_none_or(|next| offset < next)
    }
}

#[cfg(test)]
#[path = "runs_tests.rs"]
mod tests;
