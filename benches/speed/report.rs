//! The table.

use crate::generate::Log;
use crate::measure::{Peaks, Race};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// What was found out, as lines of Markdown.
#[derive(Default)]
pub struct Report {
    rows: String,
    memory: String,
    pages: String,
    calls: Vec<String>,
}

/// Two rivals.
pub struct Row {
    what: String,
    command: &'static str,
    peer: String,
    seg_rate: String,
    peer_rate: String,
    /// Time of `seg` over time of the peer.
    ratio: f64,
    median_ratio: f64,
}

impl Row {
    /// `rate` makes a time readable.
    pub fn new(
        what: &str,
        command: &'static str,
        race: &Race,
        rate: &dyn Fn(Duration) -> String,
    ) -> Self {
        let (seg, ratio) = race.seg();
        let (seg_rate, peer_rate) = (rate(seg), rate(race.peer()));
        let (what, median_ratio) = (what.to_owned(), race.median_ratio());
        Self { what, command, peer: String::new(), seg_rate, peer_rate, ratio, median_ratio }
    }

    /// Says what the peer is.
    pub fn against(self, peer: &str) -> Self {
        Self { peer: peer.to_owned(), ..self }
    }
}

impl Report {
    /// A row whose time may be at most `limit` of the peer's.
    pub fn at_most(&mut self, limit: f64, row: Row) {
        let met = if row.ratio <= limit { "yes" } else { "**no**" };
        let (ratio, median) = (row.ratio, row.median_ratio);
        self.row(&row, &format!("time {ratio:.2} ({median:.2})"), &format!("at most {limit}"), met);
    }

    /// A row whose speed has to be at least `limit` of the peer's.
    pub fn at_least(&mut self, limit: f64, row: Row) {
        let (ratio, median) = (1.0 / row.ratio, 1.0 / row.median_ratio);
        let met = if ratio >= limit { "yes" } else { "**no**" };
        let shown = format!("speed {ratio:.2} ({median:.2})");
        self.row(&row, &shown, &format!("at least {limit}"), met);
    }

    /// A row without a limit.
    pub fn note(&mut self, row: Row) {
        let ratio = 1.0 / row.ratio;
        self.row(&row, &format!("{ratio:.0} times as fast"), "", "");
    }

    /// A row without a limit whose two are close.
    pub fn beside(&mut self, row: Row) {
        let (ratio, median) = (row.ratio, row.median_ratio);
        self.row(&row, &format!("time {ratio:.2} ({median:.2})"), "", "");
    }

    fn row(&mut self, row: &Row, ratio: &str, limit: &str, met: &str) {
        let Row { what, command, peer, seg_rate, peer_rate, .. } = row;
        eprintln!("{what}: {seg_rate}, {peer_rate}, {ratio}, {limit}");
        writeln!(
            self.rows,
            "| {what} | {command} | {seg_rate} | {peer} | {peer_rate} | {ratio} | {limit} | {met} |"
        )
        .unwrap();
    }

    /// A row of a time and its limit.
    pub fn time_within(&mut self, what: &str, command: &str, micros: f64, limit: Option<f64>) {
        eprintln!("{what}: {micros:.2} µs");
        let limit_text = limit.map_or(String::new(), |limit| format!("under {limit} µs"));
        let met = limit.map_or("", |limit| if micros < limit { "yes" } else { "**no**" });
        writeln!(self.rows, "| {what} | {command} | {micros:.2} µs | | | | {limit_text} | {met} |")
            .unwrap();
    }

    /// A row of a number that no rival has.
    pub fn figure(&mut self, what: &str, command: &str, shown: &str, limit: &str, is_met: bool) {
        eprintln!("{what}: {shown}, {limit}");
        let met = if is_met { "yes" } else { "**no**" };
        writeln!(self.rows, "| {what} | {command} | {shown} | | | | {limit} | {met} |").unwrap();
    }

    /// Memory and descriptors of one process.
    pub fn memory(&mut self, name: &str, bytes: u64, records: i64, threads: &str, peaks: &Peaks) {
        let (size, peak) = (bytes as f64 / 1048576.0, peaks.own_kib as f64 / 1024.0);
        let open = peaks.descriptors;
        eprintln!("memory {name} {threads}: {peak:.1} MiB, {open} descriptors");
        let line =
            format!("| {name} | {size:.1} MiB | {records} | {threads} | {peak:.1} MiB | {open} |");
        writeln!(self.memory, "{line}").unwrap();
    }

    /// Pages of one file.
    pub fn pages(&mut self, file: &Path, bytes: u64, pages: u64) {
        let name = file.file_name().unwrap().to_string_lossy();
        writeln!(self.pages, "| {name} | {} | {pages} |", bytes.div_ceil(4096)).unwrap();
    }

    /// The system calls of `trace` that name something in `dir`.
    pub fn calls(&mut self, trace: &str, dir: &str) {
        let name = dir.rsplit_once('/').map_or(dir, |(_, name)| name);
        let calls = trace.lines().filter_map(|line| line.split_once(' '));
        let about = calls.map(|(_pid, call)| call.trim_start());
        self.calls = about
            .filter(|call| call.contains(dir) && !call.starts_with("execve"))
            .map(|call| without_details(call).replace(dir, name))
            .collect();
    }

    /// All of it.
    pub fn markdown(&self, log: &Log) -> String {
        let mib = fs::metadata(&log.file).unwrap().len() >> 20;
        let date = jiff::Timestamp::now().strftime("%Y-%m-%d");
        let (rows, memory, pages, calls) =
            (&self.rows, &self.memory, &self.pages, self.calls.join("\n"));
        let (machine, notes) = (machine(), include_str!("notes.md"));
        format!(
            "<!-- Made by `cargo bench --bench speed > benches/README.md`. -->

# How fast `seg` is

{date}, {machine}. The log is {mib} MiB of {records} records of 100 bytes in batches of 16 KiB,
warm in the page cache. Made by `SEG_KAFKA_CLASSPATH=... cargo bench --bench speed`, which makes
its own files.

Rivals run in turns in one run; the ratio is that of the least times, the one in brackets that of
the medians. Times are processor time where nothing else is said, on one thread.

| what | with | seg | against | it | ratio | target | met |
|---|---|---|---|---|---|---|---|
{rows}
## Memory

`seg dump -r --format json --threads N FILE > /dev/null` and `seg verify --threads N DIR`: the most
memory of its own, which is all but the mapped pages of files, and the most open descriptors.

| what | size | records | threads | memory | descriptors |
|---|---|---|---|---|---|
{memory}
## What a lookup touches

`seg lookup DIR --offset N` after the files were dropped from the page cache:

| file | pages | pages brought in |
|---|---|---|
{pages}
Every system call that has to do with the partition:

```text
{calls}
```

{notes}",
            records = log.records,
        )
    }
}

/// A system call without the structure that it filled in.
fn without_details(call: &str) -> String {
    match (call.find(", {st"), call.rfind('}')) {
        (Some(from), Some(to)) if from < to => [&call[..from], &call[to + 1..]].concat(),
        _ => call.to_owned(),
    }
}

/// Processors and the name of one.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let name = name.map_or("an unknown processor", |(_, name)| name.trim());
    format!("{cores} cores of {name}, {}", std::env::consts::OS)
}
