//! The row of a finding.

use super::as_i64;
use super::names::*;
use crate::render::Sink;
use segkit::check::{Finding, Problem};

/// A row of type `finding`.
pub fn finding(sink: &mut impl Sink, finding: &Finding) {
    let problem = &finding.problem;
    sink.begin("finding");
    sink.text(CODE, problem.code());
    sink.text(SEVERITY, problem.severity().name());
    sink.file(FILE, &finding.file.to_string_lossy());
    sink.int(POSITION, as_i64(finding.range.start.0));
    sink.int(LENGTH, as_i64(finding.range.end.0.saturating_sub(finding.range.start.0)));
    if let Some((first, last)) = finding.offsets {
        sink.range(FIRST_OFFSET, LAST_OFFSET, first.0, last.0);
    }
    sink.begin_object(Some(EVIDENCE));
    evidence(sink, problem);
    sink.end_object();
    sink.text(MESSAGE, &problem.message());
    if let Some(next) = problem.next() {
        sink.text(NEXT, next);
    }
    sink.end();
}

/// What a finding rests on, under names of its own code.
fn evidence(sink: &mut impl Sink, problem: &Problem) {
    match *problem {
        Problem::BatchCrc { stored, computed } => {
            sink.int(STORED_CRC, stored.into());
            sink.int(COMPUTED_CRC, computed.into());
        }
        Problem::BatchLength { stored, fits } => {
            sink.int(STORED_LENGTH, stored.into());
            if let Some(fits) = fits {
                sink.int(FITTING_LENGTH, fits.into());
            }
        }
        Problem::OffsetGoesBack { previous } => sink.int(PREVIOUS_OFFSET, previous.0),
        Problem::OffsetBelowSegment { segment } | Problem::OffsetOverflow { segment } => {
            sink.int(SEGMENT_BASE_OFFSET, segment.0);
        }
        Problem::OffsetBeyondNextSegment { next } => sink.int(NEXT_SEGMENT_BASE_OFFSET, next.0),
        Problem::BatchMagic { magic } => sink.int(MAGIC, magic.into()),
        Problem::TornTail { needed: Some(needed), .. } => sink.int(SIZE, as_i64(needed)),
        Problem::UnknownCodec { id } => sink.int(CODEC_ID, id.into()),
        Problem::Decompression { codec, .. } => sink.text(COMPRESSION_TYPE, codec.name()),
        Problem::RecordCount { stored, found } => {
            sink.int(STORED_COUNT, stored.into());
            sink.int(FOUND_COUNT, found);
        }
        Problem::Limit { limit, allowed } => {
            sink.text(LIMIT, limit);
            sink.int(ALLOWED, as_i64(allowed));
        }
        _ => {}
    }
}
