//! From the bytes of a request to the bytes of its answer, with a catalog of two topics.

use super::ask::{self, Topics};
use super::encode::{self, Form};
use super::load::{OFFSETS_TOPIC, read_all};
use super::messages::{
    Commit, Committed, DescribedGroup, FetchedPartition, GroupAnswer, GroupOffsets, GroupRequest,
    Joined, Leaving, Left, Synced, TopicOf,
};
use super::{DeadOffsets, ErrorCode};
use crate::format::checkpoint::Uuid;
use crate::serve::catalog::tests::of_directory;
use crate::serve::catalog::{Identity, Slot, Topic};
use crate::serve::queue::{Answer, Closing};
use crate::serve::wire::{Api, Opened, WireLimits, open};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

const ID: [u8; 16] = [7; 16];

/// `orders` has an id and the partitions 0 and 2, `old` has none and partition 0.
pub struct Two([Topic; 2]);

pub fn two() -> Two {
    let topic = |name: &str, id, indexes: &[i32]| Topic {
        name: name.into(),
        id: Uuid(id),
        is_internal: false,
        partitions: indexes.iter().map(|&index| (index, Slot::Missing)).collect::<BTreeMap<_, _>>(),
    };
    Two([topic("orders", ID, &[0, 2]), topic("old", [0; 16], &[0])])
}

impl Topics for Two {
    fn named(&self, name: &str) -> Option<&Topic> {
        self.0.iter().find(|topic| &*topic.name == name)
    }

    fn with_id(&self, id: Uuid) -> Option<&Topic> {
        self.0.iter().find(|topic| topic.id == id)
    }
}

/// Bytes of messages, in the form of flexible versions or of the others.
struct Bytes {
    flexible: bool,
    bytes: Vec<u8>,
}

impl Bytes {
    fn length(&mut self, length: usize) -> &mut Self {
        let byte = u8::try_from(length).unwrap();
        match self.flexible {
            true => self.bytes.push(byte + 1),
            false => self.bytes.extend([0, 0, 0, byte]),
        }
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        let byte = u8::try_from(text.len()).unwrap();
        match self.flexible {
            true => self.bytes.push(byte + 1),
            false => self.bytes.extend([0, byte]),
        }
        self.raw(text.as_bytes())
    }

    fn null(&mut self) -> &mut Self {
        let null: &[u8] = if self.flexible { &[0] } else { &[255, 255] };
        self.raw(null)
    }

    fn i16(&mut self, number: i16) -> &mut Self {
        self.raw(&number.to_be_bytes())
    }

    fn i32(&mut self, number: i32) -> &mut Self {
        self.raw(&number.to_be_bytes())
    }

    fn i64(&mut self, number: i64) -> &mut Self {
        self.raw(&number.to_be_bytes())
    }

    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
        self
    }

    fn tags(&mut self) -> &mut Self {
        let tags: &[u8] = if self.flexible { &[0] } else { &[] };
        self.raw(tags)
    }
}

fn bytes(flexible: bool) -> Bytes {
    Bytes { flexible, bytes: Vec::new() }
}

fn read(api: Api, version: i16, body: &Bytes) -> GroupRequest {
    let mut frame = bytes(body.flexible);
    frame.i16(api.key()).i16(version).i32(5).raw(&[0, 2]).raw(b"me").tags().raw(&body.bytes);
    let limits = WireLimits::STANDARD;
    let Opened::Body(header, mut reader) = open(&frame.bytes, &limits).unwrap() else {
        panic!("no body")
    };
    let request = ask::read(&two(), &header, &mut reader).unwrap();
    assert_eq!(reader.left(), 0);
    let client = ask::client(&header, IpAddr::from([127, 0, 0, 1]));
    assert_eq!((&*client.id, &*client.host), ("me", "/127.0.0.1"));
    request
}

/// The body of the answer, behind length, correlation id and tags.
fn written(answer: &GroupAnswer, api: Api, version: i16, flexible: bool) -> Vec<u8> {
    let form = Form { api, version, correlation_id: 5, response_bytes: 1000 };
    let bytes = encode::frame(answer, form, &two()).unwrap().concat();
    let (length, rest) = bytes.split_first_chunk().unwrap();
    assert_eq!(usize::try_from(u32::from_be_bytes(*length)).unwrap(), rest.len());
    let header: &[u8] = if flexible { &[0, 0, 0, 5, 0] } else { &[0, 0, 0, 5] };
    rest.strip_prefix(header).unwrap().to_vec()
}

fn commit(offset: i64, leader_epoch: i32, metadata: &str) -> Commit {
    Commit { offset, leader_epoch, metadata: metadata.into() }
}

#[test]
fn what_a_join_means_depends_on_its_version() {
    for version in 0..=9 {
        let mut body = bytes(version >= 6);
        body.text("g").i32(7000);
        if version >= 1 {
            body.i32(9000);
        }
        body.text("");
        if version >= 5 {
            body.text("static");
        }
        body.text("consumer").length(1).text("range").length(3).raw(b"abc").tags();
        if version >= 8 {
            body.null();
        }
        body.tags();
        let GroupRequest::JoinGroup(join) = read(Api::JoinGroup, version, &body) else { panic!() };
        let rebalance = if version == 0 { 7000 } else { 9000 };
        let timeouts = (join.session_timeout_ms, join.rebalance_timeout_ms);
        assert_eq!(timeouts, (7000, rebalance));
        assert_eq!(join.instance.as_deref(), (version >= 5).then_some("static"));
        let knows = (join.requires_member_id, join.can_skip_assignment);
        assert_eq!(knows, (version >= 4, version >= 9));
        assert_eq!((join.group.as_str(), join.protocol_type.as_str()), ("g", "consumer"));
        let [protocol] = &*join.protocols else { panic!() };
        assert_eq!((&*protocol.name, &*protocol.metadata), ("range", &b"abc"[..]));
    }
}

#[test]
fn a_join_that_fails_has_no_protocol() {
    let refused = Joined::error(ErrorCode::MEMBER_ID_REQUIRED, "new".into()).into();
    for version in 0..=9 {
        let mut body = bytes(version >= 6);
        if version >= 2 {
            body.i32(0);
        }
        body.i16(79).i32(-1);
        match version {
            0..7 => body.text(""),
            _ => body.null().null(),
        };
        body.text("");
        if version >= 9 {
            body.raw(&[0]);
        }
        body.text("new").length(0).tags();
        assert_eq!(written(&refused, Api::JoinGroup, version, version >= 6), body.bytes);
    }
}

#[test]
fn commits_of_what_is_not_served_are_refused() {
    for version in 2..=10 {
        let mut body = bytes(version >= 8);
        body.text("g").i32(-1).text("");
        if version >= 7 {
            body.null();
        }
        if version < 5 {
            body.i64(-1);
        }
        let keys: [&[u8]; 2] = if version >= 10 { [&ID, &[9; 16]] } else { [b"orders", b"none"] };
        body.length(2);
        for key in keys {
            match version >= 10 {
                true => body.raw(key),
                false => body.text(std::str::from_utf8(key).unwrap()),
            };
            body.length(2);
            for index in [1, 2] {
                body.i32(index).i64(40);
                if version >= 6 {
                    body.i32(3);
                }
                body.null().tags();
            }
            body.tags();
        }
        body.tags();
        let GroupRequest::OffsetCommit(asked) = read(Api::OffsetCommit, version, &body) else {
            panic!()
        };
        let errors: Vec<_> = asked
            .topics
            .iter()
            .map(|topic| {
                topic.partitions.iter().map(|partition| partition.error.0).collect::<Vec<_>>()
            })
            .collect();
        let unknown = if version >= 10 { 100 } else { 3 };
        assert_eq!(errors, [[3, 0], [unknown, unknown]]);
        assert_eq!(&*asked.topics[0].name, "orders");
        let epoch = if version >= 6 { 3 } else { -1 };
        assert_eq!(asked.topics[0].partitions[1].commit, commit(40, epoch, ""));

        let answer = GroupAnswer::from(asked.refused(ErrorCode::NONE));
        let mut expected = bytes(version >= 8);
        if version >= 3 {
            expected.i32(0);
        }
        expected.length(2);
        for (key, errors) in keys.iter().zip(errors) {
            match version >= 10 {
                true => expected.raw(key),
                false => expected.text(std::str::from_utf8(key).unwrap()),
            };
            expected.length(2).i32(1).i16(errors[0]).tags().i32(2).i16(errors[1]).tags().tags();
        }
        expected.tags();
        assert_eq!(written(&answer, Api::OffsetCommit, version, version >= 8), expected.bytes);
        let mut said = Vec::new();
        encode::errors(&answer, |code| said.push(code.0));
        assert_eq!(said, [3, unknown, unknown]);
    }
}

/// A request for one partition of a topic by its name, or by its id from version 10 on.
fn fetch(version: i16, topics: &[&str]) -> GroupRequest {
    let mut body = bytes(version >= 6);
    if version >= 8 {
        body.length(1);
    }
    body.text("g");
    if version >= 9 {
        body.null().i32(-1);
    }
    body.length(topics.len());
    for name in topics {
        match version >= 10 {
            true => body.raw(&id_of(name)),
            false => body.text(name),
        };
        body.length(1).i32(1).tags();
    }
    if version >= 8 {
        body.tags();
    }
    if version >= 7 {
        body.raw(&[0]);
    }
    body.tags();
    read(Api::OffsetFetch, version, &body)
}

fn id_of(name: &str) -> [u8; 16] {
    if name == "orders" { ID } else { [0; 16] }
}

#[test]
fn offsets_are_told_of_any_name_but_only_of_known_ids() {
    for version in 1..=10 {
        let GroupRequest::OffsetFetch(asked) = fetch(version, &["orders", "gone"]) else {
            panic!()
        };
        let topics = asked.groups[0].topics.as_ref().unwrap();
        let told = topics.iter().map(|topic| (&*topic.name, topic.partitions[0].error.0));
        let expected = if version >= 10 { ("", 100) } else { ("gone", 0) };
        assert_eq!(told.collect::<Vec<_>>(), [("orders", 0), expected]);
    }
}

#[test]
fn a_refusal_of_offsets_stands_where_the_version_has_a_place_for_it() {
    for version in 1..=10 {
        let GroupRequest::OffsetFetch(asked) = fetch(version, &["orders"]) else { panic!() };
        let answer = GroupAnswer::Offsets(asked.refused(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
        let mut expected = bytes(version >= 6);
        if version >= 3 {
            expected.i32(0);
        }
        match version {
            1 => expected.length(1).text("orders").length(1).i32(1).i64(-1).text("").i16(14),
            2..8 => expected.length(0).i16(14),
            _ => expected.length(1).text("g").length(0).i16(14).tags(),
        };
        expected.tags();
        assert_eq!(written(&answer, Api::OffsetFetch, version, version >= 6), expected.bytes);
    }
}

/// One group's commits in these topics.
fn offsets(topics: &[(&str, [u8; 16])]) -> GroupAnswer {
    let fetched =
        |index| FetchedPartition { index, error: ErrorCode::NONE, commit: commit(40, 3, "note") };
    let topics = topics.iter().map(|&(name, id)| TopicOf {
        name: name.into(),
        id,
        partitions: vec![fetched(1)],
    });
    let (group, topics) = ("g".into(), topics.collect());
    GroupAnswer::Offsets(vec![GroupOffsets { group, error: ErrorCode::NONE, topics }])
}

#[test]
fn topics_without_an_id_are_left_out_where_ids_are_spoken() {
    // As the coordinator answers who asks for all of a group.
    let all = offsets(&[("gone", [0; 16]), ("old", [0; 16]), ("orders", [0; 16])]);
    let mut expected = bytes(true);
    expected.i32(0).length(1).text("g").length(1).raw(&ID).length(1);
    expected.i32(1).i64(40).i32(3).text("note").i16(0).tags().tags().i16(0).tags().tags();
    assert_eq!(written(&all, Api::OffsetFetch, 10, true), expected.bytes);
    // By name all of them are told.
    let mut expected = bytes(true);
    expected.i32(0).length(1).text("g").length(3);
    for name in ["gone", "old", "orders"] {
        expected.text(name).length(1);
        expected.i32(1).i64(40).i32(3).text("note").i16(0).tags().tags();
    }
    expected.i16(0).tags().tags();
    assert_eq!(written(&all, Api::OffsetFetch, 9, true), expected.bytes);
    // An id that is not known is told back as it was asked for.
    let unknown = offsets(&[("", [9; 16]), ("", [0; 16])]);
    let bytes = written(&unknown, Api::OffsetFetch, 10, true);
    assert!([[9; 16], [0; 16]].iter().all(|id| bytes.windows(16).any(|window| window == id)));
}

#[test]
fn no_epoch_is_told_that_is_above_the_served_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/kafka-4.3.1");
    let (cluster_id, host) = ("a-cluster".to_owned(), "localhost".to_owned());
    let identity = Identity { cluster_id, node_id: 7, host, port: 9092 };
    let (catalog, _) = of_directory(&path, identity).unwrap();
    let topic = catalog.topic("epochs").unwrap();
    let Some(Slot::Served(served)) = topic.partition(0) else { panic!() };
    let current = served.leader_epoch;
    assert!(current > 0);
    let said = |version, name: &str, index, leader_epoch| {
        let commit = commit(40, leader_epoch, "");
        let partitions = vec![FetchedPartition { index, error: ErrorCode::NONE, commit }];
        let topics = vec![TopicOf { name: name.into(), id: topic.id.0, partitions }];
        let (group, error) = ("g".into(), ErrorCode::NONE);
        let answer = GroupAnswer::Offsets(vec![GroupOffsets { group, error, topics }]);
        let form = Form { api: Api::OffsetFetch, version, correlation_id: 5, response_bytes: 1000 };
        let bytes = encode::frame(&answer, form, &catalog).unwrap().concat();
        let offset = 40_i64.to_be_bytes();
        let at = bytes.windows(8).position(|window| window == offset).unwrap() + 8;
        i32::from_be_bytes(*bytes[at..].first_chunk().unwrap())
    };
    for version in 5..=10 {
        for epoch in [-1, 0, current - 1, current] {
            assert_eq!(said(version, "epochs", 0, epoch), epoch, "{version}");
        }
        for epoch in [current + 1, i32::MAX] {
            assert_eq!(said(version, "epochs", 0, epoch), -1, "{version}");
        }
    }
    // Of what is not served nobody knows better.
    assert_eq!(said(9, "gone", 0, current + 1), current + 1);
    assert_eq!(said(9, "epochs", 99, current + 1), current + 1);
}

#[test]
fn one_who_leaves_is_told_at_the_top_where_there_is_no_list() {
    let leaving = Leaving { member_id: "m".into(), instance: None };
    let members = vec![(leaving, ErrorCode::UNKNOWN_MEMBER_ID)];
    let answer = Left { error: ErrorCode::NONE, members }.into();
    for version in 0..=5 {
        let mut expected = bytes(version >= 4);
        if version >= 1 {
            expected.i32(0);
        }
        match version {
            0..3 => expected.i16(25),
            _ => expected.i16(0).length(1).text("m").null().i16(25).tags(),
        };
        expected.tags();
        assert_eq!(written(&answer, Api::LeaveGroup, version, version >= 4), expected.bytes);
    }
}

#[test]
fn an_unknown_group_is_described_as_its_version_has_it() {
    for version in 0..=6 {
        let mut body = bytes(version >= 5);
        body.length(1).text("g");
        if version >= 3 {
            body.raw(&[1]);
        }
        body.tags();
        let GroupRequest::DescribeGroups(asked) = read(Api::DescribeGroups, version, &body) else {
            panic!()
        };
        assert_eq!(
            (asked.groups.as_slice(), asked.unknown_is_error),
            (&["g".into()][..], version >= 6)
        );
        let error = if version >= 6 { ErrorCode::GROUP_ID_NOT_FOUND } else { ErrorCode::NONE };
        let answer = GroupAnswer::Described(vec![DescribedGroup {
            error,
            group: "g".into(),
            state: "Dead",
            protocol_type: "".into(),
            protocol: "".into(),
            members: Vec::new(),
        }]);
        let mut expected = bytes(version >= 5);
        if version >= 1 {
            expected.i32(0);
        }
        expected.length(1).i16(error.0);
        if version >= 6 {
            expected.text("Group g not found.");
        }
        expected.text("g").text("Dead").text("").text("").length(0);
        if version >= 3 {
            expected.i32(i32::MIN);
        }
        expected.tags().tags();
        assert_eq!(written(&answer, Api::DescribeGroups, version, version >= 5), expected.bytes);
    }
}

#[test]
fn an_answer_that_is_too_large_ends_the_connection() {
    let assignment: Arc<[u8]> = vec![0; 2000].into();
    let error = ErrorCode::NONE;
    let answer = Synced { error, protocol_type: None, protocol: None, assignment }.into();
    let form = Form { api: Api::SyncGroup, version: 5, correlation_id: 5, response_bytes: 1000 };
    let Answer::Close(closing) = encode::encode(&answer, form, &two()) else { panic!() };
    assert_eq!(closing, Closing::Rejected("response_bytes"));
    let none = Committed { topics: Vec::new() }.into();
    let form = Form { api: Api::OffsetCommit, version: 2, ..form };
    assert!(matches!(encode::encode(&none, form, &two()), Answer::Send(_)));
}

#[test]
fn hosts_are_written_as_java_writes_them() {
    let header = open(&[0, 12, 0, 0, 0, 0, 0, 5, 255, 255], &WireLimits::STANDARD).map(|opened| {
        let Opened::Body(header, _) = opened else { panic!() };
        ["127.0.0.1", "::1", "::ffff:10.0.0.7", "2001:db8::a0"].map(|address| {
            let client = ask::client(&header, address.parse().unwrap());
            assert_eq!(&*client.id, "");
            client.host.to_string()
        })
    });
    let expected = ["/127.0.0.1", "/0:0:0:0:0:0:0:1", "/10.0.0.7", "/2001:db8:0:0:0:0:0:a0"];
    assert_eq!(header.unwrap(), expected);
}

#[test]
fn what_no_disk_holds_is_said() {
    let offsets = |indexes: &[i32]| Topic {
        name: OFFSETS_TOPIC.into(),
        id: Uuid::ZERO,
        is_internal: true,
        partitions: indexes.iter().map(|&index| (index, Slot::Missing)).collect(),
    };
    let limits = crate::limits::Limits::STANDARD;
    let read = |topic| read_all(topic, limits, 10, |_: DeadOffsets| true);
    let none = read(None);
    assert_eq!(none.to_string(), "none with committed offsets (__consumer_offsets is not here)");
    let missing = read(Some(&offsets(&[0, 1])));
    let text = "0 with committed offsets (0 of 2 partitions of __consumer_offsets are here)";
    assert_eq!(missing.to_string(), text);
}
