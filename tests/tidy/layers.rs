//! Who may import whom, which crates a layer may use, and what of the system it may name.

use crate::source::{Source, complain, product, read, root, trips, words};
use std::collections::BTreeSet;

struct Layer {
    /// Its files are those whose path begins so.
    path: &'static str,
    /// Modules of the library that it may import, besides its own.
    modules: &'static [&'static str],
    /// Crates that it may use.
    crates: &'static [&'static str],
    /// Paths, and beginnings of paths, that it may not name.
    never: &'static [&'static str],
    /// Files that may nevertheless, each with what.
    but: &'static [(&'static str, &'static str)],
}

/// What is pure: bytes and values in, bytes and values out.
const SYSTEM: &[&str] =
    &["std::fs", "std::net", "std::thread", "std::process", "std::env", "std::time", "std::os"];

/// The picture of `src/lib.rs` as a table; a file belongs to every layer that it is below.
const LAYERS: [Layer; 14] = [
    Layer {
        path: "src/format/",
        modules: &["limits"],
        crates: &[
            "crc32c",
            "crc32fast",
            "flate2",
            "lz4_flex",
            "snap",
            "thiserror",
            "twox_hash",
            "zerocopy",
            "zstd",
        ],
        never: SYSTEM,
        but: &[],
    },
    Layer {
        path: "src/log/",
        modules: &["error", "format", "limits"],
        crates: &["libc", "memmap2", "rustix", "thiserror"],
        never: &[
            "std::net",
            "std::thread",
            "std::process::Command",
            "std::process::exit",
            "std::env",
            "Instant::now",
            "SystemTime::now",
            "rustix::time",
            "rustix::net",
        ],
        but: &[],
    },
    Layer {
        path: "src/check/",
        modules: &["error", "format", "limits", "log", "ordered", "progress"],
        crates: &[],
        never: &[
            "std::fs",
            "std::net",
            "std::thread",
            "std::process",
            "std::env",
            "Instant::now",
            "SystemTime::now",
            "crate::log::disk",
            "crate::log::new_file",
            "crate::log::appender",
            "crate::log::writer",
        ],
        // Lets a directory come to rest that somebody is changing.
        but: &[("src/check/second_look.rs", "std::thread")],
    },
    Layer {
        path: "src/repair/",
        modules: &["check", "error", "format", "limits", "log", "progress"],
        crates: &["serde_json", "sha2"],
        never: &[
            "std::fs",
            "std::net",
            "std::thread",
            "std::process",
            "std::env",
            "Instant::now",
            "SystemTime::now",
        ],
        but: &[],
    },
    Layer {
        path: "src/produce/",
        modules: &["format"],
        crates: &["base64", "thiserror"],
        never: SYSTEM,
        but: &[],
    },
    Layer {
        path: "src/serve/",
        modules: &["error", "format", "limits", "log"],
        crates: &["mio", "rustix", "slab", "thiserror", "tracing"],
        never: &[
            "std::fs",
            "std::process",
            "std::env",
            "SystemTime::now",
            "crate::log::disk",
            "crate::log::new_file",
            "crate::log::appender",
            "crate::log::writer",
        ],
        // A file that `log` opened may be held.
        but: &[("src/serve/files.rs", "std::fs::File;")],
    },
    // The protocol: bytes to requests, answers to bytes.
    Layer {
        path: "src/serve/wire/",
        modules: &["format"],
        crates: &["thiserror"],
        never: SYSTEM,
        but: &[],
    },
    // Groups are a state machine, and what is around it.
    Layer {
        path: "src/serve/groups/",
        modules: &["error", "format", "limits", "log"],
        crates: &["tracing"],
        never: &["std::net", "std::thread", "Instant::now"],
        but: &[
            ("src/serve/groups/ask.rs", "std::net::IpAddr;"),
            ("src/serve/groups/handle.rs", "std::thread"),
            ("src/serve/groups/thread.rs", "Instant::now"),
        ],
    },
    Layer { path: "src/error.rs", modules: &[], crates: &["thiserror"], never: SYSTEM, but: &[] },
    Layer { path: "src/limits.rs", modules: &[], crates: &[], never: SYSTEM, but: &[] },
    Layer { path: "src/progress.rs", modules: &[], crates: &[], never: SYSTEM, but: &[] },
    Layer {
        path: "src/ordered.rs",
        modules: &[],
        crates: &[],
        never: &["std::fs", "std::net", "std::process", "std::env", "std::time", "std::os"],
        but: &[],
    },
    Layer { path: "src/lib.rs", modules: &[], crates: &[], never: SYSTEM, but: &[] },
    Layer {
        path: "src/bin/",
        modules: &[
            "check", "error", "format", "limits", "log", "ordered", "produce", "progress",
            "repair", "serve",
        ],
        crates: &[
            "anstream",
            "anyhow",
            "base64",
            "clap",
            "clap_complete",
            "comfy_table",
            "indicatif",
            "itoa",
            "jiff",
            "rustix",
            "serde",
            "serde_json",
            "signal_hook",
            "thiserror",
            "tracing",
            "tracing_subscriber",
        ],
        never: &["std::fs", "std::net::TcpStream", "std::net::TcpListener"],
        but: &[
            // Whether a path that was named is empty, and its size.
            ("src/bin/seg/input.rs", "std::fs"),
            // What stands where nothing was found, and whose it is.
            ("src/bin/seg/advice.rs", "std::fs"),
            ("src/bin/seg/kafka_dump_log/files.rs", "std::fs"),
            // A plan is no file of Kafka's.
            ("src/bin/seg/repair/plan_file.rs", "std::fs::File::open"),
        ],
    },
];

/// The names in a section of `Cargo.toml`, as code spells them.
fn dependencies(manifest: &str, section: &str) -> BTreeSet<String> {
    let lines = manifest.lines().skip_while(|line| *line != format!("[{section}]")).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.split_once(" = "));
    names.map(|(name, _)| name.replace('-', "_")).collect()
}

/// Whether `line` uses `path` from its first part on: not as the end of another path or word.
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = &line[..at];
        let behind = &line[at + path.len()..];
        let ends = |text: &str, letter: Option<char>| {
            text.is_empty() || !letter.is_some_and(|it| it.is_alphanumeric() || it == '_')
        };
        // `std::time::Instant::now` is `Instant::now`, `format::crc::crc32c` is no crate.
        let is_first = !before.ends_with("::") || path.starts_with(char::is_uppercase);
        is_first && ends(before, before.chars().next_back()) && ends(behind, behind.chars().next())
    })
}

/// Whether `line` uses the crate `name`: a path that begins with it, or a `use`.
fn uses_crate(line: &str, name: &str) -> bool {
    line.contains(name)
        && words(line).any(|(before, word, behind)| {
            let outer = before.strip_suffix("::").map(|it| it.ends_with(char::is_alphanumeric));
            let is_first = outer != Some(true);
            let is_used = before.trim_end().ends_with("use") && behind.starts_with([';', ' ']);
            word == name && is_first && (behind.starts_with("::") || is_used)
        })
}

/// The modules of the library that `line` goes to from its root.
fn modules(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for start in ["crate::", "segkit::"] {
        for (at, _) in line.match_indices(start) {
            let behind = &line[at + start.len()..];
            match behind.strip_prefix('{') {
                // Of `{a::B, c}` what stands at the beginning and behind each comma.
                Some(list) => found.extend(list.split(',').map(first_word)),
                None => found.push(first_word(behind)),
            }
        }
    }
    found
}

fn first_word(text: &str) -> &str {
    words(text).next().map_or("", |(_, word, _)| word)
}

/// How often `super::` stands in a row in `line`, at most.
fn climbs(line: &str) -> usize {
    let mut most = 0;
    for (at, _) in line.match_indices("super::") {
        let mut rest = &line[at..];
        let mut steps = 0;
        while let Some(behind) = rest.strip_prefix("super::") {
            (rest, steps) = (behind, steps + 1);
        }
        most = most.max(steps);
    }
    most
}

/// How many `super::` lead from a file to the root of its crate.
fn depth(path: &str) -> usize {
    let below = path.trim_start_matches("src/").trim_start_matches("bin/seg/");
    let parts = below.trim_end_matches(".rs").trim_end_matches("/mod").split('/');
    parts.filter(|part| !["lib", "main"].contains(part)).count()
}

fn imports_up(source: &Source) -> Vec<String> {
    let crates = dependencies(&read("Cargo.toml"), "dependencies");
    let own = source.path.split('/').nth(1).unwrap().trim_end_matches(".rs");
    let is_library = !source.path.starts_with("src/bin/");
    let mut problems = Vec::new();
    for layer in LAYERS.iter().filter(|layer| source.path.starts_with(layer.path)) {
        for (number, line) in source.code_lines() {
            let mut wrong = Vec::new();
            let is_excused = |path: &str| {
                layer.but.iter().any(|(file, what)| {
                    *file == source.path && what.starts_with(path) && line.contains(what)
                })
            };
            let to_modules =
                modules(line).into_iter().filter(|_| is_library || line.contains("segkit"));
            wrong.extend(to_modules.filter(|name| *name != own && !layer.modules.contains(name)));
            let used = crates.iter().filter(|name| uses_crate(line, name));
            wrong.extend(used.map(String::as_str).filter(|name| !layer.crates.contains(name)));
            let named = layer.never.iter().filter(|path| names(line, path));
            wrong.extend(named.filter(|path| !is_excused(path)));
            if is_library && depth(&source.path) > 0 && climbs(line) >= depth(&source.path) {
                wrong.push("super:: up to the root");
            }
            problems.extend(wrong.iter().map(|what| format!("{}: {what}", source.at(number))));
        }
    }
    problems
}

#[test]
fn imports_go_down_only() {
    let mut problems = Vec::new();
    for source in product() {
        if !LAYERS.iter().any(|layer| source.path.starts_with(layer.path)) {
            problems.push(format!("{}: of no layer", source.path));
        }
        problems.extend(imports_up(&source));
    }
    complain(&problems);
}

#[test]
fn an_import_that_goes_up_is_found() {
    let bad = [
        ("src/format/batch.rs", "use crate::log::Segment;"),
        ("src/format/batch.rs", "use crate::{error::Error, limits};"),
        ("src/format/batch.rs", "    let now = std::time::Instant::now();"),
        ("src/format/batch.rs", "use rustix::fs::open;"),
        ("src/format/replay/epochs.rs", "use super::super::super::log::Segment;"),
        ("src/format/mod.rs", "use super::log::Segment;"),
        ("src/log/disk.rs", "use crate::check::Finding;"),
        ("src/log/disk.rs", "let at = SystemTime::now();"),
        ("src/check/run.rs", "use crate::log::disk::RealDisk;"),
        ("src/check/run.rs", "use rustix;"),
        ("src/check/run.rs", "std::thread::sleep(pause);"),
        ("src/repair/copy.rs", "use std::fs;"),
        ("src/repair/copy.rs", "use crate::serve::Config;"),
        ("src/produce/compare.rs", "use crate::log::writer::PartitionWriter;"),
        ("src/produce/compare.rs", "let began = std::time::Instant::now();"),
        ("src/serve/queue.rs", "use crate::check::verify;"),
        ("src/serve/queue.rs", "use crate::log::writer::PartitionWriter;"),
        ("src/serve/queue.rs", "use std::fs::File;"),
        ("src/serve/files.rs", "std::fs::write(path, bytes);"),
        ("src/serve/wire/fetch.rs", "use crate::log::Segment;"),
        ("src/serve/wire/fetch.rs", "use mio::net::TcpStream;"),
        ("src/serve/groups/join.rs", "let now = Instant::now();"),
        ("src/error.rs", "use crate::format::FormatError;"),
        ("src/bin/seg/ls.rs", "use memmap2::Mmap;"),
        ("src/bin/seg/ls.rs", "let crc = ::crc32c::crc32c(bytes);"),
        ("src/bin/seg/ls.rs", "std::fs::read(path)"),
    ];
    let good = [
        ("src/format/batch.rs", "use crate::format::crc::crc32c;"),
        ("src/format/batch.rs", "// use crate::log::Segment;"),
        ("src/format/batch.rs", "crate::format::crc::crc32c::of(bytes)"),
        ("src/format/replay/epochs.rs", "use super::super::Offset;"),
        ("src/log/disk.rs", "use std::time::SystemTime;"),
        ("src/check/second_look.rs", "std::thread::sleep(pause);"),
        ("src/check/run.rs", "use crate::{error::Error, log};"),
        ("src/serve/files.rs", "use std::fs::File;"),
        ("src/serve/groups/thread.rs", "let now = Instant::now();"),
        ("src/bin/seg/ls.rs", "use crate::output::Output;"),
        ("src/bin/seg/ls.rs", "use segkit::log::Segment;"),
        ("src/bin/seg/ls.rs", "segkit::format::crc::crc32c(bytes)"),
    ];
    trips(imports_up, &bad, &good);
}

/// Every crate that is named in `Cargo.toml` is used, and every one that a layer may use.
#[test]
fn every_dependency_is_used() {
    let manifest = read("Cargo.toml");
    let used_by = |sources: &[Source], name: &str| {
        sources.iter().any(|source| source.text.lines().any(|line| uses_crate(line, name)))
    };
    let mut problems = Vec::new();
    let product = product();
    for name in dependencies(&manifest, "dependencies") {
        if !product.iter().any(|it| it.code_lines().any(|(_, line)| uses_crate(line, &name))) {
            problems.push(format!("Cargo.toml: nothing uses {name}"));
        }
    }
    let mut tests = crate::source::sources("tests");
    tests.extend(crate::source::sources("src"));
    if root().join("benches").is_dir() {
        tests.extend(crate::source::sources("benches"));
    }
    for name in dependencies(&manifest, "dev-dependencies") {
        if !used_by(&tests, &name) {
            problems.push(format!("Cargo.toml: no test uses {name}"));
        }
    }
    for layer in &LAYERS {
        let of_layer = || product.iter().filter(|source| source.path.starts_with(layer.path));
        for name in layer.crates {
            if !of_layer().any(|it| it.code_lines().any(|(_, line)| uses_crate(line, name))) {
                problems.push(format!("tests/tidy: {} does not use {name}", layer.path));
            }
        }
        for (path, what) in layer.but {
            if !of_layer().any(|it| it.path == *path && it.code().contains(what)) {
                problems.push(format!("tests/tidy: {path} has no {what}"));
            }
        }
    }
    complain(&problems);
}

/// A path of a file is never made of what came over a socket: the server makes none at all.
fn makes_a_path(source: &Source) -> Vec<String> {
    let makers = ["PathBuf::from", "PathBuf::new", "Path::new", "OsStr", "OsString"];
    let joins = ["path", "directory", "dir", "root", "parent"];
    let mut problems = Vec::new();
    for (number, line) in source.code_lines() {
        let is_named = line.contains("Error::new(doing, Path::new(&address.to_string())");
        let is_made = makers.iter().any(|maker| names(line, maker)) && !is_named;
        let calls = [".join(", ".with_file_name(", ".with_extension(", "().join("];
        let is_joined = words(line).any(|(_, word, behind)| {
            let is_path = joins.iter().any(|name| word.ends_with(name));
            is_path && calls.iter().any(|call| behind.starts_with(call))
        });
        if is_made || is_joined {
            problems.push(format!("{}: {}", source.at(number), line.trim()));
        }
    }
    problems
}

#[test]
fn the_server_makes_no_paths() {
    let served = product().into_iter().filter(|source| source.path.starts_with("src/serve/"));
    complain(&served.flat_map(|source| makes_a_path(&source)).collect::<Vec<_>>());
    let bad = [
        ("src/serve/a.rs", "let path = log_dir.join(topic);"),
        ("src/serve/a.rs", "let path = replica.path().join(name);"),
        ("src/serve/a.rs", "let path = PathBuf::from(name);"),
        ("src/serve/a.rs", "entry.path.with_file_name(name)"),
    ];
    let good = [
        ("src/serve/a.rs", "sentences.join(\"; \")"),
        ("src/serve/a.rs", "self.thread.join()"),
        ("src/serve/a.rs", "let path = entry.path.clone();"),
    ];
    trips(makes_a_path, &bad, &good);
}
