//! Notes where a release comes from: the commit of this checkout, and whether it was changed.
//!
//! A debug build says nothing of it, so that a commit is no reason to build anything anew. There is
//! no time of the build in it: the same sources make the same binary.

#![allow(clippy::print_stdout, reason = "this is how Cargo is told")]

use std::env::var;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the binary is made of.
const SOURCES: [&str; 4] = ["src", "build.rs", "Cargo.toml", "Cargo.lock"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-env=SEG_TARGET={}", var("TARGET").unwrap_or_default());
    if var("PROFILE").is_ok_and(|profile| profile == "debug") {
        return;
    }
    let root = PathBuf::from(var("CARGO_MANIFEST_DIR").unwrap_or_default());
    if let Some(commit) = of_checkout(&root).or_else(|| of_package(&root)) {
        println!("cargo:rustc-env=SEG_COMMIT={commit}");
    }
}

/// The commit that is checked out here. The sources are watched too: with a change in them it is no
/// longer that commit.
fn of_checkout(root: &Path) -> Option<String> {
    let top = git(root, &["rev-parse", "--show-toplevel"])?;
    // Unpacked in somebody else's checkout, it is none of theirs.
    if fs::canonicalize(top).ok()? != fs::canonicalize(root).ok()? {
        return None;
    }
    let branch = git(root, &["symbolic-ref", "--quiet", "HEAD"]);
    let names = ["HEAD", "logs/HEAD", "packed-refs"].map(str::to_owned);
    for name in names.into_iter().chain(branch) {
        let path = root.join(git(root, &["rev-parse", "--git-path", &name])?);
        // Cargo takes a file that is not there for one that changes all the time.
        if path.is_file() {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
    }
    let commit = git(root, &["show", "--no-patch", "--format=%h %cs", "--abbrev=12", "HEAD"])?;
    let (hash, date) = commit.split_once(' ')?;
    let is_same = git(root, &[&["status", "--porcelain", "--"], &SOURCES[..]].concat())?.is_empty();
    Some(format!("{hash} of {date}{}", if is_same { "" } else { ", with changes" }))
}

/// The commit that Cargo packed this from.
fn of_package(root: &Path) -> Option<String> {
    let path = root.join(".cargo_vcs_info.json");
    let text = fs::read_to_string(&path).ok()?;
    println!("cargo:rerun-if-changed={}", path.display());
    let hash = text.split_once("\"sha1\": \"")?.1.split('"').next()?;
    let is_same = !text.contains("\"dirty\": true");
    Some(format!("{}{}", hash.get(..12)?, if is_same { "" } else { ", with changes" }))
}

fn git(root: &Path, words: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("--no-optional-locks")
        .arg("-C")
        .arg(root)
        .args(words)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
