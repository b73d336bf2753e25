//! Rows: what is said about a batch, a record, a finding, and under which names.
//!
//! A row is a function that visits a sink field by field, so that text and JSON share one list of
//! names, and the record path writes straight into the output buffer.

mod commit;
mod compression;
mod derived;
mod entry;
mod explanation;
mod finding;
mod listing;
mod names;
mod place;
mod repair;
mod served;
mod written;

pub use commit::commit;
pub use compression::{compression, ratio, seconds_per_gib};
pub use derived::{derived_file, entries, verdict_text};
pub use entry::*;
pub use explanation::explanation;
pub use finding::{finding, summary};
pub use listing::{PartitionFacts, SegmentFacts, partition, segment};
pub use place::{HitPlace, hit, hit_text, miss};
pub use repair::*;
pub use served::{ServedRow, ServingRow, left_out, missing, served, serving};
pub use written::{WrittenRow, written, written_summary};

use crate::render::Sink;
use crate::values::{self, ValueStyle};
use names::*;
use segkit::format::control::ControlRecord;
use segkit::format::coordinator::Decoded;
use segkit::format::kafka_json::write_kafka_json;
use segkit::format::{Batch, Offset, Record};
use segkit::log::TopicPartition;

/// What a batch row says beyond the header, where finding it out takes decompression.
pub struct BatchExtent {
    /// The first offset, `None` when it cannot be known.
    pub base_offset: Option<Offset>,
    /// The records that are there, `None` when they cannot be counted.
    pub count: Option<i64>,
}

/// A row of type `batch`.
pub fn batch(sink: &mut impl Sink, file: &str, batch: &Batch<'_>, extent: &BatchExtent, crc: u32) {
    sink.begin("batch");
    sink.file(FILE, file);
    let (last, attributes) = (batch.last_offset(), batch.attributes());
    match extent.base_offset {
        Some(base) => sink.range(BASE_OFFSET, LAST_OFFSET, base.0, last.0),
        None => sink.int(LAST_OFFSET, last.0),
    }
    sink.int(POSITION, as_i64(batch.position().0));
    sink.int(SIZE, as_i64(batch.size() as u64));
    if let Some(count) = extent.count {
        sink.int(COUNT, count);
    }
    sink.int_unless(2, MAGIC, batch.magic().into());
    match batch.codec() {
        Ok(codec) => sink.text(COMPRESSION_TYPE, codec.name()),
        Err(_) => sink.text(COMPRESSION_TYPE, &format!("unknown({})", attributes.codec_id())),
    }
    sink.timestamp(MAX_TIMESTAMP, batch.max_timestamp());
    sink.text_unless("CreateTime", TIMESTAMP_TYPE, batch.timestamp_type().name());
    if let Some(base) = batch.base_timestamp() {
        sink.timestamp_detail(BASE_TIMESTAMP, base);
    }
    if let Some(horizon) = batch.delete_horizon() {
        sink.timestamp(DELETE_HORIZON, horizon);
    }
    sink.int_unless(-1, LEADER_EPOCH, batch.partition_leader_epoch().into());
    sink.int_unless(-1, PRODUCER_ID, batch.producer_id());
    sink.int_unless(-1, PRODUCER_EPOCH, batch.producer_epoch().into());
    sink.range_unless(
        -1,
        BASE_SEQUENCE,
        LAST_SEQUENCE,
        batch.base_sequence().into(),
        batch.last_sequence().into(),
    );
    sink.flag(IS_TRANSACTIONAL, attributes.is_transactional());
    sink.flag(IS_CONTROL, attributes.is_control());
    sink.int_detail(CRC, batch.crc().into());
    sink.warning_unless(IS_VALID, batch.crc() == crc);
    sink.end();
}

/// What the records of one batch have in common.
pub struct BatchContext<'a> {
    file: &'a str,
    batch: Batch<'a>,
    /// Fields before and behind the record's own, as they were written for the batch's first one.
    head: Option<Vec<u8>>,
    tail: Option<Vec<u8>>,
}

impl<'a> BatchContext<'a> {
    /// The batch.
    pub fn batch(&self) -> &Batch<'a> {
        &self.batch
    }

    /// Of `batch` in `file`.
    pub fn new(file: &'a str, batch: Batch<'a>) -> Self {
        Self { file, batch, head: None, tail: None }
    }
}

/// How keys and values are shown.
#[derive(Clone, Copy)]
pub struct ValueStyles {
    /// Keys.
    pub key: ValueStyle,
    /// Values.
    pub value: ValueStyle,
}

impl ValueStyles {
    /// Show neither.
    pub const NONE: Self = Self { key: ValueStyle::None, value: ValueStyle::None };
}

/// A row of type `record`; `more` adds what was decoded from key and value.
pub fn record<S: Sink>(
    sink: &mut S,
    context: &mut BatchContext<'_>,
    record: &Record<'_>,
    styles: ValueStyles,
    more: impl FnOnce(&mut S),
) {
    let BatchContext { file, batch, head, tail } = context;
    sink.repeated(head, |sink| {
        sink.begin("record");
        sink.file(FILE, file);
        sink.int_detail(POSITION, as_i64(batch.position().0));
    });
    sink.int(OFFSET, record.offset.0);
    sink.timestamp(TIMESTAMP, record.timestamp);
    sink.int_detail(SEQUENCE, record.sequence.into());
    sink.int_detail(KEY_SIZE, length(record.key));
    sink.int_detail(VALUE_SIZE, length(record.value));
    sink.bytes(KEY, record.key, styles.key);
    sink.bytes(VALUE, record.value, styles.value);
    headers(sink, record);
    sink.repeated(tail, |sink| {
        sink.int_detail(LEADER_EPOCH, batch.partition_leader_epoch().into());
        sink.int_unless(-1, PRODUCER_ID, batch.producer_id());
        sink.int_detail(PRODUCER_EPOCH, batch.producer_epoch().into());
        sink.flag(IS_TRANSACTIONAL, batch.attributes().is_transactional());
    });
    more(sink);
    sink.end();
}

/// The file that the lines below are about.
pub fn heading(out: &mut Vec<u8>, path: &str, color: bool) {
    let (on, off) = if color { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    out.extend_from_slice(on.as_bytes());
    values::push_terminal_text(out, path);
    out.extend_from_slice(off.as_bytes());
    out.push(b'\n');
}

#[inline]
fn headers(sink: &mut impl Sink, record: &Record<'_>) {
    if record.headers.is_empty() {
        return sink.empty_list(HEADERS);
    }
    some_headers(sink, record);
}

fn some_headers(sink: &mut impl Sink, record: &Record<'_>) {
    sink.begin_list(HEADERS);
    for header in record.headers {
        sink.begin_object(None);
        sink.bytes(HEADER_KEY, Some(header.key), ValueStyle::Auto);
        sink.bytes(HEADER_VALUE, header.value, ValueStyle::Auto);
        sink.end_object();
    }
    sink.end_list();
}

fn length(bytes: Option<&[u8]>) -> i64 {
    bytes.map_or(-1, |bytes| as_i64(bytes.len() as u64))
}

fn as_i64(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// What a control record says.
pub fn control(sink: &mut impl Sink, control: &ControlRecord<'_>) {
    sink.begin_object(Some(CONTROL));
    sink.text(CONTROL_TYPE, control.name());
    match control {
        ControlRecord::Abort { coordinator_epoch }
        | ControlRecord::Commit { coordinator_epoch } => {
            sink.int(COORDINATOR_EPOCH, i64::from(*coordinator_epoch));
        }
        other => {
            if let Some(value) = other.value() {
                let mut json = Vec::new();
                write_kafka_json(value, &mut json);
                sink.json(DATA, &json);
            }
        }
    }
    sink.end_object();
}

/// What a record of an internal topic says.
pub fn decoded(sink: &mut impl Sink, decoded: &Decoded<'_>) {
    sink.begin_object(Some(DECODED));
    match decoded {
        Decoded::Record { record_type, key, value } => {
            sink.text(DECODED_TYPE, record_type.name);
            let mut json = Vec::new();
            write_kafka_json(key, &mut json);
            sink.json(DECODED_KEY, &json);
            if let Some(value) = value {
                sink.int(VERSION, value.version.into());
            }
            json.clear();
            match value {
                Some(value) => write_kafka_json(&value.value, &mut json),
                None => json.extend_from_slice(b"null"),
            }
            sink.json(DECODED_VALUE, &json);
        }
        Decoded::UnknownType(id) => sink.int(UNKNOWN_TYPE, i64::from(*id)),
        Decoded::Undecodable(why) => sink.text(UNDECODABLE, &why.to_string()),
    }
    sink.end_object();
}

fn topic_partition(sink: &mut impl Sink, partition: Option<&TopicPartition>) {
    if let Some(partition) = partition {
        sink.text(TOPIC, &partition.topic);
        sink.int(PARTITION, partition.partition.into());
    }
}
