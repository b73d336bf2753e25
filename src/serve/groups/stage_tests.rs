//! A coordinator with a clock that tests turn, and short ways to say what is asked of it.

use super::messages::{
    Client, Commit, CommitPartition, FetchGroup, FetchPartition, GroupAnswer, GroupRequest,
    Heartbeat, JoinGroup, Joined, LeaveGroup, Leaving, OffsetCommit, OffsetFetch, Protocol,
    SyncGroup, Synced, TopicOf,
};
use super::{Coordinator, GroupLimits, GroupOptions};
use crate::serve::wire::errors::ErrorCode;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The group that most tests are about.
pub const GROUP: &str = "g";

pub struct Stage {
    pub coordinator: Coordinator<u32>,
    start: Instant,
    now: Instant,
    next: u32,
    answers: HashMap<u32, GroupAnswer>,
}

impl Stage {
    pub fn new() -> Self {
        Self::with(GroupOptions::STANDARD, GroupLimits::STANDARD)
    }

    pub fn with(options: GroupOptions, limits: GroupLimits) -> Self {
        let mut stage = Self::loading(options, limits);
        stage.coordinator.loaded();
        stage
    }

    pub fn loading(options: GroupOptions, limits: GroupLimits) -> Self {
        let mut count = 0_u128;
        let ids = move || {
            count += 1;
            count.to_be_bytes()
        };
        let start = Instant::now();
        let coordinator = Coordinator::new(options, limits, Box::new(ids));
        Self { coordinator, start, now: start, next: 0, answers: HashMap::new() }
    }

    /// Lets time go on to `ms` behind the start; timers fire on the way.
    pub fn at(&mut self, ms: u64) {
        let target = self.start + Duration::from_millis(ms);
        assert!(target >= self.now, "time goes on only");
        while let Some(due) = self.coordinator.next_deadline().filter(|due| *due <= target) {
            self.now = self.now.max(due);
            self.expire();
        }
        self.now = target;
        self.expire();
    }

    fn expire(&mut self) {
        let mut out = Vec::new();
        self.coordinator.expire(self.now, &mut out);
        self.keep(out);
    }

    fn keep(&mut self, out: Vec<(u32, GroupAnswer)>) {
        for (to, answer) in out {
            assert!(self.answers.insert(to, answer).is_none(), "request {to} was answered twice");
        }
    }

    /// Asks; the number names the request.
    pub fn ask(&mut self, request: GroupRequest) -> u32 {
        self.next += 1;
        let to = self.next;
        let client = Client { id: "client".into(), host: "/127.0.0.1".into() };
        let mut out = Vec::new();
        self.coordinator.handle(self.now, request, &client, to, &mut out);
        self.keep(out);
        to
    }

    pub fn answer(&mut self, request: GroupRequest) -> GroupAnswer {
        let to = self.ask(request);
        self.answers.remove(&to).expect("an answer at once")
    }

    pub fn waits(&self, request: u32) -> bool {
        !self.answers.contains_key(&request)
    }

    pub fn join(&mut self, request: JoinGroup) -> u32 {
        self.ask(GroupRequest::JoinGroup(request))
    }

    pub fn joined(&self, request: u32) -> &Joined {
        match self.answers.get(&request) {
            Some(GroupAnswer::Joined(joined)) => joined,
            other => panic!("no answer to a join: {other:?}"),
        }
    }

    pub fn join_error(&mut self, request: JoinGroup) -> i16 {
        let request = self.join(request);
        self.joined(request).error.0
    }

    pub fn sync(&mut self, request: SyncGroup) -> u32 {
        self.ask(GroupRequest::SyncGroup(request))
    }

    pub fn synced(&self, request: u32) -> &Synced {
        match self.answers.get(&request) {
            Some(GroupAnswer::Synced(synced)) => synced,
            other => panic!("no answer to a sync: {other:?}"),
        }
    }

    pub fn sync_error(&mut self, request: SyncGroup) -> i16 {
        let request = self.sync(request);
        self.synced(request).error.0
    }

    pub fn beat(&mut self, id: &str, generation: i32) -> i16 {
        self.beat_as(id, None, generation)
    }

    pub fn beat_as(&mut self, id: &str, instance: Option<&str>, generation: i32) -> i16 {
        let heartbeat = Heartbeat {
            group: GROUP.into(),
            generation,
            member_id: id.into(),
            instance: instance.map(String::from),
        };
        match self.answer(GroupRequest::Heartbeat(heartbeat)) {
            GroupAnswer::Heartbeat(error) => error.0,
            other => panic!("{other:?}"),
        }
    }

    /// Who leaves, by id and instance; what is answered to each.
    pub fn leave(&mut self, members: &[(&str, Option<&str>)]) -> Vec<i16> {
        let leaving = |(id, instance): &(&str, Option<&str>)| Leaving {
            member_id: String::from(*id),
            instance: instance.map(String::from),
        };
        let members = members.iter().map(leaving).collect();
        let leave = LeaveGroup { group: GROUP.into(), members };
        match self.answer(GroupRequest::LeaveGroup(leave)) {
            GroupAnswer::Left(left) => {
                assert_eq!(left.error, ErrorCode::NONE);
                left.members.iter().map(|(_, error)| error.0).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn commit(&mut self, request: OffsetCommit) -> Vec<i16> {
        match self.answer(GroupRequest::OffsetCommit(request)) {
            GroupAnswer::Committed(committed) => {
                let topics = committed.topics.iter();
                topics.flat_map(|topic| topic.partitions.iter().map(|(_, error)| error.0)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    /// Offset, leader epoch, metadata and error of one partition.
    pub fn fetch(&mut self, group: &str, topic: &str, index: i32) -> (i64, i32, String, i16) {
        let partitions = vec![FetchPartition { index, error: ErrorCode::NONE }];
        let topics = vec![TopicOf { name: topic.into(), id: [0; 16], partitions }];
        let groups = vec![FetchGroup { group: group.into(), topics: Some(topics) }];
        match self.answer(GroupRequest::OffsetFetch(OffsetFetch { groups })) {
            GroupAnswer::Offsets(groups) => {
                let found = &groups[0].topics[0].partitions[0];
                let Commit { offset, leader_epoch, metadata } = &found.commit;
                assert_eq!(found.index, index);
                (*offset, *leader_epoch, metadata.to_string(), found.error.0)
            }
            other => panic!("{other:?}"),
        }
    }

    /// A stable group of so many members without static names, the leader first.
    pub fn form(&mut self, members: usize) -> Vec<Arc<str>> {
        let joins: Vec<u32> = (0..members).map(|_| self.join(first_join())).collect();
        self.at(self.ms() + 6_000);
        let ids: Vec<_> = joins.iter().map(|&join| self.joined(join).member_id.clone()).collect();
        let generation = self.joined(joins[0]).generation;
        self.settle(&ids, generation);
        ids
    }

    /// Everybody syncs; the leader, who is the first, assigns `for <id>`.
    pub fn settle(&mut self, ids: &[Arc<str>], generation: i32) {
        let syncs: Vec<u32> = ids.iter().map(|id| self.sync(sync(id, generation, ids))).collect();
        for (id, sync) in ids.iter().zip(syncs) {
            assert_eq!(self.synced(sync).error, ErrorCode::NONE);
            assert_eq!(&*self.synced(sync).assignment, format!("for {id}").as_bytes());
        }
    }

    pub fn ms(&self) -> u64 {
        u64::try_from((self.now - self.start).as_millis()).unwrap()
    }

    pub fn state(&mut self) -> &'static str {
        self.coordinator.groups.get(GROUP).map_or("gone", |group| group.state.name())
    }

    pub fn generation(&self) -> i32 {
        self.coordinator.groups[GROUP].generation
    }
}

pub fn protocol(name: &str, metadata: &str) -> Protocol {
    Protocol { name: name.into(), metadata: metadata.as_bytes().into() }
}

/// The first join of an old client, which needs no member id.
pub fn first_join() -> JoinGroup {
    JoinGroup {
        group: GROUP.into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: vec![protocol("range", "r")],
        ..JoinGroup::default()
    }
}

pub fn join_as(id: &str) -> JoinGroup {
    JoinGroup { member_id: id.into(), ..first_join() }
}

/// The first join of a static member.
pub fn static_join(instance: &str) -> JoinGroup {
    JoinGroup {
        instance: Some(instance.into()),
        requires_member_id: true,
        can_skip_assignment: true,
        ..first_join()
    }
}

/// A sync with an assignment for each of `ids`; leaders only are listened to.
pub fn sync(id: &str, generation: i32, ids: &[Arc<str>]) -> SyncGroup {
    let assignment = |id: &Arc<str>| (id.to_string(), format!("for {id}").as_bytes().into());
    SyncGroup {
        group: GROUP.into(),
        generation,
        member_id: id.into(),
        assignments: ids.iter().map(assignment).collect(),
        ..SyncGroup::default()
    }
}

/// A commit of one partition.
pub fn commit(id: &str, generation: i32, index: i32, offset: i64, metadata: &str) -> OffsetCommit {
    let commit = Commit { offset, leader_epoch: 5, metadata: metadata.into() };
    let partitions = vec![CommitPartition { index, error: ErrorCode::NONE, commit }];
    OffsetCommit {
        group: GROUP.into(),
        generation,
        member_id: id.into(),
        instance: None,
        topics: vec![TopicOf { name: "orders".into(), id: [0; 16], partitions }],
    }
}
