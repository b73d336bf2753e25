//! What a broker would do with a finding: not fixed, but computed from how the last one stopped,
//! from the recovery point and from whether the `.index` is there.
//!
//! ```text
//!   .index missing           the segment is read and cut at any start, later ones stay: a gap
//!   stopped cleanly          nothing is read
//!   stopped otherwise        read from the segment that holds the recovery point to the end; at
//!                            the first damage the log is cut, and all later segments go with it
//! ```
//!
//! A start checks framing, checksums and whether offsets can be indexed; it does not look inside
//! batches, at indexes, or from one segment to the next. What is not known here is said to be
//! unknown.

use super::problem::{IndexKind, Problem, TextKind, TxnIndexField};
use super::{Finding, Severity};
use crate::format::Offset;
use crate::log::log_dir::Liveness;
use crate::log::names::OffsetCheckpoint;
use crate::log::{FileKind, FileName, LogDirContext, TopicPartition};

/// What a broker that starts goes by.
#[derive(Clone, Copy, Debug)]
pub struct BrokerView<'a> {
    /// Whether the last broker stopped in good order. `None` where that is not known yet or at
    /// all: beside a live broker, or without a log dir. The cluster's metadata is always read as
    /// after an unclean stop: `Some(false)`.
    pub is_clean_shutdown: Option<bool>,
    /// Below it nothing is read after an unclean stop. 0 where the checkpoint has no entry, `None`
    /// where there is no telling.
    pub recovery_point: Option<Offset>,
    /// The partition's segments in their order.
    pub segments: &'a [SegmentView],
}

/// A segment as a broker that starts finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentView {
    /// The offset in its name.
    pub base_offset: Offset,
    /// The offset behind its last batch.
    pub next_offset: Offset,
    /// Whether there is an `.index`.
    pub has_index: bool,
}

impl SegmentView {
    /// True when it ends too far from its name, so that a broker that reads it splits it.
    fn is_split(&self) -> bool {
        let span = self.next_offset.0.saturating_sub(self.base_offset.0);
        span.saturating_sub(1) > i64::from(i32::MAX)
    }
}

/// What a broker does with a batch too far from the name of its segment where the end is not.
const FAILS_TO_SPLIT: &str = "fails to split the segment and does not start";

/// The topic of the cluster's metadata, which a broker opens in its own way.
const METADATA_TOPIC: &str = "__cluster_metadata";

impl<'a> BrokerView<'a> {
    /// As the log dir says, where there is one, of the partition that its directory's name says.
    #[must_use]
    pub fn new(
        log_dir: Option<&LogDirContext>,
        partition: Option<&TopicPartition>,
        segments: &'a [SegmentView],
    ) -> Self {
        if partition.is_some_and(|partition| partition.topic == METADATA_TOPIC) {
            let (is_clean_shutdown, recovery_point) = (Some(false), Some(Offset(0)));
            return Self { is_clean_shutdown, recovery_point, segments };
        }
        let which = OffsetCheckpoint::RecoveryPoint;
        let readable = log_dir.filter(|log_dir| log_dir.has(which)).zip(partition);
        let recovery_point = readable
            .map(|(log_dir, partition)| log_dir.offset(which, partition).unwrap_or_default());
        // How a broker at work will stop is not known.
        let stopped = log_dir.filter(|log_dir| log_dir.liveness == Liveness::Offline);
        let is_clean_shutdown = stopped.and_then(|log_dir| log_dir.is_clean_shutdown);
        Self { is_clean_shutdown, recovery_point, segments }
    }
}

/// Whether a start reads a segment from end to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// At any start, because there is no `.index`.
    Always,
    /// After an unclean stop, which this was.
    Now,
    /// After an unclean stop, but this was a clean one.
    NotNow {
        /// True when it is known to be above the recovery point.
        is_above: bool,
    },
    /// After an unclean stop; how the broker stopped is not known.
    IfUnclean,
    /// Never: it is below the recovery point.
    Below(Offset),
    /// After an unclean stop unless it is below the recovery point, which is not known. Whether
    /// the stop was unclean may not be known either.
    IfAbove {
        /// True when it is known.
        is_unclean: bool,
    },
}

/// The segment that a finding is in.
#[derive(Clone, Copy, Debug)]
struct Place {
    segment: SegmentView,
    is_last: bool,
    /// The offset behind the last segment.
    log_end: Offset,
    reading: Reading,
}

/// What a broker would do with `finding`. `None` where there is nothing to say about it, or nothing
/// is known. A `.log` and its derived files are known by the offset in their names.
#[must_use]
pub fn sentence(finding: &Finding, view: &BrokerView<'_>) -> Option<String> {
    if finding.severity() == Severity::Note {
        return None;
    }
    about_partition(&finding.problem).map(str::to_owned).or_else(|| {
        let place = place(finding, view)?;
        about_damage(finding, &place)
            .or_else(|| about_order(finding, &place))
            .or_else(|| about_derived(&finding.problem, &place))
    })
}

fn place(finding: &Finding, view: &BrokerView<'_>) -> Option<Place> {
    let base = FileName::parse(finding.file.file_name()?.to_str()?)
        .filter(|name| name.kind != FileKind::ProducerSnapshot && name.suffix.is_none())?
        .offset?;
    let index = view.segments.iter().position(|segment| segment.base_offset == base)?;
    let segment = *view.segments.get(index)?;
    let next = view.segments.get(index + 1);
    let log_end = view.segments.last()?.next_offset;
    // The segment that holds the recovery point and all behind it.
    let is_above = next.map_or(Some(true), |next| Some(next.base_offset > view.recovery_point?));
    let reading = match (is_above, view.is_clean_shutdown) {
        _ if !segment.has_index => Reading::Always,
        (Some(false), _) => Reading::Below(view.recovery_point?),
        (_, Some(true)) => Reading::NotNow { is_above: is_above.is_some() },
        (Some(true), Some(false)) => Reading::Now,
        (Some(true), None) => Reading::IfUnclean,
        (None, stopped) => Reading::IfAbove { is_unclean: stopped == Some(false) },
    };
    Some(Place { segment, is_last: next.is_none(), log_end, reading })
}

impl Place {
    /// The offsets that go when the log is cut at this finding, up to `end`.
    fn lost(finding: &Finding, from: Offset, end: Offset) -> String {
        let first = finding.offsets.map(|(first, _)| first);
        match first.filter(|first| *first >= from && *first < end) {
            Some(first) if first.plus(1) == end => format!("offset {first}"),
            Some(first) => format!("offsets {first} to {}", end.plus(-1)),
            None => "everything from here on".to_owned(),
        }
    }

    /// `does` at the starts that read the segment, and nothing at the others.
    fn when_read(&self, does: &str) -> String {
        const UNLESS: &str = ", unless this is below the recovery point, which is unknown";
        match self.reading {
            Reading::Always => format!(".index missing: a broker {does}, at any start"),
            Reading::Now => format!("not shut down cleanly: a broker that starts {does}"),
            Reading::NotNow { is_above } => format!(
                "shut down cleanly: a broker does not notice; at a start after an unclean stop it \
                 {does}{}",
                if is_above { "" } else { UNLESS }
            ),
            Reading::IfUnclean => format!("at a start after an unclean stop a broker {does}"),
            Reading::Below(point) => {
                format!("below the recovery point {point}: a broker that starts does not read it")
            }
            Reading::IfAbove { is_unclean: true } => {
                format!("not shut down cleanly: a broker that starts {does}{UNLESS}")
            }
            Reading::IfAbove { is_unclean: false } => {
                format!("at a start after an unclean stop a broker {does}{UNLESS}")
            }
        }
    }

    /// True when no start of now reads the segment.
    fn is_trusted(&self) -> bool {
        matches!(self.reading, Reading::NotNow { .. } | Reading::Below(_))
    }
}

/// What does not depend on how the broker stopped.
fn about_partition(problem: &Problem) -> Option<&'static str> {
    Some(match problem {
        Problem::UnknownCodec { .. }
        | Problem::Decompression { .. }
        | Problem::DecompressionTrailing { .. }
        | Problem::RecordStructure { .. }
        | Problem::RecordCount { .. }
        | Problem::RecordOffsetDelta { .. }
        | Problem::WrapperMessage { .. } => {
            "the checksum is good: a broker does not notice at any start, and serves the batch"
        }
        Problem::BatchMagic { magic: 3.. } => {
            "a broker takes it for magic 2: with a good checksum it passes every start, and no \
             client can read it"
        }
        Problem::OffsetBeyondNextSegment { .. } => "no start compares a segment with the next one",
        Problem::LogTooLarge { .. } => "a broker refuses the file at any start",
        Problem::OffsetGap { .. } => "a broker does not notice at any start",
        Problem::LeaderEpochGoesBack { .. } | Problem::LeaderEpochDiffers { .. } => {
            "a wrong leader epoch passes every start"
        }
        Problem::SnapshotDamaged { .. } => {
            "a broker that comes to load it deletes it and takes the next older one"
        }
        Problem::Text { file: TextKind::LeaderEpochCheckpoint, .. } => {
            "a broker that starts takes the whole log dir offline; with only one it shuts down"
        }
        Problem::LeaderEpochBeyondEnd { .. } => "a broker that starts drops the entry",
        Problem::LeaderEpochOrder { .. } => "a broker that starts does not check the order",
        Problem::PreallocatedTail { stops_broker: true, .. } => {
            "shut down cleanly: a broker takes the end of the log as it is, reads zeros where it \
             expects a batch, and does not start"
        }
        Problem::StrayFile { stops_broker: true } => {
            "a broker that starts takes what is before the first point for an offset, and stops"
        }
        _ => return None,
    })
}

/// Damage at which a broker that reads the segment cuts the log.
fn about_damage(finding: &Finding, place: &Place) -> Option<String> {
    let cuts_nothing = match finding.problem {
        Problem::BatchCrc { .. }
        | Problem::SectorZeroed { .. }
        | Problem::UnclaimedBytes
        | Problem::BatchLength { .. }
        | Problem::BatchMagic { magic: ..0 } => false,
        Problem::TornTail { .. } | Problem::PreallocatedTail { .. } => true,
        _ => return None,
    };
    let Place { segment, is_last, log_end, .. } = *place;
    let lost = |end| Place::lost(finding, segment.base_offset, end);
    let does = match (place.reading, cuts_nothing, is_last) {
        (_, true, true) => "cuts these bytes off".to_owned(),
        (Reading::Always, true, false) => {
            "cuts these bytes off and keeps the later segments".to_owned()
        }
        (_, true, false) => {
            let (from, to) = (segment.next_offset, log_end.plus(-1));
            let offsets =
                if from <= to { format!(": offsets {from} to {to}") } else { String::new() };
            format!("cuts these bytes off and deletes all later segments{offsets}")
        }
        (Reading::Always, false, false) => format!(
            "cuts this segment here and keeps the later ones: {} become a silent gap",
            lost(segment.next_offset).replace("everything", "its offsets")
        ),
        (_, false, true) => format!("cuts the log here: it deletes {}", lost(log_end)),
        (_, false, false) => {
            format!("cuts the log here and deletes all later segments: {}", lost(log_end))
        }
    };
    Some(place.when_read(&does))
}

/// Offsets out of order: what a start makes of them depends on where index entries are due.
fn about_order(finding: &Finding, place: &Place) -> Option<String> {
    let Place { segment, log_end, .. } = *place;
    let does = match finding.problem {
        Problem::OffsetGoesBack { .. } if finding.range.start.0 == 0 => {
            return Some("no start compares a segment with the one before it".to_owned());
        }
        // Only starts of the other kind were tried.
        Problem::OffsetGoesBack { .. }
        | Problem::OffsetOverflow { .. }
        | Problem::OffsetBelowSegment { .. }
            if place.reading == Reading::Always =>
        {
            return None;
        }
        Problem::OffsetGoesBack { .. } => format!(
            "empties this segment and deletes all later ones, if an index entry is due behind \
             this batch: offsets {} to {}",
            segment.base_offset,
            log_end.plus(-1)
        ),
        Problem::OffsetOverflow { .. } => match segment.is_split() {
            true => "splits the segment".to_owned(),
            false => FAILS_TO_SPLIT.to_owned(),
        },
        // By its last offset a broker tells whether a batch is too far from the name.
        Problem::OffsetBelowSegment { segment: base }
            if !segment.is_split() && finding.offsets.is_some_and(|(_, last)| last < base) =>
        {
            FAILS_TO_SPLIT.to_owned()
        }
        Problem::OffsetBelowSegment { .. } if place.is_trusted() => {
            return Some(match place.reading {
                Reading::Below(_) => place.when_read(""),
                _ => "shut down cleanly: a broker does not notice".to_owned(),
            });
        }
        _ => return None,
    };
    Some(place.when_read(&does))
}

/// Indexes: a start that reads a segment writes them anew, any other takes them as they are.
fn about_derived(problem: &Problem, place: &Place) -> Option<String> {
    let index = match *problem {
        Problem::IndexMissing { index: IndexKind::Time, .. } => {
            return Some(time_index_missing(place));
        }
        Problem::TxnIndexMissing { .. } => {
            let does = "reads this segment and adds the entry";
            return Some(match place.is_trusted() {
                true => "a broker that starts does not notice".to_owned(),
                false => place.when_read(does),
            });
        }
        // It is looked at where the segment is opened, and only if there is an .index.
        Problem::TxnIndexEntry { .. } if place.reading != Reading::Always => {
            return Some("a broker does not start with it, shut down cleanly or not".to_owned());
        }
        Problem::TxnIndexDiffers { what: TxnIndexField::LastOffset, stored, .. }
            if stored < place.segment.base_offset =>
        {
            return Some("at any start a broker reads this segment and writes it anew".to_owned());
        }
        Problem::TxnIndexDiffers { .. } | Problem::TxnIndexEntry { .. } => IndexKind::Transaction,
        Problem::IndexPosition { .. } => IndexKind::Offset,
        Problem::TimeIndexLast { .. } => IndexKind::Time,
        Problem::IndexLength { index, .. }
        | Problem::IndexZeroTail { index, .. }
        | Problem::IndexOrder { index, .. }
        | Problem::IndexUnsafe { index, .. }
        | Problem::IndexStale { index, .. } => index,
        _ => return None,
    };
    if !place.is_trusted() {
        return Some(place.when_read("reads this segment and writes it anew"));
    }
    let as_it_is = match (problem, index) {
        (Problem::IndexLength { .. }, _) => "a broker skips these bytes",
        (Problem::IndexStale { .. }, IndexKind::Offset) if place.is_last => {
            let base = place.segment.base_offset;
            return Some(format!(
                "a broker that starts takes this segment for empty and goes on writing at {base}"
            ));
        }
        (Problem::IndexZeroTail { .. }, IndexKind::Time) => {
            "a broker takes 1970 for this segment's greatest timestamp: time retention deletes it"
        }
        (Problem::TimeIndexLast { .. }, _) => {
            "a broker takes the last entry for this segment's greatest timestamp, for retention \
             and for searches by time"
        }
        _ => "a broker that starts does not check it, and uses it as it is",
    };
    Some(as_it_is.to_owned())
}

fn time_index_missing(place: &Place) -> String {
    let stays_empty = "makes an empty one: retention and searches by time go by the .log's \
                       modification time";
    match place.reading {
        Reading::Always => place.when_read("reads this segment and writes both anew"),
        Reading::Now => place.when_read("reads this segment and writes it anew"),
        Reading::NotNow { .. } => format!("shut down cleanly: a broker that starts {stays_empty}"),
        Reading::Below(point) => {
            format!("below the recovery point {point}: a broker that starts {stays_empty}")
        }
        _ => format!(
            "a broker that starts {stays_empty}; but where it reads the whole segment, after an \
             unclean stop, it writes it anew"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::problem::IndexEntry;
    use crate::format::{FormatErrorKind, Position};
    use std::path::Path;

    /// Segments of offsets 0 to 99, 100 to 199 and 200 to 249.
    fn segments(indexes: [bool; 3]) -> Vec<SegmentView> {
        let bounds = [(0, 100), (100, 200), (200, 250)];
        let view = |((base, next), has_index)| SegmentView {
            base_offset: Offset(base),
            next_offset: Offset(next),
            has_index,
        };
        bounds.into_iter().zip(indexes).map(view).collect()
    }

    /// The finding is at byte 500 of the segment `base`, in offsets `base` + 20 to `base` + 29.
    fn said(problem: Problem, base: i64, stopped: (Option<bool>, Option<i64>)) -> String {
        with_indexes(problem, base, stopped, [true; 3])
    }

    fn with_indexes(
        problem: Problem,
        base: i64,
        (is_clean_shutdown, recovery_point): (Option<bool>, Option<i64>),
        indexes: [bool; 3],
    ) -> String {
        let extension = match &problem {
            Problem::TxnIndexDiffers { .. } => "txnindex",
            Problem::TxnIndexEntry { .. } => "txnindex",
            Problem::IndexStale { .. } => "index",
            _ => "log",
        };
        let file = format!("orders-0/{base:020}.{extension}");
        let range = Position(500)..Position(600);
        let finding = Finding::new(Path::new(&file).into(), range, problem)
            .at_offsets(Some((Offset(base + 20), Offset(base + 29))));
        let segments = segments(indexes);
        let recovery_point = recovery_point.map(Offset);
        let view = BrokerView { is_clean_shutdown, recovery_point, segments: &segments };
        sentence(&finding, &view).unwrap_or_default()
    }

    const CRC: Problem = Problem::BatchCrc { stored: 1, computed: 2, flipped: None };
    const CLEAN: (Option<bool>, Option<i64>) = (Some(true), Some(250));
    const KILLED: (Option<bool>, Option<i64>) = (Some(false), Some(120));
    const LIVE: (Option<bool>, Option<i64>) = (None, Some(120));
    const ALONE: (Option<bool>, Option<i64>) = (None, None);

    #[test]
    fn damage_cuts_the_log_where_it_is_read() {
        let clean = "shut down cleanly: a broker does not notice; at a start after an unclean stop \
                     it cuts the log here";
        let killed = "not shut down cleanly: a broker that starts cuts the log here";
        let either = "at a start after an unclean stop a broker cuts the log here";
        let below = "a broker that starts does not read it";
        let rest = "and deletes all later segments: offsets 120 to 249";
        let unknown = "unless this is below the recovery point, which is unknown";
        let table = [
            (200, CLEAN, format!("{clean}: it deletes offsets 220 to 249")),
            (100, CLEAN, format!("below the recovery point 250: {below}")),
            (100, (Some(true), Some(100)), format!("{clean} {rest}")),
            (0, KILLED, format!("below the recovery point 120: {below}")),
            (100, KILLED, format!("{killed} {rest}")),
            (200, KILLED, format!("{killed}: it deletes offsets 220 to 249")),
            // The segment that holds the recovery point is read from its beginning.
            (100, (Some(false), Some(199)), format!("{killed} {rest}")),
            (100, (Some(false), Some(200)), format!("below the recovery point 200: {below}")),
            (100, LIVE, format!("{either} {rest}")),
            (100, ALONE, format!("{either} {rest}, {unknown}")),
            (100, (Some(true), None), format!("{clean} {rest}, {unknown}")),
            // Where the log ends does not depend on the recovery point.
            (200, ALONE, format!("{either}: it deletes offsets 220 to 249")),
            (100, (Some(false), None), format!("{killed} {rest}, {unknown}")),
        ];
        for (base, stopped, expected) in table {
            assert_eq!(said(CRC, base, stopped), expected, "{base} {stopped:?}");
            for same in [Problem::UnclaimedBytes, Problem::BatchLength { stored: 9, fits: None }] {
                assert_eq!(said(same, base, stopped), expected, "{base} {stopped:?}");
            }
        }
    }

    #[test]
    fn without_an_index_later_segments_stay() {
        let indexes = [true, false, false];
        let gap = ".index missing: a broker cuts this segment here and keeps the later ones: \
                   offsets 120 to 199 become a silent gap, at any start";
        let end = ".index missing: a broker cuts the log here: it deletes offsets 220 to 249, at \
                   any start";
        for stopped in [CLEAN, KILLED, LIVE, ALONE] {
            assert_eq!(with_indexes(CRC, 100, stopped, indexes), gap);
            assert_eq!(with_indexes(CRC, 200, stopped, indexes), end);
            assert!(!with_indexes(CRC, 0, stopped, indexes).contains(".index missing"));
        }
    }

    #[test]
    fn tails_take_later_segments_with_them() {
        let torn = |sealed| Problem::TornTail { needed: None, sealed };
        let zeros = |sealed| Problem::PreallocatedTail { sealed, stops_broker: false };
        let killed = "not shut down cleanly: a broker that starts cuts these bytes off";
        assert_eq!(said(torn(false), 200, KILLED), killed);
        for sealed in [torn(true), zeros(true)] {
            let rest = "and deletes all later segments: offsets 200 to 249";
            assert_eq!(said(sealed, 100, KILLED), format!("{killed} {rest}"));
        }
        assert_eq!(said(zeros(false), 200, KILLED), "");
        let stops = Problem::PreallocatedTail { sealed: false, stops_broker: true };
        assert!(said(stops, 200, CLEAN).ends_with("and does not start"));
        assert_eq!(said(Problem::GrowingTail, 200, LIVE), "");
        let kept = with_indexes(torn(true), 100, CLEAN, [true, false, true]);
        assert!(kept.contains("cuts these bytes off and keeps the later segments"), "{kept}");
    }

    #[test]
    fn order() {
        let back = Problem::OffsetGoesBack { previous: Offset(130) };
        assert_eq!(
            said(back.clone(), 100, KILLED),
            "not shut down cleanly: a broker that starts empties this segment and deletes all \
             later ones, if an index entry is due behind this batch: offsets 100 to 249"
        );
        let unknown = "at a start after an unclean stop a broker empties this segment and deletes";
        let live = said(back.clone(), 100, LIVE);
        assert!(live.starts_with(unknown), "{live}");
        assert!(said(back.clone(), 200, CLEAN).starts_with("shut down cleanly: a broker does not"));
        assert_eq!(with_indexes(back, 100, KILLED, [false; 3]), "");
        let overflow = Problem::OffsetOverflow { segment: Offset(0) };
        let fails = "fails to split the segment and does not start";
        assert!(said(overflow.clone(), 100, KILLED).ends_with(fails));
        let below = |segment| Problem::OffsetBelowSegment { segment: Offset(segment) };
        assert!(said(below(1000), 100, KILLED).ends_with(&format!("that starts {fails}")));
        let clean = said(below(1000), 200, CLEAN);
        assert!(clean.contains("does not notice; at a start after an unclean stop"), "{clean}");
        assert!(clean.ends_with(fails), "{clean}");
        assert!(said(below(1000), 0, KILLED).contains("does not read it"));
        // One that ends in the segment is not too far from its name.
        assert_eq!(said(below(125), 100, KILLED), "");
        assert_eq!(with_indexes(below(1000), 100, KILLED, [false; 3]), "");
        let mut segments = segments([true; 3]);
        segments[2].next_offset = Offset(5_000_000_000);
        let view = BrokerView {
            is_clean_shutdown: Some(false),
            recovery_point: Some(Offset(0)),
            segments: &segments,
        };
        let file = Path::new("orders-0/00000000000000000200.log").into();
        let finding = Finding::new(file, Position(0)..Position(1), overflow);
        assert!(sentence(&finding, &view).unwrap().ends_with("starts splits the segment"));
        for problem in [
            Problem::OffsetBeyondNextSegment { next: Offset(200) },
            Problem::OffsetGap { expected: Offset(1), found: Offset(9), compacted: false },
            Problem::LeaderEpochGoesBack { epoch: 1, previous: 2 },
            Problem::BatchMagic { magic: 3 },
            Problem::RecordCount { stored: 1, found: 2 },
        ] {
            let first = said(problem.clone(), 100, CLEAN);
            assert!(!first.is_empty());
            assert_eq!(said(problem, 100, KILLED), first);
        }
    }

    #[test]
    fn derived_files_are_written_anew_where_the_segment_is_read() {
        let entry = IndexEntry { number: 3, key: 4096, offset: Offset(999) };
        let stale = Problem::IndexStale { index: IndexKind::Offset, entry, log_end: Offset(250) };
        let anew = "reads this segment and writes it anew";
        let killed = format!("not shut down cleanly: a broker that starts {anew}");
        assert_eq!(said(stale.clone(), 200, KILLED), killed);
        assert_eq!(
            said(stale.clone(), 200, CLEAN),
            "a broker that starts takes this segment for empty and goes on writing at 200"
        );
        assert_eq!(
            said(stale.clone(), 100, CLEAN),
            "a broker that starts does not check it, and uses it as it is"
        );
        assert!(said(stale, 100, ALONE).ends_with("which is unknown"));
        let missing = Problem::IndexMissing { index: IndexKind::Time, is_usual: false };
        assert_eq!(said(missing.clone(), 100, KILLED), killed);
        assert!(said(missing.clone(), 0, KILLED).contains("makes an empty one"));
        assert!(said(missing.clone(), 200, CLEAN).contains("makes an empty one"));
        assert!(said(missing, 200, LIVE).contains("but where it reads the whole segment"));
        let below = Problem::TxnIndexDiffers {
            producer_id: 1,
            what: TxnIndexField::LastOffset,
            stored: Offset(99),
            computed: None,
        };
        let any = "at any start a broker reads this segment and writes it anew";
        assert_eq!(said(below.clone(), 100, CLEAN), any);
        assert!(said(below, 0, CLEAN).contains("uses it as it is"));
        let error = FormatErrorKind::Truncated { needed: 2, have: 1 };
        let garbage = Problem::TxnIndexEntry { error };
        for stopped in [CLEAN, KILLED, LIVE, ALONE] {
            let expected = "a broker does not start with it, shut down cleanly or not";
            assert_eq!(said(garbage.clone(), 100, stopped), expected);
            let without = with_indexes(garbage.clone(), 100, stopped, [false; 3]);
            assert_eq!(without, format!(".index missing: a broker {anew}, at any start"));
        }
        let zeros = Problem::IndexZeroTail { index: IndexKind::Time, sealed: true };
        assert!(said(zeros, 100, CLEAN).contains("1970"));
    }

    #[test]
    fn the_metadata_log_is_always_read() {
        let metadata = TopicPartition { topic: METADATA_TOPIC.to_owned(), partition: 0 };
        let view = BrokerView::new(None, Some(&metadata), &[]);
        assert_eq!((view.is_clean_shutdown, view.recovery_point), (Some(false), Some(Offset(0))));
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
        let orders = TopicPartition { topic: "txn-open".to_owned(), partition: 0 };
        let nowhere = TopicPartition { topic: "nowhere".to_owned(), partition: 0 };
        let clean = LogDirContext::read(&root.join("kafka-4.3.1"));
        let view = BrokerView::new(Some(&clean), Some(&orders), &[]);
        assert_eq!((view.is_clean_shutdown, view.recovery_point), (Some(true), Some(Offset(113))));
        let view = BrokerView::new(Some(&clean), Some(&nowhere), &[]);
        assert_eq!(view.recovery_point, Some(Offset(0)));
        let killed = LogDirContext::read(&root.join("kafka-4.3.1-killed"));
        let view = BrokerView::new(Some(&killed), Some(&orders), &[]);
        assert_eq!(view.is_clean_shutdown, Some(false));
        let view = BrokerView::new(None, Some(&orders), &[]);
        assert_eq!((view.is_clean_shutdown, view.recovery_point), (None, None));
    }
}
