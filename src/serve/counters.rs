//! What happened, in numbers.
//!
//! ```text
//!   acceptor, processors, handlers, groups --add--> Counters --snapshot--> status line, metrics
//! ```
//!
//! Each number is right; taken together they are of moments that are close.

use crate::serve::files::{FilesSnapshot, SegmentFailure};
use crate::serve::groups::{Counts, Sizes};
use crate::serve::wire::errors::{ErrorCode, NAMED};
use crate::serve::wire::{Api, SUPPORTED};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What a rejection is counted under. Most are the names of limits, fields of
/// [`ServeLimits`](crate::serve::limits::ServeLimits) and what is in it.
pub const LIMITS: &[&str] = &[
    "connections",
    "connections_per_address",
    "descriptors",
    "frame_bytes",
    "request_bytes",
    "frame_time",
    "first_request_time",
    "write_time",
    "idle_time",
    "drain_time",
    "fetch_wait",
    "decoded_request_bytes",
    "tagged_fields",
    "topics",
    "partitions",
    "string_bytes",
    "response_bytes",
    "response_bytes_total",
    "fetch_bytes",
    "fetch_files",
    "index_cache_bytes",
    "groups",
    "group_members",
    "group_bytes",
    "member_bytes",
    "protocols",
    "commits",
    "commit_bytes",
    "commit_metadata_bytes",
    "malformed",
    "unsupported_api",
    "unsupported_version",
    "read_errors",
    OTHER,
];

/// Why a segment is not served any more.
pub const SEGMENT_FAILURES: &[&str] = &["shrunk", "changed", "gone", "unreadable", OTHER];

/// What has no name of its own.
pub const OTHER: &str = "other";

/// Names of clients that are told apart, and how long they may be. They are the clients' own.
const CLIENT_NAMES: usize = 32;
const CLIENT_NAME_BYTES: usize = 64;

/// Versions of an API that are told apart; above all of [`SUPPORTED`].
const VERSIONS: usize = 24;
/// Error codes that are told apart, and one place for the others.
const CODES: usize = NAMED.len() + 1;

/// A number that several threads add to. Nothing is concluded from its order with others.
#[derive(Debug, Default)]
struct Number(AtomicU64);

impl Number {
    fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number of things that come and go. Who counts one out before it was counted in may be seen
/// for a moment, hence the sign.
#[derive(Debug, Default)]
struct Gauge(AtomicU64);

impl Gauge {
    fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn down(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        u64::try_from(self.0.load(Ordering::Relaxed).cast_signed()).unwrap_or(0)
    }
}

/// Several of them, for what is known by its place in a list.
#[derive(Debug)]
struct Numbers<const N: usize>([Number; N]);

impl<const N: usize> Default for Numbers<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Number::default()))
    }
}

impl<const N: usize> Numbers<N> {
    fn at(&self, place: usize) -> Option<&Number> {
        self.0.get(place)
    }

    /// The number of this name, or the last one, which is for all others.
    fn under(&self, names: &[&'static str], name: &'static str) -> Option<&Number> {
        self.0.get(names.iter().position(|known| *known == name).unwrap_or(N - 1))
    }

    fn with_names(&self, names: &'static [&'static str]) -> Vec<(&'static str, u64)> {
        names.iter().copied().zip(self.0.iter().map(Number::get)).collect()
    }
}

/// What is counted of one API.
#[derive(Debug, Default)]
struct OfApi {
    requests: Numbers<VERSIONS>,
    answered: Number,
    nanoseconds: Number,
    errors: Numbers<CODES>,
}

impl OfApi {
    fn snapshot(&self, api: Api) -> ApiSnapshot {
        let codes = NAMED.iter().map(|(_, name)| *name).chain([OTHER]);
        let errors = codes.zip(self.errors.0.iter().map(Number::get));
        let requests = (0i16..).zip(self.requests.0.iter().map(Number::get));
        ApiSnapshot {
            api,
            requests: requests.filter(|(_, count)| *count > 0).collect(),
            answered: self.answered.get(),
            took: Duration::from_nanos(self.nanoseconds.get()),
            errors: errors.filter(|(_, count)| *count > 0).collect(),
        }
    }
}

/// Counts, added to by every thread.
#[derive(Debug, Default)]
pub struct Counters {
    apis: [OfApi; SUPPORTED.len()],
    rejected: Numbers<{ LIMITS.len() }>,
    segments_failed: Numbers<{ SEGMENT_FAILURES.len() }>,
    connections: Gauge,
    accepted: Number,
    received: Number,
    sent_memory: Number,
    sent_sendfile: Number,
    sent_copied: Number,
    parked: Number,
    in_queue: Gauge,
    held: Gauge,
    panics: Number,
    open_segments: Number,
    index_cache_bytes: Number,
    indexes_distrusted: Number,
    warm_hits: Number,
    warm_colds: Number,
    groups: Number,
    group_members: Number,
    commits: Number,
    rebalances: Number,
    live_log_dirs: Number,
    start_nanoseconds: Number,
    clients: Mutex<BTreeMap<String, u64>>,
}

impl Counters {
    fn of(&self, api: Api) -> Option<&OfApi> {
        let place = SUPPORTED.iter().position(|versions| versions.api == api)?;
        self.apis.get(place)
    }

    /// A request was read.
    pub fn request(&self, api: Api, version: i16) {
        let Some(of) = self.of(api) else { return };
        let place = usize::try_from(version).ok();
        if let Some(number) = place.and_then(|place| of.requests.at(place)) {
            number.add(1);
        }
    }

    /// It was answered by a handler.
    pub fn answered(&self, api: Api, took: Duration) {
        if let Some(of) = self.of(api) {
            of.answered.add(1);
            of.nanoseconds.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    /// An answer said this error.
    pub fn error(&self, api: Api, code: ErrorCode) {
        let Some(of) = self.of(api) else { return };
        let place = NAMED.iter().position(|(named, _)| *named == code);
        if let Some(number) = of.errors.at(place.unwrap_or(NAMED.len())) {
            number.add(1);
        }
    }

    /// Something went over the limit of this name, one of [`LIMITS`].
    pub fn rejected(&self, limit: &'static str) {
        if let Some(number) = self.rejected.under(LIMITS, limit) {
            number.add(1);
        }
    }

    /// A connection was accepted.
    pub fn connection_opened(&self) {
        self.accepted.add(1);
        self.connections.up();
    }

    /// One that was accepted ended.
    pub fn connection_closed(&self) {
        self.connections.down();
    }

    /// Bytes came over a socket.
    pub fn received(&self, bytes: u64) {
        self.received.add(bytes);
    }

    /// Bytes left: of memory, by `sendfile`, and of files through memory.
    pub fn sent(&self, memory: u64, sendfile: u64, copied: u64) {
        let all = [
            (&self.sent_memory, memory),
            (&self.sent_sendfile, sendfile),
            (&self.sent_copied, copied),
        ];
        all.iter().filter(|(_, bytes)| *bytes > 0).for_each(|(number, bytes)| number.add(*bytes));
    }

    /// A request found the queue full.
    pub fn parked(&self) {
        self.parked.add(1);
    }

    /// A request waits for a handler.
    pub fn queued(&self) {
        self.in_queue.up();
    }

    /// A handler took it.
    pub fn dequeued(&self) {
        self.in_queue.down();
    }

    /// An answer waits because it has too little to say.
    pub fn held(&self) {
        self.held.up();
    }

    /// It does so no longer.
    pub fn let_go(&self) {
        self.held.down();
    }

    /// A handler failed.
    pub fn panicked(&self) {
        self.panics.add(1);
    }

    /// The device failed under a segment that was being sent.
    pub fn segment_unreadable(&self) {
        if let Some(number) = self.segments_failed.under(SEGMENT_FAILURES, "unreadable") {
            number.add(1);
        }
    }

    /// How the descriptors stand, which count for themselves. A segment that could not even be
    /// opened is among the others: `unreadable` is counted while sending.
    pub fn set_files(&self, files: &FilesSnapshot) {
        self.open_segments.set(files.open_segments as u64);
        self.index_cache_bytes.set(files.index_bytes as u64);
        self.indexes_distrusted.set(files.indexes_distrusted);
        self.warm_hits.set(files.ranges_hit);
        self.warm_colds.set(files.ranges_cold);
        for (why, count) in SegmentFailure::ALL.iter().zip(files.segments_failed) {
            let name = if *why == SegmentFailure::Unreadable { OTHER } else { why.name() };
            if let Some(number) = self.segments_failed.under(SEGMENT_FAILURES, name) {
                number.set(count);
            }
        }
    }

    /// How the coordinator stands. Its rejections are counted by itself, hence set here.
    pub fn set_groups(&self, sizes: Sizes, counts: Counts) {
        self.groups.set(sizes.groups as u64);
        self.group_members.set(sizes.members as u64);
        self.commits.set(sizes.commits as u64);
        self.rebalances.set(counts.rebalances);
        let rejected = counts.rejected;
        let all = [
            ("groups", rejected.groups),
            ("group_members", rejected.group_members),
            ("group_bytes", rejected.group_bytes),
            ("member_bytes", rejected.member_bytes),
            ("protocols", rejected.protocols),
            ("commits", rejected.commits),
            ("commit_bytes", rejected.commit_bytes),
            ("commit_metadata_bytes", rejected.commit_metadata_bytes),
        ];
        for (limit, count) in all {
            if let Some(number) = self.rejected.under(LIMITS, limit) {
                number.set(count);
            }
        }
    }

    /// In so many of the served log dirs a broker runs.
    pub fn set_live_log_dirs(&self, dirs: usize) {
        self.live_log_dirs.set(dirs as u64);
    }

    /// How long it took until the first connection could be accepted.
    pub fn set_start(&self, took: Duration) {
        self.start_nanoseconds.set(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// A client said the name of its software.
    pub fn client(&self, software: &str) {
        let ends = software.char_indices().map(|(at, letter)| at + letter.len_utf8());
        let end = ends.take_while(|end| *end <= CLIENT_NAME_BYTES).last().unwrap_or(0);
        let name = software.get(..end).unwrap_or_default();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = clients.contains_key(name);
        let name = if is_known || clients.len() < CLIENT_NAMES { name } else { OTHER };
        let count = clients.entry(name.to_owned()).or_default();
        *count = count.saturating_add(1);
    }

    /// All numbers as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Snapshot {
            apis: SUPPORTED.iter().zip(&self.apis).map(|(v, of)| of.snapshot(v.api)).collect(),
            rejected: self.rejected.with_names(LIMITS),
            segments_failed: self.segments_failed.with_names(SEGMENT_FAILURES),
            connections: self.connections.get(),
            accepted: self.accepted.get(),
            received_bytes: self.received.get(),
            sent_memory: self.sent_memory.get(),
            sent_sendfile: self.sent_sendfile.get(),
            sent_copied: self.sent_copied.get(),
            parked: self.parked.get(),
            in_queue: self.in_queue.get(),
            held: self.held.get(),
            panics: self.panics.get(),
            open_segments: self.open_segments.get(),
            index_cache_bytes: self.index_cache_bytes.get(),
            indexes_distrusted: self.indexes_distrusted.get(),
            warm_hits: self.warm_hits.get(),
            warm_colds: self.warm_colds.get(),
            groups: self.groups.get(),
            group_members: self.group_members.get(),
            commits: self.commits.get(),
            rebalances: self.rebalances.get(),
            live_log_dirs: self.live_log_dirs.get(),
            start: Duration::from_nanos(self.start_nanoseconds.get()),
            clients,
        }
    }
}

/// All counts of one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// One for each of [`SUPPORTED`].
    pub apis: Vec<ApiSnapshot>,
    /// Rejections by what they are counted under, all of [`LIMITS`].
    pub rejected: Vec<(&'static str, u64)>,
    /// Segments that are not served any more, all of [`SEGMENT_FAILURES`].
    pub segments_failed: Vec<(&'static str, u64)>,
    /// Connections that are open.
    pub connections: u64,
    /// Connections that were accepted.
    pub accepted: u64,
    /// Bytes that came over sockets.
    pub received_bytes: u64,
    /// Bytes of memory that were sent.
    pub sent_memory: u64,
    /// Bytes of files that were sent and never were in this process.
    pub sent_sendfile: u64,
    /// Bytes of files that were sent and were.
    pub sent_copied: u64,
    /// Requests that found the queue full.
    pub parked: u64,
    /// Requests that wait for a handler.
    pub in_queue: u64,
    /// Answers that wait because they have too little to say.
    pub held: u64,
    /// Handlers that failed.
    pub panics: u64,
    /// Descriptors of segments that are open.
    pub open_segments: u64,
    /// What entries of indexes take in memory.
    pub index_cache_bytes: u64,
    /// Indexes that were not believed.
    pub indexes_distrusted: u64,
    /// Ranges that were in the page cache when they were wanted.
    pub warm_hits: u64,
    /// Ranges that were not.
    pub warm_colds: u64,
    /// Groups of this run.
    pub groups: u64,
    /// Their members.
    pub group_members: u64,
    /// Commits of this run.
    pub commits: u64,
    /// Rebalances that began.
    pub rebalances: u64,
    /// Log dirs that are served and in which a broker runs.
    pub live_log_dirs: u64,
    /// How long the start took.
    pub start: Duration,
    /// How often clients of this name introduced themselves.
    pub clients: BTreeMap<String, u64>,
}

/// The counts of one API.
#[derive(Clone, Debug)]
pub struct ApiSnapshot {
    /// Whose they are.
    pub api: Api,
    /// Requests by version; versions without any are left out.
    pub requests: Vec<(i16, u64)>,
    /// Requests that handlers answered.
    pub answered: u64,
    /// For how long they worked, all together.
    pub took: Duration,
    /// Errors by name; those that did not occur are left out.
    pub errors: Vec<(&'static str, u64)>,
}

impl Snapshot {
    /// Bytes that went over sockets.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent_memory.saturating_add(self.sent_sendfile).saturating_add(self.sent_copied)
    }

    /// Requests of all kinds.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.apis.iter().flat_map(|of| &of.requests).map(|(_, count)| count).sum()
    }

    /// Rejections of all kinds.
    #[must_use]
    pub fn rejections(&self) -> u64 {
        self.rejected.iter().map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::groups::Rejected;
    use std::collections::BTreeSet;
    use std::sync::Arc;

    /// The names of the fields of a struct, read from its source.
    fn fields(source: &str, of: &str) -> Vec<String> {
        let (_, rest) = source.split_once(&format!("pub struct {of} {{")).unwrap();
        let (body, _) = rest.split_once("\n}").unwrap();
        let lines = body.lines().filter_map(|line| line.trim().strip_prefix("pub "));
        lines.map(|line| line.split_once(':').unwrap().0.to_owned()).collect()
    }

    #[test]
    fn every_limit_has_its_counter() {
        // Those that bound something without ever turning anybody away, and the nested ones.
        let silent = ["write_progress_bytes", "queued_requests", "wire"];
        let sources = [
            (include_str!("limits.rs"), "ServeLimits"),
            (include_str!("wire/mod.rs"), "WireLimits"),
            (include_str!("groups/mod.rs"), "GroupLimits"),
            (include_str!("groups/mod.rs"), "Rejected"),
        ];
        for (source, of) in sources {
            let fields = fields(source, of);
            assert!(fields.len() >= 5, "{of}");
            for field in fields.iter().filter(|field| !silent.contains(&field.as_str())) {
                assert!(LIMITS.contains(&field.as_str()), "{of}::{field} is not counted");
            }
        }
        assert_eq!(LIMITS.iter().collect::<BTreeSet<_>>().len(), LIMITS.len());
        assert_eq!(LIMITS.last(), Some(&OTHER));
        assert_eq!(SEGMENT_FAILURES.last(), Some(&OTHER));
    }

    #[test]
    fn every_version_and_every_error_has_its_place() {
        let counters = Counters::default();
        for versions in SUPPORTED {
            for version in 0..=versions.max {
                (0..=version).for_each(|_| counters.request(versions.api, version));
            }
            counters.request(versions.api, -1);
            counters.request(versions.api, i16::MAX);
            NAMED.iter().for_each(|(code, _)| counters.error(versions.api, *code));
            counters.error(versions.api, ErrorCode(9999));
        }
        let snapshot = counters.snapshot();
        for (versions, of) in SUPPORTED.iter().zip(&snapshot.apis) {
            assert_eq!(of.api, versions.api);
            let expected: Vec<_> = (0..=versions.max).map(|v| (v, v as u64 + 1)).collect();
            assert_eq!(of.requests, expected);
            let named = NAMED.iter().map(|(_, name)| (*name, 1)).chain([(OTHER, 1)]);
            assert_eq!(of.errors, named.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_name_that_is_not_known_is_counted_all_the_same() {
        let counters = Counters::default();
        LIMITS.iter().for_each(|limit| counters.rejected(limit));
        counters.rejected("patience");
        let snapshot = counters.snapshot();
        assert_eq!(snapshot.rejections(), LIMITS.len() as u64 + 1);
        assert_eq!(snapshot.rejected.last(), Some(&(OTHER, 2)));
    }

    #[test]
    fn what_groups_counted_themselves_is_taken_over() {
        let counters = Counters::default();
        counters.rejected("frame_bytes");
        for times in 1..4 {
            let rejected = Rejected { groups: times, commit_bytes: 7, ..Rejected::default() };
            let sizes = Sizes { groups: 3, members: 4, commits: 5 };
            counters.set_groups(sizes, Counts { rebalances: 6, rejected });
        }
        let snapshot = counters.snapshot();
        let seen = (snapshot.groups, snapshot.group_members, snapshot.commits);
        assert_eq!((seen, snapshot.rebalances), ((3, 4, 5), 6));
        let hit: Vec<_> = snapshot.rejected.iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(hit, [&("frame_bytes", 1), &("groups", 3), &("commit_bytes", 7)]);
    }

    #[test]
    fn clients_choose_their_names_but_not_how_many() {
        let counters = Counters::default();
        for number in 0..10_000 {
            counters.client(&format!("{number}{}", "ä".repeat(1000)));
        }
        counters.client("");
        let clients = counters.snapshot().clients;
        assert_eq!(clients.len(), CLIENT_NAMES + 1);
        assert_eq!(clients.values().sum::<u64>(), 10_001);
        assert_eq!(clients.get(OTHER), Some(&(10_001 - CLIENT_NAMES as u64)));
        assert!(clients.keys().all(|name| name.len() <= CLIENT_NAME_BYTES));
    }

    #[test]
    fn threads_lose_nothing_and_a_gauge_never_goes_below_nothing() {
        let counters = Arc::new(Counters::default());
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let counters = Arc::clone(&counters);
                std::thread::spawn(move || {
                    for _ in 0..10_000 {
                        counters.connection_opened();
                        counters.sent(1, 2, 3);
                        counters.connection_closed();
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        counters.dequeued();
        let snapshot = counters.snapshot();
        assert_eq!((snapshot.connections, snapshot.accepted), (0, 40_000));
        assert_eq!((snapshot.sent(), snapshot.in_queue), (240_000, 0));
    }
}
