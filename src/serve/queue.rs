//! Requests on their way to handlers, and answers on their way back.
//!
//! ```text
//!   processor --try_push--> | Job | Job | ... |  at most `queued_requests` --pop--> handler
//!             <----------------- inbox <----------------- ReplyTo::send -----------'
//! ```
//!
//! A processor never waits: a request that finds the queue full stays with its connection, and the
//! processor is told when a handler has taken one.

use crate::serve::budget::Paid;
use crate::serve::counters::Counters;
use crate::serve::inbox::{Inbox, ToProcessor, Waiting};
use crate::serve::outgoing::{FileChunk, Outgoing};
use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

/// Which connection of which processor. A slot that was used again is another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// Its place in the processor's slab.
    pub slot: usize,
    /// Counts the connections of that processor.
    pub generation: u64,
}

/// Where the answer to one request goes. One for a connection that is gone is dropped, and so is a
/// second one.
#[derive(Clone, Debug)]
pub struct ReplyTo {
    /// Whose answer it is.
    pub id: ConnectionId,
    number: u64,
    inbox: Arc<Inbox>,
}

impl ReplyTo {
    /// The way back for the request of this number.
    pub(super) fn new(id: ConnectionId, number: u64, inbox: Arc<Inbox>) -> Self {
        Self { id, number, inbox }
    }

    /// Hands the answer to the processor and wakes it. Any thread may do so.
    pub fn send(&self, answer: Answer) {
        self.send_paid(answer, Paid::default());
    }

    pub(super) fn send_paid(&self, answer: Answer, paid: Paid) {
        let Self { id, number, .. } = *self;
        self.inbox.send(ToProcessor::Reply { id, number, answer, paid });
    }

    pub(super) fn send_warmed(&self, to: io::Result<u64>) {
        let Self { id, number, .. } = *self;
        self.inbox.send(ToProcessor::Warmed { id, number, to });
    }

    /// One whose answers come out of a channel.
    fn to_channel() -> (Self, Receiver<Answer>) {
        let (sender, answers) = channel();
        let inbox = Arc::new_cyclic(|inbox: &Weak<Inbox>| {
            let inbox = inbox.clone();
            Inbox::new(move || {
                let mut list = Vec::new();
                if let Some(inbox) = inbox.upgrade() {
                    inbox.take(&mut list);
                }
                for message in list {
                    if let ToProcessor::Reply { answer, .. } = message {
                        // Who looks at no answers has dropped the other end.
                        let _ = sender.send(answer);
                    }
                }
            })
        });
        (Self::new(ConnectionId { slot: 0, generation: 1 }, 1, inbox), answers)
    }
}

/// A whole frame without its length.
#[derive(Debug)]
pub struct Request {
    /// Header and body.
    pub frame: Vec<u8>,
    /// Where its answer goes.
    pub to: ReplyTo,
    /// Who asks.
    pub peer: SocketAddr,
    /// When its last byte came.
    pub received: Instant,
    /// The memory that the frame takes.
    _paid: Paid,
}

impl Request {
    pub(super) fn new(frame: Vec<u8>, paid: Paid, to: ReplyTo, peer: SocketAddr) -> Self {
        Self { frame, to, peer, received: Instant::now(), _paid: paid }
    }

    /// One that came over no socket, from this machine at this moment, and where its answer comes
    /// out: how fuzzing asks.
    #[must_use]
    pub fn without_socket(frame: Vec<u8>) -> (Self, Receiver<Answer>) {
        let (to, answers) = ReplyTo::to_channel();
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000));
        (Self::new(frame, Paid::default(), to, peer), answers)
    }
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Answer {
    /// It is sent.
    Send(Outgoing),
    /// It is sent, but not before this time unless the peer goes away or the server drains: an
    /// answer that has too little to say.
    Hold(Outgoing, Instant),
    /// Somebody else has [`Request::to`] and will answer.
    Later,
    /// The connection ends.
    Close(Closing),
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// A rejection, counted under this name.
    Rejected(&'static str),
    /// The client wants no answer, and cannot be told otherwise (Produce with acks 0).
    NoAnswerWanted,
    /// A handler failed.
    Panic,
}

/// What handlers do. Called by the threads of the pool, by many at a time.
pub trait Handle: Send + Sync + 'static {
    /// Answers one request.
    fn handle(&self, request: &Request) -> Answer;

    /// Brings the next part of a range into the page cache; returns up to where.
    fn warm(&self, chunk: &FileChunk) -> io::Result<u64>;
}

/// What handlers are given to do.
#[derive(Debug)]
pub(super) enum Job {
    Request(Request),
    Warm { to: ReplyTo, chunk: FileChunk },
}

/// What waits for a handler.
#[derive(Debug)]
pub(super) struct Queue {
    jobs: Mutex<Jobs>,
    arrived: Condvar,
    capacity: usize,
    inboxes: Vec<Arc<Inbox>>,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Jobs {
    list: VecDeque<Job>,
    /// Handlers that sleep and were not woken yet: a wake costs a system call, whoever hears it.
    idle: usize,
    waiting: Waiting,
    is_closed: bool,
}

impl Queue {
    pub(super) fn new(capacity: usize, inboxes: Vec<Arc<Inbox>>, counters: Arc<Counters>) -> Self {
        let (jobs, arrived) = (Mutex::default(), Condvar::new());
        Self { jobs, arrived, capacity, inboxes, counters }
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the request, or hands it back when the queue is full; the processor is told later.
    pub(super) fn try_push(&self, request: Request, processor: usize) -> Result<(), Request> {
        let mut jobs = self.jobs();
        if jobs.list.len() >= self.capacity {
            jobs.waiting.add(processor);
            return Err(request);
        }
        self.push(jobs, Job::Request(request));
        Ok(())
    }

    /// Takes it even when full: a connection has one at most, and has answers half sent.
    pub(super) fn push_warm(&self, to: ReplyTo, chunk: FileChunk) {
        self.push(self.jobs(), Job::Warm { to, chunk });
    }

    fn push(&self, mut jobs: MutexGuard<'_, Jobs>, job: Job) {
        jobs.list.push_back(job);
        self.counters.queued();
        let is_heard = jobs.idle > 0;
        jobs.idle = jobs.idle.saturating_sub(1);
        drop(jobs);
        if is_heard {
            self.arrived.notify_one();
        }
    }

    /// The next job, for which it waits; `None` when the queue was closed.
    pub(super) fn pop(&self) -> Option<Job> {
        // Who wakes and finds nothing is counted again: one too many is woken then, none too few.
        let is_idle = |jobs: &mut Jobs| {
            let is_idle = jobs.list.is_empty() && !jobs.is_closed;
            jobs.idle = jobs.idle.saturating_add(usize::from(is_idle));
            is_idle
        };
        let waited = self.arrived.wait_while(self.jobs(), is_idle);
        let mut jobs = waited.unwrap_or_else(PoisonError::into_inner);
        if jobs.is_closed {
            return None;
        }
        let job = jobs.list.pop_front();
        let waiting = jobs.waiting.take();
        drop(jobs);
        self.counters.dequeued();
        waiting.tell(&self.inboxes);
        job
    }

    /// Every handler ends with the job that it has. Nobody waits for the others any more.
    pub(super) fn close(&self) {
        let mut jobs = self.jobs();
        jobs.is_closed = true;
        let left = std::mem::take(&mut jobs.list);
        drop(jobs);
        left.iter().for_each(|_| self.counters.dequeued());
        self.arrived.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    /// A wake that is saved once too often leaves a job where it is for good.
    #[test]
    fn who_sleeps_is_woken_for_every_job() {
        const HANDLERS: usize = 3;
        let queue = Queue::new(8, Vec::new(), Arc::default());
        let (done, taken) = channel();
        thread::scope(|scope| {
            for _ in 0..HANDLERS {
                let (queue, done) = (&queue, done.clone());
                scope.spawn(move || while queue.pop().is_some_and(|_| done.send(()).is_ok()) {});
            }
            let mut is_stuck = false;
            for round in 0..3_000 {
                // From none to more than there are handlers, which may sleep, wake or be at work.
                let jobs = round % (2 * HANDLERS + 1);
                for _ in 0..jobs {
                    let (request, _answers) = Request::without_socket(Vec::new());
                    assert!(queue.try_push(request, 0).is_ok());
                }
                let wait = || taken.recv_timeout(Duration::from_secs(20)).is_err();
                is_stuck = (0..jobs).any(|_| wait());
                if is_stuck {
                    break;
                }
                if round % 64 == 0 {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            queue.close();
            assert!(!is_stuck, "a job waits and all handlers sleep");
        });
    }
}
