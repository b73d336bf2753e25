//! Could not look, or could not write: which path, doing what, and why.
//!
//! Damaged bytes are never an [`Error`]; see `format::FormatError` for bytes that do not parse.

use std::path::{Path, PathBuf};

/// Something outside the bytes stood in the way: the operating system said no, or the thing asked
/// for is not there.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {}: {source}", path.display())]
pub struct Error {
    /// The file or directory that was being worked on.
    pub path: PathBuf,
    /// What was being done, as a verb in its -ing form: `reading`, `listing`, `mapping`.
    pub doing: &'static str,
    /// Why it failed.
    #[source]
    pub source: std::io::Error,
}

impl Error {
    /// Ties an I/O error to the path it happened on.
    pub fn new(doing: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self { path: path.to_owned(), doing, source }
    }

    /// An error of our own making, with a sentence instead of an operating system's code.
    pub fn other(doing: &'static str, path: &Path, why: impl Into<String>) -> Self {
        Self::new(doing, path, std::io::Error::other(why.into()))
    }
}

/// The result of everything that touches the operating system.
pub type Result<T> = std::result::Result<T, Error>;
