//! The catalog of real brokers' directories against what the brokers answered, and what the other
//! tests of it share.

use super::{Catalog, Choice, Identity, Partition, Replica, Slot, TimestampHit, build, not_served};
use crate::error::{self, Error};
use crate::format::checkpoint::{LeaderEpochs, Uuid};
use crate::format::{Batch, Offset, Position};
use crate::limits::Limits;
use crate::log::loaded::{Loaded, LoadedTail, TailCheck};
use crate::log::names::OffsetCheckpoint;
use crate::log::partition::PartitionDir;
use crate::log::{LogDirContext, find};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

pub(super) const BROKERS: [&str; 5] =
    ["kafka-2.8.2", "kafka-3.9.2", "kafka-4.3.1", "kafka-4.3.1-killed", "kafka-4.4.0"];

pub(super) fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

/// Everything that is served at `path` and below, each directory by itself.
pub fn of_directory(path: &Path, identity: Identity) -> error::Result<(Catalog, Vec<Choice>)> {
    let found = find(path)?;
    if let Some(error) = found.errors.into_iter().next() {
        return Err(error);
    }
    let context = |path: &PathBuf| Arc::new(LogDirContext::read(path));
    let log_dirs: Vec<_> = found.log_dirs.iter().map(context).collect();
    let mut contexts: HashMap<PathBuf, Arc<LogDirContext>> =
        log_dirs.iter().map(|context| (context.path().to_owned(), Arc::clone(context))).collect();
    let mut replicas = Vec::new();
    for partition in &found.partitions {
        let dir = PartitionDir::open(partition)?;
        if not_served(dir.name.as_ref()).is_some() {
            continue;
        }
        let context = dir
            .log_dir()
            .map(|log_dir| Arc::clone(contexts.entry(log_dir).or_insert_with_key(context)));
        let (check, limits) = (TailCheck::Tail, Limits::STANDARD);
        replicas.push(Replica::load(partition, context, check, limits, false)?);
    }
    build(replicas, identity, &log_dirs).map_err(|conflicts| {
        let sentences: Vec<_> = conflicts.iter().map(ToString::to_string).collect();
        Error::other("serving", path, sentences.join("; "))
    })
}

pub(super) fn identity() -> Identity {
    let (cluster_id, host) = ("cluster".to_owned(), "localhost".to_owned());
    Identity { cluster_id, node_id: 1, host, port: 9092 }
}

/// What loading finds, by reading everything: in files without damage.
pub(super) fn naive(dir: &PartitionDir, checkpoint: Option<Offset>) -> Loaded {
    let log_start = dir.log_start_offset(checkpoint).unwrap_or_default();
    let mut loaded = Loaded {
        log_start,
        log_end: log_start,
        valid_end: Position(0),
        tail: LoadedTail::Clean,
        epochs: LeaderEpochs::new([]),
        leader_epoch: -1,
        holes: Vec::new(),
        max_timestamp: None,
        recovery_point: None,
    };
    if let Some(last) = dir.segments.last() {
        loaded.log_end = last.base_offset;
        let bytes = std::fs::read(&last.log.path).unwrap();
        for batch in crate::format::Batches::new(&bytes, Position(0)).map_while(Result::ok) {
            (loaded.log_end, loaded.valid_end) = (batch.next_offset(), batch.end());
            let max = Some(batch.max_timestamp()).filter(|&max| max >= 0);
            loaded.max_timestamp = loaded.max_timestamp.max(max);
        }
    }
    loaded
}

pub(super) fn replica(path: &Path) -> Replica {
    let dir = PartitionDir::open(path).unwrap();
    let context = LogDirContext::read(path.parent().unwrap());
    let name = dir.name.as_ref().map(|name| &name.topic_partition);
    let checkpoint = name.and_then(|name| context.offset(OffsetCheckpoint::LogStart, name));
    let loaded = naive(&dir, checkpoint);
    let (log_dir, limits) = (Some(Arc::new(context)), Limits::STANDARD);
    Replica { dir, log_dir, topic_id: None, loaded, skip_damaged: false, limits }
}

/// All replicas of all brokers.
pub(super) fn replicas() -> Vec<Replica> {
    let mut found = Vec::new();
    for broker in BROKERS {
        found.extend(replicas_of(&testdata().join(broker)));
    }
    assert!(found.len() > 100);
    found
}

pub(super) fn replicas_of(log_dir: &Path) -> Vec<Replica> {
    let partitions = crate::log::find(log_dir).unwrap().partitions;
    let is_served =
        |path: &&PathBuf| not_served(PartitionDir::open(path).unwrap().name.as_ref()).is_none();
    partitions.iter().filter(is_served).map(|path| replica(path)).collect()
}

pub(super) fn catalog(replicas: Vec<Replica>) -> Catalog {
    build(replicas, identity(), &[]).unwrap().0
}

/// The one partition of one replica.
pub(super) fn partition(replica: Replica) -> Arc<Partition> {
    let catalog = catalog(vec![replica]);
    let slot = catalog.topics()[0].partitions.values().find_map(|slot| match slot {
        Slot::Served(partition) => Some(Arc::clone(partition)),
        Slot::Missing => None,
    });
    slot.unwrap()
}

fn hit(offset: &Value, timestamp: &Value, epoch: &Value) -> Option<TimestampHit> {
    let offset = offset.as_i64().filter(|&offset| offset >= 0)?;
    let leader_epoch = epoch.as_i64().map_or(-1, |epoch| i32::try_from(epoch).unwrap());
    Some(TimestampHit { timestamp: timestamp.as_i64()?, offset: Offset(offset), leader_epoch })
}

/// Every answer that the brokers gave about times and ends.
#[test]
fn as_the_brokers_answered() {
    let mut times = 0;
    for broker in BROKERS {
        let mut replicas = replicas_of(&testdata().join(broker));
        for files in replicas.iter_mut().flat_map(|replica| &mut replica.dir.segments) {
            // A copy does not keep the times, and those of the brokers were before all records.
            files.log.modified = Some(UNIX_EPOCH + Duration::from_millis(1));
        }
        let catalog = catalog(replicas);
        let answers = testdata().join("expected").join(broker).join("offsets.jsonl");
        for line in std::fs::read_to_string(answers).unwrap().lines() {
            let answer: Value = serde_json::from_str(line).unwrap();
            let topic = catalog.topic(answer["topic"].as_str().unwrap()).unwrap();
            let index = i32::try_from(answer["partition"].as_i64().unwrap()).unwrap();
            let Some(Slot::Served(partition)) = topic.partition(index) else { panic!("{line}") };
            assert_eq!(partition.log_start.0, answer["earliest"][0], "{line}");
            assert_eq!(partition.log_end.0, answer["highWatermark"][0], "{line}");
            if let Some([offset, timestamp, epoch]) =
                answer["maxTimestamp"].as_array().map(|a| &a[..])
            {
                let found = partition.max_timestamp().unwrap();
                assert_eq!(found, hit(offset, timestamp, epoch), "{broker} {line}");
            }
            for asked in answer["times"].as_array().unwrap() {
                let found = partition.by_time(asked[0].as_i64().unwrap()).unwrap();
                assert_eq!(found, hit(&asked[1], &asked[2], &asked[3]), "{broker} {asked} {line}");
                times += 1;
            }
        }
    }
    assert!(times > 1000);
}

/// Damage in the way of a search by time is stepped over: the first record that can be read and is
/// young enough is the answer.
#[test]
fn a_search_by_time_steps_over_damage() {
    let root = tempfile::tempdir().unwrap();
    let path = testdata().join("kafka-4.3.1/codec-lz4-0");
    let mut checked = 0;
    for files in PartitionDir::open(&path).unwrap().segments {
        let bytes = std::fs::read(&files.log.path).unwrap();
        let batches: Vec<_> = crate::format::Batches::new(&bytes, Position(0))
            .map_while(Result::ok)
            .map(|batch| (batch.position(), batch.end(), batch.base_offset(&mut scratch())))
            .collect();
        for (start, end, base) in &batches {
            // The checksum, the magic, and the length.
            for at in [17, 16, 9] {
                let mut damaged = bytes.clone();
                damaged[usize::try_from(start.0).unwrap() + at] ^= 0x10;
                let dir = root.path().join("codec-lz4-0");
                std::fs::create_dir_all(&dir).unwrap();
                let name = files.log.path.file_name().unwrap();
                std::fs::write(dir.join(name), &damaged).unwrap();
                let mut replica = replica(&dir);
                let whole = naive(&PartitionDir::open(&path).unwrap(), None);
                let next = end.0 == bytes.len() as u64;
                replica.loaded.log_end = whole.log_end;
                replica.loaded.valid_end = Position(bytes.len() as u64);
                replica.loaded.max_timestamp = Some(i64::MAX);
                let partition = partition(replica);
                let first = |from: &Position| {
                    let rest = &bytes[usize::try_from(from.0).unwrap()..];
                    Batch::parse(rest, *from).unwrap().base_offset(&mut scratch()).unwrap()
                };
                let expected = if *start == Position(0) {
                    (!next).then(|| first(end))
                } else {
                    Some(first(&Position(0)))
                };
                let found = partition.by_time(0).unwrap().map(|hit| hit.offset);
                assert_eq!(found, expected, "{at} of {base:?}");
                checked += 1;
                std::fs::remove_dir_all(&dir).unwrap();
            }
        }
    }
    assert!(checked > 30);
}

/// A segment that is gone, and its time index too, is left out: the others answer as before.
#[test]
fn a_search_by_time_leaves_out_what_cannot_be_read() {
    let path = testdata().join("kafka-4.3.1/lookup-0");
    let sound = partition(replica(&path));
    let last = sound.max_timestamp().unwrap().unwrap();
    let before = sound.by_time(last.timestamp).unwrap();
    assert!(before.is_some() && sound.segments().len() > 3);
    let mut replica = replica(&path);
    let gone = &mut replica.dir.segments[1];
    gone.time_index = None;
    gone.log.path = path.join("gone");
    // Its file is younger than every record.
    gone.log.modified = Some(UNIX_EPOCH + Duration::from_secs(1 << 40));
    let partition = partition(replica);
    for _ in 0..2 {
        assert_eq!(partition.by_time(last.timestamp).unwrap(), before);
        assert_eq!(partition.max_timestamp().unwrap(), Some(last));
        assert!(partition.by_time(0).unwrap().is_some());
    }
}

/// What no index and no log tells: ids, log dirs and slots.
#[test]
fn a_whole_log_dir() {
    let path = testdata().join("kafka-4.3.1");
    let (catalog, choices) = of_directory(&path, identity()).unwrap();
    assert_eq!((choices.len(), &catalog.log_dirs[..]), (0, &[path.clone()][..]));
    for topic in catalog.topics() {
        assert!(topic.id != Uuid::ZERO, "{}", topic.name);
        assert_eq!(catalog.topic_by_id(topic.id).unwrap().name, topic.name);
    }
    let slots = &catalog.topic("meta-kept").unwrap().partitions;
    assert_eq!(slots.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3]);
    let sentence = of_directory(&testdata(), identity()).unwrap_err().to_string();
    assert!(sentence.contains("topic shapes has") && sentence.contains("ids: "), "{sentence}");
    let (catalog, _) = of_directory(&path.join("shapes-1"), identity()).unwrap();
    let shapes = catalog.topic("shapes").unwrap();
    assert!(matches!(shapes.partition(0), Some(Slot::Missing)));
    assert!(matches!(shapes.partition(1), Some(Slot::Served(_))));
}

fn scratch() -> crate::format::Scratch {
    crate::format::Scratch::new(1 << 26)
}
