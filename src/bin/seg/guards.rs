//! The locks under which a command changes anything.

use crate::output::Output;
use segkit::check::Scope;
use segkit::log::PartitionDir;
use segkit::log::disk::RealDisk;
use segkit::log::lock::Guard;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};

/// The locks of all log dirs and lone partitions, held while anything is written.
#[derive(Default)]
pub struct Guards {
    held: HashMap<PathBuf, Guard>,
    refused: BTreeSet<PathBuf>,
}

impl Guards {
    /// Takes the lock of every partition's log dir. What is locked by somebody else is said, and
    /// left out.
    pub fn of_partitions(scope: &mut Scope, out: &mut Output) -> io::Result<Self> {
        let mut guards = Self::default();
        for partition in &scope.partitions {
            let log_dir = partition.log_dir.as_ref().map(|log_dir| log_dir.path());
            guards.take(partition.dir.path(), log_dir, out)?;
        }
        scope.partitions.retain(|partition| {
            let log_dir = partition.log_dir.as_ref().map(|log_dir| log_dir.path());
            !guards.refused.contains(log_dir.unwrap_or(partition.dir.path()))
        });
        Self::look_again(scope, out)?;
        Ok(guards)
    }

    /// The same, and the locks of the log dirs whose own files are in the scope.
    pub fn of_all(scope: &mut Scope, out: &mut Output) -> io::Result<Self> {
        let mut guards = Self::of_partitions(scope, out)?;
        for log_dir in &scope.log_dirs {
            let path = log_dir.context.path();
            guards.take(path, Some(path), out)?;
        }
        scope.log_dirs.retain(|log_dir| !guards.refused.contains(log_dir.context.path()));
        Ok(guards)
    }

    /// A broker that was at work when directories were listed, and ended before its lock was taken,
    /// may have made segments since. Under the lock nobody else does.
    fn look_again(scope: &mut Scope, out: &mut Output) -> io::Result<()> {
        let mut gone = BTreeSet::new();
        for partition in &mut scope.partitions {
            match PartitionDir::open(partition.dir.path()) {
                Ok(dir) => partition.dir = dir,
                Err(error) => {
                    out.error(&error)?;
                    gone.insert(partition.dir.path().to_owned());
                }
            }
        }
        scope.partitions.retain(|partition| !gone.contains(partition.dir.path()));
        Ok(())
    }

    fn take(&mut self, path: &Path, log_dir: Option<&Path>, out: &mut Output) -> io::Result<()> {
        let place = log_dir.unwrap_or(path).to_owned();
        if self.held.contains_key(&place) || self.refused.contains(&place) {
            return Ok(());
        }
        let guard = match log_dir {
            Some(log_dir) => Guard::of_log_dir(log_dir, &RealDisk),
            None => Guard::of_partition_alone(path),
        };
        match guard {
            Ok(guard) => drop(self.held.insert(place, guard)),
            Err(error) => {
                out.error(&error)?;
                self.refused.insert(place);
            }
        }
        Ok(())
    }

    /// The one by which this partition, or what lies directly in this log dir, may be changed.
    pub fn of(&self, directory: &Path) -> Option<&Guard> {
        let is_its = |guard: &&Guard| guard.directory() == directory || guard.covers(directory);
        self.held.values().find(is_its)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use segkit::check::PartitionScope;
    use segkit::log::LogDirContext;
    use std::fs;
    use std::sync::Arc;

    #[test]
    fn what_came_before_the_lock_is_seen() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("orders-0");
        fs::create_dir(&path).unwrap();
        fs::write(root.path().join("meta.properties"), "version=1\n").unwrap();
        fs::write(path.join("00000000000000000000.log"), "").unwrap();
        let context = Arc::new(LogDirContext::read(root.path()));
        let listed = PartitionScope::new(PartitionDir::open(&path).unwrap(), Some(context));
        let mut scope = Scope { partitions: vec![listed], log_dirs: Vec::new() };
        fs::write(path.join("00000000000000000007.log"), "").unwrap();
        let guards = Guards::of_partitions(&mut scope, &mut Output::new(None)).unwrap();
        assert!(guards.of(&path).is_some());
        let seen = &scope.partitions.first().unwrap().dir;
        assert!(*seen == PartitionDir::open(&path).unwrap());
    }
}
