//! A partition directory: what is in it, by names, sizes and times. No file is opened.

use super::log_dir;
use super::names::{FileKind, FileName, PartitionDirName};
use super::segment::SegmentFiles;
use crate::error::{Error, Result};
use crate::format::Offset;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A regular file as a listing of its directory shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Where it is.
    pub path: PathBuf,
    /// Its length when it was listed.
    pub size: u64,
    /// When it was written last; `None` where the file system does not say.
    pub modified: Option<SystemTime>,
}

/// A file with an offset in its name that belongs to no segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// What its name says.
    pub name: FileName,
    /// The file.
    pub file: FileEntry,
}

/// What a partition directory holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionDir {
    path: PathBuf,
    /// What the directory's name says; `None` when it is no partition's name.
    pub name: Option<PartitionDirName>,
    /// The segments in the order of their base offsets.
    pub segments: Vec<SegmentFiles>,
    /// All producer snapshots in the order of their offsets. Most stand at the log end.
    pub snapshots: Vec<NamedFile>,
    /// Index files without a `.log`, which a broker deletes when it starts.
    pub orphans: Vec<NamedFile>,
    /// `leader-epoch-checkpoint`.
    pub leader_epoch_checkpoint: Option<FileEntry>,
    /// `partition.metadata`, which holds the topic id.
    pub partition_metadata: Option<FileEntry>,
    /// `quorum-state`, in the partition of the cluster's metadata.
    pub quorum_state: Option<FileEntry>,
    /// Snapshots of the cluster's metadata in the order of their offsets.
    pub metadata_checkpoints: Vec<NamedFile>,
    /// Files with a suffix: about to be deleted, or not finished.
    pub leftovers: Vec<NamedFile>,
    /// Segments that cannot be read because their `.log` is no regular file but a symbolic link, a
    /// directory, a pipe, in the order of their base offsets. They are among the strays as well.
    pub unreadable: Vec<NamedFile>,
    /// What is not Kafka's here, or no regular file: directories, symbolic links, other names, and
    /// a second `.log` of the same base offset: the one whose name has 20 digits is the first.
    pub strays: Vec<PathBuf>,
}

impl PartitionDir {
    /// A directory in which there is nothing.
    #[must_use]
    pub fn empty(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            name: None,
            segments: Vec::new(),
            snapshots: Vec::new(),
            orphans: Vec::new(),
            leader_epoch_checkpoint: None,
            partition_metadata: None,
            quorum_state: None,
            metadata_checkpoints: Vec::new(),
            leftovers: Vec::new(),
            unreadable: Vec::new(),
            strays: Vec::new(),
        }
    }

    /// Lists the directory at `path`, whatever is in it.
    ///
    /// # Errors
    /// When the directory cannot be listed. A file that vanishes meanwhile is left out.
    pub fn open(path: &Path) -> Result<Self> {
        let listed = list(path)?;
        let name = directory_name(path).as_deref().and_then(PartitionDirName::parse);
        let mut dir = Self { name, strays: listed.strays, ..Self::empty(path) };
        let mut segments = BTreeMap::new();
        let mut indexes = Vec::new();
        let mut unreadable = BTreeMap::new();
        for Listing { named, is_regular } in listed.files {
            match (named.name.offset, named.name.kind) {
                (Some(base), FileKind::Log) if !is_regular => {
                    dir.strays.push(named.file.path.clone());
                    if named.name.suffix.is_none() && !segments.contains_key(&base) {
                        unreadable.entry(base).or_insert(named);
                    }
                }
                _ if !is_regular => dir.strays.push(named.file.path),
                _ if named.name.suffix.is_some() => dir.leftovers.push(named),
                (None, FileKind::LeaderEpochCheckpoint) => {
                    dir.leader_epoch_checkpoint = Some(named.file);
                }
                (None, FileKind::PartitionMetadata) => dir.partition_metadata = Some(named.file),
                (None, FileKind::QuorumState) => dir.quorum_state = Some(named.file),
                (Some(base), FileKind::Log)
                    if !segments.contains_key(&base) && !unreadable.contains_key(&base) =>
                {
                    segments.insert(base, SegmentFiles::new(base, named.file));
                }
                (Some(_), FileKind::ProducerSnapshot) => dir.snapshots.push(named),
                (Some(_), FileKind::MetadataCheckpoint) => dir.metadata_checkpoints.push(named),
                (Some(_), FileKind::OffsetIndex | FileKind::TimeIndex | FileKind::TxnIndex) => {
                    indexes.push(named)
                }
                _ => dir.strays.push(named.file.path),
            }
        }
        dir.unreadable = unreadable.into_values().collect();
        dir.join(segments, indexes);
        Ok(dir)
    }

    /// Gives every segment the files that go with its `.log`.
    fn join(&mut self, mut segments: BTreeMap<Offset, SegmentFiles>, indexes: Vec<NamedFile>) {
        for index in indexes {
            let base = index.name.offset.unwrap_or_default();
            let place = segments.get_mut(&base).and_then(|files| files.place(index.name.kind));
            match place {
                Some(place @ None) => *place = Some(index.file),
                Some(Some(_)) => self.strays.push(index.file.path),
                None => self.orphans.push(index),
            }
        }
        self.snapshots.sort_by_key(|snapshot| snapshot.name);
        self.metadata_checkpoints.sort_by_key(|checkpoint| checkpoint.name);
        for snapshot in &self.snapshots {
            let base = snapshot.name.offset.unwrap_or_default();
            if let Some(files) = segments.get_mut(&base) {
                files.snapshot = Some(snapshot.file.clone());
            }
        }
        self.segments = segments.into_values().collect();
        self.strays.sort();
    }

    /// Where the directory is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The log dir that the directory is in: its parent, when that is one by its content. A
    /// partition directory that stands alone is in none.
    #[must_use]
    pub fn log_dir(&self) -> Option<PathBuf> {
        log_dir::log_dir_of(&self.path)
    }

    /// The first offset that a reader may ask for: that of `checkpoint`, the partition's entry in
    /// its log dir's `log-start-offset-checkpoint`, or the first base offset if that is higher, be
    /// its segment readable or not. `None` in a partition without segments or entry.
    #[must_use]
    pub fn log_start_offset(&self, checkpoint: Option<Offset>) -> Option<Offset> {
        let first = self.segments.first().map(|files| files.base_offset);
        let unreadable = self.unreadable.first().and_then(|named| named.name.offset);
        checkpoint.max(first.into_iter().chain(unreadable).min())
    }

    /// Bytes of all `.log` files.
    #[must_use]
    pub fn log_bytes(&self) -> u64 {
        self.segments.iter().map(|files| files.log.size).sum()
    }
}

/// The last part of `path`, also where it is given as `.`.
fn directory_name(path: &Path) -> Option<String> {
    let name = match path.file_name() {
        Some(name) => name.to_owned(),
        None => path.canonicalize().ok()?.file_name()?.to_owned(),
    };
    name.into_string().ok()
}

/// A directory's entries: those with a name of Kafka's in the order of their names, but names as
/// Kafka writes them first, and everything else.
struct Listed {
    files: Vec<Listing>,
    strays: Vec<PathBuf>,
}

struct Listing {
    named: NamedFile,
    is_regular: bool,
}

fn list(path: &Path) -> Result<Listed> {
    let fail = |error| Error::new("listing", path, error);
    let mut listed = Listed { files: Vec::new(), strays: Vec::new() };
    let mut entries = std::fs::read_dir(path)
        .map_err(fail)?
        .collect::<std::io::Result<Vec<_>>>()
        .map_err(fail)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::new("reading", &entry.path(), error)),
        };
        let name = entry.file_name().to_str().and_then(FileName::parse);
        match name.filter(|name| name.kind.is_in_partition()) {
            None => listed.strays.push(entry.path()),
            Some(name) => {
                let (path, size) = (entry.path(), metadata.len());
                let file = FileEntry { path, size, modified: metadata.modified().ok() };
                let (named, is_regular) = (NamedFile { name, file }, metadata.is_file());
                listed.files.push(Listing { named, is_regular });
            }
        }
    }
    listed.files.sort_by_key(|Listing { named, .. }| {
        let name = named.file.path.file_name().and_then(std::ffi::OsStr::to_str);
        name != Some(named.name.to_string().as_str())
    });
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn everything_has_its_place() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("orders-3");
        fs::create_dir(&path).unwrap();
        for name in [
            "00000000000000000100.log",
            "00000000000000000000.log",
            "00000000000000000000.index",
            "00000000000000000000.timeindex",
            "00000000000000000100.txnindex",
            "00000000000000000100.snapshot",
            "00000000000000000177.snapshot",
            "00000000000000000050.index",
            "00000000000000000050.log.deleted",
            "00000000000000000100.timeindex.swap",
            "100.log",
            "leader-epoch-checkpoint",
            "leader-epoch-checkpoint.tmp",
            "partition.metadata",
            "00000000000000000009-0000000002.checkpoint",
            "00000000000000000004-0000000001.checkpoint",
            "notes.txt",
            "meta.properties",
        ] {
            fs::write(path.join(name), name).unwrap();
        }
        fs::create_dir(path.join("00000000000000000200.log")).unwrap();
        std::os::unix::fs::symlink("notes.txt", path.join("00000000000000000300.log")).unwrap();

        let dir = PartitionDir::open(&path).unwrap();
        let file = |entry: &FileEntry| entry.path.file_name().unwrap().to_str().unwrap().to_owned();
        let all = |named: &[NamedFile]| named.iter().map(|n| file(&n.file)).collect::<Vec<_>>();
        let name = dir.name.as_ref().unwrap();
        assert_eq!(name.topic_partition.to_string(), "orders-3");
        let [first, second] = &dir.segments[..] else { panic!("{:?}", dir.segments) };
        assert_eq!((first.base_offset, second.base_offset), (Offset(0), Offset(100)));
        assert_eq!(first.log.size, "00000000000000000000.log".len() as u64);
        assert_eq!(file(first.time_index.as_ref().unwrap()), "00000000000000000000.timeindex");
        assert!(first.index.is_some() && first.txn_index.is_none() && first.snapshot.is_none());
        assert!(second.index.is_none() && second.txn_index.is_some());
        assert_eq!(file(second.snapshot.as_ref().unwrap()), "00000000000000000100.snapshot");
        assert_eq!(dir.snapshots.len(), 2);
        assert_eq!(all(&dir.orphans), ["00000000000000000050.index"]);
        assert_eq!(
            all(&dir.leftovers),
            [
                "00000000000000000050.log.deleted",
                "00000000000000000100.timeindex.swap",
                "leader-epoch-checkpoint.tmp"
            ]
        );
        assert_eq!(
            all(&dir.metadata_checkpoints),
            [
                "00000000000000000004-0000000001.checkpoint",
                "00000000000000000009-0000000002.checkpoint"
            ]
        );
        assert!(dir.leader_epoch_checkpoint.is_some() && dir.partition_metadata.is_some());
        let strays = dir.strays.iter().map(|p| p.file_name().unwrap().to_str().unwrap());
        assert_eq!(
            strays.collect::<Vec<_>>(),
            [
                "00000000000000000200.log",
                "00000000000000000300.log",
                "100.log",
                "meta.properties",
                "notes.txt"
            ]
        );
        assert_eq!(dir.log_start_offset(None), Some(Offset(0)));
        assert_eq!(dir.log_start_offset(Some(Offset(42))), Some(Offset(42)));
        assert_eq!(dir.log_start_offset(Some(Offset(-1))), Some(Offset(0)));
    }

    #[test]
    fn a_segment_that_is_no_regular_file_is_kept_visible() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::create_dir(path("00000000000000000000.log")).unwrap();
        fs::write(path("00000000000000000003.log"), b"").unwrap();
        std::os::unix::fs::symlink("x", path("00000000000000000007.log")).unwrap();
        std::os::unix::fs::symlink("x", path("00000000000000000008.log.deleted")).unwrap();
        std::os::unix::fs::symlink("x", path("00000000000000000009.index")).unwrap();
        let dir = PartitionDir::open(root.path()).unwrap();
        let unreadable = dir.unreadable.iter().map(|named| named.file.path.clone());
        let expected = [path("00000000000000000000.log"), path("00000000000000000007.log")];
        assert_eq!(unreadable.collect::<Vec<_>>(), expected);
        assert_eq!(dir.strays.len(), 4);
        assert_eq!(dir.segments.len(), 1);
        assert_eq!(dir.log_start_offset(None), Some(Offset(0)));
        assert_eq!(dir.log_start_offset(Some(Offset(5))), Some(Offset(5)));
    }

    #[test]
    fn of_two_names_of_one_offset_the_one_of_20_digits_is_the_segment() {
        for other in ["0.log", "000000000000000000000.log", "+0.log"] {
            let root = tempfile::tempdir().unwrap();
            let path = |name: &str| root.path().join(name);
            fs::write(path(other), b"other").unwrap();
            fs::write(path("00000000000000000000.log"), b"").unwrap();
            let dir = PartitionDir::open(root.path()).unwrap();
            let logs = dir.segments.iter().map(|files| files.log.path.clone()).collect::<Vec<_>>();
            assert_eq!(logs, [path("00000000000000000000.log")]);
            assert_eq!(dir.strays, [path(other)]);
            assert!(dir.unreadable.is_empty());

            // A link beside it is no segment of its own, and hides none.
            fs::remove_file(path(other)).unwrap();
            std::os::unix::fs::symlink("x", path(other)).unwrap();
            let dir = PartitionDir::open(root.path()).unwrap();
            assert_eq!((dir.segments.len(), dir.unreadable.len(), dir.strays.len()), (1, 0, 1));
        }
    }
}
