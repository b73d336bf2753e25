//! A segment: the files that share a base offset, as names, and opened for reading.

use super::file_bytes::{Access, FileBytes, Order};
use super::names::FileKind;
use super::partition::FileEntry;
use crate::error::{Error, Result};
use crate::format::Offset;
use crate::format::offset_index::OffsetIndex;
use crate::format::time_index::TimeIndex;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The most of an index that is read of a live log dir. A broker's own are 10 MiB at most unless
/// it was told otherwise; the front of an index is as good an index, only coarser.
pub const INDEX_READ_BYTES: u64 = 16 << 20;

/// The files of one segment, by their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFiles {
    /// The offset in the names; no record is below it.
    pub base_offset: Offset,
    /// The `.log`.
    pub log: FileEntry,
    /// The `.index`.
    pub index: Option<FileEntry>,
    /// The `.timeindex`.
    pub time_index: Option<FileEntry>,
    /// The `.txnindex`.
    pub txn_index: Option<FileEntry>,
    /// The `.snapshot` of producers below the base offset.
    pub snapshot: Option<FileEntry>,
}

impl SegmentFiles {
    /// A segment of a `.log` alone.
    #[must_use]
    pub fn new(base_offset: Offset, log: FileEntry) -> Self {
        let (index, time_index, txn_index, snapshot) = (None, None, None, None);
        Self { base_offset, log, index, time_index, txn_index, snapshot }
    }

    /// Where the index of `kind` goes.
    pub(super) fn place(&mut self, kind: FileKind) -> Option<&mut Option<FileEntry>> {
        match kind {
            FileKind::OffsetIndex => Some(&mut self.index),
            FileKind::TimeIndex => Some(&mut self.time_index),
            FileKind::TxnIndex => Some(&mut self.txn_index),
            _ => None,
        }
    }
}

/// A segment opened for reading: its `.log` at once, its indexes when they are asked for.
#[derive(Debug)]
pub struct Segment {
    /// The offset in the names.
    pub base_offset: Offset,
    /// The `.log`.
    pub log: FileBytes,
    access: Access,
    index: IndexFile,
    time_index: IndexFile,
}

/// Why a segment is searched without an index.
#[derive(Debug)]
pub enum NoIndex {
    /// There is no such file.
    Missing,
    /// It cannot be read.
    Unreadable(Error),
}

impl std::fmt::Display for NoIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Unreadable(error) => error.fmt(f),
        }
    }
}

#[derive(Debug)]
struct IndexFile {
    path: Option<PathBuf>,
    opened: OnceLock<std::result::Result<FileBytes, NoIndex>>,
}

impl IndexFile {
    fn new(entry: Option<&FileEntry>) -> Self {
        Self { path: entry.map(|entry| entry.path.clone()), opened: OnceLock::new() }
    }

    fn bytes(&self, access: Access) -> std::result::Result<&FileBytes, &NoIndex> {
        self.opened.get_or_init(|| open_index(self.path.as_deref(), access)).as_ref()
    }
}

fn open_index(path: Option<&Path>, access: Access) -> std::result::Result<FileBytes, NoIndex> {
    let path = path.ok_or(NoIndex::Missing)?;
    let bytes = match access {
        Access::Map => FileBytes::open(path, access),
        // The searches below want the whole of it, and no descriptor is kept for it.
        Access::Read => FileBytes::open_owned(path, INDEX_READ_BYTES),
    };
    bytes.inspect(|bytes| bytes.expect(Order::Random)).map_err(NoIndex::Unreadable)
}

impl Segment {
    /// Opens the segment's `.log`.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(files: &SegmentFiles, access: Access) -> Result<Self> {
        Ok(Self {
            base_offset: files.base_offset,
            log: FileBytes::open(&files.log.path, access)?,
            access,
            index: IndexFile::new(files.index.as_ref()),
            time_index: IndexFile::new(files.time_index.as_ref()),
        })
    }

    /// The offset index, opened when it is asked for the first time.
    ///
    /// # Errors
    /// When there is none to be had, which is no reason not to answer.
    pub fn offset_index(&self) -> std::result::Result<OffsetIndex<'_>, &NoIndex> {
        let bytes = self.offset_index_bytes()?;
        Ok(OffsetIndex::new(bytes.whole().unwrap_or_default(), self.base_offset))
    }

    /// The bytes of the offset index, as [`Segment::offset_index`].
    ///
    /// # Errors
    /// When there is none to be had.
    pub fn offset_index_bytes(&self) -> std::result::Result<&FileBytes, &NoIndex> {
        self.index.bytes(self.access)
    }

    /// The time index, opened when it is asked for the first time.
    ///
    /// # Errors
    /// When there is none to be had, which is no reason not to answer.
    pub fn time_index(&self) -> std::result::Result<TimeIndex<'_>, &NoIndex> {
        let bytes = self.time_index.bytes(self.access)?;
        Ok(TimeIndex::new(bytes.whole().unwrap_or_default(), self.base_offset))
    }
}
