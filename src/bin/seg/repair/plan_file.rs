//! A plan on file: JSON lines with all that the plan rests on and comes to, so that it can be read,
//! kept, and carried out later only if it still is exactly this.
//!
//! ```text
//!   {"type":"plan", ...}          what was asked for
//!   {"type":"directory", ...}     of each directory that is not well:
//!   {"type":"fact", ...}            every file that was looked at, as it was then
//!   {"type":"action", ...}          what is done, what is lost, what stays
//!   {"type":"loss", ...}
//!   {"type":"leftAlone", ...}
//!   {"type":"change", ...}          every file that is written, with its SHA-256, or that goes
//! ```

use crate::cli::UsageError;
use crate::input::STDIN;
use crate::render::{JsonLines, Sink};
use crate::row::{self, ChangeRow};
use segkit::error::{Error, Result};
use segkit::log::PartitionDir;
use segkit::log::disk::RealDisk;
use segkit::log::file_facts::{Attributes, FileIdentity};
use segkit::log::new_file::{Content, Image, Place, put};
use segkit::repair::Change;
use segkit::repair::planner::{Options, Planned};
use segkit::repair::sums::{FileSum, written_by};
use serde_json::{Map, Value};
use std::io::Read;
use std::path::Path;

/// The first line of a plan on file.
pub fn head(options: &Options) -> Vec<u8> {
    let mut sink = JsonLines::default();
    row::plan_options(&mut sink, options);
    std::mem::take(sink.buffer())
}

/// The lines about one directory; none where all is well.
pub fn lines(planned: &Planned) -> Result<Vec<u8>> {
    let plan = &planned.plan;
    let mut sink = JsonLines::default();
    if plan.is_empty() && plan.left_alone.is_empty() {
        return Ok(Vec::new());
    }
    row::plan_directory(&mut sink, &shown(&plan.directory));
    for (file, identity) in &plan.rests_on {
        row::fact(&mut sink, &shown(file), identity);
    }
    let sums = row::sums_of(&plan.changes);
    for action in &plan.actions {
        let sums = sums.get(&*action.file).copied().unwrap_or_default();
        row::action(&mut sink, &shown(&action.file), action, sums);
    }
    for loss in &plan.losses {
        row::loss(&mut sink, &shown(&loss.file), loss);
    }
    for left in &plan.left_alone {
        row::left_alone(&mut sink, &shown(&left.finding.file), left);
    }
    for change in &plan.changes {
        change_lines(&mut sink, change)?;
    }
    Ok(std::mem::take(sink.buffer()))
}

fn change_lines(sink: &mut JsonLines, change: &Change) -> Result<()> {
    let goes = |sink: &mut JsonLines, change, file: &Path, before: Option<&FileIdentity>| {
        let file = &*shown(file);
        row::change(sink, &ChangeRow { change, file, to: None, before, sum: None });
    };
    let written = |sink: &mut JsonLines, sum: &FileSum, before: Option<&FileIdentity>| {
        let file = &*shown(&sum.path);
        let sum = Some(sum);
        row::change(sink, &ChangeRow { change: "write", file, to: None, before, sum });
    };
    match change {
        Change::WriteFile(write) => {
            for sum in written_by(change)? {
                written(sink, &sum, write.before.as_ref());
            }
        }
        Change::ReplaceSegments(replace) => {
            for (file, before) in replace.before.iter().flat_map(|segment| &segment.files) {
                goes(sink, "replace", file, Some(before));
            }
            for sum in written_by(change)? {
                written(sink, &sum, None);
            }
        }
        Change::FinishReplace(finish) => {
            for (file, before) in &finish.replaced {
                goes(sink, "replace", file, Some(before));
            }
            for (from, to, before) in &finish.renames {
                let (file, to, before) = (&*shown(from), Some(&*shown(to)), Some(before));
                row::change(sink, &ChangeRow { change: "rename", file, to, before, sum: None });
            }
        }
        Change::SetAside(aside) => goes(sink, "setAside", &aside.path, aside.before.as_ref()),
    }
    Ok(())
}

/// The same wherever the command is run.
fn shown(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.to_string_lossy().into_owned()
}

/// Refuses a place where a broker looks.
pub fn check_outside(flag: &str, path: &Path) -> std::result::Result<(), UsageError> {
    // Where partitions were copied to, others may be copied to.
    let marks = if flag == "--to" { &MARKS[..2] } else { &MARKS[..] };
    let is_marked = |directory: &Path| marks.iter().any(|name| directory.join(name).exists());
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let refuse = |what: &str, directory: &Path| {
        let (path, directory) = (path.display(), directory.display());
        Err(UsageError(format!("{flag} {path} would be in {what} {directory}")))
    };
    for directory in absolute.ancestors() {
        if directory.is_dir() && is_partition(directory) {
            return refuse("the partition directory", directory);
        }
        if is_marked(directory) {
            return refuse("the log dir", directory);
        }
    }
    Ok(())
}

fn is_partition(directory: &Path) -> bool {
    PartitionDir::open(directory).is_ok_and(|directory| !directory.segments.is_empty())
}

/// What a broker leaves in a log dir; the last is beside copies as well.
const MARKS: [&str; 3] =
    ["meta.properties", ".kafka_cleanshutdown", "recovery-point-offset-checkpoint"];

/// Writes a plan to a file that is not there yet.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let attributes = Attributes {
        user: rustix::process::geteuid().as_raw(),
        group: rustix::process::getegid().as_raw(),
        mode: 0o644,
        modified: None,
        extended: Vec::new(),
    };
    let image = Image { content: Content::Bytes(bytes), attributes: &attributes };
    put(&RealDisk, path, image, Place::Free(&|_| Ok(()))).map(drop)
}

/// How much longer than it should be a plan is read.
const SLACK_BYTES: u64 = 1 << 20;

/// Reads a plan that should have `expected` bytes.
pub fn read(path: &Path, expected: usize) -> Result<Vec<u8>> {
    let limit = (expected as u64).saturating_add(SLACK_BYTES);
    let mut bytes = Vec::new();
    let read = match path == Path::new(STDIN) {
        true => std::io::stdin().take(limit).read_to_end(&mut bytes),
        false => {
            let file =
                std::fs::File::open(path).map_err(|error| Error::new("opening", path, error));
            file?.take(limit).read_to_end(&mut bytes)
        }
    };
    read.map_err(|error| Error::new("reading", path, error))?;
    Ok(bytes)
}

/// The first thing in which the plan on file and that of now are not the same, as the end of a
/// sentence; `None` when they are.
pub fn difference(there: &[u8], now: &[u8]) -> Option<String> {
    let split = |bytes: &[u8]| -> Vec<Vec<u8>> {
        let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        lines.map(<[u8]>::to_vec).collect()
    };
    let (there, now) = (split(there), split(now));
    for number in 0..there.len().max(now.len()) {
        let difference = match (there.get(number), now.get(number)) {
            (Some(there), Some(now)) if there == now => continue,
            (Some(there), Some(now)) => match (parse(there), parse(now)) {
                (Some(there), Some(now)) => of_rows(&there, &now),
                _ => "it is no line of a plan".to_owned(),
            },
            (None, Some(now)) => {
                format!("{} is not in it", described(&parse(now).unwrap_or_default()))
            }
            (Some(there), None) => match parse(there) {
                Some(there) => format!("{} is no part of the plan now", described(&there)),
                None => "it is no line of a plan".to_owned(),
            },
            (None, None) => return None,
        };
        return Some(format!("line {}: {difference}", number + 1));
    }
    None
}

fn parse(line: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(line) {
        Ok(Value::Object(row)) => Some(row),
        Ok(_) | Err(_) => None,
    }
}

fn text<'a>(row: &'a Map<String, Value>, name: &str) -> &'a str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// `the loss in /data/orders-0/00000000000000000000.log`
fn described(row: &Map<String, Value>) -> String {
    match text(row, "type") {
        "plan" => "what was asked for".to_owned(),
        "directory" => format!("the directory {}", text(row, "path")),
        "leftAlone" => format!("what is left alone in {}", text(row, "file")),
        kind => format!("the {kind} in {}", text(row, "file")),
    }
}

/// Of two rows that are not the same.
fn of_rows(there: &Map<String, Value>, now: &Map<String, Value>) -> String {
    let names = ["type", "file", "path"];
    if names.iter().any(|name| there.get(*name) != now.get(*name)) {
        return format!("{} is there, where now is {}", described(there), described(now));
    }
    let all = there.keys().chain(now.keys());
    let differs = all.into_iter().find(|name| there.get(*name) != now.get(*name));
    let Some(name) = differs else { return "it is written differently".to_owned() };
    let what = match text(now, "type") {
        "fact" => format!("{} is not what it was", text(now, "file")),
        _ => described(now),
    };
    let value = |row: &Map<String, Value>| match row.get(name) {
        Some(value) => value.to_string(),
        None => "not known".to_owned(),
    };
    let (then, is) = (value(there), value(now));
    let with = if then == "true" { "with" } else { "without" };
    match name.as_str() {
        "acceptsSingleBit" => format!("it was made {with} --accept-single-bit"),
        "likeBroker" => format!("it was made {with} --like-broker"),
        "indexIntervalBytes" => format!("it was made with --index-interval-bytes {then}"),
        _ => format!("{what}: {name} is {then} there and {is} now"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use segkit::check::report::Totals;
    use segkit::format::Position;
    use segkit::limits::Limits;
    use segkit::log::image::LogImage;
    use segkit::repair::change::{ReplaceSegments, SegmentAfter, SegmentBefore};
    use segkit::repair::plan::{Action, ActionKind, Loss, Plan};
    use std::sync::Arc;

    const OPTIONS: Options = Options {
        accepts_single_bit: false,
        like_broker: true,
        threads: 1,
        limits: Limits::STANDARD,
        index_interval_bytes: 4096,
    };

    /// Three of six bytes are taken out of a log.
    fn planned(root: &Path) -> Planned {
        let log = root.join("00000000000000000000.log");
        std::fs::write(&log, b"aXXXbc").unwrap();
        let identity = FileIdentity::of(&log).unwrap().unwrap();
        let mut image = LogImage::default();
        image.push(&log, 0..1, Vec::new());
        image.push(&log, 4..6, Vec::new());
        let file: Arc<Path> = Arc::from(log.as_path());
        let range = Position(1)..Position(4);
        let after = SegmentAfter {
            base_offset: segkit::format::Offset(0),
            log: image,
            index: Vec::new(),
            time_index: Vec::new(),
            txn_index: None,
            like: log.clone(),
        };
        let before = SegmentBefore {
            base_offset: segkit::format::Offset(0),
            files: vec![(log.clone(), identity)],
        };
        let replace = ReplaceSegments { before: vec![before], after: vec![after] };
        let plan = Plan {
            directory: root.to_owned(),
            actions: vec![Action {
                kind: ActionKind::DropRange,
                file: Arc::clone(&file),
                range: range.clone(),
                offsets: None,
                reason: "no batch proves them".to_owned(),
                code: Some("unclaimed-bytes"),
            }],
            losses: vec![Loss {
                file,
                range,
                offsets: None,
                records: Some(0),
                is_unfinished: false,
            }],
            left_alone: Vec::new(),
            changes: vec![Change::ReplaceSegments(replace)],
            rests_on: vec![(log, identity)],
        };
        Planned {
            ends: None,
            is_first_step: false,
            plan,
            findings: Vec::new(),
            totals: Totals::default(),
            broker: None,
            bytes_before: 6,
            bytes_after: 3,
            records_after: 0,
            is_complete: true,
            failed: None,
        }
    }

    fn whole(root: &Path) -> Vec<u8> {
        [head(&OPTIONS), lines(&planned(root)).unwrap()].concat()
    }

    #[test]
    fn a_plan_says_all_that_it_rests_on_and_comes_to() {
        let root = tempfile::tempdir().unwrap();
        let text = String::from_utf8(whole(root.path())).unwrap();
        let rows: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let types: Vec<&str> = rows.iter().map(|row| row["type"].as_str().unwrap()).collect();
        let changes = ["change"; 4];
        let expected = [&["plan", "directory", "fact", "action", "loss"][..], &changes].concat();
        assert_eq!(types, expected);
        // SHA-256 of "abc".
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(rows[6]["sha256"], sum);
        assert_eq!((&rows[5]["change"], &rows[6]["change"]), (&"replace".into(), &"write".into()));
        assert_eq!(rows[2]["size"], 6);
        assert!(text.lines().skip(1).all(|line| line.contains(root.path().to_str().unwrap())));
        let mut healthy = planned(root.path());
        healthy.plan = Plan::default();
        assert!(lines(&healthy).unwrap().is_empty());
    }

    #[test]
    fn the_first_difference_is_named() {
        let root = tempfile::tempdir().unwrap();
        let now = whole(root.path());
        assert_eq!(difference(&now, &now), None);
        let file = root.path().join("00000000000000000000.log");
        let file = file.display();
        let said = |from: &str, to: &str| {
            let there = String::from_utf8(now.clone()).unwrap();
            let there = there.replacen(from, to, 1);
            difference(there.as_bytes(), &now).unwrap()
        };
        assert_eq!(
            said("\"likeBroker\":true", "\"likeBroker\":false"),
            "line 1: it was made without --like-broker"
        );
        assert_eq!(
            said("\"size\":6", "\"size\":7"),
            format!("line 3: {file} is not what it was: size is 7 there and 6 now")
        );
        assert_eq!(
            said("sha256\":\"ba78", "sha256\":\"0000"),
            format!(
                "line 7: the change in {file}: sha256 is \
                 \"000016bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\" there and \
                 \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\" now"
            )
        );
        assert_eq!(said("{\"type\":\"loss\"", "loss"), "line 5: it is no line of a plan");
        let shorter = now.len() - 10;
        let there = now.get(..shorter).unwrap();
        assert_eq!(difference(there, &now).unwrap(), "line 9: it is no line of a plan");
        let first = now.split_inclusive(|&byte| byte == b'\n').next().unwrap();
        let directory = root.path().display();
        assert_eq!(
            difference(first, &now).unwrap(),
            format!("line 2: the directory {directory} is not in it")
        );
        assert_eq!(
            difference(&now, first).unwrap(),
            format!("line 2: the directory {directory} is no part of the plan now")
        );
    }

    /// Each bit of a plan on file counts.
    #[test]
    fn no_changed_byte_goes_unseen() {
        let root = tempfile::tempdir().unwrap();
        let now = whole(root.path());
        for at in 0..now.len() {
            let mut there = now.clone();
            *there.get_mut(at).unwrap() ^= 1;
            assert!(difference(&there, &now).is_some(), "byte {at}");
        }
    }

    #[test]
    fn a_plan_is_not_written_where_a_broker_looks_nor_over_a_file() {
        let root = tempfile::tempdir().unwrap();
        let partition = root.path().join("orders-0");
        std::fs::create_dir(&partition).unwrap();
        planned(&partition);
        let check = |path: &Path| check_outside("--plan", path).is_ok();
        assert!(!check(&partition.join("plan.json")));
        assert!(!check(&partition.join("new/plan.json")));
        assert!(check(&root.path().join("plan.json")));
        std::fs::write(root.path().join("meta.properties"), "").unwrap();
        assert!(!check(&root.path().join("plan.json")));
        let outside = tempfile::tempdir().unwrap();
        let file = outside.path().join("plan.json");
        assert!(check(&file));
        write(&file, b"one").unwrap();
        assert!(write(&file, b"two").is_err());
        assert_eq!(read(&file, 3).unwrap(), b"one");
    }
}
