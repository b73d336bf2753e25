//! One known damage at a time, then several: what comes out is compared with the partition as it
//! was before, byte for byte, or with that partition without the batches that were destroyed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod scene;

use super::super::plan::{ActionKind, Loss, Plan};
use super::{Layout, LeaderEpochs, Offset, SegmentLook, Stretch, like_broker};

use crate::format::checkpoint::EpochEntry;
use scene::{Made, Partition, Random, Scene, Segment, batch, message, partition};

/// Offsets follow each other; widths differ; epochs 5 and 7.
fn dense() -> Vec<Vec<Made>> {
    let widths = [[10, 3, 1, 7, 16], [4, 16, 16, 1, 12], [9, 2, 5, 16, 6]];
    let mut next = 96;
    let mut segments = Vec::new();
    for (number, widths) in widths.iter().enumerate() {
        let mut batches = Vec::new();
        for (at, &width) in widths.iter().enumerate() {
            let epoch = if number * 5 + at < 7 { 5 } else { 7 };
            batches.push(batch(next, width, width, epoch, next.unsigned_abs()));
            next += width;
        }
        segments.push(batches);
    }
    segments
}

/// Gaps between batches and in them.
fn compacted() -> Vec<Vec<Made>> {
    let spans =
        [[(100, 10), (117, 3), (121, 1), (130, 7)], [(160, 4), (171, 16), (188, 1), (201, 9)]];
    let of = |&(base, span): &(i64, i64)| batch(base, span, (span / 2).max(1), 3, 9);
    spans.iter().map(|spans| spans.iter().map(of).collect()).collect()
}

fn legacy() -> Vec<Vec<Made>> {
    [(0..8), (8..16)].map(|range| range.map(|at| message(at, 4)).collect()).to_vec()
}

fn all_shapes() -> Vec<Vec<Vec<Made>>> {
    vec![dense(), compacted(), legacy()]
}

/// The layout, and what it makes. It must sum up, and be the end of it.
fn repaired(damaged: &Partition) -> (Layout, Partition) {
    repaired_beside(damaged, None)
}

fn repaired_beside(damaged: &Partition, epochs: Option<&LeaderEpochs>) -> (Layout, Partition) {
    let scene = Scene::of(damaged);
    let layout = scene.layout(epochs);
    let after = scene.after(&layout);
    let bytes = |partition: &Partition| -> usize { partition.iter().map(|s| s.bytes.len()).sum() };
    let lost: u64 = layout.losses.iter().map(Loss::bytes).sum();
    let kept = bytes(&after);
    assert_eq!(kept as u64 + lost, bytes(damaged) as u64, "{layout:#?}");
    let is_changed = layout.segments.iter().any(|segment| segment.is_changed);
    assert_eq!(is_changed, !layout.actions.is_empty(), "{layout:#?}");
    assert_eq!(is_changed, after != *damaged);
    let again = Scene::of(&after).layout(epochs);
    // Where a batch in doubt stands beside damage, a look may take it for part of that.
    let is_in_doubt = layout.left_alone.iter().any(|(.., why)| why.contains("beside it"));
    assert!(is_in_doubt || again.actions.is_empty(), "first {layout:#?} then {again:#?}");
    (layout, after)
}

fn edit(segments: &[Vec<Made>], change: impl FnOnce(&mut Vec<Vec<Made>>)) -> Partition {
    let mut segments = segments.to_vec();
    let names: Vec<i64> = segments.iter().map(|batches| batches[0].base).collect();
    change(&mut segments);
    let bytes = |batches: &Vec<Made>| batches.iter().flat_map(|b| b.bytes.clone()).collect();
    let segment = |(base, batches)| Segment { base, bytes: bytes(batches) };
    names.into_iter().zip(&segments).map(segment).collect()
}

fn lost_offsets(layout: &Layout) -> Vec<(i64, i64)> {
    layout.losses.iter().filter_map(|loss| loss.offsets).map(|(a, b)| (a.0, b.0)).collect()
}

#[test]
fn a_healthy_partition_stays_as_it_is() {
    for shape in all_shapes() {
        let healthy = partition(&shape);
        let (layout, after) = repaired(&healthy);
        assert_eq!(after, healthy);
        assert!(layout.actions.is_empty() && layout.losses.is_empty(), "{layout:#?}");
        assert!(layout.left_alone.is_empty(), "{layout:#?}");
        let mut zeros = healthy;
        zeros.last_mut().unwrap().bytes.extend([0; 5000]);
        let (layout, after) = repaired(&zeros);
        assert_eq!(after, zeros);
        assert!(layout.losses.is_empty());
    }
}

#[test]
fn one_destroyed_batch_costs_itself_alone() {
    for shape in all_shapes() {
        for segment in 0..shape.len() {
            for number in 0..shape[segment].len() {
                let damaged = edit(&shape, |segments| {
                    let bytes = &mut segments[segment][number].bytes;
                    let end = bytes.len();
                    bytes[end - 2] ^= 0x5a;
                    bytes[end - 4] ^= 0x5a;
                });
                let expected = edit(&shape, |segments| {
                    segments[segment].remove(number);
                });
                let (layout, after) = repaired(&damaged);
                assert_eq!(after, expected, "{segment} {number} {layout:#?}");
                let gone = &shape[segment][number];
                let [(from, to)] = lost_offsets(&layout)[..] else { panic!("{layout:#?}") };
                let is_dense = gone.bytes[16] == 1 || shape[0][0].base == 96;
                assert!(from <= gone.base && gone.last() <= to, "{layout:#?}");
                assert!(!is_dense || (from, to) == (gone.base, gone.last()), "{layout:#?}");
            }
        }
    }
}

#[test]
fn several_damages_between_two_batches_share_the_offsets_between_them() {
    let shape = dense();
    let damaged = edit(&shape, |segments| {
        for number in [1, 2] {
            let end = segments[1][number].bytes.len();
            segments[1][number].bytes[end - 2] ^= 0x5a;
            segments[1][number].bytes[end - 4] ^= 0x5a;
        }
    });
    let (layout, _) = repaired(&damaged);
    let expected = (shape[1][1].base, shape[1][2].last());
    assert_eq!(lost_offsets(&layout), [expected]);
    let records: u64 = layout.losses.iter().filter_map(|loss| loss.records).sum();
    assert_eq!(records, 32);
}

#[test]
fn what_stands_between_batches_that_follow_each_other_costs_no_offset() {
    let shape = dense();
    let damaged = edit(&shape, |segments| {
        segments[1][2].bytes.extend([0xa5; 100]);
    });
    let (layout, after) = repaired(&damaged);
    assert_eq!(after, partition(&shape));
    assert!(lost_offsets(&layout).is_empty());
}

fn loses_records(layout: &Layout) -> bool {
    Plan { losses: layout.losses.clone(), ..Plan::default() }.loses_records()
}

/// Only what is proved nothing is said to be nothing.
#[test]
fn what_damaged_bytes_held_is_unknown_where_gaps_are_usual() {
    let with = |shape: &[Vec<Made>], bytes: Vec<u8>| {
        // Batches that follow each other stand on both sides of them.
        let mut shape = shape.to_vec();
        let before = shape[0][1].clone();
        shape[0][2] = batch(before.last() + 1, 1, 1, 3, 9);
        shape[0][1].bytes.extend(bytes);
        repaired(&partition(&shape)).0
    };
    for (bytes, is_known) in [
        (vec![0xa5; 100], false),
        (vec![0xa5; 61], false),
        (vec![0xa5; 60], true),
        (vec![0; 100], true),
    ] {
        let layout = with(&compacted(), bytes.clone());
        let [loss] = &layout.losses[..] else { panic!("{layout:#?}") };
        assert_eq!((loss.offsets, loss.records), (None, is_known.then_some(0)), "{bytes:?}");
        assert_eq!(loses_records(&layout), !is_known);
        assert!(!loss.is_unfinished);
    }
    // Where no gap is usual, nothing is missing.
    let dense = edit(&dense(), |segments| segments[1][2].bytes.extend([0xa5; 100]));
    let (layout, _) = repaired(&dense);
    assert_eq!(layout.losses[0].records, Some(0));
    assert!(!loses_records(&layout));
}

/// A segment got the next name, and its first batch, left alone below it, still has the offset
/// that the segment before seems to lack.
#[test]
fn what_is_left_alone_is_not_told_lost() {
    let mut shape = dense();
    shape.truncate(2);
    let mut damaged = edit(&shape, |segments| {
        let end = segments[0][4].bytes.len();
        segments[0][4].bytes[end - 2] ^= 0x5a;
        segments[0][4].bytes[end - 4] ^= 0x5a;
    });
    damaged[1].base += 1;
    let (layout, after) = repaired(&damaged);
    assert!(!layout.left_alone.is_empty(), "{layout:#?}");
    assert_eq!(after[1], damaged[1]);
    assert_eq!(lost_offsets(&layout), [(shape[0][4].base, shape[0][4].last())]);
}

#[test]
fn how_far_the_log_went_is_told_where_it_is_known() {
    let shape = dense();
    let last = &shape[2][4];
    let (base, end) = (last.base, last.last() + 1);
    let torn = edit(&shape, |segments| {
        let bytes = &mut segments[2][4].bytes;
        bytes.truncate(bytes.len() - 9);
    });
    let bad = edit(&shape, |segments| {
        let bytes = &mut segments[2][4].bytes;
        let length = bytes.len();
        bytes[length - 2] ^= 0x5a;
        bytes[length - 4] ^= 0x5a;
    });
    for damaged in [&torn, &bad] {
        let scene = Scene::of(damaged);
        for known in [base - 1, base, base + 1, end, end + 100] {
            let mut terms = scene.terms(None);
            terms.known_end = Some(Offset(known));
            let expected: Vec<(i64, i64)> =
                if known > base { vec![(base, known - 1)] } else { Vec::new() };
            let ours = super::layout(&scene.looks(), &scene, &terms).unwrap();
            assert_eq!(lost_offsets(&ours), expected, "{known} {ours:#?}");
            let is_torn = std::ptr::eq(damaged, &torn);
            assert_eq!(loses_records(&ours), known > base || !is_torn, "{known} {ours:#?}");
            let theirs = like_broker(&scene.looks(), &scene, &terms, None).unwrap();
            assert_eq!(lost_offsets(&theirs), expected, "{known} {theirs:#?}");
            assert_eq!(loses_records(&theirs), known > base || !is_torn, "{known} {theirs:#?}");
        }
    }
}

#[test]
fn ends_are_cut_where_they_are_unfinished() {
    let shape = dense();
    let whole = partition(&shape);
    for cut in 1..shape[2][4].bytes.len() {
        let mut damaged = whole.clone();
        let bytes = &mut damaged[2].bytes;
        bytes.truncate(bytes.len() - cut);
        let left = shape[2][4].bytes.len() - cut;
        let is_zeros = shape[2][4].bytes[..left].iter().all(|&byte| byte == 0);
        let expected = edit(&shape, |segments| {
            let last = segments[2].last_mut().unwrap();
            last.bytes.truncate(if is_zeros { left } else { 0 });
        });
        let (layout, after) = repaired(&damaged);
        assert_eq!(after, expected, "{cut}");
        assert!(lost_offsets(&layout).is_empty());
        assert!(layout.actions.iter().all(|action| action.kind == ActionKind::CutTail));
        assert!(!loses_records(&layout), "{cut} {layout:#?}");
    }
    // In a sealed segment it is known which offsets the batch had.
    let mut damaged = whole.clone();
    let bytes = &mut damaged[1].bytes;
    bytes.truncate(bytes.len() - 20);
    let (layout, _) = repaired(&damaged);
    assert_eq!(lost_offsets(&layout), [(shape[1][4].base, shape[1][4].last())]);
    // Zeros held nothing, unless something is missing.
    let mut damaged = whole.clone();
    damaged[1].bytes.extend([0; 700]);
    let (layout, after) = repaired(&damaged);
    assert_eq!(after, whole);
    assert!(lost_offsets(&layout).is_empty());
    let mut damaged = edit(&shape, |segments| {
        segments[1].pop();
    });
    damaged[1].bytes.extend([0; 700]);
    let (layout, _) = repaired(&damaged);
    assert_eq!(lost_offsets(&layout), [(shape[1][4].base, shape[1][4].last())]);
    // They go where the last segment is written anew.
    let mut damaged = edit(&shape, |segments| segments[2][1].bytes.extend([0xa5; 100]));
    damaged[2].bytes.extend([0; 700]);
    let (layout, after) = repaired(&damaged);
    assert_eq!(after, whole);
    assert_eq!(layout.actions.len(), 2);
}

/// Every bit of every base offset: set back, or nothing is done.
#[test]
fn a_changed_base_offset_is_set_back() {
    for (shape, least) in all_shapes().into_iter().zip([90, 40, 80]) {
        let healthy = partition(&shape);
        let (mut restored, mut all) = (0, 0);
        for segment in 0..shape.len() {
            for number in 0..shape[segment].len() {
                for bit in 0..64 {
                    let damaged = edit(&shape, |segments| {
                        segments[segment][number].bytes[bit / 8] ^= 1 << (bit % 8);
                    });
                    let (layout, after) = repaired(&damaged);
                    all += 1;
                    if after == healthy {
                        restored += 1;
                        assert!(layout.losses.is_empty(), "{layout:#?}");
                    } else {
                        let first = (segment, number, bit);
                        assert_eq!(after, damaged, "{first:?} {layout:#?}");
                    }
                }
            }
        }
        assert!(restored * 100 >= all * least, "{restored} of {all} in {}", shape[0][0].base);
    }
}

#[test]
fn batches_that_stand_twice_stand_once() {
    for shape in all_shapes() {
        let healthy = partition(&shape);
        let all: Vec<Made> = shape.iter().flatten().cloned().collect();
        for from in 0..all.len() {
            for count in 1..4.min(all.len() - from + 1) {
                for to in 0..shape.len() {
                    for at in [0, 2, shape[to].len()] {
                        let damaged = edit(&shape, |segments| {
                            let run = all[from..from + count].iter().cloned();
                            segments[to].splice(at..at, run);
                        });
                        let (layout, after) = repaired(&damaged);
                        assert_eq!(after, healthy, "{from} {count} {to} {at} {layout:#?}");
                        assert!(lost_offsets(&layout).is_empty(), "{layout:#?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_batch_over_which_an_earlier_one_was_written_is_lost_and_not_renumbered() {
    let mut shape = dense();
    // All of one size and width: a copy fits where another was.
    for (at, batch) in shape.iter_mut().flatten().enumerate() {
        *batch = scene::batch(96 + 4 * at as i64, 4, 4, 5, 0x10 + at as u64);
    }
    let all: Vec<Made> = shape.iter().flatten().cloned().collect();
    for from in 0..all.len() {
        for onto in 0..all.len() {
            if all[from].bytes.len() != all[onto].bytes.len() || from == onto {
                continue;
            }
            let (segment, number) = (onto / 5, onto % 5);
            let damaged = edit(&shape, |segments| segments[segment][number] = all[from].clone());
            let expected = edit(&shape, |segments| {
                segments[segment].remove(number);
            });
            let (layout, after) = repaired(&damaged);
            assert_eq!(after, expected, "{from} {onto} {layout:#?}");
            if onto == all.len() - 1 {
                continue;
            }
            // Of two copies side by side the second goes, which is not where something is missing.
            if from != onto + 1 {
                assert_eq!(lost_offsets(&layout), [(all[onto].base, all[onto].last())]);
            }
        }
    }
}

#[test]
fn batches_that_changed_places_go_back() {
    for (shape, least) in all_shapes().into_iter().zip([95, 10, 95]) {
        let healthy = partition(&shape);
        let places: Vec<(usize, usize)> =
            (0..shape.len()).flat_map(|s| (0..shape[s].len()).map(move |b| (s, b))).collect();
        let (mut back, mut all) = (0, 0);
        for one in 0..places.len() {
            for other in one + 1..places.len() {
                let ((s1, b1), (s2, b2)) = (places[one], places[other]);
                let damaged = edit(&shape, |segments| {
                    let first = segments[s1][b1].clone();
                    segments[s1][b1] = segments[s2][b2].clone();
                    segments[s2][b2] = first;
                });
                let (layout, after) = repaired(&damaged);
                all += 1;
                back += usize::from(after == healthy);
                let is_told = after == healthy || !layout.left_alone.is_empty();
                assert!(is_told, "{one} {other} {layout:#?}");
                assert!(layout.losses.is_empty(), "{layout:#?}");
            }
        }
        assert!(back * 100 >= all * least, "{back} of {all} in {}", shape[0][0].base);
    }
}

#[test]
fn a_block_that_was_moved_goes_back() {
    for shape in [dense(), legacy()] {
        let healthy = partition(&shape);
        let count = shape[0].len();
        for from in 0..count - 1 {
            for length in 1..=2 {
                for to in 0..shape.len() {
                    for at in 0..count - length {
                        let damaged = edit(&shape, |segments| {
                            let block: Vec<Made> =
                                segments[0].splice(from..from + length, []).collect();
                            segments[to].splice(at..at, block);
                        });
                        let (layout, after) = repaired(&damaged);
                        assert_eq!(after, healthy, "{from} {length} {to} {at} {layout:#?}");
                    }
                }
            }
        }
    }
}

fn checkpoint() -> LeaderEpochs {
    let shape = dense();
    let entry = |epoch, start: i64| EpochEntry { epoch, start_offset: Offset(start) };
    LeaderEpochs::new([entry(5, 96), entry(7, shape[1][2].base)])
}

#[test]
fn a_changed_epoch_is_set_back() {
    let shape = dense();
    let healthy = partition(&shape);
    let epochs = checkpoint();
    let (mut alone, mut all) = (0, 0);
    for segment in 0..shape.len() {
        for number in 0..shape[segment].len() {
            for bit in 0..32 {
                let damaged = edit(&shape, |segments| {
                    segments[segment][number].bytes[12 + bit / 8] ^= 1 << (bit % 8);
                });
                let (layout, after) = repaired_beside(&damaged, Some(&epochs));
                // One that has become its neighbour's may as well be told of by a wrong entry.
                let is_other = (segment, number, bit) == (1, 1, 25);
                let is_other = is_other || (segment, number, bit) == (1, 2, 25);
                let expected = if is_other { &damaged } else { &healthy };
                assert_eq!(after, *expected, "{segment} {number} {bit} {layout:#?}");
                assert!(layout.losses.is_empty() && layout.left_alone.is_empty());
                let (_, after) = repaired(&damaged);
                assert!(after == healthy || after == damaged);
                all += 1;
                alone += usize::from(after == healthy);
            }
        }
    }
    assert!(alone * 100 >= all * 70, "{alone} of {all} without a checkpoint");
    // A run of several, between equals.
    let damaged = edit(&shape, |segments| {
        for batch in &mut segments[2][1..4] {
            batch.bytes[12..16].copy_from_slice(&2_i32.to_be_bytes());
        }
    });
    let (_, after) = repaired(&damaged);
    assert_eq!(after, healthy);
}

/// The bytes of a partition that batches prove.
fn proved(partition: &Partition) -> Partition {
    let looks = Scene::of(partition).looks();
    let of = |(look, segment): (SegmentLook, &Segment)| {
        let batches = look.stretches.iter().filter(|s| matches!(s, Stretch::Batches(_)));
        let range = |stretch: &Stretch| {
            usize::try_from(stretch.range().start.0).unwrap()
                ..usize::try_from(stretch.range().end.0).unwrap()
        };
        let bytes = batches.flat_map(|stretch| segment.bytes[range(stretch)].to_vec()).collect();
        Segment { base: segment.base, bytes }
    };
    looks.into_iter().zip(partition).map(of).collect()
}

/// What intact batches a partition holds: their bytes.
fn intact<'m>(partition: &Partition, made: &'m [Made]) -> Vec<&'m Made> {
    let holds = |one: &&Made| {
        partition.iter().any(|s| s.bytes.windows(one.bytes.len()).any(|w| w == one.bytes))
    };
    made.iter().filter(holds).collect()
}

fn do_damage(random: &mut Random, segments: &mut [Vec<Made>]) {
    let segment = random.below(segments.len());
    let count = segments[segment].len();
    if count < 2 {
        return;
    }
    let number = random.below(count);
    let other = random.below(count);
    match random.below(8) {
        0 => segments[segment][number].bytes[random.below(8)] ^= 1 << random.below(8),
        1 => segments[segment][number].bytes[12 + random.below(4)] ^= 1 << random.below(8),
        2 => segments[segment].swap(number, other),
        3 => {
            let copy = segments[segment][number].clone();
            segments[segment].insert(other, copy);
        }
        4 => {
            let bytes = &mut segments[segment][number].bytes;
            let at = 21 + random.below(bytes.len() - 21);
            bytes[at] ^= 0x77;
        }
        5 => {
            let bytes = &mut segments[segment][number].bytes;
            // A byte at the edge may be like its neighbour, and nothing is missing.
            let at = 17 + random.below(bytes.len() - 21);
            bytes.remove(at);
        }
        6 => {
            segments[segment].remove(number);
        }
        _ => {
            let to = random.below(segments.len());
            let block = segments[segment].remove(number);
            let at = random.below(segments[to].len() + 1);
            segments[to].insert(at, block);
        }
    }
}

#[test]
fn no_mixture_of_damages_costs_an_intact_batch() {
    for shape in all_shapes() {
        let made: Vec<Made> = shape.iter().flatten().cloned().collect();
        for seed in 0..300 {
            let mut random = Random::new(seed);
            let damages = 2 + random.below(2);
            let damaged = edit(&shape, |segments| {
                for _ in 0..damages {
                    do_damage(&mut random, segments);
                }
            });
            let (layout, after) = repaired(&damaged);
            let before = intact(&proved(&damaged), &made);
            let left = intact(&after, &made);
            for one in before {
                assert!(left.contains(&one), "seed {seed}: {} {layout:#?}", one.base);
            }
        }
    }
}

/// A batch that the log dir's own name for a segment does not reach gets a segment of its own.
#[test]
fn a_segment_that_overflows_becomes_several() {
    let far = 100 + (1 << 31);
    let mut batches = compacted().remove(0);
    batches.extend([batch(far, 5, 2, 3, 1), batch(far + 9, 5, 2, 3, 1)]);
    let cut: usize = batches[..4].iter().map(|batch| batch.bytes.len()).sum();
    let damaged = partition(&[batches]);
    let (layout, after) = repaired(&damaged);
    let (one, two) = damaged[0].bytes.split_at(cut);
    let segment = |base, bytes: &[u8]| Segment { base, bytes: bytes.to_vec() };
    assert_eq!(after, [segment(100, one), segment(far, two)]);
    assert!(layout.losses.is_empty());
    assert!(layout.segments.iter().all(|segment| segment.from == [0]));
}

#[test]
fn a_broker_keeps_nothing_behind_the_first_damage() {
    let shape = dense();
    let damaged = edit(&shape, |segments| {
        let end = segments[1][2].bytes.len();
        segments[1][2].bytes[end - 2] ^= 0x5a;
        segments[1][2].bytes[end - 4] ^= 0x5a;
    });
    let scene = Scene::of(&damaged);
    let broker = |point| like_broker(&scene.looks(), &scene, &scene.terms(None), point).unwrap();
    let layout = broker(None);
    let kept: Vec<u8> = shape[1][..2].iter().flat_map(|batch| batch.bytes.clone()).collect();
    let expected = [damaged[0].clone(), Segment { base: damaged[1].base, bytes: kept }];
    assert_eq!(scene.after(&layout), expected);
    let (from, end) = (shape[1][2].base, shape[2][4].last());
    assert_eq!(lost_offsets(&layout), [(from, shape[1][4].last()), (shape[2][0].base, end)]);
    assert_eq!(layout.segments[1].from, [1, 2]);
    // It believes what is below its recovery point.
    let layout = broker(Some(Offset(shape[2][0].base)));
    assert_eq!(scene.after(&layout), damaged);
    // A magic that nobody knows is magic 2 to it; a checksum that is wrong all the same is noticed.
    for (magic, is_bad, is_kept) in [(34, false, true), (3, false, true), (34, true, false)] {
        let scene = Scene::of(&edit(&shape, |segments| {
            let bytes = &mut segments[1][2].bytes;
            bytes[16] = magic;
            let end = bytes.len();
            bytes[end - 2] ^= if is_bad { 0x5a } else { 0 };
            bytes[end - 4] ^= if is_bad { 0x5a } else { 0 };
        }));
        let layout = like_broker(&scene.looks(), &scene, &scene.terms(None), None).unwrap();
        assert_eq!(layout.losses.is_empty(), is_kept, "{magic} {layout:#?}");
    }
    // A segment without an `.index` is read at any start, and those behind it stay.
    let scene = Scene::of(&damaged);
    let mut looks = scene.looks();
    looks[1].has_index = false;
    for point in [None, Some(Offset(shape[2][4].last()))] {
        let layout = like_broker(&looks, &scene, &scene.terms(None), point).unwrap();
        let expected = [expected[0].clone(), expected[1].clone(), damaged[2].clone()];
        assert_eq!(scene.after(&layout), expected, "{layout:#?}");
        assert_eq!(lost_offsets(&layout), [(from, shape[1][4].last())]);
        assert_eq!(layout.segments[1].from, [1]);
    }
    // Offsets that go backwards are not noticed before an index entry is due.
    let scene = Scene::of(&edit(&shape, |segments| segments[1].swap(1, 2)));
    let layout = like_broker(&scene.looks(), &scene, &scene.terms(None), None).unwrap();
    assert!(layout.losses.is_empty());
    // Zeros behind them cost the segments that follow, not the last one.
    for (segment, losses) in [(1, 2), (2, 0)] {
        let scene = Scene::of(&edit(&shape, |segments| {
            segments[segment].swap(1, 2);
            segments[segment][4].bytes.extend([0; 100]);
        }));
        let layout = like_broker(&scene.looks(), &scene, &scene.terms(None), None).unwrap();
        assert_eq!(layout.losses.len(), losses, "{layout:#?}");
    }
    // The time index is offered an entry at the end as well: here the greatest timestamp stands in
    // a batch behind the last entry, with an offset below that one's.
    for (late, is_noticed) in [(1_700_000_000_001_i64, true), (1_600_000_000_000, false)] {
        let mut batches: Vec<Made> = (0..70).map(|at| batch(at, 1, 1, 0, 7)).collect();
        let mut early = batches.remove(10);
        early.stamp(late);
        batches.push(early);
        let mut position = 0;
        let is_before = |made: &&Made| {
            position += made.bytes.len();
            position <= 4096
        };
        let first_entry = batches.iter().take_while(is_before).count() + 2;
        assert!(first_entry > 11 && first_entry < 69, "{first_entry}");
        // So that the entry there is not one of the first batches.
        batches[first_entry - 1].stamp(1_700_000_000_000);
        for made in &mut batches[..first_entry - 1] {
            made.stamp(1_500_000_000_000);
        }
        let scene = Scene::of(&partition(&[batches]));
        let layout = like_broker(&scene.looks(), &scene, &scene.terms(None), None).unwrap();
        assert_eq!(layout.segments[0].log.is_empty(), is_noticed, "{layout:#?}");
    }
    let large: Vec<Made> = (0..400).map(|at| batch(at, 1, 1, 0, 7)).collect();
    let mut swapped = large.clone();
    let (early, late) = swapped.split_at_mut(200);
    early[50..110].swap_with_slice(&mut late[50..110]);
    let scene = Scene::of(&partition(&[swapped]));
    let layout = like_broker(&scene.looks(), &scene, &scene.terms(None), None).unwrap();
    assert!(layout.segments[0].log.is_empty());
    assert_eq!(lost_offsets(&layout), [(0, 399)]);
}
