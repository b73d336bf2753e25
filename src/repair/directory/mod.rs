//! What a repair does besides the bytes of logs: replacements of segments that were interrupted,
//! files that belong to no segment, the small files of a partition, and those of a log dir.
//!
//! ```text
//!   replace       .cleaned and .swap: finished or taken back, as a broker would, unless that
//!                 loses what is still there; held_by compares the two sides
//!   partition     files without their .log, strays, partition.metadata
//!   checkpoints   lines of a log dir's checkpoints that do not parse or point behind a log
//!   log_dir       what lies beside partitions, and meta.properties
//! ```
//!
//! A finding that is a note asks for nothing and is not spoken of here.

mod checkpoints;
mod held_by;
mod log_dir;
mod partition;
mod replace;

pub use checkpoints::{CheckpointChanges, checkpoints_for};
pub use log_dir::of_log_dir;

use super::change::{Change, SetAside};
use super::plan::{Action, ActionKind, LeftAlone};
use crate::check::Finding;
use crate::error::{Error, Result};
use crate::format::Position;
use crate::log::PartitionDir;
use crate::log::file_facts::FileIdentity;
use crate::log::image::LogImage;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What becomes of the files of a partition that belong to no segment, and the directory as it is
/// then: what its logs are judged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryPlan {
    /// The directory as it is when the changes are done.
    pub after: PartitionDir,
    /// What is going to be done, in words.
    pub actions: Vec<Action>,
    /// What is going to be done, to the disk. Their order is one in which a broker that starts in
    /// between loses nothing.
    pub changes: Vec<Change>,
    /// What stays wrong, and why.
    pub left_alone: Vec<LeftAlone>,
    /// The bytes of files of segments, `.log` or index, that have their names in `after` only.
    pub images: BTreeMap<PathBuf, LogImage>,
    /// Files that were looked at, as they were then.
    pub rests_on: Vec<(PathBuf, FileIdentity)>,
    /// True when an interrupted replacement stays as it is. Nothing may be done to the logs then:
    /// a broker would take the files of both for one.
    pub is_replace_open: bool,
}

/// What is done about the findings in a partition directory apart from those in its segments,
/// snapshots and `leader-epoch-checkpoint`. No broker is at work in it.
///
/// # Errors
/// When a file that has to be looked at is gone or cannot be read.
pub fn of_partition(dir: &PartitionDir, findings: &[Finding]) -> Result<DirectoryPlan> {
    let mut plan = DirectoryPlan {
        after: dir.clone(),
        actions: Vec::new(),
        changes: Vec::new(),
        left_alone: Vec::new(),
        images: BTreeMap::new(),
        rests_on: Vec::new(),
        is_replace_open: false,
    };
    replace::plan(dir, findings, &mut plan)?;
    partition::plan(dir, findings, &mut plan)?;
    Ok(plan)
}

impl DirectoryPlan {
    /// Sets a file aside that is not to be in the directory.
    fn set_aside(
        &mut self,
        path: &Path,
        kind: ActionKind,
        reason: String,
        code: &'static str,
    ) -> Result<()> {
        let before = Some(identity(path)?);
        self.actions.push(action(kind, path, reason, code));
        self.changes.push(Change::SetAside(SetAside { path: path.to_owned(), before }));
        self.forget(path);
        Ok(())
    }

    fn leave(&mut self, finding: &Finding, why: impl Into<String>) {
        self.left_alone.push(LeftAlone { finding: finding.clone(), why: why.into() });
    }

    /// Takes a file that is part of no segment out of the directory as it is going to be.
    fn forget(&mut self, path: &Path) {
        let after = &mut self.after;
        for named in [&mut after.orphans, &mut after.leftovers, &mut after.snapshots] {
            named.retain(|named| named.file.path != path);
        }
        after.strays.retain(|stray| stray != path);
        if after.partition_metadata.as_ref().is_some_and(|file| file.path == path) {
            after.partition_metadata = None;
        }
    }
}

/// An action on a whole file.
fn action(kind: ActionKind, path: &Path, reason: String, code: &'static str) -> Action {
    let range = Position(0)..Position(0);
    Action { kind, file: path.into(), range, offsets: None, reason, code: Some(code) }
}

/// Which file it is that was listed.
fn identity(path: &Path) -> Result<FileIdentity> {
    let gone = || Error::other("looking at", path, "it is gone since it was listed");
    FileIdentity::of(path)?.ok_or_else(gone)
}

fn text_of(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

#[cfg(test)]
mod tests;
