//! Every single bit flipped, every truncation, every block of 512 bytes zeroed, swapped, written in
//! another's place or twice, in every file of small partitions that brokers wrote: each is a
//! finding, or nothing that a reader could see. What no reader can see is computed in `oracle.rs`,
//! from the format and without the library.
//!
//! A single flipped bit that a checksum covers is named, bit and byte; the account of bytes that
//! the look gives comes to the length of the files, whatever was done to them.
//!
//! The usual run takes a part of the flips of logs, the same every time; `--ignored` takes all.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
#![allow(clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;

mod change;
mod oracle;
mod subject;

use change::Change;
use common::in_parallel;
use segkit::check::{Problem, Severity};
use segkit::format::Position;
use std::collections::BTreeMap;
use std::sync::Mutex;
use subject::{Copy, Look, SUBJECTS, Subject};

/// A part of the work: some changes of one file.
struct Job<'s> {
    subject: &'s Subject,
    file: &'s str,
    changes: Vec<Change>,
}

/// Changes that one thread makes in one copy.
const CHANGES: usize = 1000;

/// What was not as it should be, and how often a change came to what.
#[derive(Default)]
struct Failures(Mutex<BTreeMap<String, (usize, String)>>, Mutex<BTreeMap<String, usize>>);

impl Failures {
    fn add(&self, what: String, example: String) {
        let mut all = self.0.lock().unwrap();
        all.entry(what).or_insert((0, example)).0 += 1;
    }

    fn count(&self, file: &str, change: Change, worst: Option<Severity>, is_seen: bool) {
        let kind = file.rsplit('.').next().unwrap();
        let came_to = match (worst, is_seen) {
            (Some(severity), _) => severity.name(),
            (None, true) => "a finding less",
            (None, false) => "nothing",
        };
        let what = format!("{kind}: {} comes to {came_to}", change.kind());
        *self.1.lock().unwrap().entry(what).or_default() += 1;
    }

    fn none(self) {
        // For `--nocapture`.
        for (what, count) in self.1.into_inner().unwrap() {
            println!("{count:8} {what}");
        }
        let all = self.0.into_inner().unwrap();
        let lines: Vec<String> = all
            .iter()
            .map(|(what, (count, example))| format!("{count:6} x {what}, as {example}"))
            .collect();
        assert!(all.is_empty(), "\n{}\n", lines.join("\n"));
    }
}

fn prove(changes: impl Fn(&str, &[u8]) -> Vec<Change>) {
    let subjects: Vec<Subject> = SUBJECTS.iter().map(Subject::new).collect();
    let mut jobs = Vec::new();
    for subject in &subjects {
        for (file, bytes) in &subject.files {
            for part in changes(file, bytes).chunks(CHANGES) {
                jobs.push(Job { subject, file, changes: part.to_vec() });
            }
        }
    }
    assert!(jobs.len() > 50);
    let failures = Failures::default();
    in_parallel(&jobs, |job| {
        let copy = Copy::of(job.subject);
        for change in &job.changes {
            prove_one(job, &copy, *change, &failures);
        }
    });
    failures.none();
}

fn prove_one(job: &Job<'_>, copy: &Copy, change: Change, failures: &Failures) {
    let Job { subject, file, .. } = job;
    let healthy = &subject.files[*file];
    let Some(bytes) = change.make(healthy).filter(|bytes| bytes != healthy) else { return };
    copy.write(file, &bytes);
    let look = copy.look();
    copy.write(file, healthy);

    let what = |what: &str| format!("{} {file}: {what} by {}", subject.name, change.kind());
    let is_seen = look.rows != subject.healthy.rows;
    let seen = look.rows.iter().filter(|row| !subject.healthy.rows.contains(row));
    let worst = seen.map(|row| row.severity).max();
    failures.count(file, change, worst, is_seen);
    if !is_seen && subject.is_strict && file.ends_with(".log") && matches!(change, Change::Flip(_))
    {
        failures.add(what("a flip of a log that nobody sees"), format!("{change:?}"));
    }
    if !is_seen && !oracle::is_allowed(subject, file, &bytes) {
        failures.add(what("not seen"), format!("{change:?}"));
    }
    // A log of which every byte is under a rule: nothing is a mere note.
    if subject.is_strict
        && file.ends_with(".log")
        && worst.is_none_or(|worst| worst == Severity::Note)
        && !may_be_compacted(subject, &look)
        && !oracle::is_allowed(subject, file, &bytes)
    {
        failures.add(what("a mere note"), format!("{change:?} {:?}", look.rows));
    }
    let length = subject.log_bytes - if file.ends_with(".log") { healthy.len() } else { 0 };
    let length = length + if file.ends_with(".log") { bytes.len() } else { 0 };
    if look.coverage.bytes() != length as u64 {
        failures.add(what("bytes that are in no account"), format!("{change:?}"));
    }
    let unproved: u64 = look.coverage.damaged + look.coverage.tail + look.coverage.unread;
    if unproved != look.damaged_bytes {
        failures.add(what("bytes unproved and in no finding"), format!("{change:?} {look:?}"));
    }
    if let Change::Flip(bit) = change
        && file.ends_with(".log")
        && let Some(problem) = names_the_flip(subject, file, bit, &look)
    {
        failures.add(what(problem), format!("{change:?} {:?}", look.rows));
    }
    if let Change::Cut(length) = change
        && subject.is_last_log(file)
        && let Some(problem) = tells_the_torn_tail(subject, file, length, &look)
    {
        failures.add(what(problem), format!("{change:?} {:?}", look.rows));
    }
}

/// In a log of few batches a gap passes for compaction.
fn may_be_compacted(subject: &Subject, look: &Look) -> bool {
    let is_gap = |row: &subject::Row| row.code == "offset-gap";
    subject.healthy.batches < 20 && look.rows.iter().any(is_gap)
}

/// A flip under a checksum, or of the checksum, is named.
fn names_the_flip(subject: &Subject, file: &str, bit: usize, look: &Look) -> Option<&'static str> {
    let position = bit / 8;
    let frames = common::batches::frames(&subject.files[file]);
    let frame = frames.iter().find(|frame| (frame.position..frame.end()).contains(&position))?;
    let inside = position - frame.position;
    let checksum = if frame.magic == 2 { 17..21 } else { 12..16 };
    let is_magic = inside == 16;
    if is_magic || !(checksum.contains(&inside) || inside >= frame.sealed_from()) {
        return None;
    }
    let named = look.rows.iter().find_map(|row| match &row.problem {
        Problem::BatchCrc { flipped, .. } => Some((row.range.clone(), *flipped)),
        _ => None,
    });
    match named {
        None => Some("no batch-crc"),
        Some((range, _)) if range != (frame.position as u64..frame.end() as u64) => {
            Some("another batch's batch-crc")
        }
        Some((_, Some(flipped)))
            if flipped.position == Position(position as u64)
                && usize::from(flipped.bit) == bit % 8 =>
        {
            None
        }
        Some(_) => Some("the flipped bit is not named"),
    }
}

/// A log cut inside a batch ends in a torn tail, and every batch before it is good.
fn tells_the_torn_tail(
    subject: &Subject,
    file: &str,
    length: usize,
    look: &Look,
) -> Option<&'static str> {
    let healthy = &subject.files[file];
    let frames = common::batches::frames(healthy);
    let whole: Vec<_> = frames.iter().filter(|frame| frame.end() <= length).collect();
    let start = whole.last().map_or(0, |frame| frame.end());
    let lost = frames.len() - whole.len();
    if look.batches + lost as u64 != subject.healthy.batches {
        return Some("batches before the cut are lost");
    }
    if start == length || start >= frames.last()?.end() {
        return None;
    }
    // Where no more is left than the zeros an offset begins with, so may a preallocated tail.
    let is_zero = healthy[start..length].iter().all(|byte| *byte == 0);
    let code = if is_zero { "preallocated-tail" } else { "torn-tail" };
    let range = start as u64..length as u64;
    let is_told = |row: &subject::Row| row.code == code && row.range == range && row.file == file;
    (!look.rows.iter().any(is_told)).then_some("no torn tail there")
}

fn is_log(file: &str) -> bool {
    file.ends_with(".log")
}

/// Of a log, every bit of what no checksum covers in some of the batches, the first and the last
/// among them, and one in so many of the others.
fn some_flips(file: &str, bytes: &[u8]) -> Vec<Change> {
    const EVERY: usize = 101;
    let frames = common::batches::frames(bytes);
    let framing: Vec<_> = frames
        .iter()
        .enumerate()
        .filter(|(number, _)| number.is_multiple_of(4) || number + 1 == frames.len())
        .map(|(_, frame)| frame.position..frame.position + 17)
        .collect();
    let is_header = |position: usize| framing.iter().any(|range| range.contains(&position));
    let is_some = |bit: &usize| {
        !is_log(file) && bytes.len() < 1024 || is_header(bit / 8) || bit.is_multiple_of(EVERY)
    };
    (0..bytes.len() * 8).filter(is_some).map(Change::Flip).collect()
}

#[test]
fn a_flipped_bit_is_found_or_seen_by_nobody() {
    prove(some_flips);
}

#[test]
#[ignore = "takes minutes"]
fn every_flipped_bit_is_found_or_seen_by_nobody() {
    prove(|_, bytes| (0..bytes.len() * 8).map(Change::Flip).collect());
}

#[test]
fn a_truncation_is_found_or_seen_by_nobody() {
    prove(|_, bytes| {
        let every = if bytes.len() > 1024 { 3 } else { 1 };
        (0..bytes.len()).step_by(every).map(Change::Cut).collect()
    });
}

#[test]
#[ignore = "takes a minute"]
fn every_truncation_is_found_or_seen_by_nobody() {
    prove(|_, bytes| (0..bytes.len()).map(Change::Cut).collect());
}

#[test]
fn blocks_zeroed_swapped_and_repeated_are_found_or_seen_by_nobody() {
    prove(|_, bytes| change::of_blocks(bytes));
}
