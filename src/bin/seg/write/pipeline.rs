//! Every record from the input to its partition: Kafka's producer.

use super::clock::{self, Clock};
use super::lane::{Closed, Failure, Lanes, Making};
use crate::progress_bar::Bar;
use crate::signals;
use segkit::format::Codec;
use segkit::format::encode::EncodeError;
use segkit::log::writer::PartitionWriter;
use segkit::produce::accumulator::{Accumulator, AppendError, Batching, Refusal};
use segkit::produce::input::{Input, InputError, InputRecord};
use segkit::produce::partitioner::{NoSuchPartition, Partitioner};
use segkit::progress::Progress;
use std::collections::BTreeMap;

/// What is kept of the records that come in, and which are refused.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Whether they keep their offsets.
    pub keeps_offsets: bool,
    /// Whether they keep their timestamps.
    pub keeps_timestamps: bool,
    /// The only partition there is, by its number; `None` where a partitioner chooses.
    pub only_partition: Option<i32>,
    /// How far behind and before the time of writing a timestamp may lie.
    pub before_max_ms: i64,
    /// See above.
    pub after_max_ms: i64,
    /// The largest segment.
    pub segment_bytes: u64,
    /// The batches have no place for timestamps.
    pub has_no_timestamps: bool,
}

impl Terms {
    /// Why a record is refused: of the limits on its size, the one that was hit.
    fn reason(&self, refusal: Refusal) -> Reason {
        match refusal {
            Refusal::TooLarge { size, allowed } if allowed == self.segment_bytes => {
                Reason::Segment { size, allowed }
            }
            refusal => refusal.into(),
        }
    }
}

/// Why writing ended before the input did.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// There is no further record.
    #[error("{0}")]
    Input(#[from] InputError),
    /// The record cannot be written.
    #[error("{unit} {line}: {why}")]
    Refused {
        /// `line` or `record`.
        unit: &'static str,
        /// Counted from 1.
        line: u64,
        /// Why not.
        why: Reason,
    },
    /// It could not be written.
    #[error("{0}")]
    Failed(#[from] Failure),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

/// Why a record cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// By itself, or where it is to go.
    #[error("{0}")]
    Refusal(#[from] Refusal),
    /// No segment holds it.
    #[error("the record has up to {size} bytes, and segment.bytes is {allowed}")]
    Segment {
        /// What it comes to at most.
        size: u64,
        /// The limit.
        allowed: u64,
    },
    /// There is no such partition.
    #[error("{0}")]
    Partition(#[from] NoSuchPartition),
    /// It is for another one than the only one.
    #[error("it is for partition {said}, and what is written is partition {only}")]
    OtherPartition {
        /// What it says.
        said: u32,
        /// What there is.
        only: i32,
    },
    /// A timestamp that a broker would not take.
    #[error("timestamp {timestamp} is more than {most} ms {side} the time of writing ({flag})")]
    Timestamp {
        /// The record's.
        timestamp: i64,
        /// The bound.
        most: i64,
        /// `before` or `after`.
        side: &'static str,
        /// Whose bound it is.
        flag: &'static str,
    },
    /// No batch can hold it.
    #[error("{0}")]
    Encode(EncodeError),
}

/// What came of it.
pub struct Finished {
    /// The partitions, in their order.
    pub closed: BTreeMap<usize, Closed>,
    /// Why it ended early.
    pub stopped: Option<Stop>,
    /// What records did not keep.
    pub dropped: Dropped,
}

/// How batches are put together, and by how many threads they are written.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Which records share a batch.
    pub batching: Batching,
    /// What becomes of them.
    pub making: Making,
    /// The leader epoch of batches, unless their records say one that is kept.
    pub leader_epoch: Option<i32>,
    /// How many threads there may be.
    pub threads: usize,
}

/// How records are sent.
#[derive(Clone, Copy)]
pub struct Send<'t> {
    /// What a record of the input is: `line` or `record`.
    pub unit: &'static str,
    /// How batches are made.
    pub settings: &'t Settings,
    /// What is kept and refused.
    pub terms: &'t Terms,
}

impl Send<'_> {
    /// Writes every record. `bar` is told of them, where the input does not tell it itself.
    pub fn all<I: Input>(
        &self,
        input: &mut I,
        writers: Vec<PartitionWriter<'_>>,
        partitioner: Partitioner,
        bar: Option<&Bar>,
    ) -> Finished {
        let partitions = writers.iter().map(|writer| self.partition(writer)).collect();
        let settings = self.settings;
        let mut producer = Producer {
            partitions,
            partitioner,
            terms: self.terms,
            unit: self.unit,
            clock: Clock::default(),
            cached_now: clock::now(),
            is_any: false,
            keeps_epochs: self.terms.keeps_offsets && settings.leader_epoch.is_none(),
            dropped: Dropped::default(),
            bar,
        };
        std::thread::scope(|scope| {
            // What is not compressed is written sooner than it is handed over.
            let threads = match settings.making.codec {
                Codec::None => 0,
                _ => settings.threads.saturating_sub(1),
            };
            let mut lanes = match Lanes::new(writers, settings.making, threads, scope) {
                Ok(lanes) => lanes,
                Err(error) => {
                    let stopped = Some(Stop::Failed(error.into()));
                    let (closed, dropped) = (BTreeMap::new(), producer.dropped);
                    return Finished { closed, stopped, dropped };
                }
            };
            let mut stopped = producer.send_all(input, &mut lanes).err();
            if let Err(failed) = producer.close(&mut lanes) {
                stopped.get_or_insert(Stop::Failed(failed));
            }
            let has_failed = matches!(stopped, Some(Stop::Failed(_)));
            let (closed, result) = lanes.close(producer.is_any && !has_failed);
            if let Err(failed) = result {
                stopped.get_or_insert(Stop::Failed(failed));
            }
            if signals::is_interrupted() {
                stopped = Some(Stop::Interrupted);
            }
            Finished { closed, stopped, dropped: producer.dropped }
        })
    }

    fn partition(&self, writer: &PartitionWriter<'_>) -> Partition {
        let (latest, in_force) = (writer.latest_leader_epoch(), writer.leader_epoch_in_force());
        let next = writer.next_offset().0;
        // What says no leader epoch of its own goes on from the one in force.
        let keeps_epochs = self.terms.keeps_offsets && self.settings.leader_epoch.is_none();
        let least = if keeps_epochs { latest } else { in_force };
        let accumulator = Accumulator::new(self.settings.batching, next, least);
        let leader_epoch = self.settings.leader_epoch.unwrap_or(in_force);
        Partition { accumulator, leader_epoch }
    }
}

/// What records came with and did not keep.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dropped {
    /// True when one has another offset now.
    pub offsets: bool,
    /// True when one has another timestamp now.
    pub timestamps: bool,
}

struct Partition {
    accumulator: Accumulator,
    /// The one in force, -1 where none is known.
    leader_epoch: i32,
}

struct Producer<'t> {
    partitions: Vec<Partition>,
    partitioner: Partitioner,
    terms: &'t Terms,
    unit: &'static str,
    clock: Clock,
    /// A time that it was not so long ago.
    cached_now: i64,
    dropped: Dropped,
    /// True once a record was taken.
    is_any: bool,
    /// Whether records keep the leader epochs that they come with.
    keeps_epochs: bool,
    bar: Option<&'t Bar>,
}

/// After how many records the bar is told of them.
const TOLD_AT_ONCE: u64 = 1024;

impl Producer<'_> {
    fn send_all<'s, 'w: 's, I: Input>(
        &mut self,
        input: &mut I,
        lanes: &mut Lanes<'s, 'w>,
    ) -> Result<(), Stop> {
        loop {
            // By reference: to move a record takes longer than to write a small one.
            match input.next_record() {
                Ok(Some(ref mut record)) => self.take(record, lanes)?,
                Ok(None) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    #[inline(always)]
    fn take<'s, 'w: 's>(
        &mut self,
        record: &mut InputRecord<'_>,
        lanes: &mut Lanes<'s, 'w>,
    ) -> Result<(), Stop> {
        if signals::is_interrupted() {
            return Err(Stop::Interrupted);
        }
        let line = record.line;
        if let Some(bar) = self.bar.filter(|_| line.is_multiple_of(TOLD_AT_ONCE)) {
            let size = record.value.map_or(0, <[u8]>::len) as u64;
            bar.advance(size.saturating_mul(TOLD_AT_ONCE));
        }
        self.send(record, lanes).map_err(|error| match error {
            SendError::Refused(why) => Stop::Refused { unit: self.unit, line, why },
            SendError::Failed(failure) => Stop::Failed(failure),
        })
    }

    #[inline(always)]
    fn send<'s, 'w: 's>(
        &mut self,
        record: &mut InputRecord<'_>,
        lanes: &mut Lanes<'s, 'w>,
    ) -> Result<(), SendError> {
        let (said_offset, said_timestamp) = (record.offset, record.timestamp);
        let now = self.adapt(record)?;
        let partitions = &self.partitions;
        let slot = match (self.terms.only_partition, record.partition) {
            (Some(only), Some(said)) if i64::from(only) != i64::from(said) => {
                return Err(SendError::Refused(Reason::OtherPartition { said, only }));
            }
            (Some(_), _) => 0,
            (None, _) => {
                let has_room = |slot: u32| {
                    let at = partitions.get(slot as usize);
                    at.is_some_and(|at| at.accumulator.has_room(record, now))
                };
                let chosen = self.partitioner.partition(record, has_room);
                chosen.map_err(|error| SendError::Refused(error.into()))? as usize
            }
        };
        let Some(partition) = self.partitions.get_mut(slot) else {
            return Err(SendError::Failed(Failure::Gone));
        };
        let said = record.partition_leader_epoch.filter(|_| self.keeps_epochs);
        let leader_epoch = match said {
            Some(-1) | None => partition.leader_epoch,
            Some(said) => said,
        };
        // Batches of magic 0 and 1 have none. Behind those of another they go on under that one.
        let none = if said == Some(-1) { -1 } else { 0 };
        record.partition_leader_epoch = Some(leader_epoch.max(none));
        let appended = partition.accumulator.append(record, now, &mut lanes.of(slot));
        let appended = appended.map_err(|error| match error {
            AppendError::Refused(refusal) => SendError::Refused(self.terms.reason(refusal)),
            AppendError::Sink(Failure::Encode(error)) => SendError::Refused(Reason::Encode(error)),
            AppendError::Sink(failure) => SendError::Failed(failure),
        })?;
        partition.leader_epoch = leader_epoch;
        self.is_any = true;
        self.partitioner.appended(record, appended.bytes, appended.is_full);
        self.dropped.offsets |= said_offset.is_some_and(|said| said != appended.offset);
        let is_dropped = record.timestamp.is_none() || self.terms.has_no_timestamps;
        self.dropped.timestamps |= said_timestamp.is_some() && is_dropped;
        Ok(())
    }

    /// Takes away what is not kept, and refuses timestamps that are out of bounds. Returns what a
    /// record without a timestamp gets.
    #[inline(always)]
    fn adapt(&mut self, record: &mut InputRecord<'_>) -> Result<i64, SendError> {
        if !self.terms.keeps_offsets {
            record.offset = None;
        }
        if !self.terms.keeps_timestamps {
            record.timestamp = None;
        }
        let Some(timestamp) = record.timestamp else {
            self.cached_now = self.clock.now();
            return Ok(self.cached_now);
        };
        if timestamp != -1 && !self.is_within(timestamp) {
            self.cached_now = clock::now();
            if !self.is_within(timestamp) {
                return Err(SendError::Refused(self.out_of_bounds(timestamp)));
            }
        }
        Ok(self.cached_now)
    }

    fn is_within(&self, timestamp: i64) -> bool {
        timestamp.saturating_sub(self.cached_now) <= self.terms.after_max_ms
            && self.cached_now.saturating_sub(timestamp) <= self.terms.before_max_ms
    }

    fn out_of_bounds(&self, timestamp: i64) -> Reason {
        let (most, side, flag) = match timestamp > self.cached_now {
            true => (self.terms.after_max_ms, "after", "--message-timestamp-after-max-ms"),
            false => (self.terms.before_max_ms, "before", "--message-timestamp-before-max-ms"),
        };
        Reason::Timestamp { timestamp, most, side, flag }
    }

    /// Every batch that is being filled goes off.
    fn close<'s, 'w: 's>(&mut self, lanes: &mut Lanes<'s, 'w>) -> Result<(), Failure> {
        let mut result = Ok(());
        for (slot, partition) in self.partitions.iter_mut().enumerate() {
            let closed = partition.accumulator.close(&mut lanes.of(slot));
            result = result.and(closed);
        }
        result
    }
}

enum SendError {
    Refused(Reason),
    Failed(Failure),
}
