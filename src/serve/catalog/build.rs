//! From what the disks hold to what is served. Pure: nothing is opened.
//!
//! ```text
//!   /a/orders-0  epoch 4, end 900      chosen: its epoch is higher
//!   /b/orders-0  epoch 3, end 950               else the longer, the less damaged one
//!   /b/orders-1                        the only one
//!                      orders-2        missing: a checkpoint names it, or orders-3 is there
//!   /a/orders-3
//! ```
//!
//! Copies of one partition belong together when their topic has one id. If they do not, or one id
//! has two names, somebody mixed two clusters, and nothing is served.

use super::retried::Retried;
use super::{Catalog, Partition, Replica, ServedSegment, Slot, Topic};
use crate::format::Position;
use crate::format::checkpoint::Uuid;
use crate::log::LogDirContext;
use crate::log::loaded::LoadedTail;
use crate::log::names::{PartitionDirName, PartitionDirSuffix, TopicPartition};
use crate::log::partition::PartitionDir;
use crate::serve::files::SegmentId;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// Gaps between partitions are listed where the highest number is below this.
const GAPS_BELOW: i32 = 10_000;

/// Topics that are Kafka's own.
const INTERNAL: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];

/// Whether a topic of this name is Kafka's own.
#[must_use]
pub fn is_internal(topic: &str) -> bool {
    INTERNAL.contains(&topic)
}

/// The topic whose records are the cluster's metadata.
const CLUSTER_METADATA: &str = "__cluster_metadata";

/// Who the server says that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster's id.
    pub cluster_id: String,
    /// The one broker's node id.
    pub node_id: i32,
    /// Where clients find it.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// Why a directory is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotServed {
    /// It does not have a partition's name.
    Name,
    /// Its name says that it is not in service.
    Suffix(PartitionDirSuffix),
    /// It holds the cluster's metadata, which only controllers read.
    ClusterMetadata,
}

impl fmt::Display for NotServed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "its name is no partition's",
            Self::Suffix(PartitionDirSuffix::Delete) => "it was about to be deleted",
            Self::Suffix(PartitionDirSuffix::Future) => "it is a copy that was not finished",
            Self::Suffix(PartitionDirSuffix::Stray) => "it was not assigned to its broker",
            Self::ClusterMetadata => "it holds the cluster's metadata, which no client reads",
        })
    }
}

/// Why a directory of this name is not served; `None` for one that is.
#[must_use]
pub fn not_served(name: Option<&PartitionDirName>) -> Option<NotServed> {
    let Some(name) = name else { return Some(NotServed::Name) };
    if name.topic_partition.partition < 0 {
        return Some(NotServed::Name);
    }
    if name.topic_partition.topic == CLUSTER_METADATA {
        return Some(NotServed::ClusterMetadata);
    }
    name.suffix.map(NotServed::Suffix)
}

/// A choice among copies of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Which partition.
    pub partition: TopicPartition,
    /// The copy that is served.
    pub served: PathBuf,
    /// The copies that are not, and what the one that is served has before each of them.
    pub others: Vec<(PathBuf, Reason)>,
}

/// What one copy has before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A higher leader epoch: a later leader wrote to it.
    LeaderEpoch {
        /// That of the one that is served.
        served: i32,
        /// The other's.
        other: i32,
    },
    /// It is longer.
    LogEnd {
        /// The log end of the one that is served.
        served: i64,
        /// The other's.
        other: i64,
    },
    /// Fewer of its segments are no files.
    Segments {
        /// How many of the one that is served.
        served: usize,
        /// The other's.
        other: usize,
    },
    /// Less of it is damaged, as far as loading it found out.
    Damage {
        /// Bytes of the one that is served.
        served: u64,
        /// The other's.
        other: u64,
    },
    /// Its broker stopped in good order.
    CleanShutdown,
    /// They are equal; its path comes first.
    Path,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeaderEpoch { served, other } => {
                write!(f, "its leader epoch is {other}, not {served}")
            }
            Self::LogEnd { served, other } => write!(f, "it ends at {other}, not {served}"),
            Self::Segments { served, other } => {
                write!(f, "segments of it that cannot be read: {other}, not {served}")
            }
            Self::Damage { served, other } => {
                write!(f, "damaged bytes of it: {other}, not {served}")
            }
            Self::CleanShutdown => f.write_str("its broker did not stop in good order"),
            Self::Path => f.write_str("it is as good"),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is served from {}", self.partition, self.served.display())?;
        for (index, (path, reason)) in self.others.iter().enumerate() {
            let joint = if index == 0 { ", not from" } else { ";" };
            write!(f, "{joint} {}: {reason}", path.display())?;
        }
        Ok(())
    }
}

/// Directories that do not belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// One topic has several ids.
    TopicIds {
        /// Its name.
        topic: String,
        /// Its ids, and a directory that says each.
        ids: Vec<(Uuid, PathBuf)>,
    },
    /// One id is that of several topics.
    Names {
        /// The id.
        id: Uuid,
        /// The names, and a directory of each.
        names: Vec<(String, PathBuf)>,
    },
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TopicIds { topic, ids } => {
                write!(f, "topic {topic} has {} ids", ids.len())?;
                for (index, (id, path)) in ids.iter().enumerate() {
                    let joint = if index == 0 { ":" } else { "," };
                    write!(f, "{joint} {id} in {}", path.display())?;
                }
                f.write_str("; they are different topics, so serve them one by one")
            }
            Self::Names { id, names } => {
                write!(f, "topic id {id} has {} names", names.len())?;
                for (index, (name, path)) in names.iter().enumerate() {
                    let joint = if index == 0 { ":" } else { "," };
                    write!(f, "{joint} {name} in {}", path.display())?;
                }
                f.write_str("; a directory was renamed, so serve them one by one")
            }
        }
    }
}

/// Chooses among copies, finds out what is missing, and refuses what does not belong together.
/// Directories that are [`not_served`] are left out. `log_dirs` are all that were found, in the
/// order in which they were named.
///
/// # Errors
/// Everything that does not belong together.
pub fn build(
    replicas: Vec<Replica>,
    identity: Identity,
    log_dirs: &[Arc<LogDirContext>],
) -> Result<(Catalog, Vec<Choice>), Vec<Conflict>> {
    let replicas =
        replicas.into_iter().filter(|replica| not_served(replica.dir.name.as_ref()).is_none());
    let mut by_topic: BTreeMap<String, Vec<Replica>> = BTreeMap::new();
    for replica in replicas {
        if let Some(name) = &replica.dir.name {
            by_topic.entry(name.topic_partition.topic.clone()).or_default().push(replica);
        }
    }
    let conflicts = conflicts(&by_topic);
    if !conflicts.is_empty() {
        return Err(conflicts);
    }
    let mut named = named_by_checkpoints(&by_topic, log_dirs);
    let log_dirs = log_dirs.iter().map(|context| context.path().to_owned()).collect();
    let mut builder = Builder { log_dirs, segments: 0, choices: Vec::new() };
    let topics: Vec<Topic> = by_topic
        .into_iter()
        .map(|(name, replicas)| {
            let named = named.remove(&name).unwrap_or_default();
            builder.topic(name, replicas, named)
        })
        .collect();
    let by_name =
        topics.iter().enumerate().map(|(place, topic)| (Arc::clone(&topic.name), place)).collect();
    let with_id = topics.iter().enumerate().filter(|(_, topic)| topic.id != Uuid::ZERO);
    let by_id = with_id.map(|(place, topic)| (topic.id, place)).collect();
    let Identity { cluster_id, node_id, host, port } = identity;
    let Builder { log_dirs, choices, .. } = builder;
    let catalog = Catalog { cluster_id, node_id, host, port, log_dirs, topics, by_name, by_id };
    Ok((catalog, choices))
}

fn conflicts(by_topic: &BTreeMap<String, Vec<Replica>>) -> Vec<Conflict> {
    let mut conflicts = Vec::new();
    let mut names: BTreeMap<Uuid, Vec<(String, PathBuf)>> = BTreeMap::new();
    for (topic, replicas) in by_topic {
        let mut ids: BTreeMap<Uuid, PathBuf> = BTreeMap::new();
        for replica in replicas {
            if let Some(id) = replica.topic_id {
                let path = replica.dir.path();
                ids.entry(id)
                    .and_modify(|first| {
                        if path < first.as_path() {
                            path.clone_into(first);
                        }
                    })
                    .or_insert_with(|| path.to_owned());
            }
        }
        for (id, path) in &ids {
            names.entry(*id).or_default().push((topic.clone(), path.clone()));
        }
        if ids.len() > 1 {
            let mut ids: Vec<_> = ids.into_iter().collect();
            ids.sort_by(|a, b| a.1.cmp(&b.1));
            conflicts.push(Conflict::TopicIds { topic: topic.clone(), ids });
        }
    }
    let of_several = names.into_iter().filter(|(_, names)| names.len() > 1);
    conflicts.extend(of_several.map(|(id, names)| Conflict::Names { id, names }));
    conflicts
}

/// The partitions that the checkpoints of all log dirs name, of the topics that are there.
fn named_by_checkpoints(
    by_topic: &BTreeMap<String, Vec<Replica>>,
    log_dirs: &[Arc<LogDirContext>],
) -> HashMap<String, BTreeSet<i32>> {
    let of_replicas = by_topic.values().flatten().filter_map(|replica| replica.log_dir.as_ref());
    let log_dirs = log_dirs.iter().chain(of_replicas);
    let log_dirs: BTreeMap<_, _> = log_dirs.map(|context| (context.path(), context)).collect();
    let mut named: HashMap<String, BTreeSet<i32>> = HashMap::new();
    for partition in log_dirs.values().flat_map(|context| context.partitions()) {
        if partition.partition >= 0 && by_topic.contains_key(&partition.topic) {
            named.entry(partition.topic.clone()).or_default().insert(partition.partition);
        }
    }
    named
}

struct Builder {
    log_dirs: Vec<PathBuf>,
    /// How many have a number.
    segments: u32,
    choices: Vec<Choice>,
}

impl Builder {
    fn topic(&mut self, name: String, replicas: Vec<Replica>, named: BTreeSet<i32>) -> Topic {
        let id = replicas.iter().find_map(|replica| replica.topic_id).unwrap_or(Uuid::ZERO);
        let name: Arc<str> = name.into();
        let mut copies: BTreeMap<i32, Vec<Replica>> = BTreeMap::new();
        for replica in replicas {
            let index = replica.dir.name.as_ref().map_or(0, |name| name.topic_partition.partition);
            copies.entry(index).or_default().push(replica);
        }
        let mut partitions: BTreeMap<i32, Slot> = BTreeMap::new();
        for index in named {
            partitions.insert(index, Slot::Missing);
        }
        for (index, copies) in copies {
            if let Some(replica) = self.choose(&name, index, copies) {
                let partition = self.partition(&name, index, replica);
                partitions.insert(index, Slot::Served(Arc::new(partition)));
            }
        }
        // A directory's name alone must not make billions of partitions.
        if let Some(&highest) = partitions.keys().next_back().filter(|&&high| high < GAPS_BELOW) {
            for index in 0..highest {
                partitions.entry(index).or_insert(Slot::Missing);
            }
        }
        let is_internal = is_internal(&name);
        Topic { name, id, is_internal, partitions }
    }

    fn choose(&mut self, topic: &str, index: i32, mut copies: Vec<Replica>) -> Option<Replica> {
        copies.sort_by(|a, b| {
            let rank = |replica: &Replica| {
                let Replica { loaded, .. } = replica;
                let damage = Reverse(damage(replica));
                Reverse((loaded.leader_epoch, loaded.log_end, damage, is_clean(replica)))
            };
            rank(a).cmp(&rank(b)).then_with(|| a.dir.path().cmp(b.dir.path()))
        });
        let mut copies = copies.into_iter();
        let served = copies.next()?;
        let others: Vec<_> =
            copies.map(|other| (other.dir.path().to_owned(), reason(&served, &other))).collect();
        if !others.is_empty() {
            let partition = TopicPartition { topic: topic.to_owned(), partition: index };
            let path = served.dir.path().to_owned();
            self.choices.push(Choice { partition, served: path, others });
        }
        Some(served)
    }

    fn partition(&mut self, topic: &Arc<str>, index: i32, replica: Replica) -> Partition {
        let log_dir = self.log_dir(&replica);
        let Replica { dir, loaded, skip_damaged, limits, .. } = replica;
        Partition {
            topic: Arc::clone(topic),
            index,
            log_dir,
            log_start: loaded.log_start,
            log_end: loaded.log_end,
            epochs: loaded.epochs.clone(),
            leader_epoch: loaded.leader_epoch.max(0),
            bytes: dir.log_bytes(),
            skip_damaged,
            segments: self.segments(&dir, &loaded),
            dir,
            loaded,
            limits,
            transactions: Retried::default(),
            below: OnceLock::new(),
            timestamps: OnceLock::new(),
        }
    }

    fn log_dir(&mut self, replica: &Replica) -> usize {
        let path = match (&replica.log_dir, replica.dir.path().parent()) {
            (Some(context), _) => context.path(),
            (None, Some(parent)) => parent,
            (None, None) => replica.dir.path(),
        };
        if let Some(place) = self.log_dirs.iter().position(|known| known == path) {
            return place;
        }
        self.log_dirs.push(path.to_owned());
        self.log_dirs.len() - 1
    }

    /// The segments that begin before the log end, or at it where nothing was written yet: behind
    /// it stands what cannot be read.
    fn segments(&mut self, dir: &PartitionDir, loaded: &super::Loaded) -> Vec<ServedSegment> {
        let is_served = |base| base <= loaded.log_end;
        let files = dir.segments.iter().enumerate();
        let mut served: Vec<ServedSegment> = Vec::new();
        for (place, files) in files.filter(|(_, files)| is_served(files.base_offset)) {
            let first = loaded.holes.partition_point(|hole| hole.segment < place);
            let of_it = loaded.holes.iter().skip(first).take_while(|hole| hole.segment == place);
            served.push(ServedSegment {
                id: SegmentId(self.segments),
                base: files.base_offset,
                next_base: loaded.log_end,
                end: Position(files.log.size),
                holes: of_it.copied().collect(),
                files: files.clone(),
            });
            self.segments = self.segments.saturating_add(1);
        }
        let bases: Vec<_> = served.iter().skip(1).map(|segment| segment.base).collect();
        for (segment, next) in served.iter_mut().zip(bases) {
            segment.next_base = next;
        }
        if let Some(last) = served.last_mut() {
            last.end = loaded.valid_end.min(last.end);
        }
        served
    }
}

fn is_clean(replica: &Replica) -> bool {
    replica.log_dir.as_ref().is_some_and(|context| context.is_clean_shutdown == Some(true))
}

/// How many segments are no files, and how many bytes of the others are damaged: those that loading
/// looked at. A batch that was torn off at the end was never there for anybody.
fn damage(replica: &Replica) -> (usize, u64) {
    let Replica { dir, loaded, .. } = replica;
    let in_holes = loaded.holes.iter().map(|hole| hole.end.0.saturating_sub(hole.start.0));
    let at_end = match (loaded.tail, dir.segments.last()) {
        (LoadedTail::Damaged, Some(last)) => last.log.size.saturating_sub(loaded.valid_end.0),
        _ => 0,
    };
    (dir.unreadable.len(), in_holes.fold(at_end, u64::saturating_add))
}

/// What `served` has before `other`, which was found no better.
fn reason(served: &Replica, other: &Replica) -> Reason {
    let (a, b) = (&served.loaded, &other.loaded);
    if a.leader_epoch != b.leader_epoch {
        return Reason::LeaderEpoch { served: a.leader_epoch, other: b.leader_epoch };
    }
    if a.log_end != b.log_end {
        return Reason::LogEnd { served: a.log_end.0, other: b.log_end.0 };
    }
    let (ours, theirs) = (damage(served), damage(other));
    if ours.0 != theirs.0 {
        return Reason::Segments { served: ours.0, other: theirs.0 };
    }
    if ours.1 != theirs.1 {
        return Reason::Damage { served: ours.1, other: theirs.1 };
    }
    match is_clean(served) == is_clean(other) {
        true => Reason::Path,
        false => Reason::CleanShutdown,
    }
}
