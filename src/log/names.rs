//! What Kafka's file and directory names mean.
//!
//! ```text
//!   00000000000000118264.log                  OFFSET.KIND
//!   00000000000000118264.index.deleted        OFFSET.KIND.SUFFIX
//!   00000000000000004711-0000000003.checkpoint          OFFSET-EPOCH.checkpoint
//!   00000000000000004711-0000000003-97.checkpoint.part  one that is being received
//!   leader-epoch-checkpoint, meta.properties.tmp        a fixed name, with .tmp while written
//!
//!   orders-0                                  TOPIC-PARTITION
//!   orders-0.5c0e...9a1f-delete               TOPIC-PARTITION.ID-SUFFIX
//! ```
//!
//! Kafka writes offsets with 20 digits and reads them with any number of digits; so do we.

use crate::format::Offset;
use std::fmt;

/// What a file is, as far as its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// `OFFSET.log`: the batches of a segment.
    Log,
    /// `OFFSET.index`: offsets to positions.
    OffsetIndex,
    /// `OFFSET.timeindex`: timestamps to offsets.
    TimeIndex,
    /// `OFFSET.txnindex`: aborted transactions.
    TxnIndex,
    /// `OFFSET.snapshot`: producers below that offset.
    ProducerSnapshot,
    /// `OFFSET-EPOCH.checkpoint`: a snapshot of the cluster's metadata.
    MetadataCheckpoint,
    /// `leader-epoch-checkpoint`, in a partition directory.
    LeaderEpochCheckpoint,
    /// `partition.metadata`, in a partition directory.
    PartitionMetadata,
    /// `quorum-state`, in the partition directory of the cluster's metadata.
    QuorumState,
    /// One of the four checkpoints of a log dir.
    OffsetCheckpoint(OffsetCheckpoint),
    /// `meta.properties`, in a log dir.
    MetaProperties,
    /// `bootstrap.checkpoint`, in a log dir.
    BootstrapCheckpoint,
    /// `.kafka_cleanshutdown`, in a log dir.
    CleanShutdown,
    /// `.lock`, in a log dir.
    Lock,
}

/// Which of the four offset checkpoints of a log dir.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OffsetCheckpoint {
    /// Offsets below are known to be on the disk.
    RecoveryPoint,
    /// Where partitions begin, if not with their first segment.
    LogStart,
    /// High watermarks.
    HighWatermark,
    /// First offsets that compaction has not been over.
    Cleaner,
}

impl OffsetCheckpoint {
    /// All four.
    pub const ALL: [Self; 4] =
        [Self::RecoveryPoint, Self::LogStart, Self::HighWatermark, Self::Cleaner];

    /// The name of the file.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        let is = |kind: &FileKind| *kind == FileKind::OffsetCheckpoint(self);
        FIXED.iter().find(|(_, kind)| is(kind)).map_or("", |(name, _)| name)
    }
}

/// What stands behind a file's own name while Kafka is busy with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suffix {
    /// `.deleted`: to be deleted a little later.
    Deleted,
    /// `.cleaned`: being written by the cleaner.
    Cleaned,
    /// `.swap`: written by the cleaner, about to replace its originals.
    Swap,
    /// `.part`: a metadata snapshot that is being received.
    Part,
    /// `.tmp`: a small file that is being written.
    Tmp,
}

/// What a file's name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName {
    /// What the file is.
    pub kind: FileKind,
    /// The offset in the name: a segment's base offset, a snapshot's end.
    pub offset: Option<Offset>,
    /// The epoch in the name of a metadata snapshot.
    pub epoch: Option<i32>,
    /// What stands behind the name.
    pub suffix: Option<Suffix>,
}

const FIXED: [(&str, FileKind); 11] = [
    ("leader-epoch-checkpoint", FileKind::LeaderEpochCheckpoint),
    ("partition.metadata", FileKind::PartitionMetadata),
    ("quorum-state", FileKind::QuorumState),
    (
        "recovery-point-offset-checkpoint",
        FileKind::OffsetCheckpoint(OffsetCheckpoint::RecoveryPoint),
    ),
    ("log-start-offset-checkpoint", FileKind::OffsetCheckpoint(OffsetCheckpoint::LogStart)),
    ("replication-offset-checkpoint", FileKind::OffsetCheckpoint(OffsetCheckpoint::HighWatermark)),
    ("cleaner-offset-checkpoint", FileKind::OffsetCheckpoint(OffsetCheckpoint::Cleaner)),
    ("meta.properties", FileKind::MetaProperties),
    ("bootstrap.checkpoint", FileKind::BootstrapCheckpoint),
    (".kafka_cleanshutdown", FileKind::CleanShutdown),
    (".lock", FileKind::Lock),
];

const WITH_OFFSET: [(&str, FileKind); 6] = [
    ("log", FileKind::Log),
    ("index", FileKind::OffsetIndex),
    ("timeindex", FileKind::TimeIndex),
    ("txnindex", FileKind::TxnIndex),
    ("snapshot", FileKind::ProducerSnapshot),
    ("checkpoint", FileKind::MetadataCheckpoint),
];

const SUFFIXES: [(&str, Suffix); 5] = [
    (".deleted", Suffix::Deleted),
    (".cleaned", Suffix::Cleaned),
    (".swap", Suffix::Swap),
    (".part", Suffix::Part),
    (".tmp", Suffix::Tmp),
];

impl FileKind {
    /// True for the files of a partition directory.
    #[must_use]
    pub fn is_in_partition(self) -> bool {
        match self {
            Self::LeaderEpochCheckpoint | Self::PartitionMetadata | Self::QuorumState => true,
            _ => self.has_offset(),
        }
    }

    /// True for the files of a log dir that no other program has: those that make a directory one.
    #[must_use]
    pub fn marks_log_dir(self) -> bool {
        matches!(self, Self::MetaProperties | Self::OffsetCheckpoint(_) | Self::BootstrapCheckpoint)
    }

    fn has_offset(self) -> bool {
        WITH_OFFSET.iter().any(|&(_, kind)| kind == self)
    }
}

impl FileName {
    /// The name of a file of `kind` whose name is its offset.
    #[must_use]
    pub fn of_segment(offset: Offset, kind: FileKind) -> Self {
        Self { kind, offset: Some(offset), epoch: None, suffix: None }
    }

    /// What `name` means; `None` when it is none of Kafka's.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let suffix = SUFFIXES
            .iter()
            .find_map(|&(text, suffix)| name.strip_suffix(text).map(|stem| (stem, Some(suffix))));
        let (stem, suffix) = suffix.unwrap_or((name, None));
        if let Some(&(_, kind)) = FIXED.iter().find(|&&(fixed, _)| fixed == stem) {
            return Some(Self { kind, offset: None, epoch: None, suffix });
        }
        let (numbers, extension) = stem.split_once('.')?;
        let &(_, kind) = WITH_OFFSET.iter().find(|&&(text, _)| text == extension)?;
        if kind != FileKind::MetadataCheckpoint {
            let offset = Some(Offset(numbers.parse().ok()?));
            return Some(Self { kind, offset, epoch: None, suffix });
        }
        let mut numbers = numbers.splitn(3, '-');
        let offset = numbers.next()?.parse().ok()?;
        let epoch = numbers.next()?.parse().ok()?;
        if numbers.next().is_some() && suffix != Some(Suffix::Part) {
            return None;
        }
        Some(Self { kind, offset: Some(Offset(offset)), epoch: Some(epoch), suffix })
    }
}

/// The name as Kafka writes it. A `.part` lacks the random number in its name.
impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(&(name, _)) = FIXED.iter().find(|&&(_, kind)| kind == self.kind) {
            f.write_str(name)?;
        } else if let Some(&(extension, _)) = WITH_OFFSET.iter().find(|t| t.1 == self.kind) {
            write!(f, "{:020}", self.offset.unwrap_or_default().0)?;
            if let Some(epoch) = self.epoch {
                write!(f, "-{epoch:010}")?;
            }
            write!(f, ".{extension}")?;
        }
        match SUFFIXES.iter().find(|&&(_, suffix)| Some(suffix) == self.suffix) {
            Some(&(text, _)) => f.write_str(text),
            None => Ok(()),
        }
    }
}

/// A topic and a partition's number. In the order of names, then of numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: String,
    /// The partition's number in it.
    pub partition: i32,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// Why a partition directory is not in service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartitionDirSuffix {
    /// `-delete`: to be deleted a little later.
    Delete,
    /// `-future`: a replica on its way from another log dir.
    Future,
    /// `-stray`: not, or no longer, assigned to this broker.
    Stray,
}

/// What the name of a partition directory says. In `-delete` and `-stray` names a long topic is
/// cut short.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionDirName {
    /// The partition.
    pub topic_partition: TopicPartition,
    /// Why it is not in service.
    pub suffix: Option<PartitionDirSuffix>,
}

const DIR_SUFFIXES: [(&str, PartitionDirSuffix); 3] = [
    ("-delete", PartitionDirSuffix::Delete),
    ("-future", PartitionDirSuffix::Future),
    ("-stray", PartitionDirSuffix::Stray),
];

impl PartitionDirName {
    /// What `name` means, by Kafka's own rules; `None` where a broker would refuse to start.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let suffix = DIR_SUFFIXES
            .iter()
            .find_map(|&(text, suffix)| name.strip_suffix(text).map(|stem| (stem, Some(suffix))));
        let (stem, suffix) = match suffix {
            Some((stem, suffix)) if has_unique_id(stem) => (stem.rsplit_once('.')?.0, suffix),
            Some(_) => return None,
            None => (name, None),
        };
        let (topic, partition) = stem.rsplit_once('-')?;
        if topic.is_empty() {
            return None;
        }
        let topic_partition =
            TopicPartition { topic: topic.to_owned(), partition: partition.parse().ok()? };
        Some(Self { topic_partition, suffix })
    }
}

/// True for a text, a hyphen, a text, a dot, a text, without white space in any of them.
fn has_unique_id(stem: &str) -> bool {
    let white = |byte: u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let after_topic = stem.bytes().skip(1).position(|byte| byte == b'-').map(|at| at + 2);
    let between = after_topic.and_then(|from| stem.as_bytes().get(from..));
    // The dot may be anywhere but at either end of what is behind the hyphen.
    let inner = between.and_then(|bytes| bytes.get(1..bytes.len().saturating_sub(1)));
    !stem.bytes().any(white) && inner.is_some_and(|bytes| bytes.contains(&b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(
        kind: FileKind,
        offset: Option<i64>,
        epoch: Option<i32>,
        s: Option<Suffix>,
    ) -> FileName {
        FileName { kind, offset: offset.map(Offset), epoch, suffix: s }
    }

    #[test]
    fn names_of_files_there_and_back() {
        use FileKind as K;
        let table = [
            ("00000000000000000042.log", name(K::Log, Some(42), None, None)),
            ("00000000000000000042.index", name(K::OffsetIndex, Some(42), None, None)),
            ("09223372036854775807.timeindex", name(K::TimeIndex, Some(i64::MAX), None, None)),
            ("00000000000000000000.txnindex", name(K::TxnIndex, Some(0), None, None)),
            ("00000000000000000007.snapshot", name(K::ProducerSnapshot, Some(7), None, None)),
            (
                "00000000000000000042.log.deleted",
                name(K::Log, Some(42), None, Some(Suffix::Deleted)),
            ),
            (
                "00000000000000000042.index.cleaned",
                name(K::OffsetIndex, Some(42), None, Some(Suffix::Cleaned)),
            ),
            (
                "00000000000000000042.timeindex.swap",
                name(K::TimeIndex, Some(42), None, Some(Suffix::Swap)),
            ),
            (
                "00000000000000004711-0000000003.checkpoint",
                name(K::MetadataCheckpoint, Some(4711), Some(3), None),
            ),
            (
                "00000000000000004711-0000000003.checkpoint.deleted",
                name(K::MetadataCheckpoint, Some(4711), Some(3), Some(Suffix::Deleted)),
            ),
            ("bootstrap.checkpoint", name(K::BootstrapCheckpoint, None, None, None)),
            (
                "leader-epoch-checkpoint.tmp",
                name(K::LeaderEpochCheckpoint, None, None, Some(Suffix::Tmp)),
            ),
            ("partition.metadata", name(K::PartitionMetadata, None, None, None)),
            ("meta.properties", name(K::MetaProperties, None, None, None)),
            (".kafka_cleanshutdown", name(K::CleanShutdown, None, None, None)),
            (".lock", name(K::Lock, None, None, None)),
            (
                "log-start-offset-checkpoint",
                name(K::OffsetCheckpoint(OffsetCheckpoint::LogStart), None, None, None),
            ),
        ];
        for (text, expected) in table {
            assert_eq!(FileName::parse(text), Some(expected), "{text}");
            assert_eq!(expected.to_string(), text);
        }
    }

    #[test]
    fn names_that_kafka_reads_but_does_not_write() {
        let of = |text| FileName::parse(text).and_then(|name| name.offset);
        assert_eq!(of("42.log"), Some(Offset(42)));
        assert_eq!(of("000000000000000000000000000042.log"), Some(Offset(42)));
        let part = FileName::parse("00000000000000004711-0000000003-97.checkpoint.part").unwrap();
        assert_eq!((part.offset, part.epoch), (Some(Offset(4711)), Some(3)));
        assert_eq!(part.suffix, Some(Suffix::Part));
    }

    #[test]
    fn names_that_are_not_kafkas() {
        for text in [
            "",
            ".",
            "a.log",
            ".log",
            "42",
            "42.",
            "42.log.bak",
            "42.LOG",
            "4 2.log",
            "99999999999999999999.log",
            "42.log.deleted.deleted",
            "1-2-3.checkpoint",
            "1.checkpoint",
            "leader-epoch-checkpoint.bak",
            "README.md",
        ] {
            assert_eq!(FileName::parse(text), None, "{text}");
        }
    }

    #[test]
    fn names_of_partition_directories() {
        let id = "5c0e1f3a9d7b4e2c8a6f0b1d2e3c4f5a";
        let table = [
            ("orders-0", "orders", 0, None),
            ("__cluster_metadata-0", "__cluster_metadata", 0, None),
            ("a-b-c-12", "a-b-c", 12, None),
            ("x-delete-0", "x-delete", 0, None),
            ("t-+7", "t", 7, None),
            (&format!("orders-3.{id}-delete"), "orders", 3, Some(PartitionDirSuffix::Delete)),
            (&format!("or.d-ers-3.{id}-stray"), "or.d-ers", 3, Some(PartitionDirSuffix::Stray)),
            (&format!("orders-3.{id}-future"), "orders", 3, Some(PartitionDirSuffix::Future)),
            // The unique id may be empty when an earlier dot makes the pattern fit.
            ("a-b.c-0.-delete", "a-b.c", 0, Some(PartitionDirSuffix::Delete)),
        ];
        for (text, topic, partition, suffix) in table {
            let topic_partition = TopicPartition { topic: topic.to_owned(), partition };
            let expected = PartitionDirName { topic_partition, suffix };
            assert_eq!(PartitionDirName::parse(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "orders",
            "-0",
            "lost+found",
            "remote-log-index-cache",
            "orders-",
            "orders-x",
            "orders-2147483648",
            "orders-delete",
            "orders-0-delete",
            "t-0.-delete",
            "t 1-0.ab-delete",
            "-0.ab-stray",
        ] {
            assert_eq!(PartitionDirName::parse(text), None, "{text}");
        }
    }

    #[test]
    fn partitions_are_in_the_order_of_their_numbers() {
        let mut names = ["b-2", "a-10", "a-9", "b-1"].map(PartitionDirName::parse);
        names.sort();
        let expected = ["a-9", "a-10", "b-1", "b-2"].map(PartitionDirName::parse);
        assert_eq!(names, expected);
    }
}
