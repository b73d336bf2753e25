//! Batches against a model that writes every record out, byte by byte, and counts.

use super::*;
use proptest::prelude::*;

/// What a sink saw.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Closed {
    batch: NewBatch,
    /// Offset, timestamp and value of each record.
    records: Vec<(i64, i64, Vec<u8>)>,
}

#[derive(Default)]
struct Sink {
    open: Option<Closed>,
    closed: Vec<Closed>,
    /// Bytes that batches come to in turn.
    compressed: Vec<u64>,
    /// Bytes of the records of each batch as they are written out.
    uncompressed: Vec<u64>,
    /// How many batches later it is known what one came to.
    late: usize,
}

impl BatchSink for Sink {
    type Error = std::convert::Infallible;

    fn open(&mut self, batch: &NewBatch) -> Result<(), Self::Error> {
        assert!(self.open.is_none(), "a batch is open");
        self.open = Some(Closed { batch: *batch, records: Vec::new() });
        self.uncompressed.push(0);
        Ok(())
    }

    fn append(&mut self, record: &NewRecord<'_>) -> Result<(), Self::Error> {
        let length = |bytes: Option<&[u8]>| bytes.map(<[u8]>::len);
        let given = Given { key: length(record.key), value: length(record.value), ..plain(0) };
        let value = record.value.unwrap_or_default().to_vec();
        let open = self.open.as_mut().unwrap();
        open.records.push((record.offset, record.timestamp, value));
        let (base_offset, base_timestamp) = (open.records[0].0, open.records[0].1);
        let deltas = (record.offset - base_offset, record.timestamp - base_timestamp);
        *self.uncompressed.last_mut().unwrap() += written(&given, deltas.0, deltas.1).len() as u64;
        Ok(())
    }

    fn close(&mut self) -> Result<Option<(u64, u64)>, Self::Error> {
        let closed = self.open.take().unwrap();
        assert!(!closed.records.is_empty());
        self.closed.push(closed);
        Ok(self.closed.len().checked_sub(1 + self.late).map(|known| {
            (self.compressed.get(known).copied().unwrap_or(100), self.uncompressed[known])
        }))
    }
}

fn batching() -> Batching {
    Batching {
        batch_size: 200,
        linger_ms: None,
        max_request_size: 1000,
        magic: 2,
        is_compressed: false,
        uncompressed_size: u64::MAX,
        timestamp_type: TimestampType::CreateTime,
        partition_leader_epoch: None,
        is_compacted: false,
    }
}

/// What a record is made of.
#[derive(Clone, Debug)]
struct Given {
    offset: Option<i64>,
    timestamp: i64,
    key: Option<usize>,
    value: Option<usize>,
    sequence: i32,
    epoch: Option<i32>,
    producer: ProducerFields,
}

const BYTES: [u8; 2000] = [b'x'; 2000];

impl Given {
    fn record(&self) -> InputRecord<'static> {
        let bytes = |length: Option<usize>| length.map(|length| &BYTES[..length]);
        let mut record = InputRecord::plain(1, bytes(self.key), bytes(self.value));
        record.offset = self.offset;
        record.timestamp = Some(self.timestamp);
        record.sequence = self.sequence;
        record.partition_leader_epoch = self.epoch;
        record.producer = self.producer;
        record
    }
}

fn plain(value: usize) -> Given {
    let producer = ProducerFields::NONE;
    let (offset, key, value) = (None, None, Some(value));
    Given { offset, timestamp: 1000, key, value, sequence: -1, epoch: None, producer }
}

/// How many records each batch gets.
fn batches(batching: Batching, given: &[Given], compressed: &[u64]) -> (Vec<Closed>, Vec<Refusal>) {
    let sink = Sink { compressed: compressed.to_vec(), ..Sink::default() };
    batches_in(sink, batching, given)
}

fn batches_in(mut sink: Sink, batching: Batching, given: &[Given]) -> (Vec<Closed>, Vec<Refusal>) {
    let mut accumulator = Accumulator::new(batching, 0, -1);
    let mut refused = Vec::new();
    for given in given {
        let before = accumulator.next_offset();
        match accumulator.append(&given.record(), 5, &mut sink) {
            Ok(appended) => assert_eq!(appended.offset, given.offset.unwrap_or(before)),
            Err(AppendError::Refused(why)) => {
                assert_eq!(accumulator.next_offset(), before);
                refused.push(why);
            }
            Err(AppendError::Sink(never)) => match never {},
        }
    }
    accumulator.close(&mut sink).unwrap();
    (sink.closed, refused)
}

fn counts(closed: &[Closed]) -> Vec<usize> {
    closed.iter().map(|closed| closed.records.len()).collect()
}

fn varint(out: &mut Vec<u8>, value: i64) {
    let mut raw = i128::from(value) * 2;
    if raw < 0 {
        raw = -raw - 1;
    }
    loop {
        let byte = (raw % 128) as u8;
        raw /= 128;
        out.push(if raw > 0 { byte | 0x80 } else { byte });
        if raw == 0 {
            return;
        }
    }
}

/// A record without its length: attributes and deltas, which take 3 bytes where they are 0, then
/// key, value and headers.
fn body(given: &Given, offset_delta: i64, timestamp_delta: i64) -> Vec<u8> {
    let mut body = vec![0];
    varint(&mut body, timestamp_delta);
    varint(&mut body, offset_delta);
    for length in [given.key, given.value] {
        varint(&mut body, length.map_or(-1, |length| length as i64));
        body.extend_from_slice(&BYTES[..length.unwrap_or(0)]);
    }
    varint(&mut body, 0);
    body
}

/// A record as it stands in a batch.
fn written(given: &Given, offset_delta: i64, timestamp_delta: i64) -> Vec<u8> {
    let body = body(given, offset_delta, timestamp_delta);
    let mut out = Vec::new();
    varint(&mut out, body.len() as i64);
    out.extend_from_slice(&body);
    out
}

/// The same decisions, made anew for every record from all records of the batch.
fn model(batching: Batching, given: &[Given]) -> Vec<usize> {
    let mut counts = Vec::new();
    let mut batch: Vec<(i64, &Given)> = Vec::new();
    let mut next = 0;
    for new in given {
        let offset = new.offset.unwrap_or(next);
        next = offset + 1;
        if let Some(&(base, first)) = batch.first() {
            let mut size = 61;
            for (offset, given) in &batch {
                let timestamp_delta = given.timestamp - first.timestamp;
                size += written(given, offset - base, timestamp_delta).len();
            }
            // Key, value and headers, and 21 bytes for all that may stand around them.
            let first_alone = 61 + 21 + body(first, 0, 0).len() - 3;
            let limit = first_alone.max(usize::try_from(batching.batch_size).unwrap());
            let more = written(new, offset - base, new.timestamp - first.timestamp).len();
            let is_continued = first.sequence < 0 && new.sequence < 0
                || i64::from(new.sequence) == i64::from(first.sequence) + offset - base;
            let waited = new.timestamp - first.timestamp;
            let fits = limit > size
                && limit >= size + more
                && offset - base <= i64::from(i32::MAX)
                && is_continued
                && new.epoch == first.epoch
                && new.producer == first.producer
                && !new.producer.is_control
                && batching.linger_ms.is_none_or(|linger| waited <= linger)
                && (waited == 0 || batching.timestamp_type == TimestampType::CreateTime);
            if !fits {
                counts.push(std::mem::take(&mut batch).len());
            }
        }
        batch.push((offset, new));
    }
    if !batch.is_empty() {
        counts.push(batch.len());
    }
    counts
}

fn any_given() -> impl Strategy<Value = Given> {
    let size = prop_oneof![8 => 0_usize..70, 1 => 100_usize..300, 1 => Just(115_usize)];
    let producer =
        (0_i64..2, 0_i16..2, any::<bool>(), prop_oneof![9 => Just(false), 1 => Just(true)]);
    let rare = prop_oneof![4 => Just(true), 1 => Just(false)];
    let fields = (proptest::option::of(size.clone()), proptest::option::of(size), rare, producer);
    (fields, 0_i64..4, prop_oneof![12 => Just(0), 2 => 1_i64..4, 1 => Just(1 << 31)]).prop_map(
        |((key, value, is_plain, producer), timestamp, gap)| {
            let (producer_id, producer_epoch, is_transactional, is_control) = producer;
            let is_transactional = is_transactional || is_control;
            let of = ProducerFields { producer_id, producer_epoch, is_transactional, is_control };
            Given {
                offset: Some(gap),
                timestamp: 1000 + timestamp * timestamp * 30,
                key,
                value,
                sequence: if is_plain || is_control { -1 } else { 0 },
                epoch: None,
                producer: if is_plain { ProducerFields::NONE } else { of },
            }
        },
    )
}

proptest! {
    #[test]
    fn batches_are_those_of_the_model(
        mut given in proptest::collection::vec(any_given(), 1..60),
        linger_ms in proptest::option::of(0_i64..200),
        is_log_append in any::<bool>(),
        epochs in proptest::collection::vec(0_i32..60, 0..3),
    ) {
        let (mut next, mut sequence, mut epoch) = (0, 0, 0);
        for (index, given) in given.iter_mut().enumerate() {
            // What was a gap becomes an offset; sequences go on with the offsets, nearly always.
            let offset = next + given.offset.unwrap();
            (given.offset, next) = (Some(offset), offset + 1);
            if given.sequence >= 0 {
                given.sequence = i32::try_from(offset % (1 << 30)).unwrap() + sequence;
                sequence += i32::from(offset % 11 == 0);
            }
            epoch += i32::from(epochs.contains(&i32::try_from(index).unwrap()));
            given.epoch = Some(epoch);
        }
        let timestamp_type = match is_log_append {
            true => TimestampType::LogAppendTime,
            false => TimestampType::CreateTime,
        };
        let batching = Batching { linger_ms, timestamp_type, ..batching() };
        let (closed, refused) = batches(batching, &given, &[]);
        prop_assert_eq!(refused, vec![]);
        prop_assert_eq!(counts(&closed), model(batching, &given));
        // All records, in their order, each in a batch that says of it what it said.
        let mut all = given.iter();
        for batch in &closed {
            for record in &batch.records {
                let given = all.next().unwrap();
                prop_assert_eq!(Some(record.0), given.offset);
                prop_assert_eq!(record.1, given.timestamp);
                prop_assert_eq!(record.2.len(), given.value.unwrap_or(0));
                prop_assert_eq!(batch.batch.producer, given.producer);
                prop_assert_eq!(Some(batch.batch.partition_leader_epoch), given.epoch);
            }
            prop_assert_eq!(batch.batch.base_offset, batch.records[0].0);
        }
        prop_assert!(all.next().is_none());
    }

    /// What has room is what is put into the same batch.
    #[test]
    fn room_is_what_appending_finds(given in proptest::collection::vec(any_given(), 1..60)) {
        let mut accumulator = Accumulator::new(batching(), 0, -1);
        let mut sink = Sink::default();
        for given in given {
            let record = InputRecord { offset: None, ..given.record() };
            let has_room = accumulator.has_room(&record, 0);
            let batches = sink.closed.len() + usize::from(sink.open.is_some());
            if accumulator.append(&record, 0, &mut sink).is_ok() {
                let after = sink.closed.len() + 1;
                prop_assert_eq!(has_room, after == batches);
            } else {
                prop_assert!(!has_room);
            }
        }
    }
}

#[test]
fn offsets_and_times_are_kept_or_given() {
    let mut kept = plain(1);
    kept.offset = Some(7);
    let given = [plain(1), kept, plain(1)];
    let (closed, _) = batches(batching(), &given, &[]);
    let offsets: Vec<i64> = closed[0].records.iter().map(|record| record.0).collect();
    assert_eq!(offsets, [0, 7, 8]);
    let mut accumulator = Accumulator::new(batching(), 41, -1);
    let mut sink = Sink::default();
    let record = InputRecord { timestamp: None, ..plain(1).record() };
    accumulator.append(&record, 77, &mut sink).unwrap();
    assert_eq!(sink.open.unwrap().records[0], (41, 77, b"x".to_vec()));
    let mut last = plain(1);
    last.offset = Some(i64::MAX);
    let refused = batches(batching(), &[last, plain(1)], &[]).1;
    assert_eq!(refused, [Refusal::NoOffsetLeft]);
}

#[test]
fn what_cannot_be_written_changes_nothing() {
    let none = ProducerFields::NONE;
    let of = |change: fn(&mut Given)| {
        let mut given = plain(1);
        change(&mut given);
        given
    };
    let cases: [(Given, Batching, &str); 11] = [
        (of(|g| g.offset = Some(1)), batching(), "offset 1 is below 2, the next that is free"),
        (of(|g| g.offset = Some(-1)), batching(), "offset -1 is below 2, the next that is free"),
        (of(|g| g.timestamp = -2), batching(), "timestamp -2 is below -1"),
        (of(|g| g.epoch = Some(3)), batching(), "partitionLeaderEpoch 3 comes behind 4"),
        (
            of(|g| g.value = Some(915)),
            batching(),
            "the record has up to 1001 bytes, and max.request.size is 1000",
        ),
        (
            plain(1),
            Batching { is_compacted: true, ..batching() },
            "the topic is compacted and the record has no key",
        ),
        (
            of(|g| g.producer.is_transactional = true),
            batching(),
            "transactional, and without a producerId",
        ),
        (of(|g| g.producer.producer_id = 1), batching(), "a producerId without a producerEpoch"),
        (
            of(|g| g.producer = ProducerFields { producer_id: 1, producer_epoch: 0, ..g.producer }),
            batching(),
            "a producerId without a sequence",
        ),
        (
            of(|g| g.producer.producer_id = 1),
            Batching { magic: 1, ..batching() },
            "magic 1 has no producer ids",
        ),
        (
            of(|g| g.producer.is_control = true),
            Batching { magic: 0, ..batching() },
            "magic 0 has no control records",
        ),
    ];
    for (given, batching, sentence) in cases {
        let mut first = plain(1);
        (first.epoch, first.key, first.producer) = (Some(4), Some(1), none);
        let (closed, refused) =
            batches(batching, &[first.clone(), first.clone(), given, first], &[]);
        assert_eq!(refused.iter().map(Refusal::to_string).collect::<Vec<_>>(), [sentence]);
        assert_eq!(counts(&closed), [3], "{sentence}");
    }
    // One byte less is taken.
    assert_eq!(batches(batching(), &[plain(914)], &[]).1, []);
}

/// Sequences go on at 0 behind the greatest number.
#[test]
fn sequences_wrap() {
    let producer = ProducerFields { producer_id: 1, producer_epoch: 0, ..ProducerFields::NONE };
    let given =
        [i32::MAX - 1, i32::MAX, 0, 1, 3].map(|sequence| Given { sequence, producer, ..plain(1) });
    let (closed, _) = batches(batching(), &given, &[]);
    assert_eq!(counts(&closed), [4, 1]);
    assert_eq!(closed[1].batch.base_sequence, 3);
}

/// A batch that is thought to be compressed to half takes about twice as many records.
#[test]
fn batches_grow_with_what_compression_saves() {
    let batching = Batching { batch_size: 2000, is_compressed: true, ..batching() };
    let given = vec![plain(93); 4000];
    let (half, _) = batches(batching, &given, &[900; 200]);
    let half = counts(&half);
    // 100 bytes a record: 18 times 100 times 1.05 and the header, and room for one more.
    assert_eq!(half[0], 18);
    assert!(half.windows(2).rev().skip(1).all(|pair| pair[0] <= pair[1]), "{half:?}");
    assert!(half[half.len() - 2] > 30, "{half:?}");
    let (none, _) = batches(batching, &given, &[3000; 400]);
    assert!(counts(&none).iter().skip(1).all(|count| *count < 18), "{none:?}");
}

/// What is known later counts later, and nothing else changes; what is never known, never.
#[test]
fn what_batches_came_to_may_be_known_later() {
    let batching = Batching { batch_size: 2000, is_compressed: true, ..batching() };
    let given = vec![plain(93); 4000];
    let counts_with = |late| {
        let sink = Sink { compressed: vec![900; 200], late, ..Sink::default() };
        counts(&batches_in(sink, batching, &given).0)
    };
    let at_once = counts_with(0);
    for late in [1, 3, 20] {
        let counts = counts_with(late);
        assert_eq!(counts[..late], vec![18; late]);
        assert_eq!(counts[late..late + 60], at_once[..60], "{late}");
    }
    let never = counts_with(usize::MAX - 1);
    assert!(never.iter().rev().skip(1).all(|count| *count == 18), "{never:?}");
}

/// The record at `index` of a series that was given to the Java client too: timestamp, and the
/// lengths of key and value.
fn series(index: u64) -> Given {
    let bits = crate::produce::random::number(11, index) >> 33;
    let value = bits % if index.is_multiple_of(7) { 300 } else { 60 };
    let key = (!index.is_multiple_of(5)).then_some((index % 13) as usize);
    Given { timestamp: 1000 + index as i64 * 3, key, ..plain(value as usize) }
}

/// How many records its batches had: those of a `ProducerBatch` of kafka-clients 4.4.0 for each,
/// made anew where `tryAppend` took no more. A compressed batch came to what stands below, which
/// the estimate for the next one goes by.
#[test]
fn batches_are_those_of_the_java_client() {
    let plain: Vec<Given> = (0..150).map(series).collect();
    let batching = Batching { max_request_size: MAX_REQUEST_SIZE, ..batching() };
    assert_eq!(counts(&batches(batching, &plain, &[]).0), JAVA_COUNTS);
    let gzip: Vec<Given> = (0..2500).map(series).collect();
    let batching = Batching { batch_size: 2000, is_compressed: true, ..batching };
    assert_eq!(counts(&batches(batching, &gzip, &JAVA_GZIP_BYTES).0), JAVA_GZIP_COUNTS);
}

const JAVA_COUNTS: [usize; 73] = [
    1, 2, 3, 1, 1, 3, 2, 1, 1, 3, 4, 2, 2, 2, 1, 2, 3, 1, 1, 2, 4, 1, 3, 2, 1, 1, 3, 3, 1, 4, 1, 1,
    2, 3, 2, 1, 2, 3, 2, 3, 2, 1, 1, 3, 3, 1, 3, 3, 1, 3, 2, 1, 1, 4, 2, 1, 3, 2, 2, 2, 3, 1, 1, 6,
    3, 2, 2, 1, 2, 2, 2, 1, 2,
];

const JAVA_GZIP_COUNTS: [usize; 69] = [
    28, 29, 34, 27, 30, 35, 28, 28, 34, 30, 34, 34, 31, 36, 34, 39, 28, 35, 35, 33, 25, 35, 34, 38,
    33, 40, 35, 37, 31, 35, 30, 26, 32, 36, 32, 28, 31, 41, 40, 30, 45, 40, 36, 35, 38, 40, 39, 43,
    37, 42, 37, 49, 40, 37, 44, 45, 30, 39, 44, 47, 47, 52, 44, 42, 45, 46, 49, 35, 22,
];

const JAVA_GZIP_BYTES: [u64; 69] = [
    732, 780, 773, 747, 775, 818, 764, 763, 780, 783, 817, 805, 807, 832, 819, 863, 762, 852, 850,
    840, 790, 861, 851, 886, 831, 879, 807, 882, 851, 875, 834, 840, 863, 895, 831, 790, 879, 946,
    922, 888, 991, 935, 934, 936, 934, 957, 964, 982, 976, 992, 959, 1046, 997, 973, 1038, 1054,
    867, 1008, 1061, 1085, 1065, 1111, 1079, 1062, 1084, 1063, 1082, 958, 624,
];
