//! The row of a finding.

use super::as_i64;
use super::names::*;
use crate::render::Sink;
use segkit::check::problem::{IndexEntry, IndexKind};
use segkit::check::report::{Counts, Totals};
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
    if let Some((first, last)) = finding.timestamps {
        sink.timestamp(FIRST_TIMESTAMP, first);
        sink.timestamp(LAST_TIMESTAMP, last);
    }
    sink.int_unless(1, PLACES, as_i64(finding.places));
    sink.begin_object(Some(EVIDENCE));
    let _ = log_evidence(sink, problem)
        || order_evidence(sink, problem)
        || index_evidence(sink, problem)
        || other_evidence(sink, problem);
    sink.end_object();
    sink.text(MESSAGE, &problem.message());
    if let Some(broker) = &finding.broker {
        sink.text(BROKER, broker);
    }
    if let Some(next) = &finding.next {
        sink.text(NEXT, next);
    }
    sink.end();
}

/// A row of type `summary`: the last line of a look.
pub fn summary(sink: &mut impl Sink, totals: &Totals, counts: &Counts, seconds: f64) {
    sink.begin("summary");
    summary_fields(sink, totals, counts, seconds);
    sink.end();
}

/// What every summary says.
pub(super) fn summary_fields(sink: &mut impl Sink, totals: &Totals, counts: &Counts, seconds: f64) {
    sink.int(PARTITIONS, as_i64(totals.partitions));
    sink.int(SEGMENTS, as_i64(totals.segments));
    sink.int(FILES, as_i64(totals.files));
    sink.int(BYTES, as_i64(totals.coverage.bytes()));
    sink.int(BATCHES, as_i64(totals.batches));
    sink.int(RECORDS, as_i64(totals.records));
    sink.int(ERRORS, as_i64(counts.errors));
    sink.int(WARNINGS, as_i64(counts.warnings));
    sink.int(NOTES, as_i64(counts.notes));
    sink.int(UNREAD, as_i64(totals.coverage.unread));
    sink.json(SECONDS, format!("{seconds:.3}").as_bytes());
}

/// What a finding rests on, under names of its own code. True when the problem is one of these.
fn log_evidence(sink: &mut impl Sink, problem: &Problem) -> bool {
    match problem {
        Problem::BatchCrc { stored, computed, flipped } => {
            sink.int(STORED_CRC, (*stored).into());
            sink.int(COMPUTED_CRC, (*computed).into());
            if let Some(flipped) = flipped {
                sink.int(FLIPPED_BYTE, as_i64(flipped.position.0));
                sink.int(FLIPPED_BIT, flipped.bit.into());
            }
        }
        Problem::BatchLength { stored, fits } => {
            sink.int(STORED_LENGTH, (*stored).into());
            if let Some(fits) = fits {
                sink.int(FITTING_LENGTH, (*fits).into());
            }
        }
        Problem::BatchMagic { magic } | Problem::LegacyFormat { magic } => {
            sink.int(MAGIC, (*magic).into());
        }
        Problem::TornTail { needed: Some(needed), .. } => sink.int(SIZE, as_i64(*needed)),
        Problem::SectorZeroed { zeros } => {
            sink.int(ZEROS_POSITION, as_i64(zeros.start.0));
            sink.int(ZEROS_LENGTH, as_i64(zeros.end.0.saturating_sub(zeros.start.0)));
        }
        Problem::UnreadableRange { why } | Problem::NotReadable { why } => sink.text(ERROR, why),
        Problem::UnknownCodec { id } => sink.int(CODEC_ID, (*id).into()),
        Problem::Decompression { codec, .. } | Problem::DecompressionChecksum { codec } => {
            sink.text(COMPRESSION_TYPE, codec.name());
        }
        Problem::DecompressionTrailing { codec, bytes } => {
            sink.text(COMPRESSION_TYPE, codec.name());
            sink.int(BYTES_LEFT, as_i64(*bytes));
        }
        Problem::RecordCount { stored, found } => {
            sink.int(STORED_COUNT, (*stored).into());
            sink.int(FOUND_COUNT, *found);
        }
        Problem::RecordOffsetDelta { record, offset } => {
            sink.int(RECORD, (*record).into());
            sink.int(OFFSET, offset.0);
        }
        Problem::LastOffsetDelta { last_offset_delta, count } => {
            sink.int(LAST_OFFSET_DELTA, (*last_offset_delta).into());
            sink.int(COUNT, (*count).into());
        }
        Problem::MaxTimestamp { stored, computed } => {
            sink.timestamp(STORED_TIMESTAMP, *stored);
            sink.timestamp(COMPUTED_TIMESTAMP, *computed);
        }
        Problem::TimestampUnit { timestamp, seems } => {
            sink.int(TIMESTAMP, *timestamp);
            sink.text(SEEMS, seems.name());
        }
        Problem::ReservedAttributes { bits } => sink.int(BITS, (*bits).into()),
        Problem::ControlRecords { count } => sink.int(COUNT, (*count).into()),
        Problem::UnknownControlRecord { record_type } => {
            sink.int(CONTROL_RECORD_TYPE, (*record_type).into());
        }
        Problem::Limit { limit, allowed } => {
            sink.text(LIMIT, limit);
            sink.int(ALLOWED, as_i64(*allowed));
        }
        _ => return false,
    }
    true
}

fn order_evidence(sink: &mut impl Sink, problem: &Problem) -> bool {
    match problem {
        Problem::OffsetGoesBack { previous } => sink.int(PREVIOUS_OFFSET, previous.0),
        Problem::OffsetBelowSegment { segment } | Problem::OffsetOverflow { segment } => {
            sink.int(SEGMENT_BASE_OFFSET, segment.0);
        }
        Problem::LogTooLarge { .. } => {}
        Problem::OffsetBeyondNextSegment { next } => sink.int(NEXT_SEGMENT_BASE_OFFSET, next.0),
        Problem::OffsetGap { expected, found, .. } => {
            sink.int(EXPECTED_OFFSET, expected.0);
            sink.int(FOUND_OFFSET, found.0);
        }
        Problem::LeaderEpochGoesBack { epoch, previous } => {
            sink.int(LEADER_EPOCH, (*epoch).into());
            sink.int(PREVIOUS_EPOCH, (*previous).into());
        }
        Problem::LeaderEpochDiffers { epoch, checkpoint } => {
            sink.int(LEADER_EPOCH, (*epoch).into());
            sink.int(CHECKPOINT_EPOCH, (*checkpoint).into());
        }
        Problem::SequenceGap { producer, expected, found }
        | Problem::SequenceRepeats { producer, expected, found } => {
            sink.int(PRODUCER_ID, producer.id);
            sink.int(PRODUCER_EPOCH, producer.epoch.into());
            sink.int(EXPECTED_SEQUENCE, (*expected).into());
            sink.int(FOUND_SEQUENCE, (*found).into());
        }
        _ => return false,
    }
    true
}

fn index_entry(sink: &mut impl Sink, index: IndexKind, entry: &IndexEntry) {
    sink.int(ENTRY, as_i64(entry.number));
    sink.int(ENTRY_OFFSET, entry.offset.0);
    match index {
        IndexKind::Offset => sink.int(LOG_POSITION, entry.key),
        _ => sink.timestamp(ENTRY_TIMESTAMP, entry.key),
    }
}

fn index_evidence(sink: &mut impl Sink, problem: &Problem) -> bool {
    match problem {
        Problem::TxnIndexMissing { producer_id, first_offset, last_offset } => {
            sink.int(PRODUCER_ID, *producer_id);
            sink.int(TXN_FIRST_OFFSET, first_offset.0);
            sink.int(TXN_LAST_OFFSET, last_offset.0);
        }
        Problem::IndexLength { bytes_left, .. } => sink.int(BYTES_LEFT, as_i64(*bytes_left)),
        Problem::IndexOrder { index, entry, previous } => {
            index_entry(sink, *index, entry);
            sink.begin_object(Some(PREVIOUS_ENTRY));
            index_entry(sink, *index, previous);
            sink.end_object();
        }
        Problem::IndexUnsafe { index, entry, lost } => {
            index_entry(sink, *index, entry);
            sink.int(LOST_OFFSET, lost.0);
        }
        Problem::IndexPosition { entry } => index_entry(sink, IndexKind::Offset, entry),
        Problem::IndexStale { index, entry, log_end } => {
            index_entry(sink, *index, entry);
            sink.int(LOG_END_OFFSET, log_end.0);
        }
        Problem::IndexSparse { entries, expected, .. } => {
            sink.int(ENTRIES, as_i64(*entries));
            sink.int(EXPECTED_ENTRIES, as_i64(*expected));
        }
        Problem::TimeIndexLast { stored, computed } => {
            if let Some(stored) = stored {
                sink.timestamp(STORED_TIMESTAMP, *stored);
            }
            sink.timestamp(COMPUTED_TIMESTAMP, *computed);
        }
        Problem::TxnIndexDiffers { producer_id, what, stored, computed } => {
            sink.int(PRODUCER_ID, *producer_id);
            sink.text(FIELD, what.name());
            sink.int(STORED_OFFSET, stored.0);
            if let Some(computed) = computed {
                sink.int(COMPUTED_OFFSET, computed.0);
            }
        }
        _ => return false,
    }
    true
}

fn other_evidence(sink: &mut impl Sink, problem: &Problem) -> bool {
    match problem {
        Problem::SnapshotDiffers { producer_id, producers, .. } => {
            sink.int(PRODUCER_ID, *producer_id);
            sink.int(PRODUCERS, as_i64(*producers));
        }
        Problem::OpenTransaction { producer, first_offset, last_timestamp } => {
            sink.int(PRODUCER_ID, producer.id);
            sink.int(PRODUCER_EPOCH, producer.epoch.into());
            sink.int(CURRENT_TXN_FIRST_OFFSET, first_offset.0);
            sink.timestamp(TIMESTAMP, *last_timestamp);
        }
        Problem::LeaderEpochOrder { epoch, start } => {
            sink.int(EPOCH, (*epoch).into());
            sink.int(START_OFFSET, start.0);
        }
        Problem::LeaderEpochBeyondEnd { epoch, start, log_end } => {
            sink.int(EPOCH, (*epoch).into());
            sink.int(START_OFFSET, start.0);
            sink.int(LOG_END_OFFSET, log_end.0);
        }
        Problem::CheckpointOutside { partition, offset, log_start, log_end } => {
            sink.text(CHECKPOINT_PARTITION, partition);
            sink.int(CHECKPOINT_OFFSET, offset.0);
            sink.int(LOG_START_OFFSET, log_start.0);
            sink.int(LOG_END_OFFSET, log_end.0);
        }
        _ => return false,
    }
    true
}
