//! Each kind of damage, at each place.

use super::*;

type Change = fn(&mut [u8]);

/// Damages inside one batch, with the kind of damage that they are when the batch is plain.
const CHANGES: [(&str, Change, Option<DamageKind>); 9] = [
    ("payload", |b| *b.last_mut().unwrap() ^= 0x10, Some(DamageKind::Checksum)),
    ("crc", |b| b[17] ^= 1, Some(DamageKind::Checksum)),
    ("attributes", |b| b[21] ^= 0x80, Some(DamageKind::Checksum)),
    ("magic 2 to 0", |b| b[16] = 0, Some(DamageKind::Framing { magic: 2 })),
    ("magic 2 to 66", |b| b[16] = 66, Some(DamageKind::Framing { magic: 2 })),
    ("length zero", |b| b[8..12].fill(0), Some(DamageKind::Framing { magic: 2 })),
    ("length ones", |b| b[8..12].fill(0xff), Some(DamageKind::Framing { magic: 2 })),
    ("header zero", |b| b[..61].fill(0), Some(DamageKind::Unclaimed)),
    ("all zero", |b| b.fill(0), Some(DamageKind::Unclaimed)),
];

#[test]
fn one_damage_at_each_of_a_thousand_batches_costs_one_batch() {
    let log = Log::of(&plain_batches(1_000));
    assert_eq!(salvage(&log.bytes).proved, log.all());
    let mut bytes = log.bytes.clone();
    for index in 0..log.batches() {
        let (name, change, kind) = &CHANGES[index % CHANGES.len()];
        let range = log.range(index);
        change(&mut bytes[range.clone()]);
        let found = salvage(&bytes);
        assert_eq!(found.proved, log.without(&[index]), "{name} at batch {index}");
        let [damage] = &found.damages[..] else { panic!("{name} {index} {found:?}") };
        assert_eq!(damage.damaged, log.positions(index, index + 1));
        let last_is_zero = index == 999 && *name == "all zero";
        assert!(last_is_zero || Some(damage.kind) == *kind, "{name} {index} {damage:?}");
        bytes[range.clone()].copy_from_slice(&log.bytes[range]);
    }
}

#[test]
fn every_change_to_every_batch_of_every_log() {
    let mixed: Vec<Vec<u8>> = [legacy_batches(6), {
        (0..6).map(|i| batch(100 + 10 * i, &[noise(33, 9), archive(104 + 10 * i)])).collect()
    }]
    .concat();
    let logs = [
        plain_batches(12),
        archiving_batches(12, b"", 0),
        archiving_batches(12, b"", 3),
        archiving_batches(12, b"tail", 2),
        mixed,
    ];
    for (which, batches) in logs.iter().enumerate() {
        let log = Log::of(batches);
        assert_eq!(salvage(&log.bytes).proved, log.all());
        for index in 0..log.batches() {
            for (name, change, _) in CHANGES {
                if log.range(index).len() < 61 {
                    continue;
                }
                let mut bytes = log.bytes.clone();
                change(&mut bytes[log.range(index)]);
                let found = salvage(&bytes);
                assert_eq!(found.proved, log.without(&[index]), "log {which} {name} at {index}");
            }
        }
    }
}

#[test]
fn each_bit_of_the_length() {
    let equal: Vec<Vec<u8>> = (0..20).map(|i| batch(i, &[noise(128 - 61 - 11, 1)])).collect();
    assert_eq!(equal[0].len(), 128, "so that a flip leads to a batch further on");
    let compressed: Vec<Vec<u8>> = (0..9)
        .map(|i| {
            let payload = [noise(50, 1), archive(10 * i + 5), noise(20, 2)].concat();
            batch_of(10 * i, 4, 3, &payload)
        })
        .collect();
    let logs =
        [equal, compressed, archiving_batches(9, b"", 1), plain_batches(9), legacy_batches(9)];
    for (which, batches) in logs.iter().enumerate() {
        let log = Log::of(batches);
        for index in 0..log.batches() {
            for bit in 0..32 {
                let mut bytes = log.bytes.clone();
                let at = log.starts[index] + 8 + bit / 8;
                bytes[at] ^= 0x80 >> (bit % 8);
                let found = salvage(&bytes);
                assert_eq!(found.proved, log.without(&[index]), "log {which} {index} bit {bit}");
                let [damage] = &found.damages[..] else { panic!("{found:?}") };
                assert!(matches!(damage.kind, DamageKind::Framing { .. }), "{damage:?}");
            }
        }
    }
}

#[test]
fn a_length_that_points_at_an_archived_batch() {
    for codec in [0, 4] {
        let inside = archive(15);
        let value = record(0, &inside);
        let payload = [value.clone(), record(1, &noise(300, 1))].concat();
        let head = batch_of(0, 0, 1, b"");
        let big = batch_of(10, codec, 2, &payload);
        let next = plain_batches(40).into_iter().map(|mut batch| {
            let base = i64::from_be_bytes(*batch.first_chunk().unwrap());
            batch[..8].copy_from_slice(&(base + 20).to_be_bytes());
            batch
        });
        let log = Log::of(&[vec![head, big], next.collect()].concat());
        let first = log.starts[1] + 61 + value.len() - inside.len() - 1;
        for target in [first, first + inside.len() / 3, first + 2 * inside.len() / 3] {
            let mut bytes = log.bytes.clone();
            assert_eq!(bytes[target + 16], 2);
            let length = (target - log.starts[1] - 12) as i32;
            bytes[log.starts[1] + 8..log.starts[1] + 12].copy_from_slice(&length.to_be_bytes());
            let found = salvage(&bytes);
            assert_eq!(found.proved, log.without(&[1]));
            assert_eq!(found.damages[0].kind, DamageKind::Framing { magic: 2 });
            // With a damaged payload on top, nothing of the archive may be taken still.
            bytes[log.starts[2] - 20] ^= 1;
            if codec == 0 {
                assert_eq!(salvage(&bytes).proved, log.without(&[1]));
            }
        }
    }
}

#[test]
fn a_zeroed_sector_across_two_batches() {
    for (behind, tail) in [(0, &b""[..]), (2, b""), (2, b"tail"), (5, &[b'x'; 50])] {
        let log = Log::of(&archiving_batches(12, tail, behind));
        for index in 1..log.batches() {
            for into in [20, 61, 100, 200, 400] {
                let mut bytes = log.bytes.clone();
                let to = log.starts[index] + into;
                let from = to.saturating_sub(512);
                if from <= log.starts[index - 1] || to >= log.starts[index + 1] {
                    continue;
                }
                bytes[from..to].fill(0);
                let found = salvage(&bytes);
                let expected = log.without(&[index - 1, index]);
                assert_eq!(found.proved, expected, "{behind} {tail:?} {index} {into}");
            }
        }
    }
}

#[test]
fn several_damaged_batches_in_a_row_are_told_apart() {
    let log = Log::of(&plain_batches(60));
    for count in [2, 3, 16, 17, 40] {
        let mut bytes = log.bytes.clone();
        for index in 5..5 + count {
            bytes[log.starts[index + 1] - 1] ^= 4;
        }
        let found = salvage(&bytes);
        assert_eq!(found.proved, log.without(&(5..5 + count).collect::<Vec<_>>()));
        assert_eq!(found.damages.len(), count);
        for (index, damage) in (5..).zip(&found.damages) {
            assert_eq!(damage.damaged, log.positions(index, index + 1));
            assert_eq!(damage.kind, DamageKind::Checksum);
            let next = if index + 1 == 5 + count { Next::Proved } else { Next::Unproved };
            assert_eq!(damage.next, next);
        }
    }
}

#[test]
fn good_batches_between_destroyed_headers_are_kept() {
    for batches in [plain_batches(30), archiving_batches(30, b"", 2)] {
        let log = Log::of(&batches);
        for gap in 2..6 {
            let damaged: Vec<usize> = (3..27).step_by(gap).collect();
            let mut bytes = log.bytes.clone();
            for &index in &damaged {
                bytes[log.starts[index]..][..61].fill(0);
            }
            assert_eq!(salvage(&bytes).proved, log.without(&damaged), "every {gap}");
        }
    }
}

#[test]
fn damaged_lengths_in_a_row() {
    let log = Log::of(&plain_batches(30));
    let mut bytes = log.bytes.clone();
    for index in 4..9 {
        bytes[log.starts[index] + 8] ^= 0x80;
    }
    let found = salvage(&bytes);
    assert_eq!(found.proved, log.without(&[4, 5, 6, 7, 8]));
    assert_eq!(found.damages.len(), 5);
    for damage in found.damages {
        assert_eq!(damage.kind, DamageKind::Framing { magic: 2 });
    }
}

#[test]
fn bytes_inserted_or_removed() {
    for batches in [plain_batches(12), archiving_batches(12, b"", 2), legacy_batches(12)] {
        let log = Log::of(&batches);
        for index in 0..log.batches() {
            for count in [1, 2, 7, 61, 512] {
                let inside = log.starts[index] + log.range(index).len() / 2;
                let mut bytes = log.bytes.clone();
                bytes.splice(inside..inside, noise(count, 77));
                let found = salvage(&bytes);
                assert_eq!(found.proved.len(), log.batches() - 1, "{index} {count} in");
                let mut bytes = log.bytes.clone();
                bytes.splice(log.starts[index]..log.starts[index], noise(count, 78));
                let found = salvage(&bytes);
                assert_eq!(found.proved.len(), log.batches(), "{index} {count} before");
                assert_eq!(found.damages[0].kind, DamageKind::Unclaimed);
                if count + 62 < log.range(index).len() {
                    let mut bytes = log.bytes.clone();
                    let to = log.starts[index + 1];
                    bytes.drain(to - count..to);
                    let found = salvage(&bytes);
                    assert_eq!(found.proved.len(), log.batches() - 1, "{index} {count} out");
                }
            }
        }
    }
}

/// Bytes are missing or too many behind every tenth batch: a length that is read across such a gap
/// is 256 times too large, or anything, and leads to a batch now and then.
#[test]
fn gaps_of_a_byte_cost_no_batch_but_those_they_are_in() {
    let values = |index: usize| vec![noise([300, 1, 40][index % 3] + index % 7, index as u64)];
    let of = |index: usize| batch(index as i64, &values(index));
    for equal in [None, Some(64), Some(88), Some(128), Some(200)] {
        let batches = (0..6_000).map(|index| match equal {
            Some(size) => batch(index as i64, &[noise(size, index as u64)]),
            None => of(index),
        });
        let batches: Vec<Vec<u8>> = batches.collect();
        for gap in [None, Some(0_u8), Some(1), Some(0xee)] {
            let (mut bytes, mut expected) = (Vec::new(), Vec::new());
            for (index, batch) in batches.iter().enumerate() {
                let is_behind_gap = index % 10 == 0 && index > 0;
                match gap {
                    Some(byte) if is_behind_gap => bytes.push(byte),
                    None if is_behind_gap => {
                        bytes.extend(&batch[1..]);
                        continue;
                    }
                    _ => {}
                }
                expected.push(bytes.len()..bytes.len() + batch.len());
                bytes.extend(batch);
            }
            let found = salvage(&bytes);
            assert_eq!(found.proved.len(), expected.len(), "{equal:?} {gap:?}");
            assert_eq!(found.proved, expected, "{equal:?} {gap:?}");
        }
    }
}

/// A length that is read from one byte further on is 256 times what it was: in small batches it
/// leads to one of them every few times.
#[test]
fn a_length_across_a_gap_leads_to_a_batch_by_chance() {
    let batches: Vec<Vec<u8>> =
        (0..600).map(|index| batch(index, &[noise(1 + index as usize * 37 % 53, 3)])).collect();
    let (log, mut landings) = (Log::of(&batches), 0);
    for index in 1..log.batches() {
        let start = log.starts[index];
        let mut bytes = log.bytes.clone();
        bytes.remove(start);
        let length = u32::from_be_bytes(*bytes[start + 8..].first_chunk().unwrap());
        let claim = start + 13 + length as usize;
        landings += u32::from(log.starts.contains(&claim));
        let shifted = log.without(&[index]).into_iter().map(|range| match range.start > start {
            true => range.start - 1..range.end - 1,
            false => range,
        });
        assert_eq!(salvage(&bytes).proved, shifted.collect::<Vec<_>>(), "{index}");
    }
    assert!(landings >= 5, "{landings}");
}

/// What a sound length leads to is believed, whatever is inside: here batches in values that no
/// record frames, with offsets that may come next, and behind it another gap.
#[test]
fn a_sound_length_is_no_chance() {
    let payload = |base: i64| [noise(50, 1), archive(base + 1), noise(20, 2)].concat();
    let batches: Vec<Vec<u8>> =
        (0..30).map(|i| batch_of(10 * i, 4, 10, &payload(10 * i))).collect();
    let log = Log::of(&batches);
    for index in 0..log.batches() - 3 {
        // Sound but for bits under the checksum, and a header that cannot be.
        for (at, mask) in [(70, 1), (21, 0x80), (43, 0x80)] {
            let mut bytes = log.bytes.clone();
            bytes[log.starts[index] + at] ^= mask;
            assert_eq!(salvage(&bytes).proved, log.without(&[index]), "{index} {at}");
            bytes.insert(log.starts[index + 2], 0xee);
            assert_eq!(salvage(&bytes).proved.len(), 29, "{index} {at}");
        }
    }
}

#[test]
fn cut_at_every_byte() {
    for batches in [plain_batches(8), archiving_batches(5, b"", 2), legacy_batches(6)] {
        let log = Log::of(&batches);
        for length in 0..log.bytes.len() {
            let found = salvage(&log.bytes[..length]);
            let whole = log.starts.iter().rposition(|&start| start <= length).unwrap();
            let expected: Vec<_> = (0..whole).map(|index| log.range(index)).collect();
            assert_eq!(found.proved, expected, "cut at {length}");
            match &found.damages[..] {
                [] => assert_eq!(log.starts[whole], length),
                // An offset of 0 and the front of a length are zeros only.
                [one] if one.kind == DamageKind::Zeros => assert!(length - log.starts[whole] < 12),
                [one] => assert_eq!(one.kind, DamageKind::CutOff),
                more => panic!("{more:?}"),
            }
        }
    }
}

/// Batches with a codec, whose payload holds an archive as it is; every batch has `count` offsets.
fn compressed_batches(count: usize) -> Vec<Vec<u8>> {
    let payload = |base| [noise(50, 1), archive(base), noise(20, 2)].concat();
    (0..6).map(|i| batch_of(10 * i, 4, count, &payload(10 * i + 5))).collect()
}

#[test]
fn cut_inside_an_archive_that_no_record_frames() {
    let log = Log::of(&compressed_batches(3));
    let archived = archive(5).len() / 3;
    for length in log.starts[5] + 1..log.bytes.len() {
        // Cut exactly behind an archived batch, its chain reaches the end of the file.
        let ends = (1..=3).map(|n| log.starts[5] + 61 + 50 + n * archived);
        if ends.into_iter().all(|end| end != length) {
            let found = salvage(&log.bytes[..length]);
            assert_eq!(found.proved, log.without(&[5]), "cut at {length}");
        }
    }
}

#[test]
fn offsets_that_the_damaged_header_claims_are_its_own() {
    let log = Log::of(&compressed_batches(9));
    for index in 0..5 {
        let mut bytes = log.bytes.clone();
        bytes[log.starts[index] + 11] ^= 3;
        bytes[log.starts[index + 1] - 1] ^= 3;
        assert_eq!(salvage(&bytes).proved, log.without(&[index]));
    }
}

#[test]
fn cut_with_damage_before() {
    let log = Log::of(&archiving_batches(6, b"", 1));
    for (name, change, _) in CHANGES {
        for length in log.starts[3]..log.bytes.len() {
            let mut bytes = log.bytes[..length].to_vec();
            change(&mut bytes[log.range(2)]);
            let whole = log.starts.iter().rposition(|&start| start <= length).unwrap();
            let expected: Vec<_> =
                (0..whole).filter(|&i| i != 2).map(|index| log.range(index)).collect();
            // One zero behind the last batch may as well end the record that holds it.
            let ambiguous = name.ends_with("zero") && length == log.starts[whole] + 1;
            if !(ambiguous && name != "length zero") {
                assert_eq!(salvage(&bytes).proved, expected, "{name} cut at {length}");
            }
        }
    }
}

#[test]
fn zeros_to_the_end_of_the_file() {
    let log = Log::of(&archiving_batches(5, b"", 1));
    for zeros in [2, 16, 17, 61, 5_000] {
        let bytes = [log.bytes.clone(), vec![0; zeros]].concat();
        let found = salvage(&bytes);
        assert_eq!(found.proved, log.all());
        let [damage] = &found.damages[..] else { panic!("{found:?}") };
        assert_eq!((damage.kind, damage.next), (DamageKind::Zeros, Next::EndOfFile));
        for (name, change, _) in CHANGES {
            let mut damaged = bytes.clone();
            change(&mut damaged[log.range(4)]);
            assert_eq!(salvage(&damaged).proved, log.without(&[4]), "last batch: {name}");
            let mut damaged = bytes.clone();
            change(&mut damaged[log.range(2)]);
            assert_eq!(salvage(&damaged).proved, log.without(&[2]), "{name}");
        }
    }
}

#[test]
fn archives_in_legacy_messages_run_on_seamlessly() {
    let inside = |base: i64| -> Vec<u8> {
        (0..3).flat_map(|i| message(base + i, 1, 0, &noise(30, i.cast_unsigned()))).collect()
    };
    let batches: Vec<Vec<u8>> =
        (0..10).map(|i| message(10 * i, 1, 0, &inside(10 * i + 3))).collect();
    let log = Log::of(&batches);
    for index in 0..10 {
        let changes: [Change; 5] = [
            |b| b[40] ^= 1,
            |b| b[12] ^= 1,
            |b| b[11] ^= 1,
            |b| b[..16].fill(0),
            |b| b[9..12].copy_from_slice(&[0, 0, 34 - 12]),
        ];
        for (which, change) in changes.into_iter().enumerate() {
            let mut bytes = log.bytes.clone();
            change(&mut bytes[log.range(index)]);
            assert_eq!(salvage(&bytes).proved, log.without(&[index]), "{which} at {index}");
        }
    }
}

#[test]
fn offsets_that_go_back_give_an_archive_away() {
    // No record around it is left to see: a prefix in the value, and what is before is zero.
    let archived = [b"prefix".to_vec(), archive(700), b"suffix".to_vec()].concat();
    let batches: Vec<Vec<u8>> =
        (0..6).map(|i| batch(100 * i, &[archived.clone(), noise(20, 3)])).collect();
    let log = Log::of(&batches);
    let mut bytes = log.bytes.clone();
    bytes[log.starts[2]..][..70].fill(0);
    assert_eq!(salvage(&bytes).proved, log.without(&[2]));
}

#[test]
fn any_one_stretch_of_damage_costs_what_it_touches() {
    let logs = [
        plain_batches(20),
        archiving_batches(8, b"", 1),
        archiving_batches(8, b"tail", 3),
        legacy_batches(30),
    ];
    let mut wrong = Vec::new();
    for (which, batches) in logs.iter().enumerate() {
        let log = Log::of(batches);
        for seed in 0..2_000 {
            let dice: Vec<usize> = noise(6, seed + 7).into_iter().map(usize::from).collect();
            let from = (dice[0] * 65_536 + dice[1] * 256 + dice[2]) % log.bytes.len();
            let length = [1, 2, 8, 64, 512, 700][dice[3] % 6];
            let to = (from + length).min(log.bytes.len());
            let mut bytes = log.bytes.clone();
            match dice[4] % 3 {
                0 => bytes[from..to].fill(0),
                1 => bytes[from..to].copy_from_slice(&noise(to - from, seed)),
                _ => bytes[from] ^= 1 << (dice[5] % 8),
            }
            let touched = |range: &Range<usize>| bytes[range.clone()] != log.bytes[range.clone()];
            let untouched: Vec<_> = log.all().into_iter().filter(|r| !touched(r)).collect();
            let found = salvage(&bytes);
            let lost = untouched.iter().any(|range| !found.proved.contains(range));
            let foreign = found.proved.iter().any(|range| !log.all().contains(range));
            if lost || foreign {
                wrong.push((which, seed, from, to, lost, foreign));
            }
        }
    }
    assert!(wrong.is_empty(), "{} {wrong:?}", wrong.len());
}

/// The first of batches that stand in another order is damaged; what stands behind the last whole
/// one takes nothing away from those before it.
#[test]
fn a_tail_costs_nothing_before_it() {
    let next = batch(5_000, &[noise(90, 4)]);
    let garbage = noise(30, 12);
    let tails = [&b""[..], &[0], &[0; 5], &[0; 17], &[0; 600], &garbage, &next[..50]];
    let logs = [
        plain_batches(20),
        archiving_batches(20, b"", 1),
        (0..20).map(|i| batch_of(3 * i, 4, 3, &noise(80, i.cast_unsigned()))).collect(),
    ];
    for (which, batches) in logs.iter().enumerate() {
        for front in [&[0_usize, 1][..], &[0, 2, 1], &[0, 3, 2, 1], &[1, 0], &[2, 1, 0]] {
            let order = front.iter().copied().chain(front.len()..batches.len());
            let moved: Vec<Vec<u8>> = order.map(|number| batches[number].clone()).collect();
            let log = Log::of(&moved);
            let damaged = usize::from(front[0] == 0);
            for tail in tails {
                let mut bytes = [log.bytes.clone(), tail.to_vec()].concat();
                bytes[log.starts[damaged] + 45] ^= 2;
                let found = salvage(&bytes);
                assert_eq!(found.proved, log.without(&[damaged]), "{which} {front:?} {tail:?}");
                let is_in_order = front == [0, 1];
                if is_in_order && which != 1 {
                    bytes[log.starts[1]..][..21].fill(0xa7);
                    let found = salvage(&bytes);
                    assert_eq!(found.proved, log.without(&[1]), "{which} header {tail:?}");
                }
            }
        }
    }
}
