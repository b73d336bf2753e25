//! The row of a derived file that was built anew.

use super::as_i64;
use super::names::*;
use crate::render::Sink;
use segkit::check::report::Rebuilt;
use segkit::format::Offset;
use segkit::format::offset_index::OffsetIndex;
use segkit::format::producer_snapshot::ProducerSnapshot;
use segkit::format::time_index::TimeIndex;
use segkit::format::txn_index::TxnIndex;
use segkit::log::{FileKind, FileName};
use segkit::repair::rebuild::{Compared, Effect, Verdict};

/// A row of type `file`.
pub fn derived_file(sink: &mut impl Sink, compared: &Compared, action: &str) {
    let (before, after) = entries(&compared.file);
    sink.begin("file");
    sink.file(FILE, &compared.file.path.to_string_lossy());
    sink.text(ACTION, action);
    let (verdict, effect) = verdict_names(compared.verdict);
    sink.text(VERDICT, verdict);
    if let Some(effect) = effect {
        sink.text(EFFECT, effect);
    }
    if let Some(before) = before {
        sink.int(ENTRIES_BEFORE, as_i64(before));
    }
    sink.int(ENTRIES_AFTER, as_i64(after));
    sink.end();
}

fn verdict_names(verdict: Verdict) -> (&'static str, Option<&'static str>) {
    let effect = |effect| match effect {
        Effect::Slow => "slow",
        Effect::LosesRecords => "losesRecords",
        Effect::WrongTimes => "wrongTimes",
        Effect::State => "state",
    };
    match verdict {
        Verdict::Equal => ("equal", None),
        Verdict::Safe => ("safe", None),
        Verdict::NotYet => ("notYet", None),
        Verdict::Missing(what) => ("missing", Some(effect(what))),
        Verdict::Wrong(what) => ("wrong", Some(effect(what))),
    }
}

/// How a file compares, for people, behind its entries.
pub fn verdict_text(verdict: Verdict, is_written: bool) -> String {
    let effect = |effect| match effect {
        Effect::Slow => "reads are slow",
        Effect::LosesRecords => "reads miss records or see aborted ones",
        Effect::WrongTimes => "retention and searches by time go wrong",
        Effect::State => "a broker has to find its content again",
    };
    let verb = if is_written { "was" } else { "is" };
    match verdict {
        Verdict::Equal => String::new(),
        Verdict::Safe => format!("  {verb} different, but safe"),
        Verdict::NotYet => format!("  {verb} not there yet"),
        Verdict::Missing(what) => format!("  {verb} missing: {}", effect(what)),
        Verdict::Wrong(what) => format!("  {verb} wrong: {}", effect(what)),
    }
}

/// How many entries a file has, if it is there, and how many it should have.
pub fn entries(file: &Rebuilt) -> (Option<u64>, u64) {
    let name = file.path.file_name().and_then(|name| name.to_str()).and_then(FileName::parse);
    let base = name.and_then(|name| name.offset).unwrap_or_default();
    let count = |bytes: &[u8]| count(file.kind, base, bytes);
    let before = file.before.as_ref().map(|before| count(&before.bytes));
    let after = file.after.as_ref().map(|after| count(after));
    (before, after.or(before).unwrap_or(0))
}

fn count(kind: FileKind, base: Offset, bytes: &[u8]) -> u64 {
    let entries = match kind {
        FileKind::OffsetIndex => OffsetIndex::new(bytes, base).entries(),
        FileKind::TimeIndex => TimeIndex::new(bytes, base).entries(),
        FileKind::TxnIndex => TxnIndex::new(bytes).entries(),
        FileKind::ProducerSnapshot => {
            ProducerSnapshot::parse(bytes).map_or(0, |snapshot| snapshot.entries())
        }
        // A version, a count, and a line for each entry.
        _ => bytes
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .count()
            .saturating_sub(2),
    };
    entries as u64
}
