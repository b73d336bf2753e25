//! What `--help` and the man pages say beside the arguments, from one source; and `-h`, which is
//! one screen.

use clap::{Arg, Command, ValueHint};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// What a command's help says behind its arguments.
pub struct Page {
    /// What it does, in paragraphs.
    pub description: &'static [&'static str],
    /// In this order; a later one may use what an earlier one made.
    pub examples: &'static [Example],
    /// What its exit statuses mean.
    pub status: &'static [(&'static str, &'static str)],
    /// Files that it uses or makes beside those it is asked for.
    pub files: &'static [(&'static str, &'static str)],
}

/// A command line that works where `testdata` is.
pub struct Example {
    /// As a shell reads it; may be several lines. What it writes is below `/tmp`.
    pub command: &'static str,
    /// What that shows.
    pub shows: &'static str,
    /// The status that the last line exits with.
    pub status: u8,
}

/// The exit statuses of commands that have no words of their own for them.
pub const STATUS: &[(&str, &str)] = &[
    ("0", "all is well"),
    ("1", "the answer is no: damage found, offset not in the log"),
    ("2", "could not look everywhere: an I/O error, or a limit was hit"),
    ("3", "both"),
    USAGE,
    INTERRUPTED,
];

/// The status that means the same for every command.
pub const USAGE: (&str, &str) = ("64", "the command line makes no sense");

/// The status after Ctrl-C.
pub const INTERRUPTED: (&str, &str) = ("130", "Ctrl-C, after saying what was done");

/// Ends every `-h`.
const BRIEF_STATUS: &str =
    "Exit status: 0 all is well; 1 the answer is no; 2 could not look everywhere";

/// Columns of what has lines of its own.
const COLUMNS: usize = 80;
/// Columns that `-h` can give to what it says of an option.
const BRIEF_COLUMNS: usize = 46;

impl Example {
    /// Of a command that exits with 0.
    pub const fn new(command: &'static str, shows: &'static str) -> Self {
        Self { command, shows, status: 0 }
    }

    /// Of a command whose answer is no.
    pub const fn no(command: &'static str, shows: &'static str) -> Self {
        Self { command, shows, status: 1 }
    }

    /// What it shows, and its exit status where that is not 0.
    pub fn explanation(&self) -> String {
        match self.status {
            0 => self.shows.to_owned(),
            status => format!("{}; exit status {status}", self.shows),
        }
    }
}

impl Page {
    /// The command with this page in its `--help`.
    pub fn fill(&self, command: Command) -> Command {
        let command = match command.get_about().map(ToString::to_string) {
            Some(about) if !self.description.is_empty() => {
                command.long_about(format!("{about}\n\n{}", self.description.join("\n\n")))
            }
            _ => command,
        };
        command.after_help(BRIEF_STATUS).after_long_help(self.ending())
    }

    fn ending(&self) -> String {
        let mut text = String::new();
        if !self.files.is_empty() {
            text.push_str(&format!("Files:\n{}\n", terms(self.files)));
        }
        text.push_str("Examples:\n");
        for example in self.examples {
            for line in example.command.lines() {
                text.push_str(&format!("  {line}\n"));
            }
            text.push_str(&indented(6, &example.explanation()));
        }
        text.push_str(&format!("\nExit status:\n{}", terms(self.status)));
        text.truncate(text.trim_end().len());
        text
    }
}

/// Words with what they stand for: in two columns, or below where they are long.
fn terms(terms: &[(&str, &str)]) -> String {
    let width = terms.iter().map(|(term, _)| term.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for (term, meaning) in terms {
        if width > COLUMNS / 4 {
            text.push_str(&format!("  {term}\n{}", indented(6, meaning)));
        } else {
            let lines = indented(width + 4, meaning);
            text.push_str(&format!("  {term:width$}  {}", lines.trim_start_matches(' ')));
        }
    }
    text
}

/// Words in lines that begin at this column.
fn indented(margin: usize, words: &str) -> String {
    let lines = wrapped(words, COLUMNS - margin);
    lines.iter().map(|line| format!("{:margin$}{line}\n", "")).collect()
}

/// Words in lines of at most `width` columns; a longer word has a line of its own.
pub fn wrapped(words: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// True for a word that asks for `-h`, by itself or among letters as in `-rh`.
pub fn is_brief(word: &OsStr) -> bool {
    let letters = word.as_bytes().strip_prefix(b"-").filter(|rest| !rest.starts_with(b"-"));
    letters.is_some_and(|letters| letters.contains(&b'h'))
}

/// The command as `-h` shows it: no groups of options, and values only where they fit a line.
pub fn brief(command: Command) -> Command {
    command.mut_args(|arg| {
        let values: Vec<String> =
            arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        let arg = arg.help_heading(None::<&'static str>);
        if !arg.get_action().takes_values() {
            return arg;
        }
        let arg = arg.hide_possible_values(true);
        let Some(help) = arg.get_help().map(ToString::to_string) else { return arg };
        let listed = format!("{help}: {}", values.join(", "));
        if values.is_empty() || listed.len() > BRIEF_COLUMNS {
            return arg;
        }
        // The first of what is listed is the default.
        arg.help(listed).hide_default_value(true)
    })
}

/// The command with what shells have to know: where no file can stand, none is offered.
pub fn hinted(command: Command) -> Command {
    let hint = |arg: Arg| match arg.get_value_hint() {
        ValueHint::Unknown if arg.get_action().takes_values() && !arg.is_positional() => {
            arg.value_hint(ValueHint::Other)
        }
        _ => arg,
    };
    command.mut_args(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;

    #[test]
    fn words_are_kept_in_their_order() {
        let text = "one two three a-word-that-is-longer-than-a-line four";
        for width in [1, 7, 8, 13, 200] {
            let lines = wrapped(text, width);
            assert_eq!(lines.join(" "), text);
            for line in lines {
                assert!(line.len() <= width || !line.contains(' '), "{line}");
            }
        }
    }

    #[test]
    fn every_command_has_a_page() {
        for command in Cli::grouped().get_subcommands() {
            let name = command.get_name();
            let ending = command.get_after_long_help().map(ToString::to_string).unwrap();
            assert!(ending.contains("Examples:\n  "), "{name}");
            assert!(ending.contains("\nExit status:\n  0 "), "{name}");
            let description = command.get_long_about().map(ToString::to_string).unwrap();
            assert!(description.contains("\n\n"), "{name}: no description");
            for line in ending.lines() {
                assert!(line.chars().count() <= COLUMNS, "{name}: {line}");
            }
        }
    }
}
