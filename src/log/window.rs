//! A part of a file in memory, read when it is asked for, and what stood in the way.
//!
//! ```text
//!   file     |-----------------------------------------------------------|
//!   window            at |==========================|
//!   trouble                                         ^ the device fails here, or the file has
//!                                                     become shorter than it was
//! ```
//!
//! Bytes from a trouble on are as if the file ended there; whoever comes to it asks what it is.

use super::FileBytes;

/// How much of a file that is not mapped is read at a time: what stays in the processor's cache.
const WINDOW_BYTES: usize = 512 << 10;

/// Devices and file systems fail by pages at least.
const PAGE_BYTES: u64 = 4096;
/// After so many pages that fail in a row, steps get larger: each may take seconds.
const PAGES_ONE_BY_ONE: u32 = 64;
/// The largest of those steps.
const LARGEST_STEP_BYTES: u64 = 1 << 20;

/// Where a file cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// The first byte that cannot be had.
    pub(super) at: u64,
    /// Why; `None` where the file ends although it was longer when it was opened.
    pub(super) error: Option<String>,
}

/// Bytes of a file that is not mapped, kept for the batches that follow.
#[derive(Debug, Default)]
pub(super) struct Window {
    at: u64,
    /// Its length is the most that was ever in it: memory is cleared only once.
    bytes: Vec<u8>,
    filled: usize,
    reaches_end: bool,
    trouble: Option<Trouble>,
}

impl Window {
    /// Nothing in it yet; `buffer` is used for what will be.
    pub(super) fn new(buffer: Vec<u8>) -> Self {
        Self { bytes: buffer, ..Self::default() }
    }

    /// Gives the buffer back.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }

    /// What cannot be had, as far as it was come upon.
    pub(super) fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// Makes sure that `wanted` bytes from `position` on are there, or all that can be had; true
    /// in that case. A window is read by what is there, not by what a length claims. What is behind
    /// `stop` is not going to be asked for, as far as is known, and not read ahead.
    pub(super) fn fill(
        &mut self,
        file: &FileBytes,
        position: u64,
        wanted: usize,
        stop: u64,
    ) -> bool {
        if file.whole().is_some() {
            return true;
        }
        let offset = position.checked_sub(self.at).and_then(|at| usize::try_from(at).ok());
        let have = offset.and_then(|at| self.filled.checked_sub(at)).unwrap_or(0);
        if have > 0 && (have >= wanted || self.reaches_end) {
            return self.reaches_end;
        }
        let ahead = usize::try_from(stop.saturating_sub(position)).unwrap_or(usize::MAX);
        self.refill(file, position, wanted.max(ahead.min(WINDOW_BYTES)))
    }

    /// Reads `length` bytes from `position` on, or all that can be had; true in that case.
    pub(super) fn refill(&mut self, file: &FileBytes, position: u64, length: usize) -> bool {
        if file.whole().is_some() {
            return true;
        }
        self.trouble = None;
        let there = file.len().saturating_sub(position);
        let expected = usize::try_from(there).map_or(length, |there| length.min(there));
        let read = match file.read(position, length, &mut self.bytes) {
            Ok(bytes) => bytes.len(),
            // What fails is found out below.
            Err(_) if !file.is_stream() => 0,
            Err(error) => {
                self.trouble = Some(Trouble { at: position, error: Some(error.to_string()) });
                0
            }
        };
        self.filled = read;
        self.at = position;
        self.reaches_end = read < length;
        if read < expected && !file.is_stream() {
            self.trouble = trouble_at(file, position + read as u64);
            if self.trouble.is_none() {
                // It could be read after all: a window that is short, and not the end.
                self.reaches_end = false;
            }
        }
        self.reaches_end
    }

    /// The bytes from `position` on.
    pub(super) fn bytes_at<'w>(&'w self, file: &'w FileBytes, position: u64) -> &'w [u8] {
        let (bytes, at) = match file.whole() {
            Some(whole) => (whole, 0),
            None => (self.bytes.get(..self.filled).unwrap_or_default(), self.at),
        };
        let from = position.checked_sub(at).and_then(|from| usize::try_from(from).ok());
        from.and_then(|from| bytes.get(from..)).unwrap_or_default()
    }
}

fn trouble_at(file: &FileBytes, at: u64) -> Option<Trouble> {
    match file.read(at, 1, &mut Vec::new()) {
        Ok([]) => Some(Trouble { at, error: None }),
        Ok(_) => None,
        Err(error) => Some(Trouble { at, error: Some(error.reason()) }),
    }
}

/// The first position behind `at` where the file can be read again, or its end. What fails is
/// taken to fail as one piece from where steps get larger on.
pub(super) fn readable_behind(file: &FileBytes, at: u64) -> u64 {
    let is_readable = |position| file.read(position, 1, &mut Vec::new()).is_ok();
    let (mut failing, mut step, mut pages) = (at / PAGE_BYTES * PAGE_BYTES, PAGE_BYTES, 0);
    let mut readable = loop {
        let position = failing.saturating_add(step);
        if position >= file.len() {
            break file.len();
        }
        if is_readable(position) {
            break position;
        }
        failing = position;
        pages += 1;
        if pages > PAGES_ONE_BY_ONE {
            step = step.saturating_mul(2).min(LARGEST_STEP_BYTES);
        }
    };
    while readable - failing > PAGE_BYTES {
        let pages = (readable - failing) / PAGE_BYTES;
        let middle = failing + pages.div_ceil(2) * PAGE_BYTES;
        if is_readable(middle) {
            readable = middle;
        } else {
            failing = middle;
        }
    }
    readable
}
