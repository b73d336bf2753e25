//! Which segments are replaced together: those between which batches move, and all that lie
//! between them.

use crate::format::Position;
use crate::log::image::LogImage;
use crate::repair::layout::{Layout, SegmentLayout, SegmentLook};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

/// Segments that are replaced together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// Those that are there: neighbours.
    pub(super) before: RangeInclusive<usize>,
    /// Those of the layout that take their place.
    pub(super) after: Vec<usize>,
}

/// The groups of a layout, in the order of segments, and the segments that go without any other in
/// their place.
pub(super) fn groups(layout: &Layout, segments: usize) -> (Vec<Group>, Vec<usize>) {
    let mut hulls: Vec<RangeInclusive<usize>> = layout
        .segments
        .iter()
        .filter(|segment| segment.is_changed)
        .filter_map(|segment| {
            let from = &segment.from;
            Some(*from.iter().min()?..=*from.iter().max()?)
        })
        .collect();
    hulls.sort_by_key(|hull| *hull.start());
    let mut groups: Vec<Group> = Vec::new();
    for hull in hulls {
        match groups.last_mut() {
            Some(last) if hull.start() <= last.before.end() => {
                let end = *last.before.end().max(hull.end());
                last.before = *last.before.start()..=end;
            }
            _ => groups.push(Group { before: hull, after: Vec::new() }),
        }
    }
    for (number, segment) in layout.segments.iter().enumerate() {
        let is_in =
            |group: &&mut Group| segment.from.iter().any(|from| group.before.contains(from));
        if let Some(group) = groups.iter_mut().find(is_in) {
            group.after.push(number);
        }
    }
    let is_used = |number: &usize| {
        layout.segments.iter().any(|segment| segment.from.contains(number))
            || groups.iter().any(|group| group.before.contains(number))
    };
    let gone = (0..segments).filter(|number| !is_used(number)).collect();
    (groups, gone)
}

/// Takes back what the layout does to a segment and to those that it is replaced with: they stay
/// as they are. False when it takes the place of none, so that there is nothing to take back.
pub(super) fn leave_group_of(layout: &mut Layout, looks: &[SegmentLook], number: usize) -> bool {
    let (groups, _) = groups(layout, looks.len());
    let Some(group) = groups.into_iter().find(|group| group.after.contains(&number)) else {
        return false;
    };
    let left: Vec<&SegmentLook> = (group.before.clone()).filter_map(|it| looks.get(it)).collect();
    let is_left = |file: &Path| left.iter().any(|look| *look.log == *file);
    layout.actions.retain(|action| !is_left(&action.file));
    layout.losses.retain(|loss| !is_left(&loss.file));
    let why = "what would come of it is not sound either: so this segment stays as it is";
    layout.left_alone.retain(|(file, ..)| !is_left(file));
    for look in &left {
        let range = Position(0)..Position(look.length);
        layout.left_alone.push((Arc::clone(&look.log), range, why.to_owned()));
    }
    let mut numbers = 0..layout.segments.len();
    layout.segments.retain(|_| numbers.next().is_none_or(|it| !group.after.contains(&it)));
    for (from, look) in group.before.clone().zip(&left) {
        let mut log = LogImage::default();
        log.push(&look.log, 0..look.length, Vec::new());
        let (base_offset, like) = (look.base_offset, Arc::clone(&look.log));
        let segment = SegmentLayout { base_offset, log, like, from: vec![from], is_changed: false };
        layout.segments.push(segment);
    }
    layout.segments.sort_by_key(|segment| segment.base_offset);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Offset;

    fn layout(segments: &[(&[usize], bool)]) -> Layout {
        let segment = |(from, is_changed): &(&[usize], bool)| SegmentLayout {
            base_offset: Offset(from.first().map_or(0, |from| *from as i64)),
            log: LogImage::default(),
            like: Path::new("").into(),
            from: from.to_vec(),
            is_changed: *is_changed,
        };
        Layout { segments: segments.iter().map(segment).collect(), ..Layout::default() }
    }

    #[test]
    fn what_is_not_sound_is_taken_back_with_its_group_alone() {
        let look = |number: i64| SegmentLook {
            base_offset: Offset(number),
            log: Path::new(&format!("{number}.log")).into(),
            length: 10,
            stretches: Vec::new(),
            is_readable: true,
            has_index: true,
        };
        let looks = [look(0), look(1), look(2)];
        let mut made = layout(&[(&[0], true), (&[1, 2], true), (&[2], true), (&[], true)]);
        assert!(leave_group_of(&mut made, &looks, 1));
        let changed = |made: &Layout| made.segments.iter().filter(|it| it.is_changed).count();
        assert_eq!((changed(&made), made.left_alone.len()), (2, 2));
        let bytes: Vec<u64> = made.segments.iter().map(|segment| segment.log.len()).collect();
        assert_eq!(bytes.iter().sum::<u64>(), 20);
        // One that comes from nowhere is in no group.
        let alone = made.segments.iter().position(|segment| segment.from.is_empty()).unwrap();
        assert!(!leave_group_of(&mut made, &looks, alone));
    }

    #[test]
    fn what_moves_between_segments_takes_those_in_between_with_it() {
        let of = |segments: &[(&[usize], bool)], count| {
            let (groups, gone) = groups(&layout(segments), count);
            let group = |group: Group| (*group.before.start(), *group.before.end(), group.after);
            (groups.into_iter().map(group).collect::<Vec<_>>(), gone)
        };
        assert_eq!(of(&[(&[0], false), (&[1], false)], 2), (vec![], vec![]));
        assert_eq!(of(&[(&[0], true), (&[1], true)], 3).0.len(), 2);
        assert_eq!(of(&[(&[0], true), (&[1], true)], 3).1, [2]);
        let moved: &[(&[usize], bool)] =
            &[(&[0, 2], true), (&[1], false), (&[2], true), (&[3], false), (&[4], true)];
        assert_eq!(of(moved, 5), (vec![(0, 2, vec![0, 1, 2]), (4, 4, vec![4])], vec![]));
        let split: &[(&[usize], bool)] = &[(&[0], false), (&[1], true), (&[1], true)];
        assert_eq!(of(split, 2), (vec![(1, 1, vec![1, 2])], vec![]));
    }
}
