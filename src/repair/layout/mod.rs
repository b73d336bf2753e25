//! From what stands in the logs of a partition to what is to stand in them: which batches, in
//! which order, in which segment. Nothing is written here, and little is read: bytes that are
//! damaged, and batches that are in doubt.
//!
//! ```text
//!   stretches   | 0-9 | 10-19 |??| 30-39 | 30-39 | 50-59 | 40-49 | 60-69 | 0000 |
//!   parts         kept        drop  kept    drop   kept    moved   kept    drop
//!   image       | 0-9 | 10-19 | 30-39 | 40-49 | 50-59 | 60-69 |
//!   losses                    '-- offsets 20-29
//! ```
//!
//! The logs are cut into parts, and each gets one fate: kept, moved or dropped. Every byte is in
//! exactly one part, so that what is kept and what is lost sum up to what was there. No batch that
//! proves itself is ever dropped unless the same bytes stand elsewhere, or a batch in order stands
//! in its offsets; none is ever changed but for the fields that no checksum covers, and those only
//! where one value fits. Where two readings are possible, what is there is left as it is.

mod around;
mod assemble;
mod board;
mod damage;
mod displaced;
mod epochs;
pub mod like_broker;
mod losses;
mod order;
mod pieces;
mod places;
mod restore;
mod spine;

pub use like_broker::like_broker;

use super::plan::{Action, Loss};
use crate::check::stretches::Stretch;
use crate::error::Error;
use crate::format::checkpoint::LeaderEpochs;
use crate::format::replay::BatchFacts;
use crate::format::{Offset, Position};
use crate::limits::Limits;
use crate::log::image::LogImage;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// What a look at a segment showed.
#[derive(Clone, Debug)]
pub struct SegmentLook {
    /// The offset in its names.
    pub base_offset: Offset,
    /// Its `.log`.
    pub log: Arc<Path>,
    /// The bytes of its `.log`.
    pub length: u64,
    /// What stands in it, from its beginning to its end.
    pub stretches: Vec<Stretch>,
    /// False for a `.log` that could not be opened.
    pub is_readable: bool,
    /// Whether it has an `.index`.
    pub has_index: bool,
}

/// The bytes of the logs, asked for where they are damaged or in doubt.
pub trait Bytes {
    /// The bytes of a range of a log; the range is bounded by who asks.
    ///
    /// # Errors
    /// When the file does not give all of them.
    fn read(&self, log: &Path, range: Range<u64>) -> Result<Vec<u8>, Error>;

    /// The batches of a range of a log, of which each proves itself.
    ///
    /// # Errors
    /// When the file does not give them.
    fn batches(&self, log: &Path, range: Range<Position>) -> Result<Vec<BatchFacts>, Error>;
}

/// What is known besides the logs, and what is allowed.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Whether a single bit is set back also where it is likely only, not certain.
    pub accepts_single_bit: bool,
    /// The bounds on untrusted input.
    pub limits: Limits,
    /// The `leader-epoch-checkpoint`, where it can be read and rises.
    pub epochs: Option<LeaderEpochs>,
    /// Where the log begins for readers.
    pub log_start: Offset,
    /// The offset behind the last one that the log is known to have had, whatever the logs hold.
    pub known_end: Option<Offset>,
    /// Whether the broker that was here last stopped in good order: then it trimmed its files, and
    /// the next one reads the end of the log without making it good first.
    pub is_clean_shutdown: bool,
    /// Whether the log dir says that the cleaner has been over the partition.
    pub is_cleaned: bool,
}

/// What a partition's segments are to be.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// In the order of base offsets.
    pub segments: Vec<SegmentLayout>,
    /// What is done, in the order of files and positions.
    pub actions: Vec<Action>,
    /// What is lost, in the order of files and positions.
    pub losses: Vec<Loss>,
    /// Which bytes stay as they are although they are not in order, and why.
    pub left_alone: Vec<(Arc<Path>, Range<Position>, String)>,
}

/// What a segment is to be.
#[derive(Clone, Debug)]
pub struct SegmentLayout {
    /// The offset in its names.
    pub base_offset: Offset,
    /// The bytes of its `.log`.
    pub log: LogImage,
    /// The `.log` whose owner, mode and age it gets.
    pub like: Arc<Path>,
    /// Which of the given segments its bytes come from, and which it takes the place of.
    pub from: Vec<usize>,
    /// False when it is what is there.
    pub is_changed: bool,
}

/// What the segments of a partition are to be, in the order of base offsets as they are given.
///
/// # Errors
/// When bytes that are in doubt cannot be read.
pub fn layout(segments: &[SegmentLook], bytes: &dyn Bytes, terms: &Terms) -> Result<Layout, Error> {
    let mut board = board::Board::new(segments, bytes, terms);
    order::settle(&mut board, false)?;
    damage::settle(&mut board, false)?;
    order::settle(&mut board, true)?;
    if damage::settle(&mut board, true)? {
        order::settle(&mut board, true)?;
    }
    epochs::settle(&mut board)?;
    assemble::assemble(board)
}

#[cfg(test)]
mod tests;
