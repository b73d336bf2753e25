//! Requests of clients about groups: from a frame to what the coordinator understands.
//!
//! ```text
//!   frame --> wire::XRequest --> topics looked up --> GroupRequest, owned --> the groups' thread
//!             borrows the frame  ids and errors       outlives the frame
//! ```
//!
//! What of a version matters to the coordinator is put down here; how an answer is written in it,
//! `encode.rs` knows.

use super::handle::{GroupsHandle, Pending};
use super::messages::{
    Client, Commit, CommitPartition, DescribeGroups, FetchGroup, FetchPartition, GroupRequest,
    Heartbeat, JoinGroup, LeaveGroup, Leaving, ListGroups, OffsetCommit, OffsetFetch, Protocol,
    SyncGroup, TopicId, TopicOf,
};
use crate::format::checkpoint::Uuid;
use crate::serve::catalog::{Catalog, Topic};
use crate::serve::queue::{Answer, Request};
use crate::serve::wire::commit::{OffsetCommitRequest, OffsetCommitRequestPartition};
use crate::serve::wire::common::TopicKey;
use crate::serve::wire::describe_groups::DescribeGroupsRequest;
use crate::serve::wire::errors::ErrorCode;
use crate::serve::wire::heartbeat::HeartbeatRequest;
use crate::serve::wire::join::JoinGroupRequest;
use crate::serve::wire::leave::LeaveGroupRequest;
use crate::serve::wire::list_groups::ListGroupsRequest;
use crate::serve::wire::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestTopic};
use crate::serve::wire::reader::{Reader, Result};
use crate::serve::wire::sync::SyncGroupRequest;
use crate::serve::wire::{Api, Refusal, RequestHeader};
use std::net::IpAddr;
use std::sync::Arc;

/// The first JoinGroup whose sender, if it has no member id, is given one to come back with.
const MEMBER_ID_REQUIRED_FROM: i16 = 4;
/// The first JoinGroup whose answer can tell a leader to leave assignments as they are.
const SKIP_ASSIGNMENT_FROM: i16 = 9;
/// The first DescribeGroups whose answer says of an unknown group that it is an error.
const UNKNOWN_GROUP_FROM: i16 = 6;

/// Where topics are looked up.
pub(super) trait Topics {
    /// By name.
    fn named(&self, name: &str) -> Option<&Topic>;
    /// By id.
    fn with_id(&self, id: Uuid) -> Option<&Topic>;
}

impl Topics for Catalog {
    fn named(&self, name: &str) -> Option<&Topic> {
        self.topic(name)
    }

    fn with_id(&self, id: Uuid) -> Option<&Topic> {
        self.topic_by_id(id)
    }
}

/// Hands a request about groups to their thread, which will answer: `JoinGroup`, `SyncGroup`,
/// `Heartbeat`, `LeaveGroup`, `OffsetCommit`, `OffsetFetch`, `DescribeGroups`, `ListGroups`.
/// Waits while the thread's inbox is full.
///
/// # Errors
/// When the body cannot be read.
pub fn ask(
    handle: &GroupsHandle,
    catalog: &Catalog,
    header: &RequestHeader<'_>,
    mut reader: Reader<'_>,
    request: &Request,
) -> Result<Answer> {
    let asked = read(catalog, header, &mut reader)?;
    let RequestHeader { api, version, correlation_id, .. } = *header;
    let (to, received) = (request.to.clone(), request.received);
    let pending = Pending { to, api, version, correlation_id, received };
    Ok(handle.send(asked, client(header, request.peer.ip()), pending))
}

/// Who asks, as Kafka writes it.
pub(super) fn client(header: &RequestHeader<'_>, address: IpAddr) -> Client {
    let host = match address.to_canonical() {
        IpAddr::V4(address) => format!("/{address}"),
        // Java writes all eight numbers.
        IpAddr::V6(address) => {
            let numbers = address.segments().map(|number| format!("{number:x}"));
            format!("/{}", numbers.join(":"))
        }
    };
    Client { id: header.client_id.unwrap_or_default().into(), host: host.into() }
}

/// Reads a body.
pub(super) fn read(
    topics: &impl Topics,
    header: &RequestHeader<'_>,
    r: &mut Reader<'_>,
) -> Result<GroupRequest> {
    let RequestHeader { api, version, .. } = *header;
    Ok(match api {
        Api::JoinGroup => GroupRequest::JoinGroup(join(version, &JoinGroupRequest::read(r)?)),
        Api::SyncGroup => GroupRequest::SyncGroup(sync(&SyncGroupRequest::read(r)?)),
        Api::Heartbeat => GroupRequest::Heartbeat(heartbeat(HeartbeatRequest::read(r)?)),
        Api::LeaveGroup => GroupRequest::LeaveGroup(leave(&LeaveGroupRequest::read(r)?)),
        Api::OffsetCommit => {
            GroupRequest::OffsetCommit(commit(topics, &OffsetCommitRequest::read(r)?))
        }
        Api::OffsetFetch => GroupRequest::OffsetFetch(fetch(topics, OffsetFetchRequest::read(r)?)),
        Api::DescribeGroups => {
            let asked = DescribeGroupsRequest::read(r)?;
            let unknown_is_error = version >= UNKNOWN_GROUP_FROM;
            let groups = owned_list(&asked.groups);
            GroupRequest::DescribeGroups(DescribeGroups { groups, unknown_is_error })
        }
        Api::ListGroups => {
            let asked = ListGroupsRequest::read(r)?;
            let (states, types) = (&asked.states_filter, &asked.types_filter);
            let (states, types) = (owned_list(states), owned_list(types));
            GroupRequest::ListGroups(ListGroups { states, types })
        }
        // Nobody brings any other here.
        _ => return Err(Refusal::UnsupportedApi { key: api.key() }),
    })
}

fn owned_list(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

fn join(version: i16, asked: &JoinGroupRequest<'_>) -> JoinGroup {
    if let Some(reason) = asked.reason {
        let (group, member) = (asked.group_id, asked.member_id);
        tracing::debug!(group, member, reason, "a member joins");
    }
    let protocols = asked.protocols.iter().map(|protocol| Protocol {
        name: protocol.name.into(),
        metadata: protocol.metadata.into(),
    });
    JoinGroup {
        group: asked.group_id.to_owned(),
        session_timeout_ms: asked.session_timeout_ms,
        rebalance_timeout_ms: asked.rebalance_timeout_ms,
        member_id: asked.member_id.to_owned(),
        instance: owned(asked.group_instance_id),
        protocol_type: asked.protocol_type.to_owned(),
        protocols: protocols.collect(),
        requires_member_id: version >= MEMBER_ID_REQUIRED_FROM,
        can_skip_assignment: version >= SKIP_ASSIGNMENT_FROM,
    }
}

fn sync(asked: &SyncGroupRequest<'_>) -> SyncGroup {
    let assignments = asked.assignments.iter();
    let assignments = assignments.map(|one| (one.member_id.to_owned(), one.assignment.into()));
    SyncGroup {
        group: asked.group_id.to_owned(),
        generation: asked.generation_id,
        member_id: asked.member_id.to_owned(),
        instance: owned(asked.group_instance_id),
        protocol_type: owned(asked.protocol_type),
        protocol: owned(asked.protocol_name),
        assignments: assignments.collect(),
    }
}

fn heartbeat(asked: HeartbeatRequest<'_>) -> Heartbeat {
    Heartbeat {
        group: asked.group_id.to_owned(),
        generation: asked.generation_id,
        member_id: asked.member_id.to_owned(),
        instance: owned(asked.group_instance_id),
    }
}

fn leave(asked: &LeaveGroupRequest<'_>) -> LeaveGroup {
    let group = asked.group_id;
    let members = asked.members.iter().map(|member| {
        let (id, instance) = (member.member_id, member.group_instance_id);
        if let Some(reason) = member.reason {
            tracing::debug!(group, member = id, instance, reason, "a member leaves");
        }
        Leaving { member_id: id.to_owned(), instance: owned(instance) }
    });
    LeaveGroup { group: group.to_owned(), members: members.collect() }
}

/// A topic that was looked up: as it was named, and what there is under that name.
struct Found<'a> {
    name: Arc<str>,
    id: TopicId,
    topic: Option<&'a Topic>,
    /// What is wrong where there is none.
    error: ErrorCode,
}

fn find<'a>(topics: &'a impl Topics, key: &TopicKey<'_>) -> Found<'a> {
    match key {
        TopicKey::Name(name) => {
            let topic = topics.named(name);
            let name = topic.map_or_else(|| Arc::from(*name), |topic| Arc::clone(&topic.name));
            let error = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
            Found { name, id: TopicId::default(), topic, error }
        }
        TopicKey::Id(id) => {
            let topic = topics.with_id(*id).filter(|_| *id != Uuid::ZERO);
            let name = topic.map_or_else(|| Arc::from(""), |topic| Arc::clone(&topic.name));
            Found { name, id: id.0, topic, error: ErrorCode::UNKNOWN_TOPIC_ID }
        }
    }
}

/// A commit is kept only of what is served.
fn commit(topics: &impl Topics, asked: &OffsetCommitRequest<'_>) -> OffsetCommit {
    let nothing: Arc<str> = "".into();
    let metadata = |partition: &OffsetCommitRequestPartition<'_>| {
        let metadata = partition.committed_metadata.filter(|metadata| !metadata.is_empty());
        metadata.map_or_else(|| Arc::clone(&nothing), Arc::from)
    };
    let of_topics = asked.topics.iter().map(|one| {
        let Found { name, id, topic, error } = find(topics, &one.topic);
        let error_of = |index| match topic.map(|topic| topic.partition(index)) {
            None => error,
            Some(None) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            Some(Some(_)) => ErrorCode::NONE,
        };
        let partitions = one.partitions.iter().map(|partition| CommitPartition {
            index: partition.partition_index,
            error: error_of(partition.partition_index),
            commit: Commit {
                offset: partition.committed_offset,
                leader_epoch: partition.committed_leader_epoch,
                metadata: metadata(partition),
            },
        });
        TopicOf { name, id, partitions: partitions.collect() }
    });
    OffsetCommit {
        group: asked.group_id.to_owned(),
        generation: asked.generation_id_or_member_epoch,
        member_id: asked.member_id.to_owned(),
        instance: owned(asked.group_instance_id),
        topics: of_topics.collect(),
    }
}

/// What was committed is told of any topic that is named, whether it is served or not; only an id
/// has to be known, since commits are kept by name.
fn fetch(topics: &impl Topics, asked: OffsetFetchRequest<'_>) -> OffsetFetch {
    let of_topic = |one: OffsetFetchRequestTopic<'_>| {
        let Found { name, id, topic, error } = find(topics, &one.topic);
        let is_unknown = topic.is_none() && error == ErrorCode::UNKNOWN_TOPIC_ID;
        let error = if is_unknown { error } else { ErrorCode::NONE };
        let partitions = one.partition_indexes.into_iter();
        let partitions = partitions.map(|index| FetchPartition { index, error }).collect();
        TopicOf { name, id, partitions }
    };
    let groups = asked.groups.into_iter().map(|one| FetchGroup {
        group: one.group_id.to_owned(),
        topics: one.topics.map(|topics| topics.into_iter().map(of_topic).collect()),
    });
    OffsetFetch { groups: groups.collect() }
}
