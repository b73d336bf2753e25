//! What is said of the code is true of it: the architecture page, findings, commands, limits.

use crate::source::{Source, complain, product, read, root, sources, trips, words};
use segkit::check::CODES;
use segkit::check::explain::page;
use std::collections::BTreeSet;

/// Paths in the comments of `source` that are of this tree and of no file in it.
fn dead_paths(source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        if !line.trim_start().starts_with("//") {
            continue;
        }
        for name in line.split('`').skip(1).step_by(2) {
            let is_path = name.ends_with(".rs") || LAYERS.iter().any(|it| name.starts_with(it));
            let is_path = is_path && name.contains('/') && !name.contains(['*', ' ', '<', '{']);
            let name = name.trim_end_matches('/');
            let is_there = ["", "src/", "src/bin/seg/"].iter().any(|start| {
                let path = root().join(start).join(name);
                path.exists() || path.with_extension("rs").exists()
            });
            if is_path && !is_there {
                problems.push(format!("{}: there is no {name}", source.at(index + 1)));
            }
        }
    }
    problems
}

const LAYERS: [&str; 8] =
    ["format/", "log/", "check/", "repair/", "produce/", "serve/", "bin/seg/", "tests/"];

#[test]
fn comments_name_files_that_are_there() {
    let sources: Vec<_> = ["src", "tests", "benches"].into_iter().flat_map(sources).collect();
    let others = sources.iter().filter(|source| source.path != "tests/tidy/documents.rs");
    complain(&others.flat_map(dead_paths).collect::<Vec<_>>());
    let bad = [
        ("src/lib.rs", "//! held by `log/disks.rs`"),
        ("src/lib.rs", "//! held by `repair/applied`"),
        ("src/lib.rs", "// held by `tests/tidied.rs`"),
    ];
    let good = [
        ("src/lib.rs", "//! held by `log/disk.rs`, `repair/apply` and `tests/tidy.rs`"),
        ("src/lib.rs", "let path = `log/disks.rs`;"),
        ("src/lib.rs", "// `log.dirs`, `a/b`, `bin/seg`"),
    ];
    trips(dead_paths, &bad, &good);
}

/// Every folder of the library stands in the table of layers, every leaf below it.
#[test]
fn the_architecture_names_every_module() {
    let library = Source { path: "src/lib.rs".to_owned(), text: read("src/lib.rs") };
    let head = library.head();
    let modules: Vec<_> =
        library.text.lines().filter_map(|line| line.strip_prefix("pub mod ")).collect();
    assert!(modules.len() > 5);
    for module in modules {
        let name = module.trim_end_matches(';');
        let is_layer = root().join("src").join(name).is_dir();
        let row = [format!("//! | [`{name}`]"), format!("//! | [`mod@{name}`]")];
        let is_there = if is_layer {
            row.iter().any(|row| head.contains(row))
        } else {
            words(&head).any(|(_, word, _)| word == name)
        };
        assert!(is_there, "src/lib.rs does not say what {name} is");
    }
}

/// Files of `sources` that no module names: they are never compiled.
fn lost(sources: &[Source]) -> Vec<String> {
    let mut named = BTreeSet::from(["src/lib.rs".to_owned(), "src/bin/seg/main.rs".to_owned()]);
    for source in sources {
        let (folder, name) = source.path.rsplit_once('/').unwrap();
        let is_root = ["mod.rs", "lib.rs", "main.rs"].contains(&name);
        let below = if is_root { folder } else { source.path.trim_end_matches(".rs") };
        for line in source.text.lines().map(str::trim) {
            if let Some(path) = line.strip_prefix("#[path = \"") {
                named.insert(format!("{folder}/{}", path.trim_end_matches("\"]")));
            }
            let module = line.rsplit_once("mod ").and_then(|(_, name)| name.strip_suffix(';'));
            if let Some(module) = module.filter(|_| !line.starts_with("//")) {
                named.insert(format!("{below}/{module}.rs"));
                named.insert(format!("{below}/{module}/mod.rs"));
            }
        }
    }
    let lost = sources.iter().filter(|source| !named.contains(&source.path));
    lost.map(|source| format!("{}: no module", source.path)).collect()
}

#[test]
fn every_file_is_a_module() {
    let mut sources = sources("src");
    complain(&lost(&sources));
    sources.push(Source::planted("src/log/forgotten.rs", "//! Forgotten."));
    assert_eq!(lost(&sources).len(), 1);
    sources.push(Source::planted("src/log/disk/other.rs", "// mod other;"));
    assert_eq!(lost(&sources).len(), 2);
}

/// `"name"` in JSON comes from `row/names.rs` alone.
#[test]
fn output_names_are_in_one_place() {
    let mut problems = Vec::new();
    for source in product().into_iter().filter(|source| source.path.starts_with("src/bin/")) {
        if source.path.ends_with("row/names.rs") || source.path.ends_with("render.rs") {
            continue;
        }
        for (number, line) in source.code_lines().filter(|(_, line)| line.contains("name!(")) {
            problems.push(format!("{}: an output name: {line}", source.at(number)));
        }
    }
    complain(&problems);
}

/// Every code of a finding is explained to people, and proved: what trips it, and what comes close
/// and must not (`tests/findings` demands both of each proof).
#[test]
fn every_finding_is_documented_and_tripped() {
    let proofs: String = sources("tests/findings").into_iter().map(|source| source.text).collect();
    let mut problems = Vec::new();
    for code in CODES {
        if page(code).is_none() {
            problems.push(format!("{code}: seg explain has no page of it"));
        }
        if !proofs.contains(&format!("(\"{code}\", ")) {
            problems.push(format!("{code}: no proof in tests/findings"));
        }
    }
    complain(&problems);
}

/// The commands, as `cli.rs` lists them.
fn commands() -> Vec<String> {
    let cli = read("src/bin/seg/cli.rs");
    let lines = cli.lines().skip_while(|line| !line.starts_with("pub enum Command {")).skip(1);
    let lines = lines.take_while(|line| *line != "}").filter(|line| line.contains("::Args"));
    lines.map(|line| kebab(line.trim().split('(').next().unwrap())).collect()
}

/// As clap makes a command's name of a variant's.
fn kebab(variant: &str) -> String {
    let mut name = String::new();
    for letter in variant.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

/// Every command has a file of its own, and a word in what people read first.
#[test]
fn every_command_is_documented() {
    let commands = commands();
    assert!(commands.len() > 8, "{commands:?}");
    let guides: String =
        crate::source::files("docs", &["md"]).into_iter().map(|guide| guide.text).collect();
    let text = read("README.md") + &guides;
    // What it prints is for shells.
    let without = ["completions"];
    for command in commands {
        let has = |path: String| root().join(path).exists();
        let file = command.replace('-', "_");
        let is_file = has(format!("src/bin/seg/{file}.rs"));
        assert!(is_file || has(format!("src/bin/seg/{file}/mod.rs")), "{command} has no file");
        let is_told = without.contains(&&*command) || text.contains(&format!("seg {command}"));
        assert!(is_told, "{command}: not in README.md or docs");
    }
}

/// Named limits: fields of the structs of limits, and constants beside them.
fn limits(source: &Source) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_inside = false;
    let is_of_limits = source.path.ends_with("limits.rs");
    let is_constant = |name| is_of_limits && name != "STANDARD" && name != "fn";
    for (_, line) in source.code_lines() {
        let words: Vec<_> = line.trim().split([' ', ':']).collect();
        match words[..] {
            ["pub", "struct", name, ..] => is_inside = name.ends_with("Limits"),
            ["pub", "const", name, ..] if is_constant(name) => names.push(name.to_owned()),
            ["pub", name, ..] if is_inside && line.ends_with(',') => names.push(format!(".{name}")),
            ["}"] => is_inside = false,
            _ => {}
        }
    }
    names
}

/// Limits of `declared` that no code reads.
fn unread_limits(declared: &[Source], code: &[Source]) -> Vec<String> {
    let is_read = |name: &str| {
        code.iter().flat_map(Source::code_lines).filter(|(_, line)| line.contains(name)).any(
            |(_, line)| {
                words(line).any(|(before, word, _)| match name.strip_prefix('.') {
                    Some(field) => word == field && before.ends_with('.'),
                    None => word == name && !before.ends_with("const "),
                })
            },
        )
    };
    let names = declared.iter().flat_map(limits);
    names.filter(|name| !is_read(name)).map(|name| format!("{name}: nothing obeys it")).collect()
}

#[test]
fn every_limit_is_obeyed() {
    let product = product();
    let found: usize = product.iter().map(|source| limits(source).len()).sum();
    assert!(found > 30, "{found} limits");
    complain(&unread_limits(&product, &product));
    let text = "pub struct NoLimits {\n    pub bytes: u64,\n}\npub const DEPTH: usize = 4;\n";
    let limits = || vec![Source::planted("src/limits.rs", text)];
    let trips_with = |line: &str| {
        let mut code = limits();
        code.push(Source::planted("src/a.rs", line));
        unread_limits(&limits(), &code).len()
    };
    assert_eq!(trips_with("a(bytes, depth)"), 2);
    assert_eq!(trips_with("limits.bytes"), 1);
    assert_eq!(trips_with("limits.bytes < DEPTH"), 0);
}
