//! What each target does with any bytes, and what must hold then.
//!
//! A target is a function of bytes that panics where something does not hold. Memory is bounded in
//! here ([`memory`]), time by whoever calls.

#![allow(dead_code, reason = "the fuzzer's binaries and the regression test each use a part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
#![allow(clippy::little_endian_bytes, reason = "lz4 is not Kafka's own format")]

pub mod memory;
mod picks;
mod seal;
mod slow;

pub mod batches;
pub mod checkpoint;
pub mod checksum;
pub mod codec;
pub mod coordinator;
pub mod differential;
pub mod frame;
pub mod groups;
pub mod index;
pub mod json;
pub mod manifest;
pub mod names;
pub mod request;
pub mod round_trip;
pub mod salvage;

use std::path::PathBuf;

/// A target's function.
pub type Run = fn(&[u8]);

/// All of them, those first that read what strangers send.
pub const TARGETS: [(&str, Run); 15] = [
    ("request", request::run),
    ("batches", batches::run),
    ("salvage", salvage::run),
    ("codec", codec::run),
    ("differential", differential::run),
    ("groups", groups::run),
    ("frame", frame::run),
    ("round_trip", round_trip::run),
    ("index", index::run),
    ("checkpoint", checkpoint::run),
    ("coordinator", coordinator::run),
    ("json", json::run),
    ("names", names::run),
    ("manifest", manifest::run),
    ("checksum", checksum::run),
];

/// The repository's folder of this name, from whichever of the two packages one is.
pub fn folder(name: &str) -> PathBuf {
    let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let root = if package.ends_with("fuzz") { package.parent().unwrap() } else { &package };
    root.join(name)
}
