//! What a segment holds, without looking at its records: from the ends of its files, or from every
//! batch header.
//!
//! ```text
//!   .log        | first header |        ...        | headers from the last index entry on |
//!   .timeindex                            ... | last entry |
//! ```

use super::file_bytes::Order;
use super::lookup::{OpenPartition, Place, Workspace};
use super::runs::{Bounds, Piece, RUN_BYTES, Scanner};
use super::segment::{Segment, SegmentFiles};
use super::{Access, FileBytes};
use crate::error::Result;
use crate::format::time_index::TimeIndex;
use crate::format::{Batch, Batches, Codec, Offset, Position};
use crate::limits::Limits;

/// What is known about a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentSummary {
    /// The offset behind the last batch; `None` when that batch was not looked for.
    pub next_offset: Option<Offset>,
    /// The timestamp of the first batch that says one.
    pub first_timestamp: Option<i64>,
    /// The greatest timestamp, as far as it was looked for.
    pub max_timestamp: Option<i64>,
    /// What every header together says, where all were walked.
    pub headers: Option<HeaderSummary>,
}

/// What the batch headers of a segment say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderSummary {
    /// How many batches there are.
    pub batches: u64,
    /// How many records their headers count; `None` when there is a wrapper message, which does
    /// not say.
    pub records: Option<u64>,
    /// The codecs, in the order of their ids.
    pub codecs: Vec<Codec>,
    /// The magics, in their order.
    pub magics: Vec<i8>,
    /// Bytes that belong to no batch.
    pub other_bytes: u64,
}

/// Looks at the first header, the end of the time index, and the headers behind the last index
/// entry.
///
/// # Errors
/// When a file cannot be read.
pub fn ends(
    open: &OpenPartition,
    index: usize,
    workspace: &mut Workspace,
) -> Result<SegmentSummary> {
    let end = open.segment_end(index, workspace)?;
    let files = open.directory().segments.get(index);
    let indexed = files.and_then(|files| time_index_end(files, open.access()));
    Ok(SegmentSummary {
        next_offset: Some(end.log_end.offset),
        first_timestamp: first_timestamp(open, index)?,
        max_timestamp: indexed.max(end.max_timestamp),
        headers: None,
    })
}

/// The timestamp of the last entry of a segment's time index: in a segment that is not written to
/// any more, its greatest. `None` without an index or an entry.
#[must_use]
pub fn time_index_end(files: &SegmentFiles, access: Access) -> Option<i64> {
    let bytes = FileBytes::open(&files.time_index.as_ref()?.path, access).ok()?;
    let mut buffer = Vec::new();
    let bytes = bytes.read(0, usize::try_from(bytes.len()).ok()?, &mut buffer).ok()?;
    TimeIndex::new(bytes, files.base_offset).last().map(|entry| entry.timestamp)
}

fn first_timestamp(open: &OpenPartition, index: usize) -> Result<Option<i64>> {
    let mut buffer = Vec::new();
    let first = open.batch_at(Place { segment: index, position: Position(0) }, &mut buffer)?;
    Ok(first.ok().and_then(|batch| timestamp_of(&batch)))
}

/// The base timestamp of a batch, or its greatest where it has none; -1 stands for none.
fn timestamp_of(batch: &Batch<'_>) -> Option<i64> {
    let timestamp = batch.base_timestamp().unwrap_or(batch.max_timestamp());
    (timestamp >= 0).then_some(timestamp)
}

/// Walks every batch header. Checksums are not looked at; bytes that are no batch are stepped over
/// and counted.
///
/// # Errors
/// When the file cannot be read.
pub fn walk_headers(open: &OpenPartition, index: usize, limits: Limits) -> Result<SegmentSummary> {
    let segment = open.segment(index)?;
    segment.log.expect(Order::Sequential);
    let mut walk = HeaderWalk::default();
    let mut position = 0;
    match segment.log.whole() {
        // Nothing is copied: one hop a batch.
        Some(bytes) => loop {
            let rest = usize::try_from(position).ok().and_then(|at| bytes.get(at..));
            let mut batches = Batches::new(rest.unwrap_or_default(), Position(position));
            for batch in batches.by_ref().map_while(std::result::Result::ok) {
                walk.add(&batch);
            }
            position = batches.position().0;
            if batches.remaining().is_empty() {
                break;
            }
            position = walk.step_over(segment, position, limits)?;
        },
        None => {
            while position < segment.log.len() {
                position = walk.step_over(segment, position, limits)?;
            }
        }
    }
    let next_offset = walk.next_offset.or(Some(segment.base_offset));
    let (first_timestamp, max_timestamp) = (walk.first_timestamp, walk.max_timestamp);
    Ok(SegmentSummary {
        next_offset,
        first_timestamp,
        max_timestamp,
        headers: Some(walk.headers()),
    })
}

#[derive(Default)]
struct HeaderWalk {
    batches: u64,
    records: u64,
    has_wrapper: bool,
    codec_ids: u8,
    magics: u8,
    other_bytes: u64,
    next_offset: Option<Offset>,
    first_timestamp: Option<i64>,
    max_timestamp: Option<i64>,
}

impl HeaderWalk {
    fn add(&mut self, batch: &Batch<'_>) {
        self.batches += 1;
        match batch.records_count() {
            Some(count) => self.records += u64::try_from(count).unwrap_or(0),
            None => self.has_wrapper = true,
        }
        self.codec_ids |= 1 << batch.attributes().codec_id();
        self.magics |= 1 << batch.magic();
        self.next_offset = Some(batch.next_offset());
        self.first_timestamp = self.first_timestamp.or_else(|| timestamp_of(batch));
        let max = Some(batch.max_timestamp()).filter(|&max| max >= 0);
        self.max_timestamp = self.max_timestamp.max(max);
    }

    /// Takes the batches from `position` on for about a run, and steps over the bytes between them
    /// that are none. One search serves all damages of the run.
    fn step_over(&mut self, segment: &Segment, position: u64, limits: Limits) -> Result<u64> {
        let bounds = Bounds {
            last_proved: None,
            segment_base: Some(segment.base_offset),
            next_segment_base: None,
        };
        let mut scanner = Scanner::new(
            &segment.log,
            position..position.saturating_add(RUN_BYTES),
            bounds,
            limits,
        );
        while let Some(piece) = scanner.next()? {
            match piece {
                Piece::Proved(batch) => self.add(&batch),
                Piece::Damaged(damage) => match damage.batch {
                    Some(batch) => self.add(&batch),
                    None => self.other_bytes += damage.range.end.0 - damage.range.start.0,
                },
            }
        }
        Ok(scanner.position())
    }

    fn headers(&self) -> HeaderSummary {
        let ids = (0..8).filter(|id| self.codec_ids & (1 << id) != 0);
        HeaderSummary {
            batches: self.batches,
            records: (!self.has_wrapper).then_some(self.records),
            codecs: ids.filter_map(Codec::from_id).collect(),
            magics: (0..3).filter(|magic| self.magics & (1 << magic) != 0).collect(),
            other_bytes: self.other_bytes,
        }
    }
}
