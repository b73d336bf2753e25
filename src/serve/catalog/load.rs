//! From a directory to a replica.

use super::Replica;
use crate::error::Result;
use crate::format::checkpoint::{PartitionMetadata, Uuid};
use crate::limits::Limits;
use crate::log::loaded::{TailCheck, load};
use crate::log::partition::{FileEntry, PartitionDir};
use crate::log::{LogDirContext, read_small};
use std::path::Path;
use std::sync::Arc;

impl Replica {
    /// Loads the partition in the directory at `path`, which is in `log_dir` if it is in one.
    ///
    /// # Errors
    /// When it cannot be listed or read.
    pub fn load(
        path: &Path,
        log_dir: Option<Arc<LogDirContext>>,
        check: TailCheck,
        limits: Limits,
        skip_damaged: bool,
    ) -> Result<Self> {
        let dir = PartitionDir::open(path)?;
        let topic_id = dir.partition_metadata.as_ref().and_then(topic_id);
        let loaded = load(&dir, log_dir.as_deref(), check, limits)?;
        Ok(Self { dir, log_dir, topic_id, loaded, skip_damaged, limits })
    }
}

/// The topic id that a `partition.metadata` says. One that cannot be read says none: its records
/// are as good.
fn topic_id(entry: &FileEntry) -> Option<Uuid> {
    let found = read_small(&entry.path).map_err(|error| error.to_string());
    let found =
        found.and_then(|bytes| PartitionMetadata::parse(&bytes).map_err(|error| error.to_string()));
    match found {
        Ok(metadata) => Some(metadata.topic_id),
        Err(error) => {
            tracing::warn!(path = %entry.path.display(), %error, "there is no topic id");
            None
        }
    }
}
