//! A second look at what changed under the first one.
//!
//! A broker appends, rolls, compacts and deletes while its files are read: an index may be ahead of
//! the log that was read with it, a segment may be gone, or be another one by now. What is wrong
//! for good is found again in the same place; what a second look does not find was on its way.

use super::report::PartitionReport;
use super::scope::{PartitionScope, Scope, VerifyOptions};
use super::verify::{Listener, look};
use super::{Finding, Problem, Severity};
use crate::format::{Offset, Position};
use crate::log::PartitionDir;
use crate::progress::Silent;
use std::collections::HashSet;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often a partition is looked at that a broker is changing.
const LOOKS: usize = 3;
/// How long to let it come to rest in between.
const PAUSE: Duration = Duration::from_millis(100);

/// Keeps of a report what further looks find as well.
pub(super) fn settle(
    scope: &PartitionScope,
    options: &VerifyOptions,
    mut report: PartitionReport,
) -> PartitionReport {
    for _ in 1..LOOKS {
        let is_changing = scope.is_live() || report.findings.iter().any(is_change);
        if !is_changing || !report.findings.iter().any(is_serious) {
            break;
        }
        std::thread::sleep(PAUSE);
        let dir = match PartitionDir::open(scope.dir.path()) {
            Ok(dir) => dir,
            // A topic that was deleted meanwhile.
            Err(error) if error.source.kind() == ErrorKind::NotFound => {
                let problem = Problem::Vanished { settled: true };
                let place = Position(0)..Position(0);
                report.findings = vec![Finding::new(scope.dir.path().into(), place, problem)];
                break;
            }
            Err(_) => break,
        };
        let mut again = PartitionScope::new(dir, scope.log_dir.clone());
        again.only.clone_from(&scope.only);
        let partitions = vec![again];
        let scope = Scope { partitions, log_dirs: Vec::new() };
        let options = VerifyOptions { threads: 1, max_duration: None, ..options.clone() };
        let mut last = Last(None);
        look(&scope, &options, &Silent, &mut last, false);
        let Last(Some(again)) = last else { break };
        join(&mut report, again);
    }
    report
}

/// What was found is what both looks found; notes are those of the later one. What only the first
/// one came upon is settled.
fn join(report: &mut PartitionReport, again: PartitionReport) {
    let same: HashSet<_> = again.findings.iter().filter(|f| is_serious(f)).map(key).collect();
    let mut findings: Vec<Finding> = Vec::new();
    for mut finding in std::mem::take(&mut report.findings).into_iter().filter(is_serious) {
        if same.contains(&key(&finding)) {
            findings.push(finding);
        } else if is_change(&finding) {
            match &mut finding.problem {
                Problem::Vanished { settled }
                | Problem::Replaced { settled }
                | Problem::TruncatedWhileReading { settled } => *settled = true,
                _ => {}
            }
            findings.push(finding);
        }
    }
    findings.extend(again.findings.into_iter().filter(|finding| !is_serious(finding)));
    let rank = |finding: &Finding| (Arc::clone(&finding.file), finding.range.start);
    findings.sort_by_key(rank);
    report.findings = findings;
}

type Key = (Arc<Path>, &'static str, Range<u64>, Option<(Offset, Offset)>);

fn key(finding: &Finding) -> Key {
    let Range { start: Position(start), end: Position(end) } = finding.range;
    (Arc::clone(&finding.file), finding.problem.code(), start..end, finding.offsets)
}

/// True for what sets the exit status.
fn is_serious(finding: &Finding) -> bool {
    finding.severity() > Severity::Note || finding.problem.is_unread()
}

/// True for what tells that the directory is changing.
fn is_change(finding: &Finding) -> bool {
    matches!(
        finding.problem,
        Problem::Vanished { .. } | Problem::Replaced { .. } | Problem::TruncatedWhileReading { .. }
    )
}

/// The one report of a look at one partition.
struct Last(Option<PartitionReport>);

impl Listener for Last {
    fn partition(&mut self, report: PartitionReport) -> bool {
        self.0 = Some(report);
        true
    }
}
