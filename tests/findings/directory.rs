//! What lies in directories, and the small files of a log dir.

use crate::Proof;
use crate::place::{Case, N, PLAIN, Place, W, broker, copy, found};
use std::fs;
use std::os::unix::fs::symlink;

pub const PROOFS: &[Proof] = &[
    ("checkpoint", checkpoint),
    ("meta-properties", meta_properties),
    ("log-missing", log_missing),
    ("segment-empty", segment_empty),
    ("interrupted-replace", interrupted_replace),
    ("delete-pending", delete_pending),
    ("stray-directory", stray_directory),
    ("stray-file", stray_file),
    ("not-readable", not_readable),
];

fn checkpoint(case: &Case) {
    let file = "recovery-point-offset-checkpoint";
    let with = |text: &str| {
        let place = Place::in_log_dir(PLAIN);
        fs::write(place.root.join("data").join(file), text).unwrap();
        place
    };
    let name = format!("data/{file}");
    let place = with("7\n");
    case.trips(&place, &[], 1, &[found(case.code, W, &name, 0..2)]);
    for file in ["cleaner-offset-checkpoint", "log-start-offset-checkpoint"] {
        let place = Place::in_log_dir(PLAIN);
        fs::write(place.root.join("data").join(file), "\u{1}noise").unwrap();
        let run = place.verify(&[]);
        let stops = "a broker does not start with it, shut down cleanly or not";
        assert_eq!((broker(&run, case.code).as_str(), run.status), (stops, 1), "{file}");
    }
    // Behind the end of the log.
    let place = with("0\n1\nlookup-0 0\n");
    let run = place.verify(&[]);
    assert_eq!(run.status, 1);
    let place = with("0\n1\nlookup 0 5001\n");
    case.trips(&place, &[], 1, &[found(case.code, W, &name, 4..17)]);
    // Where the log begins is not where the checkpoint says that it does.
    let place = Place::in_log_dir(PLAIN);
    let beyond = "0\n1\nlookup 0 99999\n";
    fs::write(place.root.join("data/log-start-offset-checkpoint"), beyond).unwrap();
    let run = place.verify(&[]);
    let rows = run.rows_of("finding");
    let row = rows.iter().find(|row| row["code"] == case.code).unwrap();
    assert_eq!(row["message"], "lookup 0 99999: its log goes from 0 to 5000");
    assert!(row["broker"].as_str().unwrap().contains("the whole log, offsets 0 to 4999"), "{row}");
    // At the end, before it, empty, and of a partition that is elsewhere.
    for text in ["0\n1\nlookup 0 5000\n", "0\n1\nlookup 0 7\n", "", "0\n1\nother 0 70000\n"] {
        case.spares(&with(text), 0);
    }
}

fn meta_properties(case: &Case) {
    let file = "meta.properties";
    let with = |text: &str| {
        let place = Place::in_log_dir(PLAIN);
        fs::write(place.root.join("data").join(file), text).unwrap();
        place
    };
    let text = "version=1\nnode.id=one\n";
    let place = with(text);
    let run = place.verify(&[]);
    let rows = run.rows_of("finding");
    let row = rows.iter().find(|row| row["code"] == case.code).unwrap();
    let range = row["position"].as_u64().unwrap() as usize..text.len();
    case.tripped_by(&run, 1, &[found(case.code, W, &format!("data/{file}"), range)]);
    for text in ["hello", "hello=world\n", "version=0\nhello\n", "\u{1}\u{2}\n\u{7f}\n", ""] {
        let run = with(text).verify(&[]);
        let rows = run.rows_of("finding");
        assert!(rows.iter().any(|row| row["code"] == case.code), "{text:?}");
        assert_eq!(run.status, 1, "{text:?}");
    }
    // With ZooKeeper a broker may have written no version.
    case.spares(&with("broker.id=1\n"), 0);
    case.spares(&Place::in_log_dir(PLAIN), 0);
}

fn log_missing(case: &Case) {
    let place = Place::plain();
    let log = place.log(0);
    place.remove(&log.file);
    let expected = [".index", ".timeindex"].map(|end| {
        let file = format!("{}{end}", log.stem);
        found(case.code, W, &place.name(&file), 0..place.read(&file).len())
    });
    case.trips(&place, &[], 1, &expected);
    // A snapshot may stand at any offset.
    let place = Place::plain();
    let snapshot = place.files(".snapshot")[0].clone();
    copy(&place.path(&snapshot), &place.path("00000000000000000700.snapshot"));
    case.spares(&place, 0);
}

fn segment_empty(case: &Case) {
    let place = Place::of(("kafka-4.3.1", "compact-empty-0"));
    let empty: Vec<_> = place
        .files(".log")
        .iter()
        .filter(|file| place.read(file).is_empty())
        .map(|file| found(case.code, N, &place.name(file), 0..0))
        .collect();
    case.trips(&place, &[], 0, &empty);
    case.spares_healthy(PLAIN);
    // Zeros are no batch either, but they are bytes.
    case.spares_healthy(("kafka-4.3.1-killed", "preallocated-empty-0"));
}

fn interrupted_replace(case: &Case) {
    for end in ["swap", "cleaned"] {
        let place = Place::plain();
        let log = place.log(1);
        let file = format!("{}.{end}", log.file);
        copy(&place.path(&log.file), &place.path(&file));
        let expected = found(case.code, W, &place.name(&file), 0..log.bytes.len());
        let run = case.trips(&place, &[], 1, &[expected]);
        assert!(broker(&run, case.code).starts_with("a broker that starts deletes"), "{end}");
    }
    let place = Place::plain();
    let log = place.log(1);
    copy(&place.path(&log.file), &place.path(&format!("{}.deleted", log.file)));
    case.spares(&place, 0);
}

fn delete_pending(case: &Case) {
    let place = Place::plain();
    let log = place.log(1);
    let file = format!("{}.deleted", log.file);
    copy(&place.path(&log.file), &place.path(&file));
    let expected = found(case.code, N, &place.name(&file), 0..log.bytes.len());
    case.trips(&place, &[], 0, &[expected]);

    let name = "doomed-0.064de36bddc74d3abe265c20b8ed7ae5-delete";
    let doomed = fs::read_dir(crate::common::testdata().join("kafka-4.3.1-killed")).unwrap();
    let is_doomed = |name: &String| name.starts_with("doomed-0") && name.ends_with("-delete");
    let mut doomed = doomed.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let doomed = doomed.find(is_doomed).unwrap_or_else(|| name.to_owned());
    let place = Place::of(("kafka-4.3.1-killed", &doomed));
    case.trips(&place, &[], 0, &[found(case.code, N, &place.target, 0..0)]);
    case.spares_healthy(PLAIN);
}

fn stray_directory(case: &Case) {
    // In a log dir it keeps a broker from starting.
    let place = Place::in_log_dir(PLAIN);
    fs::create_dir(place.root.join("data/lost+found")).unwrap();
    fs::write(place.root.join("data/lost+found/file"), "x").unwrap();
    case.trips(&place, &[], 1, &[found(case.code, W, "data/lost+found", 0..0)]);
    // In a partition it is in nobody's way.
    let place = Place::plain();
    fs::create_dir(place.path("backup")).unwrap();
    case.trips(&place, &[], 0, &[found(case.code, N, &place.name("backup"), 0..0)]);
    // A broker makes a partition's directory first.
    let place = Place::in_log_dir(PLAIN);
    fs::create_dir(place.root.join("data/fresh-0")).unwrap();
    case.spares(&place, 0);
}

fn stray_file(case: &Case) {
    let place = Place::plain();
    place.write("notes.txt", b"mine");
    case.trips(&place, &[], 0, &[found(case.code, N, &place.name("notes.txt"), 0..0)]);
    // A broker takes the part before the point for a number.
    for file in ["mine.log", "mine.swap", "mine.log.swap", "mine.index.cleaned"] {
        let place = Place::plain();
        place.write(file, b"");
        let expected = [found(case.code, W, &place.name(file), 0..0)];
        let run = case.trips(&place, &[], 1, &expected);
        let stops = "takes what is before the first point for an offset, and stops";
        assert!(broker(&run, case.code).ends_with(stops), "{file}");
    }
    // One it can take for a number.
    let place = Place::plain();
    place.write("12.mine.swap", b"");
    case.trips(&place, &[], 0, &[found(case.code, N, &place.name("12.mine.swap"), 0..0)]);
    // Half of a new checkpoint means nothing.
    let place = Place::plain();
    place.write("leader-epoch-checkpoint.tmp", b"0\n");
    case.spares(&place, 0);
}

fn not_readable(case: &Case) {
    let place = Place::plain();
    let log = place.log(1);
    place.remove(&log.file);
    copy(&place.path(&place.log(0).file), &place.root.join("elsewhere"));
    symlink(place.root.join("elsewhere"), place.path(&log.file)).unwrap();
    case.trips(&place, &[], 3, &[found(case.code, W, &place.name(&log.file), 0..0)]);
    // A pipe would have to be waited for.
    let place = Place::plain();
    let index = place.files(".index")[1].clone();
    place.remove(&index);
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, place.path(&index), mode).unwrap();
    let name = place.name(&index);
    case.trips(&place, &[], 3, &[found(case.code, W, &name, 0..0)]);
    // A link to what is no concern of Kafka's.
    let place = Place::plain();
    symlink(place.root.join("nowhere"), place.path("notes.txt")).unwrap();
    case.spares(&place, 0);
}
