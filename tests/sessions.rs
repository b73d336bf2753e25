//! Command sessions as people see them: those in `tests/sessions` and every one of the README.
//!
//! `TRYCMD=overwrite cargo test --test sessions` writes down what is printed now.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

/// A segment of `testdata` in which one bit of one batch is flipped.
fn damage(from: &str, to: &str, at: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut bytes = fs::read(root.join(from)).unwrap();
    *bytes.get_mut(at).unwrap() ^= 1;
    let to = root.join(to);
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::write(to, bytes).unwrap();
}

#[test]
fn sessions() {
    let sessions = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions");
    fs::create_dir_all(sessions.join("errors.in/empty")).unwrap();
    damage(
        "testdata/kafka-4.3.1/epochs-0/00000000000000000000.log",
        "tests/sessions/damage.in/orders-0/00000000000000000000.log",
        700,
    );
    trycmd::TestCases::new()
        .case("tests/sessions/*.trycmd")
        .case("README.md")
        .env("COLUMNS", "100");
}
