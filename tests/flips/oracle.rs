//! What nobody can see of a change, or nobody can tell from what is right: computed from the
//! format, without the library.
//!
//! * A log: every byte of a batch is under its checksum or frames it. What may go unseen is an end
//!   at a batch (nothing says how far the last file went) and, where offsets may be missing, other
//!   offsets and leader epochs that break no rule.
//! * An offset index and a time index: whatever leaves the answer to every search as it was.
//! * A transaction index: whatever hides and shows the same records to every fetch.
//! * Text: whatever reads the same, or is as likely.

use crate::common::batches::{crc32, crc32c, frames};
use crate::subject::Subject;
use std::collections::{BTreeMap, BTreeSet};

/// A batch as its first bytes say.
#[derive(Clone, Debug, PartialEq)]
struct Header {
    position: usize,
    magic: u8,
    base: i64,
    last: i64,
    epoch: i32,
    max_timestamp: i64,
    producer: i64,
    attributes: u16,
    is_abort: bool,
    /// What its checksum covers, and the checksum.
    sealed: Vec<u8>,
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// The batches of a log, `None` unless every byte is in a batch whose checksum agrees.
fn headers(log: &[u8]) -> Option<Vec<Header>> {
    let is_framed = |at: usize| at + 26 <= log.len() && i32_at(log, at + 8) >= 14;
    if !log.is_empty() && !is_framed(0) {
        return None;
    }
    let frames = std::panic::catch_unwind(|| frames(log)).ok()?;
    if frames.last().map_or(0, |frame| frame.end()) != log.len() {
        return None;
    }
    frames
        .iter()
        .map(|frame| {
            let bytes = &log[frame.position..frame.end()];
            let base = i64_at(bytes, 0);
            if frame.magic == 2 && bytes.len() >= 61 {
                let stored = i32_at(bytes, 17).cast_unsigned();
                let attributes = u16::from_be_bytes([bytes[21], bytes[22]]);
                (stored == crc32c(&bytes[21..])).then(|| Header {
                    position: frame.position,
                    magic: 2,
                    base,
                    last: base.wrapping_add(i32_at(bytes, 23).into()),
                    epoch: i32_at(bytes, 12),
                    max_timestamp: i64_at(bytes, 35),
                    producer: i64_at(bytes, 43),
                    attributes,
                    is_abort: attributes & 0x20 != 0 && bytes[bytes.len() - 9] == 0,
                    sealed: bytes[17..].to_vec(),
                })
            } else {
                let stored = i32_at(bytes, 12).cast_unsigned();
                (frame.magic < 2 && stored == crc32(&bytes[16..])).then(|| Header {
                    position: frame.position,
                    magic: frame.magic,
                    base,
                    last: base,
                    epoch: -1,
                    max_timestamp: if frame.magic == 1 { i64_at(bytes, 18) } else { -1 },
                    producer: -1,
                    attributes: 0,
                    is_abort: false,
                    sealed: bytes[12..].to_vec(),
                })
            }
        })
        .collect()
}

/// True when `bytes` in the place of a file change nothing that a reader could see, or make
/// something that may as well be right.
pub fn is_allowed(subject: &Subject, file: &str, bytes: &[u8]) -> bool {
    let healthy = &subject.files[file];
    match file.rsplit('.').next().unwrap() {
        "log" => log(subject, file, healthy, bytes),
        "index" => searches(subject, file, bytes) == searches(subject, file, healthy),
        "timeindex" => time_index(subject, file, bytes),
        "txnindex" => transactions(subject, file, bytes) == transactions(subject, file, healthy),
        "metadata" => metadata(bytes),
        "leader-epoch-checkpoint" => epochs_fit(subject, bytes),
        _ => false,
    }
}

fn base_of(file: &str) -> i64 {
    file[..20].parse().unwrap()
}

/// The base offset of the next segment.
fn next_base(subject: &Subject, file: &str) -> Option<i64> {
    let mut logs = subject.files.keys().filter(|name| name.ends_with(".log"));
    logs.find(|name| base_of(name) > base_of(file)).map(|name| base_of(name))
}

fn log(subject: &Subject, file: &str, healthy: &[u8], bytes: &[u8]) -> bool {
    // Zeros behind the last batch of the last file were never anything.
    let used = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let is_last = next_base(subject, file).is_none();
    if is_last && used(healthy) == 0 && used(bytes) == 0 {
        return true;
    }
    let (Some(before), Some(after)) = (headers(healthy), headers(bytes)) else { return false };
    // Cut at the end of a batch.
    if before.starts_with(&after) {
        return is_last || !subject.is_strict;
    }
    if subject.is_strict {
        return false;
    }
    // Other offsets and epochs, or missing batches, where batches may be missing.
    let rises = after.windows(2).all(|pair| pair[0].last < pair[1].base);
    let base = base_of(file);
    let inside = after.iter().all(|batch| {
        let is_high = next_base(subject, file).is_some_and(|next| batch.last >= next);
        batch.base >= base && batch.last - base <= i64::from(i32::MAX) && !is_high
    });
    let mut rest = before.iter();
    let known = after.iter().all(|batch| rest.any(|old| old.sealed == batch.sealed));
    let epochs = subject.files.get("leader-epoch-checkpoint").and_then(|text| epochs(text));
    known && rises && inside && follow(&after, &epochs.unwrap_or_default())
}

/// The entries of a `leader-epoch-checkpoint` that reads as one.
fn epochs(bytes: &[u8]) -> Option<Vec<(i32, i64)>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = text.lines();
    if lines.next()?.trim() != "0" {
        return None;
    }
    let count: usize = lines.next()?.trim().parse().ok()?;
    let entry = |line: &str| {
        let mut fields = line.split_whitespace();
        let entry = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        fields.next().is_none().then_some(entry)
    };
    let entries: Vec<(i32, i64)> = lines.map(entry).collect::<Option<_>>()?;
    (entries.len() == count).then_some(entries)
}

/// True when batches have the epochs that the entries give, and they rise where none does.
fn follow(batches: &[Header], entries: &[(i32, i64)]) -> bool {
    let mut previous = -1;
    batches.iter().filter(|batch| batch.magic == 2 && batch.epoch >= 0).all(|batch| {
        let entry = entries.iter().rev().find(|(_, start)| *start <= batch.base);
        let is_right = entry.is_none_or(|(epoch, _)| *epoch == batch.epoch);
        let rises = batch.epoch >= previous;
        previous = batch.epoch;
        is_right && rises
    })
}

fn epochs_fit(subject: &Subject, bytes: &[u8]) -> bool {
    // A version alone reads as an empty file, which is as a killed broker leaves it.
    if bytes.is_empty() || bytes == b"0" || bytes == b"0\n" {
        return true;
    }
    let Some(entries) = epochs(bytes) else { return false };
    let healthy = epochs(&subject.files["leader-epoch-checkpoint"]);
    if Some(&entries) == healthy.as_ref() {
        return true;
    }
    let all: Vec<Header> = logs(subject).into_iter().flat_map(|(_, batches)| batches).collect();
    let end = all.last().map_or(0, |batch| batch.last + 1);
    let rise = entries.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1);
    let inside = entries.iter().all(|(epoch, start)| *epoch >= 0 && (0..=end).contains(start));
    rise && inside && follow(&all, &entries)
}

/// Every log that is whole, with its batches.
fn logs(subject: &Subject) -> Vec<(String, Vec<Header>)> {
    let logs = subject.files.iter().filter(|(name, _)| name.ends_with(".log"));
    logs.filter_map(|(name, bytes)| Some((name.clone(), headers(bytes)?))).collect()
}

fn batches_of(subject: &Subject, file: &str) -> Vec<Header> {
    let log = format!("{}.log", &file[..20]);
    headers(&subject.files[&log]).unwrap_or_default()
}

/// The greatest entry that is not above what is looked for, by halves.
fn floor<T>(entries: &[T], is_above: impl Fn(&T) -> bool) -> Option<&T> {
    let (mut low, mut high) = (0, entries.len());
    while low < high {
        let middle = (low + high) / 2;
        if is_above(&entries[middle]) { high = middle } else { low = middle + 1 }
    }
    entries.get(low.checked_sub(1)?)
}

/// Where a look for an offset begins.
fn start_of(index: &[u8], base: i64, offset: i64) -> usize {
    let entries: Vec<(i64, i32)> = index
        .chunks_exact(8)
        .map(|entry| (base + i64::from(i32_at(entry, 0)), i32_at(entry, 4)))
        .collect();
    floor(&entries, |entry| entry.0 > offset).map_or(0, |entry| entry.1 as usize)
}

/// The batch that a walk from where a search begins ends at; `None` where no batch begins there.
fn walk(batches: &[Header], start: usize, wanted: impl Fn(&Header) -> bool) -> Option<usize> {
    let first = batches.iter().position(|batch| batch.position == start)?;
    let found = batches[first..].iter().position(wanted);
    Some(found.map_or(batches.len(), |found| first + found))
}

/// Where the search for every offset of a segment ends. `None` for an index of odd length.
fn searches(subject: &Subject, file: &str, index: &[u8]) -> Option<Vec<Option<usize>>> {
    let (batches, base) = (batches_of(subject, file), base_of(file));
    let last = batches.last()?.last;
    let search =
        |offset| walk(&batches, start_of(index, base, offset), |batch| batch.last >= offset);
    index.len().is_multiple_of(8).then(|| (base..=last).map(search).collect())
}

/// Timestamps and offsets of a time index.
fn time_entries(bytes: &[u8], base: i64) -> Vec<(i64, i64)> {
    let entry = |entry: &[u8]| (i64_at(entry, 0), base + i64::from(i32_at(entry, 8)));
    bytes.chunks_exact(12).map(entry).collect()
}

/// True when every search for a time ends where it did.
fn time_index(subject: &Subject, file: &str, bytes: &[u8]) -> bool {
    let healthy = &subject.files[file];
    if !bytes.len().is_multiple_of(12) {
        return false;
    }
    // While a file is written its time index lags behind.
    if next_base(subject, file).is_none() && healthy.starts_with(bytes) {
        return true;
    }
    let (batches, base) = (batches_of(subject, file), base_of(file));
    let index = &subject.files[&format!("{}.index", &file[..20])];
    let (before, after) = (time_entries(healthy, base), time_entries(bytes, base));
    let known = before.iter().chain(&after).map(|entry| entry.0);
    let known = known.chain(batches.iter().map(|batch| batch.max_timestamp));
    let asked: BTreeSet<i64> =
        known.flat_map(|time| [time.saturating_sub(1), time, time.saturating_add(1)]).collect();
    let search = |entries: &[(i64, i64)], time: i64| {
        // The last entry is taken for the greatest timestamp of the segment.
        if entries.last().is_none_or(|greatest| time > greatest.0) {
            return None;
        }
        let entry = floor(entries, |entry| entry.0 > time);
        let start = start_of(index, base, entry.map_or(base, |entry| entry.1));
        walk(&batches, start, |batch| batch.max_timestamp >= time)
    };
    asked.iter().all(|time| search(&before, *time) == search(&after, *time))
}

/// An entry of a transaction index.
struct Aborted {
    producer: i64,
    first: i64,
    last: i64,
    last_stable: i64,
}

/// Which batches of data each fetch shows, for every beginning and every end of it; `None` for an
/// index that cannot be read.
fn transactions(
    subject: &Subject,
    file: &str,
    bytes: &[u8],
) -> Option<BTreeMap<(i64, i64), Vec<i64>>> {
    let mut indexes: BTreeMap<i64, Vec<Aborted>> = BTreeMap::new();
    for (name, healthy) in subject.files.iter().filter(|(name, _)| name.ends_with(".txnindex")) {
        let bytes = if name == file { bytes } else { healthy };
        if bytes.len() % 34 != 0 || bytes.chunks_exact(34).any(|entry| entry[0].cast_signed() > 0) {
            return None;
        }
        let aborted = |entry: &[u8]| Aborted {
            producer: i64_at(entry, 2),
            first: i64_at(entry, 10),
            last: i64_at(entry, 18),
            last_stable: i64_at(entry, 26),
        };
        indexes.insert(base_of(name), bytes.chunks_exact(34).map(aborted).collect());
    }
    let segments = logs(subject);
    let all: Vec<&Header> = segments.iter().flat_map(|(_, batches)| batches).collect();
    let mut shown = BTreeMap::new();
    for (number, begin) in all.iter().enumerate() {
        for end in &all[number..] {
            let upper = end.last + 1;
            // As a broker gathers them: from the segment of the beginning on, until one says that
            // it was stable up to the end.
            let first = segments.iter().filter(|(name, _)| base_of(name) <= begin.base).count();
            let mut gathered: Vec<&Aborted> = Vec::new();
            'all: for (name, _) in &segments[first.saturating_sub(1)..] {
                for entry in indexes.get(&base_of(name)).into_iter().flatten() {
                    if entry.last >= begin.base && entry.first < upper {
                        gathered.push(entry);
                    }
                    if entry.last_stable >= upper {
                        break 'all;
                    }
                }
            }
            gathered.sort_by_key(|entry| entry.first);
            let mut gathered = gathered.into_iter().peekable();
            let mut hidden = BTreeSet::new();
            let mut offsets = Vec::new();
            for batch in all[number..].iter().filter(|batch| batch.base < upper) {
                while let Some(entry) = gathered.next_if(|entry| entry.first <= batch.last) {
                    hidden.insert(entry.producer);
                }
                if batch.attributes & 0x20 != 0 {
                    if batch.is_abort {
                        hidden.remove(&batch.producer);
                    }
                } else if batch.attributes & 0x10 == 0 || !hidden.contains(&batch.producer) {
                    offsets.push(batch.base);
                }
            }
            shown.insert((begin.base, end.last), offsets);
        }
    }
    Some(shown)
}

/// True for any topic id: nothing in the directory says which it is.
fn metadata(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let lines = text.lines().map(|line| line.split_once(':'));
    let mut fields = BTreeMap::new();
    for line in lines {
        let Some((key, value)) = line else { return false };
        fields.insert(key.trim(), value.trim());
    }
    let version = fields.get("version").and_then(|version| version.parse::<i32>().ok());
    let id = fields.get("topic_id").is_some_and(|id| {
        let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        id.len() == 22 && id.bytes().all(is_digit)
    });
    version.is_some_and(|version| version >= 0) && id
}
