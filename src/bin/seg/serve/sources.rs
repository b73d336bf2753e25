//! From PATHs to copies of partitions: what is below them, what is left out, what loading finds.

use super::args::Args;
use crate::input;
use crate::output::Output;
use crate::signals::{self, Interrupted};
use segkit::error::Error;
use segkit::format::checkpoint::MetaProperties;
use segkit::log::log_dir::{self, Liveness, PathKind};
use segkit::log::{FileKind, LogDir, LogDirContext, PartitionDirName, read_small};
use segkit::serve::catalog::{NotServed, Replica, not_served};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What was found below the PATHs.
#[derive(Default)]
pub struct Sources {
    /// The directories of partitions, each with its log dir's number.
    pub partitions: Vec<(PathBuf, usize)>,
    /// The directories that hold them.
    pub log_dirs: Vec<Arc<LogDirContext>>,
    /// What `meta.properties` says, by log dir.
    pub identities: Vec<(PathBuf, MetaProperties)>,
    /// Directories that are left out, and why.
    pub left_out: Vec<(PathBuf, NotServed)>,
}

/// Looks below every PATH. A directory that several PATHs lead to counts once.
pub fn find(args: &Args, out: &mut Output) -> anyhow::Result<Sources> {
    let mut found = BTreeMap::new();
    let mut sources = Sources::default();
    for path in &args.paths {
        let below = log_dir::find(path)?;
        if matches!(below.kind, PathKind::File(_)) {
            let why = format!("it is a file; use: seg serve {}", input::parent_word(path));
            return Err(Error::other("serving", path, why).into());
        }
        for error in &below.errors {
            out.error(error)?;
        }
        if below.partitions.is_empty() && below.log_dirs.is_empty() {
            return Err(input::nothing_here(path).into());
        }
        for log_dir in &below.log_dirs {
            sources.log_dir(log_dir, &mut found);
        }
        for partition in below.partitions {
            sources.partition(partition, &mut found);
        }
    }
    Ok(sources)
}

impl Sources {
    fn log_dir(&mut self, path: &Path, found: &mut BTreeMap<PathBuf, usize>) -> usize {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if let Some(&index) = found.get(&real) {
            return index;
        }
        let index = self.log_dirs.len();
        found.insert(real, index);
        self.log_dirs.push(Arc::new(LogDirContext::read(path)));
        if let Some(properties) = identity(path) {
            self.identities.push((path.to_owned(), properties));
        }
        index
    }

    fn partition(&mut self, path: PathBuf, found: &mut BTreeMap<PathBuf, usize>) {
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        if found.contains_key(&real) {
            return;
        }
        let parent = real.parent().unwrap_or(Path::new("/")).to_owned();
        let shown = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let shown = shown.map_or_else(|| parent.clone(), Path::to_owned);
        let shown =
            if shown.canonicalize().is_ok_and(|real| real == parent) { shown } else { parent };
        let log_dir = self.log_dir(&shown, found);
        found.insert(real, log_dir);
        let name =
            path.file_name().and_then(|name| name.to_str()).and_then(PartitionDirName::parse);
        match not_served(name.as_ref()) {
            Some(why) => self.left_out.push((path, why)),
            None => self.partitions.push((path, log_dir)),
        }
    }

    /// The log dirs that a broker is at work in.
    pub fn live(&self) -> impl Iterator<Item = (&Path, Option<i32>)> {
        self.log_dirs.iter().filter_map(|context| match context.liveness {
            Liveness::Live { pid } => Some((context.path(), pid)),
            Liveness::Offline | Liveness::Unknown(_) => None,
        })
    }

    /// Loads every partition, on so many threads. In the order of [`Self::partitions`].
    pub fn load(&self, args: &Args) -> anyhow::Result<Vec<Result<Replica, Error>>> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            while let Some((path, log_dir)) =
                self.partitions.get(next.fetch_add(1, Ordering::Relaxed))
                && !signals::is_interrupted()
            {
                done.push((path, self.load_one(path, *log_dir, args)));
            }
            done
        };
        let mut loaded = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..args.common.threads()).map(|_| scope.spawn(work)).collect();
            let mut all = Vec::new();
            for thread in threads {
                all.extend(thread.join().map_err(|_| anyhow::anyhow!("a thread failed"))?);
            }
            anyhow::Ok(all)
        })?;
        if signals::is_interrupted() {
            let how_far = format!("loaded {} of {}", loaded.len(), self.partitions.len());
            return Err(Interrupted(format!("{how_far} partitions")).into());
        }
        loaded.sort_by_key(|(path, _)| *path);
        Ok(loaded.into_iter().map(|(_, replica)| replica).collect())
    }

    fn load_one(&self, path: &Path, log_dir: usize, args: &Args) -> Result<Replica, Error> {
        let context = self.log_dirs.get(log_dir).map(Arc::clone);
        let (limits, skip_damaged) = (args.common.limits(), args.truth.skip_damaged);
        Replica::load(path, context, args.check(), limits, skip_damaged)
    }
}

fn identity(log_dir: &Path) -> Option<MetaProperties> {
    let listed = LogDir::open(log_dir).ok()?;
    let bytes = read_small(listed.file(FileKind::MetaProperties)?).ok()?;
    MetaProperties::parse(&bytes).ok()
}

impl Sources {
    /// The log dirs that a broker began to work on.
    pub fn now_live(&self) -> impl Iterator<Item = &Path> {
        let paths = self.log_dirs.iter().map(|context| context.path());
        paths.filter(|path| matches!(log_dir::liveness(path), Liveness::Live { .. }))
    }
}
