//! `seg` in the place of `kafka-dump-log`, against what the real tool answered to the same words.
//!
//! `testdata/expected/drop-in.tsv` has a line for each of its command lines: a category, how many
//! bytes it printed on stdout, the start of their SHA-256, and the words. No Java runs here;
//! `tests/kafka/drop-in` does the same with the real tool beside it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use common::{Run, in_parallel, seg, testdata};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

/// How an answer may differ from that of the real tool.
struct Category {
    name: &'static str,
    /// Why it does.
    reason: &'static str,
    stdout: Stdout,
    /// Bits that the exit status has to have, and such that it may have.
    status: (i32, i32),
}

#[derive(Clone, Copy, PartialEq)]
enum Stdout {
    /// The same bytes.
    Same,
    /// The same up to where the real tool stopped.
    GoesOn,
    /// Not compared.
    Other,
}

const CATEGORIES: [Category; 9] = [
    Category {
        name: "same",
        reason: "nothing differs; the status is 0 and nothing is found to be wrong",
        stdout: Stdout::Same,
        status: (0, 0),
    },
    Category {
        name: "usage",
        reason: "the real tool ends with 1 and a stack trace, some of it behind the first line of \
                 its answer; seg says what is wrong before anything else, and ends with 64",
        stdout: Stdout::Other,
        status: (64, 0),
    },
    Category {
        name: "help",
        reason: "the real tool prints its help on stderr and ends with 1",
        stdout: Stdout::Other,
        status: (0, 0),
    },
    Category {
        name: "insane",
        reason: "an index that a broker would build anew ends the real tool; the files behind it \
                 are not dumped",
        stdout: Stdout::GoesOn,
        status: (1, 3),
    },
    Category {
        name: "unreadable",
        reason: "a file that is not there ends the real tool, or is made by it",
        stdout: Stdout::GoesOn,
        status: (2, 3),
    },
    Category {
        name: "not-there",
        reason: "the real tool takes a directory for an unknown file, and a .txnindex that is not \
                 there for an empty one, and ends with 0",
        stdout: Stdout::Same,
        status: (2, 3),
    },
    Category {
        name: "too-short",
        reason: "a key or a value that is too short for its decoder ends the real tool; seg leaves \
                 it out and says how many",
        stdout: Stdout::GoesOn,
        status: (2, 3),
    },
    Category {
        name: "defect",
        reason: "the real tool dies of healthy files: of the zeros behind a preallocated log, and \
                 of an index entry that leads to the end of the log",
        stdout: Stdout::GoesOn,
        status: (0, 3),
    },
    Category {
        name: "no-key",
        reason: "a record without a key ends the real tool where a topic's decoder wants one; seg \
                 prints what it has",
        stdout: Stdout::GoesOn,
        status: (0, 3),
    },
];

/// A line of the list.
struct Row {
    category: &'static Category,
    bytes: usize,
    sha256: String,
    words: Vec<String>,
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(testdata().join("expected/drop-in.tsv")).unwrap();
    let row = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        Row {
            category: CATEGORIES.iter().find(|category| category.name == fields[0]).unwrap(),
            bytes: fields[1].parse().unwrap(),
            sha256: fields[2].to_owned(),
            words: fields[3..].iter().map(|word| (*word).to_owned()).collect(),
        }
    };
    text.lines().map(row).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// What is wrong with an answer.
fn judge(row: &Row, ours: &Run) -> Option<String> {
    let (must, may) = row.category.status;
    if ours.status & must != must || ours.status & !(must | may) != 0 {
        return Some(format!("status {}: {}", ours.status, ours.stderr));
    }
    if ours.status != 0 && ours.stderr.is_empty() {
        return Some(format!("no word about status {}", ours.status));
    }
    let same_length = ours.stdout.len() == row.bytes;
    let is_same = match row.category.stdout {
        Stdout::Other => row.category.name == "help" || ours.stdout.is_empty(),
        Stdout::Same => same_length && sha256(&ours.stdout) == row.sha256,
        Stdout::GoesOn => {
            ours.stdout.get(..row.bytes).is_some_and(|start| sha256(start) == row.sha256)
        }
    };
    if !is_same {
        return Some(format!("stdout: {}", String::from_utf8_lossy(&ours.stdout)));
    }
    let is_noise = |line: &str| {
        line.starts_with("Ignoring unknown file") || line.starts_with("seg: passing over")
    };
    let found = row.category.name == "same" && !ours.stderr.lines().all(is_noise);
    found.then(|| format!("stderr: {}", ours.stderr))
}

#[test]
fn answers_are_those_of_the_real_tool() {
    let rows = rows();
    let failures = Mutex::new(Vec::new());
    in_parallel(&rows, |row| {
        let words = std::iter::once("kafka-dump-log").chain(row.words.iter().map(String::as_str));
        let ours = seg(&testdata(), &words.collect::<Vec<_>>());
        if let Some(failure) = judge(row, &ours) {
            let (words, category) = (row.words.join(" "), row.category.name);
            failures.lock().unwrap().push(format!("{words} ({category}): {failure}"));
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), rows.len(), {
        failures[..failures.len().min(10)].join("\n")
    });
}

/// Nothing of what may differ is allowed for nothing, and every flag is among the command lines.
#[test]
fn every_category_and_every_flag_is_among_them() {
    let rows = rows();
    for category in &CATEGORIES {
        let found = rows.iter().any(|row| row.category.name == category.name);
        assert!(found, "{}: {}", category.name, category.reason);
    }
    let same = rows.iter().filter(|row| row.category.stdout == Stdout::Same && row.bytes > 0);
    assert!(same.count() > rows.len() / 2);
    for flag in [
        "--files",
        "--print-data-log",
        "--deep-iteration",
        "--skip-record-metadata",
        "--verify-index-only",
        "--index-sanity-check",
        "--max-bytes",
        "--max-message-size",
        "--offsets-decoder",
        "--transaction-log-decoder",
        "--cluster-metadata-decoder",
        "--share-group-state-decoder",
        "--key-decoder-class",
        "--value-decoder-class",
        "--version",
        "--help",
    ] {
        let is = |word: &String| word.split('=').next() == Some(flag);
        assert!(rows.iter().any(|row| row.words.iter().any(is)), "{flag}");
    }
}

/// The dumps whose whole text is kept, with the flags of the tool.
#[test]
fn whole_texts_are_those_of_the_real_tool() {
    let kept = testdata().join("expected/dump-log");
    let manifest = fs::read_to_string(kept.join("manifest.tsv")).unwrap();
    let rows: Vec<Vec<&str>> = manifest.lines().map(|line| line.split('\t').collect()).collect();
    in_parallel(&rows, |row| {
        let flags = row[0].split_whitespace();
        let words = ["kafka-dump-log"].into_iter().chain(flags).chain(["--files", row[1]]);
        let ours = seg(&testdata(), &words.collect::<Vec<_>>());
        let theirs = if row[2] == "-" { Vec::new() } else { fs::read(kept.join(row[2])).unwrap() };
        let (ours, theirs) =
            (String::from_utf8_lossy(&ours.stdout), String::from_utf8_lossy(&theirs).into_owned());
        match row[4] {
            "0" => assert_eq!(ours, theirs, "{row:?}"),
            _ => assert!(ours.starts_with(&theirs), "{row:?}"),
        }
    });
    assert!(rows.len() > 30);
}

fn called(name: &Path, words: &[&str]) -> Run {
    let run = || Command::new(name).args(words).current_dir(testdata()).output();
    // A copy that was just written is busy while a child that another test has started still holds
    // the descriptor that it was written through.
    let mut output = run();
    while output.as_ref().is_err_and(|error| error.kind() == ErrorKind::ExecutableFileBusy) {
        std::thread::sleep(std::time::Duration::from_millis(10));
        output = run();
    }
    let output = output.unwrap();
    Run {
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
        status: output.status.code().unwrap(),
    }
}

#[test]
fn it_is_the_tool_by_any_of_its_names() {
    let place = tempfile::tempdir().unwrap();
    let link = |name: &str| {
        let path = place.path().join(name);
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_seg"), &path).unwrap();
        path
    };
    let log = "kafka-4.3.1/txn-0/00000000000000000000.log";
    let words = ["--max-bytes", "2000", "--print-data-log", "--files", log];
    let expected = seg(&testdata(), &[&["kafka-dump-log"], &words[..]].concat());
    assert_eq!(expected.status, 0);
    assert!(expected.stdout.starts_with(format!("Dumping {log}\nLog starting").as_bytes()));
    for name in ["kafka-dump-log", "kafka-dump-log.sh"] {
        let run = called(&link(name), &words);
        assert_eq!((run.status, &run.stdout), (0, &expected.stdout), "{name}: {}", run.stderr);
    }
    let copy = place.path().join("copy");
    fs::create_dir(&copy).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_seg"), copy.join("kafka-dump-log.sh")).unwrap();
    assert_eq!(called(&copy.join("kafka-dump-log.sh"), &words).stdout, expected.stdout);
    let script = link("kafka-run-class.sh");
    for class in ["kafka.tools.DumpLogSegments", "org.apache.kafka.tools.DumpLogSegments"] {
        let run = called(&script, &[&[class], &words[..]].concat());
        assert_eq!((run.status, &run.stdout), (0, &expected.stdout), "{class}: {}", run.stderr);
    }
    for words in [&[][..], &["kafka.Kafka", "server.properties"], &["--help"]] {
        let run = called(&script, words);
        assert_eq!((run.status, run.stdout.len(), run.stderr.lines().count()), (64, 0, 1));
        assert!(run.stderr.contains("DumpLogSegments"), "{}", run.stderr);
    }
    // What makes no sense is answered in the tool's own words, not those of another command.
    for words in [
        &["--fils", log][..],
        &[log],
        &["-files", log, "-max-bytes", "ten"],
        &["-files", log, "-print-data-logs"],
        &["verify", log],
    ] {
        for run in [
            called(&place.path().join("kafka-dump-log"), words),
            called(&script, &[&["kafka.tools.DumpLogSegments"], words].concat()),
            seg(&testdata(), &[&["kafka-dump-log"], words].concat()),
        ] {
            assert_eq!((run.status, run.stdout.len(), run.stderr.lines().count()), (64, 0, 1));
            let next = ["; seg kafka-dump-log --help says more\n", "; use: seg kafka-dump-log "];
            let is_said = next.iter().any(|next| run.stderr.contains(next));
            assert!(is_said, "{words:?}: {}", run.stderr);
        }
    }
    // By its own name it is itself.
    assert_eq!(called(&link("seg"), &["--version"]).status, 0);
}

/// Damage is found and said, and a file behind it is dumped all the same.
#[test]
fn damage_is_said_and_no_reason_to_stop() {
    let place = tempfile::tempdir().unwrap();
    let partition = place.path().join("txn-0");
    common::copy_files(&testdata().join("kafka-4.3.1/txn-0"), &partition);
    let name = |end: &str| format!("txn-0/00000000000000000000.{end}");
    let change = |end: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(place.path().join(name(end))).unwrap();
        change(&mut bytes);
        fs::write(place.path().join(name(end)), bytes).unwrap();
    };
    let dump = |flag: &str, end: &str| {
        let files = format!("{},{}", name(end), "txn-0/00000000000000000147.snapshot");
        let words = ["kafka-dump-log", flag, "--files", &files];
        let run = seg(place.path(), &words);
        let text = String::from_utf8(run.stdout).unwrap();
        assert!(text.contains("\nproducerId: "), "{flag} {end}: {text}");
        (run.status, text, run.stderr)
    };
    // An entry of each index that says something else than the log.
    for end in ["index", "timeindex"] {
        change(end, &|bytes| {
            let middle = bytes.len() / 24 * 12;
            bytes[middle - 9] ^= 1;
        });
        let (status, text, stderr) = dump("--verify-index-only", end);
        assert_eq!(status, 1, "{end}: {stderr}");
        assert_eq!(text.lines().filter(|line| line.starts_with("Dumping")).count(), 2);
        assert!(stderr.contains(&name(end)) && stderr.contains("index-"), "{stderr}");
        assert!(!text.contains("\noffset: ") && !text.contains("\ntimestamp: "), "{text}");
    }
    // Half an entry more than there are.
    change("index", &|bytes| bytes.extend([0; 4]));
    let (status, text, stderr) = dump("--index-sanity-check", "index");
    assert_eq!(status, 1, "{stderr}");
    assert!(!text.contains("passed") && stderr.contains("no multiple of 8"), "{text}{stderr}");
    // A batch of the log, and its end.
    change("log", &|bytes| bytes[70] ^= 1);
    let (status, text, stderr) = dump("--deep-iteration", "log");
    assert!(status == 1 && text.contains("isvalid: false"), "{status} {stderr}");
    assert!(stderr.contains("batch-crc"), "{stderr}");
    change("log", &|bytes| bytes.truncate(bytes.len() - 5));
    let log = fs::read(place.path().join(name("log"))).unwrap();
    let (_, text, stderr) = dump("--print-data-log", "log");
    assert!(text.contains(" invalid bytes at the end of 00000000000000000000.log\n"), "{stderr}");
    // Zeros in which no header fits.
    fs::write(place.path().join(name("log")), [0; 17]).unwrap();
    let (_, text, _) = dump("--deep-iteration", "log");
    assert!(text.contains("\nFound 17 invalid bytes at the end of"), "{text}");
    // What is asked for ends before the damage.
    change("log", &|bytes| *bytes = log.clone());
    change("log", &|bytes| bytes[70] ^= 1);
    let (status, text, stderr) = dump("--max-bytes=3000", "log");
    assert!(status == 0 && stderr.is_empty() && !text.contains("invalid bytes"), "{stderr}");
}

/// The real tool makes an index that it does not find.
#[test]
fn nothing_is_made() {
    let place = tempfile::tempdir().unwrap();
    common::copy_files(&testdata().join("kafka-4.3.1/txn-0"), place.path());
    for end in ["index", "timeindex"] {
        fs::remove_file(place.path().join(format!("00000000000000000000.{end}"))).unwrap();
    }
    let before = common::entries(place.path());
    for end in ["index", "timeindex", "log"] {
        let file = format!("00000000000000000000.{end}");
        let run = seg(place.path(), &["kafka-dump-log", "--files", &file]);
        assert_eq!(run.status, if end == "log" { 0 } else { 2 }, "{}", run.stderr);
    }
    assert_eq!(common::entries(place.path()), before);
}

#[test]
fn what_is_not_supported_is_refused() {
    let log = "kafka-4.3.1/txn-0/00000000000000000000.log";
    for flag in ["--remote-log-metadata-decoder", "--value-decoder-class=com.example.Avro"] {
        let run = seg(&testdata(), &["kafka-dump-log", flag, "--files", log]);
        assert_eq!((run.status, run.stdout.len()), (64, 0), "{flag}: {}", run.stderr);
        assert!(run.stderr.contains("seg dump"), "{}", run.stderr);
    }
    // The one that is looked at first decides, in the real tool too.
    let flags = ["--offsets-decoder", "--remote-log-metadata-decoder"];
    let run = seg(&testdata(), &["kafka-dump-log", flags[0], flags[1], "--files", log]);
    assert_eq!(run.status, 0, "{}", run.stderr);
}
