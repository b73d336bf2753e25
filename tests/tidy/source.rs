//! Source files as text: which lines are code, which are tests, and what a line names.

use std::fs;
use std::path::PathBuf;

/// One file, by its path below the root of the repository.
pub struct Source {
    pub path: String,
    pub text: String,
}

impl Source {
    /// A file that a rule is tried on.
    pub fn planted(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The file without its test module.
    pub fn code(&self) -> &str {
        self.text.split("#[cfg(test)]\nmod tests {").next().unwrap()
    }

    /// The lines of [`code`](Self::code) that are no comments, each with its number.
    pub fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.code().lines().enumerate().map(|(index, line)| (index + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    pub fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap();
        name == "tests.rs" || name.ends_with("_tests.rs") || self.path.contains("/tests/")
    }

    /// What stands in front of a complaint about line `number`.
    pub fn at(&self, number: usize) -> String {
        format!("{}:{number}", self.path)
    }

    /// The comment at the head that says what the file is for.
    pub fn head(&self) -> String {
        let head = self.text.lines().take_while(|line| line.starts_with("//!"));
        head.collect::<Vec<_>>().join("\n")
    }
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository that has to be there.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All Rust files below `folder`, tests too, in the order of their paths.
pub fn sources(folder: &str) -> Vec<Source> {
    files(folder, &["rs"])
}

/// The library and the program, without what tests them.
pub fn product() -> Vec<Source> {
    sources("src").into_iter().filter(|source| !source.is_test()).collect()
}

/// All files below `folder` whose name ends in one of `extensions`.
pub fn files(folder: &str, extensions: &[&str]) -> Vec<Source> {
    let mut paths = vec![root().join(folder)];
    let mut sources = Vec::new();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|it| extensions.iter().any(|name| it == *name)) {
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            sources.push(Source { path: name, text: fs::read_to_string(&path).unwrap() });
        }
    }
    assert!(!sources.is_empty(), "nothing below {folder}");
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

/// The words of a line, each with what stands before and behind it.
pub fn words(line: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut from = 0;
    std::iter::from_fn(move || {
        let begin = from + line[from..].find(is_word)?;
        let length = line[begin..].find(|letter| !is_word(letter));
        let end = length.map_or(line.len(), |length| begin + length);
        from = end;
        Some((&line[..begin], &line[begin..end], &line[end..]))
    })
}

pub fn complain(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// A rule must find something in what breaks it, and nothing in what comes close.
#[track_caller]
pub fn trips(rule: impl Fn(&Source) -> Vec<String>, bad: &[(&str, &str)], good: &[(&str, &str)]) {
    for (path, text) in bad {
        assert!(!rule(&Source::planted(path, text)).is_empty(), "not found in {path}: {text}");
    }
    for (path, text) in good {
        let found = rule(&Source::planted(path, text));
        assert!(found.is_empty(), "found in {path}: {text}: {found:?}");
    }
}
