//! `seg verify` as a process.

use crate::bare::rival;
use crate::generate::{self, Log, Shape};
use crate::measure::{Race, process_time, wall_time};
use crate::report::{Report, Row};
use crate::{Logs, measure, seg, throughput};
use segkit::format::Codec;
use std::fs;
use std::path::Path;

/// How many partitions the smaller and larger segments are in, under names of their own.
const PARTITIONS: usize = 10;

pub fn verify(logs: &Logs, report: &mut Report) {
    full_depth(&logs.plain, logs.rounds, report);
    headers(&logs.plain, logs.rounds, report);
    for (name, log) in &logs.compressed {
        compressed(name, log, logs.rounds, report);
    }
    small_segments(logs, report);
}

/// Every record of uncompressed batches, read and mapped, on one thread and on two.
fn full_depth(log: &Log, rounds: usize, report: &mut Report) {
    let log_bytes = fs::metadata(&log.file).unwrap().len() as usize;
    for (threads, access) in [(1, "read"), (1, "map"), (2, "read"), (2, "map")] {
        let threads_text = threads.to_string();
        let mut args = vec!["verify", "--threads", &threads_text];
        args.extend((access == "map").then_some("--mmap"));
        let race = match threads {
            1 => Race::run(
                rounds,
                || process_time(&mut seg(&args, &log.dir)),
                || process_time(&mut rival("records", access, 1, &log.file)),
            ),
            // Threads that wait for each other take no processor time.
            _ => Race::run(
                rounds * 3,
                || wall_time(&mut seg(&args, &log.dir)),
                || wall_time(&mut rival("records", access, threads, &log.file)),
            ),
        };
        let clock = if threads == 1 { "" } else { ", on the clock" };
        let what = format!("every record judged, uncompressed{clock}");
        let (command, peer) = match (threads, access) {
            (1, "read") => ("`seg verify --threads 1 DIR`", "a process that reads windows"),
            (1, _) => ("`seg verify --threads 1 --mmap DIR`", "a process that maps"),
            (_, "read") => ("`seg verify --threads 2 DIR`", "the same on two threads, reading"),
            _ => ("`seg verify --threads 2 --mmap DIR`", "the same on two threads, mapped"),
        };
        let peer = format!("{peer}, checksums and decodes varints");
        let rate = |time| throughput(time, log_bytes);
        report.at_least(0.8, Row::new(&what, command, &race, &rate).against(&peer));
    }
}

fn headers(log: &Log, rounds: usize, report: &mut Report) {
    let race = Race::run(
        rounds * 3,
        || process_time(&mut seg(&["verify", "--headers", "--threads", "1"], &log.dir)),
        || process_time(&mut rival("hop", "map", 1, &log.file)),
    );
    let rate = |time| crate::per_unit(time, log.batches, "batch");
    let command = "`seg verify --headers --threads 1 DIR`";
    report.at_most(
        1.3,
        Row::new("headers judged", command, &race, &rate)
            .against("a process that maps and hops from length field to length field"),
    );
}

/// Every record of compressed batches.
fn compressed(name: &'static str, log: &Log, rounds: usize, report: &mut Report) {
    let race = Race::run(
        rounds,
        || process_time(&mut seg(&["verify", "--threads", "1"], &log.dir)),
        || process_time(&mut rival(name, "read", 1, &log.file)),
    );
    let what = format!("every record judged, {name}");
    let content = log.records as usize * generate::RECORD_BYTES;
    let rate = |time| format!("{} of content", throughput(time, content));
    report.at_least(
        0.85,
        Row::new(&what, "`seg verify --threads 1 DIR`", &race, &rate)
            .against("a process that reads windows, checksums and decompresses"),
    );
}

/// Many small segments against few large ones: the same files under many names, so that they fit
/// into memory.
fn small_segments(logs: &Logs, report: &mut Report) {
    let root = logs.plain.dir.parent().unwrap();
    let shape = Shape {
        log_bytes: 1 << 20,
        batch_bytes: 16 << 10,
        codec: Codec::None,
        is_monotonous: false,
    };
    let bytes = |log: &Log| -> u64 {
        let files = fs::read_dir(&log.dir).unwrap().map(|entry| entry.unwrap());
        let logs = files.filter(|file| file.path().extension().is_some_and(|kind| kind == "log"));
        logs.map(|file| file.metadata().unwrap().len()).sum()
    };
    let count = bytes(&logs.plain) >> 20;
    let small = generate::segments(root, "many-0", shape, count as usize).unwrap();
    let few = linked(root, "few", &logs.plain);
    let many = linked(root, "many", &small);
    let (few_bytes, many_bytes) = (bytes(&logs.plain) as f64, bytes(&small) as f64);
    for threads in ["1", "2"] {
        let args = ["verify", "--threads", threads];
        let run = |dir: &Path| match threads {
            "1" => process_time(&mut seg(&args, dir)),
            _ => wall_time(&mut seg(&args, dir)),
        };
        let race = Race::run(3, || run(&many).div_f64(many_bytes / few_bytes), || run(&few));
        let clock = if threads == "1" { "" } else { ", on the clock" };
        let what = format!("{} segments of 1 MiB, per byte{clock}", count * PARTITIONS as u64);
        let command =
            if threads == "1" { "`seg verify --threads 1 DIR`" } else { "`seg verify DIR`" };
        let rate = |time| throughput(time, few_bytes as usize * PARTITIONS);
        let peer = format!("{PARTITIONS} of {} MiB", count);
        report.at_most(1.3, Row::new(&what, command, &race, &rate).against(&peer));
        let used = measure::peaks(&mut seg(&args, &many));
        report.memory(
            &format!("`verify`, {} segments", count * PARTITIONS as u64),
            bytes(&small) * PARTITIONS as u64,
            small.records * PARTITIONS as i64,
            threads,
            &used,
        );
    }
}

/// A log dir of partitions that are all the same.
fn linked(root: &Path, name: &str, log: &Log) -> std::path::PathBuf {
    let log_dir = root.join(format!("{name}-log-dir"));
    for partition in 0..PARTITIONS {
        let dir = log_dir.join(format!("{name}-{partition}"));
        fs::create_dir_all(&dir).unwrap();
        for file in fs::read_dir(&log.dir).unwrap().map(|entry| entry.unwrap()) {
            fs::hard_link(file.path(), dir.join(file.file_name())).unwrap();
        }
    }
    log_dir
}
