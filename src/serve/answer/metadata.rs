//! Metadata: one node leads every partition that is on a disk.
//!
//! ```text
//!   on a disk   error 0   leader node   replicas [node]   in sync [node]   offline []
//!   on none     error 5   leader -1     replicas [node]   in sync []       offline [node]
//! ```

use super::Response;
use super::common::{node, why_no_topic};
use crate::format::checkpoint::Uuid;
use crate::serve::catalog::build::is_internal;
use crate::serve::catalog::{Catalog, Slot, Topic};
use crate::serve::wire::errors::ErrorCode;
use crate::serve::wire::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponsePartition,
    MetadataResponseTopic,
};
use crate::serve::wire::writer::Writer;
use std::borrow::Cow;
use std::collections::HashSet;
use std::slice;

/// The first version in which a topic may be asked for by its id. The field is there from 10 on.
const IDS_FROM: i16 = 12;

/// Says who serves what.
pub fn metadata<'a>(
    catalog: &'a Catalog,
    version: i16,
    request: &MetadataRequest<'a>,
) -> MetadataResponse<'a> {
    let topics = match &request.topics {
        None => catalog.topics().iter().map(|topic| whole_topic(catalog, topic)).collect(),
        Some(asked) => {
            let mut seen = HashSet::new();
            let distinct = asked.iter().filter(|topic| seen.insert((topic.topic_id, topic.name)));
            distinct.map(|asked| one_topic(catalog, version, asked)).collect()
        }
    };
    MetadataResponse {
        brokers: vec![node(catalog)],
        cluster_id: Some(Cow::Borrowed(&catalog.cluster_id)),
        controller_id: catalog.node_id,
        topics,
    }
}

fn one_topic<'a>(
    catalog: &'a Catalog,
    version: i16,
    asked: &MetadataRequestTopic<'a>,
) -> MetadataResponseTopic<'a> {
    let is_by_id = asked.topic_id != Uuid::ZERO;
    let found = match asked.name {
        _ if version < IDS_FROM && (is_by_id || asked.name.is_none()) => {
            Err(ErrorCode::INVALID_REQUEST)
        }
        Some(name) if !is_by_id => catalog.topic(name).ok_or_else(|| why_no_topic(name)),
        _ => topic_by_id(catalog, asked.topic_id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID),
    };
    match found {
        Ok(topic) => whole_topic(catalog, topic),
        Err(error_code) if is_by_id && version >= IDS_FROM => {
            no_topic(error_code, None, asked.topic_id)
        }
        Err(error_code) => no_topic(error_code, asked.name, asked.topic_id),
    }
}

/// A topic by its id; all zeros are the id of none.
pub fn topic_by_id(catalog: &Catalog, id: Uuid) -> Option<&Topic> {
    if id == Uuid::ZERO { None } else { catalog.topic_by_id(id) }
}

/// Says that there is no such topic.
pub fn no_topic(
    error_code: ErrorCode,
    name: Option<&str>,
    topic_id: Uuid,
) -> MetadataResponseTopic<'_> {
    MetadataResponseTopic {
        error_code,
        name: name.map(Cow::Borrowed),
        topic_id,
        is_internal: name.is_some_and(is_internal),
        partitions: Vec::new(),
    }
}

fn whole_topic<'a>(catalog: &'a Catalog, topic: &'a Topic) -> MetadataResponseTopic<'a> {
    part_of_topic(catalog, topic, 0, usize::MAX)
}

/// A topic with at most so many of its partitions, from one on.
pub fn part_of_topic<'a>(
    catalog: &'a Catalog,
    topic: &'a Topic,
    from: i32,
    most: usize,
) -> MetadataResponseTopic<'a> {
    let slots = topic.partitions.range(from..).take(most);
    let partitions = slots.map(|(&index, slot)| partition(&catalog.node_id, index, slot));
    MetadataResponseTopic {
        error_code: ErrorCode::NONE,
        name: Some(Cow::Borrowed(&topic.name)),
        topic_id: topic.id,
        is_internal: topic.is_internal,
        partitions: partitions.collect(),
    }
}

fn partition<'a>(node_id: &'a i32, index: i32, slot: &Slot) -> MetadataResponsePartition<'a> {
    let here = Cow::Borrowed(slice::from_ref(node_id));
    let nobody = Cow::Borrowed(&[][..]);
    let (error_code, leader_id, leader_epoch, isr_nodes, offline_replicas) = match slot {
        Slot::Served(served) => {
            (ErrorCode::NONE, *node_id, served.leader_epoch, here.clone(), nobody)
        }
        Slot::Missing => (ErrorCode::LEADER_NOT_AVAILABLE, -1, -1, nobody, here.clone()),
    };
    MetadataResponsePartition {
        error_code,
        partition_index: index,
        leader_id,
        leader_epoch,
        replica_nodes: here,
        isr_nodes,
        offline_replicas,
    }
}

/// Shows the error codes of topics.
pub fn errors_of(topics: &[MetadataResponseTopic<'_>], each: &mut dyn FnMut(ErrorCode)) {
    for topic in topics {
        each(topic.error_code);
        topic.partitions.iter().for_each(|partition| each(partition.error_code));
    }
}

impl Response for MetadataResponse<'_> {
    fn write(&self, w: &mut Writer) {
        self.write(w);
    }

    fn errors(&self, each: &mut dyn FnMut(ErrorCode)) {
        errors_of(&self.topics, each);
    }
}
