//! Room on the disk for the files that a segment is closed with, taken before its log grows: a
//! disk that is full leaves a partition with good indexes.
//!
//! ```text
//!   | free .................................... |
//!   | log grows ...............| reserve | free |      without a name: gone with the process
//!   | log ......................| indexes ..|          given back when they are written
//! ```

use super::super::disk::{Disk, is_unsupported};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

/// By how much the reserve grows at a time.
const STEP_BYTES: u64 = 64 << 10;
/// For what is rounded up to blocks, and for names.
const OVERHEAD_BYTES: u64 = 64 << 10;

/// A file that holds nothing but room.
#[derive(Debug, Default)]
pub(super) struct Reserve {
    file: Option<File>,
    bytes: u64,
    /// The file system cannot do this.
    is_unsupported: bool,
}

impl Reserve {
    /// Sees to it that there is room for `bytes` of files in `directory`.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn hold(&mut self, bytes: u64, directory: &Path, disk: &dyn Disk) -> io::Result<()> {
        let wanted = bytes.saturating_add(OVERHEAD_BYTES).next_multiple_of(STEP_BYTES);
        if self.is_unsupported || wanted <= self.bytes {
            return Ok(());
        }
        let held = match self.file.take() {
            Some(file) => Ok(file),
            None => disk.create_unnamed(directory),
        };
        match held.and_then(|file| disk.allocate(&file, wanted).map(|()| file)) {
            Ok(file) => {
                (self.file, self.bytes) = (Some(file), wanted);
                Ok(())
            }
            // That a file may not be so large says nothing about room.
            Err(error) if is_unsupported(&error) || error.kind() == ErrorKind::FileTooLarge => {
                self.is_unsupported = true;
                Ok(())
            }
            Err(error) => {
                self.bytes = 0;
                Err(error)
            }
        }
    }

    /// Gives the room back.
    pub(super) fn release(&mut self) {
        (self.file, self.bytes) = (None, 0);
    }
}
