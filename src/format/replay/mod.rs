//! State that Kafka derives from batches in their order. Pure.

mod facts;
mod transactions;

pub use facts::{BatchFacts, Marker};
pub use transactions::Transactions;
