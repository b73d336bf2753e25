//! The view of a batch against a second reader ([`slow`]): the same fields, the same records, and
//! broken where that finds it broken.

use super::memory::{SMALL, within};
use super::picks::Picks;
use super::slow::{self, Record};
use segkit::format::{Batch, Codec, Position, Scratch};

const DECOMPRESSED: usize = 128 << 10;

/// The bytes are batches end to end. Where the first byte is odd, the second half of a pair
/// follows: what the payload is compressed with, so that a fuzzer need not know the codecs.
pub fn run(data: &[u8]) {
    let mut picks = Picks::new(data);
    let choice = picks.byte();
    let bytes = picks.rest();
    let repacked = (choice & 1 == 1).then(|| repack(bytes, choice >> 1)).flatten();
    let bytes = repacked.as_deref().unwrap_or(bytes);
    // Both readers' records are there at a time.
    let allowed = 400 * (bytes.len() + 16) + 120 * DECOMPRESSED + 4 * SMALL;
    within(allowed, || {
        let mut rest = bytes;
        while let Some(size) = compare(rest) {
            rest = &rest[size..];
        }
    });
}

/// The first batch, its payload compressed and its codec set.
fn repack(bytes: &[u8], choice: u8) -> Option<Vec<u8>> {
    let codec = Codec::from_id(choice % 5)?;
    let header = slow::header(bytes)?;
    let mut batch = bytes[..header.size].to_vec();
    let start = match header.magic {
        2 => 61,
        // A wrapper's key is null.
        0 => 26,
        _ => 34,
    };
    let payload = bytes.get(start..header.size)?;
    batch.truncate(start);
    let mut compressed = Vec::new();
    segkit::format::compression::compress(codec, header.magic, payload, None, &mut compressed)
        .ok()?;
    if header.magic < 2 {
        batch[start - 8..start - 4].copy_from_slice(&[0xff; 4]);
        let length = (compressed.len() as u32).to_be_bytes();
        batch[start - 4..start].copy_from_slice(&length);
    }
    let attributes_at = if header.magic == 2 { 22 } else { 17 };
    batch[attributes_at] = batch[attributes_at] & 0xf8 | codec.id();
    batch.extend(compressed);
    let length = (batch.len() as u32 - 12).to_be_bytes();
    batch[8..12].copy_from_slice(&length);
    Some(batch)
}

/// Compares the batch at the front, and gives its size if there is one.
fn compare(bytes: &[u8]) -> Option<usize> {
    let view = Batch::parse(bytes, Position(0));
    let slow = slow::header(bytes);
    assert_eq!(view.is_ok(), slow.is_some(), "one of them sees a batch: {view:?}, {slow:?}");
    let (Ok(view), Some(slow)) = (view, slow) else { return None };
    assert_eq!(view.magic(), slow.magic);
    assert_eq!(view.size(), slow.size);
    assert_eq!(view.crc(), slow.crc);
    assert_eq!(view.compute_crc(), slow.computed_crc);
    assert_eq!(view.attributes().0, slow.attributes);
    if let Some(v2) = &slow.v2 {
        compare_v2(&view, &slow, v2);
    } else {
        let message = slow::Message::read(&bytes[..slow.size]);
        assert_eq!(view.last_offset().0, slow.offset);
        assert_eq!(view.max_timestamp(), message.timestamp);
        assert_eq!(view.producer_id(), -1);
    }
    compare_records(&view, &slow, bytes);
    Some(slow.size)
}

fn compare_v2(view: &Batch<'_>, slow: &slow::Header, v2: &slow::V2) {
    let delta = i64::from(v2.last_offset_delta);
    assert_eq!(view.known_base_offset().map(|offset| offset.0), Some(slow.offset));
    assert_eq!(view.last_offset().0, slow.offset.saturating_add(delta));
    assert_eq!(view.next_offset().0, slow.offset.saturating_add(delta).saturating_add(1));
    assert_eq!(view.last_offset_delta(), Some(v2.last_offset_delta));
    assert_eq!(view.partition_leader_epoch(), v2.partition_leader_epoch);
    assert_eq!(view.base_timestamp().or(view.delete_horizon()), Some(v2.base_timestamp));
    assert_eq!(view.delete_horizon().is_some(), slow.attributes & 64 != 0);
    assert_eq!(view.max_timestamp(), v2.max_timestamp);
    assert_eq!(view.producer_id(), v2.producer_id);
    assert_eq!(view.producer_epoch(), v2.producer_epoch);
    assert_eq!(view.base_sequence(), v2.base_sequence);
    assert_eq!(view.records_count(), Some(v2.records_count));
    assert_eq!(view.payload(), Some(&v2.payload[..]));
}

fn compare_records(view: &Batch<'_>, slow: &slow::Header, bytes: &[u8]) {
    let (seen, is_sound) = records_of(view);
    let Some((read, is_read)) = slow_records(slow, &bytes[..slow.size]) else { return };
    // What the view does not decompress says nothing about the records.
    let codec = slow.attributes & 7;
    if codec != 0 && !is_sound && seen.is_empty() && is_read {
        return;
    }
    assert_eq!(is_sound, is_read, "sound or not: {seen:?}, {read:?}");
    let common = if is_sound { seen.len().max(read.len()) } else { seen.len().min(read.len()) };
    assert_eq!(seen.get(..common), read.get(..common));
}

/// What the view gives up to its first error, and whether there is none.
fn records_of(view: &Batch<'_>) -> (Vec<Record>, bool) {
    let mut scratch = Scratch::new(DECOMPRESSED);
    let Ok(records) = view.records(&mut scratch) else { return (Vec::new(), false) };
    let mut seen = Vec::new();
    for record in records {
        let Ok(record) = record else { return (seen, false) };
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        seen.push(Record {
            offset: record.offset.0,
            timestamp: record.timestamp,
            key: owned(record.key),
            value: owned(record.value),
            headers: record.headers.map(|h| (h.key.to_vec(), owned(h.value))).collect(),
            sequence: record.sequence,
        });
    }
    (seen, true)
}

/// `None` where the second reader does not know.
fn slow_records(slow: &slow::Header, bytes: &[u8]) -> Option<(Vec<Record>, bool)> {
    let codec = (slow.attributes & 7) as u8;
    if codec > 4 || slow.magic < 2 && codec > 3 {
        return Some((Vec::new(), false));
    }
    if let Some(v2) = &slow.v2 {
        if v2.records_count == 0 {
            return Some((Vec::new(), true));
        }
        let content = slow::decompress(codec, &v2.payload, DECOMPRESSED.max(bytes.len()))?;
        return Some(slow::records_v2(slow.offset, slow.attributes, v2, &content));
    }
    let message = slow::Message::read(bytes);
    if codec == 0 {
        let record = message.key_value.map(|(key, value)| Record {
            offset: message.offset,
            timestamp: message.timestamp,
            key,
            value,
            headers: Vec::new(),
            sequence: -1,
        });
        let is_sound = record.is_some();
        return Some((record.into_iter().collect(), is_sound));
    }
    let Some((_, Some(value))) = &message.key_value else { return Some((Vec::new(), false)) };
    let content = slow::decompress(codec, value, DECOMPRESSED)?;
    Some(slow::message_records(slow.magic, &message, &content))
}
