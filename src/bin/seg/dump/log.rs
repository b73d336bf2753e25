//! Dumping `.log` files: cut into runs, walked by all threads, written in order.

use super::facts::{self, Facts};
use super::filter::Filter;
use super::rows::{JsonRows, KafkaRows, Rows, TextRows, Topic};
use super::walk::walk;
use super::{DumpFormat, Plan};
use crate::cli::Common;
use crate::findings;
use crate::input::{Partition, Target};
use crate::ordered::{self, Job};
use crate::output::Output;
use crate::progress_bar::Bar;
use crate::signals::{self, Interrupted};
use segkit::check::Finding;
use segkit::check::batches::LogContext;
use segkit::error::Error;
use segkit::format::{Offset, Scratch};
use segkit::log::runs::{Bounds, Cut, Cutter};
use segkit::log::{FileBytes, FileKind, Workspace};
use segkit::progress::Progress;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A file that is being dumped.
pub struct Open {
    pub index: usize,
    pub target: Target,
    pub shown: String,
    pub bytes: FileBytes,
    pub filter: Filter,
    pub topic: Option<Topic>,
    pub context: LogContext,
    pub bounds: Bounds,
}

/// A run of a file: whole batches, as far as can be told without looking at them.
pub struct Run {
    pub file: Arc<Open>,
    pub cut: Cut,
    /// What is known about offsets where it begins.
    pub bounds: Bounds,
    pub is_first: bool,
}

/// What is handed out: a run, or a file that cannot be opened, so that it is said in its place.
pub enum Part {
    Run(Run),
    Unopened(Error),
}

/// What a run came to.
pub struct Walked {
    pub run: Run,
    /// Where the walk ended, which is where the next run has to begin.
    pub end: u64,
    /// What is known about offsets there.
    pub bounds: Bounds,
    /// The last offset before that.
    pub last: Option<Offset>,
    /// What was found, and whether it stands among the rows.
    pub findings: Vec<(Finding, bool)>,
    pub error: Option<Error>,
    /// Nothing more is wanted of this file.
    pub is_stopped: bool,
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
    let job = Dump {
        targets,
        plan,
        out,
        bar: &bar,
        left,
        next: Next::File(0),
        outstanding: 0,
        learned: None,
        facts: None,
    };
    let new_worker = || (new_rows(), Scratch::new(plan.limits.decompressed_bytes));
    ordered::run(job, threads, new_worker, |(rows, scratch), part, turn| {
        let done = match part {
            Part::Unopened(error) => Done::Unopened(error),
            Part::Run(run) => Done::Walked(Box::new(walk(run, plan, left, rows, scratch, turn))),
        };
        Ok((std::mem::take(rows.out()), done))
    })?;
    Ok(())
}

/// Where the next run comes from.
enum Next {
    /// The beginning of this file.
    File(usize),
    /// The rest of one.
    Rest { file: Arc<Open>, cutter: Cutter, is_first: bool },
    /// Not known until the run that was handed out last has been walked.
    Unknown,
}

pub struct Dump<'a> {
    targets: &'a [Target],
    plan: &'a Plan,
    out: &'a mut Output,
    bar: &'a Bar,
    left: Option<&'a AtomicU64>,
    next: Next,
    /// Runs that were handed out and are not finished.
    outstanding: usize,
    /// What is known about offsets behind the last run that is finished, of this file.
    learned: Option<(usize, Bounds)>,
    /// What was found out about the partition of the file that was opened last.
    facts: Option<(Arc<Partition>, Facts)>,
}

impl Job for Dump<'_> {
    type Piece = Part;
    type Done = Done;

    fn next(&mut self) -> anyhow::Result<Option<Part>> {
        loop {
            match std::mem::replace(&mut self.next, Next::Unknown) {
                Next::Unknown => return Ok(None),
                Next::File(index) => {
                    let Some(target) = self.targets.get(index) else {
                        self.next = Next::File(index);
                        return Ok(None);
                    };
                    self.next = Next::File(index + 1);
                    match self.open(index, target) {
                        Ok(Some(rest)) => self.next = rest,
                        Ok(None) => {}
                        Err(error) => {
                            self.outstanding += 1;
                            return Ok(Some(Part::Unopened(error)));
                        }
                    }
                }
                Next::Rest { file, mut cutter, is_first } => {
                    let before = cutter.clone();
                    let Some(cut) = cutter.next(&file.bytes, is_first) else {
                        self.next = Next::File(file.index + 1);
                        continue;
                    };
                    if !cut.is_end_known && self.outstanding > 0 {
                        // Damage begins here: what is before it says which offsets may follow.
                        self.next = Next::Rest { file, cutter: before, is_first };
                        return Ok(None);
                    }
                    if cut.is_end_known {
                        self.next = Next::Rest { file: Arc::clone(&file), cutter, is_first: false };
                    }
                    // Only where nothing runs beside it does this not depend on the threads.
                    let bounds = match self.learned {
                        Some((index, bounds)) if index == file.index && !cut.is_end_known => bounds,
                        _ => file.bounds,
                    };
                    self.outstanding += 1;
                    return Ok(Some(Part::Run(Run { file, cut, bounds, is_first })));
                }
            }
        }
    }

    fn write(&mut self, output: &mut Vec<u8>) -> anyhow::Result<bool> {
        match self.plan.format {
            DumpFormat::Kafka => self.out.write_foreign(output)?,
            DumpFormat::Text | DumpFormat::Json => self.out.write(output)?,
        }
        Ok(true)
    }

    fn finish(&mut self, done: Done) -> anyhow::Result<bool> {
        let holds = self.take(done)?;
        // What was handed out since will not be finished when it is void.
        self.outstanding = if holds { self.outstanding.saturating_sub(1) } else { 0 };
        Ok(holds)
    }
}

impl Dump<'_> {
    /// False: what was handed out since is void.
    fn take(&mut self, done: Done) -> anyhow::Result<bool> {
        let walked = match done {
            Done::Walked(walked) => *walked,
            Done::Unopened(error) => {
                self.out.error(&error)?;
                return Ok(true);
            }
        };
        let Run { file, cut, .. } = walked.run;
        if signals::is_interrupted() {
            let how_far = format!("printed {} up to byte {}", file.shown, walked.end);
            return Err(Interrupted(how_far).into());
        }
        self.learned = Some((file.index, walked.bounds));
        self.bar.advance(walked.end.saturating_sub(cut.range.start));
        for (finding, is_written) in &walked.findings {
            match is_written {
                true => findings::count_in(finding, self.out),
                false => findings::report(finding, false, self.out)?,
            }
        }
        if let Some(error) = &walked.error {
            self.out.error(error)?;
        }
        if self.left.is_some_and(|left| left.load(Ordering::Relaxed) == 0) {
            self.next = Next::File(self.targets.len());
            return Ok(false);
        }
        if walked.is_stopped || walked.error.is_some() {
            self.next = Next::File(file.index + 1);
            return Ok(false);
        }
        if cut.is_end_known && walked.end == cut.range.end {
            return Ok(true);
        }
        if walked.end == cut.range.start {
            // A stream has ended: its length was not known.
            self.next = Next::File(file.index + 1);
            return Ok(false);
        }
        // Damage: what was handed out since begins in the wrong place.
        self.next =
            Next::Rest { file, cutter: Cutter::new(walked.end, walked.last), is_first: false };
        Ok(false)
    }

    /// Opens a file and finds out where to start. `None`: nothing in it is wanted.
    fn open(&mut self, index: usize, target: &Target) -> Result<Option<Next>, Error> {
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
            return Ok(None);
        }
        let bytes = target.open()?;
        let Some(from) = self.start(target, &filter, &facts)? else { return Ok(None) };
        let is_live = target.partition.as_ref().is_some_and(|partition| partition.is_live());
        let context = LogContext {
            file: target.path.as_path().into(),
            is_sealed: next_base.is_some(),
            is_live,
        };
        let file = Arc::new(Open {
            index,
            shown: target.shown(),
            topic: Topic::of(target, self.plan),
            bounds: Bounds { segment_base: base, next_segment_base: next_base, last_proved: None },
            target: target.clone(),
            bytes,
            filter,
            context,
        });
        Ok(Some(Next::Rest { file, cutter: Cutter::new(from, None), is_first: true }))
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
