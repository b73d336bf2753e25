//! From a directory to a replica, and from a tree of directories to a whole catalog.

use super::{Catalog, Choice, Identity, Replica, build, not_served};
use crate::error::{Error, Result};
use crate::format::checkpoint::{PartitionMetadata, Uuid};
use crate::limits::Limits;
use crate::log::loaded::{TailCheck, load};
use crate::log::partition::{FileEntry, PartitionDir};
use crate::log::{LogDirContext, find, read_small};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
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

/// Loads everything that is served at `path` and below, one partition after the other.
///
/// # Errors
/// When something cannot be read, or does not belong together.
pub fn of_directory(
    path: &Path,
    identity: Identity,
    check: TailCheck,
    limits: Limits,
    skip_damaged: bool,
) -> Result<(Catalog, Vec<Choice>)> {
    let found = find(path)?;
    if let Some(error) = found.errors.into_iter().next() {
        return Err(error);
    }
    let context = |path: &PathBuf| Arc::new(LogDirContext::read(path));
    let log_dirs: Vec<_> = found.log_dirs.iter().map(context).collect();
    let mut contexts: HashMap<PathBuf, Arc<LogDirContext>> =
        log_dirs.iter().map(|context| (context.path().to_owned(), Arc::clone(context))).collect();
    let mut replicas = Vec::new();
    for partition in &found.partitions {
        let dir = PartitionDir::open(partition)?;
        if not_served(dir.name.as_ref()).is_some() {
            continue;
        }
        let context = dir
            .log_dir()
            .map(|log_dir| Arc::clone(contexts.entry(log_dir).or_insert_with_key(context)));
        replicas.push(Replica::load(partition, context, check, limits, skip_damaged)?);
    }
    build(replicas, identity, &log_dirs).map_err(|conflicts| {
        let sentences: Vec<_> = conflicts.iter().map(ToString::to_string).collect();
        Error::other("serving", path, sentences.join("; "))
    })
}
