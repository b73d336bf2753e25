//! The coordinator of consumer groups: who is a member, who leads, who was assigned what, how far
//! they came. All of it in memory; the offsets that the dead cluster committed lie beneath.
//!
//! ```text
//!           a member joins                    all joined, or time is up
//!   Empty -----------------> PreparingRebalance -----------------> CompletingRebalance
//!     ^                        ^   |        ^                              |
//!     '------------------------'---'        | a member joins, leaves,      | the leader's
//!        nobody is left                     | or is not heard of           | assignment
//!                                           '----------- Stable <----------'
//! ```
//!
//! It is Kafka's classic protocol (KIP-62, with static members of KIP-345 and the member ids of
//! KIP-394). What differs: nothing is written, so no answer waits for a disk, and no other broker
//! coordinates, so no group moves or dies.
//!
//! No clock, no socket, no thread: every call says what time it is, and whom to answer is a `T`
//! that comes back with the answer. An answer may come from a later call than its request; every
//! request gets exactly one.

pub mod ask;
mod commits;
pub mod dead_offsets;
mod describe;
mod encode;
mod group;
pub mod handle;
mod join;
mod leave;
pub mod load;
mod member;
pub mod messages;
pub mod offsets_out;
mod rebalance;
mod sync;
pub mod thread;
mod timers;

#[cfg(test)]
mod ask_tests;
#[cfg(test)]
mod commits_tests;
#[cfg(test)]
mod join_tests;
#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod stage_tests;
#[cfg(test)]
mod sync_tests;

pub use crate::serve::wire::errors::ErrorCode;
pub use ask::ask;
pub use commits::NewCommit;
pub use dead_offsets::DeadOffsets;
pub use handle::{Groups, GroupsConfig, GroupsHandle, start};
pub use load::Found;
pub use messages::{Client, GroupAnswer, GroupRequest};

use commits::Commits;
use group::Group;
use messages::{Heartbeat, Joined, Left, Synced};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use timers::{Timer, Timers};

/// How long a group without members is remembered, so that its generation goes on. What it
/// committed is never forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(600);

/// What a broker would find in its configuration.
#[derive(Clone, Copy, Debug)]
pub struct GroupOptions {
    /// How long the first rebalance of an empty group waits for more members:
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay: Duration,
    /// The shortest session timeout: `group.min.session.timeout.ms`.
    pub min_session_timeout: Duration,
    /// The longest session timeout: `group.max.session.timeout.ms`.
    pub max_session_timeout: Duration,
}

impl GroupOptions {
    /// Kafka's defaults.
    pub const STANDARD: Self = Self {
        initial_rebalance_delay: Duration::from_secs(3),
        min_session_timeout: Duration::from_secs(6),
        max_session_timeout: Duration::from_secs(1800),
    };
}

/// What groups may take. The name of a field is the name of the limit.
#[derive(Clone, Copy, Debug)]
pub struct GroupLimits {
    /// The most groups with members, or with member ids that were given out, at a time. Groups that
    /// are nothing but commits cost commits.
    pub groups: usize,
    /// The most members of a group: `group.max.size`. As many more may have asked for a member id
    /// without coming back yet.
    pub group_members: usize,
    /// The most bytes of all groups: names, metadata, assignments.
    pub group_bytes: usize,
    /// The most bytes of what one member says when it joins.
    pub member_bytes: usize,
    /// The most protocols of a member.
    pub protocols: usize,
    /// The most commits, those of the dead cluster included.
    pub commits: usize,
    /// The most bytes of the commits of this run: groups, names and metadata.
    pub commit_bytes: usize,
    /// The most bytes of a commit's metadata: `offset.metadata.max.bytes`.
    pub commit_metadata_bytes: usize,
}

impl GroupLimits {
    /// The defaults of the command line.
    pub const STANDARD: Self = Self {
        groups: 1_000,
        group_members: 1_000,
        group_bytes: 64 << 20,
        member_bytes: 256 << 10,
        protocols: 32,
        commits: 1_000_000,
        commit_bytes: 64 << 20,
        commit_metadata_bytes: 4_096,
    };
}

/// What happened so far, for those who watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rebalances that began.
    pub rebalances: u64,
    /// Refusals by each limit of [`GroupLimits`].
    pub rejected: Rejected,
}

/// How often each limit of [`GroupLimits`] was hit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // They are named after the limits.
pub struct Rejected {
    pub groups: u64,
    pub group_members: u64,
    pub group_bytes: u64,
    pub member_bytes: u64,
    pub protocols: u64,
    pub commits: u64,
    pub commit_bytes: u64,
    pub commit_metadata_bytes: u64,
}

/// How much there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Groups of this run, those that are nothing but commits included.
    pub groups: usize,
    /// Their members.
    pub members: usize,
    /// Commits of this run.
    pub commits: usize,
}

/// Answers, and whom they are for.
pub type Answers<T> = Vec<(T, GroupAnswer)>;

/// Coordinates all groups. `T` is whom to answer.
pub struct Coordinator<T> {
    options: GroupOptions,
    limits: GroupLimits,
    groups: BTreeMap<Arc<str>, Group<T>>,
    timers: Timers,
    commits: Commits,
    /// What all groups take, as `group_bytes` counts.
    bytes: usize,
    /// The members of all groups.
    members: usize,
    /// How many of `groups` are in use, as the limit counts.
    used: usize,
    /// How many of `groups` have commits of this run.
    with_commits: usize,
    counts: Counts,
    ids: Box<dyn FnMut() -> [u8; 16] + Send>,
    /// The dead cluster's offsets are still being read.
    is_loading: bool,
}

/// What a group works with while it handles one request or timer.
struct Turn<'a, T> {
    now: Instant,
    options: &'a GroupOptions,
    limits: &'a GroupLimits,
    timers: &'a mut Timers,
    counts: &'a mut Counts,
    out: &'a mut Answers<T>,
    /// By how many bytes groups may still grow.
    room: usize,
}

impl<T> Turn<'_, T> {
    fn answer(&mut self, to: T, answer: impl Into<GroupAnswer>) {
        self.out.push((to, answer.into()));
    }

    /// The moment `wait` from now.
    fn after(&self, wait: Duration) -> Instant {
        self.now.checked_add(wait).unwrap_or(self.now)
    }
}

impl<T> Coordinator<T> {
    /// A coordinator of no groups, which answers "loading" until [`Coordinator::loaded`] is called.
    /// `ids` gives random bytes for the ids of members.
    #[must_use]
    pub fn new(
        options: GroupOptions,
        limits: GroupLimits,
        ids: Box<dyn FnMut() -> [u8; 16] + Send>,
    ) -> Self {
        Self {
            options,
            limits,
            groups: BTreeMap::new(),
            timers: Timers::default(),
            commits: Commits::default(),
            bytes: 0,
            members: 0,
            used: 0,
            with_commits: 0,
            counts: Counts::default(),
            ids,
            is_loading: true,
        }
    }

    /// Takes what the dead cluster committed, a partition of `__consumer_offsets` at a time.
    /// Returns how many commits were too many.
    pub fn load(&mut self, part: DeadOffsets) -> usize {
        self.commits.load(part, self.limits.commits)
    }

    /// Nothing more is to be loaded.
    pub fn loaded(&mut self) {
        self.is_loading = false;
    }

    /// Handles one request. Answers that become due by it are added to `out`: this one, others, or
    /// none yet.
    pub fn handle(
        &mut self,
        now: Instant,
        request: GroupRequest,
        from: &Client,
        to: T,
        out: &mut Answers<T>,
    ) {
        if let Some(answer) = self.refusal(&request) {
            out.push((to, answer));
            return;
        }
        match request {
            GroupRequest::JoinGroup(join) => self.join(now, join, from, to, out),
            GroupRequest::SyncGroup(sync) => {
                let id = sync.group.clone();
                match self.with_group(now, &id, out) {
                    Some((group, mut turn)) => group.sync(sync, to, &mut turn),
                    None => out.push((to, Synced::error(ErrorCode::UNKNOWN_MEMBER_ID).into())),
                }
                self.settle(now, &id);
            }
            GroupRequest::Heartbeat(heartbeat) => {
                let error = match self.with_group(now, &heartbeat.group, out) {
                    Some((group, mut turn)) => group.heartbeat(&heartbeat, &mut turn),
                    None => ErrorCode::UNKNOWN_MEMBER_ID,
                };
                out.push((to, GroupAnswer::Heartbeat(error)));
            }
            GroupRequest::LeaveGroup(leave) => {
                let members = match self.with_group(now, &leave.group, out) {
                    Some((group, mut turn)) => group.leave(leave.members, &mut turn),
                    None => leave::all_unknown(leave.members),
                };
                out.push((to, Left { error: ErrorCode::NONE, members }.into()));
                self.settle(now, &leave.group);
            }
            GroupRequest::OffsetCommit(commit) => {
                let committed = self.commit(now, &commit, out);
                out.push((to, committed.into()));
                self.settle(now, &commit.group);
            }
            GroupRequest::OffsetFetch(fetch) => {
                out.push((to, GroupAnswer::Offsets(self.commits.fetch(fetch))));
            }
            GroupRequest::DescribeGroups(describe) => {
                out.push((to, GroupAnswer::Described(self.describe(describe))));
            }
            GroupRequest::ListGroups(list) => out.push((to, self.list(&list).into())),
        }
    }

    /// Why a request is not looked at: it names no group, or the coordinator is loading.
    fn refusal(&self, request: &GroupRequest) -> Option<GroupAnswer> {
        let needs_name = |name: &str| name.is_empty().then_some(ErrorCode::INVALID_GROUP_ID);
        let loading = self.is_loading.then_some(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
        match request {
            GroupRequest::JoinGroup(join) => {
                let error = needs_name(&join.group).or(loading)?;
                Some(Joined::error(error, join.member_id.as_str().into()).into())
            }
            GroupRequest::SyncGroup(sync) => {
                // Whoever syncs is to join again, later.
                let again = loading.map(|_| ErrorCode::REBALANCE_IN_PROGRESS);
                Some(Synced::error(needs_name(&sync.group).or(again)?).into())
            }
            GroupRequest::Heartbeat(Heartbeat { group, .. }) => {
                // Whoever beats stays what it was.
                let alive = loading.map(|_| ErrorCode::NONE);
                Some(GroupAnswer::Heartbeat(needs_name(group).or(alive)?))
            }
            GroupRequest::LeaveGroup(leave) => {
                let error = needs_name(&leave.group).or(loading)?;
                Some(Left { error, members: Vec::new() }.into())
            }
            GroupRequest::OffsetCommit(commit) => Some(commit.refused(loading?).into()),
            GroupRequest::OffsetFetch(fetch) => Some(GroupAnswer::Offsets(fetch.refused(loading?))),
            GroupRequest::DescribeGroups(describe) => {
                Some(GroupAnswer::Described(describe.refused(loading?)))
            }
            GroupRequest::ListGroups(_) => Some(messages::Listed::error(loading?).into()),
        }
    }

    /// Does what is due. Answers that become due by it are added to `out`.
    pub fn expire(&mut self, now: Instant, out: &mut Answers<T>) {
        // What is due now, and no more: whatever sets a timer meanwhile has its turn after others.
        for timer in self.timers.take_due(now) {
            if self.timers.is_set(&timer) {
                // One before it began anew what this one was to end.
                continue;
            }
            let id = Arc::clone(timer.group());
            if matches!(timer, Timer::Forget(_)) {
                self.forget(&id);
                continue;
            }
            if let Some((group, mut turn)) = self.with_group(now, &id, out) {
                group.expire(&timer, &mut turn);
            }
            self.settle(now, &id);
        }
    }

    /// When [`Coordinator::expire`] is to be called next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// The commits of this run, by group, topic and partition.
    #[must_use]
    pub fn new_commits(&self) -> Vec<NewCommit> {
        self.commits.new_commits()
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How much there is.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        // Each group once, whether it is known by members, by commits or by both.
        let by_commits = self.commits.new_groups().len().saturating_sub(self.with_commits);
        Sizes {
            groups: self.groups.len().saturating_add(by_commits),
            members: self.members,
            commits: self.commits.new_count(),
        }
    }

    fn with_group<'a>(
        &'a mut self,
        now: Instant,
        id: &str,
        out: &'a mut Answers<T>,
    ) -> Option<(&'a mut Group<T>, Turn<'a, T>)> {
        let group = self.groups.get_mut(id)?;
        let turn = Turn {
            now,
            options: &self.options,
            limits: &self.limits,
            timers: &mut self.timers,
            counts: &mut self.counts,
            out,
            room: self.limits.group_bytes.saturating_sub(self.bytes),
        };
        Some((group, turn))
    }

    /// Makes a group for somebody who wants in, unless there are too many.
    fn make_group(&mut self, id: &str) -> Result<(), ErrorCode> {
        let known = self.groups.get(id);
        if known.is_some_and(|group| !group.is_unused()) {
            return Ok(());
        }
        if self.used >= self.limits.groups {
            self.counts.rejected.groups += 1;
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        if known.is_some() {
            return Ok(());
        }
        if self.bytes.saturating_add(id.len()) > self.limits.group_bytes {
            self.counts.rejected.group_bytes += 1;
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        let id: Arc<str> = id.into();
        self.with_commits += usize::from(self.commits.has_new(&id));
        self.groups.insert(Arc::clone(&id), Group::new(id));
        Ok(())
    }

    /// Counts what a group takes after it was changed, and looks whether it is still of use.
    fn settle(&mut self, now: Instant, id: &str) {
        let Some(group) = self.groups.get_mut(id) else { return };
        self.bytes = self.bytes.saturating_sub(group.counted_bytes).saturating_add(group.bytes());
        group.counted_bytes = group.bytes();
        self.members = self.members.saturating_sub(group.counted_members) + group.size();
        group.counted_members = group.size();
        let is_used = !group.is_unused();
        self.used = self.used.saturating_sub(usize::from(group.counted_as_used));
        self.used += usize::from(is_used);
        group.counted_as_used = is_used;
        let forget = Timer::Forget(Arc::clone(group.id()));
        if is_used {
            self.timers.clear(&forget);
        } else if group.generation() == 0 {
            // Nobody was ever in it.
            self.forget(id);
        } else if !self.timers.is_set(&forget) {
            self.timers.set(forget, now.checked_add(FORGET_AFTER).unwrap_or(now));
        }
    }

    fn forget(&mut self, id: &str) {
        if let Some(group) = self.groups.remove(id) {
            self.bytes = self.bytes.saturating_sub(group.counted_bytes);
            self.members = self.members.saturating_sub(group.counted_members);
            self.used = self.used.saturating_sub(usize::from(group.counted_as_used));
            let has_commits = usize::from(self.commits.has_new(id));
            self.with_commits = self.with_commits.saturating_sub(has_commits);
            self.timers.clear(&Timer::Forget(Arc::clone(group.id())));
        }
    }
}
