//! `seg write --compare-compression`: what each codec and level makes of what comes in.

use super::args::Args;
use crate::cli::{Format, UsageError};
use crate::output::{Outcome, Output};
use crate::render::{JsonLines, Sink};
use crate::row;
use crate::signals::{self, Interrupted};
use crate::table::Table;
use crate::values::{count, plural, size};
use segkit::produce::accumulator::AppendError;
use segkit::produce::compare::{CHOICES, Choice, Compared, Comparison};
use segkit::produce::input::Input;
use std::time::Duration;

/// So much is looked at: a thousand batches say what a million would, and the slowest level takes
/// some seconds for them.
const SAMPLE_BYTES: u64 = 16 << 20;

/// Compares, and says what came of it; writes nothing.
pub fn run(args: &Args, input: &mut dyn Input, out: &mut Output) -> anyhow::Result<Outcome> {
    if args.batches.magic != 2 {
        let why = "--compare-compression compares batches of magic 2";
        return Err(UsageError(why.to_owned()).into());
    }
    let unit = if args.input.generate.is_some() { "record" } else { "line" };
    let batches = &args.batches;
    let choices = choices(args);
    let mut comparison =
        Comparison::new(&choices, batches.batch_size, batches.max_request_size, at_work)?;
    let mut is_cut = false;
    while let Some(record) = input.next_record()? {
        if signals::is_interrupted() {
            return Err(Interrupted("nothing was compared".to_owned()).into());
        }
        if comparison.bytes() >= SAMPLE_BYTES {
            is_cut = true;
            break;
        }
        comparison.add(&record).map_err(|error| match error {
            AppendError::Refused(why) => anyhow::anyhow!("{unit} {}: {why}", record.line),
            AppendError::Sink(why) => why.into(),
        })?;
    }
    let compared = comparison.finish()?;
    if is_cut && !args.common.quiet {
        let (records, sample) = (count(compared.records), size(SAMPLE_BYTES));
        out.say(format!("seg: the first {records} records, {sample}, were compared\n").as_bytes())?;
    }
    match args.format {
        Format::Json => {
            let mut sink = JsonLines::default();
            compared.choices.iter().for_each(|one| row::compression(&mut sink, one, &compared));
            out.write(sink.buffer())?;
        }
        Format::Text => out.write(text(&compared).as_bytes())?,
    }
    Ok(Outcome::default())
}

/// The usual ones, and the level that was asked for.
fn choices(args: &Args) -> Vec<Choice> {
    let mut choices = CHOICES.to_vec();
    let (codec, level) = (args.batches.compression_type.codec(), args.batches.level());
    let is_new = choices.iter().all(|choice| (choice.codec, choice.level) != (codec, level));
    if level.is_some() && is_new {
        let of_codec = |choice: &Choice| choice.codec == codec && choice.level < level;
        let behind = choices.iter().rposition(of_codec);
        let first = choices.iter().position(|choice| choice.codec == codec);
        let at = behind.map_or(first, |at| Some(at + 1)).unwrap_or(choices.len());
        choices.insert(at, Choice { codec, level, is_default: false });
    }
    choices
}

fn text(compared: &Compared) -> String {
    if compared.records == 0 {
        return "nothing to compare\n".to_owned();
    }
    let columns =
        ["codec", ">level", "", ">bytes", ">ratio", ">compress s/GiB", ">decompress s/GiB"];
    let mut table = Table::new(&columns);
    for one in &compared.choices {
        let choice = one.choice;
        let seconds =
            |time| match choice.level.is_some() || one.bytes != compared.uncompressed_bytes {
                true => format!("{:.2}", row::seconds_per_gib(time, compared)),
                false => String::new(),
            };
        table.row(vec![
            choice.codec.name().to_owned(),
            choice.level.map_or(String::new(), |level| level.to_string()),
            if choice.level.is_some() && choice.is_default { "default" } else { "" }.to_owned(),
            count(one.bytes),
            format!("{:.3}", row::ratio(one, compared)),
            seconds(one.compress),
            seconds(one.decompress),
        ]);
    }
    let records = plural(compared.records, "record");
    let batches = match compared.batches {
        1 => "1 batch".to_owned(),
        more => format!("{} batches", count(more)),
    };
    let table = table.render();
    format!("{table}{records} in {batches}; the times are processor time\n")
}

/// The time that this thread was at work so far.
fn at_work() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(time.tv_sec.unsigned_abs(), nanos)
}
