//! One header of a batch by a single read: what a search on the way to a Fetch sees of a `.log`.
//!
//! ```text
//!   position                           segment_end
//!   v                                            v
//!   |header|records .....|header|records ........|zeros, or a torn batch
//!   '-61 bytes read
//! ```

use crate::format::Position;
use crate::format::batch::PREFIX_BYTES;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

pub use crate::format::batch_header::BatchHeader;

/// The header of the batch at `position`, if one can begin there that ends at or before
/// `segment_end`. Nothing proves it; offsets are not looked at but for their order in the batch.
///
/// # Errors
/// When it cannot be read. [`ErrorKind::UnexpectedEof`] says that the file is shorter than
/// `segment_end`.
pub fn header_at(
    file: &File,
    position: Position,
    segment_end: Position,
) -> io::Result<Option<BatchHeader>> {
    let there = segment_end.0.saturating_sub(position.0);
    if there < PREFIX_BYTES as u64 {
        return Ok(None);
    }
    let mut buffer = [0; BatchHeader::BYTES];
    let length = usize::try_from(there).map_or(buffer.len(), |there| there.min(buffer.len()));
    let front = buffer.get_mut(..length).unwrap_or_default();
    read_exactly_at(file, front, position.0)?;
    Ok(BatchHeader::parse(front).filter(|header| header.size <= there))
}

/// Fills `buffer`, or fails with [`ErrorKind::UnexpectedEof`].
pub(super) fn read_exactly_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<()> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, position.saturating_add(filled as u64)) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Batch, Offset};
    use std::path::Path;

    #[test]
    fn from_header_to_header_up_to_the_end() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = root.join("testdata/kafka-4.3.1/codec-lz4-0/00000000000000000000.log");
        let (bytes, file) = (std::fs::read(&path).unwrap(), File::open(&path).unwrap());
        let end = Position(bytes.len() as u64);
        let (mut at, mut headers) = (Position(0), 0);
        while let Some(header) = header_at(&file, at, end).unwrap() {
            let batch = Batch::parse(&bytes[usize::try_from(at.0).unwrap()..], at).unwrap();
            assert_eq!(header.last_offset, batch.last_offset());
            // A segment that ends before the batch does has no such batch.
            let short = Position(at.0 + header.size - 1);
            assert_eq!(header_at(&file, at, short).unwrap(), None);
            at = at.plus(header.size);
            headers += 1;
        }
        assert_eq!((at, headers > 2), (end, true));
        assert_eq!(header_at(&file, end.plus(5), end).unwrap(), None);
        let first = header_at(&file, Position(0), end).unwrap().unwrap();
        assert_eq!(first.base_offset, Some(Offset(0)));
    }

    #[test]
    fn a_file_that_has_shrunk_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("00000000000000000000.log");
        std::fs::write(&path, [0; 80]).unwrap();
        let file = File::open(&path).unwrap();
        assert_eq!(header_at(&file, Position(0), Position(80)).unwrap(), None);
        let error = header_at(&file, Position(30), Position(100)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert_eq!(header_at(&file, Position(90), Position(100)).unwrap(), None);
    }
}
