//! Runs of many files, handed out in order to be walked at the same time, and taken back in order.
//!
//! ```text
//!   file 0            file 1
//!   | run | run | run | run | ...      handed out one by one
//!            '-- its walk ends elsewhere than it was cut: what was handed out behind it is void,
//!                and the rest of the file is cut anew from there
//! ```

use super::FileBytes;
use super::runs::{Bounds, Cut, Cutter};
use crate::format::Offset;
use std::sync::Arc;

/// A file that is walked in runs.
pub trait LogFile {
    /// Its bytes.
    fn bytes(&self) -> &FileBytes;
    /// What the names of files say about its offsets.
    fn bounds(&self) -> Bounds;
}

/// What opening the next file came to.
pub enum Opening<F, E> {
    /// A file, and how it is cut.
    File(F, Cutter),
    /// Nothing in it is wanted.
    Skip,
    /// It cannot be opened.
    Failed(E),
    /// There are no more files.
    End,
}

/// What is handed out.
pub enum Fed<F, E> {
    /// A run.
    Run(Run<F>),
    /// A file that cannot be opened, so that it is said in its place.
    Failed(E),
}

/// A run of a file: whole batches, as far as can be told without looking at them.
pub struct Run<F> {
    /// The file.
    pub file: Arc<F>,
    /// Which file it is, counted from 0.
    pub index: usize,
    /// Where it is.
    pub cut: Cut,
    /// What is known about offsets where it begins.
    pub bounds: Bounds,
    /// True for the first of its file.
    pub is_first: bool,
}

/// Where the walk of a run ended.
#[derive(Clone, Copy, Debug)]
pub struct WalkEnd {
    /// The position behind its last piece.
    pub end: u64,
    /// What is known about offsets there.
    pub bounds: Bounds,
    /// The last offset before that.
    pub last: Option<Offset>,
    /// Nothing more is wanted of this file.
    pub is_stopped: bool,
}

/// Where the next run comes from.
enum Next<F> {
    /// The beginning of this file.
    File(usize),
    /// The rest of one.
    Rest { file: Arc<F>, index: usize, cutter: Cutter, is_first: bool },
    /// Not known until the run that was handed out last has been walked.
    Unknown,
}

/// Hands out runs.
pub struct Feed<F> {
    next: Next<F>,
    /// Runs that were handed out and are not finished.
    outstanding: usize,
    /// What is known about offsets behind the last run that is finished, of this file.
    learned: Option<(usize, Bounds)>,
}

impl<F: LogFile> Default for Feed<F> {
    fn default() -> Self {
        Self { next: Next::File(0), outstanding: 0, learned: None }
    }
}

impl<F: LogFile> Feed<F> {
    /// The next run; `open` opens a file by its number. `None`: there is none, or which it is
    /// will be known when those that were handed out are finished.
    pub fn next<E>(&mut self, mut open: impl FnMut(usize) -> Opening<F, E>) -> Option<Fed<F, E>> {
        loop {
            match std::mem::replace(&mut self.next, Next::Unknown) {
                Next::Unknown => return None,
                Next::File(index) => {
                    self.next = Next::File(index + 1);
                    match open(index) {
                        Opening::File(file, cutter) => {
                            let (file, is_first) = (Arc::new(file), true);
                            self.next = Next::Rest { file, index, cutter, is_first };
                        }
                        Opening::Skip => {}
                        Opening::Failed(error) => {
                            self.outstanding += 1;
                            return Some(Fed::Failed(error));
                        }
                        Opening::End => {
                            self.next = Next::File(index);
                            return None;
                        }
                    }
                }
                Next::Rest { file, index, mut cutter, is_first } => {
                    let before = cutter.clone();
                    let Some(cut) = cutter.next(file.bytes(), is_first) else {
                        self.next = Next::File(index + 1);
                        continue;
                    };
                    if !cut.is_end_known && self.outstanding > 0 {
                        // Damage begins here: what is before it says which offsets may follow.
                        self.next = Next::Rest { file, index, cutter: before, is_first };
                        return None;
                    }
                    if cut.is_end_known {
                        let (file, is_first) = (Arc::clone(&file), false);
                        self.next = Next::Rest { file, index, cutter, is_first };
                    }
                    // Only where nothing runs beside it does this not depend on the threads.
                    let bounds = match self.learned {
                        Some((of, bounds)) if of == index && !cut.is_end_known => bounds,
                        _ => file.bounds(),
                    };
                    self.outstanding += 1;
                    return Some(Fed::Run(Run { file, index, cut, bounds, is_first }));
                }
            }
        }
    }

    /// Takes back a file that could not be opened.
    pub fn finish_failed(&mut self) {
        self.outstanding = self.outstanding.saturating_sub(1);
    }

    /// Takes back a run that was walked; runs are taken back in the order in which they were
    /// handed out. False: what was handed out since is void, and will not be taken back.
    pub fn finish(&mut self, run: &Run<F>, walked: &WalkEnd) -> bool {
        let holds = self.take(run, walked);
        self.outstanding = if holds { self.outstanding.saturating_sub(1) } else { 0 };
        holds
    }

    fn take(&mut self, run: &Run<F>, walked: &WalkEnd) -> bool {
        self.learned = Some((run.index, walked.bounds));
        if walked.is_stopped {
            self.next = Next::File(run.index + 1);
            return false;
        }
        if run.cut.is_end_known && walked.end == run.cut.range.end {
            return true;
        }
        if walked.end == run.cut.range.start {
            // A stream has ended: its length was not known.
            self.next = Next::File(run.index + 1);
            return false;
        }
        // Damage: what was handed out since begins in the wrong place.
        self.next = Next::Rest {
            file: Arc::clone(&run.file),
            index: run.index,
            cutter: Cutter::new(walked.end, walked.last),
            is_first: false,
        };
        false
    }

    /// Nothing more is wanted, of any file; `end` is behind the last of them.
    pub fn stop(&mut self, end: usize) {
        self.next = Next::File(end);
    }
}
