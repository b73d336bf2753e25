//! `seg completions`: a completion script, made by clap.

use crate::cli::Cli;
use crate::output::{Outcome, Output};
use clap_complete::Shell;

/// The arguments of `seg completions`.
#[derive(clap::Args)]
#[command(after_help = "Example: seg completions bash > /etc/bash_completion.d/seg")]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub fn run(args: &Args, out: &mut Output) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::grouped(), "seg", &mut script);
    out.write(&script)?;
    Ok(Outcome::default())
}
