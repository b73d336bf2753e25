//! One connection: what it waits for, and what a turn does about it.
//!
//! ```text
//!             whole frame, queue takes it            Reply Send
//!   Reading ------------------------------> InFlight ----------> Writing ---> Reading
//!      |                                    ^      |             ^  ^  |
//!      '--queue full--> Parked ---has room--'      '-Reply Hold--'  |  | a range is cold
//!                                             Holding, until then   |  v
//!                                                                 Warming
//!   the server drains:                     Reading, Writing ---> Leaving ---> closed
//! ```
//!
//! While an answer is awaited nothing is read: one request of a connection is in work, so what
//! one connection can make the server hold is one request and one answer.

use crate::serve::Shared;
use crate::serve::admission::Admission;
use crate::serve::budget::Paid;
use crate::serve::frame::{Filled, Input, Rules};
use crate::serve::inbox::{Inbox, Newcomer};
use crate::serve::limits::ServeLimits;
use crate::serve::mover::Mover;
use crate::serve::outgoing::{FileChunk, Outgoing, Sent};
use crate::serve::queue::{Answer, Closing, ConnectionId, ReplyTo, Request};
use mio::net::TcpStream;
use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What one connection may send in one turn.
pub(super) const TURN_BYTES: u64 = 1 << 20;
/// What one connection may read in one turn; the size of a processor's buffer.
pub(super) const READ_BYTES: usize = 64 << 10;
/// How long a draining server waits for answers that depend on other clients.
const LATER_TIME: Duration = Duration::from_secs(1);
/// How long a draining server reads what a client sends behind its last answer.
const LEAVE_TIME: Duration = Duration::from_secs(2);

/// What a connection waits for.
#[derive(Debug)]
pub(super) enum State {
    /// A request.
    Reading,
    /// Room in the queue.
    Parked(Request),
    /// An answer, which may depend on other clients.
    InFlight { is_later: bool },
    /// The time to send what has too little to say.
    Holding(Reply),
    /// The socket.
    Writing(Reply),
    /// The disk.
    Warming(Reply),
    /// The peer to close, which has every answer that it gets.
    Leaving,
}

/// An answer on its way.
#[derive(Debug)]
pub(super) struct Reply {
    outgoing: Outgoing,
    /// Sent since the deadline was set.
    progress: u64,
    _paid: Paid,
}

/// What happens when a deadline is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The connection has never sent a byte.
    FirstRequest,
    /// It has sent no request for long.
    Idle,
    /// Its request is not whole.
    Frame,
    /// It does not take its answer.
    Write,
    /// The answer that is held is sent.
    Hold,
    /// The server drains, and does not wait for this answer.
    Drain,
    /// The peer has not closed.
    Leave,
}

/// When a connection ends, or a held answer is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    pub at: Instant,
    pub due: Due,
}

/// Why a connection ends.
#[derive(Debug)]
pub(super) enum End {
    /// Its peer went.
    Peer,
    /// The server drains.
    Drained,
    /// It went over the limit of this name.
    Limit(&'static str),
    /// Its first bytes are no length.
    BadLength([u8; 4]),
    /// A handler failed, or no answer is wanted.
    Closed(Closing),
    /// The socket or a file failed.
    Failed(io::Error),
}

/// What a connection wants of its processor after a turn.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing until something happens.
    Wait,
    /// Another turn.
    Again,
    /// To be told when there is memory for requests.
    Starved,
    /// A handler for this.
    Request(Request),
    /// A handler that brings this into the page cache.
    Warm(ReplyTo, FileChunk),
    /// To end.
    End(End),
}

/// What a processor has for all of its connections.
pub(super) struct Tools<'a> {
    pub buffer: &'a mut [u8],
    pub mover: &'a mut Mover,
    pub shared: &'a Shared,
    pub inbox: &'a Arc<Inbox>,
    pub processor: usize,
    pub now: Instant,
    pub is_draining: bool,
}

impl Tools<'_> {
    fn limits(&self) -> &ServeLimits {
        &self.shared.limits
    }
}

/// A client.
#[derive(Debug)]
pub(super) struct Connection {
    pub socket: TcpStream,
    pub peer: SocketAddr,
    pub id: ConnectionId,
    pub state: State,
    /// There may be bytes to read.
    pub can_read: bool,
    /// The socket may take bytes.
    pub can_write: bool,
    /// The peer sends nothing more; it may still read.
    pub has_peer_closed: bool,
    /// The peer is gone.
    pub is_broken: bool,
    /// It is in the processor's list of those that get a turn.
    pub is_ready: bool,
    /// It is in the processor's list of those that wait for memory.
    pub is_starved: bool,
    /// A whole request came once.
    pub has_asked: bool,
    pub deadline: Option<Deadline>,
    /// Its entry in the timers, which is not behind its deadline.
    pub scheduled: Option<Instant>,
    input: Input,
    /// Of the last request. An answer to another is not sent.
    number: u64,
    _admission: Admission,
}

impl Connection {
    pub(super) fn new(newcomer: Newcomer, id: ConnectionId, first_request: Instant) -> Self {
        Self {
            socket: newcomer.socket,
            peer: newcomer.peer,
            id,
            state: State::Reading,
            can_read: true,
            can_write: true,
            has_peer_closed: false,
            is_broken: false,
            is_ready: false,
            is_starved: false,
            has_asked: false,
            deadline: Some(Deadline { at: first_request, due: Due::FirstRequest }),
            scheduled: None,
            input: Input::default(),
            number: 0,
            _admission: newcomer.admission,
        }
    }

    /// Does what can be done now: sends, then reads.
    pub(super) fn turn(&mut self, tools: &mut Tools<'_>) -> Step {
        // Once both sides have said all, that is told in the same way.
        if self.is_broken && !matches!(self.state, State::Leaving) {
            return Step::End(End::Peer);
        }
        if matches!(self.state, State::Holding(_)) && self.has_peer_closed {
            self.let_go(tools.shared);
        }
        match self.state {
            State::Reading => self.read(tools),
            State::Writing(_) if self.can_write => self.write(tools),
            State::Leaving => self.discard(tools),
            _ => Step::Wait,
        }
    }

    fn read(&mut self, tools: &mut Tools<'_>) -> Step {
        if tools.is_draining && self.input.is_empty() {
            return self.leave(tools);
        }
        if !self.can_read {
            return Step::Wait;
        }
        let mut budget = READ_BYTES;
        let rules = Rules {
            frame_bytes: tools.shared.limits.frame_bytes,
            budget: &tools.shared.request_bytes,
            processor: tools.processor,
        };
        let filled = self.input.fill(&mut self.socket, tools.buffer, &rules, &mut budget);
        tools.shared.counters.received((READ_BYTES.saturating_sub(budget)) as u64);
        let step = match filled {
            Ok(Filled::Frame(frame, paid)) => return self.ask(frame, paid, tools.inbox),
            Ok(Filled::Closed) => return Step::End(End::Peer),
            Ok(Filled::BadLength(head)) => return Step::End(End::BadLength(head)),
            Err(error) => return Step::End(End::Failed(error)),
            Ok(Filled::Blocked) => {
                self.can_read = false;
                Step::Wait
            }
            Ok(Filled::Budget) => Step::Again,
            Ok(Filled::Starved) => Step::Starved,
        };
        let is_begun = self.deadline.is_some_and(|deadline| deadline.due == Due::Frame);
        if !is_begun && !self.input.is_empty() {
            self.set_deadline(tools.now, tools.limits().frame_time, Due::Frame);
        }
        step
    }

    fn ask(&mut self, frame: Vec<u8>, paid: Paid, inbox: &Arc<Inbox>) -> Step {
        self.has_asked = true;
        self.number += 1;
        self.deadline = None;
        self.state = State::InFlight { is_later: false };
        Step::Request(Request::new(frame, paid, self.reply_to(inbox), self.peer))
    }

    fn reply_to(&self, inbox: &Arc<Inbox>) -> ReplyTo {
        ReplyTo::new(self.id, self.number, Arc::clone(inbox))
    }

    fn write(&mut self, tools: &mut Tools<'_>) -> Step {
        let State::Writing(reply) = &mut self.state else { return Step::Wait };
        let mut budget = TURN_BYTES;
        let sent = reply.outgoing.write_to(&self.socket, tools.mover, &mut budget);
        reply.progress += TURN_BYTES.saturating_sub(budget);
        let limits = tools.limits();
        let step = match sent {
            Ok(Sent::All) => {
                self.state = State::Reading;
                self.set_deadline(tools.now, limits.idle_time, Due::Idle);
                // Bytes that came meanwhile are said by no new event.
                return self.read(tools);
            }
            Ok(Sent::Cold(chunk)) => {
                self.deadline = None;
                self.change(|state| match state {
                    State::Writing(reply) => State::Warming(reply),
                    other => other,
                });
                return Step::Warm(self.reply_to(tools.inbox), chunk);
            }
            Err(error) => return Step::End(End::Failed(error)),
            Ok(Sent::Blocked) => {
                self.can_write = false;
                Step::Wait
            }
            Ok(Sent::Budget) => Step::Again,
        };
        if self.deadline.is_none() || reply.progress >= limits.write_progress_bytes {
            reply.progress = 0;
            self.set_deadline(tools.now, limits.write_time, Due::Write);
        }
        step
    }

    fn set_deadline(&mut self, now: Instant, time: Duration, due: Due) {
        self.deadline = now.checked_add(time).map(|at| Deadline { at, due });
    }

    fn change(&mut self, change: impl FnOnce(State) -> State) {
        let before = std::mem::replace(&mut self.state, State::Reading);
        self.state = change(before);
    }

    /// Takes the answer to its request; anything else that comes late is dropped.
    pub(super) fn take(
        &mut self,
        number: u64,
        answer: Answer,
        paid: Paid,
        tools: &Tools<'_>,
    ) -> Step {
        if number != self.number || !matches!(self.state, State::InFlight { .. }) {
            return Step::Wait;
        }
        self.deadline = None;
        let reply = |outgoing| Reply { outgoing, progress: 0, _paid: paid };
        match answer {
            Answer::Close(closing) => return Step::End(End::Closed(closing)),
            Answer::Later => {
                self.state = State::InFlight { is_later: true };
                if tools.is_draining {
                    self.set_deadline(tools.now, LATER_TIME, Due::Drain);
                }
                return Step::Wait;
            }
            Answer::Hold(outgoing, until)
                if until > tools.now && !tools.is_draining && !self.has_peer_closed =>
            {
                self.state = State::Holding(reply(outgoing));
                self.deadline = Some(Deadline { at: until, due: Due::Hold });
                tools.shared.counters.held();
                return Step::Wait;
            }
            Answer::Send(outgoing) | Answer::Hold(outgoing, _) => {
                self.state = State::Writing(reply(outgoing));
            }
        }
        Step::Again
    }

    /// Goes on with an answer whose next part is in the page cache.
    pub(super) fn take_warmed(&mut self, number: u64, to: io::Result<u64>) -> Step {
        if number != self.number || !matches!(self.state, State::Warming(_)) {
            return Step::Wait;
        }
        let to = match to {
            Ok(to) => to,
            Err(error) => {
                tracing::warn!(peer = %self.peer, %error, "a range cannot be read");
                return Step::End(End::Limit("read_errors"));
            }
        };
        self.change(|state| match state {
            State::Warming(mut reply) => {
                reply.outgoing.warmed(to);
                State::Writing(reply)
            }
            other => other,
        });
        Step::Again
    }

    /// Sends the answer that is held.
    pub(super) fn let_go(&mut self, shared: &Shared) {
        if let State::Holding(_) = self.state {
            shared.counters.let_go();
            self.deadline = None;
            self.change(|state| match state {
                State::Holding(reply) => State::Writing(reply),
                other => other,
            });
        }
    }

    /// The server drains: what was begun is finished.
    pub(super) fn drain(&mut self, tools: &Tools<'_>) -> Step {
        match self.state {
            State::Reading if self.input.is_empty() => return self.leave(tools),
            State::Holding(_) => {
                self.let_go(tools.shared);
                return Step::Again;
            }
            State::InFlight { is_later: true } => {
                self.set_deadline(tools.now, LATER_TIME, Due::Drain);
            }
            _ => {}
        }
        Step::Wait
    }

    /// Begins nothing any more. The system sends what it has of the last answer, unless the socket
    /// is closed before everything that came was read: then it drops that and resets.
    fn leave(&mut self, tools: &Tools<'_>) -> Step {
        if !self.has_asked || self.socket.shutdown(Shutdown::Write).is_err() {
            return Step::End(End::Drained);
        }
        self.state = State::Leaving;
        self.set_deadline(tools.now, LEAVE_TIME, Due::Leave);
        Step::Again
    }

    /// Reads what nobody will answer, a buffer a turn.
    fn discard(&mut self, tools: &mut Tools<'_>) -> Step {
        if !self.can_read && !self.is_broken {
            return Step::Wait;
        }
        match self.socket.read(tools.buffer) {
            Ok(0) => Step::End(End::Drained),
            Ok(read) => {
                tools.shared.counters.received(read as u64);
                Step::Again
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                (self.can_read, self.is_broken) = (false, false);
                Step::Wait
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Step::Again,
            Err(error) => Step::End(End::Failed(error)),
        }
    }

    /// Its deadline is over.
    pub(super) fn expire(&mut self, due: Due, shared: &Shared) -> Step {
        let limit = match due {
            Due::FirstRequest => "first_request_time",
            Due::Idle => "idle_time",
            Due::Frame if self.is_starved => "request_bytes",
            Due::Frame => "frame_time",
            Due::Write => "write_time",
            Due::Drain => "drain_time",
            Due::Leave => return Step::End(End::Drained),
            Due::Hold => {
                self.let_go(shared);
                return Step::Again;
            }
        };
        Step::End(End::Limit(limit))
    }
}
