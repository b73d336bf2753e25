//! The bytes that a `.log` is to have, before it is written: ranges of files that are there, and
//! the few bytes in them that are to be others.
//!
//! ```text
//!   part 0                part 1          part 2
//!   | 0.log 0..81920      | 0.log         | 57.log
//!   |     ^ patch: 1 byte | 98304..131072 | 0..16384
//!   '---- position 0 of the image         '---- position 114688
//! ```
//!
//! Nothing is copied until the image is written: who reads it, reads the files.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// The bytes that a file is to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogImage {
    /// One behind the other.
    pub parts: Vec<ImagePart>,
}

/// A range of a file that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePart {
    /// The file.
    pub file: PathBuf,
    /// Which of its bytes.
    pub range: Range<u64>,
    /// What is to stand in their place, in the order of positions and apart from each other.
    pub patches: Vec<Patch>,
}

/// Bytes that replace others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Where, in the file that the range is of.
    pub position: u64,
    /// As many as are replaced.
    pub bytes: Vec<u8>,
}

impl LogImage {
    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.parts.iter().map(ImagePart::len).sum()
    }

    /// True when it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a range of a file; one that goes on where the last part ends becomes part of it.
    pub fn push(&mut self, file: &Path, range: Range<u64>, mut patches: Vec<Patch>) {
        if range.is_empty() {
            return;
        }
        match self.parts.last_mut() {
            Some(last) if last.file == file && last.range.end == range.start => {
                last.range.end = range.end;
                last.patches.append(&mut patches);
            }
            _ => self.parts.push(ImagePart { file: file.to_owned(), range, patches }),
        }
    }
}

impl ImagePart {
    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    /// True when it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts the patches in their places in `bytes`, which were read at `position` of the file.
    pub fn patch(&self, position: u64, bytes: &mut [u8]) {
        let end = position.saturating_add(bytes.len() as u64);
        for patch in &self.patches {
            for (at, &byte) in (patch.position..end).zip(&patch.bytes) {
                let place = at.checked_sub(position).and_then(|at| usize::try_from(at).ok());
                if let Some(place) = place.and_then(|place| bytes.get_mut(place)) {
                    *place = byte;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::FileBytes;

    #[test]
    fn an_image_reads_as_the_bytes_that_it_stands_for() {
        let root = tempfile::tempdir().unwrap();
        let (one, two) = (root.path().join("one"), root.path().join("two"));
        let bytes: Vec<u8> = (0..=255).collect();
        std::fs::write(&one, &bytes).unwrap();
        std::fs::write(&two, [7; 50]).unwrap();
        let mut image = LogImage::default();
        image.push(&one, 10..100, vec![Patch { position: 99, bytes: vec![1] }]);
        image.push(&one, 100..110, vec![Patch { position: 100, bytes: vec![2, 3] }]);
        image.push(&one, 110..110, Vec::new());
        image.push(&two, 0..50, Vec::new());
        image.push(&one, 0..5, vec![Patch { position: 0, bytes: vec![9] }]);
        assert_eq!((image.parts.len(), image.len()), (3, 155));
        let mut expected = bytes[10..110].to_vec();
        expected[89..92].copy_from_slice(&[1, 2, 3]);
        expected.extend([7; 50]);
        expected.extend([9, 1, 2, 3, 4]);
        let file = FileBytes::composed(&root.path().join("new"), &image).unwrap();
        assert_eq!(file.len(), 155);
        for from in 0..160 {
            for length in [0, 1, 2, 50, 200] {
                let mut buffer = Vec::new();
                let read = file.read(from as u64, length, &mut buffer).unwrap();
                let end = (from + length).min(155);
                assert_eq!(read, expected.get(from..end).unwrap_or_default());
            }
        }
        assert!(FileBytes::composed(&one, &LogImage::default()).unwrap().is_empty());
        image.push(&root.path().join("none"), 0..1, Vec::new());
        assert!(FileBytes::composed(&one, &image).is_err());
    }
}
