//! Rows: what is said about a batch, a record, a finding, and under which names. All output names
//! are in here.

use crate::render::{Name, Sink, name};
use crate::values::{self, ValueStyle};
use segkit::check::{Finding, Problem};
use segkit::format::checkpoint::{EpochEntry, PartitionMetadata, PartitionOffset};
use segkit::format::control::ControlRecord;
use segkit::format::coordinator::Decoded;
use segkit::format::kafka_json::write_kafka_json;
use segkit::format::offset_index::OffsetPosition;
use segkit::format::producer_snapshot::ProducerEntry;
use segkit::format::time_index::TimestampOffset;
use segkit::format::txn_index::AbortedTxn;
use segkit::format::{Batch, Offset, Record};
use segkit::log::lookup::{Hit, Miss, MissReason, Steps};
use segkit::log::partition::FileEntry;
use segkit::log::summary::SegmentSummary;
use segkit::log::{SegmentFiles, TopicPartition};
use std::time::UNIX_EPOCH;

const FILE: Name = name!("file");
const POSITION: Name = name!("position", "at ", 10);
const SIZE: Name = name!("size", "size ", 6);
const BASE_OFFSET: Name = name!("baseOffset", "", 17);
const LAST_OFFSET: Name = name!("lastOffset");
const COUNT: Name = name!("count", "count ", 4);
const MAGIC: Name = name!("magic", "magic ", 0);
const COMPRESSION_TYPE: Name = name!("compressionType", "", 6);
const TIMESTAMP_TYPE: Name = name!("timestampType", "", 0);
const BASE_TIMESTAMP: Name = name!("baseTimestamp", "from ", 24);
const MAX_TIMESTAMP: Name = name!("maxTimestamp", "max ", 24);
const DELETE_HORIZON: Name = name!("deleteHorizonMs", "delete horizon ", 24);
const LEADER_EPOCH: Name = name!("partitionLeaderEpoch", "epoch ", 0);
const PRODUCER_ID: Name = name!("producerId", "producer ", 0);
const PRODUCER_EPOCH: Name = name!("producerEpoch", "producer epoch ", 0);
const BASE_SEQUENCE: Name = name!("baseSequence", "sequence ", 0);
const LAST_SEQUENCE: Name = name!("lastSequence");
const IS_TRANSACTIONAL: Name = name!("isTransactional", "transactional", 0);
const IS_CONTROL: Name = name!("isControl", "control", 0);
const CRC: Name = name!("crc");
const IS_VALID: Name = name!("isValid", "CHECKSUM DIFFERS", 0);

const OFFSET: Name = name!("offset", "", 10);
const TIMESTAMP: Name = name!("timestamp", "", 24);
const SEQUENCE: Name = name!("sequence", "sequence ", 0);
const KEY_SIZE: Name = name!("keySize");
const VALUE_SIZE: Name = name!("valueSize");
const KEY: Name = name!("key", "key ", 0);
const VALUE: Name = name!("value", "value ", 0);
const HEADERS: Name = name!("headers", "headers ", 0);
const HEADER_KEY: Name = name!("key", "", 0);
const HEADER_VALUE: Name = name!("value", "= ", 0);

const CONTROL: Name = name!("control", "", 0);
const CONTROL_TYPE: Name = name!("type", "", 0);
const COORDINATOR_EPOCH: Name = name!("coordinatorEpoch", "coordinator epoch ", 0);
const DECODED: Name = name!("decoded", "", 0);

const ENTRY_POSITION: Name = name!("position", "at ", 0);
const VERSION: Name = name!("version", "version ", 0);
const TXN_FIRST_OFFSET: Name = name!("firstOffset", "offsets ", 17);
const TXN_LAST_OFFSET: Name = name!("lastOffset");
const LAST_STABLE_OFFSET: Name = name!("lastStableOffset", "last stable offset ", 0);
const CURRENT_TXN_FIRST_OFFSET: Name =
    name!("currentTxnFirstOffset", "transaction open since offset ", 0);
const LAST_TIMESTAMP: Name = name!("lastTimestamp", "", 24);
const FIRST_SEQUENCE: Name = name!("firstSequence", "sequence ", 0);
const PRODUCER_LAST_OFFSET: Name = name!("lastOffset", "last offset ", 0);
const OFFSET_DELTA: Name = name!("offsetDelta");
const EPOCH: Name = name!("epoch", "epoch ", 4);
const START_OFFSET: Name = name!("startOffset", "from offset ", 0);
const TOPIC: Name = name!("topic", "", 30);
const PARTITION: Name = name!("partition", "partition ", 4);
const CHECKPOINT_OFFSET: Name = name!("offset", "offset ", 0);
const TOPIC_ID: Name = name!("topicId", "topic id ", 0);
const PROPERTY_KEY: Name = name!("key", "", 14);
const PROPERTY_VALUE: Name = name!("value", "", 0);
const QUORUM_STATE: Name = name!("state", "", 0);
const BROKER_EPOCH: Name = name!("brokerEpoch", "broker epoch ", 0);

const DECODED_TYPE: Name = name!("type", "", 0);
const DECODED_KEY: Name = name!("key", "", 0);
const DECODED_VALUE: Name = name!("value", "", 0);
const UNKNOWN_TYPE: Name = name!("unknownType", "unknown type ", 0);
const UNDECODABLE: Name = name!("undecodable", "undecodable: ", 0);
const DATA: Name = name!("data", "", 0);

const SEGMENT_BASE_OFFSET: Name = name!("segmentBaseOffset");
const INDEX_ENTRY: Name = name!("indexEntry");
const BATCHES_SCANNED: Name = name!("batchesScanned");
const RECORD: Name = name!("record");
const HIT_OFFSET: Name = name!("offset", "offset ", 0);
const HIT_TIMESTAMP: Name = name!("timestamp", "", 0);
const HIT_FILE: Name = name!("file", "in ", 0);
const HIT_POSITION: Name = name!("position", "at ", 0);
const REASON: Name = name!("reason");
const LOG_START_OFFSET: Name = name!("logStartOffset");
const LOG_END_OFFSET: Name = name!("logEndOffset");
const NEXT_OFFSET: Name = name!("nextOffset");

const PATH: Name = name!("path");
const STATE: Name = name!("state");
const SEGMENTS: Name = name!("segments");
const BYTES: Name = name!("bytes");
const FIRST_TIMESTAMP: Name = name!("firstTimestamp");
const LEADER_EPOCHS: Name = name!("leaderEpochs");
const STRAYS: Name = name!("strays");
const BATCHES: Name = name!("batches");
const RECORDS: Name = name!("records");
const CODECS: Name = name!("codecs");
const MAGICS: Name = name!("magics");
const OTHER_BYTES: Name = name!("otherBytes");
const INDEX: Name = name!("index");
const TIME_INDEX: Name = name!("timeIndex");
const TXN_INDEX: Name = name!("txnIndex");
const SNAPSHOT: Name = name!("snapshot");
const PRESENT: Name = name!("present");
const ENTRIES: Name = name!("entries");
const MODIFIED: Name = name!("modified");

const STORED_CRC: Name = name!("storedCrc");
const COMPUTED_CRC: Name = name!("computedCrc");
const STORED_LENGTH: Name = name!("storedLength");
const FITTING_LENGTH: Name = name!("fittingLength");
const CODEC_ID: Name = name!("codecId");
const STORED_COUNT: Name = name!("storedCount");
const FOUND_COUNT: Name = name!("foundCount");
const LIMIT: Name = name!("limit");
const ALLOWED: Name = name!("allowed");
const NEXT: Name = name!("next");
const CODE: Name = name!("code");
const SEVERITY: Name = name!("severity");
const LENGTH: Name = name!("length");
const FIRST_OFFSET: Name = name!("firstOffset");

const EVIDENCE: Name = name!("evidence");
const MESSAGE: Name = name!("message");

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
    sink.begin("record");
    sink.repeated(head, |sink| {
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

fn headers(sink: &mut impl Sink, record: &Record<'_>) {
    if record.headers.is_empty() {
        return sink.empty_list(HEADERS);
    }
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

/// A row of type `indexEntry`.
pub fn index_entry(sink: &mut impl Sink, file: &str, entry: &OffsetPosition) {
    sink.begin("indexEntry");
    sink.file(FILE, file);
    sink.int(OFFSET, entry.offset.0);
    sink.int(ENTRY_POSITION, entry.position.into());
    sink.end();
}

/// A row of type `timeIndexEntry`.
pub fn time_index_entry(sink: &mut impl Sink, file: &str, entry: &TimestampOffset) {
    sink.begin("timeIndexEntry");
    sink.file(FILE, file);
    sink.timestamp(TIMESTAMP, entry.timestamp);
    sink.int(CHECKPOINT_OFFSET, entry.offset.0);
    sink.end();
}

/// A row of type `txnIndexEntry`.
pub fn txn_index_entry(sink: &mut impl Sink, file: &str, entry: &AbortedTxn) {
    sink.begin("txnIndexEntry");
    sink.file(FILE, file);
    sink.int_unless(0, VERSION, entry.version.into());
    sink.int(PRODUCER_ID, entry.producer_id);
    sink.range(TXN_FIRST_OFFSET, TXN_LAST_OFFSET, entry.first_offset.0, entry.last_offset.0);
    sink.int(LAST_STABLE_OFFSET, entry.last_stable_offset.0);
    sink.end();
}

/// A row of type `producer`.
pub fn producer(sink: &mut impl Sink, file: &str, entry: &ProducerEntry) {
    sink.begin("producer");
    sink.file(FILE, file);
    sink.int(PRODUCER_ID, entry.producer_id);
    sink.int(PRODUCER_EPOCH, entry.producer_epoch.into());
    sink.int_unless(-1, COORDINATOR_EPOCH, entry.coordinator_epoch.into());
    sink.timestamp(LAST_TIMESTAMP, entry.timestamp);
    if let Some(batch) = entry.last_batch {
        let (first, last) = (batch.first_sequence(), batch.last_sequence);
        sink.range_unless(-1, FIRST_SEQUENCE, LAST_SEQUENCE, first.into(), last.into());
        sink.int(PRODUCER_LAST_OFFSET, batch.last_offset.0);
        sink.int_detail(OFFSET_DELTA, batch.offset_delta.into());
    }
    if let Some(first) = entry.current_txn_first_offset {
        sink.int(CURRENT_TXN_FIRST_OFFSET, first.0);
    }
    sink.end();
}

/// A row of type `leaderEpoch`.
pub fn leader_epoch(sink: &mut impl Sink, file: &str, entry: &EpochEntry) {
    sink.begin("leaderEpoch");
    sink.file(FILE, file);
    sink.int(EPOCH, entry.epoch.into());
    sink.int(START_OFFSET, entry.start_offset.0);
    sink.end();
}

/// A row of type `checkpoint`.
pub fn checkpoint(sink: &mut impl Sink, file: &str, entry: &PartitionOffset<'_>) {
    sink.begin("checkpoint");
    sink.file(FILE, file);
    sink.text(TOPIC, entry.topic);
    sink.int(PARTITION, entry.partition.into());
    sink.int(CHECKPOINT_OFFSET, entry.offset.0);
    sink.end();
}

/// The row of a `partition.metadata`.
pub fn partition_metadata(sink: &mut impl Sink, file: &str, metadata: &PartitionMetadata) {
    sink.begin("partitionMetadata");
    sink.file(FILE, file);
    sink.int(VERSION, metadata.version.into());
    sink.text(TOPIC_ID, &metadata.topic_id.to_string());
    sink.end();
}

/// A row of type `property`.
pub fn property(sink: &mut impl Sink, file: &str, key: &str, value: &str) {
    sink.begin("property");
    sink.file(FILE, file);
    sink.text(PROPERTY_KEY, key);
    sink.text(PROPERTY_VALUE, value);
    sink.end();
}

/// The row of a `quorum-state`, whose text is JSON already.
pub fn quorum_state(sink: &mut impl Sink, file: &str, json: &str) {
    sink.begin("quorumState");
    sink.file(FILE, file);
    match serde_json::from_str::<serde_json::Value>(json) {
        Ok(value) => sink.json(QUORUM_STATE, value.to_string().as_bytes()),
        Err(_) => sink.text(QUORUM_STATE, json),
    }
    sink.end();
}

/// The row of a `.kafka_cleanshutdown`.
pub fn clean_shutdown(sink: &mut impl Sink, file: &str, broker_epoch: Option<i64>) {
    sink.begin("cleanShutdown");
    sink.file(FILE, file);
    if let Some(epoch) = broker_epoch {
        sink.int(BROKER_EPOCH, epoch);
    }
    sink.end();
}

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

fn topic_partition(sink: &mut impl Sink, partition: Option<&TopicPartition>) {
    if let Some(partition) = partition {
        sink.text(TOPIC, &partition.topic);
        sink.int(PARTITION, partition.partition.into());
    }
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

/// What `ls` knows about a partition.
pub struct PartitionFacts {
    /// The directory.
    pub path: String,
    /// Topic and number, as far as the directory's name says.
    pub name: Option<TopicPartition>,
    /// From `partition.metadata`.
    pub topic_id: Option<String>,
    /// `live`, `offline` or `unknown`.
    pub state: &'static str,
    /// The first offset there is.
    pub log_start_offset: Option<Offset>,
    /// The offset behind the last.
    pub log_end_offset: Option<Offset>,
    /// How many segments there are.
    pub segments: usize,
    /// Bytes of all `.log` files.
    pub bytes: u64,
    /// Milliseconds since the epoch.
    pub first_timestamp: Option<i64>,
    /// Milliseconds since the epoch.
    pub max_timestamp: Option<i64>,
    /// From `leader-epoch-checkpoint`.
    pub leader_epochs: Vec<EpochEntry>,
    /// Names that are not Kafka's.
    pub strays: Vec<String>,
    /// What is missing or left over, for people.
    pub remarks: Vec<String>,
}

/// What `ls` knows about a segment.
pub struct SegmentFacts {
    /// Its files.
    pub files: Option<SegmentFiles>,
    /// What is in its log.
    pub summary: SegmentSummary,
    /// Valid entries of its offset index, where it can be read.
    pub index_entries: Option<usize>,
    /// Valid entries of its time index, where it can be read.
    pub time_index_entries: Option<usize>,
}

fn optional_int(sink: &mut impl Sink, name: Name, value: Option<i64>) {
    if let Some(value) = value {
        sink.int(name, value);
    }
}

/// A row of type `partition`.
pub fn partition(sink: &mut impl Sink, facts: &PartitionFacts) {
    sink.begin("partition");
    sink.text(PATH, &facts.path);
    topic_partition(sink, facts.name.as_ref());
    if let Some(id) = &facts.topic_id {
        sink.text(TOPIC_ID, id);
    }
    sink.text(STATE, facts.state);
    optional_int(sink, LOG_START_OFFSET, facts.log_start_offset.map(|offset| offset.0));
    optional_int(sink, LOG_END_OFFSET, facts.log_end_offset.map(|offset| offset.0));
    sink.int(SEGMENTS, as_i64(facts.segments as u64));
    sink.int(BYTES, as_i64(facts.bytes));
    optional_int(sink, FIRST_TIMESTAMP, facts.first_timestamp);
    optional_int(sink, MAX_TIMESTAMP, facts.max_timestamp);
    sink.begin_list(LEADER_EPOCHS);
    for entry in &facts.leader_epochs {
        sink.begin_object(None);
        sink.int(EPOCH, entry.epoch.into());
        sink.int(START_OFFSET, entry.start_offset.0);
        sink.end_object();
    }
    sink.end_list();
    let strays = serde_json::Value::from(facts.strays.clone());
    sink.json(STRAYS, strays.to_string().as_bytes());
    sink.end();
}

/// A row of type `segment`.
pub fn segment(sink: &mut impl Sink, facts: &SegmentFacts) {
    let Some(files) = &facts.files else { return };
    sink.begin("segment");
    let path = files.log.path.parent().map(|path| path.to_string_lossy().into_owned());
    sink.text(PATH, &path.unwrap_or_default());
    sink.text(FILE, &files.log.path.file_name().unwrap_or_default().to_string_lossy());
    sink.int(BASE_OFFSET, files.base_offset.0);
    optional_int(sink, NEXT_OFFSET, facts.summary.next_offset.map(|offset| offset.0));
    sink.int(BYTES, as_i64(files.log.size));
    optional_int(sink, FIRST_TIMESTAMP, facts.summary.first_timestamp);
    optional_int(sink, MAX_TIMESTAMP, facts.summary.max_timestamp);
    if let Some(headers) = &facts.summary.headers {
        sink.int(BATCHES, as_i64(headers.batches));
        optional_int(sink, RECORDS, headers.records.map(as_i64));
        let codecs: Vec<&str> = headers.codecs.iter().map(|codec| codec.name()).collect();
        sink.json(CODECS, serde_json::Value::from(codecs).to_string().as_bytes());
        sink.json(MAGICS, serde_json::Value::from(headers.magics.clone()).to_string().as_bytes());
        sink.int(OTHER_BYTES, as_i64(headers.other_bytes));
    }
    derived_file(sink, INDEX, files.index.as_ref(), facts.index_entries);
    derived_file(sink, TIME_INDEX, files.time_index.as_ref(), facts.time_index_entries);
    let aborted = files.txn_index.as_ref().map(|file| (file.size / 34) as usize);
    derived_file(sink, TXN_INDEX, files.txn_index.as_ref(), aborted);
    derived_file(sink, SNAPSHOT, files.snapshot.as_ref(), None);
    let modified = files.log.modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    optional_int(sink, MODIFIED, modified.map(|age| as_i64(age.as_secs()).saturating_mul(1000)));
    sink.end();
}

fn derived_file(
    sink: &mut impl Sink,
    name: Name,
    file: Option<&FileEntry>,
    entries: Option<usize>,
) {
    sink.begin_object(Some(name));
    sink.flag(PRESENT, file.is_some());
    if let Some(file) = file {
        optional_int(sink, ENTRIES, entries.map(|entries| as_i64(entries as u64)));
        sink.int(BYTES, as_i64(file.size));
    }
    sink.end_object();
}
