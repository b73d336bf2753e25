//! From a timestamp to a record, as a broker answers.
//!
//! ```text
//!   .timeindex    last entry = the greatest timestamp of its segment
//!   segments      40   90   70   120     asked for 60: the first that reaches it is the second,
//!                      ^                 and only that one is searched
//! ```
//!
//! `seg lookup` gives the first record of the whole log; a broker gives that of one segment, chosen
//! by what the time indexes say, and by the time of the file where they say nothing. Clients that
//! saw the broker's answers get the same ones here. Inside that segment the search is that of
//! `seg lookup`: it does not rest on what an index says.

use super::retried::Retried;
use super::{Partition, ServedSegment, TimestampHit};
use crate::error::{Error, Result};
use crate::format::{Offset, Position, Scratch};
use crate::log::index_bytes::last_timestamp;
use crate::log::lookup::{OpenPartition, Outcome, Place, Workspace};
use crate::log::partition::PartitionDir;
use crate::log::runs::{Bounds, Piece, Scanner};
use crate::log::{Access, open_regular};
use std::ops::Range;
use std::time::UNIX_EPOCH;

/// The greatest timestamp of a segment; -1 for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SegmentTime(i64);

const NO_TIMESTAMP: SegmentTime = SegmentTime(-1);

/// Of a segment that cannot be read. Not even the time of its file counts.
const UNREADABLE: SegmentTime = SegmentTime(i64::MIN);

/// Which files a segment is opened with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum With {
    Indexes,
    LogAlone,
}

impl Partition {
    /// The first record at or behind a time, as a broker finds it: from the log start on, but in
    /// one segment only. Damage is stepped over, and so are segments of which no timestamp is known
    /// because they cannot be read.
    ///
    /// # Errors
    /// When reading that segment fails, or a limit is hit.
    pub fn by_time(&self, timestamp: i64) -> Result<Option<TimestampHit>> {
        let times = self.timestamps();
        let reaches = |(time, segment): (&SegmentTime, &ServedSegment)| match *time {
            UNREADABLE => false,
            SegmentTime(time @ 0..) => time >= timestamp,
            _ => modified(segment) >= timestamp,
        };
        match times.iter().zip(&self.segments).position(reaches) {
            Some(place) => self.first_in(place, timestamp, Some(self.log_start)),
            None => Ok(None),
        }
    }

    /// The record with the largest timestamp, as a broker finds it: the first of equal ones.
    ///
    /// # Errors
    /// As [`Partition::by_time`].
    pub fn max_timestamp(&self) -> Result<Option<TimestampHit>> {
        let times = self.timestamps();
        let Some(&greatest) = times.iter().max() else { return Ok(None) };
        let place = times.iter().position(|&time| time == greatest).unwrap_or(0);
        if greatest > NO_TIMESTAMP {
            // The broker does not look at the log start here.
            return self.first_in(place, greatest.0, None);
        }
        self.first_without_timestamp(place)
    }

    /// The greatest timestamp of each segment.
    fn timestamps(&self) -> Vec<SegmentTime> {
        let nothing_known = || self.segments.iter().map(|_| Retried::default()).collect();
        let known = self.timestamps.get_or_init(nothing_known);
        let of_segment = |(place, known): (usize, &Retried<SegmentTime>)| {
            let found = known.wait(|is_first| {
                let found = self.greatest(place);
                if let Some(error) = found.as_ref().err().filter(|_| is_first) {
                    tracing::warn!(%error, "searches by time leave out a segment");
                }
                found
            });
            found.copied().unwrap_or(UNREADABLE)
        };
        known.iter().enumerate().map(of_segment).collect()
    }

    fn greatest(&self, place: usize) -> Result<SegmentTime> {
        let Some(segment) = self.segments.get(place) else { return Ok(NO_TIMESTAMP) };
        if place + 1 == self.segments.len() {
            return Ok(self.loaded.max_timestamp.map_or(NO_TIMESTAMP, SegmentTime));
        }
        if segment.end == Position(0) {
            return Ok(NO_TIMESTAMP);
        }
        let last = segment.files.time_index.as_ref().and_then(|entry| {
            let file = open_regular(&entry.path).ok()?;
            last_timestamp(&file, segment.base, self.limits).ok()?
        });
        let may_be = |offset: Offset| offset >= segment.base && offset < segment.next_base;
        if let Some(last) = last.filter(|last| last.timestamp >= 0 && may_be(last.offset)) {
            return Ok(SegmentTime(last.timestamp));
        }
        // A closed segment without one has no timestamps, or it lost its time index.
        let (open, mut buffer) = (self.open(place, With::LogAlone)?, Vec::new());
        let front = Place { segment: 0, position: Position(0) };
        if open.batch_at(front, &mut buffer)?.is_ok_and(|batch| batch.magic() == 0) {
            return Ok(NO_TIMESTAMP);
        }
        let end = open.segment_end(0, &mut Workspace::new(&self.limits))?;
        Ok(end.max_timestamp.map_or(NO_TIMESTAMP, SegmentTime))
    }

    /// One segment, as if it were all there is.
    fn open(&self, place: usize, with: With) -> Result<OpenPartition> {
        self.open_from(place, with, None)
    }

    fn open_from(
        &self,
        place: usize,
        with: With,
        log_start: Option<Offset>,
    ) -> Result<OpenPartition> {
        let mut dir = PartitionDir::empty(self.dir.path());
        let files = self.segments.get(place).map(|segment| segment.files.clone());
        dir.segments.extend(files.map(|mut files| {
            if with == With::LogAlone {
                (files.index, files.time_index) = (None, None);
            }
            files
        }));
        let open = OpenPartition::new(dir, log_start, Access::Read, self.limits);
        let log = &open.segment(0)?.log;
        match self.segments.get(place).filter(|segment| log.len() != segment.files.log.size) {
            None => Ok(open),
            Some(_) => {
                let why = "it has changed since the server was started";
                Err(Error::other("reading", log.path(), why))
            }
        }
    }

    /// The first record of a segment at or behind a time.
    fn first_in(
        &self,
        place: usize,
        timestamp: i64,
        log_start: Option<Offset>,
    ) -> Result<Option<TimestampHit>> {
        let Some(segment) = self.segments.get(place) else { return Ok(None) };
        let open = self.open_from(place, With::Indexes, log_start)?;
        let mut workspace = Workspace::new(&self.limits);
        let mut lookup = open.time(timestamp, &mut workspace)?;
        let mut damages = None;
        loop {
            let damage = match lookup.outcome {
                Outcome::Hit(hit) => {
                    let (timestamp, leader_epoch) = (hit.timestamp, hit.partition_leader_epoch);
                    let hit = TimestampHit { timestamp, offset: hit.offset, leader_epoch };
                    return Ok(Some(hit).filter(|hit| hit.offset < self.log_end));
                }
                Outcome::Miss(_) => return Ok(None),
                Outcome::Damaged(damage) => damage.place.position,
            };
            let damages = match &mut damages {
                Some(damages) => damages,
                None => {
                    tracing::warn!(
                        path = %segment.files.log.path.display(),
                        position = damage.0,
                        "a search by time stepped over damage"
                    );
                    damages.insert(self.damages(&open, segment, damage)?)
                }
            };
            let behind = match damages.iter().find(|range| range.end > damage) {
                Some(range) if range.start <= damage => range.end,
                // The batch proves itself, but its offsets are impossible.
                _ => self.behind(&open, damage)?,
            };
            if behind >= segment.end {
                return Ok(None);
            }
            let from = Place { segment: 0, position: behind };
            lookup = open.time_from(timestamp, from, &mut workspace)?;
        }
    }

    /// The damage of a segment from a position on.
    fn damages(
        &self,
        open: &OpenPartition,
        segment: &ServedSegment,
        from: Position,
    ) -> Result<Vec<Range<Position>>> {
        let bounds =
            Bounds { last_proved: None, segment_base: Some(segment.base), next_segment_base: None };
        let range = from.0..segment.end.0;
        let mut scanner = Scanner::new(&open.segment(0)?.log, range, bounds, self.limits);
        let mut damages = Vec::new();
        while let Some(piece) = scanner.next()? {
            if let Piece::Damaged(damage) = piece {
                damages.push(damage.range);
            }
        }
        Ok(damages)
    }

    /// Where the batch at a position ends; the end of everything where there is none.
    fn behind(&self, open: &OpenPartition, at: Position) -> Result<Position> {
        let mut buffer = Vec::new();
        let batch = open.batch_at(Place { segment: 0, position: at }, &mut buffer)?;
        Ok(batch.map_or(Position(u64::MAX), |batch| batch.end()))
    }

    /// The first record of a segment in which there are no timestamps. Magic 0 has none to say.
    fn first_without_timestamp(&self, place: usize) -> Result<Option<TimestampHit>> {
        if self.segments.get(place).is_none_or(|segment| segment.end == Position(0)) {
            return Ok(None);
        }
        let (open, mut buffer) = (self.open(place, With::LogAlone)?, Vec::new());
        let front = Place { segment: 0, position: Position(0) };
        let Ok(batch) = open.batch_at(front, &mut buffer)? else { return Ok(None) };
        if batch.magic() == 0 || batch.compute_crc() != batch.crc() {
            return Ok(None);
        }
        let mut scratch = Scratch::new(self.limits.decompressed_bytes);
        let first = batch.records(&mut scratch).ok().and_then(|mut records| records.next());
        let leader_epoch = batch.partition_leader_epoch();
        Ok(first.and_then(std::result::Result::ok).filter(|first| first.timestamp == -1).map(
            |first| TimestampHit { timestamp: first.timestamp, offset: first.offset, leader_epoch },
        ))
    }
}

/// When the file was written last, in milliseconds since the epoch.
fn modified(segment: &ServedSegment) -> i64 {
    let since = segment.files.log.modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0)
}
