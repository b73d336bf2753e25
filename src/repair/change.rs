//! What is done to a disk, one change at a time. Nothing here says why: see [`super::plan`].

use crate::format::Offset;
use crate::log::file_facts::FileIdentity;
use crate::log::image::LogImage;
use std::path::{Path, PathBuf};

/// One change of a partition or a log dir. Each is done as a whole or not at all, whatever happens
/// meanwhile; those of a list are done in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A small file gets the bytes that it should have.
    WriteFile(WriteFile),
    /// Segments give way to others.
    ReplaceSegments(ReplaceSegments),
    /// A replacement of segments that was interrupted is finished as a broker would.
    FinishReplace(FinishReplace),
    /// A file or a directory goes.
    SetAside(SetAside),
}

/// A file that holds only what other files say, or what a broker needs to start: `.index`,
/// `.timeindex`, `.txnindex`, `.snapshot`, checkpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteFile {
    /// The file.
    pub path: PathBuf,
    /// All its bytes afterwards.
    pub after: Vec<u8>,
    /// The file that is replaced, as it was before it was read; `None` when there was none.
    pub before: Option<FileIdentity>,
    /// The file beside it whose owner, mode and age one gets that replaces none: the `.log`.
    pub like: PathBuf,
    /// The files that `after` was made from, as they were before they were read.
    pub made_from: Vec<(PathBuf, FileIdentity)>,
}

/// Neighbouring segments that give way to others, together: Kafka's own order of `.cleaned`,
/// `.swap` and final names, so that a broker that starts in between finishes it or undoes it. A
/// broker that finishes it deletes everything from the first new base offset to the last new
/// offset, so no segment in between may be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplaceSegments {
    /// Those that are there, in the order of base offsets.
    pub before: Vec<SegmentBefore>,
    /// Those that take their place, in the order of base offsets.
    pub after: Vec<SegmentAfter>,
}

/// A segment that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentBefore {
    /// The offset in its names.
    pub base_offset: Offset,
    /// Its `.log`, `.index`, `.timeindex`, `.txnindex`, as far as they are there, as they were
    /// before they were read.
    pub files: Vec<(PathBuf, FileIdentity)>,
}

/// A segment that comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentAfter {
    /// The offset in its names.
    pub base_offset: Offset,
    /// Its `.log`, of ranges of the segments that go.
    pub log: LogImage,
    /// Its `.index`.
    pub index: Vec<u8>,
    /// Its `.timeindex`.
    pub time_index: Vec<u8>,
    /// Its `.txnindex`; `None` when it has none. One that was there is replaced by an empty one.
    pub txn_index: Option<Vec<u8>>,
    /// The `.log` that goes, whose owner, mode and age the new one gets. An index gets those of
    /// the one that it replaces, else these.
    pub like: PathBuf,
}

/// Files of an interrupted replacement that have become whole, and those that they replace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishReplace {
    /// From the `.swap` name to the final one, in the order of names.
    pub renames: Vec<(PathBuf, PathBuf, FileIdentity)>,
    /// What goes for them; one that has the final name of another goes with that.
    pub replaced: Vec<(PathBuf, FileIdentity)>,
}

/// A file or a directory that goes. It is kept among the originals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Where it is.
    pub path: PathBuf,
    /// Which file it was; `None` for a directory.
    pub before: Option<FileIdentity>,
}

impl Change {
    /// The file that the change is called after.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::WriteFile(write) => &write.path,
            Self::SetAside(aside) => &aside.path,
            Self::ReplaceSegments(replace) => {
                let first = replace.before.first().and_then(|segment| segment.files.first());
                let first = first.map(|(path, _)| path.as_path());
                first.or(replace.after.first().map(|after| after.like.as_path()))
            }
            .unwrap_or(Path::new("")),
            Self::FinishReplace(finish) => {
                finish.renames.first().map_or(Path::new(""), |(from, ..)| from)
            }
        }
    }
}
