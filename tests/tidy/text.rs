//! How long things may be, what stands at the head of a file, and what is not left in one.

use crate::source::{Source, complain, files, product, sources, trips};

const LINE_COLUMNS: usize = 100;
const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;

/// Roots of home directories and of places where builds are made: no file knows where it was
/// written.
const PLACES: [&str; 7] = [
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/works", "pace/"),
    concat!("/bui", "lds/"),
    concat!("/bui", "ld/"),
];

fn everything() -> Vec<Source> {
    ["src", "tests", "benches"].into_iter().flat_map(sources).collect()
}

fn long_lines(source: &Source) -> Vec<String> {
    let lines = source.text.lines().enumerate();
    let long = lines.filter(|(_, line)| line.chars().count() > LINE_COLUMNS);
    long.map(|(index, _)| format!("{}: a long line", source.at(index + 1))).collect()
}

fn long_parts(source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    let lines = source.code().lines().count();
    if lines > FILE_LINES {
        problems.push(format!("{}: {lines} lines", source.path));
    }
    for function in functions(source) {
        if function.lines > FUNCTION_LINES {
            let place = source.at(function.number);
            problems.push(format!("{place}: a function of {} lines", function.lines));
        }
    }
    problems
}

/// A function, with the line it begins in.
pub struct Function {
    pub number: usize,
    pub lines: usize,
    pub name: String,
    pub body: String,
    /// Columns that it is indented by: more than 0 in an `impl`.
    pub indent: usize,
    /// True for what a trait demands.
    pub is_of_trait: bool,
}

/// The functions of a file, as `rustfmt` lays them out: one ends where a `}` stands below its
/// beginning.
pub fn functions(source: &Source) -> Vec<Function> {
    let mut found: Vec<Function> = Vec::new();
    let mut begun: Option<Function> = None;
    let mut is_of_trait = false;
    for (index, line) in source.code().lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        if line.trim_start().starts_with("impl") {
            is_of_trait = line.contains(" for ");
        }
        let name = line.trim_start().split(' ').take(5).skip_while(|word| *word != "fn").nth(1);
        match (&mut begun, name) {
            (None, Some(name)) if !line.contains(';') && !line.trim_start().starts_with("//") => {
                let name = name.split(['(', '<']).next().unwrap().to_owned();
                let body = String::new();
                let (number, lines) = (index + 1, 0);
                begun = Some(Function { number, lines, name, body, indent, is_of_trait });
            }
            // What a trait only names.
            (Some(function), _) if indent == function.indent && line.trim().ends_with(';') => {
                begun = None;
            }
            (Some(function), _) if indent == function.indent && line.trim() == "}" => {
                function.lines = index + 2 - function.number;
                found.extend(begun.take());
            }
            (Some(function), _) if !line.trim_start().starts_with("//") => {
                function.body.push_str(line);
                function.body.push('\n');
            }
            _ => {}
        }
    }
    found
}

#[test]
fn lines_functions_and_files_are_short() {
    let lines = sources("src").into_iter().chain(sources("tests"));
    let mut problems: Vec<_> = lines.flat_map(|source| long_lines(&source)).collect();
    problems.extend(product().iter().flat_map(long_parts));
    complain(&problems);
    assert!(product().iter().map(|source| functions(source).len()).sum::<usize>() > 2000);
    let function =
        |lines| format!("impl A {{\n    fn f() {{\n{}    }}\n}}\n", "x();\n".repeat(lines));
    let (long, short) = (function(FUNCTION_LINES - 1), function(FUNCTION_LINES - 2));
    let file = "//\n".repeat(FILE_LINES);
    let tests = format!("{file}#[cfg(test)]\nmod tests {{\n}}\n");
    let bad = [("a.rs", &*long), ("a.rs", &*format!("{file}a\n"))];
    trips(long_parts, &bad, &[("a.rs", &*short), ("a.rs", &*file), ("a.rs", &*tests)]);
    let line = "é".repeat(LINE_COLUMNS);
    trips(long_lines, &[("a.rs", &format!("{line}x"))], &[("a.rs", &line)]);
}

fn begins_without_purpose(source: &Source) -> Vec<String> {
    let is_said = source.text.starts_with("//! ");
    let problem = || format!("{}: does not begin with what it is for", source.path);
    (!is_said).then(problem).into_iter().collect()
}

#[test]
fn every_file_says_what_it_is_for() {
    complain(&everything().iter().flat_map(begins_without_purpose).collect::<Vec<_>>());
    trips(begins_without_purpose, &[("a.rs", "use std::fs;")], &[("a.rs", "//! Files.")]);
}

fn begins_without_picture(source: &Source) -> Vec<String> {
    // What is below a folder belongs to the picture of its `mod.rs`.
    let without = ["src/format/crc.rs", "src/format/mod.rs", "src/format/replay/mod.rs"];
    let path = source.path.as_str();
    let is_part = path.matches('/').count() > 2 && !path.ends_with("/mod.rs");
    let is_drawn = source.head().contains("```text");
    let problem = || format!("{path}: no picture at its head");
    (!without.contains(&path) && !is_part && !is_drawn).then(problem).into_iter().collect()
}

#[test]
fn format_files_begin_with_a_picture() {
    let product = product();
    let formats = product.iter().filter(|source| source.path.starts_with("src/format/"));
    complain(&formats.flat_map(begins_without_picture).collect::<Vec<_>>());
    let drawn = "//! A.\n//!\n//! ```text\n//!   | i32 |\n//! ```\n";
    let bad = [("src/format/a.rs", "//! A.\n"), ("src/format/a/mod.rs", "//! A.\nfn a() {}\n")];
    trips(begins_without_picture, &bad, &[("src/format/a.rs", drawn), ("src/format/a/b.rs", "")]);
}

fn is_unfinished(source: &Source) -> Vec<String> {
    let marks = [
        concat!("todo", "!"),
        concat!("unimplemented", "!"),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("HA", "CK"),
        concat!("XX", "X "),
    ];
    let lines = source.text.lines().enumerate();
    let left = lines.filter(|(_, line)| marks.iter().any(|mark| line.contains(mark)));
    left.map(|(index, line)| format!("{}: {}", source.at(index + 1), line.trim())).collect()
}

#[test]
fn nothing_is_left_unfinished() {
    complain(&everything().iter().flat_map(is_unfinished).collect::<Vec<_>>());
    let bad = concat!("// TO", "DO: the rest");
    trips(is_unfinished, &[("a.rs", bad)], &[("a.rs", "// what is to be done")]);
}

fn names_a_place(source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        for place in PLACES {
            // `~/`, `$HOME/` and `target/…` are places of whoever reads it.
            let is_root = |at: usize| !line[..at].ends_with(|it: char| it.is_alphanumeric());
            if line.match_indices(place).any(|(at, _)| is_root(at)) {
                problems.push(format!("{}: {place}", source.at(index + 1)));
            }
        }
    }
    problems
}

#[test]
fn no_file_says_where_it_was_written() {
    let text = ["rs", "md", "py", "sh", "toml", "trycmd", "txt", "1", "json"];
    let folders = ["src", "tests", "benches", "docs"].into_iter();
    // What sessions leave in their `.in` directories is not committed.
    let sources = folders.flat_map(|folder| files(folder, &text));
    let sources = sources.filter(|source| !source.path.contains(".in/"));
    let mut problems: Vec<_> = sources.flat_map(|source| names_a_place(&source)).collect();
    let alone = ["README.md", "Cargo.toml", ".ci/run", "testdata/README.md"];
    problems.extend(alone.into_iter().flat_map(|path| {
        names_a_place(&Source { path: path.to_owned(), text: crate::source::read(path) })
    }));
    complain(&problems);
    let bad = concat!("in /ho", "me/me/seg");
    trips(names_a_place, &[("a.md", bad)], &[("a.md", "in src/home/seg and /var/lib/kafka")]);
}
