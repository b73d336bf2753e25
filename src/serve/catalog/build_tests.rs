//! Which copy is served, what is missing, and what does not belong together.

use super::build::Reason;
use super::tests::{identity, testdata};
use super::{Catalog, Choice, Conflict, NotServed, Replica, Slot, build, not_served};
use crate::format::checkpoint::{LeaderEpochs, Uuid};
use crate::format::{Offset, Position};
use crate::limits::Limits;
use crate::log::LogDirContext;
use crate::log::loaded::{Hole, Loaded, LoadedTail};
use crate::log::names::{FileName, PartitionDirName};
use crate::log::partition::{FileEntry, NamedFile, PartitionDir};
use crate::log::segment::SegmentFiles;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const A: Uuid = Uuid([0xa; 16]);
const B: Uuid = Uuid([0xb; 16]);

/// A replica of no files.
fn made(path: &str, epoch: i32, end: i64, id: Option<Uuid>) -> Replica {
    let mut dir = PartitionDir::empty(Path::new(path));
    let name = dir.path().file_name().unwrap().to_str().unwrap();
    dir.name = PartitionDirName::parse(name);
    let loaded = Loaded {
        log_start: Offset(0),
        log_end: Offset(end),
        valid_end: Position(0),
        tail: LoadedTail::Clean,
        epochs: LeaderEpochs::new([]),
        leader_epoch: epoch,
        holes: Vec::new(),
        max_timestamp: None,
        recovery_point: None,
    };
    let limits = Limits::STANDARD;
    Replica { dir, log_dir: None, topic_id: id, loaded, skip_damaged: false, limits }
}

impl Replica {
    fn ending(mut self, epoch: i32, end: i64) -> Self {
        (self.loaded.leader_epoch, self.loaded.log_end) = (epoch, Offset(end));
        self
    }
}

fn built(replicas: Vec<Replica>) -> (Catalog, Vec<Choice>) {
    build(replicas, identity(), &[]).unwrap()
}

/// A log dir with these lines of partitions and offsets in its checkpoint of high watermarks.
fn context(root: &Path, name: &str, lines: &[&str], is_clean: bool) -> Arc<LogDirContext> {
    let path = root.join(name);
    std::fs::create_dir_all(&path).unwrap();
    let text = format!("0\n{}\n{}\n", lines.len(), lines.join("\n"));
    std::fs::write(path.join("replication-offset-checkpoint"), text).unwrap();
    if is_clean {
        std::fs::write(path.join(".kafka_cleanshutdown"), "{}").unwrap();
    }
    Arc::new(LogDirContext::read(&path))
}

/// Each partition's number, and the path that it is served from.
fn slots(catalog: &Catalog, topic: &str) -> Vec<(i32, Option<PathBuf>)> {
    let slot = |slot: &Slot| match slot {
        Slot::Served(partition) => Some(partition.dir().path().to_owned()),
        Slot::Missing => None,
    };
    let partitions = &catalog.topic(topic).unwrap().partitions;
    partitions.iter().map(|(&index, found)| (index, slot(found))).collect()
}

#[test]
fn the_best_copy_is_served() {
    let root = tempfile::tempdir().unwrap();
    let clean = context(root.path(), "clean", &[], true);
    let killed = context(root.path(), "killed", &[], false);
    // Epoch, end, clean; the copies in the order in which they are to be preferred.
    let cases = [
        ((4, 900, false), (3, 950, true), "its leader epoch is 3, not 4"),
        ((3, 951, false), (3, 950, true), "it ends at 950, not 951"),
        ((3, 950, true), (3, 950, false), "its broker did not stop in good order"),
        ((3, 950, false), (3, 950, false), "it is as good"),
        ((0, 0, false), (-1, 950, true), "its leader epoch is -1, not 0"),
    ];
    for (better, worse, sentence) in cases {
        let make = |path: &str, (epoch, end, is_clean)| {
            let log_dir = Some(if is_clean { &clean } else { &killed });
            Replica { log_dir: log_dir.cloned(), ..made(path, epoch, end, None) }
        };
        let is_tie = sentence == "it is as good";
        let paths = [("/a/orders-0", "/b/orders-0"), ("/b/orders-0", "/a/orders-0")];
        for (first, second) in paths.into_iter().take(if is_tie { 1 } else { 2 }) {
            for swap in [false, true] {
                let mut replicas = vec![make(first, better), make(second, worse)];
                if swap {
                    replicas.reverse();
                }
                let (catalog, choices) = built(replicas);
                assert_eq!(slots(&catalog, "orders"), [(0, Some(first.into()))]);
                let expected =
                    format!("orders-0 is served from {first}, not from {second}: {sentence}");
                assert_eq!(choices.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
            }
        }
    }
    // Damage counts for more than how the broker stopped, and less than the end.
    let hole = |bytes| Hole { segment: 0, start: Position(100), end: Position(100 + bytes) };
    let damaged = |path: &str, holes: &[u64], size, tail, lost: usize| {
        let mut replica = made(path, 3, 950, None);
        let file = FileEntry { path: PathBuf::from(path), size, modified: None };
        let name = FileName::parse("00000000000000000000.log").unwrap();
        let named = NamedFile { name, file };
        replica.dir.unreadable = vec![named.clone(); lost];
        replica.dir.segments = vec![SegmentFiles::new(Offset(0), named.file)];
        replica.loaded.holes = holes.iter().map(|bytes| hole(*bytes)).collect();
        replica.loaded.valid_end = Position(600);
        (replica.loaded.tail, replica.log_dir) = (tail, Some(Arc::clone(&clean)));
        replica
    };
    let (a, b) = ("/a/orders-0", "/b/orders-0");
    let (sound, torn) = (LoadedTail::Clean, LoadedTail::Torn);
    // Whether it is better than one with a hole of twelve bytes, and what is said of the other.
    let cases = [
        (damaged(a, &[], 600, sound, 0), true, "damaged bytes of it: 12, not 0"),
        (damaged(a, &[5, 6], 700, LoadedTail::Zeros, 0), true, "damaged bytes of it: 12, not 11"),
        (damaged(a, &[], 611, LoadedTail::Damaged, 0), true, "damaged bytes of it: 12, not 11"),
        (damaged(a, &[12], 700, torn, 0), true, "it is as good"),
        (damaged(a, &[], 613, LoadedTail::Damaged, 0), false, "damaged bytes of it: 13, not 12"),
        (damaged(a, &[], 600, sound, 1), false, "segments of it that cannot be read: 1, not 0"),
        (damaged(a, &[], 600, sound, 0).ending(3, 949), false, "it ends at 949, not 950"),
        (damaged(a, &[99], 600, sound, 1).ending(3, 951), true, "it ends at 950, not 951"),
        (damaged(a, &[99], 600, sound, 1).ending(4, 0), true, "its leader epoch is 3, not 4"),
    ];
    for (replica, is_better, sentence) in cases {
        let (_, choices) = built(vec![damaged(b, &[12], 600, sound, 0), replica]);
        let said = choices[0].others[0].1.to_string();
        assert_eq!((choices[0].served == Path::new(a), &*said), (is_better, sentence));
    }
    let killed_but_sound = Replica { log_dir: Some(killed), ..made(b, 3, 950, None) };
    let (_, choices) = built(vec![damaged(a, &[1], 600, sound, 0), killed_but_sound]);
    assert_eq!(choices[0].served, Path::new(b));
    let three = ["/c/orders-0", "/a/orders-0", "/b/orders-0"].map(|path| made(path, 1, 7, None));
    let (catalog, choices) = built(three.into());
    assert_eq!(slots(&catalog, "orders"), [(0, Some("/a/orders-0".into()))]);
    let [choice] = &choices[..] else { panic!("{choices:?}") };
    assert_eq!(
        choice.others,
        ["/b/orders-0", "/c/orders-0"].map(|path| (path.into(), Reason::Path))
    );
    assert_eq!(built(vec![made("/a/orders-0", 1, 7, None)]).1, []);
}

#[test]
fn what_no_disk_holds_is_missing() {
    let root = tempfile::tempdir().unwrap();
    let lines = ["orders 5 100", "gone 3 7", "big 7 0"];
    let first = context(root.path(), "first", &lines, true);
    let second = context(root.path(), "second", &["orders 2 9"], true);
    let in_first =
        |path: &str| Replica { log_dir: Some(Arc::clone(&first)), ..made(path, 0, 0, None) };
    let replicas = vec![
        in_first("/a/orders-0"),
        in_first("/a/orders-3"),
        in_first("/a/big-2147483647"),
        made("/a/few-2", 0, 0, None),
    ];
    let (catalog, _) = build(replicas, identity(), &[second]).unwrap();
    let names: Vec<_> = catalog.topics().iter().map(|topic| topic.name.as_ref()).collect();
    assert_eq!(names, ["big", "few", "orders"]);
    let served = |path: &str| Some(PathBuf::from(path));
    assert_eq!(
        slots(&catalog, "orders"),
        [
            (0, served("/a/orders-0")),
            (1, None),
            (2, None),
            (3, served("/a/orders-3")),
            (4, None),
            (5, None)
        ]
    );
    assert_eq!(slots(&catalog, "few"), [(0, None), (1, None), (2, served("/a/few-2"))]);
    // Not two thousand million of them.
    assert_eq!(slots(&catalog, "big"), [(7, None), (i32::MAX, served("/a/big-2147483647"))]);
    assert!(catalog.topic("gone").is_none());
    let Some(Slot::Served(partition)) = catalog.topic("few").unwrap().partition(2) else {
        panic!()
    };
    // Its directory is in none of the log dirs that were found.
    assert_eq!(catalog.log_dirs[partition.log_dir], Path::new("/a"));
    assert_eq!(catalog.log_dirs[0], root.path().join("second"));
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let conflicts = |replicas| build(replicas, identity(), &[]).unwrap_err();
    let (a, b) = ("/a/orders-0", "/b/orders-0");
    for other in [b, "/b/orders-1"] {
        let found = conflicts(vec![made(other, 0, 0, Some(B)), made(a, 9, 9, Some(A))]);
        let ids = vec![(A, a.into()), (B, other.into())];
        assert_eq!(found, [Conflict::TopicIds { topic: "orders".to_owned(), ids }]);
        assert_eq!(
            found[0].to_string(),
            format!(
                "topic orders has 2 ids: {A} in {a}, {B} in {other}; they are different topics, \
                 so serve them one by one"
            )
        );
    }
    let found = conflicts(vec![made(a, 0, 0, Some(A)), made("/a/copy-0", 0, 0, Some(A))]);
    let names =
        vec![("copy".to_owned(), "/a/copy-0".into()), ("orders".to_owned(), PathBuf::from(a))];
    assert_eq!(found, [Conflict::Names { id: A, names }]);
    assert!(found[0].to_string().starts_with(&format!("topic id {A} has 2 names: copy in")));
    // All of them are said.
    let many = [(a, A), (b, B), ("/a/x-0", A), ("/b/y-0", B)];
    let many = many.map(|(path, id)| made(path, 0, 0, Some(id)));
    assert_eq!(conflicts(many.into()).len(), 3);
    // One that says nothing goes with any.
    let (catalog, _) = built(vec![made(a, 0, 0, None), made("/b/orders-1", 0, 0, Some(A))]);
    assert_eq!(catalog.topic_by_id(A).unwrap().name.as_ref(), "orders");
    assert_eq!(catalog.topic("orders").unwrap().id, A);
}

#[test]
fn directories_that_are_not_in_service_are_left_out() {
    let cases = [
        ("/a/orders-0", None),
        ("/a/orders", Some("its name is no partition's")),
        ("/a/orders--1", None),
        ("/a/__cluster_metadata-0", Some("it holds the cluster's metadata, which no client reads")),
        ("/a/orders-0.5c0e-delete", Some("it was about to be deleted")),
        ("/a/orders-0.5c0e-future", Some("it is a copy that was not finished")),
        ("/a/orders-0.5c0e-stray", Some("it was not assigned to its broker")),
    ];
    for (path, sentence) in cases {
        let replica = made(path, 0, 0, Some(A));
        let why = not_served(replica.dir.name.as_ref()).as_ref().map(NotServed::to_string);
        assert_eq!(why.as_deref(), sentence, "{path}");
        let (catalog, _) = built(vec![replica]);
        assert_eq!(catalog.topics().len(), usize::from(sentence.is_none()));
        assert_eq!(catalog.topic_by_id(A).is_some(), sentence.is_none());
    }
    let internal = ["/a/__consumer_offsets-0", "/a/__share_group_state-0", "/a/orders-0"];
    let (catalog, _) = built(internal.map(|path| made(path, 0, 0, None)).into());
    let internal: Vec<_> = catalog.topics().iter().map(|topic| topic.is_internal).collect();
    assert_eq!(internal, [true, true, false]);
    assert!(catalog.topic_by_id(Uuid::ZERO).is_none(), "no id is none");
}

#[test]
fn segments_end_where_the_next_begins_and_the_last_where_it_is_valid() {
    let mut replica = made("/a/orders-0", 0, 250, None);
    let mut other = made("/a/orders-1", 0, 7, None);
    let segment = |base: i64| {
        let path = PathBuf::from(format!("/a/orders-0/{base:020}.log"));
        let (offset, modified) = (Offset(base), None);
        SegmentFiles::new(offset, FileEntry { path, size: 1000, modified })
    };
    // The last one is behind what can be read.
    replica.dir.segments = [0, 100, 200, 300].map(segment).into();
    other.dir.segments = [0, 7].map(segment).into();
    let hole = |segment, start| Hole { segment, start: Position(start), end: Position(start + 9) };
    replica.loaded.holes = vec![hole(0, 10), hole(0, 30), hole(2, 40), hole(3, 50)];
    replica.loaded.valid_end = Position(700);
    let (catalog, _) = built(vec![replica, other]);
    let topic = catalog.topic("orders").unwrap();
    let Some(Slot::Served(partition)) = topic.partition(0) else { panic!() };
    let found = partition.segments().iter().map(|segment| {
        (segment.id.0, segment.base.0, segment.next_base.0, segment.end.0, segment.holes.len())
    });
    let expected = [(0, 0, 100, 1000, 2), (1, 100, 200, 1000, 0), (2, 200, 250, 700, 1)];
    assert_eq!(found.collect::<Vec<_>>(), expected);
    assert_eq!(partition.bytes, 4000);
    let Some(Slot::Served(partition)) = topic.partition(1) else { panic!() };
    let found = partition
        .segments()
        .iter()
        .map(|segment| (segment.id.0, segment.base.0, segment.next_base.0, segment.end.0));
    // Nothing was written to the last one yet.
    assert_eq!(found.collect::<Vec<_>>(), [(3, 0, 7, 1000), (4, 7, 7, 0)]);
}

#[test]
fn every_topic_of_a_real_log_dir() {
    let replicas = super::tests::replicas_of(&testdata().join("kafka-4.3.1"));
    let count = replicas.len();
    let (catalog, choices) = built(replicas);
    let served = catalog.topics().iter().flat_map(|topic| topic.partitions.values());
    assert_eq!(served.filter(|slot| matches!(slot, Slot::Served(_))).count(), count);
    assert_eq!(choices, []);
    assert!(catalog.topic("meta-gone").is_none() && catalog.topic("__cluster_metadata").is_none());
}
