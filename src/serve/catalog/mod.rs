//! What is served. Settled before the first connection is accepted, never changed after.
//!
//! ```text
//!   directories --load--> replicas --build--> Catalog
//!                           |                   Topic          by name, by id
//!                           '-- of several        Partition    by number; or Missing
//!                               copies, one         segments   where offsets, times and
//!                                                              transactions are looked for
//! ```

pub mod build;
mod load;
mod locate;
mod retried;
mod times;

pub use build::{Choice, Conflict, Identity, NotServed, Reason, build, not_served};
pub use retried::NotKnown;

use crate::error::Result;
use crate::format::checkpoint::{LeaderEpochs, Uuid};
use crate::format::{Offset, Position};
use crate::limits::Limits;
use crate::log::LogDirContext;
use crate::log::loaded::transactions::{Transactions, transactions};
use crate::log::loaded::{Hole, Loaded};
use crate::log::partition::PartitionDir;
use crate::log::segment::SegmentFiles;
use crate::serve::files::SegmentId;
use crate::serve::outgoing::FileChunk;
use retried::Retried;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// Everything that is served.
#[derive(Debug)]
pub struct Catalog {
    /// The cluster's id, of `meta.properties`.
    pub cluster_id: String,
    /// The one broker's node id.
    pub node_id: i32,
    /// Where clients find it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The log dirs, in the order in which they were named.
    pub log_dirs: Vec<PathBuf>,
    topics: Vec<Topic>,
    by_name: HashMap<Arc<str>, usize>,
    by_id: HashMap<Uuid, usize>,
}

/// A topic.
#[derive(Debug)]
pub struct Topic {
    /// Its name.
    pub name: Arc<str>,
    /// Its id; [`Uuid::ZERO`] when no file says it.
    pub id: Uuid,
    /// Whether it is one of Kafka's own.
    pub is_internal: bool,
    /// Its partitions by number.
    pub partitions: BTreeMap<i32, Slot>,
}

/// A partition that a topic has.
#[derive(Debug)]
pub enum Slot {
    /// It is served.
    Served(Arc<Partition>),
    /// The topic should have it, and no disk holds it.
    Missing,
}

/// A partition that is served.
#[derive(Debug)]
pub struct Partition {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its number.
    pub index: i32,
    /// Which of [`Catalog::log_dirs`] holds it.
    pub log_dir: usize,
    /// The first offset that may be read.
    pub log_start: Offset,
    /// The offset behind the last record: the high watermark of what is served.
    pub log_end: Offset,
    /// The leader epochs.
    pub epochs: LeaderEpochs,
    /// The latest of them. 0 without any, as a broker leads: clients that are told of -1 ask with 0
    /// all the same.
    pub leader_epoch: i32,
    /// Bytes of all its `.log` files.
    pub bytes: u64,
    /// Whether a damage is stepped over or ends what can be read.
    pub skip_damaged: bool,
    segments: Vec<ServedSegment>,
    dir: PartitionDir,
    loaded: Loaded,
    limits: Limits,
    transactions: Retried<Transactions>,
    /// Where the batches begin that are not below the last stable offset, once it was asked for.
    below: OnceLock<(Offset, Position)>,
    /// The greatest timestamp of each segment, once it was asked for.
    timestamps: OnceLock<Vec<Retried<times::SegmentTime>>>,
}

/// A segment that is served.
#[derive(Debug)]
pub struct ServedSegment {
    /// Its number in the catalog.
    pub id: SegmentId,
    /// Its base offset.
    pub base: Offset,
    /// The base offset of the next segment; the log end for the last.
    pub next_base: Offset,
    /// Where its last batch ends.
    pub end: Position,
    /// Damage in it.
    pub holes: Box<[Hole]>,
    /// Its files.
    pub files: SegmentFiles,
}

/// What a Fetch wants of a partition.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The first offset.
    pub from: Offset,
    /// Nothing at or behind this offset: the high watermark or the last stable offset.
    pub below: Offset,
    /// At most so many bytes.
    pub max_bytes: u64,
    /// The first batch is wanted whole even if it is larger than that.
    pub at_least_one_batch: bool,
}

/// Where the bytes for a Fetch are.
#[derive(Debug)]
pub struct Located {
    /// The range, from the beginning of the batch with the wanted offset.
    pub range: FileChunk,
    /// No batch of the range holds this offset or one behind it: for aborted transactions.
    pub upper_bound: Offset,
}

/// What was found.
#[derive(Debug)]
pub enum Location {
    /// Bytes.
    Bytes(Located),
    /// None: the offset is at the end, or the first batch does not fit.
    Nothing,
    /// Below the log start or above the log end.
    OutOfRange,
    /// A damage stands there.
    Damaged(Hole),
    /// All descriptors are in use.
    Busy,
}

/// A record that a search by time found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampHit {
    /// Its timestamp.
    pub timestamp: i64,
    /// Its offset.
    pub offset: Offset,
    /// The leader epoch of its batch; -1: none.
    pub leader_epoch: i32,
}

/// One copy of a partition on one disk.
#[derive(Debug)]
pub struct Replica {
    /// Its files.
    pub dir: PartitionDir,
    /// What its log dir says.
    pub log_dir: Option<Arc<LogDirContext>>,
    /// The id in its `partition.metadata`.
    pub topic_id: Option<Uuid>,
    /// What loading it found.
    pub loaded: Loaded,
    /// Whether damage is stepped over.
    pub skip_damaged: bool,
    /// What reading its records obeys.
    pub limits: Limits,
}

impl Catalog {
    /// The topics in the order of their names.
    #[must_use]
    pub fn topics(&self) -> &[Topic] {
        &self.topics
    }

    /// A topic by its name.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.get(*self.by_name.get(name)?)
    }

    /// A topic by its id.
    #[must_use]
    pub fn topic_by_id(&self, id: Uuid) -> Option<&Topic> {
        self.topics.get(*self.by_id.get(&id)?)
    }
}

impl Topic {
    /// One of its partitions.
    #[must_use]
    pub fn partition(&self, index: i32) -> Option<&Slot> {
        self.partitions.get(&index)
    }
}

impl Partition {
    /// Its segments in the order of their base offsets.
    #[must_use]
    pub fn segments(&self) -> &[ServedSegment] {
        &self.segments
    }

    /// Where it is.
    #[must_use]
    pub fn dir(&self) -> &PartitionDir {
        &self.dir
    }

    /// What the log says about transactions; found when it is first asked. Does not wait for a
    /// thread that finds it out.
    ///
    /// # Errors
    /// When it is not known yet, and when it cannot be found out. It is tried again, but not at
    /// once.
    pub fn transactions_now(&self) -> std::result::Result<&Transactions, NotKnown> {
        self.transactions.now(|is_first| self.find_transactions(is_first))
    }

    fn find_transactions(&self, is_first: bool) -> Result<Transactions> {
        let found = transactions(&self.dir, &self.loaded, self.limits);
        if let Some(error) = found.as_ref().err().filter(|_| is_first) {
            let (topic, partition) = (&self.topic, self.index);
            tracing::warn!(%topic, partition, %error, "transactions cannot be found out");
        }
        found
    }
}

#[cfg(test)]
mod build_tests;
#[cfg(test)]
mod locate_tests;
#[cfg(test)]
pub(super) mod tests;
