//! Judges the offset index and the time index against the log.
//!
//! ```text
//!   entries, in order    e0        e1             e2    e3
//!                        |         |              |     |
//!   pieces of the log  | batch | batch | batch |..damaged..| batch |  -> finish
//! ```
//!
//! Both are merged with the batches of their segment in one pass. Byte equality is not asked for:
//! what a healthy broker writes depends on its release, its restarts, on how much was appended at a
//! time and on compaction. What is asked is whether a lookup that trusts an entry still finds all
//! that it should. Entries that are safe but not as a recovery writes them are a note.
//!
//! An entry is not judged against what nobody knows: where it points into damage, behind the part
//! of the log that was read, or to a batch whose own offset cannot be true. In the file of a live
//! broker's active segment the last entry may be half written, and entries may be ahead of the part
//! of the log that was there when it was opened.

mod entries;
mod leftovers;
mod offset;
mod so_far;
mod time;

pub use offset::OffsetIndexCheck;
pub use time::TimeIndexCheck;

use crate::format::{Offset, Position};
use std::path::Path;
use std::sync::Arc;

/// What has to be known about an index file to judge it.
#[derive(Clone, Debug)]
pub struct IndexContext {
    /// The file, as findings name it.
    pub file: Arc<Path>,
    /// How long it is.
    pub length: u64,
    /// How many bytes of it were looked at. What is behind them is not judged.
    pub read: u64,
    /// The offset in its name.
    pub base_offset: Offset,
    /// True when a later segment follows.
    pub is_sealed: bool,
    /// True when a broker is at work in its log dir.
    pub is_live: bool,
}

/// What was seen of a log once all its pieces are judged.
#[derive(Clone, Copy, Debug)]
pub struct LogRead {
    /// Where its bytes end, without the zeros that a preallocated file ends in.
    pub length: Position,
    /// True when every byte up to there was in a batch or a damage that was handed on.
    pub is_complete: bool,
}

#[cfg(test)]
mod tests;
