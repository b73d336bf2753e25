//! Could not look, or could not write: which path, doing what, and why.
//!
//! Damaged bytes are never an [`Error`]; see `format::FormatError` for bytes that do not parse.

use std::path::{Path, PathBuf};

/// Something outside the bytes stood in the way: the operating system said no, or the thing asked
/// for is not there.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {}: {}", path.display(), in_words(source))]
pub struct Error {
    /// The file or directory that was being worked on.
    pub path: PathBuf,
    /// What was being done, as a verb in its -ing form: `reading`, `listing`, `mapping`.
    pub doing: &'static str,
    /// Why it failed.
    #[source]
    pub source: std::io::Error,
}

/// The operating system's sentence without the number behind it.
fn in_words(error: &std::io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        Some(code) => text.trim_end_matches(&format!(" (os error {code})")).to_owned(),
        None => text,
    }
}

impl Error {
    /// Ties an I/O error to the path it happened on.
    pub fn new(doing: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self { path: path.to_owned(), doing, source }
    }

    /// Why, in the operating system's words.
    #[must_use]
    pub fn reason(&self) -> String {
        in_words(&self.source)
    }

    /// An error of our own making, with a sentence instead of an operating system's code.
    pub fn other(doing: &'static str, path: &Path, why: impl Into<String>) -> Self {
        Self::new(doing, path, std::io::Error::other(why.into()))
    }
}

/// The result of everything that touches the operating system.
pub type Result<T> = std::result::Result<T, Error>;
