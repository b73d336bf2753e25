//! State that Kafka derives from batches in their order. Pure.

mod transactions;

pub use transactions::Transactions;
