//! OffsetFetch: how far groups have read.
//!
//! ```text
//!   request    -7: group | [ topic ]?    8+: [ group | member?, epoch 9+ | [ topic ]? ]
//!              | require stable 7+
//!   topic      topic | [ index ]
//!   response   throttle time 3+ | -7: [ topic ] | error 2+    8+: [ group | [ topic ] | error ]
//!   topic      topic | [ index | offset | leader epoch 5+ | metadata? | error ]
//! ```
//!
//! A topic is its name up to version 9, then its id.

use super::common::TopicKey;
use super::errors::ErrorCode;
use super::reader::{Counts, Reader, Result};
use super::writer::Writer;
use std::borrow::Cow;

/// The first version that names topics by their ids.
pub const IDS_FROM: i16 = 10;

/// Asks how far groups have read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetFetchRequest<'a> {
    /// The groups; exactly one below version 8.
    pub groups: Vec<OffsetFetchRequestGroup<'a>>,
    /// Whether to wait for transactions that may still commit.
    pub require_stable: bool,
}

/// One group that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetFetchRequestGroup<'a> {
    /// Its id.
    pub group_id: &'a str,
    /// The topics; `None` for all of which something is known.
    pub topics: Option<Vec<OffsetFetchRequestTopic<'a>>>,
}

/// One topic that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetFetchRequestTopic<'a> {
    /// Which one.
    pub topic: TopicKey<'a>,
    /// Its partitions.
    pub partition_indexes: Vec<i32>,
}

/// Says how far groups have read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetFetchResponse<'a> {
    /// The groups. Below version 8 the first of them is the answer.
    pub groups: Vec<OffsetFetchResponseGroup<'a>>,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetFetchResponseGroup<'a> {
    /// Its id.
    pub group_id: Cow<'a, str>,
    /// The topics.
    pub topics: Vec<OffsetFetchResponseTopic<'a>>,
    /// Why there are none.
    pub error_code: ErrorCode,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetFetchResponseTopic<'a> {
    /// Which one.
    pub topic: TopicKey<'a>,
    /// Its partitions.
    pub partitions: Vec<OffsetFetchResponsePartition<'a>>,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetFetchResponsePartition<'a> {
    /// Its number.
    pub partition_index: i32,
    /// The first offset that is not read yet, or -1.
    pub committed_offset: i64,
    /// The epoch of the record before, or -1.
    pub committed_leader_epoch: i32,
    /// What the client wanted to remember.
    pub metadata: Cow<'a, str>,
    /// Why there is no offset.
    pub error_code: ErrorCode,
}

impl<'a> OffsetFetchRequest<'a> {
    /// Reads the body.
    pub fn read(r: &mut Reader<'a>) -> Result<Self> {
        let groups = if r.since(8) {
            r.array(Counts::Other, |r| {
                let group_id = r.string()?;
                if r.since(9) {
                    r.nullable_string()?;
                    r.i32()?;
                }
                let topics = read_topics(r)?;
                r.skip_tags()?;
                Ok(OffsetFetchRequestGroup { group_id, topics })
            })?
        } else {
            let group_id = r.string()?;
            vec![OffsetFetchRequestGroup { group_id, topics: read_topics(r)? }]
        };
        let require_stable = r.since(7) && r.bool()?;
        r.skip_tags()?;
        Ok(Self { groups, require_stable })
    }
}

fn read_topics<'a>(r: &mut Reader<'a>) -> Result<Option<Vec<OffsetFetchRequestTopic<'a>>>> {
    r.nullable_array(Counts::Topics, |r| {
        let topic = r.topic(IDS_FROM)?;
        let partition_indexes = r.array(Counts::Partitions, Reader::i32)?;
        r.skip_tags()?;
        Ok(OffsetFetchRequestTopic { topic, partition_indexes })
    })
}

impl OffsetFetchResponse<'_> {
    /// Writes the body.
    pub fn write(&self, w: &mut Writer) {
        w.throttle_time(3);
        if w.since(8) {
            w.array(&self.groups, |w, group| {
                w.string(&group.group_id).array(&group.topics, write_topic);
                w.error(group.error_code).no_tags();
            });
        } else if let Some(group) = self.groups.first() {
            w.array(&group.topics, write_topic);
            if w.since(2) {
                w.error(group.error_code);
            }
        }
        w.no_tags();
    }
}

fn write_topic(w: &mut Writer, topic: &OffsetFetchResponseTopic<'_>) {
    w.topic(&topic.topic).array(&topic.partitions, |w, partition| {
        w.i32(partition.partition_index).i64(partition.committed_offset);
        if w.since(5) {
            w.i32(partition.committed_leader_epoch);
        }
        w.string(&partition.metadata).error(partition.error_code).no_tags();
    });
    w.no_tags();
}
