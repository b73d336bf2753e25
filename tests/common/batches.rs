//! Kafka's batches made by hand, byte after byte, and their checksums by the slowest way there is:
//! nothing in here comes from the library under test.

/// CRC bit by bit, for a reflected polynomial.
fn crc_bit_by_bit(polynomial: u32, bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ polynomial } else { crc >> 1 };
        }
    }
    !crc
}

/// CRC-32C, for magic 2.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_bit_by_bit(0x82f6_3b78, bytes)
}

/// CRC-32, for magic 0 and 1.
pub fn crc32(bytes: &[u8]) -> u32 {
    crc_bit_by_bit(0xedb8_8320, bytes)
}

/// A varint with zig-zag, as in records of magic 2.
pub fn varint(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn nullable(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    match bytes {
        None => varint(-1, out),
        Some(bytes) => {
            varint(bytes.len() as i64, out);
            out.extend_from_slice(bytes);
        }
    }
}

/// A record of magic 2.
pub fn record_v2(
    timestamp_delta: i64,
    offset_delta: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Vec<u8> {
    let mut body = vec![0];
    varint(timestamp_delta, &mut body);
    varint(offset_delta, &mut body);
    nullable(key, &mut body);
    nullable(value, &mut body);
    varint(0, &mut body);
    let mut record = Vec::new();
    varint(body.len() as i64, &mut record);
    record.extend_from_slice(&body);
    record
}

/// A batch of magic 2; what is not said has the value that a plain producer leaves there.
pub struct BatchV2 {
    pub base_offset: i64,
    pub attributes: i16,
    pub count: i32,
    pub producer_id: i64,
    pub payload: Vec<u8>,
}

impl BatchV2 {
    /// One record for each value, uncompressed.
    pub fn of_values(base_offset: i64, values: &[&[u8]]) -> Self {
        let record =
            |(at, value): (usize, &&[u8])| record_v2(at as i64, at as i64, None, Some(value));
        let payload = values.iter().enumerate().flat_map(record).collect();
        let count = i32::try_from(values.len()).unwrap();
        Self { base_offset, attributes: 0, count, producer_id: -1, payload }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.base_offset.to_be_bytes());
        bytes.extend(i32::try_from(49 + self.payload.len()).unwrap().to_be_bytes());
        bytes.extend(0_i32.to_be_bytes()); // partitionLeaderEpoch
        bytes.push(2);
        bytes.extend([0; 4]);
        bytes.extend(self.attributes.to_be_bytes());
        bytes.extend((self.count - 1).max(0).to_be_bytes());
        bytes.extend(1_700_000_000_000_i64.to_be_bytes());
        let max_timestamp = 1_700_000_000_000 + i64::from((self.count - 1).max(0));
        bytes.extend(max_timestamp.to_be_bytes());
        bytes.extend(self.producer_id.to_be_bytes());
        bytes.extend(if self.producer_id < 0 { -1_i16 } else { 0 }.to_be_bytes());
        bytes.extend((-1_i32).to_be_bytes());
        bytes.extend(self.count.to_be_bytes());
        assert_eq!(bytes.len(), 61);
        bytes.extend_from_slice(&self.payload);
        seal_v2(&mut bytes);
        bytes
    }
}

/// Writes the checksum that the bytes of a batch of magic 2 ask for.
pub fn seal_v2(batch: &mut [u8]) {
    let crc = crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
}

/// A message of magic 0 or 1.
pub fn message(
    magic: u8,
    offset: i64,
    attributes: u8,
    timestamp: i64,
    value: Option<&[u8]>,
) -> Vec<u8> {
    let mut body = vec![magic, attributes];
    if magic == 1 {
        body.extend(timestamp.to_be_bytes());
    }
    body.extend((-1_i32).to_be_bytes()); // key
    match value {
        None => body.extend((-1_i32).to_be_bytes()),
        Some(value) => {
            body.extend(i32::try_from(value.len()).unwrap().to_be_bytes());
            body.extend_from_slice(value);
        }
    }
    let mut message = offset.to_be_bytes().to_vec();
    message.extend(i32::try_from(body.len() + 4).unwrap().to_be_bytes());
    message.extend(crc32(&body).to_be_bytes());
    message.extend(body);
    message
}

/// Writes the checksum that the bytes of a message of magic 0 or 1 ask for.
pub fn seal_legacy(message: &mut [u8]) {
    let crc = crc32(&message[16..]);
    message[12..16].copy_from_slice(&crc.to_be_bytes());
}

/// A batch as its first 17 bytes frame it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    pub position: usize,
    pub size: usize,
    pub magic: u8,
}

impl Frame {
    pub fn end(&self) -> usize {
        self.position + self.size
    }

    /// Where the checksummed bytes begin, from the front of the batch.
    pub fn sealed_from(&self) -> usize {
        if self.magic == 2 { 21 } else { 16 }
    }
}

/// The batches of a healthy log, found by hopping from length to length.
pub fn frames(log: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut position = 0;
    while position + 17 <= log.len() {
        let length = i32::from_be_bytes(log[position + 8..position + 12].try_into().unwrap());
        let size = 12 + usize::try_from(length).unwrap();
        if length == 0 || position + size > log.len() {
            break;
        }
        frames.push(Frame { position, size, magic: log[position + 16] });
        position += size;
    }
    frames
}

/// The attributes of a framed batch.
pub fn attributes(log: &[u8], frame: Frame) -> u16 {
    match frame.magic {
        2 => u16::from_be_bytes([log[frame.position + 21], log[frame.position + 22]]),
        _ => u16::from(log[frame.position + 17]),
    }
}

/// The record count in the header of a batch of magic 2.
pub fn count_v2(log: &[u8], frame: Frame) -> usize {
    let at = frame.position + 57;
    u32::from_be_bytes(log[at..at + 4].try_into().unwrap()) as usize
}
