//! From batch to batch of one `.log` by their headers, mapped or read in windows.

use super::Scan;
use crate::error::{Error, Result};
use crate::format::{self, Batch, FormatError, FormatErrorKind, Offset, Position};
use crate::log::file_bytes::FileBytes;

/// What is read at once where a file is not mapped.
const WINDOW_BYTES: usize = 64 << 10;
/// Enough of a batch to learn its size, and nearly always more than its header.
const HEAD_BYTES: usize = 61;

/// How the bytes of a `.log` end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// With the last byte of a batch.
    Clean,
    /// With zeros: room made in advance.
    Zeros,
    /// With a batch that goes on behind the end of the file: being written, or cut off.
    Torn(FormatError),
    /// With bytes that are no batch, or none that can be found from its front.
    Damaged(FormatError),
}

/// A batch, or the end of what can be walked.
pub(super) enum Step<'w> {
    Batch(Batch<'w>),
    End(Tail),
}

/// Goes through a `.log` from a position at which a batch begins.
pub(super) struct Walk<'f, 'w> {
    file: &'f FileBytes,
    window: &'w mut Vec<u8>,
    window_at: u64,
    window_length: usize,
    batch_limit: usize,
    position: u64,
    /// What has been gone through.
    pub scan: Scan,
}

impl<'f, 'w> Walk<'f, 'w> {
    pub(super) fn new(
        file: &'f FileBytes,
        window: &'w mut Vec<u8>,
        batch_limit: usize,
        position: Position,
    ) -> Self {
        let (window_at, window_length, position) = (0, 0, position.0);
        let scan = Scan::default();
        Self { file, window, window_at, window_length, batch_limit, position, scan }
    }

    /// Where the batch begins that comes next.
    pub(super) fn position(&self) -> Position {
        Position(self.position)
    }

    /// The batch that comes next, whatever its checksum.
    #[inline]
    pub(super) fn peek(&mut self) -> Result<Step<'_>> {
        if self.position >= self.file.len() {
            return Ok(Step::End(Tail::Clean));
        }
        // Asked again below: the borrow checker does not see that a batch is not used here.
        let error = self.batch_at(self.position)?.err();
        if let Some(error) = error {
            return Ok(Step::End(self.tail(error)?));
        }
        Ok(match self.batch_at(self.position)? {
            Ok(batch) => Step::Batch(batch),
            Err(error) => Step::End(Tail::Damaged(error)),
        })
    }

    /// Goes on behind a batch of `size` bytes.
    #[inline]
    pub(super) fn step_over(&mut self, size: usize) {
        self.position = self.position.saturating_add(size as u64);
        self.scan.batches += 1;
        self.scan.bytes = self.scan.bytes.saturating_add(size as u64);
    }

    /// Goes on to the first batch that `wanted` is true for, which then comes next; or to the end.
    pub(super) fn until(
        &mut self,
        mut wanted: impl FnMut(&Batch<'_>) -> bool,
    ) -> Result<Option<Tail>> {
        // Where the batch before begins, and the offset behind it.
        let mut before: Option<(u64, Offset)> = None;
        loop {
            let next = match self.peek()? {
                Step::Batch(batch) => {
                    Some((batch.known_base_offset(), batch.next_offset(), batch.position().0))
                }
                Step::End(_) => None,
            };
            if let Some((at, offset)) = before
                && next.is_none_or(|(base, ..)| base.is_none_or(|base| base > offset))
                && let Some(error) =
                    self.batch_at(at)?.map_or_else(Some, |batch| super::check_crc(&batch).err())
            {
                // A damaged length may have led over what is missing.
                self.position = at;
                return Ok(Some(Tail::Damaged(error)));
            }
            before = next.map(|(_, offset, at)| (at, offset));
            let size = match self.peek()? {
                Step::End(tail) => return Ok(Some(tail)),
                Step::Batch(batch) if wanted(&batch) => return Ok(None),
                Step::Batch(batch) => batch.size(),
            };
            self.step_over(size);
        }
    }

    /// The batch at `position`, whatever its checksum.
    #[inline]
    pub(super) fn batch_at(&mut self, position: u64) -> Result<format::Result<Batch<'_>>> {
        if let Some(whole) = self.file.whole() {
            let at = usize::try_from(position).unwrap_or(usize::MAX);
            return Ok(Batch::parse(whole.get(at..).unwrap_or_default(), Position(position)));
        }
        let (file, limit) = (self.file, self.batch_limit);
        let size = needed_bytes(self.bytes(position, HEAD_BYTES)?, position, file, limit)?;
        Ok(Batch::parse(self.bytes(position, size)?, Position(position)))
    }

    /// At least `length` bytes from `position` on, if the file has them.
    fn bytes(&mut self, position: u64, length: usize) -> Result<&[u8]> {
        let there = self.file.len().saturating_sub(position);
        let length = usize::try_from(there).map_or(length, |there| length.min(there));
        let at = position.checked_sub(self.window_at).and_then(|at| usize::try_from(at).ok());
        let in_window = |at: &usize| at.saturating_add(length) <= self.window_length;
        let at = match at.filter(in_window) {
            Some(at) => at,
            None => {
                let wanted = length.max(WINDOW_BYTES);
                self.window_length = self.file.read(position, wanted, self.window)?.len();
                self.window_at = position;
                0
            }
        };
        Ok(self.window.get(at..self.window_length).unwrap_or_default())
    }

    fn tail(&mut self, error: FormatError) -> Result<Tail> {
        if self.is_zero_to_the_end()? {
            return Ok(Tail::Zeros);
        }
        Ok(match error.kind {
            FormatErrorKind::Truncated { .. } => Tail::Torn(error),
            _ => Tail::Damaged(error),
        })
    }

    fn is_zero_to_the_end(&mut self) -> Result<bool> {
        const ZEROS: [u8; 4096] = [0; 4096];
        let mut position = self.position;
        while position < self.file.len() {
            let bytes = self.file.read(position, WINDOW_BYTES, self.window)?;
            let count = bytes.len();
            let zero = bytes.chunks(ZEROS.len()).all(|part| ZEROS.get(..part.len()) == Some(part));
            self.window_length = 0;
            if !zero {
                return Ok(false);
            }
            if count == 0 {
                break; // The file has shrunk.
            }
            position = position.saturating_add(count as u64);
        }
        Ok(true)
    }
}

/// The batch at `position` of `file`, in `buffer` where it has to be read.
pub(super) fn read_batch<'b>(
    file: &'b FileBytes,
    position: Position,
    batch_limit: usize,
    buffer: &'b mut Vec<u8>,
) -> Result<format::Result<Batch<'b>>> {
    let size = match file.whole() {
        Some(_) => usize::MAX,
        None => {
            let head = file.read(position.0, HEAD_BYTES, buffer)?;
            needed_bytes(head, position.0, file, batch_limit)?
        }
    };
    Ok(Batch::parse(file.read(position.0, size, buffer)?, position))
}

/// How many bytes the batch that begins with `head` has, if the file has them too; else as many as
/// `head`.
fn needed_bytes(head: &[u8], position: u64, file: &FileBytes, limit: usize) -> Result<usize> {
    let there = file.len().saturating_sub(position);
    let needed = match Batch::parse(head, Position(position)) {
        Err(FormatError { kind: FormatErrorKind::Truncated { needed, .. }, .. }) => needed,
        _ => return Ok(head.len()),
    };
    match usize::try_from(needed) {
        _ if needed > there => Ok(head.len()),
        Ok(needed) if needed <= limit => Ok(needed),
        _ => {
            let why = format!(
                "at byte {position}: a batch of {needed} bytes is above the limit batch_bytes of \
                 {limit}"
            );
            Err(Error::other("reading", file.path(), why))
        }
    }
}
