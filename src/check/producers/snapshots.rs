//! The `.snapshot` files of one partition.

use super::whole;
use crate::check::{FileFindings, Problem};
use crate::format::producer_snapshot::ProducerSnapshot;
use crate::format::replay::Producers;
use crate::format::replay::snapshots::{SnapshotDifference, difference};
use crate::format::{FormatErrorKind, Offset, Position};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// The snapshots of a partition, in the order of their offsets.
#[derive(Debug)]
pub(super) struct Snapshots {
    /// Those to come, the next one last.
    rest: Vec<(Offset, Arc<Path>)>,
    /// The base offset of the first segment.
    pub(super) start: Offset,
    /// The last offset that was replayed.
    pub(super) last_offset: Offset,
    /// Where the log ends, as far as it was replayed. A snapshot behind it is not compared: the
    /// broker wrote it later, or lost the batches below it.
    pub(super) log_end: Offset,
    findings: Vec<FileFindings>,
    differences: Vec<Difference>,
}

#[derive(Debug)]
struct Difference {
    file: Arc<Path>,
    range: Range<Position>,
    in_compacted: Option<SnapshotDifference>,
    otherwise: Option<SnapshotDifference>,
}

impl Snapshots {
    pub(super) fn new(mut snapshots: Vec<(Offset, Arc<Path>)>) -> Self {
        snapshots.sort();
        snapshots.reverse();
        Self {
            rest: snapshots,
            start: Offset(0),
            last_offset: Offset(-1),
            log_end: Offset(0),
            findings: Vec::new(),
            differences: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn due(&self, next: Offset) -> Option<&Arc<Path>> {
        self.rest.last().filter(|(offset, _)| *offset <= next).map(|(_, file)| file)
    }

    /// Judges the one that is due; the one at the start of the log is where the replay begins.
    pub(super) fn judge(&mut self, bytes: Option<&[u8]>, producers: &mut Producers) {
        let Some((offset, file)) = self.rest.pop() else { return };
        let Some(bytes) = bytes else { return };
        let snapshot = match sound(bytes) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                let mut findings = FileFindings::new(file);
                findings.add(whole(bytes), None, Problem::SnapshotDamaged { error });
                self.findings.push(findings);
                return;
            }
        };
        if offset == self.start && self.last_offset < self.start {
            let is_damaged = producers.is_damaged();
            *producers = Producers::starting_from(offset, snapshot.iter());
            if is_damaged {
                producers.damaged();
            }
        } else if offset > self.start && offset > self.last_offset && offset <= self.log_end {
            let in_compacted = difference(&snapshot, producers, true);
            let otherwise = difference(&snapshot, producers, false);
            if in_compacted.or(otherwise).is_some() {
                let range = whole(bytes);
                self.differences.push(Difference { file, range, in_compacted, otherwise });
            }
        }
    }

    pub(super) fn finish(self, compacted: bool) -> impl Iterator<Item = FileFindings> {
        let differences = self.differences.into_iter().filter_map(move |found| {
            let difference = if compacted { found.in_compacted } else { found.otherwise };
            let SnapshotDifference { producer_id, why, producers } = difference?;
            let mut findings = FileFindings::new(found.file);
            let problem = Problem::SnapshotDiffers { producer_id, why, producers };
            findings.add(found.range, None, problem);
            Some(findings)
        });
        self.findings.into_iter().chain(differences)
    }
}

fn sound(bytes: &[u8]) -> Result<ProducerSnapshot<'_>, FormatErrorKind> {
    let snapshot = ProducerSnapshot::parse(bytes).map_err(|error| error.kind)?;
    let (stored, computed) = (snapshot.crc(), snapshot.compute_crc());
    if stored == computed {
        Ok(snapshot)
    } else {
        Err(FormatErrorKind::Checksum { stored, computed })
    }
}
