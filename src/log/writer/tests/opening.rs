//! What is appended to, and what is not.

use super::*;
use crate::format::Position;

enum Answer {
    Ready(i64),
    Damaged(Damaged),
    Refused(String),
}

fn open(place: &Place) -> Answer {
    let guard = Guard::of_partition_alone(&place.directory()).unwrap();
    let disk = TestDisk::default();
    let before = place.files();
    let opened = PartitionWriter::open(&place.directory(), &guard, &disk, options(), NOW);
    let answer = match opened {
        Ok(Opened::Ready(writer)) => Answer::Ready(writer.next_offset().0),
        Ok(Opened::Damaged(damaged)) => Answer::Damaged(damaged),
        Err(error) => Answer::Refused(error.to_string()),
    };
    assert_eq!(place.files(), before);
    answer
}

const FIRST: &str = "00000000000000000000.log";

fn with(more: &[(&str, &[u8])]) -> Place {
    let place = Place::new();
    let batches = [0, 3, 6].map(|base| Plain::at(base).bytes());
    place.write_well(options(), &batches);
    for (name, bytes) in more {
        fs::write(place.path(name), bytes).unwrap();
    }
    place
}

#[track_caller]
fn refused(place: &Place, why: &str) {
    match open(place) {
        Answer::Refused(said) => assert!(said.contains(why), "{said}"),
        _ => panic!("{why}: it was opened"),
    }
}

#[test]
fn what_a_broker_would_first_put_in_order_is_refused() {
    assert!(matches!(open(&with(&[])), Answer::Ready(9)));
    refused(&with(&[("00000000000000000000.log.swap", b"")]), ".swap");
    refused(&with(&[("00000000000000000005.index.cleaned", b"")]), ".cleaned");
    refused(&with(&[("0.log", b"")]), "0.log is not what its name says");
    refused(&with(&[("leader-epoch-checkpoint", b"not a number")]), "seg repair");
    assert!(matches!(open(&with(&[("00000000000000000000.log.deleted", b"")])), Answer::Ready(9)));
    assert!(matches!(open(&with(&[("notes.txt", b"")])), Answer::Ready(9)));
    let place = with(&[]);
    fs::create_dir(place.path("00000000000000000005.log")).unwrap();
    refused(&place_of_directory(&place), "00000000000000000005.log");
    let place = with(&[]);
    fs::rename(place.path("00000000000000000000.index"), place.root.path().join("i")).unwrap();
    std::os::unix::fs::symlink("../i", place.path("00000000000000000000.index")).unwrap();
    refused(&place, "00000000000000000000.index");
}

/// The directory in it cannot be read as a file.
fn place_of_directory(place: &Place) -> Place {
    let files: BTreeMap<String, Vec<u8>> = fs::read_dir(place.directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap())
        })
        .collect();
    let linked = Place::of(&files);
    let name = "00000000000000000005.log";
    std::os::unix::fs::symlink("nowhere", linked.path("00000000000000000006.log.deleted")).unwrap();
    fs::remove_file(linked.path("00000000000000000006.log.deleted")).unwrap();
    std::os::unix::fs::symlink(FIRST, linked.path(name)).unwrap();
    linked
}

#[test]
fn a_directory_that_is_none_of_a_partition_is_refused() {
    for (name, why) in [
        ("orders", "its name is no partition's"),
        ("orders-0.0123456789abcdef0123456789abcdef-delete", "waits for its deletion"),
        ("orders-0.0123456789abcdef0123456789abcdef-future", "on its way"),
    ] {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(name);
        fs::create_dir(&path).unwrap();
        let guard = Guard::of_partition_alone(&path).unwrap();
        let disk = TestDisk::default();
        let Err(error) = PartitionWriter::open(&path, &guard, &disk, options(), NOW) else {
            panic!("{name}")
        };
        assert!(error.to_string().contains(why), "{error}");
    }
    let (one, other) = (Place::new(), Place::new());
    let guard = Guard::of_partition_alone(&one.directory()).unwrap();
    let disk = TestDisk::default();
    let opened = PartitionWriter::open(&other.directory(), &guard, &disk, options(), NOW);
    assert!(opened.is_err_and(|error| error.to_string().ends_with("it is not locked")));
}

#[test]
fn a_log_that_somebody_writes_is_refused() {
    let place = with(&[]);
    if let Ok(crate::log::lease::Writers::Unknown(_)) =
        crate::log::lease::writers(&place.path(FIRST))
    {
        return;
    }
    let writer = File::options().append(true).open(place.path(FIRST)).unwrap();
    refused(&place, "somebody else is writing it");
    drop(writer);
    assert!(matches!(open(&place), Answer::Ready(9)));
}

#[test]
fn zeros_are_cut_and_damage_is_not_built_upon() {
    let log = with(&[]).files()[FIRST].clone();
    let size = log.len() / 3;
    // As a killed run leaves it: with no index.
    let killed = |bytes: &[u8]| {
        let place = with(&[(FIRST, bytes)]);
        for kind in [".index", ".timeindex"] {
            fs::remove_file(place.path(&FIRST.replace(".log", kind))).unwrap();
        }
        place
    };
    let damaged = |bytes: Vec<u8>| match open(&killed(&bytes)) {
        Answer::Damaged(damaged) => (damaged.range, damaged.is_unfinished),
        Answer::Ready(end) => panic!("ready at {end}"),
        Answer::Refused(why) => panic!("{why}"),
    };
    let range = |from: usize, to: usize| Position(from as u64)..Position(to as u64);
    for kept in [8, 16, 17, 60, 61, size - 1] {
        let cut = log[..size * 2 + kept].to_vec();
        assert_eq!(damaged(cut), (range(size * 2, size * 2 + kept), true), "{kept}");
    }
    let mut flipped = log.clone();
    flipped[size + 70] ^= 1;
    assert_eq!(damaged(flipped), (range(size, size * 2), false));
    let mut behind = log.clone();
    behind.extend(b"neither a batch nor zeros, and more than a header of a batch has, by far");
    assert!(!damaged(behind).1);
    let twice = [&log[..], &log[size * 2..]].concat();
    assert_eq!(damaged(twice), (range(size * 3, size * 4), false));
    let below = with(&[("00000000000000000050.log", &log)]);
    assert!(matches!(open(&below), Answer::Damaged(it) if !it.is_unfinished));

    for zeros in [1, 16, 17, 61, 4096, 70_000] {
        let place = with(&[(FIRST, &[&log[..], &vec![0; zeros]].concat())]);
        place.write_well(options(), &[Plain::at(9).bytes()]);
        let after = place.files();
        assert_eq!(after[FIRST], [&log[..], &Plain::at(9).bytes()].concat(), "{zeros}");
        Verdict::of(&place.directory(), INTERVAL).is_clean("zeros");
    }
}

/// Nothing is cut off that was not looked at.
#[test]
fn a_log_that_grew_meanwhile_is_left_alone() {
    let place = with(&[]);
    let guard = Guard::of_partition_alone(&place.directory()).unwrap();
    let disk = TestDisk::default();
    let opened = PartitionWriter::open(&place.directory(), &guard, &disk, options(), NOW).unwrap();
    let Opened::Ready(mut writer) = opened else { panic!("damaged") };
    let grown = [place.files()[FIRST].clone(), Plain::at(9).bytes()].concat();
    fs::write(place.path(FIRST), &grown).unwrap();
    let error = writer.append(&Plain::at(9).bytes(), NOW).unwrap_err();
    assert!(error.to_string().contains("it changed since it was looked at"), "{error}");
    let _ = writer.close();
    assert_eq!(place.files()[FIRST], grown);
}

/// A broker goes on from where the last segment begins, whatever was before it.
#[test]
fn an_empty_last_segment_says_where_the_log_ends() {
    let place = with(&[("00000000000000000009.log", b"")]);
    assert!(matches!(open(&place), Answer::Ready(9)));
    let place = with(&[("00000000000000000500.log", b"")]);
    assert!(matches!(open(&place), Answer::Ready(500)));
}
