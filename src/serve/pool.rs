//! The threads that answer requests: the only ones that may wait for a disk.

use crate::serve::Shared;
use crate::serve::budget::{FREE_BYTES, Paid};
use crate::serve::queue::{Answer, Closing, Job, Request};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Works until the queue is closed.
pub(super) fn work(shared: &Shared) {
    while let Some(job) = shared.queue.pop() {
        match job {
            Job::Request(request) => answer(shared, request),
            Job::Warm { to, chunk } => {
                let warmed = catch_unwind(AssertUnwindSafe(|| shared.handler.warm(&chunk)));
                to.send_warmed(warmed.unwrap_or_else(|_| {
                    shared.counters.panicked();
                    Err(std::io::Error::other("a handler failed"))
                }));
            }
        }
    }
}

fn answer(shared: &Shared, request: Request) {
    // What a handler shares with others is theirs to keep whole: locks that they left are entered.
    let answer = catch_unwind(AssertUnwindSafe(|| shared.handler.handle(&request)));
    let answer = answer.unwrap_or_else(|_| {
        shared.counters.panicked();
        let (api, version) = key(&request.frame);
        tracing::error!(peer = %request.peer, api, version, "a handler failed");
        Answer::Close(Closing::Panic)
    });
    let to = request.to.clone();
    drop(request);
    let (answer, paid) = pay(shared, answer);
    to.send_paid(answer, paid);
}

/// Bounds what all answers together take in memory. One that finds no room is not sent, and does
/// not wait for any: with a handler each, those who do not read would have all handlers.
fn pay(shared: &Shared, answer: Answer) -> (Answer, Paid) {
    let bytes = match &answer {
        Answer::Send(outgoing) | Answer::Hold(outgoing, _) => outgoing.memory_bytes(),
        Answer::Later | Answer::Close(_) => 0,
    };
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    if bytes <= FREE_BYTES {
        return (answer, Paid::default());
    }
    match shared.response_bytes.take(bytes) {
        Some(paid) => (answer, paid),
        None => (Answer::Close(Closing::Rejected("response_bytes_total")), Paid::default()),
    }
}

/// Which API a frame is for, and which version of it.
fn key(frame: &[u8]) -> (i16, i16) {
    let at = |place: usize| {
        let bytes = frame.get(place..).and_then(|rest| rest.first_chunk());
        bytes.map_or(-1, |bytes| i16::from_be_bytes(*bytes))
    };
    (at(0), at(2))
}
