//! House rules that no lint holds.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use segkit::check::CODES;
use segkit::check::explain::page;
use std::fs;
use std::path::PathBuf;

const LINE_COLUMNS: usize = 100;
const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;

/// Files that may hold `unsafe`, each with its proof.
const UNSAFE_FILES: [&str; 3] =
    ["src/log/file_bytes.rs", "src/log/lease.rs", "src/bin/seg/signals.rs"];

/// The one file that changes disks.
const DISK_FILE: &str = "src/log/disk.rs";

/// Files that may ask it to: what makes whole files of its calls, the lock file, plans and what
/// they keep.
const DISK_USERS: [&str; 17] = [
    "src/log/appender.rs",
    "src/log/new_file.rs",
    "src/log/lock.rs",
    "src/log/writer/create.rs",
    "src/log/writer/files.rs",
    "src/log/writer/mod.rs",
    "src/log/writer/open.rs",
    "src/log/writer/reserve.rs",
    "src/repair/apply/derived.rs",
    "src/repair/apply/files.rs",
    "src/repair/apply/mod.rs",
    "src/repair/apply/segments.rs",
    "src/repair/backup/manifest.rs",
    "src/repair/backup/mod.rs",
    "src/repair/backup/place.rs",
    "src/repair/copy.rs",
    "src/repair/undo.rs",
];

/// What is not named by what has no clock, sockets or threads; `Instant` is only a type.
const CLOCKLESS: &[&str] =
    &["Instant::now()", "SystemTime::now()", "std::net", "std::thread", "std::process", "rustix"];

/// Where the coordinator of groups has its thread, and its way to the rest of the server.
const OUTSIDE: [&str; 3] =
    ["src/serve/groups/ask.rs", "src/serve/groups/handle.rs", "src/serve/groups/thread.rs"];

struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The file without its test module.
    fn code(&self) -> &str {
        self.text.split("#[cfg(test)]\nmod tests {").next().unwrap()
    }

    fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap();
        name == "tests.rs" || name.ends_with("_tests.rs") || self.path.contains("/tests/")
    }
}

fn sources(root: &str) -> Vec<Source> {
    let mut paths = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(root)];
    let mut sources = Vec::new();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            sources.push(Source { path: name.to_str().unwrap().to_owned(), text });
        }
    }
    assert!(!sources.is_empty(), "no source below {root}");
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn complain(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn lines_functions_and_files_are_short() {
    let mut problems = Vec::new();
    for source in sources("src") {
        for (number, line) in source.text.lines().enumerate() {
            if line.chars().count() > LINE_COLUMNS {
                problems.push(format!("{}:{}: a long line", source.path, number + 1));
            }
        }
        if source.is_test() {
            continue;
        }
        let lines = source.code().lines().count();
        if lines > FILE_LINES {
            problems.push(format!("{}: {lines} lines", source.path));
        }
        let mut begun: Option<(usize, usize)> = None;
        for (number, line) in source.code().lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let is_function = line.trim_start().split(' ').take(4).any(|word| word == "fn");
            match begun {
                None if is_function && !line.contains(';') => begun = Some((number, indent)),
                Some((first, depth)) if indent == depth && line.trim() == "}" => {
                    let length = number - first + 1;
                    if length > FUNCTION_LINES {
                        let place = format!("{}:{}", source.path, first + 1);
                        problems.push(format!("{place}: a function of {length} lines"));
                    }
                    begun = None;
                }
                _ => {}
            }
        }
    }
    complain(&problems);
}

#[test]
fn imports_go_down_only() {
    let forbidden: [(&str, &[&str]); 9] = [
        (
            "src/format/",
            &[
                "crate::log",
                "crate::check",
                "crate::repair",
                "crate::serve",
                "crate::error",
                "std::fs",
                "std::net",
                "std::thread",
                "memmap2",
                "rustix",
                "rayon",
            ],
        ),
        ("src/log/", &["crate::check", "crate::repair", "crate::serve", "rayon", "std::net"]),
        (
            "src/check/",
            &["crate::repair", "crate::serve", "crate::log::disk", "std::fs", "memmap2", "rustix"],
        ),
        (
            "src/produce/",
            &[
                "crate::log",
                "crate::check",
                "crate::repair",
                "crate::serve",
                "std::fs",
                "std::net",
                "std::thread",
                "std::time",
                "memmap2",
                "rustix",
                "rayon",
            ],
        ),
        (
            "src/repair/",
            &["crate::serve", "std::fs", "std::net", "memmap2", "rustix", "libc", "rayon"],
        ),
        (
            "src/serve/",
            &[
                "crate::check",
                "crate::repair",
                "crate::produce",
                "crate::log::disk",
                "crate::log::writer",
                "crate::log::new_file",
                "std::fs",
                "memmap2",
                "rayon",
            ],
        ),
        ("src/serve/wire/", CLOCKLESS),
        ("src/serve/groups/", CLOCKLESS),
        ("src/bin/", &["memmap2", "crc32c", "crc32fast", "lz4_flex", "flate2"]),
    ];
    let mut problems = Vec::new();
    for source in sources("src") {
        for (layer, words) in forbidden {
            if !source.path.starts_with(layer) || source.is_test() {
                continue;
            }
            for (number, line) in source.code().lines().enumerate() {
                let line = line.trim_start();
                // A file that `log` opened may be held.
                let holds_files = ["src/repair/", "src/serve/"].contains(&layer);
                let is_handle = holds_files && line == "use std::fs::File;";
                let is_fenced = layer == "src/serve/groups/" && OUTSIDE.contains(&&*source.path);
                if line.starts_with("//") || is_handle || is_fenced {
                    continue;
                }
                for word in words.iter().filter(|word| {
                    line.contains(&format!("{word}::"))
                        || line.contains(&format!("{word};"))
                        || line.contains(&format!("{word}::{{"))
                        || word.ends_with("()") && line.contains(**word)
                }) {
                    // The formats' own module of checksums has a crate's name.
                    if !line.contains(&format!("crc::{word}")) {
                        problems.push(format!("{}:{}: {word}", source.path, number + 1));
                    }
                }
            }
        }
    }
    complain(&problems);
}

/// Calls that change a disk are in one file, and few call it.
#[test]
fn disks_are_changed_in_one_place() {
    let calls = [
        "fs::write(",
        "fs::rename(",
        "fs::copy(",
        "fs::create_dir",
        "fs::remove_",
        "fs::hard_link(",
        "fs::set_permissions(",
        "fs::symlink(",
        "File::create",
        "File::options(",
        "OpenOptions",
        "OFlags::CREATE",
        "OFlags::TRUNC",
        "OFlags::TMPFILE",
        ".set_len(",
        ".set_modified(time)",
        ".set_times(",
        ".sync_all(",
        ".sync_data(",
        "fs::fchmod(",
        "fchown(",
        "setxattr(",
        "removexattr(",
        "linkat(",
        "renameat",
        "fs::unlink",
        "ftruncate(",
        "fallocate(",
    ];
    let mut problems = Vec::new();
    for source in sources("src") {
        if source.path == DISK_FILE || source.is_test() {
            continue;
        }
        let may_ask = DISK_USERS.contains(&source.path.as_str());
        for (number, line) in source.code().lines().enumerate() {
            let code = line.trim_start();
            let asks = code.contains("disk.");
            let is_call = calls.iter().any(|call| code.contains(call)) && !(may_ask && asks);
            let is_user = code.contains("dyn Disk") || code.contains("impl Disk") || asks;
            if !code.starts_with("//") && (is_call || is_user && !may_ask) {
                problems.push(format!("{}:{}: {code}", source.path, number + 1));
            }
        }
    }
    complain(&problems);
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let disk = fs::read_to_string(root.join(DISK_FILE)).unwrap();
    assert!(calls.iter().filter(|call| disk.contains(*call)).count() > 8, "the calls have moved");
}

#[test]
fn unsafe_stands_where_it_is_fenced() {
    let mut found = Vec::new();
    for source in sources("src") {
        let code = source.code().lines().filter(|line| !line.trim_start().starts_with("//"));
        if code.clone().any(|line| line.contains("unsafe {") || line.contains("unsafe fn")) {
            assert!(source.text.contains("// SAFETY: "), "{}: no proof", source.path);
            found.push(source.path.clone());
        }
    }
    found.sort();
    let mut allowed = UNSAFE_FILES.map(str::to_owned);
    allowed.sort();
    assert_eq!(found, allowed);
}

#[test]
fn every_file_says_what_it_is_for() {
    let mut problems = Vec::new();
    for source in sources("src").into_iter().chain(sources("tests")) {
        if !source.text.starts_with("//! ") {
            problems.push(format!("{}: does not begin with what it is for", source.path));
        }
    }
    complain(&problems);
}

#[test]
fn format_files_begin_with_a_picture() {
    // What is below a folder belongs to the picture of its `mod.rs`.
    let without = ["src/format/crc.rs", "src/format/mod.rs", "src/format/replay/mod.rs"];
    let mut problems = Vec::new();
    for source in sources("src/format") {
        let path = source.path.as_str();
        let is_part = path.matches('/').count() > 2 && !path.ends_with("/mod.rs");
        let head: String = source.text.lines().take_while(|line| line.starts_with("//!")).collect();
        if !without.contains(&path) && !is_part && !source.is_test() && !head.contains("```text") {
            problems.push(format!("{}: no picture at its head", source.path));
        }
    }
    complain(&problems);
}

/// `"name"` in JSON comes from `row/names.rs` alone.
#[test]
fn output_names_are_in_one_place() {
    let mut problems = Vec::new();
    for source in sources("src/bin") {
        if source.path.ends_with("row/names.rs") || source.path.ends_with("render.rs") {
            continue;
        }
        for (number, line) in source.code().lines().enumerate() {
            if line.contains("name!(") {
                problems.push(format!("{}:{}: an output name", source.path, number + 1));
            }
        }
    }
    complain(&problems);
}

/// Every code of a finding is explained to people and asked for by a test.
#[test]
fn every_finding_is_documented_and_tripped() {
    let tests: String = sources("tests").into_iter().map(|source| source.text).collect();
    let mut problems = Vec::new();
    for code in CODES {
        if page(code).is_none() {
            problems.push(format!("{code}: seg explain has no page of it"));
        }
        if !tests.contains(&format!("\"{code}\"")) {
            problems.push(format!("{code}: no test trips it"));
        }
    }
    complain(&problems);
}

#[test]
fn nothing_is_left_unfinished() {
    let marks = ["todo!", "unimplemented!", concat!("FIX", "ME"), concat!("XX", "X ")];
    let mut problems = Vec::new();
    for source in sources("src").into_iter().chain(sources("tests")) {
        if source.path == "tests/tidy.rs" {
            continue;
        }
        for (number, line) in source.text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                problems.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    complain(&problems);
}
