//! Rows of a lookup: where a record is, or why there is none.

use super::names::*;
use super::{ValueStyles, as_i64, headers, length, topic_partition};
use crate::render::Sink;
use segkit::format::{Offset, Record};
use segkit::log::TopicPartition;
use segkit::log::lookup::{Hit, Miss, MissReason, Steps};

/// Where a record was found.
pub struct HitPlace<'a> {
    /// The partition, as far as the directory's name says.
    pub partition: Option<&'a TopicPartition>,
    /// The `.log`.
    pub file: &'a str,
    /// The segment's base offset.
    pub segment_base_offset: Offset,
    /// How it was found.
    pub steps: &'a Steps,
    /// What was found.
    pub hit: &'a Hit,
}

/// A row of type `hit`.
pub fn hit<S: Sink>(
    sink: &mut S,
    place: &HitPlace<'_>,
    record: Option<&Record<'_>>,
    styles: ValueStyles,
) {
    let HitPlace { hit, steps, .. } = place;
    sink.begin("hit");
    topic_partition(sink, place.partition);
    sink.file(FILE, place.file);
    sink.int(SEGMENT_BASE_OFFSET, place.segment_base_offset.0);
    match steps.index.as_ref().and_then(|search| search.entry) {
        Some(entry) => {
            sink.begin_object(Some(INDEX_ENTRY));
            sink.int(OFFSET, entry.offset.0);
            sink.int(POSITION, entry.position.into());
            sink.end_object();
        }
        None => sink.json(INDEX_ENTRY, b"null"),
    }
    sink.int(POSITION, as_i64(hit.place.position.0));
    sink.int(SIZE, as_i64(hit.size as u64));
    sink.range(BASE_OFFSET, LAST_OFFSET, hit.base_offset.0, hit.last_offset.0);
    sink.int(BATCHES_SCANNED, as_i64(steps.scan.batches));
    sink.int(OFFSET, hit.offset.0);
    sink.timestamp(TIMESTAMP, hit.timestamp);
    if let Some(record) = record {
        sink.begin_object(Some(RECORD));
        sink.int(KEY_SIZE, length(record.key));
        sink.int(VALUE_SIZE, length(record.value));
        sink.bytes(KEY, record.key, styles.key);
        sink.bytes(VALUE, record.value, styles.value);
        headers(sink, record);
        sink.end_object();
    }
    sink.end();
}

/// The line of a hit for people; with `is_explained` the lines above have said where it is.
pub fn hit_text<S: Sink>(
    sink: &mut S,
    place: &HitPlace<'_>,
    record: Option<&Record<'_>>,
    styles: ValueStyles,
    is_explained: bool,
) {
    sink.begin("hit");
    sink.int(HIT_OFFSET, place.hit.offset.0);
    sink.timestamp(HIT_TIMESTAMP, place.hit.timestamp);
    if let Some(record) = record {
        sink.bytes(KEY, record.key, styles.key);
        sink.bytes(VALUE, record.value, styles.value);
        headers(sink, record);
    }
    if !is_explained {
        let name = place.file.rsplit('/').next().unwrap_or(place.file);
        sink.text(HIT_FILE, name);
        sink.int(HIT_POSITION, as_i64(place.hit.place.position.0));
    }
    sink.end();
}

/// A row of type `miss`.
pub fn miss(sink: &mut impl Sink, partition: Option<&TopicPartition>, reason: &str, miss: &Miss) {
    sink.begin("miss");
    topic_partition(sink, partition);
    sink.text(REASON, reason);
    sink.int(LOG_START_OFFSET, miss.log_start_offset.0);
    sink.int(LOG_END_OFFSET, miss.log_end.offset.0);
    if let MissReason::Gap { next_offset: Some(next), .. } = miss.reason {
        sink.int(NEXT_OFFSET, next.0);
    }
    sink.end();
}
