//! Dumping `.log` files: cut into runs, walked by all threads, written in order.

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
use segkit::format::replay::Transactions;
use segkit::format::{Offset, Scratch};
use segkit::log::lookup::{Outcome as Answer, Place};
use segkit::log::runs::{Bounds, Cut, Cutter, Piece, Scanner};
use segkit::log::{FileBytes, FileKind, Workspace};
use segkit::progress::Progress;
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
    /// What was found, and whether it stands among the rows.
    pub findings: Vec<(Finding, bool)>,
    pub error: Option<Error>,
    /// Nothing more is wanted of this file.
    pub is_stopped: bool,
}

pub enum Done {
    Walked(Walked),
    Unopened(Error),
}

/// Dumps `targets`, all of them logs.
pub fn run(
    targets: &[Target],
    plan: &Plan,
    common: &Common,
    out: &mut Output,
) -> anyhow::Result<()> {
    let color = out.color;
    match plan.format {
        DumpFormat::Json => dump(targets, plan, common, out, || JsonRows::new(plan)),
        DumpFormat::Text => dump(targets, plan, common, out, || TextRows::new(plan, color)),
        DumpFormat::Kafka => dump(targets, plan, common, out, || KafkaRows::new(plan)),
    }
}

fn dump<R: Rows>(
    targets: &[Target],
    plan: &Plan,
    common: &Common,
    out: &mut Output,
    new_rows: impl Fn() -> R + Sync,
) -> anyhow::Result<()> {
    let left = plan.select.limit.map(AtomicU64::new);
    let left = left.as_ref();
    // With a limit, what is printed depends on what was printed before; a pipe is read once.
    let one_thread = plan.select.limit.is_some() || targets.iter().any(Target::is_stdin);
    let threads = if one_thread { 1 } else { common.threads() };
    let bar = Bar::new(common, targets.iter().map(Target::size).sum());
    let job = Dump { targets, plan, out, bar: &bar, left, next: Next::File(0), facts: None };
    let new_worker = || (new_rows(), Scratch::new(plan.limits.decompressed_bytes));
    ordered::run(job, threads, new_worker, |(rows, scratch), part, turn| {
        let done = match part {
            Part::Unopened(error) => Done::Unopened(error),
            Part::Run(run) => Done::Walked(walk(run, plan, left, rows, scratch, turn)),
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
                        Err(error) => return Ok(Some(Part::Unopened(error))),
                    }
                }
                Next::Rest { file, mut cutter, is_first } => {
                    let Some(cut) = cutter.next(&file.bytes, is_first) else {
                        self.next = Next::File(file.index + 1);
                        continue;
                    };
                    if cut.is_end_known {
                        self.next = Next::Rest { file: Arc::clone(&file), cutter, is_first: false };
                    }
                    return Ok(Some(Part::Run(Run { file, cut, is_first })));
                }
            }
        }
    }

    fn write(&mut self, output: &mut Vec<u8>) -> anyhow::Result<bool> {
        self.out.write(output)?;
        Ok(true)
    }

    fn finish(&mut self, done: Done) -> anyhow::Result<bool> {
        let walked = match done {
            Done::Walked(walked) => walked,
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
        // Damage: what was handed out since begins in the wrong place.
        self.next = Next::Rest { file, cutter: Cutter::new(walked.end), is_first: false };
        Ok(false)
    }
}

impl Dump<'_> {
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
        let context =
            LogContext { file: target.path.clone(), is_sealed: next_base.is_some(), is_live };
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
        Ok(Some(Next::Rest { file, cutter: Cutter::new(from), is_first: true }))
    }

    /// Where the first batch that may be wanted begins; the indexes make finding it fast. `None`:
    /// there is none in this file.
    fn start(&self, target: &Target, filter: &Filter, facts: &Facts) -> Result<Option<u64>, Error> {
        let Some(partition) = &target.partition else { return Ok(Some(0)) };
        let segments = &partition.dir.segments;
        let Some(index) = segments.iter().position(|files| files.log.path == target.path) else {
            return Ok(Some(0));
        };
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

    /// What the selection needs to know about the target's partition; asked once for each.
    fn facts(&mut self, target: &Target) -> Result<Facts, Error> {
        let select = &self.plan.select;
        let Some(partition) = &target.partition else { return Ok(Facts::default()) };
        if let Some((known, facts)) = &self.facts
            && Arc::ptr_eq(known, partition)
        {
            return Ok(facts.clone());
        }
        let mut facts = Facts::default();
        if select.offsets.is_some_and(|range| range.is_relative()) {
            let mut workspace = Workspace::new(&self.plan.limits);
            let open = partition.open(self.plan.limits);
            facts.log_end = open.log_end(&mut workspace)?.offset.0;
        }
        if let Some(from) = select.time.and_then(|range| range.from) {
            facts.first_in_time = first_in_time(partition, from, self.plan)?;
        }
        if select.committed {
            facts.transactions = Some(Arc::new(transactions(partition, self.plan)?));
        }
        self.facts = Some((Arc::clone(partition), facts.clone()));
        Ok(facts)
    }
}

/// What a selection needs to know about a partition.
#[derive(Clone, Default)]
struct Facts {
    log_end: i64,
    /// Where the first record stands that is young enough; `Some(None)`: there is none, `None`: it
    /// was not looked for, or damage kept it from being found.
    first_in_time: Option<Option<Place>>,
    transactions: Option<Arc<Transactions>>,
}

fn first_in_time(
    partition: &Partition,
    from: i64,
    plan: &Plan,
) -> Result<Option<Option<Place>>, Error> {
    let mut workspace = Workspace::new(&plan.limits);
    let found = partition.open(plan.limits).time(from, &mut workspace)?;
    Ok(match found.outcome {
        Answer::Hit(hit) => Some(Some(hit.place)),
        Answer::Miss(_) => Some(None),
        Answer::Damaged(_) => None,
    })
}

/// Replays the transactions of a whole partition: one may begin segments before it is aborted.
fn transactions(partition: &Partition, plan: &Plan) -> Result<Transactions, Error> {
    let mut transactions = Transactions::default();
    let mut scratch = Scratch::new(plan.limits.decompressed_bytes);
    for files in &partition.dir.segments {
        let bytes = FileBytes::open(&files.log.path, partition.access())?;
        let bounds = Bounds {
            last_proved: None,
            segment_base: Some(files.base_offset),
            next_segment_base: partition.next_base(files.base_offset),
        };
        let mut scanner = Scanner::new(&bytes, 0..u64::MAX, bounds, plan.limits);
        while let Some(piece) = scanner.next()? {
            if let Piece::Proved(batch) = piece {
                transactions.replay(&batch, &mut scratch);
            }
        }
    }
    Ok(transactions)
}
