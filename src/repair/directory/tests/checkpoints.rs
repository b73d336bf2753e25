//! The four checkpoints of a log dir.

use super::*;
use crate::format::checkpoint::offset_checkpoint;
use crate::log::names::OffsetCheckpoint;

impl Scene {
    fn checkpoint(&self, which: OffsetCheckpoint) -> PathBuf {
        self.log_dir.join(which.file_name())
    }

    fn write_all(&self, text: &[u8]) {
        for which in OffsetCheckpoint::ALL {
            fs::write(self.checkpoint(which), text).unwrap();
        }
    }

    fn text(&self, which: OffsetCheckpoint) -> String {
        fs::read_to_string(self.checkpoint(which)).unwrap()
    }
}

use OffsetCheckpoint::{Cleaner, HighWatermark, LogStart, RecoveryPoint};

#[test]
fn lines_above_the_end_of_a_log_are_lowered_to_what_loses_nothing() {
    let text = "0\n4\norders 0 50\norders 1 9000\ngone 0 9000\nempty 0 0\n";
    let scene = Scene::new();
    scene.write_all(text.as_bytes());
    let healthy = [ends("orders", 0, 0, 50), ends("orders", 1, 8000, 9000), ends("empty", 0, 0, 0)];
    assert_eq!(
        scene.log_dir_plan(&healthy),
        Plan { directory: scene.log_dir.clone(), ..Plan::default() }
    );

    let wrong = [ends("orders", 0, 10, 49), ends("orders", 1, 8000, 9000)];
    let plan = scene.log_dir_plan(&wrong);
    let row = |name: &str| format!("RewriteCheckpoint {name}-offset-checkpoint checkpoint");
    let expected = ["recovery-point", "log-start", "replication", "cleaner"].map(row);
    assert_eq!(said(&plan.actions), expected);
    assert!(plan.actions.iter().all(|it| it.range == (Position(4)..Position(16))));
    agree(&plan.actions, &plan.changes, &plan.left_alone);
    scene.apply(&plan.changes);
    let with = |offset: i64| text.replace("orders 0 50", &format!("orders 0 {offset}"));
    assert_eq!(scene.text(RecoveryPoint), with(49));
    assert_eq!(scene.text(HighWatermark), with(49));
    assert_eq!(scene.text(LogStart), with(10));
    assert_eq!(scene.text(Cleaner), with(10));
    assert_eq!(scene.log_dir_plan(&wrong).changes, []);
    assert_eq!(scene.log_dir_plan(&wrong).left_alone, []);
}

#[test]
fn of_one_partition_the_log_start_comes_first() {
    let scene = Scene::new();
    scene.write_all(b"0\n3\norders 0 50\norders 0 60\norders 1 9000\n");
    fs::remove_file(scene.checkpoint(Cleaner)).unwrap();
    fs::write(scene.checkpoint(HighWatermark), "garbage").unwrap();
    let context = LogDirContext::read(&scene.log_dir);
    let changes = |log_start, log_end| {
        let partition = ends("orders", 0, 0, 0).topic_partition;
        checkpoints_for(&context, &partition, Offset(log_start), Offset(log_end)).unwrap()
    };
    assert_eq!(changes(0, 60), CheckpointChanges::default());
    let found = changes(20, 55);
    let paths = |changes: &[Change]| {
        changes.iter().map(|change| change.path().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(paths(&found.first), [scene.checkpoint(LogStart)]);
    // One that does not parse is not this partition's business.
    assert_eq!(paths(&found.last), [scene.checkpoint(RecoveryPoint)]);
    agree(&found.actions, &[found.first.clone(), found.last.clone()].concat(), &[]);
    scene.apply(&found.first);
    scene.apply(&found.last);
    let expected = |offset: i64| format!("0\n3\norders 0 50\norders 0 {offset}\norders 1 9000\n");
    assert_eq!(scene.text(LogStart), expected(20));
    assert_eq!(scene.text(RecoveryPoint), expected(55));
    assert_eq!(scene.text(HighWatermark), "garbage");
    assert_eq!(changes(20, 55), CheckpointChanges::default());
    // A log that begins behind its end is empty.
    let Change::WriteFile(write) = &changes(20, 10).first[0] else { panic!() };
    assert!(String::from_utf8_lossy(&write.after).contains("orders 0 10\n"));
}

#[test]
fn a_checkpoint_that_does_not_parse_keeps_the_lines_that_do() {
    let ends = [ends("orders", 0, 10, 49), ends("orders", 1, 0, 700)];
    let table: [(&[u8], i64); 8] = [
        (b"garbage\n2\norders 0 40\norders 1 600\n", 2),
        (b"0\n3\norders 0 40\norders 1 600\n", 2),
        (b"1\n2\norders 0 40\norders 1 600\n", 2),
        (b"0\n2\norders 0 40\n\norders 1 600\n", 2),
        // Cut short, perhaps within the number.
        (b"0\n3\norders 0 40\norders 1 6", 1),
        (b"0\n2\norders 0 40\nord\xffers 1 600\n", 1),
        (b"0\n2\norders 0 40\norders\0 1 600\norders 1 -4\n\0\0\0\0", 1),
        (b"garbage", 0),
    ];
    for (bytes, lines) in table {
        let scene = Scene::new();
        scene.write_all(bytes);
        let plan = scene.log_dir_plan(&ends);
        agree(&plan.actions, &plan.changes, &plan.left_alone);
        assert_eq!((plan.changes.len(), plan.left_alone.len()), (4, 0), "{bytes:?}");
        scene.apply(&plan.changes);
        let all = ["orders 0 40\n", "orders 1 600\n"];
        let kept = all[..usize::try_from(lines).unwrap()].concat();
        for which in OffsetCheckpoint::ALL {
            assert_eq!(scene.text(which), format!("0\n{lines}\n{kept}"), "{bytes:?}");
        }
        let again = scene.log_dir_plan(&ends);
        assert_eq!((again.changes.len(), again.left_alone.len()), (0, 0));
    }
    // Lines above the end of their log are lowered on the way, and of two the lower one is kept.
    let scene = Scene::new();
    scene.write_all(b"0\n9\norders 0 40\norders 1 701\norders 0 30\nelse 5 9\n");
    scene.apply(&scene.log_dir_plan(&ends).changes);
    let expected = |offset: i64| format!("0\n3\nelse 5 9\norders 0 30\norders 1 {offset}\n");
    assert_eq!(scene.text(RecoveryPoint), expected(700));
    assert_eq!(scene.text(HighWatermark), expected(700));
    assert_eq!(scene.text(LogStart), expected(0));
    assert_eq!(scene.text(Cleaner), expected(0));
}

/// Whatever stands in a checkpoint: what is planned parses, promises nothing beyond a log's end,
/// and leaves nothing to plan.
#[test]
fn any_flipped_bit_ends_in_a_checkpoint_that_parses() {
    let text = b"0\n2\norders 0 40\norders 1 600\n";
    let ends = [ends("orders", 0, 10, 49), ends("orders", 1, 0, 700)];
    let scene = Scene::new();
    let path = scene.checkpoint(RecoveryPoint);
    let mut changed = 0;
    for bit in 0..text.len() * 8 {
        let mut bytes = text.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, bytes).unwrap();
        let plan = scene.log_dir_plan(&ends);
        assert_eq!(plan.left_alone, []);
        changed += plan.changes.len();
        scene.apply(&plan.changes);
        let bytes = fs::read(&path).unwrap();
        for entry in offset_checkpoint(&bytes).unwrap() {
            let of = |it: &&PartitionEnds| {
                it.topic_partition.topic == entry.value.topic
                    && it.topic_partition.partition == entry.value.partition
            };
            assert!(ends.iter().find(of).is_none_or(|it| entry.value.offset <= it.log_end));
        }
        assert_eq!(scene.log_dir_plan(&ends).changes, []);
    }
    assert!(changed > 60, "{changed}");
}

#[test]
fn one_line_is_not_called_lines() {
    for (lines, said) in [
        ("orders 0 5\n", "1 line in it is whole and is kept"),
        ("orders 0 5\norders 1 5\n", "2 lines in it are whole and are kept"),
    ] {
        let scene = Scene::new();
        let path = scene.log_dir.join("recovery-point-offset-checkpoint");
        fs::write(path, format!("garbage\n{lines}")).unwrap();
        let plan = scene.log_dir_plan(&[]);
        assert!(plan.actions[0].reason.contains(said), "{plan:?}");
    }
}
