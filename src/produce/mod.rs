//! A producer's work, without a broker to send to: what is to be written, to which partition, in
//! which batches.
//!
//! ```text
//!   input         JSON lines, plain lines, made-up data ---> InputRecord
//!   partitioner   which partition: as the record says, by its key, or in turn
//!   accumulator   of each partition: which records share a batch ---> BatchSink: encodes, appends
//!   compare       what each codec would make of the same batches
//! ```
//!
//! It is pure but for reading what it is given: no files, no clock, no threads. What is refused is
//! an error that says why in one sentence; all that came before it stays good.

pub mod accumulator;
pub mod compare;
pub mod input;
pub mod partitioner;
mod random;
