//! `seg`: arguments in, rows out. Everything that is known about Kafka's files is in the library.

mod cli;
mod completions;
mod dump;
mod explain;
mod findings;
mod guards;
mod input;
mod kafka_dump_log;
mod kafka_text;
mod lookup;
mod ls;
mod output;
mod progress_bar;
mod reindex;
mod render;
mod repair;
mod row;
mod scope;
mod select;
mod serve;
mod signals;
mod table;
mod time;
mod values;
mod verify;
mod write;

use clap::error::ErrorKind;
use cli::{Cli, Command};
use output::{Outcome, Output};
use std::process::ExitCode;

/// The command line makes no sense.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(error) => {
            let asked_for =
                matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // Nobody is left to tell when this fails.
            let _ = error.print();
            return ExitCode::from(if asked_for { 0 } else { USAGE });
        }
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
    if let Some(usage) = error.downcast_ref::<cli::UsageError>() {
        let _ = out.say(format!("seg: {usage}\n").as_bytes());
        return ExitCode::from(USAGE);
    }
    let _ = out.error(&format!("{error:#}"));
    if error.is::<signals::Interrupted>() {
        return ExitCode::from(signals::INTERRUPTED);
    }
    out.outcome.into()
}
