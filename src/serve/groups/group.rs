//! A group: its members, and what they agreed on. What is in here keeps the group consistent; when
//! which of it is called, the files of the requests say.

use super::Turn;
use super::member::Member;
use super::messages::{DescribedGroup, Heartbeat, Joined, Protocol};
use super::timers::Timer;
use crate::serve::wire::errors::ErrorCode;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// What a group is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GroupState {
    /// Nobody is in it.
    Empty,
    /// Everybody is to join.
    PreparingRebalance,
    /// Everybody has joined, and the leader is to assign.
    CompletingRebalance,
    /// Everybody can be told its assignment.
    Stable,
}

impl GroupState {
    /// Kafka's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// The first rebalance of an empty group waits for a while, and for longer while members come.
#[derive(Clone, Copy, Debug)]
pub(super) struct InitialDelay {
    /// The wait that is on.
    pub(super) delay: Duration,
    /// By how much it may still be prolonged, this wait included.
    pub(super) remaining: Duration,
    /// A member came during this wait.
    pub(super) new_member_added: bool,
}

/// A group; `T` is whom to answer.
pub(super) struct Group<T> {
    id: Arc<str>,
    pub(super) state: GroupState,
    pub(super) protocol_type: Option<Arc<str>>,
    pub(super) protocol: Option<Arc<str>>,
    pub(super) generation: i32,
    pub(super) leader: Option<Arc<str>>,
    pub(super) members: BTreeMap<Arc<str>, Member<T>>,
    /// The members of static names.
    pub(super) instances: HashMap<Arc<str>, Arc<str>>,
    /// Ids that were given out, whose owners did not come back yet.
    pub(super) pending: BTreeSet<Arc<str>>,
    /// By how many members each protocol is known.
    supported: BTreeMap<Arc<str>, usize>,
    /// Set while the rebalance is the first one of an empty group.
    pub(super) initial: Option<InitialDelay>,
    bytes: usize,
    /// What of `bytes` the coordinator has counted.
    pub(super) counted_bytes: usize,
    /// As many members the coordinator has counted.
    pub(super) counted_members: usize,
    /// The coordinator has counted it as one that is used.
    pub(super) counted_as_used: bool,
}

/// What an id that was given out costs besides its bytes.
const PENDING_BYTES: usize = 256;

impl<T> Group<T> {
    pub(super) fn new(id: Arc<str>) -> Self {
        let bytes = 512 + id.len();
        Self {
            id,
            state: GroupState::Empty,
            protocol_type: None,
            protocol: None,
            generation: 0,
            leader: None,
            members: BTreeMap::new(),
            instances: HashMap::new(),
            pending: BTreeSet::new(),
            supported: BTreeMap::new(),
            initial: None,
            bytes,
            counted_bytes: 0,
            counted_members: 0,
            counted_as_used: false,
        }
    }

    pub(super) fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// What it costs, as `group_bytes` counts.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn generation(&self) -> i32 {
        self.generation
    }

    pub(super) fn size(&self) -> usize {
        self.members.len()
    }

    /// True when nobody is in it or on the way.
    pub(super) fn is_unused(&self) -> bool {
        self.state == GroupState::Empty && self.pending.is_empty()
    }

    pub(super) fn session(&self, member: &Arc<str>) -> Timer {
        Timer::Session(Arc::clone(&self.id), Arc::clone(member))
    }

    pub(super) fn join_timer(&self) -> Timer {
        Timer::Join(Arc::clone(&self.id))
    }

    pub(super) fn sync_timer(&self) -> Timer {
        Timer::Sync(Arc::clone(&self.id))
    }

    /// Adds a member, which leads if nobody does.
    pub(super) fn add(&mut self, member: Member<T>, protocol_type: &str) {
        if self.members.is_empty() {
            let before = self.protocol_type.replace(protocol_type.into());
            let freed = before.map_or(0, |before| before.len());
            self.bytes = self.bytes.saturating_sub(freed).saturating_add(protocol_type.len());
        }
        let id = Arc::clone(&member.id);
        self.leader.get_or_insert_with(|| Arc::clone(&id));
        if let Some(instance) = &member.instance {
            self.instances.insert(Arc::clone(instance), Arc::clone(&id));
        }
        self.bytes = self.bytes.saturating_add(member.bytes());
        self.count_protocols(&member.protocols, true);
        self.members.insert(id, member);
    }

    /// Takes a member out. Another one leads if it did.
    pub(super) fn remove(&mut self, id: &str) -> Option<Member<T>> {
        let member = self.members.remove(id)?;
        if let Some(instance) = &member.instance {
            self.instances.remove(instance);
        }
        self.bytes = self.bytes.saturating_sub(member.bytes());
        self.count_protocols(&member.protocols, false);
        if self.leader.as_deref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
        Some(member)
    }

    /// Changes a member in a way that changes what it costs or knows.
    pub(super) fn change<R>(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut Member<T>) -> R,
    ) -> Option<R> {
        let member = self.members.get_mut(id)?;
        let (bytes, before) = (member.bytes(), member.protocols.clone());
        let result = change(member);
        let (bytes_now, now) = (member.bytes(), member.protocols.clone());
        self.bytes = self.bytes.saturating_sub(bytes).saturating_add(bytes_now);
        if before != now {
            self.count_protocols(&before, false);
            self.count_protocols(&now, true);
        }
        Some(result)
    }

    fn count_protocols(&mut self, protocols: &[Protocol], is_more: bool) {
        for protocol in protocols {
            let count = self.supported.entry(Arc::clone(&protocol.name)).or_default();
            *count = if is_more { *count + 1 } else { count.saturating_sub(1) };
            if *count == 0 {
                self.supported.remove(&protocol.name);
            }
        }
    }

    /// Remembers an id that was given out.
    pub(super) fn add_pending(&mut self, id: Arc<str>) {
        self.bytes = self.bytes.saturating_add(PENDING_BYTES + id.len());
        self.pending.insert(id);
    }

    /// True when the id was given out and nobody had come back with it.
    pub(super) fn remove_pending(&mut self, id: &str) -> bool {
        let was_there = self.pending.remove(id);
        if was_there {
            self.bytes = self.bytes.saturating_sub(PENDING_BYTES + id.len());
        }
        was_there
    }

    pub(super) fn is_leader(&self, id: &str) -> bool {
        self.leader.as_deref() == Some(id)
    }

    /// How many joins wait.
    pub(super) fn joined(&self) -> usize {
        self.members.values().filter(|member| member.join.is_some()).count()
    }

    /// Everybody who is to join has.
    pub(super) fn all_joined(&self) -> bool {
        self.pending.is_empty() && self.members.values().all(|member| member.join.is_some())
    }

    /// The longest that a member may take to join.
    pub(super) fn rebalance_timeout(&self) -> Duration {
        let timeouts = self.members.values().map(|member| member.rebalance_timeout);
        timeouts.max().unwrap_or_default()
    }

    /// True when somebody who knows `protocols` can be in this group.
    pub(super) fn can_take(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if self.state == GroupState::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        let size = self.members.len();
        let everybody_knows =
            |protocol: &Protocol| size == 0 || self.supported.get(&protocol.name) == Some(&size);
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(everybody_knows)
    }

    /// The protocol that most members like best of those that all know. Of two that are liked as
    /// much, the one that the leader likes better.
    pub(super) fn select_protocol(&self) -> Option<Arc<str>> {
        let size = self.members.len();
        let mut votes: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for member in self.members.values() {
            if let Some(name) = member.vote(&self.supported, size) {
                *votes.entry(name).or_default() += 1;
            }
        }
        let most = votes.values().max()?;
        let leader = self.leader.as_ref().and_then(|id| self.members.get(id));
        let order = leader.map(|leader| leader.protocols.as_slice()).unwrap_or_default();
        let likes = |name: &Arc<str>| {
            order.iter().position(|known| known.name == *name).unwrap_or(usize::MAX)
        };
        let best = votes.iter().filter(|(_, count)| *count == most).map(|(name, _)| *name);
        best.min_by_key(|name| likes(name)).cloned()
    }

    /// That somebody is the member it says it is.
    pub(super) fn check_member(&self, id: &str, instance: Option<&str>) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            match self.instances.get(instance) {
                None => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
                Some(current) if &**current != id => return Err(ErrorCode::FENCED_INSTANCE_ID),
                Some(_) => {}
            }
        }
        match self.members.contains_key(id) {
            true => Ok(()),
            false => Err(ErrorCode::UNKNOWN_MEMBER_ID),
        }
    }

    /// The same, and that it knows of the last rebalance.
    pub(super) fn check_generation(
        &self,
        id: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> Result<(), ErrorCode> {
        self.check_member(id, instance)?;
        match generation == self.generation {
            true => Ok(()),
            false => Err(ErrorCode::ILLEGAL_GENERATION),
        }
    }

    /// The answer to a join in this generation, with everybody in it if `with_members`.
    pub(super) fn joined_answer(&self, member_id: &Arc<str>, with_members: bool) -> Joined {
        let protocol = self.protocol.as_ref();
        let for_leader = |member: &Member<T>| member.for_leader(protocol);
        let members = match with_members {
            true => self.members.values().map(for_leader).collect(),
            false => Vec::new(),
        };
        Joined {
            error: ErrorCode::NONE,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_else(|| "".into()),
            skip_assignment: false,
            member_id: Arc::clone(member_id),
            members,
        }
    }

    /// A member was heard of. While it waits for us, it cannot be late.
    pub(super) fn renew(&self, id: &str, turn: &mut Turn<'_, T>) {
        let Some(member) = self.members.get(id) else { return };
        if !member.is_waiting() {
            turn.timers.set(self.session(&member.id), turn.after(member.session_timeout));
        }
    }

    pub(super) fn heartbeat(&mut self, request: &Heartbeat, turn: &mut Turn<'_, T>) -> ErrorCode {
        let Heartbeat { member_id, instance, generation, .. } = request;
        if let Err(error) = self.check_generation(member_id, instance.as_deref(), *generation) {
            return error;
        }
        self.renew(member_id, turn);
        match self.state {
            GroupState::Empty => ErrorCode::UNKNOWN_MEMBER_ID,
            GroupState::PreparingRebalance => ErrorCode::REBALANCE_IN_PROGRESS,
            GroupState::CompletingRebalance | GroupState::Stable => ErrorCode::NONE,
        }
    }

    /// As it is described.
    pub(super) fn describe(&self) -> DescribedGroup {
        let is_stable = self.state == GroupState::Stable;
        let protocol = self.protocol.as_ref();
        let members = self.members.values().map(|member| member.describe(protocol, is_stable));
        DescribedGroup {
            error: ErrorCode::NONE,
            group: Arc::clone(&self.id),
            state: self.state.name(),
            protocol_type: self.protocol_type.clone().unwrap_or_else(|| "".into()),
            protocol: self.protocol.clone().filter(|_| is_stable).unwrap_or_else(|| "".into()),
            members: members.collect(),
        }
    }

    /// What it costs, counted anew.
    #[cfg(test)]
    pub(super) fn bytes_anew(&self) -> usize {
        let pending = self.pending.iter().map(|id| PENDING_BYTES + id.len());
        let members = self.members.values().map(Member::bytes);
        let protocol_type = self.protocol_type.as_ref().map_or(0, |name| name.len());
        512 + self.id.len() + protocol_type + pending.sum::<usize>() + members.sum::<usize>()
    }
}
