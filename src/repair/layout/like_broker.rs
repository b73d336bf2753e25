//! What a broker makes of the same logs when it starts after a crash: it ends the first segment
//! with anything wrong in it there, and deletes all that follow.
//!
//! ```text
//!   before   | 0-9 | 10-19 |??| 30-39 |   | 40-49 | 50-59 |   | 60-69 |
//!   after    | 0-9 | 10-19 |
//! ```
//!
//! It looks only from the segment on that holds its recovery point; and, whatever it knows, at
//! each segment without an `.index`, which it ends at the damage, and keeps all that follow.
//! Offsets that go backwards it notices where it is about to add an entry to an index, and then
//! empties the segment.

use super::super::plan::{Action, ActionKind, Loss};
use super::{Bytes, Layout, SegmentLayout, SegmentLook, Terms};
use crate::check::Problem;
use crate::check::coverage::Class;
use crate::check::stretches::{DamageStretch, Stretch};
use crate::error::Error;
use crate::format::replay::{BatchFacts, INDEX_INTERVAL_BYTES, IndexInterval};
use crate::format::{Batch, Offset, Position, Scratch};
use crate::log::image::LogImage;
use std::ops::Range;
use std::sync::Arc;

/// Where the magic stands in a batch.
const MAGIC_AT: usize = 16;

/// What a broker finds in a segment.
enum Found {
    /// Nothing wrong.
    Nothing,
    /// It keeps the bytes before this position.
    EndsAt(u64, String),
    /// It does not get as far, or it is not known what it would find.
    Stops(String),
}

/// What a broker makes of the segments, given in the order of base offsets. It believes what is
/// below its recovery point; `None` when it has none.
///
/// # Errors
/// When the batches of a segment whose offsets go backwards cannot be read.
pub fn like_broker(
    segments: &[SegmentLook],
    bytes: &dyn Bytes,
    terms: &Terms,
    recovery_point: Option<Offset>,
) -> Result<Layout, Error> {
    let point = recovery_point.unwrap_or(Offset(0));
    let above = segments.partition_point(|segment| segment.base_offset <= point);
    let first = above.saturating_sub(1);
    let mut layout = Layout::default();
    // Segments without an `.index` come first, and whatever the recovery point is.
    let mut cuts: Vec<Option<(u64, String)>> = vec![None; segments.len()];
    let mut is_stopped = false;
    for without_index in [true, false] {
        for (number, segment) in segments.iter().enumerate() {
            let is_read = if without_index { !segment.has_index } else { number >= first };
            if is_stopped || !is_read || without_index == segment.has_index {
                continue;
            }
            match find(segment, bytes, terms, number + 1 == segments.len())? {
                Found::Nothing => {}
                Found::EndsAt(0, why) if without_index && !begins_with_damage(segment) => {
                    let why =
                        format!("there is no .index, and {why}: what a broker does is unknown");
                    is_stopped = stop(&mut layout, segment, why);
                }
                Found::Stops(why) => is_stopped = stop(&mut layout, segment, why),
                Found::EndsAt(position, why) => {
                    if let Some(cut) = cuts.get_mut(number) {
                        *cut = Some((position, why));
                    }
                    is_stopped = !without_index;
                }
            }
        }
    }
    for (number, (segment, cut)) in segments.iter().zip(cuts).enumerate() {
        match cut {
            None => layout.segments.push(whole(number, segment)),
            Some((position, why)) => {
                let goes_on = !segment.has_index;
                let end = if goes_on { number + 1 } else { segments.len() };
                truncate(segments, number..end, position, &why, terms, &mut layout);
                if !goes_on {
                    break;
                }
            }
        }
    }
    Ok(layout)
}

/// A broker gets no further than this segment; answers that.
fn stop(layout: &mut Layout, segment: &SegmentLook, why: String) -> bool {
    let range = Position(0)..Position(segment.length);
    layout.left_alone.push((Arc::clone(&segment.log), range, why));
    true
}

fn begins_with_damage(segment: &SegmentLook) -> bool {
    matches!(segment.stretches.first(), Some(Stretch::Damage(_)))
}

fn whole(number: usize, segment: &SegmentLook) -> SegmentLayout {
    let mut log = LogImage::default();
    log.push(&segment.log, 0..segment.length, Vec::new());
    let (base_offset, like) = (segment.base_offset, Arc::clone(&segment.log));
    SegmentLayout { base_offset, log, like, from: vec![number], is_changed: false }
}

/// What is wrong with a segment first.
fn find(
    segment: &SegmentLook,
    bytes: &dyn Bytes,
    terms: &Terms,
    is_last: bool,
) -> Result<Found, Error> {
    if !segment.is_readable {
        return Ok(Found::Stops("a broker does not start with a file that it cannot read".into()));
    }
    let mut order = Order { base: segment.base_offset, highest: None, goes_back: false };
    for stretch in &segment.stretches {
        let damage = match stretch {
            Stretch::Batches(batches) => {
                if !order.takes(batches.first.last_offset, batches.last.last_offset) {
                    return Ok(Found::Stops(TOO_FAR.to_owned()));
                }
                continue;
            }
            Stretch::Damage(damage) => damage,
        };
        let passing = passing(segment, damage, bytes, terms)?;
        let mut takes = passing.iter().map(|it| order.takes(it.last_offset, it.last_offset));
        if !takes.all(|takes| takes) {
            return Ok(Found::Stops(TOO_FAR.to_owned()));
        }
        let at = passing.last().map_or(damage.range.start, BatchFacts::end);
        if at < damage.range.end {
            let found = damaged(damage, at, is_last);
            return match found {
                Found::Stops(_) => Ok(found),
                _ if order.goes_back => indexed(segment, bytes, terms, found),
                _ => Ok(found),
            };
        }
    }
    match order.goes_back {
        true => indexed(segment, bytes, terms, Found::Nothing),
        false => Ok(Found::Nothing),
    }
}

const TOO_FAR: &str = "a broker does not start with offsets that are too far from the name of \
                       their segment";

/// How the offsets of a segment go on.
struct Order {
    base: Offset,
    highest: Option<Offset>,
    goes_back: bool,
}

impl Order {
    /// Batches with these last offsets, the first and the last of them; false when they are too far
    /// from the name of the segment.
    fn takes(&mut self, first: Offset, last: Offset) -> bool {
        self.goes_back |= self.highest.is_some_and(|highest| first <= highest);
        self.highest = self.highest.max(Some(last));
        first >= self.base && last <= self.base.plus(i64::from(i32::MAX))
    }
}

/// The batches at the front of a damage that a broker takes for sound: any magic above 2 is magic 2
/// to it, and the checksum does not cover the magic.
fn passing(
    segment: &SegmentLook,
    damage: &DamageStretch,
    bytes: &dyn Bytes,
    terms: &Terms,
) -> Result<Vec<BatchFacts>, Error> {
    let (start, end) = (damage.range.start, damage.range.end);
    let length = end.0.saturating_sub(start.0);
    let may_pass = matches!(damage.problem, Problem::BatchMagic { magic: 3.. });
    if !may_pass || length > terms.limits.batch_bytes as u64 {
        return Ok(Vec::new());
    }
    let mut read = bytes.read(&segment.log, start.0..end.0)?;
    let mut scratch = Scratch::new(terms.limits.decompressed_bytes);
    let mut passing: Vec<BatchFacts> = Vec::new();
    let mut at = 0;
    while let Some(magic) = read.get_mut(at + MAGIC_AT).filter(|magic| magic.cast_signed() > 2) {
        *magic = 2;
        let rest = read.get(at..).unwrap_or_default();
        let batch = Batch::parse(rest, start.plus(at as u64)).ok();
        let Some(batch) = batch.filter(|batch| batch.crc() == batch.compute_crc()) else { break };
        passing.push(BatchFacts::of(&batch, &mut scratch));
        at += batch.size();
    }
    Ok(passing)
}

/// What a broker does with a damage that it comes to at `at`.
fn damaged(damage: &DamageStretch, at: Position, is_last: bool) -> Found {
    let message = damage.problem.message();
    match damage.problem {
        // A broker's own preallocated end.
        Problem::PreallocatedTail { .. } if is_last => Found::Nothing,
        Problem::GrowingTail => Found::Nothing,
        // A read that fails costs the whole segment.
        Problem::UnreadableRange { .. } => Found::EndsAt(0, message),
        _ if damage.class == Class::Unread => Found::Stops(message),
        _ => Found::EndsAt(at.0, message),
    }
}

/// Whether offsets go backwards where an entry of an index is due, in the batches before what is
/// found otherwise.
fn indexed(
    segment: &SegmentLook,
    bytes: &dyn Bytes,
    terms: &Terms,
    otherwise: Found,
) -> Result<Found, Error> {
    let end = match otherwise {
        Found::EndsAt(at, _) => at,
        _ => segment.length,
    };
    let mut indexes = Indexes::new();
    for stretch in &segment.stretches {
        let range = stretch.range();
        if range.start.0 >= end {
            break;
        }
        let read: Vec<BatchFacts> = match stretch {
            Stretch::Batches(_) => bytes.batches(&segment.log, range)?,
            Stretch::Damage(damage) => passing(segment, damage, bytes, terms)?,
        };
        for batch in &read {
            if let Some(why) = indexes.take(batch) {
                return Ok(Found::EndsAt(0, why));
            }
        }
    }
    Ok(indexes.offer_time().map_or(otherwise, |why| Found::EndsAt(0, why)))
}

/// The indexes as a broker writes them while it reads a segment.
struct Indexes {
    interval: IndexInterval,
    last: Option<Offset>,
    /// The greatest timestamp so far, and the last offset of the first batch that has it.
    greatest: Option<(i64, Offset)>,
    /// The last entry of the time index.
    last_time: Option<(i64, Offset)>,
}

impl Indexes {
    fn new() -> Self {
        let interval = IndexInterval::new(INDEX_INTERVAL_BYTES, Position(0));
        Self { interval, last: None, greatest: None, last_time: None }
    }

    /// Why it gives up at this batch.
    fn take(&mut self, batch: &BatchFacts) -> Option<String> {
        if batch.max_timestamp > self.greatest.map_or(-1, |(timestamp, _)| timestamp) {
            self.greatest = Some((batch.max_timestamp, batch.last_offset));
        }
        if !self.interval.is_due(batch.position) {
            return None;
        }
        if self.last.is_some_and(|last| batch.last_offset <= last) {
            return Some(format!("offset {} does not go into the index", batch.last_offset));
        }
        self.last = Some(batch.last_offset);
        self.interval.indexed(batch.position);
        self.offer_time()
    }

    /// Why it gives up where the greatest timestamp is offered to the time index: behind each entry
    /// of the other, and at the end.
    fn offer_time(&mut self) -> Option<String> {
        let (timestamp, offset) = self.greatest?;
        if self.last_time.is_some_and(|(_, last)| offset < last) {
            return Some(format!("offset {offset} does not go into the time index"));
        }
        if self.last_time.is_none_or(|(last, _)| timestamp > last) {
            self.last_time = self.greatest;
        }
        None
    }
}

/// The first of some segments ends at `position`, and the others go.
fn truncate(
    segments: &[SegmentLook],
    range: Range<usize>,
    position: u64,
    why: &str,
    terms: &Terms,
    layout: &mut Layout,
) {
    let (number, count) = (range.start, range.len());
    for (at, segment) in segments.iter().enumerate().skip(number).take(count) {
        let from = if at == number { position } else { 0 };
        let bytes = Position(from)..Position(segment.length);
        let kept = segment.stretches.iter().filter_map(|stretch| match stretch {
            Stretch::Batches(batches) if batches.range.end.0 <= from => Some(batches),
            _ => None,
        });
        let first = kept.map(|batches| batches.last.last_offset.plus(1)).max();
        let first = first.unwrap_or(segment.base_offset).max(terms.log_start);
        let next = segments.get(at + 1).map(|next| next.base_offset.plus(-1));
        let last = next.or_else(|| last_of(segment, terms.known_end));
        let offsets = last.filter(|last| *last >= first).map(|last| (first, last));
        let records = offsets.map(|(a, b)| b.0.abs_diff(a.0).saturating_add(1));
        let is_unfinished = offsets.is_none() && is_unfinished(segment, from);
        let is_zeros = offsets.is_none() && is_zeros(segment, from);
        let records = if is_zeros { Some(0) } else { records };
        let file = Arc::clone(&segment.log);
        let reason = match at == number {
            true if !segment.has_index => {
                format!("a broker reads a segment without an .index and ends it here: {why}")
            }
            true => format!("a broker keeps nothing from here on: {why}"),
            false => "a broker keeps no segment behind one that it has cut".to_owned(),
        };
        let action = (Arc::clone(&file), bytes.clone());
        let (kind, code) = (ActionKind::Truncate, None);
        layout.actions.push(Action {
            kind,
            file: action.0,
            range: action.1,
            offsets,
            reason,
            code,
        });
        layout.losses.push(Loss { file, range: bytes, offsets, records, is_unfinished });
    }
    let Some(segment) = segments.get(number) else { return };
    let mut log = LogImage::default();
    log.push(&segment.log, 0..position, Vec::new());
    let (base_offset, like) = (segment.base_offset, Arc::clone(&segment.log));
    let from = range.collect();
    layout.segments.push(SegmentLayout { base_offset, log, like, from, is_changed: true });
}

/// True when nothing goes behind `from` but a batch that was never finished.
fn is_unfinished(segment: &SegmentLook, from: u64) -> bool {
    let mut behind = segment.stretches.iter().filter(|stretch| stretch.range().end.0 > from);
    behind.all(|stretch| match stretch {
        Stretch::Damage(damage) => {
            matches!(damage.problem, Problem::TornTail { .. } | Problem::PreallocatedTail { .. })
        }
        Stretch::Batches(_) => false,
    })
}

/// True when nothing goes behind `from` but zeros.
fn is_zeros(segment: &SegmentLook, from: u64) -> bool {
    let mut behind = segment.stretches.iter().filter(|stretch| stretch.range().end.0 > from);
    behind.all(|stretch| match stretch {
        Stretch::Damage(damage) => matches!(damage.problem, Problem::PreallocatedTail { .. }),
        Stretch::Batches(_) => false,
    })
}

/// The greatest offset that is known of the last segment.
fn last_of(segment: &SegmentLook, known_end: Option<Offset>) -> Option<Offset> {
    let lasts = segment.stretches.iter().filter_map(|stretch| match stretch {
        Stretch::Batches(batches) => Some(batches.last.last_offset),
        // What damage claims is believed only where nothing better is known.
        Stretch::Damage(damage) if damage.class == Class::Damaged && known_end.is_none() => {
            damage.offsets.map(|offsets| offsets.1)
        }
        Stretch::Damage(_) => None,
    });
    let greatest = segment.base_offset.plus(i64::from(i32::MAX));
    let known = known_end.map(|known| known.plus(-1));
    lasts.chain(known).filter(|last| *last <= greatest).max()
}
