//! What the program was called as, and the tool's command line in the form that clap reads.
//!
//! ```text
//!   kafka-dump-log ARGS                                     ->  seg kafka-dump-log ARGS
//!   kafka-dump-log.sh ARGS                                  ->  the same
//!   kafka-run-class.sh kafka.tools.DumpLogSegments ARGS     ->  the same
//!   seg kafka-dump-log ARGS
//!
//!   -files a    --files a    --files=a                      ->  --files=a
//!   --print-data-log    --print-data-log=yes                ->  --print-data-log
//!   word    -                                               ->  behind --
//! ```
//!
//! The tool's own parser is jopt-simple, which takes one hyphen for two before a whole name, a
//! flag's argument for nothing, and words that belong to no flag for no reason to complain.

use clap::error::ErrorKind;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// The command, as `seg` has it.
pub const COMMAND: &str = "kafka-dump-log";

/// The names of the class that Kafka's own script starts.
const CLASSES: [&str; 2] =
    ["org.apache.kafka.tools.DumpLogSegments", "kafka.tools.DumpLogSegments"];

/// What follows an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// A value, which the next word is where no `=` follows.
    Value,
    /// A value, which the next word is unless it looks like an option.
    MaybeValue,
}

/// The arguments behind the command when this is the tool's command line; `None` when it is not.
pub fn arguments(words: &[OsString]) -> Result<Option<&[OsString]>, clap::Error> {
    let name = words.first().map(Path::new).and_then(Path::file_name);
    let rest = words.get(1..).unwrap_or_default();
    match name.and_then(OsStr::to_str) {
        Some("kafka-dump-log" | "kafka-dump-log.sh") => Ok(Some(rest)),
        Some("kafka-run-class" | "kafka-run-class.sh") => match of_script(rest).split_first() {
            Some((class, rest)) if CLASSES.iter().any(|known| class == known) => Ok(Some(rest)),
            _ => {
                let why = "this is seg, which stands in for kafka.tools.DumpLogSegments alone; for \
                           other classes call Kafka's own script\n";
                Err(clap::Error::raw(ErrorKind::InvalidSubcommand, why))
            }
        },
        _ if rest.first().is_some_and(|first| first == COMMAND) => Ok(rest.get(1..)),
        _ => Ok(None),
    }
}

/// The words behind the options of the script itself, which are for the JVM.
fn of_script(mut words: &[OsString]) -> &[OsString] {
    while let Some((first, rest)) = words.split_first() {
        words = match first.to_str() {
            Some("-daemon" | "-loggc") => rest,
            Some("-name") => rest.get(1..).unwrap_or_default(),
            _ => break,
        };
    }
    words
}

/// The words as clap takes them. Values that are given twice stay so, and are refused.
pub fn for_clap(words: &[OsString], takes: impl Fn(&str) -> Option<Takes>) -> Vec<OsString> {
    let mut options: Vec<OsString> = Vec::new();
    let mut others = Vec::new();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        if word == "--" {
            others.extend(words.cloned());
            break;
        }
        let Some((name, value)) = option(word) else {
            others.push(word.clone());
            continue;
        };
        let known = name.to_str().and_then(&takes);
        let value = match known {
            // Refused by clap, or one of its own.
            None => {
                options.push(word.clone());
                continue;
            }
            Some(Takes::Nothing) => None,
            Some(Takes::Value) => value.or_else(|| words.next().cloned()),
            Some(Takes::MaybeValue) => {
                value.or_else(|| words.next_if(|next| option(next).is_none()).cloned())
            }
        };
        let mut whole = OsString::from("--");
        whole.push(name);
        match value {
            Some(value) => {
                whole.push("=");
                whole.push(value);
            }
            None if options.contains(&whole) => continue,
            None => {}
        }
        options.push(whole);
    }
    if !others.is_empty() {
        options.push("--".into());
        options.append(&mut others);
    }
    options
}

/// An option's name, without hyphens, and its value behind `=`.
fn option(word: &OsStr) -> Option<(OsString, Option<OsString>)> {
    let bytes = word.as_bytes();
    let name = bytes.strip_prefix(b"--").or_else(|| bytes.strip_prefix(b"-"))?;
    if name.is_empty() {
        return None;
    }
    let mut parts = name.splitn(2, |&byte| byte == b'=');
    let name = OsString::from_vec(parts.next()?.to_vec());
    Some((name, parts.next().map(|value| OsString::from_vec(value.to_vec()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    fn takes(name: &str) -> Option<Takes> {
        Some(match name {
            "files" | "max-bytes" => Takes::Value,
            "value-decoder-class" => Takes::MaybeValue,
            "print-data-log" => Takes::Nothing,
            _ => return None,
        })
    }

    #[test]
    fn jopt_command_lines_become_those_of_clap() {
        for (theirs, ours) in [
            ("--files a", "--files=a"),
            ("--files=a", "--files=a"),
            ("-files a", "--files=a"),
            ("-files=a", "--files=a"),
            ("--files= b", "--files= -- b"),
            ("--files --print-data-log", "--files=--print-data-log"),
            ("--max-bytes -1", "--max-bytes=-1"),
            ("--print-data-log=x --print-data-log", "--print-data-log"),
            ("--value-decoder-class", "--value-decoder-class"),
            ("--value-decoder-class A", "--value-decoder-class=A"),
            ("--value-decoder-class --files a", "--value-decoder-class --files=a"),
            ("a - --files b c", "--files=b -- a - c"),
            ("--files a -- --print-data-log", "--files=a -- --print-data-log"),
            ("--print --files a", "--print --files=a"),
            ("--files a --files b", "--files=a --files=b"),
            ("-x", "-x"),
        ] {
            assert_eq!(for_clap(&words(theirs), takes), words(ours), "{theirs}");
        }
    }

    #[test]
    fn the_name_that_it_is_called_by_is_the_command() {
        for (line, rest) in [
            ("/usr/bin/kafka-dump-log --help", Some("--help")),
            ("kafka-dump-log.sh --help", Some("--help")),
            ("bin/kafka-run-class.sh kafka.tools.DumpLogSegments --help", Some("--help")),
            ("kafka-run-class org.apache.kafka.tools.DumpLogSegments --help", Some("--help")),
            (
                "kafka-run-class -name dump -loggc kafka.tools.DumpLogSegments -daemon",
                Some("-daemon"),
            ),
            ("seg kafka-dump-log --help", Some("--help")),
            ("seg dump --help", None),
            ("seg", None),
        ] {
            let line = words(line);
            let rest = rest.map(words);
            assert_eq!(arguments(&line).unwrap(), rest.as_deref(), "{line:?}");
        }
        for line in [
            "kafka-run-class.sh",
            "kafka-run-class.sh kafka.Kafka server.properties",
            "kafka-run-class.sh -name",
        ] {
            assert!(arguments(&words(line)).is_err(), "{line}");
        }
    }
}
