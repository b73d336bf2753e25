//! `seg repair`: keeps what can be kept of a damaged log. Without `--apply` it only says how.

mod act;
mod closing;
mod page;
pub mod plan_file;
mod text;

pub use page::HELP;

use crate::advice;
use crate::cli::{Common, Format, UsageError};
use crate::findings;
use crate::guards::Guards;
use crate::input::STDIN;
use crate::output::{Outcome, Output};
use crate::progress_bar::Bar;
use crate::render::{JsonLines, Sink};
use crate::row::{self, RepairCounts};
use crate::scope::scope;
use crate::signals::{self, Interrupted};
use crate::values::size;
use segkit::check::report::{Counts, Totals};
use segkit::check::{Problem, Scope, Severity};
use segkit::error::Error;
use segkit::log::names::PartitionDirSuffix;
use segkit::repair::planner::{self, Options, Planned};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::Instant;
use text::{Lost, Shown};

/// The arguments of `seg repair`.
#[derive(clap::Args)]
pub struct Args {
    /// Partition directories, log dirs, or directories above them
    #[arg(value_name = "PATH", default_value = ".", value_hint = clap::ValueHint::DirPath)]
    paths: Vec<PathBuf>,
    /// Carry the plan out
    ///
    /// Under the broker's lock; what goes is kept in a backup.
    #[arg(long)]
    apply: bool,
    /// With --apply: also a plan that loses records
    ///
    /// There is no other replica that has them.
    #[arg(long, requires = "apply")]
    sole_copy: bool,
    /// Take the last repair back
    #[arg(long, conflicts_with_all = ["apply", "plan", "to", "accept_single_bit", "like_broker"])]
    undo: bool,
    /// Set any one bit back that explains a checksum
    ///
    /// In a batch of any size; else only where everything else about the batch fits too.
    #[arg(long)]
    accept_single_bit: bool,
    /// Cut the log at the first damage, as a broker does
    ///
    /// What is behind it is dropped.
    #[arg(long, conflicts_with = "accept_single_bit")]
    like_broker: bool,
    /// Write the plan; with --apply: only what it says
    ///
    /// JSON lines; '-' is stdout. With --apply the plan is made anew, and carried out if it is this
    /// one.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    plan: Option<PathBuf>,
    /// Where originals are kept
    ///
    /// Or, for --undo, were kept [default: beside the log dir]. It must be on the same file system.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    backup: Option<PathBuf>,
    /// Write repaired copies there instead
    ///
    /// These partitions stay as they are, and may be on a read-only file system.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["apply", "plan"])]
    #[arg(value_hint = clap::ValueHint::DirPath)]
    to: Option<PathBuf>,
    /// How many bytes of the log an index entry stands for, as in Kafka's index.interval.bytes
    #[arg(long, value_name = "BYTES", default_value_t = 4096, hide_short_help = true)]
    index_interval_bytes: u64,
    /// The form of the answer
    #[arg(long, value_enum, value_name = "FORM", default_value = "text", help_heading = "Output")]
    format: Format,
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
}

/// Plans the repair of every path, and does what was asked for with the plans.
pub fn run(args: &Args, out: &mut Output) -> anyhow::Result<Outcome> {
    check(args)?;
    if let Some(file) = args.plan_to_write().filter(|file| file.symlink_metadata().is_ok()) {
        let why = "it is there already, and no file is written over; name another";
        out.error(&Error::other("writing the plan to", file, why))?;
        return Ok(Outcome::default());
    }
    let mut scope = scope(&args.paths, None, out)?;
    // What is about to be deleted is left alone unless it is named.
    scope.partitions.retain(|partition| {
        let suffix = partition.dir.name.as_ref().and_then(|name| name.suffix);
        let is_named = || args.paths.iter().any(|path| path.starts_with(partition.dir.path()));
        suffix != Some(PartitionDirSuffix::Delete) || is_named()
    });
    if let Some(to) = &args.to {
        act::keep_copyable(to, &mut scope, out)?;
    }
    let guards = match args.apply || args.undo {
        true => Guards::of_all(&mut scope, out)?,
        false => Guards::default(),
    };
    if args.undo {
        return act::undo(args, &scope, &guards, out);
    }
    let approved = match &args.plan {
        Some(file) if args.apply => match approve(args, &scope, file, out)? {
            Some(approved) => Some(approved),
            None => return Ok(Outcome { is_no: true, is_partial: true }),
        },
        _ => None,
    };
    let mut work = Work::new(args, &scope, &guards, out);
    work.approved = approved;
    let mut interrupted = plan_all(args, &scope, &mut |planned| work.take(&planned));
    for _ in 1..STEPS {
        let next = act::again(&std::mem::take(&mut work.tally.first_steps), &scope);
        if interrupted || next.partitions.is_empty() {
            break;
        }
        interrupted = plan_all(args, &next, &mut |planned| work.take(&planned));
    }
    work.finish(&scope, interrupted)
}

/// Refuses what makes no sense before anything is looked at.
fn check(args: &Args) -> Result<(), UsageError> {
    for path in &args.paths {
        if path == Path::new(STDIN) {
            return Err(UsageError("stdin cannot be repaired; seg verify - judges it".to_owned()));
        }
        if path.is_file() {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let directory = closing::shell(parent.unwrap_or(Path::new(".")));
            let path = path.display();
            let why = "a repair is of a whole partition, for its files have to agree";
            let error = format!("{path} is a file: {why}; use: seg repair {directory}");
            return Err(UsageError(error));
        }
    }
    if args.backup.is_some() && !args.apply && !args.undo {
        return Err(UsageError("--backup needs --apply or --undo".to_owned()));
    }
    let backup = args.backup.as_deref().filter(|_| args.apply);
    let (plan, to) = (args.plan_to_write(), args.to.as_deref());
    for (flag, path) in [("--plan", plan), ("--backup", backup), ("--to", to)] {
        if let Some(path) = path {
            plan_file::check_outside(flag, path)?;
        }
    }
    Ok(())
}

impl Args {
    fn options(&self) -> Options {
        Options {
            accepts_single_bit: self.accept_single_bit,
            like_broker: self.like_broker,
            threads: self.common.threads(),
            limits: self.common.limits(),
            index_interval_bytes: self.index_interval_bytes,
        }
    }

    /// The file that the plan is to be written to.
    fn plan_to_write(&self) -> Option<&Path> {
        self.plan.as_deref().filter(|&file| !self.apply && file != Path::new(STDIN))
    }

    /// True when the plan goes to stdout, where nothing else may be then.
    fn is_piped(&self) -> bool {
        !self.apply && self.plan.as_deref() == Some(Path::new(STDIN))
    }

    fn is_json(&self) -> bool {
        self.format == Format::Json
    }
}

/// How often a partition is planned for in one run: where segments were on their way, they have to
/// arrive before their logs can be looked at.
const STEPS: usize = 3;

/// Plans everything. True when Ctrl-C ended it.
fn plan_all(args: &Args, scope: &Scope, each: &mut (dyn FnMut(Planned) -> bool + Send)) -> bool {
    let bytes = scope.partitions.iter().map(|partition| partition.dir.log_bytes()).sum();
    let bar = Bar::new(&args.common, bytes);
    planner::plan(scope, &args.options(), &bar, &mut |planned| {
        !signals::is_interrupted() && each(planned)
    });
    drop(bar);
    signals::is_interrupted()
}

/// An error that says its cause itself.
fn said(error: &Error) -> anyhow::Error {
    let advice = advice::of(error).map_or_else(String::new, |advice| format!("; {advice}"));
    anyhow::Error::msg(format!("{error}{advice}"))
}

/// The plan of each directory as it was compared with the one on file.
type Approved = HashMap<PathBuf, Vec<u8>>;

/// Plans everything once and compares it with the plan on file. It is planned again when it is
/// carried out, directory by directory: all new indexes of a log dir together may be more than
/// memory holds.
fn approve(
    args: &Args,
    scope: &Scope,
    file: &Path,
    out: &mut Output,
) -> anyhow::Result<Option<Approved>> {
    let mut approved = Approved::new();
    let mut now = plan_file::head(&args.options());
    let mut failed = None;
    let mut is_lossy = false;
    let interrupted = plan_all(args, scope, &mut |planned| {
        is_lossy |= planned.plan.loses_records();
        match plan_file::lines(&planned) {
            Ok(lines) => {
                now.extend_from_slice(&lines);
                approved.insert(planned.plan.directory, lines);
            }
            Err(error) => failed = Some(error),
        }
        failed.is_none()
    });
    if let Some(error) = failed {
        return Err(said(&error));
    }
    if interrupted {
        return Err(Interrupted("nothing was changed".to_owned()).into());
    }
    let there = plan_file::read(file, now.len()).map_err(|error| said(&error))?;
    let why = match plan_file::difference(&there, &now) {
        Some(difference) => {
            format!("it is not what there is to do now, so nothing was done: {difference}")
        }
        // All of it, or nothing.
        None if is_lossy && !args.sole_copy => {
            "records would be lost, so nothing was done: only with --sole-copy".to_owned()
        }
        None => return Ok(Some(approved)),
    };
    out.error(&format!("carrying out {}: {why}", file.display()))?;
    Ok(None)
}

/// What the last line says, and what is to be done next.
#[derive(Default)]
struct Tally {
    totals: Totals,
    counts: Counts,
    repair: RepairCounts,
    /// Directories that are not well, and for which there is no plan.
    unplanned: u64,
    /// Directories whose plan was not carried out and loses no record.
    pending: Vec<PathBuf>,
    /// The same where records are lost.
    lossy: Vec<PathBuf>,
    /// A broker is at work in one of those.
    is_live: bool,
    /// Directories of which the first step is done.
    first_steps: BTreeSet<PathBuf>,
    /// Directories that were repaired.
    repaired: Vec<PathBuf>,
}

/// Takes the plans as they come, and does what was asked for with them.
struct Work<'a> {
    args: &'a Args,
    out: &'a mut Output,
    guards: &'a Guards,
    live: BTreeSet<PathBuf>,
    /// The log dirs that partitions are in.
    log_dirs: HashMap<PathBuf, PathBuf>,
    /// Log dirs with a partition whose plan was not carried out.
    unfinished: BTreeSet<PathBuf>,
    approved: Option<Approved>,
    /// The plan for a file.
    lines: Vec<u8>,
    tally: Tally,
    started: Instant,
    failed: Option<anyhow::Error>,
}

impl<'a> Work<'a> {
    fn new(args: &'a Args, scope: &Scope, guards: &'a Guards, out: &'a mut Output) -> Self {
        let mut live = BTreeSet::new();
        let mut log_dirs = HashMap::new();
        for partition in &scope.partitions {
            let Some(log_dir) = &partition.log_dir else { continue };
            log_dirs.insert(partition.dir.path().to_owned(), log_dir.path().to_owned());
            if log_dir.is_live() {
                live.insert(partition.dir.path().to_owned());
            }
        }
        for log_dir in scope.log_dirs.iter().filter(|log_dir| log_dir.context.is_live()) {
            live.insert(log_dir.context.path().to_owned());
        }
        Self {
            args,
            out,
            guards,
            live,
            log_dirs,
            unfinished: BTreeSet::new(),
            approved: None,
            lines: plan_file::head(&args.options()),
            tally: Tally::default(),
            started: Instant::now(),
            failed: None,
        }
    }

    fn take(&mut self, planned: &Planned) -> bool {
        let taken = self.tell(planned).and_then(|()| self.do_with(planned));
        self.failed = self.failed.take().or(taken.err());
        self.failed.is_none()
    }

    /// Says what is wrong and what is to be done.
    fn tell(&mut self, planned: &Planned) -> anyhow::Result<()> {
        let plan = &planned.plan;
        // What follows a first step looks at the same files once more.
        if !self.tally.repaired.contains(&planned.plan.directory) {
            self.tally.totals.add(&planned.totals);
        }
        if let Some(error) = &planned.failed {
            self.out.error(error)?;
        }
        for finding in &planned.findings {
            self.tally.counts.add(finding);
            if finding.problem.is_unread() {
                self.out.outcome.add(Outcome::PARTIAL);
            }
        }
        if !planned.is_complete {
            self.out.outcome.add(Outcome::PARTIAL);
        }
        // What is neither done nor spoken of is not well for that.
        let is_bad = planned.findings.iter().any(|finding| {
            // Records that are nowhere are told, and nobody's to repair.
            finding.severity() > Severity::Note
                && !matches!(finding.problem, Problem::OffsetGap { .. })
        });
        if is_bad && plan.is_empty() && plan.left_alone.is_empty() {
            self.tally.unplanned += 1;
            self.out.outcome.add(Outcome::NO);
        }
        let stays = plan.left_alone.iter().map(|left| left.finding.severity());
        let stays = stays.filter(|&severity| severity > Severity::Note).count() as u64;
        if stays > 0 {
            self.out.outcome.add(Outcome::NO);
        }
        let lost = Lost::of(&plan.losses);
        let repair = &mut self.tally.repair;
        repair.left_alone += stays;
        repair.lost_bytes = repair.lost_bytes.saturating_add(lost.bytes);
        repair.lost_offsets = repair.lost_offsets.saturating_add(lost.offsets);
        if self.args.plan.is_some() && !self.args.apply {
            let lines = plan_file::lines(planned).map_err(|error| said(&error))?;
            self.lines.extend_from_slice(&lines);
        }
        if self.args.is_piped() {
            return Ok(());
        }
        if self.args.is_json() {
            return Ok(self.rows(planned)?);
        }
        let shown = Shown {
            color: self.out.color,
            verbose: self.out.verbose,
            is_live: self.live.contains(&plan.directory),
        };
        Ok(self.out.write(text::planned(planned, shown).as_bytes())?)
    }

    fn rows(&mut self, planned: &Planned) -> std::io::Result<()> {
        let plan = &planned.plan;
        let mut sink = JsonLines::default();
        for finding in &planned.findings {
            if findings::is_shown(finding, self.out.verbose) {
                row::finding(&mut sink, finding);
            }
        }
        let sums = row::sums_of(&plan.changes);
        for action in &plan.actions {
            let sums = sums.get(&*action.file).copied().unwrap_or_default();
            row::action(&mut sink, &action.file.to_string_lossy(), action, sums);
        }
        for loss in &plan.losses {
            row::loss(&mut sink, &loss.file.to_string_lossy(), loss);
        }
        for left in &plan.left_alone {
            if findings::is_shown(&left.finding, self.out.verbose) {
                row::left_alone(&mut sink, &left.finding.file.to_string_lossy(), left);
            }
        }
        if let Some(broker) = &planned.broker {
            row::broker(&mut sink, &plan.directory.to_string_lossy(), broker);
        }
        self.out.write(sink.buffer())
    }

    fn do_with(&mut self, planned: &Planned) -> anyhow::Result<()> {
        let plan = &planned.plan;
        if let Some(to) = &self.args.to {
            let is_there = act::copy(planned, to, self.args, self.out)?;
            let repair = &mut self.tally.repair;
            let number = if is_there { &mut repair.applied } else { &mut repair.pending };
            *number += plan.actions.len() as u64;
            return Ok(());
        }
        if plan.is_empty() {
            return Ok(());
        }
        if self.args.apply && act::apply(self, planned)? {
            self.tally.repair.applied += plan.actions.len() as u64;
            if planned.is_first_step && self.approved.is_none() {
                self.tally.first_steps.insert(plan.directory.clone());
            }
            if !self.tally.repaired.contains(&plan.directory) {
                self.tally.repaired.push(plan.directory.clone());
            }
            return Ok(());
        }
        self.out.outcome.add(Outcome::NO);
        self.unfinished.extend(self.log_dirs.get(&plan.directory).cloned());
        self.tally.repair.pending += plan.actions.len() as u64;
        self.tally.is_live |= self.live.contains(&plan.directory);
        match plan.loses_records() {
            true => self.tally.lossy.push(plan.directory.clone()),
            false => self.tally.pending.push(plan.directory.clone()),
        }
        Ok(())
    }

    /// The plan on file, the last line, and what is next.
    fn finish(self, scope: &Scope, interrupted: bool) -> anyhow::Result<Outcome> {
        let Self { args, out, tally, lines, started, failed, .. } = self;
        if let Some(error) = failed {
            return Err(error);
        }
        if interrupted {
            let done = match tally.repaired.len() {
                0 => "nothing was changed".to_owned(),
                _ => format!("repaired: {}", closing::shells(&tally.repaired)),
            };
            let read = size(tally.totals.coverage.bytes());
            return Err(Interrupted(format!("read {read} of logs, {done}")).into());
        }
        if args.is_piped() {
            out.write(&lines)?;
            return Ok(Outcome::default());
        }
        if let Some(file) = args.plan_to_write() {
            plan_file::write(file, &lines).map_err(|error| said(&error))?;
        }
        let seconds = started.elapsed().as_secs_f64();
        if args.is_json() {
            let (totals, counts) = (&tally.totals, &tally.counts);
            let mut sink = JsonLines::default();
            row::repair_summary(&mut sink, totals, counts, &tally.repair, seconds);
            out.write(sink.buffer())?;
        } else if !scope.partitions.is_empty() || !scope.log_dirs.is_empty() {
            out.write(closing::summary(&tally, seconds).as_bytes())?;
            out.write(closing::next(args, &tally).as_bytes())?;
        }
        Ok(Outcome::default())
    }
}
