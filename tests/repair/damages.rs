//! What can happen to a batch, and what can be had back.

use crate::common::batches::{Frame, seal_legacy, seal_v2};

/// A log after a damage.
pub struct Spoilt {
    pub bytes: Vec<u8>,
    /// The batches, by their numbers, that nobody can bring back.
    pub destroyed: Vec<usize>,
}

/// A kind of damage. It is done to a batch of a sound log, of which the frames are known; the last
/// argument tells whether the log is the last of its partition.
#[derive(Clone, Copy)]
pub struct Damage {
    pub name: &'static str,
    pub spoil: fn(&[u8], &[Frame], usize, bool) -> Option<Spoilt>,
}

fn spoilt(bytes: Vec<u8>, destroyed: &[usize]) -> Option<Spoilt> {
    Some(Spoilt { bytes, destroyed: destroyed.to_vec() })
}

/// One flipped bit, which a checksum names.
fn flip(log: &[u8], frames: &[Frame], batch: usize, at: usize, bit: u8) -> Option<Spoilt> {
    let mut bytes = log.to_vec();
    let at = frames[batch].position + at;
    bytes[at] ^= 1 << bit;
    spoilt(bytes, &[])
}

fn payload_bit(log: &[u8], frames: &[Frame], batch: usize, _: bool) -> Option<Spoilt> {
    let frame = frames[batch];
    flip(log, frames, batch, frame.size - 1 - frame.size / 8, 3)
}

fn checksum_bit(log: &[u8], frames: &[Frame], batch: usize, _: bool) -> Option<Spoilt> {
    let at = if frames[batch].magic == 2 { 18 } else { 13 };
    flip(log, frames, batch, at, 6)
}

fn length_bit(log: &[u8], frames: &[Frame], batch: usize, _: bool) -> Option<Spoilt> {
    flip(log, frames, batch, 11, 4)
}

fn high_length_bit(log: &[u8], frames: &[Frame], batch: usize, _: bool) -> Option<Spoilt> {
    flip(log, frames, batch, 8, 6)
}

fn magic_bit(log: &[u8], frames: &[Frame], batch: usize, _: bool) -> Option<Spoilt> {
    flip(log, frames, batch, 16, 5)
}

/// Offsets that lie between two others can be told; those at the end of the log cannot.
fn is_between(frames: &[Frame], batch: usize, is_last: bool) -> bool {
    !is_last || batch + 1 < frames.len()
}

fn offset_bit(log: &[u8], frames: &[Frame], batch: usize, is_last: bool) -> Option<Spoilt> {
    let frame = frames[batch];
    (frame.magic == 2 && is_between(frames, batch, is_last))
        .then(|| flip(log, frames, batch, 6, 0))
        .flatten()
}

fn far_offset_bit(log: &[u8], frames: &[Frame], batch: usize, is_last: bool) -> Option<Spoilt> {
    let frame = frames[batch];
    (frame.magic == 2 && is_between(frames, batch, is_last))
        .then(|| flip(log, frames, batch, 2, 0))
        .flatten()
}

/// 16 bytes in the middle of a batch are others.
fn payload_garbage(log: &[u8], frames: &[Frame], batch: usize, _: bool) -> Option<Spoilt> {
    let frame = frames[batch];
    let mut bytes = log.to_vec();
    let end = frame.end();
    for (step, byte) in bytes[end - 16..end].iter_mut().enumerate() {
        *byte ^= 0x5a ^ step as u8;
    }
    spoilt(bytes, &[batch])
}

/// The frame of a batch is gone, and with it the batch.
fn header_garbage(log: &[u8], frames: &[Frame], batch: usize, is_last: bool) -> Option<Spoilt> {
    let frame = frames[batch];
    if is_last && batch + 1 == frames.len() {
        return None;
    }
    let mut bytes = log.to_vec();
    for (step, byte) in bytes[frame.position..frame.position + 21].iter_mut().enumerate() {
        *byte = 0xa7_u8.wrapping_mul(step as u8 + 1);
    }
    spoilt(bytes, &[batch])
}

/// A block of 512 bytes of zeros, with every batch that it touches.
fn zeroed_sector(log: &[u8], frames: &[Frame], batch: usize, is_last: bool) -> Option<Spoilt> {
    let frame = frames[batch];
    let from = (frame.position + frame.size / 2) / 512 * 512;
    let end = from + 512;
    if end > log.len() || from < frames[0].position || is_last && end == log.len() {
        return None;
    }
    let mut bytes = log.to_vec();
    bytes[from..end].fill(0);
    // A batch whose bytes there were zeros is whole; one that lost its offset alone is none of
    // this.
    let touched =
        |frame: &Frame| bytes[frame.position..frame.end()] != log[frame.position..frame.end()];
    let is_whole_but_for_offset = |frame: &Frame| {
        bytes[frame.position + 8..frame.end()] == log[frame.position + 8..frame.end()]
    };
    if frames.iter().any(|frame| touched(frame) && is_whole_but_for_offset(frame)) {
        return None;
    }
    let destroyed: Vec<usize> = (0..frames.len()).filter(|it| touched(&frames[*it])).collect();
    spoilt(bytes, &destroyed)
}

/// Some bytes of a batch are not there.
fn bytes_cut_out(log: &[u8], frames: &[Frame], batch: usize, is_last: bool) -> Option<Spoilt> {
    let frame = frames[batch];
    if is_last && batch + 1 == frames.len() {
        return None;
    }
    let mut bytes = log.to_vec();
    let at = frame.position + frame.size / 2;
    bytes.drain(at..at + 7);
    spoilt(bytes, &[batch])
}

/// Bytes of nobody between two batches.
fn bytes_put_in(log: &[u8], frames: &[Frame], batch: usize, _: bool) -> Option<Spoilt> {
    let mut bytes = log.to_vec();
    let at = frames[batch].position;
    bytes.splice(at..at, [0xee; 11]);
    spoilt(bytes, &[])
}

fn twice(log: &[u8], frames: &[Frame], batch: usize, _: bool) -> Option<Spoilt> {
    let frame = frames[batch];
    let mut bytes = log.to_vec();
    let copy = log[frame.position..frame.end()].to_vec();
    bytes.splice(frame.end()..frame.end(), copy);
    spoilt(bytes, &[])
}

fn swapped_with_the_next(log: &[u8], frames: &[Frame], batch: usize, _: bool) -> Option<Spoilt> {
    let (one, two) = (frames[batch], *frames.get(batch + 1)?);
    let mut bytes = log[..one.position].to_vec();
    bytes.extend(&log[two.position..two.end()]);
    bytes.extend(&log[one.position..one.end()]);
    bytes.extend(&log[two.end()..]);
    spoilt(bytes, &[])
}

/// The last batch is not whole.
fn torn_tail(log: &[u8], frames: &[Frame], batch: usize, _: bool) -> Option<Spoilt> {
    let frame = frames[batch];
    if batch + 1 < frames.len() {
        return None;
    }
    spoilt(log[..frame.position + frame.size / 2].to_vec(), &[batch])
}

/// A checksum that holds, and records that do not read: nobody can know better, so nothing is done
/// about the batch behind it that is damaged in the usual way.
fn resealed(log: &[u8], frames: &[Frame], batch: usize, _: bool) -> Option<Spoilt> {
    let next = *frames.get(batch + 1)?;
    let mut bytes = log.to_vec();
    // The same bytes sealed again: a checksum that was right stays right.
    let own = &mut bytes[frames[batch].position..frames[batch].end()];
    if frames[batch].magic == 2 {
        seal_v2(own)
    } else {
        seal_legacy(own)
    }
    let end = next.end();
    for byte in &mut bytes[end - 9..end] {
        *byte ^= 0x33;
    }
    spoilt(bytes, &[batch + 1])
}

/// Every kind.
pub fn damages() -> Vec<Damage> {
    vec![
        Damage { name: "payload bit", spoil: payload_bit },
        Damage { name: "checksum bit", spoil: checksum_bit },
        Damage { name: "length bit", spoil: length_bit },
        Damage { name: "high length bit", spoil: high_length_bit },
        Damage { name: "magic bit", spoil: magic_bit },
        Damage { name: "offset bit", spoil: offset_bit },
        Damage { name: "far offset bit", spoil: far_offset_bit },
        Damage { name: "payload garbage", spoil: payload_garbage },
        Damage { name: "header garbage", spoil: header_garbage },
        Damage { name: "zeroed sector", spoil: zeroed_sector },
        Damage { name: "bytes cut out", spoil: bytes_cut_out },
        Damage { name: "bytes put in", spoil: bytes_put_in },
        Damage { name: "twice", spoil: twice },
        Damage { name: "swapped with the next", spoil: swapped_with_the_next },
        Damage { name: "torn tail", spoil: torn_tail },
        Damage { name: "the next batch", spoil: resealed },
    ]
}
