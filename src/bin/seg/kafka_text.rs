//! The text that `kafka-dump-log` of Kafka 4.3.1 prints on stdout, byte for byte.
//!
//! What that tool gathers and prints on stderr at the end is not imitated: findings take its place.

use crate::values::push_int;
use segkit::format::coordinator::Decoded;
use segkit::format::kafka_json::write_java_utf8;
use segkit::format::offset_index::{OffsetIndex, OffsetPosition};
use segkit::format::producer_snapshot::ProducerEntry;
use segkit::format::time_index::{TimeIndex, TimestampOffset};
use segkit::format::txn_index::AbortedTxn;
use segkit::format::{Batch, Offset, Record};

/// Whose text it is.
pub const KAFKA_RELEASE: &str = "4.3.1";

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// `label` and a number.
fn push_number(out: &mut Vec<u8>, label: &str, value: i64) {
    push(out, label);
    push_int(out, value);
}

fn push_bool(out: &mut Vec<u8>, label: &str, value: bool) {
    push(out, label);
    push(out, if value { "true" } else { "false" });
}

/// Java's way to print an optional number.
fn push_optional(out: &mut Vec<u8>, label: &str, value: Option<i64>) {
    push(out, label);
    match value {
        Some(value) => {
            push_number(out, "OptionalLong[", value);
            out.push(b']');
        }
        None => push(out, "OptionalLong.empty"),
    }
}

/// What stands before anything else about a file.
pub fn dumping(out: &mut Vec<u8>, path: &str) {
    push(out, "Dumping ");
    push(out, path);
    out.push(b'\n');
}

/// The first line of a `.log`.
pub fn log_start(out: &mut Vec<u8>, base: Offset) {
    push_number(out, "Log starting offset: ", base.0);
    out.push(b'\n');
}

/// The first line of a `KRaft` snapshot.
pub fn snapshot_end(out: &mut Vec<u8>, end: Offset, epoch: i64) {
    push_number(out, "Snapshot end offset: ", end.0);
    push_number(out, ", epoch: ", epoch);
    out.push(b'\n');
}

/// The first line of `bootstrap.checkpoint`.
pub fn bootstrap_snapshot(out: &mut Vec<u8>) {
    push(out, "KRaft bootstrap snapshot\n");
}

/// The last line of a `.log` that does not end with a whole batch.
pub fn invalid_bytes(out: &mut Vec<u8>, bytes: u64, file_name: &str) {
    push(out, &format!("Found {bytes} invalid bytes at the end of {file_name}\n"));
}

/// The line of a batch.
pub fn batch(out: &mut Vec<u8>, batch: &Batch<'_>, is_valid: bool) {
    if batch.magic() >= 2 {
        push_number(out, "baseOffset: ", batch.known_base_offset().unwrap_or_default().0);
        push_number(out, " lastOffset: ", batch.last_offset().0);
        push_number(out, " count: ", batch.records_count().unwrap_or_default().into());
        push_number(out, " baseSequence: ", batch.base_sequence().into());
        push_number(out, " lastSequence: ", batch.last_sequence().into());
        push_number(out, " producerId: ", batch.producer_id());
        push_number(out, " producerEpoch: ", batch.producer_epoch().into());
        push_number(out, " partitionLeaderEpoch: ", batch.partition_leader_epoch().into());
        push_bool(out, " isTransactional: ", batch.attributes().is_transactional());
        push_bool(out, " isControl: ", batch.attributes().is_control());
        push_optional(out, " deleteHorizonMs: ", batch.delete_horizon());
    } else {
        push_number(out, "offset: ", batch.last_offset().0);
    }
    push_number(out, " position: ", i64::try_from(batch.position().0).unwrap_or(i64::MAX));
    out.push(b' ');
    push(out, batch.timestamp_type().name());
    push_number(out, ": ", batch.max_timestamp());
    push_number(out, " size: ", i64::try_from(batch.size()).unwrap_or(i64::MAX));
    push_number(out, " magic: ", batch.magic().into());
    push(out, " compresscodec: ");
    match batch.codec() {
        Ok(codec) => push(out, codec.name()),
        Err(_) => push_number(out, "unknown ", batch.attributes().codec_id().into()),
    }
    push_number(out, " crc: ", batch.crc().into());
    push_bool(out, " isvalid: ", is_valid);
    out.push(b'\n');
}

/// The line of a record, up to what is printed of key and value.
pub fn record(out: &mut Vec<u8>, batch: &Batch<'_>, record: &Record<'_>) {
    push_number(out, "| offset: ", record.offset.0);
    out.push(b' ');
    push(out, batch.timestamp_type().name());
    push_number(out, ": ", record.timestamp);
    push_number(out, " keySize: ", length(record.key));
    push_number(out, " valueSize: ", length(record.value));
    match record.message {
        None => {
            push_number(out, " sequence: ", record.sequence.into());
            push(out, " headerKeys: [");
            for (index, header) in record.headers.enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_java_utf8(header.key, out);
            }
            out.push(b']');
        }
        Some(message) => {
            push_bool(out, " isValid: ", message.crc() == message.compute_crc());
            push_number(out, " crc: ", message.crc().into());
        }
    }
}

/// What stands before a key or a value.
pub fn label(out: &mut Vec<u8>, label: &str) {
    push(out, label);
}

/// A key or a value as text.
pub fn text(out: &mut Vec<u8>, label: &str, bytes: &[u8]) {
    push(out, label);
    write_java_utf8(bytes, out);
}

/// A key or a value that is a number.
pub fn number(out: &mut Vec<u8>, label: &str, value: i64) {
    push_number(out, label, value);
}

/// Key and value of an internal topic's record, as that tool's decoders print them.
pub fn decoded(out: &mut Vec<u8>, decoded: &Decoded<'_>, offset: Offset) {
    push(out, " key: ");
    decoded.kafka_key_text(offset, out);
    let before = out.len();
    push(out, " payload: ");
    if !decoded.kafka_value_text(out) {
        out.truncate(before);
    }
}

fn length(bytes: Option<&[u8]>) -> i64 {
    bytes.map_or(-1, |bytes| i64::try_from(bytes.len()).unwrap_or(i64::MAX))
}

/// An offset index. That tool takes the zeros of a preallocated index for an entry if they stand at
/// its front, and for its end behind that.
pub fn offset_index(out: &mut Vec<u8>, index: &OffsetIndex<'_>, base: Offset) {
    let slots = (0..index.entries_as_kafka()).map_while(|slot| index.get(slot));
    for entry in slots.take_while(|entry| entry.index == 0 || entry.offset != base) {
        offset_index_entry(out, &entry);
    }
}

/// A time index, with zeros as in [`offset_index`].
pub fn time_index(out: &mut Vec<u8>, index: &TimeIndex<'_>, base: Offset) {
    let slots = (0..index.entries_as_kafka()).map_while(|slot| index.get(slot));
    for entry in slots.take_while(|entry| entry.index == 0 || entry.offset != base) {
        time_index_entry(out, &entry);
    }
}

/// The line of an offset index entry.
fn offset_index_entry(out: &mut Vec<u8>, entry: &OffsetPosition) {
    push_number(out, "offset: ", entry.offset.0);
    push_number(out, " position: ", entry.position.into());
    out.push(b'\n');
}

/// The line of a time index entry.
fn time_index_entry(out: &mut Vec<u8>, entry: &TimestampOffset) {
    push_number(out, "timestamp: ", entry.timestamp);
    push_number(out, " offset: ", entry.offset.0);
    out.push(b'\n');
}

/// The line of a transaction index entry.
pub fn txn_index_entry(out: &mut Vec<u8>, entry: &AbortedTxn) {
    push_number(out, "version: ", entry.version.into());
    push_number(out, " producerId: ", entry.producer_id);
    push_number(out, " firstOffset: ", entry.first_offset.0);
    push_number(out, " lastOffset: ", entry.last_offset.0);
    push_number(out, " lastStableOffset: ", entry.last_stable_offset.0);
    out.push(b'\n');
}

/// The line of a producer in a snapshot.
pub fn producer_entry(out: &mut Vec<u8>, entry: &ProducerEntry) {
    push_number(out, "producerId: ", entry.producer_id);
    push_number(out, " producerEpoch: ", entry.producer_epoch.into());
    push_number(out, " coordinatorEpoch: ", entry.coordinator_epoch.into());
    let first_offset = entry.current_txn_first_offset.map(|offset| offset.0);
    push_optional(out, " currentTxnFirstOffset: ", first_offset);
    push_number(out, " lastTimestamp: ", entry.timestamp);
    if let Some(batch) = entry.last_batch {
        push_number(out, " firstSequence: ", batch.first_sequence().into());
        push_number(out, " lastSequence: ", batch.last_sequence.into());
        push_number(out, " lastOffset: ", batch.last_offset.0);
        push_number(out, " offsetDelta: ", batch.offset_delta.into());
        push_number(out, " timestamp: ", entry.timestamp);
    }
    out.push(b'\n');
}

/// The only line of an index that a broker would take as it is.
pub fn passed_sanity_check(out: &mut Vec<u8>, path: &str) {
    push(out, path);
    push(out, " passed sanity check.\n");
}

/// The only line of an index without entries.
pub fn empty_index(out: &mut Vec<u8>, path: &str) {
    push(out, path);
    push(out, " is empty.\n");
}
