//! List, pages, examples and problems say the same.

use super::*;
use crate::check::problem::{
    FlippedAt, IndexEntry, IndexKind, Producer, TextKind, TimestampSeems, TxnIndexField,
};
use crate::check::{CODES, Problem, Severity};
use crate::format::{Codec, FormatErrorKind, Offset, Position};
use std::collections::BTreeSet;

/// A function that names the variant of a problem, and the list of all names. A variant that is
/// not named here does not compile.
macro_rules! variants {
    ($($name:ident)*) => {
        fn variant(problem: &Problem) -> &'static str {
            match problem { $(Problem::$name { .. } => stringify!($name),)* }
        }
        const VARIANTS: &[&str] = &[$(stringify!($name)),*];
    };
}

variants! {
    BatchCrc BatchLength BatchMagic TornTail GrowingTail PreallocatedTail UnclaimedBytes
    UnreadableRange SectorZeroed UnknownCodec Decompression DecompressionTrailing
    DecompressionChecksum RecordStructure RecordCount RecordOffsetDelta LastOffsetDelta MaxTimestamp
    TimestampUnit ReservedAttributes NonCanonicalVarint HeaderKeyUtf8 ControlRecord ControlRecords
    UnknownControlRecord ProducerFields WrapperMessage LegacyFormat OffsetGoesBack
    OffsetBelowSegment OffsetBeyondNextSegment OffsetOverflow LogTooLarge OffsetGap
    LeaderEpochGoesBack LeaderEpochDiffers SequenceGap SequenceRepeats IndexMissing TxnIndexMissing
    IndexLength
    IndexZeroTail IndexOrder IndexUnsafe IndexPosition IndexStale IndexCoarse IndexSparse
    TimeIndexLast TxnIndexEntry TxnIndexDiffers SnapshotDamaged SnapshotDiffers OpenTransaction
    LeaderEpochOrder LeaderEpochBeyondEnd CheckpointOutside Contradicts Text LogMissing SegmentEmpty
    InterruptedReplace DeletePending StrayDirectory StrayFile NotReadable TruncatedWhileReading
    Vanished Replaced Limit
}

/// At least one value of every variant, and one of every severity that it can have.
fn samples() -> Vec<Problem> {
    let examples = CODES.iter().filter_map(|code| example(code)).map(|finding| finding.problem);
    let entry = IndexEntry { number: 1, key: 2, offset: Offset(3) };
    let kinds = [IndexKind::Offset, IndexKind::Time, IndexKind::Transaction];
    let texts = [
        TextKind::LeaderEpochCheckpoint,
        TextKind::Checkpoint,
        TextKind::PartitionMetadata,
        TextKind::MetaProperties,
        TextKind::QuorumState,
    ];
    let error = FormatErrorKind::Utf8;
    let mut all: Vec<Problem> = examples.collect();
    for index in kinds {
        all.extend([
            Problem::IndexLength { index, bytes_left: 1 },
            Problem::IndexOrder { index, entry, previous: entry },
            Problem::IndexUnsafe { index, entry, lost: Offset(3) },
            Problem::IndexStale { index, entry, log_end: Offset(3) },
        ]);
    }
    for index in [IndexKind::Offset, IndexKind::Time] {
        // A .txnindex that is not there is no problem by itself.
        all.push(Problem::IndexMissing { index, is_usual: false });
        all.extend([true, false].map(|sealed| Problem::IndexZeroTail { index, sealed }));
    }
    for file in texts {
        all.push(Problem::Text { file, error });
        all.push(Problem::Contradicts { file, why: "so it is".to_owned() });
    }
    for seems in [
        TimestampSeems::Seconds,
        TimestampSeems::Microseconds,
        TimestampSeems::Nanoseconds,
        TimestampSeems::Future,
    ] {
        all.push(Problem::TimestampUnit { timestamp: 1, seems });
    }
    for what in [
        TxnIndexField::FirstOffset,
        TxnIndexField::LastOffset,
        TxnIndexField::LastStableOffset,
        TxnIndexField::Order,
    ] {
        let (producer_id, stored) = (1, Offset(2));
        all.push(Problem::TxnIndexDiffers { producer_id, what, stored, computed: None });
    }
    for yes in [true, false] {
        let (expected, found) = (Offset(1), Offset(2));
        all.extend([
            Problem::TornTail { needed: None, sealed: yes },
            Problem::PreallocatedTail { sealed: false, stops_broker: yes },
            Problem::OffsetGap { expected, found, compacted: yes },
            Problem::InterruptedReplace { completes: yes },
            Problem::StrayDirectory { stops_broker: yes },
            Problem::StrayFile { stops_broker: yes },
            Problem::TruncatedWhileReading { settled: yes },
            Problem::Vanished { settled: yes },
            Problem::Replaced { settled: yes },
        ]);
    }
    let flipped = Some(FlippedAt { position: Position(1), bit: 2 });
    all.extend([
        Problem::BatchCrc { stored: 1, computed: 2, flipped: None },
        Problem::BatchCrc { stored: 1, computed: 2, flipped },
        Problem::BatchLength { stored: 1, fits: None },
        Problem::DecompressionTrailing { codec: Codec::Zstd, bytes: 1 },
        Problem::ControlRecords { count: 2 },
        Problem::LogTooLarge { bytes: 1 << 31 },
        Problem::UnknownControlRecord { record_type: 99 },
        Problem::TimeIndexLast { stored: None, computed: 1 },
        Problem::TxnIndexEntry { error },
        Problem::SnapshotDiffers { producer_id: 1, why: "so it is", producers: 2 },
        Problem::LeaderEpochOrder { epoch: 1, start: Offset(2) },
        Problem::OpenTransaction {
            producer: Producer { id: 1, epoch: 2 },
            first_offset: Offset(3),
            last_timestamp: 4,
        },
        Problem::Limit { limit: "duration", allowed: 1 },
    ]);
    all
}

#[test]
fn every_variant_has_a_sample_and_every_sample_a_known_code() {
    let samples = samples();
    let sampled: BTreeSet<&str> = samples.iter().map(variant).collect();
    assert_eq!(sampled, VARIANTS.iter().copied().collect());
    let codes: BTreeSet<&str> = samples.iter().map(Problem::code).collect();
    assert_eq!(codes, CODES.into_iter().collect());
    assert_eq!(codes.len(), CODES.len(), "a code twice");
}

#[test]
fn every_message_is_a_sentence() {
    for problem in samples() {
        let message = problem.message();
        let debug = format!("{problem:?}");
        assert!(!message.is_empty() && !message.ends_with('.'), "{debug}: {message}");
        assert_ne!(message, debug);
        assert!(!message.contains(variant(&problem)), "{message}");
        assert!(!message.contains(['{', '}']), "{message}");
    }
}

#[test]
fn codes_and_pages_are_the_same_list() {
    let pages: Vec<&str> = pages().map(|page| page.code).collect();
    assert_eq!(pages, CODES);
    for code in CODES {
        assert_eq!(page(code).unwrap().code, code);
    }
    assert_eq!(page("batch"), None);
}

#[test]
fn every_page_has_its_parts_in_order() {
    for page in pages() {
        let code = page.code;
        let labels: Vec<&str> = page
            .text
            .lines()
            .filter(|line| !line.starts_with(' '))
            .map(|line| line.split_once(": ").unwrap_or_else(|| panic!("{code}: {line}")).0)
            .collect();
        let mut known = Part::ALL.map(Part::label).into_iter();
        for label in &labels {
            assert!(known.any(|known| known == *label), "{code}: {label} is not in its place");
        }
        for part in [Part::Title, Part::Severity, Part::Meaning, Part::Cause, Part::Next] {
            assert!(page.part(part).is_some(), "{code}: no {}", part.label());
        }
        assert!(page.part(Part::Title).unwrap().len() <= 70, "{code}: a long title");
        assert!(page.text.lines().all(|line| line.len() <= 100), "{code}: a long line");
    }
}

/// The page names exactly the severities that findings of its code have.
#[test]
fn severities_are_those_of_the_findings() {
    let samples = samples();
    for page in pages() {
        let of_page = samples.iter().filter(|sample| sample.code() == page.code);
        let found: BTreeSet<Severity> = of_page.map(Problem::severity).collect();
        let names: Vec<&str> = found.iter().rev().map(|severity| severity.name()).collect();
        assert_eq!(page.severities(), names.join("/"), "{}", page.code);
    }
}

#[test]
fn every_code_has_an_example() {
    for code in CODES {
        let finding = example(code).unwrap_or_else(|| panic!("{code}: no example"));
        assert_eq!(finding.problem.code(), code);
        assert!(finding.range.start <= finding.range.end, "{code}");
    }
    assert_eq!(example("batch"), None);
}

#[test]
fn a_code_that_is_none_has_near_ones() {
    assert_eq!(nearest("batch-crcs"), ["batch-crc"]);
    assert_eq!(nearest("BATCH_CRC"), ["batch-crc"]);
    assert_eq!(nearest("stray"), ["stray-directory", "stray-file"]);
    assert_eq!(nearest("indx-missing"), ["index-missing"]);
    for word in ["", "zzz", &"x".repeat(100_000)] {
        assert!(nearest(word).is_empty(), "{word:.9}");
    }
}

#[test]
fn edits_are_counted() {
    // The plain recursion, for short words.
    fn slow(a: &[u8], b: &[u8]) -> usize {
        match (a, b) {
            ([], rest) | (rest, []) => rest.len(),
            ([x, a @ ..], [y, b @ ..]) if x == y => slow(a, b),
            ([_, left @ ..], [_, right @ ..]) => {
                1 + slow(left, right).min(slow(a, right)).min(slow(left, b))
            }
        }
    }
    let words = ["", "a", "crc", "cr", "arc", "index", "idnex", "limit", "time"];
    for a in words {
        for b in words {
            assert_eq!(edits(a, b), slow(a.as_bytes(), b.as_bytes()), "{a} {b}");
        }
    }
}
