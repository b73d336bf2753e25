//! Small partitions, and looks at copies of them.

use crate::common::{entries, testdata};
use segkit::check::coverage::Coverage;
use segkit::check::report::PartitionReport;
use segkit::check::{
    Depth, Listener, PartitionScope, Problem, Scope, Severity, VerifyOptions, verify,
};
use segkit::limits::Limits;
use segkit::log::{Access, PartitionDir};
use segkit::progress::Silent;
use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use tempfile::TempDir;

/// Log dir, partition, from which of its segments on and how many, and whether every byte of a log
/// is under a rule: never compacted, of magic 2, and all of it above the first leader epoch.
pub struct Source(&'static str, &'static str, usize, usize, bool);

pub const SUBJECTS: &[Source] = &[
    Source("kafka-4.3.1", "epochs-0", 0, 2, true),
    Source("kafka-4.3.1", "epochs-0", 2, 2, true),
    Source("kafka-4.3.1", "grouped-0", 0, 1, true),
    Source("kafka-4.3.1", "txn-open-0", 0, 2, true),
    Source("kafka-4.3.1", "rdkafka-txn-0", 0, 1, true),
    Source("kafka-4.3.1", "recompress-0", 0, 2, true),
    Source("kafka-4.3.1", "recompress-append-time-0", 0, 2, true),
    Source("kafka-4.3.1", "compact-txn-0", 1, 2, false),
    Source("kafka-4.3.1", "compact-drop-0", 1, 2, false),
    Source("kafka-4.3.1", "compact-producers-0", 0, 2, false),
    Source("kafka-2.8.2", "magic0-gzip-0", 0, 1, false),
    Source("kafka-2.8.2", "magic1-gzip-0", 0, 1, false),
    Source("kafka-2.8.2", "down0-none-0", 1, 2, false),
    Source("kafka-2.8.2", "down1-none-0", 1, 2, false),
    Source("kafka-2.8.2", "magic1-compact-0", 3, 3, false),
    Source("kafka-4.3.1-killed", "preallocated-empty-0", 0, 1, false),
];

pub struct Subject {
    /// Of the log dir and the partition.
    pub name: String,
    directory: &'static str,
    pub is_strict: bool,
    pub files: BTreeMap<String, Vec<u8>>,
    pub log_bytes: usize,
    pub healthy: Look,
}

impl Subject {
    pub fn new(source: &Source) -> Self {
        let Source(log_dir, partition, first, count, is_strict) = *source;
        let mut files = BTreeMap::new();
        for path in entries(&testdata().join(log_dir).join(partition)) {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            files.insert(name, fs::read(path).unwrap());
        }
        let logs: Vec<String> =
            files.keys().filter(|name| name.ends_with(".log")).cloned().collect();
        let keep: Vec<&str> = logs[first..first + count].iter().map(|log| &log[..20]).collect();
        let end = logs.get(first + count).map(|log| &log[..20]);
        // The snapshot at the end of what is kept was written there.
        let is_kept = |name: &String| {
            !name.starts_with('0')
                || keep.iter().any(|base| name.starts_with(base))
                || name.ends_with(".snapshot")
                    && &name[..20] >= keep[0]
                    && end.is_none_or(|end| &name[..20] <= end)
        };
        files.retain(|name, _| is_kept(name));
        if let Some(end) = end {
            cut_epochs(&mut files, end.parse().unwrap());
        }
        let logs = files.iter().filter(|(name, _)| name.ends_with(".log"));
        let mut subject = Self {
            name: format!("{log_dir}/{partition}"),
            directory: partition,
            is_strict,
            log_bytes: logs.map(|(_, bytes)| bytes.len()).sum(),
            files,
            healthy: Look::default(),
        };
        subject.healthy = Copy::of(&subject).look();
        let rows = &subject.healthy.rows;
        assert!(
            rows.iter().all(|row| row.severity == Severity::Note),
            "{}: {rows:?}",
            subject.name
        );
        subject
    }

    pub fn is_last_log(&self, file: &str) -> bool {
        self.files.keys().rfind(|name| name.ends_with(".log")).is_some_and(|last| last == file)
    }
}

/// Takes away epochs that begin above the end of what is kept.
fn cut_epochs(files: &mut BTreeMap<String, Vec<u8>>, end: i64) {
    let Some(bytes) = files.get_mut("leader-epoch-checkpoint") else { return };
    let text = String::from_utf8(bytes.clone()).unwrap();
    let start = |line: &&str| line.split(' ').nth(1).unwrap().parse::<i64>().unwrap() <= end;
    let entries: Vec<&str> = text.lines().skip(2).filter(start).collect();
    let lines = entries.iter().map(|line| format!("{line}\n")).collect::<String>();
    *bytes = format!("0\n{}\n{lines}", entries.len()).into_bytes();
}

/// A copy of a subject in a directory of its own, in memory where there is such a file system.
pub struct Copy {
    _temp: TempDir,
    dir: std::path::PathBuf,
}

/// A finding, without what depends on the directory around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub file: String,
    pub code: &'static str,
    pub severity: Severity,
    pub range: Range<u64>,
    pub places: u64,
    pub problem: Problem,
}

/// What a look came to.
#[derive(Clone, Debug, Default)]
pub struct Look {
    pub rows: Vec<Row>,
    pub coverage: Coverage,
    pub batches: u64,
    /// Bytes of logs in findings that say that no batch proves them.
    pub damaged_bytes: u64,
}

impl Copy {
    pub fn of(subject: &Subject) -> Self {
        let memory = Path::new("/dev/shm");
        let temp = match memory.is_dir() {
            true => tempfile::tempdir_in(memory).unwrap(),
            false => tempfile::tempdir().unwrap(),
        };
        let dir = temp.path().join(subject.directory);
        fs::create_dir(&dir).unwrap();
        let copy = Self { _temp: temp, dir };
        for (file, bytes) in &subject.files {
            copy.write(file, bytes);
        }
        copy
    }

    pub fn write(&self, file: &str, bytes: &[u8]) {
        fs::write(self.dir.join(file), bytes).unwrap();
    }

    pub fn look(&self) -> Look {
        let dir = PartitionDir::open(&self.dir).unwrap();
        let scope =
            Scope { partitions: vec![PartitionScope::new(dir, None)], log_dirs: Vec::new() };
        let options = VerifyOptions {
            depth: Depth::Records,
            access: Access::Read,
            threads: 1,
            limits: Limits::STANDARD,
            max_duration: None,
            rebuild_with_interval: None,
            collects_stretches: false,
        };
        let mut told = Told(None);
        verify(&scope, &options, &Silent, &mut told);
        let report = told.0.unwrap();
        let row = |finding: &segkit::check::Finding| Row {
            file: finding.file.file_name().unwrap().to_str().unwrap().to_owned(),
            code: finding.problem.code(),
            severity: finding.severity(),
            range: finding.range.start.0..finding.range.end.0,
            places: finding.places,
            problem: finding.problem.clone(),
        };
        let rows: Vec<Row> = report.findings.iter().map(row).collect();
        let damaged = rows.iter().filter(|row| row.file.ends_with(".log") && is_damage(row));
        Look {
            coverage: report.totals.coverage,
            batches: report.totals.batches,
            damaged_bytes: damaged.map(|row| row.range.end - row.range.start).sum(),
            rows,
        }
    }
}

/// True for a finding that says that no batch proves these bytes.
fn is_damage(row: &Row) -> bool {
    matches!(
        row.problem,
        Problem::BatchCrc { .. }
            | Problem::BatchLength { .. }
            | Problem::BatchMagic { .. }
            | Problem::TornTail { .. }
            | Problem::PreallocatedTail { .. }
            | Problem::UnclaimedBytes
            | Problem::SectorZeroed { .. }
    )
}

struct Told(Option<PartitionReport>);

impl Listener for Told {
    fn partition(&mut self, report: PartitionReport) -> bool {
        assert!(self.0.replace(report).is_none());
        true
    }
}
