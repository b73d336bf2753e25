//! Which records of a partition share a batch, as Kafka's producer decides it.
//!
//! ```text
//!   append ---> may it be written at all?       no: refused, and nothing has changed
//!               may it follow what came last?
//!          ---> does the open batch take it?    no: the batch is closed, another one opened
//!                 the same for all its records    producer, leader epoch, control, ...
//!                 time                            --linger-ms after its first record
//!                 size                            --batch-size, by estimate
//!          ---> BatchSink: open, append, close
//! ```
//!
//! The estimate is the producer's own: what was put in, times how well the batches before it were
//! compressed. The first record always fits; one that is larger than a batch gets a batch as large.

mod size;

use super::input::{InputHeaders, InputRecord, ProducerFields};
use crate::format::TimestampType;
use crate::format::batch::add_sequence;
use size::{Fill, Ratio};

/// Kafka's `batch.size`.
pub const BATCH_SIZE: u64 = 16_384;
/// Kafka's `max.request.size`.
pub const MAX_REQUEST_SIZE: u64 = 1_048_576;

/// How records are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// `batch.size`: a batch that has this many bytes is full.
    pub batch_size: u64,
    /// How many bytes the records of a batch may have before they are compressed: however well that
    /// goes, a reader has to unpack them.
    pub uncompressed_size: u64,
    /// `linger.ms`, in the time of the records: a batch takes no record that is later than its
    /// first by more. `None`: as late as they come.
    pub linger_ms: Option<i64>,
    /// `max.request.size`: a larger record is refused.
    pub max_request_size: u64,
    /// 0, 1 or 2.
    pub magic: i8,
    /// True when batches are compressed.
    pub is_compressed: bool,
    /// With LogAppendTime all records of a batch have one timestamp.
    pub timestamp_type: TimestampType,
    /// The leader epoch of all batches; `None`: the one that each record says.
    pub partition_leader_epoch: Option<i32>,
    /// True when the topic is compacted: records have to have keys.
    pub is_compacted: bool,
}

/// What all records of a batch share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewBatch {
    /// The offset of its first record.
    pub base_offset: i64,
    /// -1 for none.
    pub partition_leader_epoch: i32,
    /// The sequence of its first record, -1 for none.
    pub base_sequence: i32,
    /// Producer, transaction, control.
    pub producer: ProducerFields,
}

/// A record with everything decided.
#[derive(Clone, Copy, Debug)]
pub struct NewRecord<'a> {
    /// Greater than the one before.
    pub offset: i64,
    /// Milliseconds since the epoch, -1 for none.
    pub timestamp: i64,
    /// The key, `None` for null.
    pub key: Option<&'a [u8]>,
    /// The value, `None` for null.
    pub value: Option<&'a [u8]>,
    /// The headers.
    pub headers: InputHeaders<'a>,
}

/// Makes batches, and puts them where they belong.
pub trait BatchSink {
    /// Why it could not.
    type Error;
    /// A batch begins.
    fn open(&mut self, batch: &NewBatch) -> Result<(), Self::Error>;
    /// The next record of the open batch.
    fn append(&mut self, record: &NewRecord<'_>) -> Result<(), Self::Error>;
    /// The open batch is complete. Says what the records of a batch have come to that was not
    /// spoken of before, without its header: bytes compressed, and bytes uncompressed. That may be
    /// an earlier one, as batches are compressed beside each other; `None`: none is ready.
    fn close(&mut self) -> Result<Option<(u64, u64)>, Self::Error>;
}

/// Why a record cannot be written. Nothing was changed by it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too large for a request.
    #[error("the record has up to {size} bytes, and max.request.size is {allowed}")]
    TooLarge {
        /// What it comes to at most.
        size: u64,
        /// The limit.
        allowed: u64,
    },
    /// An offset that is taken, or lies before what is there.
    #[error("offset {offset} is below {next}, the next that is free")]
    OffsetGoesBack {
        /// The record's.
        offset: i64,
        /// What would be right.
        next: i64,
    },
    /// The offsets are used up.
    #[error("there is no offset behind the last one")]
    NoOffsetLeft,
    /// Timestamps begin at -1, which stands for none.
    #[error("timestamp {0} is below -1")]
    Timestamp(i64),
    /// Leader epochs only grow.
    #[error("partitionLeaderEpoch {epoch} comes behind {last}")]
    LeaderEpochGoesBack {
        /// The record's.
        epoch: i32,
        /// The one before.
        last: i32,
    },
    /// A record without a key could never be compacted.
    #[error("the topic is compacted and the record has no key")]
    NoKey,
    /// Something that magic 0 and 1 have no place for.
    #[error("magic {magic} has no {what}")]
    NotInMagic {
        /// The magic.
        magic: i8,
        /// What there is no place for.
        what: &'static str,
    },
    /// Producer fields that do not go together.
    #[error("{0}")]
    ProducerFields(&'static str),
}

/// Why appending failed.
#[derive(Debug, PartialEq, Eq)]
pub enum AppendError<E> {
    /// The record cannot be written.
    Refused(Refusal),
    /// The batch could not be made, or put where it belongs.
    Sink(E),
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its offset.
    pub offset: i64,
    /// By how much its batch has grown, by estimate; of the first record with the header.
    pub bytes: u64,
    /// True when the batch takes no further one.
    pub is_full: bool,
}

/// The records of one partition on their way into batches.
#[derive(Clone, Debug)]
pub struct Accumulator {
    batching: Batching,
    next_offset: Option<i64>,
    last_leader_epoch: i32,
    ratio: Ratio,
    open: Option<Open>,
}

/// The batch that takes records.
#[derive(Clone, Copy, Debug)]
struct Open {
    batch: NewBatch,
    base_timestamp: i64,
    fill: Fill,
}

impl Accumulator {
    /// Of a partition whose log ends at `next_offset`, in the leader epoch `last_leader_epoch` (-1
    /// where it is empty).
    #[must_use]
    pub fn new(batching: Batching, next_offset: i64, last_leader_epoch: i32) -> Self {
        let next_offset = Some(next_offset);
        Self { batching, next_offset, last_leader_epoch, ratio: Ratio::default(), open: None }
    }

    /// The offset behind the last record.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.next_offset.unwrap_or(i64::MAX)
    }

    /// True when the open batch would take `record` if it came `now`.
    #[must_use]
    pub fn has_room(&self, record: &InputRecord<'_>, now: i64) -> bool {
        let (Ok(place), Some(open)) = (self.place(record, now), &self.open) else { return false };
        open.size_of_next(&self.batching, record, &place).is_some()
    }

    /// Puts `record` into the open batch or into a new one. It keeps the offset and the timestamp
    /// it has; without them it gets the next offset, and `now`.
    #[inline(always)]
    pub fn append<S: BatchSink>(
        &mut self,
        record: &InputRecord<'_>,
        now: i64,
        sink: &mut S,
    ) -> Result<Appended, AppendError<S::Error>> {
        let place = self.place(record, now).map_err(AppendError::Refused)?;
        if let Some(open) = self.open.as_mut()
            && let Some(size) = open.size_of_next(&self.batching, record, &place)
        {
            sink.append(&place.of(record)).map_err(AppendError::Sink)?;
            let (bytes, is_full) = (open.fill.add(size), open.fill.is_full());
            self.next_offset = place.offset.checked_add(1);
            return Ok(Appended { offset: place.offset, bytes, is_full });
        }
        self.append_first(record, &place, sink).map_err(AppendError::Sink)
    }

    /// Begins a batch with its first record.
    #[inline(never)]
    fn append_first<S: BatchSink>(
        &mut self,
        record: &InputRecord<'_>,
        place: &Place,
        sink: &mut S,
    ) -> Result<Appended, S::Error> {
        let batch = NewBatch {
            base_offset: place.offset,
            partition_leader_epoch: place.partition_leader_epoch,
            base_sequence: record.sequence,
            producer: record.producer,
        };
        self.close(sink)?;
        sink.open(&batch)?;
        sink.append(&place.of(record))?;
        let alone = size::upper_bound(&self.batching, place.content);
        let mut fill = Fill::new(&self.batching, self.ratio, alone);
        fill.add(size::record(self.batching.magic, place.content, 0, 0));
        let (bytes, is_full) = (fill.estimate(), fill.is_full());
        self.open = Some(Open { batch, base_timestamp: place.timestamp, fill });
        self.next_offset = place.offset.checked_add(1);
        self.last_leader_epoch = self.last_leader_epoch.max(batch.partition_leader_epoch);
        Ok(Appended { offset: place.offset, bytes, is_full })
    }

    /// Closes the open batch if there is one: at the end, or before anything else is written.
    pub fn close<S: BatchSink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        if self.open.take().is_some()
            && let Some((compressed, uncompressed)) = sink.close()?
            && self.batching.is_compressed
        {
            self.ratio.observe(compressed, uncompressed);
        }
        Ok(())
    }

    /// What the record gets, unless it is refused.
    #[inline(always)]
    fn place(&self, record: &InputRecord<'_>, now: i64) -> Result<Place, Refusal> {
        let next = self.next_offset.ok_or(Refusal::NoOffsetLeft)?;
        let offset = record.offset.unwrap_or(next);
        let timestamp = record.timestamp.unwrap_or(now);
        let said = record.partition_leader_epoch.unwrap_or(-1);
        let epoch = self.batching.partition_leader_epoch.unwrap_or(said);
        if offset == i64::MAX {
            return Err(Refusal::NoOffsetLeft);
        }
        if offset < next {
            return Err(Refusal::OffsetGoesBack { offset, next });
        }
        if timestamp < -1 {
            return Err(Refusal::Timestamp(timestamp));
        }
        // None is legal anywhere: batches of old magics have none.
        if epoch >= 0 && epoch < self.last_leader_epoch {
            return Err(Refusal::LeaderEpochGoesBack { epoch, last: self.last_leader_epoch });
        }
        if self.batching.is_compacted && record.key.is_none() && !record.producer.is_control {
            return Err(Refusal::NoKey);
        }
        let content = size::content(self.batching.magic, record);
        let size = size::upper_bound(&self.batching, content);
        if size > self.batching.max_request_size {
            return Err(Refusal::TooLarge { size, allowed: self.batching.max_request_size });
        }
        if record.producer != ProducerFields::NONE || self.batching.magic < 2 {
            check_fields(self.batching.magic, record)?;
        }
        Ok(Place { offset, timestamp, partition_leader_epoch: epoch, content })
    }
}

/// What is decided about a record.
struct Place {
    offset: i64,
    timestamp: i64,
    partition_leader_epoch: i32,
    /// The size of its content.
    content: u64,
}

impl Place {
    #[inline(always)]
    fn of<'a>(&self, record: &InputRecord<'a>) -> NewRecord<'a> {
        let &InputRecord { key, value, headers, .. } = record;
        NewRecord { offset: self.offset, timestamp: self.timestamp, key, value, headers }
    }
}

impl Open {
    /// The size of a record in this batch; `None`: the batch does not take it.
    #[inline(always)]
    fn size_of_next(
        &self,
        batching: &Batching,
        record: &InputRecord<'_>,
        place: &Place,
    ) -> Option<u64> {
        let batch = &self.batch;
        let offset_delta = place.offset.checked_sub(batch.base_offset)?;
        let sequence = match (batch.base_sequence, i32::try_from(offset_delta).ok()?) {
            (base, delta) if base >= 0 => add_sequence(base, delta),
            (none, _) => none,
        };
        let waited = place.timestamp.saturating_sub(self.base_timestamp);
        let goes_on = batch.producer == record.producer
            // A reader looks at the first record of such a batch to see what it says.
            && !record.producer.is_control
            && batch.partition_leader_epoch == place.partition_leader_epoch
            && sequence == record.sequence
            && batching.linger_ms.is_none_or(|linger| waited <= linger)
            && (waited == 0 || batching.timestamp_type != TimestampType::LogAppendTime);
        if !goes_on {
            return None;
        }
        let timestamp_delta = place.timestamp.wrapping_sub(self.base_timestamp);
        let size = size::record(batching.magic, place.content, timestamp_delta, offset_delta);
        self.fill.has_room_for(size).then_some(size)
    }
}

/// Whether producer fields go together, and whether the magic has them.
fn check_fields(magic: i8, record: &InputRecord<'_>) -> Result<(), Refusal> {
    let producer = &record.producer;
    let has_id = producer.producer_id >= 0;
    if magic < 2 {
        let what = [
            (!record.headers.is_empty(), "headers"),
            (producer.is_control, "control records"),
            (producer.is_transactional, "transactions"),
            (has_id, "producer ids"),
        ];
        return match what.into_iter().find(|(is_there, _)| *is_there) {
            Some((_, what)) => Err(Refusal::NotInMagic { magic, what }),
            None => Ok(()),
        };
    }
    Err(Refusal::ProducerFields(match () {
        () if producer.is_transactional && !has_id => "transactional, and without a producerId",
        () if has_id && producer.producer_epoch < 0 => "a producerId without a producerEpoch",
        () if has_id && producer.is_control && !producer.is_transactional => {
            "a control record with a producerId that is not transactional"
        }
        () if has_id && !producer.is_control && record.sequence < 0 => {
            "a producerId without a sequence"
        }
        () => return Ok(()),
    }))
}

#[cfg(test)]
mod tests;
