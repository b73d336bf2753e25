//! `seg reindex` as a process.

use crate::bare::rival;
use crate::inputs::Log;
use crate::measure::{Race, process_time};
use crate::report::{Report, Row};
use crate::{Setup, seg, throughput};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub fn reindex(setup: &Setup, report: &mut Report) {
    let (log, rounds) = (&setup.plain, setup.rounds);
    let log_bytes = log.log_bytes as usize;
    let rate = |time: Duration| throughput(time, log_bytes);
    let dir = copy(log, "reindexed-0");
    let remove = |kinds: &[&str]| remove(&dir, kinds);
    let checksum = || process_time(&mut rival("checksum", "read", 1, &log.file));
    let peer = "a process that reads windows and checksums";

    let args = ["reindex", "--threads", "1"];
    assert!(seg(&args, &dir).output().unwrap().status.success());
    let checked = [&args[..], &["--check"]].concat();
    let race = Race::run(rounds, || process_time(&mut seg(&checked, &dir)), checksum);
    let command = "`seg reindex --check --threads 1 DIR`";
    report.at_least(0.8, Row::new("indexes compared", command, &race, &rate).against(peer));

    let command = "`seg reindex --threads 1 DIR`";
    let race = Race::run(
        rounds,
        || {
            remove(&["timeindex", "snapshot"]);
            process_time(&mut seg(&args, &dir))
        },
        checksum,
    );
    let what = "a missing `.timeindex` and snapshot written";
    report.at_least(0.8, Row::new(what, command, &race, &rate).against(peer));

    let race = Race::run(
        rounds,
        || {
            remove(&["index", "timeindex", "snapshot"]);
            process_time(&mut seg(&args, &dir))
        },
        checksum,
    );
    let what = "both indexes missing and written";
    report.at_least(0.8, Row::new(what, command, &race, &rate).against(peer));
}

/// Removes every file of these kinds.
pub fn remove(dir: &Path, kinds: &[&str]) {
    for file in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_some_and(|kind| kinds.iter().any(|other| kind == *other)) {
            fs::remove_file(file).unwrap();
        }
    }
}

/// The partition under another name: the log is the same file, the others are copies.
pub fn copy(log: &Log, name: &str) -> PathBuf {
    let dir = log.dir.with_file_name(name);
    fs::create_dir(&dir).unwrap();
    for file in fs::read_dir(&log.dir).unwrap().map(|entry| entry.unwrap().path()) {
        let to = dir.join(file.file_name().unwrap());
        if file.extension().is_some_and(|kind| kind == "log") {
            fs::hard_link(file, to).unwrap();
        } else {
            fs::copy(file, to).map(drop).unwrap();
        }
    }
    dir
}
