//! Apache Kafka segment files, read straight from a directory: no broker, no JVM.
//!
//! This page is the project's architecture document.
//!
//! # The way data flows
//!
//! ```text
//!  argv                                                    stdout
//!   |                                                         ^
//!   v                                                         |
//!  bin/seg --> log ------> format views --> check -----> rows --> renderer
//!    a file      names,      batches,         findings,    text, JSON lines,
//!    a command   bytes,      records,         coverage     kafka-dump-log's text
//!                runs        index entries      |
//!                                               v
//!                                             repair: a plan, then its application
//!
//!  records --> produce: which partition, which batch --> format::encode --> log::writer: appends
//!
//!  sockets <-> serve: requests, a catalog, byte ranges of files; records never come in
//! ```
//!
//! Nothing flows back up. A command reads from top to bottom: open, compute, print.
//!
//! Whatever walks whole logs, walks them in runs of a few MiB, on every thread:
//!
//! ```text
//!   log::feed     files cut into runs, handed out in order; a cut is a guess, by index or lengths
//!   ordered       runs walked at the same time, their results taken in order
//!   check::run    one run judged by itself: findings, and facts about its batches
//!   check::*      facts joined in order: neighbours, indexes, producers, epochs; bytes counted
//! ```
//!
//! Where the walk of a run ends elsewhere than it was cut, what was handed out behind it is void.
//!
//! # Layers
//!
//! ```text
//!   bin/seg --> repair --> check --> log --> format
//!      |------> produce ------------------------^
//!      '------> serve -------------------^
//!
//!   error, limits, ordered, progress: import nothing; those who need them use them
//! ```
//!
//! Which modules and which crates each layer may use is a table in `tests/tidy/layers.rs`.
//!
//! | layer | what it is | never |
//! |---|---|---|
//! | [`mod@format`] | bytes to values and back; pure | files, sockets, threads, printing |
//! | [`log`] | disks: names, bytes, directories, runs, locks, appending | judging, threads |
//! | [`check`] | judges: what the views describe becomes findings | changing a disk |
//! | [`repair`] | changes: a plan, applied under the lock | calls to the system of its own |
//! | [`produce`] | a producer's work: records in, batches decided | files, clocks, threads |
//! | [`serve`] | a read-only broker: sockets, protocol, groups | changing a disk, holding records |
//! | `bin/seg` | talks: arguments in, rows out | knowing the bytes |
//!
//! # Invariants
//!
//! Each is held by a type, by a lint or by `tests/tidy.rs`.
//!
//! 1. `format` opens nothing, prints nothing, panics on nothing. Any bytes: bounded memory, linear
//!    time, no recursion but along tables of the program (`format/schema.rs`).
//! 2. Only `log` reads Kafka's files, and only `log/disk.rs` changes any. It is called by
//!    `log/new_file.rs`, which puts whole files in their places, and `log/appender.rs`, which adds
//!    lines to one; by `repair/apply`, `repair/backup` and `repair/undo`, which demand a
//!    [`log::lock::Guard`] as proof that no broker is at work; by `log/writer`, which appends to a
//!    partition under the same proof, and changes no byte of a log that was there before; by
//!    `log/lock.rs`, which may create the lock file; by `repair/copy.rs`, which fills a new
//!    directory; and by `bin/seg/repair/plan_file.rs`, which writes a plan outside of every log
//!    dir.
//! 3. Above `format`, corruption is a [`check::Finding`]; it becomes an [`error::Error`] only where
//!    the one thing asked for cannot be given.
//! 4. No library function prints, or looks at a terminal, a clock or the environment unless that
//!    is its job and its name says so.
//! 5. Output does not depend on thread count, locale or terminal unless a flag says so.
//! 6. `unsafe` stands in three named files only (`log/file_bytes.rs` maps, `log/lease.rs` asks for
//!    a lease, `bin/seg/signals.rs` handles a signal), each with its proof. No global mutable state
//!    but what the system itself keeps for a process: signals, the locks that are held
//!    (`log/lock.rs`), the mask for new files (`log/disk.rs`).
//! 7. Every byte of a `.log` is in exactly one piece of its walk: a proved batch or a damage.
//!    [`check::coverage`] sums them up in their order and asserts that they touch.
//! 8. Positions are `u64`, never assumed to fit 31 bits.
//!
//! # Where things go
//!
//! A new file kind: a view in `format`, its name in `log/names.rs`, its rows in
//! `bin/seg/row/entry.rs` and `bin/seg/dump/small.rs`. A new output field: `bin/seg/row/names.rs`,
//! which holds all output names, and the row that has it in `bin/seg/row`. A new problem: a
//! variant in `check/problem.rs`, its code and severity in `check/catalogue.rs`, its sentence in
//! `check/sentence.rs`, its evidence in `bin/seg/row/finding.rs`, its page in
//! `check/explain/pages`, and a proof in `tests/findings`: what trips it, and what comes close. A
//! new command: one file in `bin/seg`, and a line in its `cli.rs` and its `main.rs`. A new house
//! rule: a function over text in `tests/tidy`, with what breaks it. Step by step, with what fails
//! when one is forgotten: `docs/adding.md`.

pub mod check;
pub mod error;
pub mod format;
pub mod limits;
pub mod log;
pub mod ordered;
pub mod produce;
pub mod progress;
pub mod repair;
pub mod serve;
