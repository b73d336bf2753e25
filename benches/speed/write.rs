//! `seg write` as a process, beside loops that do the least that has to be done: the same bytes
//! copied into batches, checksummed and written; the same payloads compressed; the same lines
//! parsed.

use crate::measure::{Race, process_time_of, thread_time, wall_time_of};
use crate::report::{Report, Row};
use crate::{HEADER_BYTES, SEG, Setup, json, millions, throughput};
use lz4_flex::block::{CompressTable, compress_into_with_table};
use segkit::format::{Batches, Codec, Position, Scratch};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const NAME: &str = "00000000000000000000.log";

pub fn write(setup: &Setup, report: &mut Report) {
    // In memory: disks would be measured otherwise.
    let place = tempfile::tempdir_in(&setup.memory).unwrap();
    let (place, log_bytes) = (place.path(), setup.log_bytes);
    for (what, payload, record_size) in [
        ("made-up JSON of 100 bytes", "json", 100),
        ("made-up JSON of 30 bytes", "json", 30),
        ("zeros of 100 bytes, null keys", "zero", 100),
        ("zeros of 30 bytes, null keys", "zero", 30),
    ] {
        let made = Made { place, payload, record_size, records: log_bytes / 2 / record_size };
        generated(what, &made, setup.rounds, report);
    }
    let records = log_bytes / 4 / 100;
    let made = Made { place, payload: "json", record_size: 100, records };
    compressed(&made, setup.rounds, report);
    lines(&Made { records: log_bytes / 8 / 100, ..made }, setup.rounds, report);
}

/// Data that `seg write` makes up.
struct Made<'p> {
    place: &'p Path,
    payload: &'static str,
    record_size: u64,
    records: u64,
}

impl Made<'_> {
    fn dir(&self) -> PathBuf {
        self.place.join("made-0")
    }

    /// A command that writes it anew.
    fn command(&self, arguments: &[&str]) -> Command {
        let _ = fs::remove_dir_all(self.dir());
        let keys = if self.payload == "zero" { "0" } else { "1000" };
        let mut command = Command::new(SEG);
        command.arg("write").arg(self.dir()).args(["--keys", keys]);
        command.args(["--payload", self.payload, "--generate", &self.records.to_string()]);
        command.args(["--record-size", &self.record_size.to_string()]).args(arguments);
        command
    }

    fn written(&self, arguments: &[&str]) -> Vec<u8> {
        assert!(self.command(arguments).output().unwrap().status.success());
        fs::read(self.dir().join(NAME)).unwrap()
    }
}

fn generated(what: &str, made: &Made<'_>, rounds: usize, report: &mut Report) {
    const ONE: [&str; 2] = ["--threads", "1"];
    let log = made.written(&ONE);
    let bare = Bare::of(&log);
    let file = made.place.join("bare");
    let race = Race::run(
        rounds,
        || process_time_of(made.command(&ONE), Stdio::null()),
        || {
            let _ = fs::remove_file(&file);
            thread_time(|| bare.write(&log, &file))
        },
    );
    assert_eq!(fs::metadata(&file).unwrap().len(), log.len() as u64);
    fs::remove_file(&file).unwrap();
    let rate = |time: Duration| {
        let records = millions(time, made.records as i64, "records");
        format!("{}, {records}", throughput(time, log.len()))
    };
    let command = "`seg write DIR --generate N --threads 1`";
    let row = Row::new(what, command, &race, &rate);
    let row = row.against("copy each record into a batch, checksum and write that");
    if made.record_size == 100 {
        return report.at_least(0.7, row);
    }
    // What a record costs whatever its size: a number of records a second, and no ratio.
    let per_second = made.records as f64 / race.seg().0.as_secs_f64();
    report.beside(row);
    let shown = format!("{:.1} M records/s", per_second / 1e6);
    report.figure(what, command, &shown, "at least 10 M/s", per_second >= 10e6);
}

/// Where batches and records end.
struct Bare {
    batches: Vec<(usize, Vec<u32>)>,
}

impl Bare {
    fn of(log: &[u8]) -> Self {
        let mut scratch = Scratch::new(0);
        let size = |batch: segkit::format::Batch<'_>| {
            let records = batch.records(&mut scratch).unwrap();
            // Behind the length, and the length itself, which has one byte or two.
            let size = |record: segkit::format::Record<'_>| {
                let (key, value) = (record.key.map_or(0, <[u8]>::len), record.value.unwrap().len());
                (key + value) as u32
            };
            let content: Vec<u32> = records.map(|record| size(record.unwrap())).collect();
            let all = (batch.size() - HEADER_BYTES) as u32;
            let more = all - content.iter().sum::<u32>();
            // The bytes around keys and values, shared out: copies of the right size on the whole.
            let (each, rest) = (more / content.len() as u32, more % content.len() as u32);
            let mut sizes: Vec<u32> = content.iter().map(|size| size + each).collect();
            sizes[0] += rest;
            (batch.size(), sizes)
        };
        Self { batches: Batches::new(log, Position(0)).map(Result::unwrap).map(size).collect() }
    }

    fn write(&self, log: &[u8], path: &Path) {
        let mut file = File::create(path).unwrap();
        let (mut batch, mut at) = (Vec::new(), 0);
        for (size, records) in &self.batches {
            batch.clear();
            batch.extend_from_slice(&log[at..at + HEADER_BYTES]);
            let mut from = at + HEADER_BYTES;
            for record in records {
                batch.extend_from_slice(&log[from..from + *record as usize]);
                from += *record as usize;
            }
            std::hint::black_box(crc32c::crc32c(&batch[21..]));
            file.write_all(&batch).unwrap();
            at += size;
        }
    }
}

fn compressed(made: &Made<'_>, rounds: usize, report: &mut Report) {
    let arguments = ["--compression-type", "lz4"];
    let one = [&arguments[..], &["--threads", "1"]].concat();
    let log = made.written(&one);
    let mut scratch = Scratch::new(1 << 30);
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    for batch in Batches::new(&log, Position(0)) {
        let batch = batch.unwrap();
        assert_eq!(batch.codec(), Ok(Codec::Lz4));
        let end = batch.position().0 as usize + batch.size();
        let payload = &log[end - batch.size() + HEADER_BYTES..end];
        let found = scratch.decompress(Codec::Lz4, 2, payload, Position(0)).unwrap();
        payloads.push(found.bytes.to_vec());
    }
    let bytes: usize = payloads.iter().map(Vec::len).sum();
    let mut out = vec![0; 1 << 20];
    let (mut small, mut large) = (CompressTable::small(), CompressTable::large());
    let mut compress = || {
        for block in payloads.iter().flat_map(|payload| payload.chunks(64 << 10)) {
            let is_small = block.len() < usize::from(u16::MAX);
            let table = if is_small { &mut small } else { &mut large };
            compress_into_with_table(block, &mut out, table).unwrap();
        }
    };
    let race = Race::run(
        rounds,
        || process_time_of(made.command(&one), Stdio::null()),
        || thread_time(&mut compress),
    );
    let rate = |time: Duration| throughput(time, bytes);
    let command = "`seg write DIR --generate N --compression-type lz4 --threads 1`";
    let row = Row::new("made-up JSON of 100 bytes, lz4", command, &race, &rate);
    let peer = "compress the same payloads and do nothing else";
    report.at_least(0.8, row.against(peer));
    let two = [&arguments[..], &["--threads", "2"]].concat();
    let race = Race::run(
        rounds,
        || wall_time_of(made.command(&two), Stdio::null()),
        || {
            let before = Instant::now();
            compress();
            before.elapsed()
        },
    );
    let command = "`seg write DIR --generate N --compression-type lz4 --threads 2`";
    let row = Row::new(
        "made-up JSON of 100 bytes, lz4, two threads, on the clock",
        command,
        &race,
        &rate,
    );
    report.at_least(0.8, row.against(peer));
}

fn lines(made: &Made<'_>, rounds: usize, report: &mut Report) {
    made.written(&[]);
    let path = made.place.join("lines");
    let to = File::create(&path).unwrap();
    let dump = ["dump", "-r", "--format", "json"];
    assert!(Command::new(SEG).args(dump).arg(made.dir()).stdout(to).status().unwrap().success());
    let text = fs::read(&path).unwrap();
    assert_eq!(json::parse(&text).0, made.records);
    let write = |arguments: &[&str]| {
        let _ = fs::remove_dir_all(made.dir());
        let _ = fs::remove_dir_all(made.place.join("lines-0"));
        let _ = fs::remove_dir_all(made.place.join("lines-1"));
        let mut command = Command::new(SEG);
        command.arg("write").args(arguments);
        (command, Stdio::from(File::open(&path).unwrap()))
    };
    let rate = |time: Duration| {
        format!(
            "{}, {}",
            throughput(time, text.len()),
            millions(time, made.records as i64, "lines")
        )
    };
    let dir = made.dir();
    let one = [dir.to_str().unwrap(), "--threads", "1", "--keep-offsets", "--keep-timestamps"];
    let race = Race::run(
        rounds,
        || {
            let (command, stdin) = write(&one);
            process_time_of(command, stdin)
        },
        || thread_time(|| json::parse(&text)),
    );
    let command = "`seg write DIR --keep-offsets --keep-timestamps --threads 1 < LINES`";
    let row = Row::new("JSON lines", command, &race, &rate);
    let peer = "`serde_json` parses the same lines, borrowing what it can";
    report.at_least(0.7, row.against(peer));
    let place = made.place.to_str().unwrap();
    let two = [place, "--topic", "lines", "--partitions", "2", "--threads", "2"];
    let race = Race::run(
        rounds,
        || {
            let (command, stdin) = write(&[&two[..], &["--keep-timestamps"]].concat());
            wall_time_of(command, stdin)
        },
        || {
            let before = Instant::now();
            std::hint::black_box(json::parse(&text));
            before.elapsed()
        },
    );
    let command = "`seg write DIR --topic T --partitions 2 --threads 2 < LINES`";
    let row = Row::new("JSON lines into two partitions, on the clock", command, &race, &rate);
    report.at_least(0.7, row.against(peer));
}
