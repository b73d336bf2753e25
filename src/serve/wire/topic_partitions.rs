//! DescribeTopicPartitions: Metadata in pages.
//!
//! ```text
//!   request    [ name ] | most partitions | cursor?
//!   response   throttle time | [ topic ] | cursor?
//!   topic      error | name? | id | internal | [ partition ] | operations
//!   partition  error | index | leader | epoch | [ replica ] | [ in sync ] | [ eligible ]?
//!              | [ last eligible ]? | [ offline ]
//!   cursor     i8 -1: none, 1: | name | index
//! ```

use super::metadata::MetadataResponseTopic;
use super::reader::{Counts, Reader, Result};
use super::writer::Writer;
use std::borrow::Cow;

/// Asks for a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeTopicPartitionsRequest<'a> {
    /// The topics; empty for all.
    pub topics: Vec<&'a str>,
    /// How many partitions the client takes.
    pub response_partition_limit: i32,
    /// Where the last page ended.
    pub cursor: Option<Cursor<'a>>,
}

/// The first partition of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor<'a> {
    /// Its topic.
    pub topic_name: Cow<'a, str>,
    /// Its number.
    pub partition_index: i32,
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeTopicPartitionsResponse<'a> {
    /// The topics of this page.
    pub topics: Vec<MetadataResponseTopic<'a>>,
    /// Where the next one begins.
    pub next_cursor: Option<Cursor<'a>>,
}

impl<'a> DescribeTopicPartitionsRequest<'a> {
    /// Reads the body.
    pub fn read(r: &mut Reader<'a>) -> Result<Self> {
        let topics = r.array(Counts::Topics, |r| {
            let name = r.string()?;
            r.skip_tags()?;
            Ok(name)
        })?;
        let response_partition_limit = r.i32()?;
        let cursor = if r.i8()? < 0 {
            None
        } else {
            let (topic_name, partition_index) = (r.string()?.into(), r.i32()?);
            r.skip_tags()?;
            Some(Cursor { topic_name, partition_index })
        };
        r.skip_tags()?;
        Ok(Self { topics, response_partition_limit, cursor })
    }
}

impl DescribeTopicPartitionsResponse<'_> {
    /// Writes the body.
    pub fn write(&self, w: &mut Writer) {
        w.throttle_time(0).array(&self.topics, write_topic);
        match &self.next_cursor {
            None => w.i8(-1),
            Some(cursor) => {
                w.i8(1).string(&cursor.topic_name).i32(cursor.partition_index).no_tags()
            }
        };
        w.no_tags();
    }
}

fn write_topic(w: &mut Writer, topic: &MetadataResponseTopic<'_>) {
    w.error(topic.error_code).nullable_string(topic.name.as_deref());
    w.uuid(topic.topic_id).bool(topic.is_internal).array(&topic.partitions, |w, partition| {
        w.error(partition.error_code).i32(partition.partition_index);
        w.i32(partition.leader_id).i32(partition.leader_epoch);
        w.i32_array(&partition.replica_nodes).i32_array(&partition.isr_nodes);
        // Empty where null could be said: Java's admin client takes no null.
        w.empty_array().empty_array().i32_array(&partition.offline_replicas).no_tags();
    });
    w.operations().no_tags();
}
