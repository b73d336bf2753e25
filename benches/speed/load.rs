//! What else the machine does while it is measured.

use std::fs;
use std::time::Instant;

/// Ticks of the clock that processes are billed by, in a second.
const TICKS: f64 = 100.0;

/// The machine at one moment.
pub struct Load {
    at: Instant,
    /// The load average of the last minute.
    average: String,
    /// Ticks that all processors were busy, and that the host took from them.
    busy: f64,
    stolen: f64,
    /// Ticks of this process and of those it waited for.
    own: f64,
}

impl Load {
    pub fn now() -> Self {
        let all = fs::read_to_string("/proc/stat").unwrap_or_default();
        let ticks = all.lines().next().map(numbers).unwrap_or_default();
        let tick = |number: usize| ticks.get(number).copied().unwrap_or(0.0);
        // user, nice, system, idle, waiting, irq, softirq, stolen
        let busy = tick(0) + tick(1) + tick(2) + tick(5) + tick(6);
        let own = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // Behind the name, which may have spaces: 11 fields, then this process, then its children.
        let own = own.rsplit_once(')').map(|(_, fields)| numbers(fields)).unwrap_or_default();
        let own = own.iter().skip(10).take(4).sum();
        let average = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let average = average.split(' ').next().unwrap_or_default().to_owned();
        Self { at: Instant::now(), average, busy, stolen: tick(7), own }
    }

    /// A sentence on what happened since then.
    pub fn since(&self) -> String {
        let now = Self::now();
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let seconds = self.at.elapsed().as_secs_f64();
        let all = (seconds * TICKS * cores).max(1.0);
        let share = |ticks: f64| (ticks / all * 100.0).clamp(0.0, 100.0);
        let others = share((now.busy - self.busy) - (now.own - self.own));
        let stolen = share(now.stolen - self.stolen);
        format!(
            "load {} when it began, {} when it ended {:.0} minutes later; other processes and the \
             network had {others:.0} % of the processors' time, the host {stolen:.0} %",
            self.average,
            now.average,
            (seconds / 60.0).ceil(),
        )
    }
}

/// The words of a line that are numbers.
fn numbers(line: &str) -> Vec<f64> {
    line.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect()
}
