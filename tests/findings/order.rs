//! The order of batches, in files and across them. Offsets and leader epochs are not under the
//! checksum: no batch is sealed anew here.

use crate::Proof;
use crate::place::{Case, E, Found, N, PLAIN, Place, W, broker, found, write_i32, write_i64};

pub const PROOFS: &[Proof] = &[
    ("offset-goes-back", offset_goes_back),
    ("offset-below-segment", offset_below_segment),
    ("offset-beyond-next-segment", offset_beyond_next_segment),
    ("offset-overflow", offset_overflow),
    ("offset-gap", offset_gap),
    ("leader-epoch-goes-back", leader_epoch_goes_back),
    ("leader-epoch-differs", leader_epoch_differs),
];

const EPOCHS: (&str, &str) = ("kafka-4.3.1", "epochs-0");
const COMPACTED: (&str, &str) = ("kafka-4.3.1", "compact-drop-0");

/// Gives a batch another base offset. Which it was, and the place.
fn moved(segment: usize, batch: impl Fn(usize) -> usize, by: i64) -> (Place, Found) {
    let place = Place::plain();
    let mut log = place.log(segment);
    let batch = batch(log.frames.len());
    let base = log.base_offset(batch);
    write_i64(log.batch(batch), 0, base + by);
    place.save(&log);
    let expected = found("", E, &place.name(&log.file), log.range(batch));
    (place, expected)
}

fn as_code(case: &Case, found: &Found) -> Found {
    let mut found = found.clone();
    found.0 = case.code;
    found
}

/// Offsets are missing behind a batch that was moved down.
fn gap_behind(place: &Place, batch: usize) -> Found {
    let log = place.log(1);
    found("offset-gap", W, &place.name(&log.file), log.range(batch + 1))
}

fn offset_goes_back(case: &Case) {
    // One that no index entry speaks of.
    let (place, expected) = moved(1, |_| 1, -1);
    case.trips(&place, &[], 1, &[as_code(case, &expected), gap_behind(&place, 1)]);
    // Every batch of the next file is where it should be.
    let place = Place::plain();
    let mut log = place.last_log();
    let last = log.frames.len() - 1;
    let base = log.base_offset(last);
    write_i64(log.batch(last), 0, base + 1);
    place.save(&log);
    case.spares(&place, 1);
    case.spares_healthy(PLAIN);
    case.spares_healthy(COMPACTED);
}

fn offset_below_segment(case: &Case) {
    let (place, expected) = moved(1, |_| 0, -1);
    case.trips(&place, &[], 1, &[as_code(case, &expected), gap_behind(&place, 0)]);
    // It ends in the segment, which is what a broker looks at.
    assert_eq!(broker(&place.verify(&[]), case.code), "");
    let (place, _) = moved(1, |_| 1, -1);
    case.spares(&place, 1);
    let (place, _) = moved(1, |_| 1, -500);
    let said = broker(&place.verify(&[]), case.code);
    let stops = "at a start after an unclean stop a broker fails to split the segment and does \
                 not start";
    assert!(said.starts_with(stops), "{said}");
}

fn offset_beyond_next_segment(case: &Case) {
    let (place, expected) = moved(1, |count| count - 1, 1);
    let next = place.log(2);
    let behind = found("offset-goes-back", E, &place.name(&next.file), next.range(0));
    case.trips(&place, &[], 1, &[as_code(case, &expected), behind]);
    let (place, _) = moved(7, |count| count - 1, 1);
    case.spares(&place, 1);
    case.spares_healthy(COMPACTED);
}

fn offset_overflow(case: &Case) {
    let place = Place::of(("kafka-4.3.1-killed", "shapes-0"));
    place.remove("leader-epoch-checkpoint");
    let mut log = place.last_log();
    let last = log.frames.len() - 1;
    let delta = log.last_offset(last) - log.base_offset(last);
    let highest = log.base as i64 + i64::from(i32::MAX) - delta;
    write_i64(log.batch(last), 0, highest + 1);
    place.save(&log);
    let expected = found(case.code, E, &place.name(&log.file), log.range(last));
    case.trips(&place, &[], 1, &[expected]);
    // The last that can be indexed.
    write_i64(log.batch(last), 0, highest);
    place.save(&log);
    case.spares(&place, 1);
}

fn offset_gap(case: &Case) {
    let (place, mut expected) = moved(7, |count| count - 1, 1);
    expected.1 = W;
    case.trips(&place, &[], 1, &[as_code(case, &expected)]);
    // A batch taken out, behind the last index entry.
    let place = Place::plain();
    let mut log = place.last_log();
    let lost = log.range(log.frames.len() - 2);
    let next = log.range(log.frames.len() - 1);
    log.bytes.drain(lost.clone());
    place.save(&log);
    let range = lost.start..lost.start + next.len();
    case.trips(&place, &[], 1, &[found(case.code, W, &place.name(&log.file), range)]);
    case.spares_healthy(PLAIN);
    // In a compacted partition it is usual.
    let run = Place::of(COMPACTED).verify(&[]);
    let gaps = run.rows_of("finding");
    let mut gaps = gaps.iter().filter(|row| row["code"] == case.code).peekable();
    assert!(gaps.peek().is_some());
    assert!(gaps.all(|row| row["severity"] == N));
    assert_eq!(run.status, 0);
}

/// Sets the epoch of a batch between others that have one above 0.
fn with_epoch(place: &Place) -> Found {
    let mut log = place.last_log();
    let batch = log.inner(|batch| crate::place::read_i32(batch, 12) > 0);
    write_i32(log.batch(batch), 12, 0);
    place.save(&log);
    found("", E, &place.name(&log.file), log.range(batch))
}

fn leader_epoch_goes_back(case: &Case) {
    let place = Place::of(EPOCHS);
    place.remove("leader-epoch-checkpoint");
    let expected = with_epoch(&place);
    case.trips(&place, &[], 1, &[as_code(case, &expected)]);
    // Where there is a checkpoint, it knows better.
    let place = Place::of(EPOCHS);
    with_epoch(&place);
    case.spares(&place, 1);
    case.spares_healthy(EPOCHS);
    // Batches of old formats know of no epochs, and so do those of old brokers.
    case.spares_healthy(("kafka-2.8.2", "upgrade-0"));
}

fn leader_epoch_differs(case: &Case) {
    let place = Place::of(EPOCHS);
    let expected = with_epoch(&place);
    case.trips(&place, &[], 1, &[as_code(case, &expected)]);
    let place = Place::plain();
    let mut log = place.log(1);
    write_i32(log.batch(3), 12, 1);
    place.save(&log);
    let expected = found(case.code, E, &place.name(&log.file), log.range(3));
    case.trips(&place, &[], 1, &[expected]);
    // One without an epoch, where the others have one.
    let place = Place::plain();
    let mut log = place.log(1);
    write_i32(log.batch(3), 12, -1);
    place.save(&log);
    let expected = found(case.code, E, &place.name(&log.file), log.range(3));
    case.trips(&place, &[], 1, &[expected]);
    // Batches before the first entry are not spoken of.
    let place = Place::plain();
    place.write("leader-epoch-checkpoint", b"0\n1\n4 5000\n");
    case.spares(&place, 0);
    case.spares_healthy(EPOCHS);
}
