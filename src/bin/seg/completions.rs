//! `seg completions`: a completion script, made by clap; and what clap leaves out of it.

use crate::cli::Cli;
use crate::help::{self, Example};
use crate::output::{Outcome, Output};
use clap::builder::PossibleValue;
use clap::{Arg, Command, ValueHint};
use clap_complete::Shell;

/// What `seg completions --help` says beside the arguments.
pub const HELP: help::Page = help::Page {
    description: &[
        "Prints a script that lets a shell complete commands, options, their values, and paths: \
         partition directories and log dirs where only those make sense. Put it where the shell \
         looks for it, under the name below, and start a new shell. Packages have done so.",
    ],
    examples: &[
        Example::new("seg completions bash", "the script for bash"),
        Example::new("seg completions zsh | tee /tmp/_seg", "written where zsh may find it"),
    ],
    status: &[("0", "the script was printed"), help::USAGE],
    files: &[
        ("~/.local/share/bash-completion/completions/seg", "bash, with bash-completion"),
        ("~/.zfunc/_seg", "zsh, with fpath+=~/.zfunc in front of compinit in ~/.zshrc"),
        ("~/.config/fish/completions/seg.fish", "fish"),
        ("$PROFILE", "powershell: the script's text, or a line that runs it"),
        ("~/.config/elvish/rc.elv", "elvish: eval (seg completions elvish | slurp)"),
    ],
};

/// The arguments of `seg completions`.
#[derive(clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub fn run(args: &Args, out: &mut Output) -> anyhow::Result<Outcome> {
    out.write(script(args.shell).as_bytes())?;
    Ok(Outcome::default())
}

/// The script for a shell.
pub fn script(shell: Shell) -> String {
    let mut command = Cli::grouped();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "seg", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Bash => bash(&script, &command),
        Shell::Elvish => elvish(&script, &command),
        Shell::Fish => script + &fish(&command),
        _ => script,
    }
}

/// What stands without a flag in a command: how it is completed, where it is a path.
fn path_hint(command: &Command, name: &str) -> Option<ValueHint> {
    let positional = command.find_subcommand(name)?.get_positionals().next()?;
    let hint = positional.get_value_hint();
    matches!(hint, ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath).then_some(hint)
}

/// Between the names of commands in clap's script for bash.
const BASH_SEPARATOR: &str = "__subcmd__";

/// Where a path can stand, clap's script offers options until the first letter is there. What it
/// leaves empty is completed with names of files, or of directories only.
fn bash(script: &str, command: &Command) -> String {
    let mut hint = None;
    let mut text = String::new();
    for line in script.lines() {
        let block = line.strip_prefix("        seg").and_then(|line| line.strip_suffix(')'));
        if let Some(name) = block {
            let name = name.trim_start_matches(BASH_SEPARATOR);
            hint = path_hint(command, name)
                .or_else(|| path_hint(command, &name.replace(BASH_SEPARATOR, "-")));
        }
        let all = "            COMPREPLY=( $(compgen -W \"${opts}\" -- \"${cur}\") )";
        match hint {
            Some(_) if line.ends_with("|| ${COMP_CWORD} -eq 2 ]] ; then") => {
                text.push_str("            if [[ ${cur} == -* ]] ; then");
            }
            Some(hint) if line == all => {
                text.push_str("            COMPREPLY=()");
                if hint == ValueHint::DirPath {
                    let dirnames = "compopt +o bashdefault +o default -o dirnames";
                    text.push_str(&format!("\n            {dirnames} 2>/dev/null"));
                }
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

/// Clap offers nothing to fish of what stands without a flag; files are fish's own offer.
fn fish(command: &Command) -> String {
    let mut text = String::new();
    for command in command.get_subcommands() {
        let Some(positional) = command.get_positionals().next() else { continue };
        let values = offered(positional);
        let offer = match positional.get_value_hint() {
            ValueHint::DirPath => "(__fish_complete_directories)".to_owned(),
            _ if !values.is_empty() => {
                let value = |value: &PossibleValue| {
                    let help = value.get_help().map(ToString::to_string).unwrap_or_default();
                    format!("{}\\t'{}'", value.get_name(), help.replace('\'', "\\'"))
                };
                values.iter().map(value).collect::<Vec<_>>().join("\n")
            }
            _ => continue,
        };
        let name = command.get_name();
        let when = format!("__fish_seg_using_subcommand {name}");
        text.push_str(&format!("complete -c seg -n \"{when}\" -f -a \"{offer}\"\n"));
    }
    text
}

/// Clap offers nothing to elvish of what stands without a flag, and elvish then offers no files.
fn elvish(script: &str, command: &Command) -> String {
    let mut text = String::new();
    for line in script.lines() {
        text.push_str(&format!("{line}\n"));
        if line.ends_with("set command = $command';'$word") {
            // No command has commands of its own: what follows is an argument.
            text.push_str("        break\n");
        }
        let block = line.trim_start().strip_prefix("&'seg;");
        let Some((name, _)) = block.and_then(|block| block.split_once('\'')) else { continue };
        if path_hint(command, name).is_some() {
            text.push_str("            edit:complete-filename $words[-1]\n");
        }
        let positional = command.find_subcommand(name).and_then(|it| it.get_positionals().next());
        for value in positional.map(offered).unwrap_or_default() {
            let help = value.get_help().map(ToString::to_string).unwrap_or_default();
            let (name, help) = (value.get_name(), help.replace('\'', "''"));
            text.push_str(&format!("            cand {name} '{help}'\n"));
        }
    }
    text
}

/// The values that are offered for an argument.
fn offered(arg: &Arg) -> Vec<PossibleValue> {
    arg.get_possible_values().into_iter().filter(|value| !value.is_hide_set()).collect()
}
