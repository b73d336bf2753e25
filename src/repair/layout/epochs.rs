//! Leader epochs that were changed: no checksum covers them. They never fall, and the
//! `leader-epoch-checkpoint` says from which offset on each holds.
//!
//! ```text
//!   epochs   0 0 0 | 16 | 0 0 0 | 2 2 2      both neighbours have 0: so had it
//!   epochs   0 0 0 | 16 | 2 2 2              0, 1 or 2: the checkpoint decides, or nobody
//! ```
//!
//! Batches of magic 0 and 1, and those that have no epoch, say nothing about those behind them.

use super::super::plan::ActionKind;
use super::board::{Board, Fate, Part};
use super::pieces::covers;
use super::spine::{Link, Standing, chain};
use crate::error::Error;
use crate::format::checkpoint::LeaderEpochs;
use crate::format::replay::BatchFacts;
use crate::format::{Offset, Position};
use crate::log::image::Patch;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What stands where a batch has no epoch.
const UNDEFINED_EPOCH: i32 = -1;

/// Where the epoch stands in a batch of magic 2.
const EPOCH_AT: u64 = 12;

/// Batches that follow each other and have one epoch.
struct Run {
    parts: Vec<usize>,
    magic: i8,
    epoch: i32,
    first: Offset,
    last: Offset,
    batches: u64,
}

/// Sets epochs back where one value fits.
pub(super) fn settle(board: &mut Board<'_>) -> Result<(), Error> {
    let runs = runs(board);
    let says = Says::new(board.terms.epochs.as_ref(), &runs);
    let is_anew = |run: &Run| {
        run.magic < 2
            || run.epoch == UNDEFINED_EPOCH
                && (run.batches > 1 || says.epoch_of(run).is_none_or(|said| said < 0))
    };
    for section in runs.split(is_anew) {
        let standings = spine(section, &says);
        let behind = on_spine_behind(section, &standings);
        let mut before: Option<&Run> = None;
        for ((run, standing), behind) in section.iter().zip(standings).zip(behind) {
            if standing == Standing::On {
                before = Some(run);
                continue;
            }
            // Where another reading is as good, nobody knows which batches are wrong.
            let is_clear = standing == Standing::Off;
            match fitting(run, before, behind, &says).filter(|_| is_clear) {
                Some((epoch, reason)) => set(board, run, epoch, reason)?,
                None => leave(board, run),
            }
        }
    }
    Ok(())
}

/// For each run, the first one behind it that is in order.
fn on_spine_behind<'r>(section: &'r [Run], standings: &[Standing]) -> Vec<Option<&'r Run>> {
    let mut next = None;
    let mut behind = Vec::with_capacity(section.len());
    for (run, standing) in section.iter().zip(standings).rev() {
        behind.push(next);
        if *standing == Standing::On {
            next = Some(run);
        }
    }
    behind.reverse();
    behind
}

/// The runs in the order of offsets.
fn runs(board: &Board<'_>) -> Vec<Run> {
    let is_kept = |part: &Part| part.fate == Fate::Kept;
    let parts = board.parts.iter().enumerate();
    let parts = parts.filter(|(_, part)| is_kept(part) && !board.is_fixed(part.segment));
    let mut parts: Vec<(usize, &Part)> =
        parts.filter(|(_, part)| part.batches().is_some()).collect();
    parts.sort_by_key(|(number, part)| (part.first_offset(), *number));
    let mut runs: Vec<Run> = Vec::new();
    for (number, part) in parts {
        let Some(batches) = part.batches() else { continue };
        let (magic, epoch) = (batches.first.magic, batches.first.partition_leader_epoch);
        match runs.last_mut() {
            Some(run) if (run.magic, run.epoch) == (magic, epoch) => {
                run.parts.push(number);
                run.last = run.last.max(batches.last.last_offset);
                run.batches = run.batches.saturating_add(batches.batches);
            }
            _ => runs.push(Run {
                parts: vec![number],
                magic,
                epoch,
                first: batches.first.first_known_offset(),
                last: batches.last.last_offset,
                batches: batches.batches,
            }),
        }
    }
    runs
}

/// What the checkpoint says, as far as batches agree with it.
struct Says<'a> {
    epochs: Option<&'a LeaderEpochs>,
    /// Epochs of entries in whose span a batch has that epoch.
    confirmed: BTreeSet<i32>,
}

impl<'a> Says<'a> {
    fn new(epochs: Option<&'a LeaderEpochs>, runs: &[Run]) -> Self {
        let mut this = Self { epochs, confirmed: BTreeSet::new() };
        for run in runs.iter().filter(|run| run.magic == 2) {
            for offset in [run.first, run.last] {
                let said = epochs.and_then(|epochs| epochs.epoch_for_offset(offset));
                this.confirmed.extend(said.filter(|said| *said == run.epoch));
            }
        }
        this
    }

    /// The one epoch of all offsets of a run; not that of an entry which no batch has.
    fn epoch_of(&self, run: &Run) -> Option<i32> {
        let epochs = self.epochs?;
        let said = epochs.epoch_for_offset(run.first)?;
        let is_one = epochs.epoch_for_offset(run.last) == Some(said);
        let is_near = run.batches == 1 && (said ^ run.epoch).count_ones() <= 1;
        (is_one && (self.confirmed.contains(&said) || is_near)).then_some(said)
    }

    /// True for one batch whose epoch the checkpoint does not know, where it knows another.
    fn contradicts(&self, run: &Run) -> bool {
        let mut known = self.epochs.iter().flat_map(|epochs| epochs.entries());
        run.batches == 1
            && self.epoch_of(run).is_some_and(|said| said != run.epoch)
            && known.all(|entry| entry.epoch != run.epoch)
    }
}

/// For each run, whether it is among the most batches whose epochs do not fall.
fn spine(section: &[Run], says: &Says<'_>) -> Vec<Standing> {
    let link = |run: &Run| {
        let may_be = run.epoch >= 0 && !says.contradicts(run);
        // Of equals the one that the checkpoint agrees with.
        let agrees = says.epoch_of(run) == Some(run.epoch);
        let weight = run.batches.saturating_mul(2).saturating_add(u64::from(agrees));
        let epoch = i64::from(run.epoch) * 2;
        let weight = if may_be { weight } else { 0 };
        // The same epoch may follow.
        Link { start: epoch + 1, end: epoch, weight, follows: false }
    };
    chain(&section.iter().map(link).collect::<Vec<_>>())
}

/// The one epoch that fits between its neighbours, and why.
fn fitting(
    run: &Run,
    before: Option<&Run>,
    behind: Option<&Run>,
    says: &Says<'_>,
) -> Option<(i32, String)> {
    let (before, behind) = (before.map(|run| run.epoch), behind.map(|run| run.epoch));
    let said = says.epoch_of(run);
    if let Some(epoch) = before.filter(|_| before == behind) {
        let reason = format!("the batches before and behind it have leader epoch {epoch}");
        return said.is_none_or(|said| said == epoch).then_some((epoch, reason));
    }
    if let Some(said) = said {
        let fits = before.is_none_or(|before| before <= said)
            && behind.is_none_or(|behind| said <= behind);
        let reason = format!("leader-epoch-checkpoint gives these offsets leader epoch {said}");
        return fits.then_some((said, reason));
    }
    // The first batches: of all values that differ in one bit only their neighbours' may be.
    let behind = behind.filter(|_| before.is_none() && run.batches == 1)?;
    let near = (0..32).map(|bit| run.epoch ^ (1 << bit));
    let near: Vec<i32> = near.filter(|epoch| (0..=behind).contains(epoch)).collect();
    let reason = format!("the batch behind it has leader epoch {behind}, one bit away");
    (near == [behind]).then_some((behind, reason))
}

fn set(board: &mut Board<'_>, run: &Run, epoch: i32, reason: String) -> Result<(), Error> {
    for number in run.parts.iter().copied() {
        let batches = batches_of(board, number)?;
        let Some(part) = board.parts.get_mut(number) else { continue };
        part.patches.extend(batches.iter().map(|batch| Patch {
            position: batch.position.0.saturating_add(EPOCH_AT),
            bytes: epoch.to_be_bytes().to_vec(),
        }));
        let offsets = part.first_offset().zip(part.last_offset());
        let (segment, range) = (part.segment, part.range.clone());
        let (from, to) = (i64::from(run.epoch), i64::from(epoch));
        let kind = ActionKind::RestoreField { field: "partitionLeaderEpoch", from, to };
        let because = (reason.clone(), Some("leader-epoch-goes-back"));
        board.act(segment, &range, kind, offsets, because);
    }
    Ok(())
}

/// The batches of a part, as they stand in the log.
fn batches_of(board: &Board<'_>, number: usize) -> Result<Vec<BatchFacts>, Error> {
    let Some(part) = board.parts.get(number) else { return Ok(Vec::new()) };
    let Some((batches, segment)) = part.batches().zip(board.segment(part.segment)) else {
        return Ok(Vec::new());
    };
    if batches.batches == 1 {
        return Ok(vec![batches.first]);
    }
    let range = Position(part.range.start)..Position(part.range.end);
    let read = board.bytes.batches(&segment.log, range)?;
    if covers(&read, &part.range) {
        return Ok(read);
    }
    Err(Error::other("reading", &segment.log, "it is not what it was when it was looked at"))
}

fn leave(board: &mut Board<'_>, run: &Run) {
    for number in &run.parts {
        let Some(part) = board.parts.get(*number) else { continue };
        let Some(look) = board.segment(part.segment) else { continue };
        let range = Position(part.range.start)..Position(part.range.end);
        let epoch = run.epoch;
        let why = format!("more than one leader epoch fits where {epoch} stands");
        board.left_alone.push((Arc::clone(&look.log), range, why));
    }
}
