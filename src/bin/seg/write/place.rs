//! Where records go: directories found or made, locked, and opened to append to.

use super::args::{Args, CleanupPolicy};
use super::{clock, tail};
use crate::cli::UsageError;
use crate::input::parent_word;
use crate::output::Output;
use crate::values::{plural, terminal_text};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use segkit::check::remedy::shell_word;
use segkit::error::{Error, Result};
use segkit::format::checkpoint::{PartitionMetadata, Uuid};
use segkit::log::disk::RealDisk;
use segkit::log::lock::Guard;
use segkit::log::log_dir::{self, log_dir_of};
use segkit::log::names::{OffsetCheckpoint, PartitionDirName};
use segkit::log::new_file::directory_of;
use segkit::log::writer::{
    Damaged, Opened, PartitionWriter, WriterOptions, make_directories, remove_empty,
};
use segkit::log::{LogDirContext, PartitionDir, read_small};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The partitions, locked.
pub struct Places {
    /// In the order of their numbers.
    pub directories: Vec<PathBuf>,
    /// The number of the only one, where no topic was named.
    pub only_partition: Option<i32>,
    /// Whether the topic is compacted, as far as is known.
    pub is_compacted: bool,
    guards: Vec<Guard>,
    made: Vec<PathBuf>,
    log_dir: Option<LogDirContext>,
    topic_id: Uuid,
}

impl Places {
    /// Finds, or makes, and locks the partitions that the arguments name.
    pub fn find(args: &Args) -> anyhow::Result<Self> {
        let directory = args.directory.clone().unwrap_or_default();
        let (directories, only_partition, log_dir) = match &args.partitions.topic {
            Some(topic) => {
                let directories = of_topic(&directory, topic, args)?;
                let is_there = directory.is_dir() && log_dir::is_log_dir(&directory)?;
                (directories, None, is_there.then_some(directory))
            }
            None => {
                let name = partition_name(&directory)?;
                let log_dir = above(&directory);
                (vec![directory], Some(name.topic_partition.partition), log_dir)
            }
        };
        let topic_id = topic_id(&directories, args)?;
        let mut guards = Vec::new();
        if let Some(log_dir) = &log_dir {
            guards.push(Guard::of_log_dir(log_dir, &RealDisk)?);
        }
        let mut made = Vec::new();
        for directory in &directories {
            let done = make_directories(directory, &RealDisk);
            made.extend(done.inspect_err(|_| remove_empty(&made, &RealDisk))?);
            if log_dir.is_none() {
                guards.push(Guard::of_partition_alone(directory)?);
            }
        }
        let log_dir = log_dir.map(|path| LogDirContext::read(&path));
        let mut places = Self {
            directories,
            only_partition,
            is_compacted: args.log.cleanup_policy == Some(CleanupPolicy::Compact),
            guards,
            made,
            log_dir,
            topic_id,
        };
        places.is_compacted |= args.log.cleanup_policy.is_none() && places.is_cleaned();
        Ok(places)
    }

    /// True when any of them is compacted in every cluster, or the log dir's cleaner was at work on
    /// it.
    fn is_cleaned(&self) -> bool {
        self.directories.iter().any(|directory| {
            let is_compacted = |topic: &str| COMPACTED_TOPICS.contains(&topic);
            let name = partition_name(directory);
            name.is_ok_and(|name| is_compacted(&name.topic_partition.topic))
                || self.checkpoint(OffsetCheckpoint::Cleaner, directory).is_some()
        })
    }

    fn checkpoint(
        &self,
        which: OffsetCheckpoint,
        directory: &Path,
    ) -> Option<segkit::format::Offset> {
        let name = partition_name(directory).ok()?;
        self.log_dir.as_ref()?.offset(which, &name.topic_partition)
    }

    /// Opens all of them. An unfinished end of a log is cut off, and kept elsewhere.
    pub fn open(
        &self,
        args: &Args,
        out: &mut Output,
    ) -> anyhow::Result<Vec<PartitionWriter<'static>>> {
        allow_open_files(self.directories.len());
        let mut writers = Vec::new();
        for directory in &self.directories {
            writers.push(*self.open_one(directory, args, out)?);
        }
        Ok(writers)
    }

    fn open_one(
        &self,
        directory: &Path,
        args: &Args,
        out: &mut Output,
    ) -> anyhow::Result<Box<PartitionWriter<'static>>> {
        let guard = self.guards.iter().find(|guard| guard.covers(directory));
        let guard = guard.ok_or_else(|| Error::other("locking", directory, "it is not locked"))?;
        check_content(directory)?;
        for _ in 0..2 {
            let options = self.options(directory, args);
            let damaged =
                match PartitionWriter::open(directory, guard, &RealDisk, options, clock::now())? {
                    Opened::Ready(writer) => {
                        say_zeros(&writer, out)?;
                        return Ok(writer);
                    }
                    Opened::Damaged(damaged) => damaged,
                };
            if !damaged.is_unfinished || !tail::cut(directory, guard, args, out)? {
                return Err(refusal(directory, &damaged).into());
            }
        }
        let why = "its end is unfinished again as soon as it is cut off";
        Err(Error::other("appending to", directory, why).into())
    }

    fn options(&self, directory: &Path, args: &Args) -> WriterOptions {
        let batch_size = usize::try_from(args.batches.batch_size).unwrap_or(COLLECTED_AT_MOST);
        WriterOptions {
            index_interval_bytes: args.log.index_interval_bytes,
            segment_bytes: args.log.segment_bytes.into(),
            segment_ms: args.log.segment_ms,
            segment_index_bytes: args.log.segment_index_bytes.into(),
            flush_interval_messages: args.log.flush_interval_messages,
            collected_bytes: batch_size.saturating_mul(COLLECTED_BATCHES).min(COLLECTED_AT_MOST),
            topic_id: Some(self.topic_id),
            log_start_offset: self.checkpoint(OffsetCheckpoint::LogStart, directory),
            known_end: self
                .checkpoint(OffsetCheckpoint::RecoveryPoint, directory)
                .max(self.checkpoint(OffsetCheckpoint::HighWatermark, directory)),
            limits: args.common.limits(),
        }
    }

    /// Removes the directories that were made and into which nothing was written.
    pub fn tidy_up(&self) {
        remove_empty(&self.made, &RealDisk);
    }
}

/// A file that was given its size beforehand loses what no batch has come to.
fn say_zeros(writer: &PartitionWriter<'_>, out: &mut Output) -> std::io::Result<()> {
    let zeros = writer.zeros_behind_the_end();
    if zeros == 0 {
        return Ok(());
    }
    let directory = terminal_text(&writer.directory().to_string_lossy());
    let bytes = plural(zeros, "zero byte");
    let line = format!("seg: {directory}: {bytes} behind the last batch go when a record comes\n");
    out.say(line.as_bytes())
}

/// Kafka's own topics that are always compacted.
const COMPACTED_TOPICS: [&str; 3] =
    ["__consumer_offsets", "__transaction_state", "__share_group_state"];

/// How many batches are written at a time, and no more bytes than that.
const COLLECTED_BATCHES: usize = 16;
const COLLECTED_AT_MOST: usize = 1 << 20;

/// Files that are open for each partition, and those of the process besides.
const FILES_OF_A_PARTITION: u64 = 3;
const OTHER_FILES: u64 = 64;

/// Raises the number of files that this process may have open, as far as it may. When that is not
/// far enough, opening one says so.
fn allow_open_files(partitions: usize) {
    let wanted = (partitions as u64).saturating_mul(FILES_OF_A_PARTITION) + OTHER_FILES;
    let limits = getrlimit(Resource::Nofile);
    if limits.current.is_some_and(|current| current < wanted) {
        let current = limits.maximum.map_or(wanted, |most| most.min(wanted));
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(current), ..limits });
    }
}

fn refusal(directory: &Path, damaged: &Damaged) -> Error {
    let (at, end) = (damaged.range.start.0, damaged.range.end.0);
    let bytes = end.saturating_sub(at);
    let why = format!(
        "it is damaged at {at}, {bytes} bytes, and nothing is appended behind damage; \
         next: seg repair {}",
        directory.display()
    );
    Error::other("appending to", &damaged.log, why)
}

/// A directory that is there is a partition, or empty.
fn check_content(directory: &Path) -> Result<()> {
    let dir = PartitionDir::open(directory)?;
    let is_kafkas = !dir.segments.is_empty()
        || dir.partition_metadata.is_some()
        || dir.leader_epoch_checkpoint.is_some();
    match dir.strays.first().filter(|_| !is_kafkas) {
        None => Ok(()),
        Some(stray) => {
            let name = stray.file_name().unwrap_or_default().to_string_lossy();
            let why = format!("it is no partition: there is {name} in it, and no segment");
            Err(Error::other("appending to", directory, why))
        }
    }
}

/// What the name of a partition directory says.
pub fn partition_name(directory: &Path) -> std::result::Result<PartitionDirName, UsageError> {
    let shown = directory.display();
    let canonical = directory.canonicalize().ok();
    let name = directory.file_name().or(canonical.as_deref().and_then(Path::file_name));
    let parsed = name.and_then(|name| PartitionDirName::parse(name.to_str()?));
    let Some(parsed) = parsed else {
        if directory.is_file() {
            let word = parent_word(directory);
            return Err(UsageError(format!("{shown} is a file; use: seg write {word}")));
        }
        let word = shell_word(&directory.to_string_lossy());
        let why = "is no name of a partition; as in:";
        let one = format!("seg write {}/orders-0", word.trim_end_matches('/'));
        return Err(UsageError(format!("{shown} {why} {one}, or seg write {word} --topic orders")));
    };
    if parsed.suffix.is_some() {
        let why = "waits for its deletion, or is on its way: nothing is appended to it";
        return Err(UsageError(format!("{shown} {why}")));
    }
    check_topic(&parsed.topic_partition.topic)?;
    Ok(parsed)
}

/// The longest name that Kafka lets a topic have.
const TOPIC_NAME_BYTES: usize = 249;

fn check_topic(topic: &str) -> std::result::Result<(), UsageError> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_so = !topic.is_empty()
        && topic != "."
        && topic != ".."
        && topic.len() <= TOPIC_NAME_BYTES
        && topic.bytes().all(is_legal);
    let why = "Kafka allows letters, digits, '.', '_' and '-', 249 of them at most";
    is_so.then_some(()).ok_or_else(|| UsageError(format!("'{topic}' is no name of a topic: {why}")))
}

/// The log dir that the partition is in, or will be.
fn above(directory: &Path) -> Option<PathBuf> {
    if directory.is_dir() {
        return log_dir_of(directory);
    }
    let parent = directory_of(directory);
    log_dir::is_log_dir(parent).ok()?.then(|| parent.to_owned())
}

/// The most partitions that are written to at a time.
const PARTITIONS_MAX: u32 = 20_000;

/// The directories of a topic's partitions.
fn of_topic(directory: &Path, topic: &str, args: &Args) -> anyhow::Result<Vec<PathBuf>> {
    check_topic(topic)?;
    let named = partition_name(directory).ok();
    if named.is_some_and(|name| name.topic_partition.topic == topic) {
        let why = "is a partition's name; with --topic it is a log dir, in which partitions are";
        return Err(UsageError(format!("{} {why}", directory.display())).into());
    }
    if directory.is_dir() && log_dir::is_partition(directory) {
        let why = "is a partition; with --topic it is a log dir, in which partitions are";
        return Err(UsageError(format!("{} {why}", directory.display())).into());
    }
    let numbers = numbers_of(directory, topic);
    let highest = numbers.last().copied();
    let there = highest.map_or(0, |highest| highest.saturating_add(1));
    let count = match args.partitions.partitions {
        None if numbers.len() as u64 != u64::from(there) => {
            let here = numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
            let why = format!(
                "of {topic} there are the partitions {here} only: name one of them, or say with \
                 --partitions how many the topic has, and the others are made"
            );
            return Err(UsageError(why).into());
        }
        None => there.max(1),
        Some(count) if count.get() < there => {
            let why = format!(
                "there is {topic}-{}: with --partitions {count} keys would go elsewhere",
                there - 1
            );
            return Err(UsageError(why).into());
        }
        Some(count) => count.get(),
    };
    if count > PARTITIONS_MAX {
        let why = format!("{count} partitions are more than {PARTITIONS_MAX}, the most at a time");
        return Err(UsageError(why).into());
    }
    Ok((0..count).map(|number| directory.join(format!("{topic}-{number}"))).collect())
}

/// The numbers of the topic's partitions that are there.
fn numbers_of(directory: &Path, topic: &str) -> BTreeSet<u32> {
    let names = segkit::log::names_in(directory).unwrap_or_default();
    let of_name = |name: &std::ffi::OsString| {
        let name = PartitionDirName::parse(name.to_str()?)?;
        let is_its = name.suffix.is_none() && name.topic_partition.topic == topic;
        u32::try_from(name.topic_partition.partition).ok().filter(|_| is_its)
    };
    names.iter().filter_map(of_name).collect()
}

/// The topic's id: that of its partitions that are there, or the one that was asked for, or a new
/// one.
fn topic_id(directories: &[PathBuf], args: &Args) -> anyhow::Result<Uuid> {
    let asked = match &args.partitions.topic_id {
        None => directories.iter().any(|it| is_of_cluster_metadata(it)).then_some(METADATA_ID),
        Some(text) => {
            let id = Uuid::parse(text).filter(|id| *id != Uuid::ZERO);
            let why = "is no topic id: 22 characters of base64 that are not all 'A'";
            let wrong = || UsageError(format!("'{text}' {why}"));
            Some(id.ok_or_else(wrong)?)
        }
    };
    let mut there = None;
    for directory in siblings(directories) {
        let path = directory.join("partition.metadata");
        let Ok(bytes) = read_small(&path) else { continue };
        let Ok(PartitionMetadata { topic_id, .. }) = PartitionMetadata::parse(&bytes) else {
            let why = format!("it is damaged; next: seg verify {}", directory.display());
            return Err(Error::other("reading", &path, why).into());
        };
        if let Some(other) = there.or(asked).filter(|other| *other != topic_id) {
            let why = format!("it says {topic_id}, and not {other}");
            return Err(Error::other("comparing the topic id of", &path, why).into());
        }
        there = Some(topic_id);
    }
    Ok(there.or(asked).unwrap_or_else(new_id))
}

/// The metadata of every cluster has the same one.
const METADATA_ID: Uuid = Uuid::METADATA_TOPIC_ID;

fn is_of_cluster_metadata(directory: &Path) -> bool {
    partition_name(directory).is_ok_and(|name| name.topic_partition.topic == "__cluster_metadata")
}

/// The partitions themselves, and those of the same topic beside a single one.
fn siblings(directories: &[PathBuf]) -> Vec<PathBuf> {
    let [only] = directories else { return directories.to_vec() };
    let Ok(name) = partition_name(only) else { return directories.to_vec() };
    let parent = directory_of(only);
    let topic = &name.topic_partition.topic;
    let mut all = vec![only.clone()];
    let numbers = numbers_of(parent, topic);
    all.extend(numbers.iter().map(|number| parent.join(format!("{topic}-{number}"))));
    all
}

fn new_id() -> Uuid {
    use std::hash::{BuildHasher, Hasher, RandomState};
    // Keys that the standard library draws at random.
    let half = || RandomState::new().build_hasher().finish().to_be_bytes();
    let mut bytes = [0; 16];
    for (place, byte) in bytes.iter_mut().zip(half().into_iter().chain(half())) {
        *place = byte;
    }
    // As a version 4 UUID is marked.
    for (place, kept, mark) in [(6, 0x0f, 0x40), (8, 0x3f, 0x80)] {
        if let Some(byte) = bytes.get_mut(place) {
            *byte = *byte & kept | mark;
        }
    }
    Uuid(bytes)
}
