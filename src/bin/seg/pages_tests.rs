//! Man pages, completion scripts and the list of examples, as they are committed: made from the
//! same definitions as the command line, and compared with it.
//!
//! `SEG_WRITE_PAGES=1 cargo test --bin seg pages` writes down what they are now.

use crate::cli::{self, Cli};
use crate::completions;
use crate::help::Page;
use clap::{Command, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Directories in which everything is made here.
const DIRECTORIES: [&str; 2] = ["man", "completions"];
const EXAMPLES: &str = "docs/examples.md";

/// What help heeds.
const HELP_ENVIRONMENT: (&str, &str) =
    ("COLUMNS", "The width of help that does not go to a terminal; at most 100 are used.");

/// What commands with colours heed.
const COLOR_ENVIRONMENT: [(&str, &str); 3] = [
    ("NO_COLOR", "If it is set and not empty, there is no colour unless --color always is given."),
    (
        "CLICOLOR, CLICOLOR_FORCE",
        "CLICOLOR=0 means the same; CLICOLOR_FORCE=1 means colour where no terminal is.",
    ),
    ("TERM", "A terminal that calls itself dumb gets no colour."),
];

/// Every file, by its path.
fn files() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    files.insert("man/seg.1".to_owned(), man(Cli::grouped(), &cli::HELP));
    for (name, page) in cli::pages() {
        let command = Cli::grouped().find_subcommand(name).unwrap().clone();
        let name = format!("seg-{name}");
        let command = command.bin_name(name.replacen('-', " ", 1)).display_name(name.clone());
        files.insert(format!("man/{name}.1"), man(command, page));
    }
    for shell in Shell::value_variants() {
        let name = match shell {
            Shell::Bash => "seg.bash",
            Shell::Elvish => "seg.elv",
            Shell::Fish => "seg.fish",
            Shell::PowerShell => "_seg.ps1",
            Shell::Zsh => "_seg",
            other => panic!("where does the script for {other} go?"),
        };
        files.insert(format!("completions/{name}"), completions::script(*shell));
    }
    files.insert(EXAMPLES.to_owned(), examples());
    files
}

/// The list of examples, as documentation.
fn examples() -> String {
    let mut text =
        "# Examples\n\nThose that `seg COMMAND --help` and the man pages show. They run \
         where `testdata` is; what they\nwrite is below `/tmp`. `tests/help.rs` runs all of them, \
         in this order. Made by `src/bin/seg/pages_tests.rs`.\n"
            .to_owned();
    for (name, page) in [("", &cli::HELP)].into_iter().chain(cli::pages()) {
        text.push_str(&format!("\n## {}\n", format!("seg {name}").trim_end()));
        for example in page.examples {
            let sentence = sentence(&example.explanation());
            text.push_str(&format!("\n{sentence}\n\n```sh\n{}\n```\n", example.command));
        }
    }
    text
}

/// What stands above an example.
fn sentence(explanation: &str) -> String {
    let mut letters = explanation.chars();
    let first: String = letters.next().unwrap().to_uppercase().collect();
    let end = if explanation.ends_with('?') { "" } else { ":" };
    format!("{first}{}{end}", letters.as_str())
}

/// The newest date of the changelog.
fn date() -> String {
    let changes = include_str!("../../../CHANGELOG.md");
    let headings = changes.lines().filter_map(|line| line.strip_prefix("## "));
    let mut dates = headings.filter_map(|heading| heading.split_once(", ").map(|(_, date)| date));
    dates.next().unwrap().to_owned()
}

fn man(command: Command, page: &Page) -> String {
    let mut command = command;
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    // What only `--help` shows is shown; clap_mangen takes the help of `-h` for all there is.
    let command = command.mut_args(|arg| match arg.get_long_help().or(arg.get_help()).cloned() {
        Some(help) => arg.long_help(help),
        None => arg,
    });
    let headings: Vec<String> = command
        .get_arguments()
        .filter_map(|arg| arg.get_help_heading())
        .map(str::to_owned)
        .collect();
    let description = page.description;
    let is_root = command.has_subcommands();
    let has_colors = command.get_arguments().any(|arg| arg.get_id() == "color");
    let name = command.get_display_name().unwrap_or("seg").to_owned();
    let command = command.override_usage(usage).long_about(None::<&'static str>);
    let version = format!("seg {}", env!("CARGO_PKG_VERSION"));
    let made = Man::new(command)
        .title(name.to_uppercase())
        .date(date())
        .source(version)
        .manual("seg Manual");
    let mut page_text = Vec::new();
    made.render_title(&mut page_text).unwrap();
    made.render_name_section(&mut page_text).unwrap();
    made.render_synopsis_section(&mut page_text).unwrap();
    let mut options = Vec::new();
    made.render_options_section(&mut options).unwrap();
    let mut text = String::from_utf8(page_text).unwrap();
    text.push_str(&described(description));
    if is_root {
        text.push_str(&commands());
    }
    text.push_str(&grouped(&String::from_utf8(options).unwrap(), &headings));
    text.push_str(&ending(&name, page, has_colors));
    // Not every formatter takes more than ASCII.
    let ascii = |char: char| match char {
        char if char.is_ascii() => char.to_string(),
        char => format!("\\[u{:04X}]", u32::from(char)),
    };
    text.chars().map(ascii).collect()
}

/// Options in one section, with their groups as parts of it.
fn grouped(options: &str, headings: &[String]) -> String {
    let mut text = ".SH OPTIONS\n".to_owned();
    for line in options.lines() {
        let heading = line.strip_prefix(".SH ").map(|heading| heading.trim_matches('"'));
        match heading {
            Some("OPTIONS") => continue,
            Some(upper) => {
                let heading = headings.iter().find(|heading| heading.to_uppercase() == upper);
                text.push_str(&format!(".SS \"{}\"\n", heading.unwrap()));
                continue;
            }
            None => {}
        }
        text.push_str(match line {
            // An empty line would end the indentation.
            "" => ".IP",
            // Values without empty lines between them.
            ".RS 14" => ".RS 11\n.PD 0",
            ".RE" => ".PD\n.RE",
            line => line,
        });
        text.push('\n');
    }
    text
}

fn described(paragraphs: &[&str]) -> String {
    let mut roff = Roff::new();
    roff.control("SH", ["DESCRIPTION"]);
    for (number, paragraph) in paragraphs.iter().enumerate() {
        if number > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(*paragraph)]);
    }
    plain(&roff)
}

/// The commands of `seg`, with their pages.
fn commands() -> String {
    let command = Cli::grouped();
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for (name, _) in cli::pages() {
        let about = command.find_subcommand(name).unwrap().get_about().unwrap().to_string();
        roff.control("TP", []);
        roff.text([bold(format!("seg-{name}")), roman("(1)")]);
        roff.text([roman(about)]);
    }
    plain(&roff)
}

/// Everything behind the options.
fn ending(name: &str, page: &Page, has_colors: bool) -> String {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (status, meaning) in page.status {
        roff.control("TP", []);
        roff.text([bold(*status)]);
        roff.text([roman(*meaning)]);
    }
    roff.control("SH", ["ENVIRONMENT"]);
    let colors = COLOR_ENVIRONMENT.into_iter().filter(|_| has_colors);
    for (name, meaning) in colors.chain([HELP_ENVIRONMENT]) {
        roff.control("TP", []);
        roff.text([bold(name)]);
        roff.text([roman(meaning)]);
    }
    if !page.files.is_empty() {
        roff.control("SH", ["FILES"]);
    }
    for (name, meaning) in page.files {
        roff.control("TP", []);
        roff.text([bold(*name)]);
        roff.text([roman(*meaning)]);
    }
    roff.control("SH", ["EXAMPLES"]);
    roff.text([roman("These run where the directory testdata of the source is.")]);
    for example in page.examples {
        roff.control("PP", []);
        roff.text([roman(sentence(&example.explanation()))]);
        roff.control("PP", []);
        roff.control("RS", ["4"]);
        roff.control("nf", []);
        for line in example.command.lines() {
            roff.text([bold(line)]);
        }
        roff.control("fi", []);
        roff.control("RE", []);
    }
    roff.control("SH", ["SEE ALSO"]);
    let names = std::iter::once("seg".to_owned());
    let names = names.chain(cli::pages().map(|(name, _)| format!("seg-{name}")));
    let names: Vec<_> =
        names.filter(|other| other != name).map(|name| [bold(name), roman("(1)")]).collect();
    roff.text(names.join(&roman(", ")));
    plain(&roff)
}

/// The text of a part of a page, without what stands at the head of a whole one.
fn plain(roff: &Roff) -> String {
    roff.to_roff()
}

#[test]
fn committed_files_are_those_of_this_command_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = files();
    if std::env::var_os("SEG_WRITE_PAGES").is_some() {
        for (path, text) in &files {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), text).unwrap();
        }
    }
    let renew = "SEG_WRITE_PAGES=1 cargo test --bin seg pages";
    for (path, text) in &files {
        let committed = fs::read_to_string(root.join(path)).unwrap_or_default();
        assert!(&committed == text, "{path} is not what it would be; renew it: {renew}");
    }
    for directory in DIRECTORIES {
        for entry in fs::read_dir(root.join(directory)).unwrap() {
            let path = format!("{directory}/{}", entry.unwrap().file_name().display());
            assert!(files.contains_key(&path), "{path} belongs to no command; delete it");
        }
    }
}
