//! The unfinished end of a log, which an interrupted write leaves: cut off as `seg repair` cuts it,
//! so that it is kept, and can be put back.

use super::args::Args;
use crate::output::Output;
use crate::scope::scope;
use crate::values::{plural, terminal_text};
use segkit::error::Error;
use segkit::log::LogDirContext;
use segkit::log::disk::RealDisk;
use segkit::log::lock::Guard;
use segkit::log::log_dir::Liveness;
use segkit::progress::Silent;
use segkit::repair::backup::Place;
use segkit::repair::plan::{Action, ActionKind};
use segkit::repair::planner::{self, Options, Planned};
use segkit::repair::{self, Outcome, Terms};
use std::path::Path;
use std::sync::Arc;

/// Cuts off what was never finished. False when there is more to a repair than that: then nothing
/// was done.
pub fn cut(directory: &Path, guard: &Guard, args: &Args, out: &mut Output) -> anyhow::Result<bool> {
    let mut all = scope(&[directory.to_owned()], None, out)?;
    all.log_dirs.clear();
    for partition in &mut all.partitions {
        // The lock that seems to be a broker's is our own.
        partition.log_dir = partition.log_dir.take().map(|log_dir| {
            let mut log_dir = LogDirContext::clone(&log_dir);
            log_dir.liveness = Liveness::Offline;
            Arc::new(log_dir)
        });
    }
    let options = Options {
        accepts_single_bit: false,
        like_broker: false,
        threads: args.common.threads(),
        limits: args.common.limits(),
        index_interval_bytes: args.log.index_interval_bytes,
    };
    let mut plans = Vec::new();
    planner::plan(&all, &options, &Silent, &mut |planned| {
        plans.push(planned);
        true
    });
    let [planned] = plans.as_slice() else { return Ok(false) };
    if !is_only_the_end(planned) {
        return Ok(false);
    }
    let plan = &planned.plan;
    let place = Place::find(directory, guard, None).map_err(|error| {
        let why = format!("{error}; next: seg repair {}", directory.display());
        Error::other("cutting off the unfinished end of", directory, why)
    })?;
    let terms = Terms {
        guard,
        disk: &RealDisk,
        backup: Some(&place),
        rests_on: &plan.rests_on,
        is_first_step: planned.is_first_step,
    };
    let applied = repair::apply(&plan.changes, &terms);
    for applied in &applied {
        match &applied.outcome {
            Outcome::Written | Outcome::Equal => {}
            Outcome::Failed(error) => {
                let path = &error.path;
                return Err(Error::other(error.doing, path, error.reason()).into());
            }
            Outcome::NotAttempted => return Ok(false),
        }
    }
    let bytes = plan.losses.iter().map(repair::plan::Loss::bytes).fold(0, u64::saturating_add);
    let (directory, kept) = (directory.to_string_lossy(), place.path().to_string_lossy());
    let line = format!(
        "seg: {}: cut off {} of a batch that was never finished; kept in {}\n",
        terminal_text(&directory),
        plural(bytes, "byte"),
        terminal_text(&kept),
    );
    out.say(line.as_bytes())?;
    Ok(true)
}

/// True when the end of the log goes, what follows from that is done, and nothing else.
fn is_only_the_end(planned: &Planned) -> bool {
    let plan = &planned.plan;
    let is_snapshot = |path: &Path| path.extension().is_some_and(|kind| kind == "snapshot");
    let is_of_the_end = |action: &Action| match action.kind {
        ActionKind::CutTail | ActionKind::RebuildDerived => true,
        // One that stands behind the end.
        ActionKind::SetAside => is_snapshot(&action.file),
        _ => false,
    };
    planned.is_complete
        && planned.failed.is_none()
        && plan.actions.iter().any(|action| action.kind == ActionKind::CutTail)
        && plan.left_alone.is_empty()
        && plan.actions.iter().all(is_of_the_end)
        && plan.losses.iter().all(|loss| loss.is_unfinished)
}
