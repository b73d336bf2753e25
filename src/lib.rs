//! Kafka segment files, straight from a directory.

pub mod error;
pub mod format;
pub mod limits;
pub mod progress;
