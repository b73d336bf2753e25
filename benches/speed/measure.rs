//! Times of two rivals in turns, so that what else the machine does hits both.

use rustix::process::{Pid, WaitId, WaitIdOptions};
use rustix::time::{ClockId, clock_gettime};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The times that two rivals took.
pub struct Race {
    seg: Vec<Duration>,
    peer: Vec<Duration>,
}

impl Race {
    /// Runs the two in turns.
    pub fn run(
        rounds: usize,
        mut seg: impl FnMut() -> Duration,
        mut peer: impl FnMut() -> Duration,
    ) -> Self {
        let mut race = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            race.0.push(seg());
            race.1.push(peer());
        }
        Self::of(race.0, race.1)
    }

    /// Of times that were taken in turns.
    pub fn of(mut seg: Vec<Duration>, mut peer: Vec<Duration>) -> Self {
        seg.sort();
        peer.sort();
        Self { seg, peer }
    }

    /// The least time of `seg`, and how often it has the peer's in it.
    pub fn seg(&self) -> (Duration, f64) {
        (self.seg[0], ratio(self.seg[0], self.peer[0]))
    }

    /// The least time of the peer.
    pub fn peer(&self) -> Duration {
        self.peer[0]
    }

    /// The ratio of the medians.
    pub fn median_ratio(&self) -> f64 {
        ratio(self.seg[self.seg.len() / 2], self.peer[self.peer.len() / 2])
    }
}

/// The least of some times.
pub fn least(times: &[Duration]) -> Duration {
    times.iter().copied().min().unwrap_or_default()
}

fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64().max(1e-9)
}

/// Processor time that this thread takes for `work`.
pub fn thread_time<T>(work: impl FnOnce() -> T) -> Duration {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
    };
    let before = now();
    std::hint::black_box(work());
    now() - before
}

/// Processor time, user and system, that the first thread of a process takes, which is all of it
/// with `--threads 1`; its output goes to `/dev/null`.
pub fn process_time(command: &mut Command) -> Duration {
    time_of_first_thread(command.stdin(Stdio::null()))
}

/// The same of one that reads `stdin`.
pub fn process_time_of(mut command: Command, stdin: Stdio) -> Duration {
    time_of_first_thread(command.stdin(stdin).stderr(Stdio::null()))
}

fn time_of_first_thread(command: &mut Command) -> Duration {
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    // It has ended but is still there: what it took can be read to the nanosecond.
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    rustix::process::waitid(WaitId::Pid(Pid::from_child(&child)), options).unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/schedstat", child.id())).unwrap();
    assert!(child.wait().unwrap().success(), "{command:?}");
    Duration::from_nanos(stat.split_once(' ').unwrap().0.parse().unwrap())
}

/// Time on the clock that a process takes; its output goes to `/dev/null`.
pub fn wall_time(command: &mut Command) -> Duration {
    let before = Instant::now();
    run(command);
    before.elapsed()
}

/// The same of one that reads `stdin`.
pub fn wall_time_of(mut command: Command, stdin: Stdio) -> Duration {
    let before = Instant::now();
    let command = command.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(command.status().unwrap().success(), "{command:?}");
    before.elapsed()
}

fn run(command: &mut Command) {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

/// What a process has at most while it runs.
#[derive(Default)]
pub struct Peaks {
    /// Memory of its own, in KiB: without mapped pages of files, which the kernel takes back
    /// whenever it likes.
    pub own_kib: u64,
    /// Open descriptors.
    pub descriptors: usize,
}

/// Runs `command` and looks at what it has.
pub fn peaks(command: &mut Command) -> Peaks {
    peaks_of(command, Stdio::null())
}

/// The same of one that reads `stdin`.
pub fn peaks_of(command: &mut Command, stdin: Stdio) -> Peaks {
    command.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let process = Path::new("/proc").join(child.id().to_string());
    let mut peaks = Peaks::default();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        let text = fs::read_to_string(process.join("status")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
        peaks.own_kib = peaks.own_kib.max(kib.unwrap_or(0));
        let open = fs::read_dir(process.join("fd")).map_or(0, Iterator::count);
        peaks.descriptors = peaks.descriptors.max(open);
        std::thread::sleep(Duration::from_millis(2));
    };
    assert!(status.success(), "{command:?}: {status}");
    peaks
}

/// Drops a file from the page cache.
pub fn evict(path: &Path) {
    let file = File::open(path).unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
}

/// How many pages of a file are in the page cache; `None` without the tool that tells.
pub fn cached_pages(path: &Path) -> Option<u64> {
    let output =
        Command::new("fincore").args(["-n", "-o", "PAGES"]).arg(path).output().ok()?.stdout;
    String::from_utf8(output).ok()?.trim().parse().ok()
}
