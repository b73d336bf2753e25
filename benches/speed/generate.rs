//! Logs to measure with, as a broker lays them out: batches of magic 2, an offset index and a time
//! index with an entry for every 4096 bytes.

use segkit::format::Codec;
use segkit::format::compression::compress;
use segkit::format::crc::crc32c;
use segkit::format::offset_index::OffsetPosition;
use segkit::format::time_index::TimestampOffset;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Bytes of a record, its length field included.
pub const RECORD_BYTES: usize = 100;
/// `index.interval.bytes`
const INDEX_INTERVAL_BYTES: u64 = 4096;
const BASE_TIMESTAMP: i64 = 1_700_000_000_000;
const HEADER_BYTES: usize = 61;
const KEY_BYTES: usize = 10;

/// What a log is like.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Bytes of the `.log`.
    pub log_bytes: u64,
    /// Bytes of a batch before it is compressed.
    pub batch_bytes: usize,
    /// How it is compressed.
    pub codec: Codec,
    /// True: all values are the same.
    pub is_monotonous: bool,
}

/// A log that was made.
pub struct Log {
    /// The partition directory.
    pub dir: PathBuf,
    /// The first `.log`.
    pub file: PathBuf,
    /// How many records it has.
    pub records: i64,
    /// How many batches it has.
    pub batches: u64,
}

/// Makes the partition directory `name` in `root`.
pub fn log(root: &Path, name: &str, shape: Shape) -> std::io::Result<Log> {
    segments(root, name, shape, 1)
}

/// The same with `count` segments, each of which is as `shape` says.
pub fn segments(root: &Path, name: &str, shape: Shape, count: usize) -> std::io::Result<Log> {
    let dir = root.join(name);
    fs::create_dir(&dir)?;
    let mut log = Log { file: dir.join(format!("{:020}.log", 0)), dir, records: 0, batches: 0 };
    let mut words = Words { state: 0x2545_f491_4f6c_dd1d, is_monotonous: shape.is_monotonous };
    for _ in 0..count {
        segment(&mut log, shape, &mut words)?;
    }
    // One leader epoch, which began at offset 0.
    write_synced(&log.dir.join("leader-epoch-checkpoint"), b"0\n1\n0 0\n")?;
    Ok(log)
}

/// Appends a segment.
fn segment(to: &mut Log, shape: Shape, words: &mut Words) -> std::io::Result<()> {
    let base = to.records;
    let file = to.dir.join(format!("{base:020}.log"));
    let mut log = BufWriter::with_capacity(1 << 20, File::create(&file)?);
    let (mut index, mut time_index) = (Vec::new(), Vec::new());
    let (mut position, mut next_offset, mut since_entry) = (0u64, base, 0u64);
    let (mut payload, mut batch) = (Vec::new(), Vec::new());
    let count = i32::try_from((shape.batch_bytes - HEADER_BYTES) / RECORD_BYTES).unwrap();
    while position < shape.log_bytes {
        payload.clear();
        for delta in 0..count {
            record(&mut payload, next_offset, delta, words);
        }
        frame(&mut batch, shape.codec, next_offset, count, &payload)?;
        log.write_all(&batch)?;
        next_offset += i64::from(count);
        let last = next_offset - 1;
        let relative = i32::try_from(last - base).unwrap();
        if since_entry > INDEX_INTERVAL_BYTES {
            OffsetPosition::encode(relative, i32::try_from(position).unwrap(), &mut index);
            TimestampOffset::encode(BASE_TIMESTAMP + last, relative, &mut time_index);
            since_entry = 0;
        }
        since_entry += batch.len() as u64;
        position += batch.len() as u64;
        to.batches += 1;
        if position >= shape.log_bytes && since_entry > batch.len() as u64 {
            // A broker's last entry of the time index names the greatest timestamp.
            TimestampOffset::encode(BASE_TIMESTAMP + last, relative, &mut time_index);
        }
    }
    log.into_inner()?.sync_all()?;
    write_synced(&file.with_extension("index"), &index)?;
    write_synced(&file.with_extension("timeindex"), &time_index)?;
    to.records = next_offset;
    Ok(())
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn frame(
    out: &mut Vec<u8>,
    codec: Codec,
    base_offset: i64,
    count: i32,
    payload: &[u8],
) -> std::io::Result<()> {
    out.clear();
    out.resize(HEADER_BYTES, 0);
    compress(codec, 2, payload, None, out)?;
    let length = i32::try_from(out.len() - 12).unwrap();
    let last = i64::from(count - 1);
    let mut checked = Vec::with_capacity(40);
    checked.extend_from_slice(&(codec as i16).to_be_bytes());
    checked.extend_from_slice(&(count - 1).to_be_bytes());
    checked.extend_from_slice(&(BASE_TIMESTAMP + base_offset).to_be_bytes());
    checked.extend_from_slice(&(BASE_TIMESTAMP + base_offset + last).to_be_bytes());
    checked.extend_from_slice(&(-1i64).to_be_bytes());
    checked.extend_from_slice(&(-1i16).to_be_bytes());
    checked.extend_from_slice(&(-1i32).to_be_bytes());
    checked.extend_from_slice(&count.to_be_bytes());
    out[21..HEADER_BYTES].copy_from_slice(&checked);
    let crc = crc32c(&out[21..]);
    out[..8].copy_from_slice(&base_offset.to_be_bytes());
    out[8..12].copy_from_slice(&length.to_be_bytes());
    out[16] = 2;
    out[17..21].copy_from_slice(&crc.to_be_bytes());
    Ok(())
}

/// A record of [`RECORD_BYTES`] bytes: a key of ten characters, and text.
fn record(out: &mut Vec<u8>, base_offset: i64, delta: i32, words: &mut Words) {
    let body_bytes = RECORD_BYTES - 2;
    let end = out.len() + RECORD_BYTES;
    varint(out, i32::try_from(body_bytes).unwrap());
    out.push(0);
    varint(out, delta);
    varint(out, delta);
    varint(out, i32::try_from(KEY_BYTES).unwrap());
    let number = if words.is_monotonous { 0 } else { base_offset + i64::from(delta) };
    let key = format!("k{:09}", number % 1_000_000_000);
    out.extend_from_slice(key.as_bytes());
    // Two bytes of length before the value, one for the number of headers behind it.
    let value_bytes = end - out.len() - 3;
    varint(out, i32::try_from(value_bytes).unwrap());
    words.text(out, value_bytes);
    varint(out, 0);
    assert_eq!(out.len(), end);
}

fn varint(out: &mut Vec<u8>, value: i32) {
    let mut left = ((value << 1) ^ (value >> 31)).cast_unsigned();
    while left >= 0x80 {
        out.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

/// Text that compresses about as well as text does.
struct Words {
    state: u64,
    is_monotonous: bool,
}

impl Words {
    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    fn text(&mut self, out: &mut Vec<u8>, length: usize) {
        const WORDS: [&str; 16] = [
            "offset ",
            "replica ",
            "order ",
            "paid ",
            "4711 ",
            "basket ",
            "item=",
            "2026-11-01 ",
            "Berlin ",
            "warehouse ",
            "total=",
            "customer ",
            "EUR ",
            "express ",
            "a7f3 ",
            "status=",
        ];
        let end = out.len() + length;
        if self.is_monotonous {
            return out.resize(end, b'a');
        }
        while out.len() < end {
            let random = self.next();
            out.extend_from_slice(WORDS[(random % 16) as usize].as_bytes());
            out.extend_from_slice(format!("{:x} ", (random >> 32) & 0xffff).as_bytes());
        }
        out.truncate(end);
    }
}
