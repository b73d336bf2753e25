//! Metadata: which topics there are, and who serves their partitions.
//!
//! ```text
//!   request    [ id 10+ | name ]? | create? 4+ | operations? 8-10 | operations? 8+
//!   response   throttle time 3+ | [ node ] | cluster id? 2+ | controller 1+
//!              | [ error | name | id 10+ | internal 1+ | [ partition ] | operations 8+ ]
//!              | operations 8-10 | error 13+
//!   partition  error | index | leader | epoch 7+ | [ replica ] | [ in sync ] | [ offline ] 5+
//! ```

use super::common::Node;
use super::errors::ErrorCode;
use super::reader::{Counts, Reader, Result};
use super::writer::Writer;
use crate::format::checkpoint::Uuid;
use std::borrow::Cow;

/// Asks for topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataRequest<'a> {
    /// The topics, repeated ones included. `None`: all of them.
    pub topics: Option<Vec<MetadataRequestTopic<'a>>>,
}

/// One topic that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataRequestTopic<'a> {
    /// Its id, or all zeros.
    pub topic_id: Uuid,
    /// Its name, if it is not asked for by id.
    pub name: Option<&'a str>,
}

/// Says who serves what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataResponse<'a> {
    /// Every broker of the cluster.
    pub brokers: Vec<Node<'a>>,
    /// The id of the cluster.
    pub cluster_id: Option<Cow<'a, str>>,
    /// Whom to ask for changes.
    pub controller_id: i32,
    /// The topics.
    pub topics: Vec<MetadataResponseTopic<'a>>,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataResponseTopic<'a> {
    /// Why it cannot be given.
    pub error_code: ErrorCode,
    /// Its name, unless an unknown id was asked for.
    pub name: Option<Cow<'a, str>>,
    /// Its id, or all zeros.
    pub topic_id: Uuid,
    /// Whether it is one of Kafka's own.
    pub is_internal: bool,
    /// The partitions.
    pub partitions: Vec<MetadataResponsePartition<'a>>,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataResponsePartition<'a> {
    /// Why it cannot be read.
    pub error_code: ErrorCode,
    /// Its number.
    pub partition_index: i32,
    /// Who serves it, or -1.
    pub leader_id: i32,
    /// Since which epoch, or -1.
    pub leader_epoch: i32,
    /// Who should have it.
    pub replica_nodes: Cow<'a, [i32]>,
    /// Who has all of it.
    pub isr_nodes: Cow<'a, [i32]>,
    /// Who should have it and is not there.
    pub offline_replicas: Cow<'a, [i32]>,
}

impl<'a> MetadataRequest<'a> {
    /// Reads the body.
    pub fn read(r: &mut Reader<'a>) -> Result<Self> {
        let mut topics = r.nullable_array(Counts::Topics, |r| {
            let topic_id = if r.since(10) { r.uuid()? } else { Uuid::ZERO };
            let name = if r.since(10) { r.nullable_string()? } else { Some(r.string()?) };
            r.skip_tags()?;
            Ok(MetadataRequestTopic { topic_id, name })
        })?;
        if !r.since(1) {
            // Version 0 has no null and says "all" by an empty array.
            topics = topics.filter(|topics| !topics.is_empty());
        }
        if r.since(4) {
            r.bool()?;
        }
        if r.since(8) && !r.since(11) {
            r.bool()?;
        }
        if r.since(8) {
            r.bool()?;
        }
        r.skip_tags()?;
        Ok(Self { topics })
    }
}

impl MetadataResponse<'_> {
    /// Writes the body.
    pub fn write(&self, w: &mut Writer) {
        w.throttle_time(3).array(&self.brokers, |w, broker| {
            w.node(broker);
            if w.since(1) {
                w.nullable_string(None);
            }
            w.no_tags();
        });
        if w.since(2) {
            w.nullable_string(self.cluster_id.as_deref());
        }
        if w.since(1) {
            w.i32(self.controller_id);
        }
        w.array(&self.topics, |w, topic| topic.write(w));
        if w.since(8) && !w.since(11) {
            w.operations();
        }
        if w.since(13) {
            w.error(ErrorCode::NONE);
        }
        w.no_tags();
    }
}

impl MetadataResponseTopic<'_> {
    fn write(&self, w: &mut Writer) {
        w.error(self.error_code);
        if w.since(12) {
            w.nullable_string(self.name.as_deref());
        } else {
            w.string(self.name.as_deref().unwrap_or_default());
        }
        if w.since(10) {
            w.uuid(self.topic_id);
        }
        if w.since(1) {
            w.bool(self.is_internal);
        }
        w.array(&self.partitions, |w, partition| {
            w.error(partition.error_code).i32(partition.partition_index).i32(partition.leader_id);
            if w.since(7) {
                w.i32(partition.leader_epoch);
            }
            w.i32_array(&partition.replica_nodes).i32_array(&partition.isr_nodes);
            if w.since(5) {
                w.i32_array(&partition.offline_replicas);
            }
            w.no_tags();
        });
        if w.since(8) {
            w.operations();
        }
        w.no_tags();
    }
}
