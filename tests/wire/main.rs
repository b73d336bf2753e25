//! The wire protocol against what Kafka's own classes say, and against whoever says something else.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod bodies;
mod hostile;
mod memory;
mod requests;
mod responses;
mod tables;
