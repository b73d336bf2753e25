//! OffsetForLeaderEpoch: where an epoch ends.
//!
//! ```text
//!   request    replica id 3+ | [ topic | [ index | current leader epoch | leader epoch ] ]
//!   response   throttle time | [ topic | [ error | index | leader epoch | end offset ] ]
//! ```

use super::errors::ErrorCode;
use super::reader::{Counts, Reader, Result};
use super::writer::Writer;
use std::borrow::Cow;

/// Asks where epochs end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetForLeaderEpochRequest<'a> {
    /// The topics.
    pub topics: Vec<OffsetForLeaderTopic<'a>>,
}

/// One topic that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetForLeaderTopic<'a> {
    /// Its name.
    pub topic: &'a str,
    /// Its partitions.
    pub partitions: Vec<OffsetForLeaderPartition>,
}

/// One partition that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetForLeaderPartition {
    /// Its number.
    pub partition: i32,
    /// The epoch that the client knows, or -1.
    pub current_leader_epoch: i32,
    /// The epoch whose end is asked for.
    pub leader_epoch: i32,
}

/// Says where epochs end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetForLeaderEpochResponse<'a> {
    /// The topics.
    pub topics: Vec<OffsetForLeaderTopicResult<'a>>,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetForLeaderTopicResult<'a> {
    /// Its name.
    pub topic: Cow<'a, str>,
    /// Its partitions.
    pub partitions: Vec<EpochEndOffset>,
}

/// One partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEndOffset {
    /// Why there is no end.
    pub error_code: ErrorCode,
    /// Its number.
    pub partition: i32,
    /// The largest epoch up to the one asked for, or -1.
    pub leader_epoch: i32,
    /// Where that ends, or -1.
    pub end_offset: i64,
}

impl<'a> OffsetForLeaderEpochRequest<'a> {
    /// Reads the body.
    pub fn read(r: &mut Reader<'a>) -> Result<Self> {
        if r.since(3) {
            r.i32()?;
        }
        let topics = r.array(Counts::Topics, |r| {
            let topic = r.string()?;
            let partitions = r.array(Counts::Partitions, |r| {
                let (partition, current_leader_epoch) = (r.i32()?, r.i32()?);
                let leader_epoch = r.i32()?;
                r.skip_tags()?;
                Ok(OffsetForLeaderPartition { partition, current_leader_epoch, leader_epoch })
            })?;
            r.skip_tags()?;
            Ok(OffsetForLeaderTopic { topic, partitions })
        })?;
        r.skip_tags()?;
        Ok(Self { topics })
    }
}

impl OffsetForLeaderEpochResponse<'_> {
    /// Writes the body.
    pub fn write(&self, w: &mut Writer) {
        w.throttle_time(2).array(&self.topics, |w, topic| {
            w.string(&topic.topic).array(&topic.partitions, |w, partition| {
                w.error(partition.error_code).i32(partition.partition);
                w.i32(partition.leader_epoch).i64(partition.end_offset).no_tags();
            });
            w.no_tags();
        });
        w.no_tags();
    }
}
