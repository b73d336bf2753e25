//! Segments that give way to others, together, by Kafka's own protocol.
//!
//! ```text
//!                          on the disk                                  a broker that starts
//!   1  write, each synced  A.* B.*   A'.*.cleaned B'.*.cleaned          deletes .cleaned: old
//!      sync directory
//!   2  B' to .swap         A.* B.*   A'.*.cleaned B'.*.swap             deletes both:     old
//!      sync directory                                (a .swap from the lowest .cleaned on)
//!   3  A' to .swap         A.* B.*   A'.log.swap A'.index.cleaned ...   deletes both:     old
//!      sync directory      A.* B.*   A'.*.swap B'.*.swap                deletes A.* B.*,
//!                                                                       renames .swap:    new
//!   4  those whose names nobody takes go, the .log first                the same:         new
//!      sync directory
//!   5  .log by .log takes its final name, the lowest first              what is below the
//!      sync directory      A'.log A.index A'.index.swap B'.log.swap     lowest .log.swap stays,
//!                                                                       indexes follow:   new
//!   6  the indexes take theirs                                          renames the rest: new
//!      sync directory
//! ```
//!
//! Why the `.log` is first in 5: while one is a `.log.swap`, a broker deletes every file from its
//! offset to where it ends that is no `.swap`. A new index that had its final name already would go
//! too, and the broker would find an index of its own making in its stead.
//!
//! Why the directory is synced after each segment in 2: names that are not synced may reach the
//! disk in any order, and the `.swap` of a lower segment without that of a higher one is, to a
//! broker, a whole replacement: it would delete the old segments and have half of the new.
//!
//! Why it is synced between 4 and 5: an old segment that a merged one covers would stay beside it.
//! One that lies behind the end of the new ones no broker deletes; it is there as it was until this
//! process, or one that finishes what it began, comes to 4.

use crate::error::{Error, Result};
use crate::format::Offset;
use crate::log::disk::Disk;
use crate::log::file_facts::place_of;
use crate::log::new_file::Content;
use crate::log::{EntryKind, FileKind, FileName, names_in};
use crate::repair::backup::name_of;
use crate::repair::change::{ReplaceSegments, SegmentAfter};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

pub(in crate::repair) const CLEANED: &str = ".cleaned";
pub(in crate::repair) const SWAP: &str = ".swap";

/// The kinds of file that a replacement is about.
pub(in crate::repair) const KINDS: [FileKind; 4] =
    [FileKind::Log, FileKind::OffsetIndex, FileKind::TimeIndex, FileKind::TxnIndex];

/// The offset and kind in the name of a segment's own file.
pub(in crate::repair) fn numbered(name: &OsStr) -> Option<(Offset, FileKind)> {
    let name = FileName::parse(name.to_str()?)?;
    let is_own = name.suffix.is_none() && KINDS.contains(&name.kind);
    is_own.then_some((name.offset?, name.kind))
}

pub(super) fn path_of(directory: &Path, offset: Offset, kind: FileKind) -> PathBuf {
    directory.join(FileName::of_segment(offset, kind).to_string())
}

pub(in crate::repair) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The files of a segment that comes. Where a transaction index was and none is to be, there is an
/// empty one: to a broker that is the same, and the old one has to go in the same instant.
pub(super) fn contents<'a>(
    replace: &ReplaceSegments,
    after: &'a SegmentAfter,
) -> Vec<(FileKind, Content<'a>)> {
    let had_txn_index = || {
        let before = replace.before.iter().flat_map(|segment| &segment.files);
        let mut names = before.filter_map(|(path, _)| path.file_name().and_then(numbered));
        names.any(|name| name == (after.base_offset, FileKind::TxnIndex))
    };
    let mut contents = vec![
        (FileKind::Log, Content::Composed(&after.log)),
        (FileKind::OffsetIndex, Content::Bytes(&after.index)),
        (FileKind::TimeIndex, Content::Bytes(&after.time_index)),
    ];
    match &after.txn_index {
        Some(bytes) => contents.push((FileKind::TxnIndex, Content::Bytes(bytes))),
        None if had_txn_index() => contents.push((FileKind::TxnIndex, Content::Bytes(b""))),
        None => {}
    }
    contents
}

/// The paths of all files that come.
pub(super) fn finals(replace: &ReplaceSegments, directory: &Path) -> BTreeSet<PathBuf> {
    let paths = replace.after.iter().flat_map(|after| {
        let contents = contents(replace, after);
        contents.into_iter().map(|(kind, _)| path_of(directory, after.base_offset, kind))
    });
    paths.collect()
}

/// The producer snapshots among the segments between `first` and `last`: a broker that finishes a
/// replacement deletes them with what is replaced, so they are kept as well.
pub(super) fn snapshots(directory: &Path, first: Offset, last: Offset) -> Result<Vec<PathBuf>> {
    let (mut snapshots, mut next) = (Vec::new(), None);
    for name in names_in(directory)? {
        let Some(file) = name.to_str().and_then(FileName::parse) else { continue };
        let (Some(offset), None) = (file.offset, file.suffix) else { continue };
        match file.kind {
            FileKind::Log if offset > last => next = Some(next.map_or(offset, |it| offset.min(it))),
            FileKind::ProducerSnapshot if offset >= first => snapshots.push((offset, name)),
            _ => {}
        }
    }
    snapshots.retain(|(offset, _)| next.is_none_or(|next| *offset < next));
    Ok(snapshots.into_iter().map(|(_, name)| directory.join(name)).collect())
}

/// The first and the last offset in the names of segments' files.
pub(super) fn range<'p>(paths: impl Iterator<Item = &'p PathBuf>) -> Option<(Offset, Offset)> {
    let offsets: Vec<Offset> =
        paths.filter_map(|path| Some(numbered(path.file_name()?)?.0)).collect();
    offsets.iter().min().copied().zip(offsets.iter().max().copied())
}

/// A file that comes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::repair) struct Coming {
    offset: Offset,
    is_no_log: bool,
    name: String,
}

impl Coming {
    pub(in crate::repair) fn of(path: &Path) -> Result<Self> {
        let name = name_of(path, path.parent().unwrap_or(path))?;
        let Some((offset, kind)) = numbered(OsStr::new(&name)) else {
            return Err(Error::other("replacing", path, "it is no segment's file"));
        };
        Ok(Self { offset, is_no_log: kind != FileKind::Log, name })
    }
}

/// A replacement whose new files are written.
pub(in crate::repair) struct Swap<'a> {
    pub disk: &'a dyn Disk,
    pub directory: &'a Path,
    /// The names that nobody takes.
    pub goes: Vec<String>,
    pub comes: Vec<Coming>,
}

impl Swap<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn is_there(&self, name: &str, suffix: &str) -> bool {
        EntryKind::of(&with_suffix(&self.path(name), suffix)) != EntryKind::Gone
    }

    pub(in crate::repair) fn sync(&self) -> Result<()> {
        let synced = self.disk.sync_directory(self.directory);
        synced.map_err(|error| Error::new("syncing", self.directory, error))
    }

    /// Steps 2 and 3.
    pub(in crate::repair) fn to_swap(&self) -> Result<()> {
        let mut comes: Vec<&Coming> = self.comes.iter().collect();
        comes.sort_by(|a, b| b.offset.cmp(&a.offset).then(a.cmp(b)));
        for segment in comes.chunk_by(|a, b| a.offset == b.offset) {
            for file in segment {
                let path = self.path(&file.name);
                let (from, to) = (with_suffix(&path, CLEANED), with_suffix(&path, SWAP));
                let renamed = self.disk.rename(&from, &to);
                renamed.map_err(|error| Error::new("renaming", &from, error))?;
            }
            self.sync()?;
        }
        Ok(())
    }

    /// Steps 4 to 6, from wherever they were left.
    pub(in crate::repair) fn to_final(&self) -> Result<()> {
        let mut goes: Vec<&String> = self.goes.iter().collect();
        goes.sort_by_key(|name| {
            let number = numbered(OsStr::new(name.as_str()));
            number.map(|(offset, kind)| (kind != FileKind::Log, offset))
        });
        for name in goes {
            remove(self.disk, &self.path(name))?;
        }
        self.sync()?;
        let mut comes: Vec<&Coming> = self.comes.iter().collect();
        comes.sort_by_key(|file| (file.is_no_log, file.offset, &file.name));
        for kind in comes.chunk_by(|a, b| a.is_no_log == b.is_no_log) {
            for file in kind {
                if self.is_there(&file.name, SWAP) {
                    let path = self.path(&file.name);
                    move_over(self.disk, &with_suffix(&path, SWAP), &path)?;
                }
            }
            self.sync()?;
        }
        Ok(())
    }

    /// Finishes or takes back what was interrupted, as a broker would: it is taken back as long as
    /// a `.cleaned` is there.
    pub(in crate::repair) fn settle(&self) -> Result<()> {
        // What was not synced may still be undone by a power cut; from here on it is as it looks.
        self.sync()?;
        let any = |suffix| self.comes.iter().any(|file| self.is_there(&file.name, suffix));
        if any(CLEANED) {
            return self.roll_back();
        }
        if any(SWAP) { self.to_final() } else { Ok(()) }
    }

    /// The `.swap` go first, and are gone before the first `.cleaned` goes.
    fn roll_back(&self) -> Result<()> {
        for suffix in [SWAP, CLEANED] {
            for file in &self.comes {
                remove(self.disk, &with_suffix(&self.path(&file.name), suffix))?;
            }
            self.sync()?;
        }
        Ok(())
    }

    /// After an error in the steps 1 to 3. When all is a `.swap` it is too late: half of it taken
    /// away is half a replacement.
    pub(in crate::repair) fn roll_back_after(&self, mut error: Error) -> Error {
        let is_late = !self.comes.iter().any(|file| self.is_there(&file.name, CLEANED));
        let why = match is_late {
            true if !self.comes.iter().any(|file| self.is_there(&file.name, SWAP)) => return error,
            true => "a broker that starts, or the next repair, finishes it".to_owned(),
            false => match self.roll_back() {
                Ok(()) => return error,
                Err(left) => format!("{left}; a broker that starts, or an undo, takes it back"),
            },
        };
        let why = format!("{}; {why}", error.reason());
        error.source = std::io::Error::new(error.source.kind(), why);
        error
    }
}

/// Takes a name away, if it is there.
pub(in crate::repair) fn remove(disk: &dyn Disk, path: &Path) -> Result<()> {
    if EntryKind::of(path) == EntryKind::Gone {
        return Ok(());
    }
    disk.unlink(path).map_err(|error| Error::new("removing", path, error))
}

/// Renames, also where both names are the same file's already, to which the system does nothing.
pub(in crate::repair) fn move_over(disk: &dyn Disk, from: &Path, to: &Path) -> Result<()> {
    let place = |path: &Path| place_of(path).ok();
    if EntryKind::of(to) == EntryKind::File && place(from).is_some_and(|it| Some(it) == place(to)) {
        return remove(disk, from);
    }
    disk.rename(from, to).map_err(|error| Error::new("replacing", to, error))
}
