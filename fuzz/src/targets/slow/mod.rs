//! A second reader of batches: slow, obvious, copying. It shares nothing with the library but the
//! crates that decompress.

mod decompress;
mod records;

pub use decompress::decompress;
pub use records::{Message, Record, message_records, records_v2};

/// The header of a batch of any magic.
#[derive(Debug)]
pub struct Header {
    pub magic: i8,
    pub size: usize,
    /// The base offset in magic 2, the message's own in magic 0 and 1.
    pub offset: i64,
    pub crc: u32,
    pub computed_crc: u32,
    pub attributes: u16,
    pub v2: Option<V2>,
}

/// What only magic 2 has.
#[derive(Debug)]
pub struct V2 {
    pub partition_leader_epoch: i32,
    pub last_offset_delta: i32,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub records_count: i32,
    pub payload: Vec<u8>,
}

/// Bytes of a number at `at`, in the order of the network.
pub fn number(bytes: &[u8], at: usize, width: usize) -> i128 {
    let mut value: i128 = 0;
    for byte in &bytes[at..at + width] {
        value = value * 256 + i128::from(*byte);
    }
    let half = 1_i128 << (8 * width - 1);
    if value >= half { value - 2 * half } else { value }
}

/// The batch at the front; `None` where none is whole.
pub fn header(bytes: &[u8]) -> Option<Header> {
    if bytes.len() < 17 {
        return None;
    }
    let length = number(bytes, 8, 4);
    let magic = number(bytes, 16, 1) as i8;
    let least = match magic {
        0 => 14,
        1 => 22,
        2 => 49,
        _ => return None,
    };
    if length < least || length + 12 > bytes.len() as i128 {
        return None;
    }
    let size = 12 + length as usize;
    let bytes = &bytes[..size];
    let offset = number(bytes, 0, 8) as i64;
    if magic < 2 {
        return Some(Header {
            magic,
            size,
            offset,
            crc: number(bytes, 12, 4) as u32,
            computed_crc: crc32(&bytes[16..]),
            attributes: u16::from(bytes[17]),
            v2: None,
        });
    }
    let v2 = V2 {
        partition_leader_epoch: number(bytes, 12, 4) as i32,
        last_offset_delta: number(bytes, 23, 4) as i32,
        base_timestamp: number(bytes, 27, 8) as i64,
        max_timestamp: number(bytes, 35, 8) as i64,
        producer_id: number(bytes, 43, 8) as i64,
        producer_epoch: number(bytes, 51, 2) as i16,
        base_sequence: number(bytes, 53, 4) as i32,
        records_count: number(bytes, 57, 4) as i32,
        payload: bytes[61..].to_vec(),
    };
    Some(Header {
        magic,
        size,
        offset,
        crc: number(bytes, 17, 4) as u32,
        computed_crc: crc32c(&bytes[21..]),
        attributes: number(bytes, 21, 2) as u16,
        v2: Some(v2),
    })
}

const CRC32: [u32; 256] = table(0xedb8_8320);
const CRC32C: [u32; 256] = table(0x82f6_3b78);

const fn table(polynomial: u32) -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut value, mut bit) = (byte as u32, 0);
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ polynomial } else { value >> 1 };
            bit += 1;
        }
        table[byte] = value;
        byte += 1;
    }
    table
}

fn crc(table: &[u32; 256], bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc = table[((crc ^ u32::from(*byte)) & 0xff) as usize] ^ (crc >> 8);
    }
    !crc
}

/// That of magic 0 and 1.
pub fn crc32(bytes: &[u8]) -> u32 {
    crc(&CRC32, bytes)
}

/// That of magic 2.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc(&CRC32C, bytes)
}
