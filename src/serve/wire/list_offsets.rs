//! ListOffsets: the first offset, the last, and that of a time.
//!
//! ```text
//!   request    replica id | isolation level 2+ | [ name | [ partition ] ] | timeout 10+
//!   partition  index | current leader epoch 4+ | timestamp
//!   response   throttle time 2+ | [ name | [ index | error | timestamp | offset | epoch 4+ ] ]
//! ```

use super::errors::ErrorCode;
use super::reader::{Counts, Reader, Result};
use super::writer::Writer;
use std::borrow::Cow;

/// Asks for offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListOffsetsRequest<'a> {
    /// 1: the end is that of finished transactions.
    pub isolation_level: i8,
    /// The topics.
    pub topics: Vec<ListOffsetsTopic<'a>>,
}

/// One topic that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListOffsetsTopic<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its partitions.
    pub partitions: Vec<ListOffsetsPartition>,
}

/// One partition that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListOffsetsPartition {
    /// Its number.
    pub partition_index: i32,
    /// The epoch that the client knows, or -1.
    pub current_leader_epoch: i32,
    /// A time, or below 0 the name of a place.
    pub timestamp: i64,
}

/// Says offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListOffsetsResponse<'a> {
    /// The topics.
    pub topics: Vec<ListOffsetsTopicResponse<'a>>,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListOffsetsTopicResponse<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its partitions.
    pub partitions: Vec<ListOffsetsPartitionResponse>,
}

/// One partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListOffsetsPartitionResponse {
    /// Its number.
    pub partition_index: i32,
    /// Why there is no offset.
    pub error_code: ErrorCode,
    /// The time of the record, or -1.
    pub timestamp: i64,
    /// The offset, or -1.
    pub offset: i64,
    /// The epoch of the record's batch, or -1.
    pub leader_epoch: i32,
}

impl<'a> ListOffsetsRequest<'a> {
    /// Reads the body.
    pub fn read(r: &mut Reader<'a>) -> Result<Self> {
        r.i32()?; // Whether a follower asks: it gets what a client gets.
        let isolation_level = if r.since(2) { r.i8()? } else { 0 };
        let topics = r.array(Counts::Topics, |r| {
            let name = r.string()?;
            let partitions = r.array(Counts::Partitions, |r| {
                let partition_index = r.i32()?;
                let current_leader_epoch = if r.since(4) { r.i32()? } else { -1 };
                let timestamp = r.i64()?;
                r.skip_tags()?;
                Ok(ListOffsetsPartition { partition_index, current_leader_epoch, timestamp })
            })?;
            r.skip_tags()?;
            Ok(ListOffsetsTopic { name, partitions })
        })?;
        if r.since(10) {
            r.i32()?;
        }
        r.skip_tags()?;
        Ok(Self { isolation_level, topics })
    }
}

impl ListOffsetsResponse<'_> {
    /// Writes the body.
    pub fn write(&self, w: &mut Writer) {
        w.throttle_time(2).array(&self.topics, |w, topic| {
            w.string(&topic.name).array(&topic.partitions, |w, partition| {
                w.i32(partition.partition_index).error(partition.error_code);
                w.i64(partition.timestamp).i64(partition.offset);
                if w.since(4) {
                    w.i32(partition.leader_epoch);
                }
                w.no_tags();
            });
            w.no_tags();
        });
        w.no_tags();
    }
}
