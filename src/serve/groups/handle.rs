//! The coordinator as the rest of the server sees it: a handle to ask by, and two threads.
//!
//! ```text
//!   handlers ---- GroupsHandle ----.
//!                                  +--> inbox, bounded --> coordinator --> encoded --> ReplyTo
//!   reads __consumer_offsets, once-'                            |
//!                                                               '--> commits, at the end
//! ```
//!
//! Whoever asks waits while the inbox is full; the coordinator waits for nobody, so it empties.

use super::ask::Topics;
use super::encode::{self, Form};
use super::load::{self, Found, OFFSETS_TOPIC};
use super::messages::{Client, GroupAnswer, GroupRequest};
use super::thread::{self, Seen, ToGroups};
use super::{Coordinator, GroupLimits, GroupOptions, NewCommit};
use crate::limits::Limits;
use crate::serve::budget::{Budget, FREE_BYTES, Paid};
use crate::serve::catalog::Catalog;
use crate::serve::counters::Counters;
use crate::serve::queue::{Answer, Closing, ReplyTo};
use crate::serve::wire::Api;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Requests that may wait for the coordinator. Each takes a few times its frame's bytes at most,
/// and the frames are given back meanwhile.
const INBOX: usize = 32;

/// So many of the largest answers may be on their way at a time.
const LARGE_ANSWERS: usize = 2;

/// Whom to answer, and in which words.
#[derive(Debug)]
pub struct Pending<T> {
    /// Whom.
    pub to: T,
    /// What was asked for.
    pub api: Api,
    /// In which version.
    pub version: i16,
    /// What the request was numbered.
    pub correlation_id: i32,
    /// When its last byte came.
    pub received: Instant,
}

/// By what handlers ask. `T` is whom to answer.
#[derive(Debug)]
pub struct GroupsHandle<T = ReplyTo> {
    inbox: SyncSender<ToGroups<Pending<T>>>,
    seen: Arc<Mutex<Seen>>,
}

impl<T> Clone for GroupsHandle<T> {
    fn clone(&self) -> Self {
        Self { inbox: self.inbox.clone(), seen: Arc::clone(&self.seen) }
    }
}

impl<T> GroupsHandle<T> {
    /// Hands a request over.
    pub(super) fn send(&self, asked: GroupRequest, from: Client, pending: Pending<T>) -> Answer {
        match self.inbox.send(ToGroups::Ask(asked, from, pending)) {
            Ok(()) => Answer::Later,
            // The server ends, or is about to, since the coordinator failed.
            Err(_) => Answer::Close(Closing::Panic),
        }
    }

    /// How things stand: groups, members, commits, rebalances.
    #[must_use]
    pub fn seen(&self) -> Seen {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the groups are started with.
#[derive(Clone, Copy, Debug)]
pub struct GroupsConfig {
    /// What a broker would be configured with.
    pub options: GroupOptions,
    /// What groups may take.
    pub limits: GroupLimits,
    /// The most bytes of an answer.
    pub response_bytes: usize,
    /// How `__consumer_offsets` is read.
    pub reading: Limits,
    /// The dead cluster's commits are not looked at.
    pub forgets_offsets: bool,
}

/// The groups, at work.
#[derive(Debug)]
pub struct Groups<T = ReplyTo> {
    handle: GroupsHandle<T>,
    coordinator: JoinHandle<Vec<NewCommit>>,
    dead: Arc<Dead>,
}

/// What was found of the dead cluster's commits, as soon as that is known.
#[derive(Debug, Default)]
struct Dead {
    found: Mutex<Option<Arc<Found>>>,
    is_found: Condvar,
}

/// Starts the coordinator, and what reads the dead cluster's commits for it. Until they are read,
/// groups are told that the coordinator is loading.
///
/// # Errors
/// When no thread can be had.
pub fn start(
    catalog: &Arc<Catalog>,
    config: GroupsConfig,
    counters: &Arc<Counters>,
) -> io::Result<Groups> {
    start_over(catalog, config, counters, |to: ReplyTo, answer, paid| to.send_paid(answer, paid))
}

fn start_over<T: Send + 'static, C: Topics + Send + Sync + 'static>(
    catalog: &Arc<C>,
    config: GroupsConfig,
    counters: &Arc<Counters>,
    send: impl Fn(T, Answer, Paid) + Send + 'static,
) -> io::Result<Groups<T>> {
    let (sender, inbox) = sync_channel(INBOX);
    let coordinator = Coordinator::new(config.options, config.limits, member_ids());
    let seen = Seen { counts: coordinator.counts(), sizes: coordinator.sizes() };
    let seen = Arc::new(Mutex::new(seen));
    let handle = GroupsHandle { inbox: sender, seen: Arc::clone(&seen) };

    let answering = Answering {
        catalog: Arc::clone(catalog),
        counters: Arc::clone(counters),
        response_bytes: config.response_bytes,
        on_the_way: Budget::new(config.response_bytes.saturating_mul(LARGE_ANSWERS), Vec::new()),
        send,
    };
    let watching = Arc::clone(counters);
    let coordinate = move || {
        let watch = move |now: Seen| {
            watching.set_groups(now.sizes, now.counts);
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = now;
        };
        let answer = move |to, what| answering.answer(to, &what);
        thread::run(coordinator, &inbox, answer, watch).new_commits()
    };
    let coordinator = spawn("groups", coordinate)?;

    let dead = Arc::new(Dead::default());
    let mut loading =
        Loading { inbox: handle.inbox.clone(), dead: Arc::clone(&dead), found: Found::default() };
    let catalog = Arc::clone(catalog);
    spawn("offsets", move || {
        if !config.forgets_offsets {
            loading.read(&*catalog, config);
        }
    })?;
    Ok(Groups { handle, coordinator, dead })
}

fn spawn<R: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> R + Send + 'static,
) -> io::Result<JoinHandle<R>> {
    std::thread::Builder::new().name(format!("seg-{name}")).spawn(work)
}

/// Random bytes that no client can guess: a keyed hash, whose key is the system's.
fn member_ids() -> Box<dyn FnMut() -> [u8; 16] + Send> {
    let (keys, mut count) = ([RandomState::new(), RandomState::new()], 0_u64);
    Box::new(move || {
        count = count.wrapping_add(1);
        let half = |key: &RandomState| {
            let mut hasher = key.build_hasher();
            hasher.write_u64(count);
            u128::from(hasher.finish())
        };
        let [high, low] = keys.each_ref().map(half);
        (high << 64 | low).to_be_bytes()
    })
}

/// Turns answers into bytes.
struct Answering<S, C> {
    catalog: Arc<C>,
    counters: Arc<Counters>,
    response_bytes: usize,
    /// What all answers take that are not sent yet.
    on_the_way: Arc<Budget>,
    send: S,
}

impl<S, C: Topics> Answering<S, C> {
    fn answer<T>(&self, pending: Pending<T>, what: &GroupAnswer)
    where
        S: Fn(T, Answer, Paid),
    {
        let Pending { to, api, version, correlation_id, received } = pending;
        encode::errors(what, |code| self.counters.error(api, code));
        let form = Form { api, version, correlation_id, response_bytes: self.response_bytes };
        let answer = encode::encode(what, form, &*self.catalog);
        self.counters.answered(api, received.elapsed());
        let (answer, paid) = self.pay(answer);
        (self.send)(to, answer, paid);
    }

    /// As handlers pay for theirs, but that nobody is waited for: others wait for this thread.
    fn pay(&self, answer: Answer) -> (Answer, Paid) {
        let bytes = match &answer {
            Answer::Send(outgoing) => outgoing.memory_bytes(),
            _ => 0,
        };
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        if bytes <= FREE_BYTES {
            return (answer, Paid::default());
        }
        match self.on_the_way.take(bytes) {
            Some(paid) => (answer, paid),
            None => (Answer::Close(Closing::Rejected("response_bytes_total")), Paid::default()),
        }
    }
}

/// Reads the dead cluster's commits. However that ends, the coordinator is told that it did.
struct Loading<T> {
    inbox: SyncSender<ToGroups<Pending<T>>>,
    dead: Arc<Dead>,
    found: Found,
}

impl<T> Loading<T> {
    fn read(&mut self, catalog: &impl Topics, config: GroupsConfig) {
        let give = |part| self.inbox.send(ToGroups::Load(Box::new(part))).is_ok();
        let topic = catalog.named(OFFSETS_TOPIC);
        self.found = load::read_all(topic, config.reading, config.limits.commits, give);
        let Found { groups, commits, .. } = self.found;
        tracing::info!(groups, commits, "groups of the dead cluster: {}", self.found);
    }
}

impl<T> Drop for Loading<T> {
    fn drop(&mut self) {
        // Nobody is left to be told when the server has ended already.
        let _ = self.inbox.send(ToGroups::Loaded);
        let found = Arc::new(std::mem::take(&mut self.found));
        *self.dead.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        self.dead.is_found.notify_all();
    }
}

impl<T> Groups<T> {
    /// By what to ask.
    #[must_use]
    pub fn handle(&self) -> GroupsHandle<T> {
        self.handle.clone()
    }

    /// What was found of the dead cluster's commits; none if that takes longer than `wait`.
    #[must_use]
    pub fn found(&self, wait: Duration) -> Option<Arc<Found>> {
        let found = self.dead.found.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.dead.is_found.wait_timeout_while(found, wait, |found| found.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// True when the coordinator is gone, though nobody stopped it: its state is lost, and the
    /// server is to end.
    #[must_use]
    pub fn have_failed(&self) -> bool {
        self.coordinator.is_finished()
    }

    /// Ends. Gives the commits of this run, by group, topic and partition; none when the
    /// coordinator failed. What still waits is not answered.
    #[must_use]
    pub fn stop(self) -> Option<Vec<NewCommit>> {
        // One that failed cannot be told.
        let _ = self.handle.inbox.send(ToGroups::Stop);
        self.coordinator.join().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::ask_tests::two;
    use super::super::messages::{DescribeGroups, Heartbeat, ListGroups};
    use super::super::stage_tests::{commit, first_join};
    use super::*;
    use std::sync::mpsc::{Receiver, channel};

    type Answered = Receiver<(u32, Answer, Paid)>;

    fn started(forgets_offsets: bool, response_bytes: usize) -> (Groups<u32>, Answered) {
        let (sender, answered) = channel();
        let limits = GroupLimits { commit_metadata_bytes: 3, ..GroupLimits::STANDARD };
        let config = GroupsConfig {
            options: GroupOptions::STANDARD,
            limits,
            response_bytes,
            reading: Limits::STANDARD,
            forgets_offsets,
        };
        let send = move |to, answer, paid| sender.send((to, answer, paid)).unwrap();
        let groups = start_over(&Arc::new(two()), config, &Arc::default(), send).unwrap();
        groups.found(Duration::from_secs(10)).unwrap();
        (groups, answered)
    }

    fn pending(to: u32, api: Api) -> Pending<u32> {
        Pending { to, api, version: 0, correlation_id: 9, received: Instant::now() }
    }

    /// Asks, and gives the size of the answer.
    fn ask(groups: &Groups<u32>, answered: &Answered, request: GroupRequest, api: Api) -> u64 {
        let said = groups.handle().send(request, Client::default(), pending(7, api));
        assert!(matches!(said, Answer::Later));
        match answered.recv_timeout(Duration::from_secs(10)).unwrap() {
            (7, Answer::Send(outgoing), _) => outgoing.left(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn whoever_asks_is_answered_and_commits_are_given_at_the_end() {
        for forgets in [false, true] {
            let (groups, answered) = started(forgets, 1000);
            let heartbeat = GroupRequest::Heartbeat(Heartbeat::default());
            assert_eq!(ask(&groups, &answered, heartbeat, Api::Heartbeat), 4 + 4 + 2);
            let mut kept = commit("", -1, 0, 7, "note");
            kept.topics[0].partitions[0].commit.metadata = "abc".into();
            let size = ask(&groups, &answered, GroupRequest::OffsetCommit(kept), Api::OffsetCommit);
            assert_eq!(size, 4 + 4 + 4 + 8 + 4 + 4 + 2);
            let large = GroupRequest::OffsetCommit(commit("", -1, 0, 7, "note"));
            assert_eq!(ask(&groups, &answered, large, Api::OffsetCommit), size);
            // It is told after the answer.
            while groups.handle().seen().counts.rejected.commit_metadata_bytes == 0 {
                std::thread::yield_now();
            }
            let seen = groups.handle().seen();
            assert_eq!((seen.sizes.groups, seen.sizes.members, seen.sizes.commits), (1, 0, 1));
            assert_eq!(seen.counts.rejected.commit_metadata_bytes, 1);
            // One who joins waits, and is not answered when the server ends.
            let join = GroupRequest::JoinGroup(first_join());
            let _ = groups.handle().send(join, Client::default(), pending(8, Api::JoinGroup));
            let list = GroupRequest::ListGroups(ListGroups::default());
            assert_eq!(ask(&groups, &answered, list, Api::ListGroups), 4 + 4 + 2 + 4 + 3 + 2 + 8);
            assert!(!groups.have_failed());
            let handle = groups.handle();
            let commits = groups.stop().unwrap();
            assert_eq!((commits.len(), commits[0].offset), (1, 7));
            let late = handle.send(
                GroupRequest::ListGroups(ListGroups::default()),
                Client::default(),
                pending(9, Api::ListGroups),
            );
            assert!(matches!(late, Answer::Close(Closing::Panic)));
        }
    }

    /// Answers that nobody takes are bounded together.
    #[test]
    fn large_answers_are_paid_for_until_they_are_sent() {
        const NAMES: usize = 1000;
        let (groups, answered) = started(true, 40_000);
        let names: Vec<String> = (0..NAMES).map(|number| format!("group-{number:06}")).collect();
        let ask = |to| {
            let describe = DescribeGroups { groups: names.clone(), unknown_is_error: false };
            let request = GroupRequest::DescribeGroups(describe);
            let pending = pending(to, Api::DescribeGroups);
            let _ = groups.handle().send(request, Client::default(), pending);
            answered.recv_timeout(Duration::from_secs(10)).unwrap()
        };
        let (_, first, paid) = ask(1);
        let size = 4 + 4 + 4 + NAMES * (2 + 2 + 12 + 2 + 4 + 2 + 2 + 4);
        assert!(matches!(first, Answer::Send(outgoing) if outgoing.left() == size as u64));
        assert!(paid.bytes() >= size, "{paid:?}");
        let second = ask(2);
        assert!(matches!(second.1, Answer::Send(_)));
        let refused = Closing::Rejected("response_bytes_total");
        assert!(matches!(ask(3).1, Answer::Close(closing) if closing == refused));
        drop(paid);
        assert!(matches!(ask(4).1, Answer::Send(_)));
    }

    #[test]
    fn no_id_is_given_out_twice() {
        let (mut one, mut other) = (member_ids(), member_ids());
        let ids: std::collections::HashSet<_> = (0..1000).flat_map(|_| [one(), other()]).collect();
        assert_eq!(ids.len(), 2000);
    }
}
