//! Kafka segment files, straight from a directory.

pub mod check;
pub mod error;
pub mod format;
pub mod limits;
pub mod log;
pub mod progress;
