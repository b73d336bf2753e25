//! Plans carried out, taken back, and copied elsewhere.

use super::{Args, Work, closing, plan_file, said};
use crate::guards::Guards;
use crate::output::{Outcome, Output};
use crate::render::{JsonLines, Sink};
use crate::row::{self, AppliedRow};
use crate::values::{plural, terminal_text};
use segkit::check::{PartitionScope, Scope};
use segkit::error::Error;
use segkit::log::PartitionDir;
use segkit::log::disk::RealDisk;
use segkit::repair::backup::Place;
use segkit::repair::planner::Planned;
use segkit::repair::{self, Applied, Terms};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// Carries out the plan for one directory. True when all of it was done; what was not is said.
pub(super) fn apply(work: &mut Work<'_>, planned: &Planned) -> anyhow::Result<bool> {
    let plan = &planned.plan;
    let directory = &plan.directory;
    if let Some(why) = refusal(work, planned)? {
        work.out.error(&Error::other("repairing", directory, why))?;
        return Ok(false);
    }
    // What is going to be done is on the screen before it is.
    work.out.flush()?;
    let Some(guard) = work.guards.of(directory) else {
        work.out.error(&Error::other("repairing", directory, "its lock is not held"))?;
        return Ok(false);
    };
    let place = match Place::find(directory, guard, work.args.backup.as_deref()) {
        Ok(place) => place,
        Err(error) => {
            match work.args.backup.as_deref().filter(|place| !place.exists()) {
                Some(place) => work.out.error(&missing_backup(place))?,
                None => work.out.error(&error)?,
            }
            return Ok(false);
        }
    };
    let (backup, rests_on) = (Some(&place), plan.rests_on.as_slice());
    let is_first_step = planned.is_first_step;
    let terms = Terms { guard, disk: &RealDisk, backup, rests_on, is_first_step };
    let applied = repair::apply(&plan.changes, &terms);
    tell(work, &applied, place.path())
}

/// A disk that is not mounted looks like that, so the directory is not made.
fn missing_backup(place: &Path) -> Error {
    let why = format!("it is not there; if that is right: mkdir -p {}", closing::shell(place));
    Error::other("keeping originals in", place, why)
}

/// The partitions of which a first step was done, found anew.
pub(super) fn again(done: &BTreeSet<PathBuf>, scope: &Scope) -> Scope {
    let partitions = scope.partitions.iter().filter(|it| done.contains(it.dir.path()));
    let again = partitions.filter_map(|partition| {
        let dir = PartitionDir::open(partition.dir.path()).ok()?;
        Some(PartitionScope::new(dir, partition.log_dir.clone()))
    });
    Scope { partitions: again.collect(), log_dirs: Vec::new() }
}

/// Why a plan is not carried out, if it is not.
fn refusal(work: &Work<'_>, planned: &Planned) -> anyhow::Result<Option<String>> {
    let plan = &planned.plan;
    if plan.loses_records() && !work.args.sole_copy {
        return Ok(Some("records would be lost: only with --sole-copy".to_owned()));
    }
    if work.unfinished.contains(&plan.directory) {
        let why = "it rests on the repair of a partition in it that was not carried out";
        return Ok(Some(why.to_owned()));
    }
    if let Some(approved) = &work.approved {
        let now = plan_file::lines(planned).map_err(|error| said(&error))?;
        if approved.get(&plan.directory) != Some(&now) {
            let why = "it is not what it was a moment ago, when it was compared with the plan";
            return Ok(Some(why.to_owned()));
        }
    }
    Ok(None)
}

fn tell(work: &mut Work<'_>, done: &[Applied], backup: &Path) -> anyhow::Result<bool> {
    let mut failed = 0;
    for applied in done {
        let (action, error) = match &applied.outcome {
            repair::Outcome::Written => ("written", None),
            repair::Outcome::Equal => ("unchanged", None),
            repair::Outcome::Failed(error) => {
                work.out.error(error)?;
                failed += 1;
                ("failed", Some(error.to_string()))
            }
            repair::Outcome::NotAttempted => {
                failed += 1;
                ("notAttempted", None)
            }
        };
        unknown_writers(applied, work.out)?;
        if work.args.is_json() {
            let (file, backup) = (applied.path.as_path(), Some(backup));
            write_row(&AppliedRow { file, action, error, backup }, work.out)?;
        }
    }
    if !work.args.is_json() {
        let all = done.len() as u64;
        let mut text = match failed {
            0 => format!("  done     all of it: {}\n", plural(all, "change")),
            _ => format!("  done     {} of {}\n", all - failed, plural(all, "change")),
        };
        if backup.exists() {
            let backup = terminal_text(&backup.to_string_lossy());
            text.push_str(&format!("  kept     the originals, in {backup}\n"));
        }
        work.out.write(text.as_bytes())?;
        work.out.flush()?;
    }
    Ok(failed == 0)
}

fn unknown_writers(applied: &Applied, out: &mut Output) -> io::Result<()> {
    let Some(why) = applied.unknown_writers.as_ref().filter(|_| out.verbose) else {
        return Ok(());
    };
    let why = format!("whether anyone is writing it is not known: {why}");
    let line = Error::other("asking about", &applied.path, why).to_string();
    out.say(format!("seg: {}\n", terminal_text(&line)).as_bytes())
}

fn write_row(applied: &AppliedRow<'_>, out: &mut Output) -> io::Result<()> {
    let mut sink = JsonLines::default();
    row::applied(&mut sink, applied);
    out.write(sink.buffer())
}

/// Takes the last repair of everything in the scope back.
pub(super) fn undo(
    args: &Args,
    scope: &Scope,
    guards: &Guards,
    out: &mut Output,
) -> anyhow::Result<Outcome> {
    let partitions = scope.partitions.iter().map(|partition| partition.dir.path());
    let log_dirs = scope.log_dirs.iter().map(|log_dir| log_dir.context.path());
    let mut directories: Vec<&Path> = partitions.chain(log_dirs).collect();
    // What was done last is undone first.
    directories.reverse();
    let mut is_any = false;
    for directory in &directories {
        let Some(guard) = guards.of(directory) else { continue };
        let undone = match repair::undo(directory, guard, &RealDisk, args.backup.as_deref()) {
            Ok(Some(undone)) => undone,
            // Of what is named at once, not everything was repaired.
            Ok(None) => continue,
            Err(error) => {
                is_any = true;
                out.error(&error)?;
                continue;
            }
        };
        is_any = true;
        let backup = Some(undone.backup.as_path());
        if args.is_json() {
            for file in &undone.restored {
                let row = AppliedRow { file, action: "restored", error: None, backup };
                write_row(&row, out)?;
            }
            continue;
        }
        let directory = terminal_text(&directory.to_string_lossy());
        let files = plural(undone.restored.len() as u64, "file");
        let backup = terminal_text(&undone.backup.to_string_lossy());
        let text = format!("{directory}  as it was before the repair: {files} from {backup}\n");
        out.write(text.as_bytes())?;
    }
    if !is_any && !directories.is_empty() {
        let place = args.backup.as_ref().map_or_else(
            || "; one with a --backup DIR needs it again".to_owned(),
            |backup| format!(" in {}", backup.display()),
        );
        out.error(&format!("undoing: no repair of these paths is on record{place}"))?;
    }
    Ok(Outcome::default())
}

/// A copy is made only of what stands still, and where nothing else is.
pub(super) fn keep_copyable(to: &Path, scope: &mut Scope, out: &mut Output) -> io::Result<()> {
    scope.log_dirs.clear();
    if let Err(error) = repair::check_place(to) {
        scope.partitions.clear();
        return out.error(&error);
    }
    let mut live: Vec<PathBuf> = Vec::new();
    scope.partitions.retain(|partition| {
        if partition.is_live() {
            live.push(partition.dir.path().to_owned());
        }
        !partition.is_live()
    });
    for path in live {
        out.error(&Error::other("copying", &path, "a broker is at work in its log dir"))?;
    }
    Ok(())
}

/// Writes the repaired partition to a new directory. True when it is there. Where segments were on
/// their way it is not repaired by that: they have arrived, and can be looked at.
pub(super) fn copy(
    planned: &Planned,
    to: &Path,
    args: &Args,
    out: &mut Output,
) -> io::Result<bool> {
    let copy = match repair::copy_to(planned, to, &RealDisk) {
        Ok(copy) => copy,
        Err(error) => {
            out.error(&error)?;
            return Ok(false);
        }
    };
    if planned.is_first_step {
        out.outcome.add(Outcome::NO);
    }
    if args.is_json() {
        write_row(&AppliedRow { file: &copy, action: "copied", error: None, backup: None }, out)?;
        return Ok(true);
    }
    out.write(copied(planned, &copy, args).as_bytes())?;
    Ok(true)
}

fn copied(planned: &Planned, copy: &Path, args: &Args) -> String {
    let (from, to) = (planned.plan.directory.to_string_lossy(), copy.to_string_lossy());
    let (from, to) = (terminal_text(&from), terminal_text(&to));
    if !planned.is_first_step {
        return format!("{from}  copied, repaired, to {to}\n");
    }
    let next = format!("seg repair {}{}", closing::shell(copy), closing::flags(args));
    format!("{from}  copied to {to}; segments were on their way there\nnext: {next}\n")
}
