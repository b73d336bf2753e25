//! Logs to measure with: `seg write --generate` makes all of them.

use segkit::format::{Batches, Position, Scratch};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Bytes of a value, so that a record with its key and its numbers has 100.
pub const VALUE_BYTES: u64 = 82;
/// How many such records are in a batch of 16 KiB.
const BATCH_RECORDS: u64 = 163;
/// Decompressed bytes of a batch, at most.
const MOST_BYTES: usize = 1 << 30;

/// A log that was made.
pub struct Log {
    /// The partition directory.
    pub dir: PathBuf,
    /// The first `.log`.
    pub file: PathBuf,
    /// How many records it has.
    pub records: i64,
    /// How many batches it has.
    pub batches: u64,
    /// Bytes of its records, uncompressed.
    pub content: u64,
    /// Bytes of all its `.log` files.
    pub log_bytes: u64,
}

/// So many records of 100 bytes fill a log of about `log_bytes`.
pub const fn records_of(log_bytes: u64) -> u64 {
    log_bytes / (16 << 10) * BATCH_RECORDS
}

/// One segment of made-up JSON in records of 100 bytes.
pub fn text(root: &Path, name: &str, records: u64, codec: &str) -> Log {
    let record_size = VALUE_BYTES.to_string();
    let arguments = ["--record-size", &record_size, "--compression-type", codec];
    log(root, name, records, &[&arguments[..], &["--segment-bytes", "2147483647"]].concat())
}

/// The partition directory `name` in `root`, as `seg write` makes it with these arguments.
pub fn log(root: &Path, name: &str, records: u64, arguments: &[&str]) -> Log {
    let dir = root.join(name);
    generate(&dir, records, arguments);
    of(dir, records)
}

/// Has `seg write` make up so many records.
pub fn generate(dir: &Path, records: u64, arguments: &[&str]) {
    let mut command = Command::new(crate::SEG);
    command.arg("write").arg(dir).args(["--generate", &records.to_string()]).args(arguments);
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

/// What is in a partition directory that was just made.
fn of(dir: PathBuf, records: u64) -> Log {
    let mut files = log_files(&dir);
    files.sort();
    let (mut batches, mut found, mut content, mut log_bytes) = (0, 0i64, 0, 0);
    let mut scratch = Scratch::new(MOST_BYTES);
    for file in &files {
        let bytes = crate::map(file);
        log_bytes += bytes.len() as u64;
        for batch in Batches::new(&bytes, Position(0)).map(Result::unwrap) {
            let (codec, payload) = (batch.codec().unwrap(), batch.payload().unwrap());
            let unpacked = scratch.decompress(codec, 2, payload, Position(0)).unwrap();
            content += unpacked.bytes.len() as u64;
            found += i64::from(batch.records_count().unwrap());
            batches += 1;
        }
    }
    assert_eq!(found.cast_unsigned(), records, "{}", dir.display());
    let file = files.swap_remove(0);
    Log { dir, file, records: found, batches, content, log_bytes }
}

/// Every `.log` of a partition directory.
pub fn log_files(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|kind| kind == "log")).collect()
}
