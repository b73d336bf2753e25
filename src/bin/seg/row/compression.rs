//! Rows of what codecs make of the same batches.

use super::as_i64;
use super::names::*;
use crate::render::Sink;
use segkit::produce::compare::{Compared, Measured};
use std::time::Duration;

/// A row of type `compression`.
pub fn compression(sink: &mut impl Sink, measured: &Measured, compared: &Compared) {
    let choice = measured.choice;
    sink.begin("compression");
    sink.text(COMPRESSION_TYPE, choice.codec.name());
    match choice.level {
        Some(level) => sink.int(LEVEL, level.into()),
        None => sink.json(LEVEL, b"null"),
    }
    sink.flag(IS_DEFAULT, choice.is_default);
    sink.int(BYTES, as_i64(measured.bytes));
    sink.int(UNCOMPRESSED_BYTES, as_i64(compared.uncompressed_bytes));
    let mut decimal = |name, value: f64, digits: usize| {
        sink.json(name, format!("{value:.digits$}").as_bytes());
    };
    decimal(RATIO, ratio(measured, compared), 6);
    decimal(COMPRESS_SECONDS, seconds_per_gib(measured.compress, compared), 4);
    decimal(DECOMPRESS_SECONDS, seconds_per_gib(measured.decompress, compared), 4);
    sink.int(BATCHES, as_i64(compared.batches));
    sink.end();
}

/// What is left of a byte, as Kafka's producers count it; 1 of nothing.
pub fn ratio(measured: &Measured, compared: &Compared) -> f64 {
    match compared.uncompressed_bytes {
        0 => 1.0,
        bytes => measured.bytes as f64 / bytes as f64,
    }
}

/// Seconds for a GiB that is not compressed.
pub fn seconds_per_gib(time: Duration, compared: &Compared) -> f64 {
    const GIB: f64 = (1 << 30) as f64;
    time.as_secs_f64() * GIB / compared.uncompressed_bytes.max(1) as f64
}
