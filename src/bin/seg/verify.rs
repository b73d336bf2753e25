//! `seg verify`: is it sound? Every file, every byte, every cross-check.

use crate::cli::{Common, EXIT_STATUS, Format, Input};
use crate::findings;
use crate::output::{Outcome, Output};
use crate::progress_bar::Bar;
use crate::render::{JsonLines, Sink};
use crate::row;
use crate::scope::scope;
use crate::signals::{self, Interrupted};
use crate::time;
use crate::values::{plural, size};
use segkit::check::report::{Counts, PartitionReport, Totals};
use segkit::check::{Depth, Listener, Scope, VerifyOptions, verify};
use segkit::log::Access;
use segkit::progress::Progress;
use std::io;
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  seg verify testdata                                      every log dir below, all cores
  seg verify testdata/kafka-4.3.1/txn-0 -v                 a partition, with notes
  seg verify testdata/kafka-4.3.1 --headers                a quick look at framing and order
  seg verify /data/kafka --max-duration 10m                from cron: as far as it gets
  seg verify testdata/kafka-4.3.1 --format json | jq -r 'select(.type == \"finding\") | .code'
  ssh broker cat /data/kafka/orders-0/00000000000000000000.log | seg verify -
";

/// The arguments of `seg verify`.
#[derive(clap::Args)]
#[command(after_help = EXIT_STATUS, after_long_help = format!("{EXAMPLES}\n{EXIT_STATUS}"))]
pub struct Args {
    #[command(flatten)]
    input: Input,
    /// Look at batch headers only: framing and order, no checksums, no records
    #[arg(long)]
    headers: bool,
    /// Stop after so long (90s, 10m, 2h), and say what was not reached
    #[arg(long, value_name = "TIME", value_parser = time::parse_duration)]
    max_duration: Option<Duration>,
    /// Map files instead of reading them: faster, for healthy disks only
    #[arg(long)]
    mmap: bool,
    /// The form of the answer
    #[arg(long, value_enum, value_name = "FORM", default_value = "text", help_heading = "Output")]
    format: Format,
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
}

/// Judges every path.
pub fn run(args: &Args, out: &mut Output) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let scope = scope(&args.input.paths, args.input.kind, out)?;
    let options = VerifyOptions {
        depth: if args.headers { Depth::Headers } else { Depth::Records },
        access: if args.mmap { Access::Map } else { Access::Read },
        threads: args.common.threads(),
        limits: args.common.limits(),
        max_duration: args.max_duration,
        rebuild_with_interval: None,
        collects_stretches: false,
    };
    let watch = Watch {
        bar: Bar::new(&args.common, log_bytes(&scope)),
        deadline: args.max_duration.and_then(|duration| started.checked_add(duration)),
    };
    let mut told = Told {
        out,
        as_json: args.format == Format::Json,
        totals: Totals::default(),
        counts: Counts::default(),
        failed: None,
    };
    verify(&scope, &options, &watch, &mut told);
    drop(watch);
    let Told { totals, counts, failed, .. } = told;
    if let Some(error) = failed {
        return Err(error.into());
    }
    if signals::is_interrupted() {
        let how_far = format!("verified {} of logs", size(totals.coverage.bytes()));
        return Err(Interrupted(how_far).into());
    }
    let summary = Summary { totals, counts, seconds: started.elapsed().as_secs_f64() };
    match args.format {
        Format::Json => {
            let mut sink = JsonLines::default();
            row::summary(&mut sink, &summary.totals, &summary.counts, summary.seconds);
            out.write(sink.buffer())?;
        }
        // When nothing was looked at, there is nothing to sum up.
        Format::Text if scope.partitions.is_empty() && scope.log_dirs.is_empty() => {}
        Format::Text => out.write(summary.text(args.headers).as_bytes())?,
    }
    Ok(Outcome::default())
}

fn log_bytes(scope: &Scope) -> u64 {
    scope.partitions.iter().map(|partition| partition.dir.log_bytes()).sum()
}

/// Shows how far the look is, and ends it.
struct Watch {
    bar: Bar,
    deadline: Option<Instant>,
}

impl Progress for Watch {
    fn advance(&self, bytes: u64) {
        self.bar.advance(bytes);
    }

    fn should_stop(&self) -> bool {
        self.bar.should_stop() || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// Prints each partition's findings as it is complete.
struct Told<'a> {
    out: &'a mut Output,
    as_json: bool,
    totals: Totals,
    counts: Counts,
    failed: Option<io::Error>,
}

impl Listener for Told<'_> {
    fn partition(&mut self, report: PartitionReport) -> bool {
        self.totals.add(&report.totals);
        if signals::is_interrupted() {
            // What was not reached is said in one sentence.
            return false;
        }
        for finding in &report.findings {
            self.counts.add(finding);
            let told = findings::answer(finding, self.as_json, self.out);
            self.failed = self.failed.take().or(told.err());
        }
        self.failed.is_none()
    }
}

struct Summary {
    totals: Totals,
    counts: Counts,
    seconds: f64,
}

impl Summary {
    /// `2 partitions, 14 segments, 1.7 GiB, 1,620,000 records in 0.31 s: 1 error, 1 warning`
    fn text(&self, headers_only: bool) -> String {
        let Totals { partitions, segments, records, coverage, .. } = self.totals;
        let Counts { errors, warnings, notes } = self.counts;
        let mut found = Vec::new();
        for (number, name) in [(errors, "error"), (warnings, "warning"), (notes, "note")] {
            if number > 0 {
                found.push(plural(number, name));
            }
        }
        if errors == 0 && warnings == 0 {
            let sound = if headers_only { "headers are sound" } else { "sound" };
            found.insert(0, sound.to_owned());
        }
        let unread = match coverage.unread {
            0 => String::new(),
            bytes => format!(", {} not read", size(bytes)),
        };
        format!(
            "{}, {}, {}, {} in {:.2} s: {}{unread}\n",
            plural(partitions, "partition"),
            plural(segments, "segment"),
            size(coverage.bytes()),
            plural(records, "record"),
            self.seconds,
            found.join(", "),
        )
    }
}
