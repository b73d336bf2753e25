//! What a repair's backup says of itself.

use super::memory::{SMALL, within};
use segkit::repair::backup::manifest::is_readable;

pub fn run(data: &[u8]) {
    within(SMALL + 400 * data.len(), || {
        if is_readable(data) {
            // The line that was being written when the power went.
            assert!(is_readable(&[data, b"\n{\"type\":\"step\",\"wri"].concat()));
        }
    });
}
