//! `seg reindex` as a process, and the recovery of a real broker.

use crate::bare::rival;
use crate::generate::Log;
use crate::measure::{Race, process_time, wall_time};
use crate::report::{Report, Row};
use crate::{Logs, seg, throughput};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Recovers a segment with Kafka's own code.
const RECOVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/speed/Recover.java");

pub fn reindex(logs: &Logs, report: &mut Report) {
    let (log, rounds) = (&logs.plain, logs.rounds);
    let log_bytes = fs::metadata(&log.file).unwrap().len() as usize;
    let rate = |time: Duration| throughput(time, log_bytes);
    let dir = copy(log, "reindexed-0");
    let remove = |kinds: &[&str]| {
        for file in fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()) {
            if file.extension().is_some_and(|kind| kinds.iter().any(|other| kind == *other)) {
                fs::remove_file(file).unwrap();
            }
        }
    };
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
    broker(log, &dir, report);
}

/// The same segment, recovered by a broker's code in a warm virtual machine.
fn broker(log: &Log, dir: &Path, report: &mut Report) {
    const ROUNDS: &str = "5";
    let Ok(class_path) = std::env::var("SEG_KAFKA_CLASSPATH") else { return };
    let recovered = copy(log, "recovered-0");
    let mut broker = Command::new("java");
    broker.args(["-Xmx1g", "-cp", &class_path, RECOVER]).arg(&recovered).arg(ROUNDS);
    let times = |output: std::process::Output| -> Duration {
        let text = String::from_utf8(output.stdout).unwrap();
        let answer = text.lines().last().and_then(|line| line.strip_suffix(" 0"));
        Duration::from_secs_f64(answer.expect("nothing is cut off").parse().unwrap())
    };
    let race = Race::run(
        2,
        || wall_time(&mut seg(&["reindex"], dir)),
        || times(broker.stderr(Stdio::null()).output().unwrap()),
    );
    for kind in ["index", "timeindex"] {
        let name = log.file.with_extension(kind);
        let name = name.file_name().unwrap();
        let same = fs::read(dir.join(name)).unwrap() == fs::read(recovered.join(name)).unwrap();
        assert!(same, "a broker makes the same {kind}");
    }
    let rate = |time: Duration| format!("{:.3} s", time.as_secs_f64());
    report.note(
        Row::new("the same segment, on the clock", "`seg reindex DIR`", &race, &rate)
            .against("`LogSegment.recover` of 4.3.1, in a virtual machine that is warm"),
    );
}

/// The partition under another name: the log is the same file, the others are copies.
fn copy(log: &Log, name: &str) -> PathBuf {
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
