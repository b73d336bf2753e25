//! What the integration tests share: where the real files are, the program as a process, a small
//! pseudo-random generator, and checksums and batches made without the library under test.
//!
//! `testdata/` is made anew from time to time: a test may know names of directories in it, and
//! nothing else; every offset, size and timestamp is found out when the test runs.

#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

pub mod batches;

use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a program printed and how it ended.
pub struct Run {
    pub stdout: Vec<u8>,
    pub stderr: String,
    pub status: i32,
}

impl Run {
    /// The rows of `--format json`.
    pub fn rows(&self) -> Vec<Value> {
        let lines = self.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    /// The rows of one type.
    pub fn rows_of(&self, kind: &str) -> Vec<Value> {
        self.rows().into_iter().filter(|row| row["type"] == kind).collect()
    }
}

/// `testdata/`.
pub fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

/// Runs `seg` in `directory`.
pub fn seg<S: AsRef<std::ffi::OsStr>>(directory: &Path, arguments: &[S]) -> Run {
    seg_with_input(directory, arguments, &[])
}

/// Runs `seg` in `directory` with `input` on stdin.
pub fn seg_with_input<S: AsRef<std::ffi::OsStr>>(
    directory: &Path,
    arguments: &[S],
    input: &[u8],
) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_seg"))
        .args(arguments)
        .current_dir(directory)
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // It may end before it has read everything.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().unwrap()
    });
    Run {
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        status: output.status.code().unwrap_or(-1),
    }
}

/// The log dirs below `root`: `kafka-*`.
pub fn log_dirs(root: &Path) -> Vec<PathBuf> {
    let is_log_dir = |path: &PathBuf| {
        path.is_dir() && path.file_name().unwrap().to_string_lossy().starts_with("kafka-")
    };
    let mut dirs = entries(root);
    dirs.retain(is_log_dir);
    assert!(!dirs.is_empty(), "no kafka-* in {}", root.display());
    dirs
}

/// The partition directories below `root`, whatever their suffix.
pub fn partitions(root: &Path) -> Vec<PathBuf> {
    let mut partitions: Vec<PathBuf> =
        log_dirs(root).iter().flat_map(|dir| entries(dir)).filter(|path| path.is_dir()).collect();
    partitions.retain(|path| !files_ending(path, ".log").is_empty());
    assert!(!partitions.is_empty(), "no partition in {}", root.display());
    partitions
}

/// Everything in a directory, in the order of names.
pub fn entries(directory: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

/// The regular files of a directory whose names end with `end`, in the order of names.
pub fn files_ending(directory: &Path, end: &str) -> Vec<PathBuf> {
    let mut files = entries(directory);
    files.retain(|path| path.is_file() && path.to_string_lossy().ends_with(end));
    files
}

/// The partition directories of `testdata/` that are called `name`, such as `shapes-0`.
pub fn partitions_called(name: &str) -> Vec<PathBuf> {
    let mut found = partitions(&testdata());
    found.retain(|path| path.file_name().unwrap() == name);
    assert!(!found.is_empty(), "testdata has no {name}");
    found
}

/// Copies the files of a directory, not what is below it.
pub fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in entries(from).iter().filter(|path| path.is_file()) {
        fs::write(to.join(file.file_name().unwrap()), fs::read(file).unwrap()).unwrap();
    }
}

/// A log dir's own record of where partitions begin: the last field of the line that begins with
/// topic and partition in `log-start-offset-checkpoint`.
pub fn log_start_checkpoint(partition: &Path) -> Option<i64> {
    let text = fs::read_to_string(partition.parent()?.join("log-start-offset-checkpoint")).ok()?;
    let name = partition.file_name()?.to_string_lossy().into_owned();
    let (topic, number) = name.rsplit_once('-')?;
    let line = text.lines().find(|line| line.starts_with(&format!("{topic} {number} ")))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// xorshift64*: the same numbers from the same seed on every machine.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| (self.next() >> 32) as u8).collect()
    }
}

/// Calls `work` for every item on as many threads as there are cores; a panic in one is one here.
pub fn in_parallel<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    work(item);
                }
            });
        }
    });
}
