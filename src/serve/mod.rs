//! A read-only Kafka broker over the files of a dead one.
//!
//! ```text
//!  sockets --> acceptor --> processor 1..N        each its own event loop (mio) and connections
//!                             |  ^    |
//!                     request |  |    | sendfile(2): page cache --> socket
//!                             v  |    v
//!                   bounded queue  inbox
//!                             |  ^
//!                             v  |
//!                       handler 1..M --> catalog: which bytes of which file
//!                             |  ^
//!                             v  |
//!                            groups, one thread: who reads what, and how far
//! ```
//!
//! | part | what it is |
//! |---|---|
//! | [`wire`] | the protocol: bytes to requests, answers to bytes; pure |
//! | [`catalog`] | what is served: topics, partitions, segments, ends |
//! | [`files`] | descriptors of segments, and whether a range is in the page cache |
//! | [`groups`] | consumer groups and their offsets, as a state machine and its thread |
//! | [`answer`] | requests to answers, over all of the above |
//! | the rest | threads, sockets, queues, timers, limits, counters |
//!
//! # Invariants
//!
//! 1. Nothing here changes a disk.
//! 2. Record bytes of a Fetch never enter the process: an answer is an envelope and byte ranges.
//! 3. Whatever a socket sends: bounded memory, bounded time, a named limit and its counter.
//! 4. One request of a connection is in work at a time, so answers are in the order of requests.
//! 5. The catalog is settled before the first connection is accepted; no answer says more than it.

mod acceptor;
pub mod admission;
pub mod answer;
pub mod budget;
pub mod catalog;
mod connection;
pub mod counters;
pub mod files;
pub mod frame;
pub mod groups;
pub mod inbox;
pub mod limits;
pub mod metrics;
pub mod mover;
pub mod outgoing;
mod pool;
mod processor;
pub mod queue;
mod running;
mod timers;
pub mod wire;

use running::Shared;
pub use running::{Bound, Config, Ended, Running, bind, start};
