//! What is asked of the coordinator, and what it answers: the fields of Kafka's messages that mean
//! something to it, without the ways that versions have of writing them.

use crate::serve::wire::errors::ErrorCode;
use std::sync::Arc;

/// A topic's id; all zeros where there is none.
pub type TopicId = [u8; 16];

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// What it calls itself.
    pub id: Arc<str>,
    /// Its address, as Kafka writes it: `/127.0.0.1`.
    pub host: Arc<str>,
}

/// A request, whole, free of the frame it came in.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // They are named after the messages.
pub enum GroupRequest {
    JoinGroup(JoinGroup),
    SyncGroup(SyncGroup),
    Heartbeat(Heartbeat),
    LeaveGroup(LeaveGroup),
    OffsetCommit(OffsetCommit),
    OffsetFetch(OffsetFetch),
    DescribeGroups(DescribeGroups),
    ListGroups(ListGroups),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupAnswer {
    /// To `JoinGroup`.
    Joined(Joined),
    /// To `SyncGroup`.
    Synced(Synced),
    /// To `Heartbeat`.
    Heartbeat(ErrorCode),
    /// To `LeaveGroup`.
    Left(Left),
    /// To `OffsetCommit`.
    Committed(Committed),
    /// To `OffsetFetch`, group by group.
    Offsets(Vec<GroupOffsets>),
    /// To `DescribeGroups`, group by group.
    Described(Vec<DescribedGroup>),
    /// To `ListGroups`.
    Listed(Listed),
}

macro_rules! answers {
    ($($message:ident),*) => {$(
        impl From<$message> for GroupAnswer {
            fn from(answer: $message) -> Self {
                Self::$message(answer)
            }
        }
    )*};
}
answers!(Joined, Synced, Left, Committed, Listed);

/// A way to share partitions out that a member knows, and what it says about itself in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Its name, like `range`.
    pub name: Arc<str>,
    /// Opaque to the coordinator.
    pub metadata: Arc<[u8]>,
}

/// `JoinGroup`: to be a member of the next generation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinGroup {
    /// The group.
    pub group: String,
    /// Without a heartbeat for so long, a member is out.
    pub session_timeout_ms: i32,
    /// So long a member may take to join when all are to join. Version 0 has none: the session
    /// timeout is to stand here then.
    pub rebalance_timeout_ms: i32,
    /// Empty for one that was given none.
    pub member_id: String,
    /// The name of a static member.
    pub instance: Option<String>,
    /// `consumer` with consumers.
    pub protocol_type: String,
    /// What it knows, the best first.
    pub protocols: Vec<Protocol>,
    /// Version 4 and above: whoever has no member id is given one and is to come back with it.
    pub requires_member_id: bool,
    /// Version 9 and above: a leader can be told to leave assignments as they are.
    pub can_skip_assignment: bool,
}

/// The answer to [`JoinGroup`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// What went wrong.
    pub error: ErrorCode,
    /// The generation, -1 on an error.
    pub generation: i32,
    /// None on an error.
    pub protocol_type: Option<Arc<str>>,
    /// None on an error: before version 7, the empty string.
    pub protocol: Option<Arc<str>>,
    /// The leader's member id.
    pub leader: Arc<str>,
    /// The leader is not to assign anything.
    pub skip_assignment: bool,
    /// Whom this is told.
    pub member_id: Arc<str>,
    /// For the leader: everybody.
    pub members: Vec<JoinedMember>,
}

impl Joined {
    /// Refuses.
    #[must_use]
    pub fn error(error: ErrorCode, member_id: Arc<str>) -> Self {
        Self {
            error,
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: "".into(),
            skip_assignment: false,
            member_id,
            members: Vec::new(),
        }
    }
}

/// A member, as the leader is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub member_id: Arc<str>,
    /// Its name, if it is a static member.
    pub instance: Option<Arc<str>>,
    /// What it said about itself in the chosen protocol.
    pub metadata: Arc<[u8]>,
}

/// `SyncGroup`: to be told one's assignment, which the leader brings with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncGroup {
    /// The group.
    pub group: String,
    /// The generation that was joined.
    pub generation: i32,
    /// Who asks.
    pub member_id: String,
    /// Its name, if it is a static member.
    pub instance: Option<String>,
    /// What it takes the group for, version 5 and above.
    pub protocol_type: Option<String>,
    /// The protocol it was told, version 5 and above.
    pub protocol: Option<String>,
    /// By member id; only the leader's are looked at.
    pub assignments: Vec<(String, Arc<[u8]>)>,
}

/// The answer to [`SyncGroup`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// What went wrong.
    pub error: ErrorCode,
    /// None on an error.
    pub protocol_type: Option<Arc<str>>,
    /// None on an error.
    pub protocol: Option<Arc<str>>,
    /// Empty on an error.
    pub assignment: Arc<[u8]>,
}

impl Synced {
    /// Refuses.
    #[must_use]
    pub fn error(error: ErrorCode) -> Self {
        Self { error, protocol_type: None, protocol: None, assignment: Arc::new([]) }
    }
}

/// `Heartbeat`: to stay a member, and to hear that all are to join again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heartbeat {
    /// The group.
    pub group: String,
    /// The generation that was joined.
    pub generation: i32,
    /// Who it is.
    pub member_id: String,
    /// Its name, if it is a static member.
    pub instance: Option<String>,
}

/// `LeaveGroup`: to be a member no more. Up to version 2 there is one member, whose error stands at
/// the top of the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaveGroup {
    /// The group.
    pub group: String,
    /// Who leaves.
    pub members: Vec<Leaving>,
}

/// One who leaves, or is made to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaving {
    /// Empty where only the name of a static member is given.
    pub member_id: String,
    /// Its name, if it is a static member.
    pub instance: Option<String>,
}

/// The answer to [`LeaveGroup`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// What went wrong with the whole request.
    pub error: ErrorCode,
    /// Each as it was named, and what went wrong with it.
    pub members: Vec<(Leaving, ErrorCode)>,
}

impl Left {
    /// What stands at the top of an answer that names no members.
    #[must_use]
    pub fn only_error(&self) -> ErrorCode {
        let first = self.members.first().map_or(ErrorCode::NONE, |(_, error)| *error);
        if self.error.is_none() { first } else { self.error }
    }
}

/// A topic in a request or an answer about offsets, by its name, and by its id where the request
/// has one. The coordinator knows no topics: whoever asks looks both up, and puts down what is
/// wrong with a topic or partition, which then is answered with that and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicOf<Partitions> {
    /// Its name; empty where an id is unknown.
    pub name: Arc<str>,
    /// Its id; zeros where it is asked for by name.
    pub id: TopicId,
    /// The partitions.
    pub partitions: Vec<Partitions>,
}

/// `OffsetCommit`: how far a group came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetCommit {
    /// The group.
    pub group: String,
    /// The generation that was joined; below 0 for one who is no member.
    pub generation: i32,
    /// Who it is; empty for one who is no member.
    pub member_id: String,
    /// Its name, if it is a static member.
    pub instance: Option<String>,
    /// What is committed.
    pub topics: Vec<TopicOf<CommitPartition>>,
}

/// A commit of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitPartition {
    /// Which one.
    pub index: i32,
    /// What is wrong with it, as whoever asks knows.
    pub error: ErrorCode,
    /// The offset, leader epoch and metadata.
    pub commit: Commit,
}

/// What is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The offset to go on with.
    pub offset: i64,
    /// The epoch of the record before it, -1 if unknown.
    pub leader_epoch: i32,
    /// Anything; never null.
    pub metadata: Arc<str>,
}

/// The answer to [`OffsetCommit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// What came of each partition.
    pub topics: Vec<TopicOf<(i32, ErrorCode)>>,
}

impl OffsetCommit {
    /// The answer that says `error` where nothing else is wrong.
    #[must_use]
    pub fn refused(&self, error: ErrorCode) -> Committed {
        let of_partition = |partition: &CommitPartition| {
            let own = partition.error;
            (partition.index, if own.is_none() { error } else { own })
        };
        let topics = self.topics.iter().map(|topic| TopicOf {
            name: Arc::clone(&topic.name),
            id: topic.id,
            partitions: topic.partitions.iter().map(of_partition).collect(),
        });
        Committed { topics: topics.collect() }
    }
}

/// `OffsetFetch`: how far groups came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetFetch {
    /// The groups.
    pub groups: Vec<FetchGroup>,
}

/// The partitions of a group that are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchGroup {
    /// The group.
    pub group: String,
    /// None for all that have commits.
    pub topics: Option<Vec<TopicOf<FetchPartition>>>,
}

/// A partition that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchPartition {
    /// Which one.
    pub index: i32,
    /// What is wrong with it, as whoever asks knows.
    pub error: ErrorCode,
}

impl OffsetFetch {
    /// The answer that says `error` of every group, and of every partition that was asked for:
    /// version 1 has no other place for it.
    #[must_use]
    pub fn refused(&self, error: ErrorCode) -> Vec<GroupOffsets> {
        let commit = Commit { offset: -1, leader_epoch: -1, metadata: "".into() };
        let of_topic = |asked: &TopicOf<FetchPartition>| {
            let partitions = asked.partitions.iter();
            let refused = |&FetchPartition { index, .. }: &FetchPartition| FetchedPartition {
                index,
                error,
                commit: commit.clone(),
            };
            let partitions = partitions.map(refused).collect();
            TopicOf { name: Arc::clone(&asked.name), id: asked.id, partitions }
        };
        let refused = |asked: &FetchGroup| GroupOffsets {
            group: asked.group.as_str().into(),
            error,
            topics: asked.topics.iter().flatten().map(of_topic).collect(),
        };
        self.groups.iter().map(refused).collect()
    }
}

/// A part of the answer to [`OffsetFetch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOffsets {
    /// The group.
    pub group: Arc<str>,
    /// What went wrong with the whole group.
    pub error: ErrorCode,
    /// What was committed, in the order in which it was asked for, or sorted.
    pub topics: Vec<TopicOf<FetchedPartition>>,
}

/// What was committed of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedPartition {
    /// Which one.
    pub index: i32,
    /// What went wrong.
    pub error: ErrorCode,
    /// Offset and leader epoch are -1 where there is none.
    pub commit: Commit,
}

/// `DescribeGroups`: who is in a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeGroups {
    /// The groups.
    pub groups: Vec<String>,
    /// Version 6 and above: that a group is unknown is an error.
    pub unknown_is_error: bool,
}

/// A part of the answer to [`DescribeGroups`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedGroup {
    /// What went wrong.
    pub error: ErrorCode,
    /// The group.
    pub group: Arc<str>,
    /// Kafka's name of its state; `Dead` where there is no such group.
    pub state: &'static str,
    /// `consumer` with consumers.
    pub protocol_type: Arc<str>,
    /// The chosen protocol in a stable group, else empty.
    pub protocol: Arc<str>,
    /// Its members.
    pub members: Vec<DescribedMember>,
}

/// A member, as it is described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// Its id.
    pub member_id: Arc<str>,
    /// Its name, if it is a static member.
    pub instance: Option<Arc<str>>,
    /// Who it is.
    pub client: Client,
    /// What it said about itself, in a stable group.
    pub metadata: Arc<[u8]>,
    /// What it was assigned, in a stable group.
    pub assignment: Arc<[u8]>,
}

/// `ListGroups`: which groups there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListGroups {
    /// Only groups in these states; empty for all.
    pub states: Vec<String>,
    /// Only groups of these types; empty for all.
    pub types: Vec<String>,
}

/// The answer to [`ListGroups`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What went wrong.
    pub error: ErrorCode,
    /// The groups, by id.
    pub groups: Vec<ListedGroup>,
}

impl Listed {
    /// Refuses.
    #[must_use]
    pub fn error(error: ErrorCode) -> Self {
        Self { error, groups: Vec::new() }
    }
}

/// A group, as it is listed. Its type is `classic`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// Its id.
    pub group: Arc<str>,
    /// `consumer` with consumers.
    pub protocol_type: Arc<str>,
    /// Kafka's name of its state.
    pub state: &'static str,
}
