//! What happens, told line by line on stderr: `--log text|json`.
//!
//! ```text
//!   any thread --event--> a line --bounded channel--> one thread --> stderr
//! ```
//!
//! Whoever reads stderr may stop reading. The lines that it then misses are dropped and counted:
//! no connection ever waits for a log.

use super::args::LogName;
use crate::values::terminal_text;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tracing::{Dispatch, Level};
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait for being written.
const WAITING: usize = 1024;
/// How long the end of the process waits for them.
const PATIENCE: Duration = Duration::from_secs(1);

/// The log of this process. What waits is written when it is dropped.
pub struct Logging {
    lines: Lines,
}

/// Writes events to stderr from now on; with `is_verbose` each request too.
pub fn install(format: Option<LogName>, is_verbose: bool) -> io::Result<Option<Logging>> {
    let Some(format) = format else { return Ok(None) };
    let (lines, inbox) = Lines::new(format);
    let level = if is_verbose { Level::DEBUG } else { Level::INFO };
    let dispatch = dispatch(format, level, lines.clone());
    std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_all(&inbox, io::stderr()))?;
    let installed = tracing::dispatcher::set_global_default(dispatch).is_ok();
    Ok(installed.then_some(Logging { lines }))
}

fn dispatch(format: LogName, level: Level, lines: Lines) -> Dispatch {
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(lines)
        .with_thread_names(true)
        .with_ansi(false)
        // What cannot be logged cannot be said on stderr either, and trying to would panic.
        .log_internal_errors(false);
    match format {
        LogName::Text => builder.with_target(false).finish().into(),
        LogName::Json => builder.json().flatten_event(true).finish().into(),
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        let (done, written) = sync_channel(1);
        if self.lines.sender.try_send(ToWriter::Flush(done)).is_ok() {
            // Whoever does not read by then misses the end.
            let _ = written.recv_timeout(PATIENCE);
        }
    }
}

enum ToWriter {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// Takes lines, never for long.
#[derive(Clone)]
struct Lines {
    sender: SyncSender<ToWriter>,
    dropped: Arc<AtomicU64>,
}

/// What the writing thread takes them from.
struct Inbox {
    format: LogName,
    receiver: Receiver<ToWriter>,
    dropped: Arc<AtomicU64>,
}

impl Lines {
    fn new(format: LogName) -> (Self, Inbox) {
        let (sender, receiver) = sync_channel(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        (Self { sender, dropped: Arc::clone(&dropped) }, Inbox { format, receiver, dropped })
    }
}

impl Write for &Lines {
    /// One call is one line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.sender.try_send(ToWriter::Line(line.to_vec())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// A closed stderr is no reason to stop serving.
fn write_all(inbox: &Inbox, mut to: impl Write) {
    for message in &inbox.receiver {
        match message {
            ToWriter::Line(line) => drop(to.write_all(&shown(inbox.format, line))),
            ToWriter::Flush(done) => drop(done.try_send(())),
        }
        let dropped = inbox.dropped.swap(0, Ordering::Relaxed);
        // Nor is one that is gone.
        let _ = match inbox.format {
            _ if dropped == 0 => Ok(()),
            LogName::Text => writeln!(to, "{dropped} lines of this log are missing here"),
            LogName::Json => writeln!(to, "{{\"missingLines\":{dropped}}}"),
        };
    }
}

/// The line as it may reach a terminal: names that clients gave themselves stand in it.
fn shown(format: LogName, line: Vec<u8>) -> Vec<u8> {
    if format == LogName::Json {
        return line;
    }
    let text = String::from_utf8_lossy(&line);
    let mut shown = terminal_text(text.strip_suffix('\n').unwrap_or(&text)).into_bytes();
    shown.push(b'\n');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::time::Instant;

    /// Keeps what is written; the first write takes as long as the test holds the gate.
    #[derive(Clone, Default)]
    struct Kept {
        bytes: Arc<Mutex<Vec<u8>>>,
        gate: Arc<Mutex<()>>,
    }

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            drop(self.gate.lock().unwrap());
            self.bytes.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What becomes of these events.
    fn logged(format: LogName, events: impl FnOnce()) -> String {
        let (lines, inbox) = Lines::new(format);
        let dispatch = dispatch(format, Level::INFO, lines);
        tracing::dispatcher::with_default(&dispatch, events);
        drop(dispatch);
        let kept = Kept::default();
        write_all(&inbox, kept.clone());
        let bytes = kept.bytes.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_of_json_has_its_fields_on_top() {
        let log = logged(LogName::Json, || {
            tracing::warn!(limit = "frame_bytes", peer = "127.0.0.1:9", "closed");
            tracing::info!("next");
        });
        let lines: Vec<serde_json::Value> =
            log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        let first = &lines[0];
        let of = |name: &str| first.get(name).unwrap().as_str().unwrap();
        assert_eq!((of("limit"), of("message"), of("level")), ("frame_bytes", "closed", "WARN"));
    }

    #[test]
    fn what_a_client_says_does_not_reach_the_terminal_as_it_is() {
        let evil = "\u{1b}[2J\u{7}\nseg: all is well";
        for format in [LogName::Text, LogName::Json] {
            let log = logged(format, || {
                tracing::info!(client = evil, "said its name");
                tracing::info!(client = ?evil, "said its name");
                tracing::info!(client = %evil, "said its name");
                tracing::info!("{evil}");
            });
            let is_unsafe = |c: char| c.is_control() && c != '\n';
            assert!(!log.contains(is_unsafe), "{format:?}: {log:?}");
            assert_eq!(log.lines().count(), 4, "{log}");
        }
    }

    #[test]
    fn who_does_not_read_the_log_stops_nobody() {
        let (lines, inbox) = Lines::new(LogName::Json);
        let kept = Kept::default();
        let gate = kept.gate.lock().unwrap();
        let writer = kept.clone();
        let thread = std::thread::spawn(move || write_all(&inbox, writer));
        let (began, all) = (Instant::now(), WAITING * 3);
        for number in 0..all {
            (&mut &lines).write_all(format!("line {number}\n").as_bytes()).unwrap();
        }
        assert!(began.elapsed() < Duration::from_secs(1));
        drop(gate);
        drop(lines);
        thread.join().unwrap();
        let written = String::from_utf8(kept.bytes.lock().unwrap().clone()).unwrap();
        let lines: Vec<_> = written.lines().filter(|line| line.starts_with("line")).collect();
        assert_eq!(lines[..3], ["line 0", "line 1", "line 2"]);
        let dropped: usize = written
            .lines()
            .filter_map(|line| line.strip_prefix("{\"missingLines\":")?.strip_suffix('}'))
            .map(|number| number.parse::<usize>().unwrap())
            .sum();
        assert!(dropped >= WAITING);
        assert_eq!(lines.len() + dropped, all);
    }
}
