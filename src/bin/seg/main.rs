//! `seg`: arguments in, rows out. Everything that is known about Kafka's files is in the library.

mod advice;
mod cli;
mod completions;
mod dump;
mod explain;
mod findings;
mod guards;
mod help;
mod input;
mod kafka_dump_log;
mod kafka_text;
mod lookup;
mod ls;
mod output;
#[cfg(test)]
mod pages_tests;
mod progress_bar;
mod reindex;
mod render;
mod repair;
mod row;
mod scope;
mod select;
mod serve;
mod signals;
mod stdin;
mod table;
mod time;
mod usage;
mod values;
mod verify;
mod version;
mod write;

use clap::error::ErrorKind;
use cli::{Cli, Command};
use output::{Outcome, Output};
use segkit::error::Error;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// The command line makes no sense.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let mut out = Output::new(cli.command.common());
    signals::install();
    let result = run(&cli.command, &mut out).and_then(|outcome| Ok((outcome, out.flush()?)));
    match result {
        Ok((mut outcome, ())) => {
            outcome.add(out.outcome);
            outcome.into()
        }
        Err(error) => fail(&error, &mut out),
    }
}

/// The help where it was asked for, or where nothing was; else one line.
fn refuse(error: &clap::Error) -> ExitCode {
    let is_help = !error.use_stderr();
    if is_help || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return match error.print() {
            Err(error) if is_help => fail(&error.into(), &mut Output::new(None)),
            _ => ExitCode::from(if is_help { 0 } else { USAGE }),
        };
    }
    // Nobody is left to tell when this fails.
    let words: Vec<OsString> = std::env::args_os().collect();
    let said = usage::answer(error, kafka_dump_log::spoken(&words));
    let _ = io::stderr().write_all(said.as_bytes());
    ExitCode::from(USAGE)
}

fn run(command: &Command, out: &mut Output) -> anyhow::Result<Outcome> {
    match command {
        Command::Ls(args) => ls::run(args, out),
        Command::Dump(args) => dump::run(args, out),
        Command::Lookup(args) => lookup::run(args, out),
        Command::KafkaDumpLog(args) => kafka_dump_log::run(args, out),
        Command::Verify(args) => verify::run(args, out),
        Command::Reindex(args) => reindex::run(args, out),
        Command::Repair(args) => repair::run(args, out),
        Command::Write(args) => write::run(args, out),
        Command::Serve(args) => serve::run(args, out),
        Command::Explain(args) => explain::run(args, out),
        Command::Completions(args) => completions::run(args, out),
    }
}

/// A reader that went away is a quiet success; everything else is one line on stderr.
fn fail(error: &anyhow::Error, out: &mut Output) -> ExitCode {
    if output::is_closed_pipe(error) {
        return ExitCode::SUCCESS;
    }
    let top = error.chain().next();
    if let Some(error) = top.and_then(|top| top.downcast_ref::<Error>()) {
        let _ = out.error(error);
        return out.outcome.into();
    }
    // Everything else that is read or written has a path.
    let top = top.and_then(|top| top.downcast_ref::<io::Error>());
    if let Some(code) = top.and_then(io::Error::raw_os_error) {
        let source = io::Error::from_raw_os_error(code);
        let _ = out.error(&Error::new("writing to", Path::new("stdout"), source));
        return out.outcome.into();
    }
    if let Some(usage) = error.downcast_ref::<cli::UsageError>() {
        let _ = out.say(format!("seg: {usage}\n").as_bytes());
        return ExitCode::from(USAGE);
    }
    let cause = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    let advice = cause.and_then(advice::of_cause).map_or_else(String::new, |it| format!("; {it}"));
    let _ = out.error(&format!("{error:#}{advice}"));
    if error.is::<signals::Interrupted>() {
        return ExitCode::from(signals::INTERRUPTED);
    }
    out.outcome.into()
}
