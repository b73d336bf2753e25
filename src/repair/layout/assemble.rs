//! The parts that stay, put together: the images of the segments.

use super::super::plan::ActionKind;
use super::board::{Board, Fate, Part};
use super::losses::losses;
use super::{Layout, SegmentLayout};
use crate::error::Error;
use crate::format::replay::BatchFacts;
use crate::format::{Offset, Position};
use crate::log::image::{ImagePart, LogImage, Patch};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// Positions in a segment, and offsets from its name, fit 31 bits.
const GREATEST: u64 = i32::MAX as u64;

/// A segment as it is going to be: which parts, in which order.
pub(super) struct Home {
    pub(super) base_offset: Offset,
    /// The segment of that name.
    like: usize,
    pub(super) parts: Vec<usize>,
}

/// Puts everything together.
pub(super) fn assemble(mut board: Board<'_>) -> Result<Layout, Error> {
    drop_empty_end(&mut board);
    let homes = homes(&board);
    let losses = losses(&board, &homes);
    if let Some(segment) = unaccounted(&board, &homes, &losses) {
        debug_assert!(false, "bytes of segment {segment} are in no part, or in two");
        return Ok(untouched(&board, segment));
    }
    let mut segments = Vec::new();
    for home in &homes {
        if board.is_fixed(home.like) {
            segments.extend(as_it_is(&board, home.like));
        } else {
            segments.extend(Split::of(&mut board, home)?);
        }
    }
    let Board { mut actions, mut left_alone, .. } = board;
    actions.sort_by(|a, b| (&a.file, a.range.start).cmp(&(&b.file, b.range.start)));
    left_alone.sort_by(|a, b| (&a.0, a.1.start).cmp(&(&b.0, b.1.start)));
    left_alone.dedup();
    Ok(Layout { segments, actions, losses, left_alone })
}

/// Zeros at the end of the last segment stay as long as it does; they go when it is written anew.
fn drop_empty_end(board: &mut Board<'_>) {
    let Some(last) = board.segments.len().checked_sub(1) else { return };
    let is_here = |part: &&Part| part.segment == last || part.home == last;
    let is_touched = board.parts.iter().filter(is_here).any(Part::is_changed);
    let is_zeros = |part: &Part| part.segment == last && part.damage().is_some();
    let end = board.parts.iter().rposition(is_zeros).filter(|_| is_touched);
    let Some(part) = end.and_then(|end| board.parts.get_mut(end)) else { return };
    if part.fate != Fate::Kept || board.is_fixed.get(last).copied().unwrap_or(true) {
        return;
    }
    part.fate = Fate::Dropped(super::board::Why::Zeros);
    let range = part.range.clone();
    let code = part.damage().map(|damage| damage.problem.code());
    let reason = "it is zeros, and the segment is written anew".to_owned();
    board.act(last, &range, ActionKind::CutTail, None, (reason, code));
}

/// Every segment with its parts in their order.
fn homes(board: &Board<'_>) -> Vec<Home> {
    let segments = board.segments.iter().enumerate();
    let home = |(like, segment): (usize, &super::SegmentLook)| Home {
        base_offset: segment.base_offset,
        like,
        parts: Vec::new(),
    };
    let mut homes: Vec<Home> = segments.map(home).collect();
    for (number, part) in board.parts.iter().enumerate().filter(|(_, part)| part.stays()) {
        if let Some(home) = homes.get_mut(part.home) {
            home.parts.push(number);
        }
    }
    homes
}

/// The first segment whose bytes are not all either kept once or lost once.
fn unaccounted(
    board: &Board<'_>,
    homes: &[Home],
    losses: &[super::super::plan::Loss],
) -> Option<usize> {
    let mut kept = vec![0_u64; board.segments.len()];
    let mut lost: BTreeMap<&std::path::Path, u64> = BTreeMap::new();
    for part in homes.iter().flat_map(|home| &home.parts) {
        let part = board.parts.get(*part)?;
        if let Some(kept) = kept.get_mut(part.segment) {
            *kept = kept.saturating_add(part.len());
        }
    }
    for loss in losses {
        let sum = lost.entry(&*loss.file).or_default();
        *sum = sum.saturating_add(loss.bytes());
    }
    let sums = board.segments.iter().zip(kept).enumerate();
    let mut wrong = sums.filter(|(number, (segment, kept))| {
        let lost = lost.get(&*segment.log).copied().unwrap_or(0);
        !board.is_fixed(*number) && kept.saturating_add(lost) != segment.length
    });
    wrong.next().map(|(number, _)| number)
}

/// Nothing is done.
fn untouched(board: &Board<'_>, segment: usize) -> Layout {
    let mut left_alone = board.left_alone.clone();
    if let Some(segment) = board.segment(segment) {
        let range = Position(0)..Position(segment.length);
        let why = "its bytes do not sum up: this is a defect of this program".to_owned();
        left_alone.push((Arc::clone(&segment.log), range, why));
    }
    let segments = (0..board.segments.len()).filter_map(|number| as_it_is(board, number));
    Layout { segments: segments.collect(), left_alone, ..Layout::default() }
}

fn as_it_is(board: &Board<'_>, number: usize) -> Option<SegmentLayout> {
    let segment = board.segment(number)?;
    let mut log = LogImage::default();
    log.push(&segment.log, 0..segment.length, Vec::new());
    let (base_offset, like) = (segment.base_offset, Arc::clone(&segment.log));
    Some(SegmentLayout { base_offset, log, like, from: vec![number], is_changed: false })
}

/// A home, cut into segments that a broker can take.
struct Split<'h> {
    home: &'h Home,
    done: Vec<(Offset, LogImage)>,
    base: Offset,
    log: LogImage,
    from: BTreeSet<usize>,
}

impl<'h> Split<'h> {
    fn of(board: &mut Board<'_>, home: &'h Home) -> Result<Vec<SegmentLayout>, Error> {
        let from = BTreeSet::from([home.like]);
        let (base, log, done) = (home.base_offset, LogImage::default(), Vec::new());
        let mut split = Self { home, done, base, log, from };
        for number in &home.parts {
            if let Some(part) = board.parts.get(*number) {
                split.push(board, part)?;
            }
        }
        split.done.push((split.base, std::mem::take(&mut split.log)));
        Ok(split.finish(board))
    }

    fn push(&mut self, board: &Board<'_>, part: &Part) -> Result<(), Error> {
        let Some(segment) = board.segment(part.segment) else { return Ok(()) };
        self.from.insert(part.segment);
        let batches = part.batches().filter(|_| part.fate != Fate::Left);
        let last = batches.map(|batches| batches.last.last_offset);
        if self.takes(part.len(), last) || batches.is_none() {
            self.log.push(&segment.log, part.range.clone(), tidy(&part.patches));
            return Ok(());
        }
        let range = Position(part.range.start)..Position(part.range.end);
        let read = board.bytes.batches(&segment.log, range)?;
        let mut range = part.range.start..part.range.start;
        for (batch, before) in read.iter().zip(std::iter::once(None).chain(read.iter().map(Some))) {
            let bytes = range.end.saturating_sub(range.start).saturating_add(batch.size);
            let begun = !self.log.is_empty() || !range.is_empty();
            if begun && !self.takes(bytes, Some(batch.last_offset)) {
                self.log.push(&segment.log, range.clone(), within(&part.patches, &range));
                range = batch.position.0..batch.position.0;
                self.begin(name_of(batch, before));
            }
            range.end = batch.end().0;
        }
        // What is left is nothing as long as the log is as it was when it was looked at.
        range.end = part.range.end;
        self.log.push(&segment.log, range.clone(), within(&part.patches, &range));
        Ok(())
    }

    fn takes(&self, bytes: u64, last: Option<Offset>) -> bool {
        let greatest = self.base.plus(i64::from(i32::MAX));
        self.log.len().saturating_add(bytes) <= GREATEST && last.is_none_or(|l| l <= greatest)
    }

    fn begin(&mut self, base: Offset) {
        self.done.push((self.base, std::mem::take(&mut self.log)));
        self.base = base;
    }

    fn finish(self, board: &mut Board<'_>) -> Vec<SegmentLayout> {
        let Some(segment) = board.segment(self.home.like) else { return Vec::new() };
        let (like, from): (_, Vec<usize>) = (&segment.log, self.from.into_iter().collect());
        if self.done.len() > 1 {
            let into = self.done.iter().map(|(base, _)| *base).collect();
            let kind = ActionKind::SplitSegment { into };
            let reason = "a broker takes no segment whose offsets or positions need more than 31 \
                          bits";
            let whole = 0..segment.length;
            board.act(self.home.like, &whole, kind, None, (reason.to_owned(), None));
        }
        let is_whole = |log: &LogImage| match log.parts.as_slice() {
            [] => segment.length == 0,
            [ImagePart { file, range, patches }] => {
                *file == **like && *range == (0..segment.length) && patches.is_empty()
            }
            _ => false,
        };
        let layouts = self.done.into_iter().map(|(base_offset, log)| {
            let is_changed = !is_whole(&log);
            let (like, from) = (Arc::clone(like), from.clone());
            SegmentLayout { base_offset, log, like, from, is_changed }
        });
        layouts.collect()
    }
}

/// The name of a segment that begins with this batch.
fn name_of(batch: &BatchFacts, before: Option<&BatchFacts>) -> Offset {
    let behind = before.map(|before| before.last_offset.plus(1));
    batch.base_offset.or(behind).unwrap_or(batch.last_offset)
}

/// The patches in a range.
fn within(patches: &[Patch], range: &Range<u64>) -> Vec<Patch> {
    let inside = |patch: &&Patch| range.contains(&patch.position);
    tidy(&patches.iter().filter(inside).cloned().collect::<Vec<_>>())
}

/// The patches in the order of positions and apart from each other; of two for one byte the later
/// one holds.
fn tidy(patches: &[Patch]) -> Vec<Patch> {
    let mut bytes: BTreeMap<u64, u8> = BTreeMap::new();
    for patch in patches {
        bytes.extend((patch.position..).zip(patch.bytes.iter().copied()));
    }
    let mut tidy: Vec<Patch> = Vec::new();
    for (position, byte) in bytes {
        match tidy.last_mut() {
            Some(last) if last.position.saturating_add(last.bytes.len() as u64) == position => {
                last.bytes.push(byte);
            }
            _ => tidy.push(Patch { position, bytes: vec![byte] }),
        }
    }
    tidy
}
