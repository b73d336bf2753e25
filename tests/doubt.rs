//! What has to be doubted: offsets, which no checksum covers, zeros without end, damage without
//! end, and selections whose ground is damaged.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use common::batches::{BatchV2, frames};
use common::{Run, copy_files, partitions_called, seg, seg_with_input};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const NAME: &str = "00000000000000000000.log";

/// Ten batches of two records each.
fn ten_batches() -> Vec<u8> {
    let batch = |at: i64| BatchV2::of_values(2 * at, &[b"first", b"second"]).bytes();
    (0..10).flat_map(batch).collect()
}

fn partition(log: &[u8]) -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("orders-0");
    fs::create_dir(&path).unwrap();
    fs::write(path.join(NAME), log).unwrap();
    (root, path)
}

fn dump(directory: &Path, arguments: &[&str]) -> Run {
    let mut words = vec!["dump", "-r", "--format", "json"];
    words.extend(arguments);
    seg(directory, &words)
}

fn offsets(run: &Run) -> Vec<i64> {
    run.rows_of("record").iter().map(|row| row["offset"].as_i64().unwrap()).collect()
}

fn codes(run: &Run) -> Vec<String> {
    run.rows_of("finding").iter().map(|row| row["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn one_wrong_base_offset_hides_nothing_else() {
    let healthy = ten_batches();
    let third = frames(&healthy)[3].position;
    for (base, code) in [
        (i64::MAX, "offset-overflow"),
        (6 | 1 << 40, "offset-overflow"),
        (6 | 1 << 10, "offset-goes-back"),
        (0, "offset-goes-back"),
    ] {
        let mut log = healthy.clone();
        log[third..third + 8].copy_from_slice(&base.to_be_bytes());
        let (_root, path) = partition(&log);
        let all = dump(&path, &[NAME]);
        assert_eq!(all.rows_of("record").len(), 20, "base {base}");
        assert_eq!((codes(&all), all.status), (vec![code.to_owned()], 1), "base {base}");
        let some = dump(&path, &[NAME, "--offsets", "8..12"]);
        assert_eq!(offsets(&some), [8, 9, 10, 11], "base {base}");
        let first = dump(&path, &[NAME, "--offsets", "..4"]);
        // What says that it is at 0 is shown where 0 is asked for.
        assert_eq!(offsets(&first)[..4], [0, 1, 2, 3], "base {base}");
        assert_eq!(offsets(&first).len(), if base == 0 { 6 } else { 4 }, "base {base}");
    }
}

/// A base offset that cannot be says nothing about what follows the damage behind it.
#[test]
fn a_wrong_base_offset_before_damage_hides_nothing_behind_it() {
    let mut log = ten_batches();
    let (third, fourth) = (frames(&log)[3].position, frames(&log)[4].position);
    log[third..third + 8].copy_from_slice(&(6i64 | 1 << 40).to_be_bytes());
    log[fourth..fourth + 30].fill(0xff);
    let (_root, path) = partition(&log);
    let run = dump(&path, &[NAME]);
    assert_eq!(run.rows_of("record").len(), 18, "{:?}", codes(&run));
}

/// A length is not under the checksum either: what it leads over is there all the same.
#[test]
fn one_wrong_length_hides_nothing_from_selections_and_lookups() {
    let healthy = ten_batches();
    let frames = frames(&healthy);
    let third = frames[3].position;
    let size = i32::try_from(frames[3].size).unwrap();
    let lengths = [(size - 12) ^ 1 << 20, 4 * size - 12, 3 * size + 20, 20];
    for length in lengths {
        let mut log = healthy.clone();
        log[third + 8..third + 12].copy_from_slice(&length.to_be_bytes());
        let (_root, path) = partition(&log);
        let all = dump(&path, &["."]);
        assert_eq!((offsets(&all).len(), all.status), (18, 1), "length {length}");
        for offset in (0..6).chain(8..20) {
            let wanted = offset.to_string();
            let run = seg(&path, &["lookup", ".", "--offset", &wanted, "--format", "json"]);
            let hits = run.rows_of("hit");
            assert_eq!(hits.len(), 1, "offset {offset}, length {length}: {:?}", run.rows());
            assert_eq!(hits[0]["offset"], offset);
        }
        for (range, expected) in [("8..10", vec![8, 9]), ("8..", (8..20).collect())] {
            let some = dump(&path, &[".", "--offsets", range]);
            assert_eq!(offsets(&some), expected, "{range}, length {length}");
        }
        assert_eq!(offsets(&dump(&path, &[".", "--offsets", "-3.."])), [17, 18, 19]);
    }
}

/// The same fault is found wherever it stands, also where one run of the work ends.
#[test]
fn offsets_that_go_back_are_found_between_runs_too() {
    let batch = |at: i64| BatchV2::of_values(at, &[&[b'x'; 16 << 10]]).bytes();
    let count = 600;
    let log: Vec<u8> = (0..count).flat_map(batch).collect();
    let frames = frames(&log);
    let boundary = frames.iter().position(|frame| frame.position >= 4 << 20).unwrap();
    for at in [boundary - 1, boundary, boundary + 1] {
        let mut wrong = log.clone();
        let from = frames[at].position;
        wrong[from..from + 8].copy_from_slice(&5i64.to_be_bytes());
        let (_root, path) = partition(&wrong);
        let arguments = ["dump", "--format", "json", "-"];
        for run in [seg(&path, &["dump", "--format", "json", NAME]), {
            seg_with_input(&path, &arguments, &wrong)
        }] {
            assert_eq!((codes(&run), run.status), (vec!["offset-goes-back".to_owned()], 1));
        }
    }
}

/// A pipe can be read only once, which is no reason to believe a length.
#[test]
fn a_length_beyond_all_limits_does_not_give_up_a_stream() {
    let healthy = ten_batches();
    let mut log = healthy.clone();
    let third = frames(&healthy)[3].position;
    log[third + 8] |= 0x10;
    let (_root, path) = partition(&log);
    let run = seg_with_input(&path, &["dump", "-r", "--format", "json", "-"], &log);
    assert_eq!((offsets(&run).len(), run.status), (18, 1), "{:?}", codes(&run));
}

/// An offset that jumped within what is possible, and damage behind it.
#[test]
fn a_jumped_offset_does_not_cost_what_is_behind_the_next_damage() {
    let mut log = ten_batches();
    let frames = frames(&log);
    let (third, fourth) = (frames[3].position, frames[4]);
    log[third..third + 8].copy_from_slice(&1000i64.to_be_bytes());
    log[fourth.position..fourth.end()].fill(0);
    let (_root, path) = partition(&log);
    let run = dump(&path, &["."]);
    assert_eq!(offsets(&run).len(), 18, "{:?}", codes(&run));
}

#[test]
fn swapped_batches_are_all_there() {
    let healthy = ten_batches();
    let frames = frames(&healthy);
    let (four, five) = (frames[4], frames[5]);
    let mut log = healthy[..four.position].to_vec();
    log.extend_from_slice(&healthy[five.position..five.end()]);
    log.extend_from_slice(&healthy[four.position..four.end()]);
    log.extend_from_slice(&healthy[five.end()..]);
    let (_root, path) = partition(&log);
    let all = dump(&path, &[NAME]);
    assert_eq!(all.rows_of("record").len(), 20);
    assert_eq!((codes(&all), all.status), (vec!["offset-goes-back".to_owned()], 1));
    assert_eq!(offsets(&dump(&path, &[NAME, "--offsets", "8..10"])), [8, 9]);
    assert_eq!(offsets(&dump(&path, &[NAME, "--offsets", "10..12"])), [10, 11]);
}

#[test]
fn a_file_of_the_wrong_name_is_said_once_and_dumped_all_the_same() {
    let mut log = ten_batches();
    let fifth = frames(&log)[5].position;
    // Nothing frames what is behind this but the batches themselves.
    log[fifth..fifth + 20].fill(0xff);
    let (_root, path) = partition(&[]);
    fs::remove_file(path.join(NAME)).unwrap();
    let wrong = "00000000000000005000.log";
    fs::write(path.join(wrong), &log).unwrap();
    let run = dump(&path, &[wrong]);
    assert_eq!(run.rows_of("record").len(), 18);
    assert_eq!(codes(&run).iter().filter(|code| *code == "offset-below-segment").count(), 1);
    assert_eq!(codes(&run).len(), 2);
}

#[test]
fn zeros_without_end_are_room_made_in_advance_however_they_are_read() {
    let batches = ten_batches();
    let mut log = batches.clone();
    log.resize(20 << 20, 0);
    let (_root, path) = partition(&log);
    let expected = serde_json::json!([batches.len(), log.len() - batches.len()]);
    let piped = seg_with_input(&path, &["dump", "-r", "--format", "json", "-v", "-"], &log);
    for run in [dump(&path, &[NAME, "-v"]), piped] {
        assert_eq!(run.rows_of("record").len(), 20);
        assert_eq!((codes(&run), run.status), (vec!["preallocated-tail".to_owned()], 0));
        let finding = &run.rows_of("finding")[0];
        assert_eq!(serde_json::json!([finding["position"], finding["length"]]), expected);
    }
    // A batch behind the zeros is found, with a base offset that begins with zeros itself.
    log.extend_from_slice(&BatchV2::of_values(20, &[b"behind"]).bytes());
    let (_root, path) = partition(&log);
    let piped = seg_with_input(&path, &["dump", "-r", "--format", "json", "-"], &log);
    for run in [dump(&path, &[NAME]), piped] {
        assert_eq!(offsets(&run).last(), Some(&20));
        assert_eq!(run.rows_of("record").len(), 21);
        assert_eq!(run.status, 1);
    }
}

/// Thousands of damages, each with a batch behind it: a search that begins anew for each of them
/// would take minutes.
#[test]
fn damage_without_end_is_gone_through_once() {
    let count = 5000;
    let mut log = Vec::new();
    for at in 0..count {
        log.extend_from_slice(&BatchV2::of_values(at, &[b"value"]).bytes());
        log.extend_from_slice(&[0xab; 30]);
    }
    let (_root, path) = partition(&log);
    let piped = seg_with_input(&path, &["dump", "-r", "--format", "json", "-"], &log);
    for run in [dump(&path, &[NAME]), piped] {
        assert_eq!(offsets(&run), (0..count).collect::<Vec<_>>());
        assert_eq!(codes(&run).len(), usize::try_from(count).unwrap());
    }
    let listed = seg(&path, &["ls", "--headers", "--format", "json", "."]);
    assert_eq!(listed.rows_of("segment")[0]["batches"], count);
    let found = seg(&path, &["lookup", ".", "--offset", "4999", "--format", "json"]);
    assert_eq!(found.rows_of("hit")[0]["offset"], 4999);
}

fn transactions() -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("txn-0");
    fs::create_dir(&path).unwrap();
    let real = partitions_called("txn-0");
    let real = real.iter().find(|path| path.to_str().unwrap().contains("4.3.1")).unwrap();
    copy_files(real, &path);
    (root, path)
}

#[test]
fn committed_is_judged_by_the_file_itself_where_it_is_no_segment() {
    let (_root, path) = transactions();
    let in_place = offsets(&dump(&path, &["--committed", NAME]));
    let all = offsets(&dump(&path, &[NAME]));
    assert!(in_place.len() < all.len());
    let elsewhere = path.parent().unwrap().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let other = format!("{NAME}.deleted");
    fs::copy(path.join(NAME), elsewhere.join(&other)).unwrap();
    let run = dump(&elsewhere, &["--committed", &other]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    // Transactions that end in the next segment are open as far as this file tells.
    assert!(!offsets(&run).is_empty());
    assert!(offsets(&run).iter().all(|offset| in_place.contains(offset)));
    let last = dump(&elsewhere, &["--offsets", "-3..", &other]);
    assert_eq!(offsets(&last), all[all.len() - 3..]);
}

#[test]
fn committed_says_when_it_cannot_be_known() {
    let (_root, path) = transactions();
    let mut log = fs::read(path.join(NAME)).unwrap();
    let middle = frames(&log)[frames(&log).len() / 2];
    log[middle.end() - 1] ^= 1;
    fs::write(path.join(NAME), &log).unwrap();
    let logs = common::files_ending(&path, ".log");
    let other = logs.last().unwrap().file_name().unwrap().to_str().unwrap();
    let run = dump(&path, &["--committed", other]);
    assert_eq!(run.status, 2, "{}", run.stderr);
    assert!(run.stderr.contains("not known for certain"), "{}", run.stderr);
}

#[test]
fn a_limit_counts_over_everything_and_nothing_is_none() {
    let (_root, path) = partition(&ten_batches());
    fs::write(path.join("leader-epoch-checkpoint"), "0\n1\n0 0\n").unwrap();
    assert_eq!(dump(&path, &[NAME, "--limit", "0"]).rows_of("record").len(), 0);
    let around = [NAME, "leader-epoch-checkpoint", NAME, "--limit", "21"];
    assert_eq!(dump(&path, &around).rows_of("record").len(), 21);
    let enough = [NAME, "leader-epoch-checkpoint", NAME, "--limit", "3"];
    assert_eq!(dump(&path, &enough).rows_of("record").len(), 3);
}

#[test]
fn what_makes_no_sense_together_is_refused() {
    let (_root, path) = partition(&ten_batches());
    for words in [&["dump", "--committed", "--control", "."][..], &["dump", "-", "-"]] {
        assert_eq!(seg(&path, words).status, 64, "{words:?}");
    }
}

/// At the limit is looked at, one past it is not, and is never called corruption.
#[test]
fn a_limit_is_said_and_is_no_damage() {
    let real = partitions_called("codec-gzip-0");
    let healthy = dump(&real[0], &["."]);
    let largest = largest_payload(&real[0]);
    let at = dump(&real[0], &[".", "--max-decompressed-bytes", &largest.to_string()]);
    assert_eq!((at.status, offsets(&at)), (0, offsets(&healthy)));
    let past = dump(&real[0], &[".", "--max-decompressed-bytes", &(largest - 1).to_string()]);
    assert_eq!(past.status, 2);
    assert!(offsets(&past).len() < offsets(&healthy).len());
    let found = past.rows_of("finding");
    assert!(!found.is_empty() && found.iter().all(|finding| finding["code"] == "limit"));
    assert!(found.iter().all(|finding| finding["severity"] == "note"));
}

/// What the largest compressed payload of a partition unpacks to, by another reader of gzip.
fn largest_payload(partition: &Path) -> usize {
    let mut largest = 0;
    for path in common::files_ending(partition, ".log") {
        let log = fs::read(path).unwrap();
        for frame in frames(&log) {
            let payload = &log[frame.position + 61..frame.end()];
            // The last four bytes of a gzip member are the size it unpacks to, little endian.
            let size = payload.last_chunk::<4>().unwrap();
            let size = size.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            largest = largest.max(size);
        }
    }
    largest
}

/// What is called a segment and is none is not left out in silence.
#[test]
fn a_log_that_is_no_regular_file_is_said_in_its_place() {
    let (root, path) = partition(&ten_batches());
    let aside = root.path().join("aside");
    fs::rename(path.join(NAME), &aside).unwrap();
    std::os::unix::fs::symlink(&aside, path.join(NAME)).unwrap();
    let behind = "00000000000000000020.log";
    fs::write(path.join(behind), BatchV2::of_values(20, &[b"behind"]).bytes()).unwrap();
    let run = dump(&path, &["."]);
    assert_eq!((offsets(&run), run.status), (vec![20], 2));
    assert!(run.stderr.contains("a symbolic link"), "{}", run.stderr);
    let found = seg(&path, &["lookup", ".", "--offset", "3", "--format", "json"]);
    assert!(found.status & 2 == 2 && found.rows_of("hit").is_empty(), "{}", found.status);
    assert!(!String::from_utf8_lossy(&found.stdout).contains("below-log-start"));
}

#[test]
fn lookup_finds_what_stands_behind_a_wrong_base_offset() {
    let healthy = ten_batches();
    let third = frames(&healthy)[3].position;
    let mut log = healthy.clone();
    log[third..third + 8].copy_from_slice(&(6i64 | 1 << 40).to_be_bytes());
    let (_root, path) = partition(&log);
    for offset in (0..6).chain(8..20) {
        let run = seg(&path, &["lookup", ".", "--offset", &offset.to_string(), "--format", "json"]);
        assert_eq!(run.rows_of("hit")[0]["offset"], offset, "{}", run.stderr);
    }
    let run = seg(&path, &["lookup", ".", "--offset", "6", "--format", "json"]);
    assert_eq!(run.rows_of("hit").len(), 0);
    assert_eq!(run.rows_of("miss")[0]["reason"], "damaged");
}

#[test]
fn a_batch_where_the_next_segment_begins_is_said() {
    let (_root, path) = partition(&ten_batches());
    let next = |base: i64| {
        let name = path.join(format!("{base:020}.log"));
        fs::write(name, BatchV2::of_values(base, &[b"next"]).bytes()).unwrap();
        dump(&path, &[NAME])
    };
    let healthy = next(20);
    assert_eq!((codes(&healthy), healthy.status), (vec![], 0));
    let overlapping = next(18);
    assert_eq!(codes(&overlapping), ["offset-beyond-next-segment"]);
    assert_eq!(overlapping.rows_of("finding")[0]["firstOffset"], 18);
    assert_eq!((offsets(&overlapping).len(), overlapping.status), (20, 1));
}

/// What a killed broker leaves of the indexes of its active segments: legal, so only a note.
#[test]
fn preallocated_indexes_are_notes() {
    let is_killed = |path: &PathBuf| path.to_str().unwrap().contains("-killed");
    let partitions: Vec<PathBuf> = common::partitions(&common::testdata());
    for (end, code) in [(".index", "index-zero-tail"), (".timeindex", "time-index-zero-tail")] {
        let mut met = 0;
        for partition in partitions.iter().filter(|path| is_killed(path)) {
            for path in common::files_ending(partition, end) {
                let name = path.to_str().unwrap();
                let run = seg(partition, &["dump", "--format", "json", "-v", name]);
                let has_tail = fs::read(&path).unwrap().ends_with(&[0; 24]);
                assert_eq!(codes(&run) == [code], has_tail, "{name}");
                assert_eq!(run.status, 0, "{name}");
                met += u32::from(has_tail);
            }
        }
        assert!(met > 0, "no {end} of testdata is preallocated");
        // A broker trims it when the segment is sealed.
        let (_root, path) = partition(&ten_batches());
        let name = NAME.replace(".log", end);
        fs::write(path.join(&name), [0; 48]).unwrap();
        assert_eq!(seg(&path, &["dump", &name]).status, 0);
        fs::write(path.join("00000000000000000020.log"), "").unwrap();
        assert_eq!(seg(&path, &["dump", &name]).status, 1);
    }
}

/// Run in a process of its own: a lock of this process would not be seen by a process it starts.
#[test]
#[ignore = "holds a lock for `a_batch_that_a_broker_is_writing_is_no_damage`"]
fn hold_the_lock() {
    let Some(path) = std::env::var_os("SEG_TEST_LOCK") else { return };
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    fs::write(std::env::var_os("SEG_TEST_LOCK_HELD").unwrap(), "").unwrap();
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
}

#[test]
fn a_batch_that_a_broker_is_writing_is_no_damage() {
    let mut log = ten_batches();
    log.truncate(log.len() - 10);
    let (root, path) = partition(&log);
    fs::write(root.path().join("meta.properties"), "version=1\ncluster.id=c\nnode.id=1\n").unwrap();
    let (lock, held) = (root.path().join(".lock"), root.path().join("held"));
    fs::write(&lock, "").unwrap();
    let torn = dump(&path, &["."]);
    assert_eq!((codes(&torn), torn.status), (vec!["torn-tail".to_owned()], 1));

    let mut broker = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["hold_the_lock", "--exact", "--ignored"])
        .envs([("SEG_TEST_LOCK", &lock), ("SEG_TEST_LOCK_HELD", &held)])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while !held.exists() {
        assert!(broker.try_wait().unwrap().is_none(), "the lock was not to be had");
        std::thread::yield_now();
    }
    let growing = dump(&path, &[".", "-v"]);
    let listed = seg(root.path(), &["ls", "--format", "json", "."]);
    drop(broker.stdin.take());
    broker.wait().unwrap();
    assert_eq!((codes(&growing), growing.status), (vec!["growing-tail".to_owned()], 0));
    assert_eq!(growing.rows_of("record").len(), 18);
    assert_eq!(listed.rows_of("partition")[0]["state"], "live");
    assert!(lock.exists(), "reading took the lock file away");
}
