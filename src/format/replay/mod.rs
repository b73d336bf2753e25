//! State that Kafka derives from batches in their order. Pure.

mod aborted;
mod epochs;
mod facts;
mod index_rules;
mod producers;
pub mod snapshots;
#[cfg(test)]
mod tests;
mod transactions;

pub use aborted::{AbortedIndex, Verdict};
pub use epochs::Epochs;
pub use facts::{BatchFacts, Marker};
pub use index_rules::{INDEX_INTERVAL_BYTES, IndexBuilder, IndexInterval, RebuiltIndexes};
pub use producers::{EndedTransaction, FirstRecords, Producer, Producers, SequenceBreak, Step};
pub use snapshots::SnapshotDifference;
pub use transactions::Transactions;
