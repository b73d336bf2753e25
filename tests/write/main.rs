//! `seg write` as people run it: what comes back when it is read again, who gets which record, what
//! is refused, and what a run leaves that did not end as it should.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;

mod appending;
mod interrupted;
mod partitions;
mod refused;
mod round_trip;
mod same_bytes;
mod scene;
