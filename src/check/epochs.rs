//! Judges the leader epochs of a partition's batches, and its `leader-epoch-checkpoint`.
//!
//! An entry says from which offset on an epoch holds. Batches before the first entry may be there
//! and are not spoken of; entries without a batch, and one that starts exactly at the log end, are
//! usual, and so is an empty file. From the first entry on, every batch of magic 2 has an epoch.
//!
//! ```text
//!   checkpoint   5 from 0 on         7 from 30 on
//!   batches      0 0 0 0 0 0 0 0     7 7 2 7 7 7
//!                the entry is wrong      the batch is wrong
//! ```

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
    /// What is found in the span is withheld until it is known which of the two is wrong.
    withheld: Option<Withheld>,
    log: Option<FileFindings>,
    is_damaged_at_end: bool,
    findings: Vec<FileFindings>,
}

/// Batches of one entry's span, none of which has the entry's epoch.
#[derive(Debug)]
struct Withheld {
    /// Which entry.
    entry: usize,
    batches: u64,
    first: i32,
    last: i32,
    /// False once the batches contradict each other too.
    rises: bool,
    files: Vec<FileFindings>,
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
            withheld: None,
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
        if let Some(withheld) = &mut self.withheld {
            withheld.files.retain(|file| !file.is_empty());
            withheld.files.push(FileFindings::new(Arc::clone(&log)));
        }
        self.findings.extend(self.log.replace(FileFindings::new(log)));
        self.findings.retain(|file| !file.is_empty());
    }

    /// Takes the next batch.
    #[inline]
    pub fn batch(&mut self, batch: &BatchFacts) {
        self.is_damaged_at_end = false;
        let epoch = batch.partition_leader_epoch;
        if batch.magic < 2 {
            self.previous = None;
            return;
        }
        let offset = batch.first_known_offset();
        if !self.span.0.contains(&offset) {
            self.begin_span(offset, epoch);
        }
        let checkpoint = self.span.1.filter(|checkpoint| *checkpoint != epoch);
        if epoch == -1 && checkpoint.is_none() {
            self.previous = None;
            return;
        }
        let previous = self.previous.replace(epoch).filter(|previous| epoch < *previous);
        match &mut self.withheld {
            Some(withheld) if checkpoint.is_some() => withheld.take(epoch),
            Some(_) => self.release(),
            None => {}
        }
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
        self.end_span(None);
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
        let withheld = self.withheld.as_mut().and_then(|withheld| withheld.files.last_mut());
        if let Some(findings) = withheld.or(self.log.as_mut()) {
            let offsets = (batch.first_known_offset(), batch.last_offset);
            findings.add(batch.position..batch.end(), Some(offsets), problem);
        }
    }

    /// A batch of this epoch begins a span. Nothing is known of its entry until a batch has its
    /// epoch.
    fn begin_span(&mut self, offset: Offset, epoch: i32) {
        self.end_span(Some(epoch));
        let span = self.span_of(offset);
        let above = self.entries.partition_point(|(_, entry)| entry.start_offset <= offset);
        if let Some((entry, log)) =
            above.checked_sub(1).zip(self.log.as_ref()).filter(|_| span.1.is_some())
        {
            let rises = self.previous.is_none_or(|previous| previous <= epoch);
            let files = vec![FileFindings::new(Arc::clone(log.file()))];
            let (first, last) = (epoch, epoch);
            self.withheld = Some(Withheld { entry, batches: 0, first, last, rises, files });
        }
        self.span = span;
    }

    /// The batches of a span are all known, and the epoch of the one behind them. Of a single one
    /// it cannot be told whether it is wrong, or the entry.
    fn end_span(&mut self, behind: Option<i32>) {
        let is_entry = self.withheld.as_ref().is_some_and(|withheld| {
            let goes_on = behind.is_none_or(|behind| behind >= withheld.last);
            withheld.batches > 1 && withheld.rises && goes_on
        });
        if !is_entry {
            self.release();
            return;
        }
        let Some(Withheld { entry, first, last, .. }) = self.withheld.take() else { return };
        // What follows is compared with the batches, which are right.
        self.previous = Some(last);
        let Some((range, entry)) = self.entries.get(entry) else { return };
        let EpochEntry { epoch, start_offset: start } = *entry;
        let found = if first == last { format!("{first}") } else { format!("{first} to {last}") };
        let why = format!("epoch {epoch} from {start} on, where all batches have epoch {found}");
        let file = TextKind::LeaderEpochCheckpoint;
        if let Some(findings) = &mut self.checkpoint {
            let problem = Problem::Contradicts { file, why };
            findings.add(range.clone(), Some((start, start)), problem);
        }
    }

    /// The batches are wrong, not the entry.
    fn release(&mut self) {
        let Some(withheld) = self.withheld.take() else { return };
        for file in withheld.files {
            match self.log.as_mut().filter(|log| log.file() == file.file()) {
                Some(log) => log.append(file),
                None => self.findings.push(file),
            }
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

impl Withheld {
    fn take(&mut self, epoch: i32) {
        self.rises &= epoch >= 0 && self.last <= epoch;
        self.last = epoch;
        self.batches += 1;
    }
}
