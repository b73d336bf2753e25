//! What depends on producers: sequences, transactions, `.txnindex` and `.snapshot`.

use crate::Proof;
use crate::common::batches::crc32c;
use crate::place::{
    Case, E, Found, N, PLAIN, Place, W, broker, found, read_i32, read_i64, write_i32, write_i64,
};

pub const PROOFS: &[Proof] = &[
    ("sequence-gap", sequence_gap),
    ("sequence-repeats", sequence_repeats),
    ("txn-index-missing", txn_index_missing),
    ("txn-index-length", txn_index_length),
    ("txn-index-entry", txn_index_entry),
    ("snapshot-damaged", snapshot_damaged),
    ("snapshot-differs", snapshot_differs),
    ("open-transaction", open_transaction),
];

const TRANSACTIONS: (&str, &str) = ("kafka-4.3.1", "txn-0");
const COMPACTED: (&str, &str) = ("kafka-4.3.1", "compact-txn-0");
/// Batches whose sequences begin anew behind the greatest one.
const WRAPPED: (&str, &str) = ("kafka-4.3.1", "raw-0");

const ENTRY: usize = 34;

fn with_sequence(segment: usize, by: i32) -> (Place, Found) {
    let place = Place::plain();
    let mut log = place.log(segment);
    // The last batch: nothing follows that would not fit in turn.
    let batch = log.frames.len() - 1;
    log.reseal(batch, |batch| write_i32(batch, 53, read_i32(batch, 53) + by));
    place.save(&log);
    let expected = found("", N, &place.name(&log.file), log.range(batch));
    (place, expected)
}

fn sequence_gap(case: &Case) {
    let (place, mut expected) = with_sequence(7, 1);
    expected.0 = case.code;
    case.trips(&place, &[], 0, &[expected]);
    case.spares_healthy(WRAPPED);
    case.spares_healthy(PLAIN);
}

fn sequence_repeats(case: &Case) {
    let (place, mut expected) = with_sequence(7, -1);
    expected.0 = case.code;
    case.trips(&place, &[], 0, &[expected]);
    case.spares_healthy(WRAPPED);
    case.spares_healthy(PLAIN);
}

fn txn_index_missing(case: &Case) {
    let place = Place::of(TRANSACTIONS);
    let log = place.log(0);
    let index = format!("{}.txnindex", log.stem);
    let bytes = place.read(&index);
    let mut expected: Vec<Found> = Vec::new();
    for entry in bytes.chunks_exact(ENTRY) {
        let marker = log.batch_of(read_i64(entry, 18)).unwrap();
        expected.push(found(case.code, E, &place.name(&log.file), log.range(marker)));
    }
    assert!(expected.len() > 1);
    place.write(&index, &bytes[..bytes.len() - ENTRY]);
    case.trips(&place, &[], 1, &expected[expected.len() - 1..]);
    place.remove(&index);
    case.trips(&place, &[], 1, &expected);
    // Markers outlive their records where the cleaner was.
    let place = Place::of(COMPACTED);
    assert!(place.files(".txnindex").len() <= place.files(".log").len());
    case.spares(&place, 0);
    case.spares_healthy(TRANSACTIONS);
}

fn txn_index_length(case: &Case) {
    for left in [1, ENTRY - 1] {
        let place = Place::of(TRANSACTIONS);
        let index = place.files(".txnindex")[0].clone();
        let length = place.read(&index).len();
        place.change(&index, |bytes| bytes.resize(length + left, 0x7f));
        let expected = found(case.code, W, &place.name(&index), length..length + left);
        case.trips(&place, &[], 1, &[expected]);
    }
    // A whole entry too much is wrong in another way.
    let place = Place::of(TRANSACTIONS);
    let index = place.files(".txnindex")[0].clone();
    place.change(&index, |bytes| bytes.extend_from_within(..ENTRY));
    case.spares(&place, 1);
}

fn txn_index_entry(case: &Case) {
    let field = |at: usize, by: i64| {
        let place = Place::of(TRANSACTIONS);
        let index = place.files(".txnindex")[0].clone();
        place.change(&index, |bytes| {
            let value = read_i64(bytes, ENTRY + at);
            write_i64(bytes, ENTRY + at, value + by);
        });
        let expected = found(case.code, E, &place.name(&index), ENTRY..2 * ENTRY);
        (place, expected)
    };
    // Its first offset above the first record: records become visible.
    let (place, expected) = field(10, 1);
    case.trips(&place, &[], 1, &[expected]);
    // The last stable offset is lower than a replay gives.
    let (place, expected) = field(26, -1);
    case.trips(&place, &[], 1, &[expected]);
    // An entry that is there twice.
    let twice = Place::of(TRANSACTIONS);
    let index = twice.files(".txnindex")[0].clone();
    let last = twice.read(&index).len();
    twice.change(&index, |bytes| bytes.extend_from_within(last - ENTRY..));
    let run = twice.verify(&[]);
    let rows = run.rows_of("finding");
    let row = rows.iter().find(|row| row["code"] == case.code).unwrap();
    assert_eq!(row["position"], last);
    assert!(row["message"].as_str().unwrap().contains("a second entry of last offset"), "{row}");
    // A version that there is not.
    let place = Place::of(TRANSACTIONS);
    let index = place.files(".txnindex")[0].clone();
    place.change(&index, |bytes| bytes[ENTRY] = 9);
    let run = place.verify(&[]);
    let rows = run.rows_of("finding");
    let row = rows.iter().find(|row| row["code"] == case.code).unwrap();
    assert_eq!((&row["position"], &row["length"]), (&ENTRY.into(), &ENTRY.into()));
    let stops = "a broker does not start with it, shut down cleanly or not";
    assert_eq!(broker(&run, case.code), stops);
    // Without an .index a broker writes it anew before it looks at it.
    place.remove(&index.replace("txnindex", "index"));
    assert!(broker(&place.verify(&[]), case.code).ends_with("writes it anew, at any start"));
    // The byte behind the version is never read.
    let place = Place::of(TRANSACTIONS);
    place.change(&index, |bytes| bytes[ENTRY + 1] = 9);
    case.spares(&place, 0);
    case.spares_healthy(TRANSACTIONS);
    case.spares_healthy(COMPACTED);
}

fn snapshot_damaged(case: &Case) {
    let snapshot = |change: fn(&mut Vec<u8>)| {
        let place = Place::plain();
        let file = place.files(".snapshot")[2].clone();
        place.change(&file, change);
        let length = place.read(&file).len();
        let expected = found(case.code, W, &place.name(&file), 0..length);
        (place, expected)
    };
    let changes: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes[20] ^= 1,
        |bytes| bytes[3] ^= 1,
        |bytes| bytes[1] = 7,
        |bytes| bytes.truncate(30),
    ];
    for change in changes {
        let (place, expected) = snapshot(change);
        case.trips(&place, &[], 1, &[expected]);
    }
    let (place, _) = snapshot(|bytes| other_sequence(bytes));
    case.spares(&place, 0);
}

/// Another last sequence of the first producer, under a checksum that agrees.
fn other_sequence(bytes: &mut [u8]) {
    let sequence = read_i32(bytes, 20);
    write_i32(bytes, 20, sequence - 1);
    let crc = crc32c(&bytes[6..]);
    bytes[2..6].copy_from_slice(&crc.to_be_bytes());
}

fn snapshot_differs(case: &Case) {
    let place = Place::plain();
    let file = place.files(".snapshot")[2].clone();
    place.change(&file, |bytes| other_sequence(bytes));
    let length = place.read(&file).len();
    case.trips(&place, &[], 0, &[found(case.code, N, &place.name(&file), 0..length)]);
    case.spares_healthy(PLAIN);
    case.spares_healthy(TRANSACTIONS);
}

fn open_transaction(case: &Case) {
    let place = Place::of(("kafka-4.3.1", "txn-open-0"));
    let run = place.verify(&[]);
    let rows = run.rows_of("finding");
    let row = rows.iter().find(|row| row["code"] == case.code).unwrap();
    let offset = row["evidence"]["currentTxnFirstOffset"].as_i64().unwrap();
    let log = place.log(usize::from(offset >= place.log(1).base as i64));
    let batch = log.batch_of(offset).unwrap();
    let expected = found(case.code, N, &place.name(&log.file), log.range(batch));
    case.tripped_by(&run, 0, &[expected]);
    // Its marker taken away, a transaction is open that was not.
    let place = Place::of(TRANSACTIONS);
    let mut log = place.last_log();
    let last = log.frames.len() - 1;
    assert_ne!(log.batch(last)[22] & 0x20, 0, "the last batch is a marker");
    case.spares(&place, 0);
    log.bytes.truncate(log.range(last).start);
    place.save(&log);
    let run = place.verify(&[]);
    assert!(run.rows_of("finding").iter().any(|row| row["code"] == case.code));
}
