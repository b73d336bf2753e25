//! From a batch that is complete to the log: compressed, checksummed, appended. Partitions beside
//! each other, the batches of one after the other.
//!
//! ```text
//!   input thread   fills ---> Making ---> lane of the partition: finish, append
//!                  fills <--- Making <--- and how well it was compressed
//! ```
//!
//! Of each partition one batch at most is on its way, so that memory is bounded, and what the
//! input thread learns of a batch it always learns at the same point: before the batch behind it
//! goes off. So the output does not depend on the number of threads.

use super::clock;
use segkit::error::Error;
use segkit::format::encode::{
    BatchEncoder, BatchFields, BatchSummary, Compressor, EncodeError, LegacyEncoder, LegacyFields,
    RecordToWrite,
};
use segkit::format::{Codec, Offset};
use segkit::log::writer::{PartitionWriter, Written};
use segkit::produce::accumulator::{BatchSink, NewBatch, NewRecord};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

/// Why a batch could not be made or appended.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The record cannot be in a batch.
    #[error("{0}")]
    Encode(#[from] EncodeError),
    /// The batch that is complete cannot be made.
    #[error("the batch that ends there cannot be made: {0}")]
    Batch(EncodeError),
    /// The disk, or the partition.
    #[error("{0}")]
    Disk(#[from] Error),
    /// A thread is gone.
    #[error("a thread ended before its work was done")]
    Gone,
}

/// How batches are made.
#[derive(Clone, Copy, Debug)]
pub struct Making {
    /// How they are compressed.
    pub codec: Codec,
    /// How well.
    pub level: Option<i32>,
    /// 0, 1 or 2.
    pub magic: i8,
    /// Whose timestamps records have.
    pub timestamps: Timestamps,
}

/// Whose timestamps records have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timestamps {
    /// Their own: CreateTime.
    Records,
    /// That of the append: LogAppendTime.
    Append,
    /// That of the append by the broker that they come from, which is what they say.
    EarlierAppend,
}

enum Encoder {
    V2(BatchEncoder),
    Legacy(LegacyEncoder),
}

/// A batch that is being filled, or is on its way.
pub struct Filling {
    encoder: Encoder,
    making: Making,
    leader_epoch: i32,
    is_control: bool,
    is_empty: bool,
}

impl Filling {
    fn new(making: Making) -> Self {
        let encoder = match making.magic {
            2 => Encoder::V2(BatchEncoder::new()),
            _ => Encoder::Legacy(LegacyEncoder::new()),
        };
        Self { encoder, making, leader_epoch: -1, is_control: false, is_empty: true }
    }

    fn begin(&mut self, batch: &NewBatch) -> Result<(), EncodeError> {
        self.leader_epoch = batch.partition_leader_epoch;
        self.is_empty = true;
        let producer = batch.producer;
        self.is_control = producer.is_control;
        match &mut self.encoder {
            Encoder::V2(encoder) => encoder.begin(BatchFields {
                base_offset: Offset(batch.base_offset),
                partition_leader_epoch: batch.partition_leader_epoch,
                log_append_time: None,
                producer_id: producer.producer_id,
                producer_epoch: producer.producer_epoch,
                base_sequence: batch.base_sequence,
                is_transactional: producer.is_transactional,
                is_control: producer.is_control,
                delete_horizon: None,
            }),
            // It has to know when it is appended, which its first record says.
            Encoder::Legacy(_) => Ok(()),
        }
    }

    /// The first record of a batch says what is known only then.
    fn begin_with(&mut self, record: &NewRecord<'_>) -> Result<(), EncodeError> {
        let log_append_time = match self.making.timestamps {
            Timestamps::Records => None,
            Timestamps::Append => Some(clock::now()),
            Timestamps::EarlierAppend => Some(record.timestamp),
        };
        match &mut self.encoder {
            Encoder::V2(encoder) => encoder.set_append(self.leader_epoch, log_append_time),
            Encoder::Legacy(encoder) => {
                encoder.begin(LegacyFields { magic: self.making.magic, log_append_time })?;
            }
        }
        self.is_empty = false;
        Ok(())
    }

    #[inline(always)]
    fn append(&mut self, record: &NewRecord<'_>) -> Result<(), EncodeError> {
        if self.is_empty {
            self.begin_with(record)?;
        }
        let mut headers = Vec::new();
        if !record.headers.is_empty() {
            headers.extend(record.headers);
        }
        let record = RecordToWrite {
            offset: Offset(record.offset),
            timestamp: record.timestamp,
            key: record.key,
            value: record.value,
            headers: &headers,
        };
        match &mut self.encoder {
            Encoder::V2(encoder) => encoder.append(&record),
            Encoder::Legacy(encoder) => encoder.append(&record),
        }
    }

    fn finish(
        &mut self,
        compressor: &mut Compressor,
        now: i64,
        bytes: &mut Vec<u8>,
    ) -> Result<BatchSummary, EncodeError> {
        match &mut self.encoder {
            Encoder::V2(encoder) => {
                if self.making.timestamps == Timestamps::Append {
                    encoder.set_append(self.leader_epoch, Some(now));
                }
                encoder.finish(compressor, bytes)
            }
            Encoder::Legacy(encoder) => encoder.finish(compressor, bytes),
        }
    }
}

/// What is known of a partition when nothing more is appended to it.
pub struct Closed {
    /// Its directory.
    pub directory: PathBuf,
    /// What was appended.
    pub written: Written,
    /// Whether it was left in good order.
    pub result: Result<(), Error>,
}

/// The partitions whose batches one thread appends.
struct Lane<'w> {
    writers: BTreeMap<usize, PartitionWriter<'w>>,
    compressor: Compressor,
    /// Control batches are never compressed.
    none: Compressor,
    bytes: Vec<u8>,
}

/// How many bytes the records of a batch came to, compressed and not; `None` where that tells
/// nothing of others.
type Observed = Option<(u64, u64)>;

impl Lane<'_> {
    fn append(&mut self, slot: usize, batch: &mut Filling) -> Result<Observed, Failure> {
        let now = clock::now();
        self.bytes.clear();
        let compressor = if batch.is_control { &mut self.none } else { &mut self.compressor };
        let summary = batch.finish(compressor, now, &mut self.bytes).map_err(Failure::Batch)?;
        let writer = self.writers.get_mut(&slot).ok_or(Failure::Gone)?;
        writer.append(&self.bytes, now)?;
        let observed = (summary.records_size as u64, summary.uncompressed_records_size as u64);
        Ok(Some(observed).filter(|_| !batch.is_control))
    }

    /// Where `is_any` was written, the partitions that got nothing are made as well: a topic has
    /// as many as it was meant to have.
    fn close(self, is_any: bool) -> BTreeMap<usize, Closed> {
        let closed = self.writers.into_iter().map(|(slot, mut writer)| {
            let made = if is_any { writer.make(clock::now()) } else { Ok(()) };
            let directory = writer.directory().to_owned();
            let (written, closed) = writer.close();
            let result = made.and(closed);
            (slot, Closed { directory, written, result })
        });
        closed.collect()
    }
}

struct Job {
    slot: usize,
    batch: Box<Filling>,
}

struct Done {
    slot: usize,
    batch: Box<Filling>,
    observed: Result<Observed, Failure>,
}

/// All lanes, as the input thread sees them.
pub struct Lanes<'s, 'w> {
    making: Making,
    slots: Vec<Slot>,
    work: Work<'s, 'w>,
}

enum Work<'s, 'w> {
    /// On the input thread itself.
    Here(Box<Lane<'w>>),
    Threads(Threads<'s>),
}

struct Threads<'s> {
    jobs: Vec<SyncSender<Job>>,
    done: Receiver<Done>,
    /// Whether records were sent; read when nothing more can come.
    is_any: Arc<AtomicBool>,
    handles: Vec<ScopedJoinHandle<'s, BTreeMap<usize, Closed>>>,
}

/// A partition, as the input thread sees it.
struct Slot {
    filling: Box<Filling>,
    /// Where one is on its way.
    is_out: bool,
    spare: Option<Box<Filling>>,
    observed: Observed,
    failed: Option<Failure>,
}

impl<'s, 'w: 's> Lanes<'s, 'w> {
    /// Beside the input thread, on `threads` more; on that itself when that is 0.
    pub fn new<'e>(
        writers: Vec<PartitionWriter<'w>>,
        making: Making,
        threads: usize,
        scope: &'s Scope<'s, 'e>,
    ) -> Result<Self, EncodeError> {
        let filling = || Box::new(Filling::new(making));
        let slot = |_| Slot {
            filling: filling(),
            is_out: false,
            spare: None,
            observed: None,
            failed: None,
        };
        let slots = (0..writers.len()).map(slot).collect();
        let count = threads.min(writers.len()).max(1);
        let mut lanes = Vec::new();
        for _ in 0..count {
            let compressor = Compressor::new(making.codec, making.level)?;
            let (writers, bytes) = (BTreeMap::new(), Vec::new());
            lanes.push(Lane { writers, compressor, none: Compressor::none(), bytes });
        }
        for (slot, writer) in writers.into_iter().enumerate() {
            if let Some(lane) = lanes.get_mut(slot % count) {
                lane.writers.insert(slot, writer);
            }
        }
        let work = match lanes.pop() {
            Some(lane) if threads == 0 => Work::Here(Box::new(lane)),
            last => {
                lanes.extend(last);
                Work::Threads(Threads::start(lanes, scope))
            }
        };
        Ok(Self { making, slots, work })
    }

    /// One partition's batches.
    #[inline(always)]
    pub fn of(&mut self, slot: usize) -> SlotSink<'_, 's, 'w> {
        SlotSink { lanes: self, slot }
    }

    /// Waits until all is appended, and closes every partition. `is_any`: records were sent.
    pub fn close(mut self, is_any: bool) -> (BTreeMap<usize, Closed>, Result<(), Failure>) {
        let mut result = Ok(());
        for slot in 0..self.slots.len() {
            let done = self.wait(slot).map(drop);
            result = result.and(done);
        }
        let closed = match self.work {
            Work::Here(lane) => lane.close(is_any),
            Work::Threads(Threads { jobs, handles, is_any: told, .. }) => {
                told.store(is_any, Ordering::Release);
                // They end when nothing more can come.
                drop(jobs);
                let mut closed = BTreeMap::new();
                for handle in handles {
                    match handle.join() {
                        Ok(of_lane) => closed.extend(of_lane),
                        Err(_) => result = result.and(Err(Failure::Gone)),
                    }
                }
                closed
            }
        };
        (closed, result)
    }

    /// Returns when no batch of this partition is on its way.
    fn wait(&mut self, slot: usize) -> Result<Observed, Failure> {
        while let Some(Slot { is_out: true, .. }) = self.slots.get(slot) {
            let Work::Threads(threads) = &self.work else { return Err(Failure::Gone) };
            let Done { slot, batch, observed } = threads.next_done()?;
            self.back(slot, batch, observed);
        }
        let Some(slot) = self.slots.get_mut(slot) else { return Err(Failure::Gone) };
        match slot.failed.take() {
            Some(failed) => Err(failed),
            None => Ok(slot.observed.take()),
        }
    }

    fn back(&mut self, slot: usize, batch: Box<Filling>, observed: Result<Observed, Failure>) {
        let Some(slot) = self.slots.get_mut(slot) else { return };
        slot.is_out = false;
        slot.spare = Some(batch);
        match observed {
            Ok(observed) => slot.observed = observed,
            Err(failed) => slot.failed = Some(failed),
        }
    }

    fn send(&mut self, number: usize) -> Result<(), Failure> {
        let making = self.making;
        let Some(slot) = self.slots.get_mut(number) else { return Err(Failure::Gone) };
        let next = slot.spare.take().unwrap_or_else(|| Box::new(Filling::new(making)));
        let mut batch = std::mem::replace(&mut slot.filling, next);
        slot.is_out = true;
        match &mut self.work {
            Work::Here(lane) => {
                let observed = lane.append(number, &mut batch);
                self.back(number, batch, observed);
                Ok(())
            }
            Work::Threads(threads) => {
                let lane = number % threads.jobs.len().max(1);
                let jobs = threads.jobs.get(lane).ok_or(Failure::Gone)?;
                jobs.send(Job { slot: number, batch }).map_err(|_| Failure::Gone)
            }
        }
    }
}

/// How many batches may wait for a thread.
const WAITING: usize = 64;

/// After how long it is asked whether all threads are still there.
const PATIENCE: Duration = Duration::from_secs(1);

impl<'s> Threads<'s> {
    /// The next batch that was appended.
    fn next_done(&self) -> Result<Done, Failure> {
        loop {
            match self.done.recv_timeout(PATIENCE) {
                Ok(done) => return Ok(done),
                Err(RecvTimeoutError::Timeout) => {
                    // They end when nothing more can come, and not before.
                    if self.handles.iter().any(ScopedJoinHandle::is_finished) {
                        return Err(Failure::Gone);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Err(Failure::Gone),
            }
        }
    }

    fn start<'w: 's>(lanes: Vec<Lane<'w>>, scope: &'s Scope<'s, '_>) -> Self {
        let (back, done) = channel();
        let is_any = Arc::new(AtomicBool::new(false));
        let mut threads = Self { jobs: Vec::new(), done, is_any, handles: Vec::new() };
        for lane in lanes {
            let (sender, jobs) = sync_channel(WAITING);
            let back: Sender<Done> = back.clone();
            threads.jobs.push(sender);
            let is_any = Arc::clone(&threads.is_any);
            let run = move || work(lane, &jobs, &back).close(is_any.load(Ordering::Acquire));
            threads.handles.push(scope.spawn(run));
        }
        threads
    }
}

fn work<'w>(mut lane: Lane<'w>, jobs: &Receiver<Job>, back: &Sender<Done>) -> Lane<'w> {
    while let Ok(Job { slot, mut batch }) = jobs.recv() {
        let observed = lane.append(slot, &mut batch);
        // Nobody listens any more when the input thread is gone.
        let _ = back.send(Done { slot, batch, observed });
    }
    lane
}

/// Where the batches of one partition go.
pub struct SlotSink<'l, 's, 'w> {
    lanes: &'l mut Lanes<'s, 'w>,
    slot: usize,
}

impl<'s, 'w: 's> BatchSink for SlotSink<'_, 's, 'w> {
    type Error = Failure;

    fn open(&mut self, batch: &NewBatch) -> Result<(), Failure> {
        let slot = self.lanes.slots.get_mut(self.slot).ok_or(Failure::Gone)?;
        Ok(slot.filling.begin(batch)?)
    }

    #[inline(always)]
    fn append(&mut self, record: &NewRecord<'_>) -> Result<(), Failure> {
        let slot = self.lanes.slots.get_mut(self.slot).ok_or(Failure::Gone)?;
        Ok(slot.filling.append(record)?)
    }

    fn close(&mut self) -> Result<Option<(u64, u64)>, Failure> {
        let observed = self.lanes.wait(self.slot)?;
        self.lanes.send(self.slot)?;
        Ok(observed)
    }
}
