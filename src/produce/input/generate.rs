//! Records that are made up: like real ones, and the same ones on every machine.
//!
//! ```text
//!   json    {"id":100000000042,"time":1700000000000,"user":"user-0077","amount":481.07,"note":"…"}
//!   random  bytes that do not compress
//!   zero    bytes that compress to nothing
//! ```
//!
//! A record depends on the seed and on its number alone, so that any part of a long series can be
//! made by itself. A value has the asked for size exactly. Where that is small, the JSON has fewer
//! fields. Keys are drawn so that few occur often and many seldom, as users do.

use super::{Input, InputError, InputRecord};
use crate::produce::random::{below, number};
use std::ops::Range;

/// How many records have the same millisecond: a producer at work.
pub const RECORDS_PER_MS: u64 = 64;

/// What values are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// JSON of some fields that change and some text.
    Json,
    /// Random bytes.
    Random,
    /// Zeros.
    Zero,
}

/// What is to be made up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generate {
    /// Which records of the series that begins with 0.
    pub records: Range<u64>,
    /// Bytes of a value.
    pub record_size: usize,
    /// What the series depends on.
    pub seed: u64,
    /// How many different keys there are; 0: keys are null.
    pub keys: u64,
    /// What values are made of.
    pub payload: Payload,
    /// The timestamp of record 0. The later ones follow it, [`RECORDS_PER_MS`] at a time.
    pub first_timestamp: i64,
}

/// Makes up one record after the other.
pub struct Generator {
    wanted: Generate,
    next: u64,
    key: Vec<u8>,
    value: Vec<u8>,
    json: Json,
}

/// Where the fields that change stand in the value.
#[derive(Default)]
struct Json {
    id: Option<usize>,
    time: Option<usize>,
    user: Option<usize>,
    amount: Option<usize>,
    note: Range<usize>,
    /// Text that notes are cut out of, twice: one that begins in the first half seldom needs more.
    text: Vec<u8>,
    shown_id: u64,
    shown_time: i64,
}

/// So many ids in a row differ in their last digits alone, as it divides what they are counted to.
const ID_BLOCK: u64 = 1024;
const KEY_PREFIX: &[u8] = b"user-";
const ID_DIGITS: usize = 12;
const TIME_DIGITS: usize = 13;
const TEXT_BYTES: usize = 64 << 10;

/// Streams of numbers that have nothing to do with each other.
const OF_KEYS: u64 = 0x6b65_7973;
const OF_FIELDS: u64 = 0x6a73_6f6e;
const OF_TEXT: u64 = 0x7465_7874;
const OF_BYTES: u64 = 0x6279_7465;

/// The digits of 0 to 99.
const TWO_DIGITS: &[[u8; 2]] = b"\
    00010203040506070809101112131415161718192021222324252627282930313233343536373839\
    40414243444546474849505152535455565758596061626364656667686970717273747576777879\
    8081828384858687888990919293949596979899"
    .as_chunks()
    .0;

const WORDS: [&str; 48] = [
    "order",
    "shipped",
    "paid",
    "item",
    "count",
    "warehouse",
    "customer",
    "address",
    "street",
    "returned",
    "pending",
    "express",
    "standard",
    "delivery",
    "invoice",
    "total",
    "discount",
    "coupon",
    "gift",
    "card",
    "blue",
    "green",
    "large",
    "small",
    "the",
    "and",
    "with",
    "from",
    "to",
    "of",
    "a",
    "is",
    "was",
    "not",
    "please",
    "leave",
    "at",
    "door",
    "call",
    "before",
    "after",
    "noon",
    "today",
    "tomorrow",
    "fragile",
    "heavy",
    "north",
    "south",
];

impl Generator {
    /// Makes what is wanted.
    #[must_use]
    pub fn new(wanted: Generate) -> Self {
        let mut key = Vec::new();
        if wanted.keys > 0 {
            let most = wanted.keys - 1;
            key.extend_from_slice(KEY_PREFIX);
            key.resize(KEY_PREFIX.len() + digits_of(most).max(4), b'0');
        }
        let mut generator = Self {
            next: wanted.records.start,
            key,
            value: vec![0; wanted.record_size],
            json: Json { shown_id: u64::MAX, shown_time: i64::MIN, ..Json::default() },
            wanted,
        };
        if generator.wanted.payload == Payload::Json {
            generator.lay_out();
        }
        generator
    }

    /// The next record; `None` at the end.
    #[inline(always)]
    pub fn make(&mut self) -> Option<InputRecord<'_>> {
        let index = self.next;
        if index >= self.wanted.records.end {
            return None;
        }
        self.next += 1;
        let millis = i64::try_from(index / RECORDS_PER_MS).unwrap_or(i64::MAX);
        let timestamp = self.wanted.first_timestamp.saturating_add(millis);
        let has_key = self.wanted.keys > 0;
        if has_key {
            let bits = number(self.wanted.seed ^ OF_KEYS, index);
            // The second draw is below the first: small numbers come more often.
            let most = below(bits, self.wanted.keys) + 1;
            let digits = self.key.get_mut(KEY_PREFIX.len()..).unwrap_or_default();
            put_digits(digits, below(bits.rotate_left(32), most));
        }
        match self.wanted.payload {
            Payload::Zero => {}
            Payload::Random => fill(&mut self.value, number(self.wanted.seed ^ OF_BYTES, index)),
            Payload::Json => self.change_json(index, timestamp, has_key),
        }
        let key = has_key.then_some(&self.key[..]);
        let mut record = InputRecord::plain(index + 1, key, Some(&self.value));
        record.timestamp = Some(timestamp);
        Some(record)
    }

    /// Writes what stays the same, and finds places for what changes.
    fn lay_out(&mut self) {
        let size = self.wanted.record_size;
        let user = (self.key.len().max(KEY_PREFIX.len() + 4)) + 2;
        let mut layout = Layout { out: Vec::new(), size };
        layout.out.push(b'{');
        self.json.id = layout.field(b"\"id\":", ID_DIGITS, b"");
        self.json.time = layout.field(b"\"time\":", TIME_DIGITS, b"");
        self.json.user = layout.field(b"\"user\":\"", user - 2, b"\"");
        self.json.amount = layout.field(b"\"amount\":", 6, b"");
        let free = size.saturating_sub(layout.out.len() + b",\"note\":\"\"}".len());
        if let Some(start) = layout.field(b"\"note\":\"", free, b"\"").filter(|_| free > 0) {
            self.json.note = start..start + free;
        }
        let mut out = layout.out;
        if self.json.id.is_none() {
            // Too small for an object: a string, a digit, or nothing.
            out = vec![b'"'; size];
            self.json.note = 1..size.saturating_sub(1).max(1);
            if size == 1 {
                (out, self.json.note) = (vec![b'7'], 0..0);
            }
        } else {
            out.resize(size.saturating_sub(1), b' ');
            out.push(b'}');
        }
        if let Some(user) = self.json.user.and_then(|at| out.get_mut(at..)) {
            put(user, KEY_PREFIX);
        }
        self.value = out;
        let mut draw = 0;
        while self.json.text.len() < TEXT_BYTES {
            let bits = number(self.wanted.seed ^ OF_TEXT, draw);
            let word = usize::try_from(below(bits, WORDS.len() as u64)).unwrap_or_default();
            self.json.text.extend_from_slice(WORDS.get(word).copied().unwrap_or("a").as_bytes());
            self.json.text.push(b' ');
            draw += 1;
        }
        self.json.text.extend_from_within(..);
    }

    #[inline(always)]
    fn change_json(&mut self, index: u64, timestamp: i64, has_key: bool) {
        let bits = number(self.wanted.seed ^ OF_FIELDS, index);
        let (json, value) = (&mut self.json, &mut self.value[..]);
        let id = place(value, json.id, ID_DIGITS);
        if !index.is_multiple_of(ID_BLOCK) && json.shown_id.wrapping_add(1) == index {
            count_up(id);
        } else {
            put_digits(id, 100_000_000_000 + index % 900_000_000_000);
        }
        json.shown_id = index;
        if json.shown_time != timestamp {
            json.shown_time = timestamp;
            let shown = u64::try_from(timestamp).unwrap_or_default() % 9_000_000_000_000;
            // No zeros in front, which JSON does not allow.
            put_digits(place(value, json.time, TIME_DIGITS), shown.max(1_000_000_000_000));
        }
        if json.amount.is_some() {
            let [_, a, b, c] = four_digits(100 + below(bits, 900));
            let [d, e] = two_digits(below(bits << 16, 100));
            if let Ok(place) = <&mut [u8; 6]>::try_from(place(value, json.amount, 6)) {
                *place = [a, b, c, b'.', d, e];
            }
        }
        if json.user.is_some() {
            let at = json.user.map(|at| at + KEY_PREFIX.len());
            match self.key.get(KEY_PREFIX.len()..) {
                Some(shown) if has_key => copy_digits(place(value, at, shown.len()), shown),
                _ => put_digits(place(value, at, 4), below(bits << 8, 10_000)),
            }
        }
        let start = usize::try_from(bits % (TEXT_BYTES as u64)).unwrap_or_default();
        let mut text = json.text.get(start..).unwrap_or_default();
        let mut note = value.get_mut(json.note.clone()).unwrap_or_default();
        while !note.is_empty() {
            let length = note.len().min(text.len());
            let (now, later) = note.split_at_mut(length);
            put(now, text);
            (note, text) = (later, &json.text);
        }
    }
}

impl Input for Generator {
    #[inline(always)]
    fn next_record(&mut self) -> Result<Option<InputRecord<'_>>, InputError> {
        Ok(self.make())
    }
}

/// A value as it is laid out.
struct Layout {
    out: Vec<u8>,
    size: usize,
}

impl Layout {
    /// Adds a field if it leaves room for the closing brace, and says where its value stands.
    fn field(&mut self, name: &[u8], length: usize, behind: &[u8]) -> Option<usize> {
        let comma = usize::from(self.out.len() > 1);
        let needed = comma + name.len() + length + behind.len() + 1;
        if self.out.len() + needed > self.size {
            return None;
        }
        if self.out.len() > 1 {
            self.out.push(b',');
        }
        self.out.extend_from_slice(name);
        let start = self.out.len();
        self.out.resize(start + length, b'0');
        self.out.extend_from_slice(behind);
        Some(start)
    }
}

fn digits_of(number: u64) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

/// The bytes of a field that the value may have.
#[inline]
fn place(value: &mut [u8], at: Option<usize>, length: usize) -> &mut [u8] {
    at.and_then(|at| value.get_mut(at..at + length)).unwrap_or_default()
}

#[inline]
fn put(place: &mut [u8], bytes: &[u8]) {
    let length = place.len().min(bytes.len());
    if let (Some(place), Some(bytes)) = (place.get_mut(..length), bytes.get(..length)) {
        place.copy_from_slice(bytes);
    }
}

/// The digits of a key.
#[inline]
fn copy_digits(place: &mut [u8], digits: &[u8]) {
    match (<&mut [u8; 4]>::try_from(&mut *place), <&[u8; 4]>::try_from(digits)) {
        (Ok(place), Ok(digits)) => *place = *digits,
        _ => put(place, digits),
    }
}

/// The last digits of `value`, as many as there is room for.
#[inline]
fn put_digits(place: &mut [u8], value: u64) {
    // Most are so short; and copies of a length that is known are moves.
    if let Ok(four) = <&mut [u8; 4]>::try_from(&mut *place) {
        *four = four_digits(value % 10_000);
    } else {
        put_many_digits(place, value);
    }
}

#[inline(never)]
fn put_many_digits(place: &mut [u8], mut value: u64) {
    for eight in place.rchunks_mut(8) {
        let digits = eight_digits(value % 100_000_000);
        value /= 100_000_000;
        put(eight, digits.get(8 - eight.len().min(8)..).unwrap_or_default());
    }
}

/// The eight digits of a number that has no more.
#[inline]
fn eight_digits(value: u64) -> [u8; 8] {
    let ([a, b, c, d], [e, f, g, h]) = (four_digits(value / 10_000), four_digits(value % 10_000));
    [a, b, c, d, e, f, g, h]
}

/// The four digits of a number that has no more.
#[inline]
fn four_digits(value: u64) -> [u8; 4] {
    let ([a, b], [c, d]) = (two_digits(value / 100), two_digits(value % 100));
    [a, b, c, d]
}

#[inline]
fn two_digits(value: u64) -> [u8; 2] {
    let pair = usize::try_from(value).ok().and_then(|at| TWO_DIGITS.get(at));
    pair.copied().unwrap_or_default()
}

/// Adds 1 to a number of digits.
#[inline]
fn count_up(digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
}

/// Random bytes that `seed` begins.
#[inline]
fn fill(bytes: &mut [u8], seed: u64) {
    let mut index = 0;
    let (chunks, rest) = bytes.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = number(seed, index).to_be_bytes();
        index += 1;
    }
    put(rest, &number(seed, index).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::crc::crc32c;

    fn wanted(payload: Payload, record_size: usize) -> Generate {
        Generate {
            records: 0..100,
            record_size,
            seed: 7,
            keys: 1000,
            payload,
            first_timestamp: 1_700_000_000_000,
        }
    }

    /// Number, timestamp, key and value of a record.
    type Made = (u64, Option<i64>, Option<Vec<u8>>, Vec<u8>);

    fn made(wanted: Generate) -> Vec<Made> {
        let mut generator = Generator::new(wanted);
        let mut records = Vec::new();
        while let Some(record) = generator.make() {
            let key = record.key.map(<[u8]>::to_vec);
            records.push((record.line, record.timestamp, key, record.value.unwrap().to_vec()));
        }
        records
    }

    /// Change this only if the change is meant: data that was made before is then made otherwise.
    #[test]
    fn the_same_on_every_machine() {
        let mut sums = Vec::new();
        for payload in [Payload::Json, Payload::Random, Payload::Zero] {
            let mut all = Vec::new();
            for (_, timestamp, key, value) in made(wanted(payload, 150)) {
                all.extend_from_slice(&timestamp.unwrap().to_be_bytes());
                all.extend_from_slice(&key.unwrap());
                all.extend_from_slice(&value);
            }
            sums.push(crc32c(&all));
        }
        assert_eq!(sums, [589_712_335, 81_774_152, 1_611_191_140]);
    }

    #[test]
    fn any_part_can_be_made_by_itself() {
        for payload in [Payload::Json, Payload::Random] {
            let all = made(wanted(payload, 90));
            let part = made(Generate { records: 40..60, ..wanted(payload, 90) });
            assert_eq!(all.get(40..60), Some(&part[..]));
            let other = made(Generate { seed: 8, ..wanted(payload, 90) });
            assert!(all.iter().zip(&other).all(|(a, b)| a.3 != b.3), "the seed changes nothing");
        }
    }

    #[test]
    fn ids_count_up_and_begin_again() {
        for first in [0, 1023, 9_999_000, 899_999_999_000] {
            let wanted = Generate { records: first..first + 3000, ..wanted(Payload::Json, 20) };
            for (index, record) in (first..).zip(made(wanted)) {
                let shown = format!("{{\"id\":{}", 100_000_000_000 + index % 900_000_000_000);
                assert!(record.3.starts_with(shown.as_bytes()), "{shown}");
            }
        }
    }

    #[test]
    fn digits_are_those_that_are_printed() {
        for index in 0..40_000 {
            let value = [index, below(number(1, index), 100_000_000)];
            for value in value {
                assert_eq!(eight_digits(value), *format!("{value:08}").as_bytes(), "{value}");
            }
            let mut place = [0; 19];
            put_digits(&mut place, u64::MAX - number(2, index) / 2);
            let shown = (u64::MAX - number(2, index) / 2) % 10_000_000_000_000_000_000;
            assert_eq!(place, *format!("{shown:019}").as_bytes());
        }
    }

    #[test]
    fn values_have_their_size_and_json_is_json() {
        for size in (0..200).chain([TEXT_BYTES * 2 + 77]) {
            for keys in [0, 1, 10_000_000_000_000] {
                let wanted = Generate { records: 5..8, keys, ..wanted(Payload::Json, size) };
                for (_, _, key, value) in made(wanted) {
                    assert_eq!(value.len(), size);
                    assert_eq!(key.is_some(), keys > 0);
                    if size > 0 {
                        serde_json::from_slice::<serde_json::Value>(&value).unwrap();
                    }
                }
            }
        }
        let value = made(wanted(Payload::Json, 150)).remove(3);
        let json: serde_json::Value = serde_json::from_slice(&value.3).unwrap();
        assert_eq!(json["id"], 100_000_000_003_u64);
        assert_eq!(json["time"], 1_700_000_000_000_u64);
        assert_eq!(json["user"].as_str().unwrap().as_bytes(), value.2.unwrap());
        assert!((100.0..1000.0).contains(&json["amount"].as_f64().unwrap()));
        assert!(json["note"].as_str().unwrap().contains(' '));
        let random = made(wanted(Payload::Random, 21));
        assert!(random.iter().all(|record| record.3.len() == 21));
        assert_eq!(made(wanted(Payload::Zero, 21)).remove(9).3, [0; 21]);
    }

    #[test]
    fn timestamps_advance_and_few_keys_are_many() {
        let records = made(Generate { records: 0..64_000, ..wanted(Payload::Zero, 1) });
        let last = records.last().unwrap();
        assert_eq!((last.0, last.1), (64_000, Some(1_700_000_000_999)));
        assert!(records.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        let mut counts = std::collections::HashMap::new();
        for record in &records {
            *counts.entry(record.2.clone().unwrap()).or_insert(0_u32) += 1;
        }
        let mut counts: Vec<u32> = counts.into_values().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        assert!(counts.len() > 900, "{} keys", counts.len());
        let of_the_tenth: u32 = counts.iter().take(100).sum();
        assert!((16_000..40_000).contains(&of_the_tenth), "{of_the_tenth}");
    }

    /// Seconds that this thread was at work so far.
    fn at_work() -> f64 {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    }

    #[test]
    #[ignore = "measures"]
    fn speed() {
        for payload in [Payload::Zero, Payload::Random, Payload::Json] {
            for (record_size, keys) in [(30, 0), (100, 0), (100, 1000), (1000, 1000)] {
                let records = 0..200_000_000 / record_size as u64;
                let wanted = Generate { records, keys, ..wanted(payload, record_size) };
                let mut generator = Generator::new(wanted);
                let start = at_work();
                let mut bytes = 0;
                while let Some(record) = generator.make() {
                    bytes += std::hint::black_box(record.value.unwrap()).len();
                }
                let seconds = at_work() - start;
                let rate = bytes as f64 / seconds / 1e9;
                println!("{payload:?} {record_size} bytes, {keys} keys: {rate:.2} GB/s");
            }
        }
    }
}
