//! One partition of a Fetch: whether it can be given, and then which bytes.
//!
//! ```text
//!   in this order                                   error   ends that are said with it
//!   a follower asks                                 6
//!   unknown topic id; unknown name, partition       100; 3
//!   on no disk                                      6
//!   epoch of the client below ours, above ours      74, 75
//!   epoch that was fetched last: undefined here     1
//!     ... ended before the offset                   0       all, and the diverging epoch
//!   offset below the log start, above the end       1
//!   transactions are just being found out           6       not if all records are asked for
//!   transactions, file cannot be read               56; up to version 5: 6
//!   damage, or a disk that cannot read it           2       all
//!   a first batch that no frame can hold            10      all
//! ```
//!
//! Ends that are not said are -1.

use super::super::common::{Found, READ_COMMITTED, served_in_epoch};
use super::super::metadata::topic_by_id;
use super::{Asked, Budget, Read, Served};
use crate::error::Result;
use crate::format::Offset;
use crate::serve::catalog::{Located, Location, NotKnown, Partition, Slot, Topic, Wanted};
use crate::serve::outgoing::FileChunk;
use crate::serve::wire::common::TopicKey;
use crate::serve::wire::errors::ErrorCode;
use crate::serve::wire::fetch::{
    AbortedTransaction, EpochEndOffset, FetchPartition, FetchRequest, LeaderIdAndEpoch,
    PartitionData,
};
use std::io;

/// The first version that knows what is wrong with a disk.
const STORAGE_ERROR_FROM: i16 = 6;
/// The first version in which a client is told who leads.
const LEADERS_FROM: i16 = 16;
/// How often one answer steps over what a disk cannot read.
const STEPS: usize = 4;

/// A partition that is not given, and how much is said of it.
struct Refused {
    code: ErrorCode,
    ends: Option<Ends>,
    diverging: Option<EpochEndOffset>,
    leader: Option<LeaderIdAndEpoch>,
    /// Without looking at the log; such an answer has a list of aborted transactions.
    is_unknown: bool,
}

/// The ends of a partition, as the answer says them.
#[derive(Clone, Copy)]
struct Ends {
    high_watermark: i64,
    last_stable_offset: i64,
    log_start_offset: i64,
}

/// The bytes of a partition.
#[derive(Default)]
struct Given {
    range: Option<FileChunk>,
    aborted: Option<Vec<AbortedTransaction>>,
}

/// Who asks, for what and how.
struct Asking<'r> {
    version: i16,
    is_committed: bool,
    is_follower: bool,
    partition: &'r FetchPartition,
}

impl Served<'_> {
    /// Says what there is of one partition.
    pub(super) fn read<'a>(
        &self,
        version: i16,
        request: &FetchRequest<'_>,
        asked: &Asked<'a>,
        budget: &mut Budget,
    ) -> Read<'a> {
        let asking = Asking {
            version,
            is_committed: request.isolation_level == READ_COMMITTED,
            is_follower: request.replica_id >= 0,
            partition: &asked.partition,
        };
        let found = self.served(&asking, &asked.topic).and_then(|partition| {
            let ends = asking.ends(partition)?;
            Ok((ends, self.give(&asking, partition, ends, budget)?))
        });
        let (code, ends, diverging, leader, given) = match found {
            Ok((ends, given)) => (ErrorCode::NONE, Some(ends), None, None, given),
            Err(refused) => {
                let Refused { code, ends, diverging, leader, is_unknown } = refused;
                let aborted = is_unknown.then(Vec::new);
                (code, ends, diverging, leader, Given { aborted, range: None })
            }
        };
        let ends = ends.unwrap_or(Ends::NONE);
        let data = PartitionData {
            partition_index: asked.partition.partition,
            error_code: code,
            high_watermark: ends.high_watermark,
            last_stable_offset: ends.last_stable_offset,
            log_start_offset: ends.log_start_offset,
            diverging_epoch: diverging,
            current_leader: leader.filter(|_| version >= LEADERS_FROM),
            aborted_transactions: None,
        };
        Read { topic: asked.topic, data, aborted: given.aborted, range: given.range }
    }

    fn served(
        &self,
        asking: &Asking<'_>,
        key: &TopicKey<'_>,
    ) -> std::result::Result<&Partition, Refused> {
        if asking.is_follower {
            return Err(Refused::led_by(ErrorCode::NOT_LEADER_OR_FOLLOWER, -1, -1));
        }
        let (topic, unknown) = match key {
            TopicKey::Name(name) => {
                (self.catalog.topic(name), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
            }
            TopicKey::Id(id) => (topic_by_id(self.catalog, *id), ErrorCode::UNKNOWN_TOPIC_ID),
        };
        let topic = topic.ok_or(Refused::unknown(unknown))?;
        let FetchPartition { partition, current_leader_epoch, .. } = *asking.partition;
        match served_in_epoch(Some(topic), partition, current_leader_epoch) {
            Ok(partition) => Ok(partition),
            Err(code @ ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => Err(Refused::unknown(code)),
            Err(code @ ErrorCode::NOT_LEADER_OR_FOLLOWER) => Err(Refused::led_by(code, -1, -1)),
            Err(code @ ErrorCode::FENCED_LEADER_EPOCH) => {
                let epoch = epoch_of(topic, partition);
                Err(Refused::led_by(code, self.catalog.node_id, epoch))
            }
            Err(code) => Err(Refused::silent(code)),
        }
    }

    fn give(
        &self,
        asking: &Asking<'_>,
        partition: &Partition,
        ends: Ends,
        budget: &mut Budget,
    ) -> std::result::Result<Given, Refused> {
        let below = if asking.is_committed { ends.last_stable_offset } else { ends.high_watermark };
        let list = || asking.is_committed.then(Vec::new);
        let Some(max_bytes) = budget.bytes_for(asking.partition.partition_max_bytes) else {
            return Ok(Given { range: None, aborted: list() });
        };
        // A broker that has room, but not for the first batch, says nothing about transactions.
        let is_too_large = max_bytes > 0 && asking.partition.fetch_offset < below;
        let nothing = || Given { range: None, aborted: if is_too_large { None } else { list() } };
        let wanted = Wanted {
            from: Offset(asking.partition.fetch_offset),
            below: Offset(below),
            max_bytes,
            at_least_one_batch: budget.is_first,
        };
        let Some(located) = self.locate(asking, partition, ends, wanted, budget)? else {
            return Ok(nothing());
        };
        let located = self.warmed(asking, partition, ends, wanted, located, budget)?;
        let length = located.range.end.saturating_sub(located.range.at);
        if length > self.most_bytes() {
            return Err(Refused {
                ends: Some(ends),
                ..Refused::silent(ErrorCode::MESSAGE_TOO_LARGE)
            });
        }
        let aborted = asking.is_committed.then(|| {
            let upper = located.upper_bound.min(Offset(below));
            aborted(partition, wanted.from, upper)
        });
        if !budget.takes_transactions(aborted.as_ref().map_or(0, Vec::len)) {
            return Ok(nothing());
        }
        budget.took(length);
        Ok(Given { range: Some(located.range), aborted })
    }

    fn locate(
        &self,
        asking: &Asking<'_>,
        partition: &Partition,
        ends: Ends,
        wanted: Wanted,
        budget: &mut Budget,
    ) -> std::result::Result<Option<Located>, Refused> {
        let location = partition.locate(self.files, wanted);
        Self::located(asking, partition, ends, wanted, location, budget)
    }

    fn located(
        asking: &Asking<'_>,
        partition: &Partition,
        ends: Ends,
        wanted: Wanted,
        location: Result<Location>,
        budget: &mut Budget,
    ) -> std::result::Result<Option<Located>, Refused> {
        let (topic, index, offset) = (&*partition.topic, partition.index, wanted.from.0);
        match location {
            Ok(Location::Bytes(located)) if located.range.at < located.range.end => {
                Ok(Some(located))
            }
            Ok(Location::Bytes(_) | Location::Nothing) => Ok(None),
            Ok(Location::Busy) => {
                budget.no_descriptor();
                Ok(None)
            }
            Ok(Location::OutOfRange) => Err(Refused::silent(ErrorCode::OFFSET_OUT_OF_RANGE)),
            Ok(Location::Damaged(hole)) => {
                let (start, end) = (hole.start.0, hole.end.0);
                tracing::warn!(topic, partition = index, offset, start, end, "damaged bytes");
                Err(Refused::corrupt(ends))
            }
            Err(error) => {
                tracing::error!(topic, partition = index, offset, %error, "nothing can be read");
                Err(asking.storage_error())
            }
        }
    }

    /// The range, the beginning of it in the page cache, and cut before what the disk cannot read:
    /// once an answer has begun there is no other way of saying so than ending the connection.
    /// Where nothing is left of it, what is behind is given, if damage is to be stepped over.
    fn warmed(
        &self,
        asking: &Asking<'_>,
        partition: &Partition,
        ends: Ends,
        wanted: Wanted,
        mut located: Located,
        budget: &mut Budget,
    ) -> std::result::Result<Located, Refused> {
        for _ in 0..STEPS {
            let Located { range, upper_bound } = located;
            let (warm_to, end) = self.readable(asking, partition, &range, budget)?;
            let Some(end) = end else {
                return Ok(Located { range: FileChunk { warm_to, ..range }, upper_bound });
            };
            // What is left has to hold one batch at least.
            let rest = Wanted { max_bytes: end - range.at, at_least_one_batch: false, ..wanted };
            if let Some(Located { range, upper_bound }) =
                self.locate(asking, partition, ends, rest, budget)?
            {
                let warm_to = warm_to.min(range.end);
                return Ok(Located { range: FileChunk { warm_to, ..range }, upper_bound });
            }
            if !partition.skip_damaged {
                break;
            }
            let anew = partition.locate_anew(self.files, wanted, range.file.id);
            let anew = Self::located(asking, partition, ends, wanted, anew, budget)?;
            located = anew.ok_or(Refused::corrupt(ends))?;
        }
        Err(Refused::corrupt(ends))
    }

    /// Up to where a range is in the page cache, and where the disk cannot read it.
    fn readable(
        &self,
        asking: &Asking<'_>,
        partition: &Partition,
        range: &FileChunk,
        budget: &mut Budget,
    ) -> std::result::Result<(u64, Option<u64>), Refused> {
        // What sending has found out: it cannot say so to the client either.
        let known = range.file.experience.unreadable_at();
        let known = known.filter(|at| (range.at..range.end).contains(at));
        let readable = FileChunk { end: known.unwrap_or(range.end), ..range.clone() };
        let (warm_to, error) = self.warm_from(readable, budget.warm);
        budget.warm = budget.warm.saturating_sub(warm_to - range.at);
        if let Some(error) = &error {
            let (topic, index) = (&*partition.topic, partition.index);
            let offset = asking.partition.fetch_offset;
            tracing::error!(topic, partition = index, offset, %error, "the disk cannot read it");
            if error.kind() == io::ErrorKind::UnexpectedEof {
                // No disk is at fault: somebody has cut the file off.
                return Err(asking.storage_error());
            }
        }
        Ok((warm_to, error.map(|_| warm_to).or(known)))
    }

    /// Up to where a range is in the page cache, and why no further.
    fn warm_from(&self, mut rest: FileChunk, most: u64) -> (u64, Option<io::Error>) {
        let enough = rest.at.saturating_add(most).min(rest.end);
        while rest.at < enough {
            match self.files.warm(&rest) {
                Ok(to) if to > rest.at => rest.at = to.min(rest.end),
                Ok(_) => break,
                Err(error) => return (rest.at, Some(error)),
            }
        }
        (rest.at, None)
    }

    /// The most bytes that a frame has room for beside its envelope.
    fn most_bytes(&self) -> u64 {
        let envelope = u64::try_from(self.limits.response_bytes).unwrap_or(u64::MAX);
        u64::from(i32::MAX.unsigned_abs()).saturating_sub(envelope)
    }
}

impl Asking<'_> {
    /// The ends of the partition, if the client may go on from where it is.
    fn ends(&self, partition: &Partition) -> std::result::Result<Ends, Refused> {
        let last_stable = match partition.transactions_now() {
            Ok(transactions) => transactions.last_stable.min(partition.log_end).0,
            // Clients ask again in a moment, and this thread is free for others meanwhile.
            Err(NotKnown::Busy) if self.is_committed => {
                return Err(Refused::silent(ErrorCode::NOT_LEADER_OR_FOLLOWER));
            }
            Err(why) if self.is_committed => {
                let (topic, index) = (&*partition.topic, partition.index);
                tracing::error!(topic, partition = index, %why, "no last stable offset is known");
                return Err(self.storage_error());
            }
            // Who reads all records has no use for it.
            Err(_) => -1,
        };
        let ends = Ends {
            high_watermark: partition.log_end.0,
            last_stable_offset: last_stable,
            log_start_offset: partition.log_start.0,
        };
        let offset = Offset(self.partition.fetch_offset);
        if let Some(diverging) = self.diverging(partition).map_err(Refused::silent)? {
            let diverging = Some(diverging);
            return Err(Refused {
                ends: Some(ends),
                diverging,
                ..Refused::silent(ErrorCode::NONE)
            });
        }
        if offset < partition.log_start || offset > partition.log_end {
            return Err(Refused::silent(ErrorCode::OFFSET_OUT_OF_RANGE));
        }
        Ok(ends)
    }

    /// Where the log of the client, which ends in `last_fetched_epoch`, and this one part.
    fn diverging(&self, partition: &Partition) -> Found<Option<EpochEndOffset>> {
        let FetchPartition { last_fetched_epoch, fetch_offset, .. } = *self.partition;
        if last_fetched_epoch < 0 {
            return Ok(None);
        }
        let end = partition.epochs.end_offset_for(last_fetched_epoch, partition.log_end);
        let (epoch, end_offset) = end.ok_or(ErrorCode::OFFSET_OUT_OF_RANGE)?;
        let is_diverging = epoch < last_fetched_epoch || end_offset.0 < fetch_offset;
        Ok(is_diverging.then_some(EpochEndOffset { epoch, end_offset: end_offset.0 }))
    }

    fn storage_error(&self) -> Refused {
        match self.version < STORAGE_ERROR_FROM {
            true => Refused::silent(ErrorCode::NOT_LEADER_OR_FOLLOWER),
            false => Refused::silent(ErrorCode::KAFKA_STORAGE_ERROR),
        }
    }
}

impl Ends {
    const NONE: Self = Self { high_watermark: -1, last_stable_offset: -1, log_start_offset: -1 };
}

impl Refused {
    /// Nothing but the error is said.
    fn silent(code: ErrorCode) -> Self {
        Self { code, ends: None, diverging: None, leader: None, is_unknown: false }
    }

    /// The same, by who has not looked at the log.
    fn unknown(code: ErrorCode) -> Self {
        Self { is_unknown: true, ..Self::silent(code) }
    }

    /// The client has to ask somebody else, or know a newer epoch.
    fn led_by(code: ErrorCode, leader_id: i32, leader_epoch: i32) -> Self {
        Self { leader: Some(LeaderIdAndEpoch { leader_id, leader_epoch }), ..Self::silent(code) }
    }

    /// The log is there, but not what stands at the offset.
    fn corrupt(ends: Ends) -> Self {
        Self { ends: Some(ends), ..Self::silent(ErrorCode::CORRUPT_MESSAGE) }
    }
}

fn epoch_of(topic: &Topic, index: i32) -> i32 {
    match topic.partition(index) {
        Some(Slot::Served(partition)) => partition.leader_epoch,
        _ => -1,
    }
}

fn aborted(partition: &Partition, from: Offset, upper: Offset) -> Vec<AbortedTransaction> {
    let Ok(transactions) = partition.transactions_now() else { return Vec::new() };
    let between = transactions.aborted_between(from, upper).into_iter();
    let said = between.map(|transaction| AbortedTransaction {
        producer_id: transaction.producer_id,
        first_offset: transaction.first_offset.0,
    });
    said.collect()
}
