//! Everything in a scope, looked at once: runs judged at the same time, joined in their order.
//!
//! ```text
//!   partitions -> logs -> runs      handed out in order
//!                          judge    on every thread
//!                          join     one at a time, in the order of runs
//!                            '----> a report of each partition, as it is complete
//! ```

use super::batches::LogContext;
use super::derived::{Derived, read};
use super::directory::{PartitionEnds, log_dir_findings, topic_id_findings};
use super::partition::Join;
use super::report::{PartitionReport, SegmentReport, Totals};
use super::run::{Depth, OpenLog, Walked, Worker};
use super::scope::{LogDirScope, PartitionScope, Scope, VerifyOptions};
use super::second_look::settle;
use super::{Finding, Problem};
use crate::error::Error;
use crate::format::Position;
use crate::format::offset_index::OffsetIndex;
use crate::log::feed::{Fed, Feed, Opening};
use crate::log::file_facts::FileIdentity;
use crate::log::partition::FileEntry;
use crate::log::runs::{Bounds, Cutter};
use crate::log::{Access, FileBytes, LogDir, PartitionDir};
use crate::ordered::{self, Job};
use crate::progress::Progress;
use std::convert::Infallible;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

/// Who is told what a look comes to, while it goes on. All calls come from one thread at a time,
/// and in the order of the scope.
pub trait Listener: Send {
    /// A segment was read to its end; its partition's report comes later.
    fn segment(&mut self, _report: SegmentReport) {}
    /// A partition is complete. False: nothing more is wanted.
    fn partition(&mut self, report: PartitionReport) -> bool;
}

/// Looks at everything in `scope`. What cannot be looked at is a finding.
pub fn verify(
    scope: &Scope,
    options: &VerifyOptions,
    progress: &dyn Progress,
    listener: &mut dyn Listener,
) {
    look(scope, options, progress, listener, true);
}

/// The same without a second look at anything: of partitions as they are going to be, which no
/// directory holds yet.
pub fn verify_once(
    scope: &Scope,
    options: &VerifyOptions,
    progress: &dyn Progress,
    listener: &mut dyn Listener,
) {
    look(scope, options, progress, listener, false);
}

/// The same; a second look at what changed meanwhile is taken where `looks_twice`.
pub(super) fn look(
    scope: &Scope,
    options: &VerifyOptions,
    progress: &dyn Progress,
    listener: &mut dyn Listener,
    looks_twice: bool,
) {
    let look = Look {
        scope,
        options,
        progress,
        listener,
        logs: logs_of(scope),
        feed: Feed::default(),
        join: None,
        next_partition: 0,
        ends: Vec::new(),
        looks_twice,
        is_stopped: false,
    };
    let new_worker = || Worker::new(options.depth, options.limits);
    let done = ordered::run(look, options.threads, new_worker, |worker, fed, _turn| {
        Ok((
            Vec::new(),
            match fed {
                Fed::Run(run) => Done::Walked(Box::new(worker.judge(run))),
                Fed::Failed(failed) => Done::NotOpened(failed),
            },
        ))
    });
    match done {
        Ok(mut look) => look.finish_all(),
        Err(never) => match never {},
    }
}

/// A file of batches that is walked.
struct Log {
    partition: usize,
    segment: Option<usize>,
    entry: FileEntry,
    bounds: Bounds,
}

/// The files of batches of all partitions, in their order.
fn logs_of(scope: &Scope) -> Vec<Log> {
    let mut logs = Vec::new();
    for (number, partition) in scope.partitions.iter().enumerate() {
        let segments = &partition.dir.segments;
        for (index, files) in segments.iter().enumerate() {
            let next = segments.get(index + 1).map(|next| next.base_offset);
            let bounds = Bounds {
                last_proved: None,
                segment_base: Some(files.base_offset),
                next_segment_base: next,
            };
            if partition.wants_segment(files) {
                let (segment, entry) = (Some(index), files.log.clone());
                logs.push(Log { partition: number, segment, entry, bounds });
            }
        }
        let checkpoints = partition.dir.metadata_checkpoints.iter();
        for entry in checkpoints.map(|named| named.file.clone()) {
            if partition.wants_file(&entry.path) {
                let bounds = Bounds::default();
                logs.push(Log { partition: number, segment: None, entry, bounds });
            }
        }
        logs.extend(other_log(partition, number));
    }
    logs
}

/// A file of batches whose name says nothing of the kind, or a stream.
fn other_log(partition: &PartitionScope, number: usize) -> Option<Log> {
    let stream = partition.stream.lock().ok()?;
    let path = stream.as_ref()?.path().to_owned();
    let entry = FileEntry { path, size: 0, modified: None };
    Some(Log { partition: number, segment: None, entry, bounds: Bounds::default() })
}

enum Done {
    Walked(Box<Walked>),
    NotOpened(NotOpened),
}

/// A log that could not be opened, and why.
struct NotOpened {
    partition: usize,
    path: PathBuf,
    error: Error,
}

struct Look<'a> {
    scope: &'a Scope,
    options: &'a VerifyOptions,
    progress: &'a dyn Progress,
    listener: &'a mut dyn Listener,
    logs: Vec<Log>,
    feed: Feed<OpenLog>,
    /// The partition that is being joined, and which it is.
    join: Option<(usize, Join<'a>)>,
    next_partition: usize,
    /// Where the logs end of the partitions that were read whole, by their log dirs.
    ends: Vec<(PathBuf, PartitionEnds)>,
    looks_twice: bool,
    is_stopped: bool,
}

impl Job for Look<'_> {
    type Piece = Fed<OpenLog, NotOpened>;
    type Done = Done;
    type Error = Infallible;

    fn next(&mut self) -> Result<Option<Self::Piece>, Infallible> {
        let mut feed = std::mem::take(&mut self.feed);
        let fed = feed.next(|index| match self.logs.get(index) {
            None => Opening::End,
            Some(log) => match self.open(log) {
                Ok((file, cutter)) => Opening::File(file, cutter),
                Err(error) => Opening::Failed(NotOpened {
                    partition: log.partition,
                    path: log.entry.path.clone(),
                    error,
                }),
            },
        });
        self.feed = feed;
        Ok(fed)
    }

    fn write(&mut self, _output: &mut Vec<u8>) -> Result<bool, Infallible> {
        Ok(true)
    }

    fn finish(&mut self, done: Done) -> Result<bool, Infallible> {
        if self.is_stopped {
            return Ok(false);
        }
        let holds = match done {
            Done::NotOpened(failed) => {
                self.feed.finish_failed();
                self.begin(failed.partition);
                if let Some((_, join)) = &mut self.join {
                    let ended = join.not_opened(&failed.path, &failed.error);
                    self.ended(ended);
                }
                true
            }
            Done::Walked(walked) => {
                let holds = self.feed.finish(&walked.run, &walked.end);
                let range = &walked.run.cut.range;
                self.progress.advance(walked.end.end.saturating_sub(range.start));
                self.begin(walked.run.file.partition);
                let index = walked.run.index;
                if let Some((_, join)) = &mut self.join {
                    let ended = join.take(*walked);
                    self.ended(ended);
                }
                if self.progress.should_stop() {
                    self.stop(index + 1);
                }
                holds
            }
        };
        Ok(holds && !self.is_stopped)
    }
}

impl<'a> Look<'a> {
    /// Opens a log and reads its indexes; these first, so that what they say of a file that grows
    /// is in the part of it that is looked at.
    fn open(&self, log: &Log) -> Result<(OpenLog, Cutter), Error> {
        let Some(partition) = self.scope.partitions.get(log.partition) else {
            return Err(Error::other("opening", &log.entry.path, "it is in no partition"));
        };
        let stream = partition.stream.lock().ok().and_then(|mut stream| stream.take());
        let files = log.segment.and_then(|index| partition.dir.segments.get(index));
        let is_live = partition.is_live();
        let is_identified = is_live || self.options.rebuild_with_interval.is_some();
        let limit = self.options.limits.index_bytes;
        let read_if = |entry: Option<&FileEntry>| {
            entry.map_or(Derived::Missing, |entry| read(entry, is_identified, limit))
        };
        let identity = match is_identified && stream.is_none() {
            true => FileIdentity::of(&log.entry.path)?,
            false => None,
        };
        let index = read_if(files.and_then(|files| files.index.as_ref()));
        let time_index = read_if(files.and_then(|files| files.time_index.as_ref()));
        let bytes = match stream {
            Some(stream) => stream,
            None => match partition.images.get(&log.entry.path) {
                Some(image) => FileBytes::composed(&log.entry.path, image)?,
                None => FileBytes::open(&log.entry.path, self.access(is_live))?,
            },
        };
        let modified = log.entry.modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let context = LogContext {
            file: log.entry.path.as_path().into(),
            is_sealed: log.bounds.next_segment_base.is_some(),
            is_live,
            modified: modified.and_then(|time| i64::try_from(time.as_millis()).ok()),
        };
        let base = log.bounds.segment_base.unwrap_or_default();
        let hops = self.options.depth > Depth::Headers;
        let view = index.file().map(|file| OffsetIndex::new(&file.bytes, base));
        let cutter = Cutter::by_index(&view.unwrap_or_else(|| OffsetIndex::new(&[], base)), hops);
        let scope = partition;
        let (partition, segment, bounds) = (log.partition, log.segment, log.bounds);
        let is_end_trusted = files.is_some_and(|files| scope.is_end_trusted(files));
        let file = OpenLog {
            partition,
            segment,
            bytes,
            context,
            bounds,
            index,
            time_index,
            is_end_trusted,
            identity,
        };
        Ok((file, cutter))
    }

    /// Headers are mapped wherever nobody writes: most pages are never touched.
    fn access(&self, is_live: bool) -> Access {
        match (is_live, self.options.depth) {
            (true, _) => Access::Read,
            (false, Depth::Headers) => Access::Map,
            (false, _) => self.options.access,
        }
    }

    /// Makes `partition` the one that is joined, and reports those before it.
    fn begin(&mut self, partition: usize) {
        while self.next_partition <= partition {
            self.end_partition();
            if let Some(scope) = self.scope.partitions.get(self.next_partition) {
                self.join = Some((self.next_partition, Join::new(scope, self.options)));
            }
            self.next_partition += 1;
        }
    }

    fn ended(&mut self, segment: Option<SegmentReport>) {
        if let Some(report) = segment {
            self.listener.segment(report);
        }
    }

    fn end_partition(&mut self) {
        let Some((number, join)) = self.join.take() else { return };
        let (ended, mut report, ends) = join.finish();
        self.ends.extend(ends);
        self.ended(ended);
        if let Some(scope) = self.scope.partitions.get(number)
            && self.looks_twice
            && !self.is_stopped
        {
            report = settle(scope, self.options, report);
        }
        if !self.listener.partition(report) {
            self.is_stopped = true;
            self.feed.stop(self.logs.len());
        }
    }

    /// The look ends; `next` is the first log that was not begun.
    fn stop(&mut self, next: usize) {
        self.is_stopped = true;
        self.feed.stop(self.logs.len());
        let seconds = self.options.max_duration.map_or(0, |duration| duration.as_secs());
        let problem = Problem::Limit { limit: "duration", allowed: seconds };
        let mut unread: Vec<Vec<(PathBuf, u64)>> = Vec::new();
        unread.resize(self.scope.partitions.len(), Vec::new());
        for log in self.logs.get(next..).unwrap_or_default() {
            if let Some(files) = unread.get_mut(log.partition) {
                files.push((log.entry.path.clone(), log.entry.size));
            }
        }
        let first = self.next_partition.saturating_sub(1);
        for (number, files) in unread.iter().enumerate().skip(first) {
            self.begin(number);
            if let Some((_, join)) = &mut self.join {
                join.stop(files, &problem);
            }
        }
    }

    /// Reports what is left: the last partition, and those without a log.
    fn finish_all(&mut self) {
        let count = self.scope.partitions.len();
        if let Some(last) = count.checked_sub(1)
            && !self.is_stopped
        {
            self.begin(last);
        }
        self.end_partition();
        for log_dir in &self.scope.log_dirs {
            if !self.is_stopped {
                self.is_stopped = !self.listener.partition(self.log_dir(log_dir));
            }
        }
    }

    /// Judges what lies in a log dir beside its partitions, and what its files say about those.
    fn log_dir(&self, scope: &LogDirScope) -> PartitionReport {
        let context = &scope.context;
        let path = context.path();
        let ends = self.ends.iter().filter(|(log_dir, _)| log_dir == path);
        let ends: Vec<PartitionEnds> = ends.map(|(_, ends)| ends.clone()).collect();
        let is_in = |partition: &&PartitionScope| {
            partition.log_dir.as_ref().is_some_and(|log_dir| log_dir.path() == path)
        };
        let partitions = self.scope.partitions.iter().filter(is_in);
        let dirs: Vec<&PartitionDir> = partitions.map(|partition| &partition.dir).collect();
        let mut totals = Totals::default();
        let mut findings = match LogDir::open(path) {
            Ok(dir) => {
                totals.files = dir.files.len() as u64;
                log_dir_findings(&dir, context, &ends)
            }
            Err(error) => {
                let problem = Problem::NotReadable { why: error.reason() };
                vec![Finding::new(path.into(), Position(0)..Position(0), problem)]
            }
        };
        findings.extend(topic_id_findings(&dirs));
        if let Some(only) = &scope.only {
            findings.retain(|finding| only.contains(&*finding.file));
            totals.files = only.len() as u64;
        }
        let (is_sound, rebuilt) = (true, Vec::new());
        PartitionReport { path: path.to_owned(), findings, totals, is_sound, rebuilt }
    }
}
