//! Judges single batches: what the walk of a log came upon becomes findings.

use super::{Finding, Problem};
use crate::format::{Batch, FormatError, Offset, Position};
use crate::log::runs::{Bounds, Damage, DamageKind};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// What has to be known about a `.log` to judge what is in it.
#[derive(Clone, Debug)]
pub struct LogContext {
    /// The file, as findings name it.
    pub file: Arc<Path>,
    /// True when a later segment follows.
    pub is_sealed: bool,
    /// True when a broker is at work in its log dir.
    pub is_live: bool,
}

/// What is wrong with bytes that no batch proves.
#[must_use]
pub fn damage_finding(context: &LogContext, damage: &Damage<'_>) -> Finding {
    let (sealed, live) = (context.is_sealed, context.is_live && !context.is_sealed);
    let problem = match damage.kind.clone() {
        DamageKind::Checksum { stored, computed } => {
            Problem::BatchCrc { stored, computed, flipped: None }
        }
        DamageKind::Length { stored, fits } => Problem::BatchLength { stored, fits },
        DamageKind::Magic { magic } => Problem::BatchMagic { magic },
        DamageKind::CutOff { .. } if live => Problem::GrowingTail,
        DamageKind::CutOff { needed } => Problem::TornTail { needed, sealed },
        DamageKind::Zeros => Problem::PreallocatedTail { sealed },
        DamageKind::Unclaimed => Problem::UnclaimedBytes,
        DamageKind::Unreadable { why } => Problem::UnreadableRange { why },
        DamageKind::Gone => Problem::TruncatedWhileReading { settled: false },
        DamageKind::Limit { limit, allowed } => Problem::Limit { limit, allowed },
    };
    let offsets = damage.batch.as_ref().and_then(offsets_of);
    finding(context, damage.range.clone(), offsets, problem)
}

/// What is wrong with the offsets of a batch that proves itself otherwise: they are not under the
/// checksum. `previous` is the last offset before it.
#[must_use]
pub fn offset_finding(
    context: &LogContext,
    bounds: &Bounds,
    previous: Option<Offset>,
    batch: &Batch<'_>,
) -> Option<Finding> {
    let last = batch.last_offset();
    let first = batch.known_base_offset().unwrap_or(last);
    let overflows = |segment: &Offset| last.0.saturating_sub(segment.0) > i64::from(i32::MAX);
    let problem = if let Some(segment) = bounds.segment_base.filter(|segment| first < *segment) {
        Problem::OffsetBelowSegment { segment }
    } else if let Some(segment) = bounds.segment_base.filter(overflows) {
        Problem::OffsetOverflow { segment }
    } else if let Some(next) = bounds.next_segment_base.filter(|next| last >= *next) {
        Problem::OffsetBeyondNextSegment { next }
    } else if let Some(previous) = previous.filter(|previous| first <= *previous) {
        Problem::OffsetGoesBack { previous }
    } else {
        return None;
    };
    Some(finding(context, batch.position()..batch.end(), Some((first, last)), problem))
}

/// Why the records of a batch could not be read to the end.
#[must_use]
pub fn records_finding(context: &LogContext, batch: &Batch<'_>, error: FormatError) -> Finding {
    let problem = Problem::of_records(error.kind);
    finding(context, batch.position()..batch.end(), offsets_of(batch), problem)
}

/// A control record that does not read as one.
#[must_use]
pub fn control_finding(context: &LogContext, batch: &Batch<'_>, error: FormatError) -> Finding {
    let problem = Problem::ControlRecord { error: error.kind };
    finding(context, batch.position()..batch.end(), offsets_of(batch), problem)
}

fn finding(
    context: &LogContext,
    range: Range<Position>,
    offsets: Option<(Offset, Offset)>,
    problem: Problem,
) -> Finding {
    Finding::new(Arc::clone(&context.file), range, problem).at_offsets(offsets)
}

/// First and last offset as the header says; a damaged one may say nonsense.
fn offsets_of(batch: &Batch<'_>) -> Option<(Offset, Offset)> {
    let last = batch.last_offset();
    let first = batch.known_base_offset().unwrap_or(last);
    (first.0 >= 0 && first <= last).then_some((first, last))
}
