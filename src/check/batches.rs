//! Judges single batches by their headers: what a header says must be possible.

use super::problem::TimestampSeems;
use super::records::judge_records;
use super::{FileFindings, Finding, Problem};
use crate::format::replay::BatchFacts;
use crate::format::{Batch, FormatError, Offset, Scratch};
use crate::log::runs::Bounds;
use std::path::Path;
use std::sync::Arc;

pub use super::damage::damage_finding;

/// What has to be known about a `.log` to judge what is in it.
#[derive(Clone, Debug)]
pub struct LogContext {
    /// The file, as findings name it.
    pub file: Arc<Path>,
    /// True when a later segment follows.
    pub is_sealed: bool,
    /// True when a broker is at work in its log dir.
    pub is_live: bool,
    /// When it was written last, in milliseconds since the epoch.
    pub modified: Option<i64>,
}

/// Attribute bits that Kafka gives no meaning: in magic 2, 1 and 0.
const RESERVED_V2: u16 = !0x7f;
const RESERVED_V1: u16 = 0xf0;
const RESERVED_V0: u16 = 0xf8;

/// Milliseconds before this are taken for seconds: in milliseconds they would lie before 1973.
const SECONDS_BELOW: i64 = 100_000_000_000;
/// Numbers from here on are taken for microseconds: in milliseconds they would lie behind 5138.
const MICROSECONDS_FROM: i64 = 100_000_000_000_000;
/// Numbers from here on are taken for nanoseconds.
const NANOSECONDS_FROM: i64 = 100_000_000_000_000_000;
const DAY_MS: i64 = 86_400_000;

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
    let problem = offset_problem(bounds, previous, first, last)?;
    let finding = Finding::new(Arc::clone(&context.file), batch.position()..batch.end(), problem);
    Some(finding.at_offsets(Some((first, last))))
}

/// What is wrong with a batch from `first` to `last`, `previous` being the last offset before it.
#[must_use]
pub(super) fn offset_problem(
    bounds: &Bounds,
    previous: Option<Offset>,
    first: Offset,
    last: Offset,
) -> Option<Problem> {
    let overflows = |segment: &Offset| last.0.saturating_sub(segment.0) > i64::from(i32::MAX);
    if let Some(segment) = bounds.segment_base.filter(|segment| first < *segment) {
        Some(Problem::OffsetBelowSegment { segment })
    } else if let Some(segment) = bounds.segment_base.filter(overflows) {
        Some(Problem::OffsetOverflow { segment })
    } else if let Some(next) = bounds.next_segment_base.filter(|next| last >= *next) {
        Some(Problem::OffsetBeyondNextSegment { next })
    } else {
        let previous = previous.filter(|previous| first <= *previous)?;
        Some(Problem::OffsetGoesBack { previous })
    }
}

/// Judges a batch that proves itself by all that it says about itself, header and records: the
/// facts about it, and what is wrong with it.
#[must_use]
pub fn judge_batch(batch: &Batch<'_>, scratch: &mut Scratch) -> (BatchFacts, Vec<Problem>) {
    let file: Arc<Path> = Path::new("").into();
    let mut findings = FileFindings::new(Arc::clone(&file));
    let context = LogContext { file, is_sealed: false, is_live: false, modified: None };
    judge_header(&context, batch, &mut findings);
    let mut facts = BatchFacts::of(batch, scratch);
    if batch.records_count() != Some(0) {
        let records = judge_records(batch, scratch, &mut findings);
        facts.base_offset = facts.base_offset.or(records.first);
        facts.max_timestamp = records.max_timestamp.unwrap_or(facts.max_timestamp);
    }
    let rows = findings.into_rows().into_iter();
    (facts, rows.map(|finding| finding.problem).collect())
}

/// Judges what a batch's header says about the batch itself.
pub(super) fn judge_header(context: &LogContext, batch: &Batch<'_>, findings: &mut FileFindings) {
    let mut find = |problem| {
        let range = batch.position()..batch.end();
        findings.add(range, offsets_of(batch), problem);
    };
    let attributes = batch.attributes();
    let reserved = match batch.magic() {
        2 => RESERVED_V2,
        1 => RESERVED_V1,
        _ => RESERVED_V0,
    };
    if attributes.0 & reserved != 0 {
        find(Problem::ReservedAttributes { bits: attributes.0 & reserved });
    }
    if batch.magic() < 2 {
        find(Problem::LegacyFormat { magic: batch.magic() });
    }
    if let Err(FormatError { kind, .. }) = batch.codec() {
        find(Problem::of_records(kind));
    }
    if let Some((last_offset_delta, count)) = batch.last_offset_delta().zip(batch.records_count()) {
        if count < 0 {
            find(Problem::RecordCount { stored: count, found: 0 });
        } else if last_offset_delta < 0 || count - 1 > last_offset_delta {
            find(Problem::LastOffsetDelta { last_offset_delta, count });
        }
    }
    if let Some(why) = producer_contradiction(batch) {
        find(Problem::ProducerFields { why });
    }
    if let Some(seems) = timestamp_seems(batch.max_timestamp(), context.modified) {
        find(Problem::TimestampUnit { timestamp: batch.max_timestamp(), seems });
    }
}

/// `KRaft` control batches have no producer, and a coordinator's batches have a sequence without
/// one: both are normal.
fn producer_contradiction(batch: &Batch<'_>) -> Option<&'static str> {
    let attributes = batch.attributes();
    let has_producer = batch.producer_id() >= 0;
    if batch.magic() < 2 {
        None
    } else if attributes.is_transactional() && !has_producer {
        Some("transactional, and without a producer id")
    } else if has_producer && batch.producer_epoch() < 0 {
        Some("a producer id without a producer epoch")
    } else if has_producer && attributes.is_control() && !attributes.is_transactional() {
        Some("a transaction marker without the transactional bit")
    } else if has_producer && !attributes.is_control() && batch.base_sequence() < 0 {
        Some("a producer id without a sequence")
    } else {
        None
    }
}

fn timestamp_seems(timestamp: i64, modified: Option<i64>) -> Option<TimestampSeems> {
    match timestamp {
        ..=0 => None,
        1..SECONDS_BELOW => Some(TimestampSeems::Seconds),
        NANOSECONDS_FROM.. => Some(TimestampSeems::Nanoseconds),
        MICROSECONDS_FROM.. => Some(TimestampSeems::Microseconds),
        _ if modified.is_some_and(|modified| timestamp > modified.saturating_add(DAY_MS)) => {
            Some(TimestampSeems::Future)
        }
        _ => None,
    }
}

/// Why the records of a batch could not be read to the end.
#[must_use]
pub fn records_finding(context: &LogContext, batch: &Batch<'_>, error: FormatError) -> Finding {
    finding(context, batch, Problem::of_records(error.kind))
}

/// A control record that does not read as one.
#[must_use]
pub fn control_finding(context: &LogContext, batch: &Batch<'_>, error: FormatError) -> Finding {
    finding(context, batch, Problem::ControlRecord { error: error.kind })
}

fn finding(context: &LogContext, batch: &Batch<'_>, problem: Problem) -> Finding {
    let range = batch.position()..batch.end();
    Finding::new(Arc::clone(&context.file), range, problem).at_offsets(offsets_of(batch))
}

/// First and last offset as the header says; a damaged one may say nonsense.
pub(super) fn offsets_of(batch: &Batch<'_>) -> Option<(Offset, Offset)> {
    let last = batch.last_offset();
    let first = batch.known_base_offset().unwrap_or(last);
    (first.0 >= 0 && first <= last).then_some((first, last))
}
