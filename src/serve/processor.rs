//! One event loop and its connections.
//!
//! ```text
//!   poll, until something happens or is due
//!   1  events: who can read, who can write, who is gone
//!   2  inbox: connections, answers, room
//!   3  deadlines that are over
//!   4  a turn for everyone who is ready, none twice before all had one
//! ```
//!
//! Readiness is told at its edges only, so a connection that has used up its turn stays in the list
//! of those who are ready. Events come first: they are about the connections of before the inbox.

use crate::serve::Shared;
use crate::serve::connection::{Connection, End, READ_BYTES, State, Step, Tools};
use crate::serve::inbox::{Inbox, Newcomer, ToProcessor};
use crate::serve::mover::{FileTrouble, Mover};
use crate::serve::queue::{Closing, ConnectionId, Request};
use crate::serve::timers::Timers;
use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Events of one poll.
const EVENTS: usize = 1024;
/// The token of the inbox; those of connections are their slots.
pub(super) const INBOX: Token = Token(usize::MAX);

/// A network thread.
pub(super) struct Processor {
    number: usize,
    poll: Poll,
    inbox: Arc<Inbox>,
    shared: Arc<Shared>,
    connections: Slab<Connection>,
    /// Connections so far.
    generation: u64,
    ready: Vec<ConnectionId>,
    /// Whose request waits for room in the queue, in order.
    parked: VecDeque<ConnectionId>,
    /// Whose request waits for memory.
    starved: Vec<ConnectionId>,
    timers: Timers,
    buffer: Vec<u8>,
    mover: Mover,
    now: Instant,
    is_draining: bool,
    is_stopped: bool,
}

impl Processor {
    pub(super) fn new(number: usize, poll: Poll, inbox: Arc<Inbox>, shared: Arc<Shared>) -> Self {
        let mover = Mover::new(Arc::clone(&shared.counters), shared.use_sendfile);
        Self {
            number,
            poll,
            inbox,
            shared,
            connections: Slab::new(),
            generation: 0,
            ready: Vec::new(),
            parked: VecDeque::new(),
            starved: Vec::new(),
            timers: Timers::default(),
            buffer: vec![0; READ_BYTES],
            mover,
            now: Instant::now(),
            is_draining: false,
            is_stopped: false,
        }
    }

    /// Serves until the server has drained or stops.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        let mut messages = Vec::new();
        let mut turns = Vec::new();
        while !self.is_over() {
            match self.poll.poll(&mut events, self.timeout()) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => self.now = Instant::now(),
            }
            events.iter().for_each(|event| self.note(event));
            self.inbox.take(&mut messages);
            messages.drain(..).for_each(|message| self.take(message));
            while let Some(id) = self.timers.pop(self.now) {
                self.look_at_deadline(id);
            }
            std::mem::swap(&mut self.ready, &mut turns);
            for id in turns.drain(..) {
                self.turn(id);
            }
        }
        self.end();
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.is_stopped || self.is_draining && self.connections.is_empty()
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        self.timers.next().map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// The connections that are left are cut off.
    fn end(&mut self) {
        self.inbox.close();
        let left = self.connections.iter().map(|(_, connection)| {
            let is_done = matches!(connection.state, State::Leaving);
            (connection.id, if is_done { End::Drained } else { End::Limit("drain_time") })
        });
        for (id, end) in left.collect::<Vec<_>>() {
            self.close(id, end);
        }
    }

    fn connection(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.get_mut(id.slot).filter(|connection| connection.id == id)
    }

    fn note(&mut self, event: &Event) {
        let Some(connection) = self.connections.get_mut(event.token().0) else { return };
        connection.can_read |= event.is_readable() || event.is_read_closed();
        connection.can_write |= event.is_writable();
        connection.has_peer_closed |= event.is_read_closed();
        connection.is_broken |= event.is_error() || event.is_write_closed();
        let id = connection.id;
        self.make_ready(id);
    }

    fn make_ready(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connection(id)
            && !connection.is_ready
        {
            connection.is_ready = true;
            self.ready.push(id);
        }
    }

    fn take(&mut self, message: ToProcessor) {
        match message {
            ToProcessor::Adopt(newcomer) => self.adopt(newcomer),
            ToProcessor::Reply { id, number, answer, paid } => {
                self.act(id, |connection, tools| connection.take(number, answer, paid, tools));
            }
            ToProcessor::Warmed { id, number, to } => {
                self.act(id, |connection, _| connection.take_warmed(number, to));
            }
            ToProcessor::Room => self.use_room(),
            ToProcessor::Drain => self.drain(),
            ToProcessor::Stop => self.is_stopped = true,
        }
    }

    fn adopt(&mut self, mut newcomer: Newcomer) {
        if self.is_draining {
            return tracing::debug!(peer = %newcomer.peer, "not taken");
        }
        if newcomer.must_reap && !self.reap() {
            return self.hand_on(newcomer);
        }
        let entry = self.connections.vacant_entry();
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = Token(entry.key());
        if let Err(error) = self.poll.registry().register(&mut newcomer.socket, token, interest) {
            self.shared.counters.rejected("descriptors");
            tracing::warn!(peer = %newcomer.peer, %error, "cannot be watched");
            return;
        }
        self.generation += 1;
        let id = ConnectionId { slot: entry.key(), generation: self.generation };
        let until = self.now + self.shared.limits.first_request_time;
        entry.insert(Connection::new(newcomer, id, until));
        self.shared.counters.connection_opened();
        self.schedule(id);
        // What it sent before it was watched is said by no event.
        self.make_ready(id);
    }

    /// Nobody is silent here; maybe somebody is with another processor. Each is asked once.
    fn hand_on(&self, mut newcomer: Newcomer) {
        let inboxes = &self.shared.inboxes;
        let mut next = self.number;
        while newcomer.hops + 1 < inboxes.len() {
            newcomer.hops += 1;
            next = (next + 1) % inboxes.len();
            let Some(inbox) = inboxes.get(next) else { break };
            match inbox.adopt(newcomer) {
                Ok(()) => return,
                Err(refused) => newcomer = refused,
            }
        }
        self.shared.counters.rejected("connections");
        tracing::debug!(peer = %newcomer.peer, "not taken: there are too many connections");
    }

    /// Ends the connection that has been here longest without asking anything.
    fn reap(&mut self) -> bool {
        let silent = self.connections.iter().filter(|(_, connection)| !connection.has_asked);
        let oldest = silent.map(|(_, connection)| connection.id).min_by_key(|id| id.generation);
        if let Some(id) = oldest {
            self.close(id, End::Limit("connections"));
        }
        oldest.is_some()
    }

    fn drain(&mut self) {
        self.is_draining = true;
        let all: Vec<_> = self.connections.iter().map(|(_, connection)| connection.id).collect();
        for id in all {
            self.act(id, |connection, tools| connection.drain(tools));
        }
    }

    fn look_at_deadline(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(connection) = self.connection(id) else { return };
        connection.scheduled = None;
        match connection.deadline {
            Some(deadline) if deadline.at <= now => {
                self.act(id, |connection, tools| connection.expire(deadline.due, tools.shared));
            }
            _ => self.schedule(id),
        }
    }

    fn schedule(&mut self, id: ConnectionId) {
        let connection = self.connections.get_mut(id.slot).filter(|it| it.id == id);
        if let Some(connection) = connection
            && let Some(deadline) = connection.deadline
        {
            self.timers.schedule(id, deadline.at, &mut connection.scheduled);
        }
    }

    fn turn(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connection(id) {
            connection.is_ready = false;
            self.act(id, |connection, tools| connection.turn(tools));
        }
    }

    /// Lets the connection do something and does what it then wants.
    fn act(&mut self, id: ConnectionId, what: impl FnOnce(&mut Connection, &mut Tools) -> Step) {
        let connection = self.connections.get_mut(id.slot).filter(|it| it.id == id);
        let Some(connection) = connection else { return };
        let mut tools = Tools {
            buffer: &mut self.buffer,
            mover: &mut self.mover,
            shared: &self.shared,
            inbox: &self.inbox,
            processor: self.number,
            now: self.now,
            is_draining: self.is_draining,
        };
        match what(connection, &mut tools) {
            Step::Wait => {}
            Step::Again => self.make_ready(id),
            Step::Starved => {
                if !connection.is_starved {
                    connection.is_starved = true;
                    self.starved.push(id);
                }
            }
            Step::Request(request) => self.push(request),
            Step::Warm(to, chunk) => self.shared.queue.push_warm(to, chunk),
            Step::End(end) => return self.close(id, end),
        }
        self.schedule(id);
    }

    /// Gives a request to the handlers, behind those that wait already.
    fn push(&mut self, request: Request) {
        let refused = if self.parked.is_empty() {
            self.shared.queue.try_push(request, self.number).err()
        } else {
            Some(request)
        };
        let Some(request) = refused else { return };
        self.shared.counters.parked();
        let id = request.to.id;
        if let Some(connection) = self.connection(id) {
            connection.state = State::Parked(request);
            self.parked.push_back(id);
        }
    }

    /// Something that was full has room again: the queue, or the memory for requests.
    fn use_room(&mut self) {
        for id in std::mem::take(&mut self.starved) {
            if let Some(connection) = self.connection(id) {
                connection.is_starved = false;
                self.make_ready(id);
            }
        }
        while let Some(&id) = self.parked.front() {
            let number = self.number;
            let connection = self.connections.get_mut(id.slot).filter(|it| it.id == id);
            if let Some(connection) = connection {
                let in_flight = State::InFlight { is_later: false };
                match std::mem::replace(&mut connection.state, in_flight) {
                    State::Parked(request) => {
                        if let Err(request) = self.shared.queue.try_push(request, number) {
                            connection.state = State::Parked(request);
                            return;
                        }
                    }
                    other => connection.state = other,
                }
            }
            self.parked.pop_front();
        }
    }

    fn close(&mut self, id: ConnectionId, end: End) {
        let connection = self.connections.get(id.slot).filter(|connection| connection.id == id);
        if connection.is_none() {
            return;
        }
        let mut connection = self.connections.remove(id.slot);
        self.timers.remove(id, connection.scheduled);
        if connection.is_starved {
            self.starved.retain(|starved| *starved != id);
        }
        match connection.state {
            State::Parked(_) => self.parked.retain(|parked| *parked != id),
            State::Holding(_) => self.shared.counters.let_go(),
            // The system would keep what it has taken for as long as the peer does not read it.
            State::Writing(_) => {
                let _ = rustix::net::sockopt::set_socket_linger(
                    &connection.socket,
                    Some(Duration::ZERO),
                );
            }
            _ => {}
        }
        // It is closed now in any case.
        let _ = self.poll.registry().deregister(&mut connection.socket);
        self.shared.counters.connection_closed();
        self.say(&connection, end);
    }

    /// Counts and logs why a connection ends.
    fn say(&self, connection: &Connection, end: End) {
        let peer = connection.peer;
        let limit = match end {
            End::Peer | End::Drained | End::Closed(Closing::NoAnswerWanted | Closing::Panic) => {
                return tracing::debug!(%peer, ?end, "closed");
            }
            End::Failed(error) => {
                if let Some(trouble) = FileTrouble::of(&error) {
                    tracing::warn!(%peer, %trouble, "an answer cannot be sent to its end");
                } else {
                    tracing::debug!(%peer, %error, "closed");
                }
                return;
            }
            End::BadLength(head) => {
                if let Some(protocol) = spoken(head) {
                    tracing::warn!(%peer, "speaks {protocol}, and not Kafka's own protocol");
                }
                "frame_bytes"
            }
            End::Limit(limit) | End::Closed(Closing::Rejected(limit)) => limit,
        };
        self.shared.counters.rejected(limit);
        tracing::debug!(%peer, limit, "closed");
    }
}

/// What a client speaks whose first bytes these are, where it is a common mistake.
fn spoken(head: [u8; 4]) -> Option<&'static str> {
    match &head {
        [0x16, 0x03, ..] => Some("TLS"),
        b"GET " | b"POST" | b"HEAD" | b"PUT " => Some("HTTP"),
        _ => None,
    }
}
