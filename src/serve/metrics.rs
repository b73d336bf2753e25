//! The counters as text that Prometheus reads, and the thread that hands it out.
//!
//! ```text
//!   GET /metrics HTTP/1.1      # HELP seg_serve_connections Connections that are open.
//!   (anything)            -->  # TYPE seg_serve_connections gauge
//!                              seg_serve_connections 37
//! ```
//!
//! One client at a time, one second and 4 KiB for its request, one second for its answer. Whoever
//! asks for anything else gets a 404.

use crate::serve::counters::{Counters, Snapshot};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use std::fmt::{Display, Write as _};
use std::io::{self, Read, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{fmt, thread};

/// What one client may take, for its request and again for its answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest request.
const REQUEST_BYTES: usize = 4 << 10;
/// How long to wait after the system could not accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const WAKE: Token = Token(0);
const LISTENER: Token = Token(1);

/// The text of all metrics.
#[must_use]
pub fn text(snapshot: &Snapshot) -> String {
    let mut page = Page::default();
    traffic(&mut page, snapshot);
    by_api(&mut page, snapshot);
    page.labelled(
        "rejections_total",
        "What went over a limit, or was no request.",
        &snapshot.rejected.iter().map(|(limit, n)| ([("limit", *limit)], *n)).collect::<Vec<_>>(),
    );
    files(&mut page, snapshot);
    page.gauge("groups", "Consumer groups of this run.", snapshot.groups);
    page.gauge("group_members", "Their members.", snapshot.group_members);
    page.counter("rebalances_total", "Rebalances that began.", snapshot.rebalances);
    page.gauge("commits", "Committed offsets of this run.", snapshot.commits);
    page.counter("panics_total", "Requests whose handler failed.", snapshot.panics);
    page.gauge("live_log_dirs", "Served log dirs in which a broker runs.", snapshot.live_log_dirs);
    page.gauge("start_seconds", "How long the start took.", Seconds(snapshot.start));
    let clients = snapshot.clients.iter().map(|(name, n)| ([("software", name.as_str())], *n));
    let clients: Vec<_> = clients.collect();
    page.labelled("clients_total", "Introductions by the software of the client.", &clients);
    page.text
}

fn traffic(page: &mut Page, snapshot: &Snapshot) {
    page.gauge("connections", "Connections that are open.", snapshot.connections);
    page.counter("connections_accepted_total", "Connections accepted.", snapshot.accepted);
    page.counter("received_bytes_total", "Bytes of requests.", snapshot.received_bytes);
    page.labelled(
        "sent_bytes_total",
        "Bytes of answers: of files by sendfile, of files by copying, of memory.",
        &[
            ([("how", "sendfile")], snapshot.sent_sendfile),
            ([("how", "copy")], snapshot.sent_copied),
            ([("how", "memory")], snapshot.sent_memory),
        ],
    );
    page.counter("requests_parked_total", "Requests that found the queue full.", snapshot.parked);
    page.gauge("requests_in_queue", "Requests that wait for a handler.", snapshot.in_queue);
    page.gauge("answers_held", "Answers that wait to have more to say.", snapshot.held);
}

fn by_api(page: &mut Page, snapshot: &Snapshot) {
    page.begin("requests_total", "counter", "Requests that were read.");
    for of in &snapshot.apis {
        let api = format!("{:?}", of.api);
        for (version, count) in &of.requests {
            let version = version.to_string();
            page.line("requests_total", &[("api", &api), ("version", &version)], count);
        }
    }
    page.begin("request_seconds", "summary", "Work of handlers on requests.");
    for of in snapshot.apis.iter().filter(|of| of.answered > 0) {
        let api = format!("{:?}", of.api);
        page.line("request_seconds_sum", &[("api", &api)], Seconds(of.took));
        page.line("request_seconds_count", &[("api", &api)], of.answered);
    }
    page.begin("errors_total", "counter", "Errors in answers.");
    for of in &snapshot.apis {
        let api = format!("{:?}", of.api);
        for (code, count) in &of.errors {
            page.line("errors_total", &[("api", &api), ("code", code)], count);
        }
    }
}

fn files(page: &mut Page, snapshot: &Snapshot) {
    page.gauge("open_segments", "Descriptors of segments.", snapshot.open_segments);
    let bytes = snapshot.index_cache_bytes;
    page.gauge("index_cache_bytes", "Entries of indexes in memory.", bytes);
    let distrusted = snapshot.indexes_distrusted;
    page.counter("indexes_distrusted_total", "Indexes that were not believed.", distrusted);
    page.labelled(
        "ranges_warmed_total",
        "Ranges of files that were, or were not, in the page cache.",
        &[([("state", "hit")], snapshot.warm_hits), ([("state", "cold")], snapshot.warm_colds)],
    );
    let failed = snapshot.segments_failed.iter().map(|(why, n)| ([("why", *why)], *n));
    let failed: Vec<_> = failed.collect();
    page.labelled("segments_failed_total", "Segments that failed while being served.", &failed);
}

/// Text under construction.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn begin(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP seg_serve_{name} {help}");
        let _ = writeln!(self.text, "# TYPE seg_serve_{name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.text, "seg_serve_{name}");
        for (place, (label, of)) in labels.iter().enumerate() {
            let before = if place == 0 { "{" } else { "," };
            let _ = write!(self.text, "{before}{label}=\"{}\"", Escaped(of));
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.begin(name, "gauge", help);
        self.line(name, &[], value);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.begin(name, "counter", help);
        self.line(name, &[], value);
    }

    fn labelled<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: &[([(&str, &str); N], u64)],
    ) {
        self.begin(name, "counter", help);
        for (labels, value) in values {
            self.line(name, labels, value);
        }
    }
}

/// A label's value, which may be anything that a client said.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            other => f.write_char(other),
        })
    }
}

/// A time as a number of seconds, all digits of it.
struct Seconds(Duration);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0.as_secs(), self.0.subsec_nanos())
    }
}

/// The thread that answers scrapers.
pub struct Metrics {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    waker: Waker,
    thread: JoinHandle<()>,
}

impl Metrics {
    /// Listens and answers from now on.
    ///
    /// # Errors
    /// The address is taken or not this machine's.
    pub fn start(listen: SocketAddr, counters: Arc<Counters>) -> io::Result<Self> {
        let mut listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let scraped = Scraped { listener, counters, is_over: Arc::clone(&is_over) };
        let thread =
            thread::Builder::new().name("metrics".to_owned()).spawn(move || scraped.run(poll))?;
        Ok(Self { address, is_over, waker, thread })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the thread; waits for the client that is being answered, two seconds at most.
    pub fn stop(self) {
        self.is_over.store(true, Ordering::Release);
        let woken = self.waker.wake();
        if woken.is_err() || self.thread.join().is_err() {
            tracing::error!("the thread for metrics had failed");
        }
    }
}

/// What the thread works with.
struct Scraped {
    listener: TcpListener,
    counters: Arc<Counters>,
    is_over: Arc<AtomicBool>,
}

impl Scraped {
    fn run(&self, mut poll: Poll) {
        let mut events = Events::with_capacity(4);
        let mut pause = None;
        loop {
            match poll.poll(&mut events, pause) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return tracing::error!(%error, "metrics are not handed out any more");
                }
                _ => {}
            }
            pause = self.answer_all();
            if self.is_over() {
                return;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Answers everybody who waits. The system says only once that somebody does: where it cannot
    /// give a descriptor, how long to wait before asking it again.
    fn answer_all(&self) -> Option<Duration> {
        while !self.is_over() {
            match self.listener.accept() {
                // A client that gives up is its own affair.
                Ok((socket, _)) => drop(answer(&OwnedFd::from(socket).into(), &self.counters)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) => {
                    tracing::warn!(%error, "no scraper could be accepted");
                    return Some(ACCEPT_PAUSE);
                }
            }
        }
        None
    }
}

fn answer(socket: &TcpStream, counters: &Counters) -> io::Result<()> {
    socket.set_nonblocking(false)?;
    let mut request = [0; REQUEST_BYTES];
    let head = read_head(socket, &mut request)?;
    let (status, body) = match asks_for_metrics(head) {
        true => ("200 OK", text(&counters.snapshot())),
        false => ("404 Not Found", String::new()),
    };
    let head = format!(
        "HTTP/1.0 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    write_within(socket, head.as_bytes(), body.as_bytes())?;
    socket.shutdown(Shutdown::Write)
}

fn asks_for_metrics(head: &[u8]) -> bool {
    let mut words = head.split(|byte| b" \r\n".contains(byte));
    let (method, target) = (words.next(), words.next().unwrap_or_default());
    method == Some(b"GET") && target.split(|byte| *byte == b'?').next() == Some(b"/metrics")
}

/// Reads up to the empty line; nothing when none comes within what a request may take.
fn read_head<'a>(mut socket: &TcpStream, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let (end, mut filled) = (Instant::now() + PATIENCE, 0_usize);
    while filled < buffer.len() {
        socket.set_read_timeout(Some(until(end)?))?;
        match socket.read(buffer.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(read) => {
                let looked_at = filled.saturating_sub(3);
                filled += read;
                if has_empty_line(buffer.get(looked_at..filled).unwrap_or_default()) {
                    return Ok(buffer.get(..filled).unwrap_or_default());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(&[])
}

fn has_empty_line(bytes: &[u8]) -> bool {
    bytes.windows(4).any(|four| four == b"\r\n\r\n") || bytes.windows(2).any(|two| two == b"\n\n")
}

fn write_within(mut socket: &TcpStream, head: &[u8], body: &[u8]) -> io::Result<()> {
    let end = Instant::now() + PATIENCE;
    for mut rest in [head, body] {
        while !rest.is_empty() {
            socket.set_write_timeout(Some(until(end)?))?;
            match socket.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// What is left of somebody's time.
fn until(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
