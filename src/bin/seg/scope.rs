//! From PATHs to what is to be judged.

use crate::advice;
use crate::cli::{KindName, UsageError};
use crate::input::{STDIN, Surroundings, file_kind, is_gone, nothing_here};
use crate::output::Output;
use crate::stdin::{self, Stdin};
use segkit::check::{LogDirScope, PartitionScope, Scope};
use segkit::error::Error;
use segkit::log::log_dir::{self, PathKind};
use segkit::log::{Access, FileBytes, FileKind, FileName, PartitionDir};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What `paths` stand for. What cannot be looked at is said on stderr.
pub fn scope(paths: &[PathBuf], kind: Option<KindName>, out: &mut Output) -> anyhow::Result<Scope> {
    let mut builder = Builder { scope: Scope::default(), surroundings: Surroundings::default() };
    for path in paths {
        is_judged_as(path, kind)?;
        if path == Path::new(STDIN) {
            stdin::say_if_terminal(out)?;
        }
        if let Err(error) = builder.add(path, kind, out) {
            out.error(&error)?;
        }
    }
    Ok(builder.scope)
}

/// An error when the file is to be taken for what it cannot be judged as. Files of batches are
/// judged alone; any other is judged beside its neighbours, which it has by its name.
fn is_judged_as(path: &Path, kind: Option<KindName>) -> Result<(), UsageError> {
    let Some(kind) = kind.filter(|kind| !matches!(kind, KindName::Log | KindName::Checkpoint))
    else {
        return Ok(());
    };
    let is_stdin = path == Path::new(STDIN);
    let named = path.file_name().and_then(|name| FileName::parse(name.to_str()?));
    let is_so = match (named.map(|name| name.kind), file_kind(kind)) {
        (Some(FileKind::OffsetCheckpoint(_)), FileKind::OffsetCheckpoint(_)) => true,
        (named, wanted) => named == Some(wanted),
    };
    if is_so || !(is_stdin || path.is_file()) {
        return Ok(());
    }
    let path = path.display();
    let why = "only log and checkpoint are judged whatever their names say, other files beside the \
               .log that their names say";
    Err(UsageError(format!("--kind cannot be for {path}: {why}")))
}

struct Builder {
    scope: Scope,
    surroundings: Surroundings,
}

impl Builder {
    fn add(&mut self, path: &Path, kind: Option<KindName>, out: &mut Output) -> Result<(), Error> {
        if path == Path::new(STDIN) {
            self.stream(path, FileBytes::stream(path, Box::new(Stdin { bar: None })));
            return Ok(());
        }
        let found = match log_dir::find(path) {
            // An index that is missing is the usual reason to name one.
            Err(error) if error.source.kind() == ErrorKind::NotFound => {
                return self.missing(path).ok_or(error)?;
            }
            found => found?,
        };
        if let PathKind::File(name) = found.kind {
            return self.file(path, name.map(|name| name.kind), kind);
        }
        for error in &found.errors {
            // stdout is written to again before long, and says so if it is closed.
            let _ = out.error(error);
        }
        if found.partitions.is_empty() && found.log_dirs.is_empty() {
            return Err(nothing_here(path));
        }
        for partition in &found.partitions {
            match self.partition(partition, None) {
                Err(error) if !is_gone(&error, partition, path) => drop(out.error(&error)),
                Ok(()) | Err(_) => {}
            }
        }
        for path in &found.log_dirs {
            self.log_dir(path, None);
        }
        Ok(())
    }

    /// A file that is not there, of a segment that is.
    fn missing(&mut self, path: &Path) -> Option<Result<(), Error>> {
        let name = path.file_name().and_then(|name| name.to_str()).and_then(FileName::parse)?;
        let is_index = matches!(name.kind, FileKind::OffsetIndex | FileKind::TimeIndex);
        let log = FileName::of_segment(name.offset?, FileKind::Log).to_string();
        let is_there = is_index && name.suffix.is_none() && path.with_file_name(log).exists();
        is_there.then(|| self.file(path, Some(name.kind), None))
    }

    /// A log dir's own files, or some of them.
    fn log_dir(&mut self, path: &Path, only: Option<PathBuf>) {
        let known = self.scope.log_dirs.iter_mut().find(|known| known.context.path() == path);
        if let Some(known) = known {
            add(&mut known.only, only);
            return;
        }
        let context = self.surroundings.log_dir(path);
        let only = only.map(|file| BTreeSet::from([file]));
        self.scope.log_dirs.push(LogDirScope { context, only });
    }

    /// A partition, or some files of it.
    fn partition(&mut self, path: &Path, only: Option<PathBuf>) -> Result<(), Error> {
        let known = self.scope.partitions.iter_mut().find(|known| known.dir.path() == path);
        if let Some(known) = known {
            add(&mut known.only, only);
            return Ok(());
        }
        let dir = PartitionDir::open(path)?;
        let log_dir = self.surroundings.log_dir_of(&dir);
        let mut partition = PartitionScope::new(dir, log_dir);
        partition.only = only.map(|file| BTreeSet::from([file]));
        self.scope.partitions.push(partition);
        Ok(())
    }

    fn file(
        &mut self,
        path: &Path,
        named: Option<FileKind>,
        kind: Option<KindName>,
    ) -> Result<(), Error> {
        let is_batches = matches!(kind, Some(KindName::Log | KindName::Checkpoint))
            || named == Some(FileKind::BootstrapCheckpoint);
        if is_batches {
            self.stream(path, FileBytes::open(path, Access::Read)?);
            return Ok(());
        }
        let Some(named) = named else {
            return Err(Error::other("reading", path, advice::unnamed(path, "verify")));
        };
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        // As the directory's listing has it.
        let file = path.file_name().map_or_else(|| path.to_owned(), |name| parent.join(name));
        if named.is_in_partition() {
            return self.partition(parent, Some(file));
        }
        self.log_dir(parent, Some(file));
        Ok(())
    }

    /// Bytes that are a `.log` whatever they are called, and that have no surroundings.
    fn stream(&mut self, path: &Path, bytes: FileBytes) {
        let mut partition = PartitionScope::new(PartitionDir::empty(path), None);
        partition.stream = Mutex::new(Some(bytes));
        self.scope.partitions.push(partition);
    }
}

/// Adds a file to those that are asked for, of which `None` is all.
fn add(files: &mut Option<BTreeSet<PathBuf>>, more: Option<PathBuf>) {
    match (files.as_mut(), more) {
        (Some(files), Some(more)) => drop(files.insert(more)),
        (_, None) => *files = None,
        (None, Some(_)) => {}
    }
}
