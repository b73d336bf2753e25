//! Requests and times at random: what must hold whatever comes.

use super::messages::{
    Client, GroupAnswer, GroupRequest, Heartbeat, JoinGroup, LeaveGroup, Leaving, SyncGroup,
};
use super::stage_tests::protocol;
use super::{Coordinator, GroupLimits, GroupOptions};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One step. Members are chosen among the ids that were given out so far, one more for none.
#[derive(Clone, Debug)]
enum Step {
    Join {
        group: u8,
        member: u8,
        instance: u8,
        protocols: u8,
        session: u8,
        rebalance: u8,
        modern: bool,
    },
    Sync {
        group: u8,
        member: u8,
        instance: u8,
        stale: bool,
    },
    Beat {
        group: u8,
        member: u8,
        stale: bool,
    },
    Leave {
        group: u8,
        member: u8,
        instance: u8,
    },
    Commit {
        group: u8,
        member: u8,
        partition: i32,
    },
    Wait {
        ms: u32,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let join = (0..2_u8, any::<u8>(), 0..6_u8, 0..8_u8, 0..3_u8, 0..4_u8, any::<bool>()).prop_map(
        |(group, member, instance, protocols, session, rebalance, modern)| Step::Join {
            group,
            member,
            instance,
            protocols,
            session,
            rebalance,
            modern,
        },
    );
    let sync = (0..2_u8, any::<u8>(), 0..6_u8, prop::bool::weighted(0.1))
        .prop_map(|(group, member, instance, stale)| Step::Sync { group, member, instance, stale });
    let beat = (0..2_u8, any::<u8>(), prop::bool::weighted(0.1))
        .prop_map(|(group, member, stale)| Step::Beat { group, member, stale });
    let leave = (0..2_u8, any::<u8>(), 0..6_u8).prop_map(|(group, member, instance)| Step::Leave {
        group,
        member,
        instance,
    });
    let commit = (0..2_u8, any::<u8>(), 0..3).prop_map(|(group, member, partition)| Step::Commit {
        group,
        member,
        partition,
    });
    let wait = prop_oneof![20 => 0..4_000_u32, 2 => 0..30_000_u32, 1 => 0..400_000_u32]
        .prop_map(|ms| Step::Wait { ms });
    let step = prop_oneof![6 => join, 12 => sync, 3 => beat, 1 => leave, 2 => commit, 4 => wait];
    prop::collection::vec(step, 1..120)
}

/// What the world outside knows.
struct World {
    coordinator: Coordinator<u64>,
    now: Instant,
    next: u64,
    /// Requests that wait, and which group, member and generation they are about.
    open: HashMap<u64, Asked>,
    /// Ids by group, each as often as somebody was told of it.
    ids: [Vec<Arc<str>>; 2],
    /// The protocol, and what the leader assigned, by group and generation.
    protocols: BTreeMap<(u8, i32), Option<Arc<str>>>,
    assigned: BTreeMap<(u8, i32), Assigned>,
    leaders: BTreeMap<(u8, i32), Arc<str>>,
}

/// By member.
type Assigned = HashMap<String, Arc<[u8]>>;

#[derive(Clone, Debug)]
enum Asked {
    Join { group: u8 },
    Sync { group: u8, generation: i32, member: String },
    Other,
}

const GROUPS: [&str; 2] = ["g", "h"];

impl World {
    fn new() -> Self {
        let limits = GroupLimits { group_members: 6, group_bytes: 20_000, ..GroupLimits::STANDARD };
        let mut count = 0_u128;
        let ids = move || {
            count += 1;
            count.to_be_bytes()
        };
        let mut coordinator = Coordinator::new(GroupOptions::STANDARD, limits, Box::new(ids));
        coordinator.loaded();
        Self {
            coordinator,
            now: Instant::now(),
            next: 0,
            open: HashMap::new(),
            ids: [Vec::new(), Vec::new()],
            protocols: BTreeMap::new(),
            assigned: BTreeMap::new(),
            leaders: BTreeMap::new(),
        }
    }

    fn ask(&mut self, request: GroupRequest, asked: Asked) {
        self.next += 1;
        self.open.insert(self.next, asked);
        let mut out = Vec::new();
        let client = Client { id: "c".into(), host: "/::1".into() };
        self.coordinator.handle(self.now, request, &client, self.next, &mut out);
        self.take(out);
    }

    fn take(&mut self, out: Vec<(u64, GroupAnswer)>) {
        for (to, answer) in out {
            let asked = self.open.remove(&to).expect("each request has one answer");
            match (asked, answer) {
                (Asked::Join { group }, GroupAnswer::Joined(joined)) => {
                    if matches!(joined.error.0, 0 | 79) {
                        self.ids[usize::from(group)].push(joined.member_id);
                    }
                    if joined.error.0 == 0 {
                        let at = (group, joined.generation);
                        let before = self.protocols.entry(at).or_insert(joined.protocol.clone());
                        assert_eq!(*before, joined.protocol, "one protocol a generation");
                        if !joined.members.is_empty() {
                            assert_eq!(
                                joined.leader,
                                *self.ids[usize::from(group)].last().unwrap()
                            );
                        }
                    }
                }
                (Asked::Sync { group, generation, member }, GroupAnswer::Synced(synced)) => {
                    if synced.error.0 == 0 && !synced.assignment.is_empty() {
                        let text = std::str::from_utf8(&synced.assignment).unwrap();
                        let (author, _) = text.split_once('>').unwrap();
                        let leader = &self.leaders[&(group, generation)];
                        assert_eq!(author, &**leader, "{member} was assigned by its leader");
                        let said = &self.assigned[&(group, generation)];
                        assert!(said.values().any(|assignment| *assignment == synced.assignment));
                    }
                }
                (Asked::Other, _) => {}
                (asked, answer) => panic!("{asked:?}: {answer:?}"),
            }
        }
        self.check();
    }

    fn check(&self) {
        let groups = self.coordinator.groups.values();
        for group in groups.clone() {
            assert_eq!(group.bytes(), group.bytes_anew());
            assert!(group.leader.is_some() != group.members.is_empty());
            assert!(group.leader.as_ref().is_none_or(|id| group.members.contains_key(id)));
            for (id, member) in &group.members {
                assert_eq!(*id, member.id);
                assert!(member.join.is_none() || group.state.name() == "PreparingRebalance");
                assert!(member.sync.is_none() || group.state.name() == "CompletingRebalance");
                // Somebody is heard of, or waited for, or is out.
                let has_timer = self.coordinator.timers.is_set(&group.session(id));
                assert!(has_timer || member.is_waiting(), "{id} can stay for ever");
                if let Some(name) = &member.instance {
                    assert_eq!(group.instances.get(name), Some(id));
                }
            }
            let named = group.members.values().filter(|member| member.instance.is_some());
            assert_eq!(named.count(), group.instances.len());
        }
        let bytes: usize = groups.map(|group| group.counted_bytes).sum();
        assert_eq!(self.coordinator.bytes, bytes);
        let Coordinator { groups, commits, used, with_commits, .. } = &self.coordinator;
        assert_eq!(*used, groups.values().filter(|group| !group.is_unused()).count());
        assert_eq!(*with_commits, groups.keys().filter(|id| commits.has_new(id)).count());
        let all: BTreeSet<_> = groups.keys().chain(commits.new_groups()).collect();
        assert_eq!(self.coordinator.sizes().groups, all.len());
        assert!(bytes <= 20_000 + 2_048);
    }

    fn member(&self, group: u8, member: u8) -> String {
        if member >= 250 {
            return "nobody".into();
        }
        let known = self.coordinator.groups.get(GROUPS[usize::from(group)]);
        let members: Vec<_> = known.iter().flat_map(|group| group.members.keys()).collect();
        let told = &self.ids[usize::from(group)];
        let index = usize::from(member);
        // Mostly those who are members, but also whoever was told an id, the last most often.
        let id = match members.len() {
            size if size > 0 && member < 200 => members.get(index % size).copied(),
            _ => told.len().checked_sub(index % 4 + 1).and_then(|at| told.get(at)),
        };
        id.map(|id| id.to_string()).unwrap_or_default()
    }

    fn generation(&self, group: u8) -> i32 {
        let group = self.coordinator.groups.get(GROUPS[usize::from(group)]);
        group.map_or(0, |group| group.generation)
    }

    fn instance_of(&self, group: u8, id: &str, choice: u8) -> Option<String> {
        let group = self.coordinator.groups.get(GROUPS[usize::from(group)]);
        let own = group.and_then(|group| group.members.get(id)?.instance.clone());
        match choice {
            0 => Some("one".into()),
            1 => Some("two".into()),
            _ => own.map(|name| name.to_string()),
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Join { group, member, instance, protocols, session, rebalance, modern } => {
                let names =
                    [["x", "y"], ["y", "x"], ["x", "z"], ["x", "x"]][usize::from(protocols % 4)];
                let member_id =
                    if protocols < 5 { String::new() } else { self.member(group, member) };
                let request = JoinGroup {
                    group: GROUPS[usize::from(group)].into(),
                    session_timeout_ms: [6_000, 10_000, 45_000][usize::from(session)],
                    rebalance_timeout_ms: [-1, 0, 20_000, 300_000][usize::from(rebalance)],
                    instance: self.instance_of(group, &member_id, instance),
                    member_id,
                    protocol_type: "consumer".into(),
                    protocols: names.map(|name| protocol(name, name)).into(),
                    requires_member_id: modern,
                    can_skip_assignment: modern,
                };
                self.ask(GroupRequest::JoinGroup(request), Asked::Join { group });
            }
            Step::Sync { group, member, instance, stale } => {
                self.sync(group, member, instance, stale)
            }
            Step::Beat { group, member, stale } => {
                let heartbeat = Heartbeat {
                    group: GROUPS[usize::from(group)].into(),
                    generation: self.generation(group) - i32::from(stale),
                    member_id: self.member(group, member),
                    instance: None,
                };
                self.ask(GroupRequest::Heartbeat(heartbeat), Asked::Other);
            }
            Step::Leave { group, member, instance } => {
                let member_id =
                    if instance == 5 { String::new() } else { self.member(group, member) };
                let instance = self.instance_of(group, &member_id, instance);
                let members = vec![Leaving { member_id, instance }];
                let group = GROUPS[usize::from(group)].into();
                self.ask(GroupRequest::LeaveGroup(LeaveGroup { group, members }), Asked::Other);
            }
            Step::Commit { group, member, partition } => {
                let id = if member % 3 == 0 { String::new() } else { self.member(group, member) };
                let generation = if id.is_empty() { -1 } else { self.generation(group) };
                let mut request = super::stage_tests::commit(&id, generation, partition, 1, "m");
                request.group = GROUPS[usize::from(group)].into();
                self.ask(GroupRequest::OffsetCommit(request), Asked::Other);
            }
            Step::Wait { ms } => {
                let until = self.now + Duration::from_millis(ms.into());
                while let Some(due) = self.coordinator.next_deadline().filter(|due| *due <= until) {
                    self.expire(due);
                }
                self.now = until;
            }
        }
    }

    fn sync(&mut self, group: u8, member: u8, instance: u8, stale: bool) {
        let (id, generation) =
            (self.member(group, member), self.generation(group) - i32::from(stale));
        let known = self.coordinator.groups.get(GROUPS[usize::from(group)]);
        let members: Vec<String> =
            known.iter().flat_map(|group| group.members.keys().map(|id| id.to_string())).collect();
        let assignments = members.into_iter().map(|member| {
            let assignment: Arc<[u8]> = format!("{id}>{member}").into_bytes().into();
            (member, assignment)
        });
        let assignments: Vec<_> = assignments.collect();
        // The first word of whoever leads, while the leader is to assign, is the one that counts.
        if let Some(known) = known
            && known.is_leader(&id)
            && known.state.name() == "CompletingRebalance"
            && generation == known.generation
        {
            self.leaders.entry((group, generation)).or_insert(id.as_str().into());
            let said = assignments.iter().cloned().collect();
            self.assigned.entry((group, generation)).or_insert(said);
        }
        let request = SyncGroup {
            group: GROUPS[usize::from(group)].into(),
            generation,
            instance: self.instance_of(group, &id, instance.saturating_add(2)),
            member_id: id.clone(),
            protocol_type: None,
            protocol: None,
            assignments,
        };
        self.ask(GroupRequest::SyncGroup(request), Asked::Sync { group, generation, member: id });
    }

    fn expire(&mut self, due: Instant) {
        self.now = self.now.max(due);
        let mut out = Vec::new();
        self.coordinator.expire(self.now, &mut out);
        self.take(out);
        // A group that was forgotten begins anew.
        let known = &self.coordinator.groups;
        let is_known = |group: u8| known.contains_key(GROUPS[usize::from(group)]);
        self.protocols.retain(|&(group, _), _| is_known(group));
        self.assigned.retain(|&(group, _), _| is_known(group));
        self.leaders.retain(|&(group, _), _| is_known(group));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn every_request_is_answered_once_and_groups_stay_consistent(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        // Nobody says anything any more: whatever waits has its answer, and no group is left but
        // by its commits.
        for _ in 0..10_000 {
            match world.coordinator.next_deadline() {
                Some(due) => world.expire(due),
                None => break,
            }
        }
        prop_assert_eq!(world.coordinator.next_deadline(), None);
        prop_assert!(world.open.is_empty(), "{:?}", world.open);
        prop_assert!(world.coordinator.groups.is_empty());
        prop_assert_eq!((world.coordinator.bytes, world.coordinator.members), (0, 0));
    }
}
