//! Which derived files are to be written, and what is wrong with those that are there. Pure: the
//! bytes come with the report of a look.

use super::change::{Change, WriteFile};
use crate::check::problem::IndexKind;
use crate::check::report::{PartitionReport, Rebuilt, SegmentReport};
use crate::check::{Finding, Problem, Severity};
use crate::format::producer_snapshot;
use crate::log::FileKind;
use crate::log::file_facts::FileIdentity;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A derived file, and how it compares with what the log gives.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The file, as it is and as it should be.
    pub file: Rebuilt,
    /// How they compare.
    pub verdict: Verdict,
}

/// How a derived file compares with what the log gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds the same bytes, or the log does not contradict it.
    Equal,
    /// It holds others, and serves as well.
    Safe,
    /// It is not there, and need not be yet.
    NotYet,
    /// It is not there.
    Missing(Effect),
    /// It is wrong.
    Wrong(Effect),
}

/// What a file that is wrong or missing does to those who use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Reads find everything, after a longer search.
    Slow,
    /// Reads miss records, or find what they should not.
    LosesRecords,
    /// Retention and searches by time go by a wrong time.
    WrongTimes,
    /// What a broker knows about producers or leader epochs is wrong or has to be found again.
    State,
}

/// Compares the indexes of a segment whose log is sound.
#[must_use]
pub fn of_segment(report: &SegmentReport) -> Vec<Compared> {
    report.rebuilt.iter().map(|file| compare(file, &report.findings)).collect()
}

/// Compares the other files of a partition whose logs are sound.
#[must_use]
pub fn of_partition(report: &PartitionReport) -> Vec<Compared> {
    report.rebuilt.iter().map(|file| compare(file, &report.findings)).collect()
}

fn compare(file: &Rebuilt, findings: &[Finding]) -> Compared {
    let own = findings.iter().filter(|finding| is_about(finding, file));
    let bad = own.clone().filter(|finding| finding.severity() > Severity::Note);
    let worst = bad.max_by_key(|finding| finding.severity());
    let verdict = match (&file.before, worst) {
        _ if file.after.is_none() => Verdict::Equal,
        (None, None) if is_index(file.kind) || file.kind == FileKind::TxnIndex => Verdict::NotYet,
        (None, _) if !file.is_due => Verdict::NotYet,
        // Of no producer: what a broker assumes without one.
        (None, _) if file.after.as_deref() == Some(&producer_snapshot::encode(&[])[..]) => {
            Verdict::NotYet
        }
        (None, _) => Verdict::Missing(effect_of_missing(file.kind)),
        (Some(_), Some(finding)) => Verdict::Wrong(effect(finding)),
        (Some(_), None) if is_index(file.kind) => Verdict::Safe,
        (Some(_), None) => Verdict::Wrong(effect_of_missing(file.kind)),
    };
    Compared { file: file.clone(), verdict }
}

/// An entry that is missing in a transaction index is said where its marker is, in the log.
fn is_about(finding: &Finding, file: &Rebuilt) -> bool {
    let is_missing_entry = matches!(finding.problem, Problem::TxnIndexMissing { .. });
    match file.kind {
        FileKind::TxnIndex if is_missing_entry => {
            finding.file.with_extension("") == file.path.with_extension("")
        }
        _ => finding.file == file.path && !is_missing_entry,
    }
}

fn is_index(kind: FileKind) -> bool {
    matches!(kind, FileKind::OffsetIndex | FileKind::TimeIndex)
}

fn effect_of_missing(kind: FileKind) -> Effect {
    match kind {
        FileKind::OffsetIndex => Effect::Slow,
        FileKind::TimeIndex => Effect::WrongTimes,
        FileKind::TxnIndex => Effect::LosesRecords,
        _ => Effect::State,
    }
}

fn effect(finding: &Finding) -> Effect {
    match &finding.problem {
        Problem::TimeIndexLast { .. } | Problem::IndexZeroTail { index: IndexKind::Time, .. } => {
            Effect::WrongTimes
        }
        Problem::IndexZeroTail { .. } | Problem::IndexLength { .. } => Effect::Slow,
        Problem::SnapshotDamaged { .. }
        | Problem::SnapshotDiffers { .. }
        | Problem::LeaderEpochOrder { .. }
        | Problem::LeaderEpochBeyondEnd { .. }
        | Problem::Contradicts { .. }
        | Problem::Text { .. } => Effect::State,
        _ => Effect::LosesRecords,
    }
}

impl Compared {
    /// True when the bytes are to be written.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.file.after.is_some()
    }
}

/// The changes that write what is pending; `logs` are the logs that it was built from, as they were
/// before they were read. The first of them lends its owner and age to files that are new.
#[must_use]
pub fn changes(files: &[Compared], logs: &[(Arc<Path>, FileIdentity)]) -> Vec<Change> {
    let Some((like, _)) = logs.first() else { return Vec::new() };
    let made_from: Vec<(PathBuf, FileIdentity)> =
        logs.iter().map(|(log, identity)| (log.to_path_buf(), *identity)).collect();
    let change = |compared: &Compared| {
        let file = &compared.file;
        Some(Change::WriteFile(WriteFile {
            path: file.path.to_path_buf(),
            after: file.after.clone()?,
            before: file.before.as_ref().and_then(|before| before.identity),
            like: like.to_path_buf(),
            made_from: made_from.clone(),
        }))
    };
    files.iter().filter_map(change).collect()
}
