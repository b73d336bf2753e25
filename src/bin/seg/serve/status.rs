//! One line on stderr, once a second: how much is going on.
//!
//! ```text
//!   37 connections  812 MiB/s  1,204 requests/s  0 rejected
//! ```

use super::args::Args;
use crate::values::{count, plural, size};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use segkit::serve::counters::{Counters, Snapshot};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_secs(1);

/// The line. Silent unless stderr is a terminal that nothing else is written to.
pub struct Status<'c> {
    counters: &'c Counters,
    bar: Option<ProgressBar>,
    before: Totals,
    shown: Instant,
}

impl<'c> Status<'c> {
    /// Nothing is shown yet. With a log on stderr nothing ever is.
    pub fn new(args: &Args, counters: &'c Counters) -> Self {
        let is_alone = !args.common.quiet && args.watch.log.is_none();
        let is_wanted = is_alone && std::io::stderr().is_terminal();
        let before = Totals::of(&counters.snapshot());
        Self { counters, bar: is_wanted.then(bar), before, shown: Instant::now() }
    }

    /// Shows the line anew when a second is over. To be called a few times a second.
    pub fn tick(&mut self) {
        let Some(bar) = &self.bar else { return };
        let took = self.shown.elapsed();
        if took >= PERIOD {
            let now = Totals::of(&self.counters.snapshot());
            bar.set_message(now.line(self.before, took));
            (self.before, self.shown) = (now, Instant::now());
        }
    }
}

impl Drop for Status<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
        bar.set_style(style);
    }
    bar
}

/// What the line is made of.
#[derive(Clone, Copy)]
struct Totals {
    connections: u64,
    sent: u64,
    requests: u64,
    rejections: u64,
}

impl Totals {
    fn of(snapshot: &Snapshot) -> Self {
        Self {
            connections: snapshot.connections,
            sent: snapshot.sent(),
            requests: snapshot.requests(),
            rejections: snapshot.rejections(),
        }
    }

    /// The line after `took` from `before` on.
    fn line(self, before: Self, took: Duration) -> String {
        let rate = |now: u64, before: u64| {
            let done = u128::from(now.saturating_sub(before)) * 1000;
            u64::try_from(done / took.as_millis().max(1)).unwrap_or(u64::MAX)
        };
        format!(
            "{}  {}/s  {} requests/s  {} rejected",
            plural(self.connections, "connection"),
            size(rate(self.sent, before.sent)),
            count(rate(self.requests, before.requests)),
            count(self.rejections),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_time_that_passed() {
        let before = Totals { connections: 9, sent: 1 << 30, requests: 1_000, rejections: 2 };
        let now = Totals { connections: 37, sent: 3 << 30, requests: 3_408, rejections: 1_234 };
        let line = now.line(before, Duration::from_millis(2000));
        assert_eq!(line, "37 connections  1.0 GiB/s  1,204 requests/s  1,234 rejected");
        let idle = now.line(now, Duration::ZERO);
        assert_eq!(idle, "37 connections  0 B/s  0 requests/s  1,234 rejected");
    }
}
