//! A plan in words, for people in a hurry: what is wrong, what is going to be done, what is lost,
//! what stays and why, what a broker would do; one line each.
//!
//! ```text
//!   orders-0
//!     error    00000000000000000000.log        at 619, 103 bytes, offset 13: batch-crc, ...
//!     will     00000000000000000000.log        at 619, 103 bytes: take these bytes out: ...
//!     lost     00000000000000000000.log        at 619, 103 bytes: offset 13, at most 1 record
//! ```

use crate::findings;
use crate::values::{count, plural, size, terminal_text};
use segkit::check::{Finding, Severity};
use segkit::format::{Offset, Position};
use segkit::log::{FileKind, FileName};
use segkit::repair::plan::{Action, ActionKind, LeftAlone, Loss};
use segkit::repair::planner::{Broker, Planned};
use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

/// How a plan is shown.
#[derive(Clone, Copy, Default)]
pub struct Shown {
    /// With colours.
    pub color: bool,
    /// With notes.
    pub verbose: bool,
    /// A broker is at work there.
    pub is_live: bool,
}

/// The widest name of a file in a partition.
const FILE_COLUMNS: usize = 30;
const LABEL_COLUMNS: usize = 7;

const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const GREEN: &str = "\x1b[1;32m";
const BOLD: &str = "\x1b[1m";

/// How many findings of one code in one file are listed without -v.
const FINDINGS_LISTED: usize = 3;

/// All that is to be said about one directory; nothing where all is well.
pub fn planned(planned: &Planned, shown: Shown) -> String {
    let plan = &planned.plan;
    let lines = Lines { directory: &plan.directory, shown, text: String::new() };
    let mut lines = lines;
    // What stays is said once, with the reason.
    let staying: HashSet<_> = plan.left_alone.iter().map(|left| key(&left.finding)).collect();
    let told = planned.findings.iter().filter(|finding| !staying.contains(&key(finding)));
    let told: Vec<&Finding> = told.collect();
    let is_same =
        |one: &&Finding, next: &&Finding| key(one).0 == key(next).0 && key(one).3 == key(next).3;
    for alike in told.chunk_by(is_same) {
        // One damage often shifts everything behind it.
        let listed = if shown.verbose { alike.len() } else { FINDINGS_LISTED };
        alike.iter().take(listed).for_each(|finding| lines.finding(finding));
        lines.more(alike.get(listed..).unwrap_or_default());
    }
    let is_told = |action: &&Action| shown.verbose || !action.follows();
    for action in plan.actions.iter().filter(is_told) {
        lines.action(action);
    }
    let follow = plan.actions.iter().filter(|action| !is_told(action)).count() as u64;
    if follow > 0 {
        let files = plural(follow, "file");
        let rest = format!("{:FILE_COLUMNS$}  write them anew: they go with their logs", files);
        lines.labelled(GREEN, "will", &rest);
    }
    if planned.is_first_step {
        let rest = "what else there is to do is known when this is done";
        lines.labelled(BOLD, "then", rest);
    }
    lines.losses(&plan.losses, !plan.is_empty());
    for left in &plan.left_alone {
        lines.left_alone(left);
    }
    if let Some(broker) = planned.broker.as_ref().filter(|_| planned.failed.is_none()) {
        lines.broker(broker, planned);
    }
    lines.under_heading()
}

/// What tells one finding from another.
fn key(finding: &Finding) -> (&Path, Position, Position, &'static str) {
    let range = &finding.range;
    (&finding.file, range.start, range.end, finding.problem.code())
}

struct Lines<'a> {
    directory: &'a Path,
    shown: Shown,
    text: String,
}

impl Lines<'_> {
    fn line(&mut self, color: &str, label: &str, file: &Path, rest: &str) {
        let own = file.strip_prefix(self.directory).unwrap_or(file);
        let own = if own.as_os_str().is_empty() { Path::new(".") } else { own };
        let file = terminal_text(&own.to_string_lossy());
        self.labelled(color, label, &format!("{file:FILE_COLUMNS$}  {rest}"));
    }

    fn labelled(&mut self, color: &str, label: &str, rest: &str) {
        let (on, off) = if self.shown.color { (color, "\x1b[0m") } else { ("", "") };
        self.text.push_str(&format!("  {on}{label:LABEL_COLUMNS$}{off}  {rest}\n"));
    }

    /// One line for each place.
    fn finding(&mut self, finding: &Finding) {
        if !findings::is_shown(finding, self.shown.verbose) {
            return;
        }
        let (severity, problem) = (finding.severity(), &finding.problem);
        let place = place(&finding.range, finding.offsets);
        let message = terminal_text(&problem.message());
        let places = match finding.places {
            1 => String::new(),
            more => format!(", {} places", count(more)),
        };
        let code = problem.code();
        let rest = format!("{}{code}{places}, {message}", before_colon(&place));
        self.line(color_of(severity), severity.name(), &finding.file, &rest);
    }

    /// What is left of findings of one code in one file.
    fn more(&mut self, findings: &[&Finding]) {
        let Some(first) = findings.first().filter(|it| findings::is_shown(it, false)) else {
            return;
        };
        let places = findings.iter().map(|finding| finding.places).sum();
        let rest = format!("{} more of {}", count(places), first.problem.code());
        self.line(color_of(first.severity()), first.severity().name(), &first.file, &rest);
    }

    fn action(&mut self, action: &Action) {
        let place = place(&action.range, action.offsets);
        let what = what(&action.kind);
        let reason = terminal_text(&action.reason);
        let rest = format!("{}{what}: {reason}", before_colon(&place));
        self.line(GREEN, "will", &action.file, &rest);
    }

    fn losses(&mut self, losses: &[Loss], is_pending: bool) {
        for loss in losses {
            let place = place(&loss.range, None);
            let rest = format!("{}{}", before_colon(&place), lost(loss));
            self.line(RED, "lost", &loss.file, &rest);
        }
        match losses {
            [] if is_pending => self.labelled(GREEN, "lost", "nothing"),
            [] | [_] => {}
            _ => {
                let all = Lost::of(losses).text();
                self.labelled(RED, "lost", &format!("{:FILE_COLUMNS$}  {all}", "in all"));
            }
        }
    }

    fn left_alone(&mut self, left: &LeftAlone) {
        let finding = &left.finding;
        if !findings::is_shown(finding, self.shown.verbose) {
            return;
        }
        let place = before_colon(&place(&finding.range, finding.offsets));
        let (code, message) = (finding.problem.code(), finding.problem.message());
        let (message, why) = (terminal_text(&message), terminal_text(&left.why));
        let rest = format!("{place}{code}, {message}; left alone: {why}");
        self.line(color_of(finding.severity()), "stays", &finding.file, &rest);
    }

    fn broker(&mut self, broker: &Broker, planned: &Planned) {
        let (its, ours) = (plural(broker.records_kept, "record"), count(planned.records_after));
        let when = broker_when(broker);
        self.labelled(
            BOLD,
            "broker",
            &format!("{when} it would keep {its}; this plan keeps {ours}"),
        );
        let (its, ours) = (Lost::of(&broker.losses), Lost::of(&planned.plan.losses));
        let lost = format!("it would lose {}; this plan loses {}", its.text(), ours.text());
        self.labelled("", "", &lost);
    }

    fn under_heading(self) -> String {
        if self.text.is_empty() {
            return String::new();
        }
        let (on, off) = if self.shown.color { (BOLD, "\x1b[0m") } else { ("", "") };
        let live = match self.shown.is_live {
            true => "  a broker is at work here: it is as it is now, and --apply is refused",
            false => "",
        };
        let directory = terminal_text(&self.directory.to_string_lossy());
        format!("{on}{directory}{off}{live}\n{}", self.text)
    }
}

/// When a broker would do what it does about damage.
pub fn broker_when(broker: &Broker) -> &'static str {
    match broker.is_next_start {
        true => "when it starts,",
        false => "when it starts after an unclean stop,",
    }
}

fn color_of(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => RED,
        Severity::Warning => YELLOW,
        Severity::Note => BOLD,
    }
}

fn before_colon(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!("{place}: ") }
}

/// `at 619, 103 bytes, offsets 13–19`; nothing for a whole file.
fn place(range: &Range<Position>, offsets: Option<(Offset, Offset)>) -> String {
    let mut parts = Vec::new();
    let bytes = range.end.0.saturating_sub(range.start.0);
    if bytes > 0 {
        parts.push(format!("at {}, {}", range.start.0, plural(bytes, "byte")));
    }
    parts.extend(offsets.map(offsets_text));
    parts.join(", ")
}

fn offsets_text((first, last): (Offset, Offset)) -> String {
    if first == last { format!("offset {first}") } else { format!("offsets {first}–{last}") }
}

/// What is done, as a command.
fn what(kind: &ActionKind) -> String {
    let log = |base: Offset| FileName::of_segment(base, FileKind::Log).to_string();
    let words = match kind {
        ActionKind::RebuildDerived => "write it anew",
        ActionKind::CutTail => "cut the end off",
        ActionKind::DropRange => "take these bytes out",
        ActionKind::DropDuplicate => "take the second copy out",
        ActionKind::RestoreBit { position, bit } => {
            return format!("set bit {bit} of byte {} back", position.0);
        }
        ActionKind::RestoreField { field, from, to } => {
            return format!("put {field} right, {from} → {to}");
        }
        ActionKind::MoveBatches { to_segment } => return format!("move to {}", log(*to_segment)),
        ActionKind::SplitSegment { into } => {
            let names: Vec<String> = into.iter().map(|&base| log(base)).collect();
            return format!("split into {}", names.join(", "));
        }
        ActionKind::Truncate => "cut off everything from here on, as a broker would",
        ActionKind::FinishReplace => "finish the replacement that was interrupted",
        ActionKind::RollBackReplace => "take back the replacement that was interrupted",
        ActionKind::SetAside => "set it aside",
        ActionKind::RewriteCheckpoint => "put its lines right",
    };
    words.to_owned()
}

fn lost(loss: &Loss) -> String {
    match (loss.offsets, loss.records) {
        (Some(offsets), Some(records)) => {
            format!("{}, at most {}", offsets_text(offsets), plural(records, "record"))
        }
        (Some(offsets), None) => {
            format!("{}, nobody can know how many records", offsets_text(offsets))
        }
        (None, None) if loss.is_unfinished => {
            "the end of the log, which was never whole".to_owned()
        }
        (None, None) => "nobody can know what they held: no offset tells of it".to_owned(),
        (None, Some(records)) if records > 0 => {
            format!("at most {}, in offsets that others have", plural(records, "record"))
        }
        (None, Some(_)) => "no offset: what is in them stands elsewhere or was nothing".to_owned(),
    }
}

/// Several losses together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// All bytes.
    pub bytes: u64,
    /// The offsets that no reader gets any more.
    pub offsets: u64,
    /// The most records that were there.
    records: u64,
    /// Offsets or bytes of which nobody can know how many records they had.
    is_unknown: bool,
}

impl Lost {
    /// All of them together.
    pub fn of(losses: &[Loss]) -> Self {
        let mut all = Self::default();
        for loss in losses {
            all.bytes = all.bytes.saturating_add(loss.bytes());
            all.is_unknown |= loss.records.is_none() && !loss.is_unfinished;
            all.records = all.records.saturating_add(loss.records.unwrap_or(0));
            let Some((first, last)) = loss.offsets else { continue };
            let offsets = i128::from(last.0) - i128::from(first.0) + 1;
            all.offsets =
                all.offsets.saturating_add(u64::try_from(offsets.max(0)).unwrap_or(u64::MAX));
        }
        all
    }

    /// `5 offsets, at most 4 records, 1.2 KiB`
    pub fn text(&self) -> String {
        if *self == Self::default() {
            return "nothing".to_owned();
        }
        let records = match self.is_unknown {
            true => "nobody can know how many records".to_owned(),
            false => format!("at most {}", plural(self.records, "record")),
        };
        let size = size(self.bytes);
        match self.offsets {
            0 if self.records == 0 && !self.is_unknown => format!("no record, {size}"),
            0 => format!("{records}, {size}"),
            _ => format!("{}, {records}, {size}", plural(self.offsets, "offset")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use segkit::check::Problem;
    use segkit::check::problem::FlippedAt;
    use segkit::check::report::Totals;
    use segkit::log::file_facts::FileIdentity;
    use segkit::repair::Change;
    use segkit::repair::change::SetAside;
    use segkit::repair::plan::Plan;
    use std::path::PathBuf;
    use std::sync::Arc;

    fn file(kind: &str) -> Arc<Path> {
        Arc::from(PathBuf::from(format!("data/orders-0/00000000000000000000.{kind}")))
    }

    fn range(from: u64, to: u64) -> Range<Position> {
        Position(from)..Position(to)
    }

    fn loss(from: u64, to: u64, offsets: Option<(i64, i64)>, records: Option<u64>) -> Loss {
        let offsets = offsets.map(|(first, last)| (Offset(first), Offset(last)));
        let is_unfinished = offsets.is_none() && records.is_none();
        Loss { file: file("log"), range: range(from, to), offsets, records, is_unfinished }
    }

    /// A bit that is set back, a batch that goes, a tail that is cut, and a finding that stays.
    fn disaster() -> Planned {
        let identity =
            FileIdentity { device: 1, inode: 2, size: 3, modified: (4, 5), changed: (6, 7) };
        let flipped = Some(FlippedAt { position: Position(700), bit: 3 });
        let crc = Problem::BatchCrc { stored: 1, computed: 2, flipped };
        let offset = |offset| Some((Offset(offset), Offset(offset)));
        let bit = Finding::new(file("log"), range(619, 722), crc).at_offsets(offset(13));
        let gone = Finding::new(file("log"), range(1000, 1200), Problem::UnclaimedBytes);
        let stays = Finding::new(file("log"), range(2000, 2100), Problem::UnknownCodec { id: 6 });
        let note = Finding::new(file("log"), range(0, 0), Problem::SegmentEmpty);
        let action = |kind, range, offsets, reason: &str| Action {
            kind,
            file: file("log"),
            range,
            offsets,
            reason: reason.to_owned(),
            code: None,
        };
        let set = ActionKind::RestoreBit { position: Position(700), bit: 3 };
        Planned {
            ends: None,
            is_first_step: false,
            plan: Plan {
                directory: PathBuf::from("data/orders-0"),
                actions: vec![
                    action(set, range(619, 722), offset(13), "the checksum agrees then"),
                    action(
                        ActionKind::DropRange,
                        range(1000, 1200),
                        Some((Offset(20), Offset(29))),
                        "no batch proves them",
                    ),
                    action(ActionKind::CutTail, range(3000, 3050), None, "never finished"),
                ],
                losses: vec![
                    loss(1000, 1200, Some((20, 29)), Some(10)),
                    loss(3000, 3050, None, None),
                ],
                left_alone: vec![LeftAlone {
                    finding: stays.clone(),
                    why: "its bytes are good".to_owned(),
                }],
                changes: vec![Change::SetAside(SetAside {
                    path: PathBuf::from("x"),
                    before: Some(identity),
                })],
                rests_on: Vec::new(),
            },
            findings: vec![bit, gone, stays, note],
            totals: Totals::default(),
            broker: Some(Broker {
                losses: vec![loss(619, 90_000, Some((13, 58_808)), Some(58_796))],
                records_kept: 1204,
                is_next_start: true,
            }),
            bytes_before: 90_000,
            bytes_after: 89_750,
            records_after: 59_990,
            is_complete: true,
            failed: None,
        }
    }

    #[test]
    fn a_disaster_is_told_line_by_line() {
        let expected = "\
data/orders-0
  error    00000000000000000000.log        at 619, 103 bytes, offset 13: batch-crc, stored \
checksum 0x00000001, computed 0x00000002; one flipped bit explains it: byte 700, bit 3
  error    00000000000000000000.log        at 1000, 200 bytes: unclaimed-bytes, bytes that \
belong to no batch
  will     00000000000000000000.log        at 619, 103 bytes, offset 13: set bit 3 of byte 700 \
back: the checksum agrees then
  will     00000000000000000000.log        at 1000, 200 bytes, offsets 20–29: take these bytes \
out: no batch proves them
  will     00000000000000000000.log        at 3000, 50 bytes: cut the end off: never finished
  lost     00000000000000000000.log        at 1000, 200 bytes: offsets 20–29, at most 10 records
  lost     00000000000000000000.log        at 3000, 50 bytes: the end of the log, which \
was never whole
  lost     in all                          10 offsets, at most 10 records, 250 B
  stays    00000000000000000000.log        at 2000, 100 bytes: unknown-codec, no codec has the \
compression id 6 here; left alone: its bytes are good
  broker   when it starts, it would keep 1,204 records; this plan keeps 59,990
           it would lose 58,796 offsets, at most 58,796 records, 87 KiB; this plan loses \
10 offsets, at most 10 records, 250 B
";
        assert_eq!(planned(&disaster(), Shown::default()), expected);
    }

    #[test]
    fn notes_are_shown_where_they_are_wanted() {
        let shown = Shown { verbose: true, is_live: true, color: true };
        let text = planned(&disaster(), shown);
        assert!(text.contains("note   \x1b[0m  00000000000000000000.log        segment-empty, "));
        assert!(text.starts_with("\x1b[1mdata/orders-0\x1b[0m  a broker is at work here"));
        assert!(text.contains("\x1b[1;31mlost   \x1b[0m  in all "), "{text}");
    }

    #[test]
    fn what_is_well_needs_no_words() {
        let mut healthy = disaster();
        healthy.findings.retain(|finding| finding.severity() == Severity::Note);
        (healthy.plan, healthy.broker) = (Plan::default(), None);
        assert_eq!(planned(&healthy, Shown::default()), "");
    }

    #[test]
    fn a_plan_that_loses_nothing_says_so() {
        let mut plan = disaster();
        plan.plan.losses.clear();
        let text = planned(&plan, Shown::default());
        assert!(text.contains("\n  lost     nothing\n"), "{text}");
        assert!(text.contains("87 KiB; this plan loses nothing\n"), "{text}");
    }

    #[test]
    fn losses_sum_up() {
        let end = loss(0, 5000, None, None);
        let zeros = loss(0, 512, None, Some(0));
        let some = loss(0, 100, Some((i64::MIN, i64::MAX)), None);
        let few = loss(0, 100, Some((5, 9)), Some(3));
        assert_eq!(Lost::of(&[]).text(), "nothing");
        assert_eq!(Lost::of(&[end.clone(), zeros.clone()]).text(), "no record, 5.3 KiB");
        assert_eq!(Lost::of(&[few.clone(), zeros]).text(), "5 offsets, at most 3 records, 612 B");
        let unknown = Loss { is_unfinished: false, ..end.clone() };
        let text = Lost::of(std::slice::from_ref(&unknown)).text();
        assert_eq!(text, "nobody can know how many records, 4.8 KiB");
        assert_eq!(lost(&unknown), "nobody can know what they held: no offset tells of it");
        let same = loss(0, 9, None, Some(2));
        assert_eq!(lost(&same), "at most 2 records, in offsets that others have");
        assert_eq!(Lost::of(&[same]).text(), "at most 2 records, 9 B");
        let all = Lost::of(&[some, few, end]);
        assert_eq!((all.bytes, all.offsets, all.is_unknown), (5200, u64::MAX, true));
    }

    #[test]
    fn every_action_is_a_command() {
        let segment = Offset(57);
        for (kind, expected) in [
            (ActionKind::MoveBatches { to_segment: segment }, "move to 00000000000000000057.log"),
            (
                ActionKind::SplitSegment { into: vec![Offset(0), segment] },
                "split into 00000000000000000000.log, 00000000000000000057.log",
            ),
            (
                ActionKind::RestoreField { field: "baseOffset", from: 266, to: 10 },
                "put baseOffset right, 266 → 10",
            ),
            (ActionKind::SetAside, "set it aside"),
        ] {
            assert_eq!(what(&kind), expected);
        }
    }
}
