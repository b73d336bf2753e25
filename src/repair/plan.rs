//! What a repair is going to do, told before the first byte is written: what is wrong, what
//! becomes of it, what is lost, what is left alone, and every file that all this rests on.

use super::change::Change;
use crate::check::Finding;
use crate::format::{Offset, Position};
use crate::log::file_facts::FileIdentity;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The repair of one partition, or of what lies directly in a log dir.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The directory.
    pub directory: PathBuf,
    /// What is going to be done, in words; in the order of files and positions.
    pub actions: Vec<Action>,
    /// What is not there afterwards and was, or should have been, before. Their bytes sum up to
    /// what the logs lose.
    pub losses: Vec<Loss>,
    /// What stays wrong, and why.
    pub left_alone: Vec<LeftAlone>,
    /// What is going to be done, to the disk. No action is without a change, and no change is
    /// without an action.
    pub changes: Vec<Change>,
    /// Every file that was looked at, as it was then. Where one of them is another by the time
    /// that the plan is applied, nothing is done.
    pub rests_on: Vec<(PathBuf, FileIdentity)>,
}

/// One thing that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// What.
    pub kind: ActionKind,
    /// To which file.
    pub file: Arc<Path>,
    /// To which of its bytes; all of them where it is empty.
    pub range: Range<Position>,
    /// To which offsets, as far as they are known.
    pub offsets: Option<(Offset, Offset)>,
    /// Why, in a sentence's half: with the evidence.
    pub reason: String,
    /// Code of the finding that it answers, where there is one.
    pub code: Option<&'static str>,
}

/// Why an index is written whose log is.
pub const WITH_ITS_LOG: &str = "goes with its log";

impl Action {
    /// True for what follows from another action and needs no word of its own.
    #[must_use]
    pub fn follows(&self) -> bool {
        self.kind == ActionKind::RebuildDerived && self.reason == WITH_ITS_LOG
    }
}

/// What can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionKind {
    /// A file that holds only what others say is written anew.
    RebuildDerived,
    /// The bytes at the end of a `.log` go, in which no batch begins that was ever finished.
    CutTail,
    /// Bytes in a `.log` go that no batch proves, or a batch that has no place.
    DropRange,
    /// The second copy of a batch goes.
    DropDuplicate,
    /// The one bit is set back that explains a checksum.
    RestoreBit {
        /// The byte.
        position: Position,
        /// Which of its bits, 0 the lowest.
        bit: u8,
    },
    /// A field that no checksum covers gets the one value that fits.
    RestoreField {
        /// Its name, in Kafka's words.
        field: &'static str,
        /// As it stands.
        from: i64,
        /// As it has to be.
        to: i64,
    },
    /// Batches go where their offsets belong.
    MoveBatches {
        /// The offset in the name of the segment that they go to.
        to_segment: Offset,
    },
    /// A segment becomes several.
    SplitSegment {
        /// The offsets in their names.
        into: Vec<Offset>,
    },
    /// Everything from here on goes, as a broker would have it.
    Truncate,
    /// An interrupted replacement is finished.
    FinishReplace,
    /// An interrupted replacement is taken back.
    RollBackReplace,
    /// A file or directory goes that would stop a broker, or that it would delete.
    SetAside,
    /// A checkpoint of the log dir gets a line that holds.
    RewriteCheckpoint,
}

/// What is not there afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The `.log`.
    pub file: Arc<Path>,
    /// Which of its bytes go.
    pub range: Range<Position>,
    /// Which offsets no reader gets any more: both inside. `None` where none is missing: a second
    /// copy, zeros, or bytes between batches that follow each other; and where nobody can know
    /// which, when there are no `records` either.
    pub offsets: Option<(Offset, Offset)>,
    /// How many records that is at most; fewer where the partition was compacted. `None` when
    /// nobody can know.
    pub records: Option<u64>,
    /// True for the end of the log where it was never finished: nobody was promised that.
    pub is_unfinished: bool,
}

impl Loss {
    /// How many bytes go.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.range.end.0.saturating_sub(self.range.start.0)
    }
}

/// What stays wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftAlone {
    /// What was found.
    pub finding: Finding,
    /// Why nothing is done about it.
    pub why: String,
}

impl Plan {
    /// True when nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// True when records are lost that somebody may have been promised: such a plan is applied
    /// only where this is the sole copy. Nobody was promised what is cut off at the end.
    #[must_use]
    pub fn loses_records(&self) -> bool {
        let may_have = |loss: &Loss| match loss.records {
            Some(records) => records > 0,
            None => !loss.is_unfinished,
        };
        self.losses.iter().any(|loss| loss.offsets.is_some() || may_have(loss))
    }
}
