//! The command line: commands, and the groups of arguments that they share.

use crate::select::{OffsetRange, TimeRange};
use crate::values::ValueStyle;
use crate::{completions, dump, explain, kafka_dump_log, lookup, ls, reindex, repair, serve};
use crate::{verify, write};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use segkit::limits::Limits;
use std::path::PathBuf;

/// Read Apache Kafka segment files straight from a directory: no broker, no JVM.
#[derive(Parser)]
#[command(
    name = "seg",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = EXIT_STATUS
)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// Ends every `--help`.
pub const EXIT_STATUS: &str = "\
Exit status: 0 all is well; 1 the answer is no (damage found, offset not in the log); 2 could not
look everywhere (I/O error, a limit was hit); 3 both; 64 the command line makes no sense.";

/// The groups in which `seg --help` shows the commands.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Inspect", &["ls", "dump", "lookup", "kafka-dump-log"]),
    ("Check", &["verify", "explain"]),
    ("Change", &["reindex", "repair", "write"]),
    ("Serve", &["serve"]),
    ("Shell", &["completions"]),
];

impl Cli {
    /// The command line as clap has it, with the commands in their groups.
    pub fn grouped() -> clap::Command {
        let command = Self::command();
        let mut template = "{about}\n\n{usage-heading} {usage}\n".to_owned();
        for (group, names) in GROUPS {
            template.push_str(&format!("\n{group}:\n"));
            for name in names {
                let about = command.find_subcommand(name).and_then(clap::Command::get_about);
                let about = about.map(ToString::to_string).unwrap_or_default();
                template.push_str(&format!("  {name:<14}  {about}\n"));
            }
        }
        template.push_str("\nOptions:\n{options}{after-help}");
        command.help_template(template)
    }

    /// The arguments of this process.
    pub fn read() -> Result<Self, clap::Error> {
        let words = kafka_dump_log::words(std::env::args_os().collect())?;
        Self::from_arg_matches(&Self::grouped().try_get_matches_from(words)?)
    }
}

/// The verbs.
#[derive(Subcommand)]
pub enum Command {
    /// List what is on this disk: partitions, segments, offset and time ranges, sizes
    Ls(ls::Args),
    /// Print the batches, or with -r the records, of files or whole partitions
    Dump(Box<dump::Args>),
    /// Find the record of an offset or a time, and show how it was found
    Lookup(lookup::Args),
    /// Take the place of Kafka's own tool: its flags, its text
    KafkaDumpLog(Box<kafka_dump_log::Args>),
    /// Judge every file and every byte: is it sound?
    Verify(verify::Args),
    /// Say what a finding means, how it arises, what a broker does with it, and what to do
    Explain(explain::Args),
    /// Build indexes and other derived files anew from the log; --check only compares
    Reindex(reindex::Args),
    /// Keep what can be kept of a damaged log: prints the plan; --apply carries it out
    Repair(Box<repair::Args>),
    /// Append records as Kafka would have stored them, with all indexes
    Write(Box<write::Args>),
    /// Let any Kafka client read these disks, as if the broker lived
    Serve(Box<serve::Args>),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

/// What to read.
#[derive(Args)]
#[command(next_help_heading = "Input")]
pub struct Input {
    /// Files, partition directories, log dirs, or directories above them; '-' is one .log on stdin
    #[arg(value_name = "PATH", default_value = ".", value_hint = clap::ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// Take files for this kind whatever their names say
    #[arg(long, value_enum, value_name = "KIND")]
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
    /// A `KRaft` snapshot
    Checkpoint,
}

/// How to answer.
#[derive(Args, Clone)]
#[command(next_help_heading = "Output")]
pub struct Common {
    /// When to use colour
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub color: ColorWhen,
    /// No progress bar
    #[arg(short, long)]
    pub quiet: bool,
    /// Show notes too: what is legal but worth knowing
    #[arg(short, long)]
    pub verbose: bool,
    /// How many threads to use; the output is the same for every number [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
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
    /// On a terminal, unless `NO_COLOR` is set
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
    /// Offsets from A up to, not including, B; either may be missing, -100.. counts from the end
    #[arg(long, value_name = "A..B", allow_hyphen_values = true)]
    pub offsets: Option<OffsetRange>,
    /// Timestamps from A up to, not including, B: epoch milliseconds, RFC 3339, or '2h ago'
    #[arg(long, value_name = "A..B", allow_hyphen_values = true)]
    pub time: Option<TimeRange>,
    /// At most N records (batches without -r), over all paths together
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Hide control records and what was never committed: aborted and open transactions
    #[arg(long)]
    pub committed: bool,
    /// Only this producer's
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub producer_id: Option<i64>,
    /// Only what was appended under this leader epoch
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub leader_epoch: Option<i32>,
    /// Only control records
    #[arg(long, conflicts_with = "committed")]
    pub control: bool,
    /// Only batches of this codec
    #[arg(long, value_name = "NAME", value_parser = parse_codec)]
    pub codec: Option<segkit::format::Codec>,
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
    /// Decode the records of an internal topic [default: by the directory's name]
    #[arg(long, value_enum, value_name = "TOPIC")]
    pub decode: Option<Decode>,
}

/// The internal topics whose records can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Decode {
    /// __`consumer_offsets`
    ConsumerOffsets,
    /// __`transaction_state`
    TransactionState,
    /// Leave keys and values as they are
    None,
}

fn parse_codec(text: &str) -> Result<segkit::format::Codec, String> {
    use segkit::format::Codec;
    let names = || Codec::ALL.map(Codec::name).join(", ");
    let found = Codec::ALL.into_iter().find(|codec| codec.name() == text);
    found.ok_or_else(|| format!("use one of: {}", names()))
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
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        all.sort_unstable();
        grouped.sort_unstable();
        assert_eq!(all, grouped);
        Cli::grouped().debug_assert();
    }
}
