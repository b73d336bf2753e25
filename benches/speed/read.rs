//! The library's views, `seg dump` and `seg lookup`.

use crate::inputs::Log;
use crate::measure::{self, Race, process_time, thread_time, wall_time};
use crate::report::{Report, Row};
use crate::{SEG, Setup, bare, map, millions, peers, per_unit, seg, throughput};
use segkit::format::{Batches, Offset, Position, Scratch};
use segkit::limits::Limits;
use segkit::log::runs::{Bounds, Piece, Scanner};
use segkit::log::{Access, FileBytes, OpenPartition, PartitionDir, Workspace};
use std::fs;
use std::process::Command;
use std::time::Duration;

/// The views and the scanner, on bytes that are mapped and were touched before.
pub fn library(setup: &Setup, report: &mut Report) {
    let file = FileBytes::open(&setup.plain.file, Access::Map).unwrap();
    let bytes = file.whole().unwrap();
    peers::checksums(bytes);

    let walk = Race::run(
        setup.rounds * 5,
        || thread_time(|| headers_through_views(bytes)),
        || thread_time(|| peers::headers(bytes)),
    );
    let rate = |time: Duration| per_unit(time, setup.plain.batches, "batch");
    report.at_most(
        1.3,
        Row::new("header walk through the views", "`Batches`", &walk, &rate)
            .against("hop from length field to length field"),
    );

    let scan = Race::run(
        setup.rounds,
        || thread_time(|| scan(&file)),
        || thread_time(|| peers::checksums(bytes)),
    );
    let rate = |time: Duration| throughput(time, bytes.len());
    report.at_least(
        0.8,
        Row::new("walk with checksums", "`Scanner`", &scan, &rate)
            .against("CRC-32C of the same mapping"),
    );

    let iteration = Race::run(
        setup.rounds,
        || thread_time(|| records_through_views(bytes)),
        || thread_time(|| peers::records(bytes)),
    );
    let rate = |time: Duration| millions(time, setup.plain.records, "records");
    report.at_least(
        0.8,
        Row::new("records, uncompressed", "`Batch::records`", &iteration, &rate)
            .against("decode the same varints"),
    );
}

fn headers_through_views(bytes: &[u8]) -> i64 {
    let mut sum = 0;
    for batch in Batches::new(bytes, Position(0)) {
        let batch = batch.unwrap();
        sum += batch.last_offset().0;
    }
    sum
}

fn records_through_views(bytes: &[u8]) -> i64 {
    let mut scratch = Scratch::new(0);
    let mut sum = 0;
    for batch in Batches::new(bytes, Position(0)) {
        for record in batch.unwrap().records(&mut scratch).unwrap() {
            let record = record.unwrap();
            let (key, value) = (record.key.unwrap_or_default(), record.value.unwrap_or_default());
            sum += record.offset.0 + record.timestamp + (key.len() + value.len()) as i64;
            sum += record.headers.len() as i64;
        }
    }
    sum
}

fn scan(file: &FileBytes) -> u64 {
    let bounds = Bounds { last_proved: None, segment_base: None, next_segment_base: None };
    let mut scanner = Scanner::new(file, 0..file.len(), bounds, Limits::STANDARD);
    let mut batches = 0;
    while let Some(piece) = scanner.next().unwrap() {
        assert!(matches!(piece, Piece::Proved(_)));
        batches += 1;
    }
    batches
}

/// `seg dump` as a process.
pub fn dump(setup: &Setup, report: &mut Report) {
    let file = &setup.plain.file;
    let log_bytes = setup.plain.log_bytes as usize;
    let mut checksums = bare::rival("checksum", "map", 1, file);
    let batches = Race::run(
        setup.rounds,
        || process_time(&mut seg(&["dump", "--threads", "1"], file)),
        || process_time(&mut checksums),
    );
    let rate = |time: Duration| throughput(time, log_bytes);
    let command = "`seg dump --threads 1 FILE > /dev/null`";
    report.at_least(
        0.8,
        Row::new("batches with checksums", command, &batches, &rate)
            .against("a process that maps and checksums"),
    );

    const JSON: [&str; 6] = ["dump", "-r", "--threads", "1", "--format", "json"];
    const KAFKA: [&str; 6] = ["dump", "-r", "--threads", "1", "--format", "kafka"];
    let mapped = map(&setup.small.file);
    let parsed = peers::parse(&mapped);
    let shown = setup.small.file.to_str().unwrap();
    let mut written = Vec::new();
    peers::json(shown, &parsed, |bytes| written.extend_from_slice(bytes));
    let real = seg(&JSON, &setup.small.file).output().unwrap().stdout;
    assert!(real == written, "the rival has to write the same bytes");
    drop((written, real));

    let sink = fs::OpenOptions::new().write(true).open("/dev/null").unwrap();
    // Of the small log, so that what is parsed fits into memory; as often as makes up for that.
    let repeat = setup.plain.records as f64 / setup.small.records as f64;
    let write_all = || {
        let time = thread_time(|| {
            for _ in 0..4 {
                peers::json(shown, &parsed, |bytes| {
                    std::io::Write::write_all(&mut &sink, bytes).unwrap();
                });
            }
        });
        time.mul_f64(repeat / 4.0)
    };
    let json = Race::run(setup.rounds, || process_time(&mut seg(&JSON, file)), write_all);
    let rate = |time: Duration| millions(time, setup.plain.records, "rows");
    let command = "`seg dump -r --format json --threads 1 FILE > /dev/null`";
    report.at_least(
        0.8,
        Row::new("records as JSON", command, &json, &rate)
            .against("write the same bytes from parsed memory"),
    );

    let kafka = Race::run(
        setup.rounds,
        || process_time(&mut seg(&KAFKA, file)),
        || process_time(&mut seg(&JSON, file)),
    );
    let command = "`seg dump -r --format kafka --threads 1 FILE > /dev/null`";
    report.at_most(
        1.5,
        Row::new("records as `kafka-dump-log` prints them", command, &kafka, &rate)
            .against("`--format json`"),
    );
}

/// `seg lookup` as a process, and the search alone.
pub fn lookup(setup: &Setup, report: &mut Report) {
    let target = (setup.plain.records * 2 / 3).to_string();
    let process = Race::run(
        setup.rounds * 30,
        || wall_time(&mut seg(&["lookup", "--offset", &target], &setup.plain.dir)),
        || wall_time(Command::new(SEG).arg("--version")),
    );
    let rate = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
    let command = "`seg lookup DIR --offset N`";
    report.at_most(
        1.5,
        Row::new("lookup as a process, on the clock", command, &process, &rate)
            .against("`seg --version`"),
    );
    for (log, name) in [(&setup.plain, "uncompressed"), (&setup.lz4, "lz4")] {
        let (mut micros, mut unpack) = (f64::MAX, f64::MAX);
        for _ in 0..setup.rounds {
            micros = micros.min(search_micros(log));
            unpack = unpack.min(unpack_micros(log));
        }
        let what = format!("lookup in an open partition, warm, {name}");
        let (limit, shown) = match name {
            "lz4" => {
                (10.0 + unpack, format!("under 10 µs and the {unpack:.1} µs of a batch's lz4"))
            }
            _ => (10.0, "under 10 µs".to_owned()),
        };
        let command = "`OpenPartition::offset`, random offsets";
        report.figure(&what, command, &format!("{micros:.2} µs"), &shown, micros < limit);
    }
    touched(setup, report);
}

/// Microseconds that it takes to decompress a batch on the average.
fn unpack_micros(log: &Log) -> f64 {
    let bytes = map(&log.file);
    let mut scratch = Scratch::new(1 << 30);
    let mut all = || {
        for batch in Batches::new(&bytes, Position(0)).map(Result::unwrap) {
            let (codec, payload) = (batch.codec().unwrap(), batch.payload().unwrap());
            let unpacked = scratch.decompress(codec, 2, payload, batch.position()).unwrap();
            std::hint::black_box(unpacked.bytes.len());
        }
    };
    thread_time(&mut all).as_secs_f64() * 1e6 / log.batches as f64
}

/// Microseconds that a search takes on the average.
fn search_micros(log: &Log) -> f64 {
    const SEARCHES: u32 = 20_000;
    let dir = PartitionDir::open(&log.dir).unwrap();
    let open = OpenPartition::new(dir, None, Access::Map, Limits::STANDARD);
    let mut workspace = Workspace::new(&Limits::STANDARD);
    let mut target = 1i64;
    let mut search = || {
        target = (target.wrapping_mul(48_271) + 11) % log.records;
        let found = open.offset(Offset(target), &mut workspace).unwrap();
        assert!(matches!(found.outcome, segkit::log::lookup::Outcome::Hit(_)));
    };
    (0..SEARCHES).for_each(|_| search());
    let time = thread_time(|| (0..SEARCHES).for_each(|_| search()));
    time.as_secs_f64() * 1e6 / f64::from(SEARCHES)
}

/// What a lookup opens, maps and reads, and which pages of cold files it brings in.
fn touched(setup: &Setup, report: &mut Report) {
    let target = (setup.plain.records * 2 / 3).to_string();
    let lookup = || seg(&["lookup", "--offset", &target], &setup.plain.dir);
    let names = ["log", "index", "timeindex"].map(|kind| setup.plain.file.with_extension(kind));
    names.iter().for_each(|file| measure::evict(file));
    let left: u64 = names.iter().filter_map(|file| measure::cached_pages(file)).sum();
    if left > 0 {
        report.pages_left(left);
    }
    assert!(lookup().output().unwrap().status.success());
    for file in &names {
        let size = fs::metadata(file).unwrap().len();
        report.pages(file, size, measure::cached_pages(file));
    }
    let trace = setup.plain.dir.with_extension("trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-o"]).arg(&trace).arg(SEG).args(["lookup", "--offset", &target]);
    strace.current_dir("/");
    if strace.arg(&setup.plain.dir).output().is_ok_and(|output| output.status.success()) {
        let text = fs::read_to_string(&trace).unwrap();
        report.calls(&text, setup.plain.dir.to_str().unwrap());
    } else {
        report.no_calls("not run: `strace` is not there or may not trace");
    }
}
