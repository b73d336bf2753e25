//! The page.

use crate::Setup;
use crate::measure::{Peaks, Race};
use std::fmt::Write as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const HEAD: &str = "| what | with | seg | against | it | ratio | target | met |
|---|---|---|---|---|---|---|---|
";
const YES: &str = "yes";
const NO: &str = "**no**";

/// What was found out, as lines of Markdown.
#[derive(Default)]
pub struct Report {
    /// Tables under their titles.
    parts: Vec<(&'static str, String)>,
    limits: String,
    memory: String,
    pages: String,
    calls: Vec<String>,
    /// What missed its target, and what could not be measured.
    missed: Vec<String>,
    not_run: Vec<String>,
    targets: usize,
    has_failed: bool,
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

    /// What is measured.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// How fast the peer is.
    pub fn peer_rate(&self) -> &str {
        &self.peer_rate
    }
}

impl Report {
    /// Measures a part. One that fails half way says so on the page, and the others go on.
    pub fn part(&mut self, name: &str, title: &'static str, measure: impl FnOnce(&mut Self)) {
        eprintln!("\n{name}");
        self.parts.push((title, String::new()));
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| measure(self))) {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let why = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it ended");
            let why: String = why.split_whitespace().collect::<Vec<_>>().join(" ");
            self.has_failed = true;
            self.skipped(&format!("what else there is to `{name}`"), "", &why);
        }
    }

    /// A part that nobody asked for.
    pub fn left_out(&mut self, name: &str, title: &'static str) {
        self.parts.push((title, String::new()));
        self.skipped(&format!("all of `{name}`"), "", "`SEG_BENCH_ONLY` does not name it");
    }

    /// True unless a part failed.
    pub fn is_whole(&self) -> bool {
        !self.has_failed
    }

    /// A row whose time may be at most `limit` of the peer's.
    pub fn at_most(&mut self, limit: f64, row: Row) {
        let (ratio, median) = (row.ratio, row.median_ratio);
        let shown = format!("time {ratio:.2} ({median:.2})");
        self.row(&row, &shown, &format!("at most {limit}"), Some(ratio <= limit));
    }

    /// A row whose speed has to be at least `limit` of the peer's.
    pub fn at_least(&mut self, limit: f64, row: Row) {
        let (ratio, median) = (1.0 / row.ratio, 1.0 / row.median_ratio);
        let shown = format!("speed {ratio:.2} ({median:.2})");
        self.row(&row, &shown, &format!("at least {limit}"), Some(ratio >= limit));
    }

    /// A row without a limit.
    pub fn note(&mut self, row: Row) {
        let ratio = 1.0 / row.ratio;
        let shown = match ratio {
            10.0.. => format!("{ratio:.0} times as fast"),
            _ => format!("{ratio:.1} times as fast"),
        };
        self.row(&row, &shown, "", None);
    }

    /// A row without a limit whose two are close.
    pub fn beside(&mut self, row: Row) {
        let (ratio, median) = (row.ratio, row.median_ratio);
        self.row(&row, &format!("time {ratio:.2} ({median:.2})"), "", None);
    }

    fn row(&mut self, row: &Row, ratio: &str, limit: &str, is_met: Option<bool>) {
        let Row { what, command, peer, seg_rate, peer_rate, .. } = row;
        eprintln!("{what}: {seg_rate}, {peer_rate}, {ratio}, {limit}");
        let met = self.judge(is_met, &format!("{what} ({command}): {ratio}, {limit}"));
        self.line(&[what, command, seg_rate, peer, peer_rate, ratio, limit, met]);
    }

    /// A row of a number that no rival has.
    pub fn figure(&mut self, what: &str, command: &str, shown: &str, limit: &str, is_met: bool) {
        eprintln!("{what}: {shown}, {limit}");
        let met = self.judge(Some(is_met), &format!("{what}: {shown}, {limit}"));
        self.line(&[what, command, shown, "", "", "", limit, met]);
    }

    /// A row that there is nothing to say of but why.
    pub fn skipped(&mut self, what: &str, command: &str, why: &str) {
        eprintln!("{what}: not run: {why}");
        self.not_run.push(format!("{what}: {why}"));
        self.line(&[what, command, &format!("not run: {why}"), "", "", "", "", ""]);
    }

    fn judge(&mut self, is_met: Option<bool>, text: &str) -> &'static str {
        self.targets += usize::from(is_met.is_some());
        if is_met == Some(false) {
            self.missed.push(text.to_owned());
        }
        is_met.map_or("", |is_met| if is_met { YES } else { NO })
    }

    fn line(&mut self, cells: &[&str]) {
        if let Some((_, rows)) = self.parts.last_mut() {
            writeln!(rows, "| {} |", cells.join(" | ")).unwrap();
        }
    }

    /// What the machine can do.
    pub fn limit(&mut self, what: &str, rate: &str) {
        eprintln!("{what}: {rate}");
        writeln!(self.limits, "| {what} | {rate} |").unwrap();
    }

    /// Memory and descriptors of one process that read `bytes`.
    pub fn memory(
        &mut self,
        what: &str,
        bytes: u64,
        peaks: &Peaks,
        (limit_mib, limit_open): (u64, usize),
    ) {
        let (size, peak) = (bytes as f64 / 1048576.0, peaks.own_kib as f64 / 1024.0);
        let open = peaks.descriptors;
        eprintln!("memory {what}: {peak:.1} MiB, {open} descriptors");
        let is_met = peak < limit_mib as f64 && open <= limit_open;
        let limit = format!("under {limit_mib} MiB, at most {limit_open}");
        let met =
            self.judge(Some(is_met), &format!("memory of {what}: {peak:.1} MiB, {open}; {limit}"));
        let line = format!("| {what} | {size:.0} MiB | {peak:.1} MiB | {open} | {limit} | {met} |");
        writeln!(self.memory, "{line}").unwrap();
    }

    /// Pages of one file that a lookup brought in, if that can be told.
    pub fn pages(&mut self, file: &Path, bytes: u64, pages: Option<u64>) {
        let name = file.file_name().unwrap().to_string_lossy();
        let pages =
            pages.map_or("not known without `fincore`".to_owned(), |pages| pages.to_string());
        writeln!(self.pages, "| {name} | {} | {pages} |", bytes.div_ceil(4096)).unwrap();
    }

    /// Says that files could not be dropped from the page cache.
    pub fn pages_left(&mut self, pages: u64) {
        let line = format!("| could not be dropped before, and are counted | | {pages} |");
        writeln!(self.pages, "{line}").unwrap();
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

    /// Why there are none.
    pub fn no_calls(&mut self, why: &str) {
        self.calls = vec![why.to_owned()];
    }

    /// All of it.
    pub fn markdown(&self, setup: &Setup, machine: &str, load: &str) -> String {
        let log = &setup.plain;
        let (targets, missed) = (self.targets, self.missed.len());
        let mut verdict = format!("{} of {targets} targets are met.", targets - missed);
        if log.log_bytes < 900 << 20 {
            verdict
                .push_str(" This was a quick try: what costs the same for any size weighs more.");
        }
        for (title, lines) in [("Missed", &self.missed), ("Not run", &self.not_run)] {
            if !lines.is_empty() {
                write!(verdict, "\n\n{title}:\n\n- {}", lines.join("\n- ")).unwrap();
            }
        }
        let parts: String = self.parts.iter().map(shown).collect();
        let (limits, memory, pages) = (&self.limits, &self.memory, &self.pages);
        let (calls, notes) = (self.calls.join("\n"), include_str!("notes.md"));
        format!(
            "<!-- Made by `benches/run`; the notes at its end are benches/speed/notes.md. -->

# How fast `seg` is

{machine}; {load}.

Made by `benches/run`, which makes its own files with `seg write --generate`:
the log is {mib} MiB of {records} records of 100 bytes, made-up JSON, in batches of 16 KiB, warm in
the page cache. Each rival ran {rounds} times where a row needs no more or less.

{verdict}

Rivals run in turns in one run; the ratio is that of the least times, the one in brackets that of
the medians. Times are processor time where nothing else is said, on one thread.

## What the machine can do

| what | rate |
|---|---|
{limits}
{parts}## Memory

The most memory of its own, which is all but the mapped pages of files, and the most open
descriptors; looked at every two milliseconds, so that a shorter peak would not be seen. The target
is the same for inputs of any size: {thread_mib} MiB a thread, of which a run has 4, and for
`seg write` {batches} batches a partition.

| what | input | memory | descriptors | target | met |
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
            mib = log.log_bytes >> 20,
            records = log.records,
            rounds = setup.rounds,
            thread_mib = crate::memory::THREAD_MIB,
            batches = crate::memory::BATCHES,
        )
    }
}

/// A table under its title; what has none is shown elsewhere, unless it was not run.
fn shown((title, rows): &(&str, String)) -> String {
    match (title.is_empty(), rows.is_empty()) {
        (_, true) => String::new(),
        (true, false) => format!("{HEAD}{rows}\n"),
        (false, false) => format!("## {title}\n\n{HEAD}{rows}\n"),
    }
}

/// A system call without the structure that it filled in.
fn without_details(call: &str) -> String {
    match (call.find(", {st"), call.rfind('}')) {
        (Some(from), Some(to)) if from < to => [&call[..from], &call[to + 1..]].concat(),
        _ => call.to_owned(),
    }
}

/// Date, commit, processors, memory, kernel.
pub fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let name = name.map_or("an unknown processor", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next());
    let gib = kib.and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1048576.0;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let date = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%MZ").to_string();
    format!(
        "{date}, commit {}, {cores} cores of {name}, {gib:.0} GiB of memory, {} {}",
        commit(),
        std::env::consts::OS,
        kernel.trim(),
    )
}

/// The commit that is measured, and whether there are changes to it.
fn commit() -> String {
    let git = |args: &[&str]| {
        let output =
            Command::new("git").current_dir(env!("CARGO_MANIFEST_DIR")).args(args).output();
        let output = output.ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok()
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".into() };
    let changes =
        git(&["status", "--porcelain", "--untracked-files=no", "--", "src", "benches/speed"]);
    let is_changed = changes.is_none_or(|changes| !changes.trim().is_empty());
    format!("{}{}", commit.trim(), if is_changed { " with changes" } else { "" })
}
