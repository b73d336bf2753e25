//! Offset and time indexes, and text files beside the log.

use crate::Proof;
use crate::place::{
    Case, E, Found, N, PLAIN, Place, W, found, read_i32, read_i64, write_i32, write_i64,
};

pub const PROOFS: &[Proof] = &[
    ("index-missing", index_missing),
    ("time-index-missing", time_index_missing),
    ("index-length", index_length),
    ("time-index-length", time_index_length),
    ("index-zero-tail", index_zero_tail),
    ("time-index-zero-tail", time_index_zero_tail),
    ("index-order", index_order),
    ("time-index-order", time_index_order),
    ("index-unsafe", index_unsafe),
    ("time-index-unsafe", time_index_unsafe),
    ("index-position", index_position),
    ("index-stale", index_stale),
    ("time-index-stale", time_index_stale),
    ("index-coarse", index_coarse),
    ("index-sparse", index_sparse),
    ("time-index-last", time_index_last),
    ("leader-epoch-checkpoint", leader_epoch_checkpoint),
    ("partition-metadata", partition_metadata),
    ("quorum-state", quorum_state),
];

const KILLED: (&str, &str) = ("kafka-4.3.1-killed", "preallocated-0");

/// A place with the index of one of its segments changed, and the file as findings name it.
fn changed(segment: usize, end: &str, change: impl FnOnce(&mut Vec<u8>)) -> (Place, String) {
    let place = Place::plain();
    let file = place.files(end)[segment].clone();
    place.change(&file, change);
    let name = place.name(&file);
    (place, name)
}

fn missing(case: &Case, end: &str) {
    let place = Place::plain();
    let file = place.files(end)[1].clone();
    place.remove(&file);
    case.trips(&place, &[], 1, &[found(case.code, W, &place.name(&file), 0..0)]);
    // In the last segment it comes with its first entry.
    let place = Place::of(("kafka-4.3.1", "grouped-0"));
    let file = place.files(end)[0].clone();
    place.remove(&file);
    case.trips(&place, &[], 0, &[found(case.code, N, &place.name(&file), 0..0)]);
    // Empty is not missing.
    let place = Place::of(("kafka-4.3.1", "grouped-0"));
    assert!(place.read(&place.files(".index")[0]).is_empty());
    case.spares(&place, 0);
}

fn index_missing(case: &Case) {
    missing(case, ".index");
}

fn time_index_missing(case: &Case) {
    missing(case, ".timeindex");
}

fn length(case: &Case, end: &str, entry: usize) {
    for left in 1..entry {
        let (place, name) = changed(1, end, |bytes| bytes.resize(bytes.len() + left, 0x7f));
        let length = place.read(&place.files(end)[1]).len();
        case.trips(&place, &[], 1, &[found(case.code, W, &name, length - left..length)]);
    }
    let (place, _) = changed(1, end, |bytes| bytes.resize(bytes.len() + entry, 0));
    case.spares(&place, 1);
}

fn index_length(case: &Case) {
    length(case, ".index", 8);
}

fn time_index_length(case: &Case) {
    length(case, ".timeindex", 12);
}

fn zero_tail(case: &Case, end: &str, entry: usize) {
    let (place, name) = changed(1, end, |bytes| bytes.resize(bytes.len() + 2 * entry, 0));
    let length = place.read(&place.files(end)[1]).len();
    case.trips(&place, &[], 1, &[found(case.code, W, &name, length - 2 * entry..length)]);
    // As a broker leaves it that was killed.
    let place = Place::of(KILLED);
    let file = place.files(end)[1].clone();
    let bytes = place.read(&file);
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let range = used.next_multiple_of(entry)..bytes.len() / entry * entry;
    case.trips(&place, &[], 0, &[found(case.code, N, &place.name(&file), range)]);
    let (place, _) = changed(1, end, |bytes| bytes.resize(bytes.len() + entry, 0x7f));
    case.spares(&place, 1);
}

fn index_zero_tail(case: &Case) {
    zero_tail(case, ".index", 8);
}

fn time_index_zero_tail(case: &Case) {
    zero_tail(case, ".timeindex", 12);
}

/// The entry before once more: right in itself, and in the wrong order.
fn order(case: &Case, end: &str, entry: usize) {
    let range = 5 * entry..6 * entry;
    let before = 4 * entry..5 * entry;
    let (place, name) = changed(1, end, |bytes| bytes.copy_within(before, range.start));
    let run = place.verify(&[]);
    let others = |code: &str| code != case.code;
    let codes: Vec<String> = run
        .rows_of("finding")
        .iter()
        .filter(|row| row["severity"] != N && others(row["code"].as_str().unwrap()))
        .map(|row| row["code"].to_string())
        .collect();
    assert_eq!(codes, Vec::<String>::new());
    case.tripped_by(&run, 1, &[found(case.code, E, &name, range)]);
    case.spares_healthy(PLAIN);
    case.spares_healthy(KILLED);
}

fn index_order(case: &Case) {
    order(case, ".index", 8);
}

fn time_index_order(case: &Case) {
    order(case, ".timeindex", 12);
}

/// An entry of segment 1's index whose batch and that of the entry before have one between them.
fn number(end: &str, size: usize) -> usize {
    let place = Place::plain();
    let log = place.log(1);
    let bytes = place.read(&place.files(end)[1]);
    let batch = |entry: &[u8]| {
        let offset = read_i32(entry, if size == 8 { 0 } else { 8 });
        let offset = log.base as i64 + i64::from(offset);
        (0..log.frames.len()).find(|batch| log.last_offset(*batch) >= offset).unwrap()
    };
    let batches: Vec<usize> = bytes.chunks_exact(size).map(batch).collect();
    let apart = |number: &usize| batches[*number] > batches[number - 1] + 1;
    (2..batches.len() - 1).find(apart).unwrap()
}

/// Makes that entry say something else; the change is told the one before.
fn entry(end: &str, size: usize, change: impl FnOnce(&mut [u8], &[u8])) -> (Place, String) {
    let number = number(end, size);
    changed(1, end, |bytes| {
        let (before, rest) = bytes.split_at_mut(number * size);
        change(&mut rest[..size], &before[(number - 1) * size..]);
    })
}

fn trips(case: &Case, severity: &'static str, size: usize, (place, name): (Place, String)) {
    let status = i32::from(severity != N);
    let number = number(if size == 8 { ".index" } else { ".timeindex" }, size);
    let range = number * size..(number + 1) * size;
    case.trips(&place, &[], status, &[found(case.code, severity, &name, range)]);
}

fn index_unsafe(case: &Case) {
    // As low as the end of the batch before: that one is passed over.
    let place = Place::plain();
    let log = place.log(1);
    let lower = |entry: &mut [u8], before: &[u8]| {
        let position = read_i32(entry, 4) as usize;
        let batch = log.frames.iter().position(|frame| frame.position == position).unwrap();
        let last = log.last_offset(batch - 1) - log.base as i64;
        assert!(last > i64::from(read_i32(before, 0)), "still above the entry before");
        write_i32(entry, 0, i32::try_from(last).unwrap());
    };
    trips(case, E, 8, entry(".index", 8, lower));
    // As a cleaner may write it: lower, and still inside its batch.
    let inside = |entry: &mut [u8], _: &[u8]| write_i32(entry, 0, read_i32(entry, 0) - 1);
    case.spares(&entry(".index", 8, inside).0, 0);
}

fn time_index_unsafe(case: &Case) {
    let (end, size) = (".timeindex", 12);
    // As low as the greatest timestamp of the batch before: that one is passed over.
    let place = Place::plain();
    let log = place.log(1);
    let late = |entry: &mut [u8], before: &[u8]| {
        let offset = log.base as i64 + i64::from(read_i32(entry, 8));
        let inside = |batch: &usize| log.last_offset(*batch) >= offset;
        let batch = (0..log.frames.len()).find(inside).unwrap();
        let timestamp = read_i64(&log.bytes, log.range(batch - 1).start + 35);
        assert!(timestamp > read_i64(before, 0), "still above the entry before");
        write_i64(entry, 0, timestamp);
    };
    trips(case, E, size, entry(end, size, late));
    // A timestamp that only this batch reaches, if not exactly.
    let higher = |entry: &mut [u8], _: &[u8]| write_i64(entry, 0, read_i64(entry, 0) - 1);
    case.spares(&entry(end, size, higher).0, 0);
}

fn index_position(case: &Case) {
    for by in [1, -1] {
        let off = |entry: &mut [u8], _: &[u8]| write_i32(entry, 4, read_i32(entry, 4) + by);
        trips(case, E, 8, entry(".index", 8, off));
    }
    case.spares_healthy(PLAIN);
}

/// Makes the last entry of the last segment's index say something else.
fn last_entry(end: &str, size: usize, change: impl FnOnce(&mut [u8])) -> (Place, Found) {
    let segments = Place::plain().files(".log").len();
    let (place, name) = changed(segments - 1, end, |bytes| {
        let at = bytes.len() - size;
        change(&mut bytes[at..]);
    });
    let length = place.read(&place.files(end)[segments - 1]).len();
    (place, found("", E, &name, length - size..length))
}

fn index_stale(case: &Case) {
    let (place, mut expected) = last_entry(".index", 8, |entry| write_i32(entry, 0, 1_000_000));
    expected.0 = case.code;
    case.trips(&place, &[], 1, &[expected]);
    // The log cut behind what the entries speak of.
    let place = Place::plain();
    let mut log = place.last_log();
    let gone = log.base_offset(log.frames.len() - 1);
    log.bytes.truncate(log.range(log.frames.len() - 1).start);
    place.save(&log);
    let index = place.files(".index").pop().unwrap();
    let bytes = place.read(&index);
    let last = read_i32(&bytes, bytes.len() - 8) as usize + log.base;
    assert!((last as i64) < gone);
    case.spares(&place, 1);
}

fn time_index_stale(case: &Case) {
    let (place, mut expected) =
        last_entry(".timeindex", 12, |entry| write_i32(entry, 8, 1_000_000));
    expected.0 = case.code;
    case.trips(&place, &[], 1, &[expected]);
    case.spares_healthy(PLAIN);
}

fn index_coarse(case: &Case) {
    let inside = |entry: &mut [u8], _: &[u8]| write_i32(entry, 0, read_i32(entry, 0) - 1);
    trips(case, N, 8, entry(".index", 8, inside));
    case.spares_healthy(PLAIN);
}

fn index_sparse(case: &Case) {
    let place = Place::plain();
    let mut log = place.last_log();
    // Long enough that an index is due to have many entries, which this one has not.
    let batches: Vec<Vec<u8>> =
        (0..log.frames.len()).map(|batch| log.bytes[log.range(batch)].to_vec()).collect();
    let mut next = log.last_offset(batches.len() - 1) + 1;
    for batch in batches.iter().cycle().take(batches.len() * 120) {
        let mut batch = batch.clone();
        write_i64(&mut batch, 0, next);
        write_i32(&mut batch, 12, if next >= 5000 { 4 } else { 0 });
        next += i64::from(read_i32(&batch, 23)) + 1;
        log.bytes.extend_from_slice(&batch);
    }
    place.save(&log);
    let index = place.files(".index").pop().unwrap();
    let length = place.read(&index).len();
    case.trips(&place, &[], 0, &[found(case.code, N, &place.name(&index), 0..length)]);
    case.spares_healthy(PLAIN);
}

fn time_index_last(case: &Case) {
    let shorter = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 12);
    let (place, name) = changed(1, ".timeindex", shorter);
    let length = place.read(&place.files(".timeindex")[1]).len();
    case.trips(&place, &[], 1, &[found(case.code, W, &name, length - 12..length)]);
    // That of the last segment lags behind.
    let segments = place.files(".log").len();
    let (place, _) = changed(segments - 1, ".timeindex", shorter);
    case.spares(&place, 0);
}

fn leader_epoch_checkpoint(case: &Case) {
    let file = "leader-epoch-checkpoint";
    let with = |text: &str| {
        let place = Place::plain();
        place.write(file, text.as_bytes());
        place
    };
    let texts = [
        ("nonsense\n", 0..9),
        ("0\n2\n0 0\n", 2..8),
        ("0\n2\n4 0\n0 5000\n", 8..15),
        ("0\n2\n0 0\n4 5001\n", 8..15),
    ];
    for (text, range) in texts {
        let place = with(text);
        let run = place.verify(&[]);
        let rows = run.rows_of("finding");
        let row = rows.iter().find(|row| row["code"] == case.code);
        let row = row.unwrap_or_else(|| panic!("{text:?}: nothing found"));
        let place_of = |name: &str| row[name].as_u64().unwrap() as usize;
        let at = (place_of("position"), place_of("length"));
        assert_eq!(at, (range.start, range.len()), "{text:?}");
        assert_eq!((run.status, &row["severity"]), (1, &W.into()), "{text:?}");
    }
    let expected = found(case.code, W, &with("").name(file), 8..15);
    case.trips(&with("0\n2\n0 0\n4 5001\n"), &[], 1, &[expected]);
    // The batches of all segments agree: the entry is wrong, not they.
    for text in ["0\n1\n5 0\n", "0\n2\n5 0\n7 2500\n"] {
        let lines = text.lines().skip(2).enumerate();
        let entries: Vec<_> = lines
            .map(|(number, line)| {
                let start = 4 + number * 4;
                let end = if number == 0 { 8 } else { text.len() };
                assert_eq!(text[start..end].trim_end(), line);
                found(case.code, W, &with("").name(file), start..end)
            })
            .collect();
        case.trips(&with(text), &[], 1, &entries);
    }
    case.spares(&with(""), 0);
    case.spares(&with("0\n2\n0 0\n4 5000\n"), 0);
}

fn partition_metadata(case: &Case) {
    let file = "partition.metadata";
    let place = Place::plain();
    place.change(file, |bytes| bytes[9] = b'x');
    let length = place.read(file).len();
    case.trips(&place, &[], 1, &[found(case.code, W, &place.name(file), 0..length)]);
    // The id of a topic that it cannot be.
    let place = Place::plain();
    let text = b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ";
    place.write(file, text);
    case.trips(&place, &[], 1, &[found(case.code, W, &place.name(file), 0..text.len())]);
    let place = Place::plain();
    place.remove(file);
    case.spares(&place, 0);
    case.spares_healthy(("kafka-4.3.1", "__cluster_metadata-0"));
}

fn quorum_state(case: &Case) {
    let partition = ("kafka-4.3.1", "__cluster_metadata-0");
    let place = Place::of(partition);
    place.change("quorum-state", |bytes| {
        bytes.pop();
    });
    let length = place.read("quorum-state").len();
    case.trips(&place, &[], 1, &[found(case.code, W, &place.name("quorum-state"), 0..length)]);
    case.spares_healthy(partition);
}
