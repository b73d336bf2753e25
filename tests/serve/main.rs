//! The network threads of the server, with a toy instead of answers: what a connection may do, and
//! what it cannot do to others.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    missing_docs
)]

mod drain;
mod hostile;
mod limits;
mod states;
mod toy;
