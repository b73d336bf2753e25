//! Every bound on what clients can make the server do. S2: one field a bound.

use crate::serve::groups::GroupLimits;
use crate::serve::wire::WireLimits;
use std::time::Duration;

/// The bounds of one server. The name of a field is the label under which going over it is counted.
///
/// There is no `Default`: the binary starts from [`Self::STANDARD`] and says what it changes.
#[derive(Clone, Debug)]
pub struct ServeLimits {
    /// Connections of the process (`max.connections`).
    pub connections: usize,
    /// Connections of one address; of one /64 with IPv6 (`max.connections.per.ip`).
    pub connections_per_address: usize,
    /// The longest request (`socket.request.max.bytes`).
    pub frame_bytes: usize,
    /// All requests together that are being read, wait or are answered
    /// (`queued.max.request.bytes`). The first 16 KiB of each connection are free.
    pub request_bytes: usize,
    /// From the first byte of a request to its last.
    pub frame_time: Duration,
    /// From the accept to the first byte.
    pub first_request_time: Duration,
    /// For the next [`Self::write_progress_bytes`] of an answer.
    pub write_time: Duration,
    /// What a client has to take within [`Self::write_time`].
    pub write_progress_bytes: u64,
    /// Between two requests (`connections.max.idle.ms`).
    pub idle_time: Duration,
    /// The longest wait of a Fetch; longer ones are cut to it.
    pub fetch_wait: Duration,
    /// Of reading one request.
    pub wire: WireLimits,
    /// Of one answer, in memory: its file ranges do not count.
    pub response_bytes: usize,
    /// All answers together that are in memory and not sent yet.
    pub response_bytes_total: usize,
    /// Of one Fetch answer (`fetch.max.bytes`).
    pub fetch_bytes: u64,
    /// File ranges of one answer.
    pub fetch_files: usize,
    /// Entries of offset indexes that are kept in memory.
    pub index_cache_bytes: usize,
    /// Requests that wait for a handler (`queued.max.requests`).
    pub queued_requests: usize,
    /// Of the group coordinator.
    pub groups: GroupLimits,
    /// From the first signal to the end of the process, whoever is still connected.
    pub drain_time: Duration,
}

impl ServeLimits {
    /// The defaults of the command line.
    pub const STANDARD: Self = Self {
        connections: 1024,
        connections_per_address: 256,
        frame_bytes: 1 << 20,
        request_bytes: 64 << 20,
        frame_time: Duration::from_secs(10),
        first_request_time: Duration::from_secs(30),
        write_time: Duration::from_secs(30),
        write_progress_bytes: 64 << 10,
        idle_time: Duration::from_secs(600),
        fetch_wait: Duration::from_secs(60),
        wire: WireLimits::STANDARD,
        response_bytes: 32 << 20,
        response_bytes_total: 128 << 20,
        fetch_bytes: 57_671_680,
        fetch_files: 64,
        index_cache_bytes: 64 << 20,
        queued_requests: 500,
        groups: GroupLimits::STANDARD,
        drain_time: Duration::from_secs(10),
    };
}
