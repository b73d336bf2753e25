//! The logs of a partition, read where they are damaged or in doubt.

use crate::error::{Error, Result};
use crate::format::replay::BatchFacts;
use crate::format::{Position, Scratch};
use crate::limits::Limits;
use crate::log::runs::{Bounds, Piece, Scanner};
use crate::log::{Access, FileBytes};
use crate::repair::layout::Bytes;
use std::ops::Range;
use std::path::Path;

/// The logs of a partition.
pub(super) struct Sources {
    pub(super) limits: Limits,
}

impl Bytes for Sources {
    fn read(&self, log: &Path, range: Range<u64>) -> Result<Vec<u8>> {
        let file = FileBytes::open(log, Access::Read)?;
        let length = range.end.min(file.len()).saturating_sub(range.start);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > self.limits.batch_bytes {
            return Err(Error::other("reading", log, "more than a batch may have"));
        }
        let mut buffer = Vec::new();
        let bytes = file.read(range.start, length, &mut buffer)?;
        Ok(bytes.to_vec())
    }

    fn batches(&self, log: &Path, range: Range<Position>) -> Result<Vec<BatchFacts>> {
        let file = FileBytes::open(log, Access::Read)?;
        let range = range.start.0..range.end.0;
        let mut scanner = Scanner::new(&file, range, Bounds::default(), self.limits);
        let mut scratch = Scratch::new(self.limits.decompressed_bytes);
        let mut batches = Vec::new();
        while let Some(piece) = scanner.next()? {
            if let Piece::Proved(batch) = piece {
                batches.push(BatchFacts::of(&batch, &mut scratch));
            }
        }
        Ok(batches)
    }
}
