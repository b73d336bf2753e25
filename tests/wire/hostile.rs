//! Requests that are not what they say: cut, changed, too long, too many.

use crate::bodies::{Body, header, opened, requests};
use crate::memory::most;
use crate::requests::read;
use segkit::serve::wire::reader::Result;
use segkit::serve::wire::{Api, Opened, Refusal, SUPPORTED, WireLimits, open};
use std::time::Instant;

const LIMITS: WireLimits = WireLimits::STANDARD;
/// The largest frame that a server takes.
const FRAME_BYTES: usize = 1 << 20;
/// How much memory a short frame may cost, for each of its bytes.
const BYTES_A_BYTE: usize = 1024;

fn decode(frame: &[u8], limits: &WireLimits) -> Result<()> {
    match opened(frame, limits)? {
        Some((header, mut reader)) => read(header.api, &mut reader),
        None => Ok(()),
    }
}

/// Whatever the frame is: a value or a refusal, in little memory.
fn survive(frame: &[u8], name: &str) {
    let (bytes, _) = most(|| decode(frame, &LIMITS));
    assert!(bytes <= BYTES_A_BYTE * frame.len(), "{name}: {bytes} for {}", frame.len());
}

fn name_of(result: Result<()>) -> &'static str {
    result.err().map_or("", |refusal| refusal.name())
}

#[test]
fn requests_cut_anywhere_are_malformed() {
    for body in requests() {
        let frame = body.frame();
        assert_eq!(decode(&frame, &LIMITS), Ok(()), "{}", body.name());
        for length in 0..frame.len() {
            let refusal = decode(&frame[..length], &LIMITS).unwrap_err();
            let is_inside = matches!(refusal, Refusal::Malformed { at, .. } if at <= length);
            assert!(is_inside, "{} at {length}: {refusal}", body.name());
        }
    }
}

#[test]
fn requests_with_a_changed_byte_are_survived() {
    for body in requests() {
        let mut frame = body.frame();
        for at in 0..frame.len() {
            for change in [0x01, 0x80, 0xff] {
                frame[at] ^= change;
                survive(&frame, &body.name());
                frame[at] ^= change;
            }
        }
    }
}

/// At every place, whether there was a length or not.
#[test]
fn requests_with_wild_lengths_are_survived() {
    let lengths: [&[u8]; 9] = [
        &[0xff; 2],
        &[0x7f, 0xff],
        &[0x80, 0],
        &[0xff; 4],
        &[0x7f, 0xff, 0xff, 0xff],
        &[0x80, 0, 0, 0],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0xff, 0xff, 0xff, 0xff, 0x7f],
        &[0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
    ];
    for body in requests().filter(|body| body.kind != "least") {
        let frame = body.frame();
        for at in 8..frame.len() {
            for length in lengths {
                // In place of a number as wide, and of the one byte that a small varint takes.
                for width in [1, length.len()] {
                    let end = frame.len().min(at + width);
                    let wild = [&frame[..at], length, &frame[end..]].concat();
                    survive(&wild, &body.name());
                }
            }
        }
    }
}

/// Random bytes behind every header, long ones too; every count of them may be large.
#[test]
fn random_bodies_take_no_more_than_the_budget() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for versions in SUPPORTED {
        for version in versions.answered_from..=versions.max {
            let header = header(versions.api.key(), version, versions.is_flexible(version));
            for round in 0..60 {
                let length = if round == 0 { 1 << 16 } else { 200 };
                let mask = [0xff, 0x03, 0x01, 0x81][round % 4];
                let mut frame = header.clone();
                frame.extend((0..length).map(|_| random().to_be_bytes()[0] & mask));
                survive(&frame, &format!("{:?} {version}", versions.api));
            }
        }
    }
}

/// The largest frames that there are, of the smallest elements that there are: every count says
/// that there are as many as could be.
#[test]
fn the_largest_frames_cost_no_more_than_the_budget() {
    let begun = Instant::now();
    let mut largest = 0;
    for body in requests().filter(|body| body.kind == "least") {
        let least = body.frame();
        let count: &[u8] = match body.header {
            2 => &[0xf0, 0xff, 0x3f],
            _ => &[0, 0x0f, 0xff, 0x00],
        };
        for (at, fill) in counts(&body).into_iter().flat_map(|at| [(at, 0), (at, 1)]) {
            let mut frame = [&least[..at], count].concat();
            frame.resize(FRAME_BYTES, fill);
            let (bytes, _) = most(|| decode(&frame, &LIMITS));
            assert!(bytes <= 2 * LIMITS.decoded_request_bytes, "{}: {bytes}", body.name());
            largest = largest.max(bytes);
        }
    }
    assert!(largest > LIMITS.decoded_request_bytes / 2, "{largest}: no frame was large inside");
    assert!(begun.elapsed().as_secs() < 60);
}

/// Places that could be the count of an array with one element or two.
fn counts(body: &Body) -> Vec<usize> {
    let frame = body.frame();
    let is_count = |at: &usize| match body.header {
        2 => matches!(frame[*at], 2 | 3),
        _ => matches!(frame[*at..], [0, 0, 0, 1 | 2, ..]),
    };
    (frame.len() - body.bytes.len()..frame.len()).filter(is_count).collect()
}

fn flexible(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    [header(key, version, true).as_slice(), body].concat()
}

fn uvarint(value: u32) -> Vec<u8> {
    let (mut rest, mut bytes) = (value, Vec::new());
    while rest > 0x7f {
        bytes.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
        rest >>= 7;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

#[test]
fn tagged_fields_have_a_limit() {
    let with_tags = |count: u32| {
        let mut body = uvarint(count);
        body.extend((0..count).flat_map(|tag| [uvarint(tag), vec![1, 0x55]].concat()));
        flexible(18, 3, &[&[1, 1], body.as_slice()].concat())
    };
    assert_eq!(decode(&with_tags(64), &LIMITS), Ok(()));
    let over = Refusal::Limit { name: "tagged_fields", allowed: 64 };
    assert_eq!(decode(&with_tags(65), &LIMITS), Err(over));
    assert_eq!(decode(&with_tags(200_000), &LIMITS), Err(over));
    assert_eq!(
        decode(&flexible(18, 3, &[&[1, 1], uvarint(u32::MAX).as_slice()].concat()), &LIMITS),
        Err(over)
    );
    let tight = WireLimits { tagged_fields: 2, ..LIMITS };
    assert_eq!(name_of(decode(&with_tags(3), &tight)), "tagged_fields");
    // In the header as well: the last byte of it is their count.
    let mut header = header(18, 3, true);
    header.pop();
    header.extend(uvarint(65));
    assert_eq!(decode(&header, &LIMITS), Err(over));
}

/// Metadata 9 with topics without a name.
fn topics(count: u32) -> Vec<u8> {
    let mut body = uvarint(count + 1);
    body.extend((0..count).flat_map(|_| [1, 0]));
    body.extend([0, 0, 0, 0]);
    flexible(3, 9, &body)
}

/// DescribeLogDirs 2 with so many partitions in each of so many topics.
fn partitions(topics: u32, each: u32) -> Vec<u8> {
    let mut body = uvarint(topics + 1);
    for _ in 0..topics {
        body.push(1);
        body.extend(uvarint(each + 1));
        body.extend((0..each).flat_map(|_| [0, 0, 0, 1]));
        body.push(0);
    }
    body.push(0);
    flexible(35, 2, &body)
}

#[test]
fn topics_and_partitions_have_limits() {
    assert_eq!(decode(&topics(10_000), &LIMITS), Ok(()));
    let over = Refusal::Limit { name: "topics", allowed: 10_000 };
    assert_eq!(decode(&topics(10_001), &LIMITS), Err(over));
    assert_eq!(decode(&partitions(10, 5_000), &LIMITS), Ok(()));
    let over = Refusal::Limit { name: "partitions", allowed: 50_000 };
    assert_eq!(decode(&partitions(10, 5_001), &LIMITS), Err(over));
    let tight = WireLimits { topics: 3, partitions: 8, ..LIMITS };
    assert_eq!(decode(&partitions(2, 4), &tight), Ok(()));
    assert_eq!(name_of(decode(&partitions(4, 1), &tight)), "topics");
    assert_eq!(name_of(decode(&partitions(3, 3), &tight)), "partitions");
}

/// What is stepped over counts, too: topics that a session forgets.
#[test]
fn forgotten_topics_have_limits() {
    let fixed = [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let frame = |count: u32| {
        let mut body = [0xff; 4].to_vec();
        body.extend(fixed);
        body.push(1);
        body.extend(uvarint(count + 1));
        body.extend((0..count).flat_map(|_| [1, 2, 0, 0, 0, 5, 0]));
        body.extend([1, 0]);
        flexible(1, 12, &body)
    };
    assert_eq!(decode(&frame(5), &LIMITS), Ok(()));
    let tight = WireLimits { topics: 5, ..LIMITS };
    assert_eq!(decode(&frame(5), &tight), Ok(()));
    assert_eq!(name_of(decode(&frame(6), &tight)), "topics");
    let tight = WireLimits { partitions: 5, ..LIMITS };
    assert_eq!(name_of(decode(&frame(6), &tight)), "partitions");
}

#[test]
fn arrays_pay_for_their_memory() {
    // ListGroups 4: a filter of empty strings, 16 bytes of memory for each of theirs.
    let frame = |count: u32| {
        let mut body = uvarint(count + 1);
        body.resize(body.len() + usize::try_from(count).unwrap(), 1);
        body.push(0);
        flexible(16, 4, &body)
    };
    let count = u32::try_from(LIMITS.decoded_request_bytes / size_of::<&str>()).unwrap();
    assert_eq!(decode(&frame(count), &LIMITS), Ok(()));
    let allowed = LIMITS.decoded_request_bytes;
    let over = Refusal::Limit { name: "decoded_request_bytes", allowed };
    assert_eq!(decode(&frame(count + 1), &LIMITS), Err(over));
    assert_eq!(decode(&frame(1_000_000), &LIMITS), Err(over));
    let (bytes, _) = most(|| decode(&frame(count), &LIMITS));
    assert!(bytes > allowed / 2 && bytes <= 2 * allowed, "{bytes}");
}

#[test]
fn strings_have_a_limit() {
    let frame = |length: usize| {
        let mut body = vec![2];
        body.extend(uvarint(u32::try_from(length).unwrap() + 1));
        body.resize(body.len() + length, b'x');
        body.push(0);
        flexible(16, 4, &body)
    };
    assert_eq!(decode(&frame(32_767), &LIMITS), Ok(()));
    assert_eq!(name_of(decode(&frame(32_768), &LIMITS)), "string_bytes");
    let not_utf8 = flexible(16, 4, &[2, 2, 0xff, 0]);
    assert_eq!(name_of(decode(&not_utf8, &LIMITS)), "malformed");
}

#[test]
fn headers_of_others_are_refused() {
    let refused = |key, version| open(&header(key, version, false), &LIMITS).map(|_| ());
    for key in [-1, 17, 36, 68, 71, i16::MAX] {
        assert_eq!(refused(key, 0), Err(Refusal::UnsupportedApi { key }));
    }
    for (api, version) in
        [(Api::Produce, 2), (Api::Fetch, 3), (Api::Fetch, 19), (Api::Metadata, -1)]
    {
        let refusal = Refusal::UnsupportedVersion { api, version };
        assert_eq!(refused(api.key(), version), Err(refusal));
    }
    for version in [-1, 6, i16::MAX] {
        // The rest of the frame is in no form that anybody knows: it is not looked at.
        let frame = &header(18, version, false)[..8];
        let opened = open(frame, &LIMITS).unwrap();
        let Opened::UnknownApiVersions { correlation_id } = opened else { panic!("{version}") };
        assert_eq!(correlation_id, crate::bodies::CORRELATION_ID);
    }
}

/// Not a test of this machine, but of the order of magnitude.
#[test]
fn a_fetch_of_a_kib_is_read_in_microseconds() {
    let mut body = [0xff; 4].to_vec();
    body.extend([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    body.extend([2, 7]);
    body.extend(b"orders");
    body.push(31);
    body.extend([0; 33].repeat(30));
    body.extend([0, 1, 1, 0]);
    let frame = flexible(1, 12, &body);
    assert!((1000..1100).contains(&frame.len()), "{}", frame.len());
    decode(&frame, &LIMITS).unwrap();
    // The best of many rounds, since others may be at work here.
    let round = |_| {
        let begun = Instant::now();
        for _ in 0..100 {
            std::hint::black_box(decode(std::hint::black_box(&frame), &LIMITS)).unwrap();
        }
        begun.elapsed() / 100
    };
    let each = (0..100).map(round).min().unwrap();
    println!("{} bytes: {each:?}", frame.len());
    assert!(each.as_micros() < 50, "{each:?}");
}
