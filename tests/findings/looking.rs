//! What happens while one looks: brokers at work, devices that fail, limits.

use crate::Proof;
use crate::common::Run;
use crate::place::{Case, E, N, PLAIN, Place, found, read_i32, write_i64};
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub const PROOFS: &[Proof] = &[
    ("growing-tail", growing_tail),
    ("unreadable-range", unreadable_range),
    ("truncated-while-reading", truncated_while_reading),
    ("vanished", vanished),
    ("replaced", replaced),
    ("limit", limit),
];

/// The lock that a broker holds on its log dir, until this is dropped.
pub fn lock(place: &Place) -> fs::File {
    let path = place.root.join("data/.lock");
    let lock = fs::File::options().create(true).append(true).open(path).unwrap();
    rustix::fs::fcntl_lock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    lock
}

fn growing_tail(case: &Case) {
    let place = Place::in_log_dir(PLAIN);
    let mut log = place.last_log();
    let last = log.frames.len() - 1;
    let start = log.range(last).start;
    log.bytes.truncate(start + 50);
    place.save(&log);
    let range = start..start + 50;
    let lock = lock(&place);
    let expected = found(case.code, N, &place.name(&log.file), range);
    case.trips(&place, &[], 0, &[expected]);
    // Without a broker nobody will ever finish it.
    drop(lock);
    case.spares(&place, 1);
    // With one, but in a file that it has left behind.
    let place = Place::in_log_dir(PLAIN);
    let mut log = place.log(1);
    log.bytes.pop();
    place.save(&log);
    let _lock = self::lock(&place);
    case.spares(&place, 1);
}

/// No bytes make a device fail; a file of the kernel that cannot be read is as good. Where there is
/// no such file, this is proved in the library's own tests alone.
fn unreadable_range(case: &Case) {
    let files = ["/sys/class/net/lo/speed", "/sys/class/net/lo/duplex"];
    let fails = |file: &&&str| {
        let mut text = Vec::new();
        fs::File::open(file).is_ok_and(|mut file| file.read_to_end(&mut text).is_err())
    };
    let Some(file) = files.iter().find(fails) else {
        case.proved_elsewhere();
        return;
    };
    let length = fs::metadata(file).unwrap().len() as usize;
    let place = Place::plain();
    let arguments = ["verify", "--format", "json", "-v", "--kind", "log", file];
    let run = crate::common::seg(&place.root, &arguments);
    case.tripped_by(&run, 3, &[found(case.code, E, file, 0..length)]);
    case.spares(&place, 0);
}

/// A partition whose first segment takes a while, and others behind it.
fn large(place: Place) -> Place {
    let mut log = place.log(0);
    let batches: Vec<Vec<u8>> =
        (0..log.frames.len()).map(|batch| log.bytes[log.range(batch)].to_vec()).collect();
    log.bytes.clear();
    let mut next = 0;
    while log.bytes.len() < 96 << 20 {
        for batch in &batches {
            let start = log.bytes.len();
            log.bytes.extend_from_slice(batch);
            write_i64(&mut log.bytes[start..], 0, next);
            next += i64::from(read_i32(batch, 23)) + 1;
        }
    }
    let (index, time_index) = (format!("{}.index", log.stem), format!("{}.timeindex", log.stem));
    for file in place.files("") {
        if ![&index, &time_index, &log.file].contains(&&file) {
            place.remove(&file);
        }
    }
    // What they say is still true.
    place.write(&log.file, &log.bytes);
    place.write(&format!("{next:020}.log"), &[]);
    place
}

/// A look that is stopped in the middle of the first segment, and goes on after `change`.
fn meanwhile(place: &Place, change: impl FnOnce()) -> Run {
    let mut child: Child = Command::new(env!("CARGO_BIN_EXE_seg"))
        .args(["verify", "--format", "json", "-v", "--threads", "1", &place.target])
        .current_dir(&place.root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let open = Path::new("/proc").join(child.id().to_string()).join("fd");
    let is_open = || {
        fs::read_dir(&open).is_ok_and(|mut files| {
            files.any(|file| {
                let target = file.and_then(|file| fs::read_link(file.path()));
                target.is_ok_and(|target| target.to_string_lossy().ends_with("00000.log"))
            })
        })
    };
    while !is_open() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it began");
        std::thread::sleep(Duration::from_micros(200));
    }
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::STOP).unwrap();
    change();
    rustix::process::kill_process(id, rustix::process::Signal::CONT).unwrap();
    let output = child.wait_with_output().unwrap();
    Run {
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        status: output.status.code().unwrap_or(-1),
    }
}

/// The one finding of the code.
fn only(case: &Case, run: &Run) -> Value {
    let rows = run.rows_of("finding");
    let mut rows = rows.iter().filter(|row| row["code"] == case.code);
    let row = rows.next().unwrap_or_else(|| panic!("{}: not found", case.code)).clone();
    assert!(rows.next().is_none(), "{}: more than one", case.code);
    row
}

fn truncated_while_reading(case: &Case) {
    let place = large(Place::plain());
    let log = place.files(".log")[0].clone();
    // Of a log that is empty in the end, indexes would be stale.
    for ending in ["index", "timeindex"] {
        fs::remove_file(place.path(&log).with_extension(ending)).unwrap();
    }
    let length = fs::metadata(place.path(&log)).unwrap().len() as usize;
    let run = meanwhile(&place, || {
        let file = fs::File::options().write(true).open(place.path(&log)).unwrap();
        file.set_len(0).unwrap();
    });
    // How far it had come is left to chance; from there to the end nothing could be read.
    let row = only(case, &run);
    let start = row["position"].as_u64().unwrap() as usize;
    let expected = found(case.code, N, &place.name(&log), start..length);
    // A second look finds it at rest, which settles it.
    case.tripped_by(&run, 0, &[expected]);
    // A file that was short when it was opened.
    let place = Place::plain();
    let mut log = place.last_log();
    log.bytes.clear();
    place.save(&log);
    case.spares(&place, 1);
}

fn vanished(case: &Case) {
    let place = large(Place::plain());
    let last = place.files(".log")[1].clone();
    let run = meanwhile(&place, || place.remove(&last));
    case.tripped_by(&run, 0, &[found(case.code, N, &place.name(&last), 0..0)]);
    // Not there from the start.
    let place = large(Place::plain());
    place.remove(&last);
    case.spares(&place, 0);
}

fn replaced(case: &Case) {
    let place = large(Place::in_log_dir(PLAIN));
    let _lock = lock(&place);
    let log = place.files(".log")[0].clone();
    let length = fs::metadata(place.path(&log)).unwrap().len() as usize;
    let run = meanwhile(&place, || {
        crate::place::copy(&place.path(&log), &place.root.join("other"));
        fs::rename(place.root.join("other"), place.path(&log)).unwrap();
    });
    // A second look finds the new one in its place, which settles it.
    case.tripped_by(&run, 0, &[found(case.code, N, &place.name(&log), 0..length)]);
    // The same bytes, written before.
    crate::place::copy(&place.path(&log), &place.root.join("other"));
    fs::rename(place.root.join("other"), place.path(&log)).unwrap();
    case.spares(&place, 0);
}

fn limit(case: &Case) {
    let partition = ("kafka-4.3.1", "codec-gzip-0");
    let place = Place::of(partition);
    let run = place.verify(&["--max-decompressed-bytes", "100000"]);
    let row = only(case, &run);
    let log = place.log(0);
    let start = row["position"].as_u64().unwrap() as usize;
    let range = start..start + row["length"].as_u64().unwrap() as usize;
    let batch = log.frames.iter().find(|frame| frame.position == start).unwrap();
    let name = place.name(&log.file);
    assert!(row["places"].as_u64().is_some_and(|places| places > 1) || range.end == batch.end());
    case.tripped_by(&run, 2, &[found(case.code, N, &name, range)]);
    case.spares(&place, 0);
    // What is behind the limit of a derived file is neither judged nor taken for missing.
    let place = Place::of(("kafka-4.3.1-killed", "preallocated-0"));
    let files = [".index", ".timeindex", ".snapshot"].map(|end| place.files(end)).concat();
    for limit in [50, 100] {
        let unread = files.iter().map(|file| (file, place.read(file).len()));
        let rows = unread
            .filter(|(_, length)| *length > limit)
            .map(|(file, length)| found(case.code, N, &place.name(file), limit..length));
        case.trips(
            &place,
            &["--max-index-bytes", &limit.to_string()],
            2,
            &rows.collect::<Vec<_>>(),
        );
    }
}
