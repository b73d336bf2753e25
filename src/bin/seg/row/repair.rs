//! The rows of a repair: what is done, what is lost, what stays; and those of a plan on file, which
//! has every fact that the plan rests on beside them.

use super::as_i64;
use super::finding::summary_fields;
use super::names::*;
use crate::render::{Name, Sink};
use segkit::check::report::{Counts, Totals};
use segkit::format::{Offset, Position};
use segkit::log::file_facts::FileIdentity;
use segkit::repair::Change;
use segkit::repair::plan::{Action, ActionKind, LeftAlone, Loss};
use segkit::repair::planner::{Broker, Options};
use segkit::repair::sums::{FileSum, Sum};
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

/// The sums of a small file that is written as a whole, where they are known.
#[derive(Clone, Copy, Default)]
pub struct ActionSums {
    /// As it is.
    pub before: Option<Sum>,
    /// As it is going to be.
    pub after: Option<Sum>,
}

/// A row of type `action`.
pub fn action(sink: &mut impl Sink, file: &str, action: &Action, sums: ActionSums) {
    sink.begin("action");
    sink.file(FILE, file);
    sink.text(ACTION, action_name(&action.kind));
    place(sink, &action.range, action.offsets);
    match &action.kind {
        ActionKind::RestoreBit { position, bit } => {
            sink.int(FLIPPED_BYTE, as_i64(position.0));
            sink.int(FLIPPED_BIT, (*bit).into());
        }
        ActionKind::RestoreField { field, from, to } => {
            sink.text(FIELD, field);
            sink.int(FROM, *from);
            sink.int(TO, *to);
        }
        ActionKind::MoveBatches { to_segment } => sink.int(TO_SEGMENT, to_segment.0),
        ActionKind::SplitSegment { into } => {
            let offsets: Vec<String> = into.iter().map(|offset| offset.0.to_string()).collect();
            sink.json(INTO, format!("[{}]", offsets.join(",")).as_bytes());
        }
        _ => {}
    }
    for (name, sum) in [(SHA256_BEFORE, sums.before), (SHA256_AFTER, sums.after)] {
        if let Some(sum) = sum {
            sink.text(name, &sum.to_string());
        }
    }
    sink.text(REASON, &action.reason);
    if let Some(code) = action.code {
        sink.text(CODE, code);
    }
    sink.end();
}

fn action_name(kind: &ActionKind) -> &'static str {
    match kind {
        ActionKind::RebuildDerived => "rebuildDerived",
        ActionKind::CutTail => "cutTail",
        ActionKind::DropRange => "dropRange",
        ActionKind::DropDuplicate => "dropDuplicate",
        ActionKind::RestoreBit { .. } => "restoreBit",
        ActionKind::RestoreField { .. } => "restoreField",
        ActionKind::MoveBatches { .. } => "moveBatches",
        ActionKind::SplitSegment { .. } => "splitSegment",
        ActionKind::Truncate => "truncate",
        ActionKind::FinishReplace => "finishReplace",
        ActionKind::RollBackReplace => "rollBackReplace",
        ActionKind::SetAside => "setAside",
        ActionKind::RewriteCheckpoint => "rewriteCheckpoint",
    }
}

fn place(sink: &mut impl Sink, range: &Range<Position>, offsets: Option<(Offset, Offset)>) {
    sink.int(POSITION, as_i64(range.start.0));
    sink.int(LENGTH, as_i64(range.end.0.saturating_sub(range.start.0)));
    if let Some((first, last)) = offsets {
        sink.range(FIRST_OFFSET, LAST_OFFSET, first.0, last.0);
    }
}

/// A row of type `loss`.
pub fn loss(sink: &mut impl Sink, file: &str, loss: &Loss) {
    sink.begin("loss");
    loss_fields(sink, file, loss);
    sink.end();
}

fn loss_fields(sink: &mut impl Sink, file: &str, loss: &Loss) {
    sink.file(FILE, file);
    place(sink, &loss.range, loss.offsets);
    if let Some(records) = loss.records {
        sink.int(RECORDS, as_i64(records));
    }
    sink.int(BYTES, as_i64(loss.bytes()));
}

/// A row of type `leftAlone`.
pub fn left_alone(sink: &mut impl Sink, file: &str, left: &LeftAlone) {
    let finding = &left.finding;
    sink.begin("leftAlone");
    sink.text(CODE, finding.problem.code());
    sink.text(SEVERITY, finding.severity().name());
    sink.file(FILE, file);
    place(sink, &finding.range, finding.offsets);
    sink.text(WHY, &left.why);
    sink.end();
}

/// A row of type `broker`: what a broker would do with the directory, and lose.
pub fn broker(sink: &mut impl Sink, directory: &str, broker: &Broker) {
    sink.begin("broker");
    sink.file(PATH, directory);
    sink.flag(IS_NEXT_START, broker.is_next_start);
    sink.int(RECORDS_KEPT, as_i64(broker.records_kept));
    sink.begin_list(LOSSES);
    for loss in &broker.losses {
        sink.begin_object(None);
        loss_fields(sink, &loss.file.to_string_lossy(), loss);
        sink.end_object();
    }
    sink.end_list();
    sink.end();
}

/// What became of a change, or of a file that an undo put back.
pub struct AppliedRow<'a> {
    /// The file.
    pub file: &'a Path,
    /// `written`, `unchanged`, `failed`, `restored`, `copied`.
    pub action: &'static str,
    /// Why it failed.
    pub error: Option<String>,
    /// Where the originals are.
    pub backup: Option<&'a Path>,
}

/// A row of type `applied`.
pub fn applied(sink: &mut impl Sink, row: &AppliedRow<'_>) {
    sink.begin("applied");
    sink.file(FILE, &row.file.to_string_lossy());
    sink.text(ACTION, row.action);
    if let Some(error) = &row.error {
        sink.text(ERROR, error);
    }
    if let Some(backup) = row.backup {
        sink.file(BACKUP, &backup.to_string_lossy());
    }
    sink.end();
}

/// What the repair adds to the summary of a look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RepairCounts {
    /// Actions that are planned and were not carried out.
    pub pending: u64,
    /// Actions that were carried out.
    pub applied: u64,
    /// Findings that are errors or warnings, and stay.
    pub left_alone: u64,
    /// Bytes that go, or have gone.
    pub lost_bytes: u64,
    /// Offsets that go, or have gone.
    pub lost_offsets: u64,
}

/// A row of type `summary`: the last line of a repair.
pub fn repair_summary(
    sink: &mut impl Sink,
    totals: &Totals,
    counts: &Counts,
    repair: &RepairCounts,
    seconds: f64,
) {
    sink.begin("summary");
    summary_fields(sink, totals, counts, seconds);
    sink.int(ACTIONS, as_i64(repair.pending));
    sink.int(APPLIED, as_i64(repair.applied));
    sink.int(LEFT_ALONE, as_i64(repair.left_alone));
    sink.int(LOST_BYTES, as_i64(repair.lost_bytes));
    sink.int(LOST_OFFSETS, as_i64(repair.lost_offsets));
    sink.end();
}

/// The first row of a plan on file: what was asked for.
pub fn plan_options(sink: &mut impl Sink, options: &Options) {
    sink.begin("plan");
    sink.int(PLAN_FORMAT, 1);
    sink.flag(ACCEPTS_SINGLE_BIT, options.accepts_single_bit);
    sink.flag(LIKE_BROKER, options.like_broker);
    whole(sink, INDEX_INTERVAL_BYTES, options.index_interval_bytes);
    sink.end();
}

/// A row of type `directory`: the rows behind it are about it.
pub fn plan_directory(sink: &mut impl Sink, path: &str) {
    sink.begin("directory");
    sink.file(PATH, path);
    sink.end();
}

/// A row of type `fact`: a file as it was before it was read.
pub fn fact(sink: &mut impl Sink, file: &str, identity: &FileIdentity) {
    sink.begin("fact");
    sink.file(FILE, file);
    identity_fields(sink, identity);
    sink.end();
}

fn identity_fields(sink: &mut impl Sink, identity: &FileIdentity) {
    whole(sink, DEVICE, identity.device);
    whole(sink, INODE, identity.inode);
    whole(sink, SIZE, identity.size);
    for (name, (seconds, nanos)) in [(MODIFIED, identity.modified), (CHANGED, identity.changed)] {
        sink.json(name, format!("[{seconds},{nanos}]").as_bytes());
    }
}

/// Numbers that mean something to the last bit, above `i64` too.
fn whole(sink: &mut impl Sink, name: Name, value: u64) {
    sink.json(name, value.to_string().as_bytes());
}

/// What a change does to one file.
pub struct ChangeRow<'a> {
    /// `write`, `remove`, `rename`.
    pub change: &'static str,
    /// Which file.
    pub file: &'a str,
    /// Its new name.
    pub to: Option<&'a str>,
    /// As it was before it was looked at, where there was one.
    pub before: Option<&'a FileIdentity>,
    /// What is written.
    pub sum: Option<&'a FileSum>,
}

/// A row of type `change`.
pub fn change(sink: &mut impl Sink, row: &ChangeRow<'_>) {
    sink.begin("change");
    sink.text(CHANGE, row.change);
    sink.file(FILE, row.file);
    if let Some(to) = row.to {
        sink.file(TO_FILE, to);
    }
    if let Some(file) = row.sum {
        whole(sink, BYTES, file.size);
        sink.text(SHA256, &file.sum.to_string());
    }
    if let Some(before) = row.before {
        identity_fields(sink, before);
    }
    sink.end();
}

/// The sums of the files that changes write as a whole.
pub fn sums_of<'a>(changes: &'a [Change]) -> HashMap<&'a Path, ActionSums> {
    let sums = |change: &'a Change| match change {
        Change::WriteFile(write) => {
            let before = write.before.and_then(|_| Sum::of_file(&write.path).ok());
            let after = Some(Sum::of_bytes(&write.after));
            Some((write.path.as_path(), ActionSums { before, after }))
        }
        _ => None,
    };
    changes.iter().filter_map(sums).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::JsonLines;
    use segkit::check::{Finding, Problem};
    use std::sync::Arc;

    fn lines(write: impl FnOnce(&mut JsonLines)) -> String {
        let mut sink = JsonLines::default();
        write(&mut sink);
        let text = String::from_utf8(std::mem::take(sink.buffer())).unwrap();
        for line in text.lines() {
            let _: serde_json::Value = serde_json::from_str(line).unwrap();
        }
        text
    }

    fn file() -> Arc<Path> {
        Arc::from(Path::new("orders-0/00000000000000000000.log"))
    }

    #[test]
    fn an_action_says_what_it_does_and_to_what() {
        let of = |kind| Action {
            kind,
            file: file(),
            range: Position(619)..Position(722),
            offsets: Some((Offset(13), Offset(13))),
            reason: "one bit".to_owned(),
            code: Some("batch-crc"),
        };
        let bit = of(ActionKind::RestoreBit { position: Position(700), bit: 3 });
        let sums = ActionSums { before: None, after: Some(Sum::of_bytes(b"abc")) };
        let text = lines(|sink| action(sink, "a.log", &bit, sums));
        let expected = concat!(
            r#"{"type":"action","file":"a.log","action":"restoreBit","position":619,"length":103,"#,
            r#""firstOffset":13,"lastOffset":13,"flippedByte":700,"flippedBit":3,"#,
            r#""sha256After":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","#,
            r#""reason":"one bit","code":"batch-crc"}"#,
            "\n"
        );
        assert_eq!(text, expected);
        let split = of(ActionKind::SplitSegment { into: vec![Offset(0), Offset(57)] });
        let text = lines(|sink| action(sink, "a.log", &split, ActionSums::default()));
        assert!(text.contains(r#""action":"splitSegment""#) && text.contains(r#""into":[0,57],"#));
        let field = ActionKind::RestoreField { field: "baseOffset", from: 266, to: 10 };
        let text = lines(|sink| action(sink, "a.log", &of(field), ActionSums::default()));
        assert!(text.contains(r#""field":"baseOffset","from":266,"to":10,"reason""#), "{text}");
    }

    #[test]
    fn losses_and_what_stays_have_their_places() {
        let lost = Loss {
            file: file(),
            range: Position(100)..Position(300),
            offsets: Some((Offset(5), Offset(9))),
            records: Some(5),
            is_unfinished: false,
        };
        let expected = concat!(
            r#"{"type":"loss","file":"a.log","position":100,"length":200,"firstOffset":5,"#,
            r#""lastOffset":9,"records":5,"bytes":200}"#,
            "\n"
        );
        assert_eq!(lines(|sink| loss(sink, "a.log", &lost)), expected);
        let tail = Loss { offsets: None, records: None, ..lost.clone() };
        let expected = concat!(
            r#"{"type":"loss","file":"a.log","position":100,"length":200,"bytes":200}"#,
            "\n"
        );
        assert_eq!(lines(|sink| loss(sink, "a.log", &tail)), expected);
        let would = Broker { losses: vec![lost], records_kept: 7, is_next_start: true };
        let expected = concat!(
            r#"{"type":"broker","path":"orders-0","isNextStart":true,"recordsKept":7,"#,
            r#""losses":[{"file":"#,
            r#""orders-0/00000000000000000000.log","position":100,"length":200,"firstOffset":5,"#,
            r#""lastOffset":9,"records":5,"bytes":200}]}"#,
            "\n"
        );
        assert_eq!(lines(|sink| broker(sink, "orders-0", &would)), expected);
        let range = Position(1)..Position(3);
        let finding = Finding::new(file(), range, Problem::UnclaimedBytes);
        let left = LeftAlone { finding, why: "nobody knows".to_owned() };
        let expected = concat!(
            r#"{"type":"leftAlone","code":"unclaimed-bytes","severity":"error","file":"a.log","#,
            r#""position":1,"length":2,"why":"nobody knows"}"#,
            "\n"
        );
        assert_eq!(lines(|sink| left_alone(sink, "a.log", &left)), expected);
    }

    #[test]
    fn a_fact_keeps_every_bit() {
        let identity = FileIdentity {
            device: 7,
            inode: u64::MAX,
            size: 3,
            modified: (-1, 999_999_999),
            changed: (i64::MAX, 0),
        };
        let expected = concat!(
            r#"{"type":"fact","file":"a.log","device":7,"inode":18446744073709551615,"size":3,"#,
            r#""modified":[-1,999999999],"changed":[9223372036854775807,0]}"#,
            "\n"
        );
        assert_eq!(lines(|sink| fact(sink, "a.log", &identity)), expected);
    }

    #[test]
    fn what_was_done_names_the_originals() {
        let row = AppliedRow {
            file: Path::new("a.log"),
            action: "written",
            error: None,
            backup: Some(Path::new("/backup/1")),
        };
        let expected = concat!(
            r#"{"type":"applied","file":"a.log","action":"written","backup":"/backup/1"}"#,
            "\n"
        );
        assert_eq!(lines(|sink| applied(sink, &row)), expected);
    }
}
