//! What reaches a processor from other threads.
//!
//! ```text
//!   acceptor --Adopt-->.
//!   handlers --Reply-->+--> list, waker --> processor: takes the whole list, each turn
//!   groups   --Reply-->'
//! ```
//!
//! The list is bounded by what it is about: one reply a connection, `ADOPTS` connections that
//! nobody has yet, one word of room for each queue that was full.

use crate::serve::admission::Admission;
use crate::serve::budget::Paid;
use crate::serve::queue::{Answer, ConnectionId};
use mio::net::TcpStream;
use std::fmt;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections that may wait for one processor. As many as with Kafka.
const ADOPTS: usize = 20;

/// A connection on its way from the acceptor to a processor.
#[derive(Debug)]
pub struct Newcomer {
    /// Which does not block.
    pub socket: TcpStream,
    /// Who is there.
    pub peer: SocketAddr,
    /// Its place among the connections.
    pub admission: Admission,
    /// There are too many: a silent one has to go for this one, or else this one.
    pub must_reap: bool,
    /// Processors that were asked for a silent one besides the first.
    pub hops: usize,
}

/// What a processor is told.
#[derive(Debug)]
pub enum ToProcessor {
    /// Here is a connection.
    Adopt(Newcomer),
    /// Here is an answer.
    Reply {
        /// Whose.
        id: ConnectionId,
        /// To which of its requests.
        number: u64,
        /// What it is.
        answer: Answer,
        /// The memory that it takes.
        paid: Paid,
    },
    /// The next part of a range is in the page cache, up to here.
    Warmed {
        /// Whose answer needs it.
        id: ConnectionId,
        /// To which of its requests.
        number: u64,
        /// How far it got.
        to: io::Result<u64>,
    },
    /// What was full may have room.
    Room,
    /// Finish what was begun, begin nothing.
    Drain,
    /// Leave everything as it is.
    Stop,
}

/// The messages for one processor.
pub struct Inbox {
    messages: Mutex<Messages>,
    wake: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Messages {
    list: Vec<ToProcessor>,
    adopts: usize,
    is_closed: bool,
}

impl Inbox {
    /// One whose reader is woken so.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self { messages: Mutex::default(), wake: Box::new(wake) }
    }

    fn messages(&self) -> MutexGuard<'_, Messages> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message. Where nobody reads any more, it is dropped.
    pub fn send(&self, message: ToProcessor) {
        let mut messages = self.messages();
        if messages.is_closed {
            // Dropping it may give memory back, which may send messages.
            drop(messages);
            return;
        }
        messages.list.push(message);
        let is_first = messages.list.len() == 1;
        drop(messages);
        if is_first {
            (self.wake)();
        }
    }

    /// Hands a connection over, or back when too many wait already.
    pub fn adopt(&self, newcomer: Newcomer) -> Result<(), Newcomer> {
        let mut messages = self.messages();
        if messages.adopts >= ADOPTS || messages.is_closed {
            return Err(newcomer);
        }
        messages.adopts += 1;
        drop(messages);
        self.send(ToProcessor::Adopt(newcomer));
        Ok(())
    }

    /// All messages, in the order in which they came; `into` is empty.
    pub fn take(&self, into: &mut Vec<ToProcessor>) {
        let mut messages = self.messages();
        messages.adopts = 0;
        mem::swap(&mut messages.list, into);
    }

    /// Nobody reads any more.
    pub fn close(&self) {
        let mut messages = self.messages();
        messages.is_closed = true;
        let list = mem::take(&mut messages.list);
        drop(messages);
        drop(list);
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

/// The processors that wait for something, a bit each.
#[derive(Debug, Default)]
pub(super) struct Waiting(u64);

/// How many processors there may be.
pub(super) const PROCESSORS: usize = u64::BITS as usize;

impl Waiting {
    pub(super) fn add(&mut self, processor: usize) {
        let shift = u32::try_from(processor).unwrap_or(u32::MAX);
        self.0 |= 1_u64.checked_shl(shift).unwrap_or(0);
    }

    /// Those that waited; none does from now on.
    pub(super) fn take(&mut self) -> Self {
        mem::take(self)
    }

    pub(super) fn tell(self, inboxes: &[Arc<Inbox>]) {
        for (processor, inbox) in inboxes.iter().enumerate() {
            if self.0 >> processor & 1 == 1 {
                inbox.send(ToProcessor::Room);
            }
        }
    }
}
