//! Which directory a backup is in: found, and found fit, before anything is made.

use super::manifest::{MANIFEST, Manifest, State, Was};
use super::{Kept, Stamp, kept_name, sum};
use crate::error::{Error, Result};
use crate::log::disk::Disk;
use crate::log::file_facts::{Attributes, FileIdentity, may_change, place_of};
use crate::log::lock::Guard;
use crate::log::log_dir::{is_log_dir, is_partition, log_dir_of};
use crate::log::new_file::directory_of;
use crate::log::{EntryKind, names_in, open_directory};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// How many numbers are tried that others take at the same time.
const NUMBERS: usize = 64;

/// The place of a backup, which may not be there yet.
#[derive(Debug)]
pub struct Place {
    directory: PathBuf,
    shelf: Shelf,
    path: PathBuf,
    number: u64,
    /// The one that was made, where another run had taken the number meanwhile.
    made: OnceLock<PathBuf>,
    resumes: Option<Manifest>,
}

impl Place {
    /// Where the originals of the files in `directory` are to be kept: beside its log dir, or in
    /// `parent`, which is there already. Nothing is made yet.
    ///
    /// # Errors
    /// When the place is not fit: inside a log dir, not writable, or on another file system and
    /// not named by `parent`. When an undo was interrupted, which has to be finished first.
    pub fn find(directory: &Path, guard: &Guard, parent: Option<&Path>) -> Result<Self> {
        let shelf = Shelf::find(directory, guard, parent)?;
        shelf.demand_fit(directory)?;
        let next = shelf.next_number()?;
        let open = shelf.open(directory, Unreadable::OldIsPassedOver)?;
        let mut place = Self {
            directory: directory.to_owned(),
            path: shelf.path(next),
            number: next,
            made: OnceLock::new(),
            shelf,
            resumes: None,
        };
        match open {
            Some(Found { path, manifest }) if manifest.state == State::Undoing => {
                let why = "its undo was interrupted, and has to be finished first";
                let why = format!("{why}: that of {}", path.display());
                return Err(Error::other("repairing", directory, why + &with(&manifest)));
            }
            Some(Found { path, manifest })
                if manifest.state == State::Begun
                    && demand_as_left(&manifest, directory, &path).is_ok() =>
            {
                place.path = path;
                place.resumes = Some(manifest);
            }
            _ => {}
        }
        Ok(place)
    }

    /// Where the originals are kept.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.made.get().unwrap_or(&self.path)
    }

    /// True when the originals are copied, because the place is on another file system.
    #[must_use]
    pub fn copies(&self) -> bool {
        self.shelf.copies
    }

    pub(in crate::repair) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A directory on the file system that the backup is on.
    pub(in crate::repair) fn parent(&self) -> &Path {
        self.shelf.there()
    }

    pub(super) fn resumes(&self) -> Option<&Manifest> {
        self.resumes.as_ref()
    }

    pub(super) fn directory_in_full(&self) -> Result<String> {
        in_full(&self.directory)
    }

    /// Makes the directory, for the owner of the one that is changed. One that is there already is
    /// another run's: its number is passed over.
    pub(super) fn make(&self, disk: &dyn Disk) -> Result<()> {
        if EntryKind::of(&self.shelf.container) != EntryKind::Directory {
            self.make_one(disk, &self.shelf.container)?;
        }
        for number in (self.number..).take(NUMBERS) {
            let path = self.shelf.path(number);
            if self.make_one(disk, &path)? {
                let used = |_| Error::other("making", &self.path, "it was made before");
                return self.made.set(path).map_err(used);
            }
        }
        Err(Error::new("making", &self.path, ErrorKind::AlreadyExists.into()))
    }

    /// False when it is there already.
    fn make_one(&self, disk: &dyn Disk, path: &Path) -> Result<bool> {
        let fail = |error| Error::new("making", path, error);
        match disk.make_directory(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
            made => made.map_err(fail)?,
        }
        let made = open_directory(path)?;
        let model = open_directory(&self.directory)?;
        let (is, like) = (Attributes::of_open(&made), Attributes::of_open(&model));
        let (is, like) = (is.map_err(fail)?, like.map_err(fail)?);
        if (is.user, is.group) != (like.user, like.group) {
            disk.set_owner(&made, like.user, like.group).map_err(fail)?;
        }
        disk.set_mode(&made, like.mode | 0o700).map_err(fail)?;
        disk.sync_file(&made).map_err(fail)?;
        super::sync(disk, directory_of(path))?;
        Ok(true)
    }
}

fn with(manifest: &Manifest) -> String {
    format!(" ({} files were kept)", manifest.originals.len())
}

fn in_full(directory: &Path) -> Result<String> {
    let full = directory.canonicalize();
    let full = full.map_err(|error| Error::new("looking at", directory, error))?;
    Ok(full.to_string_lossy().into_owned())
}

/// A backup that is there.
#[derive(Debug)]
pub(in crate::repair) struct Found {
    pub path: PathBuf,
    pub manifest: Manifest,
}

/// What is done about a backup whose manifest cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::repair) enum Unreadable {
    /// It may be the one to undo.
    Refused,
    /// Where there is a later one, a new one is nevertheless. The last may be one that was
    /// interrupted.
    OldIsPassedOver,
}

/// Where the backups of a directory stand.
#[derive(Debug)]
pub(in crate::repair) struct Shelf {
    container: PathBuf,
    /// What stands before the number in a backup's name.
    prefix: OsString,
    /// It was named by the caller.
    is_named: bool,
    copies: bool,
}

impl Shelf {
    pub(in crate::repair) fn find(
        directory: &Path,
        guard: &Guard,
        parent: Option<&Path>,
    ) -> Result<Self> {
        let full = |path: &Path| {
            path.canonicalize().map_err(|error| Error::new("looking at", path, error))
        };
        // By the name that it has in the log dir, wherever that may lead to.
        let mut prefix = match directory.file_name() {
            Some(name) => name.to_owned(),
            None => full(directory)?.file_name().map(OsString::from).unwrap_or_default(),
        };
        prefix.push(".");
        let (container, prefix) = match parent {
            Some(parent) => {
                demand_outside(parent, directory)?;
                (full(parent)?, prefix)
            }
            None => {
                let is_of_log_dir = guard.is_of_log_dir();
                let outer = full(if is_of_log_dir { guard.directory() } else { directory })?;
                let mut container = outer.into_os_string();
                container.push(".seg-backup");
                let prefix = if is_of_log_dir { prefix } else { OsString::new() };
                (PathBuf::from(container), prefix)
            }
        };
        let mut shelf = Self { container, prefix, is_named: parent.is_some(), copies: false };
        let fail = |error| Error::new("looking at", directory, error);
        let device = |path: &Path| place_of(path).map(|(device, _)| device);
        shelf.copies = device(shelf.there()).map_err(fail)? != device(directory).map_err(fail)?;
        Ok(shelf)
    }

    /// The container, or the directory that it is going to be in.
    fn there(&self) -> &Path {
        match EntryKind::of(&self.container) {
            EntryKind::Gone => directory_of(&self.container),
            _ => &self.container,
        }
    }

    fn demand_fit(&self, directory: &Path) -> Result<()> {
        let refused = |why: String| {
            let hint = "name another place with --backup DIR";
            Err(Error::other("keeping originals of", directory, format!("{why}; {hint}")))
        };
        let there = self.there();
        if self.copies && !self.is_named {
            return refused(format!("{} is on another file system", there.display()));
        }
        if EntryKind::of(there) != EntryKind::Directory {
            return refused(format!("{} is no directory", there.display()));
        }
        match may_change(there) {
            Ok(()) => Ok(()),
            Err(error) => {
                refused(format!("{} is not writable: {}", there.display(), error.reason()))
            }
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        let mut name = self.prefix.clone();
        name.push(number.to_string());
        self.container.join(name)
    }

    fn numbers(&self) -> Result<Vec<u64>> {
        if EntryKind::of(&self.container) == EntryKind::Gone {
            return Ok(Vec::new());
        }
        let prefix = self.prefix.to_string_lossy();
        let number = |name: OsString| name.to_str()?.strip_prefix(&*prefix)?.parse::<u64>().ok();
        let mut numbers: Vec<u64> =
            names_in(&self.container)?.into_iter().filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// One that is free. A directory without a manifest may be that of a run that is at work.
    fn next_number(&self) -> Result<u64> {
        Ok(self.numbers()?.last().copied().unwrap_or(0).saturating_add(1))
    }

    /// The last one of the directory that is not undone. Those before it are not looked at.
    pub(in crate::repair) fn open(
        &self,
        directory: &Path,
        unreadable: Unreadable,
    ) -> Result<Option<Found>> {
        let own = in_full(directory)?;
        let mut is_last = true;
        for number in self.numbers()?.into_iter().rev() {
            let path = self.path(number);
            let manifest = match Manifest::read(&path.join(MANIFEST)) {
                Ok(None) => continue,
                Ok(Some(manifest)) => manifest,
                Err(_) if !is_last && unreadable == Unreadable::OldIsPassedOver => continue,
                Err(mut error) => {
                    let hint = "move that directory elsewhere to go on without it";
                    let why = format!("{}; {hint}", error.reason());
                    error.source = std::io::Error::new(error.source.kind(), why);
                    return Err(error);
                }
            };
            // Beside a log dir that was moved they are its own nevertheless.
            let is_own = !self.is_named || manifest.directory == own;
            if is_own && manifest.state != State::Undone {
                return Ok(Some(Found { path, manifest }));
            }
            is_last &= !is_own;
        }
        Ok(None)
    }
}

/// A foreign directory in a log dir would stop a broker, and one in a partition is in its way. What
/// is deeper inside of another log dir is in a directory that is foreign there already.
fn demand_outside(parent: &Path, directory: &Path) -> Result<()> {
    let full =
        |path: &Path| path.canonicalize().map_err(|error| Error::new("looking at", path, error));
    let (parent, directory) = (full(parent)?, full(directory)?);
    let kept = |above: &Path, what: &str| {
        let why = format!("{} is {what}, and originals are kept outside", above.display());
        Err(Error::other("keeping originals in", &parent, why))
    };
    let log_dir = log_dir_of(&directory);
    for above in parent.ancestors() {
        if above == directory || is_partition(above) {
            return kept(above, "a partition");
        }
        if log_dir.as_deref() == Some(above) {
            return kept(above, "a log dir");
        }
    }
    // What the partition that stands alone makes look like one.
    let is_beside = log_dir.is_none() && directory.parent() == Some(&parent);
    if !is_beside && is_log_dir(&parent)? {
        return kept(&parent, "a log dir");
    }
    Ok(())
}

/// The originals are what was kept, and what is in the directory is what the repair, or its undo,
/// left there at some instant.
///
/// # Errors
/// When they are not: the first file that is another.
pub(in crate::repair) fn demand_as_left(
    manifest: &Manifest,
    directory: &Path,
    backup: &Path,
) -> Result<()> {
    for (name, was) in &manifest.originals {
        let path = directory.join(name);
        let kept = backup.join(kept_name(name));
        let changed = || Err(Error::other("undoing", &path, "it changed since the repair"));
        match was {
            Was::Directory => {
                let (here, there) = (EntryKind::of(&path), EntryKind::of(&kept));
                if (here == EntryKind::Directory) == (there == EntryKind::Directory) {
                    return changed();
                }
                continue;
            }
            Was::File(file) => demand_kept(&kept, file)?,
            Was::Absent => {}
        }
        let is = match FileIdentity::of(&path) {
            Ok(is) => is.as_ref().map(Stamp::of),
            Err(_) => return changed(),
        };
        let is_as_left = match (is, was) {
            (None, Was::Absent) => true,
            (None, _) => manifest.is_removed(name),
            (Some(is), Was::File(file)) if is == file.stamp => true,
            (Some(is), _) => manifest.is_ours(stem_of(name), &is) || manifest.is_ours(name, &is),
        };
        if !is_as_left {
            return changed();
        }
    }
    Ok(())
}

/// The name that a file has at the end of its way.
pub(in crate::repair) fn stem_of(name: &str) -> &str {
    name.strip_suffix(".cleaned").or(name.strip_suffix(".swap")).unwrap_or(name)
}

fn demand_kept(path: &Path, file: &Kept) -> Result<()> {
    let changed = || Err(Error::other("undoing with", path, "it is not what was kept"));
    let Some(is) = FileIdentity::of(path)? else { return changed() };
    let is = Stamp::of(&is);
    if !is.is_alike(&file.stamp) || !file.is_copy && is.inode != file.stamp.inode {
        return changed();
    }
    if file.sha256.is_some() && sum(path, is.size)? != file.sha256 {
        return changed();
    }
    Ok(())
}
