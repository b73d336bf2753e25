//! The frames of uncompressed records, walked without their batch: what a payload says about the
//! bytes inside it when the header before it is gone.
//!
//! A batch inside a record's value is one that somebody archived, not one of the log's own. Three
//! walks tell: from the front of the damaged batch, from the length right before the value, and
//! from the end of the value to where a batch begins.

use super::Spare;
use crate::format::Cursor;
use crate::format::Position;
use crate::format::batch_v2::HeaderV2;
use std::ops::Range;

/// A record's fixed parts take six bytes behind its length.
const BODY_MINIMUM: usize = 6;
/// How many headers of a record are looked at; the rest is believed.
const HEADERS: i32 = 64;
const UNKNOWN: usize = usize::MAX;
/// How far before a value its record may begin: lengths, deltas and a key.
const BEFORE_VALUE: usize = 160;

/// Where a record's value lies and where the record ends, maybe behind the window.
#[derive(Clone, Debug)]
struct Frame {
    value: Range<usize>,
    end: usize,
}

impl Frame {
    fn holds(&self, range: &Range<usize>) -> bool {
        self.value.start <= range.start && range.end <= self.value.end
    }
}

/// The record that begins at `at`, if all of its lengths agree with each other.
fn frame(bytes: &[u8], at: usize) -> Option<Frame> {
    frame_before_value(bytes, at).filter(|frame| match bytes.get(frame.value.end..frame.end) {
        Some(headers) => {
            headers_end(headers).is_some_and(|end| end == headers.len() || end == UNKNOWN)
        }
        None => true,
    })
}

/// The record that begins at `at`, if all that stands before its value's bytes agrees. What stands
/// behind may be damaged, or shifted.
fn frame_before_value(bytes: &[u8], at: usize) -> Option<Frame> {
    let mut cursor = Cursor::new(bytes.get(at..)?, Position(0));
    let length = usize::try_from(cursor.varint().ok()?).ok().filter(|&n| n >= BODY_MINIMUM)?;
    let end = at + cursor.consumed() + length;
    if cursor.u8().ok()? != 0 {
        return None;
    }
    cursor.varlong().ok()?;
    let offset_delta = cursor.varint().ok()?;
    let key = cursor.varint().ok()?;
    if offset_delta < 0 || key < -1 {
        return None;
    }
    cursor.take(usize::try_from(key).unwrap_or(0)).ok()?;
    let value_length = cursor.varint().ok().filter(|&n| n >= -1)?;
    let start = at + cursor.consumed();
    let value = start..start + usize::try_from(value_length).unwrap_or(0);
    (value.end < end).then_some(Frame { value, end })
}

/// How many bytes the count of headers and the headers at the front of `bytes` take; `UNKNOWN`
/// with more headers than are looked at.
fn headers_end(bytes: &[u8]) -> Option<usize> {
    let mut cursor = Cursor::new(bytes, Position(0));
    let count = cursor.varint().ok().filter(|&count| count >= 0)?;
    for _ in 0..count.min(HEADERS) {
        let key = usize::try_from(cursor.varint().ok()?).ok()?;
        cursor.take(key).ok()?;
        let value = cursor.varint().ok().filter(|&n| n >= -1)?;
        cursor.take(usize::try_from(value).unwrap_or(0)).ok()?;
    }
    Some(if count > HEADERS { UNKNOWN } else { cursor.consumed() })
}

/// Where the `count` records from `at` on end.
pub(super) fn end_of(bytes: &[u8], mut at: usize, count: i32, spare: &mut Spare) -> Option<usize> {
    for _ in 0..count {
        if !spare.spend(Spare::RECORD) {
            return None;
        }
        at = frame(bytes, at)?.end;
    }
    Some(at)
}

/// A walk over the records of one payload that only goes forward.
pub(super) struct RecordWalk {
    at: usize,
    broken: bool,
}

impl RecordWalk {
    /// Begins with the record at `at`.
    pub(super) fn new(at: usize) -> Self {
        Self { at, broken: false }
    }

    /// The end of the value that holds all of `range`; asked with ascending ranges.
    pub(super) fn value_around(
        &mut self,
        bytes: &[u8],
        range: &Range<usize>,
        spare: &mut Spare,
    ) -> Option<usize> {
        while !self.broken && self.at < range.start {
            let before_value = frame_before_value(bytes, self.at);
            if let Some(frame) = before_value.filter(|frame| frame.end > range.start) {
                return frame.holds(range).then_some(frame.value.end);
            }
            match frame(bytes, self.at) {
                Some(frame) if spare.spend(Spare::RECORD) => self.at = frame.end,
                _ => self.broken = true,
            }
        }
        None
    }
}

/// The end of the value that begins exactly where `range` does and holds all of it, if a record
/// that agrees with itself stands around it.
pub(super) fn value_at(bytes: &[u8], range: &Range<usize>) -> Option<usize> {
    let first = range.start.saturating_sub(BEFORE_VALUE);
    (first..range.start)
        .filter_map(|at| frame_before_value(bytes, at).map(|record| (at, record)))
        .filter(|(_, record)| record.value.start == range.start && record.holds(range))
        // Without headers the two lengths agree exactly, whatever stands behind.
        .find(|(at, record)| record.value.end + 1 == record.end || frame(bytes, *at).is_some())
        .map(|(_, record)| record.value.end)
}

/// Where the rest of a record and the records behind it may end, if a batch inside its value ends
/// at `at`: behind the headers, or where records begin less than a batch's header further on.
pub(super) fn ends_of_rest(bytes: &[u8], at: usize, spare: &mut Spare) -> Vec<usize> {
    let behind_headers = end_behind_value(bytes, at, spare);
    let firsts = at + 1..at + HeaderV2::BYTES;
    behind_headers.into_iter().chain(ends_of_all(bytes, firsts, spare)).collect()
}

/// Where the records end if a value ends at `at`: behind its record's headers, and more records.
pub(super) fn end_behind_value(bytes: &[u8], at: usize, spare: &mut Spare) -> Option<usize> {
    let headers = headers_end(bytes.get(at..)?).filter(|&end| end != UNKNOWN);
    headers.and_then(|headers| end_of_all(bytes, at + headers, spare))
}

/// Where the records may end of a batch that begins at `at`, and whose header is damaged or shorter
/// than it was.
pub(super) fn ends_behind_header(bytes: &[u8], at: usize, spare: &mut Spare) -> Vec<usize> {
    ends_of_all(bytes, at + 1..at + HeaderV2::BYTES + 1, spare).collect()
}

/// Where records end that begin at one of `firsts`.
fn ends_of_all(
    bytes: &[u8],
    firsts: Range<usize>,
    spare: &mut Spare,
) -> impl Iterator<Item = usize> {
    firsts.filter_map(|first| end_of_all(bytes, first, spare).filter(|&end| end > first))
}

/// Where the records from `at` on end; `None` when the supply does.
fn end_of_all(bytes: &[u8], mut at: usize, spare: &mut Spare) -> Option<usize> {
    while let Some(frame) = frame(bytes, at).filter(|frame| frame.end <= bytes.len()) {
        if !spare.spend(Spare::RECORD) {
            return None;
        }
        at = frame.end;
    }
    Some(at)
}
