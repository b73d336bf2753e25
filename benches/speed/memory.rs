//! The most memory that commands take, for inputs of several sizes.

use crate::measure::{self, Peaks};
use crate::report::Report;
use crate::{SEG, Setup, inputs, seg};
use std::fs::{self, File};
use std::process::{Command, Stdio};

/// What a thread may have: a run of 4 MiB, its rows, and a batch that is decompressed.
pub const THREAD_MIB: u64 = 16;
/// Descriptors of what reads, however much that is.
pub const DESCRIPTORS: usize = 16;
/// Partitions that are written to at the same time.
const PARTITIONS: u64 = 64;
const BATCH_BYTES: u64 = 16 << 10;
/// Batches of a partition that are written at a time, and the one that is being filled.
pub const BATCHES: u64 = 17;

pub fn memory(setup: &Setup, report: &mut Report) {
    let logs = [
        ("uncompressed", &setup.small),
        ("uncompressed", &setup.plain),
        ("lz4", &setup.lz4),
        ("batches of a MiB of zeros, zstd", &setup.zeros),
    ];
    for (name, log) in logs {
        for threads in [1, 2] {
            let args = ["dump", "-r", "--format", "json", "--threads", &threads.to_string()];
            let used = measure::peaks(&mut seg(&args, &log.file));
            let what = format!("`seg dump -r --format json --threads {threads}`, {name}");
            report.memory(&what, log.log_bytes, &used, (THREAD_MIB * threads, DESCRIPTORS));
        }
    }
    for share in [64, 8] {
        written(setup, inputs::records_of(setup.log_bytes / share), report);
    }
}

/// JSON lines into many partitions.
fn written(setup: &Setup, records: u64, report: &mut Report) {
    let place = tempfile::tempdir_in(&setup.memory).unwrap();
    let log = inputs::text(place.path(), "lines-0", records, "none");
    let path = place.path().join("lines");
    let to = File::create(&path).unwrap();
    let dump = seg(&["dump", "-r", "--format", "json"], &log.file).stdout(to).status().unwrap();
    assert!(dump.success());
    for threads in [1, 2] {
        let topic = place.path().join("written");
        let mut command = Command::new(SEG);
        command.arg("write").arg(&topic).args(["--topic", "lines", "--keep-timestamps"]);
        command.args(["--partitions", &PARTITIONS.to_string()]);
        command.args(["--threads", &threads.to_string()]);
        let used: Peaks = measure::peaks_of(&mut command, Stdio::from(File::open(&path).unwrap()));
        let what = format!("`seg write --partitions {PARTITIONS} --threads {threads}`, JSON lines");
        let batches = (PARTITIONS * BATCHES * BATCH_BYTES).div_ceil(1 << 20);
        // Of each partition the log and two indexes are open.
        let limits = (THREAD_MIB * threads + batches, DESCRIPTORS + 3 * PARTITIONS as usize);
        report.memory(&what, fs::metadata(&path).unwrap().len(), &used, limits);
        fs::remove_dir_all(&topic).unwrap();
    }
}
