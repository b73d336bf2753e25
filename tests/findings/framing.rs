//! The log's framing.

use crate::Proof;
use crate::place::{Case, E, N, Place, W, broker, evidence, found, read_i32, write_i32};

pub const PROOFS: &[Proof] = &[
    ("batch-crc", batch_crc),
    ("batch-length", batch_length),
    ("batch-magic", batch_magic),
    ("torn-tail", torn_tail),
    ("preallocated-tail", preallocated_tail),
    ("unclaimed-bytes", unclaimed_bytes),
    ("sector-zeroed", sector_zeroed),
];

fn batch_crc(case: &Case) {
    let place = Place::plain();
    let mut log = place.log(1);
    let batch = log.of_many();
    let (name, range) = (place.name(&log.file), log.range(batch));
    log.batch(batch)[70] ^= 0x10;
    place.save(&log);
    let run = case.trips(&place, &[], 1, &[found("batch-crc", E, &name, range.clone())]);
    let evidence = evidence(&run, "batch-crc");
    assert_eq!(evidence["flippedByte"], range.start as u64 + 70);
    assert_eq!(evidence["flippedBit"], 4);

    // The same change under a checksum that agrees is somebody's value.
    let place = Place::plain();
    let mut log = place.log(1);
    log.reseal(batch, |batch| *batch.last_mut().unwrap() = 0);
    let records = crate::place::records(&log.bytes[log.range(batch)]);
    let value = records.last().unwrap().end - 2;
    log.reseal(batch, |batch| batch[value] ^= 0x10);
    place.save(&log);
    case.spares(&place, 0);
}

fn batch_length(case: &Case) {
    for length in [0, 10, -1, 0x7fff_ffff] {
        let place = Place::plain();
        let mut log = place.log(1);
        let batch = log.of_many();
        write_i32(log.batch(batch), 8, length);
        place.save(&log);
        let expected = found("batch-length", E, &place.name(&log.file), log.range(batch));
        let run = case.trips(&place, &[], 1, &[expected]);
        let fits = i32::try_from(log.range(batch).len() - 12).unwrap();
        assert_eq!(evidence(&run, "batch-length")["fittingLength"], fits);
    }
    // The last batch of the last file is longer than what is there: torn.
    let place = Place::plain();
    let mut log = place.last_log();
    log.bytes.pop();
    place.save(&log);
    case.spares(&place, 1);
}

fn batch_magic(case: &Case) {
    for magic in [0, 1, 3, 0x7f, 0xff] {
        let place = Place::plain();
        let mut log = place.log(1);
        let batch = log.of_many();
        log.batch(batch)[16] = magic;
        place.save(&log);
        let expected = found("batch-magic", E, &place.name(&log.file), log.range(batch));
        case.trips(&place, &[], 1, &[expected]);
    }
    // One more flipped bit, and nothing proves that the magic is wrong or what it was.
    let place = Place::plain();
    let mut log = place.log(1);
    let batch = log.of_many();
    log.batch(batch)[18] ^= 1;
    place.save(&log);
    case.spares(&place, 1);
}

fn torn_tail(case: &Case) {
    for (sealed, severity) in [(false, W), (true, E)] {
        // The first bytes of an offset are zeros, as those of a preallocated tail are.
        for left in [8, 11, 12, 17, 60, 61] {
            let place = Place::plain();
            let mut log = if sealed { place.log(1) } else { place.last_log() };
            let last = log.frames.len() - 1;
            let start = log.range(last).start;
            log.bytes.truncate(start + left);
            place.save(&log);
            let range = start..start + left;
            let mut expected = vec![found("torn-tail", severity, &place.name(&log.file), range)];
            // The time index speaks of the last batch of a file that was closed.
            let index = format!("{}.timeindex", log.stem);
            let length = place.read(&index).len();
            let entry = length - 12..length;
            expected.push(found("time-index-stale", E, &place.name(&index), entry));
            let index = format!("{}.index", log.stem);
            let bytes = place.read(&index);
            let entry = bytes.len() - 8..bytes.len();
            if read_i32(&bytes, entry.start + 4) as usize == start {
                expected.push(found("index-stale", E, &place.name(&index), entry));
            }
            case.trips(&place, &[], 1, &expected);
        }
    }
    // A batch that was never begun leaves no torn one.
    let place = Place::plain();
    let mut log = place.last_log();
    let last = log.frames.len() - 1;
    log.bytes.truncate(log.range(last).start);
    place.save(&log);
    case.spares(&place, 1);
}

fn preallocated_tail(case: &Case) {
    let place = Place::of(("kafka-4.3.1-killed", "preallocated-0"));
    let log = place.last_log();
    let range = log.frames.last().unwrap().end()..log.bytes.len();
    let name = place.name(&log.file);
    case.trips(&place, &[], 0, &[found("preallocated-tail", N, &name, range)]);

    let place = Place::plain();
    let mut log = place.log(1);
    let length = log.bytes.len();
    log.bytes.resize(length + 700, 0);
    place.save(&log);
    let expected = found("preallocated-tail", W, &place.name(&log.file), length..length + 700);
    case.trips(&place, &[], 1, &[expected]);

    zeros_after_a_clean_stop(case);

    // Zeros that something stands behind.
    log.bytes.push(1);
    place.save(&log);
    case.spares(&place, 1);
    case.spares_healthy(crate::place::PLAIN);
}

/// A broker that stopped cleanly has trimmed its last file, and does not look for its end again.
fn zeros_after_a_clean_stop(case: &Case) {
    const MARKER: &str = "data/.kafka_cleanshutdown";
    let with_zeros = |zeros: usize| {
        let place = Place::in_log_dir(crate::place::PLAIN);
        assert!(place.root.join(MARKER).exists());
        let mut log = place.last_log();
        let length = log.bytes.len();
        log.bytes.resize(length + zeros, 0);
        place.save(&log);
        let row = move |severity, place: &Place| {
            found("preallocated-tail", severity, &place.name(&log.file), length..length + zeros)
        };
        (place, row)
    };
    // A broker looks for the end from the last index entry on, batch by batch.
    let (place, row) = with_zeros(18);
    let run = case.trips(&place, &[], 1, &[row(W, &place)]);
    assert!(broker(&run, case.code).ends_with("and does not start"));
    std::fs::remove_file(place.root.join(MARKER)).unwrap();
    case.trips(&place, &[], 0, &[row(N, &place)]);
    // Too few for it to read a length and a magic.
    let (place, row) = with_zeros(17);
    case.trips(&place, &[], 0, &[row(N, &place)]);
    // Without an .index it reads the segment, and cuts them off.
    let (place, row) = with_zeros(700);
    case.trips(&place, &[], 1, &[row(W, &place)]);
    let index = format!("{}.index", place.last_log().stem);
    place.remove(&index);
    let run = place.verify(&[]);
    let rows = run.rows_of("finding");
    let row = rows.iter().find(|row| row["code"] == case.code).unwrap();
    assert_eq!(row["severity"], N);
}

fn unclaimed_bytes(case: &Case) {
    // In the last file behind its last index entry: no position in it is wrong.
    let place = Place::plain();
    let mut log = place.last_log();
    let at = log.range(log.frames.len() - 1).start;
    log.bytes.splice(at..at, vec![0xaa; 100]);
    place.save(&log);
    let expected = found("unclaimed-bytes", E, &place.name(&log.file), at..at + 100);
    case.trips(&place, &[], 1, &[expected]);

    // A batch that stands there twice claims its bytes.
    let place = Place::plain();
    let mut log = place.last_log();
    let batch = log.bytes[log.range(log.frames.len() - 1)].to_vec();
    log.bytes.extend_from_slice(&batch);
    place.save(&log);
    case.spares(&place, 1);
}

fn sector_zeroed(case: &Case) {
    let place = Place::of(("kafka-4.3.1", "codec-none-0"));
    let mut log = place.log(0);
    let batch = log.inner(|batch| batch.len() > 3000);
    let range = log.range(batch);
    let block = (range.start + 512).next_multiple_of(512);
    log.bytes[block..block + 1024].fill(0);
    place.save(&log);
    let expected = found("sector-zeroed", E, &place.name(&log.file), range.clone());
    let run = case.trips(&place, &[], 1, &[expected]);
    let evidence = evidence(&run, "sector-zeroed");
    assert_eq!(
        (&evidence["zerosPosition"], &evidence["zerosLength"]),
        (&block.into(), &1024.into())
    );

    // As many zeros that fill no block.
    let place = Place::of(("kafka-4.3.1", "codec-none-0"));
    let mut log = place.log(0);
    assert!(read_i32(&log.bytes, range.start + 8) > 0);
    log.bytes[block + 10..block + 510].fill(0);
    place.save(&log);
    case.spares(&place, 1);
}
