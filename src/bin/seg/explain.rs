//! `seg explain`: what the code of a finding means, what a broker does, what to do.

use crate::cli::Format;
use crate::findings;
use crate::help::{self, Example, wrapped};
use crate::output::{Outcome, Output};
use crate::render::{JsonLines, Sink};
use crate::row;
use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::ErrorKind;
use segkit::check::explain::{self, GROUPS, Page, Part};
use std::ffi::OsStr;

/// Columns of a page.
const WIDTH: usize = 80;
/// Columns in front of a page's text.
const MARGIN: usize = 17;

/// What `seg explain --help` says beside the arguments.
pub const HELP: help::Page = help::Page {
    description: &[
        "Every finding of verify, dump, reindex and repair has a code that never changes. Its \
         page says what it means, how it arises, what a broker does with it after a clean and \
         after an unclean stop, what to do next, and shows one.",
    ],
    examples: &[
        Example::new("seg explain batch-crc", "the page of a code"),
        Example::new("seg explain", "all codes, how bad they are, and a line about each"),
        Example::new(
            "\
seg explain --format json index-missing time-index-missing |
  jq -r .next",
            "one part of two pages, by way of jq",
        ),
    ],
    status: &[
        ("0", "the pages were printed"),
        ("64", "there is no such code; the nearest are named"),
    ],
    files: &[],
};

/// The arguments of `seg explain`.
#[derive(clap::Args)]
pub struct Args {
    /// Codes of findings; without one, all are listed
    #[arg(value_name = "CODE", value_parser = CodeParser, hide_possible_values = true)]
    codes: Vec<Page>,
    /// The form of the answer
    #[arg(long, value_enum, value_name = "FORM", default_value = "text")]
    format: Format,
}

/// Prints pages, or the list of all.
pub fn run(args: &Args, out: &mut Output) -> anyhow::Result<Outcome> {
    match (args.format, args.codes.is_empty()) {
        (Format::Text, true) => out.write(list().as_bytes())?,
        (Format::Text, false) => {
            let pages: Vec<String> = args.codes.iter().map(page).collect();
            out.write(pages.join("\n").as_bytes())?;
        }
        (Format::Json, true) => json(explain::pages(), out)?,
        (Format::Json, false) => json(args.codes.iter().copied(), out)?,
    }
    Ok(Outcome::default())
}

fn json(pages: impl Iterator<Item = Page>, out: &mut Output) -> std::io::Result<()> {
    let mut sink = JsonLines::default();
    for page in pages {
        row::explanation(&mut sink, &page, &example(&page));
    }
    out.write(sink.buffer())
}

/// A finding of this code as `seg` prints it.
fn example(page: &Page) -> String {
    explain::example(page.code).map(|finding| findings::text(&finding, false)).unwrap_or_default()
}

/// Every code with its severities and its title, in groups.
fn list() -> String {
    let codes = explain::pages().map(|page| page.code.len());
    let width = codes.max().unwrap_or_default();
    let mut text = String::new();
    for group in GROUPS {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!("{}\n", group.title));
        for page in group.pages() {
            let title = page.part(Part::Title).unwrap_or_default();
            text.push_str(&format!("  {:width$}  {:13}  {title}\n", page.code, page.severities()));
        }
    }
    text
}

/// A page, with its labels in a column of their own.
fn page(page: &Page) -> String {
    let mut text = format!("{}: {}\n\n", page.code, page.part(Part::Title).unwrap_or_default());
    for part in Part::ALL.into_iter().skip(1) {
        let Some(words) = page.part(part) else { continue };
        for (number, line) in wrapped(&words, WIDTH - MARGIN).iter().enumerate() {
            let label = if number == 0 { part.label() } else { "" };
            text.push_str(&format!("  {label:w$}{line}\n", w = MARGIN - 2));
        }
    }
    text.push_str("  example\n");
    for line in example(page).lines() {
        text.push_str(&format!("    {line}\n"));
    }
    text
}

/// Takes a code for its page, and offers all codes to shells.
#[derive(Clone)]
struct CodeParser;

impl TypedValueParser for CodeParser {
    type Value = Page;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Page, clap::Error> {
        let code = value.to_string_lossy();
        explain::page(&code).ok_or_else(|| {
            let shown: String = code.chars().take(WIDTH).flat_map(char::escape_default).collect();
            let nearest = explain::nearest(&code);
            let advice = match nearest.is_empty() {
                true => "seg explain lists them all".to_owned(),
                false => format!("the nearest: {}", nearest.join(", ")),
            };
            let message = format!("no finding has the code '{shown}'; {advice}\n");
            clap::Error::raw(ErrorKind::InvalidValue, message).with_cmd(command)
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let value = |page: Page| {
            PossibleValue::new(page.code).help(page.part(Part::Title).unwrap_or_default())
        };
        Some(Box::new(explain::pages().map(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_fit_a_terminal_and_a_look() {
        for found in explain::pages() {
            let text = page(&found);
            let lines: Vec<&str> = text.lines().collect();
            assert!((8..=30).contains(&lines.len()), "{}: {} lines", found.code, lines.len());
            let example = lines.iter().position(|line| *line == "  example").unwrap();
            for line in &lines[..example] {
                assert!(line.chars().count() <= WIDTH, "{line}");
            }
        }
    }

    /// The first lines of `docs/findings.md`.
    const CATALOGUE_HEAD: &str = "\
# Findings

Everything that `seg` can find wrong, or worth a note, in the order in which `seg explain` lists it.
This page says what `seg explain CODE` says; it is made from the same text
(`src/check/explain/pages`) by `BLESS=1 cargo test --bin seg catalogue`, and a test compares them.
How to add a finding: [adding.md](adding.md#a-finding).

An *error* is damage, or something that will be misread. A *warning* is about what can be rebuilt,
or would trip a broker. Both set exit bit 1. A *note* is legal, never sets the exit status, and is
shown with `-v`. A *clean start* is that of a broker which was stopped in good order, an *unclean*
one that after a crash or a kill: see [format/starts.md](format/starts.md).
";

    /// All pages as one of Markdown.
    fn catalogue() -> String {
        let mut text = CATALOGUE_HEAD.to_owned();
        for group in GROUPS {
            text.push_str(&format!(
                "\n## {}\n\n| code | severity | |\n|---|---|---|\n",
                group.title
            ));
            for page in group.pages() {
                let (code, title) = (page.code, page.part(Part::Title).unwrap_or_default());
                text.push_str(&format!(
                    "| [`{code}`](#{code}) | {} | {title} |\n",
                    page.severities()
                ));
            }
            for page in group.pages() {
                text.push_str(&format!("\n### {}\n\n", page.code));
                for part in Part::ALL {
                    let Some(words) = page.part(part).map(|words| markdown(&words)) else {
                        continue;
                    };
                    let line = match part {
                        Part::Title => format!("{words}\n\n"),
                        _ => format!("- **{}**: {words}\n", part.label()),
                    };
                    text.push_str(&line);
                }
                text.push_str(&format!("\n```text\n{}```\n", example(&page)));
            }
        }
        text
    }

    /// Words that mean the same in Markdown: what it would take for marks is escaped.
    fn markdown(words: &str) -> String {
        let mut text = String::new();
        for char in words.chars() {
            if "\\`*_<>[]|".contains(char) {
                text.push('\\');
            }
            text.push(char);
        }
        text
    }

    #[test]
    fn the_catalogue_is_that_of_docs() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/findings.md");
        let now = catalogue();
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &now).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap();
        let differ = kept.lines().zip(now.lines()).find(|(kept, now)| kept != now);
        let how = "docs/findings.md is old: BLESS=1 cargo test --bin seg catalogue";
        assert!(kept == now, "{how}\nthe first lines that differ: {differ:#?}");
    }
}
