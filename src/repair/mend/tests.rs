//! Batches of real brokers, damaged; what comes back is the original to the byte, or nothing.

use super::*;
use crate::check::batches::{LogContext, damage_finding};
use crate::log::FileBytes;
use crate::log::runs::{Bounds, Piece, Scanner};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Three batches, or fewer at the ends of a log, as they follow each other in a file; the one
/// that is damaged has the range.
struct Subject {
    name: String,
    bytes: Vec<u8>,
    range: Range<usize>,
}

/// Log dir and partition: every codec and every magic, transactions and their markers.
const PARTITIONS: [&str; 18] = [
    "kafka-4.3.1/codec-none-0",
    "kafka-4.3.1/codec-gzip-0",
    "kafka-4.3.1/codec-snappy-0",
    "kafka-4.3.1/codec-lz4-0",
    "kafka-4.3.1/codec-zstd-0",
    "kafka-4.3.1/rdkafka-snappy-0",
    "kafka-4.3.1/txn-0",
    "kafka-4.3.1/append-time-0",
    "kafka-3.9.2/compact-codecs-0",
    "kafka-2.8.2/magic0-none-0",
    "kafka-2.8.2/magic0-gzip-0",
    "kafka-2.8.2/magic0-snappy-0",
    "kafka-2.8.2/magic0-lz4-0",
    "kafka-2.8.2/magic1-none-0",
    "kafka-2.8.2/magic1-gzip-0",
    "kafka-2.8.2/magic1-snappy-0",
    "kafka-2.8.2/magic1-lz4-0",
    "kafka-2.8.2/magic1-append-time-0",
];

fn logs(partition: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(partition);
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut logs: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    logs.sort();
    logs
}

fn ranges(log: &[u8]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Ok(batch) = Batch::parse(&log[at..], Position(0)) {
        ranges.push(at..at + batch.size());
        at += batch.size();
    }
    ranges
}

/// The batch in the middle of the first log, and the last one of all.
fn subjects() -> Vec<Subject> {
    let mut subjects = Vec::new();
    for partition in PARTITIONS {
        let logs: Vec<Vec<u8>> =
            logs(partition).iter().map(|path| fs::read(path).unwrap()).collect();
        let full: Vec<&Vec<u8>> = logs.iter().filter(|log| !log.is_empty()).collect();
        for (log, is_last) in [(full[0], false), (full[full.len() - 1], true)] {
            let all = ranges(log);
            let at = if is_last { all.len() - 1 } else { all.len() / 2 };
            let from = all[at.saturating_sub(1)].start;
            let to = all[(at + 1).min(all.len() - 1)].end;
            subjects.push(Subject {
                name: format!("{partition} {at}"),
                bytes: log[from..to].to_vec(),
                range: all[at].start - from..all[at].end - from,
            });
        }
    }
    subjects
}

/// What a walk over a log finds, and the one damage between neighbours.
struct Walk {
    proved: Vec<BatchFacts>,
    damages: Vec<(DamageStretch, Neighbours)>,
}

fn walk(bytes: &[u8]) -> Walk {
    let file = FileBytes::owned(Path::new("log"), bytes.to_vec());
    let context = LogContext {
        file: Arc::from(Path::new("log")),
        is_sealed: false,
        is_live: false,
        modified: None,
    };
    let mut scanner =
        Scanner::new(&file, 0..bytes.len() as u64, Bounds::default(), Limits::STANDARD);
    let mut scratch = Scratch::new(1 << 28);
    let mut walk = Walk { proved: Vec::new(), damages: Vec::new() };
    while let Some(piece) = scanner.next().unwrap() {
        match piece {
            Piece::Proved(batch) => {
                let facts = judge_batch(&batch, &mut scratch).0;
                if let Some((_, neighbours)) = walk.damages.last_mut() {
                    neighbours.next = neighbours.next.or(Some(facts));
                }
                walk.proved.push(facts);
            }
            Piece::Damaged(damage) => {
                let finding = damage_finding(&context, &damage, &file);
                let is_end = damage.kind.is_end_of_file();
                let class = if is_end { Class::Tail } else { Class::Damaged };
                let (offsets, problem) = (finding.offsets, finding.problem);
                let stretch = DamageStretch { range: damage.range, class, offsets, problem };
                let previous = walk.proved.last().copied();
                walk.damages.push((stretch, Neighbours { previous, ..Neighbours::default() }));
            }
        }
    }
    walk
}

/// The bytes with every damage mended, and why one was not.
fn mended(bytes: &[u8], accepts_single_bit: bool) -> (Option<Vec<u8>>, Option<String>, Walk) {
    let walk = walk(bytes);
    let (mut whole, mut said) = (bytes.to_vec(), None);
    let mut is_changed = false;
    for (damage, neighbours) in &walk.damages {
        let at = usize::try_from(damage.range.start.0).unwrap();
        let limits = &Limits::STANDARD;
        match mend(&bytes[at..], damage, neighbours, accepts_single_bit, limits) {
            Mend::Batch(batch) => {
                for patch in &batch.patches {
                    let at = usize::try_from(patch.position).unwrap();
                    whole[at..at + patch.bytes.len()].copy_from_slice(&patch.bytes);
                }
                assert_eq!(batch.facts.position, damage.range.start);
                assert_eq!(batch.facts.end(), damage.range.end);
                is_changed = true;
            }
            Mend::No { why } => said = why,
        }
    }
    (is_changed.then_some(whole), said, walk)
}

/// The bits of a batch that no checksum covers and that do not frame it: what stands there is
/// judged by the neighbours, not here.
fn is_free(magic: u8, byte: usize) -> bool {
    byte < 8 || magic == 2 && (12..16).contains(&byte)
}

fn flipped(subject: &Subject, bits: &[usize]) -> Vec<u8> {
    let mut bytes = subject.bytes.clone();
    for bit in bits {
        bytes[subject.range.start + bit / 8] ^= 1 << (bit % 8);
    }
    bytes
}

/// All bits of the header, and one in so many of the rest.
fn sample(subject: &Subject) -> Vec<usize> {
    const PAYLOAD_SAMPLES: usize = 150;
    let bits = subject.range.len() * 8;
    let header = bits.min(61 * 8);
    let step = ((bits - header) / PAYLOAD_SAMPLES).max(1);
    (0..header).chain((header..bits).step_by(step)).collect()
}

#[test]
fn every_flipped_bit_is_set_back_or_left_alone() {
    let (mut unasked, mut asked) = (0, 0);
    for subject in subjects() {
        let magic = subject.bytes[subject.range.start + 16];
        for bit in sample(&subject) {
            let bytes = flipped(&subject, &[bit]);
            let (whole, why, walk) = mended(&bytes, false);
            let what = format!("{} bit {bit} of byte {}", subject.name, bit / 8);
            if is_free(magic, bit / 8) {
                assert!(walk.damages.is_empty() && whole.is_none(), "{what}");
                continue;
            }
            if whole.is_some() {
                assert!(whole.as_ref() == Some(&subject.bytes), "{what}");
                unasked += 1;
                continue;
            }
            // Only what speaks against one bit may have kept it.
            let why = why.unwrap_or_else(|| panic!("{what}: {:?}", walk.damages));
            assert!(why.ends_with("--accept-single-bit"), "{what}: {why}");
            let (whole, why, _) = mended(&bytes, true);
            assert!(whole.as_ref() == Some(&subject.bytes), "{what}: {why:?}");
            asked += 1;
        }
    }
    assert!(unasked > 10_000 && asked < unasked / 10, "{unasked} unasked, {asked} asked");
}

/// Zeros to the edge of a sector that ends in the header of a batch.
#[test]
fn zeros_before_the_magic_are_made_good_between_neighbours_that_leave_one_value() {
    let mut back = 0;
    for subject in subjects() {
        let (magic, range) = (subject.bytes[subject.range.start + 16], subject.range.clone());
        let sound = walk(&subject.bytes).proved;
        let at = sound.iter().position(|batch| batch.position.0 == range.start as u64).unwrap();
        let previous = at.checked_sub(1).and_then(|at| sound.get(at));
        for zeros in 12..=16 {
            let mut bytes = subject.bytes.clone();
            bytes[range.start..range.start + zeros].fill(0);
            let (whole, why, _) = mended(&bytes, false);
            let what = format!("{} {zeros}: {why:?}", subject.name);
            let is_between = previous.zip(sound.get(at + 1)).is_some_and(|(previous, next)| {
                let own = &sound[at];
                let is_zero = bytes[range.start + 12..range.start + 16] == [0; 4];
                previous.last_offset.plus(1) == own.first_known_offset()
                    && own.last_offset.plus(1) == next.first_known_offset()
                    && (!is_zero || previous.partition_leader_epoch == next.partition_leader_epoch)
                    && (!is_zero || previous.partition_leader_epoch == own.partition_leader_epoch)
            });
            if magic == 2 && is_between {
                assert!(whole.as_ref() == Some(&subject.bytes), "{what}");
                back += 1;
            } else if previous.is_some() {
                assert!(whole.is_none_or(|whole| whole == subject.bytes), "{what}");
            }
        }
    }
    assert!(back >= 25, "{back}");
}

#[test]
fn two_flipped_bits_never_become_anything_else() {
    let (mut tried, mut wrong, mut back) = (0, 0, 0);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        usize::try_from(state >> 33).unwrap() % bound
    };
    for subject in subjects() {
        let (magic, bits) = (subject.bytes[subject.range.start + 16], subject.range.len() * 8);
        for round in 0..300 {
            // Every third pair in the header, every third of one in the header.
            let bounds = [[bits, bits], [61 * 8, 61 * 8], [61 * 8, bits]][round % 3];
            let pair = bounds.map(|bound| below(bound.min(bits)));
            if pair[0] == pair[1] || pair.iter().any(|bit| is_free(magic, bit / 8)) {
                continue;
            }
            tried += 1;
            if let Some(whole) = mended(&flipped(&subject, &pair), true).0 {
                let is_back = whole == subject.bytes;
                back += u32::from(is_back);
                wrong += u32::from(!is_back);
            }
        }
    }
    assert_eq!(wrong, 0, "of {tried}");
    // Two bits of the length, or of the magic, are one field.
    assert!(tried > 5_000 && back > 0 && back < tried / 20, "{back} of {tried}");
}

/// A log of three batches of magic 2 with one record each, and where each ends.
fn log(values: [&[u8]; 3]) -> (Vec<u8>, [usize; 4]) {
    let (mut log, mut ends) = (Vec::new(), [0; 4]);
    for (number, value) in values.into_iter().enumerate() {
        let mut payload = vec![0, 0, 0, 1];
        varint(&mut payload, value.len());
        payload.extend(value);
        payload.push(0);
        let mut record = Vec::new();
        varint(&mut record, payload.len());
        record.extend(payload);
        let mut covered = vec![0; 2 + 4];
        covered.extend([0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 0].repeat(2));
        covered.extend([0xff; 14]);
        covered.extend(1_i32.to_be_bytes());
        covered.extend(record);
        log.extend((10 + number as u64).to_be_bytes());
        log.extend(u32::try_from(covered.len() + 9).unwrap().to_be_bytes());
        log.extend([0, 0, 0, 0, 2]);
        log.extend(crate::format::crc::crc32c(&covered).to_be_bytes());
        log.extend(covered);
        ends[number + 1] = log.len();
    }
    (log, ends)
}

/// Of a length, with its sign.
fn varint(out: &mut Vec<u8>, length: usize) {
    let mut rest = 2 * length;
    while rest > 0x7f {
        out.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
        rest >>= 7;
    }
    out.push(u8::try_from(rest).unwrap());
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 7_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(next).collect()
}

/// One bit of the last byte but one of the batch in the middle is flipped: set back unasked, or
/// why not and set back when it is accepted.
fn unasked(value: &[u8]) -> Result<(), String> {
    let (log, ends) = log([b"a", value, b"c"]);
    let mut bytes = log.clone();
    bytes[ends[2] - 2] ^= 0x20;
    let (whole, why, _) = mended(&bytes, true);
    assert_eq!((whole.as_ref() == Some(&log), why), (true, None));
    let (whole, why, _) = mended(&bytes, false);
    assert!(whole.is_none_or(|whole| whole == log));
    why.map_or(Ok(()), Err)
}

#[test]
fn a_bit_is_set_back_unasked_only_under_conditions() {
    let (_, ends) = log([b"a", b"", b"c"]);
    // The first byte of the value, when its length takes two bytes and that of its record too.
    let value_at = ends[2] - 1 + 2;
    assert_eq!(unasked(&noise(5_000)), Ok(()));

    let largest = SINGLE_BIT_BATCH_BYTES - (ends[2] - ends[1]) - 4;
    assert_eq!(unasked(&noise(largest)), Ok(()));
    let large = unasked(&noise(largest + 1)).unwrap_err();
    assert!(large.contains("in a batch of 65537 bytes any damage"), "{large}");

    // Blocks are those of the file, and only whole ones.
    let block = 1024 - value_at;
    let with = |at: usize, bytes: &[u8]| {
        let mut value = noise(5_000);
        value[at..at + bytes.len()].copy_from_slice(bytes);
        unasked(&value)
    };
    assert!(with(block, &[0; 512]).unwrap_err().contains("the block at byte 1024 is zeros"));
    assert_eq!(with(block, &[0; 511]), Ok(()));
    assert_eq!(with(block + 1, &[0; 512]), Ok(()));
    let copy = noise(5_000)[block..block + 512].to_vec();
    let copied = with(block + 1024, &copy).unwrap_err();
    assert!(copied.contains("the block at byte 2048 is the copy of another"), "{copied}");
    assert_eq!(with(block + 1025, &copy), Ok(()));
    let (batches, _) = log([b"a", b"b", b"c"]);
    let foreign = with(block + 512, &batches[..61]).unwrap_err();
    assert!(foreign.contains("the block at byte 1536 looks like the beginning"), "{foreign}");
    assert_eq!(with(block + 500, &batches[..61]), Ok(()));
}

/// The middle batch of a log with other bytes, sealed anew, and one bit of it flipped then.
fn resealed(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let (mut log, ends) = log([b"a", &noise(300), b"c"]);
    let batch = &mut log[ends[1]..ends[2]];
    change(batch);
    let crc = crate::format::crc::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch[40] ^= 1;
    log
}

#[test]
fn what_cannot_be_read_or_does_not_fit_is_not_set_back_at_all() {
    let why = |bytes: Vec<u8>| {
        let (whole, why, _) = mended(&bytes, true);
        assert!(whole.is_none());
        why.unwrap()
    };
    assert!(mended(&resealed(|_| {}), false).0.is_some());
    // A record more than there is, a length of a record that leads outside, a codec that finds
    // nothing of its own, an offset that is not that of the record.
    assert!(why(resealed(|batch| batch[60] = 2)).contains("but then"));
    assert!(why(resealed(|batch| batch[61] = 0xfe)).contains("but then"));
    assert!(why(resealed(|batch| batch[22] = 1)).contains("but then"));
    assert!(why(resealed(|batch| batch[22] = 7)).contains("but then"));
    for offset in [9_u64, 10, 12, 1 << 40] {
        let why = why(resealed(|batch| batch[..8].copy_from_slice(&offset.to_be_bytes())));
        assert!(why.contains("do not fit into 11-11"), "{why}");
    }
    // Kafka takes it, but it is no batch of a sound client: only when it is accepted.
    let warned = resealed(|batch| batch[42] ^= 1);
    assert!(mended(&warned, true).0.is_some());
    assert!(mended(&warned, false).1.unwrap().contains("but then"));
}

#[test]
fn neighbours_names_and_limits_decide() {
    let (log, ends) = log([b"a", &noise(300), b"c"]);
    let mut bytes = log.clone();
    bytes[ends[1] + 16] = 9;
    let walk = walk(&bytes);
    let (damage, neighbours) = &walk.damages[0];
    let fits = |neighbours: &Neighbours, limits: &Limits| {
        let bytes = &bytes[ends[1]..];
        matches!(mend(bytes, damage, neighbours, false, limits), Mend::Batch(_))
    };
    let (all, none) = (&Limits::STANDARD, Neighbours::default());
    assert!(fits(neighbours, all) && fits(&none, all));
    let base = |base| Neighbours { segment_base: Offset(base), ..none.clone() };
    assert!(fits(&base(11), all) && !fits(&base(12), all));
    let next = |next| Neighbours { next_segment_base: Some(Offset(next)), ..none.clone() };
    assert!(fits(&next(12), all) && !fits(&next(11), all));
    assert!(fits(&base(11 - i64::from(i32::MAX)), all));
    assert!(!fits(&base(10 - i64::from(i32::MAX)), all));
    // Bytes that are not all there, and damage of another kind.
    let no = Mend::No { why: None };
    let short = &bytes[ends[1]..ends[2] - 1];
    assert_eq!(mend(short, damage, neighbours, true, all), no);
    for (class, problem) in [
        (Class::Damaged, Problem::UnclaimedBytes),
        (Class::Tail, Problem::TornTail { needed: None, sealed: false }),
        (Class::Tail, damage.problem.clone()),
        (Class::Unread, Problem::UnreadableRange { why: String::new() }),
    ] {
        let other = DamageStretch { class, problem, ..damage.clone() };
        assert_eq!(mend(&bytes[ends[1]..], &other, neighbours, true, all), no);
    }
}

#[test]
fn one_field_is_put_back_and_not_two() {
    let (log, ends) = log([b"a", &[0; 3_000], b"c"]);
    let change = |change: fn(&mut [u8])| {
        let mut bytes = log.clone();
        change(&mut bytes[ends[1]..ends[2]]);
        mended(&bytes, true)
    };
    let back: [fn(&mut [u8]); 6] = [
        |batch| batch[8..12].fill(0xff),
        |batch| batch[8..12].fill(0),
        |batch| batch[10] ^= 3,
        |batch| batch[16] = 0,
        |batch| batch[16] = 1,
        // Its value is zeros: the damage is taken for a block that was never written.
        |batch| batch[16] = 77,
    ];
    for (number, back) in back.into_iter().enumerate() {
        let (whole, why, _) = change(back);
        assert_eq!((whole.as_ref() == Some(&log), why), (true, None), "{number}");
    }
    let gone: [fn(&mut [u8]); 4] = [
        |batch| batch[8..17].fill(9),
        |batch| batch[16..18].fill(9),
        |batch| batch[..61].fill(0),
        |batch| batch[1000..1512].fill(9),
    ];
    for (number, gone) in gone.into_iter().enumerate() {
        assert!(change(gone).0.is_none(), "{number}");
    }
}

#[test]
fn says_what_it_does_and_why() {
    let (log, ends) = log([b"a", &noise(300), b"c"]);
    let of = |bytes: &[u8]| {
        let walk = walk(bytes);
        let (damage, neighbours) = &walk.damages[0];
        match mend(&bytes[ends[1]..], damage, neighbours, false, &Limits::STANDARD) {
            Mend::Batch(mended) => *mended,
            Mend::No { why } => panic!("{why:?}"),
        }
    };
    let mut bytes = log.clone();
    bytes[ends[1] + 100] ^= 4;
    let at = ends[1] as u64 + 100;
    let bit = of(&bytes);
    assert_eq!(bit.kind, ActionKind::RestoreBit { position: Position(at), bit: 2 });
    let patch = Patch { position: at, bytes: vec![log[ends[1] + 100]] };
    assert_eq!(bit.patches, [patch]);
    let says = format!(
        "bit 2 of byte {at} alone explains its checksum, its record can be read, and its \
         offsets fit"
    );
    assert_eq!(bit.reason, says);
    assert_eq!((bit.facts.base_offset, bit.facts.last_offset), (Some(Offset(11)), Offset(11)));

    let mut bytes = log.clone();
    bytes[ends[1] + 8..ends[1] + 12].fill(1);
    let field = of(&bytes);
    let to = (ends[2] - ends[1] - 12) as i64;
    let kind = ActionKind::RestoreField { field: "length", from: 0x0101_0101, to };
    assert_eq!((&field.kind, field.patches.len()), (&kind, 1));
    assert_eq!(field.patches[0].position, ends[1] as u64 + 8);
    assert!(field.reason.starts_with(&format!("with a length of {to} instead of 16843009")));
}
