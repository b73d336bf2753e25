//! The inside of a batch: every change is made under a checksum that agrees.

use crate::Proof;
use crate::place::{
    Case, E, Log, N, PLAIN, Place, W, found, read_i32, read_i64, records, write_i32, write_i64,
};
use twox_hash::XxHash32;

pub const PROOFS: &[Proof] = &[
    ("unknown-codec", unknown_codec),
    ("decompression", decompression),
    ("decompression-trailing", decompression_trailing),
    ("decompression-checksum", decompression_checksum),
    ("record-structure", record_structure),
    ("record-count", record_count),
    ("record-offset-delta", record_offset_delta),
    ("last-offset-delta", last_offset_delta),
    ("max-timestamp", max_timestamp),
    ("timestamp-unit", timestamp_unit),
    ("reserved-attributes", reserved_attributes),
    ("non-canonical-varint", non_canonical_varint),
    ("header-key-utf8", header_key_utf8),
    ("control-record", control_record),
    ("producer-fields", producer_fields),
    ("wrapper-message", wrapper_message),
    ("legacy-format", legacy_format),
];

const GZIP: (&str, &str) = ("kafka-4.3.1", "codec-gzip-0");
const LZ4: (&str, &str) = ("kafka-4.3.1", "codec-lz4-0");
const ZSTD: (&str, &str) = ("kafka-4.3.1", "codec-zstd-0");
/// Batches from which the cleaner took records.
const COMPACTED: (&str, &str) = ("kafka-4.3.1", "compact-drop-0");

/// Changes a batch of many records in the second file of `PLAIN`.
fn resealed(change: impl Fn(&mut [u8])) -> (Place, String, std::ops::Range<usize>) {
    let place = Place::plain();
    let mut log = place.log(1);
    let batch = log.of_many();
    log.reseal(batch, change);
    place.save(&log);
    let (name, range) = (place.name(&log.file), log.range(batch));
    (place, name, range)
}

fn trips(case: &Case, severity: &'static str, status: i32, change: impl Fn(&mut [u8])) {
    let (place, name, range) = resealed(change);
    case.trips(&place, &[], status, &[found(case.code, severity, &name, range)]);
}

fn unknown_codec(case: &Case) {
    for id in 5..=7 {
        trips(case, E, 3, |batch| batch[22] = batch[22] & !7 | id);
    }
    let (place, ..) = resealed(|batch| batch[22] = batch[22] & !7 | 1);
    case.spares(&place, 1);
}

/// A compressed batch between others.
fn compressed(place: &Place) -> (Log, usize) {
    let log = place.log(0);
    let wanted = |batch: &usize| {
        let bytes = &log.bytes[log.range(*batch)];
        bytes[22] & 7 != 0 && bytes.len() > 120
    };
    let batch = (0..log.frames.len()).find(wanted).unwrap();
    (log, batch)
}

fn decompression(case: &Case) {
    for partition in [GZIP, LZ4, ZSTD, ("kafka-4.3.1", "codec-snappy-0")] {
        let place = Place::of(partition);
        let (mut log, batch) = compressed(&place);
        log.reseal(batch, |batch| batch[61..].fill(0x5a));
        place.save(&log);
        let expected = found(case.code, E, &place.name(&log.file), log.range(batch));
        case.trips(&place, &[], 1, &[expected]);
        // Spoilt without a checksum that agrees it is not even tried.
        let place = Place::of(partition);
        let (mut log, batch) = compressed(&place);
        log.batch(batch)[61..].fill(0x5a);
        place.save(&log);
        case.spares(&place, 1);
    }
}

fn decompression_trailing(case: &Case) {
    for partition in [GZIP, LZ4] {
        let place = Place::of(partition);
        let mut log = place.last_log();
        assert_ne!(log.batch(log.frames.len() - 1)[22] & 7, 0);
        let range = log.replace_last(|batch| batch.extend([0xee; 9]));
        place.save(&log);
        let expected = found(case.code, N, &place.name(&log.file), range);
        case.trips(&place, &[], 0, &[expected]);
        case.spares_healthy(partition);
    }
    // Zstd is read to its end, and this is no frame.
    let place = Place::of(ZSTD);
    let mut log = place.last_log();
    log.replace_last(|batch| batch.extend([0xee; 9]));
    place.save(&log);
    case.spares(&place, 1);
}

#[allow(clippy::little_endian_bytes)]
/// A frame of one block, stored as it is, and a checksum of its content.
fn lz4_with_checksum(content: &[u8]) -> Vec<u8> {
    let head = [0x64, 0x40];
    let mut frame = vec![0x04, 0x22, 0x4d, 0x18, head[0], head[1]];
    frame.push((XxHash32::oneshot(0, &head) >> 8) as u8);
    frame.extend((content.len() as u32 | 1 << 31).to_le_bytes());
    frame.extend_from_slice(content);
    frame.extend([0; 4]);
    frame.extend(XxHash32::oneshot(0, content).to_le_bytes());
    frame
}

fn decompression_checksum(case: &Case) {
    // Kafka's lz4 frames have no checksum of their content, and it does not look at others'.
    let with = |change: u8| {
        let place = Place::plain();
        let mut log = place.last_log();
        let range = log.replace_last(|batch| {
            let payload = batch.split_off(61);
            batch.extend(lz4_with_checksum(&payload));
            batch[22] |= 3;
            *batch.last_mut().unwrap() ^= change;
        });
        place.save(&log);
        let expected = found(case.code, W, &place.name(&log.file), range);
        (place, expected)
    };
    let (place, expected) = with(1);
    case.trips(&place, &[], 1, &[expected]);
    let (place, _) = with(0);
    case.spares(&place, 0);
    // Java looks at gzip's: what differs does not decompress.
    let place = Place::of(GZIP);
    let (mut log, batch) = compressed(&place);
    log.reseal(batch, |batch| {
        let at = batch.len() - 8;
        batch[at] ^= 1;
    });
    place.save(&log);
    case.spares(&place, 1);
    // Gzip's field for a time says nothing.
    let place = Place::of(GZIP);
    let (mut log, batch) = compressed(&place);
    log.reseal(batch, |batch| batch[61 + 4] ^= 1);
    place.save(&log);
    case.spares(&place, 0);
}

fn record_structure(case: &Case) {
    trips(case, E, 1, |batch| batch[61] += 2);
    trips(case, E, 1, |batch| {
        let last = records(batch).pop().unwrap();
        batch[last.end - 1] = 2;
    });
    let (place, ..) = resealed(|batch| {
        let value = records(batch)[0].end - 2;
        batch[value] ^= 1;
    });
    case.spares(&place, 0);
}

fn record_count(case: &Case) {
    // What is behind the last of none are bytes too many.
    let (place, name, range) = resealed(|batch| write_i32(batch, 57, -1));
    let behind = found("record-structure", E, &name, range.clone());
    case.trips(&place, &[], 1, &[found(case.code, E, &name, range), behind]);
    // One more than there are, where there is room for it.
    let place = Place::of(COMPACTED);
    let sparse = |log: &Log| {
        let delta = |batch: usize| log.last_offset(batch) - log.base_offset(batch);
        (0..log.frames.len()).find(|batch| (1..=delta(*batch)).contains(&log.count(*batch).into()))
    };
    let mut logs = (0..place.files(".log").len()).map(|number| place.log(number));
    let (mut log, batch) = logs.find_map(|log| sparse(&log).map(|batch| (log, batch))).unwrap();
    log.reseal(batch, |batch| write_i32(batch, 57, read_i32(batch, 57) + 1));
    place.save(&log);
    let expected = found(case.code, E, &place.name(&log.file), log.range(batch));
    case.trips(&place, &[], 1, &[expected]);
    // One fewer: what is wrong are the bytes behind the last of them.
    let (place, ..) = resealed(|batch| write_i32(batch, 57, read_i32(batch, 57) - 1));
    case.spares(&place, 1);
    case.spares_healthy(COMPACTED);
}

/// Where the offset delta of a record is whose length and timestamp delta are found before it.
fn offset_delta_at(batch: &[u8], record: usize) -> usize {
    let skip = |at: usize| at + batch[at..].iter().position(|byte| *byte < 0x80).unwrap() + 1;
    skip(skip(records(batch)[record].start) + 1)
}

fn record_offset_delta(case: &Case) {
    trips(case, E, 1, |batch| {
        let (second, third) = (offset_delta_at(batch, 1), offset_delta_at(batch, 2));
        batch[third] = batch[second];
    });
    case.spares_healthy(COMPACTED);
}

fn last_offset_delta(case: &Case) {
    // The last records lie outside, and offsets are missing.
    for last in [-1, 1] {
        let place = Place::plain();
        let mut log = place.log(1);
        let batch = log.of_many();
        log.reseal(batch, |batch| write_i32(batch, 23, last));
        place.save(&log);
        let name = place.name(&log.file);
        let expected = [
            found(case.code, E, &name, log.range(batch)),
            found("record-offset-delta", E, &name, log.range(batch)),
            found("offset-gap", W, &name, log.range(batch + 1)),
        ];
        case.trips(&place, &[], 1, &expected);
    }
    case.spares_healthy(COMPACTED);
}

fn max_timestamp(case: &Case) {
    trips(case, W, 1, |batch| write_i64(batch, 35, read_i64(batch, 35) + 1));
    trips(case, W, 1, |batch| write_i64(batch, 35, read_i64(batch, 35) - 1));
    // The time index that was right before is not accused of what the header says.
    trips(case, W, 1, |batch| write_i64(batch, 35, read_i64(batch, 35) + 1_000_000));
    case.spares_healthy(("kafka-4.3.1", "append-time-0"));
}

fn timestamp_unit(case: &Case) {
    let shifted = |batch: &mut [u8], base: i64| {
        let (old, max) = (read_i64(batch, 27), read_i64(batch, 35));
        write_i64(batch, 27, base);
        write_i64(batch, 35, base + max - old);
    };
    // The greatest of a file are what its time index speaks of, so only smaller ones are usual.
    trips(case, N, 0, |batch| shifted(batch, read_i64(batch, 27) / 1000));
    let (place, ..) = resealed(|batch| shifted(batch, 1_000_000_000_000));
    case.spares(&place, 0);
    let factors = [1000, 1_000_000];
    for factor in factors {
        let place = Place::plain();
        let mut log = place.log(1);
        let batch = log.of_many();
        log.reseal(batch, |batch| shifted(batch, read_i64(batch, 27) * factor));
        place.save(&log);
        let run = place.verify(&[]);
        assert!(run.rows_of("finding").iter().any(|row| row["code"] == case.code));
    }
}

fn reserved_attributes(case: &Case) {
    trips(case, N, 0, |batch| batch[22] |= 0x80);
    trips(case, N, 0, |batch| batch[21] |= 0x01);
    case.spares_healthy(("kafka-4.3.1", "compact-tombstones-0"));
}

fn non_canonical_varint(case: &Case) {
    let place = Place::plain();
    let mut log = place.last_log();
    let range = log.replace_last(|batch| {
        let last = records(batch).pop().unwrap();
        assert!(batch[last.start] < 0x7e, "its length has one byte");
        assert_eq!(batch.pop(), Some(0), "it has no headers");
        batch.extend([0x80, 0]);
        batch[last.start] += 2;
    });
    place.save(&log);
    case.trips(&place, &[], 0, &[found(case.code, N, &place.name(&log.file), range)]);
    // As long, and no longer than it need be: a byte more of the value.
    let place = Place::plain();
    let mut log = place.last_log();
    log.replace_last(|batch| {
        let last = records(batch).pop().unwrap();
        let key = offset_delta_at(batch, records(batch).len() - 1);
        let skip = |at: usize| at + batch[at..].iter().position(|byte| *byte < 0x80).unwrap() + 1;
        let key = skip(key);
        let value = if batch[key] == 1 { key + 1 } else { key + 1 + usize::from(batch[key]) / 2 };
        batch.insert(last.end - 1, b'x');
        batch[last.start] += 2;
        batch[value] += 2;
    });
    place.save(&log);
    case.spares(&place, 0);
}

fn header_key_utf8(case: &Case) {
    let with = |key: &[u8; 3]| {
        let place = Place::of(("kafka-4.3.1", "shapes-0"));
        let mut log = place.log(0);
        let has = |batch: &[u8]| batch.windows(3).position(|bytes| bytes == b"dup");
        let batch = log.inner(|batch| batch[22] & 7 == 0 && has(batch).is_some());
        log.reseal(batch, |batch| {
            let at = has(batch).unwrap();
            batch[at..at + 3].copy_from_slice(key);
        });
        place.save(&log);
        let (name, range) = (place.name(&log.file), log.range(batch));
        (place, name, range)
    };
    let (place, name, range) = with(b"\xff\xfe\xfd");
    case.trips(&place, &[], 0, &[found(case.code, N, &name, range)]);
    let (place, ..) = with("éx".as_bytes().try_into().unwrap());
    case.spares(&place, 0);
}

fn control_record(case: &Case) {
    let with = |change: fn(&mut [u8])| {
        let place = Place::of(("kafka-4.3.1", "txn-0"));
        let mut log = place.last_log();
        // The last marker, and of a commit: no entry of the transaction index is behind it.
        let batch = log.frames.len() - 1;
        let bytes = &log.bytes[log.range(batch)];
        assert_eq!((bytes[22] & 0x20, bytes[bytes.len() - 9]), (0x20, 1));
        log.reseal(batch, change);
        place.save(&log);
        let (name, range) = (place.name(&log.file), log.range(batch));
        (place, name, range)
    };
    // Key and value of five bytes each, where four and six are due.
    let (place, name, range) = with(|batch| {
        let at = batch.len() - 13;
        assert_eq!((batch[at], batch[at + 5]), (8, 12), "the lengths of key and value");
        batch.copy_within(at + 6..at + 11, at + 7);
        batch[at] = 10;
        batch[at + 5] = 0;
        batch[at + 6] = 10;
    });
    case.trips(&place, &[], 1, &[found(case.code, E, &name, range)]);
    // Many records of data that are taken for control records: one finding of a kind.
    let place = Place::plain();
    let mut log = place.log(1);
    let many = log.inner(|batch| crate::place::read_i32(batch, 57) > 5);
    log.reseal(many, |batch| batch[22] |= 0x20);
    place.save(&log);
    let run = place.verify(&[]);
    let rows = run.rows_of("finding");
    let unread = rows.iter().filter(|row| {
        let is_one_record = !row["message"].as_str().unwrap().contains("batch of");
        row["code"] == case.code && row["severity"] == E && is_one_record
    });
    assert_eq!(unread.map(|row| row["places"].as_u64().unwrap()).sum::<u64>(), 1, "{rows:?}");
    // A type that nobody knows yet.
    let (place, name, range) = with(|batch| {
        let at = batch.len() - 8 - 1;
        batch[at] = 99;
    });
    case.trips(&place, &[], 0, &[found(case.code, N, &name, range)]);
    case.spares_healthy(("kafka-4.3.1", "txn-0"));
    case.spares_healthy(("kafka-4.3.1", "compact-txn-0"));
    case.spares_healthy(("kafka-4.3.1", "__cluster_metadata-0"));
}

fn producer_fields(case: &Case) {
    // Transactional, and nobody's.
    trips(case, W, 1, |batch| {
        batch[22] |= 0x10;
        batch[43..57].fill(0xff);
    });
    // A producer without a sequence.
    trips(case, W, 1, |batch| batch[53..57].fill(0xff));
    let (place, ..) = resealed(|batch| batch[43..57].fill(0xff));
    case.spares(&place, 0);
    case.spares_healthy(("kafka-4.3.1", "raw-0"));
    case.spares_healthy(("kafka-4.3.1", "__cluster_metadata-0"));
}

fn wrapper_message(case: &Case) {
    let partition = ("kafka-2.8.2", "magic0-gzip-0");
    let place = Place::of(partition);
    let mut log = place.last_log();
    let last = log.frames.len() - 1;
    assert_ne!(log.batch(last)[17] & 7, 0);
    let offset = log.base_offset(last);
    write_i64(log.batch(last), 0, offset + 1);
    place.save(&log);
    let expected = found(case.code, E, &place.name(&log.file), log.range(last));
    case.trips(&place, &[], 1, &[expected]);
    case.spares_healthy(partition);
    case.spares_healthy(("kafka-2.8.2", "magic1-lz4-0"));
}

fn legacy_format(case: &Case) {
    for partition in [("kafka-2.8.2", "magic0-none-0"), ("kafka-2.8.2", "magic1-lz4-0")] {
        let place = Place::of(partition);
        let log = place.log(0);
        let expected = found(case.code, N, &place.name(&log.file), 0..log.bytes.len());
        case.trips(&place, &[], 0, &[expected]);
    }
    case.spares_healthy(PLAIN);
}
