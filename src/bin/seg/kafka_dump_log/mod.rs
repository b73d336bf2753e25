//! `seg kafka-dump-log`: Kafka's own tool of that name, its flags and its text.
//!
//! The text on stdout is that of the newest release whose tools are published. What is found to be
//! wrong is said on stderr as every command says it, and the exit status is that of every command.

mod called_as;
mod files;
mod index;
mod sanity;

use crate::cli::{Cli, Common, UsageError};
use crate::dump::{Decoder, KafkaText, Topic};
use crate::help::{self, Example, Page};
use crate::kafka_text::KAFKA_RELEASE;
use crate::output::{Outcome, Output};
pub use called_as::COMMAND;
use called_as::Takes;
use clap::CommandFactory;
use files::Files;
use index::IndexMode;
use std::ffi::{OsStr, OsString};

/// What `seg kafka-dump-log --help` says beside the arguments.
pub const HELP: Page = Page {
    description: &[
        "Takes the flags of kafka-dump-log and prints its text, byte for byte that of release \
         4.3.1, without a JVM. Called by the name kafka-dump-log, kafka-dump-log.sh or \
         kafka-run-class.sh, as through a symbolic link, seg is that tool.",
        "What is found to be wrong is said on stderr, the dump goes on behind it, and the exit \
         status tells. No file is made or changed.",
    ],
    examples: &[
        Example::new(
            "\
seg kafka-dump-log --print-data-log \\
  --files testdata/kafka-4.3.1/txn-0/00000000000000000000.log",
            "batches and records of a log",
        ),
        Example::new(
            "\
seg kafka-dump-log --max-bytes 2000 \\
  --files testdata/kafka-4.3.1/txn-0/00000000000000000147.log",
            "the batches that end within the first 2,000 bytes",
        ),
        Example::new(
            "\
seg kafka-dump-log \\
  --files testdata/kafka-4.3.1/txn-0/00000000000000000000.index",
            "the entries of an index, compared with the log beside it",
        ),
        Example::new(
            "\
seg kafka-dump-log --cluster-metadata-decoder \\
  --files testdata/kafka-4.3.1/bootstrap.checkpoint",
            "records of the cluster's metadata, decoded",
        ),
    ],
    status: help::STATUS,
    files: &[],
};

/// The arguments of `seg kafka-dump-log`.
#[derive(clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Args {
    /// What to dump, with commas between
    ///
    /// Logs, indexes, snapshots and checkpoints.
    #[arg(long, value_name = "FILE,FILE", required_unless_present = "version")]
    #[arg(value_hint = clap::ValueHint::FilePath)]
    files: Option<OsString>,
    /// Print records with keys and values
    ///
    /// Every decoder does so, too.
    #[arg(long)]
    print_data_log: bool,
    /// Print records without keys and values
    #[arg(long)]
    deep_iteration: bool,
    /// Of records, only keys and values
    ///
    /// What else is printed of a record is left out, and so are control records.
    #[arg(long)]
    skip_record_metadata: bool,
    /// Only batches that end within so many
    ///
    /// Of each log by itself.
    #[arg(long, value_name = "BYTES", value_parser = bytes())]
    max_bytes: Option<i64>,
    /// Taken and not needed: a batch of any size is read
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "BYTES", value_parser = bytes())]
    max_message_size: Option<i64>,
    /// Only what is wrong with indexes
    #[arg(long)]
    verify_index_only: bool,
    /// Look at indexes as a broker that starts
    #[arg(long)]
    index_sanity_check: bool,
    #[arg(long, help = "Decode the records of __consumer_offsets")]
    offsets_decoder: bool,
    #[arg(long, help = "Decode the records of __transaction_state")]
    transaction_log_decoder: bool,
    #[arg(long, help = "Decode the records of __cluster_metadata")]
    cluster_metadata_decoder: bool,
    #[arg(long, help = "Decode the records of __share_group_state")]
    share_group_state_decoder: bool,
    /// Not supported: refused
    #[arg(hide_short_help = true)]
    #[arg(long)]
    remote_log_metadata_decoder: bool,
    /// How to print keys
    ///
    /// StringDecoder, IntegerDecoder or LongDecoder of org.apache.kafka.tools.api.
    #[arg(long, value_name = "CLASS", value_parser = parse_decoder)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = STRING_DECODER)]
    #[arg(hide_short_help = true)]
    key_decoder_class: Option<Decoder>,
    /// How to print values
    #[arg(long, value_name = "CLASS", value_parser = parse_decoder)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = STRING_DECODER)]
    #[arg(hide_short_help = true)]
    value_decoder_class: Option<Decoder>,
    /// Print the release that this follows
    #[arg(long)]
    version: bool,
    /// Words that belong to no flag: Kafka's tool passes over them in silence.
    #[arg(last = true, hide = true)]
    others: Vec<OsString>,
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
}

const STRING_DECODER: &str = "org.apache.kafka.tools.api.StringDecoder";

fn bytes() -> clap::builder::RangedI64ValueParser {
    clap::value_parser!(i64).range(0..=i32::MAX.into())
}

fn parse_decoder(class: &str) -> Result<Decoder, String> {
    // The second was its package before release 3.9.
    let packages = ["org.apache.kafka.tools.api.", "kafka.serializer."];
    match packages.iter().find_map(|package| class.strip_prefix(package)) {
        Some("StringDecoder") => Ok(Decoder::String),
        Some("IntegerDecoder") => Ok(Decoder::Integer),
        Some("LongDecoder") => Ok(Decoder::Long),
        _ => Err("of Java classes only StringDecoder, IntegerDecoder and LongDecoder of \
                  org.apache.kafka.tools.api are known here; seg dump -r --value-as shows bytes \
                  in other ways"
            .to_owned()),
    }
}

/// The words of this process as clap takes them: the tool's command line in seg's form, by
/// whatever name it was called; every other command line as it is.
pub fn words(words: Vec<OsString>) -> Result<Vec<OsString>, clap::Error> {
    let Some(arguments) = called_as::arguments(&words)? else { return Ok(words) };
    let seg = Cli::command();
    let command = seg.find_subcommand(COMMAND);
    let takes = |name: &str| {
        let is = |arg: &&clap::Arg| arg.get_long() == Some(name);
        let arg = command.and_then(|command| command.get_arguments().find(is));
        match arg {
            Some(arg) if !arg.get_action().takes_values() => Some(Takes::Nothing),
            Some(arg) if arg.is_require_equals_set() => Some(Takes::MaybeValue),
            Some(_) => Some(Takes::Value),
            None => (name == "help").then_some(Takes::Nothing),
        }
    };
    let mut all = vec!["seg".into(), COMMAND.into()];
    all.extend(called_as::for_clap(arguments, takes));
    Ok(all)
}

/// The words of this process behind its name, the command first, by whatever name it was called.
pub fn spoken(words: &[OsString]) -> Vec<OsString> {
    match called_as::arguments(words) {
        Ok(Some(rest)) => std::iter::once(COMMAND.into()).chain(rest.iter().cloned()).collect(),
        _ => words.iter().skip(1).cloned().collect(),
    }
}

/// Dumps every file, in the order in which they are named.
pub fn run(args: &Args, out: &mut Output) -> anyhow::Result<Outcome> {
    if args.version {
        out.write(format!("{KAFKA_RELEASE}\n").as_bytes())?;
        return Ok(Outcome::default());
    }
    args.refuse()?;
    let names = files::names(args.files.as_deref().unwrap_or(OsStr::new("")));
    if names.is_empty() {
        return Err(UsageError("--files names no file".to_owned()).into());
    }
    for word in &args.others {
        let word = word.to_string_lossy();
        let why = "belongs to no flag; files are separated by commas alone";
        out.say(format!("seg: passing over '{word}': it {why}\n").as_bytes())?;
    }
    let mut files = Files::new(args, out);
    for name in names {
        files.dump(&name)?;
    }
    Ok(Outcome::default())
}

impl Args {
    /// What cannot be done is said before anything is printed.
    fn refuse(&self) -> Result<(), UsageError> {
        let is_earlier =
            self.offsets_decoder || self.transaction_log_decoder || self.cluster_metadata_decoder;
        if !self.remote_log_metadata_decoder || is_earlier {
            return Ok(());
        }
        let why = "--remote-log-metadata-decoder is not supported: what it prints depends on Java \
                   classes; seg dump -r --value-as hex shows these records as they are";
        Err(UsageError(why.to_owned()))
    }

    /// The internal topic whose records are to be decoded. Where several are named, the tool has
    /// this order.
    fn topic(&self) -> Option<Topic> {
        match self {
            Self { offsets_decoder: true, .. } => Some(Topic::ConsumerOffsets),
            Self { transaction_log_decoder: true, .. } => Some(Topic::TransactionState),
            Self { cluster_metadata_decoder: true, .. } => Some(Topic::ClusterMetadata),
            Self { share_group_state_decoder: true, .. } => Some(Topic::ShareGroupState),
            _ => None,
        }
    }

    /// What is printed of a log.
    fn text(&self) -> KafkaText {
        KafkaText {
            prints_metadata: !self.skip_record_metadata,
            prints_contents: self.prints_contents(),
            topic: self.topic(),
            key: self.key_decoder_class.unwrap_or(Decoder::String),
            value: self.value_decoder_class.unwrap_or(Decoder::String),
            max_bytes: match self.max_bytes {
                None => u64::MAX,
                Some(NO_BOUND) => u64::MAX,
                Some(bytes) => bytes.unsigned_abs(),
            },
            ..KafkaText::all()
        }
    }

    fn prints_contents(&self) -> bool {
        self.print_data_log
            || self.topic().is_some()
            || self.key_decoder_class.is_some()
            || self.value_decoder_class.is_some()
    }

    fn prints_records(&self) -> bool {
        self.deep_iteration || self.prints_contents()
    }

    fn index_mode(&self) -> IndexMode {
        match self {
            Self { index_sanity_check: true, .. } => IndexMode::Sanity,
            Self { verify_index_only: true, .. } => IndexMode::Verify,
            _ => IndexMode::Print,
        }
    }
}

/// What `--max-bytes` is where it is not given.
const NO_BOUND: i64 = i32::MAX as i64;
