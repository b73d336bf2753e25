//! The descriptors and the offset indexes of the segments that are read.
//!
//! ```text
//!   a ServedSegment --> open()   LRU of descriptors    the file must be the one that was listed
//!                   --> index()  LRU of entries        without the zeros behind them; built from
//!                                                      the log where the file is of no use
//!   a range         --> warm()   is it in the page cache? if not, it is brought there
//! ```
//!
//! A segment whose file is gone, or is another one by its length or time, is an error: an answer
//! says what was true when the catalog was made, or nothing.

mod lru;
pub mod warm;

use crate::error::{Error, Result};
use crate::format::Position;
use crate::limits::Limits;
use crate::log::file_bytes::{Access, FileBytes, open_regular};
use crate::log::index_bytes::IndexBytes;
use crate::log::partition::FileEntry;
use crate::serve::catalog::ServedSegment;
use crate::serve::mover::Experience;
use lru::Lru;
use rustix::io::Errno;
use std::collections::HashMap;
use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A segment of a catalog, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentId(pub u32);

/// A `.log` that is open.
#[derive(Debug)]
pub struct OpenSegment {
    /// Which one.
    pub id: SegmentId,
    /// Its descriptor, whose own position is never used.
    pub log: File,
    /// Its size in bytes when it was opened.
    pub length: u64,
    /// What sending it has found out.
    pub experience: Experience,
    pulled: warm::Pulled,
}

impl OpenSegment {
    /// One of which nothing is known yet.
    #[must_use]
    pub fn new(id: SegmentId, log: File, length: u64) -> Self {
        let (experience, pulled) = (Experience::default(), warm::Pulled::default());
        Self { id, log, length, experience, pulled }
    }

    /// Takes note that the file ended before it should: it is not to be opened again.
    pub fn mark_broken(&self) {
        self.experience.shrank();
    }

    /// True when the file ended before it should.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.experience.is_shrunk()
    }
}

/// Why a segment cannot be read any more. The names are those of a counter's labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SegmentFailure {
    /// It ended before it should, while it was open.
    Shrunk,
    /// Its length or time is not what it was.
    Changed,
    /// It is not there.
    Gone,
    /// It cannot be opened.
    Unreadable,
}

impl SegmentFailure {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Shrunk, Self::Changed, Self::Gone, Self::Unreadable];

    /// Its name among the counters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Shrunk => "shrunk",
            Self::Changed => "changed",
            Self::Gone => "gone",
            Self::Unreadable => "unreadable",
        }
    }
}

/// The entries of a segment's offset index, and what was found out when they were made.
#[derive(Debug)]
pub struct SegmentIndex {
    entries: IndexBytes,
    /// Set where they come from the log itself: what is not proved before the end, and the end,
    /// which is where zeros begin if the file ends with zeros.
    rebuilt: Option<(Box<[Range<Position>]>, Position)>,
}

impl SegmentIndex {
    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &IndexBytes {
        &self.entries
    }

    /// True when they were made from the log and so cannot be wrong.
    #[must_use]
    pub fn is_rebuilt(&self) -> bool {
        self.rebuilt.is_some()
    }

    /// Damage that was found when they were made from the log, in its order.
    #[must_use]
    pub fn damaged(&self) -> &[Range<Position>] {
        self.rebuilt.as_ref().map_or(&[], |(damaged, _)| damaged)
    }

    /// Where the log ends, zeros left out, if that was found out.
    #[must_use]
    pub fn end(&self) -> Option<Position> {
        self.rebuilt.as_ref().map(|(_, end)| *end)
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + self.entries.bytes() + size_of_val(self.damaged())
    }
}

/// What happened to the files, in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesSnapshot {
    /// Descriptors that are open.
    pub open_segments: usize,
    /// What the indexes in memory take.
    pub index_bytes: usize,
    /// Indexes that did not agree with their log, and were made anew.
    pub indexes_distrusted: u64,
    /// Parts of ranges that were in the page cache.
    pub ranges_hit: u64,
    /// Parts that were not, and were brought there.
    pub ranges_cold: u64,
    /// Segments that failed, each counted once, in the order of [`SegmentFailure::ALL`].
    pub segments_failed: [u64; 4],
}

/// The open segments, and the least recently used of them to close.
#[derive(Debug)]
pub struct OpenFiles {
    segments: Mutex<Lru<SegmentId, Arc<OpenSegment>>>,
    indexes: Mutex<Lru<SegmentId, Arc<SegmentIndex>>>,
    /// Held while an index is made from its log: one at a time, since it takes memory.
    rebuilding: Mutex<()>,
    failed: Mutex<HashMap<SegmentId, SegmentFailure>>,
    distrusted: AtomicU64,
    warmer: warm::Warmer,
    limits: Limits,
}

impl OpenFiles {
    /// Keeps at most `files` descriptors and `index_bytes` bytes of indexes.
    #[must_use]
    pub fn new(files: usize, index_bytes: usize) -> Self {
        Self {
            segments: Mutex::new(Lru::new(files)),
            indexes: Mutex::new(Lru::new(index_bytes)),
            rebuilding: Mutex::new(()),
            failed: Mutex::new(HashMap::new()),
            distrusted: AtomicU64::new(0),
            warmer: warm::Warmer::new(),
            limits: Limits::STANDARD,
        }
    }

    /// The segment's descriptor; `None` when all are in use, as far as a short look tells.
    ///
    /// # Errors
    /// When the file is not the one that was listed, or cannot be opened.
    pub fn open(&self, segment: &ServedSegment) -> Result<Option<Arc<OpenSegment>>> {
        let mut closed = Vec::new();
        let found = self.find_or_make_room(segment.id, &mut closed);
        self.close(closed);
        match found {
            Some(Found::Open(found)) => return Ok(Some(found)),
            Some(Found::Room) => {}
            None => return Ok(None),
        }
        if lock(&self.failed).get(&segment.id) == Some(&SegmentFailure::Shrunk) {
            let why = "it became shorter while it was served";
            return Err(Error::other("opening", &segment.files.log.path, why));
        }
        let opened = match open_listed(&segment.files.log) {
            Ok(log) => OpenSegment::new(segment.id, log, segment.files.log.size),
            Err((None, _)) => return Ok(None),
            Err((Some(failure), error)) => {
                self.failed(segment.id, failure, &error);
                return Err(error);
            }
        };
        let mut closed = Vec::new();
        let opened = self.keep(Arc::new(opened), &mut closed);
        self.close(closed);
        Ok(opened)
    }

    fn find_or_make_room(
        &self,
        id: SegmentId,
        closed: &mut Vec<Arc<OpenSegment>>,
    ) -> Option<Found> {
        let mut segments = lock(&self.segments);
        match segments.get(id) {
            Some(found) if !found.is_broken() => return Some(Found::Open(Arc::clone(found))),
            Some(_) => closed.extend(segments.remove(id)),
            None => {}
        }
        segments.make_room(1, is_unused, closed).then_some(Found::Room)
    }

    /// Keeps a segment open, unless somebody was faster.
    fn keep(
        &self,
        opened: Arc<OpenSegment>,
        closed: &mut Vec<Arc<OpenSegment>>,
    ) -> Option<Arc<OpenSegment>> {
        let mut segments = lock(&self.segments);
        if let Some(faster) = segments.get(opened.id) {
            return Some(Arc::clone(faster));
        }
        if !segments.make_room(1, is_unused, closed) {
            return None;
        }
        segments.insert(opened.id, Arc::clone(&opened), 1);
        Some(opened)
    }

    /// Lets go of descriptors, with no lock held; remembers those that were broken.
    fn close(&self, closed: Vec<Arc<OpenSegment>>) {
        for segment in closed.iter().filter(|segment| segment.is_broken()) {
            let error = "it became shorter while it was served";
            self.failed(segment.id, SegmentFailure::Shrunk, &error);
        }
    }

    /// Counts and says it, once a segment.
    fn failed(&self, id: SegmentId, failure: SegmentFailure, error: &dyn std::fmt::Display) {
        let before = lock(&self.failed).insert(id, failure);
        if before.is_none() {
            tracing::warn!(segment = id.0, why = failure.name(), %error, "a segment failed");
        }
    }

    /// The segment's offset index.
    ///
    /// # Errors
    /// When it has to be made from the log, and that cannot be read.
    pub fn index(&self, segment: &ServedSegment) -> Result<Arc<SegmentIndex>> {
        if let Some(index) = self.cached_index(segment.id) {
            return Ok(index);
        }
        let read = segment.files.index.as_ref().and_then(|entry| self.read_index(segment, entry));
        let Some(entries) = read else { return self.rebuild(segment) };
        let index = Arc::new(SegmentIndex { entries, rebuilt: None });
        self.cache_index(segment.id, &index);
        Ok(index)
    }

    /// An index in place of one that did not agree with its log.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn distrust(&self, segment: &ServedSegment) -> Result<Arc<SegmentIndex>> {
        if let Some(index) = self.cached_index(segment.id).filter(|index| index.is_rebuilt()) {
            return Ok(index);
        }
        self.distrusted.fetch_add(1, Ordering::Relaxed);
        tracing::info!(
            segment = segment.id.0,
            path = %segment.files.log.path.display(),
            "the offset index does not agree with the log, and is made anew in memory"
        );
        self.rebuild(segment)
    }

    /// The segment's index if it is in memory.
    fn cached_index(&self, id: SegmentId) -> Option<Arc<SegmentIndex>> {
        lock(&self.indexes).get(id).cloned()
    }

    /// The entries of the file; `None` when it is of no use.
    fn read_index(&self, segment: &ServedSegment, entry: &FileEntry) -> Option<IndexBytes> {
        let file = open_listed(entry).ok()?;
        IndexBytes::read(&file, segment.base, segment.end, self.limits).ok()?
    }

    fn rebuild(&self, segment: &ServedSegment) -> Result<Arc<SegmentIndex>> {
        let _one_at_a_time = lock(&self.rebuilding);
        if let Some(index) = self.cached_index(segment.id).filter(|index| index.is_rebuilt()) {
            return Ok(index);
        }
        let entry = &segment.files.log;
        let log = FileBytes::open(&entry.path, Access::Read)?;
        if log.len() != entry.size {
            return Err(Error::other("reading", &entry.path, CHANGED));
        }
        let made = IndexBytes::rebuilt(&log, segment.base, segment.end, self.limits)?;
        let (mut damaged, mut end) = (made.damaged, segment.end);
        if let Some(last) = damaged.last().filter(|last| last.end == end).cloned()
            && is_zero(&log, last.clone())?
        {
            end = last.start;
            damaged.pop();
        }
        let rebuilt = Some((damaged.into_boxed_slice(), end));
        let index = Arc::new(SegmentIndex { entries: made.index, rebuilt });
        self.cache_index(segment.id, &index);
        Ok(index)
    }

    /// Keeps an index, if it is not larger than all of them may be.
    fn cache_index(&self, id: SegmentId, index: &Arc<SegmentIndex>) {
        let mut dropped = Vec::new();
        let mut indexes = lock(&self.indexes);
        if indexes.make_room(index.weight(), |_| true, &mut dropped) {
            dropped.extend(indexes.insert(id, Arc::clone(index), index.weight()));
        }
    }

    /// What happened so far.
    #[must_use]
    pub fn snapshot(&self) -> FilesSnapshot {
        let failed = lock(&self.failed);
        let count = |which| failed.values().filter(|&&failure| failure == which).count() as u64;
        FilesSnapshot {
            open_segments: lock(&self.segments).weight(),
            index_bytes: lock(&self.indexes).weight(),
            indexes_distrusted: self.distrusted.load(Ordering::Relaxed),
            ranges_hit: self.warmer.hits.load(Ordering::Relaxed),
            ranges_cold: self.warmer.colds.load(Ordering::Relaxed),
            segments_failed: SegmentFailure::ALL.map(count),
        }
    }
}

enum Found {
    Open(Arc<OpenSegment>),
    /// It is not open, and one more may be.
    Room,
}

const CHANGED: &str = "it has changed since the server was started";

/// True when nobody but the list has it: only the list hands it out, under its lock.
fn is_unused(segment: &Arc<OpenSegment>) -> bool {
    Arc::strong_count(segment) == 1
}

/// Opens the file if it is the one that was listed. An error without a failure says that there are
/// no descriptors left.
fn open_listed(entry: &FileEntry) -> std::result::Result<File, (Option<SegmentFailure>, Error)> {
    let file = open_regular(&entry.path).map_err(|error| {
        let number = error.source.raw_os_error().map(Errno::from_raw_os_error);
        let failure = match error.source.kind() {
            _ if matches!(number, Some(Errno::MFILE | Errno::NFILE)) => None,
            ErrorKind::NotFound => Some(SegmentFailure::Gone),
            _ => Some(SegmentFailure::Unreadable),
        };
        (failure, error)
    })?;
    let metadata = file.metadata().map_err(|error| {
        (Some(SegmentFailure::Unreadable), Error::new("opening", &entry.path, error))
    })?;
    let is_as_listed = metadata.len() == entry.size
        && entry.modified.is_none_or(|modified| metadata.modified().ok() == Some(modified));
    if is_as_listed {
        return Ok(file);
    }
    let error = Error::other("opening", &entry.path, CHANGED);
    Err((Some(SegmentFailure::Changed), error))
}

/// True when a range of a file is nothing but zeros.
fn is_zero(file: &FileBytes, range: Range<Position>) -> Result<bool> {
    const PART_BYTES: usize = 64 << 10;
    let (mut at, end, mut buffer) = (range.start.0, range.end.0, Vec::new());
    while at < end {
        let length = usize::try_from(end - at).map_or(PART_BYTES, |left| left.min(PART_BYTES));
        let bytes = file.read(at, length, &mut buffer)?;
        if bytes.is_empty() || bytes.iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
        at += bytes.len() as u64;
    }
    Ok(true)
}

/// What is behind these locks is whole at every step, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
