//! What is encoded is what comes out of the views again, what `seg verify` finds nothing in, and
//! what the Java client wrote of the same records.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, clippy::little_endian_bytes)]

mod common;

use common::{Random, files_ending, in_parallel, partitions, partitions_called, seg, testdata};
use proptest::prelude::*;
use segkit::format::batch::add_sequence;
use segkit::format::control::ControlRecord;
use segkit::format::encode::{
    BatchEncoder, BatchFields, BatchSummary, Compressor, EncodeError, LegacyEncoder, LegacyFields,
    RecordToWrite, TransactionMarker,
};
use segkit::format::{
    Batch, Batches, Codec, Header, Offset, Position, Record, Scratch, TimestampType,
};
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A record with memory of its own.
#[derive(Clone, Debug, PartialEq)]
struct Owned {
    offset: i64,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Owned {
    fn of(record: &Record<'_>) -> Self {
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        Self {
            offset: record.offset.0,
            timestamp: record.timestamp,
            key: owned(record.key),
            value: owned(record.value),
            headers: record.headers.map(|h| (h.key.to_vec(), owned(h.value))).collect(),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&RecordToWrite<'_>) -> T) -> T {
        let headers = self.headers.iter();
        let headers = headers.map(|(key, value)| Header { key, value: value.as_deref() });
        let headers: Vec<Header<'_>> = headers.collect();
        work(&RecordToWrite {
            offset: Offset(self.offset),
            timestamp: self.timestamp,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &headers,
        })
    }
}

fn codec(magic: i8) -> impl Strategy<Value = Codec> {
    let count = if magic < 2 { 4 } else { 5 };
    proptest::sample::select(Codec::ALL[..count].to_vec())
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => proptest::collection::vec(any::<u8>(), 0..100),
        1 => (0_usize..200_000, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]),
    ]
}

fn timestamp() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => 1_700_000_000_000_i64..1_700_000_100_000,
        1 => Just(-1),
        1 => any::<i64>(),
        1 => prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0)],
    ]
}

/// Records from an offset on.
fn records(base: i64) -> impl Strategy<Value = Vec<Owned>> {
    let gap = prop_oneof![6 => Just(0_i64), 1 => 0_i64..300, 1 => 0_i64..100_000_000];
    let header = (bytes(), proptest::option::of(bytes()));
    let headers = prop_oneof![3 => Just(vec![]), 1 => proptest::collection::vec(header, 1..5)];
    let nullable = || proptest::option::of(bytes());
    let record = (gap, timestamp(), nullable(), nullable(), headers);
    proptest::collection::vec(record, 1..20).prop_map(move |records| {
        let mut next = base;
        let owned = records.into_iter().map(|(gap, timestamp, key, value, headers)| {
            let offset = next + gap;
            next = offset + 1;
            Owned { offset, timestamp, key, value, headers }
        });
        owned.collect()
    })
}

fn fields() -> impl Strategy<Value = BatchFields> {
    let base = prop_oneof![Just(0), 0_i64..1000, Just(i64::MAX - (1 << 40))];
    let sequence = prop_oneof![0..10, Just(i32::MAX)];
    let producer = (any::<bool>(), 0_i64..100, 0_i16..9, sequence, any::<bool>());
    let times = (proptest::option::of(timestamp()), proptest::option::of(timestamp()));
    (base, any::<i32>(), producer, times).prop_map(|(base, epoch, producer, times)| {
        let (has_producer, id, producer_epoch, sequence, is_transactional) = producer;
        let fields = BatchFields {
            partition_leader_epoch: epoch,
            log_append_time: times.0,
            delete_horizon: times.1,
            ..BatchFields::at(Offset(base))
        };
        if !has_producer {
            return fields;
        }
        let (producer_id, base_sequence) = (id, sequence);
        BatchFields { producer_id, producer_epoch, base_sequence, is_transactional, ..fields }
    })
}

fn encoded(
    fields: BatchFields,
    records: &[Owned],
    codec: Codec,
    out: &mut Vec<u8>,
) -> BatchSummary {
    let mut encoder = BatchEncoder::new();
    encoder.begin(fields).unwrap();
    for record in records {
        record.with(|record| {
            let size = encoder.size_after(record).unwrap();
            encoder.append(record).unwrap();
            assert_eq!(encoder.size(), size);
        });
    }
    encoder.finish(&mut Compressor::new(codec, None).unwrap(), out).unwrap()
}

fn encoded_legacy(
    fields: LegacyFields,
    records: &[Owned],
    codec: Codec,
    out: &mut Vec<u8>,
) -> BatchSummary {
    let mut encoder = LegacyEncoder::new();
    encoder.begin(fields).unwrap();
    for record in records {
        record.with(|record| encoder.append(record)).unwrap();
    }
    encoder.finish(&mut Compressor::new(codec, None).unwrap(), out).unwrap()
}

fn decoded(batch: &Batch<'_>) -> Vec<Owned> {
    let mut scratch = Scratch::new(64 << 20);
    let records = batch.records(&mut scratch).unwrap();
    records.map(|record| Owned::of(&record.unwrap())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn a_batch_comes_back_as_it_was(
        (fields, records, codec) in fields().prop_flat_map(|fields| {
            (Just(fields), records(fields.base_offset.0), codec(2))
        }),
        before in proptest::collection::vec(any::<u8>(), 0..3),
    ) {
        let mut out = before.clone();
        let summary = encoded(fields, &records, codec, &mut out);
        let batch = Batch::parse(&out[before.len()..], Position(0)).unwrap();
        prop_assert_eq!(batch.size(), out.len() - before.len());
        prop_assert_eq!(batch.crc(), batch.compute_crc());
        prop_assert_eq!(batch.codec(), Ok(codec));
        prop_assert_eq!(batch.known_base_offset(), Some(fields.base_offset));
        prop_assert_eq!(batch.partition_leader_epoch(), fields.partition_leader_epoch);
        prop_assert_eq!(batch.producer_id(), fields.producer_id);
        prop_assert_eq!(batch.producer_epoch(), fields.producer_epoch);
        prop_assert_eq!(batch.base_sequence(), fields.base_sequence);
        prop_assert_eq!(batch.attributes().is_transactional(), fields.is_transactional);
        prop_assert_eq!(batch.delete_horizon(), fields.delete_horizon);
        let last = records.last().unwrap();
        let (mut expected, mut max) = (records.clone(), i64::MIN);
        for record in &mut expected {
            record.timestamp = fields.log_append_time.unwrap_or(record.timestamp);
            max = max.max(record.timestamp);
        }
        prop_assert_eq!(batch.max_timestamp(), max);
        prop_assert_eq!(batch.last_offset(), Offset(last.offset));
        prop_assert_eq!(batch.records_count().map(|n| n as usize), Some(records.len()));
        prop_assert_eq!(summary, BatchSummary {
            size: batch.size(),
            uncompressed_size: encoded(fields, &records, Codec::None, &mut Vec::new()).size,
            records_size: batch.size() - 61,
            uncompressed_records_size: encoded(fields, &records, Codec::None, &mut Vec::new()).size
                - 61,
            base_offset: fields.base_offset,
            last_offset: batch.last_offset(),
            max_timestamp: max,
            records_count: batch.records_count().unwrap(),
        });
        prop_assert_eq!(decoded(&batch), expected);
        let mut scratch = Scratch::new(64 << 20);
        let mut walked = batch.records(&mut scratch).unwrap();
        for record in walked.by_ref() {
            let record = record.unwrap();
            let delta = i32::try_from(record.offset.0 - fields.base_offset.0).unwrap();
            let sequence = add_sequence(fields.base_sequence, delta);
            prop_assert_eq!(record.sequence, if fields.base_sequence < 0 { -1 } else { sequence });
        }
        prop_assert!(!walked.has_padded_varint());
        prop_assert_eq!(walked.trailing_bytes, 0);
    }

    #[test]
    fn messages_come_back_as_they_were(
        records in prop_oneof![records(0), records(1 << 40)],
        (magic, codec) in (0_i8..2).prop_flat_map(|magic| (Just(magic), codec(magic))),
        log_append_time in proptest::option::of(timestamp()),
    ) {
        let records: Vec<Owned> =
            records.into_iter().map(|record| Owned { headers: vec![], ..record }).collect();
        let mut out = Vec::new();
        let fields = LegacyFields { magic, log_append_time };
        let summary = encoded_legacy(fields, &records, codec, &mut out);
        let batches: Vec<Batch<'_>> =
            Batches::new(&out, Position(0)).map(|batch| batch.unwrap()).collect();
        prop_assert_eq!(batches.len(), if codec == Codec::None { records.len() } else { 1 });
        let mut expected = records.clone();
        for record in &mut expected {
            let timestamp = log_append_time.unwrap_or(record.timestamp);
            record.timestamp = if magic == 0 { -1 } else { timestamp };
        }
        let time = match (magic, log_append_time) {
            (0, _) => TimestampType::NoTimestampType,
            (_, None) => TimestampType::CreateTime,
            (_, Some(_)) => TimestampType::LogAppendTime,
        };
        let mut found = Vec::new();
        for batch in &batches {
            prop_assert_eq!((batch.magic(), batch.codec()), (magic, Ok(codec)));
            prop_assert_eq!(batch.crc(), batch.compute_crc());
            prop_assert_eq!(batch.timestamp_type(), time);
            let mut scratch = Scratch::new(64 << 20);
            for (at, record) in batch.records(&mut scratch).unwrap().enumerate() {
                let record = record.unwrap();
                let message = record.message.unwrap();
                prop_assert_eq!(message.crc(), message.compute_crc());
                prop_assert_eq!(message.magic(), magic);
                // The first of a wrapper of magic 1 is 0, all others are absolute.
                if codec != Codec::None && magic == 1 && at == 0 {
                    prop_assert_eq!(message.offset(), Offset(0));
                } else if codec == Codec::None || magic == 0 {
                    prop_assert_eq!(message.offset(), record.offset);
                }
                prop_assert_eq!(message.key_value().unwrap().bytes_left, 0);
                found.push(Owned::of(&record));
            }
        }
        let max = expected.iter().map(|record| record.timestamp).max().unwrap();
        if codec != Codec::None {
            prop_assert_eq!(batches[0].max_timestamp(), max);
            prop_assert_eq!(batches[0].legacy().unwrap().key_value().unwrap().key, None);
        }
        let (first, last) = (&expected[0], expected.last().unwrap());
        prop_assert_eq!(summary.size, out.len());
        prop_assert_eq!(batches.last().unwrap().last_offset(), Offset(last.offset));
        prop_assert_eq!(
            (summary.base_offset, summary.last_offset),
            (Offset(first.offset), Offset(last.offset))
        );
        let count = summary.records_count as usize;
        prop_assert_eq!((summary.max_timestamp, count), (max, expected.len()));
        prop_assert_eq!(found, expected);
    }
}

/// Bytes that compress a little.
fn mixed(random: &mut Random, length: usize) -> Vec<u8> {
    let mut bytes = random.bytes(length);
    for chunk in bytes.chunks_mut(97).step_by(2) {
        chunk.fill(b'k');
    }
    bytes
}

#[test]
fn every_length_around_a_block_comes_back_and_does_not_depend_on_what_was_before() {
    let mut random = Random::new(5);
    let mut lengths = vec![0, 1, 2, 1 << 20];
    for border in [32 << 10, 64 << 10, 96 << 10, 128 << 10, 256 << 10] {
        lengths.extend(border - 3..border + 4);
    }
    let contents: Vec<Vec<u8>> = lengths.iter().map(|&n| mixed(&mut random, n)).collect();
    let noise = random.bytes(70_000);
    for (codec, level) in [
        (Codec::Gzip, None),
        (Codec::Gzip, Some(1)),
        (Codec::Gzip, Some(9)),
        (Codec::Snappy, None),
        (Codec::Lz4, Some(9)),
        (Codec::Zstd, None),
        (Codec::Zstd, Some(-131_072)),
        (Codec::Zstd, Some(7)),
    ] {
        let mut kept = Compressor::new(codec, level).unwrap();
        let mut scratch = Scratch::new(2 << 20);
        for content in contents.iter().chain([&noise]) {
            let (mut used, mut fresh) = (b"x".to_vec(), b"x".to_vec());
            kept.compress(2, content, &mut used).unwrap();
            let mut new = Compressor::new(codec, level).unwrap();
            new.compress(2, content, &mut fresh).unwrap();
            assert!(used == fresh, "{codec}, {} bytes", content.len());
            let found = scratch.decompress(codec, 2, &used[1..], Position(0)).unwrap();
            assert!(found.bytes == content, "{codec}, {} bytes", content.len());
            assert_eq!((found.trailing, found.ignored_checksum_differs), (0, false));
        }
    }
}

#[test]
fn levels_that_are_not_there_are_refused() {
    for (codec, there, not_there) in [
        (Codec::None, &[][..], &[0, 1][..]),
        (Codec::Gzip, &[-1, 1, 6, 9], &[-2, 0, 10]),
        (Codec::Snappy, &[], &[0, 1]),
        (Codec::Lz4, &[9], &[-1, 0, 1, 8, 10, 17]),
        (Codec::Zstd, &[-131_072, -1, 0, 1, 3, 12], &[-131_073, 23]),
    ] {
        for level in there {
            assert!(Compressor::new(codec, Some(*level)).is_ok(), "{codec} {level}");
        }
        for level in not_there {
            let error = Compressor::new(codec, Some(*level)).err();
            assert!(
                matches!(error, Some(EncodeError::Level { level: l, .. }) if l == *level),
                "{codec} {level}"
            );
        }
    }
    let mut out = b"kept".to_vec();
    let zstd = Compressor::new(Codec::Zstd, None).unwrap().compress(1, b"", &mut out);
    assert_eq!(zstd, Err(EncodeError::CodecNotAllowed { codec: Codec::Zstd, magic: 1 }));
    assert_eq!(out, b"kept");
}

#[test]
fn messages_have_no_headers_and_their_offsets_go_up() {
    let header = [Header { key: b"h", value: None }];
    let record =
        RecordToWrite { offset: Offset(4), timestamp: 1, key: None, value: None, headers: &header };
    let plain = RecordToWrite { headers: &[], ..record };
    let mut encoder = LegacyEncoder::new();
    let mut none = Compressor::none();
    assert_eq!(encoder.append(&plain), Err(EncodeError::NotBegun));
    for magic in [-1, 2] {
        let begun = encoder.begin(LegacyFields { magic, log_append_time: None });
        assert_eq!(begun, Err(EncodeError::Magic(magic)));
    }
    encoder.begin(LegacyFields { magic: 1, log_append_time: None }).unwrap();
    let mut out = Vec::new();
    assert_eq!(encoder.finish(&mut none, &mut out), Err(EncodeError::NoRecords));
    assert_eq!(encoder.append(&record), Err(EncodeError::HeadersNotAllowed(1)));
    let negative = RecordToWrite { offset: Offset(-1), ..plain };
    assert!(matches!(encoder.append(&negative), Err(EncodeError::OffsetGoesBack { .. })));
    encoder.append(&plain).unwrap();
    assert!(matches!(encoder.append(&plain), Err(EncodeError::OffsetGoesBack { .. })));
    let mut zstd = Compressor::new(Codec::Zstd, None).unwrap();
    assert!(matches!(
        encoder.finish(&mut zstd, &mut out),
        Err(EncodeError::CodecNotAllowed { magic: 1, .. })
    ));
    // And can be finished otherwise.
    assert_eq!(out, b"");
    let size = encoder.finish(&mut none, &mut out).unwrap().size;
    assert_eq!((size, out.len()), (34, 34));
}

/// The vectors of the format: a marker, and a message of each magic.
#[test]
fn markers_and_messages_are_the_vectors_of_the_format() {
    let hex = |digits: &str| -> Vec<u8> {
        let digits = digits.replace(' ', "");
        let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        (0..digits.len()).step_by(2).map(byte).collect()
    };
    let marker = TransactionMarker {
        is_abort: false,
        coordinator_epoch: 9,
        producer_id: 4000,
        producer_epoch: 1,
        offset: Offset(7),
        timestamp: 1_700_000_000_000,
        partition_leader_epoch: 3,
    };
    let mut out = Vec::new();
    let mut encoder = BatchEncoder::new();
    let summary = marker.append_to(&mut encoder, &mut out).unwrap();
    assert_eq!((summary.size, summary.records_count, summary.last_offset), (78, 1, Offset(7)));
    let expected = "0000000000000007 00000042 00000003 02 61ca681a 0030 00000000 \
        0000018bcfe56800 0000018bcfe56800 0000000000000fa0 0001 ffffffff 00000001 \
        20 00 00 00 08 00000001 0c 000000000009 00";
    assert_eq!(out, hex(expected));
    for marker in [marker, TransactionMarker { is_abort: true, coordinator_epoch: -2, ..marker }] {
        let (key, value) = marker.key_value();
        let epoch = marker.coordinator_epoch;
        let expected = if marker.is_abort {
            ControlRecord::Abort { coordinator_epoch: epoch }
        } else {
            ControlRecord::Commit { coordinator_epoch: epoch }
        };
        assert_eq!(ControlRecord::parse(Some(&key), Some(&value), Position(0)), Ok(expected));
    }
    let no_producer = TransactionMarker { producer_id: -1, ..marker };
    assert!(no_producer.append_to(&mut encoder, &mut out).is_err());

    let record = Owned {
        offset: 5,
        timestamp: 1_700_000_000_000,
        key: Some(b"k".to_vec()),
        value: Some(b"v1".to_vec()),
        headers: vec![],
    };
    for (magic, expected) in [
        (0, "0000000000000005 00000011 61505427 0000 00000001 6b 00000002 7631"),
        (1, "0000000000000005 00000019 3e731674 0100 0000018bcfe56800 00000001 6b 00000002 7631"),
    ] {
        let fields = LegacyFields { magic, log_append_time: None };
        let mut out = Vec::new();
        encoded_legacy(fields, std::slice::from_ref(&record), Codec::None, &mut out);
        assert_eq!(out, hex(expected), "magic {magic}");
    }
}

/// Logs of every magic and codec, with producers and transactions in magic 2.
fn log(magic: i8, random: &mut Random) -> Vec<u8> {
    let (mut log, mut next, mut sequence) = (Vec::new(), 0_i64, 0_i32);
    let mut timestamp = 1_700_000_000_000;
    for round in 0..40 {
        let codec = Codec::ALL[round % if magic < 2 { 4 } else { 5 }];
        let mut records = Vec::new();
        let base = next;
        for _ in 0..=random.below(20) {
            let key = (random.below(3) > 0).then(|| random.bytes(9));
            let size = if random.below(40) == 0 { 40_000 } else { random.below(200) };
            let value = (random.below(9) > 0).then(|| mixed(random, size));
            timestamp += random.below(50) as i64 - 10;
            let headers = match random.below(4) {
                0 if magic == 2 => vec![(b"h".to_vec(), None), (b"i".to_vec(), Some(vec![1]))],
                _ => vec![],
            };
            records.push(Owned { offset: next, timestamp, key, value, headers });
            next += 1;
        }
        let log_append_time = (round % 7 == 3).then_some(timestamp + 1000);
        if magic < 2 {
            encoded_legacy(LegacyFields { magic, log_append_time }, &records, codec, &mut log);
            continue;
        }
        let is_transactional = round % 2 == 0;
        let fields = BatchFields {
            partition_leader_epoch: (round / 10) as i32,
            log_append_time,
            producer_id: if is_transactional { 4000 } else { -1 },
            producer_epoch: if is_transactional { 0 } else { -1 },
            base_sequence: if is_transactional { sequence } else { -1 },
            is_transactional,
            ..BatchFields::at(Offset(base))
        };
        encoded(fields, &records, codec, &mut log);
        if is_transactional {
            sequence += records.len() as i32;
            let marker = TransactionMarker {
                is_abort: round % 4 == 0,
                coordinator_epoch: 2,
                producer_id: 4000,
                producer_epoch: 0,
                offset: Offset(next),
                timestamp,
                partition_leader_epoch: fields.partition_leader_epoch,
            };
            marker.append_to(&mut BatchEncoder::new(), &mut log).unwrap();
            next += 1;
        }
    }
    log
}

#[test]
fn verify_finds_nothing_in_what_was_encoded() {
    let mut random = Random::new(11);
    for magic in [0, 1, 2] {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("00000000000000000000.log");
        fs::write(&file, log(magic, &mut random)).unwrap();
        let run = seg(place.path(), &["verify", "-v", "--format", "json", file.to_str().unwrap()]);
        let findings = run.rows_of("finding");
        let codes = findings.iter().map(|row| row["code"].as_str().unwrap());
        let codes: Vec<&str> = codes.filter(|&code| code != "legacy-format").collect();
        assert_eq!(codes, [""; 0], "magic {magic}");
        let batches = run.rows_of("summary")[0]["batches"].as_u64().unwrap();
        assert!(batches > 10, "magic {magic}: {batches}");
        assert_eq!(run.stderr, "", "magic {magic}");
    }
}

/// What stands in a compressed payload besides what its library makes of the bytes.
fn framing(codec: Codec, payload: &[u8], content: usize) -> Vec<u8> {
    let be = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap()) as usize;
    let le = |at: usize| u32::from_le_bytes(payload[at..at + 4].try_into().unwrap()) as usize;
    let mut found = Vec::new();
    match codec {
        Codec::None => {}
        Codec::Gzip => {
            found.extend_from_slice(&payload[..10]);
            found.extend_from_slice(&payload[payload.len() - 8..]);
        }
        Codec::Snappy => {
            found.extend_from_slice(&payload[..16]);
            let mut at = 16;
            while at < payload.len() {
                let block = &payload[at + 4..at + 4 + be(at)];
                let declared = snap::raw::decompress_len(block).unwrap() as u64;
                found.extend_from_slice(&declared.to_be_bytes());
                at += 4 + be(at);
            }
        }
        Codec::Lz4 => {
            found.extend_from_slice(&payload[..7]);
            let (mut at, mut left) = (7, content);
            while left > 0 {
                let stored = le(at) >> 31;
                let length = le(at) & 0x7fff_ffff;
                let block = left.min(64 << 10);
                assert!(if stored == 1 { length == block } else { length < block });
                at += 4 + length;
                left -= block;
            }
            found.extend_from_slice(&payload[at..]);
        }
        Codec::Zstd => found.extend_from_slice(&payload[..6]),
    }
    found
}

#[test]
fn what_the_java_client_compressed_is_compressed_the_same() {
    for codec in &Codec::ALL[1..] {
        let partition = partitions_called(&format!("codec-{codec}-0"));
        let (mut batches, mut equal, mut ours, mut java) = (0, 0, 0, 0);
        let mut compressor = Compressor::new(*codec, None).unwrap();
        let mut scratch = Scratch::new(16 << 20);
        for file in partition.iter().flat_map(|partition| files_ending(partition, ".log")) {
            let bytes = fs::read(&file).unwrap();
            for batch in Batches::new(&bytes, Position(0)).map(|batch| batch.unwrap()) {
                let payload = batch.payload().unwrap();
                let content = scratch.decompress(*codec, 2, payload, Position(0)).unwrap().bytes;
                let mut again = Vec::new();
                compressor.compress(2, content, &mut again).unwrap();
                let [theirs, mine] = [payload, &again].map(|p| framing(*codec, p, content.len()));
                assert_eq!(theirs, mine, "{} at {}", file.display(), batch.position());
                batches += 1;
                (ours, java) = (ours + again.len(), java + payload.len());
                equal += usize::from(payload == again);
            }
        }
        assert!(batches > 5, "{codec}: {batches} batches");
        // The library is another, or another release of it: it finds about the same.
        let percent = if matches!(codec, Codec::Gzip | Codec::Lz4) { 112 } else { 104 };
        assert!(ours * 100 <= java * percent, "{codec}: {ours} bytes where Java has {java}");
        // Snappy and zstd make the same bytes of some.
        assert!(equal > 0 || matches!(codec, Codec::Gzip | Codec::Lz4), "{codec}: {equal}");
    }
}

/// What `batch` is if its records are written anew; `None` where that cannot be the same.
fn encoded_again(batch: &Batch<'_>, records: &[Owned]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let attributes = batch.attributes();
    // A broker that sets the time leaves what a producer wrote besides.
    if attributes.is_log_append_time() {
        return None;
    }
    let log_append_time = None;
    if batch.magic() < 2 {
        let fields = LegacyFields { magic: batch.magic(), log_append_time };
        encoded_legacy(fields, records, batch.codec().unwrap(), &mut out);
        return Some(out);
    }
    // What compaction leaves of a batch.
    let (first, last) = (records.first()?, records.last()?);
    let is_whole = batch.known_base_offset() == Some(Offset(first.offset))
        && batch.last_offset() == Offset(last.offset)
        && batch.base_timestamp().is_none_or(|base| base == first.timestamp);
    if !is_whole {
        return None;
    }
    let fields = BatchFields {
        base_offset: batch.known_base_offset()?,
        partition_leader_epoch: batch.partition_leader_epoch(),
        log_append_time,
        producer_id: batch.producer_id(),
        producer_epoch: batch.producer_epoch(),
        base_sequence: batch.base_sequence(),
        is_transactional: attributes.is_transactional(),
        is_control: attributes.is_control(),
        delete_horizon: batch.delete_horizon(),
    };
    encoded(fields, records, batch.codec().unwrap(), &mut out);
    Some(out)
}

/// The payload of a batch of any magic, decompressed.
fn payload(batch: &Batch<'_>) -> Vec<u8> {
    let wrapped = || batch.legacy().unwrap().key_value().unwrap().value.unwrap_or_default();
    let payload = batch.payload().unwrap_or_else(wrapped);
    let mut scratch = Scratch::new(64 << 20);
    let codec = batch.codec().unwrap();
    scratch.decompress(codec, batch.magic(), payload, Position(0)).unwrap().bytes.to_vec()
}

#[test]
fn what_brokers_and_clients_wrote_is_written_the_same() {
    let [same, left] = [(); 2].map(|()| AtomicUsize::new(0));
    let other = Mutex::new(Vec::new());
    in_parallel(&partitions(&testdata()), |partition| {
        for file in files_ending(partition, ".log") {
            let bytes = fs::read(&file).unwrap();
            for batch in Batches::new(&bytes, Position(0)).map_while(Result::ok) {
                let mut scratch = Scratch::new(64 << 20);
                let Ok(records) = batch.records(&mut scratch) else { continue };
                let Ok(records) = records.collect::<Result<Vec<_>, _>>() else { continue };
                let records: Vec<Owned> = records.iter().map(Owned::of).collect();
                let Some(again) = encoded_again(&batch, &records) else {
                    left.fetch_add(1, Ordering::Relaxed);
                    continue;
                };
                let ours = Batch::parse(&again, Position(0)).unwrap();
                assert_eq!(decoded(&ours), records);
                let is_same = if batch.codec() == Ok(Codec::None) {
                    again == batch.bytes()
                } else {
                    payload(&ours) == payload(&batch)
                };
                if is_same {
                    same.fetch_add(1, Ordering::Relaxed);
                } else {
                    let place = format!("{} at {}", file.display(), batch.position());
                    other.lock().unwrap().push(place);
                }
            }
        }
    });
    let [same, left] = [same, left].map(AtomicUsize::into_inner);
    let other = other.into_inner().unwrap();
    assert!(other.is_empty(), "{}", other.join("\n"));
    assert!(same > 1000 && same > left * 5, "{same} the same, {left} not comparable");
}
