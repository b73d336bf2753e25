//! `seg` against bare loops that do the same and nothing else, and against `kafka-dump-log`.
//!
//! ```text
//!   cargo bench --bench speed > benches/README.md
//!
//!   SEG_BENCH_MIB          size of the uncompressed log, 1024 unless it says otherwise
//!   SEG_BENCH_ROUNDS       how often each rival runs, 7 unless it says otherwise
//!   SEG_BENCH_ONLY=serve   nothing but the server; what it is measured with besides, see serve.rs
//!   SEG_KAFKA_CLASSPATH    class path of Kafka's tools; without it that row is left out
//! ```
//!
//! Rivals run in turns in one run, and times are processor time unless a row says otherwise: the
//! ratio counts, and it holds on a machine that has other things to do. Logs are made in the
//! directory for temporary files and removed again.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    clippy::little_endian_bytes
)]

mod bare;
mod generate;
mod json;
mod measure;
mod peers;
mod reindex;
mod repair;
mod report;
mod serve;
mod verify;
mod write;

use generate::{Log, Shape};
use measure::{Race, process_time, thread_time, wall_time};
use memmap2::Mmap;
use report::{Report, Row};
use segkit::format::{Batches, Codec, Offset, Position, Scratch};
use segkit::limits::Limits;
use segkit::log::runs::{Bounds, Piece, Scanner};
use segkit::log::{Access, FileBytes, OpenPartition, PartitionDir, Workspace};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const SEG: &str = env!("CARGO_BIN_EXE_seg");
const KAFKA_TOOL: &str = "org.apache.kafka.tools.DumpLogSegments";

/// What is measured with.
struct Logs {
    /// Uncompressed, batches of 16 KiB.
    plain: Log,
    /// The same, a sixteenth of it, for what is slow or has to be in memory.
    small: Log,
    /// The same records, compressed.
    lz4: Log,
    /// Batches of a MiB that compress to almost nothing.
    zstd: Log,
    /// Text in batches of 16 KiB, by the name of the codec.
    compressed: [(&'static str, Log); 4],
    rounds: usize,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, rival @ ..] = &args[..]
        && flag == bare::FLAG
    {
        let is_server = rival.first().is_some_and(|what| what.starts_with("serve-"));
        return if is_server { serve::rivals::run(rival) } else { bare::run(rival) };
    }
    let number = |name: &str, usual: u64| {
        std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
    };
    let root = tempfile::tempdir().unwrap();
    let log_bytes = number("SEG_BENCH_MIB", 1024).max(64) << 20;
    let logs = make_logs(root.path(), log_bytes);
    let logs = Logs { rounds: number("SEG_BENCH_ROUNDS", 7) as usize, ..logs };
    let mut report = Report::default();
    let only = std::env::var("SEG_BENCH_ONLY");
    if only.as_deref() != Ok("serve") {
        files(root.path(), log_bytes, &logs, &mut report);
    }
    serve::serve(root.path(), &logs, &mut report);
    print!("{}", report.markdown(&logs.plain));
}

/// Everything that reads, writes and judges files.
fn files(root: &Path, log_bytes: u64, logs: &Logs, report: &mut Report) {
    library(logs, report);
    dump(logs, report);
    verify::verify(logs, report);
    reindex::reindex(logs, report);
    repair::repair(logs, report);
    write::write(root, log_bytes, logs, report);
    lookup(logs, report);
    kafka(logs, report);
    memory(logs, report);
    touched(logs, report);
}

fn make_logs(root: &Path, log_bytes: u64) -> Logs {
    let plain =
        Shape { log_bytes, batch_bytes: 16 << 10, codec: Codec::None, is_monotonous: false };
    let small = Shape { log_bytes: log_bytes / 16, ..plain };
    let lz4 = Shape { log_bytes: log_bytes / 4, codec: Codec::Lz4, ..plain };
    let compressed = |codec| Shape { log_bytes: log_bytes / 8, codec, ..plain };
    let zstd =
        Shape { log_bytes: 2 << 20, batch_bytes: 1 << 20, codec: Codec::Zstd, is_monotonous: true };
    let make = |name, shape| generate::log(root, name, shape).unwrap();
    Logs {
        plain: make("plain-0", plain),
        small: make("small-0", small),
        lz4: make("lz4-0", lz4),
        zstd: make("zstd-0", zstd),
        compressed: [
            ("lz4", make("text-lz4-0", compressed(Codec::Lz4))),
            ("snappy", make("text-snappy-0", compressed(Codec::Snappy))),
            ("gzip", make("text-gzip-0", compressed(Codec::Gzip))),
            ("zstd", make("text-zstd-0", compressed(Codec::Zstd))),
        ],
        rounds: 0,
    }
}

#[allow(unsafe_code)]
fn map(path: &Path) -> Mmap {
    // SAFETY: nobody changes the files of this benchmark while it runs.
    unsafe { Mmap::map(&fs::File::open(path).unwrap()).unwrap() }
}

/// The views and the scanner, on bytes that are mapped and were touched before.
fn library(logs: &Logs, report: &mut Report) {
    let file = FileBytes::open(&logs.plain.file, Access::Map).unwrap();
    let bytes = file.whole().unwrap();
    peers::checksums(bytes);

    let walk = Race::run(
        logs.rounds * 5,
        || thread_time(|| headers_through_views(bytes)),
        || thread_time(|| peers::headers(bytes)),
    );
    let rate = |time: Duration| per_unit(time, logs.plain.batches, "batch");
    report.at_most(
        1.3,
        Row::new("header walk through the views", "`Batches`", &walk, &rate)
            .against("hop from length field to length field"),
    );

    let scan = Race::run(
        logs.rounds,
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
        logs.rounds,
        || thread_time(|| records_through_views(bytes)),
        || thread_time(|| peers::records(bytes)),
    );
    let rate = |time: Duration| millions(time, logs.plain.records, "records");
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

fn seg(args: &[&str], path: &Path) -> Command {
    let mut command = Command::new(SEG);
    command.args(args).arg(path);
    command
}

/// `seg dump` as a process.
fn dump(logs: &Logs, report: &mut Report) {
    let file = &logs.plain.file;
    let log_bytes = fs::metadata(file).unwrap().len() as usize;
    let mut checksums = bare::rival("checksum", "map", 1, file);
    let batches = Race::run(
        logs.rounds,
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
    let mapped = map(&logs.small.file);
    let parsed = peers::parse(&mapped);
    let shown = logs.small.file.to_str().unwrap();
    let mut written = Vec::new();
    peers::json(shown, &parsed, |bytes| written.extend_from_slice(bytes));
    let real = seg(&JSON, &logs.small.file).output().unwrap().stdout;
    assert!(real == written, "the rival has to write the same bytes");
    drop((written, real));

    let repeat = logs.plain.records / logs.small.records;
    let sink = fs::OpenOptions::new().write(true).open("/dev/null").unwrap();
    let write_all = || {
        for _ in 0..repeat {
            peers::json(shown, &parsed, |bytes| {
                std::io::Write::write_all(&mut &sink, bytes).unwrap();
            });
        }
    };
    let json =
        Race::run(logs.rounds, || process_time(&mut seg(&JSON, file)), || thread_time(write_all));
    let rate = |time: Duration| millions(time, logs.plain.records, "rows");
    let command = "`seg dump -r --format json --threads 1 FILE > /dev/null`";
    report.at_least(
        0.8,
        Row::new("records as JSON", command, &json, &rate)
            .against("write the same bytes from parsed memory"),
    );

    let kafka = Race::run(
        logs.rounds,
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
fn lookup(logs: &Logs, report: &mut Report) {
    let target = (logs.plain.records * 2 / 3).to_string();
    let process = Race::run(
        logs.rounds * 30,
        || wall_time(&mut seg(&["lookup", "--offset", &target], &logs.plain.dir)),
        || wall_time(Command::new(SEG).arg("--version")),
    );
    let rate = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
    let command = "`seg lookup DIR --offset N`";
    report.at_most(
        1.5,
        Row::new("lookup as a process, on the clock", command, &process, &rate)
            .against("`seg --version`"),
    );
    for (log, name, limit) in [(&logs.plain, "uncompressed", Some(10.0)), (&logs.lz4, "lz4", None)]
    {
        let micros = (0..logs.rounds).map(|_| search_micros(log)).fold(f64::MAX, f64::min);
        let what = format!("lookup in an open partition, warm, {name}");
        report.time_within(&what, "`OpenPartition::offset`, random offsets", micros, limit);
    }
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

/// The tool that users have now.
fn kafka(logs: &Logs, report: &mut Report) {
    let Ok(class_path) = std::env::var("SEG_KAFKA_CLASSPATH") else { return };
    let file = &logs.small.file;
    let mut tool = Command::new("java");
    tool.args(["-Xmx256m", "-cp", &class_path, KAFKA_TOOL, "--print-data-log", "--files"]);
    tool.arg(file).stderr(std::process::Stdio::null());
    let race = Race::run(
        3,
        || wall_time(&mut seg(&["dump", "-r", "--format", "kafka"], file)),
        || wall_time(&mut tool),
    );
    let mib = fs::metadata(file).unwrap().len() >> 20;
    let rate = |time: Duration| format!("{:.3} s", time.as_secs_f64());
    let what = format!("the same lines as `kafka-dump-log` 4.3.1, {mib} MiB, on the clock");
    let command = "`seg dump -r --format kafka FILE > /dev/null`";
    report.note(
        Row::new(&what, command, &race, &rate)
            .against("`kafka-dump-log --print-data-log --files FILE > /dev/null`"),
    );
}

/// Memory of processes.
fn memory(logs: &Logs, report: &mut Report) {
    for (name, log) in [("uncompressed", &logs.plain), ("lz4", &logs.lz4), ("zstd", &logs.zstd)] {
        for threads in ["1", "2"] {
            let args = ["dump", "-r", "--format", "json", "--threads", threads];
            let peaks = measure::peaks(&mut seg(&args, &log.file));
            let bytes = fs::metadata(&log.file).unwrap().len();
            report.memory(&format!("`dump -r`, {name}"), bytes, log.records, threads, &peaks);
        }
    }
}

/// What a lookup opens, maps and reads, and which pages of cold files it brings in.
fn touched(logs: &Logs, report: &mut Report) {
    let target = (logs.plain.records * 2 / 3).to_string();
    let lookup = || seg(&["lookup", "--offset", &target], &logs.plain.dir);
    let names = ["log", "index", "timeindex"].map(|kind| logs.plain.file.with_extension(kind));
    names.iter().for_each(|file| measure::evict(file));
    assert!(lookup().output().unwrap().status.success());
    for file in &names {
        if let Some(pages) = measure::cached_pages(file) {
            report.pages(file, fs::metadata(file).unwrap().len(), pages);
        }
    }
    let trace = logs.plain.dir.with_extension("trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-o"]).arg(&trace).arg(SEG).args(["lookup", "--offset", &target]);
    strace.current_dir("/");
    if strace.arg(&logs.plain.dir).output().is_ok_and(|output| output.status.success()) {
        let text = fs::read_to_string(&trace).unwrap();
        report.calls(&text, logs.plain.dir.to_str().unwrap());
    }
}

fn per_unit(time: Duration, count: u64, unit: &str) -> String {
    format!("{:.1} ns/{unit}", time.as_secs_f64() * 1e9 / count as f64)
}

fn throughput(time: Duration, bytes: usize) -> String {
    format!("{:.2} GB/s", bytes as f64 / time.as_secs_f64() / 1e9)
}

fn millions(time: Duration, count: i64, unit: &str) -> String {
    format!("{:.1} M {unit}/s", count as f64 / time.as_secs_f64() / 1e6)
}
