//! Judges the leader epochs of a partition's batches, and its `leader-epoch-checkpoint`.
//!
//! An entry says from which offset on an epoch holds. Batches before the first entry may be there
//! and are not spoken of; entries without a batch, and one that starts exactly at the log end, are
//! usual, and so is an empty file.

use super::problem::TextKind;
use super::{FileFindings, Problem};
use crate::format::checkpoint::leader_epoch_checkpoint;
use crate::format::checkpoint::{CheckpointEntry, EpochEntry, LeaderEpochs};
use crate::format::replay::BatchFacts;
use crate::format::{Offset, Position};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Judges the leader epochs of one partition.
#[derive(Debug)]
pub struct EpochJudge {
    is_live: bool,
    checkpoint: Option<FileFindings>,
    entries: Vec<(Range<Position>, EpochEntry)>,
    /// The entries when they rise: else they say nothing about batches.
    epochs: Option<LeaderEpochs>,
    /// Offsets for which the checkpoint gives one epoch, and that epoch.
    span: (Range<Offset>, Option<i32>),
    previous: Option<i32>,
    log: Option<FileFindings>,
    is_damaged_at_end: bool,
    findings: Vec<FileFindings>,
}

impl EpochJudge {
    /// Of a partition with this checkpoint. `is_live` when a broker is at work in its log dir.
    #[must_use]
    pub fn new(is_live: bool, checkpoint: Option<(Arc<Path>, &[u8])>) -> Self {
        let mut this = Self {
            is_live,
            checkpoint: None,
            entries: Vec::new(),
            epochs: None,
            span: (Offset(0)..Offset(0), None),
            previous: None,
            log: None,
            is_damaged_at_end: false,
            findings: Vec::new(),
        };
        let Some((file, bytes)) = checkpoint else { return this };
        let mut findings = FileFindings::new(file);
        let end = Position(bytes.len() as u64);
        match leader_epoch_checkpoint(bytes) {
            Err(error) => {
                let file = TextKind::LeaderEpochCheckpoint;
                findings.add(error.position..end, None, Problem::Text { file, error: error.kind });
            }
            Ok(entries) => this.load(&entries, end, &mut findings),
        }
        this.checkpoint = Some(findings);
        this
    }

    fn load(
        &mut self,
        entries: &[CheckpointEntry<EpochEntry>],
        end: Position,
        findings: &mut FileFindings,
    ) {
        let mut rises = true;
        let mut previous = EpochEntry { epoch: -1, start_offset: Offset(-1) };
        for (number, entry) in entries.iter().enumerate() {
            let behind = entries.get(number + 1).map_or(end, |next| next.position);
            let EpochEntry { epoch, start_offset: start } = entry.value;
            if epoch <= previous.epoch || start <= previous.start_offset {
                let problem = Problem::LeaderEpochOrder { epoch, start };
                findings.add(entry.position..behind, Some((start, start)), problem);
                rises = false;
            }
            previous = entry.value;
            self.entries.push((entry.position..behind, entry.value));
        }
        let epochs = LeaderEpochs::new(entries.iter().map(|entry| entry.value));
        self.epochs = rises.then_some(epochs);
    }

    /// The batches that follow are those of this `.log`.
    pub fn segment(&mut self, log: Arc<Path>) {
        self.findings.extend(self.log.replace(FileFindings::new(log)));
        self.findings.retain(|file| !file.is_empty());
    }

    /// Takes the next batch.
    #[inline]
    pub fn batch(&mut self, batch: &BatchFacts) {
        self.is_damaged_at_end = false;
        let epoch = batch.partition_leader_epoch;
        if batch.magic < 2 || epoch == -1 {
            self.previous = None;
            return;
        }
        let (offset, previous) = (batch.first_known_offset(), self.previous.replace(epoch));
        if !self.span.0.contains(&offset) {
            self.span = self.span_of(offset);
        }
        let checkpoint = self.span.1.filter(|checkpoint| *checkpoint != epoch);
        let previous = previous.filter(|previous| epoch < *previous);
        if checkpoint.is_some() || previous.is_some() {
            self.differs(batch, checkpoint, previous);
        }
    }

    /// Bytes that no batch proves stand behind the last batch. Zeros up to the end of the last
    /// file are none: they held nothing.
    pub fn damaged(&mut self) {
        self.is_damaged_at_end = true;
    }

    /// The findings of every file that has some, in a log that ends at `log_end`.
    #[must_use]
    pub fn finish(mut self, log_end: Offset) -> Vec<FileFindings> {
        // A broker makes the entry before it writes the batch, which may be in the damage.
        let knows_end = !self.is_live && !self.is_damaged_at_end;
        if let Some(findings) = self.checkpoint.as_mut().filter(|_| knows_end) {
            for (range, EpochEntry { epoch, start_offset: start }) in self.entries {
                if start > log_end {
                    let problem = Problem::LeaderEpochBeyondEnd { epoch, start, log_end };
                    findings.add(range, Some((start, start)), problem);
                }
            }
        }
        self.findings.extend(self.log.into_iter().chain(self.checkpoint));
        self.findings.retain(|file| !file.is_empty());
        self.findings
    }

    fn differs(&mut self, batch: &BatchFacts, checkpoint: Option<i32>, previous: Option<i32>) {
        let epoch = batch.partition_leader_epoch;
        let problem = match (checkpoint, previous) {
            (Some(checkpoint), _) => {
                // The checkpoint knows better what the next batch is to be compared with.
                self.previous = Some(checkpoint);
                Problem::LeaderEpochDiffers { epoch, checkpoint }
            }
            (None, Some(previous)) => Problem::LeaderEpochGoesBack { epoch, previous },
            (None, None) => return,
        };
        if let Some(findings) = &mut self.log {
            let offsets = (batch.first_known_offset(), batch.last_offset);
            findings.add(batch.position..batch.end(), Some(offsets), problem);
        }
    }

    /// The offsets around `offset` of which the checkpoint says the same, and what.
    fn span_of(&self, offset: Offset) -> (Range<Offset>, Option<i32>) {
        let entries = self.epochs.as_ref().map_or(&[][..], LeaderEpochs::entries);
        let above = entries.partition_point(|entry| entry.start_offset <= offset);
        let end = entries.get(above).map_or(Offset(i64::MAX), |entry| entry.start_offset);
        let here = above.checked_sub(1).and_then(|index| entries.get(index));
        let start = here.map_or(Offset(i64::MIN), |entry| entry.start_offset);
        (start..end, here.map(|entry| entry.epoch))
    }
}
