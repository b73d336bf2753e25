//! Command sessions as people see them: those in `tests/sessions`, and every one of the README and
//! of `docs/`.
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

/// A partition of `testdata`, copied, without its files of these endings.
fn without(from: &str, to: &str, endings: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let to = root.join(to);
    drop(fs::remove_dir_all(&to));
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(root.join(from)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if !endings.iter().any(|ending| name.ends_with(ending)) {
            fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}

/// Partitions that a repair finds nothing in, a flipped bit, a batch of zeros, and no indexes; each
/// in a directory of its own, so that none is in a log dir.
fn repairs() {
    let healthy = "testdata/kafka-4.3.1/epochs-0";
    let log = "00000000000000000000.log";
    let partition = |of: &str| format!("tests/sessions/repair.in/{of}/orders-0");
    drop(fs::remove_dir_all(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions/repair.in"),
    ));
    for of in ["healthy", "bit", "hole"] {
        without(healthy, &partition(of), &[]);
    }
    without(healthy, &partition("indexes"), &["182.index", "182.timeindex"]);
    damage(&format!("{healthy}/{log}"), &format!("{}/{log}", partition("bit")), 700);
    let hole = Path::new(env!("CARGO_MANIFEST_DIR")).join(partition("hole")).join(log);
    let mut bytes = fs::read(&hole).unwrap();
    bytes.get_mut(619..722).unwrap().fill(0);
    fs::write(hole, bytes).unwrap();
}

/// Partitions to append to: a healthy one, one that ends in the middle of a batch, one with a
/// flipped bit; and a directory of somebody's notes.
fn writes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    drop(fs::remove_dir_all(root.join("tests/sessions/write.in")));
    let healthy = "testdata/kafka-4.3.1/epochs-0";
    let partition = |of: &str| format!("tests/sessions/write.in/{of}orders-0");
    for of in ["", "bit/"] {
        without(healthy, &partition(of), &[]);
    }
    // As a killed run leaves it.
    without(healthy, &partition("torn/"), &["276.index", "276.timeindex", "366.snapshot"]);
    let last = "00000000000000000276.log";
    damage(&format!("{healthy}/{last}"), &format!("{}/{last}", partition("bit/")), 700);
    let torn = root.join(partition("torn/")).join(last);
    let length = fs::metadata(&torn).unwrap().len();
    fs::File::options().write(true).open(torn).unwrap().set_len(length - 9).unwrap();
    let notes = root.join("tests/sessions/write.in/notes-0");
    fs::create_dir_all(&notes).unwrap();
    fs::write(notes.join("todo.txt"), b"").unwrap();
}

/// What the scripts of the guide make, made as it says; and the README's disaster, which is that of
/// the guide in a directory of its own, since sessions run side by side.
fn scripts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for left in ["disaster", "made"] {
        drop(fs::remove_dir_all(root.join(left)));
    }
    for page in ["check", "repair", "write"] {
        let text = fs::read_to_string(root.join(format!("docs/guide/{page}.md"))).unwrap();
        let blocks: Vec<&str> = text.split("\n```sh\n").skip(1).collect();
        assert!(!blocks.is_empty(), "{page} has no script");
        for block in blocks {
            let script = block.split("\n```").next().unwrap();
            run_script(root, script);
        }
    }
    run_script(root, "docs/disaster");
}

fn run_script(root: &Path, script: &str) {
    let mut shell = std::process::Command::new("sh");
    let seg = Path::new(env!("CARGO_BIN_EXE_seg")).parent().unwrap();
    let others = std::env::var("PATH").unwrap();
    shell.env("PATH", format!("{}:{others}", seg.display()));
    shell.args(["-eu", "-c", script]).current_dir(root).stdout(std::process::Stdio::null());
    assert!(shell.status().unwrap().success(), "{script}");
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
    without(
        "testdata/kafka-4.3.1/epochs-0",
        "tests/sessions/verify.in/orders-0",
        &["182.index", "182.timeindex"],
    );
    damage(
        "testdata/kafka-4.3.1/epochs-0/00000000000000000000.log",
        "tests/sessions/verify.in/orders-0/00000000000000000000.log",
        700,
    );
    without(
        "testdata/kafka-4.3.1/txn-0",
        "tests/sessions/reindex.in/orders-1",
        &["147.index", "147.txnindex"],
    );
    repairs();
    writes();
    scripts();
    trycmd::TestCases::new()
        .case("tests/sessions/*.trycmd")
        .case("README.md")
        .case("docs/**/*.md")
        .env("COLUMNS", "100");
}
