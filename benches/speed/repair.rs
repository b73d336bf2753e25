//! `seg repair` as a process: a plan beside a verify of the same bytes, and a repair beside a copy
//! of the segment that it writes anew.

use crate::inputs::Log;
use crate::measure::{Race, process_time, wall_time};
use crate::report::{Report, Row};
use crate::{SEG, Setup, seg, throughput};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub fn repair(setup: &Setup, report: &mut Report) {
    let (log, rounds) = (&setup.plain, setup.rounds);
    let log_bytes = log.log_bytes as usize;
    let rate = |time: Duration| throughput(time, log_bytes);
    let one = ["--threads", "1"];
    let verify = || process_time(&mut seg(&[&["verify"], &one[..]].concat(), &log.dir));
    let plan = || process_time(&mut seg(&[&["repair"], &one[..]].concat(), &log.dir));
    let race = Race::run(rounds, plan, verify);
    let row = Row::new("a healthy segment, planned", "`seg repair --threads 1 DIR`", &race, &rate);
    report.at_least(0.9, row.against("`seg verify --threads 1 DIR`"));

    let dir = damaged(log);
    let verify = || shell(&format!("{SEG} verify --threads 1 {} || true", dir.display()));
    let plan = || shell(&format!("{SEG} repair --threads 1 {} || true", dir.display()));
    let race = Race::run(rounds, plan, verify);
    let row = Row::new(
        "a lost sector, planned, on the clock",
        "`seg repair --threads 1 DIR`",
        &race,
        &rate,
    );
    // Planning proves itself by a second look, at what would stand there.
    report.beside(row.against("`seg verify --threads 1 DIR`"));

    // Both plan; what is compared is what comes behind that.
    let file = dir.join(log.file.file_name().unwrap());
    let copy = dir.with_extension("copy");
    let (segment, target) = (file.display(), copy.display());
    // Outside of what is a log dir by its partitions, on the same disk.
    let place = tempfile::tempdir().unwrap();
    let backup = place.path().join("backup");
    let repair = format!("{SEG} repair --backup {} {}", backup.display(), dir.display());
    fs::create_dir(&backup).unwrap();
    let planned = format!("{SEG} repair {} || true", dir.display());
    let race = Race::run(
        rounds,
        || {
            let time = shell(&format!("{repair} --apply --sole-copy"));
            shell(&format!("{repair} --undo"));
            fs::remove_dir_all(&backup).unwrap();
            fs::create_dir(&backup).unwrap();
            time
        },
        || {
            let time = shell(&format!("{planned}; cp {segment} {target} && sync {target}"));
            fs::remove_file(&copy).unwrap();
            time
        },
    );
    let row =
        Row::new("a lost sector, repaired, on the clock", "`seg repair --apply DIR`", &race, &rate);
    report.at_least(0.8, row.against("`seg repair DIR; cp LOG COPY; sync COPY`"));
}

fn shell(line: &str) -> Duration {
    wall_time(Command::new("sh").args(["-c", line]))
}

/// A copy of the partition with 512 zeros in the middle of its log.
fn damaged(log: &Log) -> PathBuf {
    let dir = log.dir.with_file_name("repaired-0");
    fs::create_dir(&dir).unwrap();
    for file in fs::read_dir(&log.dir).unwrap().map(|entry| entry.unwrap().path()) {
        fs::copy(&file, dir.join(file.file_name().unwrap())).unwrap();
    }
    let file = dir.join(log.file.file_name().unwrap());
    spoil(&file);
    dir
}

fn spoil(file: &Path) {
    let file = fs::File::options().write(true).open(file).unwrap();
    let middle = file.metadata().unwrap().len() / 2 / 512 * 512;
    file.write_all_at(&[0; 512], middle).unwrap();
}
