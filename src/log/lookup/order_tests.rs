//! Searches in logs whose batches have wrong base offsets, which no checksum covers, or stand in
//! the wrong place; and beside segments that cannot be read.

use super::tests::batch_v2;
use super::*;
use crate::format::offset_index::OffsetPosition;
use std::fs;

const BATCHES: i64 = 10;
const SEGMENT: i64 = 100;

fn place(number: i64) -> usize {
    usize::try_from(number).unwrap()
}

/// Batches of two records, of the offsets from `SEGMENT` on; the timestamp tells which record it
/// is, whatever its offset.
fn batches() -> Vec<Vec<u8>> {
    let base = |number| SEGMENT + 2 * number;
    let records = |base: i64| [(base, 1000 + base), (base + 1, 1001 + base)];
    (0..BATCHES).map(|n| batch_v2(base(n), base(n) + 1, &records(base(n)), false)).collect()
}

/// A partition with one segment of these batches; and with a second one if it `is_sealed`.
struct Disordered {
    root: tempfile::TempDir,
    is_sealed: bool,
}

impl Disordered {
    fn new(is_sealed: bool) -> Self {
        let root = tempfile::tempdir().unwrap();
        if is_sealed {
            let next = SEGMENT + 2 * BATCHES;
            let log = batch_v2(next, next, &[(next, 1000 + next)], false);
            fs::write(root.path().join(format!("{next:020}.log")), log).unwrap();
        }
        Self { root, is_sealed }
    }

    /// `indexed`: the batches that have an entry, with the last offset of that number.
    fn open(&self, batches: &[Vec<u8>], indexed: &[i64], access: Access) -> OpenPartition {
        let path = |extension| self.root.path().join(format!("{SEGMENT:020}.{extension}"));
        let mut index = Vec::new();
        for &number in indexed {
            let position = batches.iter().take(place(number)).map(Vec::len).sum::<usize>();
            let last = i32::try_from(2 * number + 1).unwrap();
            OffsetPosition::encode(last, i32::try_from(position).unwrap(), &mut index);
        }
        fs::write(path("log"), batches.concat()).unwrap();
        fs::write(path("index"), index).unwrap();
        let directory = PartitionDir::open(self.root.path()).unwrap();
        OpenPartition::new(directory, None, access, Limits::STANDARD)
    }

    /// No answer is wrong. Of the batches that are `sound` every record is found or said to be in
    /// damaged bytes; so are those of others, if that `is_detectable`. How many were found.
    fn examine(
        &self,
        open: &OpenPartition,
        sound: impl Fn(i64) -> bool,
        is_detectable: bool,
        what: &str,
    ) -> usize {
        let workspace = &mut Workspace::new(&Limits::STANDARD);
        let mut found = 0;
        let end = SEGMENT + 2 * BATCHES;
        for target in SEGMENT - 2..end + 40 {
            let lookup = open.offset(Offset(target), workspace).unwrap();
            let was_written = (SEGMENT..end + i64::from(self.is_sealed)).contains(&target);
            let is_sound = target >= end || sound((target - SEGMENT) / 2);
            match lookup.outcome {
                Outcome::Hit(hit) => {
                    assert_eq!(hit.offset, Offset(target));
                    let is_right = was_written && hit.timestamp == 1000 + target;
                    assert!(is_right || !is_detectable, "{what}: {target}: {lookup:?}");
                    found += usize::from(is_right);
                }
                Outcome::Damaged(_) => {}
                Outcome::Miss(_) => {
                    let is_right = !was_written || !is_sound && !is_detectable;
                    assert!(is_right, "{what}: {target}: {lookup:?}");
                }
            }
            // Going on behind damage comes to an end, and to no wrong record.
            let mut outcome = lookup.outcome;
            let mut from = Position(0);
            while let Outcome::Damaged(damage) = outcome {
                let at = damage.place;
                assert!(from <= at.position, "{what}: {target}: {damage:?} again");
                let mut buffer = Vec::new();
                let Ok(batch) = open.batch_at(at, &mut buffer).unwrap() else { break };
                from = batch.end();
                let place = Place { position: from, ..at };
                outcome = open.offset_from(Offset(target), place, workspace).unwrap().outcome;
            }
            if let Outcome::Hit(hit) = outcome {
                let is_right = was_written && hit.timestamp == 1000 + target;
                assert!(is_right || !is_detectable, "{what}: {target}: {hit:?} behind damage");
            }
        }
        found
    }
}

const INDEXED: [&[i64]; 4] =
    [&[], &[2, 4, 6, 8], &[1, 3, 5, 7, 9], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]];

#[test]
fn base_offsets_with_any_one_bit_flipped() {
    for is_sealed in [false, true] {
        let made = Disordered::new(is_sealed);
        for (number, bit) in (0..BATCHES).flat_map(|n| (0..64).map(move |bit| (n, bit))) {
            let mut log = batches();
            log[place(number)][bit / 8] ^= 0x80 >> (bit % 8);
            // Nothing contradicts a last batch that only stands further on.
            let (base, _) = log[place(number)].split_first_chunk().unwrap();
            let is_further_on = i64::from_be_bytes(*base) > SEGMENT + 2 * number;
            let is_detectable = is_sealed || number + 1 < BATCHES || !is_further_on;
            for (indexed, access) in INDEXED.iter().zip([Access::Map, Access::Read].iter().cycle())
            {
                let what = format!("batch {number}, bit {bit}, {indexed:?}, sealed {is_sealed}");
                let open = made.open(&log, indexed, *access);
                let found = made.examine(&open, |n| n != number, is_detectable, &what);
                assert!(found >= 14, "{what}: {found}");
                ranges(&open, &log, &what);
            }
        }
    }
}

/// No sound batch that reaches into a range is in front of where the range begins.
fn ranges(open: &OpenPartition, log: &[Vec<u8>], what: &str) {
    let workspace = &mut Workspace::new(&Limits::STANDARD);
    let bytes = log.concat();
    for first in SEGMENT..SEGMENT + 2 * BATCHES {
        let edge = open.position_of(0, Offset(first), workspace).unwrap();
        for batch in format::Batches::new(&bytes, Position(0)).map(format::Result::unwrap) {
            let is_sound = batch.max_timestamp() == 1000 + batch.last_offset().0;
            if is_sound && batch.last_offset().0 >= first {
                assert!(edge.position <= batch.position(), "{what}: {first}: {edge:?}");
            }
        }
    }
}

#[test]
fn batches_that_changed_places_stand_twice_or_are_moved() {
    for is_sealed in [false, true] {
        let made = Disordered::new(is_sealed);
        for indexed in INDEXED {
            for number in 0..place(BATCHES) {
                let mut twice = batches();
                twice.insert(number, twice[number].clone());
                let open = made.open(&twice, &[], Access::Map);
                let what = format!("{number} twice");
                let found = made.examine(&open, |_| true, true, &what);
                assert_eq!(found, 20 + usize::from(is_sealed), "{what}");
                for other in 0..place(BATCHES) {
                    let mut swapped = batches();
                    swapped.swap(number, other);
                    let what = format!("{number} and {other} swapped, {indexed:?}");
                    let open = made.open(&swapped, indexed, Access::Map);
                    made.examine(&open, |_| true, true, &what);
                    if number.abs_diff(other) <= 1 {
                        ranges(&open, &swapped, &what);
                    }
                }
            }
        }
    }
}

#[test]
fn the_record_is_found_where_one_neighbour_is_wrong() {
    let made = Disordered::new(false);
    let workspace = &mut Workspace::new(&Limits::STANDARD);
    let mut flipped = batches();
    flipped[3][2] ^= 1;
    let open = made.open(&flipped, &[], Access::Map);
    for target in (SEGMENT..SEGMENT + 20).filter(|target| !(106..108).contains(target)) {
        let found = open.offset(Offset(target), workspace).unwrap().outcome;
        assert!(matches!(found, Outcome::Hit(_)), "{target}: {found:?}");
    }
    let Outcome::Damaged(damage) = open.offset(Offset(106), workspace).unwrap().outcome else {
        panic!("a record of a damaged batch");
    };
    assert!(damage.is_out_of_order());
    assert_eq!(damage.place.position.0, 3 * flipped[0].len() as u64);
    assert_eq!(open.log_end(workspace).unwrap().offset, Offset(120));
    // By time its record would be found, at an offset that is none.
    let found = open.time(1106, workspace).unwrap().outcome;
    assert!(matches!(found, Outcome::Damaged(_)), "{found:?}");

    let mut swapped = batches();
    swapped.swap(4, 5);
    let open = made.open(&swapped, &[], Access::Map);
    for target in SEGMENT..SEGMENT + 20 {
        let found = open.offset(Offset(target), workspace).unwrap().outcome;
        assert!(matches!(found, Outcome::Hit(_)), "{target}: {found:?}");
    }
}

#[test]
fn nothing_is_said_of_a_segment_that_is_no_regular_file() {
    let workspace = &mut Workspace::new(&Limits::STANDARD);
    for links in [&[100][..], &[103], &[110], &[100, 103], &[103, 110], &[100, 103, 110]] {
        let root = tempfile::tempdir().unwrap();
        for base in [100, 103, 110] {
            let path = root.path().join(format!("{base:020}.log"));
            if links.contains(&base) {
                std::os::unix::fs::symlink("elsewhere", path).unwrap();
            } else {
                let log = batch_v2(base, base, &[(base, 1000 + base)], false);
                fs::write(path, log).unwrap();
            }
        }
        let directory = PartitionDir::open(root.path()).unwrap();
        let open = OpenPartition::new(directory, None, Access::Map, Limits::STANDARD);
        for target in 98..115 {
            let base = [100, 103, 110].into_iter().rfind(|&base| base <= target);
            let found = open.offset(Offset(target), workspace);
            match base {
                None => assert!(matches!(found.unwrap().outcome, Outcome::Miss(_))),
                Some(base) if links.contains(&base) => {
                    let error = found.unwrap_err().to_string();
                    assert!(error.contains("not a regular file"), "{links:?} {target}: {error}");
                }
                // What the next record is behind the only one, the link may hide.
                Some(base) => match found {
                    Ok(found) if target == base => {
                        assert!(matches!(found.outcome, Outcome::Hit(_)), "{found:?}");
                    }
                    Ok(found) => assert!(matches!(found.outcome, Outcome::Miss(_)), "{found:?}"),
                    Err(_) => assert!(links.iter().any(|&link| link > target), "{links:?}"),
                },
            }
            let first_linked = links.iter().min().unwrap();
            match open.time(1000 + target, workspace) {
                Ok(found) => {
                    assert!(matches!(found.outcome, Outcome::Hit(_)));
                    assert!(target < *first_linked || !links.contains(&target), "{links:?}");
                }
                Err(error) => assert!(error.to_string().contains("not a regular file")),
            }
        }
    }
}
