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
pub mod backup;
pub mod change;
pub mod copy;
pub mod directory;
pub mod layout;
pub mod mend;
pub mod plan;
pub mod planner;
pub mod rebuild;
pub mod sums;
pub mod undo;

pub use apply::{Applied, Outcome, Terms, apply};
pub use change::Change;
pub use copy::{check_place, copy_to};
pub use plan::Plan;
pub use undo::{Undone, undo};

#[cfg(test)]
mod tests;
