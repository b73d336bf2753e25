//! What is encoded is what the view gives back: batches of every magic and codec.

use super::memory::{SMALL, within};
use super::picks::Picks;
use super::slow::{self, Record};
use segkit::format::encode::{
    BatchEncoder, BatchFields, BatchSummary, Compressor, LegacyEncoder, LegacyFields, RecordToWrite,
};
use segkit::format::{Batch, Codec, Header, Offset, Position, Scratch};

const RECORDS: usize = 500;
const DECOMPRESSED: usize = 8 << 20;

/// Choices: codec and magic, fields, then record after record.
pub fn run(data: &[u8]) {
    // Compressors have contexts of their own, up to a megabyte.
    within(96 * data.len() + (8 << 20) + SMALL, || {
        let mut picks = Picks::new(data);
        let choice = picks.byte();
        let codec = Codec::from_id(choice & 7).unwrap_or(Codec::None);
        match choice >> 6 {
            0 | 3 => v2(&mut picks, codec),
            magic => legacy(&mut picks, codec, magic as i8 - 1),
        }
    });
}

/// A record that was chosen.
struct Chosen<'a> {
    offset: i64,
    timestamp: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: Vec<Header<'a>>,
}

fn choose<'a>(picks: &mut Picks<'a>, last: i64) -> Chosen<'a> {
    let gap = match picks.byte() {
        0xff => picks.number(),
        short => i64::from(short >> 5) + 1,
    };
    let headers = picks.byte() & 3;
    Chosen {
        offset: last.saturating_add(gap),
        timestamp: picks.number(),
        key: picks.nullable_bytes(),
        value: picks.nullable_bytes(),
        headers: (1..headers)
            .map(|_| Header { key: picks.bytes(), value: picks.nullable_bytes() })
            .collect(),
    }
}

impl Chosen<'_> {
    fn to_write(&self) -> RecordToWrite<'_> {
        let &Self { timestamp, key, value, .. } = self;
        RecordToWrite { offset: Offset(self.offset), timestamp, key, value, headers: &self.headers }
    }

    fn owned(&self, timestamp: i64, sequence: i32) -> Record {
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        Record {
            offset: self.offset,
            timestamp,
            key: owned(self.key),
            value: owned(self.value),
            headers: self.headers.iter().map(|h| (h.key.to_vec(), owned(h.value))).collect(),
            sequence,
        }
    }
}

fn v2(picks: &mut Picks<'_>, codec: Codec) {
    let flags = picks.byte();
    let fields = BatchFields {
        base_offset: Offset(picks.number()),
        partition_leader_epoch: picks.number() as i32,
        log_append_time: (flags & 1 != 0).then(|| picks.number()),
        producer_id: picks.number(),
        producer_epoch: picks.number() as i16,
        base_sequence: picks.number() as i32,
        is_transactional: flags & 2 != 0,
        is_control: flags & 4 != 0,
        delete_horizon: (flags & 8 != 0).then(|| picks.number()),
    };
    let mut encoder = BatchEncoder::new();
    if encoder.begin(fields).is_err() {
        return;
    }
    let (mut expected, mut last) = (Vec::new(), fields.base_offset.0 - 1);
    let mut greatest = None;
    while !picks.is_empty() && expected.len() < RECORDS {
        let chosen = choose(picks, last);
        let (before, count) = (encoder.size(), encoder.records_count());
        let size = encoder.size_after(&chosen.to_write());
        let appended = encoder.append(&chosen.to_write());
        assert_eq!(size.is_ok(), appended.is_ok());
        if appended.is_err() {
            assert_eq!((encoder.size(), encoder.records_count()), (before, count));
            continue;
        }
        assert_eq!(size.ok(), Some(encoder.size()));
        last = chosen.offset;
        greatest = greatest.max(Some(chosen.timestamp));
        let timestamp = fields.log_append_time.unwrap_or(chosen.timestamp);
        let delta = chosen.offset - fields.base_offset.0;
        let sequence = match fields.base_sequence {
            base @ 0.. => ((i64::from(base) + delta) % (1 << 31)) as i32,
            _ => -1,
        };
        expected.push(chosen.owned(timestamp, sequence));
    }
    let (mut out, mut compressor) = (b"in front".to_vec(), compressor(codec));
    let Ok(summary) = encoder.finish(&mut compressor, &mut out) else {
        assert!(expected.is_empty());
        return;
    };
    let batch = look(&out, &summary, codec, &expected);
    assert_eq!(batch.max_timestamp(), fields.log_append_time.or(greatest).unwrap());
    assert_eq!(batch.partition_leader_epoch(), fields.partition_leader_epoch);
    assert_eq!(batch.producer_id(), fields.producer_id);
    assert_eq!(batch.producer_epoch(), fields.producer_epoch);
    assert_eq!(batch.delete_horizon(), fields.delete_horizon);
    assert_eq!(batch.attributes().is_control(), fields.is_control);
    assert_eq!(batch.attributes().is_transactional(), fields.is_transactional);
    assert_eq!(batch.known_base_offset(), Some(fields.base_offset));
    assert_eq!(batch.records_count(), Some(expected.len() as i32));
}

fn compressor(codec: Codec) -> Compressor {
    Compressor::new(codec, None).unwrap()
}

/// The one batch behind what was there before.
fn look<'a>(out: &'a [u8], summary: &BatchSummary, codec: Codec, expected: &[Record]) -> Batch<'a> {
    let bytes = out.strip_prefix(b"in front").unwrap();
    let batch = Batch::parse(bytes, Position(0)).unwrap();
    assert_eq!((batch.size(), batch.size()), (bytes.len(), summary.size));
    assert_eq!(batch.crc(), batch.compute_crc());
    let header = slow::header(bytes).unwrap();
    assert_eq!(header.crc, header.computed_crc);
    assert_eq!(batch.codec(), Ok(codec));
    assert_eq!(batch.last_offset().0, expected.last().unwrap().offset);
    assert_eq!(summary.last_offset, batch.last_offset());
    assert_eq!(summary.records_count, expected.len() as i32);
    assert_eq!(records(&batch), expected);
    batch
}

fn records(batch: &Batch<'_>) -> Vec<Record> {
    let mut scratch = Scratch::new(DECOMPRESSED);
    let mut found = Vec::new();
    for record in batch.records(&mut scratch).unwrap() {
        let record = record.unwrap();
        found.push(
            Chosen {
                offset: record.offset.0,
                timestamp: record.timestamp,
                key: record.key,
                value: record.value,
                headers: record.headers.collect(),
            }
            .owned(record.timestamp, record.sequence),
        );
    }
    found
}

fn legacy(picks: &mut Picks<'_>, codec: Codec, magic: i8) {
    if codec == Codec::Zstd {
        return;
    }
    let flags = picks.byte();
    let log_append_time = (flags & 1 != 0).then(|| picks.number());
    let mut encoder = LegacyEncoder::new();
    encoder.begin(LegacyFields { magic, log_append_time }).unwrap();
    let (mut expected, mut last) = (Vec::new(), picks.number());
    while !picks.is_empty() && expected.len() < RECORDS {
        let mut chosen = choose(picks, last);
        if flags & 2 == 0 {
            chosen.headers.clear();
        }
        if encoder.append(&chosen.to_write()).is_err() {
            continue;
        }
        last = chosen.offset;
        let timestamp = match magic {
            0 => -1,
            _ => log_append_time.unwrap_or(chosen.timestamp),
        };
        expected.push(chosen.owned(timestamp, -1));
    }
    let (mut out, mut compressor) = (b"in front".to_vec(), compressor(codec));
    let Ok(summary) = encoder.finish(&mut compressor, &mut out) else {
        assert!(expected.is_empty());
        return;
    };
    if codec != Codec::None {
        look(&out, &summary, codec, &expected);
        return;
    }
    let (mut rest, mut found) = (out.strip_prefix(b"in front").unwrap(), Vec::new());
    while !rest.is_empty() {
        let batch = Batch::parse(rest, Position(0)).unwrap();
        assert_eq!(batch.crc(), batch.compute_crc());
        found.extend(records(&batch));
        rest = &rest[batch.size()..];
    }
    assert_eq!(found, expected);
}
