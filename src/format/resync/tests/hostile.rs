//! Bounds, windows, and input that wants to be expensive.

use super::*;

#[test]
fn bounds_reject_what_cannot_be() {
    let log = Log::of(&[batch(5, &[noise(9, 1)]), batch(6, &[noise(9, 1)]), batch(90, &[vec![]])]);
    let mut bytes = log.bytes.clone();
    bytes[..61].fill(0);
    let next = |bounds: &Bounds| {
        let mut resync = Resync::new(&bytes, Position(START), true);
        let damage = resync.damage_at(Position(START), bounds);
        log.starts.iter().position(|&at| START + at as u64 == damage.damaged.end.0)
    };
    assert_eq!(next(&BOUNDS), Some(1));
    assert_eq!(next(&Bounds { last_proved: Some(Offset(6)), ..BOUNDS }), Some(2));
    assert_eq!(next(&Bounds { last_proved: Some(Offset(90)), ..BOUNDS }), Some(3));
    assert_eq!(next(&Bounds { segment_base: Some(Offset(50)), ..BOUNDS }), Some(2));
    assert_eq!(next(&Bounds { next_segment_base: Some(Offset(6)), ..BOUNDS }), Some(3));
}

#[test]
fn a_window_that_ends_before_the_file_asks_for_more() {
    let log = Log::of(&plain_batches(30));
    let mut bytes = log.bytes.clone();
    bytes[log.starts[3]..][..61].fill(0);
    let from = Position(START + log.starts[3] as u64);
    for end in log.starts[3]..bytes.len() {
        let damage = Resync::new(&bytes[..end], Position(START), false).damage_at(from, &BOUNDS);
        assert_eq!(damage.next, Next::NeedMore, "window of {end}");
    }
    let damage = Resync::new(&bytes, Position(START), true).damage_at(from, &BOUNDS);
    assert_eq!((damage.next, damage.damaged), (Next::Proved, log.positions(3, 4)));
    // A chain that is long enough needs no end.
    let large: Vec<Vec<u8>> = (0..40).map(|i| batch(i, &[noise(40_000, 3)])).collect();
    let log = Log::of(&large);
    let mut bytes = log.bytes.clone();
    bytes[..61].fill(0);
    let window = &bytes[..bytes.len() - 5];
    let damage = Resync::new(window, Position(START), false).damage_at(Position(START), &BOUNDS);
    assert_eq!((damage.next, damage.damaged), (Next::Proved, log.positions(0, 1)));
}

/// Computed by another implementation: two records, a transaction marker, an empty batch that the
/// cleaner keeps, and messages of magic 0 and 1.
const FOREIGN: [&str; 5] = [
    "0000000000000005000000490000000302 4096f015 0000000000010000018bcfe568000000018bcfe5680a\
     ffffffffffffffffffffffffffff00000002 120000 00026b0476310 01a001402010104026802780 26e01",
    "0000000000000007000000420000000302 61ca681a 0030000000000000018bcfe568000000018bcfe56800\
     0000000000000fa00001ffffffff00000001 200000000800000001 0c00000000000900",
    "0000000000000005000000310000000302 af74f57e 000000000001ffffffffffffffff0000018bcfe5680a\
     ffffffffffffffffffffffffffff00000000",
    "000000000000000500000011 61505427 0000 000000016b 000000027631",
    "000000000000000500000019 3e731674 0100 0000018bcfe56800 000000016b 000000027631",
];

#[test]
fn batches_of_another_hand_are_found_behind_garbage() {
    for (which, hex) in FOREIGN.iter().enumerate() {
        let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
        let foreign: Vec<u8> = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        for garbage in [1, 5, 61, 700] {
            let bytes = [noise(garbage, 11), foreign.clone()].concat();
            let found = salvage(&bytes);
            assert_eq!(found.proved.first(), Some(&(garbage..bytes.len())), "{which}");
            assert_eq!(found.damages[0].kind, DamageKind::Unclaimed);
        }
        assert!(salvage(&foreign).damages.is_empty());
    }
}

/// Files in which as much as possible looks like batches.
fn hostile(which: usize, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let (at, left) = (bytes.len(), length - bytes.len());
        match which {
            // Headers whose claims all reach the end, none of them right.
            0 => {
                let mut header = batch_of(at as i64, 0, 1, b"");
                header[8..12].copy_from_slice(&((left as i32) - 12).to_be_bytes());
                bytes.extend(header);
            }
            // Damaged batches that claim far ahead, good ones in between.
            1 => {
                let mut header = batch_of(at as i64, 1, 1, b"xxxxx");
                header[8..12].copy_from_slice(&((left as i32 / 2).max(60)).to_be_bytes());
                bytes.extend(header);
                bytes.extend(batch_of(at as i64 + 1, 0, 0, b""));
            }
            // Every second batch has no header, so that no chain holds.
            2 => {
                bytes.extend(batch_of(at as i64, 0, 0, b""));
                bytes.extend([1; 70]);
            }
            // Records of seven bytes that every damaged header counts.
            3 => {
                let mut header = batch_of(at as i64, 0, i32::MAX as usize - 1, b"");
                header[17] ^= 1;
                bytes.extend(header);
                (0..10).for_each(|_| bytes.extend([12, 0, 0, 0, 1, 1, 0]));
            }
            // Messages of magic 0 that overlap as closely as they can.
            4 => bytes.extend([0, 0, 0, 14, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255]),
            5 => bytes.extend([2, 0, 0, 0, 1, 0]),
            // Between batches what is no header, and leads to a batch far ahead.
            6 => {
                let mut gap = [0x70; 80];
                let claim = 80 + 141 * (left / 282) as i32;
                gap[8..12].copy_from_slice(&(claim - 12).to_be_bytes());
                bytes.extend(gap);
                bytes.extend(batch_of(at as i64, 0, 0, b""));
            }
            // A damaged batch after the other.
            _ => {
                let mut message = message(at as i64, 0, 0, b"");
                message[12] ^= 1;
                bytes.extend(message);
            }
        }
    }
    bytes.truncate(length);
    bytes
}

#[test]
fn work_is_linear_on_hostile_input() {
    for which in 0..8 {
        for length in [50_000, 100_000, 200_000, 800_000] {
            let work = salvage_of_damages(&hostile(which, length));
            let (length, supply) = (length as u64, 2 * length as u64 + 8 * LOOKAHEAD as u64);
            // What lies on the way to the answers once, and what the supply pays for. A position
            // costs two of its batch's own checksums and one more, a link as much and its row.
            assert!(work.supply_used <= supply, "{which}: {work:?}");
            assert!(work.positions <= length + work.supply_used, "{which}: {work:?}");
            let links = work.supply_used / Spare::LINK + length / 26;
            assert!(work.checksums <= 3 * work.positions + 20 * links, "{which}: {work:?}");
            let prefixes = 2 * length;
            let ends = 1_024 * work.checksums;
            assert!(work.bytes_checksummed <= prefixes + ends, "{which}: {work:?}");
        }
    }
}

/// Foreign bytes behind every `every`th batch: no chain holds, and behind each of the damages the
/// same ones are looked at as behind the one before.
#[test]
fn what_lies_behind_many_damages_is_proved_once() {
    for (every, value) in [(1, 1), (1, 700), (10, 900)] {
        for gap in [1, 3, 40] {
            let of = |index: usize| {
                let foreign = if (index + 1).is_multiple_of(every) { gap } else { 0 };
                // Offsets that are no small lengths when they are read from the gap on.
                let batch = batch(0x4040_4000 + index as i64, &[noise(value, index as u64)]);
                [batch, noise(foreign, index as u64)].concat()
            };
            let bytes: Vec<u8> = (0..400 * every).flat_map(of).collect();
            let found = salvage(&bytes);
            // Some gaps go with what is behind them as the beginning of a large batch.
            assert!(found.damages.len() > 300, "{every}, {value}, {gap}");
            // Each byte once, and up to 512 more for where the batches begin and end and what
            // they cover, under both checksums.
            let limit = 2 * bytes.len() + 400 * every * 8 * 512;
            let done = found.work.bytes_checksummed;
            assert!(done <= limit as u64, "{every}, {value}, {gap}: {done} > {limit}");
        }
    }
}

/// Only what the searches cost: a good batch is stepped over unread.
fn salvage_of_damages(bytes: &[u8]) -> Work {
    let mut resync = Resync::new(bytes, Position(0), true);
    let (mut at, mut bounds) = (Position(0), BOUNDS);
    while at.0 < bytes.len() as u64 {
        let damage = resync.damage_at(at, &bounds);
        at = damage.damaged.end;
        if damage.next == Next::Proved {
            let batch = Batch::parse(&bytes[at.0 as usize..], at).unwrap();
            bounds.last_proved = Some(batch.last_offset());
            at = batch.end();
        }
    }
    resync.work()
}

#[test]
fn noise_never_becomes_a_batch() {
    let bytes = noise(1 << 20, 99);
    let found = salvage(&bytes);
    assert!(found.proved.is_empty());
    assert!(found.work.bytes_checksummed < 8 << 20, "{:?}", found.work);
}
