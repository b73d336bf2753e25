//! Batches, appended to a partition as a broker appends them.
//!
//! ```text
//!   append -> collected -> .log                                  one segment after the other
//!                 |   '--> indexes, producers, aborted transactions    in memory, as it is written
//!                 '------> leader-epoch-checkpoint             before the first batch of an epoch
//!   segment full, or close
//!             sync .log, then .timeindex, .txnindex, .snapshot, and .index as the last
//! ```
//!
//! Room for what a segment is closed with is taken before its log grows, so that a full disk leaves
//! good files. Nothing is called good of which a sync has failed, or that could not be cut off.
//!
//! While a segment grows it has no `.index`: a broker that starts on what a killed writer has left
//! reads such a segment from its beginning, cuts off what is not whole, and builds the rest anew,
//! however cleanly the last broker stopped. So nothing has to be undone, and the log dir's
//! clean-shutdown marker stays.
//!
//! Memory is bounded by what is collected, by the entries of one segment's indexes, and by the
//! number of producers.

mod create;
mod epochs;
mod files;
mod open;
mod reserve;
mod segment;
#[cfg(test)]
mod tests;

use super::disk::Disk;
use super::file_facts::Attributes;
use super::names::FileKind;
use crate::error::{Error, Result};
use crate::format::checkpoint::Uuid;
use crate::format::replay::{BatchFacts, Producers};
use crate::format::{Batch, Offset, Position, Scratch};
use crate::limits::Limits;
use epochs::EpochCache;
use reserve::Reserve;
use segment::{LAST_RELATIVE_OFFSET, Next, SegmentState};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

pub use create::{make_directories, remove_empty};
pub use open::{Damaged, Opened};

/// How a partition is appended to: a broker's settings, by their names.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// `index.interval.bytes`.
    pub index_interval_bytes: u64,
    /// `segment.bytes`. No position in a log is above 2^31 - 1, whatever this says.
    pub segment_bytes: u64,
    /// `segment.ms`.
    pub segment_ms: i64,
    /// `segment.index.bytes`.
    pub segment_index_bytes: u64,
    /// `flush.messages`: after how many records the log is synced. `None`: where segments end.
    pub flush_interval_messages: Option<u64>,
    /// How many bytes of batches are collected before they are written.
    pub collected_bytes: usize,
    /// Of a partition that has no `partition.metadata` yet; `None`: it gets none.
    pub topic_id: Option<Uuid>,
    /// The log start offset of the log dir's checkpoint: where a partition without segments begins.
    pub log_start_offset: Option<Offset>,
    /// The greatest offset that the log dir's checkpoints say the log went on to.
    pub known_end: Option<Offset>,
    /// The bounds on what is read.
    pub limits: Limits,
}

/// What was appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The first offset; `None` when nothing was.
    pub first_offset: Option<Offset>,
    /// The offset behind the last record of the log.
    pub log_end: Offset,
    /// Batches.
    pub batches: u64,
    /// Records.
    pub records: u64,
    /// Bytes of batches.
    pub bytes: u64,
    /// Segments that were begun.
    pub segments: u64,
}

/// Appends to one partition, whose lock its caller holds.
///
/// What was appended is good for readers only when [`PartitionWriter::close`] has returned, be it
/// after an error: one that is dropped leaves what a killed one does.
pub struct PartitionWriter<'a> {
    directory: PathBuf,
    disk: &'a (dyn Disk + Sync),
    options: WriterOptions,
    attributes: Attributes,
    /// The offset behind the last batch that was written.
    log_end: Offset,
    /// The same with those that are collected.
    next_offset: Offset,
    /// The leader epoch that no batch behind those that are collected may be below.
    least_epoch: i32,
    epochs: EpochCache,
    producers: Producers,
    segment: Option<SegmentState>,
    log: Option<Log>,
    /// True once this writer has changed anything.
    has_begun: bool,
    has_metadata: bool,
    /// Snapshots of what is behind the end: they go before anything comes there.
    stale_snapshots: Vec<PathBuf>,
    /// Batches on their way to the log, and what they say.
    collected: Vec<u8>,
    facts: Vec<BatchFacts>,
    reserve: Reserve,
    /// Records that were written, or are collected, since the log was synced last.
    since_sync: u64,
    /// The leader epoch that the partition had last, with or without a batch.
    leader_epoch_in_force: i32,
    scratch: Scratch,
    written: Written,
    /// Why nothing more is appended.
    failed: Option<String>,
    /// Nobody knows what the disk holds of the log, or it has a part of a batch: then nothing is
    /// written that says it is good.
    is_unsure: bool,
}

/// The `.log` that is written.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: File,
}

impl<'a> PartitionWriter<'a> {
    /// The offset that the next record gets.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.next_offset
    }

    /// The leader epoch that the partition had last, -1 for none. No batch may have it yet: then it
    /// begins at the end of the log.
    #[must_use]
    pub fn leader_epoch_in_force(&self) -> i32 {
        self.leader_epoch_in_force
    }

    /// The latest leader epoch of a batch, -1 where there is none.
    #[must_use]
    pub fn latest_leader_epoch(&self) -> i32 {
        self.epochs.latest().unwrap_or(-1)
    }

    /// How many zeros are behind the last batch: they go before anything is written there.
    #[must_use]
    pub fn zeros_behind_the_end(&self) -> u64 {
        let zeros = |segment: &SegmentState| segment.file_length?.checked_sub(segment.length);
        self.segment.as_ref().and_then(zeros).unwrap_or_default()
    }

    /// Makes a partition that is new what a broker makes of it, if no batch has: one with an empty
    /// segment. `now` is the time, in milliseconds.
    ///
    /// # Errors
    /// When a file cannot be made.
    pub fn make(&mut self, now: i64) -> Result<()> {
        if self.segment.is_none() && self.failed.is_none() {
            self.segment = Some(SegmentState::new(self.log_end, &self.options, now));
            self.begin().map_err(|error| self.fail(error))?;
        }
        Ok(())
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Appends whole batches, which have their offsets, leader epochs and checksums already. They
    /// stay together. `now` is the time, in milliseconds.
    ///
    /// # Errors
    /// When they are no batches, or none that may follow; then nothing has changed. When they, or
    /// those collected before them, cannot be written: then the log ends behind the last batch that
    /// could, and nothing more can be appended.
    pub fn append(&mut self, batches: &[u8], now: i64) -> Result<()> {
        if let Some(why) = &self.failed {
            return Err(Error::other("appending to", &self.directory, why.as_str()));
        }
        self.take_in(batches, now)?;
        let is_due =
            self.options.flush_interval_messages.is_some_and(|most| self.since_sync >= most);
        if is_due || self.collected.len() >= self.options.collected_bytes {
            self.flush()?;
        }
        if is_due {
            self.sync().map_err(|error| self.fail(error))?;
        }
        Ok(())
    }

    fn take_in(&mut self, batches: &[u8], now: i64) -> Result<()> {
        let next = self.judge(batches)?;
        let is_full =
            |segment: &SegmentState| segment.is_index_full(self.facts.len(), &self.options);
        if !self.facts.is_empty() && self.segment.as_ref().is_some_and(is_full) {
            self.flush()?;
        }
        let collected = self.collected.len() as u64;
        let ends_before =
            |segment: &SegmentState| segment.ends_before(&next, collected, &self.options, now);
        if self.segment.as_ref().is_none_or(ends_before) {
            self.roll(next.first_offset, now)?;
        }
        let Some(segment) = &mut self.segment else { return Ok(()) };
        let mut position = segment.length.saturating_add(self.collected.len() as u64);
        let mut rest = batches;
        while let Ok(batch) = Batch::parse(rest, Position(position)) {
            if position == 0 {
                segment.first(batch.max_timestamp());
            }
            let mut facts = BatchFacts::of(&batch, &mut self.scratch);
            facts.base_offset = batch.base_offset(&mut self.scratch).ok();
            facts.records_count = facts.records_count.or_else(|| {
                let records = batch.records(&mut self.scratch).ok()?;
                i32::try_from(records.count()).ok()
            });
            self.since_sync = self.since_sync.saturating_add(records_of(&facts));
            self.facts.push(facts);
            position = position.saturating_add(batch.size() as u64);
            rest = rest.get(batch.size()..).unwrap_or_default();
        }
        self.collected.extend_from_slice(batches);
        self.next_offset = next.last_offset.plus(1);
        self.least_epoch = next.leader_epoch;
        Ok(())
    }

    /// What the batches say, if they may follow.
    fn judge(&mut self, batches: &[u8]) -> Result<Next> {
        let refused =
            |why: &str| Error::other("appending to", &self.directory, format!("batches {why}"));
        let mut rest = batches;
        let (mut first, mut least) = (None, self.next_offset);
        let mut next = Next {
            size: batches.len() as u64,
            max_timestamp: -1,
            first_offset: least,
            last_offset: Offset(-1),
            leader_epoch: self.least_epoch,
        };
        while !rest.is_empty() {
            let none = |error| refused(&format!("that are none: {error}"));
            let batch = Batch::parse(rest, Position(0)).map_err(none)?;
            let base = batch.base_offset(&mut self.scratch).map_err(none)?;
            if base < least {
                return Err(refused(&format!("of offset {base}, behind offset {least}")));
            }
            if batch.last_offset() < base || batch.last_offset().0 == i64::MAX {
                return Err(refused("whose last offset is impossible"));
            }
            let epoch = batch.partition_leader_epoch();
            if batch.magic() >= 2 && epoch < next.leader_epoch {
                let latest = next.leader_epoch;
                return Err(refused(&format!("of leader epoch {epoch}, behind epoch {latest}")));
            }
            // Batches of magic 0 and 1 have none, and what was known of those before is forgotten.
            next.leader_epoch = if batch.magic() < 2 { -1 } else { next.leader_epoch.max(epoch) };
            next.first_offset = *first.get_or_insert(base);
            least = batch.last_offset().plus(1);
            next.max_timestamp = next.max_timestamp.max(batch.max_timestamp());
            next.last_offset = batch.last_offset();
            rest = rest.get(batch.size()..).unwrap_or_default();
        }
        if first.is_none() {
            return Err(refused("of no bytes"));
        }
        if next.last_offset.0 - next.first_offset.0 > LAST_RELATIVE_OFFSET {
            return Err(refused("of offsets that no segment holds together"));
        }
        if next.size > self.options.segment_bytes {
            let allowed = self.options.segment_bytes;
            return Err(refused(&format!("of {} bytes, segment.bytes is {allowed}", next.size)));
        }
        Ok(next)
    }

    /// Ends the segment, if there is one, and begins the one that `first` is the first offset of.
    fn roll(&mut self, first: Offset, now: i64) -> Result<()> {
        self.flush()?;
        if self.segment.is_some() {
            let ended = self.begin().and_then(|()| self.end_segment(Some(first)));
            ended.map_err(|error| self.fail(error))?;
        }
        self.segment = Some(SegmentState::new(first, &self.options, now));
        self.log = None;
        Ok(())
    }

    /// Writes what is collected.
    ///
    /// # Errors
    /// When it cannot be written: then the log ends behind the last batch that was, and nothing
    /// more can be appended.
    pub fn flush(&mut self) -> Result<()> {
        if self.facts.is_empty() {
            return Ok(());
        }
        let written = self.write_collected();
        let written = written.map_err(|error| self.fail(error));
        self.collected.clear();
        if written.is_err() {
            self.facts.clear();
            self.next_offset = self.log_end;
        }
        written?;
        let facts = std::mem::take(&mut self.facts);
        for batch in &facts {
            self.take(batch);
        }
        // The memory is used again.
        self.facts = facts;
        self.facts.clear();
        Ok(())
    }

    fn write_collected(&mut self) -> Result<()> {
        self.begin()?;
        self.hold_room()?;
        let mut epochs = self.epochs.clone();
        for batch in &self.facts {
            epochs.append(batch);
        }
        if let Some(bytes) = epochs.take_change() {
            // Until the batches are there as well, the file is not as it has to be.
            self.epochs.set_changed();
            self.put(FileKind::LeaderEpochCheckpoint, None, &bytes)?;
        }
        let (Some(segment), Some(log)) = (&self.segment, &self.log) else { return Ok(()) };
        let fail = |error| Error::new("writing", &log.path, error);
        let length = segment.length;
        if let Err(error) = write_all(self.disk, &log.file, &self.collected, length) {
            // What was written of them goes again.
            self.is_unsure |= self.disk.truncate(&log.file, length).is_err();
            return Err(fail(error));
        }
        self.epochs = epochs;
        Ok(())
    }

    fn take(&mut self, batch: &BatchFacts) {
        let step = self.producers.take(batch);
        if let Some(segment) = &mut self.segment {
            segment.take(batch, &step);
        }
        self.log_end = batch.last_offset.plus(1);
        let records = records_of(batch);
        let written = &mut self.written;
        written.first_offset = written.first_offset.or(Some(batch.first_known_offset()));
        written.batches += 1;
        written.records = written.records.saturating_add(records);
        written.bytes = written.bytes.saturating_add(batch.size);
    }

    /// Nothing more is appended.
    fn fail(&mut self, error: Error) -> Error {
        self.failed.get_or_insert_with(|| format!("an earlier write failed: {error}"));
        error
    }

    /// Writes what is collected, and the files beside the log. After a failure it still makes good
    /// what is in the log.
    ///
    /// # Errors
    /// The first that happens; the partition is then as a killed broker leaves it.
    pub fn close(mut self) -> (Written, Result<()>) {
        let flushed = match self.failed {
            None => self.flush(),
            Some(_) => Ok(()),
        };
        let snapshot = Some(self.log_end).filter(|_| self.written.batches > 0);
        let ended = match self.has_begun {
            true => self.end_segment(snapshot),
            false => Ok(()),
        };
        let written = Written { log_end: self.log_end, ..self.written };
        (written, flushed.and(ended))
    }
}

fn records_of(batch: &BatchFacts) -> u64 {
    // What a wrapper holds that cannot be unpacked is not known.
    batch.records_count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default()
}

fn write_all(disk: &dyn Disk, file: &File, bytes: &[u8], mut position: u64) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match disk.write_at(file, rest, position) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => {
                rest = rest.get(count..).unwrap_or_default();
                position = position.saturating_add(count as u64);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
