//! Fetch: batches, as they are in the file.
//!
//! ```text
//!   request    replica id -14 | max wait | min bytes | max bytes | isolation level
//!              | session id, epoch 7+ | [ topic | [ partition ] ] | [ forgotten ] 7+ | rack 11+
//!              tags: 0 cluster id, 1 replica id and epoch 15+
//!   partition  index | current leader epoch 9+ | offset | last fetched epoch 12+
//!              | log start offset 5+ | max bytes      tags: 0 directory id, 1 high watermark
//!   response   throttle time | error, session id 7+ | [ topic | [ partition ] ]   tags: 0 [ node ]
//!   partition  index | error | high watermark | last stable offset | log start offset 5+
//!              | [ producer id | first offset ]? | preferred replica 11+ | records
//!              tags: 0 diverging epoch, 1 current leader, 2 snapshot
//! ```
//!
//! A topic is its name up to version 12, then its id. The response is no value: it is written
//! piece by piece, since its records are ranges of files.

use super::common::{Node, TopicKey};
use super::errors::ErrorCode;
use super::reader::{Counts, Reader, Result};
use super::writer::Writer;

/// The first version that names topics by their ids.
pub const IDS_FROM: i16 = 13;

/// Asks for batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRequest<'a> {
    /// Below 0 for a client; a follower's number otherwise.
    pub replica_id: i32,
    /// How long to wait for `min_bytes`.
    pub max_wait_ms: i32,
    /// How many bytes are worth an answer.
    pub min_bytes: i32,
    /// How many bytes are too many.
    pub max_bytes: i32,
    /// 1: nothing behind the first unfinished transaction.
    pub isolation_level: i8,
    /// The session, or 0.
    pub session_id: i32,
    /// 0 to begin a session, -1 to end it or to have none.
    pub session_epoch: i32,
    /// The topics.
    pub topics: Vec<FetchTopic<'a>>,
}

/// One topic that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchTopic<'a> {
    /// Which one.
    pub topic: TopicKey<'a>,
    /// Its partitions.
    pub partitions: Vec<FetchPartition>,
}

/// One partition that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchPartition {
    /// Its number.
    pub partition: i32,
    /// The epoch that the client knows, or -1.
    pub current_leader_epoch: i32,
    /// Where to begin.
    pub fetch_offset: i64,
    /// The epoch of the record before, or -1.
    pub last_fetched_epoch: i32,
    /// How many bytes are too many.
    pub partition_max_bytes: i32,
}

/// What is said of a partition besides its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionData<'a> {
    /// Its number.
    pub partition_index: i32,
    /// Why there are no records.
    pub error_code: ErrorCode,
    /// The end of what clients may read, or -1.
    pub high_watermark: i64,
    /// The end of finished transactions, or -1.
    pub last_stable_offset: i64,
    /// The first offset, or -1.
    pub log_start_offset: i64,
    /// Where the client's log and this one part.
    pub diverging_epoch: Option<EpochEndOffset>,
    /// Who else should be asked, or with which epoch.
    pub current_leader: Option<LeaderIdAndEpoch>,
    /// Whose records do not count, and from where on. `None` if that was not asked for.
    pub aborted_transactions: Option<&'a [AbortedTransaction]>,
}

/// The last epoch that two logs have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEndOffset {
    /// The epoch.
    pub epoch: i32,
    /// Where it ends.
    pub end_offset: i64,
}

/// Who leads a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderIdAndEpoch {
    /// The node, or -1.
    pub leader_id: i32,
    /// Since which epoch.
    pub leader_epoch: i32,
}

/// A transaction that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose it was.
    pub producer_id: i64,
    /// Where it began.
    pub first_offset: i64,
}

impl<'a> FetchRequest<'a> {
    /// Reads the body.
    pub fn read(r: &mut Reader<'a>) -> Result<Self> {
        let mut replica_id = if r.since(15) { -1 } else { r.i32()? };
        let (max_wait_ms, min_bytes, max_bytes) = (r.i32()?, r.i32()?, r.i32()?);
        let isolation_level = r.i8()?;
        let (session_id, session_epoch) = if r.since(7) { (r.i32()?, r.i32()?) } else { (0, -1) };
        let topics = r.array(Counts::Topics, |r| {
            let topic = r.topic(IDS_FROM)?;
            let partitions = r.array(Counts::Partitions, FetchPartition::read)?;
            r.skip_tags()?;
            Ok(FetchTopic { topic, partitions })
        })?;
        if r.since(7) {
            // Of a session, and there are none.
            r.skip_array(Counts::Topics, |r| {
                r.topic(IDS_FROM)?;
                r.skip_array(Counts::Partitions, |r| r.i32().map(drop))?;
                r.skip_tags()
            })?;
        }
        if r.since(11) {
            r.string()?;
        }
        r.tags(|tag, r| {
            if tag == 1 && r.since(15) {
                replica_id = r.i32()?;
            }
            Ok(())
        })?;
        Ok(Self {
            replica_id,
            max_wait_ms,
            min_bytes,
            max_bytes,
            isolation_level,
            session_id,
            session_epoch,
            topics,
        })
    }
}

impl FetchPartition {
    fn read(r: &mut Reader<'_>) -> Result<Self> {
        let partition = r.i32()?;
        let current_leader_epoch = if r.since(9) { r.i32()? } else { -1 };
        let fetch_offset = r.i64()?;
        let last_fetched_epoch = if r.since(12) { r.i32()? } else { -1 };
        if r.since(5) {
            r.i64()?;
        }
        let partition_max_bytes = r.i32()?;
        r.skip_tags()?;
        Ok(Self {
            partition,
            current_leader_epoch,
            fetch_offset,
            last_fetched_epoch,
            partition_max_bytes,
        })
    }
}

/// Begins a response of so many topics, each of which has to follow.
pub fn begin(w: &mut Writer, error_code: ErrorCode, topics: usize) {
    w.throttle_time(1);
    if w.since(7) {
        w.error(error_code).i32(0);
    }
    w.length(Some(topics));
}

/// Begins a topic of so many partitions, each of which has to follow.
pub fn begin_topic(w: &mut Writer, topic: &TopicKey<'_>, partitions: usize) {
    w.topic(topic).length(Some(partitions));
}

impl PartitionData<'_> {
    /// Writes the partition, with so many bytes of records.
    pub fn write(&self, w: &mut Writer, records: u32) {
        w.i32(self.partition_index).error(self.error_code);
        w.i64(self.high_watermark).i64(self.last_stable_offset);
        if w.since(5) {
            w.i64(self.log_start_offset);
        }
        match self.aborted_transactions {
            None => w.null_array(),
            Some(transactions) => w.array(transactions, |w, transaction| {
                w.i64(transaction.producer_id).i64(transaction.first_offset).no_tags();
            }),
        };
        if w.since(11) {
            w.i32(-1);
        }
        w.records(records);
        let mut tags = Vec::new();
        if let Some(diverging) = self.diverging_epoch {
            tags.push((
                0,
                w.tag(|w| {
                    w.i32(diverging.epoch).i64(diverging.end_offset).no_tags();
                }),
            ));
        }
        if let Some(leader) = self.current_leader {
            tags.push((
                1,
                w.tag(|w| {
                    w.i32(leader.leader_id).i32(leader.leader_epoch).no_tags();
                }),
            ));
        }
        w.tags(&tags);
    }
}

/// Ends a topic.
pub fn end_topic(w: &mut Writer) {
    w.no_tags();
}

/// Ends a response. The nodes are those of the current leaders that were named, from version 16 on.
pub fn end(w: &mut Writer, node_endpoints: &[Node<'_>]) {
    if node_endpoints.is_empty() || !w.since(16) {
        w.no_tags();
        return;
    }
    let nodes = w.tag(|w| {
        w.array(node_endpoints, |w, node| {
            w.node(node).nullable_string(None).no_tags();
        });
    });
    w.tags(&[(0, nodes)]);
}
