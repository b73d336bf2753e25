//! Where originals are kept: outside every log dir, beside it, on the same file system, so that a
//! further name is all that a file needs.
//!
//! ```text
//!   /data/kafka/orders-0                       a partition in a log dir
//!   /data/kafka.seg-backup/orders-0.1/         its first backup, with
//!     manifest                                   what was where, and what was done
//!     00000000000000000042.log.kept              the originals, by names that no tool takes
//!     ...                                        for those of a partition
//!   /tmp/orders-0.seg-backup/1/                of a partition that is in no log dir
//! ```
//!
//! A run that was killed leaves a manifest that does not say `done`: the next goes on in the same
//! backup, where the very first originals stay, so that one undo brings them back.

pub mod manifest;
mod place;

pub(super) use manifest::{Kept, Manifest, Stamp, State, Step, Was};
pub use place::Place;
pub(super) use place::{Found, Shelf, Unreadable, demand_as_left};

use crate::error::{Error, Result};
use crate::log::disk::{Disk, is_unsupported};
use crate::log::file_bytes::open_regular;
use crate::log::file_facts::{Attributes, FileIdentity, place_of};
use crate::log::image::LogImage;
use crate::log::names::OffsetCheckpoint;
use crate::log::new_file::{Content, Image, Place as At, put_unsynced, random_name};
use crate::log::{EntryKind, FileBytes};
use manifest::{MANIFEST, Writer};
use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Files up to this size are known by a sum over their bytes as well.
const SUM_BYTES: u64 = 1 << 20;

/// The name that a file has in a backup.
pub(super) fn kept_name(name: &str) -> String {
    match name.strip_prefix(ABOVE) {
        Some(name) => format!("log-dir.{name}.kept"),
        None => format!("{name}.kept"),
    }
}

/// The name of the file at `path`, seen from the directory that is repaired.
///
/// # Errors
/// When it has none that can be written down.
pub(super) fn name_of(path: &Path, directory: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    let why = "its name is not UTF-8, and could not be written down";
    let name = name.ok_or_else(|| Error::other("changing", path, why))?;
    let above = if is_of_log_dir(path, directory) { ABOVE } else { "" };
    Ok(format!("{above}{name}"))
}

/// What the names of the log dir's own files begin with, seen from a partition.
pub(super) const ABOVE: &str = "../";

/// True for a checkpoint of the log dir that the partition in `directory` is in: a repair that
/// moves the end of a log brings its lines there into line.
pub(super) fn is_of_log_dir(path: &Path, directory: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    path.parent() != Some(directory)
        && OffsetCheckpoint::ALL.iter().any(|which| name == Some(which.file_name()))
}

/// A path at which something is going to change.
#[derive(Clone, Debug)]
pub(super) struct Touched {
    path: PathBuf,
    name: String,
    /// `None` when there is nothing, or a directory.
    file: Option<FileIdentity>,
    is_directory: bool,
}

impl Touched {
    pub(super) fn of(path: &Path, directory: &Path) -> Result<Self> {
        let is_directory = EntryKind::of(path) == EntryKind::Directory;
        let file = if is_directory { None } else { FileIdentity::of(path)? };
        Ok(Self { path: path.to_owned(), name: name_of(path, directory)?, file, is_directory })
    }

    /// True for a file of the log dir.
    pub(super) fn is_above(&self) -> bool {
        self.name.starts_with(ABOVE)
    }

    pub(super) fn size(&self) -> u64 {
        self.file.map_or(0, |file| file.size)
    }
}

/// A backup that is being filled.
pub(super) struct Backup<'a> {
    path: PathBuf,
    disk: &'a dyn Disk,
    writer: Writer<'a>,
}

impl<'a> Backup<'a> {
    /// Keeps every original that is not kept yet. When this returns, all of them and the manifest
    /// are on the disk.
    pub(super) fn begin(place: &Place, touched: &[Touched], disk: &'a dyn Disk) -> Result<Self> {
        let mut keeper = Keeper { place, disk, kept: Vec::new() };
        let Some(begun) = place.resumes() else {
            place.make(disk)?;
            let path = place.path().to_owned();
            let at = path.join(MANIFEST);
            touched.iter().try_for_each(|touched| keeper.keep(touched))?;
            sync(disk, &path)?;
            let directory = place.directory_in_full()?;
            let originals = keeper.kept.into_iter().collect();
            let manifest = Manifest { directory, originals, ..Manifest::default() };
            let attributes = Attributes::of_owner_of(place.directory());
            let attributes = attributes.map_err(|e| Error::new("looking at", &path, e))?;
            let writer = Writer::create(disk, &at, &attributes, &manifest)?;
            return Ok(Self { path, disk, writer });
        };
        let path = place.path().to_owned();
        let at = path.join(MANIFEST);
        for touched in touched.iter().filter(|it| !begun.originals.contains_key(&it.name)) {
            // What is on its way is no original.
            let stem = place::stem_of(&touched.name);
            let stamp = touched.file.as_ref().map(Stamp::of);
            if stem != touched.name && stamp.is_some_and(|it| begun.is_ours(stem, &it)) {
                keeper.kept.push((touched.name.clone(), Was::Absent));
            } else {
                keeper.keep(touched)?;
            }
        }
        sync(disk, &path)?;
        let writer = Writer::reopen(disk, &at)?;
        let all = begun.originals.len() + keeper.kept.len();
        writer.add(&keeper.kept, all)?;
        Ok(Self { path, disk, writer })
    }

    /// To undo what is written down in a backup.
    pub(super) fn reopen(path: &Path, disk: &'a dyn Disk) -> Result<Self> {
        let writer = Writer::reopen(disk, &path.join(MANIFEST))?;
        Ok(Self { path: path.to_owned(), disk, writer })
    }

    /// Where the original of that name is kept.
    pub(super) fn kept(&self, name: &str) -> PathBuf {
        self.path.join(kept_name(name))
    }

    /// Writes down what is about to be done. It is on the disk when this returns.
    pub(super) fn tell(&self, step: Step) -> Result<()> {
        self.writer.step(step)
    }

    pub(super) fn state(&self, state: State) -> Result<()> {
        self.writer.state(state)
    }

    pub(super) fn finish(&self) -> Result<()> {
        self.state(State::Done)
    }

    pub(super) fn sync(&self) -> Result<()> {
        sync(self.disk, &self.path)
    }
}

pub(super) fn sync(disk: &dyn Disk, directory: &Path) -> Result<()> {
    disk.sync_directory(directory).map_err(|error| Error::new("syncing", directory, error))
}

struct Keeper<'a> {
    place: &'a Place,
    disk: &'a dyn Disk,
    kept: Vec<(String, Was)>,
}

impl Keeper<'_> {
    fn keep(&mut self, touched: &Touched) -> Result<()> {
        let was = match touched.file {
            None if touched.is_directory => self.directory(touched)?,
            None => Was::Absent,
            Some(identity) => Was::File(self.file(touched, &identity)?),
        };
        self.kept.push((touched.name.clone(), was));
        Ok(())
    }

    /// A directory moves when its turn comes.
    fn directory(&self, touched: &Touched) -> Result<Was> {
        if self.place.copies() {
            let why = "a directory is moved, so the backup has to be on its own file system";
            return Err(Error::other("keeping", &touched.path, why));
        }
        Ok(Was::Directory)
    }

    fn file(&self, touched: &Touched, identity: &FileIdentity) -> Result<Kept> {
        let path = &touched.path;
        let fail = |error| Error::new("keeping", path, error);
        let kept = self.place.path().join(kept_name(&touched.name));
        let stamp = Stamp::of(identity);
        let (mut sha256, mut attributes) = (None, None);
        match open_regular(path) {
            Ok(file) => {
                // What a broker wrote last may not be on the disk yet.
                self.disk.sync_file(&file).map_err(fail)?;
                attributes = Some(Attributes::of_open(&file).map_err(fail)?);
                sha256 = sum(path, identity.size)?;
            }
            Err(error) if error.source.kind() == ErrorKind::PermissionDenied => {}
            Err(error) => return Err(error),
        }
        let is_linked = self.make_way(path, &kept)?;
        let linked = match self.place.copies() {
            true => None,
            false if is_linked => Some(()),
            false => match self.disk.hard_link(path, &kept) {
                Err(error) if is_unsupported(&error) => None,
                linked => Some(linked.map_err(fail)?),
            },
        };
        if linked.is_none() {
            let attributes =
                attributes.as_ref().ok_or_else(|| fail(ErrorKind::PermissionDenied.into()))?;
            copy(self.disk, (path, identity.size), &kept, attributes, &|_| Ok(()))?;
        }
        let owner = attributes.map(|of| (of.user, of.group, of.mode));
        Ok(Kept { stamp, owner, sha256, is_copy: linked.is_none() })
    }
}

impl Keeper<'_> {
    /// True when the file is kept already, by a run that ended before it said so. Anything else
    /// of such a run gets another name: nothing that was kept is ever removed.
    fn make_way(&self, path: &Path, kept: &Path) -> Result<bool> {
        if EntryKind::of(kept) == EntryKind::Gone {
            return Ok(false);
        }
        let is_same = place_of(path).is_ok_and(|it| place_of(kept).is_ok_and(|kept| kept == it));
        if is_same {
            return Ok(true);
        }
        let renamed = self.disk.rename(kept, &self.place.path().join(random_name()));
        renamed.map_err(|error| Error::new("keeping", path, error))?;
        Ok(false)
    }
}

/// A copy, whose bytes, owner, mode and age are on the disk when this returns. `tell` is asked just
/// before it gets its name.
pub(super) fn copy(
    disk: &dyn Disk,
    (from, size): (&Path, u64),
    to: &Path,
    attributes: &Attributes,
    tell: &dyn Fn(&Stamp) -> Result<()>,
) -> Result<Stamp> {
    let mut image = LogImage::default();
    image.push(from, 0..size, Vec::new());
    let image = Image { content: Content::Composed(&image), attributes };
    let told = Cell::new(None);
    let check = |file: &FileIdentity| {
        let stamp = Stamp::of(file);
        told.set(Some(stamp));
        tell(&stamp)
    };
    put_unsynced(disk, to, image, At::Free(&check))?;
    told.get().ok_or_else(|| Error::other("copying to", to, "nothing was written"))
}

/// The sum over the bytes of a small file.
pub(super) fn sum(path: &Path, size: u64) -> Result<Option<String>> {
    if size > SUM_BYTES {
        return Ok(None);
    }
    let bytes = FileBytes::open_owned(path, SUM_BYTES)?;
    let sum = Sha256::digest(bytes.whole().unwrap_or_default());
    Ok(Some(sum.iter().map(|byte| format!("{byte:02x}")).collect()))
}
