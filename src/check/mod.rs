//! Judges: what the views describe becomes findings. Never writes.

pub mod batches;
pub mod finding;

pub use finding::{Finding, Problem, Severity};
