//! `seg dump --format kafka` against what the real `kafka-dump-log` printed, byte for byte.
//!
//! `testdata/expected/dump-log/manifest.tsv` lists what was run: flags, file, what it printed on
//! stdout and stderr, exit status. The test that is ignored does the same with every dump of a
//! directory made elsewhere: `SEG_CONFORMANCE_DIR=DIR cargo test --test dump_log -- --ignored`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use common::{Run, in_parallel, seg, testdata};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What `seg dump` does not do: dumps with these flags are left out.
const LEFT_OUT: [(&str, &str); 7] = [
    ("--share-group-state-decoder", "records of __share_group_state are shown as they are"),
    ("--cluster-metadata-decoder", "records of __cluster_metadata are shown as they are"),
    ("--remote-log-metadata-decoder", "records of __remote_log_metadata are shown as they are"),
    ("--verify-index-only", "a dump shows, it does not compare an index with its log"),
    ("--index-sanity-check", "a dump shows, it does not compare an index with its log"),
    ("--skip-record-metadata", "records are shown with what is known about them"),
    ("--deep-iteration", "without --print-data-log: there are no records without their values"),
];

/// What the real tool gets wrong. Where one is to be seen the real tool ended with this exception
/// and exit status 1; `seg` prints the same up to there, goes on, and ends with 0.
const DEFECTS: [Defect; 4] = [
    Defect {
        name: "a preallocated log is a corrupt one: the zeros behind its last batch",
        is_met: |row, root| row.ends(".log") && has_zero_tail(&row.log(root)),
        says: RECORD_SIZE_0,
        is_in_testdata: true,
    },
    Defect {
        name: "the dump of a time index reads the log to its end, and so stumbles over the same",
        is_met: |row, root| {
            row.ends(".timeindex")
                && has_zero_tail(&row.log(root))
                && fs::metadata(root.join(&row.file)).unwrap().len() > 0
        },
        says: RECORD_SIZE_0,
        is_in_testdata: true,
    },
    Defect {
        name: "an index that was never written to leads into the zeros of a preallocated log",
        is_met: |row, root| {
            row.ends(".index") && has_zero_tail(&row.log(root)) && leads_behind_log(row, root)
        },
        says: RECORD_SIZE_0,
        is_in_testdata: false,
    },
    Defect {
        name: "an entry of an index that leads to the end of the log",
        is_met: |row, root| {
            row.ends(".index") && !has_zero_tail(&row.log(root)) && leads_behind_log(row, root)
        },
        says: "java.util.NoSuchElementException",
        is_in_testdata: false,
    },
];

const RECORD_SIZE_0: &str =
    "CorruptRecordException: Found record size 0 smaller than minimum record overhead";

struct Defect {
    name: &'static str,
    is_met: fn(&Row, &Path) -> bool,
    says: &'static str,
    /// Whether one of the dumps that are kept has to show it; else only a conformance run may.
    is_in_testdata: bool,
}

/// A line of the manifest.
struct Row {
    flags: String,
    file: String,
    stdout: Vec<u8>,
    stderr: String,
    status: i32,
}

impl Row {
    fn ends(&self, end: &str) -> bool {
        self.file.ends_with(end)
    }

    /// The log that the file belongs to.
    fn log(&self, root: &Path) -> PathBuf {
        root.join(&self.file).with_extension("log")
    }
}

/// True for a log that ends in more than a header's worth of zeros, where no batch of one ends.
fn has_zero_tail(log: &Path) -> bool {
    let Ok(bytes) = fs::read(log) else { return false };
    let end = common::batches::frames(&bytes).last().map_or(0, common::batches::Frame::end);
    bytes.len() > end + 17 && bytes[end..].iter().all(|&byte| byte == 0)
}

/// True when the first entry of an offset index stands for a position behind the last batch.
fn leads_behind_log(row: &Row, root: &Path) -> bool {
    let index = fs::read(root.join(&row.file)).unwrap();
    let Some(position) = index.get(4..8) else { return false };
    let position = u32::from_be_bytes(position.try_into().unwrap()) as usize;
    let log = fs::read(row.log(root)).unwrap();
    let frames = common::batches::frames(&log);
    position >= frames.last().map_or(0, common::batches::Frame::end)
}

fn manifest(root: &Path) -> Vec<Row> {
    let outputs = root.join("expected/dump-log");
    let path = outputs.join("manifest.tsv");
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let output = |name: &str| match name {
        "-" => Vec::new(),
        name => fs::read(outputs.join(name)).unwrap(),
    };
    let row = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        assert_eq!(fields.len(), 5, "{line}");
        Row {
            flags: fields[0].to_owned(),
            file: fields[1].to_owned(),
            stdout: output(fields[2]),
            stderr: String::from_utf8_lossy(&output(fields[3])).into_owned(),
            status: fields[4].parse().unwrap(),
        }
    };
    text.lines().map(row).collect()
}

/// The same dump, asked of `seg`; `None` for one that is left out.
fn arguments(row: &Row) -> Option<Vec<&str>> {
    let mut arguments = vec!["dump", "--format", "kafka"];
    for flag in row.flags.split_whitespace() {
        match flag {
            "--print-data-log" => arguments.push("-r"),
            "--offsets-decoder" => arguments.extend(["-r", "--decode", "consumer-offsets"]),
            "--transaction-log-decoder" => {
                arguments.extend(["-r", "--decode", "transaction-state"]);
            }
            flag if LEFT_OUT.iter().any(|(name, _)| *name == flag) => return None,
            flag => panic!("the manifest has a flag that nothing here knows: {flag}"),
        }
    }
    arguments.push(&row.file);
    Some(arguments)
}

/// What was compared.
#[derive(Default)]
struct Tally {
    files: usize,
    lines: usize,
    left_out: usize,
    defects: [usize; DEFECTS.len()],
    failures: Vec<String>,
}

fn compare(root: &Path) -> Tally {
    let tally = Mutex::new(Tally::default());
    in_parallel(&manifest(root), |row| {
        let Some(arguments) = arguments(row) else {
            tally.lock().unwrap().left_out += 1;
            return;
        };
        let defects: Vec<usize> =
            (0..DEFECTS.len()).filter(|&at| (DEFECTS[at].is_met)(row, root)).collect();
        let ours = seg(root, &arguments);
        let failure = judge(row, &ours, defects.first().map(|&at| &DEFECTS[at]));
        let mut tally = tally.lock().unwrap();
        tally.files += 1;
        tally.lines += lines(&row.stdout);
        defects.iter().for_each(|&at| tally.defects[at] += 1);
        let what = |failure| format!("{} {}: {failure}", row.flags, row.file);
        tally.failures.extend(failure.map(what));
    });
    tally.into_inner().unwrap()
}

/// What is wrong with our dump, or with what is believed about the real one.
fn judge(row: &Row, ours: &Run, defect: Option<&Defect>) -> Option<String> {
    if ours.status != 0 || !ours.stderr.is_empty() {
        return Some(format!("seg ends with {}: {}", ours.status, ours.stderr));
    }
    let same = match defect {
        Some(_) => ours.stdout.starts_with(&row.stdout),
        None => ours.stdout == row.stdout,
    };
    if !same {
        return Some(difference(&row.stdout, &ours.stdout));
    }
    match defect {
        None if row.status != 0 => {
            Some(format!("the real tool ended with {}: {}", row.status, row.stderr))
        }
        Some(defect) if row.status != 1 || !row.stderr.contains(defect.says) => Some(format!(
            "the real tool no longer shows this defect: {}. It ended with {}: {}",
            defect.name, row.status, row.stderr
        )),
        _ => None,
    }
}

fn lines(text: &[u8]) -> usize {
    text.split_inclusive(|&byte| byte == b'\n').count()
}

fn difference(theirs: &[u8], ours: &[u8]) -> String {
    let split = |text| -> Vec<String> {
        String::from_utf8_lossy(text).split('\n').map(ToOwned::to_owned).collect()
    };
    let (theirs, ours) = (split(theirs), split(ours));
    let at = (0..).find(|&at| theirs.get(at) != ours.get(at)).unwrap();
    let line = |lines: &[String]| lines.get(at).cloned().unwrap_or_else(|| "(the end)".to_owned());
    format!("line {}\n  kafka {}\n  seg   {}", at + 1, line(&theirs), line(&ours))
}

fn assert_equal(tally: &Tally) {
    let failures = &tally.failures;
    assert!(failures.is_empty(), "{} of {} dumps differ:\n{}", failures.len(), tally.files, {
        failures[..failures.len().min(20)].join("\n")
    });
}

#[test]
fn dumps_are_those_of_kafka_byte_for_byte() {
    let tally = compare(&testdata());
    assert_equal(&tally);
    assert!(tally.files > 0 && tally.lines > tally.files, "nothing was compared");
    for (defect, met) in DEFECTS.iter().zip(tally.defects).filter(|(d, _)| d.is_in_testdata) {
        assert!(met > 0, "no file of testdata shows this defect any more: {}", defect.name);
    }
}

/// The real tool calls every segment out of order that does not begin at offset 0; that the dumps
/// of `seg` say nothing on stderr is compared with every dump.
#[test]
fn the_real_tool_has_false_alarms_on_stderr() {
    let rows = manifest(&testdata());
    let alarms = rows.iter().filter(|row| {
        row.status == 0
            && row.stderr.contains("Non-consecutive")
            && row.stderr.contains("\n  -1 is")
    });
    assert!(alarms.count() > 0, "the real tool has no false alarms any more");
}

/// Every kind of file and every flag that `seg` answers to is among the dumps that are kept.
#[test]
fn the_manifest_has_every_kind() {
    let rows = manifest(&testdata());
    let has = |flag: &str, end: &str| rows.iter().any(|row| row.flags == flag && row.ends(end));
    for end in [".log", ".index", ".timeindex", ".txnindex", ".snapshot"] {
        assert!(has("", end), "no dump of a {end}");
    }
    for flag in ["--print-data-log", "--offsets-decoder", "--transaction-log-decoder"] {
        assert!(has(flag, ".log"), "no dump with {flag}");
    }
}

#[test]
#[ignore = "wants a directory of real dumps in SEG_CONFORMANCE_DIR"]
fn conformance() {
    let root = std::env::var_os("SEG_CONFORMANCE_DIR").expect("SEG_CONFORMANCE_DIR is not set");
    let tally = compare(Path::new(&root));
    let summary = format!(
        "{} dumps compared, {} lines; {} left out; {} with a known defect",
        tally.files,
        tally.lines,
        tally.left_out,
        tally.defects.iter().sum::<usize>()
    );
    writeln!(std::io::stderr(), "{summary}").unwrap();
    assert_equal(&tally);
    assert!(tally.files > 0 && tally.lines > 0, "nothing was compared");
}
