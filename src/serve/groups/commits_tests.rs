//! Scripts: what is committed, by whom, and what lies beneath.

use super::dead_offsets::DeadOffset;
use super::messages::{
    Commit, FetchGroup, FetchPartition, GroupAnswer, GroupOffsets, GroupRequest, JoinGroup,
    ListGroups, OffsetCommit, OffsetFetch, TopicOf,
};
use super::stage_tests::{GROUP, Stage, commit, first_join};
use super::{DeadOffsets, GroupLimits, GroupOptions, NewCommit};
use crate::serve::wire::errors::ErrorCode;

const NOTHING: (i64, i32, String, i16) = (-1, -1, String::new(), 0);

fn found(offset: i64, leader_epoch: i32, metadata: &str) -> (i64, i32, String, i16) {
    (offset, leader_epoch, metadata.into(), 0)
}

fn limited(change: impl FnOnce(&mut GroupLimits)) -> Stage {
    let mut limits = GroupLimits::STANDARD;
    change(&mut limits);
    Stage::with(GroupOptions::STANDARD, limits)
}

fn dead(group: &str, topic: &str, partition: i32, offset: i64) -> DeadOffset {
    let commit = Commit { offset, leader_epoch: 2, metadata: "then".into() };
    DeadOffset { group: group.into(), topic: topic.into(), topic_id: [0; 16], partition, commit }
}

fn dead_cluster() -> DeadOffsets {
    let offsets =
        vec![dead(GROUP, "orders", 0, 10), dead(GROUP, "orders", 1, 11), dead("d", "t", 0, 1)];
    DeadOffsets { offsets, groups: vec![("d".into(), "connect".into())], ..DeadOffsets::default() }
}

#[test]
fn whoever_is_no_member_commits_into_an_empty_group() {
    let mut stage = Stage::new();
    assert_eq!(stage.fetch(GROUP, "orders", 3), NOTHING);
    assert_eq!(stage.commit(commit("", 0, 3, 7, "")), [22]);
    assert_eq!(stage.commit(commit("", -1, 3, 7, "here")), [0]);
    // Nobody was in it, so it is its commits and nothing else.
    assert_eq!(stage.state(), "gone");
    assert_eq!(stage.fetch(GROUP, "orders", 3), found(7, 5, "here"));
    // The offset is the client's affair.
    assert_eq!(stage.commit(commit("", -1, 3, -5, "")), [0]);
    assert_eq!(stage.fetch(GROUP, "orders", 3), found(-5, 5, ""));
    assert_eq!(stage.commit(commit("a", 0, 3, 7, "")), [25]);
    // A group with commits stays.
    stage.at(10_000_000);
    assert_eq!(stage.state(), "gone");
    let kept = NewCommit { group: GROUP.into(), topic: "orders".into(), partition: 3, offset: -5 };
    assert_eq!(stage.coordinator.new_commits(), [kept]);
}

#[test]
fn members_commit_in_their_generation() {
    let mut stage = Stage::new();
    let joins = [stage.join(first_join()), stage.join(first_join())];
    stage.at(6_000);
    let ids = joins.map(|join| stage.joined(join).member_id.clone());
    assert_eq!(stage.commit(commit(&ids[0], 1, 0, 7, "")), [27], "the leader has not assigned");
    stage.settle(&ids, 1);
    assert_eq!(stage.commit(commit(&ids[0], 1, 0, 7, "")), [0]);
    assert_eq!(stage.commit(commit(&ids[0], 0, 0, 8, "")), [22]);
    assert_eq!(stage.commit(commit("", 1, 0, 8, "")), [25]);
    assert_eq!(stage.commit(commit("", -1, 0, 8, "")), [25]);
    let mut named = commit(&ids[0], 1, 0, 8, "");
    named.instance = Some("i".into());
    assert_eq!(stage.commit(named), [25]);
    assert_eq!(stage.fetch(GROUP, "orders", 0), found(7, 5, ""));
    // What was read before a rebalance is committed while it goes on.
    stage.join(first_join());
    assert_eq!(stage.state(), "PreparingRebalance");
    assert_eq!(stage.commit(commit(&ids[0], 1, 0, 9, "")), [0]);
}

#[test]
fn partitions_that_do_not_exist_are_refused_alone() {
    let mut stage = Stage::new();
    let mut request = commit("", -1, 0, 7, "");
    let mut other = request.topics[0].partitions[0].clone();
    (other.index, other.error) = (99, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    request.topics[0].partitions.push(other);
    assert_eq!(stage.commit(request.clone()), [0, 3]);
    assert_eq!(stage.fetch(GROUP, "orders", 99), NOTHING);
    request.generation = 4;
    assert_eq!(stage.commit(request), [25, 3]);
    let partitions = vec![FetchPartition { index: 0, error: ErrorCode::UNKNOWN_TOPIC_ID }];
    let topics = vec![TopicOf { name: "orders".into(), id: [1; 16], partitions }];
    let asked = FetchGroup { group: GROUP.into(), topics: Some(topics) };
    let answer = fetch(&mut stage, vec![asked]);
    let partition = &answer[0].topics[0].partitions[0];
    assert_eq!((partition.error.0, partition.commit.offset), (100, -1));
}

#[test]
fn commits_have_limits() {
    let mut stage = Stage::new();
    assert_eq!(stage.commit(commit("", -1, 0, 7, &"m".repeat(4_096))), [0]);
    assert_eq!(stage.commit(commit("", -1, 0, 7, &"m".repeat(4_097))), [12]);
    assert_eq!(stage.coordinator.counts().rejected.commit_metadata_bytes, 1);

    let mut stage = limited(|limits| limits.commits = 4);
    assert_eq!(stage.coordinator.load(dead_cluster()), 0);
    let errors = [0, 1, 0].map(|partition| stage.commit(commit("", -1, partition, 7, ""))[0]);
    assert_eq!(errors, [0, 28, 0]);
    assert_eq!(stage.coordinator.counts().rejected.commits, 1);
    let mut stage = limited(|limits| limits.commits = 2);
    assert_eq!(stage.coordinator.load(dead_cluster()), 1);

    let mut stage = limited(|limits| limits.commit_bytes = 2_000);
    let long = "m".repeat(1_000);
    let errors = [0, 1, 0, 1].map(|index| stage.commit(commit("", -1, index, 7, &long))[0]);
    assert_eq!(errors, [0, 28, 0, 28]);
    assert_eq!(stage.commit(commit("", -1, 0, 7, "")), [0]);
    assert_eq!(stage.commit(commit("", -1, 1, 7, &long)), [0]);

    let mut stage = limited(|limits| limits.commit_bytes = 10 * 1_024);
    let of = |number: usize| OffsetCommit { group: number.to_string(), ..commit("", -1, 0, 7, "") };
    let kept = (0..100).take_while(|&number| stage.commit(of(number)) == [0]).count();
    assert!((10..20).contains(&kept), "a group with one commit costs what its maps take: {kept}");
}

/// All groups.
fn states(stage: &mut Stage) -> Vec<(String, &'static str)> {
    match stage.answer(GroupRequest::ListGroups(ListGroups::default())) {
        GroupAnswer::Listed(listed) => {
            listed.groups.iter().map(|group| (group.group.to_string(), group.state)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn groups_that_only_commit_do_not_keep_others_out() {
    let mut stage = limited(|limits| (limits.groups, limits.group_bytes) = (1, 4_096));
    for number in 0..20 {
        let group = format!("only-{number:02}");
        assert_eq!(stage.commit(OffsetCommit { group, ..commit("", -1, 0, 7, "") }), [0]);
    }
    assert_eq!(states(&mut stage).len(), 20);
    assert_eq!(states(&mut stage)[7], ("only-07".into(), "Empty"));
    let sizes = stage.coordinator.sizes();
    assert_eq!((sizes.groups, sizes.members, sizes.commits), (20, 0, 20));
    // The one group that may have members; whoever only commits still may.
    let ids = stage.form(1);
    let other = || JoinGroup { group: "other".into(), ..first_join() };
    assert_eq!(stage.join_error(other()), 81);
    assert_eq!(stage.commit(OffsetCommit { group: "x".into(), ..commit("", -1, 0, 7, "") }), [0]);
    assert_eq!(stage.commit(commit(&ids[0], 1, 0, 7, "")), [0]);
    assert_eq!(stage.coordinator.sizes().groups, 22);
    // Nobody is in it any more, so another takes its place, though it is remembered.
    assert_eq!(stage.leave(&[(&ids[0], None)]), [0]);
    assert_eq!(stage.commit(commit("", -1, 1, 8, "")), [0]);
    let joined = stage.join(other());
    assert!(stage.waits(joined));
    assert_eq!(stage.join_error(first_join()), 81);
    assert_eq!(stage.coordinator.counts().rejected.groups, 2);
    // What was committed stays when who committed is long gone.
    stage.at(10_000_000);
    assert_eq!(stage.fetch(GROUP, "orders", 0), found(7, 5, ""));
    assert_eq!(stage.fetch(GROUP, "orders", 1), found(8, 5, ""));
    assert!(states(&mut stage).contains(&(GROUP.into(), "Empty")));
    assert_eq!(stage.coordinator.sizes().groups, 22);
}

fn fetch(stage: &mut Stage, groups: Vec<FetchGroup>) -> Vec<GroupOffsets> {
    match stage.answer(GroupRequest::OffsetFetch(OffsetFetch { groups })) {
        GroupAnswer::Offsets(groups) => groups,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_dead_clusters_offsets_lie_beneath() {
    let mut stage = Stage::new();
    assert_eq!(stage.coordinator.load(dead_cluster()), 0);
    assert_eq!(stage.fetch(GROUP, "orders", 1), found(11, 2, "then"));
    assert_eq!(stage.fetch("d", "t", 0), found(1, 2, "then"));
    assert_eq!(stage.fetch("d", "orders", 0), NOTHING);
    assert_eq!(stage.commit(commit("", -1, 1, 100, "now")), [0]);
    assert_eq!(stage.commit(commit("", -1, 2, 200, "")), [0]);
    assert_eq!(stage.fetch(GROUP, "orders", 1), found(100, 5, "now"));
    let all = || FetchGroup { group: GROUP.into(), topics: None };
    let answer =
        fetch(&mut stage, vec![all(), all(), FetchGroup { group: "x".into(), topics: None }]);
    assert_eq!((answer.len(), answer[1].topics.len()), (2, 0), "a group is answered once");
    let partitions = answer[0].topics[0].partitions.iter();
    let offsets: Vec<_> = partitions.map(|found| (found.index, found.commit.offset)).collect();
    assert_eq!(
        (&*answer[0].topics[0].name, offsets),
        ("orders", vec![(0, 10), (1, 100), (2, 200)])
    );
    // Those of this run only.
    assert_eq!(stage.coordinator.new_commits().len(), 2);
}

#[test]
fn a_topic_made_anew_has_no_offsets_of_the_one_before_it() {
    let mut stage = Stage::new();
    let mut offset = dead(GROUP, "orders", 0, 10);
    offset.topic_id = [1; 16];
    stage.coordinator.load(DeadOffsets { offsets: vec![offset], ..DeadOffsets::default() });
    let ask = |stage: &mut Stage, id| {
        let partitions = vec![FetchPartition { index: 0, error: ErrorCode::NONE }];
        let topics = Some(vec![TopicOf { name: "orders".into(), id, partitions }]);
        let answer = fetch(stage, vec![FetchGroup { group: GROUP.into(), topics }]);
        answer[0].topics[0].partitions[0].commit.offset
    };
    assert_eq!([0, 1, 2].map(|byte| ask(&mut stage, [byte; 16])), [10, 10, -1]);
}

#[test]
fn the_dead_clusters_groups_are_empty() {
    let mut stage = Stage::new();
    stage.coordinator.load(dead_cluster());
    let list =
        |stage: &mut Stage| match stage.answer(GroupRequest::ListGroups(ListGroups::default())) {
            GroupAnswer::Listed(listed) => {
                let groups = listed.groups.iter();
                let fields = groups.map(|group| {
                    (group.group.to_string(), group.protocol_type.to_string(), group.state)
                });
                fields.collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        };
    let of_d = ("d".into(), "connect".into(), "Empty");
    assert_eq!(list(&mut stage), [of_d.clone(), (GROUP.into(), "".into(), "Empty")]);
    stage.form(1);
    assert_eq!(list(&mut stage), [of_d, (GROUP.into(), "consumer".into(), "Stable")]);
    let request =
        super::messages::DescribeGroups { groups: vec!["d".into()], unknown_is_error: true };
    match stage.answer(GroupRequest::DescribeGroups(request)) {
        GroupAnswer::Described(groups) => {
            assert_eq!((groups[0].error.0, groups[0].state), (0, "Empty"));
            assert_eq!((&*groups[0].protocol_type, groups[0].members.len()), ("connect", 0));
        }
        other => panic!("{other:?}"),
    }
}
