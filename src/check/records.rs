//! Judges the records of a batch: that they can be read to the end, that they are what the header
//! says, and what is odd about them.

use super::batches::offsets_of;
use super::{FileFindings, Problem};
use crate::format::control::ControlRecord;
use crate::format::{Batch, FormatErrorKind, Offset, Record, Records, Scratch, TimestampType};
use std::mem::{Discriminant, discriminant};

/// What the records of a batch came to.
pub(super) struct RecordFacts {
    /// The offset of the first.
    pub(super) first: Option<Offset>,
    /// How many could be read.
    pub(super) count: u64,
    /// Their greatest timestamp, where the header says another.
    pub(super) max_timestamp: Option<i64>,
}

/// Bytes of the key and of the value of a transaction marker.
const MARKER_KEY_BYTES: usize = 4;
const MARKER_VALUE_BYTES: usize = 6;

/// Judges the records of a batch that proves itself.
pub(super) fn judge_records(
    batch: &Batch<'_>,
    scratch: &mut Scratch,
    findings: &mut FileFindings,
) -> RecordFacts {
    let mut judge = Judge {
        batch,
        findings,
        first: None,
        count: 0,
        previous: batch.known_base_offset().map_or(Offset(i64::MIN), |base| base.plus(-1)),
        max_timestamp: i64::MIN,
        other_timestamp: None,
        misplaced: None,
        has_odd_header: false,
        said: Vec::new(),
    };
    match batch.records(scratch) {
        Ok(mut records) => judge.walk(&mut records),
        // An unknown codec was found with the header.
        Err(error) if batch.codec().is_ok() => judge.find(Problem::of_records(error.kind)),
        Err(_) => {}
    }
    let Judge { first, count, other_timestamp: max_timestamp, .. } = judge;
    RecordFacts { first, count, max_timestamp }
}

struct Judge<'j, 'a> {
    batch: &'j Batch<'a>,
    findings: &'j mut FileFindings,
    first: Option<Offset>,
    count: u64,
    previous: Offset,
    max_timestamp: i64,
    /// The same, where the header says another.
    other_timestamp: Option<i64>,
    /// The first record whose offset is not above the one before it and within the batch.
    misplaced: Option<(u64, Offset)>,
    has_odd_header: bool,
    /// What was said of a record: one of each kind is enough.
    said: Vec<Discriminant<Problem>>,
}

impl Judge<'_, '_> {
    fn find(&mut self, problem: Problem) {
        let range = self.batch.position()..self.batch.end();
        self.findings.add(range, offsets_of(self.batch), problem);
    }

    fn walk(&mut self, records: &mut Records<'_>) {
        let is_special = self.batch.attributes().is_control() || self.batch.magic() < 2;
        let last = self.batch.last_offset();
        let mut failed = None;
        loop {
            if let Some(record) = records.next_usual() {
                self.record(&record, last, is_special);
                continue;
            }
            let next = records.next();
            let record = match &next {
                None => break,
                Some(Ok(record)) => record,
                Some(Err(error)) => {
                    failed = Some(*error);
                    break;
                }
            };
            self.record(record, last, is_special);
        }
        self.whole(records, failed.map(|error| error.kind));
    }

    #[inline(always)]
    fn record(&mut self, record: &Record<'_>, last: Offset, is_special: bool) {
        if record.offset <= self.previous || record.offset > last {
            self.misplaced = self.misplaced.or(Some((self.count, record.offset)));
        }
        if self.count == 0 {
            self.first = Some(record.offset);
        }
        self.previous = record.offset;
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        self.count += 1;
        if !record.headers.is_empty() {
            self.has_odd_header |=
                record.headers.into_iter().any(|h| std::str::from_utf8(h.key).is_err());
        }
        if is_special && let Some(problem) = self.special(*record) {
            self.say_once(problem);
        }
    }

    /// One of each kind is enough of a batch.
    fn say_once(&mut self, problem: Problem) {
        let kind = discriminant(&problem);
        if !self.said.contains(&kind) {
            self.said.push(kind);
            self.find(problem);
        }
    }

    /// What can be said of all records together.
    fn whole(&mut self, records: &Records<'_>, failed: Option<FormatErrorKind>) {
        let is_whole = failed.is_none();
        if let Some(kind) = failed {
            self.find(Problem::of_records(kind));
        }
        if let Ok(codec) = self.batch.codec() {
            if records.trailing_bytes > 0 {
                let bytes = records.trailing_bytes as u64;
                self.find(Problem::DecompressionTrailing { codec, bytes });
            }
            if records.ignored_checksum_differs {
                self.find(Problem::DecompressionChecksum { codec });
            }
        }
        if records.has_padded_varint() {
            self.find(Problem::NonCanonicalVarint);
        }
        if self.has_odd_header {
            self.find(Problem::HeaderKeyUtf8);
        }
        if let Some((record, offset)) = self.misplaced {
            let record = u32::try_from(record).unwrap_or(u32::MAX);
            self.find(Problem::RecordOffsetDelta { record, offset });
        } else if self.batch.magic() < 2 && is_whole && self.previous != self.batch.last_offset() {
            let why = "its offset is not that of the last message inside";
            self.find(Problem::WrapperMessage { why });
        }
        self.timestamps(is_whole);
        self.control_count();
    }

    /// In magic 1 clients differed in what they gave a wrapper; in LogAppendTime there is only one.
    fn timestamps(&mut self, is_whole: bool) {
        let is_created = self.batch.timestamp_type() == TimestampType::CreateTime;
        let stored = self.batch.max_timestamp();
        let computed = self.max_timestamp;
        if self.batch.magic() == 2 && is_created && is_whole && self.count > 0 && stored != computed
        {
            self.find(Problem::MaxTimestamp { stored, computed });
            self.other_timestamp = Some(computed);
        }
    }

    fn control_count(&mut self) {
        let is_marker = self.batch.attributes().is_control() && self.batch.producer_id() >= 0;
        if let Some(count) = self.batch.records_count().filter(|count| is_marker && *count > 1) {
            self.find(Problem::ControlRecords { count });
        }
    }

    /// Control records, and messages inside a wrapper.
    fn special(&self, record: Record<'_>) -> Option<Problem> {
        if let Some(inner) = record.message.filter(|_| self.batch.attributes().codec_id() != 0) {
            return if inner.magic() != self.batch.magic() {
                Some(Problem::WrapperMessage { why: "a message inside has another magic" })
            } else if inner.crc() != inner.compute_crc() {
                Some(Problem::WrapperMessage { why: "the checksum of a message inside differs" })
            } else {
                None
            };
        }
        if !self.batch.attributes().is_control() {
            return None;
        }
        match ControlRecord::parse(record.key, record.value, self.batch.position()) {
            Err(error) => Some(Problem::ControlRecord { error: error.kind }),
            Ok(ControlRecord::Unknown(record_type)) => {
                Some(Problem::UnknownControlRecord { record_type })
            }
            Ok(ControlRecord::Abort { .. } | ControlRecord::Commit { .. }) => marker_size(&record),
            Ok(_) => None,
        }
    }
}

fn marker_size(record: &Record<'_>) -> Option<Problem> {
    let length = |bytes: Option<&[u8]>| bytes.unwrap_or_default().len();
    let (key, value) = (length(record.key), length(record.value));
    if (key, value) == (MARKER_KEY_BYTES, MARKER_VALUE_BYTES) {
        return None;
    }
    let value = i64::try_from(key.saturating_add(value)).unwrap_or(i64::MAX);
    let what = "bytes of a transaction marker, which has 10";
    Some(Problem::ControlRecord { error: FormatErrorKind::Record { what, value } })
}
