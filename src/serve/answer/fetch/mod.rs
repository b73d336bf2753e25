//! Fetch: batches as they are in the files.
//!
//! ```text
//!   asked       A-0 A-1 B-0 A-0     distinct ones in order; of a repeated one the last
//!   read        one by one, until bytes, ranges or memory are used up; the others are empty
//!   envelope    | topic A, A-0 | range | A-1 | range | topic B, B-0 | range | end |
//! ```
//!
//! The first batch of an answer is whole however large it is, so every reader gets on. Whatever is
//! not served is said partition by partition; see [`partition`] for the order of checks. Nothing
//! new can come at the end of a log, so an answer that says less than a client wants is the final
//! one, and is held until the client's time is over:
//!
//! ```text
//!   too few bytes, all from the segments that hold the ends   held
//!   some from below: more can be had at once                  not held, as by a broker
//! ```

use super::common::{READ_COMMITTED, served};
use super::metadata::topic_by_id;
use super::{Frame, Said, Served};
use crate::serve::outgoing::FileChunk;
use crate::serve::wire::common::{Node, TopicKey};
use crate::serve::wire::errors::ErrorCode;
use crate::serve::wire::fetch::{
    AbortedTransaction, FetchPartition, FetchRequest, PartitionData, begin, begin_topic, end,
    end_topic,
};
use crate::serve::wire::reader::Result;
use crate::serve::wire::{Api, RequestHeader};
use budget::Budget;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{Duration, Instant};

mod budget;
mod partition;

/// A partition that is asked for.
#[derive(Clone, Copy, Debug)]
struct Asked<'a> {
    topic: TopicKey<'a>,
    partition: FetchPartition,
}

/// What is said of it.
#[derive(Debug)]
struct Read<'a> {
    topic: TopicKey<'a>,
    /// All but the aborted transactions.
    data: PartitionData<'static>,
    aborted: Option<Vec<AbortedTransaction>>,
    range: Option<FileChunk>,
}

impl Read<'_> {
    fn bytes(&self) -> u64 {
        self.range.as_ref().map_or(0, |range| range.end.saturating_sub(range.at))
    }

    /// Whether there is something to say that a client should not wait for.
    fn is_urgent(&self) -> bool {
        self.data.error_code.is_error() || self.data.diverging_epoch.is_some()
    }
}

impl Served<'_> {
    /// Says what a Fetch gets.
    pub(super) fn fetch(
        &self,
        header: &RequestHeader<'_>,
        request: &FetchRequest<'_>,
        now: Instant,
    ) -> Result<Said> {
        if request.session_epoch > 0 {
            // There are no sessions, and none of the id 0 with a broker either. The client begins
            // anew, and then with a whole request.
            let code = ErrorCode::FETCH_SESSION_ID_NOT_FOUND;
            self.count_error(Api::Fetch, code);
            return self.envelope(header, code, Vec::new(), None);
        }
        let asked = distinct(request);
        let mut budget = Budget::of(request, &asked, self.limits);
        let read = asked.iter().map(|asked| self.read(header.version, request, asked, &mut budget));
        let read: Vec<Read<'_>> = read.collect();
        budget.over().for_each(|limit| self.counters.rejected(limit));
        read.iter().for_each(|read| self.count_error(Api::Fetch, read.data.error_code));
        let until = self.wait(request, &asked, &read).map(|wait| now + wait);
        self.envelope(header, ErrorCode::NONE, read, until)
    }

    /// How long the answer is held.
    fn wait(
        &self,
        request: &FetchRequest<'_>,
        asked: &[Asked<'_>],
        read: &[Read<'_>],
    ) -> Option<Duration> {
        let bytes: u64 = read.iter().map(Read::bytes).sum();
        let enough = request.min_bytes.min(request.max_bytes);
        let has_enough = u64::try_from(enough).map_or(true, |enough| bytes >= enough);
        if has_enough || read.is_empty() || read.iter().any(Read::is_urgent) {
            return None;
        }
        let wait = u64::try_from(request.max_wait_ms).ok().filter(|&millis| millis > 0)?;
        let is_committed = request.isolation_level == READ_COMMITTED;
        let mut pairs = asked.iter().zip(read);
        // Without a byte, for want of descriptors, it would be asked for again at once.
        if bytes > 0 && pairs.any(|(asked, read)| self.is_below_end(asked, read, is_committed)) {
            return None;
        }
        let wait = Duration::from_millis(wait);
        if wait > self.limits.fetch_wait {
            self.counters.rejected("fetch_wait");
        }
        Some(wait.min(self.limits.fetch_wait))
    }

    /// Whether an offset lies in a segment below the one with the end of what can be fetched.
    fn is_below_end(&self, asked: &Asked<'_>, read: &Read<'_>, is_committed: bool) -> bool {
        let topic = match asked.topic {
            TopicKey::Name(name) => self.catalog.topic(name),
            TopicKey::Id(id) => topic_by_id(self.catalog, id),
        };
        let Ok(partition) = served(topic, asked.partition.partition) else { return false };
        let PartitionData { high_watermark, last_stable_offset, .. } = read.data;
        let end = if is_committed { last_stable_offset } else { high_watermark };
        let segments = partition.segments();
        let below = segments.partition_point(|segment| segment.base.0 <= end);
        let last = below.checked_sub(1).and_then(|index| segments.get(index));
        last.is_some_and(|last| asked.partition.fetch_offset < last.base.0)
    }

    fn envelope(
        &self,
        header: &RequestHeader<'_>,
        code: ErrorCode,
        mut read: Vec<Read<'_>>,
        until: Option<Instant>,
    ) -> Result<Said> {
        let mut w = self.begin(header);
        let topics = || read.chunk_by(|one, next| one.topic == next.topic);
        begin(&mut w, code, topics().count());
        for partitions in topics() {
            let Some(first) = partitions.first() else { continue };
            begin_topic(&mut w, &first.topic, partitions.len());
            for read in partitions {
                let data =
                    PartitionData { aborted_transactions: read.aborted.as_deref(), ..read.data };
                // More than this no frame can say, which `Writer::finish` refuses.
                data.write(&mut w, u32::try_from(read.bytes()).unwrap_or(u32::MAX));
            }
            end_topic(&mut w);
        }
        end(&mut w, &self.nodes_of(&read));
        let pieces = w.finish()?;
        let ranges = read.iter_mut().filter(|read| read.bytes() > 0);
        let ranges = ranges.filter_map(|read| read.range.take()).collect();
        Ok(Said::Frame(Frame { pieces, ranges, until }))
    }

    /// Where the leaders are that were named.
    fn nodes_of(&self, read: &[Read<'_>]) -> Vec<Node<'_>> {
        let mut leaders = read.iter().filter_map(|read| read.data.current_leader);
        let is_named = leaders.any(|leader| leader.leader_id >= 0);
        is_named.then(|| super::common::node(self.catalog)).into_iter().collect()
    }
}

/// Each partition once, in the place where it is named first, as it is named last.
fn distinct<'a>(request: &FetchRequest<'a>) -> Vec<Asked<'a>> {
    let mut places = HashMap::new();
    let mut asked: Vec<Asked<'a>> = Vec::new();
    for topic in &request.topics {
        for &partition in &topic.partitions {
            match places.entry((topic.topic, partition.partition)) {
                Entry::Vacant(place) => {
                    place.insert(asked.len());
                    asked.push(Asked { topic: topic.topic, partition });
                }
                Entry::Occupied(place) => {
                    if let Some(before) = asked.get_mut(*place.get()) {
                        before.partition = partition;
                    }
                }
            }
        }
    }
    asked
}
