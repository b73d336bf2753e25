//! The walk over batches of any magic, every field and every record of them.

use super::memory::{SMALL, within};
use super::picks::Picks;
use super::seal::seal;
use segkit::format::batch_header::BatchHeader;
use segkit::format::control::ControlRecord;
use segkit::format::{Batch, Batches, Position, Record, Records, Scratch};

/// The most bytes that a batch may decompress to.
const DECOMPRESSED: usize = 256 << 10;
/// Control records up to this length are printed, which multiplies it: by names and escapes.
const CONTROL: usize = 1 << 10;
const START: u64 = 1_000_000;

/// The first byte says whether checksums are made right.
pub fn run(data: &[u8]) {
    let mut picks = Picks::new(data);
    let mut bytes = Vec::new();
    if picks.bit() {
        bytes.extend_from_slice(picks.rest());
        seal(&mut bytes);
    }
    let bytes = if bytes.is_empty() { picks.rest() } else { &bytes };
    // The buffer doubles up to the limit, with its older half there while it is copied; gzip has a
    // context of its own.
    within(3 * DECOMPRESSED + 1_500 * CONTROL + SMALL + 4 * bytes.len(), || walk(bytes));
}

fn walk(bytes: &[u8]) {
    let mut scratch = Scratch::new(DECOMPRESSED);
    let mut batches = Batches::new(bytes, Position(START));
    let mut at = 0;
    while let Some(batch) = batches.next() {
        let Ok(batch) = batch else {
            assert!(batches.next().is_none(), "a walk goes on behind its error");
            break;
        };
        assert_eq!(batch.position(), Position(START + at as u64));
        at += batch.size();
        assert_eq!(batch.end(), Position(START + at as u64));
        assert_eq!(batches.position(), batch.end());
        assert_eq!(batch.bytes(), &bytes[at - batch.size()..at]);
        look_at(&batch, &mut scratch);
    }
    assert_eq!(batches.remaining().len(), bytes.len() - at);
    // Where no batch begins, its first bytes say nothing either, and nowhere do they panic.
    for rest in (0..bytes.len().min(256)).map(|at| &bytes[at..]) {
        let whole = Batch::parse(rest, Position(START));
        if let Some(header) = BatchHeader::parse(rest) {
            assert!(
                whole.is_ok_and(|batch| batch.size() as u64 == header.size)
                    || header.size > rest.len() as u64
            );
        }
    }
}

fn look_at(batch: &Batch<'_>, scratch: &mut Scratch) {
    if let Some(header) = BatchHeader::parse(batch.bytes()) {
        assert_eq!(header.last_offset, batch.last_offset());
        assert_eq!(header.base_offset, batch.known_base_offset());
        assert_eq!(header.max_timestamp, batch.max_timestamp());
    } else {
        assert!(batch.last_offset_delta().is_some_and(|delta| delta < 0));
    }
    let _ = (batch.compute_crc(), batch.next_offset(), batch.timestamp_type().name());
    let _ = (batch.base_timestamp(), batch.delete_horizon(), batch.last_sequence());
    let _ = (batch.producer_id(), batch.producer_epoch(), batch.partition_leader_epoch());
    let _ = batch.base_offset(scratch);
    if let Some(message) = batch.legacy() {
        let _ = message.key_value();
    }
    let is_control = batch.attributes().is_control();
    let counted = batch.records_count();
    let Ok(records) = batch.records(scratch) else { return };
    let usual = records.clone();
    let (mut found, mut is_sound) = (0_i64, true);
    let mut records = records;
    while let Some(record) = records.next() {
        let Ok(record) = record else {
            is_sound = false;
            assert!(records.next().is_none(), "records go on behind their error");
            break;
        };
        found += 1;
        look_at_record(&record, is_control, batch.position());
    }
    if is_sound && batch.magic() == 2 {
        assert_eq!(counted.map(i64::from), Some(found));
    }
    assert_eq!(count_usual(usual), found);
}

/// How many records there are the other way.
fn count_usual(mut records: Records<'_>) -> i64 {
    let mut found = 0;
    loop {
        while records.next_usual().is_some() {
            found += 1;
        }
        match records.next() {
            Some(Ok(_)) => found += 1,
            Some(Err(_)) | None => return found,
        }
    }
}

fn look_at_record(record: &Record<'_>, is_control: bool, position: Position) {
    // As many headers come out as were counted.
    assert_eq!(record.headers.count(), record.headers.len());
    let is_short = record.value.is_none_or(|value| value.len() <= CONTROL);
    if is_control
        && is_short
        && let Ok(control) = ControlRecord::parse(record.key, record.value, position)
    {
        control.kafka_text(&mut Vec::new());
    }
}
