//! Changes: a plan, and its application to a disk. A plan is complete before the first byte is
//! written, and says of every file what it has to be for the plan to hold.
//!
//! ```text
//!   log + check --> Plan { actions } --> apply(plan, guard, disk) --> Applied, one per action
//!                     after, before                 |
//!                                          log::new_file: each file whole, or not at all
//! ```

pub mod apply;
pub mod rebuild;

pub use apply::{Applied, Outcome, apply};

use crate::log::file_facts::FileIdentity;
use std::path::{Path, PathBuf};

/// What is to be done to the files of partitions that one [`crate::log::lock::Guard`] is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// One for each file, in the order in which they are done.
    pub actions: Vec<Action>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A file that holds only what other files say gets the bytes that it should have: `.index`,
    /// `.timeindex`, `.txnindex`, `.snapshot`, `leader-epoch-checkpoint`.
    RebuildDerived {
        /// The file.
        path: PathBuf,
        /// All its bytes afterwards.
        after: Vec<u8>,
        /// The file that is replaced, as it was before it was read; `None` when there was none.
        before: Option<FileIdentity>,
        /// The `.log` beside it: whose owner, mode and age a file gets that replaces none.
        like: PathBuf,
        /// The files that `after` was made from, as they were before they were read.
        made_from: Vec<(PathBuf, FileIdentity)>,
    },
}

impl Action {
    /// The file that is changed.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::RebuildDerived { path, .. } => path,
        }
    }
}

#[cfg(test)]
mod tests;
