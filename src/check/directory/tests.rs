//! Every finding about directories and small files is tripped, and everything near it that is
//! healthy is not.

use super::*;
use crate::check::Severity;
use crate::format::Offset;
use crate::limits::Limits;
use crate::log::names::OffsetCheckpoint;
use crate::log::{
    Access, LogDir, LogDirContext, OpenPartition, PartitionDir, PartitionDirName, TopicPartition,
    Workspace,
};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

fn name_of(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// File, severity and code of each, and what a broker does.
fn rows(findings: Vec<Finding>) -> Vec<String> {
    let row = |finding: Finding| {
        let (severity, code) = (finding.severity().name(), finding.problem.code());
        let message = finding.problem.message();
        let broker = finding.broker.map(|broker| format!("; {broker}")).unwrap_or_default();
        format!("{} {severity} {code}: {message}{broker}", name_of(&finding.file))
    };
    findings.into_iter().map(row).collect()
}

fn file(name: &str) -> String {
    format!("{:0>20}.{}", name.split_once('.').unwrap().0, name.split_once('.').unwrap().1)
}

/// A directory of files that hold their own names.
fn directory(name: &str, files: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join(name);
    fs::create_dir(&path).unwrap();
    for name in files {
        fs::write(path.join(name), name).unwrap();
    }
    (root, path)
}

fn of_partition(path: &Path, is_live: bool) -> Vec<String> {
    rows(partition_findings(&PartitionDir::open(path).unwrap(), is_live))
}

fn of_log_dir(path: &Path, ends: &[PartitionEnds]) -> Vec<String> {
    rows(log_dir_findings(&LogDir::open(path).unwrap(), &LogDirContext::read(path), ends))
}

fn ends(topic: &str, log_start: i64, log_end: i64) -> PartitionEnds {
    let topic_partition = TopicPartition { topic: topic.to_owned(), partition: 0 };
    PartitionEnds { topic_partition, log_start: Offset(log_start), log_end: Offset(log_end) }
}

/// Starts and ends of the partitions in service, by a walk that checks nothing here.
fn real_ends(log_dir: &LogDir, context: &LogDirContext) -> Vec<PartitionEnds> {
    let mut all = Vec::new();
    for path in &log_dir.partitions {
        let dir = PartitionDir::open(path).unwrap();
        let Some(PartitionDirName { topic_partition, suffix: None }) = dir.name.clone() else {
            continue;
        };
        let checkpoint = context.offset(OffsetCheckpoint::LogStart, &topic_partition);
        let open = OpenPartition::new(dir, checkpoint, Access::Read, Limits::STANDARD);
        let log_end = open.log_end(&mut Workspace::new(&Limits::STANDARD)).unwrap().offset;
        all.push(PartitionEnds { topic_partition, log_start: open.log_start_offset(), log_end });
    }
    all
}

#[test]
fn what_brokers_left_behind_is_healthy() {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut notes = 0;
    let mut log_dirs = 0;
    for entry in fs::read_dir(testdata).unwrap() {
        let path = entry.unwrap().path();
        if !name_of(&path).starts_with("kafka-") {
            continue;
        }
        log_dirs += 1;
        let (dir, context) = (LogDir::open(&path).unwrap(), LogDirContext::read(&path));
        let ends = real_ends(&dir, &context);
        assert!(ends.len() > 10, "{path:?}");
        let open = |path: &PathBuf| PartitionDir::open(path).unwrap();
        let partitions: Vec<PartitionDir> = dir.partitions.iter().map(open).collect();
        let mut findings = log_dir_findings(&dir, &context, &ends);
        findings.extend(topic_id_findings(&partitions.iter().collect::<Vec<_>>()));
        for partition in &partitions {
            findings.extend(partition_findings(partition, false));
        }
        for finding in findings {
            notes += 1;
            assert_eq!(finding.severity(), Severity::Note, "{finding:?}");
            assert_eq!(finding.problem, Problem::DeletePending, "{finding:?}");
            let name = name_of(&finding.file);
            assert!(name.ends_with("-delete") || name.ends_with(".deleted"), "{finding:?}");
        }
    }
    assert!(log_dirs >= 5 && notes >= 3, "{log_dirs} log dirs, {notes} notes");
}

#[test]
fn indexes_without_a_log() {
    let files = [
        file("5.index"),
        file("5.timeindex"),
        file("9.log"),
        file("9.index"),
        file("11.snapshot"),
        file("14.txnindex"),
    ];
    let (_root, path) = directory("orders-0", &files.each_ref().map(String::as_str));
    // A broker reads through this link; only we do not.
    symlink(path.join(file("9.log")), path.join(file("14.log"))).unwrap();
    let missing = "warning log-missing: there is no .log beside it: a broker deletes it";
    let link = "warning not-readable: a symbolic link, which is not followed";
    let expected = [
        format!("{} {missing}", file("5.index")),
        format!("{} {missing}", file("5.timeindex")),
        format!("{} {link}", file("14.log")),
    ];
    assert_eq!(of_partition(&path, false), expected);
    assert_eq!(of_partition(&path, true), expected);
    // What came to its .log since it was listed was on its way.
    let listed = PartitionDir::open(&path).unwrap();
    fs::write(path.join(file("5.log")), b"").unwrap();
    assert_eq!(rows(partition_findings(&listed, true)), expected[2..]);
    assert_eq!(rows(partition_findings(&listed, false)), expected);
}

#[test]
fn an_interrupted_replacement_is_finished_as_a_broker_does() {
    let swaps = ["100.log.swap", "100.index.swap", "300.log.swap", "300.timeindex.swap"].map(file);
    let cleaned = ["200.log.cleaned", "300.index.cleaned"].map(file);
    let (_root, path) = directory("orders-0", &swaps.each_ref().map(String::as_str));
    let completes = "replacement of segments that a broker will complete";
    let undoes = "replacement of segments that a broker will undo";
    let all = of_partition(&path, false);
    assert_eq!(all.len(), 4, "{all:?}");
    for row in &all {
        assert!(row.contains("warning interrupted-replace") && row.contains(completes), "{row}");
        assert_eq!(row.contains("deletes every numbered file"), row.contains("log.swap"), "{row}");
    }
    for name in cleaned {
        fs::write(path.join(name), b"").unwrap();
    }
    for row in of_partition(&path, false) {
        let offset: i64 = row.split_once('.').unwrap().0.parse().unwrap();
        let expected = if offset < 200 { completes } else { undoes };
        assert!(row.contains(expected), "{row}");
        assert_eq!(row.contains("; a broker that starts deletes it"), offset >= 200, "{row}");
    }
    // Beside a broker at work it is not interrupted.
    assert_eq!(of_partition(&path, true), Vec::<String>::new());
}

#[test]
fn leftovers_and_strays() {
    let deleted = file("7.log.deleted");
    let part = format!("{:020}-{:010}-42.checkpoint.part", 4, 1);
    let (_root, path) = directory(
        "orders-0",
        &[
            deleted.as_str(),
            part.as_str(),
            "leader-epoch-checkpoint.tmp",
            "5.index.tmp",
            "5.log",
            "notes.txt",
            "backup.log",
            "12.old.log",
            "12.old.swap",
            "backup.log.cleaned",
            "leader-epoch-checkpoint.swap",
            "meta.properties",
        ],
    );
    fs::write(path.join(file("5.log")), b"").unwrap();
    fs::create_dir(path.join("old")).unwrap();
    fs::create_dir(path.join(file("30.log"))).unwrap();
    symlink("nothing", path.join(file("40.log"))).unwrap();
    symlink("notes.txt", path.join("link.log")).unwrap();
    symlink("nothing", path.join("dangling.log")).unwrap();
    let stray = "note stray-file: not Kafka's";
    let stops = "warning stray-file: not Kafka's, and a broker does not start with it";
    let absent = "; a broker that starts takes it for absent and deletes its indexes";
    let link = "warning not-readable: a symbolic link, which is not followed";
    let folder = "warning not-readable: a directory, not a regular file";
    let expected = [
        format!("{deleted} note delete-pending: about to be deleted"),
        format!("{} {folder}{absent}", file("30.log")),
        format!("{} {link}{absent}", file("40.log")),
        format!("12.old.log {stray}"),
        format!("12.old.swap {stray}"),
        format!("5.index.tmp {stray}"),
        format!("5.log {stray}"),
        format!("backup.log {stops}"),
        format!("backup.log.cleaned {stops}"),
        format!("dangling.log {stray}"),
        format!("leader-epoch-checkpoint.swap {stops}"),
        format!("link.log {stops}"),
        format!("meta.properties {stray}"),
        format!("notes.txt {stray}"),
        "old note stray-directory: no partition's directory".to_owned(),
    ];
    assert_eq!(of_partition(&path, false), expected);
    assert_eq!(of_partition(&path, true), expected);
}

#[test]
fn a_file_that_cannot_be_read_stops_a_broker() {
    use std::os::unix::fs::PermissionsExt;
    let deleted = file("7.log.deleted");
    let (_root, path) = directory("orders-0", &["notes.txt", deleted.as_str()]);
    for name in ["notes.txt", &deleted] {
        fs::set_permissions(path.join(name), fs::Permissions::from_mode(0o000)).unwrap();
    }
    if fs::read(path.join("notes.txt")).is_ok() {
        // Whoever may read everything sees nothing wrong.
        assert_eq!(of_partition(&path, false).len(), 2);
        return;
    }
    let denied = "warning not-readable: Permission denied; a broker that cannot read it either \
                  does not start";
    let expected = [
        format!("{deleted} {denied}"),
        format!("{deleted} note delete-pending: about to be deleted"),
        format!("notes.txt {denied}"),
    ];
    assert_eq!(of_partition(&path, false), expected);
}

const ID: &str = "5Bz2VvOcRJmkzBrHrVZ2Yw";
const OTHER_ID: &str = "MHURf4Rt1djsLUwXuuf5vg";
const METADATA_ID: &str = "AAAAAAAAAAAAAAAAAAAAAQ";

#[test]
fn partition_metadata_and_quorum_state() {
    let metadata = |id: &str| format!("version: 0\ntopic_id: {id}");
    let table = [
        ("orders-0", metadata(ID), ""),
        ("__cluster_metadata-0", metadata(METADATA_ID), ""),
        ("orders-0", metadata(METADATA_ID), "which is that of __cluster_metadata"),
        ("__cluster_metadata-0", metadata(ID), "__cluster_metadata always has AAAAAAAAAAAAAAAAAA"),
        ("orders-0", metadata("AAAAAAAAAAAAAAAAAAAAAA"), "line 2: the topic id is zero"),
        ("orders-0", "version: 0".to_owned(), "line 2: the line is missing"),
        ("orders-0", String::new(), "line 1: the line is missing"),
    ];
    for (name, text, expected) in table {
        let (_root, path) = directory(name, &[]);
        fs::write(path.join("partition.metadata"), &text).unwrap();
        let found = of_partition(&path, false);
        assert_eq!(found.len(), usize::from(!expected.is_empty()), "{text}: {found:?}");
        for row in found {
            assert!(row.contains("warning partition-metadata: "), "{row}");
            assert!(row.contains(expected), "{row}");
        }
    }
    let state = r#"{"clusterId":"","leaderId":1,"leaderEpoch":8,"votedId":-1,"data_version":0}"#;
    let cut = state.get(..40).unwrap();
    let table = [
        (state, ""),
        (cut, "not an object in JSON"),
        ("", "not an object in JSON"),
        (r#"{"data_version":0}"#, "leaderEpoch is missing"),
        (r#"{"leaderEpoch":0}"#, "data_version is missing"),
    ];
    for (text, expected) in table {
        let (_root, path) = directory("__cluster_metadata-0", &[]);
        fs::write(path.join("quorum-state"), text).unwrap();
        let found = of_partition(&path, false);
        assert_eq!(found.len(), usize::from(!expected.is_empty()), "{text}: {found:?}");
        assert!(found.iter().all(|row| row.contains("warning quorum-state: ")), "{found:?}");
        assert!(found.iter().all(|row| row.contains(expected)), "{found:?}");
    }
}

#[test]
fn partitions_of_one_topic_have_one_id() {
    let root = tempfile::tempdir().unwrap();
    let ids = [
        ("orders-0", OTHER_ID),
        ("orders-1", ID),
        ("orders-2", ID),
        ("audit-0", OTHER_ID),
        // From before the topic was deleted and made anew.
        ("audit-1.0f3c9a11-delete", ID),
        ("pair-0", ID),
        ("pair-1", OTHER_ID),
    ];
    let mut dirs = Vec::new();
    for (name, id) in ids {
        let path = root.path().join(name);
        fs::create_dir(&path).unwrap();
        fs::write(path.join("partition.metadata"), format!("version: 0\ntopic_id: {id}")).unwrap();
        dirs.push(PartitionDir::open(&path).unwrap());
    }
    let expected = [
        format!("orders-0/topic id {OTHER_ID}, that of orders-1 is {ID}"),
        format!("pair-1/topic id {OTHER_ID}, that of pair-0 is {ID}"),
    ];
    let row = |finding: Finding| {
        let directory = name_of(finding.file.parent().unwrap());
        format!("{directory}/{}", finding.problem.message())
    };
    assert_eq!(
        topic_id_findings(&dirs.iter().collect::<Vec<_>>())
            .into_iter()
            .map(row)
            .collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn checkpoints_that_lag_are_healthy_and_those_ahead_are_not() {
    let (_root, path) = directory("data", &[]);
    let text = "0\n4\norders 0 50\norders 1 9000\ngone 0 9000\nempty 0 0\n";
    for which in ["recovery-point", "log-start", "replication", "cleaner"] {
        fs::write(path.join(format!("{which}-offset-checkpoint")), text).unwrap();
    }
    let empty = ends("empty", 0, 0);
    for (log_start, log_end) in [(0, 50), (0, 100), (50, 100), (60, 100)] {
        let partitions = [ends("orders", log_start, log_end), empty.clone()];
        assert_eq!(of_log_dir(&path, &partitions), Vec::<String>::new());
    }
    let outside = "warning checkpoint: orders 0 50: its log goes from 10 to 49";
    let all = "; a broker that starts deletes the whole log, offsets 10 to 48, and begins an empty \
               one at 50";
    let expected = [
        format!("cleaner-offset-checkpoint {outside}"),
        format!("log-start-offset-checkpoint {outside}{all}"),
        format!("recovery-point-offset-checkpoint {outside}"),
        format!("replication-offset-checkpoint {outside}"),
    ];
    assert_eq!(of_log_dir(&path, &[ends("orders", 10, 49)]), expected);
    let found = log_dir_findings(
        &LogDir::open(&path).unwrap(),
        &LogDirContext::read(&path),
        &[ends("orders", 10, 49)],
    );
    for finding in &found {
        assert_eq!(finding.range, Position(4)..Position(15));
    }
    // Of two entries the later one counts.
    fs::write(path.join("cleaner-offset-checkpoint"), "0\n2\norders 0 50\norders 0 40\n").unwrap();
    assert_eq!(of_log_dir(&path, &[ends("orders", 10, 49)]), expected[1..]);
}

#[test]
fn checkpoints_that_do_not_parse() {
    let offline = "; a broker takes the whole log dir offline";
    let starts = "; a broker that starts takes the whole log dir offline; with only one it shuts \
                  down";
    let table =
        [("recovery-point", starts), ("log-start", ""), ("replication", offline), ("cleaner", "")];
    for (which, broker) in table {
        let name = format!("{which}-offset-checkpoint");
        let (_root, path) = directory("data", &[]);
        for healthy in ["", "0\n", "0\n0\n", "0\n1\norders 0 5\n"] {
            fs::write(path.join(&name), healthy).unwrap();
            assert_eq!(of_log_dir(&path, &[ends("orders", 0, 5)]), Vec::<String>::new());
        }
        for garbage in ["garbage\n", "0\n2\norders 0 5\n", "1\n0\n", "0\n1\n\norders 0 5\n"] {
            fs::write(path.join(&name), garbage).unwrap();
            let found = of_log_dir(&path, &[ends("orders", 0, 5)]);
            let [row] = &found[..] else { panic!("{garbage:?}: {found:?}") };
            assert!(row.starts_with(&format!("{name} warning checkpoint: ")), "{row}");
            assert!(row.ends_with(broker), "{row}");
        }
    }
}

#[test]
fn beside_a_broker_at_work_no_end_is_final() {
    let (_root, path) = directory("data", &[]);
    fs::write(path.join("recovery-point-offset-checkpoint"), "0\n1\norders 0 50\n").unwrap();
    let (dir, mut context) = (LogDir::open(&path).unwrap(), LogDirContext::read(&path));
    assert_eq!(log_dir_findings(&dir, &context, &[ends("orders", 0, 49)]).len(), 1);
    context.liveness = crate::log::log_dir::Liveness::Live { pid: None };
    assert_eq!(log_dir_findings(&dir, &context, &[ends("orders", 0, 49)]), []);
}

#[test]
fn what_lies_beside_partitions() {
    let (_root, path) = directory("data", &["notes.txt", "meta.properties", ".lock"]);
    fs::write(path.join("meta.properties"), "version=1\nnode.id=1\ncluster.id=x\n").unwrap();
    let directories = [
        "lost+found",
        "my-notes-7",
        "new-0",
        "gone-0.0f3c9a11-delete",
        "remote-log-index-cache",
        "backup",
        "orders-0",
    ];
    for name in directories {
        fs::create_dir(path.join(name)).unwrap();
    }
    fs::write(path.join("my-notes-7/readme.md"), b"").unwrap();
    for name in ["backup", "orders-0"] {
        fs::write(path.join(name).join(file("0.log")), b"").unwrap();
    }
    symlink("orders-0", path.join("orders-1")).unwrap();
    symlink("orders-0", path.join("elsewhere")).unwrap();
    symlink("notes.txt", path.join("cleaner-offset-checkpoint")).unwrap();
    let stops = "warning stray-directory: no partition's directory: a broker does not start beside \
                 it; its name is not TOPIC-NUMBER: a broker that starts on this log dir stops";
    let link = "warning not-readable: a symbolic link, which is not followed";
    let found = of_log_dir(&path, &[]);
    let expected = [
        format!("backup {stops}"),
        format!("cleaner-offset-checkpoint {link}"),
        format!("elsewhere {stops}"),
        "gone-0.0f3c9a11-delete note delete-pending: about to be deleted".to_owned(),
        format!("lost+found {stops}"),
        "my-notes-7 note stray-directory: no partition's directory; its name is a partition's: a \
         broker takes it for one, and a KRaft broker renames it to -stray unless it is assigned to \
         it"
        .to_owned(),
        "notes.txt note stray-file: not Kafka's".to_owned(),
        format!("orders-1 {link}"),
    ];
    assert_eq!(found, expected);
    // The same among copies of partitions, which no broker will start on.
    fs::remove_file(path.join("meta.properties")).unwrap();
    fs::remove_file(path.join("cleaner-offset-checkpoint")).unwrap();
    let found = of_log_dir(&path, &[]);
    assert!(found.iter().all(|row| !row.contains("does not start")), "{found:?}");
    assert!(
        found.contains(&"lost+found note stray-directory: no partition's directory".to_owned())
    );
    let stray = path.join("orders-2.0f3c9a11-stray");
    fs::rename(path.join("orders-0"), &stray).unwrap();
    let found = of_partition(&stray, false);
    assert!(found[0].contains("note stray-directory"), "{found:?}");
}

#[test]
fn meta_properties_without_their_keys() {
    let root = tempfile::tempdir().unwrap();
    let rows_of = |name: &str, text: &str| {
        let path = root.path().join(name);
        fs::create_dir(&path).unwrap();
        fs::write(path.join("meta.properties"), text).unwrap();
        let dir = LogDir::open(&path).unwrap();
        rows(log_dir_findings(&dir, &LogDirContext::read(&path), &[]))
    };
    assert_eq!(rows_of("old", "broker.id=1\n"), Vec::<String>::new());
    assert_eq!(rows_of("new", "version=1\nnode.id=1\ncluster.id=x"), Vec::<String>::new());
    assert_eq!(rows_of("broken", "version=1\n").len(), 1);
}
