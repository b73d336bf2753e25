//! Fuzz targets of segkit. What they do is in [`targets`], what they begin with in [`seeds`]; the
//! main package's `tests/fuzz_regressions.rs` includes the same files.

pub mod seeds;
pub mod targets;
