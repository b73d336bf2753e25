//! What `docs/`, README and CONTRIBUTING speak of is there: links, headings, files, tests by their
//! names, and every byte of a hexdump.
//!
//! ```text
//!   [design](design.md#layers)                  a file, and a heading in it
//!   `src/log/names.rs`                          a file or a directory of this repository
//!   `tests/tidy.rs::imports_go_down_only`       a function in it, or below it
//!   `cargo test --test flips`                   a test of that name
//!   a block that is marked `hex`                the first line names a file, the others say where
//!                                               bytes stand, which, and what they are
//! ```

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// How paths begin that are said in the text.
const ROOTS: [&str; 10] = [
    "src/",
    "tests/",
    "testdata/",
    "docs/",
    "benches/",
    "man/",
    "completions/",
    "fuzz/",
    ".ci/",
    "packaging/",
];

/// What is made by tests or by whoever follows a page, and is in no commit.
const MADE: [&str; 1] = ["tests/sessions/"];

struct Page {
    /// From the root of the repository.
    path: PathBuf,
    text: String,
}

impl Page {
    /// The text without its blocks of code.
    fn prose(&self) -> String {
        let mut inside = false;
        let mut prose = String::new();
        for line in self.text.lines() {
            let is_fence = line.trim_start().starts_with("```");
            if !inside && !is_fence {
                prose.push_str(line);
                prose.push('\n');
            }
            inside ^= is_fence;
        }
        prose
    }

    /// What stands between single backticks.
    fn spans(&self) -> Vec<String> {
        let prose = self.prose();
        prose.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " ")).collect()
    }

    /// Where links go to, and images.
    fn links(&self) -> Vec<String> {
        let prose = self.prose();
        let behind = prose.split("](").skip(1);
        behind.filter_map(|text| text.split_once(')').map(|(to, _)| to.to_owned())).collect()
    }

    /// Blocks that begin with this mark.
    fn blocks(&self, mark: &str) -> Vec<String> {
        let begin = format!("\n```{mark}\n");
        let blocks = self.text.split(&begin).skip(1);
        blocks.map(|block| block.split("\n```").next().unwrap().to_owned()).collect()
    }

    /// The anchors of its headings.
    fn anchors(&self) -> BTreeSet<String> {
        let prose = self.prose();
        let headings = prose.lines().filter(|line| line.starts_with('#'));
        headings.map(|line| anchor(line.trim_start_matches('#'))).collect()
    }
}

/// What a link to a heading says, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<Page> {
    let mut paths: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "docs"].iter().map(|name| root().join(name)).collect();
    let mut pages = Vec::new();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            let text = fs::read_to_string(&path).unwrap();
            pages.push(Page { path: path.strip_prefix(root()).unwrap().to_owned(), text });
        }
    }
    pages.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(pages.len() > 10, "pages are missing");
    pages
}

/// A relative path without its dots.
fn plain(path: &Path) -> PathBuf {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    parts.iter().collect()
}

fn complain(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn links_lead_somewhere() {
    let pages = pages();
    let anchors: BTreeMap<&Path, BTreeSet<String>> =
        pages.iter().map(|page| (page.path.as_path(), page.anchors())).collect();
    let mut problems = Vec::new();
    let mut seen = 0;
    for page in &pages {
        for link in page.links() {
            if link.starts_with("http") {
                continue;
            }
            seen += 1;
            let (to, heading) = link.split_once('#').unwrap_or((&link, ""));
            let to = match to {
                "" => page.path.clone(),
                to => plain(&page.path.parent().unwrap().join(to)),
            };
            let known = anchors.get(to.as_path());
            let has_heading = heading.is_empty() || known.is_none_or(|of| of.contains(heading));
            if !root().join(&to).exists() || !has_heading {
                problems.push(format!("{}: nothing is at {link}", page.path.display()));
            }
        }
    }
    complain(&problems);
    assert!(seen > 50, "{seen} links");
}

/// Whether a function of this name is in a file, or in one of those below a directory.
fn has_function(path: &Path, name: &str) -> bool {
    if path.is_dir() {
        return fs::read_dir(path).unwrap().any(|entry| has_function(&entry.unwrap().path(), name));
    }
    let is_source = path.extension().is_some_and(|extension| extension == "rs");
    is_source && fs::read_to_string(path).unwrap().contains(&format!("fn {name}("))
}

#[test]
fn files_and_tests_that_are_named_are_there() {
    let mut problems = Vec::new();
    let mut seen = 0;
    for page in pages() {
        for span in page.spans() {
            let words: Vec<&str> = span.split(' ').collect();
            let test = words.iter().position(|word| *word == "--test").map(|at| words[at + 1]);
            if let Some(name) = test.filter(|_| words.contains(&"cargo")) {
                let tests = root().join("tests");
                let is_there = tests.join(format!("{name}.rs")).exists()
                    || tests.join(name).join("main.rs").exists();
                if !is_there {
                    problems.push(format!("{}: no test {name}", page.path.display()));
                }
            }
            for word in words {
                let (path, function) = word.split_once("::").unwrap_or((word, ""));
                let is_path = ROOTS.iter().any(|root| path.starts_with(root));
                let is_made =
                    MADE.iter().any(|made| path.starts_with(made) && path.contains(".in/"));
                if !is_path || is_made || path.contains(['*', '<', '{', '…']) {
                    continue;
                }
                seen += 1;
                let full = root().join(path);
                if !full.exists() {
                    problems.push(format!("{}: no {path}", page.path.display()));
                } else if !function.is_empty() && !has_function(&full, function) {
                    problems.push(format!("{}: no {function} in {path}", page.path.display()));
                }
            }
        }
    }
    complain(&problems);
    assert!(seen > 100, "{seen} paths");
}

/// `     17  18 68 04 db   checksum`: where, which bytes, and what is said about them.
fn dumped(line: &str) -> Option<(usize, Vec<u8>)> {
    let (position, rest) = line.trim_start().split_once("  ")?;
    let bytes = rest.split("  ").next()?.split(' ').map(|byte| u8::from_str_radix(byte, 16));
    Some((position.parse().ok()?, bytes.collect::<Result<_, _>>().ok()?))
}

#[test]
fn hexdumps_are_of_real_bytes() {
    let mut problems = Vec::new();
    let mut seen = 0;
    for page in pages() {
        for block in page.blocks("hex") {
            let (name, lines) = block.split_once('\n').unwrap();
            let file = fs::read(root().join(name)).unwrap_or_default();
            for line in lines.lines() {
                seen += 1;
                let is_so = dumped(line).is_some_and(|(position, bytes)| {
                    !bytes.is_empty() && file.get(position..position + bytes.len()) == Some(&bytes)
                });
                if !is_so {
                    problems.push(format!("{}: {name}: {line}", page.path.display()));
                }
            }
        }
    }
    complain(&problems);
    assert!(seen > 50, "{seen} lines");
}

/// Whoever opens `docs/` finds every page from its index.
#[test]
fn the_index_is_whole() {
    let pages = pages();
    let index = pages.iter().find(|page| page.path == Path::new("docs/README.md")).unwrap();
    let linked: BTreeSet<PathBuf> =
        index.links().iter().map(|link| plain(&Path::new("docs").join(link))).collect();
    let below = pages.iter().filter(|page| page.path.starts_with("docs"));
    let lost = below.filter(|page| page.path != index.path && !linked.contains(&page.path));
    let lost: Vec<String> =
        lost.map(|page| format!("no link to {}", page.path.display())).collect();
    complain(&lost);
}
