//! SHA-256 of the files that a plan writes, before they are written: two plans that agree in these
//! and in what they rest on come to the same bytes.

use super::change::{Change, SegmentAfter};
use crate::error::{Error, Result};
use crate::log::{Access, FileBytes, FileKind, FileName};
use sha2::{Digest, Sha256};
use std::fmt;
use std::path::{Path, PathBuf};

/// A SHA-256; shown as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum([u8; 32]);

/// A file that a plan writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSum {
    /// Where it goes.
    pub path: PathBuf,
    /// How long it is going to be.
    pub size: u64,
    /// Of its bytes.
    pub sum: Sum,
}

/// How much is read at a time.
const WINDOW_BYTES: usize = 1 << 20;

impl Sum {
    /// Of these bytes.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Of all bytes of the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_file(path: &Path) -> Result<Self> {
        Self::of(&FileBytes::open(path, Access::Read)?)
    }

    fn of(file: &FileBytes) -> Result<Self> {
        let mut sum = Sha256::new();
        let mut buffer = Vec::new();
        let mut position = 0;
        while position < file.len() {
            let bytes = file.read(position, WINDOW_BYTES, &mut buffer)?;
            if bytes.is_empty() {
                let why = "it became shorter while it was read";
                return Err(Error::other("reading", file.path(), why));
            }
            sum.update(bytes);
            position += bytes.len() as u64;
        }
        Ok(Self(sum.finalize().into()))
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Every file that `change` writes, in the order in which it says them. The bytes that a new `.log`
/// is made from are read once.
///
/// # Errors
/// When one of them cannot be read.
pub fn written_by(change: &Change) -> Result<Vec<FileSum>> {
    match change {
        Change::WriteFile(write) => Ok(vec![of_new(write.path.clone(), &write.after)]),
        Change::ReplaceSegments(replace) => {
            let mut sums = Vec::new();
            for after in &replace.after {
                sums.append(&mut of_segment(after)?);
            }
            Ok(sums)
        }
        // What these rename or move is among the files that the plan rests on.
        Change::FinishReplace(_) | Change::SetAside(_) => Ok(Vec::new()),
    }
}

fn of_segment(after: &SegmentAfter) -> Result<Vec<FileSum>> {
    let name = |kind| {
        let name = FileName::of_segment(after.base_offset, kind).to_string();
        after.like.with_file_name(name)
    };
    let path = name(FileKind::Log);
    let sum = Sum::of(&FileBytes::composed(&path, &after.log)?)?;
    let mut sums = vec![FileSum { path, size: after.log.len(), sum }];
    sums.push(of_new(name(FileKind::OffsetIndex), &after.index));
    sums.push(of_new(name(FileKind::TimeIndex), &after.time_index));
    sums.extend(after.txn_index.as_ref().map(|bytes| of_new(name(FileKind::TxnIndex), bytes)));
    Ok(sums)
}

fn of_new(path: PathBuf, bytes: &[u8]) -> FileSum {
    FileSum { path, size: bytes.len() as u64, sum: Sum::of_bytes(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Offset;
    use crate::log::image::{LogImage, Patch};
    use crate::repair::change::ReplaceSegments;

    /// From FIPS 180-2, and the sum of nothing.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_sum_is_that_of_the_bytes() {
        assert_eq!(Sum::of_bytes(b"abc").to_string(), ABC);
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        for length in [0, 1, WINDOW_BYTES - 1, WINDOW_BYTES, 3 * WINDOW_BYTES + 7] {
            let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(Sum::of_file(&path).unwrap(), Sum::of_bytes(&bytes), "{length}");
        }
        assert!(Sum::of_file(&root.path().join("none")).is_err());
    }

    #[test]
    fn a_segment_that_is_not_written_yet_has_the_sums_of_its_bytes() {
        let root = tempfile::tempdir().unwrap();
        let old = root.path().join("00000000000000000007.log");
        std::fs::write(&old, b"--aXc--").unwrap();
        let mut log = LogImage::default();
        log.push(&old, 2..5, vec![Patch { position: 3, bytes: b"b".to_vec() }]);
        let after = SegmentAfter {
            base_offset: Offset(9),
            log,
            index: Vec::new(),
            time_index: b"abc".to_vec(),
            txn_index: None,
            like: old,
        };
        let change =
            Change::ReplaceSegments(ReplaceSegments { before: vec![], after: vec![after] });
        let sums = written_by(&change).unwrap();
        let said: Vec<(&str, u64, String)> = sums
            .iter()
            .map(|file| {
                let name = file.path.file_name().unwrap().to_str().unwrap();
                (name, file.size, file.sum.to_string())
            })
            .collect();
        let expected = [
            ("00000000000000000009.log", 3, ABC.to_owned()),
            ("00000000000000000009.index", 0, NOTHING.to_owned()),
            ("00000000000000000009.timeindex", 3, ABC.to_owned()),
        ];
        assert_eq!(said, expected);
        assert!(sums.iter().all(|file| file.path.parent() == Some(root.path())));
    }
}
