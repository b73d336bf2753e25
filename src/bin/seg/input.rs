//! From PATHs to files: what each path is, and what is known about its surroundings.

use crate::advice;
use crate::cli::KindName;
use crate::output::Output;
use crate::stdin::{self, Stdin};
use segkit::check::remedy::shell_word;
use segkit::error::Error;
use segkit::format::Offset;
use segkit::limits::Limits;
use segkit::log::log_dir::{self, Liveness, PathKind};
use segkit::log::names::OffsetCheckpoint;
use segkit::log::{
    Access, FileBytes, FileKind, FileName, LogDirContext, OpenPartition, PartitionDir,
    PartitionDirName,
};
use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// `-`: the bytes of one `.log` come in on stdin.
pub const STDIN: &str = "-";

/// One file to read.
#[derive(Clone)]
pub struct Target {
    /// Where it is; `-` for stdin.
    pub path: PathBuf,
    /// What it is.
    pub kind: FileKind,
    /// What its name says.
    pub name: Option<FileName>,
    /// How to read it.
    pub access: Access,
    /// The directory it is in.
    pub partition: Option<Arc<Partition>>,
}

/// A partition directory and what is known about it from outside.
pub struct Partition {
    /// What is in it.
    pub dir: PartitionDir,
    /// Whether a broker is at work in its log dir.
    pub liveness: Liveness,
    /// Its entry in the log dir's `log-start-offset-checkpoint`.
    pub log_start_checkpoint: Option<Offset>,
}

impl Partition {
    /// How files of this partition are read: a file that a broker may change is never mapped.
    pub fn access(&self) -> Access {
        match self.liveness {
            Liveness::Live { .. } => Access::Read,
            Liveness::Offline | Liveness::Unknown(_) => Access::Map,
        }
    }

    /// True when a broker is known to be at work in the log dir.
    pub fn is_live(&self) -> bool {
        matches!(self.liveness, Liveness::Live { .. })
    }

    /// The partition, ready to be searched.
    pub fn open(&self, limits: Limits) -> OpenPartition {
        OpenPartition::new(self.dir.clone(), self.log_start_checkpoint, self.access(), limits)
    }

    /// The topic, as far as the directory's name says.
    pub fn topic(&self) -> Option<&str> {
        self.dir.name.as_ref().map(|name| name.topic_partition.topic.as_str())
    }

    /// The base offset of the segment behind `base`.
    pub fn next_base(&self, base: Offset) -> Option<Offset> {
        self.dir.segments.iter().map(|files| files.base_offset).find(|&next| next > base)
    }
}

impl Target {
    /// The path as it is shown.
    pub fn shown(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    /// The partition that the file is a segment of, and which of its segments it is.
    pub fn segment(&self) -> Option<(&Arc<Partition>, usize)> {
        let partition = self.partition.as_ref()?;
        let name = self.path.file_name();
        let mut segments = partition.dir.segments.iter();
        let index = segments.position(|files| files.log.path.file_name() == name)?;
        Some((partition, index))
    }

    /// The offset in the name of the file.
    pub fn base_offset(&self) -> Option<Offset> {
        self.name.and_then(|name| name.offset)
    }

    /// Opens the file.
    pub fn open(&self) -> Result<FileBytes, Error> {
        if self.is_stdin() {
            return Ok(FileBytes::stream(&self.path, Box::new(Stdin { bar: None })));
        }
        FileBytes::open(&self.path, self.access)
    }

    /// Its size, as far as it is known without opening it.
    pub fn size(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }

    /// True for the standard input.
    pub fn is_stdin(&self) -> bool {
        self.path == Path::new(STDIN)
    }
}

/// Log dirs that were asked about once are not asked again.
#[derive(Default)]
pub struct Surroundings {
    log_dirs: HashMap<PathBuf, Arc<LogDirContext>>,
    /// The log dirs that partitions of these directories are in.
    parents: HashMap<PathBuf, PathBuf>,
}

impl Surroundings {
    /// Opens the partition directory at `path` with what its log dir says about it.
    pub fn partition(&mut self, path: &Path) -> Result<Partition, Error> {
        let dir = PartitionDir::open(path)?;
        let context = self.log_dir_of(&dir);
        let name = dir.name.as_ref().map(|name| &name.topic_partition);
        let log_start_checkpoint = context
            .as_ref()
            .zip(name)
            .and_then(|(context, name)| context.offset(OffsetCheckpoint::LogStart, name));
        let liveness = context.map_or(Liveness::Offline, |context| context.liveness.clone());
        Ok(Partition { dir, liveness, log_start_checkpoint })
    }

    /// What the log dir says that a partition is in. It is looked for once for all partitions of
    /// one directory, unless that has no other sign of being one than the partitions in it.
    pub fn log_dir_of(&mut self, dir: &PartitionDir) -> Option<Arc<LogDirContext>> {
        // `.` has no name, and another parent than it seems.
        if dir.path().file_name().is_none() {
            return dir.log_dir().map(|log_dir| self.log_dir(&log_dir));
        }
        let parent = dir.path().parent().unwrap_or(Path::new("")).to_owned();
        if let Some(log_dir) = self.parents.get(&parent) {
            let log_dir = log_dir.clone();
            return Some(self.log_dir(&log_dir));
        }
        let log_dir = dir.log_dir()?;
        self.parents.insert(parent, log_dir.clone());
        Some(self.log_dir(&log_dir))
    }

    /// What the log dir at `path` says.
    pub fn log_dir(&mut self, path: &Path) -> Arc<LogDirContext> {
        let known = self.log_dirs.entry(path.to_owned());
        Arc::clone(known.or_insert_with(|| Arc::new(LogDirContext::read(path))))
    }
}

/// The files that `paths` stand for: a file itself, a directory's `.log` files. What cannot be
/// looked at is said on stderr.
pub fn targets(
    paths: &[PathBuf],
    kind: Option<KindName>,
    out: &mut Output,
) -> anyhow::Result<Vec<Target>> {
    let mut targets = Vec::new();
    let mut surroundings = Surroundings::default();
    for path in paths {
        if path == Path::new(STDIN) {
            stdin::say_if_terminal(out)?;
            targets.push(standard_input(kind));
            continue;
        }
        match targets_of(path, kind, &mut surroundings, out) {
            Ok(more) => targets.extend(more),
            Err(error) => out.error(&error)?,
        }
    }
    Ok(targets)
}

fn standard_input(kind: Option<KindName>) -> Target {
    Target {
        path: PathBuf::from(STDIN),
        kind: kind.map_or(FileKind::Log, file_kind),
        name: None,
        access: Access::Read,
        partition: None,
    }
}

fn targets_of(
    path: &Path,
    kind: Option<KindName>,
    surroundings: &mut Surroundings,
    out: &mut Output,
) -> Result<Vec<Target>, Error> {
    let found = log_dir::find(path)?;
    if let PathKind::File(name) = found.kind {
        return one_file(path, name, kind, surroundings, out).map(|target| vec![target]);
    }
    for error in &found.errors {
        // stdout is written to again before long, and says so if it is closed.
        let _ = out.error(error);
    }
    if found.partitions.is_empty() {
        return Err(nothing_here(path));
    }
    let mut targets = Vec::new();
    let root = path;
    for path in &found.partitions {
        let partition = match surroundings.partition(path) {
            Ok(partition) => Arc::new(partition),
            Err(error) if is_gone(&error, path, root) => continue,
            Err(error) => {
                let _ = out.error(&error);
                continue;
            }
        };
        targets.extend(logs(&partition));
    }
    Ok(targets)
}

/// The `.log` files of a partition in the order of their offsets; with those that are no regular
/// files, so that opening them says what they are.
fn logs(partition: &Arc<Partition>) -> Vec<Target> {
    let segments = partition.dir.segments.iter().map(|files| (files.base_offset, &files.log.path));
    let others = partition.dir.unreadable.iter();
    let others = others.map(|other| (other.name.offset.unwrap_or_default(), &other.file.path));
    let mut logs: Vec<_> = segments.chain(others).collect();
    logs.sort();
    let target = |(base, path): (Offset, &PathBuf)| Target {
        path: path.clone(),
        kind: FileKind::Log,
        name: Some(FileName::of_segment(base, FileKind::Log)),
        access: partition.access(),
        partition: Some(Arc::clone(partition)),
    };
    logs.into_iter().map(target).collect()
}

fn one_file(
    path: &Path,
    name: Option<FileName>,
    kind: Option<KindName>,
    surroundings: &mut Surroundings,
    out: &mut Output,
) -> Result<Target, Error> {
    let Some(kind) = kind.map(file_kind).or(name.map(|name| name.kind)) else {
        return Err(Error::other("reading", path, advice::unnamed(path, "dump")));
    };
    let partition = match surroundings.partition(directory_of(path)) {
        Ok(partition) => Some(Arc::new(partition)),
        Err(error) => {
            let _ = out.error(&error);
            None
        }
    };
    let access = partition.as_ref().map_or(Access::Map, |partition| partition.access());
    Ok(Target { path: path.to_owned(), kind, name, access, partition })
}

/// The directory that a file is in.
pub fn directory_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// True of a partition that is gone since the directory `root` was searched for partitions: a
/// topic was deleted, and there is nothing to be said about it.
pub fn is_gone(error: &Error, partition: &Path, root: &Path) -> bool {
    error.source.kind() == ErrorKind::NotFound && partition != root
}

/// The directory that a file is in, as a shell takes it.
pub fn parent_word(file: &Path) -> String {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    shell_word(&parent.unwrap_or(Path::new(".")).to_string_lossy())
}

/// The sentence for a directory in which there is nothing of Kafka's.
pub fn nothing_here(path: &Path) -> Error {
    let is_empty = std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    let why = if is_empty {
        "the directory is empty: is its disk mounted?".to_owned()
    } else {
        let instead = advice::instead_of(path);
        format!("no partition directory and no log dir here or below; {instead}")
    };
    Error::other("looking into", path, why)
}

/// The files that `--kind` names.
pub fn file_kind(kind: KindName) -> FileKind {
    match kind {
        KindName::Log => FileKind::Log,
        KindName::Index => FileKind::OffsetIndex,
        KindName::Timeindex => FileKind::TimeIndex,
        KindName::Txnindex => FileKind::TxnIndex,
        KindName::Snapshot => FileKind::ProducerSnapshot,
        KindName::LeaderEpochCheckpoint => FileKind::LeaderEpochCheckpoint,
        KindName::OffsetCheckpoint => FileKind::OffsetCheckpoint(OffsetCheckpoint::RecoveryPoint),
        KindName::Checkpoint => FileKind::MetadataCheckpoint,
    }
}

/// What the name of a directory says, for messages: `orders-0`, or the path where it says nothing.
pub fn partition_label(dir: &PartitionDir) -> String {
    match &dir.name {
        Some(PartitionDirName { topic_partition, .. }) => topic_partition.to_string(),
        None => dir.path().to_string_lossy().into_owned(),
    }
}
