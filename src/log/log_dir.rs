//! A log dir: its partition directories, its small files, and whether a broker is at work in it;
//! and the search for log dirs and partitions from any directory above them.
//!
//! Directories are judged by what is in them. A partition directory holds a file that only a
//! partition has; a log dir holds `meta.properties` or a checkpoint, or partition directories.
//! `broker-1` has a partition's name and is none.

use super::file_bytes::open_regular;
use super::lock::is_held_here;
use super::names::{FileKind, FileName, OffsetCheckpoint, PartitionDirName};
use crate::error::{Error, Result};
use crate::limits::SEARCH_DEPTH;
use rustix::process::{Flock, FlockType, fcntl_getlk};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Whether a broker is at work in a log dir.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// Somebody holds `.lock`.
    Live {
        /// Who; `None` where the system does not say, as for a process in another container.
        pid: Option<i32>,
    },
    /// Nobody holds it, or there is none.
    Offline,
    /// The question could not be asked, and why.
    Unknown(String),
}

/// What a log dir holds. No file is opened.
#[derive(Debug)]
pub struct LogDir {
    path: PathBuf,
    /// Kafka's own files, in the order of their names.
    pub files: Vec<(FileName, PathBuf)>,
    /// The partition directories, in the order of topics and numbers.
    pub partitions: Vec<PathBuf>,
    /// Directories that are no partition's. One without a partition's name keeps a broker from
    /// starting; one with such a name is taken for a partition.
    pub foreign: Vec<PathBuf>,
    /// Other files, and symbolic links.
    pub strays: Vec<PathBuf>,
    /// Directories that could not be looked into; they are among the foreign ones.
    pub errors: Vec<Error>,
}

/// The directory in which a broker keeps indexes of segments it has moved elsewhere.
const INDEX_CACHE: &str = "remote-log-index-cache";

impl LogDir {
    /// Lists the directory at `path`, whatever is in it.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn open(path: &Path) -> Result<Self> {
        let listed = Listed::of(path)?;
        let mut dir = Self {
            path: path.to_owned(),
            files: Vec::new(),
            partitions: Vec::new(),
            foreign: Vec::new(),
            strays: listed.others,
            errors: Vec::new(),
        };
        for (name, path) in listed.files {
            match name {
                Some(name) if !name.kind.is_in_partition() => dir.files.push((name, path)),
                _ => dir.strays.push(path),
            }
        }
        for directory in listed.directories {
            match Listed::of(&directory) {
                Ok(listed) if listed.is_partition() => dir.partitions.push(directory),
                Ok(_) if directory.ends_with(INDEX_CACHE) => {}
                Ok(_) => dir.foreign.push(directory),
                Err(error) => {
                    dir.foreign.push(directory);
                    dir.errors.push(error);
                }
            }
        }
        dir.strays.sort();
        Ok(dir)
    }

    /// Where the directory is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of `kind`, unless it is a half-written one.
    #[must_use]
    pub fn file(&self, kind: FileKind) -> Option<&Path> {
        let is = |name: &FileName| name.kind == kind && name.suffix.is_none();
        self.files.iter().find(|(name, _)| is(name)).map(|(_, path)| path.as_path())
    }

    /// One of the four offset checkpoints.
    #[must_use]
    pub fn checkpoint(&self, which: OffsetCheckpoint) -> Option<&Path> {
        self.file(FileKind::OffsetCheckpoint(which))
    }

    /// True when the broker that was here last says that it stopped in good order.
    #[must_use]
    pub fn is_clean_shutdown(&self) -> bool {
        self.file(FileKind::CleanShutdown).is_some()
    }

    /// Asks whether a broker holds the lock. See [`liveness`].
    #[must_use]
    pub fn liveness(&self) -> Liveness {
        liveness(&self.path)
    }
}

/// Asks whether a broker holds the lock of the log dir at `path`. The lock is neither taken nor
/// created.
///
/// A lock that this process holds itself is answered for without opening the file: closing any
/// descriptor of it would give the lock up.
#[must_use]
pub fn liveness(path: &Path) -> Liveness {
    let path = path.join(".lock");
    if is_held_here(&path) {
        return Liveness::Live { pid: Some(std::process::id().cast_signed()) };
    }
    let file = match open_regular(&path) {
        Ok(file) => file,
        Err(error) if error.source.kind() == ErrorKind::NotFound => return Liveness::Offline,
        Err(error) => return Liveness::Unknown(error.to_string()),
    };
    holder_of(&file, &path)
}

/// Who but this process holds a lock on `file`.
pub(super) fn holder_of(file: &File, path: &Path) -> Liveness {
    if cfg!(debug_assertions) && is_held_by_description(file) {
        return Liveness::Live { pid: None };
    }
    match fcntl_getlk(file, &Flock::from(FlockType::WriteLock)) {
        Ok(None) => Liveness::Offline,
        Ok(Some(lock)) => {
            let pid = lock.pid.map(|pid| pid.as_raw_nonzero().get()).filter(|&pid| pid > 0);
            Liveness::Live { pid }
        }
        Err(error) => Liveness::Unknown(Error::new("querying", path, error.into()).to_string()),
    }
}

/// True when an open file description holds a lock on `file`, rather than a process. No broker does
/// that, and such a lock has no process id, which a debug build of the system call's wrapper does
/// not bear; so it is looked up first.
fn is_held_by_description(file: &File) -> bool {
    let Ok(metadata) = file.metadata() else { return false };
    let suffix = format!(":{}", metadata.ino());
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    locks.lines().any(|line| {
        line.contains(" OFDLCK ") && line.split_whitespace().any(|word| word.ends_with(&suffix))
    })
}

/// True when the directory at `path` is a log dir by its content.
///
/// # Errors
/// When it cannot be listed.
pub fn is_log_dir(path: &Path) -> Result<bool> {
    let listed = Listed::of(path)?;
    Ok(listed.has_marks() || listed.has_partition_beside(None))
}

/// True when the directory at `path` is a partition by its content.
#[must_use]
pub fn is_partition(path: &Path) -> bool {
    Listed::of(path).is_ok_and(|listed| listed.is_partition())
}

/// The parent of the partition directory at `path`, when it is a log dir for another reason than
/// this partition.
#[must_use]
pub fn log_dir_of(path: &Path) -> Option<PathBuf> {
    let partition = path.canonicalize().ok()?;
    // As the caller wrote it where that is possible, for messages.
    let parent = match path.parent() {
        // The parent of `.` is said to be empty as well, but is not `.` itself.
        Some(_) if path.file_name().is_none() => partition.parent()?.to_owned(),
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        _ => partition.parent()?.to_owned(),
    };
    let listed = Listed::of(&parent).ok()?;
    let name = partition.file_name()?;
    (listed.has_marks() || listed.has_partition_beside(Some(name))).then_some(parent)
}

/// The entries of a directory.
struct Listed {
    files: Vec<(Option<FileName>, PathBuf)>,
    directories: Vec<PathBuf>,
    /// Symbolic links, pipes, devices.
    others: Vec<PathBuf>,
}

impl Listed {
    /// Directories are in the order of topics and numbers, files in that of their names.
    fn of(path: &Path) -> Result<Self> {
        let fail = |error| Error::new("listing", path, error);
        let mut listed = Self { files: Vec::new(), directories: Vec::new(), others: Vec::new() };
        for entry in std::fs::read_dir(path).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let Ok(kind) = entry.file_type() else { continue };
            let path = entry.path();
            if kind.is_dir() {
                listed.directories.push(path);
            } else if kind.is_file() {
                listed.files.push((entry.file_name().to_str().and_then(FileName::parse), path));
            } else {
                listed.others.push(path);
            }
        }
        listed.files.sort_by(|a, b| a.1.cmp(&b.1));
        listed.directories.sort_by_cached_key(|path| {
            let name = path.file_name().unwrap_or_default();
            let number = name.to_str().and_then(PartitionDirName::parse).map_or_else(
                || (name.to_string_lossy().into_owned(), -1),
                |name| (name.topic_partition.topic, name.topic_partition.partition),
            );
            (number, name.to_owned())
        });
        Ok(listed)
    }

    fn kinds(&self) -> impl Iterator<Item = FileKind> + '_ {
        self.files.iter().filter_map(|(name, _)| name.map(|name| name.kind))
    }

    /// A log dir stays one when somebody has put a segment's file into it.
    fn is_partition(&self) -> bool {
        self.kinds().any(FileKind::is_in_partition) && !self.has_marks()
    }

    fn has_marks(&self) -> bool {
        self.kinds().any(FileKind::marks_log_dir)
    }

    /// True when there is a partition directory, by name and content, other than `except`. One
    /// that cannot be listed is none.
    fn has_partition_beside(&self, except: Option<&std::ffi::OsStr>) -> bool {
        self.directories.iter().any(|path| {
            let name = path.file_name().unwrap_or_default();
            Some(name) != except
                && name.to_str().and_then(PartitionDirName::parse).is_some()
                && Self::of(path).is_ok_and(|listed| listed.is_partition())
        })
    }
}

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// A file, with what its name says.
    File(Option<FileName>),
    /// A partition directory.
    Partition,
    /// A log dir.
    LogDir,
    /// Any other directory, which was searched.
    Above,
}

/// What is at a path and below it.
#[derive(Debug)]
pub struct Found {
    /// What the path is.
    pub kind: PathKind,
    /// The partition directories: the path itself, or those below it, in the order of directories,
    /// topics and numbers.
    pub partitions: Vec<PathBuf>,
    /// The log dirs: the path itself, or those below it.
    pub log_dirs: Vec<PathBuf>,
    /// Directories that could not be looked into.
    pub errors: Vec<Error>,
}

/// Finds out what is at `path`, and all log dirs and partitions below it, a few levels deep. A
/// symbolic link is followed only when it is `path` itself and a directory.
///
/// # Errors
/// When there is nothing at `path`, or it is a directory that cannot be listed.
pub fn find(path: &Path) -> Result<Found> {
    let metadata = std::fs::metadata(path).map_err(|error| Error::new("opening", path, error))?;
    if !metadata.is_dir() {
        let name = path.file_name().and_then(|name| name.to_str()).and_then(FileName::parse);
        let kind = PathKind::File(name);
        return Ok(Found { kind, partitions: vec![], log_dirs: vec![], errors: vec![] });
    }
    let mut search = Search::default();
    let root = Listed::of(path)?;
    search.enter(path, root, 0);
    while let Some((path, depth)) = search.to_do.pop() {
        match Listed::of(&path) {
            Ok(listed) => search.enter(&path, listed, depth),
            // A topic that was deleted since the directory above was listed.
            Err(error) if error.source.kind() == ErrorKind::NotFound => {}
            Err(error) => search.errors.push(error),
        }
    }
    let kind = if search.partitions.first().is_some_and(|first| first == path) {
        PathKind::Partition
    } else if search.log_dirs.contains(path) {
        PathKind::LogDir
    } else {
        PathKind::Above
    };
    Ok(Found {
        kind,
        partitions: search.partitions,
        log_dirs: search.log_dirs.into_iter().collect(),
        errors: search.errors,
    })
}

#[derive(Default)]
struct Search {
    partitions: Vec<PathBuf>,
    log_dirs: BTreeSet<PathBuf>,
    errors: Vec<Error>,
    to_do: Vec<(PathBuf, usize)>,
}

impl Search {
    /// Takes note of a directory and puts off what is in it.
    fn enter(&mut self, path: &Path, listed: Listed, depth: usize) {
        if listed.is_partition() {
            self.partitions.push(path.to_owned());
            let named = path.file_name().and_then(|name| name.to_str());
            if depth > 0 && named.and_then(PartitionDirName::parse).is_some() {
                self.log_dirs.extend(path.parent().map(Path::to_owned));
            }
            return;
        }
        if listed.has_marks() {
            self.log_dirs.insert(path.to_owned());
        }
        // A log dir on the last level still has its partitions one below.
        if depth <= SEARCH_DEPTH {
            let below = listed.directories.into_iter().rev();
            self.to_do.extend(below.map(|directory| (directory, depth + 1)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn touch(root: &Path, files: &[&str]) {
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
    }

    fn below(root: &Path, paths: &[PathBuf]) -> Vec<String> {
        let name = |path: &PathBuf| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        paths.iter().map(name).collect()
    }

    const LOG: &str = "00000000000000000000.log";

    #[test]
    fn a_directory_is_what_is_in_it() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for partition in ["orders-10", "orders-9", "orders-0.12ab-delete", "audit-1"] {
            touch(root, &[&format!("broker-1/{partition}/{LOG}")]);
        }
        touch(
            root,
            &[
                "broker-1/meta.properties",
                "broker-1/.lock",
                "broker-1/.kafka_cleanshutdown",
                "broker-1/recovery-point-offset-checkpoint",
                "broker-1/log-start-offset-checkpoint.tmp",
                "broker-1/notes.txt",
                "broker-1/lost+found/x",
                "broker-1/my-notes-7/readme.md",
                "broker-1/remote-log-index-cache/0_x.index",
                "alone/orders-5/partition.metadata",
                "alone/orders-5/00000000000000000009.snapshot",
                "pair/a-0/leader-epoch-checkpoint",
                "pair/a-1/leader-epoch-checkpoint",
                "renamed/backup/00000000000000000000.index",
            ],
        );
        let dir = LogDir::open(&root.join("broker-1")).unwrap();
        let names = below(&root.join("broker-1"), &dir.partitions);
        assert_eq!(names, ["audit-1", "orders-0.12ab-delete", "orders-9", "orders-10"]);
        assert_eq!(below(dir.path(), &dir.foreign), ["lost+found", "my-notes-7"]);
        assert_eq!(below(dir.path(), &dir.strays), ["notes.txt"]);
        assert!(dir.is_clean_shutdown());
        assert!(dir.checkpoint(OffsetCheckpoint::RecoveryPoint).is_some());
        assert_eq!(dir.checkpoint(OffsetCheckpoint::LogStart), None);
        assert_eq!(dir.liveness(), Liveness::Offline);

        assert!(is_log_dir(&root.join("broker-1")).unwrap());
        assert!(is_log_dir(&root.join("alone")).unwrap());
        assert!(!is_log_dir(root).unwrap());
        assert!(!is_log_dir(&root.join("broker-1/orders-9")).unwrap());
        assert_eq!(log_dir_of(&root.join("alone/orders-5")), None);
        assert_eq!(log_dir_of(&root.join("pair/a-1")), Some(root.join("pair")));
        assert_eq!(log_dir_of(&root.join("broker-1/orders-9/")), Some(root.join("broker-1")));

        let found = find(root).unwrap();
        assert_eq!(found.kind, PathKind::Above);
        assert_eq!(
            below(root, &found.partitions),
            [
                "alone/orders-5",
                "broker-1/audit-1",
                "broker-1/orders-0.12ab-delete",
                "broker-1/orders-9",
                "broker-1/orders-10",
                "pair/a-0",
                "pair/a-1",
                "renamed/backup"
            ]
        );
        assert_eq!(below(root, &found.log_dirs), ["alone", "broker-1", "pair"]);
        assert!(found.errors.is_empty());
    }

    #[test]
    fn a_path_of_every_kind() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let log = format!("data/t-0/{LOG}");
        touch(root, &[&log, "data/t-0/x.txt", "data/t-1/partition.metadata"]);
        let kind = |path: &str| find(&root.join(path)).unwrap().kind;
        assert_eq!(kind(&log), PathKind::File(FileName::parse(LOG)));
        assert_eq!(kind("data/t-0/x.txt"), PathKind::File(None));
        assert_eq!(kind("data/t-0"), PathKind::Partition);
        assert_eq!(kind("data"), PathKind::LogDir);
        assert_eq!(kind(""), PathKind::Above);
        assert_eq!(find(&root.join("none")).unwrap_err().source.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn the_search_ends_some_levels_down_and_at_symbolic_links() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        touch(root, &[&format!("1/2/3/4/t-0/{LOG}"), &format!("1/2/3/4/5/t-0/{LOG}")]);
        fs::create_dir(root.join("z")).unwrap();
        std::os::unix::fs::symlink(root, root.join("z/loop")).unwrap();
        let found = find(root).unwrap();
        assert_eq!(below(root, &found.partitions), ["1/2/3/4/t-0"]);
        assert_eq!(below(root, &found.log_dirs), ["1/2/3/4"]);
    }

    const HOLD: &str = "SEGKIT_TEST_HOLD_LOCK";

    /// Not a test of its own: [`a_lock_held_by_another_process_is_seen`] starts it in a child.
    #[test]
    fn hold_a_lock_until_told_to_end() {
        let Ok(path) = std::env::var(HOLD) else { return };
        let file = File::options().write(true).open(path).unwrap();
        let operation = rustix::fs::FlockOperation::NonBlockingLockExclusive;
        rustix::fs::fcntl_lock(&file, operation).unwrap();
        println!("held");
        std::io::stdin().read_line(&mut String::new()).unwrap();
    }

    #[test]
    fn a_lock_held_by_another_process_is_seen() {
        use std::io::{BufRead, BufReader};
        use std::process::{Command, Stdio};
        let root = tempfile::tempdir().unwrap();
        let lock = root.path().join(".lock");
        assert_eq!(liveness(root.path()), Liveness::Offline);
        assert!(!lock.exists());
        fs::write(&lock, b"").unwrap();
        assert_eq!(liveness(root.path()), Liveness::Offline);

        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["hold_a_lock_until_told_to_end", "--nocapture"])
            .env(HOLD, &lock)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().ends_with("held")));
        let pid = i32::try_from(child.id()).unwrap();
        assert_eq!(liveness(root.path()), Liveness::Live { pid: Some(pid) });
        // Asking does not take it: it is still held afterwards, and gone with its holder.
        assert_eq!(liveness(root.path()), Liveness::Live { pid: Some(pid) });
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
        assert_eq!(liveness(root.path()), Liveness::Offline);

        fs::remove_file(&lock).unwrap();
        std::os::unix::fs::symlink("elsewhere", &lock).unwrap();
        assert!(matches!(liveness(root.path()), Liveness::Unknown(_)));
    }
}
