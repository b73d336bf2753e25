//! What a partition is before anything is appended to it: read, and proved where it matters.
//!
//! ```text
//!   segments      | ... | ... | last       read whole: every batch proves itself
//!   snapshot            |                  the newest sound one at or below its base offset
//!                       '-------> replayed from there: producers, open transactions
//! ```
//!
//! What a broker would rebuild when it starts, because the last segment has no `.index`, is built
//! from its batches alone. Nothing is changed in here.

use super::super::disk::Disk;
use super::super::file_facts::Attributes;
use super::super::lease::{Writers, writers};
use super::super::lock::Guard;
use super::super::names::{FileKind, FileName, Suffix};
use super::super::partition::{FileEntry, NamedFile};
use super::super::runs::{Bounds, Piece, Scanner};
use super::super::{
    Access, FileBytes, OpenPartition, PartitionDir, SegmentFiles, Workspace, open_regular,
    read_small,
};
use super::epochs::EpochCache;
use super::reserve::Reserve;
use super::segment::SegmentState;
use super::{PartitionWriter, WriterOptions, Written};
use crate::error::{Error, Result};
use crate::format::offset_index::OffsetIndex;
use crate::format::replay::snapshots::sound_snapshot;
use crate::format::replay::{BatchFacts, Producers};
use crate::format::time_index::TimeIndex;
use crate::format::txn_index::{self, TxnIndex};
use crate::format::{Offset, Position, Scratch};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What comes of opening a partition to append to it.
pub enum Opened<'a> {
    /// It can be appended to.
    Ready(Box<PartitionWriter<'a>>),
    /// There are bytes behind which nothing may be appended.
    Damaged(Damaged),
}

/// Bytes that no batch proves, or that may not stand where they do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// The `.log`.
    pub log: PathBuf,
    /// Where they are.
    pub range: Range<Position>,
    /// True for the beginning of a batch at the end of the log, as a write leaves it that was
    /// interrupted.
    pub is_unfinished: bool,
}

/// What the batches of a log come to.
struct Replayed {
    segment: SegmentState,
    producers: Producers,
    epochs: EpochCache,
    /// The offset behind the last batch.
    log_end: Offset,
}

impl<'a> PartitionWriter<'a> {
    /// Opens the partition in `directory`, which is there, and which `guard` covers. `now` is the
    /// time, in milliseconds. Nothing is changed before the first batch is written.
    ///
    /// # Errors
    /// When the directory cannot be read, somebody else writes to it, or a file says something
    /// that cannot be built upon.
    pub fn open(
        directory: &Path,
        guard: &Guard,
        disk: &'a (dyn Disk + Sync),
        options: WriterOptions,
        now: i64,
    ) -> Result<Opened<'a>> {
        let refused = |why: String| Error::other("appending to", directory, why);
        if !guard.covers(directory) {
            return Err(refused("it is not locked".to_owned()));
        }
        let segment_bytes = options.segment_bytes.min(i32::MAX.unsigned_abs().into());
        let options = WriterOptions { segment_bytes, ..options };
        let dir = PartitionDir::open(directory)?;
        check_names(&dir).map_err(refused)?;
        let replayed = match dir.segments.split_last() {
            None => None,
            Some((last, before)) => match replay(&dir, before, last, &options, now)? {
                Ok(replayed) => Some(replayed),
                Err(damaged) => return Ok(Opened::Damaged(damaged)),
            },
        };
        let attributes = attributes_of(&dir)?;
        let start = options.log_start_offset.unwrap_or_default();
        let (segment, producers, mut epochs, log_end) = match replayed {
            Some(it) => (Some(it.segment), it.producers, it.epochs, it.log_end),
            None => (None, Producers::new(start), epochs_of(&dir)?, start),
        };
        let leader_epoch_in_force = epochs.latest().unwrap_or(-1);
        check_known_end(&dir, log_end, &options)?;
        epochs.truncate_from_end(log_end);
        let is_stale = |named: &&NamedFile| named.name.offset.is_some_and(|it| it > log_end);
        let stale = dir.snapshots.iter().filter(is_stale);
        let stale_snapshots = stale.map(|named| named.file.path.clone()).collect();
        Ok(Opened::Ready(Box::new(Self {
            directory: directory.to_owned(),
            disk,
            attributes,
            log_end,
            next_offset: log_end,
            least_epoch: epochs.latest().unwrap_or(-1),
            epochs,
            producers,
            segment,
            log: None,
            has_begun: false,
            // The id of a topic that a broker made is not for us to invent.
            has_metadata: dir.partition_metadata.is_some() || !dir.segments.is_empty(),
            stale_snapshots,
            collected: Vec::new(),
            facts: Vec::new(),
            reserve: Reserve::default(),
            since_sync: 0,
            leader_epoch_in_force,
            scratch: Scratch::new(options.limits.decompressed_bytes),
            written: Written::default(),
            failed: None,
            is_unsure: false,
            options,
        })))
    }
}

/// Refuses what a broker would first have to put in order.
fn check_names(dir: &PartitionDir) -> std::result::Result<(), String> {
    let next = format!("; next: seg repair {}", dir.path().display());
    if let Some(name) = dir
        .leftovers
        .iter()
        .find(|named| matches!(named.name.suffix, Some(Suffix::Swap | Suffix::Cleaned)))
    {
        let name = name.file.path.file_name().unwrap_or_default().to_string_lossy();
        return Err(format!(
            "a broker stopped there while it replaced segments by {name} and others like it{next}"
        ));
    }
    if let Some(log) = dir.unreadable.first() {
        let name = log.file.path.file_name().unwrap_or_default().to_string_lossy();
        return Err(format!("{name} is no regular file{next}"));
    }
    // A link, or a second name of the same offset: one of both would be wrong afterwards.
    let strays = dir.strays.iter().filter_map(|path| path.file_name()?.to_str());
    let mut strays = strays.filter(|name| FileName::parse(name).is_some_and(is_written));
    if let Some(name) = strays.next() {
        return Err(format!("{name} is not what its name says{next}"));
    }
    match dir.name.as_ref().map(|name| name.suffix) {
        Some(None) => Ok(()),
        Some(Some(_)) => Err("it waits for its deletion, or is on its way".to_owned()),
        None => Err("its name is no partition's, as orders-0 is".to_owned()),
    }
}

/// True for the files that are written in here.
fn is_written(name: FileName) -> bool {
    name.suffix.is_none() && name.kind.is_in_partition()
}

/// New files are as open as the log that is there, or the directory's owner's.
fn attributes_of(dir: &PartitionDir) -> Result<Attributes> {
    let attributes = match dir.segments.last() {
        Some(files) => {
            let file = open_regular(&files.log.path)?;
            let of = Attributes::of_open(&file);
            let of = of.map_err(|error| Error::new("looking at", &files.log.path, error))?;
            Attributes { modified: None, ..of }
        }
        None => {
            let of = Attributes::of_owner_of(dir.path());
            of.map_err(|error| Error::new("looking at", dir.path(), error))?
        }
    };
    Ok(attributes.given_by_this_process())
}

fn epochs_of(dir: &PartitionDir) -> Result<EpochCache> {
    let Some(entry) = &dir.leader_epoch_checkpoint else { return Ok(EpochCache::default()) };
    let bytes = read_small(&entry.path)?;
    EpochCache::parse(&bytes).ok_or_else(|| {
        let why = format!("it is damaged; next: seg repair {}", dir.path().display());
        Error::other("reading", &entry.path, why)
    })
}

/// The producers below the last segment, as the newest sound snapshot has them, and where that is.
fn snapshot_below(dir: &PartitionDir, last: Offset) -> Result<Option<Producers>> {
    for snapshot in dir.snapshots.iter().rev() {
        let Some(offset) = snapshot.name.offset.filter(|&offset| offset <= last) else { continue };
        let bytes = read_small(&snapshot.file.path)?;
        if let Some(sound) = sound_snapshot(&bytes) {
            return Ok(Some(Producers::starting_from(offset, sound.iter())));
        }
    }
    Ok(None)
}

type Judged<T> = std::result::Result<T, Damaged>;

fn replay(
    dir: &PartitionDir,
    before: &[SegmentFiles],
    last: &SegmentFiles,
    options: &WriterOptions,
    now: i64,
) -> Result<Judged<Replayed>> {
    if let Writers::Somebody = writers(&last.log.path)? {
        return Err(Error::other("appending to", &last.log.path, "somebody else is writing it"));
    }
    check_end_before(dir, before, last.base_offset, options)?;
    let start = before.first().unwrap_or(last).base_offset;
    let mut state = Replayed {
        segment: SegmentState::new(last.base_offset, options, now),
        producers: snapshot_below(dir, last.base_offset)?.unwrap_or(Producers::new(start)),
        epochs: epochs_of(dir)?,
        log_end: last.base_offset.max(options.log_start_offset.unwrap_or_default()),
    };
    let from = state.producers.start();
    let mut scratch = Scratch::new(options.limits.decompressed_bytes);
    for (number, files) in before.iter().enumerate() {
        let next = before.get(number + 1).unwrap_or(last);
        if next.base_offset <= from {
            continue;
        }
        let mut take = |batch: &BatchFacts| {
            if batch.first_known_offset() >= from {
                state.producers.take(batch);
            }
        };
        let walked = walk(&files.log, files.base_offset, options, &mut scratch, &mut take)?;
        if let Err(damaged) = walked {
            // What is behind it was not going to be written there.
            return Ok(Err(Damaged { is_unfinished: false, ..damaged }));
        }
    }
    state.segment.file_length = Some(last.log.size);
    let mut take = |batch: &BatchFacts| {
        let step = state.producers.take(batch);
        state.segment.take(batch, &step);
        state.epochs.recover(batch);
        state.log_end = state.log_end.max(batch.last_offset.plus(1));
    };
    let walked = walk(&last.log, last.base_offset, options, &mut scratch, &mut take)?;
    if let Err(mut damaged) = walked {
        // A batch that once was whole is no beginning that nobody was promised.
        let known = known_end(dir, options).map(|(end, _)| end);
        damaged.is_unfinished &= known <= Some(state.log_end);
        return Ok(Err(damaged));
    }
    keep_txn_index(&mut state.segment, last)?;
    Ok(Ok(state))
}

/// The greatest offset that anything says the log went on to, and what says it. An interrupted
/// write may leave a snapshot or a leader epoch from behind the end; an index it does not leave.
fn known_end(dir: &PartitionDir, options: &WriterOptions) -> Option<(Offset, &'static str)> {
    let last = dir.segments.last();
    let entry = |file: Option<&FileEntry>, kind| {
        let bytes = FileBytes::open_owned(&file?.path, options.limits.index_bytes).ok()?;
        let (bytes, base) = (bytes.whole()?, last?.base_offset);
        let offset = match kind {
            FileKind::TimeIndex => TimeIndex::new(bytes, base).last()?.offset,
            _ => OffsetIndex::new(bytes, base).last()?.offset,
        };
        Some(Offset(offset.0.checked_add(1)?))
    };
    let index = last.and_then(|files| files.index.as_ref());
    let time_index = last.and_then(|files| files.time_index.as_ref()).filter(|_| index.is_some());
    let known = [
        entry(index, FileKind::OffsetIndex).map(|end| (end, "its .index")),
        entry(time_index, FileKind::TimeIndex).map(|end| (end, "its .timeindex")),
        options.known_end.map(|end| (end, "a checkpoint of its log dir")),
    ];
    known.into_iter().flatten().max_by_key(|(end, _)| *end)
}

/// What was in the log once and is not now has offsets that consumers may have seen.
fn check_known_end(dir: &PartitionDir, log_end: Offset, options: &WriterOptions) -> Result<()> {
    let known = known_end(dir, options).filter(|(end, _)| *end > log_end);
    let Some((end, what)) = known else { return Ok(()) };
    let next = format!("seg repair {}", dir.path().display());
    let why = format!("it ends at {log_end}, and {what} says that it went on to {end}");
    Err(Error::other("appending to", dir.path(), format!("{why}; next: {next}")))
}

/// Keeps the `.txnindex` as it is, if it has every transaction that the batches show as aborted. If
/// not, or if a broker would build it anew, it is what the batches give.
fn keep_txn_index(segment: &mut SegmentState, files: &SegmentFiles) -> Result<()> {
    let mut there = match &files.txn_index {
        Some(file) => read_small(&file.path)?,
        None => Vec::new(),
    };
    // Half an entry is what an interrupted write leaves; nothing reads it.
    there.truncate(there.len() / txn_index::ENTRY_BYTES * txn_index::ENTRY_BYTES);
    let transactions = |bytes: &[u8]| -> BTreeSet<(i64, Offset, Offset)> {
        let entries = TxnIndex::new(bytes).iter().filter_map(|entry| entry.ok());
        entries.map(|entry| (entry.producer_id, entry.first_offset, entry.last_offset)).collect()
    };
    let has_all = transactions(&there).is_superset(&transactions(&segment.txn_index));
    if files.index.is_some() && has_all {
        segment.txn_index = there;
        segment.is_txn_index_changed = false;
    } else {
        segment.is_txn_index_changed = there != segment.txn_index;
    }
    Ok(())
}

/// An offset that a segment before the last has may not be given once more.
fn check_end_before(
    dir: &PartitionDir,
    before: &[SegmentFiles],
    base_offset: Offset,
    options: &WriterOptions,
) -> Result<()> {
    let with_batches = before.iter().rposition(|files| files.log.size > 0);
    let Some(index) = with_batches else { return Ok(()) };
    // Without those behind it, whose names would bound what is believed of it.
    let segments = before.get(..=index).unwrap_or_default().to_vec();
    let mut alone = PartitionDir::empty(dir.path());
    alone.segments = segments;
    let open = OpenPartition::new(alone, None, Access::Read, options.limits);
    let end = open.segment_end(index, &mut Workspace::new(&options.limits))?;
    if end.log_end.offset <= base_offset {
        return Ok(());
    }
    let (end, next) = (end.log_end.offset, format!("seg repair {}", dir.path().display()));
    let why = format!("a segment before {base_offset} goes on to {end}; next: {next}");
    Err(Error::other("appending to", dir.path(), why))
}

/// Gives every batch of a log to `take`. Zeros at its end are not part of it.
fn walk(
    log: &FileEntry,
    base_offset: Offset,
    options: &WriterOptions,
    scratch: &mut Scratch,
    take: &mut dyn FnMut(&BatchFacts),
) -> Result<Judged<()>> {
    let file = FileBytes::open(&log.path, Access::Read)?;
    let bounds =
        Bounds { last_proved: None, segment_base: Some(base_offset), next_segment_base: None };
    let mut scanner = Scanner::new(&file, 0..file.len(), bounds, options.limits);
    let mut least = base_offset;
    let damaged = |range: Range<Position>, is_unfinished| Damaged {
        log: log.path.clone(),
        range,
        is_unfinished,
    };
    while let Some(piece) = scanner.next()? {
        let batch = match piece {
            Piece::Proved(batch) => batch,
            Piece::Damaged(damage) if damage.kind.is_zeros() => return Ok(Ok(())),
            Piece::Damaged(damage) => {
                let is_unfinished = damage.kind.is_end_of_file();
                return Ok(Err(damaged(damage.range, is_unfinished)));
            }
        };
        let facts = BatchFacts::of(&batch, scratch);
        let relative = facts.last_offset.0.checked_sub(base_offset.0);
        let is_held = relative.is_some_and(|relative| i32::try_from(relative).is_ok());
        if facts.first_known_offset() < least || !is_held {
            return Ok(Err(damaged(facts.position..facts.end(), false)));
        }
        least = facts.last_offset.plus(1);
        take(&facts);
    }
    Ok(Ok(()))
}
