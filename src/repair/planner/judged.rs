//! Which findings a plan answers, and which it leaves alone, and why.

use crate::check::report::Rebuilt;
use crate::check::{Finding, Problem, Severity};
use crate::log::FileKind;
use crate::repair::layout::Layout;
use crate::repair::plan::{Action, ActionKind, LeftAlone, Plan};
use std::path::Path;

/// True when writing `file` anew answers `finding`.
pub(super) fn is_answered(finding: &Finding, file: &Rebuilt) -> bool {
    let is_missing_entry = matches!(finding.problem, Problem::TxnIndexMissing { .. });
    match file.kind {
        FileKind::TxnIndex if is_missing_entry => {
            finding.file.with_extension("") == file.path.with_extension("")
        }
        _ => finding.file == file.path && !is_missing_entry,
    }
}

/// What stays wrong: of the findings from before, those inside batches that are kept, which no
/// look at headers tells again; of those from the look at the partition as it is going to be, all
/// that are not about a file that is written anew.
pub(super) fn left_alone(
    before: &[Finding],
    after: &[Finding],
    layout: &Layout,
    plan: &Plan,
) -> Vec<LeftAlone> {
    let rebuilt = written(plan);
    let is_told = |finding: &&Finding| {
        // Records that are nowhere are no one's to repair.
        finding.severity() > Severity::Note && !matches!(finding.problem, Problem::OffsetGap { .. })
    };
    let is_dropped = |finding: &Finding| {
        plan.losses.iter().any(|loss| {
            loss.file == finding.file
                && loss.range.start <= finding.range.start
                && finding.range.end <= loss.range.end
        })
    };
    let inside = before
        .iter()
        .filter(is_told)
        .filter(|finding| is_inside_batch(&finding.problem) && !is_dropped(finding));
    let is_written = |finding: &Finding| {
        let is_missing_entry = matches!(finding.problem, Problem::TxnIndexMissing { .. });
        rebuilt.iter().any(|path| {
            *path == &*finding.file
                || is_missing_entry && path.with_extension("") == finding.file.with_extension("")
        })
    };
    let is_done = |finding: &Finding| {
        // What the directory's part of the plan speaks of.
        let is_there = |file: &Path| plan.actions.iter().any(|action| &*action.file == file);
        is_of_directory(&finding.problem) && is_there(&finding.file)
            || plan.left_alone.iter().any(|left| left.finding.file == finding.file)
                && is_of_directory(&finding.problem)
    };
    let outside = after.iter().filter(is_told).filter(|finding| {
        !is_inside_batch(&finding.problem) && !is_written(finding) && !is_done(finding)
    });
    let why = |finding: &Finding| {
        let said = layout.left_alone.iter().find(|(file, range, _)| {
            *file == finding.file
                && range.start <= finding.range.start
                && finding.range.start < range.end.max(range.start.plus(1))
        });
        said.map_or_else(|| why(&finding.problem), |(_, _, why)| why.clone())
    };
    let left = |finding: &Finding| LeftAlone { finding: finding.clone(), why: why(finding) };
    inside.chain(outside).map(left).collect()
}

/// The files that are written.
fn written(plan: &Plan) -> Vec<&Path> {
    let is_written = |action: &&Action| action.kind == ActionKind::RebuildDerived;
    plan.actions.iter().filter(is_written).map(|action| &*action.file).collect()
}

/// True for what is only seen by who unpacks a batch whose checksum holds.
fn is_inside_batch(problem: &Problem) -> bool {
    matches!(
        problem,
        Problem::UnknownCodec { .. }
            | Problem::Decompression { .. }
            | Problem::DecompressionTrailing { .. }
            | Problem::DecompressionChecksum { .. }
            | Problem::RecordStructure { .. }
            | Problem::RecordCount { .. }
            | Problem::RecordOffsetDelta { .. }
            | Problem::LastOffsetDelta { .. }
            | Problem::MaxTimestamp { .. }
            | Problem::ControlRecord { .. }
            | Problem::ControlRecords { .. }
            | Problem::ProducerFields { .. }
            | Problem::WrapperMessage { .. }
    )
}

/// True for what is wrong with names and small files rather than with logs.
fn is_of_directory(problem: &Problem) -> bool {
    matches!(
        problem,
        Problem::InterruptedReplace { .. }
            | Problem::LogMissing
            | Problem::StrayDirectory { .. }
            | Problem::StrayFile { .. }
            | Problem::NotReadable { .. }
            | Problem::Text { .. }
            | Problem::Contradicts { .. }
    )
}

fn why(problem: &Problem) -> String {
    let why = match problem {
        problem if is_inside_batch(problem) => {
            "its checksum holds, so these are the bytes that were written: there is nothing to \
             restore them from, and records are never altered"
        }
        Problem::BatchMagic { .. } => "no magic makes its checksum agree",
        Problem::OffsetGoesBack { .. }
        | Problem::OffsetBelowSegment { .. }
        | Problem::OffsetBeyondNextSegment { .. }
        | Problem::OffsetOverflow { .. } => "more than one order of batches would fit",
        Problem::LeaderEpochGoesBack { .. } | Problem::LeaderEpochDiffers { .. } => {
            "more than one leader epoch would fit"
        }
        Problem::Limit { .. } | Problem::NotReadable { .. } | Problem::UnreadableRange { .. } => {
            "it could not be looked at"
        }
        _ => "there is nothing that proves what it should be",
    };
    why.to_owned()
}
