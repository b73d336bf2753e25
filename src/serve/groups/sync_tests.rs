//! Scripts: assignments, heartbeats, sessions, and leaving.

use super::messages::{
    DescribeGroups, DescribedGroup, GroupAnswer, GroupRequest, JoinGroup, LeaveGroup, ListGroups,
    OffsetFetch, SyncGroup,
};
use super::stage_tests::{GROUP, Stage, commit, first_join, join_as, static_join, sync};
use super::{GroupLimits, GroupOptions};
use crate::serve::wire::errors::ErrorCode;
use std::sync::Arc;

/// A group of two in CompletingRebalance, the leader first.
fn completing(stage: &mut Stage) -> [Arc<str>; 2] {
    let joins = [stage.join(first_join()), stage.join(first_join())];
    stage.at(6_000);
    joins.map(|join| stage.joined(join).member_id.clone())
}

#[test]
fn members_wait_for_the_leader() {
    let mut stage = Stage::new();
    let ids = completing(&mut stage);
    let follower = stage.sync(sync(&ids[1], 1, &ids));
    assert!(stage.waits(follower), "only the leader assigns");
    let leader = stage.sync(sync(&ids[0], 1, &ids[..1]));
    let synced = stage.synced(leader);
    assert_eq!(&*synced.assignment, format!("for {}", ids[0]).as_bytes());
    assert_eq!(synced.protocol_type.as_deref(), Some("consumer"));
    assert_eq!(synced.protocol.as_deref(), Some("range"));
    // The leader said nothing about it.
    assert_eq!((stage.synced(follower).error.0, stage.synced(follower).assignment.len()), (0, 0));
    assert_eq!(stage.state(), "Stable");
    // In a stable group, one's own assignment at once.
    let again = stage.sync(sync(&ids[0], 1, &[]));
    assert_eq!(&*stage.synced(again).assignment, format!("for {}", ids[0]).as_bytes());
}

#[test]
fn syncs_that_are_refused() {
    let mut stage = Stage::new();
    assert_eq!(stage.sync_error(sync("a", 1, &[])), 25);
    let ids = completing(&mut stage);
    assert_eq!(stage.sync_error(sync("a", 1, &[])), 25);
    assert_eq!(stage.sync_error(sync(&ids[0], 2, &[])), 22);
    let named = SyncGroup { instance: Some("i".into()), ..sync(&ids[0], 1, &[]) };
    assert_eq!(stage.sync_error(named), 25);
    let other_type = Some(String::from("connect"));
    assert_eq!(
        stage.sync_error(SyncGroup { protocol_type: other_type, ..sync(&ids[0], 1, &[]) }),
        23
    );
    let other = Some(String::from("other"));
    assert_eq!(stage.sync_error(SyncGroup { protocol: other, ..sync(&ids[0], 1, &[]) }), 23);
    stage.join(first_join());
    assert_eq!(stage.state(), "PreparingRebalance");
    let right = SyncGroup {
        protocol_type: Some("consumer".into()),
        protocol: Some("range".into()),
        ..sync(&ids[0], 1, &[])
    };
    assert_eq!(stage.sync_error(right), 27);
}

#[test]
fn a_sync_over_another_connection_answers_the_first() {
    let mut stage = Stage::new();
    let ids = completing(&mut stage);
    let first = stage.sync(sync(&ids[1], 1, &[]));
    let second = stage.sync(sync(&ids[1], 1, &[]));
    assert_eq!((stage.synced(first).error.0, stage.waits(second)), (27, true));
}

#[test]
fn whoever_does_not_sync_is_out() {
    // The leader does not.
    let mut stage = Stage::new();
    let ids = completing(&mut stage);
    let waiting = stage.sync(sync(&ids[1], 1, &[]));
    for second in (9..66).step_by(9) {
        stage.at(second * 1_000);
        assert_eq!(stage.beat(&ids[0], 1), 0);
    }
    assert!(stage.waits(waiting));
    stage.at(66_000);
    assert_eq!((stage.synced(waiting).error.0, stage.beat(&ids[0], 1)), (27, 25));
    assert_eq!(stage.state(), "PreparingRebalance");
    // A follower does not; the group is stable without it.
    let mut stage = Stage::new();
    let ids = completing(&mut stage);
    stage.sync(sync(&ids[0], 1, &ids));
    for second in (9..66).step_by(9) {
        stage.at(second * 1_000);
        assert_eq!([stage.beat(&ids[0], 1), stage.beat(&ids[1], 1)], [0, 0]);
    }
    stage.at(66_000);
    assert_eq!([stage.beat(&ids[0], 1), stage.beat(&ids[1], 1)], [27, 25]);
}

#[test]
fn once_all_have_synced_nobody_is_late() {
    let mut stage = Stage::new();
    let ids = stage.form(2);
    for second in (12..120).step_by(9) {
        stage.at(second * 1_000);
        assert_eq!([stage.beat(&ids[0], 1), stage.beat(&ids[1], 1)], [0, 0]);
    }
    assert_eq!(stage.state(), "Stable");
}

#[test]
fn assignments_have_a_limit() {
    let mut limits = GroupLimits::STANDARD;
    limits.group_bytes = 5_000;
    let mut stage = Stage::with(GroupOptions::STANDARD, limits);
    let ids = completing(&mut stage);
    let mut large = sync(&ids[0], 1, &ids);
    large.assignments[0].1 = vec![0; 5_000].into();
    assert_eq!(stage.sync_error(large), 81);
    assert_eq!(stage.coordinator.counts().rejected.group_bytes, 1);
    stage.settle(&ids, 1);
}

#[test]
fn heartbeats() {
    let mut stage = Stage::new();
    assert_eq!(stage.beat("a", 1), 25);
    let ids = completing(&mut stage);
    assert_eq!([stage.beat("a", 1), stage.beat(&ids[0], 2), stage.beat(&ids[0], 1)], [25, 22, 0]);
    stage.settle(&ids, 1);
    assert_eq!(stage.beat(&ids[0], 1), 0);
    assert_eq!(stage.beat_as(&ids[0], Some("i"), 1), 25);
    stage.join(first_join());
    assert_eq!(stage.beat(&ids[0], 1), 27);
    assert_eq!(stage.leave(&[(&ids[0], None), (&ids[1], None)]), [0, 0]);
    assert_eq!(stage.beat(&ids[0], 1), 25);
}

#[test]
fn a_session_is_renewed_by_every_sign_of_life() {
    let mut stage = Stage::new();
    let ids = stage.form(1);
    let t = stage.ms();
    stage.at(t + 9_000);
    assert_eq!(stage.beat(&ids[0], 1), 0);
    stage.at(t + 18_000);
    assert_eq!(stage.commit(commit(&ids[0], 1, 0, 7, "")), [0]);
    stage.at(t + 27_000);
    assert_eq!(stage.sync_error(sync(&ids[0], 1, &[])), 0);
    stage.at(t + 36_999);
    assert_eq!(stage.state(), "Stable");
    stage.at(t + 37_000);
    assert_eq!((stage.state(), stage.generation()), ("Empty", 2));
}

#[test]
fn whoever_waits_for_others_is_not_late() {
    let mut stage = Stage::new();
    let ids = stage.form(2);
    let t = stage.ms();
    let waiting = stage.join(join_as(&ids[0]));
    // One that beats all the same does not have to go on with it.
    assert_eq!(stage.beat(&ids[0], 1), 27);
    for second in (0..55).step_by(5) {
        stage.at(t + second * 1_000);
        assert_eq!(stage.beat(&ids[1], 1), 27);
    }
    assert!(stage.waits(waiting));
    let other = stage.join(join_as(&ids[1]));
    assert_eq!((stage.joined(waiting).generation, stage.joined(other).generation), (2, 2));
}

#[test]
fn leaving() {
    let mut stage = Stage::new();
    assert_eq!(stage.leave(&[("a", None)]), [25]);
    let one = stage.join(static_join("one"));
    let two = stage.join(first_join());
    let leaves = stage.join(first_join());
    let pending = stage.join(JoinGroup { requires_member_id: true, ..first_join() });
    let pending = stage.joined(pending).member_id.clone();
    let group = stage.coordinator.groups.get(GROUP).unwrap();
    let third = group.members.keys().find(|id| id.ends_with("3")).unwrap().clone();
    // Whose join waits is answered.
    assert_eq!(stage.leave(&[(&third, None), (&third, None), (&pending, None)]), [0, 25, 0]);
    assert_eq!(stage.joined(leaves).error.0, 25);
    stage.at(6_000);
    let (one, two) = (stage.joined(one).member_id.clone(), stage.joined(two).member_id.clone());
    assert_eq!(
        stage.leave(&[(&two, Some("one")), (&one, Some("other")), ("", None)]),
        [82, 25, 25]
    );
    assert_eq!(stage.state(), "CompletingRebalance");
    let waiting = stage.sync(sync(&two, 1, &[]));
    assert_eq!(stage.leave(&[("", Some("one"))]), [0]);
    assert_eq!((stage.state(), stage.synced(waiting).error.0), ("PreparingRebalance", 27));
    // The last one that was waited for leaves, and the others go on.
    let next = stage.join(first_join());
    assert!(stage.waits(next));
    assert_eq!(stage.leave(&[(&two, None)]), [0]);
    assert_eq!(stage.joined(next).generation, 2);
    let left = LeaveGroup { group: String::new(), members: Vec::new() };
    match stage.answer(GroupRequest::LeaveGroup(left)) {
        GroupAnswer::Left(left) => assert_eq!(left.only_error().0, 24),
        other => panic!("{other:?}"),
    }
}

fn describe(stage: &mut Stage, ids: &[&str], unknown_is_error: bool) -> Vec<DescribedGroup> {
    let groups = ids.iter().map(|id| String::from(*id)).collect();
    let request = DescribeGroups { groups, unknown_is_error };
    match stage.answer(GroupRequest::DescribeGroups(request)) {
        GroupAnswer::Described(groups) => groups,
        other => panic!("{other:?}"),
    }
}

#[test]
fn groups_are_described() {
    let mut stage = Stage::new();
    let unknown = describe(&mut stage, &["x", "x"], false);
    assert_eq!((unknown.len(), unknown[0].state, unknown[0].error.0), (1, "Dead", 0));
    let unknown = describe(&mut stage, &["x"], true);
    assert_eq!((unknown[0].state, unknown[0].error), ("Dead", ErrorCode::GROUP_ID_NOT_FOUND));
    let ids = completing(&mut stage);
    let group = describe(&mut stage, &[GROUP], true).remove(0);
    assert_eq!((group.state, &*group.protocol_type), ("CompletingRebalance", "consumer"));
    assert_eq!((&*group.protocol, group.members[0].metadata.len()), ("", 0));
    stage.settle(&ids, 1);
    let group = describe(&mut stage, &[GROUP], true).remove(0);
    assert_eq!((group.state, &*group.protocol, group.members.len()), ("Stable", "range", 2));
    let member = &group.members[0];
    assert_eq!((&member.member_id, &*member.metadata), (&ids[0], &b"r"[..]));
    assert_eq!(&*member.assignment, format!("for {}", ids[0]).as_bytes());
    assert_eq!((&*member.client.id, &*member.client.host), ("client", "/127.0.0.1"));
}

fn list(stage: &mut Stage, states: &[&str], types: &[&str]) -> Vec<(String, &'static str)> {
    let strings = |names: &[&str]| names.iter().map(|name| String::from(*name)).collect();
    let request = ListGroups { states: strings(states), types: strings(types) };
    match stage.answer(GroupRequest::ListGroups(request)) {
        GroupAnswer::Listed(listed) => {
            let groups = listed.groups.iter();
            groups.map(|group| (group.group.to_string(), group.state)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn groups_are_listed() {
    let mut stage = Stage::new();
    assert_eq!(list(&mut stage, &[], &[]), []);
    stage.form(1);
    stage.join(JoinGroup { group: "a".into(), ..first_join() });
    let (a, g) = (("a".into(), "PreparingRebalance"), ("g".into(), "Stable"));
    assert_eq!(list(&mut stage, &[], &[]), [a.clone(), g.clone()]);
    assert_eq!(list(&mut stage, &["stable", "Empty"], &["Classic"]), [g]);
    assert_eq!(list(&mut stage, &["PREPARINGREBALANCE"], &[]), [a]);
    assert_eq!(list(&mut stage, &[], &["consumer"]), []);
}

#[test]
fn while_offsets_are_read_clients_are_to_wait() {
    let mut stage = Stage::loading(GroupOptions::STANDARD, GroupLimits::STANDARD);
    assert_eq!(stage.join_error(first_join()), 14);
    assert_eq!(stage.sync_error(sync("a", 1, &[])), 27);
    assert_eq!(stage.beat("a", 1), 0);
    assert_eq!(stage.commit(commit("", -1, 0, 7, "")), [14]);
    assert_eq!(describe(&mut stage, &["x"], false)[0].error.0, 14);
    let groups = vec![super::messages::FetchGroup { group: "x".into(), topics: None }];
    match stage.answer(GroupRequest::OffsetFetch(OffsetFetch { groups })) {
        GroupAnswer::Offsets(groups) => assert_eq!(groups[0].error.0, 14),
        other => panic!("{other:?}"),
    }
    match stage.answer(GroupRequest::ListGroups(ListGroups::default())) {
        GroupAnswer::Listed(listed) => assert_eq!(listed.error.0, 14),
        other => panic!("{other:?}"),
    }
    let leave = LeaveGroup { group: GROUP.into(), members: Vec::new() };
    match stage.answer(GroupRequest::LeaveGroup(leave)) {
        GroupAnswer::Left(left) => assert_eq!(left.error.0, 14),
        other => panic!("{other:?}"),
    }
    stage.coordinator.loaded();
    stage.form(1);
}
