//! OffsetCommit: how far a group has read.
//!
//! ```text
//!   request    group | generation | member | instance? 7+ | retention time 2-4
//!              | [ topic | [ index | offset | leader epoch 6+ | metadata? ] ]
//!   response   throttle time 3+ | [ topic | [ index | error ] ]
//! ```
//!
//! A topic is its name up to version 9, then its id.

use super::common::TopicKey;
use super::errors::ErrorCode;
use super::reader::{Counts, Reader, Result};
use super::writer::Writer;

/// The first version that names topics by their ids.
pub const IDS_FROM: i16 = 10;

/// Says how far a group has read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommitRequest<'a> {
    /// The group.
    pub group_id: &'a str,
    /// The generation that the member knows; below 0 outside of one.
    pub generation_id_or_member_epoch: i32,
    /// The member.
    pub member_id: &'a str,
    /// Its name over restarts.
    pub group_instance_id: Option<&'a str>,
    /// The topics.
    pub topics: Vec<OffsetCommitRequestTopic<'a>>,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommitRequestTopic<'a> {
    /// Which one.
    pub topic: TopicKey<'a>,
    /// Its partitions.
    pub partitions: Vec<OffsetCommitRequestPartition<'a>>,
}

/// One partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetCommitRequestPartition<'a> {
    /// Its number.
    pub partition_index: i32,
    /// The first offset that is not read yet.
    pub committed_offset: i64,
    /// The epoch of the record before, or -1.
    pub committed_leader_epoch: i32,
    /// What the client wants to remember.
    pub committed_metadata: Option<&'a str>,
}

/// Says what is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommitResponse<'a> {
    /// The topics.
    pub topics: Vec<OffsetCommitResponseTopic<'a>>,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommitResponseTopic<'a> {
    /// Which one.
    pub topic: TopicKey<'a>,
    /// Its partitions.
    pub partitions: Vec<OffsetCommitResponsePartition>,
}

/// One partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetCommitResponsePartition {
    /// Its number.
    pub partition_index: i32,
    /// Why the offset is not kept.
    pub error_code: ErrorCode,
}

impl<'a> OffsetCommitRequest<'a> {
    /// Reads the body.
    pub fn read(r: &mut Reader<'a>) -> Result<Self> {
        let (group_id, generation_id_or_member_epoch) = (r.string()?, r.i32()?);
        let member_id = r.string()?;
        let group_instance_id = if r.since(7) { r.nullable_string()? } else { None };
        if !r.since(5) {
            r.i64()?;
        }
        let topics = r.array(Counts::Topics, |r| {
            let topic = r.topic(IDS_FROM)?;
            let partitions = r.array(Counts::Partitions, |r| {
                let (partition_index, committed_offset) = (r.i32()?, r.i64()?);
                let committed_leader_epoch = if r.since(6) { r.i32()? } else { -1 };
                let committed_metadata = r.nullable_string()?;
                r.skip_tags()?;
                Ok(OffsetCommitRequestPartition {
                    partition_index,
                    committed_offset,
                    committed_leader_epoch,
                    committed_metadata,
                })
            })?;
            r.skip_tags()?;
            Ok(OffsetCommitRequestTopic { topic, partitions })
        })?;
        r.skip_tags()?;
        Ok(Self { group_id, generation_id_or_member_epoch, member_id, group_instance_id, topics })
    }
}

impl OffsetCommitResponse<'_> {
    /// Writes the body.
    pub fn write(&self, w: &mut Writer) {
        w.throttle_time(3).array(&self.topics, |w, topic| {
            w.topic(&topic.topic).array(&topic.partitions, |w, partition| {
                w.i32(partition.partition_index).error(partition.error_code).no_tags();
            });
            w.no_tags();
        });
        w.no_tags();
    }
}
