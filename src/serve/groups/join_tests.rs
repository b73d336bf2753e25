//! Scripts: who joins when, and what comes of it.

use super::messages::JoinGroup;
use super::stage_tests::{GROUP, Stage, first_join, join_as, protocol, static_join, sync};
use super::{GroupLimits, GroupOptions};
use std::sync::Arc;

fn limited(change: impl FnOnce(&mut GroupLimits)) -> Stage {
    let mut limits = GroupLimits::STANDARD;
    change(&mut limits);
    Stage::with(GroupOptions::STANDARD, limits)
}

fn knowing(mut join: JoinGroup, protocols: &[&str]) -> JoinGroup {
    join.protocols = protocols.iter().map(|name| protocol(name, name)).collect();
    join
}

fn modern() -> JoinGroup {
    JoinGroup { requires_member_id: true, ..first_join() }
}

#[test]
fn session_timeouts_have_bounds() {
    let mut stage = Stage::new();
    for (ms, error) in [(-1, 26), (5_999, 26), (6_000, 79), (1_800_000, 79), (1_800_001, 26)] {
        assert_eq!(stage.join_error(JoinGroup { session_timeout_ms: ms, ..modern() }), error);
    }
}

#[test]
fn an_empty_name_is_no_group() {
    let mut stage = Stage::new();
    assert_eq!(stage.join_error(JoinGroup { group: String::new(), ..first_join() }), 24);
    let mut request = sync("a", 1, &[]);
    request.group.clear();
    assert_eq!(stage.sync_error(request), 24);
}

#[test]
fn whoever_has_an_id_of_an_unknown_group_is_unknown() {
    let mut stage = Stage::new();
    let join = stage.join(join_as("a"));
    assert_eq!((stage.joined(join).error.0, &*stage.joined(join).member_id), (25, "a"));
    assert_eq!(stage.state(), "gone");
}

#[test]
fn a_group_takes_so_many_members() {
    let mut stage = limited(|limits| limits.group_members = 2);
    let ids = stage.form(2);
    let join = stage.join(first_join());
    assert_eq!((stage.joined(join).error.0, &*stage.joined(join).member_id), (81, ""));
    // Those who are in it join again.
    let again = stage.join(join_as(&ids[0]));
    assert_eq!(stage.state(), "PreparingRebalance");
    // While they do, others may take the room of those who did not come back yet.
    let other = stage.join(first_join());
    assert_eq!(stage.join_error(join_as(&ids[1])), 81);
    assert_eq!((stage.joined(again).error.0, stage.joined(other).error.0), (0, 0));
    assert_eq!(stage.joined(again).members.len(), 2);
    assert_eq!(stage.coordinator.counts().rejected.group_members, 2);
}

#[test]
fn so_many_ids_are_given_out() {
    let mut stage = limited(|limits| limits.group_members = 2);
    let errors = [79, 79, 81].map(|_| stage.join_error(modern()));
    assert_eq!(errors, [79, 79, 81]);
    stage.at(10_000);
    assert_eq!(stage.join_error(modern()), 79);
}

#[test]
fn limits_of_bytes_protocols_and_groups() {
    let mut stage = limited(|limits| limits.protocols = 2);
    assert_eq!(stage.join_error(knowing(modern(), &["a", "b"])), 79);
    assert_eq!(stage.join_error(knowing(modern(), &["a", "b", "c"])), 81);
    assert_eq!(stage.coordinator.counts().rejected.protocols, 1);

    let mut stage = limited(|limits| limits.member_bytes = 2_000);
    let large =
        |bytes| JoinGroup { protocols: vec![protocol("range", &"m".repeat(bytes))], ..modern() };
    assert_eq!((stage.join_error(large(1_000)), stage.join_error(large(2_000))), (79, 81));
    assert_eq!(stage.coordinator.counts().rejected.member_bytes, 1);

    let mut stage = limited(|limits| limits.group_bytes = 3_000);
    let large =
        JoinGroup { protocols: vec![protocol("range", &"m".repeat(1_000))], ..first_join() };
    stage.join(large.clone());
    assert_eq!(stage.join_error(large), 81);
    assert_eq!(stage.coordinator.counts().rejected.group_bytes, 1);

    let mut stage = limited(|limits| limits.groups = 1);
    assert_eq!(stage.join_error(modern()), 79);
    assert_eq!(stage.join_error(JoinGroup { group: "h".into(), ..modern() }), 81);
    assert_eq!(stage.coordinator.counts().rejected.groups, 1);
    // The only one has had nobody but an id that nobody came back with.
    stage.at(10_000);
    assert_eq!(stage.join_error(JoinGroup { group: "h".into(), ..modern() }), 79);
}

#[test]
fn protocols_must_fit() {
    let mut stage = Stage::new();
    let no_type = JoinGroup { protocol_type: String::new(), ..first_join() };
    assert_eq!(stage.join_error(no_type), 23);
    assert_eq!(stage.join_error(knowing(first_join(), &[])), 23);
    // What was refused left no group behind.
    assert_eq!(stage.state(), "gone");
    stage.form(1);
    assert_eq!(stage.join_error(knowing(first_join(), &["other"])), 23);
    assert_eq!(stage.join_error(knowing(first_join(), &[])), 23);
    let connect = JoinGroup { protocol_type: "connect".into(), ..first_join() };
    assert_eq!(stage.join_error(connect), 23);
    let both = stage.join(knowing(first_join(), &["other", "range"]));
    assert!(stage.waits(both));
}

#[test]
fn an_id_is_given_out_and_comes_back() {
    let mut stage = Stage::new();
    let join = stage.join(modern());
    let id = stage.joined(join).member_id.clone();
    assert_eq!((stage.joined(join).error.0, stage.joined(join).generation), (79, -1));
    assert_eq!(&*id, "client-00000000-0000-4000-8000-000000000001");
    assert_eq!(stage.state(), "Empty");
    let join = stage.join(JoinGroup { member_id: id.to_string(), ..modern() });
    assert_eq!(stage.state(), "PreparingRebalance");
    stage.at(3_000);
    let joined = stage.joined(join);
    assert_eq!((joined.error.0, joined.generation, &joined.leader), (0, 1, &id));
    assert_eq!(joined.protocol_type.as_deref(), Some("consumer"));
    assert_eq!((joined.protocol.as_deref(), joined.members.len()), (Some("range"), 1));
    assert_eq!(&*joined.members[0].metadata, b"r");
}

#[test]
fn an_id_that_does_not_come_back_is_forgotten() {
    let mut stage = Stage::new();
    let join = stage.join(modern());
    let id = stage.joined(join).member_id.to_string();
    stage.at(10_000);
    assert_eq!(stage.join_error(join_as(&id)), 25);
    assert_eq!((stage.state(), stage.coordinator.next_deadline()), ("gone", None));
}

#[test]
fn a_rebalance_waits_for_ids_that_were_given_out() {
    let mut stage = Stage::new();
    let ids = stage.form(1);
    let first = stage.join(modern());
    let pending = stage.joined(first).member_id.to_string();
    let again = stage.join(join_as(&ids[0]));
    assert!(stage.waits(again), "somebody is on the way");
    let came = stage.join(join_as(&pending));
    assert_eq!(stage.joined(again).members.len(), 2);
    assert_eq!(stage.joined(came).generation, 2);
}

#[test]
fn an_id_that_was_given_out_is_given_back() {
    let mut stage = Stage::new();
    let ids = stage.form(1);
    let first = stage.join(modern());
    let pending = stage.joined(first).member_id.clone();
    let again = stage.join(join_as(&ids[0]));
    assert!(stage.waits(again));
    assert_eq!(stage.leave(&[(&pending, None)]), [0]);
    assert_eq!(stage.joined(again).members.len(), 1);
}

#[test]
fn whose_session_begins_anew_is_not_late_at_the_same_time() {
    let mut stage = Stage::new();
    let slow = JoinGroup { session_timeout_ms: 60_000, ..static_join("one") };
    let joins = [stage.join(slow), stage.join(first_join())];
    stage.at(6_000);
    let ids = joins.map(|join| stage.joined(join).member_id.clone());
    stage.settle(&ids, 1);
    let new = stage.join(first_join());
    let t = stage.ms();
    // The wait for the static member ends just when its session would.
    stage.at(t + 59_999);
    assert!(stage.waits(new));
    stage.at(t + 60_000);
    assert_eq!((stage.joined(new).members.len(), stage.state()), (2, "CompletingRebalance"));
}

#[test]
fn the_first_rebalance_waits_longer_while_members_come() {
    let mut stage = Stage::new();
    let first = stage.join(first_join());
    stage.at(2_900);
    let second = stage.join(first_join());
    stage.at(5_900);
    assert!(stage.waits(first), "the second prolongs it");
    stage.at(6_000);
    assert_eq!(stage.joined(first).members.len(), 2);
    let leader = &stage.joined(first).member_id;
    assert_eq!((&stage.joined(second).leader, stage.joined(second).members.len()), (leader, 0));
}

#[test]
fn the_first_rebalance_is_prolonged_up_to_the_rebalance_timeout() {
    let mut stage = Stage::new();
    let short = || JoinGroup { rebalance_timeout_ms: 7_000, ..first_join() };
    let first = stage.join(short());
    for ms in [1_000, 4_000, 6_500] {
        stage.at(ms);
        stage.join(short());
    }
    stage.at(6_999);
    assert!(stage.waits(first));
    stage.at(7_000);
    assert_eq!(stage.joined(first).members.len(), 4);
}

#[test]
fn without_a_delay_the_first_is_answered_at_once() {
    let mut options = GroupOptions::STANDARD;
    options.initial_rebalance_delay = std::time::Duration::ZERO;
    let mut stage = Stage::with(options, GroupLimits::STANDARD);
    let join = stage.join(first_join());
    stage.at(0);
    assert_eq!(stage.joined(join).generation, 1);
}

#[test]
fn whoever_does_not_join_again_is_out_and_another_leads() {
    let mut stage = Stage::new();
    let ids = stage.form(3);
    let (t, rest) = (stage.ms(), &ids[1..]);
    stage.leave(&[(&ids[2], None)]);
    let again = stage.join(join_as(&ids[1]));
    for ms in [9_000, 18_000, 27_000, 36_000, 45_000, 54_000] {
        stage.at(t + ms);
        assert_eq!(stage.beat(&ids[0], 1), 27);
    }
    stage.at(t + 59_999);
    assert!(stage.waits(again));
    stage.at(t + 60_000);
    let joined = stage.joined(again);
    assert_eq!((joined.generation, &joined.leader, joined.members.len()), (2, &rest[0], 1));
    assert_eq!(stage.beat(&ids[0], 1), 25);
}

#[test]
fn a_leader_whose_session_ends_is_not_waited_for() {
    let mut stage = Stage::new();
    let ids = stage.form(2);
    let t = stage.ms();
    stage.at(t + 9_000);
    assert_eq!(stage.beat(&ids[1], 1), 0);
    stage.at(t + 10_000);
    assert_eq!(stage.state(), "PreparingRebalance");
    assert_eq!(stage.beat(&ids[1], 1), 27);
    let again = stage.join(join_as(&ids[1]));
    assert_eq!(stage.joined(again).leader, ids[1]);
}

#[test]
fn the_most_votes_choose_the_protocol_and_the_leader_breaks_ties() {
    for (leader, others, chosen) in
        [(["x", "y"], [["y", "x"], ["y", "x"]], "y"), (["x", "y"], [["x", "z"], ["y", "x"]], "x")]
    {
        let mut stage = Stage::new();
        let first = stage.join(knowing(first_join(), &leader));
        for other in others {
            stage.join(knowing(first_join(), &other));
        }
        stage.at(6_000);
        assert_eq!(stage.joined(first).protocol.as_deref(), Some(chosen));
        assert_eq!(&*stage.joined(first).members[1].metadata, chosen.as_bytes());
    }
    for (leader, other) in [(["x", "y"], ["y", "x"]), (["y", "x"], ["x", "y"])] {
        let mut stage = Stage::new();
        let first = stage.join(knowing(first_join(), &leader));
        stage.join(knowing(first_join(), &other));
        stage.at(6_000);
        assert_eq!(stage.joined(first).protocol.as_deref(), Some(leader[0]));
    }
}

#[test]
fn a_new_member_waits_five_minutes() {
    let mut stage = Stage::new();
    let patient = || JoinGroup { rebalance_timeout_ms: 3_600_000, ..first_join() };
    stage.join(patient());
    stage.at(6_000);
    // The first got its answer; its session would end. It only beats.
    let group = stage.coordinator.groups.get(GROUP).unwrap();
    let id = group.members.keys().next().unwrap().clone();
    let new = stage.join(patient());
    for second in (6..306).step_by(9) {
        stage.at(second * 1_000);
        assert_eq!(stage.beat(&id, 1), 27);
    }
    assert!(stage.waits(new));
    stage.at(306_000);
    assert_eq!(stage.joined(new).error.0, 25);
}

#[test]
fn a_join_over_another_connection_answers_the_first() {
    let mut stage = Stage::new();
    let ids = stage.form(2);
    let first = stage.join(join_as(&ids[0]));
    let second = stage.join(join_as(&ids[0]));
    assert_eq!((stage.joined(first).error.0, stage.waits(second)), (27, true));
}

#[test]
fn joins_of_members_while_the_leader_assigns() {
    let mut stage = Stage::new();
    let joins = [stage.join(first_join()), stage.join(first_join())];
    stage.at(6_000);
    let ids = joins.map(|join| stage.joined(join).member_id.clone());
    assert_eq!(stage.state(), "CompletingRebalance");
    // They did not get the answer: the same once more.
    for (id, members) in ids.iter().zip([2, 0]) {
        let again = stage.join(join_as(id));
        let joined = stage.joined(again);
        assert_eq!((joined.error.0, joined.generation, joined.members.len()), (0, 1, members));
    }
    let waiting = stage.sync(sync(&ids[0], 1, &[]));
    assert_eq!(stage.synced(waiting).error.0, 0);
    let mut stage = Stage::new();
    let ids = stage.form(2);
    let joins = ids.iter().map(|id| stage.join(join_as(id))).collect::<Vec<_>>();
    assert_eq!(stage.joined(joins[0]).generation, 2);
    let waiting = stage.sync(sync(&ids[1], 2, &[]));
    let changed = stage.join(knowing(join_as(&ids[0]), &["range", "other"]));
    assert_eq!((stage.state(), stage.synced(waiting).error.0), ("PreparingRebalance", 27));
    assert!(stage.waits(changed));
}

#[test]
fn joins_of_members_of_a_stable_group() {
    let mut stage = Stage::new();
    let ids = stage.form(2);
    let follower = stage.join(join_as(&ids[1]));
    let joined = stage.joined(follower);
    assert_eq!((joined.error.0, joined.generation, &joined.leader), (0, 1, &ids[0]));
    assert_eq!((joined.members.len(), stage.state()), (0, "Stable"));
    let leader = stage.join(join_as(&ids[0]));
    assert_eq!((stage.waits(leader), stage.state()), (true, "PreparingRebalance"));
    let mut stage = Stage::new();
    let ids = stage.form(2);
    let changed = stage.join(knowing(join_as(&ids[1]), &["other", "range"]));
    assert_eq!((stage.waits(changed), stage.state()), (true, "PreparingRebalance"));
    assert_eq!(stage.join_error(join_as("nobody")), 25);
    let named = JoinGroup { instance: Some("i".into()), ..join_as(&ids[0]) };
    assert_eq!(stage.join_error(named), 25);
}

/// A stable group of two static members, the leader first.
fn static_pair(stage: &mut Stage) -> [Arc<str>; 2] {
    let joins = ["one", "two"].map(|name| stage.join(static_join(name)));
    stage.at(6_000);
    let ids = joins.map(|join| stage.joined(join).member_id.clone());
    assert!(ids[0].starts_with("one-0000") && ids[1].starts_with("two-0000"), "{ids:?}");
    stage.settle(&ids, 1);
    ids
}

#[test]
fn a_static_member_comes_back_without_a_rebalance() {
    let mut stage = Stage::new();
    let ids = static_pair(&mut stage);
    let back = stage.join(static_join("two"));
    let joined = stage.joined(back).clone();
    assert_eq!((joined.generation, &joined.leader, joined.skip_assignment), (1, &ids[0], false));
    assert_eq!((joined.members.len(), stage.state()), (0, "Stable"));
    assert_ne!(joined.member_id, ids[1]);
    // Its assignment is still there; the one before it is fenced.
    let again = stage.sync(sync(&joined.member_id, 1, &[]));
    assert_eq!(&*stage.synced(again).assignment, format!("for {}", ids[1]).as_bytes());
    assert_eq!(stage.beat_as(&ids[1], Some("two"), 1), 82);
    assert_eq!(stage.beat_as(&joined.member_id, Some("two"), 1), 0);
    let fenced = JoinGroup { member_id: ids[1].to_string(), ..static_join("two") };
    assert_eq!(stage.join_error(fenced), 82);
}

#[test]
fn a_static_leader_comes_back() {
    let mut stage = Stage::new();
    let ids = static_pair(&mut stage);
    let back = stage.join(static_join("one"));
    let joined = stage.joined(back).clone();
    assert_eq!((&joined.leader, joined.skip_assignment), (&joined.member_id, true));
    assert_eq!(joined.members.len(), 2);
    // Before version 9 it does not learn that it leads.
    let old = JoinGroup { can_skip_assignment: false, ..static_join("one") };
    let back = stage.join(old);
    let older = stage.joined(back).clone();
    assert_eq!((&older.leader, older.skip_assignment), (&joined.member_id, false));
    assert_eq!(older.members.len(), 0);
    assert!(![&joined.member_id, &ids[0]].contains(&&older.member_id));
    // It leads all the same: its joining makes others join.
    let again = JoinGroup { member_id: older.member_id.to_string(), ..static_join("one") };
    let again = stage.join(again);
    assert_eq!((stage.waits(again), stage.state()), (true, "PreparingRebalance"));
}

#[test]
fn a_static_member_that_comes_back_otherwise_makes_a_rebalance() {
    // It would change the choice of the protocol.
    let mut stage = Stage::new();
    let both = |name| knowing(static_join(name), &["x", "y"]);
    let joins = ["one", "two"].map(|name| stage.join(both(name)));
    stage.at(6_000);
    let ids = joins.map(|join| stage.joined(join).member_id.clone());
    stage.settle(&ids, 1);
    let back = stage.join(knowing(static_join("two"), &["y"]));
    assert_eq!((stage.waits(back), stage.state()), (true, "PreparingRebalance"));
    // While members join, the one before it is answered, and it waits.
    let after = stage.join(knowing(static_join("two"), &["y"]));
    assert_eq!((stage.joined(back).error.0, stage.waits(after)), (82, true));
    // And while the leader assigns.
    let one = stage.join(JoinGroup { member_id: ids[0].to_string(), ..both("one") });
    assert_eq!(
        (stage.joined(one).generation, stage.joined(one).protocol.as_deref()),
        (2, Some("y"))
    );
    let id = stage.joined(after).member_id.clone();
    let waiting = stage.sync(sync(&id, 2, &[]));
    let next = stage.join(both("two"));
    assert_eq!((stage.synced(waiting).error.0, stage.waits(next)), (82, true));
    assert_eq!(stage.state(), "PreparingRebalance");
}

#[test]
fn static_members_are_waited_for_until_their_sessions_end() {
    let mut stage = Stage::new();
    let slow = JoinGroup { session_timeout_ms: 120_000, ..static_join("one") };
    let joins = [stage.join(slow), stage.join(first_join())];
    stage.at(6_000);
    let ids = joins.map(|join| stage.joined(join).member_id.clone());
    stage.settle(&ids, 1);
    let t = stage.ms();
    // Nobody joins: the dynamic member is out after 10 s, and the wait begins again.
    stage.at(t + 71_000);
    assert_eq!(stage.state(), "PreparingRebalance");
    let new = stage.join(first_join());
    stage.at(t + 119_000);
    assert!(stage.waits(new));
    stage.at(t + 120_000);
    assert_eq!((stage.joined(new).generation, stage.joined(new).members.len()), (2, 1));
}

#[test]
fn a_group_that_nobody_uses_is_forgotten_after_ten_minutes() {
    let mut stage = Stage::new();
    let ids = stage.form(1);
    assert_eq!(stage.leave(&[(&ids[0], None)]), [0]);
    let t = stage.ms();
    assert_eq!((stage.state(), stage.generation()), ("Empty", 2));
    stage.at(t + 599_999);
    assert_eq!(stage.state(), "Empty");
    stage.at(t + 600_000);
    assert_eq!((stage.state(), stage.coordinator.next_deadline()), ("gone", None));
    assert_eq!(stage.coordinator.bytes, 0);
}
