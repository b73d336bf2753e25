//! An example of every finding, as its page shows it. Each is of a kind that happens; none is of
//! anybody's disk.

use crate::check::broker::{BrokerView, SegmentView, sentence};
use crate::check::problem::{
    FlippedAt, IndexEntry, IndexKind, Producer, TextKind, TimestampSeems, TxnIndexField,
};
use crate::check::{Finding, Problem};
use crate::format::{Codec, FormatErrorKind, Offset, Position};
use std::path::Path;

/// What is around a problem: the file's name, the bytes, first and last offset.
type Place = (&'static str, (u64, u64), Option<(i64, i64)>);

const SEALED: &str = "00000000000000131072.log";
const LAST: &str = "00000000000000262144.log";
const INDEX: &str = "00000000000000131072.index";
const TIME_INDEX: &str = "00000000000000131072.timeindex";
const TXN_INDEX: &str = "00000000000000131072.txnindex";
const SNAPSHOT: &str = "00000000000000262144.snapshot";
/// A batch somewhere in a segment.
const BATCH: Place = (SEALED, (8_454_144, 8_470_547), Some((138_240, 138_401)));
const PRODUCER: Producer = Producer { id: 4000, epoch: 3 };
const ENTRY: IndexEntry = IndexEntry { number: 9, key: 45_056, offset: Offset(131_482) };
const TIME_ENTRY: IndexEntry =
    IndexEntry { number: 9, key: 1_795_368_971_306, offset: Offset(131_482) };

/// A finding of `code` as `seg verify` could print it. `None` when there is no such code.
#[must_use]
pub fn example(code: &str) -> Option<Finding> {
    let all = [framing(), batches(), order(), indexes(), other_derived(), directories(), looking()];
    let mut all = all.into_iter().flatten();
    let (problem, (file, (start, end), offsets)) =
        all.find(|(problem, _)| problem.code() == code)?;
    let in_log_dir = matches!(
        problem,
        Problem::CheckpointOutside { .. }
            | Problem::StrayDirectory { .. }
            | Problem::Text { file: TextKind::MetaProperties, .. }
    );
    let file = match &problem {
        _ if in_log_dir => file.to_owned(),
        Problem::Text { file: TextKind::QuorumState, .. } => format!("__cluster_metadata-0/{file}"),
        _ => format!("orders-0/{file}"),
    };
    let offsets = offsets.map(|(first, last)| (Offset(first), Offset(last)));
    let mut finding =
        Finding::new(Path::new(&file).into(), Position(start)..Position(end), problem)
            .at_offsets(offsets);
    let segment = |base_offset, next_offset| SegmentView {
        base_offset: Offset(base_offset),
        next_offset: Offset(next_offset),
        has_index: true,
    };
    let segments = [segment(0, 131_072), segment(131_072, 262_144), segment(262_144, 300_000)];
    let view = BrokerView {
        is_clean_shutdown: Some(false),
        recovery_point: Some(Offset(131_072)),
        segments: &segments,
    };
    finding.broker = sentence(&finding, &view);
    Some(finding)
}

fn framing() -> Vec<(Problem, Place)> {
    let flipped = Some(FlippedAt { position: Position(8_460_021), bit: 3 });
    let stored = 0x1f0c_7a11;
    let tail = (LAST, (1_048_576, 1_049_600), None);
    vec![
        (Problem::BatchCrc { stored, computed: 0x9b2e_0c55, flipped }, BATCH),
        (Problem::BatchLength { stored: 49_159, fits: Some(16_391) }, BATCH),
        (Problem::BatchMagic { magic: 3 }, BATCH),
        (Problem::TornTail { needed: Some(16_403), sealed: false }, tail),
        (Problem::GrowingTail, tail),
        (
            Problem::PreallocatedTail { sealed: false, stops_broker: false },
            (LAST, (1_048_576, 16_777_216), None),
        ),
        (Problem::UnclaimedBytes, (SEALED, (8_454_144, 8_458_240), None)),
        (
            Problem::UnreadableRange { why: "Input/output error".to_owned() },
            (SEALED, (8_454_144, 8_458_240), None),
        ),
        (Problem::SectorZeroed { zeros: Position(8_458_240)..Position(8_462_336) }, BATCH),
    ]
}

fn batches() -> Vec<(Problem, Place)> {
    let why = "a block is longer than the descriptor allows";
    let error = FormatErrorKind::Truncated { needed: 311, have: 96 };
    let control = FormatErrorKind::Truncated { needed: 6, have: 4 };
    let marker: Place = (SEALED, (8_454_144, 8_454_222), Some((138_240, 138_240)));
    let problems = [
        Problem::UnknownCodec { id: 6 },
        Problem::Decompression { codec: Codec::Lz4, why },
        Problem::DecompressionTrailing { codec: Codec::Gzip, bytes: 8 },
        Problem::DecompressionChecksum { codec: Codec::Gzip },
        Problem::RecordStructure { error },
        Problem::RecordCount { stored: 162, found: 161 },
        Problem::RecordOffsetDelta { record: 7, offset: Offset(138_246) },
        Problem::LastOffsetDelta { last_offset_delta: 99, count: 162 },
        Problem::MaxTimestamp { stored: 1_795_368_971_306, computed: 1_795_368_971_309 },
        Problem::TimestampUnit { timestamp: 1_795_368_971, seems: TimestampSeems::Seconds },
        Problem::ReservedAttributes { bits: 0x0080 },
        Problem::NonCanonicalVarint,
        Problem::HeaderKeyUtf8,
        Problem::ProducerFields { why: "transactional, but without a producer id" },
        Problem::WrapperMessage { why: "the inner offsets do not end at the wrapper's" },
        Problem::LegacyFormat { magic: 1 },
    ];
    let problems = problems.into_iter().map(|problem| (problem, BATCH));
    problems.chain([(Problem::ControlRecord { error: control }, marker)]).collect()
}

fn order() -> Vec<(Problem, Place)> {
    let (expected, found) = (Offset(138_240), Offset(138_402));
    let problems = [
        Problem::OffsetGoesBack { previous: Offset(138_300) },
        Problem::OffsetBeyondNextSegment { next: Offset(138_400) },
        Problem::OffsetGap { expected, found, compacted: false },
        Problem::LeaderEpochGoesBack { epoch: 4, previous: 6 },
        Problem::LeaderEpochDiffers { epoch: 4, checkpoint: 6 },
        Problem::SequenceGap { producer: PRODUCER, expected: 500, found: 510 },
        Problem::SequenceRepeats { producer: PRODUCER, expected: 500, found: 490 },
    ];
    let bytes = (8_454_144, 8_470_547);
    let (below, above) = (Some((131_000, 131_040)), Some((5_000_000_000, 5_000_000_040)));
    let segment = Offset(131_072);
    let others = [
        (Problem::OffsetBelowSegment { segment }, (SEALED, bytes, below)),
        (Problem::OffsetOverflow { segment }, (SEALED, bytes, above)),
    ];
    problems.into_iter().map(|problem| (problem, BATCH)).chain(others).collect()
}

fn indexes() -> Vec<(Problem, Place)> {
    let entry = IndexEntry { number: 10, key: 40_960, offset: Offset(131_402) };
    let late = IndexEntry { number: 10, key: 1_795_368_971_000, offset: Offset(131_502) };
    let log_end = Offset(131_300);
    let at = |index| match index {
        IndexKind::Offset => (INDEX, (72, 80), None),
        IndexKind::Time => (TIME_INDEX, (108, 120), None),
        IndexKind::Transaction => (TXN_INDEX, (34, 68), None),
    };
    let mut all = Vec::new();
    for (index, first, second) in
        [(IndexKind::Offset, ENTRY, entry), (IndexKind::Time, TIME_ENTRY, late)]
    {
        all.extend([
            (Problem::IndexMissing { index, is_usual: false }, (SEALED, (0, 0), None)),
            (Problem::IndexLength { index, bytes_left: 5 }, at(index)),
            (Problem::IndexZeroTail { index, sealed: true }, at(index)),
            (Problem::IndexOrder { index, entry: second, previous: first }, at(index)),
            (Problem::IndexUnsafe { index, entry: first, lost: Offset(131_490) }, at(index)),
            (Problem::IndexStale { index, entry: first, log_end }, at(index)),
        ]);
    }
    let (offset, time) = (IndexKind::Offset, IndexKind::Time);
    let txn = IndexKind::Transaction;
    let (stored, computed) = (Some(1_795_368_971_000), 1_795_368_971_306);
    all.extend([
        (Problem::IndexLength { index: txn, bytes_left: 5 }, at(txn)),
        (Problem::IndexPosition { entry: ENTRY }, at(offset)),
        (Problem::IndexCoarse { index: offset }, at(offset)),
        (Problem::IndexSparse { index: offset, entries: 40, expected: 4096 }, at(offset)),
        (Problem::TimeIndexLast { stored, computed }, at(time)),
    ]);
    all
}

fn other_derived() -> Vec<(Problem, Place)> {
    let (producer_id, computed) = (PRODUCER.id, Some(Offset(138_240)));
    let (first_offset, last_offset) = (Offset(138_240), Offset(138_402));
    let stored = Offset(138_300);
    let what = TxnIndexField::FirstOffset;
    let marker = (SEALED, (8_470_547, 8_470_625), Some((138_240, 138_402)));
    let text = |file, line, why| Problem::Text { file, error: FormatErrorKind::Line { line, why } };
    let version = FormatErrorKind::Version(2);
    let why = "its last sequence is 510, the log gives 520";
    let epochs = "leader-epoch-checkpoint";
    let partition = "orders 0".to_owned();
    let (log_start, log_end) = (Offset(0), Offset(300_000));
    let offset = Offset(300_500);
    let recovery = "recovery-point-offset-checkpoint";
    vec![
        (Problem::TxnIndexMissing { producer_id, first_offset, last_offset }, marker),
        (
            Problem::TxnIndexDiffers { producer_id, what, stored, computed },
            (TXN_INDEX, (34, 68), None),
        ),
        (Problem::SnapshotDamaged { error: version }, (SNAPSHOT, (0, 2), None)),
        (Problem::SnapshotDiffers { producer_id, why, producers: 1 }, (SNAPSHOT, (10, 56), None)),
        (
            Problem::OpenTransaction {
                producer: PRODUCER,
                first_offset,
                last_timestamp: 1_795_368_971_306,
            },
            BATCH,
        ),
        (
            Problem::LeaderEpochBeyondEnd { epoch: 6, start: offset, log_end },
            (epochs, (16, 24), None),
        ),
        (
            Problem::CheckpointOutside { partition, offset, log_start, log_end },
            (recovery, (4, 19), None),
        ),
        (
            text(TextKind::PartitionMetadata, 2, "the line is missing"),
            ("partition.metadata", (10, 10), None),
        ),
        (
            text(TextKind::MetaProperties, 4, "node.id is missing above"),
            ("meta.properties", (60, 60), None),
        ),
        (text(TextKind::QuorumState, 1, "not an object in JSON"), ("quorum-state", (0, 0), None)),
    ]
}

fn directories() -> Vec<(Problem, Place)> {
    let swap = "00000000000000131072.log.swap";
    vec![
        (Problem::LogMissing, (INDEX, (0, 4096), None)),
        (Problem::SegmentEmpty, (SEALED, (0, 0), None)),
        (Problem::InterruptedReplace { completes: true }, (swap, (0, 524_288), None)),
        (Problem::DeletePending, ("00000000000000000000.log.deleted", (0, 524_288), None)),
        (Problem::StrayDirectory { stops_broker: true }, ("lost+found", (0, 0), None)),
        (Problem::StrayFile { stops_broker: true }, ("backup.log", (0, 0), None)),
        (Problem::NotReadable { why: "Permission denied".to_owned() }, (SEALED, (0, 0), None)),
    ]
}

fn looking() -> Vec<(Problem, Place)> {
    let settled = false;
    let limit = Problem::Limit { limit: "decompressed_bytes", allowed: 268_435_456 };
    vec![
        (Problem::TruncatedWhileReading { settled }, (LAST, (1_048_576, 1_049_600), None)),
        (Problem::Vanished { settled }, (SEALED, (0, 0), None)),
        (Problem::Replaced { settled }, (SEALED, (0, 0), None)),
        (limit, BATCH),
    ]
}
