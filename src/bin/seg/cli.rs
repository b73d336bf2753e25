//! The command line: commands, and the groups of arguments that they share.

use crate::help::{self, Example, Page};
use crate::select::{OffsetRange, TimeRange};
use crate::values::ValueStyle;
use crate::{completions, dump, explain, kafka_dump_log, lookup, ls, reindex, repair, serve};
use crate::{verify, version, write};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use segkit::format::Codec;
use segkit::limits::Limits;
use std::path::PathBuf;

/// Read Apache Kafka segment files straight from a directory: no broker, no JVM.
#[derive(Parser)]
#[command(
    name = "seg",
    version,
    max_term_width = 100,
    long_version = version::long(),
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What `seg --help` says beside the commands.
pub const HELP: Page = Page {
    description: &[
        "For the day when all that is left of a Kafka cluster is its disks, and for every day \
         before that. A PATH is a file of any kind that Kafka keeps, a partition directory, a log \
         dir, or a directory somewhere above log dirs.",
        "Commands that inspect, check and serve open files for reading only, and never take, \
         create or remove a broker's lock. reindex, repair --apply and write hold it while they \
         write.",
    ],
    examples: &[
        Example::new("seg ls testdata", "what is on this disk"),
        Example::new("seg verify testdata", "is it sound?"),
    ],
    status: help::STATUS,
    files: &[],
};

/// The groups in which `seg --help` shows the commands, and what each command's help says beside
/// its arguments.
static GROUPS: [(&str, &[(&str, Page)]); 5] = [
    (
        "Inspect",
        &[
            ("ls", ls::HELP),
            ("dump", dump::HELP),
            ("lookup", lookup::HELP),
            ("kafka-dump-log", kafka_dump_log::HELP),
        ],
    ),
    ("Check", &[("verify", verify::HELP), ("explain", explain::HELP)]),
    ("Change", &[("reindex", reindex::HELP), ("repair", repair::HELP), ("write", write::HELP)]),
    ("Serve", &[("serve", serve::HELP)]),
    ("Shell", &[("completions", completions::HELP)]),
];

/// What each command's help says beside its arguments.
#[cfg(test)]
pub fn pages() -> impl Iterator<Item = (&'static str, &'static Page)> {
    GROUPS.iter().flat_map(|(_, pages)| *pages).map(|(name, page)| (*name, page))
}

impl Cli {
    /// The command line as clap has it, with the commands in their groups.
    pub fn grouped() -> clap::Command {
        let mut command = HELP.fill(Self::command());
        let names = command.get_subcommands().map(|command| command.get_name().len());
        let width = names.max().unwrap_or_default();
        let mut template = "{about}\n\n{usage-heading} {usage}\n\n".to_owned();
        for (group, pages) in &GROUPS {
            for (number, (name, page)) in pages.iter().enumerate() {
                let about = command.find_subcommand(name).and_then(clap::Command::get_about);
                let about = about.map(ToString::to_string).unwrap_or_default();
                let group = if number == 0 { *group } else { "" };
                template.push_str(&format!("{group:7}  {name:width$}  {about}\n"));
                command = command.mut_subcommand(name, |command| page.fill(command));
            }
        }
        template.push_str("\nOptions:\n{options}{after-help}");
        command.help_template(template).mut_subcommands(help::hinted)
    }

    /// The arguments of this process.
    pub fn read() -> Result<Self, clap::Error> {
        let words = kafka_dump_log::words(std::env::args_os().collect())?;
        let command = Self::grouped();
        // Whatever else it may stand for: it changes nothing but how much help says.
        let is_brief = words.iter().any(|word| help::is_brief(word));
        let command = if is_brief { command.mut_subcommands(help::brief) } else { command };
        Self::from_arg_matches(&command.try_get_matches_from(words)?)
    }
}

/// The verbs.
#[derive(Subcommand)]
pub enum Command {
    /// List what is on this disk: partitions, offsets, sizes
    Ls(ls::Args),
    /// Print the batches or records of files or partitions
    Dump(Box<dump::Args>),
    /// Find the record of an offset or a time
    Lookup(lookup::Args),
    /// Take the place of Kafka's own tool: its flags, its text
    KafkaDumpLog(Box<kafka_dump_log::Args>),
    /// Judge every file and every byte: is it sound?
    Verify(verify::Args),
    /// Say what a finding means, and what to do about it
    Explain(explain::Args),
    /// Build indexes anew from the log; --check only compares
    Reindex(reindex::Args),
    /// Keep what can be kept of a damaged log; plans first
    Repair(Box<repair::Args>),
    /// Append records as Kafka would have, with all indexes
    Write(Box<write::Args>),
    /// Let any Kafka client read these disks
    Serve(Box<serve::Args>),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

/// What to read.
#[derive(Args)]
#[command(next_help_heading = "Input")]
pub struct Input {
    /// Files, partition directories, log dirs, or above; '-': a .log on stdin
    #[arg(value_name = "PATH", default_value = ".", value_hint = clap::ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// Take files for this kind whatever their names say
    #[arg(long, value_enum, value_name = "KIND", hide_short_help = true)]
    pub kind: Option<KindName>,
}

/// The kinds of file that `--kind` can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KindName {
    /// A .log file
    Log,
    /// An offset index
    Index,
    /// A time index
    Timeindex,
    /// A transaction index
    Txnindex,
    /// A producer snapshot
    Snapshot,
    /// A leader-epoch-checkpoint
    LeaderEpochCheckpoint,
    /// One of the offset checkpoints of a log dir
    OffsetCheckpoint,
    #[value(help = "A KRaft snapshot")]
    Checkpoint,
}

/// How to answer.
#[derive(Args, Clone)]
#[command(next_help_heading = "Output")]
pub struct Common {
    /// When to use colour
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    #[arg(hide_short_help = true)]
    pub color: ColorWhen,
    /// No progress bar
    #[arg(short, long, hide_short_help = true)]
    pub quiet: bool,
    /// Show notes too: legal, but worth knowing
    #[arg(short, long)]
    pub verbose: bool,
    /// How many threads to use; the output is the same for every number [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    #[arg(hide_short_help = true)]
    pub threads: Option<u16>,
    #[command(flatten)]
    limits: LimitArgs,
}

/// Bounds on what files can make `seg` do. Hitting one is said, and sets exit bit 2.
#[derive(Args, Clone)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// The most bytes that one batch may decompress to
    #[arg(long, value_name = "BYTES", default_value_t = Limits::STANDARD.decompressed_bytes)]
    #[arg(hide_short_help = true)]
    max_decompressed_bytes: usize,
    /// The largest batch that is read into memory of a file that is not mapped
    #[arg(long, value_name = "BYTES", default_value_t = Limits::STANDARD.batch_bytes)]
    #[arg(hide_short_help = true)]
    max_batch_bytes: usize,
    /// How far behind damage the next batch is looked for in a file that is not mapped
    #[arg(long, value_name = "BYTES", default_value_t = Limits::STANDARD.resync_bytes)]
    #[arg(hide_short_help = true)]
    max_resync_bytes: usize,
    /// The most that is looked at of an index, and of any other file derived from a log
    #[arg(long, value_name = "BYTES", default_value_t = Limits::STANDARD.index_bytes)]
    #[arg(hide_short_help = true)]
    max_index_bytes: u64,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    #[value(help = "On a terminal, unless NO_COLOR is set")]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people; may change
    Text,
    /// JSON lines; a stable contract
    Json,
}

/// Which batches and records.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Select")]
pub struct Select {
    /// Offsets from A up to B, without B; -100..: the last
    ///
    /// Either may be missing; what is below 0 counts from the end: -100.. is the last hundred.
    #[arg(long, value_name = "A..B", allow_hyphen_values = true)]
    pub offsets: Option<OffsetRange>,
    /// Times from A up to B: ms, RFC 3339, or '2h ago'
    ///
    /// Epoch milliseconds, or RFC 3339, in UTC where it names no zone; B itself is not inside, and
    /// either may be missing.
    #[arg(long, value_name = "A..B", allow_hyphen_values = true)]
    pub time: Option<TimeRange>,
    /// At most N records, or batches without -r
    ///
    /// Over all paths together.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Hide what was not committed, and control records
    ///
    /// That is: records of aborted and of open transactions.
    #[arg(long)]
    pub committed: bool,
    /// Only this producer's
    #[arg(long, value_name = "N", allow_negative_numbers = true, hide_short_help = true)]
    pub producer_id: Option<i64>,
    /// Only what was appended under this leader epoch
    #[arg(long, value_name = "N", allow_negative_numbers = true, hide_short_help = true)]
    pub leader_epoch: Option<i32>,
    /// Only control records
    #[arg(long, conflicts_with = "committed")]
    pub control: bool,
    /// Only batches of this codec
    #[arg(long, value_name = "NAME", value_parser = codec())]
    pub codec: Option<Codec>,
}

/// How keys and values look.
#[derive(Args, Clone)]
#[command(next_help_heading = "Values")]
pub struct Values {
    /// How to show keys
    #[arg(long, value_enum, value_name = "STYLE", default_value = "auto")]
    pub key_as: ValueStyle,
    /// How to show values
    #[arg(long, value_enum, value_name = "STYLE", default_value = "auto")]
    pub value_as: ValueStyle,
    /// Decode an internal topic [default: by its name]
    #[arg(long, value_enum, value_name = "TOPIC")]
    pub decode: Option<Decode>,
}

/// The internal topics whose records can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Decode {
    #[value(help = "__consumer_offsets")]
    ConsumerOffsets,
    #[value(help = "__transaction_state")]
    TransactionState,
    /// Leave keys and values as they are
    None,
}

/// Codecs by Kafka's names for them, which shells can offer.
fn codec() -> impl TypedValueParser<Value = Codec> {
    let find = |name: String| Codec::ALL.into_iter().find(|codec| codec.name() == name);
    PossibleValuesParser::new(Codec::ALL.map(Codec::name))
        .try_map(move |name| find(name).ok_or("this is no codec"))
}

/// The arguments do not make sense together.
#[derive(Debug)]
pub struct UsageError(pub String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

impl Command {
    /// The arguments that commands have in common.
    pub fn common(&self) -> Option<&Common> {
        match self {
            Self::Ls(args) => Some(&args.common),
            Self::Dump(args) => Some(&args.common),
            Self::Lookup(args) => Some(&args.common),
            Self::KafkaDumpLog(args) => Some(&args.common),
            Self::Verify(args) => Some(&args.common),
            Self::Reindex(args) => Some(&args.common),
            Self::Repair(args) => Some(&args.common),
            Self::Write(args) => Some(&args.common),
            Self::Serve(args) => Some(&args.common),
            Self::Explain(_) | Self::Completions(_) => None,
        }
    }
}

impl Common {
    /// The bounds on untrusted input.
    pub fn limits(&self) -> Limits {
        Limits {
            decompressed_bytes: self.limits.max_decompressed_bytes,
            batch_bytes: self.limits.max_batch_bytes,
            resync_bytes: self.limits.max_resync_bytes,
            index_bytes: self.limits.max_index_bytes,
        }
    }

    /// How many threads to use.
    pub fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(cores, usize::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let command = Cli::command();
        let mut all: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        let mut grouped: Vec<&str> =
            GROUPS.iter().flat_map(|(_, pages)| *pages).map(|(name, _)| *name).collect();
        all.sort_unstable();
        grouped.sort_unstable();
        assert_eq!(all, grouped);
        Cli::grouped().debug_assert();
        Cli::grouped().mut_subcommands(help::brief).debug_assert();
    }
}
