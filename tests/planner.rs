//! Plans, made in process: none for what brokers wrote; for a log of 1,000 batches of which each in
//! turn is destroyed, one that keeps the other 999.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use segkit::check::{PartitionScope, Scope};
use segkit::limits::Limits;
use segkit::log::{LogDirContext, PartitionDir};
use segkit::progress::Silent;
use segkit::repair::planner::{Options, Planned, plan};
use std::path::Path;
use std::sync::Arc;

const OPTIONS: Options = Options {
    accepts_single_bit: false,
    like_broker: false,
    threads: 2,
    limits: Limits::STANDARD,
    index_interval_bytes: 4096,
};

fn planned(partition: &Path) -> Planned {
    let dir = PartitionDir::open(partition).unwrap();
    let log_dir = dir.log_dir().map(|path| Arc::new(LogDirContext::read(&path)));
    let partitions = vec![PartitionScope::new(dir, log_dir)];
    let mut planned = None;
    plan(&Scope { partitions, log_dirs: vec![] }, &OPTIONS, &Silent, &mut |made| {
        planned = Some(made);
        true
    });
    planned.unwrap()
}

#[test]
fn nothing_is_planned_for_what_brokers_wrote() {
    common::in_parallel(&common::partitions(&common::testdata()), |partition| {
        let planned = planned(partition);
        assert!(planned.failed.is_none(), "{partition:?}: {:?}", planned.failed);
        assert!(planned.plan.is_empty(), "{partition:?}: {:#?}", planned.plan.actions);
        assert!(
            planned.plan.left_alone.is_empty(),
            "{partition:?}: {:#?}",
            planned.plan.left_alone
        );
    });
}
