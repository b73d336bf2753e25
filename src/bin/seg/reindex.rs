//! `seg reindex`: derived files, built anew from the log.

use crate::cli::{Common, Format, UsageError};
use crate::findings;
use crate::guards::Guards;
use crate::help::{self, Example};
use crate::input::STDIN;
use crate::output::{Outcome, Output};
use crate::progress_bar::Bar;
use crate::render::{JsonLines, Sink};
use crate::row;
use crate::scope::scope;
use crate::signals::{self, Interrupted};
use crate::values::{count, plural, size, terminal_text};
use clap::ValueEnum;
use segkit::check::report::{Counts, PartitionReport, SegmentReport, Totals};
use segkit::check::{Depth, Finding, Listener, Severity, VerifyOptions, verify};
use segkit::error::Error;
use segkit::log::disk::RealDisk;
use segkit::log::file_facts::FileIdentity;
use segkit::log::names::PartitionDirSuffix;
use segkit::log::{Access, FileKind};
use segkit::repair::rebuild::{self, Compared, Verdict};
use segkit::repair::{self, Applied, Terms};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// What `seg reindex --help` says beside the arguments.
pub const HELP: help::Page = help::Page {
    description: &[
        "Builds .index and .timeindex from the .log as a recovery of the newest release does, \
         byte for byte. .txnindex, .snapshot and leader-epoch-checkpoint can hold what the log \
         no longer tells: they are written only where they are missing or the log contradicts \
         them. A segment with damage in it is left alone, and that is said.",
        "It takes the broker's own lock, and refuses beside a broker that runs. A file is \
         written aside, read back, and put in its place in one step; what is right already is \
         not touched.",
    ],
    examples: &[
        Example::new(
            "seg reindex --check testdata/kafka-4.3.1",
            "are the indexes good? writes nothing",
        ),
        Example::new(
            "\
cp -r testdata/kafka-4.3.1/epochs-0 /tmp/orders-0
rm /tmp/orders-0/*.index
seg reindex /tmp/orders-0",
            "builds what is missing in a copy",
        ),
        Example::new(
            "seg reindex -v /tmp/orders-0/00000000000000000182.log",
            "of one segment, with the files that were good",
        ),
        Example::new(
            "seg reindex --only index,timeindex /tmp/orders-0",
            "files of these kinds only",
        ),
    ],
    status: REINDEX_STATUS,
    files: &[("LOGDIR/.lock", "the broker's lock, held while files are written")],
};

/// The two bits of every command, in the words of this one.
const REINDEX_STATUS: &[(&str, &str)] = &[
    ("0", "all derived files are good, or were written"),
    ("1", "with --check: some would be written; else: damage is in the way"),
    ("2", "could not look everywhere, or could not write"),
    ("3", "both"),
    help::USAGE,
    help::INTERRUPTED,
];

/// The arguments of `seg reindex`.
#[derive(clap::Args)]
pub struct Args {
    /// Files, partition directories, log dirs, or directories above them
    #[arg(value_name = "PATH", default_value = ".", value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    /// Compare only, write nothing
    #[arg(long)]
    check: bool,
    /// Only files of these kinds
    #[arg(long, value_enum, value_name = "KINDS", value_delimiter = ',')]
    only: Vec<Kind>,
    /// Bytes of log an index entry stands for
    ///
    /// As in Kafka's index.interval.bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 4096)]
    index_interval_bytes: u64,
    /// The form of the answer
    #[arg(long, value_enum, value_name = "FORM", default_value = "text", help_heading = "Output")]
    format: Format,
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
}

/// The kinds of file that `--only` can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Offset indexes
    Index,
    /// Time indexes
    Timeindex,
    /// Transaction indexes
    Txnindex,
    /// Producer snapshots
    Snapshot,
    /// leader-epoch-checkpoint
    LeaderEpochCheckpoint,
}

impl Kind {
    fn of_file(self) -> FileKind {
        match self {
            Self::Index => FileKind::OffsetIndex,
            Self::Timeindex => FileKind::TimeIndex,
            Self::Txnindex => FileKind::TxnIndex,
            Self::Snapshot => FileKind::ProducerSnapshot,
            Self::LeaderEpochCheckpoint => FileKind::LeaderEpochCheckpoint,
        }
    }
}

/// Builds the derived files of every path anew.
pub fn run(args: &Args, out: &mut Output) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    if args.paths.iter().any(|path| path == Path::new(STDIN)) {
        return Err(UsageError(
            "stdin has no indexes beside it; name the partition directory".to_owned(),
        )
        .into());
    }
    let mut scope = scope(&args.paths, None, out)?;
    // What is about to be deleted is left alone unless it is named.
    scope.partitions.retain(|partition| {
        let suffix = partition.dir.name.as_ref().and_then(|name| name.suffix);
        let is_named = || args.paths.iter().any(|path| path.starts_with(partition.dir.path()));
        suffix != Some(PartitionDirSuffix::Delete) || is_named()
    });
    let guards = match args.check {
        true => Guards::default(),
        false => Guards::of_partitions(&mut scope, out)?,
    };
    let options = VerifyOptions {
        depth: Depth::Checksums,
        access: Access::Read,
        threads: args.common.threads(),
        limits: args.common.limits(),
        max_duration: None,
        rebuild_with_interval: Some(args.index_interval_bytes),
        collects_stretches: false,
    };
    let bytes = scope.partitions.iter().map(|partition| partition.dir.log_bytes()).sum();
    let bar = Bar::new(&args.common, bytes);
    let wanted = scope.partitions.iter();
    let wanted = wanted.map(|partition| (partition.dir.path().to_owned(), partition.only.clone()));
    let live = scope.partitions.iter().filter(|partition| partition.is_live());
    let mut work = Work {
        args,
        out,
        guards: &guards,
        wanted: wanted.collect(),
        live: live.map(|partition| partition.dir.path().to_owned()).collect(),
        held: Vec::new(),
        logs: Vec::new(),
        tally: Tally::default(),
        said_last: String::new(),
        failed: None,
    };
    verify(&scope, &options, &bar, &mut work);
    drop(bar);
    let Work { tally, failed, .. } = work;
    if let Some(error) = failed {
        return Err(error.into());
    }
    if signals::is_interrupted() {
        return Err(Interrupted(tally.how_far(args.check)).into());
    }
    let seconds = started.elapsed().as_secs_f64();
    match args.format {
        Format::Json => {
            let mut sink = JsonLines::default();
            row::summary(&mut sink, &tally.totals, &tally.counts, seconds);
            out.write(sink.buffer())?;
        }
        Format::Text if scope.partitions.is_empty() => {}
        Format::Text => out.write(tally.text(args.check, seconds).as_bytes())?,
    }
    Ok(Outcome::default())
}

/// What was done, for the last line.
#[derive(Default)]
struct Tally {
    totals: Totals,
    counts: Counts,
    files: u64,
    pending: u64,
    written: u64,
    refused: u64,
}

impl Tally {
    fn how_far(&self, is_check: bool) -> String {
        if is_check {
            return format!("read {} of logs", size(self.totals.coverage.bytes()));
        }
        let written = plural(self.written, "file");
        format!("{written} written, each of them whole; run it again for the rest")
    }

    fn text(&self, is_check: bool, seconds: f64) -> String {
        let Self { files, pending, written, refused, .. } = *self;
        let what = match is_check {
            true => format!("{} would be written", count(pending)),
            false => format!("{} written", count(written)),
        };
        let refused = match refused {
            0 => String::new(),
            more => format!(", {} left alone", count(more)),
        };
        let bytes = size(self.totals.coverage.bytes());
        let files = plural(files, "file");
        format!("{files} from {bytes} of logs in {seconds:.2} s: {what}{refused}\n")
    }
}

/// Acts on each segment as it was read.
struct Work<'a> {
    args: &'a Args,
    out: &'a mut Output,
    guards: &'a Guards,
    /// The files that are asked for of a partition; `None` for all.
    wanted: HashMap<PathBuf, Option<BTreeSet<PathBuf>>>,
    /// Partitions that a broker is changing: what is wrong there is known after a second look.
    live: BTreeSet<PathBuf>,
    /// The indexes of the partition that is being read, where a broker is changing it.
    held: Vec<Compared>,
    /// The logs of the partition that is being read.
    logs: Vec<(Arc<Path>, FileIdentity)>,
    tally: Tally,
    /// What stops one file often stops all that are beside it in the same words.
    said_last: String,
    failed: Option<io::Error>,
}

impl Listener for Work<'_> {
    fn segment(&mut self, report: SegmentReport) {
        let logs: Vec<_> =
            report.identity.map(|id| (Arc::clone(&report.log), id)).into_iter().collect();
        self.logs.extend(logs.iter().cloned());
        let mut files = rebuild::of_segment(&report);
        files.retain(|compared| self.is_wanted(compared, Some(&report.log)));
        if !report.is_sound {
            self.refuse(&report.log, &report.findings, files.len());
            return;
        }
        if self.is_live(&report.log) {
            self.held.append(&mut files);
            return;
        }
        self.act(&files, &logs);
    }

    fn partition(&mut self, report: PartitionReport) -> bool {
        self.tally.totals.add(&report.totals);
        let logs = std::mem::take(&mut self.logs);
        let mut files = rebuild::of_partition(&report);
        files.retain(|compared| self.is_wanted(compared, None));
        let held = std::mem::take(&mut self.held);
        if self.live.contains(&report.path) {
            // What a broker is changing is wrong where a second look says so as well.
            files.extend(held);
            let is_said = |file: &Compared| {
                let is_about =
                    |f: &Finding| *f.file == *file.file.path && f.severity() > Severity::Note;
                report.findings.iter().any(is_about)
            };
            files.retain(|file| !file.is_pending() || is_said(file));
        }
        if report.is_sound {
            self.act(&files, &logs);
        } else {
            self.tally.refused += files.len() as u64;
        }
        for finding in &report.findings {
            self.tally.counts.add(finding);
            // What could not be looked at was not rebuilt either.
            let is_refused = self.live.contains(&report.path) && is_damage(finding);
            let is_unread = finding.problem.is_unread() && !signals::is_interrupted();
            if is_unread || is_refused {
                let told = findings::answer(finding, self.args.format == Format::Json, self.out);
                self.failed = self.failed.take().or(told.err());
            }
        }
        self.failed.is_none()
    }
}

impl Work<'_> {
    fn is_wanted(&self, compared: &Compared, log: Option<&Arc<Path>>) -> bool {
        let file = &compared.file;
        let kinds = &self.args.only;
        if !kinds.is_empty() && !kinds.iter().any(|kind| kind.of_file() == file.kind) {
            return false;
        }
        let directory = file.path.parent().unwrap_or(Path::new("."));
        match self.wanted.get(directory) {
            Some(Some(only)) => {
                only.contains(&*file.path) || log.is_some_and(|log| only.contains(&**log))
            }
            _ => true,
        }
    }

    fn is_live(&self, log: &Path) -> bool {
        log.parent().is_some_and(|directory| self.live.contains(directory))
    }

    /// A segment with damage in it: its findings, and nothing is done.
    fn refuse(&mut self, log: &Path, found: &[Finding], files: usize) {
        self.tally.refused += files as u64;
        if self.is_live(log) {
            return;
        }
        for finding in found.iter().filter(|finding| is_damage(finding)) {
            let told = findings::answer(finding, self.args.format == Format::Json, self.out);
            self.failed = self.failed.take().or(told.err());
        }
    }

    fn act(&mut self, files: &[Compared], logs: &[(Arc<Path>, FileIdentity)]) {
        self.tally.files += files.len() as u64;
        self.tally.pending += files.iter().filter(|file| file.is_pending()).count() as u64;
        let mut applied: HashMap<PathBuf, Applied> = HashMap::new();
        if !self.args.check {
            let changes = rebuild::changes(files, logs);
            let directory = logs.first().and_then(|(log, _)| log.parent());
            if let Some(guard) = directory.and_then(|path| self.guards.of(path)) {
                let done = repair::apply(&changes, &Terms::of_derived(guard, &RealDisk));
                applied.extend(done.into_iter().map(|applied| (applied.path.clone(), applied)));
            }
        }
        for file in files {
            let told = self.tell(file, applied.remove(&*file.file.path));
            self.failed = self.failed.take().or(told.err());
        }
    }

    fn tell(&mut self, compared: &Compared, applied: Option<Applied>) -> io::Result<()> {
        let action = match &applied {
            None if !compared.is_pending() => Action::Unchanged,
            None if compared.file.before.is_none() => Action::Missing,
            None => Action::Differs,
            Some(Applied { outcome: repair::Outcome::Written, .. }) => Action::Written,
            Some(Applied { outcome: repair::Outcome::Equal, .. }) => Action::Unchanged,
            Some(Applied { outcome: repair::Outcome::NotAttempted, .. }) => Action::Failed,
            Some(Applied { outcome: repair::Outcome::Failed(error), .. }) => {
                let said = error.reason();
                if self.said_last != said {
                    self.out.error(error)?;
                    self.said_last = said;
                }
                Action::Failed
            }
        };
        if let Some(Applied { unknown_writers: Some(why), path, .. }) = &applied
            && self.out.verbose
        {
            let why = format!("whether anyone is writing it is not known: {why}");
            let line = Error::other("asking about", path, why).to_string();
            self.out.say(format!("seg: {}\n", terminal_text(&line)).as_bytes())?;
        }
        self.tally.written += u64::from(action == Action::Written);
        let is_bad = matches!(compared.verdict, Verdict::Missing(_) | Verdict::Wrong(_));
        if is_bad && matches!(action, Action::Missing | Action::Differs) {
            self.out.outcome.add(Outcome::NO);
        }
        let is_news = action != Action::Unchanged && (is_bad || !self.args.check);
        if self.args.format == Format::Json {
            let mut sink = JsonLines::default();
            row::derived_file(&mut sink, compared, action.name());
            self.out.write(sink.buffer())
        } else if is_news || self.out.verbose {
            self.out.write(line(compared, action).as_bytes())
        } else {
            Ok(())
        }
    }
}

/// True for what keeps a log from being built upon.
fn is_damage(finding: &Finding) -> bool {
    let is_log = finding.file.extension().is_some_and(|extension| extension == "log");
    is_log && finding.severity() == Severity::Error && !finding.problem.is_unread()
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Written,
    Unchanged,
    Differs,
    Missing,
    Failed,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Unchanged => "unchanged",
            Self::Differs => "differs",
            Self::Missing => "missing",
            Self::Failed => "failed",
        }
    }
}

/// `orders-0/00000000000000000000.index  written  12 → 15 entries  was wrong: lookups miss records`
fn line(compared: &Compared, action: Action) -> String {
    let (before, after) = row::entries(&compared.file);
    let entries = match before {
        Some(before) if before != after => format!("{} → {} entries", count(before), count(after)),
        _ if after == 1 => "1 entry".to_owned(),
        _ => format!("{} entries", count(after)),
    };
    let verdict = row::verdict_text(compared.verdict, action == Action::Written);
    let path = terminal_text(&compared.file.path.to_string_lossy());
    format!("{path}  {:9}  {entries}{verdict}\n", action.name())
}
