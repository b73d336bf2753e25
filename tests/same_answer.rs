//! The answer of `seg verify` depends on the files, not on how they are read: on no number of
//! threads, on neither way to come by bytes. And what a look leaves out, it says.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod common;

use common::batches::frames;
use common::{Random, Run, files_ending, partitions, seg, testdata};
use segkit::check::Problem;
use segkit::check::batches::{LogContext, damage_finding};
use segkit::limits::Limits;
use segkit::log::FileBytes;
use segkit::log::runs::{Bounds, Piece, Scanner};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;

/// Batches of a real log over and over, with offsets that go on rising.
fn long_log(bytes: usize) -> Vec<u8> {
    static LOG: OnceLock<Vec<u8>> = OnceLock::new();
    let whole = LOG.get_or_init(|| {
        let partition = testdata().join("kafka-4.3.1/lookup-0");
        let source = fs::read(&files_ending(&partition, ".log")[0]).unwrap();
        let (mut log, mut next) = (Vec::new(), 0_i64);
        while log.len() < 24 << 20 {
            for frame in frames(&source) {
                let start = log.len();
                log.extend_from_slice(&source[frame.position..frame.end()]);
                log[start..start + 8].copy_from_slice(&next.to_be_bytes());
                let delta = i32::from_be_bytes(log[start + 23..start + 27].try_into().unwrap());
                next += i64::from(delta) + 1;
            }
        }
        log
    });
    let end = frames(whole).iter().map(common::batches::Frame::end).find(|end| *end >= bytes);
    whole[..end.unwrap()].to_vec()
}

struct Place {
    temp: TempDir,
}

impl Place {
    fn with(log: &[u8]) -> Self {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("t-0")).unwrap();
        let place = Self { temp };
        fs::write(place.log(), log).unwrap();
        place
    }

    fn path(&self) -> &Path {
        self.temp.path()
    }

    fn log(&self) -> PathBuf {
        self.path().join("t-0/00000000000000000000.log")
    }
}

/// The answer in both forms without what time it took.
fn answer(directory: &Path, path: &str, more: &[&str]) -> (i32, Vec<u8>) {
    let arguments = [&["verify", "-v", "--format", "json", path], more].concat();
    let run = seg(directory, &arguments);
    assert_eq!(run.stderr, "");
    let text = String::from_utf8(run.stdout).unwrap();
    let (rows, last) = text.trim_end().rsplit_once('\n').unwrap_or(("", text.trim_end()));
    let mut summary: Value = serde_json::from_str(last).unwrap();
    assert!(summary["seconds"].is_f64());
    summary.as_object_mut().unwrap().remove("seconds");
    (run.status, format!("{rows}\n{summary}").into_bytes())
}

fn same_for_all(directory: &Path, path: &str, more: &[&str]) -> (i32, Vec<u8>) {
    let first = answer(directory, path, &[more, &["--threads", "1"]].concat());
    for threads in ["2", "5"] {
        let other = answer(directory, path, &[more, &["--threads", threads]].concat());
        assert!(first == other, "{path} {more:?}: {threads} threads give another answer");
    }
    first
}

#[test]
fn real_files_give_one_answer() {
    let read = same_for_all(&testdata(), ".", &[]);
    assert_eq!(read.0, 0);
    assert!(read.1.len() > 10_000);
    assert!(same_for_all(&testdata(), ".", &["--mmap"]) == read, "mapped files differ");
    assert_eq!(same_for_all(&testdata(), ".", &["--headers"]).0, 0);
}

/// Damage of every kind, in several runs and where one ends and the next begins.
fn spoil(log: &mut Vec<u8>) {
    const RUN: usize = 4 << 20;
    let frames = frames(log);
    let at = |position: usize| *frames.iter().find(|frame| frame.end() > position).unwrap();
    let mut random = Random::new(7);
    for run in 0..log.len() / RUN {
        let middle = at(run * RUN + RUN / 2);
        log[middle.position + 70] ^= 1;
        // Lengths that lead out of the batch, right before a run's end and right behind it.
        for position in [(run + 1) * RUN - 1, (run + 1) * RUN + 1500] {
            if position < log.len() {
                let frame = at(position);
                log[frame.position + 10] ^= 0x3f;
            }
        }
        let zeroed = (run * RUN + RUN / 4).next_multiple_of(512);
        log[zeroed..zeroed + 2048].fill(0);
        let noise = random.bytes(70_000);
        let start = run * RUN + RUN / 3;
        log[start..start + noise.len()].copy_from_slice(&noise);
        let moved = at(run * RUN + RUN / 5);
        log[moved.position + 6] ^= 1;
    }
    // A stretch gone, and an end in the middle of a batch.
    log.drain(9_000_000..9_100_000);
    log.pop();
}

/// An index that leads nowhere, or into the middle of batches.
fn lying_index(log: &[u8]) -> Vec<u8> {
    let mut random = Random::new(3);
    let mut index = Vec::new();
    let mut position = 0;
    for number in 1_i32.. {
        position += random.below(40_000) + 1;
        if position > log.len() + 1_000_000 {
            break;
        }
        index.extend((number * 10).to_be_bytes());
        index.extend(u32::try_from(position).unwrap().to_be_bytes());
    }
    index
}

#[test]
fn a_damaged_log_of_many_runs_gives_one_answer() {
    let mut log = long_log(22 << 20);
    spoil(&mut log);
    let place = Place::with(&log);
    let read = same_for_all(place.path(), "t-0", &[]);
    assert_eq!(read.0, 1);
    let codes = String::from_utf8(read.1.clone()).unwrap();
    for code in ["batch-crc", "batch-length", "sector-zeroed", "offset-goes-back", "torn-tail"] {
        assert!(codes.contains(&format!("\"{code}\"")), "{code}: {codes}");
    }
    assert!(same_for_all(place.path(), "t-0", &["--mmap"]) == read, "mapped files differ");
    let headers = same_for_all(place.path(), "t-0", &["--headers"]);
    assert_eq!(headers.0, 1);

    // What an index says about where runs may begin changes nothing that is said of the log.
    let of_log = |answer: &[u8]| -> Vec<Value> {
        let text = String::from_utf8(answer.to_vec()).unwrap();
        let lines = text.lines().filter(|line| line.contains("00000.log\""));
        let mut rows: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
        for row in &mut rows {
            // A broker does one thing where there is an index, and another where there is none.
            row.as_object_mut().unwrap().remove("broker");
        }
        rows
    };
    fs::write(place.log().with_extension("index"), lying_index(&log)).unwrap();
    let beside_lies = same_for_all(place.path(), "t-0", &[]);
    assert_eq!(of_log(&beside_lies.1), of_log(&read.1));
}

/// The rows of one type, and the summary.
fn rows(run: &Run) -> (Vec<Value>, Value) {
    (run.rows_of("finding"), run.rows_of("summary").pop().unwrap())
}

#[test]
fn a_look_at_headers_finds_framing_and_says_what_it_left() {
    let log = long_log(9 << 20);
    let frames = frames(&log);
    let place = Place::with(&log);
    let look = ["verify", "--format", "json", "-v", "--headers", "t-0"];
    let (_, summary) = rows(&seg(place.path(), &look));
    // Sixty-one bytes of a batch are looked at.
    let left = log.len() - 61 * frames.len();
    assert_eq!(summary["unread"], left);
    assert_eq!(summary["bytes"], log.len());
    assert_eq!(seg(place.path(), &look).status, 1, "no index where many entries are due");
    let text = seg(place.path(), &["verify", "--headers", "t-0"]);
    assert!(String::from_utf8(text.stdout).unwrap().contains("not read"));

    let middle = frames[frames.len() / 2];
    let spoilt = |change: &dyn Fn(&mut [u8])| {
        let mut log = log.clone();
        change(&mut log[middle.position..middle.end()]);
        fs::write(place.log(), log).unwrap();
        let (rows, _) = rows(&seg(place.path(), &look));
        let in_log = |row: &Value| row["file"].as_str().unwrap().ends_with(".log");
        let is_serious = |row: &&Value| in_log(row) && row["severity"] != "note";
        let place = |row: &Value| {
            let number = |name: &str| row[name].as_u64().unwrap() as usize;
            (row["code"].as_str().unwrap().to_owned(), number("position"), number("length"))
        };
        rows.iter().filter(is_serious).map(place).collect::<Vec<_>>()
    };
    let whole = |code: &str| vec![(code.to_owned(), middle.position, middle.size)];
    assert_eq!(spoilt(&|batch| batch[8..12].fill(0)), whole("batch-length"));
    // One that leads into the middle of another batch is noticed there.
    assert_eq!(spoilt(&|batch| batch[10] ^= 0x40).len(), 1);
    assert_eq!(spoilt(&|batch| batch[16] = 9), whole("batch-magic"));
    let moved = spoilt(&|batch| batch[5] ^= 1);
    assert!(moved.iter().any(|row| row.0 == "offset-goes-back" || row.0 == "offset-gap"));
    // A spoilt value is no header's business.
    assert_eq!(spoilt(&|batch| *batch.last_mut().unwrap() ^= 2), []);
}

#[test]
fn what_a_time_limit_left_is_listed_to_the_last_byte() {
    let (log, second) = (long_log(20 << 20), long_log(1 << 20));
    let place = Place::with(&log);
    fs::create_dir(place.path().join("u-0")).unwrap();
    fs::write(place.path().join("u-0/00000000000000000000.log"), &second).unwrap();
    for threads in ["1", "2"] {
        let limit = ["--max-duration", "0s", "--threads", threads];
        let look = ["verify", "--format", "json", "-v", "t-0", "u-0"];
        let run = seg(place.path(), &[&look[..], &limit].concat());
        assert_eq!(run.status & 2, 2);
        let (rows, summary) = rows(&run);
        let mut left: BTreeMap<&str, u64> = BTreeMap::new();
        for row in rows.iter().filter(|row| row["code"] == "limit") {
            assert_eq!(row["evidence"]["limit"], "duration");
            assert_eq!(row["severity"], "note");
            *left.entry(row["file"].as_str().unwrap()).or_default() +=
                row["length"].as_u64().unwrap();
        }
        assert_eq!(left.keys().filter(|file| file.starts_with("u-0")).count(), 1, "{left:?}");
        assert_eq!(left.values().sum::<u64>(), summary["unread"].as_u64().unwrap());
        assert_eq!(summary["bytes"], log.len() + second.len());
        // Limits are listed without -v too.
        let quiet = ["verify", "--format", "json", "t-0", "u-0"];
        let run = seg(place.path(), &[&quiet[..], &limit].concat());
        assert!(run.rows_of("finding").iter().any(|row| row["code"] == "limit"));
    }
    // Enough time is no limit.
    let run = seg(&testdata(), &["verify", "--format", "json", "--max-duration", "1h", "."]);
    assert_eq!(run.status, 0);
}

/// What the walk of a log says about the batch that it was made of.
fn flips_named(log: &[u8]) -> Vec<Option<(u64, u8)>> {
    let file = FileBytes::owned(Path::new("x.log"), log.to_vec());
    let context = LogContext {
        file: Path::new("x.log").into(),
        is_sealed: false,
        is_live: false,
        modified: None,
    };
    let bounds = Bounds::default();
    let mut scanner = Scanner::new(&file, 0..log.len() as u64, bounds, Limits::STANDARD);
    let mut named = Vec::new();
    while let Some(piece) = scanner.next().unwrap() {
        let Piece::Damaged(damage) = piece else { continue };
        if let Problem::BatchCrc { flipped, .. } = damage_finding(&context, &damage, &file).problem
        {
            named.push(flipped.map(|flipped| (flipped.position.0, flipped.bit)));
        }
    }
    named
}

/// Batches of up to 2 KiB, of every magic and codec that there is in testdata.
fn batches() -> Vec<Vec<u8>> {
    let mut kinds: BTreeMap<(u8, u16), Vec<u8>> = BTreeMap::new();
    for path in partitions(&testdata()).iter().flat_map(|path| files_ending(path, ".log")) {
        let log = fs::read(path).unwrap();
        for frame in frames(&log) {
            let kind = (frame.magic, common::batches::attributes(&log, frame) & 0x37);
            let batch = &log[frame.position..frame.end()];
            let known = kinds.entry(kind).or_default();
            if (known.len() + 1..2048).contains(&batch.len()) {
                *known = batch.to_vec();
            }
        }
    }
    kinds.into_values().filter(|batch| !batch.is_empty()).collect()
}

/// Where the checksum is, and where what it covers begins.
fn sealed(batch: &[u8]) -> (usize, usize) {
    if batch[16] == 2 { (17, 21) } else { (12, 16) }
}

/// A batch between two others, so that its frame is beyond doubt; `change` is made in it.
fn between(batch: &[u8], change: impl FnOnce(&mut [u8])) -> (Vec<u8>, usize) {
    let plain = common::batches::BatchV2::of_values(0, &[b"before"]).bytes();
    let mut log = plain.clone();
    let start = log.len();
    log.extend_from_slice(batch);
    change(&mut log[start..]);
    let base = i64::from_be_bytes(batch[..8].try_into().unwrap());
    let mut behind = plain;
    behind[..8].copy_from_slice(&(base + 1_000_000).to_be_bytes());
    log.extend_from_slice(&behind);
    (log, start)
}

#[test]
fn one_flipped_bit_is_named_and_two_are_not() {
    let batches = batches();
    assert!(batches.len() > 12, "{}", batches.len());
    let magics: std::collections::BTreeSet<u8> = batches.iter().map(|batch| batch[16]).collect();
    assert_eq!(magics.len(), 3);
    common::in_parallel(&batches, |batch| {
        let (stored, covered) = sealed(batch);
        let bytes: Vec<usize> = (stored..stored + 4).chain(covered..batch.len()).collect();
        let mut bits: Vec<usize> = bytes.iter().flat_map(|byte| byte * 8..byte * 8 + 8).collect();
        bits.retain(|bit| bit / 8 != 16);
        for bit in bits.iter().step_by(5) {
            let (log, start) = between(batch, |batch| batch[bit / 8] ^= 1 << (bit % 8));
            let named = Some(((start + bit / 8) as u64, (bit % 8) as u8));
            assert_eq!(flips_named(&log), [named], "magic {}, bit {bit}", batch[16]);
        }
        let mut random = Random::new(batch.len() as u64);
        for _ in 0..300 {
            let (a, b) = (bits[random.below(bits.len())], bits[random.below(bits.len())]);
            if a == b {
                continue;
            }
            let (log, _) = between(batch, |batch| {
                batch[a / 8] ^= 1 << (a % 8);
                batch[b / 8] ^= 1 << (b % 8);
            });
            assert_eq!(flips_named(&log), [None], "magic {}, bits {a} and {b}", batch[16]);
        }
    });
}
