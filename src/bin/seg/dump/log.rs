//! Dumping `.log` files: cut into runs, walked by all threads, written in order.

use super::facts::{self, Facts};
use super::filter::Filter;
use super::rows::{JsonRows, KafkaRows, Rows, TextRows, Topic};
use super::walk::walk;
use super::{DumpFormat, Plan};
use crate::cli::Common;
use crate::findings;
use crate::input::{Partition, Target};
use crate::output::Output;
use crate::progress_bar::Bar;
use crate::signals::{self, Interrupted};
use segkit::check::Finding;
use segkit::check::batches::LogContext;
use segkit::error::Error;
use segkit::format::{Offset, Scratch};
use segkit::log::feed::{Fed, Feed, LogFile, Opening, Run, WalkEnd};
use segkit::log::runs::{Bounds, Cutter};
use segkit::log::{FileBytes, FileKind, Workspace};
use segkit::ordered::{self, Job};
use segkit::progress::Progress;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A file that is being dumped.
pub struct Open {
    pub target: Target,
    pub shown: String,
    pub bytes: FileBytes,
    pub filter: Filter,
    pub topic: Option<Topic>,
    pub context: LogContext,
    pub bounds: Bounds,
}

impl LogFile for Open {
    fn bytes(&self) -> &FileBytes {
        &self.bytes
    }

    fn bounds(&self) -> Bounds {
        self.bounds
    }
}

/// What a run came to.
pub struct Walked {
    pub run: Run<Open>,
    pub end: WalkEnd,
    /// What was found, and whether it stands among the rows.
    pub findings: Vec<(Finding, bool)>,
    pub error: Option<Error>,
}

pub enum Done {
    Walked(Box<Walked>),
    Unopened(Error),
}

/// Dumps `targets`, all of them logs.
pub fn run(
    targets: &[Target],
    plan: &Plan,
    common: &Common,
    left: Option<&AtomicU64>,
    out: &mut Output,
) -> anyhow::Result<()> {
    let color = out.color;
    match plan.format {
        DumpFormat::Json => dump(targets, plan, common, left, out, || JsonRows::new(plan)),
        DumpFormat::Text => dump(targets, plan, common, left, out, || TextRows::new(plan, color)),
        DumpFormat::Kafka => dump(targets, plan, common, left, out, || KafkaRows::new(plan)),
    }
}

fn dump<R: Rows>(
    targets: &[Target],
    plan: &Plan,
    common: &Common,
    left: Option<&AtomicU64>,
    out: &mut Output,
    new_rows: impl Fn() -> R + Sync,
) -> anyhow::Result<()> {
    // With a limit, what is printed depends on what was printed before; a pipe is read once.
    let one_thread = plan.select.limit.is_some() || targets.iter().any(Target::is_stdin);
    let threads = if one_thread { 1 } else { common.threads() };
    let bar = Bar::new(common, targets.iter().map(Target::size).sum());
    let job = Dump { targets, plan, out, bar: &bar, left, feed: Feed::default(), facts: None };
    let new_worker = || (new_rows(), Scratch::new(plan.limits.decompressed_bytes));
    ordered::run(job, threads, new_worker, |(rows, scratch), part, turn| {
        let done = match part {
            Fed::Failed(error) => Done::Unopened(error),
            Fed::Run(run) => Done::Walked(Box::new(walk(run, plan, left, rows, scratch, turn))),
        };
        Ok((std::mem::take(rows.out()), done))
    })?;
    Ok(())
}

pub struct Dump<'a> {
    targets: &'a [Target],
    plan: &'a Plan,
    out: &'a mut Output,
    bar: &'a Bar,
    left: Option<&'a AtomicU64>,
    feed: Feed<Open>,
    /// What was found out about the partition of the file that was opened last.
    facts: Option<(Arc<Partition>, Facts)>,
}

impl Job for Dump<'_> {
    type Piece = Fed<Open, Error>;
    type Done = Done;
    type Error = anyhow::Error;

    fn next(&mut self) -> anyhow::Result<Option<Self::Piece>> {
        let mut feed = std::mem::take(&mut self.feed);
        let fed = feed.next(|index| match self.targets.get(index) {
            Some(target) => self.open(target).unwrap_or_else(Opening::Failed),
            None => Opening::End,
        });
        self.feed = feed;
        Ok(fed)
    }

    fn write(&mut self, output: &mut Vec<u8>) -> anyhow::Result<bool> {
        match self.plan.format {
            DumpFormat::Kafka => self.out.write_foreign(output)?,
            DumpFormat::Text | DumpFormat::Json => self.out.write(output)?,
        }
        Ok(true)
    }

    fn finish(&mut self, done: Done) -> anyhow::Result<bool> {
        let walked = match done {
            Done::Walked(walked) => *walked,
            Done::Unopened(error) => {
                self.feed.finish_failed();
                if signals::is_interrupted() {
                    return Err(Interrupted("nothing was printed of it".to_owned()).into());
                }
                self.out.error(&error)?;
                return Ok(true);
            }
        };
        let Walked { run, end, .. } = &walked;
        if signals::is_interrupted() {
            let how_far = format!("printed {} up to byte {}", run.file.shown, end.end);
            return Err(Interrupted(how_far).into());
        }
        self.bar.advance(end.end.saturating_sub(run.cut.range.start));
        for (finding, is_written) in &walked.findings {
            match is_written {
                true => findings::count_in(finding, self.out),
                false => findings::report(finding, false, self.out)?,
            }
        }
        if let Some(error) = &walked.error {
            self.out.error(error)?;
        }
        let holds = self.feed.finish(run, end);
        if self.left.is_some_and(|left| left.load(Ordering::Relaxed) == 0) {
            self.feed.stop(self.targets.len());
            return Ok(false);
        }
        Ok(holds)
    }
}

impl Dump<'_> {
    /// Opens a file and finds out where to start.
    fn open(&mut self, target: &Target) -> Result<Opening<Open, Error>, Error> {
        let facts = self.facts(target)?;
        let filter = Filter::new(self.plan, facts.log_end, facts.transactions.clone());
        let base = target.base_offset().filter(|_| target.kind == FileKind::Log);
        let next_base = match (&target.partition, base) {
            (Some(partition), Some(base)) => partition.next_base(base),
            _ => None,
        };
        let first = Offset(filter.first_offset());
        if next_base.is_some_and(|next| next <= first)
            || base.is_some_and(|base| base.0 >= filter.end_offset())
        {
            return Ok(Opening::Skip);
        }
        let bytes = target.open()?;
        let Some(from) = self.start(target, &filter, &facts)? else { return Ok(Opening::Skip) };
        let is_live = target.partition.as_ref().is_some_and(|partition| partition.is_live());
        let context = LogContext {
            file: target.path.as_path().into(),
            is_sealed: next_base.is_some(),
            is_live,
            modified: None,
        };
        let file = Open {
            shown: target.shown(),
            topic: Topic::of(target, self.plan),
            bounds: Bounds { segment_base: base, next_segment_base: next_base, last_proved: None },
            target: target.clone(),
            bytes,
            filter,
            context,
        };
        Ok(Opening::File(file, Cutter::new(from, None)))
    }

    /// Where the first batch that may be wanted begins; the indexes make finding it fast. `None`:
    /// there is none in this file.
    fn start(&self, target: &Target, filter: &Filter, facts: &Facts) -> Result<Option<u64>, Error> {
        let Some((partition, index)) = target.segment() else { return Ok(Some(0)) };
        let mut start = match facts.first_in_time {
            Some(Some(place)) if place.segment == index => place.position.0,
            Some(Some(place)) if place.segment < index => 0,
            Some(_) => return Ok(None),
            None => 0,
        };
        if filter.first_offset() > target.base_offset().map_or(i64::MAX, |base| base.0) {
            let open = partition.open(self.plan.limits);
            let mut workspace = Workspace::new(&self.plan.limits);
            let edge = open.position_of(index, Offset(filter.first_offset()), &mut workspace)?;
            start = start.max(edge.position.0);
        }
        Ok(Some(start))
    }

    /// What the selection needs to know about the target's partition, asked once for each; or about
    /// the file alone, where it is not one of a partition's segments.
    fn facts(&mut self, target: &Target) -> Result<Facts, Error> {
        let Some((partition, _)) = target.segment() else {
            let facts = facts::of_file(target, self.plan)?;
            return self.complete(facts, &target.shown());
        };
        if let Some((known, facts)) = &self.facts
            && Arc::ptr_eq(known, partition)
        {
            return Ok(facts.clone());
        }
        let facts = facts::of_partition(partition, self.plan)?;
        let facts = self.complete(facts, &partition.dir.path().to_string_lossy())?;
        self.facts = Some((Arc::clone(partition), facts.clone()));
        Ok(facts)
    }

    /// Says so where not everything could be known.
    fn complete(&mut self, facts: Facts, what: &str) -> Result<Facts, Error> {
        if facts.is_incomplete {
            let why = "damaged, so which transactions were committed is not known for certain";
            let error = Error::other("replaying the transactions of", Path::new(what), why);
            // A closed stdout shows with the next row.
            let _ = self.out.error(&error);
        }
        Ok(facts)
    }
}
