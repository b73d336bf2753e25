//! Records as Kafka prints them, and every damage.

use super::*;

/// Three lines each: the offset, the value's bytes, and what kafka-dump-log 4.3.1 prints as the
/// payload. The records were made after the schemas of the release, with their defaults and at
/// random, by `tests/kafka/vectors`; some are damaged.
const VECTORS: &str = include_str!("vectors.txt");

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks_exact(2);
    let pairs = digits.map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn text(value: Option<&[u8]>, offset: i64) -> String {
    let mut out = Vec::new();
    write_kafka_text(value, Offset(offset), &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn records_print_as_kafka_prints_them() {
    let lines: Vec<&str> = VECTORS.lines().collect();
    assert_eq!(lines.len() % 3, 0);
    for record in lines.chunks(3) {
        let value = (record[1] != "-").then(|| bytes(record[1]));
        assert_eq!(text(value.as_deref(), record[0].parse().unwrap()), record[2], "{}", record[1]);
    }
}

#[test]
fn every_type_and_version_is_among_the_vectors() {
    for record_type in RECORD_TYPES {
        for version in 0..=record_type.schema.last_version {
            let start = format!(r#"{{"type":"{}","version":{version},"#, record_type.name);
            let found = VECTORS.lines().filter(|line| line.starts_with(&start)).count();
            assert!(found >= 2, "{start}");
        }
    }
}

#[test]
fn damage_is_an_error_and_never_a_panic() {
    for hex in VECTORS.lines().skip(1).step_by(3).filter(|hex| *hex != "-") {
        let value = bytes(hex);
        let is_healthy = decode(&value).is_ok();
        for end in 0..value.len() {
            assert!(decode(&value[..end]).is_err() || !is_healthy, "{hex} {end}");
        }
        for bit in 0..value.len() * 8 {
            let mut flipped = value.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            text(Some(&flipped), 0);
        }
    }
}
