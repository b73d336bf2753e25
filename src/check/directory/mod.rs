//! Judges directories and the small files in them: what a listing showed becomes findings.
//!
//! What a healthy broker leaves is no finding: empty checkpoints after a kill, entries for
//! partitions that are gone or elsewhere, checkpoints that lag behind the log, index files that
//! were never made, `.tmp` files.

mod log_dir;
mod partition;

pub use log_dir::{PartitionEnds, log_dir_findings};
pub use partition::{partition_findings, topic_id_findings};

use super::{Finding, Problem};
use crate::error::Error;
use crate::format::{FormatError, Position};
use crate::log::read_small;
use std::path::Path;

/// A finding about a whole file of `size` bytes, or about a directory.
fn whole(path: &Path, size: u64, problem: Problem) -> Finding {
    Finding::new(path.into(), Position(0)..Position(size), problem)
}

/// A finding about what cannot be read.
fn not_readable(path: &Path, why: impl Into<String>) -> Finding {
    whole(path, 0, Problem::NotReadable { why: why.into() })
}

/// The bytes of a small file. What keeps them from being read is a finding, but not that the file
/// is gone: a listing is old as soon as it is made.
fn read(path: &Path, findings: &mut Vec<Finding>) -> Option<Vec<u8>> {
    match read_small(path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            findings.extend(unreadable(path, &error));
            None
        }
    }
}

/// A finding about a file that could not be opened, unless it is gone.
fn unreadable(path: &Path, error: &Error) -> Option<Finding> {
    let is_gone = error.source.kind() == std::io::ErrorKind::NotFound;
    (!is_gone).then(|| not_readable(path, error.reason()))
}

/// From where reading failed to the end of the file.
fn from_error(path: &Path, bytes: &[u8], error: FormatError, problem: Problem) -> Finding {
    let end = Position(bytes.len() as u64);
    Finding::new(path.into(), error.position.min(end)..end, problem)
}

impl Finding {
    fn with_broker(mut self, sentence: Option<impl Into<String>>) -> Self {
        self.broker = sentence.map(Into::into);
        self
    }
}

#[cfg(test)]
mod tests;
