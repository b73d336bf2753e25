//! `seg reindex` as people run it, on copies of what brokers wrote.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use segkit::check::report::{PartitionReport, SegmentReport};
use segkit::check::{Depth, Listener, PartitionScope, Scope, VerifyOptions, verify};
use segkit::limits::Limits;
use segkit::log::disk::RealDisk;
use segkit::log::lock::Guard;
use segkit::log::{Access, LogDirContext, PartitionDir};
use segkit::progress::Silent;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

const TESTDATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/kafka-4.3.1");

/// A partition of `testdata` in a directory of its own.
fn copy(root: &Path, partition: &str) -> PathBuf {
    let to = root.join(partition);
    fs::create_dir(&to).unwrap();
    for entry in fs::read_dir(Path::new(TESTDATA).join(partition)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    to
}

fn seg(args: &[&str], path: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seg"));
    command.args(args).arg(path).args(["--index-interval-bytes", "512"]).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap()
}

/// Every file of a directory with its bytes.
fn bytes(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

fn remove(dir: &Path, endings: &[&str]) {
    for (path, _) in bytes(dir) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if endings.iter().any(|ending| name.ends_with(ending)) {
            fs::remove_file(path).unwrap();
        }
    }
}

const DERIVED: [&str; 5] =
    [".index", ".timeindex", ".txnindex", ".snapshot", "leader-epoch-checkpoint"];

#[test]
fn what_is_rebuilt_from_nothing_is_what_the_broker_wrote() {
    let root = tempfile::tempdir().unwrap();
    // Written by one broker without a restart, with an interval of 512.
    let dir = copy(root.path(), "lookup-0");
    let before = bytes(&dir);
    remove(&dir, &[".index", ".timeindex", ".snapshot"]);
    let check = seg(&["reindex", "--check"], &dir);
    assert_eq!(code(&check), 1, "{}", text(&check));
    let done = seg(&["reindex"], &dir);
    assert_eq!(code(&done), 0, "{}", text(&done));
    let indexes = |files: Vec<(PathBuf, Vec<u8>)>| -> Vec<_> {
        let is_index = |path: &Path| path.extension().is_some_and(|e| e != "snapshot");
        files.into_iter().filter(|(path, _)| is_index(path)).collect()
    };
    let after = bytes(&dir);
    assert_eq!(indexes(after.clone()), indexes(before));
    assert_eq!(code(&seg(&["reindex"], &dir)), 0);
    assert_eq!(bytes(&dir), after, "a second run writes nothing");
}

#[test]
fn a_check_writes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let dir = copy(root.path(), "txn-0");
    remove(&dir, &DERIVED);
    let before = bytes(&dir);
    assert_eq!(code(&seg(&["reindex", "--check"], &dir)), 1);
    assert_eq!(bytes(&dir), before);
    assert!(!root.path().join(".lock").exists());
}

#[test]
fn a_missing_transaction_index_is_not_fine() {
    let root = tempfile::tempdir().unwrap();
    let dir = copy(root.path(), "txn-0");
    let before = bytes(&dir);
    remove(&dir, &[".txnindex"]);
    let check = seg(&["reindex", "--check", "--only", "txnindex"], &dir);
    assert_eq!(code(&check), 1);
    assert_eq!(text(&check).matches("reads miss records or see aborted ones").count(), 3);
    assert_eq!(code(&seg(&["reindex", "--only", "txnindex"], &dir)), 0);
    assert_eq!(bytes(&dir), before);
}

#[test]
fn beside_damage_the_rest_is_done() {
    let root = tempfile::tempdir().unwrap();
    let dir = copy(root.path(), "lookup-0");
    let logs: Vec<_> = bytes(&dir)
        .into_iter()
        .filter(|(path, _)| path.extension().is_some_and(|e| e == "log"))
        .collect();
    let (path, mut log) = logs[1].clone();
    log[200] ^= 4;
    fs::write(&path, log).unwrap();
    remove(&dir, &[".index"]);
    let done = seg(&["reindex"], &dir);
    assert_eq!(code(&done), 1, "{}", text(&done));
    assert!(text(&done).contains("batch-crc") && text(&done).contains("seg repair"));
    for (number, (log, _)) in logs.iter().enumerate() {
        assert_eq!(log.with_extension("index").exists(), number != 1, "{log:?}");
    }
}

#[test]
fn what_is_out_of_order_is_damage() {
    let root = tempfile::tempdir().unwrap();
    let dir = copy(root.path(), "lookup-0");
    let log = dir.join("00000000000000000000.log");
    let mut bytes = fs::read(&log).unwrap();
    // The base offset is not under the checksum: 2^40 too far.
    let second = 12 + u32::from_be_bytes(bytes[8..12].try_into().unwrap()) as usize;
    bytes[second + 2] = 1;
    fs::write(&log, bytes).unwrap();
    fs::remove_file(log.with_extension("index")).unwrap();
    let done = seg(&["reindex"], &dir);
    assert_eq!(code(&done), 1);
    assert!(text(&done).contains("offset-overflow"), "{}", text(&done));
    assert!(!log.with_extension("index").exists());
}

#[test]
fn a_torn_tail_of_the_last_segment_is_no_damage() {
    let root = tempfile::tempdir().unwrap();
    let dir = copy(root.path(), "lookup-0");
    let last = dir.join("00000000000000004545.log");
    let mut bytes = fs::read(&last).unwrap();
    bytes.truncate(bytes.len() - 7);
    fs::write(&last, bytes).unwrap();
    remove(&dir, &["4545.index"]);
    let done = seg(&["reindex"], &dir);
    assert_eq!(code(&done), 0, "{}", text(&done));
    assert!(last.with_extension("index").exists());
}

#[test]
fn an_index_can_be_named_that_is_not_there() {
    let root = tempfile::tempdir().unwrap();
    let dir = copy(root.path(), "lookup-0");
    let before = bytes(&dir);
    let index = dir.join("00000000000000000000.index");
    fs::remove_file(&index).unwrap();
    fs::remove_file(index.with_extension("timeindex")).unwrap();
    assert_eq!(code(&seg(&["reindex"], &index)), 0);
    assert!(index.exists() && !index.with_extension("timeindex").exists());
    assert_eq!(code(&seg(&["reindex"], &index.with_extension("log"))), 0);
    assert_eq!(bytes(&dir), before);
    assert_eq!(code(&seg(&["reindex"], &dir.join("00000000000000000001.index"))), 2);
    assert_eq!(code(&seg(&["reindex"], Path::new("-"))), 64);
}

#[test]
fn what_cannot_be_read_is_said_and_not_replaced() {
    let root = tempfile::tempdir().unwrap();
    let dir = copy(root.path(), "txn-0");
    for name in ["leader-epoch-checkpoint", "00000000000000000147.txnindex"] {
        fs::rename(dir.join(name), root.path().join(name)).unwrap();
        std::os::unix::fs::symlink(root.path().join(name), dir.join(name)).unwrap();
    }
    let before = bytes(&dir);
    let done = seg(&["reindex", "--only", "txnindex,leader-epoch-checkpoint"], &dir);
    assert_eq!(code(&done) & 2, 2, "{}", text(&done));
    assert_eq!(bytes(&dir), before);
    let log = dir.join("00000000000000000147.log");
    fs::rename(&log, root.path().join("log")).unwrap();
    std::os::unix::fs::symlink(root.path().join("log"), &log).unwrap();
    let check = seg(&["reindex", "--check"], &dir);
    assert_eq!(code(&check) & 2, 2, "{}", text(&check));
    assert!(text(&check).contains("147.log"), "{}", text(&check));
}

#[test]
fn what_is_about_to_go_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    copy(root.path(), "shapes-0");
    let doomed = copy(root.path(), "lookup-0");
    let renamed = root.path().join("lookup-0.5c0e1f3a9d7b4e2c8a6f0b1d2e3c4f5a-delete");
    fs::rename(doomed, &renamed).unwrap();
    remove(&renamed, &DERIVED);
    let before = bytes(&renamed);
    assert_eq!(code(&seg(&["reindex"], root.path())), 0);
    assert_eq!(bytes(&renamed), before);
    assert_eq!(code(&seg(&["reindex"], &renamed)), 0);
    assert!(bytes(&renamed).len() > before.len());
}

/// Writes a file while its partition is looked at, and keeps what that came to.
struct Writing {
    file: PathBuf,
    bytes: Vec<u8>,
    codes: Vec<&'static str>,
}

impl Listener for Writing {
    fn segment(&mut self, _: SegmentReport) {
        fs::write(&self.file, &self.bytes).unwrap();
    }

    fn partition(&mut self, report: PartitionReport) -> bool {
        self.codes.extend(report.findings.iter().map(|finding| finding.problem.code()));
        true
    }
}

#[test]
fn what_is_written_under_the_lock_is_no_reason_to_read_a_log_twice() {
    let root = tempfile::tempdir().unwrap();
    let dir = copy(root.path(), "lookup-0");
    fs::copy(Path::new(TESTDATA).join("meta.properties"), root.path().join("meta.properties"))
        .unwrap();
    let file = dir.join("00000000000000000000.timeindex");
    let bytes = fs::read(&file).unwrap();
    let look = || {
        fs::remove_file(&file).unwrap();
        let log_dir = Arc::new(LogDirContext::read(root.path()));
        let partition = PartitionScope::new(PartitionDir::open(&dir).unwrap(), Some(log_dir));
        let scope = Scope { partitions: vec![partition], log_dirs: Vec::new() };
        let mut writing = Writing { file: file.clone(), bytes: bytes.clone(), codes: Vec::new() };
        let options = VerifyOptions {
            depth: Depth::Checksums,
            access: Access::Read,
            threads: 1,
            limits: Limits::STANDARD,
            max_duration: None,
            rebuild_with_interval: Some(512),
            collects_stretches: false,
        };
        verify(&scope, &options, &Silent, &mut writing);
        writing.codes
    };
    // Somebody is at work: what was missing is there when it is looked for again.
    assert!(!look().contains(&"time-index-missing"));
    let _guard = Guard::of_log_dir(root.path(), &RealDisk).unwrap();
    // Nobody else can be: the first look stands.
    assert!(look().contains(&"time-index-missing"));
}
