//! Changes: a plan, and its application to a disk. A plan is complete before the first byte is
//! written, and says of every file what it has to be for the plan to hold.
//!
//! ```text
//!   look      check::verify: findings, and what stands in every log
//!   examine   the damaged bytes once more: is there one value that fits?
//!   layout    which batches, in which order, in which segment
//!   plan      actions, losses, what is left alone; the look at what it comes to gives the
//!             derived files --> Plan { actions, losses, changes }
//!   apply     changes, one after the other; what goes is kept ------> undo
//! ```

pub mod apply;
pub mod change;
pub mod plan;
pub mod rebuild;

pub use apply::{Applied, Outcome, apply};
pub use change::Change;
pub use plan::Plan;

#[cfg(test)]
mod tests;
