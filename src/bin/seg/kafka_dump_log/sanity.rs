//! What a broker that starts asks an index before it takes it as it is.
//!
//! It counts all entries that fit the file, the zeros of room made in advance too; those it cuts
//! off when it stops in good order.

use crate::input::Target;
use crate::output::{Outcome, Output};
use segkit::format::Offset;
use segkit::format::offset_index::{ENTRY_BYTES, OffsetIndex};
use segkit::format::time_index::{self, TimeIndex};
use std::io;

/// Why a broker would not take an offset index.
pub fn of_offset_index(index: &OffsetIndex<'_>, base: Offset) -> Option<String> {
    let last = last(index.entries_as_kafka()).and_then(|last| index.get(last));
    match last {
        Some(last) if last.offset < base => Some(below(last.offset, base)),
        _ => odd_length(index.bytes_left(), ENTRY_BYTES),
    }
}

/// Why a broker would not take a time index.
pub fn of_time_index(index: &TimeIndex<'_>, base: Offset) -> Option<String> {
    let last = last(index.entries_as_kafka()).and_then(|last| index.get(last));
    match last.zip(index.get(0)) {
        Some((last, first)) if last.timestamp < first.timestamp => Some(format!(
            "its last timestamp is {}, less than its first, {}",
            last.timestamp, first.timestamp
        )),
        Some((last, _)) if last.offset < base => Some(below(last.offset, base)),
        _ => odd_length(index.bytes_left(), time_index::ENTRY_BYTES),
    }
}

fn last(entries: usize) -> Option<usize> {
    entries.checked_sub(1)
}

fn below(last: Offset, base: Offset) -> String {
    format!("its last offset is {last}, less than that of its segment, {base}")
}

fn odd_length(bytes_left: usize, entry: usize) -> Option<String> {
    (bytes_left > 0).then(|| format!("its length is no multiple of {entry} bytes"))
}

/// Says that it would be built anew.
pub fn report(target: &Target, why: &str, out: &mut Output) -> io::Result<()> {
    let shown = target.path.display();
    let line = format!("seg: {shown} does not pass the sanity check: {why}");
    out.outcome.add(Outcome::NO);
    out.say(format!("{line}; a broker builds it anew\n").as_bytes())
}
