//! The leader epochs of a partition as a broker has them once it leads it again.
//!
//! ```text
//!   leader-epoch-checkpoint    (0, 0) (2, 30) (4, 65) (6, 90)
//!   log start 40, log end 80   (2, 40) (4, 65) (6, 80)      of 6 no record is left
//!   the last batches have 7    (2, 40) (4, 65) (6, 70) (7, 72)
//! ```

use crate::format::Offset;
use crate::format::checkpoint::{EpochEntry, LeaderEpochs};

/// What `checkpoint` says, with the epochs of the batches that were `walked`, for a log of these
/// ends. The latest epoch of all is kept even if nothing is left of it: clients that have heard of
/// it wait for a leader that has too.
pub(super) fn of_log(
    checkpoint: &[EpochEntry],
    walked: &[EpochEntry],
    log_start: Offset,
    log_end: Offset,
) -> LeaderEpochs {
    let loaded = LeaderEpochs::new(checkpoint.iter().copied());
    let mut entries: Vec<EpochEntry> = loaded.entries().to_vec();
    let latest = entries.iter().chain(walked).map(|entry| entry.epoch).max();
    entries.retain(|entry| entry.epoch >= 0 && entry.start_offset < log_end);
    for entry in walked {
        assign(&mut entries, *entry);
    }
    if let Some(epoch) = latest.filter(|epoch| *epoch >= 0) {
        assign(&mut entries, EpochEntry { epoch, start_offset: log_end });
    }
    let below = entries.iter().take_while(|entry| entry.start_offset <= log_start).count();
    let mut entries = entries.split_off(below.saturating_sub(1));
    if let Some(first) = entries.first_mut().filter(|first| first.start_offset < log_start) {
        first.start_offset = log_start;
    }
    LeaderEpochs::new(entries)
}

/// As a broker's recovery does: only ever a higher epoch.
fn assign(entries: &mut Vec<EpochEntry>, new: EpochEntry) {
    if entries.last().is_some_and(|last| last.epoch >= new.epoch) {
        return;
    }
    while entries.pop_if(|last| last.start_offset >= new.start_offset).is_some() {}
    entries.push(new);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(pairs: &[(i32, i64)]) -> Vec<EpochEntry> {
        let entry = |(epoch, start): &(i32, i64)| EpochEntry {
            epoch: *epoch,
            start_offset: Offset(*start),
        };
        pairs.iter().map(entry).collect()
    }

    #[test]
    fn cut_at_both_ends_and_larger_ones_of_batches_behind() {
        let of = |checkpoint: &[_], walked: &[_], start, end| {
            let found = of_log(&entries(checkpoint), &entries(walked), Offset(start), Offset(end));
            found.entries().iter().map(|e| (e.epoch, e.start_offset.0)).collect::<Vec<_>>()
        };
        let four = [(0, 0), (2, 30), (4, 65), (6, 90)];
        assert_eq!(of(&four, &[], 0, 100), four);
        assert_eq!(of(&four, &[], 40, 80), [(2, 40), (4, 65), (6, 80)]);
        assert_eq!(of(&four, &[(6, 70), (7, 72)], 40, 80), [(2, 40), (4, 65), (6, 70), (7, 72)]);
        assert_eq!(of(&four, &[(4, 70), (6, 95)], 30, 100), [(2, 30), (4, 65), (6, 90)]);
        assert_eq!(of(&four, &[(9, 20)], 0, 100), [(0, 0), (9, 20)]);
        assert_eq!(of(&four, &[], 500, 500), [(6, 500)]);
        assert_eq!(of(&[(2, 0)], &[], 0, 0), [(2, 0)]);
        assert_eq!(of(&[], &[(3, 50)], 7, 60), [(3, 50)]);
        assert_eq!(of(&[], &[], 0, 100), []);
        assert_eq!(of(&[(-1, 5)], &[], 0, 100), []);
        assert_eq!(of(&[(1, 50), (2, 10)], &[], 0, 100), [(1, 50), (2, 10)]);
    }
}
