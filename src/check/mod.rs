//! Judges: what the views describe becomes findings. Never writes.

pub mod batches;
mod catalogue;
mod damage;
pub mod finding;
mod findings;
pub mod problem;
mod records;
mod sentence;

pub use catalogue::{CODES, Severity};
pub use finding::Finding;
pub use findings::FileFindings;
pub use problem::Problem;
