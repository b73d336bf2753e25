//! Rows of the entries of indexes, snapshots and text files.

use super::names::*;
use crate::render::Sink;
use segkit::format::checkpoint::{EpochEntry, PartitionMetadata, PartitionOffset};
use segkit::format::offset_index::OffsetPosition;
use segkit::format::producer_snapshot::ProducerEntry;
use segkit::format::time_index::TimestampOffset;
use segkit::format::txn_index::AbortedTxn;

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
