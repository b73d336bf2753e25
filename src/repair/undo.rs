//! Puts back what a repair changed, from its backup: bytes, owner, mode and age. What a backup
//! holds stays there until somebody deletes it.
//!
//! ```text
//!   look      what is there is what the repair left; nobody writes it    nothing changed
//!   settle    segments on their way are finished, or taken back
//!   segments  the last replaced first, all of one replacement together
//!   files     the others, one at a time: each old or new
//! ```
//!
//! Killed anywhere, the next undo goes on.

use super::apply::segments::{
    CLEANED, Coming, SWAP, Swap, move_over, numbered, remove, with_suffix,
};
use super::backup::{
    ABOVE, Backup, Found, Kept, Manifest, Shelf, Stamp, State, Step, Unreadable, Was, copy,
    demand_as_left, sync,
};
use crate::error::{Error, Result};
use crate::format::Offset;
use crate::log::disk::Disk;
use crate::log::file_bytes::open_regular;
use crate::log::file_facts::{Attributes, FileIdentity, Space, may_change};
use crate::log::lease::{Writers, writers};
use crate::log::lock::Guard;
use crate::log::new_file::{random_name, remove_leftovers};
use crate::log::{EntryKind, FileKind, names_in};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

mod reads;

/// What was undone.
#[derive(Debug)]
pub struct Undone {
    /// The backup that it came from, which is still there.
    pub backup: PathBuf,
    /// The files and directories that are as they were.
    pub restored: Vec<PathBuf>,
    /// Those that the repair had made, and that are gone.
    pub removed: Vec<PathBuf>,
}

/// Undoes the last repair of `directory` that was not undone, whether it came to its end or not;
/// `None` when there is none.
/// `parent` is where its backup was to be kept, if that was said. An undo is not undone.
///
/// # Errors
/// When a `parent` is not there; when a file was changed since, or is being
/// written: nothing is done then. When a step fails, the first that did: the next undo goes on.
pub fn undo(
    directory: &Path,
    guard: &Guard,
    disk: &dyn Disk,
    parent: Option<&Path>,
) -> Result<Option<Undone>> {
    let refused = |why: String| Err(Error::other("undoing the repair of", directory, why));
    if !guard.covers(directory) {
        return refused(format!("what is locked is {}", guard.directory().display()));
    }
    may_change(directory)?;
    let shelf = Shelf::find(directory, guard, parent)?;
    let open = shelf.open(directory, Unreadable::Refused)?;
    let Some(Found { path, manifest }) = open else {
        return Ok(None);
    };
    demand_as_left(&manifest, directory, &path)?;
    demand_nothing_foreign(&manifest, directory)?;
    ask_writers(&manifest, directory)?;
    demand_room(&manifest, directory)?;
    if guard.is_exclusive() {
        remove_leftovers(disk, directory);
        let is_above = |name: &String| name.starts_with(ABOVE);
        if guard.is_of_log_dir() && manifest.originals.keys().any(is_above) {
            remove_leftovers(disk, guard.directory());
        }
    }
    let backup = Backup::reopen(&path, disk)?;
    let mut work = Work {
        manifest: &manifest,
        directory,
        disk,
        backup,
        restored: Vec::new(),
        removed: Vec::new(),
    };
    work.settle()?;
    if manifest.state != State::Undoing {
        work.backup.state(State::Undoing)?;
    }
    work.groups()?;
    work.files()?;
    work.backup.state(State::Undone)?;
    let Work { restored, removed, .. } = work;
    Ok(Some(Undone { backup: path, restored, removed }))
}

/// Other segments on their way are a broker's.
fn demand_nothing_foreign(manifest: &Manifest, directory: &Path) -> Result<()> {
    for name in names_in(directory)? {
        let path = directory.join(&name);
        let Some(name) = name.to_str() else { continue };
        let Some(stem) = name.strip_suffix(CLEANED).or(name.strip_suffix(SWAP)) else { continue };
        if manifest.originals.contains_key(name) {
            continue;
        }
        let stamp = FileIdentity::of(&path)?.as_ref().map(Stamp::of);
        if !stamp.is_some_and(|stamp| manifest.is_ours(stem, &stamp)) {
            let why = "a broker has begun to replace segments since the repair";
            return Err(Error::other("undoing", &path, why));
        }
    }
    Ok(())
}

/// What cannot be asked is not said to be held: the lock decides.
fn ask_writers(manifest: &Manifest, directory: &Path) -> Result<()> {
    for name in manifest.originals.keys() {
        let path = directory.join(name);
        if EntryKind::of(&path) != EntryKind::File {
            continue;
        }
        match writers(&path) {
            Ok(Writers::Somebody) => {
                let why = "another process has it open for writing";
                let busy = std::io::Error::new(ErrorKind::ResourceBusy, why);
                return Err(Error::new("undoing", &path, busy));
            }
            Err(error) if error.source.kind() != ErrorKind::PermissionDenied => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Originals that were copied are copied once more.
fn demand_room(manifest: &Manifest, directory: &Path) -> Result<()> {
    let space = Space::of(directory)?;
    let size = |was: &Was| match was {
        Was::File(file) if file.is_copy => file.stamp.size.saturating_add(space.block),
        _ => 0,
    };
    let needed = manifest.originals.values().map(size).fold(0, u64::saturating_add);
    if space.free.is_some_and(|free| free < needed) {
        let why = format!("{needed} bytes are needed for all files, {:?} are free", space.free);
        let full = std::io::Error::new(ErrorKind::StorageFull, why);
        return Err(Error::new("undoing the repair of", directory, full));
    }
    Ok(())
}

struct Work<'a> {
    manifest: &'a Manifest,
    directory: &'a Path,
    disk: &'a dyn Disk,
    backup: Backup<'a>,
    restored: Vec<PathBuf>,
    removed: Vec<PathBuf>,
}

/// The files of one replacement, or of several that have to do with each other.
struct Group {
    names: BTreeSet<String>,
    first: Offset,
    last: Offset,
}

impl Work<'_> {
    /// Finishes or takes back the one replacement that may have been interrupted: the last.
    fn settle(&self) -> Result<()> {
        let steps = self.manifest.steps.iter();
        // What was written for one that was never told of is on its way as well.
        let last = steps.clone().rposition(|step| step.is_group);
        let behind = self.manifest.steps.get(last.map_or(0, |at| at + 1)..).unwrap_or_default();
        let begun = behind.iter().flat_map(|step| step.writes.iter().map(|(name, _)| name));
        let group = last.and_then(|at| self.manifest.steps.get(at));
        let told = group.into_iter().flat_map(|step| step.writes.iter().map(|(name, _)| name));
        let removes = group.map(|step| step.removes.as_slice()).unwrap_or_default();
        let is_own = |name: &&String| numbered(OsStr::new(name.as_str())).is_some();
        let goes = removes.iter().filter(is_own).cloned().collect();
        let names: BTreeSet<&String> = told.chain(begun).filter(is_own).collect();
        let comes = names.into_iter().filter(|name| !self.is_put_back_on_its_way(name));
        let comes = comes.map(|name| Coming::of(Path::new(name))).collect::<Result<_>>()?;
        Swap { disk: self.disk, directory: self.directory, goes, comes }.settle()
    }

    /// What was on its way in the beginning is put back last of all, and stays.
    fn is_put_back_on_its_way(&self, name: &str) -> bool {
        self.manifest.state == State::Undoing
            && [CLEANED, SWAP].iter().any(|suffix| {
                let name = format!("{name}{suffix}");
                let was = self.manifest.originals.get(&name);
                matches!(was, Some(was @ Was::File(_)) if self.is_as_it_was(&name, was))
            })
    }

    fn groups(&mut self) -> Result<()> {
        for group in groups_of(self.manifest).iter().rev() {
            self.group(group)?;
        }
        Ok(())
    }

    fn group(&mut self, group: &Group) -> Result<()> {
        let was = |name: &String| self.manifest.originals.get(name).unwrap_or(&Was::Absent);
        if group.names.iter().all(|name| self.is_as_it_was(name, was(name))) {
            return Ok(());
        }
        let (mut goes, mut comes, mut originals) = (Vec::new(), Vec::new(), Vec::new());
        for name in &group.names {
            match was(name) {
                Was::File(file) => {
                    comes.push(Coming::of(Path::new(name))?);
                    originals.push((name, file));
                }
                Was::Absent => goes.push(name.clone()),
                Was::Directory => {}
            }
        }
        let mut writes = Vec::new();
        let by_swap = self.fits_a_broker(group, &originals)?;
        if by_swap {
            for (name, file) in &originals {
                let cleaned = with_suffix(&self.directory.join(name), CLEANED);
                writes.push(((*name).clone(), self.bring(name, file, &cleaned)?));
            }
            self.sync()?;
        }
        let step = Step { writes, removes: goes.clone(), is_group: true };
        self.backup.tell(step)?;
        let swap = Swap { disk: self.disk, directory: self.directory, goes, comes };
        if by_swap {
            swap.to_swap().map_err(|error| swap.roll_back_after(error))?;
        } else {
            self.one_by_one(&originals)?;
        }
        swap.to_final()?;
        for name in &group.names {
            let path = self.directory.join(name);
            let list = match was(name) {
                Was::Absent => &mut self.removed,
                _ => &mut self.restored,
            };
            list.push(path);
        }
        Ok(())
    }

    /// The logs first. Each of them is whole at any instant, and none is ever missing.
    fn one_by_one(&self, originals: &[(&String, &Kept)]) -> Result<()> {
        let mut originals = originals.to_vec();
        originals.sort_by_key(|(name, _)| !name.ends_with(".log"));
        for (name, file) in originals {
            self.put_back(name, file)?;
            self.sync()?;
        }
        Ok(())
    }

    /// A broker that starts while the damaged originals are on their way looks for the end of them
    /// and deletes everything up to there. That is done only where it finds the right end.
    fn fits_a_broker(&self, group: &Group, originals: &[(&String, &Kept)]) -> Result<bool> {
        let log = |name: &OsStr| numbered(name).filter(|(_, kind)| *kind == FileKind::Log);
        let mut bases = BTreeSet::new();
        for name in names_in(self.directory)? {
            bases.extend(log(&name).map(|(offset, _)| offset).filter(|it| *it > group.last));
        }
        let own = originals.iter().filter_map(|(name, _)| log(OsStr::new(name.as_str())));
        bases.extend(own.map(|(offset, _)| offset));
        for (name, _) in originals {
            if let Some((base, _)) = log(OsStr::new(name.as_str())) {
                let limit = bases.iter().find(|it| **it > base).copied();
                let limit = limit.unwrap_or(Offset(i64::MAX));
                let index = name.strip_suffix("log").map(|stem| format!("{stem}index"));
                let index = index.filter(|name| originals.iter().any(|(kept, _)| *kept == name));
                let index = index.map(|name| self.backup.kept(&name));
                if !reads::ends_below(&self.backup.kept(name), index.as_deref(), limit)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn files(&mut self) -> Result<()> {
        let in_groups: BTreeSet<String> =
            groups_of(self.manifest).into_iter().flat_map(|group| group.names).collect();
        let mut others: Vec<(&String, &Was)> =
            self.manifest.originals.iter().filter(|(name, _)| !in_groups.contains(*name)).collect();
        // As long as a `.cleaned` is missing that was there, no `.swap` may be; a `.log.swap` is
        // what makes a broker look at the others.
        others.sort_by_key(|(name, _)| {
            let rank = 2 * u8::from(name.ends_with(SWAP)) + u8::from(name.ends_with(CLEANED));
            let is_log = name.ends_with(".log.swap");
            (rank, is_log)
        });
        for (name, was) in others {
            if self.is_as_it_was(name, was) {
                continue;
            }
            let path = self.directory.join(name);
            match was {
                Was::File(file) => self.put_back(name, file)?,
                Was::Absent => remove(self.disk, &path)?,
                Was::Directory => {
                    let kept = self.backup.kept(name);
                    let renamed = self.disk.rename(&kept, &path);
                    renamed.map_err(|error| Error::new("restoring", &path, error))?;
                    self.backup.sync()?;
                }
            }
            self.sync()?;
            let list = if *was == Was::Absent { &mut self.removed } else { &mut self.restored };
            list.push(path);
        }
        Ok(())
    }

    fn is_as_it_was(&self, name: &str, was: &Was) -> bool {
        let path = self.directory.join(name);
        match was {
            Was::Absent => EntryKind::of(&path) == EntryKind::Gone,
            Was::Directory => EntryKind::of(&path) == EntryKind::Directory,
            Was::File(file) => {
                let Some(is) = stamp_at(&path) else { return false };
                let is_put_back =
                    |(written, stamp): &(String, Stamp)| written == name && *stamp == is;
                is == file.stamp || file.is_copy && self.manifest.undone.iter().any(is_put_back)
            }
        }
    }

    /// Puts an original in its place, over whatever is there.
    fn put_back(&self, name: &str, file: &Kept) -> Result<()> {
        let path = self.directory.join(name);
        let temporary = self.directory.join(random_name());
        self.bring(name, file, &temporary)?;
        move_over(self.disk, &temporary, &path)
    }

    /// Brings an original into the directory under another name.
    fn bring(&self, name: &str, file: &Kept, to: &Path) -> Result<Stamp> {
        let kept = self.backup.kept(name);
        if !file.is_copy {
            let writes = vec![(name.to_owned(), file.stamp)];
            self.backup.tell(Step { writes, ..Step::default() })?;
            let linked = self.disk.hard_link(&kept, to);
            linked.map_err(|error| Error::new("restoring", to, error))?;
            return Ok(file.stamp);
        }
        let fail = |error| Error::new("looking at", &kept, error);
        let attributes = Attributes::of_open(&open_regular(&kept)?).map_err(fail)?;
        copy(self.disk, (&kept, file.stamp.size), to, &attributes, &|new| {
            let writes = vec![(name.to_owned(), *new)];
            self.backup.tell(Step { writes, ..Step::default() })
        })
    }

    fn sync(&self) -> Result<()> {
        if self.manifest.originals.keys().any(|name| name.starts_with(ABOVE)) {
            sync(self.disk, &self.directory.join(ABOVE))?;
        }
        sync(self.disk, self.directory)
    }
}

fn stamp_at(path: &Path) -> Option<Stamp> {
    FileIdentity::of(path).ok().flatten().as_ref().map(Stamp::of)
}

/// The replacements that the repair made, in the order of their offsets. Those that reach into each
/// other are one.
fn groups_of(manifest: &Manifest) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for step in manifest.steps.iter().filter(|step| step.is_group) {
        let names = step.writes.iter().map(|(name, _)| name).chain(&step.removes);
        let names = names.filter_map(|name| Some((name, numbered(OsStr::new(name.as_str()))?.0)));
        let names: Vec<(&String, Offset)> = names.collect();
        let offsets = names.iter().map(|(_, offset)| *offset);
        let Some((first, last)) = offsets.clone().min().zip(offsets.max()) else { continue };
        let names = names.into_iter().map(|(name, _)| name.clone()).collect();
        groups.push(Group { names, first, last });
    }
    groups.sort_by_key(|group| (group.first, group.last));
    let mut merged: Vec<Group> = Vec::new();
    for group in groups {
        match merged.last_mut() {
            Some(before) if group.first <= before.last => {
                before.last = before.last.max(group.last);
                before.names.extend(group.names);
            }
            _ => merged.push(group),
        }
    }
    merged
}
