//! The last stable offset, aborted transactions and producers of a partition.
//!
//! ```text
//!   .snapshot           the newest one that is sound: producers, open transactions
//!      |
//!      v
//!   .log     ...........|batch|batch|ABORT|batch|    replayed from there to the end
//!                                     |       '--> open transactions: the last stable offset
//!   .txnindex  entry, entry ..        v
//!      '-------------------------> aborted transactions
//! ```
//!
//! An index that is not in order is not believed: the replay then begins before its segment. So it
//! does where all indexes are gone, as a broker recovers a segment without an `.index`, and where
//! the last broker did not stop in good order, from the recovery point on.

use super::tail::is_confirmed;
use super::{Loaded, NamedLimit};
use crate::error::Result;
use crate::format::producer_snapshot::ProducerEntry;
use crate::format::replay::snapshots::sound_snapshot;
use crate::format::replay::{BatchFacts, Producers};
use crate::format::txn_index::{AbortedTxn, ENTRY_BYTES, TxnIndex, VERSION};
use crate::format::{Offset, Position, Scratch};
use crate::limits::Limits;
use crate::log::FileBytes;
use crate::log::file_bytes::{Access, open_regular, read_small};
use crate::log::index_bytes::IndexBytes;
use crate::log::partition::PartitionDir;
use crate::log::runs::{Bounds, DamageKind, Piece, Scanner};
use crate::log::segment::SegmentFiles;

/// Aborted transactions of one partition.
const ABORTED: NamedLimit = NamedLimit { name: "aborted transactions", allowed: 1_000_000 };
/// Producers of one partition.
const PRODUCERS: NamedLimit = NamedLimit { name: "producers of a partition", allowed: 1_000_000 };

/// What the log says about transactions.
#[derive(Clone, Debug, Default)]
pub struct Transactions {
    /// The first offset of the oldest transaction that is not finished; the log end without one.
    pub last_stable: Offset,
    /// Aborted transactions in the order of their last offsets.
    pub aborted: Vec<AbortedTxn>,
    /// The producers that the log knows at its end.
    pub producers: Vec<ProducerEntry>,
    /// For each aborted transaction: the least first offset of it and all behind it.
    least_first: Vec<Offset>,
}

impl Transactions {
    fn new(producers: &Producers, mut aborted: Vec<AbortedTxn>, loaded: &Loaded) -> Self {
        // Those of the indexes are before those of the replay, and stay.
        aborted.sort_by_key(|entry| (entry.last_offset, entry.producer_id));
        aborted.dedup_by_key(|entry| (entry.last_offset, entry.producer_id));
        let mut least = Offset(i64::MAX);
        let mut least_first: Vec<Offset> = aborted
            .iter()
            .rev()
            .map(|entry| {
                least = least.min(entry.first_offset);
                least
            })
            .collect();
        least_first.reverse();
        let last_stable = producers.last_stable_offset(loaded.log_end);
        Self {
            last_stable: last_stable.max(loaded.log_start).min(loaded.log_end),
            aborted,
            producers: producers.entries(),
            least_first,
        }
    }

    /// The aborted transactions that touch `from..upper`, as a broker names them to a consumer:
    /// whose marker is at or behind `from`, and whose first record is before `upper`.
    ///
    /// A broker goes through the entries of this segment and the next ones up to one that says that
    /// nothing before `upper` was open any more. Here it is known where the last one is.
    #[must_use]
    pub fn aborted_between(&self, from: Offset, upper: Offset) -> Vec<AbortedTxn> {
        let first = self.aborted.partition_point(|entry| entry.last_offset < from);
        let behind = self.aborted.iter().enumerate().skip(first);
        behind
            .take_while(|(at, _)| self.least_first.get(*at).is_none_or(|least| *least < upper))
            .filter(|(_, entry)| entry.first_offset < upper)
            .map(|(_, entry)| *entry)
            .collect()
    }
}

/// Finds them.
///
/// # Errors
/// When a file cannot be read that has to be, and when a limit is hit.
pub fn transactions(dir: &PartitionDir, loaded: &Loaded, limits: Limits) -> Result<Transactions> {
    let (mut aborted, mut start) = (Vec::new(), loaded.log_end);
    for (number, files) in dir.segments.iter().enumerate() {
        let next_base = dir.segments.get(number + 1).map_or(loaded.log_end, |it| it.base_offset);
        let is_flushed = loaded.recovery_point.is_none_or(|point| next_base <= point);
        match indexed(files, next_base)? {
            Some(entries) if is_flushed => aborted.extend(entries),
            _ => start = start.min(files.base_offset),
        }
        if aborted.len() as u64 > ABORTED.allowed {
            return Err(ABORTED.exceeded("reading the transactions of", dir.path()));
        }
    }
    let producers = producers_at(dir, start)?;
    let mut replay = Replay { dir, loaded, limits, producers, aborted, known: 0 };
    replay.known = replay.producers.iter().count() as u64;
    replay.run()?;
    Ok(Transactions::new(&replay.producers, replay.aborted, loaded))
}

/// The entries of a `.txnindex`; `None` when it is not what a broker wrote. A broker writes none
/// where nothing was aborted, but always an `.index`. Entries from the log's end on speak of
/// batches that are gone.
fn indexed(files: &SegmentFiles, next_base: Offset) -> Result<Option<Vec<AbortedTxn>>> {
    let Some(entry) = &files.txn_index else {
        return Ok(files.index.is_some().then(Vec::new));
    };
    let most = ABORTED.allowed.saturating_mul(ENTRY_BYTES as u64);
    if entry.size > most {
        return Err(ABORTED.exceeded("reading", &entry.path));
    }
    let Ok(file) = FileBytes::open_owned(&entry.path, most) else { return Ok(None) };
    let index = TxnIndex::new(file.whole().unwrap_or_default());
    let (mut entries, mut previous) = (Vec::new(), None);
    for number in 0..index.entries() {
        let Some(Ok(entry)) = index.get(number) else { return Ok(None) };
        let is_sound = entry.version == VERSION
            && entry.first_offset.0 >= 0
            && entry.first_offset <= entry.last_offset
            && entry.last_offset >= files.base_offset
            && previous < Some(entry.last_offset);
        if !is_sound {
            return Ok(None);
        }
        previous = Some(entry.last_offset);
        if entry.last_offset < next_base {
            entries.push(entry);
        }
    }
    Ok((index.bytes_left() == 0).then_some(entries))
}

/// The producers of the newest sound snapshot at or below `offset`; none, at the front of the log,
/// where there is no such snapshot.
fn producers_at(dir: &PartitionDir, offset: Offset) -> Result<Producers> {
    for snapshot in dir.snapshots.iter().rev() {
        let Some(at) = snapshot.name.offset.filter(|at| *at <= offset) else { continue };
        // One that cannot be read is as one that is damaged: an older one will do.
        let Ok(bytes) = read_small(&snapshot.file.path) else { continue };
        if let Some(sound) = sound_snapshot(&bytes) {
            if sound.entries() as u64 > PRODUCERS.allowed {
                return Err(PRODUCERS.exceeded("reading", &snapshot.file.path));
            }
            return Ok(Producers::starting_from(at, sound.iter()));
        }
    }
    let first = dir.segments.first().map(|files| files.base_offset);
    Ok(Producers::new(first.unwrap_or(offset)))
}

/// The batches from where `producers` begin to the end of the log.
struct Replay<'d> {
    dir: &'d PartitionDir,
    loaded: &'d Loaded,
    limits: Limits,
    producers: Producers,
    aborted: Vec<AbortedTxn>,
    /// How many producers there are.
    known: u64,
}

impl Replay<'_> {
    fn run(&mut self) -> Result<()> {
        let from = self.producers.start();
        let mut scratch = Scratch::new(self.limits.decompressed_bytes);
        let mut buffer = Vec::new();
        if from >= self.loaded.log_end {
            return Ok(());
        }
        for (number, files) in self.dir.segments.iter().enumerate() {
            let next = self.dir.segments.get(number + 1).map(|next| next.base_offset);
            if next.is_none_or(|next| next > from) {
                buffer = self.segment(number, files, next, &mut scratch, buffer)?;
            }
        }
        Ok(())
    }

    fn segment(
        &mut self,
        number: usize,
        files: &SegmentFiles,
        next_base: Option<Offset>,
        scratch: &mut Scratch,
        mut buffer: Vec<u8>,
    ) -> Result<Vec<u8>> {
        let (from, limits) = (self.producers.start(), self.limits);
        let log = FileBytes::open(&files.log.path, Access::Read)?;
        let start = first_position(files, &log, from, limits, &mut buffer);
        let end = next_base.map_or(self.loaded.valid_end.0, |_| log.len());
        let bounds = Bounds {
            last_proved: None,
            segment_base: Some(files.base_offset),
            next_segment_base: next_base,
        };
        if self.loaded.is_missing_before(number) {
            self.producers.damaged();
        }
        let mut scanner = Scanner::with_buffer(&log, start.0..end, bounds, limits, buffer);
        while let Some(piece) = scanner.next()? {
            let batch = match piece {
                Piece::Proved(batch) => batch,
                Piece::Damaged(damage) => {
                    if let DamageKind::Limit { limit: "batch_bytes", allowed } = damage.kind {
                        let limit = NamedLimit { name: "batch_bytes", allowed };
                        return Err(limit.exceeded("replaying", &files.log.path));
                    }
                    self.producers.damaged();
                    continue;
                }
            };
            if self.loaded.is_in_hole(number, batch.position()) {
                self.producers.damaged();
            } else if (from..self.loaded.log_end).contains(&batch.last_offset()) {
                let facts = BatchFacts::of(&batch, scratch);
                self.take(&facts)?;
            }
        }
        Ok(scanner.into_buffer())
    }

    fn take(&mut self, batch: &BatchFacts) -> Result<()> {
        let is_new = batch.producer_id >= 0 && self.producers.get(batch.producer_id).is_none();
        self.known += u64::from(is_new);
        let ended = self.producers.take(batch).ended;
        self.aborted.extend(ended.and_then(|ended| ended.entry()));
        let limits = [(ABORTED, self.aborted.len() as u64), (PRODUCERS, self.known)];
        match limits.into_iter().find(|(limit, count)| *count > limit.allowed) {
            Some((limit, _)) => Err(limit.exceeded("replaying", self.dir.path())),
            None => Ok(()),
        }
    }
}

/// Where batches at or behind `from` begin, or before that: at an entry of the index that the log
/// confirms.
fn first_position(
    files: &SegmentFiles,
    log: &FileBytes,
    from: Offset,
    limits: Limits,
    buffer: &mut Vec<u8>,
) -> Position {
    let base = files.base_offset;
    let entry = files.index.as_ref().filter(|_| from > base);
    let read = entry.and_then(|entry| {
        let file = open_regular(&entry.path).ok()?;
        IndexBytes::read(&file, base, Position(log.len()), limits).ok().flatten()
    });
    let floor = read.and_then(|index| index.floor(from));
    let confirmed = floor
        .filter(|(offset, position)| is_confirmed(log, base, *offset, *position, limits, buffer));
    confirmed.map_or(Position(0), |(_, position)| position)
}
