//! A bar on stderr for work that takes a while, and ends at Ctrl-C.

use crate::cli::Common;
use crate::signals;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use segkit::progress::Progress;
use std::io::IsTerminal;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Work that is done sooner shows no bar.
const PATIENCE: Duration = Duration::from_millis(500);

/// How far the work is. Silent unless stderr is a terminal and stdout is not.
pub struct Bar {
    total: u64,
    done: AtomicU64,
    started: Instant,
    wanted: bool,
    shown: OnceLock<ProgressBar>,
}

impl Bar {
    /// For work on `total` bytes.
    pub fn new(common: &Common, total: u64) -> Self {
        // Rows that run over the same terminal show well enough that something goes on.
        let wanted =
            !common.quiet && std::io::stderr().is_terminal() && !std::io::stdout().is_terminal();
        let (done, started) = (AtomicU64::new(0), Instant::now());
        Self { total, done, started, wanted, shown: OnceLock::new() }
    }

    fn show(&self) -> &ProgressBar {
        self.shown.get_or_init(|| {
            let target = ProgressDrawTarget::stderr();
            let bar = ProgressBar::with_draw_target(Some(self.total), target);
            let template = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        })
    }
}

impl Progress for Bar {
    fn advance(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if self.wanted && self.started.elapsed() > PATIENCE {
            self.show().set_position(done);
        }
    }

    fn should_stop(&self) -> bool {
        signals::is_interrupted()
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = self.shown.get() {
            bar.finish_and_clear();
        }
    }
}
