//! State that Kafka derives from batches in their order. Pure.

mod facts;
mod index_rules;
mod transactions;

pub use facts::{BatchFacts, Marker};
pub use index_rules::{INDEX_INTERVAL_BYTES, IndexBuilder, IndexInterval, RebuiltIndexes};
pub use transactions::Transactions;
