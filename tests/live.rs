//! Directories that somebody changes while `seg` looks at them: what was on its way is a note, what
//! is wrong for good is found all the same. Kafka's lock is held by the test, or by nobody.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use common::batches::BatchV2;
use common::{Run, entries, seg};
use rustix::fs::{FlockOperation, fcntl_lock};
use serde_json::Value;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

const LOG: &str = "00000000000000000000.log";

/// Bytes of the batches that are written here. A thread reads 4 MiB at once.
const BATCH: usize = 1 << 20;

const BATCHES: usize = 7;

/// Made once: a checksum takes its time.
static ALL: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let batch = |offset| BatchV2::of_values(offset, &[&vec![7; BATCH]]).bytes();
    (0..BATCHES as i64).map(batch).collect()
});

/// A log dir in which one partition follows upon another that there is much to say about.
struct LogDir {
    root: tempfile::TempDir,
    /// As a broker holds it.
    lock: Option<File>,
    /// Where the batches of the `.log` begin, and where the last one ends.
    ends: Vec<usize>,
}

impl LogDir {
    fn new(is_live: bool) -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("meta.properties"), "version=1\nnode.id=1\ncluster.id=any\n")
            .unwrap();
        for name in ["a-0", "b-0", "c-0"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        for number in 0..2000 {
            fs::write(root.path().join(format!("a-0/stray-{number:0100}")), "").unwrap();
        }
        fs::write(root.path().join("a-0").join(LOG), "").unwrap();
        let mut log = Vec::new();
        let mut ends = vec![0];
        for batch in &ALL[..BATCHES - 1] {
            log.extend(batch);
            ends.push(log.len());
        }
        fs::write(root.path().join("b-0").join(LOG), &log).unwrap();
        fs::write(root.path().join("c-0").join(LOG), &ALL[0]).unwrap();
        let lock = File::create(root.path().join(".lock")).unwrap();
        assert_eq!(seg(root.path(), &["reindex", "b-0", "c-0"]).status, 0);
        if is_live {
            fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
        }
        Self { root, lock: is_live.then_some(lock), ends }
    }

    /// Few entries are no fault, and those of batches that were cut off would be one.
    fn forget_indexes(&self, partition: &str) {
        let name = LOG.replace(".log", ".index");
        for file in [name.as_str(), &name.replace(".index", ".timeindex")] {
            fs::write(self.root.path().join(partition).join(file), "").unwrap();
        }
    }

    fn log(&self, partition: &str) -> PathBuf {
        self.root.path().join(partition).join(LOG)
    }

    /// Verifies it with one thread. `change` is made when the first half of `b-0` was read, its
    /// second half was not, and `c-0` was listed only: nobody takes what is said about `a-0`, so
    /// that the program waits.
    fn verify_while(&self, change: impl FnOnce()) -> Run {
        let mut child = Command::new(env!("CARGO_BIN_EXE_seg"))
            .args(["verify", ".", "-v", "--format", "json", "--threads", "1"])
            .current_dir(self.root.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = child.stdout.take().unwrap();
        let begin = Instant::now();
        while rustix::io::ioctl_fionread(&output).unwrap() == 0 {
            assert!(begin.elapsed() < Duration::from_secs(60), "it says nothing");
            std::thread::sleep(Duration::from_millis(2));
        }
        change();
        let mut stdout = Vec::new();
        output.read_to_end(&mut stdout).unwrap();
        let ended = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        let run = Run { stdout, stderr, status: ended.status.code().unwrap() };
        assert_eq!(run.stderr, "");
        assert!(run.stdout.len() > 400_000, "the program did not have to wait");
        run
    }
}

/// Severity, code and file of what was found, but in `a-0`.
fn found(run: &Run) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows =
        run.rows_of("finding").into_iter().filter(|row| !row["file"].to_string().contains("a-0"));
    let line = |row: Value| {
        let (severity, code, file) = (&row["severity"], &row["code"], text(&row["file"]));
        format!("{} {} {}", text(severity), text(code), file.trim_start_matches("./"))
    };
    rows.map(line).collect()
}

fn nothing() -> Vec<String> {
    Vec::new()
}

#[test]
fn nothing_is_found_where_nothing_changes() {
    for is_live in [false, true] {
        let dir = LogDir::new(is_live);
        let run = dir.verify_while(|| {});
        assert_eq!((found(&run), run.status), (nothing(), 0), "live: {is_live}");
    }
}

#[test]
fn an_unfinished_batch_is_growing_while_the_lock_is_held() {
    let dir = LogDir::new(true);
    let log = File::options().write(true).open(dir.log("c-0")).unwrap();
    log.set_len(1000).unwrap();
    dir.forget_indexes("c-0");
    let verify = || seg(dir.root.path(), &["verify", "c-0", "-v", "--format", "json"]);
    let run = verify();
    assert_eq!((found(&run), run.status), (vec![format!("note growing-tail c-0/{LOG}")], 0));
    fcntl_lock(dir.lock.as_ref().unwrap(), FlockOperation::Unlock).unwrap();
    let run = verify();
    assert_eq!((found(&run), run.status), (vec![format!("warning torn-tail c-0/{LOG}")], 1));
}

#[test]
fn a_log_that_grows_or_makes_room_for_a_new_one_is_sound() {
    let dir = LogDir::new(true);
    let run = dir.verify_while(|| {
        let mut log = fs::read(dir.log("b-0")).unwrap();
        log.extend(&ALL[BATCHES - 1]);
        log.truncate(log.len() - 1);
        // What a cleaner does: another file takes the name.
        fs::write(dir.root.path().join("new"), &log).unwrap();
        fs::rename(dir.root.path().join("new"), dir.log("b-0")).unwrap();
    });
    let expected = ["replaced", "growing-tail"].map(|code| format!("note {code} b-0/{LOG}"));
    assert_eq!((found(&run), run.status), (expected.into(), 0));
}

#[test]
fn what_vanishes_is_said_to_and_is_not_missed() {
    for is_live in [false, true] {
        let dir = LogDir::new(is_live);
        let run = dir.verify_while(|| {
            fs::remove_dir_all(dir.root.path().join("c-0")).unwrap();
        });
        assert_eq!((found(&run), run.status), (vec!["note vanished c-0".to_owned()], 0));

        let dir = LogDir::new(is_live);
        let run = dir.verify_while(|| {
            for file in entries(&dir.root.path().join("c-0")) {
                fs::rename(&file, file.with_extension("deleted")).unwrap();
            }
        });
        let found = found(&run);
        assert!(found.contains(&format!("note vanished c-0/{LOG}")), "{found:?}");
        assert!(found.iter().all(|line| line.starts_with("note ")), "{found:?}");
        assert_eq!(run.status, 0);
    }
}

#[test]
fn a_log_that_is_cut_between_batches_is_sound() {
    for is_live in [false, true] {
        let dir = LogDir::new(is_live);
        let run = dir.verify_while(|| {
            let log = File::options().write(true).open(dir.log("b-0")).unwrap();
            log.set_len(dir.ends[5] as u64).unwrap();
            dir.forget_indexes("b-0");
        });
        let expected = vec![format!("note truncated-while-reading b-0/{LOG}")];
        assert_eq!((found(&run), run.status), (expected, 0), "live: {is_live}");
    }
}

#[test]
fn damage_that_comes_while_it_is_looked_for_is_found() {
    for is_live in [false, true] {
        let dir = LogDir::new(is_live);
        let run = dir.verify_while(|| {
            let mut log = fs::read(dir.log("b-0")).unwrap();
            log.truncate(dir.ends[5]);
            let at = dir.ends[2] + 100;
            log[at] ^= 1;
            fs::write(dir.log("b-0"), &log).unwrap();
            dir.forget_indexes("b-0");
        });
        let found = found(&run);
        let expected = [
            format!("error batch-crc b-0/{LOG}"),
            format!("note truncated-while-reading b-0/{LOG}"),
        ];
        assert!(expected.iter().all(|line| found.contains(line)), "{found:?}");
        assert_eq!(run.status, 1);
    }
}

#[test]
fn reindex_beside_a_broker_says_who_is_there_and_changes_nothing() {
    let dir = LogDir::new(true);
    let partition = dir.root.path().join("b-0");
    let before = entries(&partition);
    for arguments in [["reindex", "."], ["reindex", "b-0"]] {
        let run = seg(dir.root.path(), &arguments);
        let who = format!(".lock: process {} holds it", std::process::id());
        assert_eq!(run.status, 2, "{}", run.stderr);
        assert_eq!(run.stderr.matches('\n').count(), 1, "{}", run.stderr);
        assert!(run.stderr.contains(&who), "{}", run.stderr);
        assert_eq!(entries(&partition), before);
    }
    // No broker has a snapshot at the end of its log while it is at work.
    fs::remove_file(partition.join("00000000000000000006.snapshot")).unwrap();
    let run = seg(dir.root.path(), &["reindex", "--check", "b-0"]);
    assert_eq!(run.status, 0, "{}", String::from_utf8_lossy(&run.stdout));
}

/// Root reads everything, so that this says something only where it is run by anybody else.
#[test]
fn what_reindex_may_not_read_is_said_and_stays() {
    let dir = LogDir::new(false);
    let index = dir.log("c-0").with_extension("index");
    fs::remove_file(&index).unwrap();
    fs::write(&index, b"somebody's").unwrap();
    fs::set_permissions(&index, fs::Permissions::from_mode(0o000)).unwrap();
    if File::open(&index).is_ok() {
        return;
    }
    let run = seg(dir.root.path(), &["reindex", "c-0"]);
    let said = String::from_utf8(run.stdout).unwrap();
    assert!(said.contains("not-readable") && said.contains("Permission denied"), "{said}");
    assert_eq!((run.stderr.as_str(), run.status), ("", 3));
    fs::set_permissions(&index, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(fs::read(&index).unwrap(), b"somebody's");
}

/// A limit on the size of files is met like a full disk: the system's signal ends nothing.
#[test]
fn a_file_that_may_not_grow_is_an_error() {
    let dir = LogDir::new(false);
    let index = dir.log("b-0").with_extension("index");
    fs::write(&index, b"broken").unwrap();
    let run = Command::new("sh")
        .args(["-c", "ulimit -f 0; exec \"$0\" reindex b-0", env!("CARGO_BIN_EXE_seg")])
        .current_dir(dir.root.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("File too large") && stderr.lines().count() == 1, "{stderr}");
    assert_eq!(fs::read(&index).unwrap(), b"broken");
}
