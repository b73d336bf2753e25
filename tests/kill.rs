//! A run that is killed, or fails, at every system call that changes a disk: whatever instant it
//! was, each file is old or new, and the next run finishes what was begun. Needs `strace`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use segkit::format::Offset;
use segkit::log::disk::RealDisk;
use segkit::log::file_facts::FileIdentity;
use segkit::log::image::LogImage;
use segkit::log::lock::Guard;
use segkit::log::new_file::is_temporary;
use segkit::repair::backup::Place;
use segkit::repair::change::{Change, ReplaceSegments, SegmentAfter, SegmentBefore, WriteFile};
use segkit::repair::{Outcome, Terms, apply, undo};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

const CHILD: &str = "SEGKIT_TEST_KILL_CHILD";
const LOG: &str = "00000000000000000000.log";
const INDEX: &str = "00000000000000000000.index";
const TIME_INDEX: &str = "00000000000000000000.timeindex";

/// Every call of `RealDisk`, by the names that processors have for them.
const CALLS: [&str; 10] = [
    "openat",
    "pwrite64",
    "fchown",
    "fchmod",
    "fsetxattr",
    "utimensat",
    "fsync",
    "linkat",
    "/^rename(at|at2)?$",
    "/^unlink(at)?$",
];

fn partition(root: &Path) -> PathBuf {
    root.join("orders-0")
}

fn after(name: &str) -> Vec<u8> {
    name.bytes().cycle().take(200_000).collect()
}

fn plan(root: &Path) -> Vec<Change> {
    let log = partition(root).join(LOG);
    let action = |name: &str| {
        let path = partition(root).join(name);
        let before = FileIdentity::of(&path).unwrap();
        let made_from = vec![(log.clone(), FileIdentity::of(&log).unwrap().unwrap())];
        Change::WriteFile(WriteFile {
            path,
            after: after(name),
            before,
            like: log.clone(),
            made_from,
        })
    };
    vec![action(INDEX), action(TIME_INDEX)]
}

fn scene() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("meta.properties"), "version=1\n").unwrap();
    fs::create_dir(partition(root.path())).unwrap();
    for (name, mode) in [(LOG, 0o640), (INDEX, 0o604)] {
        let path = partition(root.path()).join(name);
        fs::write(&path, format!("old {name}")).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(1234), Some(4321)).unwrap();
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    root
}

/// Not a test of its own: the other starts it in a child, under `strace`.
#[test]
fn apply_in_a_child() {
    let Some(root) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let Ok(guard) = Guard::of_log_dir(&root, &RealDisk) else { return };
    for applied in apply(&plan(&root), &Terms::of_derived(&guard, &RealDisk)) {
        println!("{applied:?}");
    }
}

/// What is wrong after a run was ended, or failed.
fn check(root: &Path, context: &str) {
    let owner = |name: &str| fs::metadata(partition(root).join(name)).unwrap();
    let log = owner(LOG);
    for entry in fs::read_dir(partition(root)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let bytes = fs::read(partition(root).join(&name)).unwrap();
        let is = owner(&name);
        assert_eq!((is.uid(), is.gid()), (log.uid(), log.gid()), "{context}: {name}");
        let (whole, mode) = match name.as_str() {
            LOG => (bytes == format!("old {LOG}").as_bytes(), 0o640),
            INDEX => (bytes == format!("old {INDEX}").as_bytes() || bytes == after(INDEX), 0o604),
            TIME_INDEX => (bytes == after(TIME_INDEX), 0o640),
            // What replaces the index, between its two names.
            name => (is_temporary(name) && bytes == after(INDEX), 0o604),
        };
        assert!(whole, "{context}: {name} of {} bytes", bytes.len());
        assert_eq!(is.mode() & 0o7777, mode, "{context}: {name}");
    }
    assert!(partition(root).join(INDEX).exists(), "{context}");
    if let Ok(lock) = fs::metadata(root.join(".lock")) {
        assert_eq!(lock.mode() & 0o7777, 0o644, "{context}");
    }
    let guard = Guard::of_log_dir(root, &RealDisk).unwrap();
    for applied in apply(&plan(root), &Terms::of_derived(&guard, &RealDisk)) {
        assert!(!matches!(applied.outcome, Outcome::Failed(_)), "{context}: {applied:?}");
    }
    for applied in apply(&plan(root), &Terms::of_derived(&guard, &RealDisk)) {
        assert!(matches!(applied.outcome, Outcome::Equal), "{context}: {applied:?}");
    }
    assert_eq!(fs::read_dir(partition(root)).unwrap().count(), 3, "{context}");
}

#[test]
#[ignore = "wants strace, and the right to trace"]
fn a_run_that_ends_at_any_call_leaves_old_or_new() {
    let mut ended = Vec::new();
    for fault in ["signal=SIGKILL", "error=EIO", "error=ENOSPC"] {
        for call in CALLS {
            for when in 1.. {
                let root = scene();
                let traced = root.path().join("trace");
                let status = Command::new("strace")
                    .args(["-f", "-qq", "-e", &format!("trace={call}"), "-e"])
                    .arg(format!("inject={call}:{fault}:when={when}"))
                    .arg("-o")
                    .arg(&traced)
                    .arg(std::env::current_exe().unwrap())
                    .args(["--exact", "apply_in_a_child", "--test-threads=1"])
                    .env(CHILD, root.path())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status()
                    .unwrap();
                let trace = fs::read_to_string(&traced).unwrap();
                if !trace.contains("(INJECTED)") && !trace.contains("killed by SIGKILL") {
                    assert!(status.success(), "{call} {when}: {trace}");
                    break;
                }
                check(root.path(), &format!("{call} {fault} {when}"));
                ended.push(call);
            }
        }
    }
    println!("{} runs were ended", ended.len());
    // Owners only change where this is root, attributes and names only where there are such.
    for call in ["openat", "pwrite64", "fchmod", "utimensat", "fsync", "linkat", CALLS[8]] {
        assert!(ended.iter().filter(|ended| **ended == call).count() >= 3, "{call}");
    }
}

const REPAIR: &str = "SEGKIT_TEST_KILL_REPAIR";

/// The calls of a repair and of its undo beside those of one file.
const MORE_CALLS: [&str; 2] = ["/^mkdir(at)?$", "copy_file_range"];

fn batch(base: i64) -> Vec<u8> {
    let mut bytes = vec![7; 400];
    bytes[..8].copy_from_slice(&base.to_be_bytes());
    bytes[8..12].copy_from_slice(&388_i32.to_be_bytes());
    bytes[16] = 2;
    bytes[23..27].copy_from_slice(&0_i32.to_be_bytes());
    bytes
}

fn own(root: &Path, base: i64, kind: &str) -> PathBuf {
    partition(root).join(format!("{base:020}.{kind}"))
}

/// Two segments whose batches are in the wrong ones.
fn log_dir_to_repair() -> tempfile::TempDir {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path().join("kafka");
    fs::create_dir_all(partition(&root)).unwrap();
    fs::write(root.join("meta.properties"), "version=1\n").unwrap();
    for base in [0, 10] {
        let log: Vec<u8> = (base..base + 10).flat_map(batch).collect();
        let files = [("log", log), ("index", vec![0; 8]), ("timeindex", vec![3; 24])];
        for (kind, bytes) in files {
            let path = own(&root, base, kind);
            fs::write(&path, bytes).unwrap();
            if rustix::process::geteuid().is_root() {
                std::os::unix::fs::chown(&path, Some(1234), Some(4321)).unwrap();
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            let age = SystemTime::UNIX_EPOCH + Duration::new(1_600_000_000, 123_456_789);
            fs::File::open(&path).unwrap().set_modified(age).unwrap();
        }
    }
    temporary
}

fn replacement(root: &Path) -> Vec<Change> {
    let identity = |path: &Path| FileIdentity::of(path).unwrap().unwrap();
    let before = |base: i64| {
        let paths = ["log", "index", "timeindex"].map(|kind| own(root, base, kind));
        let files = paths.into_iter().map(|path| (path.clone(), identity(&path))).collect();
        SegmentBefore { base_offset: Offset(base), files }
    };
    let after = |base: i64, parts: &[(i64, std::ops::Range<u64>)]| {
        let mut log = LogImage::default();
        for (segment, range) in parts {
            log.push(&own(root, *segment, "log"), range.clone(), Vec::new());
        }
        let like = own(root, 10, "log");
        let (index, time_index) = (vec![0; 8], vec![9; 12]);
        SegmentAfter {
            base_offset: Offset(base),
            log,
            index,
            time_index,
            txn_index: Some(Vec::new()),
            like,
        }
    };
    let after = vec![after(0, &[(0, 0..4000), (10, 0..400)]), after(11, &[(10, 400..4000)])];
    let before = vec![before(0), before(10)];
    vec![Change::ReplaceSegments(ReplaceSegments { before, after })]
}

/// Not a test of its own: the other starts it in a child, under `strace`.
#[test]
fn repair_in_a_child() {
    let Some(root) = std::env::var_os(REPAIR).map(PathBuf::from) else { return };
    let Ok(guard) = Guard::of_log_dir(&root, &RealDisk) else { return };
    if std::env::var_os("UNDO").is_some() {
        println!("{:?}", undo(&partition(&root), &guard, &RealDisk, None));
        return;
    }
    let Ok(place) = Place::find(&partition(&root), &guard, None) else { return };
    let changes = replacement(&root);
    let terms = Terms {
        guard: &guard,
        disk: &RealDisk,
        backup: Some(&place),
        rests_on: &[],
        is_first_step: false,
    };
    println!("{:?}", apply(&changes, &terms));
}

type Exact = Vec<(String, Vec<u8>, [u64; 4], (i64, i64))>;

fn exact(root: &Path) -> Exact {
    let mut files = Vec::new();
    for entry in fs::read_dir(partition(root)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let it = fs::metadata(&path).unwrap();
        let numbers = [it.ino(), it.uid().into(), it.gid().into(), it.mode().into()];
        if !is_temporary(&name) {
            let time = (it.mtime(), it.mtime_nsec());
            files.push((name, fs::read(&path).unwrap(), numbers, time));
        }
    }
    files.sort();
    files
}

#[test]
#[ignore = "wants strace, and the right to trace"]
fn a_repair_or_undo_that_ends_at_any_call_is_undone() {
    let mut ended = 0;
    for is_undo in [false, true] {
        for fault in ["signal=SIGKILL", "error=EIO"] {
            for call in CALLS.iter().chain(&MORE_CALLS) {
                for when in 1.. {
                    let temporary = log_dir_to_repair();
                    let root = temporary.path().join("kafka");
                    let first = exact(&root);
                    if is_undo {
                        let guard = Guard::of_log_dir(&root, &RealDisk).unwrap();
                        let place = Place::find(&partition(&root), &guard, None).unwrap();
                        let backup = Some(&place);
                        let disk = &RealDisk;
                        let terms = Terms {
                            guard: &guard,
                            disk,
                            backup,
                            rests_on: &[],
                            is_first_step: false,
                        };
                        let _ = apply(&replacement(&root), &terms);
                    }
                    let traced = temporary.path().join("trace");
                    let mut command = Command::new("strace");
                    command
                        .args(["-f", "-qq", "-e", &format!("trace={call}"), "-e"])
                        .arg(format!("inject={call}:{fault}:when={when}"))
                        .arg("-o")
                        .arg(&traced)
                        .arg(std::env::current_exe().unwrap())
                        .args(["--exact", "repair_in_a_child", "--test-threads=1"])
                        .env(REPAIR, &root)
                        .stdout(Stdio::null())
                        .stderr(Stdio::null());
                    if is_undo {
                        command.env("UNDO", "1");
                    }
                    let status = command.status().unwrap();
                    let trace = fs::read_to_string(&traced).unwrap();
                    if !trace.contains("(INJECTED)") && !trace.contains("killed by SIGKILL") {
                        assert!(status.success(), "{call} {when}: {trace}");
                        break;
                    }
                    let context = format!("undo {is_undo}, {fault}, {call} {when}");
                    let guard = Guard::of_log_dir(&root, &RealDisk).unwrap();
                    if let Err(error) = undo(&partition(&root), &guard, &RealDisk, None) {
                        let error = error.to_string();
                        let is_none = error.ends_with("there is no backup that is not undone");
                        assert!(is_none, "{context}: {error}");
                    }
                    assert!(exact(&root) == first, "{context}");
                    ended += 1;
                }
            }
        }
    }
    println!("{ended} runs were ended");
    assert!(ended >= 100, "{ended}");
}
