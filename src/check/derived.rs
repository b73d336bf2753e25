//! The files beside a `.log` that brokers derive from it, read.

use super::{FileFindings, Finding, Problem};
use crate::error::Error;
use crate::format::Position;
use crate::log::file_facts::FileIdentity;
use crate::log::partition::FileEntry;
use crate::log::{Access, FileBytes};
use std::path::Path;
use std::sync::Arc;

/// How much of an index is read at a time.
const CHUNK_BYTES: usize = 256 << 10;
/// An entry of the offset index has 8 bytes, one of the time index 12: both fit in so many.
const ENTRIES_BYTES: usize = 24;

/// A derived file of a segment.
#[derive(Debug, Default)]
pub(super) enum Derived {
    /// There is none.
    #[default]
    Missing,
    /// What is in it.
    Bytes(DerivedFile),
    /// It cannot be read.
    Failed(Error),
}

/// A derived file of a segment, read.
#[derive(Clone, Debug)]
pub struct DerivedFile {
    /// Where it is.
    pub path: Arc<Path>,
    /// Its bytes, without most of the zeros that an index may end in.
    pub bytes: Arc<[u8]>,
    /// How long it is.
    pub length: u64,
    /// How many bytes of it were looked at: fewer where a limit of ours stopped that.
    pub read: u64,
    /// Which file it was, before it was read; `None` where that was not asked for.
    pub identity: Option<FileIdentity>,
}

impl Derived {
    /// The same, where nothing else is wanted.
    pub(super) fn into_file(self) -> Option<DerivedFile> {
        match self {
            Self::Bytes(file) => Some(file),
            Self::Missing | Self::Failed(_) => None,
        }
    }

    /// What is in it, if that is to be had.
    pub(super) fn file(&self) -> Option<&DerivedFile> {
        match self {
            Self::Bytes(file) => Some(file),
            Self::Missing | Self::Failed(_) => None,
        }
    }
}

impl DerivedFile {
    /// True when its bytes are `bytes`.
    #[must_use]
    pub fn is(&self, bytes: &[u8]) -> bool {
        let rest = bytes.strip_prefix(&*self.bytes);
        self.read == self.length
            && self.length == bytes.len() as u64
            && rest.is_some_and(|rest| rest.iter().all(|&byte| byte == 0))
    }

    /// That there is more of it than was looked at.
    pub(super) fn unread(&self) -> Option<Finding> {
        let problem = Problem::Limit { limit: "index_bytes", allowed: self.read };
        let range = Position(self.read)..Position(self.length);
        (self.read < self.length).then(|| Finding::new(Arc::clone(&self.path), range, problem))
    }
}

/// Reads a derived file, of which no more than `limit` bytes are looked at; which file it was is
/// found out first, where that is asked for.
pub(super) fn read(entry: &FileEntry, is_identified: bool, limit: u64) -> Derived {
    let read = || {
        let identity = if is_identified { FileIdentity::of(&entry.path)? } else { None };
        let file = FileBytes::open(&entry.path, Access::Read)?;
        let (bytes, read) = without_zeros(&file, limit)?;
        let length = if read == limit { file.len() } else { read };
        Ok(DerivedFile { path: entry.path.as_path().into(), bytes, length, read, identity })
    };
    read().map_or_else(Derived::Failed, Derived::Bytes)
}

/// The same of a file that is no index: zeros at its end mean something.
pub(super) fn read_whole(entry: &FileEntry, is_identified: bool, limit: u64) -> Derived {
    match read(entry, is_identified, limit) {
        Derived::Bytes(mut file) => {
            let mut bytes = file.bytes.to_vec();
            bytes.resize(usize::try_from(file.read).unwrap_or(bytes.len()), 0);
            file.bytes = bytes.into();
            Derived::Bytes(file)
        }
        other => other,
    }
}

/// The same of a file that says nothing where it is not whole. That it cannot be read so is a
/// finding.
pub(super) fn read_or_say(
    entry: &FileEntry,
    is_identified: bool,
    limit: u64,
    unreadable: &mut Vec<FileFindings>,
) -> Option<DerivedFile> {
    let mut findings = FileFindings::new(entry.path.as_path().into());
    match read_whole(entry, is_identified, limit) {
        Derived::Bytes(file) => match file.unread() {
            None => return Some(file),
            Some(unread) => findings.add_finding(unread),
        },
        Derived::Missing => return None,
        Derived::Failed(error) => {
            findings.add(Position(0)..Position(0), None, Problem::not_opened(&error));
        }
    }
    unreadable.push(findings);
    None
}

/// The bytes of `file`, and how many there are in it, up to `limit`. A preallocated index is long
/// and nearly all zeros: of those at the end none are kept, but for what fills the last entry.
fn without_zeros(file: &FileBytes, limit: u64) -> Result<(Arc<[u8]>, u64), Error> {
    let (mut kept, mut chunk) = (Vec::new(), Vec::new());
    let mut position = 0;
    loop {
        let rest = usize::try_from(limit.saturating_sub(position)).unwrap_or(usize::MAX);
        let bytes = file.read(position, rest.min(CHUNK_BYTES), &mut chunk)?;
        if bytes.is_empty() {
            break;
        }
        if let Some(last) = bytes.iter().rposition(|&byte| byte != 0) {
            // Of zeros that were passed over before.
            kept.resize(usize::try_from(position).unwrap_or(usize::MAX), 0);
            kept.extend_from_slice(bytes.get(..=last).unwrap_or_default());
        }
        position = position.saturating_add(bytes.len() as u64);
    }
    let whole_entries = kept.len().next_multiple_of(ENTRIES_BYTES).max(ENTRIES_BYTES);
    kept.resize(usize::try_from(position).map_or(whole_entries, |end| end.min(whole_entries)), 0);
    Ok((kept.into(), position))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn zeros_at_the_end_are_counted_and_not_kept() {
        let chunk = CHUNK_BYTES;
        let shapes: [&[(usize, u8)]; 8] = [
            &[],
            &[(12, 0)],
            &[(9, 0), (1, 7), (30, 0)],
            &[(10 << 20, 0)],
            &[(40, 3), (chunk * 3, 0)],
            &[(chunk - 1, 0), (1, 1), (chunk * 2, 0), (25, 9), (chunk, 0)],
            &[(chunk * 2, 5)],
            &[(chunk * 2, 0), (1, 5)],
        ];
        for shape in shapes {
            let all: Vec<u8> = shape.iter().flat_map(|(count, byte)| vec![*byte; *count]).collect();
            let file = FileBytes::owned(Path::new("i"), all.clone());
            for limit in [0, 1, 12, 50, chunk, chunk * 2 + 7, 64 << 20] {
                let end = all.len().min(limit);
                let (kept, read) = without_zeros(&file, limit as u64).unwrap();
                assert_eq!(read, end as u64);
                let used = all[..end].iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
                assert!(kept.len() >= used && kept.len() <= used.max(1).next_multiple_of(24));
                assert!(kept.len() == end || kept.len() % 24 == 0);
                let mut again = kept.to_vec();
                again.resize(end, 0);
                assert!(again == all[..end]);
                let (path, length) = (Path::new("i").into(), all.len() as u64);
                let file = DerivedFile { path, bytes: kept, length, read, identity: None };
                assert_eq!(file.is(&all), end == all.len());
                assert_eq!(file.unread().is_some(), end < all.len());
                assert!(!file.is(&[&all[..], &[0]].concat()));
            }
        }
    }
}
