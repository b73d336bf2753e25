//! What lies directly in a log dir: its checkpoints, `meta.properties`, and what is no partition's.

use super::checkpoints::{CODE, Checkpoint, Ends};
use super::{action, text_of};
use crate::check::directory::PartitionEnds;
use crate::check::problem::TextKind;
use crate::check::{Finding, Problem, Severity};
use crate::error::{Error, Result};
use crate::limits::SEARCH_DEPTH;
use crate::log::file_facts::{may_change, place_of};
use crate::log::names::OffsetCheckpoint;
use crate::log::{EntryKind, FileName, LogDir, LogDirContext, PartitionDirName, names_in};
use crate::repair::change::{Change, SetAside};
use crate::repair::plan::{ActionKind, LeftAlone, Plan};
use std::path::Path;

/// The directory that file systems keep for what a check of theirs finds.
const LOST_AND_FOUND: &str = "lost+found";

/// What a log dir's own files need once its partitions end where they are going to end. No broker
/// is at work in it. `ends` are those of the partitions whose ends are known.
///
/// # Errors
/// When nothing can be looked at.
pub fn of_log_dir(
    context: &LogDirContext,
    dir: &LogDir,
    ends: &[PartitionEnds],
    findings: &[Finding],
) -> Result<Plan> {
    let mut plan = Plan { directory: context.path().to_owned(), ..Plan::default() };
    let own = |finding: &&Finding| finding.severity() > Severity::Note;
    let findings: Vec<&Finding> = findings.iter().filter(own).collect();
    for which in OffsetCheckpoint::ALL {
        if let Some(path) = dir.checkpoint(which) {
            checkpoint(which, path, ends, &mut plan);
        }
    }
    let is_handled = |plan: &Plan, path: &Path| {
        plan.changes.iter().any(|change| change.path() == path)
            || plan.left_alone.iter().any(|left| *left.finding.file == *path)
    };
    // A directory that cannot be listed is two findings: the one that says what it is comes first.
    let is_last = |finding: &&Finding| matches!(finding.problem, Problem::NotReadable { .. });
    let (last, first): (Vec<&Finding>, Vec<&Finding>) = findings.into_iter().partition(is_last);
    for finding in first.into_iter().chain(last) {
        match &finding.problem {
            Problem::StrayDirectory { .. } => stray(context, finding, &mut plan),
            Problem::NotReadable { .. } if is_handled(&plan, &finding.file) => {}
            Problem::NotReadable { why } => leave(&mut plan, finding, unread(&finding.file, why)),
            Problem::Text { file: TextKind::Checkpoint, .. }
                if !is_handled(&plan, &finding.file) =>
            {
                leave(&mut plan, finding, "it could not be read again".to_owned());
            }
            Problem::Text { file: TextKind::MetaProperties, .. }
            | Problem::Contradicts { file: TextKind::MetaProperties, .. } => {
                let why = "it says which cluster, node and directory this is, which is never \
                           invented. Take it from the broker's other log dirs, all but \
                           directory.id, or from a backup; kafka-storage.sh info says what lacks";
                leave(&mut plan, finding, why.to_owned());
            }
            Problem::Contradicts { file: TextKind::PartitionMetadata, .. } => {
                let why = "which of the two ids is right nobody can tell from here: one may be \
                           that of a topic that was deleted and made anew. Ask the cluster \
                           (kafka-topics.sh --describe)";
                leave(&mut plan, finding, why.to_owned());
            }
            _ => {}
        }
    }
    Ok(plan)
}

fn leave(plan: &mut Plan, finding: &Finding, why: String) {
    plan.left_alone.push(LeftAlone { finding: finding.clone(), why });
}

/// One of the four. One that cannot be read is a finding, which is left alone as such.
fn checkpoint(which: OffsetCheckpoint, path: &Path, ends: &[PartitionEnds], plan: &mut Plan) {
    let of = |ends: &PartitionEnds| (ends.log_start, ends.log_end);
    let key = |ends: &PartitionEnds| ends.topic_partition.partition;
    let ends: Ends<'_> = ends
        .iter()
        .map(|ends| ((ends.topic_partition.topic.as_str(), key(ends)), of(ends)))
        .collect();
    let Ok(Some(file)) = Checkpoint::read(which, path) else { return };
    let (change, actions) = match file.parses() {
        true => match file.lowered(&ends) {
            Some(lowered) => lowered,
            None => return,
        },
        false => {
            let (change, action) = file.salvaged(&ends);
            (change, vec![action])
        }
    };
    debug_assert!(actions.iter().all(|action| action.code == Some(CODE)));
    plan.rests_on.push((path.to_owned(), file.identity));
    plan.actions.extend(actions);
    plan.changes.push(change);
}

/// A directory that keeps a broker from starting.
fn stray(context: &LogDirContext, finding: &Finding, plan: &mut Plan) {
    let path = &*finding.file;
    if let Err(why) = may_go(context.path(), path) {
        leave(plan, finding, why);
        return;
    }
    let reason = "its name is not TOPIC-NUMBER: a broker that starts on this log dir stops; all \
                  that is in it goes with it";
    let code = finding.problem.code();
    plan.actions.push(action(ActionKind::SetAside, path, reason.to_owned(), code));
    plan.changes.push(Change::SetAside(SetAside { path: path.to_owned(), before: None }));
}

/// Whether a directory can be moved out of its log dir, and why not.
fn may_go(log_dir: &Path, path: &Path) -> std::result::Result<(), String> {
    if text_of(path) == LOST_AND_FOUND {
        return Err("it belongs to the file system. Make a directory below this one and use that \
                    as log dir, with all that is in this one but lost+found"
            .to_owned());
    }
    if EntryKind::of(path) != EntryKind::Directory {
        return Err("it is a symbolic link: what it leads to is for whoever made it to say".into());
    }
    let place = |path: &Path| {
        let said = |error| Error::new("looking at", path, error).to_string();
        place_of(path).map_err(said)
    };
    if place(path)?.0 != place(log_dir)?.0 {
        return Err("another file system is mounted on it: mount that elsewhere".to_owned());
    }
    let above = log_dir.canonicalize().ok().and_then(|real| Some(real.parent()?.to_owned()));
    if let Some(above) = above
        && place(&above)?.0 != place(log_dir)?.0
    {
        return Err("a directory is kept on its own file system only, and the log dir is a mount \
                    point with nothing of that beside it. Move it elsewhere yourself"
            .to_owned());
    }
    for directory in [log_dir, path] {
        may_change(directory).map_err(|error| format!("it cannot be moved away: {error}"))?;
    }
    is_nobodys(path).map_err(|why| format!("{why}. Move it elsewhere yourself, if nobody uses it"))
}

/// The most entries of a directory that are looked at before it is set aside.
const ENTRIES_JUDGED: usize = 10_000;

/// Whether nothing in a directory looks like Kafka's: another log dir, in which a broker may be at
/// work, or a copy of partitions is not to be moved by anyone but whoever put it there.
fn is_nobodys(directory: &Path) -> std::result::Result<(), String> {
    let mut to_do = vec![(directory.to_owned(), 0)];
    let mut entries = 0;
    while let Some((path, depth)) = to_do.pop() {
        let names = names_in(&path).map_err(|error| error.to_string())?;
        entries += names.len();
        if entries > ENTRIES_JUDGED || depth > SEARCH_DEPTH {
            return Err("what is in it is too much to be looked through".to_owned());
        }
        for name in names {
            let entry = path.join(&name);
            let kind = EntryKind::of(&entry);
            let shown = entry.strip_prefix(directory).unwrap_or(&entry).display();
            let text = name.to_string_lossy();
            let is_kafkas = match kind {
                EntryKind::Directory => PartitionDirName::parse(&text).is_some(),
                _ => FileName::parse(&text).is_some(),
            };
            if is_kafkas {
                return Err(format!("it holds {shown}, which has a name of Kafka's"));
            }
            match kind {
                EntryKind::Directory => to_do.push((entry, depth + 1)),
                EntryKind::File => {}
                _ => return Err(format!("it holds {shown}, which is a link or no regular file")),
            }
        }
    }
    Ok(())
}

/// Why a file of a log dir that cannot be read stays as it is.
fn unread(path: &Path, why: &str) -> String {
    match EntryKind::of(path) {
        EntryKind::File | EntryKind::Directory => format!(
            "{why}: nothing can be said about it unread. Give it the owner and mode of what is \
             beside it, and look again"
        ),
        _ => "it is a link or no regular file: what it leads to is for whoever made it to say"
            .to_owned(),
    }
}
