//! Where a broker takes a log to end, by its headers alone.

use crate::error::Result;
use crate::format::Offset;
use crate::log::{Access, FileBytes};
use std::path::Path;

/// Everything of a batch that says where the next one is: to the end of `lastOffsetDelta`.
const HEAD: u64 = 27;
/// What a batch of any format has at least.
const PREFIX: u64 = 17;
/// An entry of an offset index.
const ENTRY: u64 = 8;
const WINDOW: usize = 1 << 20;

/// True when a broker that goes from batch to batch, from wherever the index's last entry points
/// to, comes to the end of the log and finds no offset from `limit` on.
pub(super) fn ends_below(log: &Path, index: Option<&Path>, limit: Offset) -> Result<bool> {
    let log = FileBytes::open(log, Access::Read)?;
    let Some(begin) = last_entry(index)? else { return Ok(false) };
    let mut is_found = begin == 0;
    let (mut buffer, mut window) = (Vec::new(), Vec::new());
    let (mut position, mut window_at) = (0_u64, 0_u64);
    while log.len().saturating_sub(position) >= PREFIX {
        let end = window_at + window.len() as u64;
        if position >= end || position + HEAD > end && end < log.len() {
            window.clear();
            window.extend_from_slice(log.read(position, WINDOW, &mut buffer)?);
            window_at = position;
        }
        let within = usize::try_from(position - window_at).unwrap_or(usize::MAX);
        let batch = window.get(within..).and_then(of_batch);
        let Some((size, next)) = batch else { return Ok(false) };
        if position + size > log.len() {
            break;
        }
        if next > limit.0 {
            return Ok(false);
        }
        is_found |= position == begin;
        position += size;
    }
    Ok(is_found)
}

/// Where the last entry of an index points to, whatever the others say. Without an index a broker
/// begins at the beginning; `None` when it could not begin.
fn last_entry(index: Option<&Path>) -> Result<Option<u64>> {
    let Some(index) = index else { return Ok(Some(0)) };
    let index = FileBytes::open(index, Access::Read)?;
    let end = index.len() - index.len() % ENTRY;
    if end == 0 {
        return Ok(Some(0));
    }
    let mut buffer = Vec::new();
    let entry = index.read(end - ENTRY / 2, 4, &mut buffer)?;
    let position = entry.first_chunk().map(|bytes| i32::from_be_bytes(*bytes));
    Ok(position.and_then(|position| u64::try_from(position).ok()))
}

/// Its size and the offset behind it; `None` for what a broker would stop at.
fn of_batch(head: &[u8]) -> Option<(u64, i64)> {
    let base = i64::from_be_bytes(*head.first_chunk()?);
    let length = i32::from_be_bytes(*head.get(8..)?.first_chunk()?);
    let magic = *head.get(16)?;
    let least = if magic == 2 { 49 } else { 14 };
    if base < 0 || length < least || magic > 2 {
        return None;
    }
    let delta = match magic {
        2 => i32::from_be_bytes(*head.get(23..)?.first_chunk()?),
        _ => 0,
    };
    let next = base.checked_add(i64::from(delta))?.checked_add(1)?;
    (delta >= 0).then_some((12 + u64::try_from(length).ok()?, next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn batch(base: i64, delta: i32, size: usize) -> Vec<u8> {
        let mut bytes = vec![7; size];
        bytes[..8].copy_from_slice(&base.to_be_bytes());
        bytes[8..12].copy_from_slice(&i32::try_from(size - 12).unwrap().to_be_bytes());
        bytes[16] = 2;
        bytes[23..27].copy_from_slice(&delta.to_be_bytes());
        bytes
    }

    #[test]
    fn the_end_of_a_log_is_found_only_where_nothing_is_in_the_way() {
        let root = tempfile::tempdir().unwrap();
        let (log, index) = (root.path().join("log"), root.path().join("index"));
        let ends = |bytes: &[u8], to: Option<i32>, limit: i64| {
            fs::write(&log, bytes).unwrap();
            let entry = to.map(|to| [5_i32.to_be_bytes(), to.to_be_bytes()].concat());
            fs::write(&index, entry.unwrap_or_default()).unwrap();
            ends_below(&log, to.map(|_| index.as_path()), Offset(limit)).unwrap()
        };
        // Many windows, and batches across their borders.
        let sizes = (0..2000).map(|at| 61 + at * 7 % 5000);
        let long: Vec<u8> =
            sizes.clone().zip(0..).flat_map(|(size, at)| batch(at * 3, 2, size)).collect();
        assert!(ends(&long, None, 6000) && !ends(&long, None, 5999));
        let third = i32::try_from(sizes.clone().take(3).sum::<usize>()).unwrap();
        let last = i32::try_from(sizes.take(1999).sum::<usize>()).unwrap();
        assert!(ends(&long, Some(third), 6000) && ends(&long, Some(last), 6000));
        assert!(!ends(&long, Some(third + 1), 6000) && !ends(&long, Some(-1), 6000));
        let torn = &long[..long.len() - 1];
        assert!(ends(torn, None, 5997) && !ends(torn, None, 5996));
        assert!(ends(&[&long[..], &[0; 16]].concat(), None, 6000));
        // Zeros, an unknown format, a negative length or offset: a broker does not come past them.
        assert!(!ends(&[&long[..], &[0; 17]].concat(), None, 6000));
        for (at, byte) in [(16, 3), (8, 0x80), (0, 0x80), (23, 0x80)] {
            let mut bytes = long.clone();
            bytes[at] = byte;
            assert!(!ends(&bytes, None, i64::MAX), "{at}");
        }
        assert!(ends(&[], None, 0) && ends(&[], Some(0), 0));
    }
}
