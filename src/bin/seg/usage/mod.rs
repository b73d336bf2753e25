//! A command line that makes no sense, answered in one line: what is wrong with it, and the one
//! that was meant. That is offered only where `seg` takes it.

mod foreign;
mod mend;
mod values;

use crate::cli::Cli;
use crate::kafka_dump_log;
use crate::values::terminal_text;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use segkit::check::remedy::shell_word;
use std::ffi::OsString;

/// How many things that are wrong with one command line are mended.
const MOST_MENDS: usize = 16;
/// How many of them are told; the rest is seen in what is offered.
const MOST_REASONS: usize = 2;

/// What Rust and clap say of a value, and what it means to whoever typed it.
const PHRASES: [(&str, &str); 5] = [
    ("invalid digit found in string", "it is no whole number"),
    ("number too large to fit in target type", "no number is so large"),
    ("number too small to fit in target type", "no number is so small"),
    ("cannot parse integer from empty string", "it is empty"),
    ("invalid socket address syntax", "use ADDRESS:PORT, as in 127.0.0.1:9092"),
];

/// The one line that is said of `error`, which these arguments of the process led to.
pub fn answer(error: &clap::Error, arguments: Vec<OsString>) -> String {
    let words: Result<Vec<String>, OsString> =
        arguments.into_iter().map(OsString::into_string).collect();
    let words = words.unwrap_or_default();
    let command = words.first().filter(|word| is_command(word)).cloned();
    let said = match mended(words) {
        Mended { reasons, meant: Some(meant) } if !reasons.is_empty() => {
            let reasons: Vec<String> = reasons.into_iter().take(MOST_REASONS).collect();
            format!("{}; use: seg {}", reasons.join("; "), shown(&meant))
        }
        Mended { reasons, .. } => {
            let said = reasons.first().cloned().unwrap_or_else(|| flat(error, command.as_deref()));
            match command.as_deref() {
                None if error.kind() == ErrorKind::UnknownArgument => {
                    "a command comes first; seg -h lists them".to_owned()
                }
                None => format!("{said}; seg -h lists the commands"),
                // It names the codes that are near.
                Some("explain") if error.kind() == ErrorKind::InvalidValue => said,
                Some(name) => format!("{said}; seg {name} --help says more"),
            }
        }
    };
    format!("seg: {}\n", terminal_text(&said))
}

/// What was wrong with a command line, and what it was meant to be, where that is known.
struct Mended {
    reasons: Vec<String>,
    meant: Option<Vec<String>>,
}

/// Mends one thing after the other until clap takes the words.
fn mended(mut words: Vec<String>) -> Mended {
    let mut reasons: Vec<String> = Vec::new();
    for _ in 0..MOST_MENDS {
        let line = std::iter::once("seg").chain(words.iter().map(String::as_str));
        let line = kafka_dump_log::words(line.map(OsString::from).collect());
        let error = match line.and_then(|line| Cli::grouped().try_get_matches_from(line)) {
            Err(error) if error.use_stderr() => error,
            Ok(_) | Err(_) => return Mended { reasons, meant: Some(words) },
        };
        match mend::mend(&error, &mut words) {
            Some(reason) if reasons.contains(&reason) => {}
            Some(reason) => reasons.push(reason),
            None => break,
        }
    }
    Mended { reasons, meant: None }
}

/// True for the name of a command.
fn is_command(word: &str) -> bool {
    Cli::grouped().get_subcommands().any(|command| command.get_name() == word)
}

/// What clap has to say about one detail of an error.
fn detail(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        // The most similar one comes last.
        ContextValue::Strings(texts) => texts.last().cloned(),
        _ => None,
    }
}

/// clap's own words without the usage, in one line.
fn flat(error: &clap::Error, command: Option<&str>) -> String {
    let text = error.to_string();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines = lines.take_while(|line| {
        !line.starts_with("Usage:") && !line.starts_with("For more information")
    });
    // Nobody means the name of a file by it.
    let lines = lines.filter(|line| !line.starts_with("tip: to pass"));
    let mut flat = String::new();
    for line in lines {
        let line = line.trim_start_matches("error: ").trim_matches(['[', ']']);
        flat.push_str(match flat.chars().last() {
            None => "",
            Some(':') => " ",
            Some(_) => "; ",
        });
        flat.push_str(line);
    }
    if error.kind() == ErrorKind::MissingRequiredArgument
        && let (Some(command), Some((_, missing))) = (command, flat.split_once(": "))
    {
        flat = format!("{command} needs {missing}");
    }
    PHRASES.iter().fold(flat, |flat, (said, meant)| flat.replace(said, meant))
}

/// Words as a shell takes them; a pattern stays one.
fn shown(words: &[String]) -> String {
    words.iter().map(|word| shown_word(word)).collect::<Vec<_>>().join(" ")
}

fn shown_word(word: &str) -> String {
    let bare: String = word.chars().filter(|&char| char != '*').collect();
    let plain = bare.trim_start_matches('-');
    if plain.is_empty() || shell_word(plain) == plain {
        return word.to_owned();
    }
    // A backslash would be shown as two.
    if word.contains('\'') && !word.contains(['"', '$', '`', '\\', '!']) {
        return format!("\"{word}\"");
    }
    let end = if word.starts_with('-') { word.find('=').map_or(0, |at| at + 1) } else { 0 };
    let (option, value) = word.split_at(end);
    if shell_word(option.trim_start_matches('-')) == option.trim_start_matches('-') {
        return format!("{option}{}", shell_word(value));
    }
    shell_word(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &[&str]) -> String {
        let error = Cli::grouped().try_get_matches_from([&["seg"], line].concat()).unwrap_err();
        answer(&error, line.iter().map(OsString::from).collect())
    }

    fn is_led(line: &[&str]) -> bool {
        let parsed = Cli::grouped().try_get_matches_from([&["seg"], line].concat());
        parsed.is_ok() || said(line).contains("; use: seg ")
    }

    /// Everything in the tables leads to a command line that is taken.
    #[test]
    fn what_is_offered_is_taken() {
        for (names, meant) in foreign::COMMANDS {
            for name in *names {
                let argument = match meant.first() {
                    Some(&"explain") => "batch-crc",
                    Some(&"completions") => "bash",
                    _ => "x",
                };
                let said = said(&[name, argument]);
                let offered = format!("; use: seg {}", meant.join(" "));
                assert!(said.contains(&offered), "{name}: {said}");
            }
        }
        for option in foreign::OPTIONS {
            let all = foreign::ALL;
            let commands = if option.commands.is_empty() { all } else { option.commands };
            let taken = commands.iter().filter(|command| {
                option.names.iter().all(|name| {
                    // Some are options of this one; some have a value; lookup needs one more.
                    let lines: [&[&str]; 5] = [
                        &[*name],
                        &[*name, "7"],
                        &[*name, "7", "--offset=1"],
                        &[*name, "json"],
                        &[*name, "gzip"],
                    ];
                    lines.iter().any(|line| is_led(&[&[**command, "x"], *line].concat()))
                })
            });
            assert!(taken.count() > 0, "{:?} leads nowhere", option.names);
        }
    }

    #[test]
    fn one_line_says_what_is_wrong() {
        for (line, expected) in [
            (&["dump", "x", "--limit", "ten"][..], "it is no whole number; seg dump --help"),
            (&["lookup", "x"], "seg: lookup needs <--offset <N>|--time <T>>; seg lookup --help"),
            (&["ls", "--colour", "never"], "ls has no --colour; use: seg ls --color never"),
            (&["dump", "-x"], "unexpected argument '-x' found"),
            (&["fsck", "it's"], "use: seg verify \"it's\""),
            (&["dump", "a\nb", "--files", "c"], "use: seg dump 'a\\nb' c"),
            (&["dump", "x", "--json", "--time=2h ago.."], "--format json --time='2h ago..'\n"),
            (&["dump", "x", "--json", "--key-as=;reboot"], "; seg dump --help"),
            // What is most alike.
            (&["rindex", "x"], "use: seg reindex x\n"),
            (&["repain", "x"], "use: seg repair x\n"),
            (&["lockup", "x", "--offset", "3"], "use: seg lookup x --offset 3\n"),
            (&["xyz"], "seg: unrecognized subcommand 'xyz'; seg -h lists the commands"),
            (&["--offset", "3"], "seg: a command comes first; seg -h lists them"),
        ] {
            let said = said(line);
            assert!(said.contains(expected), "{said}");
            assert_eq!(said.matches('\n').count(), 1, "{said}");
        }
    }

    #[test]
    fn nothing_is_offered_that_changes_more_than_was_asked_for() {
        let root = tempfile::tempdir().unwrap();
        let dir = |name: &str| {
            let path = root.path().join(name);
            std::fs::create_dir(&path).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (a, b) = (dir("a"), dir("b"));
        for line in [
            &["repair", &a, "--dry-run", "--apply"][..],
            &["repair", "--undo", "--dry-run", &a],
            &["repair", "-n", "-y", &a],
            &["repair", "-f", "json", &a],
            &["verify", "--fix", "--yes", &a],
            &["fsck", "-y", "-f", &a],
            &["repair", &a, "--to", "-1", "--apply"],
            &["reindex", "--topic", "orders", &a],
            &["write", "--file", "x", "--topic", "orders"],
            &["index", &a],
            &["check-index", &a],
            &["repair", "--dry-run", "--aply", &a],
            &["repair", "--no-apply", &a],
            &["repair", "-b", &a, "--apply"],
            &["reindex", "-b", &a],
            &["write", "--topic", "orders", "--partition", "3", &a],
            &["write", "-p", "3", "-t", "orders"],
        ] {
            let said = said(line);
            let offered = said.split_once("use: ").map_or("", |(_, offered)| offered);
            let is_plan = offered.starts_with("seg repair") && !offered.contains("--");
            let is_json = offered.ends_with(&format!("repair --format json {a}\n"));
            let is_check = offered.starts_with("seg reindex --check");
            assert!(offered.is_empty() || is_plan || is_json || is_check, "{line:?}: {said}");
        }
        let said = said(&["reindex", "--topic", "orders", "-p", "3", &a, &b]);
        assert!(said.ends_with(&format!("use: seg reindex {a}/orders-3 {b}/orders-3\n")), "{said}");
    }
}
