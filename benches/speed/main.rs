//! `seg` against bare loops that do the same and nothing else, and against Kafka's own programs.
//!
//! ```text
//!   benches/run          makes benches/README.md of what this program prints
//!
//!   SEG_BENCH_MIB        size of the uncompressed log, 1024 unless it says otherwise; at least 64
//!   SEG_BENCH_ROUNDS     how often each rival runs, 7 unless it says otherwise
//!   SEG_BENCH_ONLY       parts of the page to measure, with commas between them, as `PARTS` has them
//!   SEG_BENCH_MEMORY     a directory in memory, /dev/shm unless it says otherwise
//!   SEG_KAFKA_WORK       where tests/kafka/setup has put Kafka, target/kafka unless it says otherwise
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
mod beside;
mod broker;
mod inputs;
mod json;
mod limits;
mod load;
mod measure;
mod memory;
mod peers;
mod read;
mod reindex;
mod repair;
mod report;
mod serve;
mod verify;
mod write;

use broker::Kafka;
use inputs::Log;
use load::Load;
use memmap2::Mmap;
use report::Report;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

const SEG: &str = env!("CARGO_BIN_EXE_seg");
const HEADER_BYTES: usize = 61;
/// Batches of zeros, a MiB each, which compress to almost nothing.
const ZEROS: [&str; 8] = [
    "--payload",
    "zero",
    "--batch-size",
    "1048576",
    "--compression-type",
    "zstd",
    "--record-size",
    "82",
];

/// A part of the page.
type Part = (&'static str, &'static str, fn(&Setup, &mut Report));

/// What it is asked for by, its title, and what measures it.
const PARTS: [Part; 11] = [
    ("limits", "", limits::limits),
    ("library", "The library, on bytes that are mapped and were touched before", read::library),
    ("dump", "`seg dump`", read::dump),
    ("lookup", "`seg lookup`", read::lookup),
    ("verify", "`seg verify`", verify::verify),
    ("reindex", "`seg reindex`", reindex::reindex),
    ("repair", "`seg repair`", repair::repair),
    ("write", "`seg write`", write::write),
    ("serve", "`seg serve`", serve::serve),
    ("kafka", "Beside Kafka's own programs", beside::kafka),
    ("memory", "", memory::memory),
];

/// What is measured with.
struct Setup {
    /// A directory for temporary files, on the disk that logs are made on.
    root: PathBuf,
    /// One in memory, where there is such a thing.
    memory: PathBuf,
    log_bytes: u64,
    rounds: usize,
    /// Or why there is none.
    kafka: Result<Kafka, String>,
    /// Uncompressed, batches of 16 KiB.
    plain: Log,
    /// The same, a sixteenth of it, for what is slow or has to be in memory.
    small: Log,
    /// The same records, half as many, compressed.
    lz4: Log,
    /// Batches of a MiB that compress to almost nothing.
    zeros: Log,
    /// A quarter of the records, by the name of the codec.
    compressed: [(&'static str, Log); 4],
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, rival @ ..] = &args[..]
        && flag == bare::FLAG
    {
        let is_server = rival.first().is_some_and(|what| what.starts_with("serve-"));
        if is_server {
            serve::rivals::run(rival)
        } else {
            bare::run(rival)
        }
        return ExitCode::SUCCESS;
    }
    let root = tempfile::tempdir().unwrap();
    let memory = std::env::var_os("SEG_BENCH_MEMORY").map_or("/dev/shm".into(), PathBuf::from);
    let memory = if memory.is_dir() { &memory } else { root.path() };
    let memory = tempfile::tempdir_in(memory).unwrap();
    let setup = Setup::make(root.path(), memory.path());
    let only = std::env::var("SEG_BENCH_ONLY").ok();
    let (machine, load) = (report::machine(), Load::now());
    let mut report = Report::default();
    for (name, title, measure) in PARTS {
        let is_wanted = |only: &String| only.split(',').any(|wanted| wanted == name);
        if only.as_ref().is_none_or(is_wanted) {
            report.part(name, title, |report| measure(&setup, report));
        } else {
            report.left_out(name, title);
        }
    }
    print!("{}", report.markdown(&setup, &machine, &load.since()));
    if report.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Setup {
    fn make(root: &Path, memory: &Path) -> Self {
        let number = |name: &str, usual: u64| {
            std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
        };
        let log_bytes = number("SEG_BENCH_MIB", 1024).max(64) << 20;
        let records = inputs::records_of(log_bytes);
        let text = |name, share, codec| inputs::text(root, name, records / share, codec);
        eprintln!("seg write --generate: {} MiB of inputs", log_bytes >> 20);
        Self {
            root: root.to_owned(),
            memory: memory.to_owned(),
            log_bytes,
            rounds: (number("SEG_BENCH_ROUNDS", 7) as usize).max(1),
            kafka: Kafka::find(),
            plain: text("plain-0", 1, "none"),
            small: text("small-0", 16, "none"),
            lz4: text("lz4-0", 2, "lz4"),
            zeros: inputs::log(root, "zeros-0", inputs::records_of(64 << 20), &ZEROS),
            compressed: [
                ("lz4", text("text-lz4-0", 4, "lz4")),
                ("snappy", text("text-snappy-0", 4, "snappy")),
                ("gzip", text("text-gzip-0", 4, "gzip")),
                ("zstd", text("text-zstd-0", 4, "zstd")),
            ],
        }
    }
}

#[allow(unsafe_code)]
fn map(path: &Path) -> Mmap {
    // SAFETY: nobody changes the files of this benchmark while it runs.
    unsafe { Mmap::map(&fs::File::open(path).unwrap()).unwrap() }
}

fn seg(args: &[&str], path: &Path) -> Command {
    let mut command = Command::new(SEG);
    command.args(args).arg(path);
    command
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
