//! Everything that can be known before the first byte is written: the files are what the plan saw,
//! this process may change them, nobody else does, and there is room.

use super::Terms;
use super::derived::{Room, has_changed, is_written};
use super::segments::{finals, numbered, range, snapshots};
use crate::error::{Error, Result};
use crate::log::file_bytes::open_regular;
use crate::log::file_facts::{FileIdentity, Space, holds, may_change, place_of};
use crate::log::lease::{Writers, writers};
use crate::log::new_file::directory_of;
use crate::log::{EntryKind, FileKind, names_in};
use crate::repair::backup::{Place, Touched, is_of_log_dir, name_of};
use crate::repair::change::{Change, FinishReplace, ReplaceSegments, SetAside, WriteFile};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What is known when all is as the plan has it.
pub(super) struct Checked {
    pub facts: Facts,
    /// The files that are going to be others.
    pub touched: Vec<Touched>,
    /// The changes that are to be made, by their places in the list.
    pub pending: Vec<usize>,
    /// The changes of which it could not be found out whether anyone writes their files, and why.
    pub unknown_writers: Vec<(usize, String)>,
}

/// The files that changes rest on, as they are.
#[derive(Default)]
pub(super) struct Facts {
    now: BTreeMap<PathBuf, Option<FileIdentity>>,
    /// What the changes before the one that is looked at make of them.
    then: BTreeMap<PathBuf, Then>,
}

/// What a change makes of a file.
#[derive(Clone, Copy)]
enum Then {
    Gone,
    Written,
    /// Another's place is taken.
    Renamed(Option<FileIdentity>),
}

impl Facts {
    fn of(&mut self, path: &Path) -> Result<Option<FileIdentity>> {
        if let Some(known) = self.now.get(path) {
            return Ok(*known);
        }
        let identity = FileIdentity::of(path)?;
        self.now.insert(path.to_owned(), identity);
        Ok(identity)
    }

    /// The file is what the plan saw.
    fn demand_first(&mut self, path: &Path, seen: Option<FileIdentity>) -> Result<()> {
        if self.of(path)? == seen { Ok(()) } else { Err(has_changed(path)) }
    }

    /// The file is what the plan saw, or what an earlier change makes of it. What that writes could
    /// not be seen.
    fn demand(&mut self, path: &Path, seen: Option<FileIdentity>) -> Result<()> {
        let is = match self.then.get(path) {
            Some(Then::Gone) => seen.is_none(),
            Some(Then::Renamed(file)) => is_same(*file, seen),
            Some(Then::Written) | None => return self.demand_first(path, seen),
        };
        if is { Ok(()) } else { Err(has_changed(path)) }
    }

    fn is_gone(&mut self, path: &Path) -> Result<bool> {
        match self.then.get(path) {
            Some(then) => Ok(matches!(then, Then::Gone)),
            None => Ok(EntryKind::of(path) == EntryKind::Gone),
        }
    }

    /// Looks at all files once more: they have to be what they were but for the time at which
    /// anything about them was changed last.
    pub(super) fn refresh(&mut self) -> Result<()> {
        for (path, known) in &mut self.now {
            let is = FileIdentity::of(path)?;
            if !is_same(*known, is) {
                return Err(has_changed(path));
            }
            *known = is;
        }
        Ok(())
    }

    /// The file is still what it was when it was looked at, or changed here, last.
    pub(super) fn check(&self, path: &Path) -> Result<()> {
        match self.now.get(path) {
            Some(known) if FileIdentity::of(path)? != *known => Err(has_changed(path)),
            _ => Ok(()),
        }
    }

    /// What it is from now on is what this process has made of it.
    pub(super) fn changed(&mut self, path: &Path) -> Result<()> {
        let is = FileIdentity::of(path)?;
        self.now.insert(path.to_owned(), is);
        Ok(())
    }
}

fn is_same(one: Option<FileIdentity>, other: Option<FileIdentity>) -> bool {
    let but_for_changed = |it: FileIdentity| FileIdentity { changed: (0, 0), ..it };
    one.map(but_for_changed) == other.map(but_for_changed)
}

/// Looks at everything; the error comes with the change that it is about.
pub(super) fn check(
    changes: &[Change],
    terms: &Terms<'_>,
    place: &Place,
) -> std::result::Result<Checked, (usize, Error)> {
    let mut facts = Facts::default();
    let first = |error| (0, error);
    for (path, identity) in terms.rests_on {
        facts.demand_first(path, Some(*identity)).map_err(first)?;
    }
    let directory = place.directory();
    if !changes.is_empty() {
        if !terms.guard.covers(directory) {
            let why = format!("what is locked is {}", terms.guard.directory().display());
            return Err(first(Error::other("changing", directory, why)));
        }
        may_change(directory).map_err(first)?;
    }
    let (mut paths, mut pending) = (BTreeSet::new(), Vec::new());
    for (index, change) in changes.iter().enumerate() {
        let fail = |error| (index, error);
        let is_equal = look(change, &mut facts).map_err(fail)?;
        if !is_equal {
            pending.push(index);
            for path in kept_for(change, directory).map_err(fail)? {
                demand_place(&path, directory).map_err(fail)?;
                paths.insert(path);
            }
        }
    }
    let mut touched = Vec::new();
    for path in paths {
        let touch = Touched::of(&path, directory).map_err(first)?;
        touched.push(touch);
    }
    let unknown_writers = ask_writers(changes, &pending)?;
    if let Some(&index) = pending.first() {
        check_room(changes, &pending, &touched, place).map_err(|error| (index, error))?;
    }
    Ok(Checked { facts, touched, pending, unknown_writers })
}

/// Every file is in the directory that the backup is for.
fn demand_place(path: &Path, directory: &Path) -> Result<()> {
    name_of(path, directory)?;
    let fail = |error| Error::new("looking at", path, error);
    let is_there = directory_of(path);
    if is_there == directory
        || place_of(is_there).map_err(fail)? == place_of(directory).map_err(fail)?
        || is_of_log_dir(path, directory)
            && place_of(is_there).map_err(fail)? == place_of(&directory.join("..")).map_err(fail)?
    {
        return Ok(());
    }
    let why = format!("it is not in {}", directory.display());
    Err(Error::other("changing", path, why))
}

/// Looks at one change; true when there is nothing to do.
fn look(change: &Change, facts: &mut Facts) -> Result<bool> {
    match change {
        Change::WriteFile(write) => look_at_file(write, facts),
        Change::ReplaceSegments(replace) => look_at_segments(replace, facts).map(|()| false),
        Change::FinishReplace(finish) => look_at_finish(finish, facts).map(|()| false),
        Change::SetAside(SetAside { path, before }) => {
            match before {
                Some(before) => facts.demand(path, Some(*before))?,
                None if EntryKind::of(path) == EntryKind::Directory => {}
                None => return Err(has_changed(path)),
            }
            facts.then.insert(path.clone(), Then::Gone);
            Ok(false)
        }
    }
}

fn look_at_file(write: &WriteFile, facts: &mut Facts) -> Result<bool> {
    let WriteFile { path, after, before, made_from, .. } = write;
    let is_first = !facts.then.contains_key(path);
    facts.demand(path, *before)?;
    for (path, identity) in made_from {
        // A log that an earlier change replaces, or one that it makes.
        if facts.demand(path, Some(*identity)).is_err() {
            facts.demand_first(path, Some(*identity))?;
        }
    }
    if is_first && before.is_some_and(|before| before.size == after.len() as u64) {
        let file = open_regular(path)?;
        if holds(&file, after).map_err(|error| Error::new("reading", path, error))? {
            return Ok(true);
        }
    }
    facts.then.insert(path.clone(), Then::Written);
    Ok(false)
}

fn look_at_segments(replace: &ReplaceSegments, facts: &mut Facts) -> Result<()> {
    let mut before = BTreeSet::new();
    for (path, identity) in replace.before.iter().flat_map(|segment| &segment.files) {
        facts.demand(path, Some(*identity))?;
        if matches!(facts.then.get(path), Some(Then::Written)) {
            return Err(Error::other("replacing", path, "an earlier change writes it"));
        }
        before.insert(path.clone());
    }
    let Some(directory) = before.first().map(|path| directory_of(path).to_owned()) else {
        return Err(Error::other("replacing", Path::new(""), "no segment goes"));
    };
    let finals = finals(replace, &directory);
    for path in finals.iter().filter(|path| !before.contains(*path)) {
        facts.demand(path, None)?;
    }
    let parts = replace.after.iter().flat_map(|after| &after.log.parts);
    if let Some(part) = parts.into_iter().find(|part| !before.contains(&part.file)) {
        return Err(Error::other("replacing", &part.file, "it is copied, and does not go"));
    }
    let bases = replace.after.iter().map(|after| after.base_offset);
    let bases = bases.chain(replace.before.iter().map(|before| before.base_offset));
    let range = bases.clone().min().zip(bases.max());
    for name in names_in(&directory)? {
        let path = directory.join(&name);
        let is_on_its_way = path.extension().is_some_and(|it| it == "cleaned" || it == "swap");
        if is_on_its_way && !facts.is_gone(&path)? {
            let why = "it is of another replacement, which was interrupted";
            return Err(Error::other("replacing segments beside", &path, why));
        }
        // A broker that finishes the replacement takes all that is in between for replaced.
        let is_between = numbered(&name).is_some_and(|(offset, kind)| {
            kind == FileKind::Log
                && range.is_some_and(|(first, last)| first <= offset && offset <= last)
        });
        if is_between && !before.contains(&path) && !facts.is_gone(&path)? {
            let why = "it is between them, and does not go";
            return Err(Error::other("replacing segments beside", &path, why));
        }
    }
    facts.then.extend(before.into_iter().map(|path| (path, Then::Gone)));
    facts.then.extend(finals.into_iter().map(|path| (path, Then::Written)));
    Ok(())
}

fn look_at_finish(finish: &FinishReplace, facts: &mut Facts) -> Result<()> {
    for (path, identity) in &finish.replaced {
        facts.demand(path, Some(*identity))?;
    }
    for (from, to, identity) in &finish.renames {
        facts.demand(from, Some(*identity))?;
        let is_replaced = finish.replaced.iter().any(|(path, _)| path == to);
        if !is_replaced && !facts.is_gone(to)? {
            return Err(has_changed(to));
        }
    }
    for (path, _) in &finish.replaced {
        facts.then.insert(path.clone(), Then::Gone);
    }
    for (from, to, identity) in &finish.renames {
        facts.then.insert(from.clone(), Then::Gone);
        facts.then.insert(to.clone(), Then::Renamed(Some(*identity)));
    }
    Ok(())
}

/// All paths at which something else is, or nothing, when the change is made, or when a broker has
/// finished it.
fn kept_for(change: &Change, directory: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = touched_by(change);
    if matches!(change, Change::ReplaceSegments(_) | Change::FinishReplace(_))
        && let Some((first, last)) = range(paths.iter())
    {
        paths.extend(snapshots(directory, first, last)?);
    }
    Ok(paths)
}

/// All paths at which something else is, or nothing, when the change is made.
fn touched_by(change: &Change) -> Vec<PathBuf> {
    match change {
        Change::WriteFile(write) => vec![write.path.clone()],
        Change::SetAside(aside) => vec![aside.path.clone()],
        Change::ReplaceSegments(replace) => {
            let before = replace.before.iter().flat_map(|segment| &segment.files);
            let mut paths: Vec<PathBuf> = before.map(|(path, _)| path.clone()).collect();
            if let Some(first) = paths.first() {
                let directory = directory_of(first).to_owned();
                paths.extend(finals(replace, &directory));
            }
            paths
        }
        Change::FinishReplace(finish) => {
            let renamed = finish.renames.iter().flat_map(|(from, to, _)| [from, to]);
            let replaced = finish.replaced.iter().map(|(path, _)| path);
            renamed.chain(replaced).cloned().collect()
        }
    }
}

/// Refuses when anyone writes one of the files; no flag overrides that.
fn ask_writers(
    changes: &[Change],
    pending: &[usize],
) -> std::result::Result<Vec<(usize, String)>, (usize, Error)> {
    let mut asked = BTreeSet::new();
    let mut unknown = Vec::new();
    for &index in pending {
        let Some(change) = changes.get(index) else { continue };
        let mut paths = touched_by(change);
        if let Change::WriteFile(WriteFile { like, .. }) = change {
            paths.push(like.clone());
        }
        for path in paths {
            if EntryKind::of(&path) != EntryKind::File || !asked.insert(path.clone()) {
                continue;
            }
            match writers(&path) {
                Ok(Writers::Nobody) => {}
                Ok(Writers::Somebody) => return Err((index, is_written(&path))),
                Ok(Writers::Unknown(why)) => unknown.push((index, why)),
                // What nobody may read is set aside for just that.
                Err(error) if error.source.kind() == ErrorKind::PermissionDenied => {
                    unknown.push((index, error.reason()));
                }
                Err(error) => return Err((index, error)),
            }
        }
    }
    Ok(unknown)
}

/// There is room for every new file, though some may share blocks with those that go, which are
/// kept; and for the copies of these where the backup is on another file system.
fn check_room(
    changes: &[Change],
    pending: &[usize],
    touched: &[Touched],
    place: &Place,
) -> Result<()> {
    let directory = place.directory();
    let mut room = Room { space: Space::of(directory)?, needed: 0 };
    for change in pending.iter().filter_map(|&index| changes.get(index)) {
        match change {
            Change::WriteFile(write) => room.add(write.after.len() as u64),
            Change::ReplaceSegments(replace) => {
                for after in &replace.after {
                    room.add(after.log.len());
                    room.add(after.index.len() as u64);
                    room.add(after.time_index.len() as u64);
                    room.add(after.txn_index.as_ref().map_or(0, Vec::len) as u64);
                }
            }
            Change::FinishReplace(_) | Change::SetAside(_) => {}
        }
    }
    room.suffices(directory)?;
    if place.copies() {
        let mut room = Room { space: Space::of(place.parent())?, needed: 0 };
        touched.iter().for_each(|touched| room.add(touched.size()));
        room.suffices(place.parent())?;
    }
    Ok(())
}
