//! What a batch says about itself in its first bytes, for those who do not have the rest of it.
//!
//! ```text
//!   .log   |header|records ...............|header|records ...|
//!          '-61 --'                       '-61 --'
//!          '--- size --------------------->'          from header to header, records never read
//! ```
//!
//! Nothing in here is proved: the checksum of a batch is over all of it.

use super::batch::{LOG_OVERHEAD, MINIMUM_LENGTH, PREFIX_BYTES};
use super::batch_v2::HeaderV2;
use super::legacy::LegacyMessage;
use super::{Attributes, Offset, Position};

/// The first bytes of a batch of any magic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// 0, 1 or 2.
    pub magic: i8,
    /// Bytes of the whole batch.
    pub size: u64,
    /// The first offset; `None` in a wrapper message of magic 0 or 1.
    pub base_offset: Option<Offset>,
    /// The offset of the last record, present or compacted away.
    pub last_offset: Offset,
    /// The greatest timestamp, -1 for none.
    pub max_timestamp: i64,
    /// The attribute bits.
    pub attributes: Attributes,
    /// The leader epoch, -1 for none.
    pub partition_leader_epoch: i32,
    /// The producer id, -1 for none.
    pub producer_id: i64,
}

impl BatchHeader {
    /// The most bytes that are looked at.
    pub const BYTES: usize = HeaderV2::BYTES;

    /// The header at the front of `bytes`, which may end before the batch does. `None` where no
    /// batch can begin: for an unknown magic, a length below the least of its format, a last offset
    /// before the first, and where the bytes end before the fields of that magic.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let [_, _, _, _, _, _, _, _, l0, l1, l2, l3, _, _, _, _, magic] =
            *bytes.first_chunk::<PREFIX_BYTES>()?;
        let length = i32::from_be_bytes([l0, l1, l2, l3]);
        let magic = magic.cast_signed();
        let minimum = match magic {
            2 => HeaderV2::MINIMUM_LENGTH,
            1 => LegacyMessage::MINIMUM_LENGTH_V1,
            0 => MINIMUM_LENGTH,
            _ => return None,
        };
        if length < minimum {
            return None;
        }
        let size = LOG_OVERHEAD as u64 + u64::from(length.unsigned_abs());
        if magic < 2 { Self::legacy(bytes, size) } else { Self::v2(bytes, size) }
    }

    fn v2(bytes: &[u8], size: u64) -> Option<Self> {
        let header = HeaderV2::at_front(bytes)?;
        let base_offset = Offset(header.base_offset.get());
        let delta = i64::from(header.last_offset_delta.get());
        if delta < 0 {
            return None;
        }
        Some(Self {
            magic: header.magic,
            size,
            base_offset: Some(base_offset),
            last_offset: base_offset.plus(delta),
            max_timestamp: header.max_timestamp.get(),
            attributes: Attributes(header.attributes.get()),
            partition_leader_epoch: header.partition_leader_epoch.get(),
            producer_id: header.producer_id.get(),
        })
    }

    fn legacy(bytes: &[u8], size: u64) -> Option<Self> {
        let message = LegacyMessage::new(bytes, Position(0))?;
        Some(Self {
            magic: message.magic(),
            size,
            base_offset: (!message.is_wrapper()).then(|| message.offset()),
            last_offset: message.offset(),
            max_timestamp: message.timestamp(),
            attributes: Attributes(u16::from(message.attributes())),
            partition_leader_epoch: -1,
            producer_id: -1,
        })
    }

    /// The first offset, or the last where the first is not known.
    #[must_use]
    pub fn first_known_offset(&self) -> Offset {
        self.base_offset.unwrap_or(self.last_offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Batch;
    use std::path::Path;

    fn logs(at: &Path, found: &mut Vec<Vec<u8>>) {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                logs(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "log") {
                found.push(std::fs::read(path).unwrap());
            }
        }
    }

    /// Every batch of real brokers: from its first bytes what the whole of it says.
    #[test]
    fn as_the_whole_batch_says() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
        let mut files = Vec::new();
        logs(&root, &mut files);
        let mut magics = [0, 0, 0];
        for bytes in files {
            let mut rest = &bytes[..];
            while let Ok(batch) = Batch::parse(rest, Position(0)) {
                let front = &batch.bytes()[..batch.size().min(BatchHeader::BYTES)];
                let header = BatchHeader::parse(front).unwrap();
                assert_eq!(header.size, batch.size() as u64);
                assert_eq!(header.base_offset, batch.known_base_offset());
                assert_eq!(header.last_offset, batch.last_offset());
                assert_eq!(header.max_timestamp, batch.max_timestamp());
                assert_eq!(header.attributes, batch.attributes());
                assert_eq!(header.partition_leader_epoch, batch.partition_leader_epoch());
                assert_eq!(header.producer_id, batch.producer_id());
                magics[usize::from(header.magic.unsigned_abs())] += 1;
                // What is cut off is never read as something else.
                for end in 0..front.len() {
                    let cut = BatchHeader::parse(&front[..end]);
                    assert!(cut.is_none_or(|cut| header.magic < 2 && cut.size == header.size));
                }
                rest = &rest[batch.size()..];
            }
        }
        assert!(magics.iter().all(|count| *count > 20), "{magics:?}");
    }

    #[test]
    fn where_no_batch_can_begin() {
        let mut bytes = [0; 61];
        assert_eq!(BatchHeader::parse(&bytes), None);
        for (magic, least) in [(0, 14), (1, 22), (2, 49), (3, i32::MAX), (-1, i32::MAX)] {
            bytes[16] = i8::cast_unsigned(magic);
            for length in [i32::MIN, -1, 0, 13, 14, 21, 22, 48, 49, i32::MAX] {
                bytes[8..12].copy_from_slice(&length.to_be_bytes());
                let header = BatchHeader::parse(&bytes);
                let is_one = length >= least && (0..=2).contains(&magic);
                assert_eq!(header.is_some(), is_one, "{magic} {length}");
                assert!(header.is_none_or(|header| header.size == 12 + length as u64));
            }
        }
        bytes[16] = 2;
        bytes[23] = 0x80;
        assert_eq!(BatchHeader::parse(&bytes), None, "its last offset is before its first");
    }
}
