//! What a log dir says about its partitions: whether a broker is at work, whether the last one
//! stopped in good order, and the four checkpoints.

use super::file_bytes::read_small;
use super::log_dir::{self, Liveness};
use super::names::{OffsetCheckpoint, TopicPartition};
use crate::format::Offset;
use crate::format::checkpoint::offset_checkpoint;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// There while no broker has been at work since the last one stopped in good order.
const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";

/// What a log dir says about its partitions.
#[derive(Clone, Debug)]
pub struct LogDirContext {
    path: PathBuf,
    /// Whether a broker is at work in it.
    pub liveness: Liveness,
    /// Whether the broker that was here last says that it stopped in good order; `None` when that
    /// cannot be found out.
    pub is_clean_shutdown: Option<bool>,
    /// The checkpoints that can be read.
    checkpoints: HashMap<OffsetCheckpoint, HashMap<TopicPartition, Offset>>,
}

impl LogDirContext {
    /// Asks the log dir at `path`. What cannot be read says nothing, as in a broker.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let liveness = log_dir::liveness(path);
        let mut checkpoints = HashMap::new();
        for which in OffsetCheckpoint::ALL {
            let file = path.join(which.file_name());
            if let Some(offsets) = read_small(&file).ok().and_then(|bytes| offsets_of(&bytes)) {
                checkpoints.insert(which, offsets);
            }
        }
        let is_clean_shutdown = path.join(CLEAN_SHUTDOWN).try_exists().ok();
        Self { path: path.to_owned(), liveness, is_clean_shutdown, checkpoints }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True when a broker is known to be at work in it.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.liveness, Liveness::Live { .. })
    }

    /// What a checkpoint says about a partition.
    #[must_use]
    pub fn offset(&self, which: OffsetCheckpoint, partition: &TopicPartition) -> Option<Offset> {
        self.checkpoints.get(&which)?.get(partition).copied()
    }

    /// The partitions that any of the checkpoints names, some of them more than once.
    pub fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.checkpoints.values().flat_map(HashMap::keys)
    }

    /// True when a checkpoint is there and can be read.
    #[must_use]
    pub fn has(&self, which: OffsetCheckpoint) -> bool {
        self.checkpoints.contains_key(&which)
    }
}

fn offsets_of(bytes: &[u8]) -> Option<HashMap<TopicPartition, Offset>> {
    let entries = offset_checkpoint(bytes).ok()?;
    let entry = |entry: crate::format::checkpoint::PartitionOffset<'_>| {
        let topic_partition =
            TopicPartition { topic: entry.topic.to_owned(), partition: entry.partition };
        (topic_partition, entry.offset)
    };
    Some(entries.into_iter().map(|line| entry(line.value)).collect())
}
