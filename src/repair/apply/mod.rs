//! Applies changes: with `undo`, the only one that asks a [`Disk`] to change a broker's files.
//!
//! ```text
//!   facts     every file is what the plan saw; permission, room, nobody writes    nothing changed
//!   keep      every original, linked or copied to the backup; all of it synced    nothing changed
//!   changes   one after the other, each old or new; the first that fails is the last
//!   done      so says the backup's manifest
//! ```
//!
//! Killed anywhere, the backup has every original, and its manifest says what was done.

mod derived;
mod facts;
mod files;
pub(super) mod segments;

use super::backup::{Backup, Place, Touched};
use super::change::Change;
use crate::error::Error;
use crate::log::disk::Disk;
use crate::log::file_facts::FileIdentity;
use crate::log::lock::Guard;
use crate::log::new_file::remove_leftovers;
use facts::{Checked, check};
use files::Work;
use std::path::PathBuf;

/// On which terms changes are made.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// The proof that nobody else makes any.
    pub guard: &'a Guard,
    /// The disk.
    pub disk: &'a dyn Disk,
    /// Where the originals are kept. `None` for derived files alone, each of which is done whatever
    /// becomes of the others.
    pub backup: Option<&'a Place>,
    /// Every file that the changes rest on beside those that they name.
    pub rests_on: &'a [(PathBuf, FileIdentity)],
    /// More is to follow, which one undo takes back with these: the backup stays open.
    pub is_first_step: bool,
}

impl<'a> Terms<'a> {
    /// For derived files, of which nothing is kept.
    #[must_use]
    pub fn of_derived(guard: &'a Guard, disk: &'a dyn Disk) -> Self {
        Self { guard, disk, backup: None, rests_on: &[], is_first_step: false }
    }
}

/// What became of one change.
#[derive(Debug)]
pub struct Applied {
    /// The file.
    pub path: PathBuf,
    /// How it went.
    pub outcome: Outcome,
    /// Why it could not be found out whether anyone is writing the file; the lock alone speaks
    /// against it then.
    pub unknown_writers: Option<String>,
}

/// How a change went.
#[derive(Debug)]
pub enum Outcome {
    /// The file is on the disk as planned.
    Written,
    /// It held these bytes already, and was not touched.
    Equal,
    /// It could not be done. The file is as it was, unless the error is about syncing the
    /// directory: then it is as planned, and may be as it was after a power cut. Segments may be on
    /// their way then, which a broker that starts, the next repair and an undo know how to finish.
    Failed(Error),
    /// Another one failed, so it was not begun.
    NotAttempted,
}

/// Makes the changes one after the other.
#[must_use]
pub fn apply(changes: &[Change], terms: &Terms<'_>) -> Vec<Applied> {
    match terms.backup {
        None => derived::apply(changes, terms.guard, terms.disk),
        Some(place) => apply_keeping(changes, terms, place),
    }
}

fn apply_keeping(changes: &[Change], terms: &Terms<'_>, place: &Place) -> Vec<Applied> {
    let untouched = |change: &Change| Applied {
        path: change.path().to_owned(),
        outcome: Outcome::NotAttempted,
        unknown_writers: None,
    };
    let mut applied: Vec<Applied> = changes.iter().map(untouched).collect();
    let mut set = |index: usize, outcome| {
        if let Some(applied) = applied.get_mut(index) {
            applied.outcome = outcome;
        }
    };
    let mut checked = match check(changes, terms, place) {
        Ok(checked) => checked,
        Err((index, error)) => {
            set(index, Outcome::Failed(error));
            return applied;
        }
    };
    let unknown_writers = std::mem::take(&mut checked.unknown_writers);
    let Some(first) = checked.pending.first().copied() else {
        (0..changes.len()).for_each(|index| set(index, Outcome::Equal));
        return applied;
    };
    match carry_out(changes, terms, place, checked, &mut set) {
        Ok(()) => {}
        Err((index, error)) => set(index.unwrap_or(first), Outcome::Failed(error)),
    }
    for (index, why) in unknown_writers {
        if let Some(applied) = applied.get_mut(index) {
            applied.unknown_writers = Some(why);
        }
    }
    applied
}

fn carry_out(
    changes: &[Change],
    terms: &Terms<'_>,
    place: &Place,
    checked: Checked,
    set: &mut impl FnMut(usize, Outcome),
) -> Result<(), (Option<usize>, Error)> {
    let Checked { mut facts, touched, pending, .. } = checked;
    if terms.guard.is_exclusive() {
        remove_leftovers(terms.disk, place.directory());
        if terms.guard.is_of_log_dir() && touched.iter().any(Touched::is_above) {
            remove_leftovers(terms.disk, terms.guard.directory());
        }
    }
    let backup = Backup::begin(place, &touched, terms.disk).map_err(|error| (None, error))?;
    // A further name makes a file look changed: from here on it is this that it has to be.
    facts.refresh().map_err(|error| (None, error))?;
    let mut work = Work { directory: place.directory(), disk: terms.disk, backup, facts };
    for index in order(changes) {
        let Some(change) = changes.get(index) else { continue };
        match work.make(change) {
            Ok(outcome) => set(index, outcome),
            Err(error) => return Err((Some(index), error)),
        }
    }
    if terms.is_first_step {
        return Ok(());
    }
    // All is as planned. Where only this last word is missing, nothing but the end is.
    work.backup.finish().map_err(|error| (pending.last().copied(), error))
}

/// The order in which changes are made: that of the list, but where several files go one behind the
/// other, a `.cleaned` goes last. As long as it is there, no broker takes a `.swap` for complete.
fn order(changes: &[Change]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..changes.len()).collect();
    let is_aside = |&index: &usize| matches!(changes.get(index), Some(Change::SetAside(_)));
    for run in order.chunk_by_mut(|a, b| is_aside(a) && is_aside(b)) {
        run.sort_by_key(|&index| {
            let path = changes.get(index).map(Change::path);
            path.and_then(|path| path.extension()).is_some_and(|it| it == "cleaned")
        });
    }
    order
}
