//! What a broker would make of the same logs.

use super::after::records_before;
use crate::check::PartitionScope;
use crate::format::Offset;
use crate::log::names::OffsetCheckpoint;
use crate::repair::layout::{Layout, SegmentLook};
use crate::repair::plan::Loss;

/// What a broker would lose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// What would not be there any more.
    pub losses: Vec<Loss>,
    /// Records that it would keep, as far as headers count them.
    pub records_kept: u64,
    /// True when the start that comes next would do it; false when one that follows an unclean
    /// stop would.
    pub is_next_start: bool,
}

/// What a broker goes by that starts.
pub(super) struct BrokersLook {
    /// It reads nothing below, but segments without an `.index`. `None` when it would read
    /// everything.
    pub(super) recovery_point: Option<Offset>,
    was_clean: bool,
}

impl BrokersLook {
    pub(super) fn new(partition: &PartitionScope) -> Self {
        let log_dir = partition.log_dir.as_deref();
        let was_clean = log_dir.and_then(|log_dir| log_dir.is_clean_shutdown) == Some(true);
        // However the broker stops, the recovery point never sinks: what is below it is not read.
        let recovery_point = partition.checkpoint(OffsetCheckpoint::RecoveryPoint);
        Self { recovery_point, was_clean }
    }

    /// What it would lose; `None` when nothing.
    pub(super) fn judge(&self, layout: &Layout, segments: &[SegmentLook]) -> Option<Broker> {
        let losses = layout.losses.clone();
        if losses.is_empty() {
            return None;
        }
        let kept = layout.segments.iter().filter_map(|segment| {
            let look = segments.get(*segment.from.first()?)?;
            Some(records_before(&look.stretches, segment.log.len()))
        });
        // After a clean stop only a missing `.index` makes a broker read anything.
        let has_index =
            |loss: &Loss| segments.iter().any(|look| look.log == loss.file && look.has_index);
        let is_next_start = !self.was_clean || !losses.iter().any(has_index);
        let records_kept = kept.fold(0, u64::saturating_add);
        Some(Broker { losses, records_kept, is_next_start })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Position;
    use crate::log::{LogDirContext, PartitionDir};
    use std::path::Path;
    use std::sync::Arc;

    fn look(base: i64, has_index: bool) -> SegmentLook {
        let log: Arc<Path> = Path::new(&format!("{base:020}.log")).into();
        let (base_offset, stretches) = (Offset(base), Vec::new());
        SegmentLook { base_offset, log, length: 9, stretches, is_readable: true, has_index }
    }

    /// The recovery point never sinks, so that what is below it is read neither at the next start
    /// nor at a later one.
    #[test]
    fn the_recovery_point_holds_after_a_clean_stop_as_well() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/kafka-4.3.1");
        let dir = PartitionDir::open(&root.join("txn-open-0")).unwrap();
        let context = Arc::new(LogDirContext::read(&root));
        let brokers = BrokersLook::new(&PartitionScope::new(dir, Some(context)));
        assert!(brokers.was_clean);
        assert_eq!(brokers.recovery_point, Some(Offset(113)));
    }

    #[test]
    fn after_a_clean_stop_only_a_missing_index_makes_the_next_start_lose_anything() {
        for (was_clean, has_index, expected) in
            [(true, true, false), (true, false, true), (false, true, true), (false, false, true)]
        {
            let looks = [look(0, has_index), look(50, true)];
            let loss = Loss {
                file: Arc::clone(&looks[0].log),
                range: Position(0)..Position(9),
                offsets: None,
                records: None,
                is_unfinished: false,
            };
            let layout = Layout { losses: vec![loss], ..Layout::default() };
            let brokers = BrokersLook { recovery_point: None, was_clean };
            let broker = brokers.judge(&layout, &looks).unwrap();
            assert_eq!(broker.is_next_start, expected, "{was_clean} {has_index}");
            assert_eq!(brokers.judge(&Layout::default(), &looks), None);
        }
    }
}
