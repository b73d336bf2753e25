//! Accepts connections, counts them, and hands them to the processors in turn.

use crate::serve::Shared;
use crate::serve::admission::{Admissions, Admitted};
use crate::serve::inbox::{Newcomer, ToProcessor};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Poll, Token};
use rustix::io::Errno;
use rustix::net::sockopt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub(super) const LISTENER: Token = Token(0);
pub(super) const WAKER: Token = Token(1);

/// Congestion control that does not pace. Over loopback pacing costs more than half of the rate.
pub(super) const UNPACED: &str = "cubic";

/// How long nothing is accepted after the system could not. No event says when it can again.
const PAUSE: Duration = Duration::from_millis(100);
/// How long to wait when every processor has enough that is new.
const BUSY: Duration = Duration::from_millis(10);

/// The thread of the listening socket.
pub(super) struct Acceptor {
    pub poll: Poll,
    pub listener: TcpListener,
    pub shared: Arc<Shared>,
    pub admissions: Arc<Admissions>,
    pub send_buffer: usize,
    /// For peers on this machine, where the system's own choice is slower.
    pub local_congestion: Option<&'static str>,
    pub is_stopped: Arc<AtomicBool>,
}

/// Why accepting ended for now.
enum Ended {
    /// Nobody waits.
    Empty,
    /// The system cannot.
    Failed,
    /// The server drains.
    Stopped,
}

impl Acceptor {
    /// Accepts until it is told to stop; then the port is free, and the processors are told.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(4);
        let mut next = 0;
        let mut paused: Option<Instant> = None;
        loop {
            let left = paused.map(|until| until.saturating_duration_since(Instant::now()));
            match self.poll.poll(&mut events, left) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            if self.is_stopped.load(Ordering::Acquire) {
                break;
            }
            if paused.is_some_and(|until| Instant::now() < until) {
                continue;
            }
            let was_paused = paused.is_some();
            paused = match self.accept_all(&mut next, was_paused) {
                Ended::Empty => None,
                Ended::Failed => Instant::now().checked_add(PAUSE),
                Ended::Stopped => break,
            };
        }
        drop(self.listener);
        self.shared.inboxes.iter().for_each(|inbox| inbox.send(ToProcessor::Drain));
        Ok(())
    }

    fn accept_all(&self, next: &mut usize, was_paused: bool) -> Ended {
        loop {
            if self.is_stopped.load(Ordering::Acquire) {
                return Ended::Stopped;
            }
            let error = match self.listener.accept() {
                Ok((socket, peer)) => {
                    self.welcome(socket, peer, next);
                    continue;
                }
                Err(error) => error,
            };
            match error.kind() {
                ErrorKind::WouldBlock => return Ended::Empty,
                // It went before it was accepted.
                ErrorKind::Interrupted | ErrorKind::ConnectionAborted => continue,
                _ => {}
            }
            if let Some(Errno::MFILE | Errno::NFILE) = Errno::from_io_error(&error) {
                self.shared.counters.rejected("descriptors");
            }
            if !was_paused {
                tracing::warn!(%error, "cannot accept connections");
            }
            return Ended::Failed;
        }
    }

    fn welcome(&self, socket: TcpStream, peer: SocketAddr, next: &mut usize) {
        let (admission, must_reap) = match self.admissions.admit(peer.ip()) {
            Admitted::Yes(admission) => (admission, false),
            Admitted::Full(admission) => (admission, true),
            Admitted::TooManyOfAddress => {
                self.shared.counters.rejected("connections_per_address");
                return tracing::debug!(%peer, "its address has too many connections");
            }
        };
        self.set_options(&socket, peer);
        let mut newcomer = Newcomer { socket, peer, admission, must_reap, hops: 0 };
        while !self.is_stopped.load(Ordering::Acquire) {
            for _ in 0..self.shared.inboxes.len() {
                let inbox = self.shared.inboxes.get(*next % self.shared.inboxes.len());
                *next = next.wrapping_add(1);
                let Some(inbox) = inbox else { return };
                match inbox.adopt(newcomer) {
                    Ok(()) => return,
                    Err(refused) => newcomer = refused,
                }
            }
            thread::sleep(BUSY);
        }
    }

    /// None of these is needed for right answers, so what the system refuses is left.
    fn set_options(&self, socket: &TcpStream, peer: SocketAddr) {
        let _ = socket.set_nodelay(true);
        if self.send_buffer > 0 {
            // With a size of its own the system does not let one slow reader pin megabytes.
            let _ = sockopt::set_socket_send_buffer_size(socket, self.send_buffer);
        }
        if let Some(congestion) = self.local_congestion
            && (peer.ip().is_loopback()
                || socket.local_addr().is_ok_and(|own| own.ip() == peer.ip()))
        {
            set_congestion(socket, congestion);
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_congestion(socket: &TcpStream, name: &str) {
    let _ = sockopt::set_tcp_congestion(socket, name);
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set_congestion(_: &TcpStream, _: &str) {}

/// Whether the system's own choice of congestion control paces.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn is_paced(listener: &TcpListener) -> bool {
    let own = sockopt::tcp_congestion(listener);
    own.is_ok_and(|name| !["cubic", "reno"].contains(&name.as_str()))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn is_paced(_: &TcpListener) -> bool {
    false
}
