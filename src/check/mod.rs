//! Judges: what the views describe becomes findings. Never writes.

pub mod batches;
pub mod broker;
mod catalogue;
pub mod coverage;
mod damage;
mod derived;
pub mod directory;
pub mod epochs;
mod evidence;
pub mod explain;
pub mod finding;
mod findings;
pub mod indexes;
mod log_join;
mod order;
mod partition;
pub mod problem;
pub mod producers;
mod records;
pub mod remedy;
mod replay;
pub mod report;
mod run;
pub mod scope;
mod second_look;
mod sentence;
pub mod stretches;
mod verify;

pub use catalogue::{CODES, Severity};
pub use finding::Finding;
pub use findings::FileFindings;
pub use problem::Problem;
pub use run::Depth;
pub use scope::{LogDirScope, PartitionScope, Scope, VerifyOptions};
pub use verify::{Listener, verify, verify_once};
