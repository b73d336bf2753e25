//! A partition written to another place as it is going to be, and left alone where it is.
//!
//! ```text
//!   DIR/                                             made if it is not there
//!     seg-*.tmp/                                     until the copy is whole, then
//!     orders-0/                                      which must not be there
//!     log-start-offset-checkpoint and the others     the lines of the partition, added
//! ```
//!
//! Every file is copied, none is linked: who changes one of them later does not change the other.

use super::change::{Change, SegmentAfter};
use super::planner::Planned;
use crate::error::{Error, Result};
use crate::format::Offset;
use crate::format::checkpoint::{PartitionOffset, encode, offset_checkpoint};
use crate::log::disk::{Disk, is_unsupported};
use crate::log::file_bytes::open_regular;
use crate::log::file_facts::{Attributes, Space};
use crate::log::image::{ImagePart, LogImage};
use crate::log::log_dir::is_partition;
use crate::log::names::{FileKind, FileName, OffsetCheckpoint};
use crate::log::new_file::{Content, Image, Place, is_temporary, put, put_unsynced, random_name};
use crate::log::{EntryKind, LogDirContext, names_in, open_directory, read_small};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Says whether partitions can be copied to `to`: it is not there yet, or holds nothing but what
/// earlier copies left. Checkpoints in a directory above log dirs would make it one itself.
///
/// # Errors
/// When it holds anything else, or cannot be listed.
pub fn check_place(to: &Path) -> Result<()> {
    if EntryKind::of(to) == EntryKind::Gone {
        return Ok(());
    }
    for name in names_in(to)? {
        let path = to.join(&name);
        let text = name.to_string_lossy();
        let is_checkpoint = OffsetCheckpoint::ALL.iter().any(|which| which.file_name() == text);
        let is_of_copy = match EntryKind::of(&path) {
            EntryKind::File => is_checkpoint,
            EntryKind::Directory => is_partition(&path) && !is_temporary(&text),
            _ => false,
        };
        if is_of_copy {
            continue;
        }
        let why = match is_temporary(&text) {
            true => format!("it holds {text}, a copy that was not finished: remove that first"),
            false => format!("it holds {text}, which is no copy: name a new or an empty directory"),
        };
        return Err(Error::other("copying to", to, why));
    }
    Ok(())
}

/// A file of the copy.
enum New {
    Bytes(Vec<u8>),
    Composed(LogImage),
}

impl New {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Composed(image) => image.len(),
        }
    }
}

/// The files of the copy by their names, each with the one whose owner, mode and age it gets.
type Files = BTreeMap<OsString, (New, PathBuf)>;

/// Writes the partition of a plan, repaired, to a directory of its name in `to`, and says where.
///
/// # Errors
/// When that directory is there already, there is no room, or anything cannot be read or written.
/// The name is not taken then; nothing of the source is ever changed.
pub fn copy_to(planned: &Planned, to: &Path, disk: &dyn Disk) -> Result<PathBuf> {
    let source = &planned.plan.directory;
    let refused = |why: &str| Err(Error::other("copying", source, why));
    let canonical = |path: &Path| path.canonicalize().map_err(|e| Error::new("opening", path, e));
    let real = canonical(source)?;
    let Some(name) = real.file_name() else { return refused("it has no name") };
    if EntryKind::of(to) == EntryKind::Gone {
        make_directory(to, source, disk)?;
    }
    if canonical(to)?.starts_with(&real) {
        return refused("the copy would be inside it");
    }
    if EntryKind::of(&to.join("meta.properties")) != EntryKind::Gone {
        return refused("the place for the copy is a log dir of a broker");
    }
    let target = to.join(name);
    if EntryKind::of(&target) != EntryKind::Gone {
        return Err(Error::new("making", &target, ErrorKind::AlreadyExists.into()));
    }
    let files = files(planned)?;
    check_room(&files, &Space::of(to)?, &target)?;
    let temporary = to.join(random_name());
    make_directory(&temporary, source, disk)
        .and_then(|()| write(&files, &temporary, disk))
        // Without its lines the copy is not whole; lines without a copy are in nobody's way.
        .and_then(|()| checkpoints(planned, to, disk))
        .and_then(|()| name_it(&temporary, &target, disk))
        .inspect_err(|_| remove(&temporary, disk))?;
    sync(to, disk)?;
    Ok(target)
}

fn sync(directory: &Path, disk: &dyn Disk) -> Result<()> {
    let synced = disk.sync_directory(directory);
    synced.map_err(|error| Error::new("syncing", directory, error))
}

fn write(files: &Files, directory: &Path, disk: &dyn Disk) -> Result<()> {
    for (name, (content, like)) in files {
        let attributes = attributes(like)?;
        let content = match content {
            New::Bytes(bytes) => Content::Bytes(bytes),
            New::Composed(image) => Content::Composed(image),
        };
        let image = Image { content, attributes: &attributes };
        put_unsynced(disk, &directory.join(name), image, Place::Free(&|_| Ok(())))?;
    }
    sync(directory, disk)
}

fn name_it(temporary: &Path, target: &Path, disk: &dyn Disk) -> Result<()> {
    let renamed = match disk.rename_new(temporary, target) {
        Err(error) if is_unsupported(&error) && EntryKind::of(target) == EntryKind::Gone => {
            disk.rename(temporary, target)
        }
        renamed => renamed,
    };
    renamed.map_err(|error| Error::new("naming", target, error))
}

/// Removes a copy that was not finished. What cannot be removed is named by the next run.
fn remove(temporary: &Path, disk: &dyn Disk) {
    for name in names_in(temporary).unwrap_or_default() {
        drop(disk.unlink(&temporary.join(name)));
    }
    drop(disk.remove_directory(temporary));
}

/// There is room for every file of the copy.
fn check_room(files: &Files, space: &Space, target: &Path) -> Result<()> {
    let blocks = files.values().map(|(content, _)| content.len().div_ceil(space.block));
    let blocks = blocks.fold(0, u64::saturating_add);
    let needed = blocks.saturating_mul(space.block);
    let why = match space.free {
        _ if space.is_out_of_files => "the file system takes no more files".to_owned(),
        Some(free) if free < needed => {
            format!("the copy needs {needed} bytes, {free} are free")
        }
        _ => return Ok(()),
    };
    Err(Error::new("copying to", target, io::Error::new(ErrorKind::StorageFull, why)))
}

/// A directory that is as open as the one it is a copy of.
fn make_directory(path: &Path, like: &Path, disk: &dyn Disk) -> Result<()> {
    let fail = |error| Error::new("making", path, error);
    disk.make_directory(path).map_err(fail)?;
    let of = Attributes::of_open(&open_directory(like)?);
    let Attributes { user, group, mode, .. } = of.map_err(fail)?.given_by_this_process();
    let directory = open_directory(path)?;
    disk.set_owner(&directory, user, group).map_err(fail)?;
    // A source that nobody may write to does not make such a copy.
    disk.set_mode(&directory, mode | 0o700).map_err(fail)
}

/// The attributes of a file, of which only those are kept that this process may give.
fn attributes(like: &Path) -> Result<Attributes> {
    let of = Attributes::of_open(&open_regular(like)?);
    Ok(of.map_err(|error| Error::new("looking at", like, error))?.given_by_this_process())
}

fn whole(path: &Path) -> Result<New> {
    let file = open_regular(path)?;
    let length = file.metadata().map_err(|error| Error::new("looking at", path, error))?.len();
    let part = ImagePart { file: path.to_owned(), range: 0..length, patches: Vec::new() };
    Ok(New::Composed(LogImage { parts: vec![part] }))
}

/// What the directory holds when the plan is carried out. What is not Kafka's stays behind.
fn files(planned: &Planned) -> Result<Files> {
    let source = &planned.plan.directory;
    let mut files = Files::new();
    for name in names_in(source)? {
        let path = source.join(&name);
        let is_kafkas = name.to_str().and_then(FileName::parse).is_some();
        if is_kafkas && EntryKind::of(&path) == EntryKind::File {
            files.insert(name, (whole(&path)?, path));
        }
    }
    for change in &planned.plan.changes {
        match change {
            Change::WriteFile(write) => {
                // The lines of checkpoints are another matter.
                if write.path.parent() != Some(source) {
                    continue;
                }
                let like = if write.before.is_some() { &write.path } else { &write.like };
                put_in(&mut files, &write.path, New::Bytes(write.after.clone()), like);
            }
            Change::SetAside(aside) => take_out(&mut files, &aside.path),
            Change::FinishReplace(finish) => {
                for (path, _) in &finish.replaced {
                    take_out(&mut files, path);
                }
                for (from, to, _) in &finish.renames {
                    take_out(&mut files, from);
                    put_in(&mut files, to, whole(from)?, from);
                }
            }
            Change::ReplaceSegments(replace) => {
                for (path, _) in replace.before.iter().flat_map(|segment| &segment.files) {
                    take_out(&mut files, path);
                }
                for segment in &replace.after {
                    put_segment(&mut files, source, segment);
                }
            }
        }
    }
    Ok(files)
}

fn put_segment(files: &mut Files, directory: &Path, segment: &SegmentAfter) {
    let mut put = |kind, content| {
        let name = FileName::of_segment(segment.base_offset, kind).to_string();
        put_in(files, &directory.join(name), content, &segment.like);
    };
    put(FileKind::Log, New::Composed(segment.log.clone()));
    put(FileKind::OffsetIndex, New::Bytes(segment.index.clone()));
    put(FileKind::TimeIndex, New::Bytes(segment.time_index.clone()));
    if let Some(bytes) = &segment.txn_index {
        put(FileKind::TxnIndex, New::Bytes(bytes.clone()));
    }
}

fn put_in(files: &mut Files, path: &Path, content: New, like: &Path) {
    if let Some(name) = path.file_name() {
        files.insert(name.to_owned(), (content, like.to_owned()));
    }
}

fn take_out(files: &mut Files, path: &Path) {
    if let Some(name) = path.file_name() {
        files.remove(name);
    }
}

/// Adds what the log dir's checkpoints say of the partition to those beside the copy: without
/// them, records that were deleted would be there again.
fn checkpoints(planned: &Planned, to: &Path, disk: &dyn Disk) -> Result<()> {
    let Some((log_dir, ends)) = &planned.ends else { return Ok(()) };
    let context = LogDirContext::read(log_dir);
    for which in OffsetCheckpoint::ALL {
        let Some(offset) = context.offset(which, &ends.topic_partition) else { continue };
        let highest = match which {
            OffsetCheckpoint::LogStart | OffsetCheckpoint::Cleaner => ends.log_start,
            _ => ends.log_end,
        };
        let offset = if offset > ends.log_end { highest } else { offset };
        let path = to.join(which.file_name());
        let is_there = EntryKind::of(&path) == EntryKind::File;
        let before = if is_there { read_small(&path)? } else { Vec::new() };
        let topic = ends.topic_partition.topic.as_str();
        let bytes = with_line(&before, topic, ends.topic_partition.partition, offset)
            .ok_or_else(|| Error::other("adding a line to", &path, "it does not parse"))?;
        let attributes = attributes(&log_dir.join(which.file_name()))?;
        let image = Image { content: Content::Bytes(&bytes), attributes: &attributes };
        let place = if is_there { Place::Taken(&|_| Ok(())) } else { Place::Free(&|_| Ok(())) };
        put(disk, &path, image, place)?;
    }
    Ok(())
}

fn with_line(before: &[u8], topic: &str, partition: i32, offset: Offset) -> Option<Vec<u8>> {
    let entries = offset_checkpoint(before).ok()?.into_iter().map(|entry| entry.value);
    let others = entries.filter(|entry| (entry.topic, entry.partition) != (topic, partition));
    let mut lines: Vec<PartitionOffset<'_>> = others.collect();
    lines.push(PartitionOffset { topic, partition, offset });
    Some(encode(&lines).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::disk::RealDisk;
    use crate::repair::change::WriteFile;
    use std::fs;

    /// What cannot be written to its end is not there.
    #[test]
    fn a_copy_is_there_as_a_whole_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let (source, to) = (root.path().join("orders-0"), root.path().join("to"));
        fs::create_dir(&source).unwrap();
        let log = source.join("00000000000000000000.log");
        fs::write(&log, "abc").unwrap();
        let mut planned = Planned::default();
        planned.plan.directory = source.clone();
        // It is the last of all, and like nothing.
        planned.plan.changes = vec![Change::WriteFile(WriteFile {
            path: source.join("partition.metadata"),
            after: b"x".to_vec(),
            before: None,
            like: source.join("nothing"),
            made_from: Vec::new(),
        })];
        assert!(copy_to(&planned, &to, &RealDisk).is_err());
        assert_eq!(names_in(&to).unwrap(), Vec::<OsString>::new());
        planned.plan.changes.clear();
        assert_eq!(copy_to(&planned, &to, &RealDisk).unwrap(), to.join("orders-0"));
        assert_eq!(names_in(&to).unwrap(), ["orders-0"]);
        assert_eq!(fs::read(to.join("orders-0").join(log.file_name().unwrap())).unwrap(), b"abc");
        assert!(copy_to(&planned, &to, &RealDisk).is_err());
    }

    #[test]
    fn there_has_to_be_room_for_all_files() {
        let file = |length| (New::Bytes(vec![0; length]), PathBuf::new());
        let files = Files::from([("a".into(), file(1)), ("b".into(), file(4097))]);
        for (free, is_out_of_files, fits) in [
            (Some(3 * 4096), false, true),
            (None, false, true),
            (Some(3 * 4096 - 1), false, false),
            (None, true, false),
        ] {
            let space = Space { device: 7, free, block: 4096, is_out_of_files };
            let checked = check_room(&files, &space, Path::new("to/orders-0"));
            assert_eq!(checked.is_ok(), fits, "{space:?}");
        }
    }

    #[test]
    fn copies_go_where_nothing_but_copies_is() {
        let table = [
            (vec![], None),
            (vec!["orders-0/00000000000000000000.log", "log-start-offset-checkpoint"], None),
            (vec!["orders-0/notes.txt"], Some("orders-0")),
            (vec!["kafka1/orders-0/00000000000000000000.log"], Some("kafka1")),
            (vec!["meta.properties"], Some("meta.properties")),
            (vec![".lock"], Some(".lock")),
            (vec!["notes.txt"], Some("notes.txt")),
            (vec!["seg-0123456789abcdef.tmp/00000000000000000000.log"], Some("not finished")),
        ];
        for (files, refused) in table {
            let root = tempfile::tempdir().unwrap();
            for path in files.iter().map(|file| root.path().join(file)) {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
            let said = check_place(root.path()).err().map(|error| error.to_string());
            match refused {
                None => assert_eq!(said, None, "{files:?}"),
                Some(word) => assert!(said.unwrap().contains(word), "{files:?}"),
            }
        }
        assert!(check_place(Path::new("/nowhere/at/all")).is_ok());
    }
}
