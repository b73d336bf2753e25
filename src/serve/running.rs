//! The threads of a server, from the first to the last.
//!
//! ```text
//!   bind        the port is known and taken, nobody is accepted
//!   start       handlers, processors, acceptor
//!   drain       acceptor ends -> processors finish what was begun, end with the last connection
//!   stop        whoever is left is cut off; the queue is closed, handlers end
//! ```

use crate::error::{Error, Result};
use crate::serve::acceptor::{self, Acceptor, UNPACED, is_paced};
use crate::serve::admission::Admissions;
use crate::serve::budget::Budget;
use crate::serve::counters::Counters;
use crate::serve::inbox::{Inbox, PROCESSORS, ToProcessor};
use crate::serve::limits::ServeLimits;
use crate::serve::pool;
use crate::serve::processor::{self, Processor};
use crate::serve::queue::{Handle, Queue};
use mio::net::TcpListener;
use mio::{Interest, Poll, Waker};
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long [`Running::stop`] waits for network threads, which a dying disk may hold up.
const NETWORK_TIME: Duration = Duration::from_secs(5);
/// How long [`Running::stop`] waits for handlers that are at work.
const HANDLER_TIME: Duration = Duration::from_secs(1);

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Event loops (`num.network.threads`).
    pub network_threads: usize,
    /// Handlers (`num.io.threads`).
    pub io_threads: usize,
    /// What the system may hold for one connection that does not read
    /// (`socket.send.buffer.bytes`); 0: as the system likes.
    pub send_buffer: usize,
    /// Without it ranges of files are copied.
    pub use_sendfile: bool,
    /// Every bound on clients.
    pub limits: ServeLimits,
}

impl Config {
    /// The defaults of the command line, which are Kafka's, but for its 3 network threads: few
    /// clients take all they can get of a dead cluster, and those that share a thread wait for
    /// each other.
    pub const STANDARD: Self = Self {
        network_threads: 8,
        io_threads: 8,
        send_buffer: 1 << 20,
        use_sendfile: true,
        limits: ServeLimits::STANDARD,
    };
}

/// What every thread has.
pub(super) struct Shared {
    pub limits: ServeLimits,
    pub use_sendfile: bool,
    pub handler: Arc<dyn Handle>,
    pub counters: Arc<Counters>,
    pub queue: Queue,
    /// For frames that are read, wait or are answered.
    pub request_bytes: Arc<Budget>,
    /// For answers in memory.
    pub response_bytes: Arc<Budget>,
    pub inboxes: Vec<Arc<Inbox>>,
    has_failed: AtomicBool,
}

/// A port that is taken, and nobody accepted yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

/// Takes the port; with port 0 one that the system chooses.
pub fn bind(listen: SocketAddr) -> Result<Bound> {
    let failed = |error| cannot("listening on", listen, error);
    let listener = TcpListener::bind(listen).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Bound { listener, address })
}

/// Takes the port and starts every thread. Nobody is accepted before this returns.
pub fn start(
    listen: SocketAddr,
    config: Config,
    handler: Arc<dyn Handle>,
    counters: Arc<Counters>,
) -> Result<Running> {
    bind(listen)?.start(config, handler, counters)
}

fn cannot(doing: &'static str, address: SocketAddr, error: io::Error) -> Error {
    Error::new(doing, Path::new(&address.to_string()), error)
}

impl Bound {
    /// Where it listens, its port included.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts every thread, the one that accepts last.
    pub fn start(
        self,
        config: Config,
        handler: Arc<dyn Handle>,
        counters: Arc<Counters>,
    ) -> Result<Running> {
        let address = self.address;
        self.start_threads(config, handler, counters)
            .map_err(|error| cannot("serving on", address, error))
    }

    fn start_threads(
        self,
        config: Config,
        handler: Arc<dyn Handle>,
        counters: Arc<Counters>,
    ) -> io::Result<Running> {
        let Self { mut listener, address } = self;
        let polls = polls(config.network_threads)?;
        let inboxes: Vec<_> = polls.iter().map(|(_, inbox)| Arc::clone(inbox)).collect();
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, acceptor::LISTENER, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), acceptor::WAKER)?;
        let limits = config.limits;
        let admissions = Admissions::new(limits.connections, limits.connections_per_address);
        let queued = limits.queued_requests.max(1);
        let shared = Arc::new(Shared {
            queue: Queue::new(queued, inboxes.clone(), Arc::clone(&counters)),
            request_bytes: Budget::new(limits.request_bytes, inboxes.clone()),
            response_bytes: Budget::new(limits.response_bytes_total, Vec::new()),
            use_sendfile: config.use_sendfile,
            has_failed: AtomicBool::new(false),
            limits,
            handler,
            counters,
            inboxes,
        });
        let mut running = Running::new(address, Arc::clone(&shared), waker);
        let acceptor = Acceptor {
            local_congestion: is_paced(&listener).then_some(UNPACED),
            poll,
            listener,
            shared,
            admissions,
            send_buffer: config.send_buffer,
            is_stopped: Arc::clone(&running.is_draining),
        };
        match running.spawn(polls, config.io_threads.max(1), acceptor) {
            Ok(()) => Ok(running),
            Err(error) => {
                running.stop();
                Err(error)
            }
        }
    }
}

/// The event loops of the processors, and what reaches them.
fn polls(processors: usize) -> io::Result<Vec<(Poll, Arc<Inbox>)>> {
    let one = |_| {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), processor::INBOX)?;
        // It fails only when there is no such loop any more, and then nobody waits.
        let inbox = Inbox::new(move || drop(waker.wake()));
        Ok((poll, Arc::new(inbox)))
    };
    (0..processors.clamp(1, PROCESSORS)).map(one).collect()
}

/// A server at work.
pub struct Running {
    address: SocketAddr,
    shared: Arc<Shared>,
    waker: Waker,
    is_draining: Arc<AtomicBool>,
    drain_began: OnceLock<Instant>,
    network: Vec<JoinHandle<()>>,
    handlers: Vec<JoinHandle<()>>,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// A network thread failed.
    pub has_failed: bool,
    /// Network threads that did not end, and end with the process.
    pub network_left: usize,
    /// Handlers that were still at work, and end with the process.
    pub handlers_left: usize,
}

impl Running {
    fn new(address: SocketAddr, shared: Arc<Shared>, waker: Waker) -> Self {
        Self {
            address,
            shared,
            waker,
            is_draining: Arc::default(),
            drain_began: OnceLock::new(),
            network: Vec::new(),
            handlers: Vec::new(),
        }
    }

    fn spawn(
        &mut self,
        polls: Vec<(Poll, Arc<Inbox>)>,
        io_threads: usize,
        acceptor: Acceptor,
    ) -> io::Result<()> {
        for number in 0..io_threads {
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new().name(format!("seg-io-{number}"));
            self.handlers.push(thread.spawn(move || pool::work(&shared))?);
        }
        for (number, (poll, inbox)) in polls.into_iter().enumerate() {
            let processor = Processor::new(number, poll, inbox, Arc::clone(&self.shared));
            self.spawn_network(format!("seg-network-{number}"), || processor.run())?;
        }
        self.spawn_network("seg-acceptor".to_owned(), || acceptor.run())
    }

    /// A thread without which there is no serving: its state is not trusted after a panic.
    fn spawn_network(
        &mut self,
        name: String,
        run: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let thread = thread::Builder::new().name(name.clone());
        self.network.push(thread.spawn(move || {
            let why = match catch_unwind(AssertUnwindSafe(run)) {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it panicked".to_owned(),
            };
            tracing::error!(thread = name, why, "a network thread ended");
            shared.has_failed.store(true, Ordering::Release);
        })?);
        Ok(())
    }

    /// Where it listens, its port included.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts nobody any more, and lets every connection finish what it has begun.
    pub fn drain(&self) {
        self.drain_began.get_or_init(Instant::now);
        self.is_draining.store(true, Ordering::Release);
        // It fails only when the acceptor is gone.
        let _ = self.waker.wake();
    }

    /// Whether nothing is left to wait for: every connection has ended, or had its time to
    /// (`drain_time`), or a network thread has failed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let time = self.shared.limits.drain_time;
        self.has_failed()
            || self.drain_began.get().is_some_and(|began| began.elapsed() >= time)
            || self.network.iter().all(JoinHandle::is_finished)
    }

    /// Whether a network thread has failed. Some connections get no answer any more.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.shared.has_failed.load(Ordering::Acquire)
    }

    /// Ends every thread now.
    pub fn stop(self) -> Ended {
        self.stop_within(NETWORK_TIME)
    }

    fn stop_within(self, network_time: Duration) -> Ended {
        self.drain();
        self.shared.inboxes.iter().for_each(|inbox| inbox.send(ToProcessor::Stop));
        let network_left = join_within(self.network, network_time);
        self.shared.queue.close();
        let handlers_left = join_within(self.handlers, HANDLER_TIME);
        let has_failed = self.shared.has_failed.load(Ordering::Acquire);
        Ended { has_failed, network_left, handlers_left }
    }
}

/// How many of these threads have not ended in this time.
fn join_within(threads: Vec<JoinHandle<()>>, time: Duration) -> usize {
    let began = Instant::now();
    while began.elapsed() < time && !threads.iter().all(JoinHandle::is_finished) {
        thread::sleep(Duration::from_millis(1));
    }
    let (ended, left): (Vec<_>, Vec<_>) = threads.into_iter().partition(JoinHandle::is_finished);
    for thread in ended {
        // What a panic had to say was said.
        let _ = thread.join();
    }
    left.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::outgoing::FileChunk;
    use crate::serve::queue::{Answer, Closing, Request};

    struct Nothing;

    impl Handle for Nothing {
        fn handle(&self, _: &Request) -> Answer {
            Answer::Close(Closing::NoAnswerWanted)
        }

        fn warm(&self, chunk: &FileChunk) -> io::Result<u64> {
            Ok(chunk.end)
        }
    }

    #[test]
    fn a_network_thread_that_is_stuck_is_not_waited_for_long() {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut running =
            start(listen, Config::STANDARD, Arc::new(Nothing), Arc::default()).unwrap();
        let stuck = || {
            thread::sleep(Duration::from_secs(3600));
            Ok(())
        };
        running.spawn_network("stuck".to_owned(), stuck).unwrap();
        let ended = running.stop_within(Duration::from_millis(500));
        assert_eq!(ended, Ended { has_failed: false, network_left: 1, handlers_left: 0 });
    }
}
