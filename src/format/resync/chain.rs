//! Chains of batches, and what a scan for them comes upon.

/// Batches that prove themselves end to end.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub start: usize,
    pub first_end: usize,
    pub end: usize,
    pub base: i64,
    pub last: i64,
    pub ending: Ending,
}

/// How a chain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// At the end of the file, at a damaged batch whose length leads on, or it is long enough.
    Holds,
    /// With the beginning of a batch that goes on behind the end of the file.
    CutOff,
    /// With the window.
    Window,
    /// With bytes that do not resemble a batch.
    Breaks,
    /// Before a batch whose offsets come before those of the chain.
    GoesBack,
    /// With the value of the message that holds it.
    Value,
    /// Where the damaged batch's own checksum agrees.
    OwnEnd(i8),
}

/// Where records lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lead {
    /// Exactly to a batch that proves itself.
    Batch,
    /// Exactly to the end of the file, for which a single zero is enough.
    EndOfFile,
}

/// How a scan ends.
pub(super) enum Scan {
    /// Where the damaged batch's own checksum agrees.
    OwnEnd(usize, i8),
    /// With a chain that holds.
    Settled(Chain),
    /// At the horizon, with the supply, or at the end of the window.
    Stopped,
}
