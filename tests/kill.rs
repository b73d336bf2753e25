//! A run that is killed, or fails, at every system call that changes a disk: whatever instant it
//! was, each file is old or new, and the next run finishes what was begun. Needs `strace`.

#![allow(clippy::unwrap_used)]

use segkit::log::disk::RealDisk;
use segkit::log::file_facts::FileIdentity;
use segkit::log::lock::Guard;
use segkit::log::new_file::is_temporary;
use segkit::repair::change::{Change, WriteFile};
use segkit::repair::{Outcome, apply};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
    for applied in apply(&plan(&root), &guard, &RealDisk) {
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
    for applied in apply(&plan(root), &guard, &RealDisk) {
        assert!(!matches!(applied.outcome, Outcome::Failed(_)), "{context}: {applied:?}");
    }
    for applied in apply(&plan(root), &guard, &RealDisk) {
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
