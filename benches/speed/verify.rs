//! `seg verify` as a process.

use crate::bare::rival;
use crate::inputs::{self, Log};
use crate::measure::{Race, process_time, wall_time};
use crate::report::{Report, Row};
use crate::{Setup, measure, memory, seg, throughput};
use std::fs;
use std::path::Path;

/// How many partitions the smaller and larger segments are in, under names of their own.
const PARTITIONS: usize = 10;

pub fn verify(setup: &Setup, report: &mut Report) {
    full_depth(&setup.plain, setup.rounds, report);
    headers(&setup.plain, setup.rounds, report);
    for (name, log) in &setup.compressed {
        compressed(name, log, setup.rounds, report);
    }
    small_segments(setup, report);
}

/// Every record of uncompressed batches, read and mapped, on one thread and on two.
fn full_depth(log: &Log, rounds: usize, report: &mut Report) {
    let log_bytes = log.log_bytes as usize;
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
    let rate = |time| format!("{} of content", throughput(time, log.content as usize));
    report.at_least(
        0.85,
        Row::new(&what, "`seg verify --threads 1 DIR`", &race, &rate)
            .against("a process that reads windows, checksums and decompresses"),
    );
}

/// Many small segments against few large ones: the same files under many names, so that they fit
/// into memory.
fn small_segments(setup: &Setup, report: &mut Report) {
    let (root, plain) = (&setup.root, &setup.plain);
    let record_size = inputs::VALUE_BYTES.to_string();
    let arguments = ["--record-size", &record_size, "--segment-bytes", "1048576"];
    let records = plain.records.cast_unsigned();
    let small = inputs::log(root, "many-0", records, &arguments);
    let logs = inputs::log_files(&small.dir);
    let count = logs.len() as u64;
    // A broker keeps snapshots of the last segments only.
    for log in logs {
        let snapshot = log.with_extension("snapshot");
        let _ = fs::remove_file(snapshot);
    }
    let few = linked(root, "few", plain);
    let many = linked(root, "many", &small);
    let (few_bytes, many_bytes) = (plain.log_bytes as f64, small.log_bytes as f64);
    for threads in ["1", "2"] {
        let args = ["verify", "--threads", threads];
        let run = |dir: &Path| match threads {
            "1" => process_time(&mut seg(&args, dir)),
            _ => wall_time(&mut seg(&args, dir)),
        };
        let race = Race::run(
            setup.rounds.min(3),
            || run(&many).div_f64(many_bytes / few_bytes),
            || run(&few),
        );
        let clock = if threads == "1" { "" } else { ", on the clock" };
        let what = format!("{} segments of 1 MiB, per byte{clock}", count * PARTITIONS as u64);
        let command =
            if threads == "1" { "`seg verify --threads 1 DIR`" } else { "`seg verify DIR`" };
        let rate = |time| throughput(time, few_bytes as usize * PARTITIONS);
        let peer = format!("{PARTITIONS} of {} MiB", plain.log_bytes >> 20);
        report.at_most(1.3, Row::new(&what, command, &race, &rate).against(&peer));
        for (dir, log, name) in [(&few, plain, "few"), (&many, &small, "small")] {
            let used = measure::peaks(&mut seg(&args, dir));
            let what = format!("`seg verify --threads {threads}`, {name} segments");
            let limit_mib = memory::THREAD_MIB * threads.parse::<u64>().unwrap();
            let size = log.log_bytes * PARTITIONS as u64;
            report.memory(&what, size, &used, (limit_mib, memory::DESCRIPTORS));
        }
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
