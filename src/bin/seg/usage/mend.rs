//! One thing that is wrong with a command line, mended.

use super::foreign::{Act, COMMANDS, Foreign, OPTIONS};
use super::{detail, is_command, values};
use crate::kafka_dump_log;
use clap::error::{ContextKind, ErrorKind};
use segkit::check::explain;
use std::path::Path;

/// Options that are near to one of Kafka's tool, and mean something else.
const SELECTS: [&str; 5] = ["--offsets", "--offset", "--max-messages", "--max-records", "--limit"];

/// With these more is changed: nobody is led to one who typed something like it, as `--no-apply`.
const CHANGES: [&str; 6] =
    ["--apply", "--sole-copy", "--undo", "--like-broker", "--accept-single-bit", "--partitions"];

/// Mends what `error` is about, and says what was wrong; `None` where that is anybody's guess.
pub fn mend(error: &clap::Error, words: &mut Vec<String>) -> Option<String> {
    match error.kind() {
        ErrorKind::InvalidSubcommand => command(error, words),
        ErrorKind::UnknownArgument => unknown(error, words),
        ErrorKind::InvalidValue if words.first()? == "explain" => code(words),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => values::mend(error, words),
        ErrorKind::MissingRequiredArgument => missing(words),
        _ => None,
    }
}

/// A first word that is no command.
fn command(error: &clap::Error, words: &mut Vec<String>) -> Option<String> {
    let word = words.first()?.clone();
    if word == "help" {
        words.remove(0);
        words.push("--help".to_owned());
        return Some("--help shows the help".to_owned());
    }
    let known = COMMANDS.iter().find(|(names, _)| names.contains(&&*word.to_lowercase()));
    if word == "tail" {
        last_ones(words);
    }
    let moved = if known.is_none() { command_first(words) } else { None };
    if moved.is_some() {
        return moved;
    }
    let meant: Vec<String> = match known {
        Some((_, meant)) => meant.iter().map(ToString::to_string).collect(),
        None if Path::new(&word).exists() => {
            words.insert(0, if Path::new(&word).is_dir() { "ls" } else { "dump" }.to_owned());
            return Some(format!("'{word}' is there, and a command comes first"));
        }
        None => vec![detail(error, ContextKind::SuggestedSubcommand)?],
    };
    words.splice(..1, meant);
    Some(format!("there is no command '{word}'"))
}

/// `tail -n 5` and `tail -5` are the last five.
fn last_ones(words: &mut Vec<String>) {
    let Some(at) = words.iter().position(|word| word.starts_with('-')) else { return };
    let letter = words.get(at).map(|word| word.trim_start_matches(['-', 'n'])).unwrap_or_default();
    let (number, behind) = match words.get(at + 1) {
        Some(next) if letter.is_empty() => (next.clone(), at + 1),
        _ => (letter.to_owned(), at),
    };
    if number.parse::<u64>().is_ok() {
        words.splice(at..=behind, ["--offsets".to_owned(), format!("-{number}..")]);
    }
}

/// Moves a command that is further behind to the front.
fn command_first(words: &mut Vec<String>) -> Option<String> {
    let at = words.iter().position(|word| is_command(word)).filter(|&at| at > 0)?;
    let name = words.remove(at);
    words.insert(0, name);
    Some("the command comes first".to_owned())
}

/// An option that the command does not have.
fn unknown(error: &clap::Error, words: &mut Vec<String>) -> Option<String> {
    let option = detail(error, ContextKind::InvalidArg)?;
    let command = words.first()?.clone();
    if !is_command(&command) {
        return command_first(words);
    }
    let is_known = |foreign: &&Foreign| {
        let is_for = foreign.commands.is_empty() || foreign.commands.contains(&&*command);
        is_for && foreign.names.contains(&&*option)
    };
    let is_tool = command == kafka_dump_log::COMMAND;
    if is_tool && SELECTS.contains(&&*option) {
        return Some(format!("{command} has no {option}: seg dump --format kafka selects records"));
    }
    // The tool's own options have names of their own; what is near is meant.
    let known = OPTIONS.iter().find(is_known).filter(|_| !is_tool);
    let number = option.strip_prefix('-').filter(|rest| rest.parse::<u64>().is_ok());
    let why = match known {
        Some(foreign) => {
            act(&foreign.act, &option, words)?;
            foreign.why
        }
        None if number.is_some() => return negative(number?, words),
        None => {
            let similar = detail(error, ContextKind::SuggestedArg)?;
            let similar = similar.split([' ', '=']).next()?.to_owned();
            if CHANGES.contains(&&*similar) {
                return Some(format!("{command} has no {option}, and {similar} changes more"));
            }
            let at = words.iter().position(|word| option_of(word) == option)?;
            let word = words.get_mut(at)?;
            *word = word.replacen(&option, &similar, 1);
            ""
        }
    };
    let colon = if why.is_empty() { "" } else { ": " };
    Some(format!("{command} has no {option}{colon}{why}"))
}

/// `-5`, which is no option: as in `head -5`, or a bound that is none.
fn negative(number: &str, words: &mut Vec<String>) -> Option<String> {
    let at = words.iter().position(|word| word.strip_prefix('-') == Some(number))?;
    let option = at.checked_sub(1).and_then(|before| words.get(before)).cloned()?;
    if option.starts_with("--") {
        // Without `--to -1`, a repair would be one in place.
        if changes(words) {
            return None;
        }
        words.drain(at - 1..=at);
        return Some(format!("{option} takes no negative number"));
    }
    words.splice(at..=at, ["--limit".to_owned(), number.to_owned()]);
    Some(format!("there is no -{number}"))
}

fn act(act: &Act, option: &str, words: &mut Vec<String>) -> Option<()> {
    match act {
        Act::Words(meant) => {
            let at = take_flag(option, words)?;
            put(meant, at, words);
        }
        Act::Command(meant) => {
            take_flag(option, words)?;
            words.splice(..1, meant.iter().map(ToString::to_string));
        }
        Act::Value(meant) => {
            let (at, value) = take_value(option, words)?;
            // What is left out could have been the one PATH, in whose place all of `.` would be.
            if meant.is_empty() && (changes(words) || Path::new(&value).exists()) {
                return None;
            }
            let meant = meant.iter().map(|word| word.replace("{}", &value));
            words.splice(at..at, meant);
        }
        Act::Path => {
            let (at, value) = take_value(option, words)?;
            words.splice(at..at, value.split(',').map(str::to_owned));
        }
        Act::Topic => {
            let (at, topic) = take_value(option, words)?;
            let partition = ["--partition", "-p"].iter().find_map(|name| take_value(name, words));
            let number = match partition {
                Some((_, number)) => number.parse::<u32>().ok()?.to_string(),
                // The pattern is also that of orders-eu-0, and of what waits for its deletion.
                None if changes(words) => return None,
                None => "*".to_owned(),
            };
            below(&format!("{topic}-{number}"), at, words);
        }
        Act::Partition => {
            let (at, number) = take_value(option, words)?;
            below(&format!("*-{}", number.parse::<u32>().ok()?), at, words);
        }
        Act::PlanOnly => {
            // Of an undo there is no plan.
            if words.iter().any(|word| word == "--undo") {
                return None;
            }
            take_flag(option, words)?;
            words.retain(|word| word != "--apply");
        }
    }
    Some(())
}

/// True for a command that may change files. Nothing is offered that would change more than what
/// was typed.
fn changes(words: &[String]) -> bool {
    words.first().is_some_and(|first| ["reindex", "repair", "write"].contains(&&**first))
}

/// The options that are there already are not put in again.
fn put(meant: &[&str], at: usize, words: &mut Vec<String>) {
    let is_there = meant.first().is_some_and(|first| words.iter().any(|word| word == first));
    if !is_there {
        words.splice(at..at, meant.iter().map(ToString::to_string));
    }
}

/// `--topic orders --partition 3 DIR` is `DIR/orders-3`; without a partition, all of the topic's.
fn below(name: &str, at: usize, words: &mut Vec<String>) {
    let topic = name.rsplit_once('-').map_or(name, |(topic, _)| topic);
    let (mut is_any, mut is_value) = (false, false);
    for word in words.iter_mut().skip(1) {
        let is_dir = !is_value && !word.starts_with('-') && Path::new(word.as_str()).is_dir();
        is_value = ["--to", "--backup", "--plan"].contains(&&**word);
        is_any |= is_dir;
        // It may be one of that topic already.
        if is_dir && !is_partition_of(topic, word) {
            *word = Path::new(word.as_str()).join(name).to_string_lossy().into_owned();
        }
    }
    if !is_any {
        words.insert(at.min(words.len()), name.to_owned());
    }
}

/// True for `orders-3` and any path to it, of `orders` or of `*`.
fn is_partition_of(topic: &str, dir: &str) -> bool {
    let name = Path::new(dir).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.rsplit_once('-')
        .is_some_and(|(of, number)| number.parse::<u32>().is_ok() && (topic == "*" || topic == of))
}

/// A code that only one is like.
fn code(words: &mut [String]) -> Option<String> {
    let is_none = |word: &&mut String| !word.starts_with('-') && explain::page(word).is_none();
    let word = words.iter_mut().skip(1).find(is_none)?;
    let &[near] = explain::nearest(word).as_slice() else { return None };
    let typed = std::mem::replace(word, near.to_owned());
    Some(format!("no finding has the code '{typed}'"))
}

/// The name of the option that a word is.
fn option_of(word: &str) -> &str {
    word.split('=').next().unwrap_or(word)
}

/// Where an option stands: by itself, with a value behind `=`, or among letters as in `-la`.
fn place(option: &str, words: &[String]) -> Option<usize> {
    let is_it = |word: &String| option_of(word) == option;
    words.iter().position(is_it).or_else(|| {
        let letter = option.strip_prefix('-').filter(|letter| !letter.starts_with('-'))?;
        let is_among = |word: &String| {
            word.starts_with('-') && !word.starts_with("--") && word.contains(letter)
        };
        words.iter().position(is_among)
    })
}

/// Takes an option without a value out, and says where it stood.
fn take_flag(option: &str, words: &mut Vec<String>) -> Option<usize> {
    let at = place(option, words)?;
    let word = words.get_mut(at)?;
    if !word.starts_with("--") && option_of(word) != option {
        *word = word.replacen(option.trim_start_matches('-'), "", 1);
        return Some(at + 1);
    }
    words.remove(at);
    Some(at)
}

/// Takes an option and its value out, and says where it stood.
fn take_value(option: &str, words: &mut Vec<String>) -> Option<(usize, String)> {
    let at = place(option, words)?;
    let word = words.remove(at);
    if let Some((_, value)) = word.split_once('=') {
        return Some((at, value.to_owned()));
    }
    if option_of(&word) != option {
        let value = word.strip_prefix(option)?;
        return Some((at, value.to_owned()));
    }
    let is_value = words.get(at).is_some_and(|next| !next.starts_with('-') || next == "-");
    is_value.then(|| (at, words.remove(at)))
}

/// What is looked for, or dumped, stands without its option.
fn missing(words: &mut Vec<String>) -> Option<String> {
    match words.first()?.as_str() {
        "lookup" => sought(words),
        kafka_dump_log::COMMAND => files(words),
        _ => None,
    }
}

/// `seg kafka-dump-log FILE FILE`: the files stand without `--files`.
fn files(words: &mut Vec<String>) -> Option<String> {
    let is_file = |word: &String| !word.starts_with('-') && Path::new(word).is_file();
    let (files, mut others): (Vec<_>, Vec<_>) = words.drain(..).partition(is_file);
    if !files.is_empty() {
        others.extend(["--files".to_owned(), files.join(",")]);
    }
    *words = others;
    let reason = "files stand behind --files, with commas between them";
    (!files.is_empty()).then(|| reason.to_owned())
}

/// `seg lookup 300 DIR`: the offset, or the time, stands without its option.
fn sought(words: &mut Vec<String>) -> Option<String> {
    let is_loose = |word: &String| !word.starts_with('-') && !Path::new(word).exists();
    let offset = |word: &String| is_loose(word) && word.parse::<i64>().is_ok();
    let time =
        |word: &String| is_loose(word) && crate::time::parse(word, crate::time::now()).is_ok();
    let (at, option) = match words.iter().position(offset) {
        Some(at) => (at, "--offset"),
        None => (words.iter().position(time)?, "--time"),
    };
    let value = words.remove(at);
    words.extend([option.to_owned(), value]);
    Some(format!("lookup needs {option} in front of what is looked for"))
}
