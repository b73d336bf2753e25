//! Partition directories, made: as open as the directory they are in.

use super::super::disk::Disk;
use super::super::file_facts::Attributes;
use super::super::new_file::directory_of;
use super::super::open_directory;
use crate::error::{Error, Result};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// As Kafka makes them: everybody may look, only the owner may change anything.
const MODE: u32 = 0o755;

/// Makes the directory at `path` and those above it that are missing, each of its parent's owner.
/// Returns what was made, the topmost first.
///
/// # Errors
/// When one cannot be made. What was made before it stays.
pub fn make_directories(path: &Path, disk: &dyn Disk) -> Result<Vec<PathBuf>> {
    let mut missing = Vec::new();
    let mut next = path;
    while next.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        missing.push(next.to_owned());
        next = directory_of(next);
    }
    missing.reverse();
    for path in &missing {
        let fail = |error| Error::new("making", path, error);
        let parent = directory_of(path);
        let owner = Attributes::of_owner_of(parent).map_err(fail)?.given_by_this_process();
        disk.make_directory(path).map_err(fail)?;
        let made = open_directory(path)?;
        disk.set_owner(&made, owner.user, owner.group).map_err(fail)?;
        disk.set_mode(&made, MODE).map_err(fail)?;
        disk.sync_directory(parent).map_err(fail)?;
    }
    Ok(missing)
}

/// Removes those of `made` that nothing was put into, the last first.
pub fn remove_empty(made: &[PathBuf], disk: &dyn Disk) {
    for path in made.iter().rev() {
        // One with something in it stays: that is what is asked here.
        let _ = disk.remove_directory(path);
    }
}
