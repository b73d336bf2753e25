//! House rules that no lint holds. A rule is a function over the text of a file; its own test
//! shows what breaks it and what comes close.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "tidy/disk.rs"]
mod disk;
#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/safety.rs"]
mod safety;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/text.rs"]
mod text;
