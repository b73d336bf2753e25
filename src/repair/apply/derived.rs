//! Derived files, written where they are: what stops one of them does not stop the next, and
//! nothing is kept of what the log says anyway.
//!
//! First every file is looked at: is it still what the plan saw, is it equal already, may this
//! process write there, and is there room for all of it. Only then the first byte is written.

use super::{Applied, Outcome};
use crate::error::{Error, Result};
use crate::log::disk::Disk;
use crate::log::file_bytes::open_regular;
use crate::log::file_facts::{Attributes, FileIdentity, Space, holds, may_change};
use crate::log::lease::{Writers, writers};
use crate::log::lock::Guard;
use crate::log::new_file::{Content, Image, Place, directory_of, put, remove_leftovers};
use crate::repair::change::{Change, WriteFile};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::Path;

/// Applies the actions one after the other. `guard` is the proof that nobody else does.
pub(super) fn apply(changes: &[Change], guard: &Guard, disk: &dyn Disk) -> Vec<Applied> {
    let mut directories = BTreeMap::new();
    let look = |action| look(action, guard, &mut directories);
    let looked: Vec<Result<Looked>> = changes.iter().map(look).collect();
    let rooms = rooms(changes, &looked);
    let mut cleaned = BTreeSet::new();
    let mut applied = Vec::new();
    for (action, looked) in changes.iter().zip(looked) {
        let path = action.path();
        let mut unknown_writers = None;
        let outcome = match looked {
            Err(error) => Outcome::Failed(error),
            Ok(Looked::Equal) => Outcome::Equal,
            Ok(Looked::Different(space)) => {
                let room = rooms.get(&space.device).map_or(Ok(()), |room| room.suffices(path));
                let directory = directory_of(path);
                if room.is_ok() && guard.is_exclusive() && cleaned.insert(directory) {
                    remove_leftovers(disk, directory);
                }
                let done = room
                    .and_then(|()| ask_writers(action, &mut unknown_writers))
                    .and_then(|()| write(action, disk));
                done.map_or_else(Outcome::Failed, |()| Outcome::Written)
            }
        };
        applied.push(Applied { path: path.to_owned(), outcome, unknown_writers });
    }
    applied
}

/// What is known of an action before anything is changed.
enum Looked {
    Equal,
    Different(Space),
}

/// What is known of the directories that files are in; each is asked once.
type Directories<'a> = BTreeMap<&'a Path, Space>;

fn look<'a>(
    action: &'a Change,
    guard: &Guard,
    directories: &mut Directories<'a>,
) -> Result<Looked> {
    let Change::WriteFile(WriteFile { path, after, before, .. }) = action else {
        let why = "it is changed only where what it was is kept";
        return Err(Error::other("changing", action.path(), why));
    };
    check_unchanged(action)?;
    if before.is_some_and(|before| before.size == after.len() as u64) {
        let file = open_regular(path)?;
        if holds(&file, after).map_err(|error| Error::new("reading", path, error))? {
            return Ok(Looked::Equal);
        }
    }
    let directory = directory_of(path);
    if let Some(space) = directories.get(directory) {
        return Ok(Looked::Different(*space));
    }
    if !guard.covers(directory) {
        let held = guard.directory().display();
        return Err(Error::other("replacing", path, format!("what is locked is {held}")));
    }
    may_change(directory)?;
    let space = Space::of(directory)?;
    directories.insert(directory, space);
    Ok(Looked::Different(space))
}

/// Every file that the plan rests on is still what it was.
fn check_unchanged(action: &Change) -> Result<()> {
    let Change::WriteFile(WriteFile { path, before, made_from, .. }) = action else {
        return Ok(());
    };
    let changed = |path: &Path| Err(has_changed(path));
    if FileIdentity::of(path)? != *before {
        return changed(path);
    }
    for (path, identity) in made_from {
        if FileIdentity::of(path)? != Some(*identity) {
            return changed(path);
        }
    }
    Ok(())
}

pub(super) fn has_changed(path: &Path) -> Error {
    Error::other("replacing", path, "it changed since it was looked at")
}

/// What the actions on one file system need, and what it has.
pub(super) struct Room {
    pub(super) space: Space,
    pub(super) needed: u64,
}

impl Room {
    /// Counts a file of `length` bytes.
    pub(super) fn add(&mut self, length: u64) {
        let blocks = length.div_ceil(self.space.block);
        self.needed = self.needed.saturating_add(blocks.saturating_mul(self.space.block));
    }

    pub(super) fn suffices(&self, path: &Path) -> Result<()> {
        let why = match self.space.free {
            _ if self.space.is_out_of_files => "the file system takes no more files".to_owned(),
            Some(free) if free < self.needed => {
                let needed = self.needed;
                format!("{needed} bytes are needed for all files, {free} are free")
            }
            _ => return Ok(()),
        };
        Err(Error::new("replacing", path, io::Error::new(ErrorKind::StorageFull, why)))
    }
}

/// By device. What the replaced files give back is not counted on: they may be sparse, or have
/// another name as well.
fn rooms(changes: &[Change], looked: &[Result<Looked>]) -> BTreeMap<u64, Room> {
    let mut rooms = BTreeMap::new();
    for (action, looked) in changes.iter().zip(looked) {
        let Ok(Looked::Different(space)) = looked else { continue };
        let Change::WriteFile(WriteFile { after, .. }) = action else { continue };
        let room = rooms.entry(space.device).or_insert(Room { space: *space, needed: 0 });
        room.add(after.len() as u64);
    }
    rooms
}

/// Refuses when anyone writes the file or its log; no flag overrides that.
fn ask_writers(action: &Change, unknown: &mut Option<String>) -> Result<()> {
    let Change::WriteFile(WriteFile { path, before, like, .. }) = action else { return Ok(()) };
    for path in before.map(|_| path).into_iter().chain([like]) {
        match writers(path)? {
            Writers::Nobody => {}
            Writers::Somebody => return Err(is_written(path)),
            Writers::Unknown(why) => *unknown = Some(why),
        }
    }
    Ok(())
}

pub(super) fn is_written(path: &Path) -> Error {
    let why = "another process has it open for writing";
    Error::new("replacing", path, io::Error::new(ErrorKind::ResourceBusy, why))
}

fn write(action: &Change, disk: &dyn Disk) -> Result<()> {
    let Change::WriteFile(WriteFile { path, after, before, like, .. }) = action else {
        return Ok(());
    };
    let model = if before.is_some() { path } else { like };
    let attributes = Attributes::of_open(&open_regular(model)?)
        .map_err(|error| Error::new("looking at", model, error))?;
    let check = |_: &FileIdentity| check_unchanged(action);
    let place = if before.is_some() { Place::Taken(&check) } else { Place::Free(&check) };
    put(disk, path, Image { content: Content::Bytes(after), attributes: &attributes }, place)
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn room_is_counted_in_blocks_and_for_all_files_together() {
        let action = |length: usize| {
            Change::WriteFile(WriteFile {
                path: PathBuf::from("index"),
                after: vec![0; length],
                before: None,
                like: PathBuf::new(),
                made_from: Vec::new(),
            })
        };
        let plan = [1, 4096, 4097, 9999].map(action);
        let room = |free, is_out_of_files| {
            let space = Space { device: 7, free, block: 4096, is_out_of_files };
            // What is equal already needs none.
            let mut looked = vec![Ok(Looked::Equal)];
            looked.splice(..0, (0..3).map(|_| Ok(Looked::Different(space))));
            let room = rooms(&plan, &looked).remove(&7).unwrap();
            assert_eq!(room.needed, 4 * 4096);
            room.suffices(Path::new("index")).map_err(|error| error.to_string())
        };
        assert_eq!(room(Some(4 * 4096), false), Ok(()));
        assert_eq!(room(None, false), Ok(()));
        let refused = room(Some(4 * 4096 - 1), false).unwrap_err();
        assert!(refused.ends_with("16384 bytes are needed for all files, 16383 are free"));
        assert!(room(None, true).unwrap_err().ends_with("takes no more files"));
    }
}
