//! A second look at what changed under the first one.
//!
//! ```text
//!   look      1    2    3    4    5
//!   damage    x    x    x    x            found by four in a row: it is there
//!   behind    x                           the index was ahead of its log
//!   cut            x    x    x    x       came with the change that the first look saw
//! ```
//!
//! A broker appends, rolls, compacts and deletes while its files are read: an index may be ahead of
//! the log that was read with it, a segment may be gone, or be another one by now. What is wrong
//! for good is found again in the same place; what a second look does not find was on its way.

use super::report::PartitionReport;
use super::scope::{PartitionScope, Scope, VerifyOptions};
use super::verify::{Listener, look};
use super::{Finding, Problem, Severity};
use crate::format::Position;
use crate::log::lock::is_held_here;
use crate::log::{LogDirContext, PartitionDir};
use crate::progress::Silent;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How many looks in a row have to find the same.
const AGREEING: usize = 4;
/// How often a partition is looked at that somebody is changing.
const LOOKS: usize = 7;
/// How long to let it come to rest in between; twice as long each time, because what changes a
/// directory again and again, as a cleaner, has a rhythm of its own.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(800);
const LOCK: &str = ".lock";

/// Keeps of a report what further looks find as well, and adds what they agree on.
pub(super) fn settle(
    scope: &PartitionScope,
    options: &VerifyOptions,
    mut report: PartitionReport,
) -> PartitionReport {
    if scope.dir == PartitionDir::empty(scope.dir.path()) {
        // A stream, which comes only once.
        return report;
    }
    let mut sightings = Sightings::default();
    sightings.add(&report.findings);
    let mut pause = PAUSE;
    for _ in 1..LOOKS {
        if sightings.are_agreed() {
            break;
        }
        match Again::of(scope) {
            Ok(now) if now.is_changing(scope, &report) => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            // A topic that was deleted meanwhile.
            Err(ErrorKind::NotFound) => {
                let problem = Problem::Vanished { settled: true };
                let place = Position(0)..Position(0);
                report.findings = vec![Finding::new(scope.dir.path().into(), place, problem)];
                return report;
            }
            Ok(_) | Err(_) => return report,
        }
        let Some(found) = Again::of(scope).ok().and_then(|again| again.look(options)) else {
            continue;
        };
        sightings.add(&found);
        join(&mut report, found);
    }
    report.findings.retain_mut(|finding| {
        let is_agreed = sightings.of(finding) >= AGREEING;
        if !is_agreed && let Some(settled) = change(finding) {
            *settled = true;
        }
        is_agreed || !is_serious(finding)
    });
    report
}

/// A partition, found anew.
struct Again(PartitionScope);

impl Again {
    fn of(scope: &PartitionScope) -> Result<Self, ErrorKind> {
        let dir = PartitionDir::open(scope.dir.path()).map_err(|error| error.source.kind())?;
        // A broker may have been started since; who stops now was at work all the same.
        let is_known = scope.is_live();
        let log_dir = scope.log_dir.as_ref().map(|known| {
            let is_ours = is_held_here(&known.path().join(LOCK));
            let again = || Arc::new(LogDirContext::read(known.path()));
            if is_known || is_ours { Arc::clone(known) } else { again() }
        });
        let mut again = PartitionScope::new(dir, log_dir);
        again.only.clone_from(&scope.only);
        Ok(Self(again))
    }

    /// True when anything speaks for somebody at work on the partition.
    fn is_changing(&self, first: &PartitionScope, report: &PartitionReport) -> bool {
        let saw_change = report.findings.iter().any(|finding| is_change(&finding.problem));
        // Under its lock nobody else may be: what is new in the directory is our own work.
        let lock = first.log_dir.as_ref().map(|log_dir| log_dir.path().join(LOCK));
        let is_ours = lock.is_some_and(|lock| is_held_here(&lock));
        saw_change || !is_ours && (self.0.is_live() || self.0.dir != first.dir)
    }

    fn look(self, options: &VerifyOptions) -> Option<Vec<Finding>> {
        let scope = Scope { partitions: vec![self.0], log_dirs: Vec::new() };
        let options = VerifyOptions { threads: 1, max_duration: None, ..options.clone() };
        let mut last = Last(None);
        look(&scope, &options, &Silent, &mut last, false);
        last.0.map(|report| report.findings)
    }
}

/// How many of the latest looks, one after the other, found each serious finding.
#[derive(Default)]
struct Sightings(HashMap<Key, usize>);

impl Sightings {
    fn add(&mut self, found: &[Finding]) {
        let before = std::mem::take(&mut self.0);
        let serious = found.iter().filter(|finding| is_serious(finding)).map(key);
        self.0 = serious.map(|key| (key.clone(), before.get(&key).map_or(1, |n| n + 1))).collect();
    }

    /// True when another look would tell nothing new.
    fn are_agreed(&self) -> bool {
        self.0.values().all(|looks| *looks >= AGREEING)
    }

    fn of(&self, finding: &Finding) -> usize {
        self.0.get(&key(finding)).copied().unwrap_or(0)
    }
}

/// The findings are those of the later look, and every change that was come upon before.
fn join(report: &mut PartitionReport, found: Vec<Finding>) {
    let before = std::mem::replace(&mut report.findings, found);
    let same = |a: &Finding, b: &Finding| a.file == b.file && a.problem.code() == b.problem.code();
    for finding in before.into_iter().filter(|finding| is_change(&finding.problem)) {
        if !report.findings.iter().any(|known| same(known, &finding)) {
            report.findings.push(finding);
        }
    }
    let rank = |finding: &Finding| (Arc::clone(&finding.file), finding.range.start);
    report.findings.sort_by_key(rank);
}

/// Where a finding ends moves with the end of a file that grows.
type Key = (Arc<Path>, &'static str, Position);

fn key(finding: &Finding) -> Key {
    (Arc::clone(&finding.file), finding.problem.code(), finding.range.start)
}

/// True for what sets the exit status.
fn is_serious(finding: &Finding) -> bool {
    finding.severity() > Severity::Note || finding.problem.is_unread()
}

/// True for what tells that the directory is changing.
fn is_change(problem: &Problem) -> bool {
    matches!(
        problem,
        Problem::Vanished { .. } | Problem::Replaced { .. } | Problem::TruncatedWhileReading { .. }
    )
}

/// Whether it is settled what became of what changed.
fn change(finding: &mut Finding) -> Option<&mut bool> {
    match &mut finding.problem {
        Problem::Vanished { settled }
        | Problem::Replaced { settled }
        | Problem::TruncatedWhileReading { settled } => Some(settled),
        _ => None,
    }
}

/// The one report of a look at one partition.
struct Last(Option<PartitionReport>);

impl Listener for Last {
    fn partition(&mut self, report: PartitionReport) -> bool {
        self.0 = Some(report);
        true
    }
}
