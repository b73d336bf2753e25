//! Several runs leave what one leaves.

use super::*;

fn without_snapshots(files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let mut files = files.clone();
    files.retain(|name, _| !name.ends_with(".snapshot"));
    files
}

#[test]
fn any_number_of_runs_leaves_the_same() {
    let batches = mixed(90);
    let whole = Place::new();
    whole.write_well(options(), &batches);
    let expected = whole.files();
    let count =
        |end: &str| expected.iter().filter(|it| it.0.ends_with(end) && !it.1.is_empty()).count();
    assert!(count(".log") > 4 && count(".txnindex") > 1);
    Verdict::of(&whole.directory(), INTERVAL).is_clean("in one run");
    for seed in 0..8 {
        let mut random = Random::new(seed);
        let place = Place::new();
        let mut rest = &batches[..];
        while !rest.is_empty() {
            let count = usize::try_from(1 + random.below(20)).unwrap().min(rest.len());
            let collected_bytes = [0, 500, 1 << 20][usize::try_from(random.below(3)).unwrap()];
            let (now, behind) = rest.split_at(count);
            place.write_well(WriterOptions { collected_bytes, ..options() }, now);
            Verdict::of(&place.directory(), INTERVAL).is_clean("on the way");
            rest = behind;
        }
        let files = place.files();
        assert!(without_snapshots(&files) == without_snapshots(&expected), "{seed}");
        for (name, bytes) in expected.iter().filter(|(name, _)| name.ends_with(".snapshot")) {
            assert_eq!(files.get(name), Some(bytes), "{seed} {name}");
        }
    }
}

/// What a killed writer leaves has neither an `.index` nor what belongs into the `.txnindex`.
#[test]
fn what_a_killed_run_did_not_write_is_built_by_the_next() {
    let batches = mixed(90);
    let whole = Place::new();
    whole.write_well(options(), &batches);
    let mut with_entries = 0;
    for cut in (1..batches.len()).step_by(7) {
        let place = Place::new();
        {
            let guard = Guard::of_partition_alone(&place.directory()).unwrap();
            let disk = TestDisk::default();
            let opened =
                PartitionWriter::open(&place.directory(), &guard, &disk, options(), NOW).unwrap();
            let Opened::Ready(mut writer) = opened else { panic!("damaged") };
            batches[..cut].iter().for_each(|batch| writer.append(batch, NOW).unwrap());
        }
        let files = place.files();
        let last = files.keys().rfind(|name| name.ends_with(".log")).unwrap();
        assert!(!files.contains_key(&last.replace(".log", ".index")), "{cut}");
        assert!(!files.contains_key(&last.replace(".log", ".txnindex")), "{cut}");
        place.write_well(options(), &batches[cut..]);
        assert!(place.files() == whole.files(), "{cut}");
        with_entries += usize::from(place.files().contains_key(&last.replace(".log", ".txnindex")));
    }
    assert!(with_entries > 3);
}

#[test]
fn nothing_appended_changes_nothing() {
    let place = Place::new();
    place.write_well(options(), &mixed(20));
    let before = place.files();
    place.write_well(options(), &[]);
    assert_eq!(place.files(), before);
    let new = Place::new();
    new.write_well(options(), &[]);
    assert!(new.files().is_empty());
}

/// What a segment that begins at the end finds there of its name is not its own.
#[test]
fn indexes_without_a_log_go() {
    let place = Place::new();
    place.write_well(options(), &mixed(10));
    let end = log_end_of(&place);
    fs::write(place.path(&format!("{:020}.txnindex", end)), [0; 34]).unwrap();
    fs::write(place.path(&format!("{:020}.timeindex", end)), [1; 12]).unwrap();
    let batches = [Plain { epoch: 9, ..Plain::at(end) }, Plain { epoch: 9, ..Plain::at(end + 3) }];
    let small = WriterOptions { segment_bytes: batches[0].bytes().len() as u64, ..options() };
    place.write_well(small, &batches.map(Plain::bytes));
    assert!(!place.path(&format!("{:020}.txnindex", end)).exists());
    Verdict::of(&place.directory(), INTERVAL).is_clean("");
}

/// Offsets that were given once are not given again, whatever became of their records.
#[test]
fn a_log_that_went_on_is_not_appended_to() {
    for what in [".index", ".timeindex", "a checkpoint"] {
        let place = Place::new();
        place.write_well(options(), &mixed(10));
        let end = log_end_of(&place);
        let mut options = options();
        match what {
            "a checkpoint" => options.known_end = Some(Offset(end + 1)),
            kind => {
                // The last segment loses its last batch.
                let files = place.files();
                let log = files.keys().rfind(|name| name.ends_with(".log")).unwrap();
                let stays = if kind == ".index" { ".timeindex" } else { ".index" };
                let stays = log.replace(".log", stays);
                fs::write(place.path(&stays), []).unwrap();
                fs::write(place.path(log), []).unwrap();
                let other = log.replace(".log", kind);
                let entry: &[u8] = match kind {
                    ".index" => &[0, 0, 0, 1, 0, 0, 0, 9],
                    _ => &[0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1],
                };
                fs::write(place.path(&other), entry).unwrap();
            }
        }
        let before = place.files();
        let opened = place.write(&TestDisk::default(), options, &[]);
        let error = opened.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(what) && error.contains("seg repair"), "{what}: {error}");
        assert_eq!(place.files(), before);
    }
}

fn log_end_of(place: &Place) -> i64 {
    let files = place.files();
    let end = files.keys().rfind(|name| name.ends_with(".snapshot")).unwrap();
    end.strip_suffix(".snapshot").unwrap().parse().unwrap()
}

#[test]
fn old_formats_are_appended_to() {
    for magic in [0, 1] {
        let last = legacy(magic, Codec::Gzip, 30, 10);
        let made = [
            legacy(magic, Codec::None, 0, 10),
            legacy(magic, Codec::Gzip, 10, 20),
            last.clone(),
            legacy(magic, Codec::None, 40, 1),
        ];
        let place = Place::new();
        // Each in a segment of its own: whose first offset only the records in a wrapper tell.
        let segment_bytes = made.iter().map(Vec::len).max().unwrap() as u64;
        let small = WriterOptions { segment_bytes, ..options() };
        let written = place.write_well(small.clone(), &made[..3]);
        assert_eq!((written.records, written.log_end), (40, Offset(40)), "{magic}");
        place.write_well(small, &made[3..]);
        let files = place.files();
        assert!(files.contains_key("00000000000000000010.log"), "{magic} {:?}", files.keys());
        assert_eq!(log_of(&files), made.concat());
        Verdict::of(&place.directory(), INTERVAL).is_clean("old");
        // A new format behind an old one.
        place.write_well(options(), &[Plain { epoch: 3, ..Plain::at(41) }.bytes()]);
        Verdict::of(&place.directory(), INTERVAL).is_clean("new behind old");
    }
}
