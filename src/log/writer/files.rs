//! The files of a partition that is appended to: which of them go before a segment is written to,
//! and which are put in their places when it is complete.
//!
//! ```text
//!   begin   room for what comes at the end; partition.metadata
//!           snapshots from behind the end go, and the segment's .index; then there is the .log
//!   end     sync .log;  .timeindex, .txnindex, .snapshot;  sync their names;  .index
//! ```

use super::super::names::{FileKind, FileName};
use super::super::new_file::{Content, Image, Place, put, put_unsynced};
use super::{Log, PartitionWriter};
use crate::error::{Error, Result};
use crate::format::checkpoint::PartitionMetadata;
use crate::format::{Offset, producer_snapshot};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// At most so many bytes are added to both indexes and the `.txnindex` by one batch.
const DERIVED_BYTES_PER_BATCH: u64 = 64;
/// Of a producer in a snapshot.
const PRODUCER_BYTES: u64 = 46;

impl PartitionWriter<'_> {
    /// Before the first change to a segment: what has to be there is, and its `.index` is not.
    pub(super) fn begin(&mut self) -> Result<()> {
        if self.log.is_some() {
            return Ok(());
        }
        self.hold_room()?;
        if !self.has_metadata {
            if let Some(topic_id) = self.options.topic_id {
                let text = PartitionMetadata { version: 0, topic_id }.encode();
                self.put(FileKind::PartitionMetadata, None, text.as_bytes())?;
            }
            self.has_metadata = true;
        }
        for path in &self.stale_snapshots {
            self.remove(path)?;
        }
        self.stale_snapshots.clear();
        let Some(segment) = &self.segment else { return Ok(()) };
        let (base, length) = (segment.base_offset, segment.length);
        let is_new = segment.file_length.is_none();
        self.has_begun = true;
        if is_new {
            // What a broker would remove when it starts: there is no log that it is of.
            self.remove(&self.path_of(base, FileKind::TimeIndex))?;
            self.remove(&self.path_of(base, FileKind::TxnIndex))?;
        }
        self.remove(&self.path_of(base, FileKind::OffsetIndex))?;
        let path = self.path_of(base, FileKind::Log);
        let file = if is_new { self.new_log(&path)? } else { self.open_log(&path)? };
        let synced = self.disk.sync_directory(&self.directory);
        synced.map_err(|error| Error::new("syncing", &self.directory, error))?;
        let Some(segment) = &mut self.segment else { return Ok(()) };
        if segment.file_length.is_some_and(|there| there > length) {
            // Behind the batches are the zeros of a file that was given its size beforehand.
            let cut = self.disk.truncate(&file, length);
            cut.map_err(|error| Error::new("cutting", &path, error))?;
            segment.file_length = Some(length);
        }
        self.log = Some(Log { path, file });
        Ok(())
    }

    fn new_log(&mut self, path: &Path) -> Result<File> {
        let image = Image { content: Content::Bytes(b""), attributes: &self.attributes };
        let file = put_unsynced(self.disk, path, image, Place::Free(&|_| Ok(())))?;
        if let Some(segment) = &mut self.segment {
            segment.file_length = Some(0);
            self.log_end = self.log_end.max(segment.base_offset);
        }
        self.written.segments += 1;
        Ok(file)
    }

    fn open_log(&self, path: &Path) -> Result<File> {
        let fail = |error| Error::new("opening", path, error);
        let file = self.disk.open_to_append(path).map_err(fail)?;
        let length = file.metadata().map_err(fail)?.len();
        if self.segment.as_ref().and_then(|segment| segment.file_length) != Some(length) {
            return Err(Error::other("opening", path, "it changed since it was looked at"));
        }
        Ok(file)
    }

    /// Sees to it that there is room for the files that the segment is closed with, once what is
    /// collected is part of it.
    pub(super) fn hold_room(&mut self) -> Result<()> {
        let Some(segment) = &self.segment else { return Ok(()) };
        let batches = self.facts.len() as u64;
        let known = self.producers.iter().size_hint().0 as u64;
        let producers = known.saturating_add(batches).saturating_mul(PRODUCER_BYTES);
        let entries = batches.saturating_mul(DERIVED_BYTES_PER_BATCH);
        let wanted = segment.derived_bytes().saturating_add(entries).saturating_add(producers);
        let held = self.reserve.hold(wanted, &self.directory, self.disk);
        held.map_err(|error| {
            Error::new("reserving room for the indexes in", &self.directory, error)
        })
    }

    pub(super) fn sync(&mut self) -> Result<()> {
        let Some(log) = &self.log else { return Ok(()) };
        self.since_sync = 0;
        let synced = self.disk.sync_file(&log.file);
        // Asked once more, a system may say that all is well.
        self.is_unsure |= synced.is_err();
        synced.map_err(|error| Error::new("syncing", &log.path, error))
    }

    /// The segment is complete; with the snapshot at `snapshot`. Its `.index` comes last: it says
    /// that everything else is good.
    pub(super) fn end_segment(&mut self, snapshot: Option<Offset>) -> Result<()> {
        if self.is_unsure {
            let why = self.failed.as_deref().unwrap_or("an earlier write failed");
            return Err(Error::other("closing", &self.directory, why));
        }
        self.sync()?;
        self.reserve.release();
        if self.epochs.is_changed()
            && let Some(bytes) = self.epochs.clone().take_change()
        {
            // The batches that it was changed for could not be written.
            self.put(FileKind::LeaderEpochCheckpoint, None, &bytes)?;
        }
        let Some(segment) = &self.segment else { return Ok(()) };
        if segment.file_length.is_none() {
            return self.end_before_it_began(segment.base_offset);
        }
        let base = segment.base_offset;
        let indexes = segment.indexes();
        self.put(FileKind::TimeIndex, Some(base), &indexes.time_index)?;
        if segment.is_txn_index_changed {
            self.put(FileKind::TxnIndex, Some(base), &segment.txn_index)?;
        }
        if let Some(offset) = snapshot {
            self.put_snapshot(offset)?;
        }
        self.sync_names()?;
        self.put(FileKind::OffsetIndex, Some(base), &indexes.index)?;
        self.sync_names()
    }

    /// There is no `.log` of this base offset: what it was to begin with is not behind the end.
    fn end_before_it_began(&self, base: Offset) -> Result<()> {
        if self.log_end >= base {
            return Ok(());
        }
        self.remove(&self.path_of(base, FileKind::ProducerSnapshot))?;
        if self.written.batches > 0 {
            self.put_snapshot(self.log_end)?;
        }
        self.sync_names()
    }

    fn put_snapshot(&self, offset: Offset) -> Result<()> {
        let producers = producer_snapshot::encode(&self.producers.entries());
        self.put(FileKind::ProducerSnapshot, Some(offset), &producers)
    }

    fn sync_names(&self) -> Result<()> {
        let synced = self.disk.sync_directory(&self.directory);
        synced.map_err(|error| Error::new("syncing", &self.directory, error))
    }

    /// Puts a whole file in its place, over what was there.
    pub(super) fn put(&self, kind: FileKind, offset: Option<Offset>, bytes: &[u8]) -> Result<()> {
        let name = FileName { kind, offset, epoch: None, suffix: None };
        let path = self.directory.join(name.to_string());
        let image = Image { content: Content::Bytes(bytes), attributes: &self.attributes };
        let is_there = path.symlink_metadata().is_ok();
        let place = if is_there { Place::Taken(&|_| Ok(())) } else { Place::Free(&|_| Ok(())) };
        match kind {
            FileKind::LeaderEpochCheckpoint | FileKind::PartitionMetadata => {
                put(self.disk, &path, image, place).map(drop)
            }
            _ => put_unsynced(self.disk, &path, image, place).map(drop),
        }
    }

    fn remove(&self, path: &Path) -> Result<()> {
        match self.disk.unlink(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Error::new("removing", path, error))
            }
            _ => Ok(()),
        }
    }

    fn path_of(&self, base: Offset, kind: FileKind) -> PathBuf {
        self.directory.join(FileName::of_segment(base, kind).to_string())
    }
}
