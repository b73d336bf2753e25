//! `OffsetCommit` and `OffsetFetch`: the commits of this run in memory, and beneath them those of
//! the dead cluster, which never change.

use super::dead_offsets::DeadOffsets;
use super::group::{Group, GroupState};
use super::messages::{
    Commit, CommitPartition, Committed, FetchGroup, FetchPartition, FetchedPartition, GroupOffsets,
    OffsetCommit, OffsetFetch, TopicId, TopicOf,
};
use super::{Answers, Coordinator, GroupLimits, Turn};
use crate::serve::wire::errors::ErrorCode;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

/// What a commit and a topic's entry cost besides their bytes.
const FIXED_BYTES: usize = 128;
/// What a group's entry costs: its maps have room for several topics and partitions from the first.
const GROUP_BYTES: usize = 512;

/// A commit of this run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCommit {
    /// The group.
    pub group: Arc<str>,
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The offset to go on with.
    pub offset: i64,
}

type Topics = BTreeMap<Arc<str>, BTreeMap<i32, Kept>>;

#[derive(Debug)]
struct Kept {
    commit: Commit,
    /// Zeros where it is unknown.
    topic_id: TopicId,
}

/// A group of the dead cluster.
#[derive(Debug, Default)]
pub(super) struct DeadGroup {
    /// As its own record says.
    pub(super) protocol_type: Option<Arc<str>>,
    topics: Topics,
}

/// All that was committed.
#[derive(Debug, Default)]
pub(super) struct Commits {
    dead: BTreeMap<Arc<str>, DeadGroup>,
    dead_count: usize,
    new: BTreeMap<Arc<str>, Topics>,
    new_count: usize,
    /// What `new` costs, as `commit_bytes` counts.
    new_bytes: usize,
}

impl Commits {
    pub(super) fn load(&mut self, part: DeadOffsets, most: usize) -> usize {
        let mut too_many = 0;
        for (group, protocol_type) in part.groups {
            self.dead.entry(group).or_default().protocol_type = Some(protocol_type);
        }
        for found in part.offsets {
            if self.dead_count >= most {
                too_many += 1;
                continue;
            }
            let topics = &mut self.dead.entry(found.group).or_default().topics;
            let kept = Kept { commit: found.commit, topic_id: found.topic_id };
            let before = topics.entry(found.topic).or_default().insert(found.partition, kept);
            self.dead_count += usize::from(before.is_none());
        }
        too_many
    }

    pub(super) fn dead(&self) -> &BTreeMap<Arc<str>, DeadGroup> {
        &self.dead
    }

    /// True when this run has commits of the group.
    pub(super) fn has_new(&self, group: &str) -> bool {
        self.new.contains_key(group)
    }

    /// The groups that this run has commits of.
    pub(super) fn new_groups(&self) -> impl ExactSizeIterator<Item = &Arc<str>> {
        self.new.keys()
    }

    pub(super) fn new_count(&self) -> usize {
        self.new_count
    }

    pub(super) fn new_commits(&self) -> Vec<NewCommit> {
        let mut commits = Vec::new();
        for (group, topics) in &self.new {
            for (topic, partitions) in topics {
                commits.extend(partitions.iter().map(|(&partition, kept)| NewCommit {
                    group: Arc::clone(group),
                    topic: Arc::clone(topic),
                    partition,
                    offset: kept.commit.offset,
                }));
            }
        }
        commits
    }

    /// Keeps one commit. The error is the limit that stands against it.
    fn keep(
        &mut self,
        group: &Arc<str>,
        topic: &TopicOf<CommitPartition>,
        partition: &CommitPartition,
        limits: &GroupLimits,
    ) -> Result<(), Limit> {
        let of_group = self.new.get(group);
        let known = of_group.and_then(|topics| topics.get(&topic.name));
        let before = known.and_then(|partitions| partitions.get(&partition.index));
        let is_new = before.is_none();
        if is_new && self.dead_count.saturating_add(self.new_count) >= limits.commits {
            return Err(Limit::Count);
        }
        let freed = before.map_or(0, |kept| FIXED_BYTES + kept.commit.metadata.len());
        let names = match known {
            Some(_) => 0,
            None => FIXED_BYTES + topic.name.len() + group.len(),
        };
        let entry = if of_group.is_some() { 0 } else { GROUP_BYTES };
        let cost = entry + names + FIXED_BYTES + partition.commit.metadata.len();
        let bytes = self.new_bytes.saturating_sub(freed).saturating_add(cost);
        if bytes > limits.commit_bytes && cost > freed {
            return Err(Limit::Bytes);
        }
        self.new_bytes = bytes;
        self.new_count += usize::from(is_new);
        let topics = self.new.entry(Arc::clone(group)).or_default();
        let partitions = topics.entry(Arc::clone(&topic.name)).or_default();
        let kept = Kept { commit: partition.commit.clone(), topic_id: topic.id };
        partitions.insert(partition.index, kept);
        Ok(())
    }

    /// What is known of one partition. A topic that was made anew under its old name is another.
    fn find(&self, group: &str, topic: &str, id: TopicId, partition: i32) -> Option<&Commit> {
        let new = self.new.get(group);
        let dead = self.dead.get(group).map(|group| &group.topics);
        let kept = [new, dead].into_iter().flatten();
        let mut kept = kept.filter_map(|topics| topics.get(topic)?.get(&partition));
        let is_same = |kept: &&Kept| {
            kept.topic_id == id || id == TopicId::default() || kept.topic_id == TopicId::default()
        };
        kept.next().filter(is_same).map(|kept| &kept.commit)
    }

    pub(super) fn fetch(&self, request: OffsetFetch) -> Vec<GroupOffsets> {
        let mut answered = HashSet::new();
        let mut answers = Vec::new();
        for asked in request.groups {
            // A group that is named again costs nothing: answers are to be in proportion.
            if answered.insert(asked.group.clone()) {
                answers.push(self.fetch_group(asked));
            }
        }
        answers
    }

    fn fetch_group(&self, asked: FetchGroup) -> GroupOffsets {
        let group: Arc<str> = asked.group.as_str().into();
        let topics = match asked.topics {
            None => self.fetch_all(&group),
            Some(topics) => {
                topics.into_iter().map(|topic| self.fetch_topic(&group, topic)).collect()
            }
        };
        GroupOffsets { group, error: ErrorCode::NONE, topics }
    }

    fn fetch_topic(
        &self,
        group: &str,
        asked: TopicOf<FetchPartition>,
    ) -> TopicOf<FetchedPartition> {
        let TopicOf { name, id, partitions } = asked;
        let fetched = partitions.into_iter().map(|FetchPartition { index, error }| {
            let found = match error {
                ErrorCode::NONE => self.find(group, &name, id, index).cloned(),
                _ => None,
            };
            let nothing = || Commit { offset: -1, leader_epoch: -1, metadata: "".into() };
            FetchedPartition { index, error, commit: found.unwrap_or_else(nothing) }
        });
        let partitions = fetched.collect();
        TopicOf { name, id, partitions }
    }

    fn fetch_all(&self, group: &str) -> Vec<TopicOf<FetchedPartition>> {
        let mut all: BTreeMap<&Arc<str>, BTreeMap<i32, &Commit>> = BTreeMap::new();
        let dead = self.dead.get(group).map(|group| &group.topics);
        for topics in [dead, self.new.get(group)].into_iter().flatten() {
            for (topic, partitions) in topics {
                let commits = partitions.iter().map(|(&index, kept)| (index, &kept.commit));
                all.entry(topic).or_default().extend(commits);
            }
        }
        let fetched = |(index, commit): (i32, &Commit)| FetchedPartition {
            index,
            error: ErrorCode::NONE,
            commit: commit.clone(),
        };
        let topics = all.into_iter().map(|(name, partitions)| TopicOf {
            name: Arc::clone(name),
            id: TopicId::default(),
            partitions: partitions.into_iter().map(fetched).collect(),
        });
        topics.collect()
    }
}

enum Limit {
    Count,
    Bytes,
}

impl<T> Coordinator<T> {
    pub(super) fn commit(
        &mut self,
        now: Instant,
        request: &OffsetCommit,
        out: &mut Answers<T>,
    ) -> Committed {
        if let Err(error) = self.check_commit(now, request, out) {
            return request.refused(error);
        }
        let known = self.groups.get(request.group.as_str());
        let group =
            known.map_or_else(|| request.group.as_str().into(), |known| Arc::clone(known.id()));
        let gets_first = known.is_some() && !self.commits.has_new(&group);
        let topics = request.topics.iter().map(|topic| {
            let partitions = topic
                .partitions
                .iter()
                .map(|partition| (partition.index, self.keep(&group, topic, partition)));
            let partitions = partitions.collect();
            TopicOf { name: Arc::clone(&topic.name), id: topic.id, partitions }
        });
        let topics = topics.collect();
        self.with_commits += usize::from(gets_first && self.commits.has_new(&group));
        Committed { topics }
    }

    fn check_commit(
        &mut self,
        now: Instant,
        request: &OffsetCommit,
        out: &mut Answers<T>,
    ) -> Result<(), ErrorCode> {
        let is_known = self.commits.has_new(&request.group);
        match self.with_group(now, &request.group, out) {
            Some((group, mut turn)) => group.check_commit(request, &mut turn),
            // Whoever commits without being a member manages its partitions itself.
            None if request.generation < 0 => Ok(()),
            None if is_known => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            None => Err(ErrorCode::ILLEGAL_GENERATION),
        }
    }

    fn keep(
        &mut self,
        group: &Arc<str>,
        topic: &TopicOf<CommitPartition>,
        partition: &CommitPartition,
    ) -> ErrorCode {
        let rejected = &mut self.counts.rejected;
        if !partition.error.is_none() {
            return partition.error;
        }
        if partition.commit.metadata.len() > self.limits.commit_metadata_bytes {
            rejected.commit_metadata_bytes += 1;
            return ErrorCode::OFFSET_METADATA_TOO_LARGE;
        }
        match self.commits.keep(group, topic, partition, &self.limits) {
            Ok(()) => return ErrorCode::NONE,
            Err(Limit::Count) => rejected.commits += 1,
            Err(Limit::Bytes) => rejected.commit_bytes += 1,
        }
        ErrorCode::INVALID_COMMIT_OFFSET_SIZE
    }
}

impl<T> Group<T> {
    fn check_commit(
        &self,
        request: &OffsetCommit,
        turn: &mut Turn<'_, T>,
    ) -> Result<(), ErrorCode> {
        let OffsetCommit { generation, member_id, instance, .. } = request;
        if *generation < 0 && self.state == GroupState::Empty {
            return Ok(());
        }
        if *generation >= 0 || !member_id.is_empty() || instance.is_some() {
            self.check_generation(member_id, instance.as_deref(), *generation)?;
        } else {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        if self.state == GroupState::CompletingRebalance {
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        self.renew(member_id, turn);
        Ok(())
    }
}
