//! From a look to a plan. Nothing is written here, and nothing is left to be found out when the
//! plan is applied.
//!
//! ```text
//!   look          every partition, once
//!     directory   which files there are going to be
//!     layout      what is going to stand in every log
//!     look again  at the logs as they are going to be: is all well, and what are the files that
//!                 are derived from them? Only of partitions whose logs change
//!   plan
//! ```
//!
//! What the second look still finds is left alone, and the plan says so.

mod after;
mod broker;
mod changes;
mod groups;
mod judged;
mod sources;

pub use broker::Broker;

use super::plan::Plan;
use crate::check::directory::PartitionEnds;
use crate::check::report::{PartitionReport, SegmentReport, Totals};
use crate::check::{Depth, Finding, Listener, PartitionScope, Scope, VerifyOptions, verify};
use crate::error::Error;
use crate::limits::Limits;
use crate::log::{Access, LogDir};
use crate::progress::Progress;
use after::Repair;
use std::path::PathBuf;

/// How to repair.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether one flipped bit that explains a checksum is set back where nothing else proves it.
    pub accepts_single_bit: bool,
    /// Whether to do what a broker would: the first bad byte ends the log.
    pub like_broker: bool,
    /// How many threads to use.
    pub threads: usize,
    /// The bounds on untrusted input.
    pub limits: Limits,
    /// How many bytes of the log an index entry stands for.
    pub index_interval_bytes: u64,
}

impl Options {
    fn look(&self, depth: Depth) -> VerifyOptions {
        VerifyOptions {
            depth,
            access: Access::Read,
            threads: self.threads,
            limits: self.limits,
            max_duration: None,
            rebuild_with_interval: Some(self.index_interval_bytes),
            collects_stretches: true,
        }
    }
}

/// The plan for one partition or log dir, and what it comes from.
#[derive(Debug, Default)]
pub struct Planned {
    /// What is going to be done.
    pub plan: Plan,
    /// What was found.
    pub findings: Vec<Finding>,
    /// What was looked at.
    pub totals: Totals,
    /// What a broker would do with the logs, where it is known that it would lose something.
    pub broker: Option<Broker>,
    /// Bytes of all logs as they are.
    pub bytes_before: u64,
    /// Bytes of all logs as they are going to be.
    pub bytes_after: u64,
    /// Records of all logs as they are going to be, as far as headers count them.
    pub records_after: u64,
    /// False when something could not be looked at: nothing is promised about it.
    pub is_complete: bool,
    /// Where the log is going to begin and end, and the log dir that is told.
    pub ends: Option<(PathBuf, PartitionEnds)>,
    /// True when this is only the first step: what else there is to do is known when it is done.
    pub is_first_step: bool,
    /// Why no plan could be made.
    pub failed: Option<Error>,
}

/// Plans the repair of everything in `scope`, one plan for each partition in their order, then
/// one for each log dir; `each` is told them as they are made, and answers whether to go on.
pub fn plan(
    scope: &Scope,
    options: &Options,
    progress: &dyn Progress,
    each: &mut (dyn FnMut(Planned) -> bool + Send),
) {
    let mut planner = Planner { scope, options, each, segments: Vec::new(), next: 0, ends: vec![] };
    verify(scope, &options.look(Depth::Records), progress, &mut planner);
}

struct Planner<'a> {
    scope: &'a Scope,
    options: &'a Options,
    each: &'a mut (dyn FnMut(Planned) -> bool + Send),
    /// Those of the partition that is being looked at.
    segments: Vec<SegmentReport>,
    /// Which partition, or behind them which log dir, is reported next.
    next: usize,
    /// Where the partitions of each log dir are going to end.
    ends: Vec<(PathBuf, PartitionEnds)>,
}

impl Listener for Planner<'_> {
    fn segment(&mut self, report: SegmentReport) {
        self.segments.push(report);
    }

    fn partition(&mut self, report: PartitionReport) -> bool {
        let segments = std::mem::take(&mut self.segments);
        let number = self.next;
        self.next += 1;
        let planned = match self.scope.partitions.get(number) {
            Some(partition) => self.of_partition(partition, report, segments),
            None => self.of_log_dir(number - self.scope.partitions.len(), report),
        };
        (self.each)(planned)
    }
}

impl Planner<'_> {
    fn of_partition(
        &mut self,
        partition: &PartitionScope,
        report: PartitionReport,
        segments: Vec<SegmentReport>,
    ) -> Planned {
        let mut planned = Planned {
            findings: report.findings.clone(),
            totals: report.totals,
            bytes_before: report.totals.coverage.bytes(),
            is_complete: !report.findings.iter().any(|finding| finding.problem.is_unread()),
            ..Planned::default()
        };
        planned.plan.directory = partition.dir.path().to_owned();
        let log_dir = partition.log_dir.as_ref().map(|log_dir| log_dir.path());
        let has_log_dir_plan = self
            .scope
            .log_dirs
            .iter()
            .any(|it| it.only.is_none() && log_dir == Some(it.context.path()));
        let repair = Repair::new(partition, self.options, report, segments, has_log_dir_plan);
        match repair.and_then(|mut repair| repair.plan(&mut planned).map(|()| repair.ends())) {
            Ok(ends) => {
                planned.ends.clone_from(&ends);
                self.ends.extend(ends);
            }
            Err(error) => {
                let directory = std::mem::take(&mut planned.plan.directory);
                planned.plan = Plan { directory, ..Plan::default() };
                planned.failed = Some(error);
            }
        }
        planned
    }

    fn of_log_dir(&self, number: usize, report: PartitionReport) -> Planned {
        let mut planned = Planned {
            is_complete: true,
            totals: report.totals,
            findings: report.findings,
            ..Planned::default()
        };
        planned.plan.directory = report.path;
        let Some(log_dir) = self.scope.log_dirs.get(number) else { return planned };
        let path = log_dir.context.path();
        let ends = self.ends.iter().filter(|(log_dir, _)| log_dir == path);
        let ends: Vec<PartitionEnds> = ends.map(|(_, ends)| ends.clone()).collect();
        let made = LogDir::open(path).and_then(|dir| {
            super::directory::of_log_dir(&log_dir.context, &dir, &ends, &planned.findings)
        });
        match made {
            Ok(plan) => planned.plan = plan,
            Err(error) => planned.failed = Some(error),
        }
        planned
    }
}
