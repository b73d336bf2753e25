//! The parts that the logs of a partition are cut into, and what becomes of each.

use super::super::plan::{Action, ActionKind};
use super::places::Places;
use super::{Bytes, SegmentLook, Terms};
use crate::check::Problem;
use crate::check::coverage::Class;
use crate::check::stretches::{BatchStretch, DamageStretch, Stretch};
use crate::format::replay::BatchFacts;
use crate::format::{Offset, Position};
use crate::log::image::Patch;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// All that is known while a layout is made.
pub(super) struct Board<'a> {
    pub(super) segments: &'a [SegmentLook],
    pub(super) bytes: &'a dyn Bytes,
    pub(super) terms: &'a Terms,
    /// In the order in which they are going to stand. Those of a segment cover all its bytes.
    pub(super) parts: Vec<Part>,
    /// The segments that are not touched.
    pub(super) is_fixed: Vec<bool>,
    /// Whether offsets follow each other without gaps wherever nothing is damaged.
    pub(super) is_dense: bool,
    pub(super) actions: Vec<Action>,
    pub(super) left_alone: Vec<(Arc<Path>, Range<Position>, String)>,
}

/// A range of a log with one fate.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Which segment it stands in.
    pub(super) segment: usize,
    /// Which segment it is going to stand in.
    pub(super) home: usize,
    /// Which of its bytes.
    pub(super) range: Range<u64>,
    pub(super) what: What,
    pub(super) fate: Fate,
    /// What changes in it.
    pub(super) patches: Vec<Patch>,
    /// True once it stands elsewhere among the parts.
    pub(super) is_moved: bool,
}

/// What a part is.
#[derive(Clone, Debug)]
pub(super) enum What {
    Batches(Box<BatchStretch>),
    Damage(Box<DamageStretch>),
}

/// What becomes of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It stays where it is.
    Kept,
    /// It stays where it is although it is not in order: two readings are possible.
    Left,
    /// It goes where its offsets belong, to this segment.
    Moved(usize),
    /// It goes.
    Dropped(Why),
}

/// Why a part goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The beginning of a batch that was never finished, at the end of a log.
    Torn,
    /// Zeros to the end of a log.
    Zeros,
    /// Bytes that no batch proves.
    Damage,
    /// Batches that stand elsewhere as well, byte for byte.
    Copy,
    /// Batches with the offsets of others that are in order.
    Other,
}

impl<'a> Board<'a> {
    /// Everything stays where it is.
    pub(super) fn new(segments: &'a [SegmentLook], bytes: &'a dyn Bytes, terms: &'a Terms) -> Self {
        let (actions, left_alone) = (Vec::new(), Vec::new());
        let (parts, is_fixed) = (Vec::new(), Vec::new());
        let is_dense = false;
        let mut board =
            Self { segments, bytes, terms, parts, is_fixed, is_dense, actions, left_alone };
        for (number, segment) in segments.iter().enumerate() {
            let why = why_fixed(segment);
            board.is_fixed.push(why.is_some());
            if let Some(why) = why {
                let range = Position(0)..Position(segment.length);
                board.left_alone.push((Arc::clone(&segment.log), range, why));
            }
            board.parts.extend(segment.stretches.iter().map(|stretch| Part::new(number, stretch)));
        }
        board.measure();
        board
    }

    /// Finds out whether offsets follow each other, as far as it is known by now.
    pub(super) fn measure(&mut self) {
        let mut batches = self.parts.iter().filter(|part| part.stays()).filter_map(Part::batches);
        self.is_dense = !self.terms.is_cleaned && !batches.any(has_compaction_sign);
    }

    pub(super) fn is_fixed(&self, segment: usize) -> bool {
        self.is_fixed.get(segment).copied().unwrap_or(true)
    }

    pub(super) fn segment(&self, number: usize) -> Option<&'a SegmentLook> {
        self.segments.get(number)
    }

    /// The offset in the name of the segment behind this one.
    pub(super) fn next_base(&self, segment: usize) -> Option<Offset> {
        self.segments.get(segment + 1).map(|next| next.base_offset)
    }

    pub(super) fn is_last(&self, segment: usize) -> bool {
        segment + 1 == self.segments.len()
    }

    /// Puts what moves where it is going to stand: before the first batch of its segment that is
    /// in order and behind it in offsets.
    pub(super) fn relocate(&mut self, places: &Places) {
        let mut coming: Vec<Vec<Part>> = vec![Vec::new(); self.segments.len()];
        let mut staying: Vec<Vec<(bool, Part)>> = vec![Vec::new(); self.segments.len()];
        for (number, mut part) in std::mem::take(&mut self.parts).into_iter().enumerate() {
            let is_settled = places.is_settled(number) && part.kept().is_some();
            if let Fate::Moved(to) = part.fate {
                (part.home, part.fate, part.is_moved) = (to, Fate::Kept, true);
                if let Some(row) = coming.get_mut(to) {
                    row.push(part);
                }
            } else if let Some(row) = staying.get_mut(part.home) {
                row.push((is_settled, part));
            }
        }
        for (staying, mut coming) in staying.into_iter().zip(coming) {
            coming.sort_by_key(Part::first_offset);
            let mut coming = coming.into_iter().peekable();
            for (is_settled, part) in staying {
                if let Some(first) = part.first_offset().filter(|_| is_settled) {
                    while let Some(next) = coming.next_if(|next| next.first_offset() < Some(first))
                    {
                        self.parts.push(next);
                    }
                }
                self.parts.push(part);
            }
            self.parts.extend(coming);
        }
    }

    pub(super) fn set_fate(&mut self, part: usize, fate: Fate) {
        if let Some(part) = self.parts.get_mut(part) {
            part.fate = fate;
        }
    }

    /// Says that something is done.
    pub(super) fn act(
        &mut self,
        segment: usize,
        range: &Range<u64>,
        kind: ActionKind,
        offsets: Option<(Offset, Offset)>,
        (reason, code): (String, Option<&'static str>),
    ) {
        let Some(look) = self.segments.get(segment) else { return };
        let (file, range) = (Arc::clone(&look.log), Position(range.start)..Position(range.end));
        self.actions.push(Action { kind, file, range, offsets, reason, code });
    }
}

impl Part {
    fn new(segment: usize, stretch: &Stretch) -> Self {
        let range = stretch.range();
        let what = match stretch {
            Stretch::Batches(batches) => What::Batches(batches.clone()),
            Stretch::Damage(damage) => What::Damage(Box::new(damage.clone())),
        };
        let range = range.start.0..range.end.0;
        let (home, fate, patches) = (segment, Fate::Kept, Vec::new());
        Self { segment, home, range, what, fate, patches, is_moved: false }
    }

    /// The batches that it is, when it is some.
    pub(super) fn batches(&self) -> Option<&BatchStretch> {
        match &self.what {
            What::Batches(batches) => Some(batches),
            What::Damage(_) => None,
        }
    }

    pub(super) fn damage(&self) -> Option<&DamageStretch> {
        match &self.what {
            What::Batches(_) => None,
            What::Damage(damage) => Some(damage),
        }
    }

    /// The batches that it is, when they stay where they are.
    pub(super) fn kept(&self) -> Option<&BatchStretch> {
        self.batches().filter(|_| self.fate == Fate::Kept)
    }

    /// The first offset of the batches that it is.
    pub(super) fn first_offset(&self) -> Option<Offset> {
        self.batches().map(|batches| batches.first.first_known_offset())
    }

    /// The last offset of the batches that it is.
    pub(super) fn last_offset(&self) -> Option<Offset> {
        self.batches().map(|batches| batches.last.last_offset)
    }

    /// True when it stays in its segment.
    pub(super) fn stays(&self) -> bool {
        matches!(self.fate, Fate::Kept | Fate::Left)
    }

    /// True when its segment is another without it, or with what changes in it.
    pub(super) fn is_changed(&self) -> bool {
        !self.stays() || self.is_moved || !self.patches.is_empty()
    }

    pub(super) fn len(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }
}

/// Why a segment is not touched.
fn why_fixed(segment: &SegmentLook) -> Option<String> {
    if !segment.is_readable {
        return Some("it cannot be read".to_owned());
    }
    let mut at = 0;
    for stretch in &segment.stretches {
        let range = stretch.range();
        if range.start.0 != at || range.end <= range.start {
            return Some(format!("what stands in it from byte {at} on is not known"));
        }
        at = range.end.0;
        let Stretch::Damage(damage) = stretch else { continue };
        let is_readable_no_more = matches!(damage.problem, Problem::UnreadableRange { .. });
        if matches!(damage.problem, Problem::GrowingTail)
            || damage.class == Class::Unread && !is_readable_no_more
        {
            return Some(format!("not all of it was read: {}", damage.problem.message()));
        }
    }
    (at != segment.length).then(|| format!("what stands in it from byte {at} on is not known"))
}

/// True when offsets do not follow each other inside of a stretch, or batches hold fewer records
/// than offsets. The ends of stretches are not looked at for gaps: these may be what is wrong.
fn has_compaction_sign(batches: &BatchStretch) -> bool {
    let ends = [batches.first, batches.last];
    let known = ends.into_iter().chain(batches.second).chain(batches.before_last);
    known.into_iter().any(|batch| is_thinned(&batch)) || !is_dense_inside(batches)
}

fn is_thinned(batch: &BatchFacts) -> bool {
    let span = batch.last_offset.0.saturating_sub(batch.first_known_offset().0);
    let is_wrapper = batch.records_count.is_none();
    let has_fewer = batch.records_count.is_some_and(|count| i64::from(count) <= span);
    is_wrapper || has_fewer || batch.attributes.has_delete_horizon()
}

/// True when offsets follow each other between the ends of a stretch, as far as counts tell.
pub(super) fn is_dense_inside(batches: &BatchStretch) -> bool {
    if batches.batches < 4 {
        return true;
    }
    let Some((second, before_last)) = batches.second.zip(batches.before_last) else { return true };
    let ends = [batches.first, batches.last].map(|batch| BatchStretch::of(&batch).records);
    let records = ends.into_iter().fold(batches.records, u64::saturating_sub);
    let last = before_last.last_offset.0;
    let span = last.saturating_sub(second.first_known_offset().0).saturating_add(1);
    u64::try_from(span).is_ok_and(|span| span == records)
}
