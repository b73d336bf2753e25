//! What cannot go wrong: no `unsafe` outside its fence, no state of the whole process, no printing
//! in the library, no recursion, no lint turned off in silence.

use crate::source::{Source, complain, product, read, trips, words};
use crate::text::{Function, functions};
use std::collections::{BTreeMap, BTreeSet};

/// Files that may hold `unsafe`, each with its proof.
const UNSAFE_FILES: [&str; 3] =
    ["src/bin/seg/signals.rs", "src/log/file_bytes.rs", "src/log/lease.rs"];

/// Files that may keep something for the whole process: what the system keeps so itself.
const STATE_FILES: [&str; 3] = ["src/bin/seg/signals.rs", "src/log/disk.rs", "src/log/lock.rs"];

fn has_word(line: &str, wanted: &str) -> bool {
    words(line).any(|(_, word, _)| word == wanted)
}

/// `unsafe` outside of the files that may, or without a proof in the lines above it.
fn unfenced(source: &Source) -> Vec<String> {
    let lines: Vec<_> = source.code().lines().collect();
    let mut problems = Vec::new();
    for (number, line) in source.code_lines() {
        let is_allowed = has_word(line, "unsafe_code");
        let is_quoted = line.contains("-unsafe\"");
        if !is_allowed && (!has_word(line, "unsafe") || is_quoted) {
            continue;
        }
        let above = lines[..number - 1].iter().rev();
        let mut proof = above.take_while(|line| line.trim_start().starts_with("//"));
        if !UNSAFE_FILES.contains(&&*source.path) {
            problems.push(format!("{}: unsafe", source.at(number)));
        } else if !is_allowed && !proof.any(|line| line.contains("// SAFETY: ")) {
            problems.push(format!("{}: unsafe without a proof", source.at(number)));
        }
    }
    problems
}

#[test]
fn unsafe_stands_where_it_is_fenced() {
    let product = product();
    complain(&product.iter().flat_map(unfenced).collect::<Vec<_>>());
    let has_unsafe = |it: &&Source| it.code_lines().any(|(_, line)| line.contains("unsafe {"));
    let found: Vec<_> = product.iter().filter(has_unsafe).map(|it| it.path.as_str()).collect();
    assert_eq!(found, UNSAFE_FILES);
    let proved = "// SAFETY: it is read only.\nunsafe { map() }\n";
    let bad = [
        ("src/log/disk.rs", proved),
        ("src/log/disk.rs", "#[allow(unsafe_code)]"),
        ("src/log/lease.rs", "// It is safe.\nunsafe { map() }\n"),
        ("src/log/lease.rs", "// SAFETY: of another.\nlet a = 1;\nunsafe { map() }\n"),
        ("src/log/lease.rs", "unsafe impl Send for A {}\n"),
    ];
    let good = [
        ("src/log/lease.rs", proved),
        ("src/log/disk.rs", "// unsafe is for others"),
        ("src/check/catalogue.rs", "\"index-unsafe\","),
    ];
    trips(unfenced, &bad, &good);
}

fn keeps_state(source: &Source) -> Vec<String> {
    if STATE_FILES.contains(&&*source.path) {
        return Vec::new();
    }
    let changing = ["Mutex", "RwLock", "Atomic", "Cell", "OnceLock", "LazyLock", "static mut"];
    let mut problems = Vec::new();
    for (number, line) in source.code_lines() {
        let code = line.trim_start();
        let code =
            code.split_once(") ").filter(|(it, _)| it.starts_with("pub(")).map_or(code, |it| it.1);
        let is_static = code.trim_start_matches("pub ").starts_with("static ");
        let is_state = is_static && changing.iter().any(|kind| code.contains(kind));
        if is_state || code.contains("thread_local!") {
            problems.push(format!("{}: {code}", source.at(number)));
        }
    }
    problems
}

#[test]
fn nothing_is_kept_for_the_whole_process() {
    let product = product();
    complain(&product.iter().flat_map(keeps_state).collect::<Vec<_>>());
    for path in STATE_FILES {
        let source = product.iter().find(|source| source.path == path).unwrap();
        let planted = Source::planted("src/log/names.rs", &source.text);
        assert!(!keeps_state(&planted).is_empty(), "{path} keeps nothing");
    }
    let bad = [
        ("src/check/run.rs", "static SEEN: Mutex<u64> = Mutex::new(0);"),
        ("src/check/run.rs", "    pub(super) static SEEN: AtomicU64 = AtomicU64::new(0);"),
        ("src/check/run.rs", "thread_local! {"),
    ];
    let good = [
        ("src/check/run.rs", "static POWERS: [u32; 4] = powers();"),
        ("src/check/run.rs", "let name: &'static str = \"Mutex\";"),
    ];
    trips(keeps_state, &bad, &good);
}

/// The library says nothing and asks no terminal.
fn talks(source: &Source) -> Vec<String> {
    let ways = ["print", "println", "eprint", "eprintln", "dbg"];
    let streams = ["stdout()", "stderr()", "stdin()", "IsTerminal", "is_terminal"];
    let mut problems = Vec::new();
    for (number, line) in source.code_lines() {
        let is_macro =
            words(line).any(|(_, word, behind)| ways.contains(&word) && behind.starts_with('!'));
        if is_macro || streams.iter().any(|stream| line.contains(stream)) {
            problems.push(format!("{}: {}", source.at(number), line.trim()));
        }
    }
    problems
}

#[test]
fn the_library_does_not_print() {
    let library = product().into_iter().filter(|source| !source.path.starts_with("src/bin/"));
    complain(&library.flat_map(|source| talks(&source)).collect::<Vec<_>>());
    let bad = [
        ("src/check/run.rs", "    eprintln!(\"here\");"),
        ("src/check/run.rs", "std::io::stdout().lock()"),
        ("src/check/run.rs", "use std::io::IsTerminal;"),
    ];
    trips(talks, &bad, &[("src/check/run.rs", "fn print(out: &mut Vec<u8>) {}")]);
}

/// What goes as deep as a table of this program, not as its input; a test says how deep that is.
const DEEP_AS_A_TABLE: [&str; 2] = ["src/format/kafka_json.rs", "src/format/schema.rs"];

/// Functions of a file that call themselves, straight or by way of others of that file.
fn recursion(source: &Source) -> Vec<String> {
    let functions = functions(source);
    let key = |function: &Function| (function.indent > 0, function.name.clone());
    let mut calls: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for function in &functions {
        let called = functions.iter().filter(|other| is_called(other, function));
        calls.entry(key(function)).or_default().extend(called.map(key));
    }
    let mut problems = Vec::new();
    for start in calls.keys().filter(|_| !DEEP_AS_A_TABLE.contains(&&*source.path)) {
        let mut reached = BTreeSet::new();
        let mut next: Vec<_> = calls[start].iter().collect();
        while let Some(name) = next.pop() {
            if reached.insert(name) {
                next.extend(calls.get(name).into_iter().flatten());
            }
        }
        if reached.contains(start) {
            problems.push(format!("{}: {} comes back to itself", source.path, start.1));
        }
    }
    problems
}

/// Whether the body of `caller` calls `function`, as far as text can tell. A method that a trait
/// demands hands over to the type's own of that name, and a local closure hides a function.
fn is_called(function: &Function, caller: &Function) -> bool {
    if !caller.body.contains(&function.name) {
        return false;
    }
    let is_hidden = caller.body.contains(&format!("let {} = ", function.name));
    let is_handed_over = caller.is_of_trait && function.name == caller.name;
    let calls = words(&caller.body).any(|(before, word, behind)| {
        let is_call = behind.starts_with('(') || behind.starts_with("::<");
        let is_own = ["self.", "Self::"]
            .iter()
            .any(|own| before.strip_suffix(own).is_some_and(|it| !it.ends_with(['.', ':', '_'])));
        let is_free = !before.ends_with(['.', ':']) && !before.ends_with("fn ");
        let is_meant = if function.indent > 0 { is_own } else { is_free };
        word == function.name && is_call && is_meant
    });
    calls && !is_hidden && !is_handed_over
}

#[test]
fn nothing_calls_itself() {
    complain(&product().iter().flat_map(recursion).collect::<Vec<_>>());
    let bad = [
        ("a.rs", "fn walk(a: &A) {\n    a.rest.map(|rest| walk(rest));\n}\n"),
        ("a.rs", "impl A {\n    fn walk(&self) {\n        Self::walk(self);\n    }\n}\n"),
        ("a.rs", "fn a() {\n    b();\n}\n\nfn b() {\n    c();\n}\n\nfn c() {\n    a();\n}\n"),
    ];
    let good = [
        ("a.rs", "fn walk(a: &A) {\n    a.walk();\n}\n"),
        ("a.rs", "impl A {\n    fn walk(&self) {\n        self.b.walk(walk());\n    }\n}\n"),
        ("a.rs", "impl B for A {\n    fn walk(&self) {\n        self.walk();\n    }\n}\n"),
        ("a.rs", "fn a() {\n    b();\n}\n\nfn b() {\n    // a()\n}\n"),
    ];
    trips(recursion, &bad, &good);
}

/// A lint that is turned off says why, but for those whose name is the reason.
fn silenced(source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    for (number, line) in source.code_lines() {
        let lints =
            ["unwrap_used", "expect_used", "indexing_slicing", "panic", "dead_code", "unused"];
        let is_off = line.contains("allow(") && line.trim_start().starts_with("#");
        if is_off && lints.iter().any(|lint| line.contains(lint)) {
            problems.push(format!("{}: {}", source.at(number), line.trim()));
        }
    }
    problems
}

#[test]
fn lints_stay_on() {
    complain(&product().iter().flat_map(silenced).collect::<Vec<_>>());
    let manifest = read("Cargo.toml");
    let lints = [
        "unsafe_code = \"deny\"",
        "missing_docs = \"warn\"",
        "unwrap_used = \"deny\"",
        "indexing_slicing = \"deny\"",
        "undocumented_unsafe_blocks = \"deny\"",
        "print_stdout = \"deny\"",
        "print_stderr = \"deny\"",
        "little_endian_bytes = \"deny\"",
        "host_endian_bytes = \"deny\"",
        "cast_possible_truncation = \"warn\"",
        "dbg_macro = \"deny\"",
        "todo = \"deny\"",
    ];
    for lint in lints {
        assert!(manifest.contains(lint), "Cargo.toml: {lint}");
    }
    assert!(read(".ci/run").contains("clippy --locked --all-targets -- -D warnings"));
    let bad = [("a.rs", "#[allow(dead_code)]"), ("a.rs", "    #![allow(clippy::unwrap_used)]")];
    trips(silenced, &bad, &[("a.rs", "#[allow(clippy::little_endian_bytes)]")]);
}
