//! What the coordinator answers, in the words of the version that was asked in.
//!
//! ```text
//!   GroupAnswer --> wire::XResponse --> Writer --> one piece of memory
//!                   borrows the answer
//! ```

use super::ask::Topics;
use super::messages::{
    Committed, DescribedGroup, DescribedMember, FetchedPartition, GroupAnswer, GroupOffsets,
    Joined, Left, Listed, Synced, TopicId, TopicOf,
};
use crate::format::checkpoint::Uuid;
use crate::serve::catalog::{Slot, Topic};
use crate::serve::outgoing::Outgoing;
use crate::serve::queue::{Answer, Closing};
use crate::serve::wire::commit::{
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use crate::serve::wire::common::TopicKey;
use crate::serve::wire::describe_groups as described;
use crate::serve::wire::errors::ErrorCode;
use crate::serve::wire::heartbeat::HeartbeatResponse;
use crate::serve::wire::join::{JoinGroupResponse, JoinGroupResponseMember};
use crate::serve::wire::leave::{LeaveGroupResponse, MemberResponse};
use crate::serve::wire::list_groups as listed;
use crate::serve::wire::offset_fetch::{
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition,
    OffsetFetchResponseTopic,
};
use crate::serve::wire::reader::Result;
use crate::serve::wire::sync::SyncGroupResponse;
use crate::serve::wire::writer::Writer;
use crate::serve::wire::{Api, commit, offset_fetch};
use std::borrow::Cow;

/// The type of all groups here.
const CLASSIC: &str = "classic";
/// The first LeaveGroup that says of each member how it went.
const LEAVING_MEMBERS_FROM: i16 = 3;
/// The first OffsetFetch with an error for the whole of it.
const FETCH_ERROR_FROM: i16 = 2;

/// In which words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// What was asked for.
    pub(super) api: Api,
    /// In which version.
    pub(super) version: i16,
    /// What the request was numbered.
    pub(super) correlation_id: i32,
    /// The most bytes of an answer.
    pub(super) response_bytes: usize,
}

/// A whole answer; one that is over the limit ends the connection.
pub(super) fn encode(answer: &GroupAnswer, form: Form, topics: &impl Topics) -> Answer {
    match frame(answer, form, topics) {
        Ok(pieces) => {
            let mut outgoing = Outgoing::new();
            pieces.into_iter().for_each(|piece| outgoing.push_bytes(piece));
            Answer::Send(outgoing)
        }
        Err(refusal) => Answer::Close(Closing::Rejected(refusal.name())),
    }
}

/// Its bytes, in one piece.
pub(super) fn frame(
    answer: &GroupAnswer,
    form: Form,
    topics: &impl Topics,
) -> Result<Vec<Vec<u8>>> {
    let Form { api, version, correlation_id, response_bytes } = form;
    let mut w = Writer::new(api, version, correlation_id, response_bytes);
    match answer {
        GroupAnswer::Joined(answer) => joined(answer).write(&mut w),
        GroupAnswer::Synced(answer) => synced(answer).write(&mut w),
        GroupAnswer::Heartbeat(error) => HeartbeatResponse { error_code: *error }.write(&mut w),
        GroupAnswer::Left(answer) => left(answer, version).write(&mut w),
        GroupAnswer::Committed(answer) => committed(answer, version).write(&mut w),
        GroupAnswer::Offsets(answer) => offsets(answer, version, topics).write(&mut w),
        GroupAnswer::Described(answer) => {
            let groups = answer.iter().map(described_group).collect();
            described::DescribeGroupsResponse { groups }.write(&mut w);
        }
        GroupAnswer::Listed(answer) => list(answer).write(&mut w),
    }
    w.finish()
}

fn joined(answer: &Joined) -> JoinGroupResponse<'_> {
    let members = answer.members.iter().map(|member| JoinGroupResponseMember {
        member_id: (&*member.member_id).into(),
        group_instance_id: member.instance.as_deref().map(Cow::from),
        metadata: (&*member.metadata).into(),
    });
    JoinGroupResponse {
        error_code: answer.error,
        generation_id: answer.generation,
        protocol_type: answer.protocol_type.as_deref().map(Cow::from),
        protocol_name: answer.protocol.as_deref().map(Cow::from),
        leader: (&*answer.leader).into(),
        skip_assignment: answer.skip_assignment,
        member_id: (&*answer.member_id).into(),
        members: members.collect(),
    }
}

fn synced(answer: &Synced) -> SyncGroupResponse<'_> {
    SyncGroupResponse {
        error_code: answer.error,
        protocol_type: answer.protocol_type.as_deref().map(Cow::from),
        protocol_name: answer.protocol.as_deref().map(Cow::from),
        assignment: (&*answer.assignment).into(),
    }
}

fn left(answer: &Left, version: i16) -> LeaveGroupResponse<'_> {
    let members = answer.members.iter().map(|(member, error)| MemberResponse {
        member_id: (&*member.member_id).into(),
        group_instance_id: member.instance.as_deref().map(Cow::from),
        error_code: *error,
    });
    let has_members = version >= LEAVING_MEMBERS_FROM;
    let error_code = if has_members { answer.error } else { answer.only_error() };
    LeaveGroupResponse { error_code, members: members.collect() }
}

/// A topic as it was named.
fn key<P>(topic: &TopicOf<P>, has_ids: bool) -> TopicKey<'_> {
    if has_ids { TopicKey::Id(Uuid(topic.id)) } else { TopicKey::Name(&topic.name) }
}

fn committed(answer: &Committed, version: i16) -> OffsetCommitResponse<'_> {
    let has_ids = version >= commit::IDS_FROM;
    let topics = answer.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter();
        let partitions = partitions.map(|&(partition_index, error_code)| {
            OffsetCommitResponsePartition { partition_index, error_code }
        });
        OffsetCommitResponseTopic { topic: key(topic, has_ids), partitions: partitions.collect() }
    });
    OffsetCommitResponse { topics: topics.collect() }
}

fn offsets<'a>(
    answer: &'a [GroupOffsets],
    version: i16,
    topics: &impl Topics,
) -> OffsetFetchResponse<'a> {
    let groups = answer.iter().map(|group| {
        let is_refused = group.error.is_error() && version >= FETCH_ERROR_FROM;
        let of_group: &[_] = if is_refused { &[] } else { &group.topics };
        let of_group = of_group.iter().filter_map(|of_topic| {
            let topic = fetched_key(of_topic, version, topics)?;
            let served = topics.named(&of_topic.name);
            let fetched = |partition| fetched(partition, served);
            let partitions = of_topic.partitions.iter().map(fetched).collect();
            Some(OffsetFetchResponseTopic { topic, partitions })
        });
        OffsetFetchResponseGroup {
            group_id: (&*group.group).into(),
            topics: of_group.collect(),
            error_code: group.error,
        }
    });
    OffsetFetchResponse { groups: groups.collect() }
}

/// A Java client takes a committed epoch for one that it has seen, and from then on waits for
/// metadata that are as new: where the served files end in an earlier one there are none.
fn fetched<'a>(
    partition: &'a FetchedPartition,
    topic: Option<&Topic>,
) -> OffsetFetchResponsePartition<'a> {
    let slot = topic.and_then(|topic| topic.partition(partition.index));
    let known = match slot {
        Some(Slot::Served(served)) => served.leader_epoch,
        Some(Slot::Missing) | None => i32::MAX,
    };
    let epoch = Some(partition.commit.leader_epoch).filter(|epoch| *epoch <= known);
    OffsetFetchResponsePartition {
        partition_index: partition.index,
        committed_offset: partition.commit.offset,
        committed_leader_epoch: epoch.unwrap_or(-1),
        metadata: (&*partition.commit.metadata).into(),
        error_code: partition.error,
    }
}

/// As [`key`]; where all topics of a group were asked for they have names only, and what has no id
/// cannot be told to whom speaks of ids.
fn fetched_key<'a, P>(
    topic: &'a TopicOf<P>,
    version: i16,
    topics: &impl Topics,
) -> Option<TopicKey<'a>> {
    let has_ids = version >= offset_fetch::IDS_FROM;
    if !has_ids || topic.id != TopicId::default() || topic.name.is_empty() {
        return Some(key(topic, has_ids));
    }
    let id = topics.named(&topic.name)?.id;
    (id != Uuid::ZERO).then_some(TopicKey::Id(id))
}

fn described_group(group: &DescribedGroup) -> described::DescribedGroup<'_> {
    let not_found = || Cow::from(format!("Group {} not found.", group.group));
    let is_unknown = group.error == ErrorCode::GROUP_ID_NOT_FOUND;
    described::DescribedGroup {
        error_code: group.error,
        error_message: is_unknown.then(not_found),
        group_id: (&*group.group).into(),
        group_state: group.state.into(),
        protocol_type: (&*group.protocol_type).into(),
        protocol_data: (&*group.protocol).into(),
        members: group.members.iter().map(described_member).collect(),
    }
}

fn described_member(member: &DescribedMember) -> described::DescribedGroupMember<'_> {
    described::DescribedGroupMember {
        member_id: (&*member.member_id).into(),
        group_instance_id: member.instance.as_deref().map(Cow::from),
        client_id: (&*member.client.id).into(),
        client_host: (&*member.client.host).into(),
        member_metadata: (&*member.metadata).into(),
        member_assignment: (&*member.assignment).into(),
    }
}

fn list(answer: &Listed) -> listed::ListGroupsResponse<'_> {
    let groups = answer.groups.iter().map(|group| listed::ListedGroup {
        group_id: (&*group.group).into(),
        protocol_type: (&*group.protocol_type).into(),
        group_state: group.state.into(),
        group_type: CLASSIC.into(),
    });
    listed::ListGroupsResponse { error_code: answer.error, groups: groups.collect() }
}

/// Every error that an answer says.
pub(super) fn errors(answer: &GroupAnswer, mut each: impl FnMut(ErrorCode)) {
    let mut say = |error: ErrorCode| {
        if error.is_error() {
            each(error);
        }
    };
    match answer {
        GroupAnswer::Joined(answer) => say(answer.error),
        GroupAnswer::Synced(answer) => say(answer.error),
        GroupAnswer::Heartbeat(error) => say(*error),
        GroupAnswer::Left(answer) => {
            say(answer.error);
            answer.members.iter().for_each(|(_, error)| say(*error));
        }
        GroupAnswer::Committed(answer) => {
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            partitions.for_each(|(_, error)| say(*error));
        }
        GroupAnswer::Offsets(groups) => {
            for group in groups {
                say(group.error);
                let partitions = group.topics.iter().flat_map(|topic| &topic.partitions);
                partitions.for_each(|partition| say(partition.error));
            }
        }
        GroupAnswer::Described(groups) => groups.iter().for_each(|group| say(group.error)),
        GroupAnswer::Listed(answer) => say(answer.error),
    }
}
