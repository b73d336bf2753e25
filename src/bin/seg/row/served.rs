//! Rows of what is served.

use super::as_i64;
use super::names::*;
use crate::render::Sink;
use segkit::format::{Offset, Position};
use std::net::SocketAddr;
use std::path::Path;

/// A partition that is served.
pub struct ServedRow<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its number.
    pub partition: i32,
    /// The directory that it is served from.
    pub path: &'a Path,
    /// The first offset that clients can read.
    pub log_start_offset: Offset,
    /// The offset behind the last.
    pub log_end_offset: Offset,
    /// What the dead broker had noted as the high watermark.
    pub high_watermark: Option<Offset>,
    /// The latest leader epoch; -1: none.
    pub leader_epoch: i32,
    /// How many segments there are.
    pub segments: usize,
    /// Bytes of all `.log` files.
    pub bytes: u64,
    /// What stands behind the last batch: nothing, zeros, the beginning of a batch, damage.
    pub tail: &'static str,
    /// Bytes that no answer touches: log, position, size.
    pub damages: &'a [(String, Position, u64)],
}

/// A row of type `served`.
pub fn served(sink: &mut impl Sink, row: &ServedRow<'_>) {
    sink.begin("served");
    sink.text(PATH, &row.path.to_string_lossy());
    sink.text(TOPIC, row.topic);
    sink.int(PARTITION, row.partition.into());
    sink.int(LOG_START_OFFSET, row.log_start_offset.0);
    sink.int(LOG_END_OFFSET, row.log_end_offset.0);
    if let Some(offset) = row.high_watermark {
        sink.int(HIGH_WATERMARK_CHECKPOINT, offset.0);
    }
    sink.int(LEADER_EPOCH, row.leader_epoch.into());
    sink.int(SEGMENTS, as_i64(row.segments as u64));
    sink.int(BYTES, as_i64(row.bytes));
    sink.text(TAIL, row.tail);
    sink.begin_list(DAMAGES);
    for (file, position, size) in row.damages {
        sink.begin_object(None);
        sink.text(FILE, file);
        sink.int(POSITION, as_i64(position.0));
        sink.int(SIZE, as_i64(*size));
        sink.end_object();
    }
    sink.end_list();
    sink.end();
}

/// A row of type `missing`: a partition that the topic should have and no disk holds.
pub fn missing(sink: &mut impl Sink, topic: &str, partition: i32) {
    sink.begin("missing");
    sink.text(TOPIC, topic);
    sink.int(PARTITION, partition.into());
    sink.end();
}

/// A row of type `leftOut`: a directory that is not served.
pub fn left_out(sink: &mut impl Sink, path: &Path, reason: &str) {
    sink.begin("leftOut");
    sink.text(PATH, &path.to_string_lossy());
    sink.text(REASON, reason);
    sink.end();
}

/// Everything together, and where clients find it.
pub struct ServingRow<'a> {
    /// Where the server listens.
    pub address: SocketAddr,
    /// What clients are told.
    pub advertised: &'a str,
    /// The id of the cluster.
    pub cluster_id: &'a str,
    /// The id of the one broker.
    pub node_id: i32,
    /// How many topics there are.
    pub topics: u64,
    /// How many partitions are served.
    pub partitions: u64,
    /// How many segments they have.
    pub segments: u64,
    /// Bytes of their logs.
    pub bytes: u64,
    /// How long the start took.
    pub seconds: f64,
}

/// A row of type `serving`: the last one before clients are let in.
pub fn serving(sink: &mut impl Sink, row: &ServingRow<'_>) {
    sink.begin("serving");
    sink.text(ADDRESS, &row.address.to_string());
    sink.text(ADVERTISED, row.advertised);
    sink.text(CLUSTER_ID, row.cluster_id);
    sink.int(NODE_ID, row.node_id.into());
    sink.int(TOPICS, as_i64(row.topics));
    sink.int(PARTITIONS, as_i64(row.partitions));
    sink.int(SEGMENTS, as_i64(row.segments));
    sink.int(BYTES, as_i64(row.bytes));
    sink.json(SECONDS, format!("{:.3}", row.seconds).as_bytes());
    sink.end();
}
