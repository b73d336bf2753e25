//! Descriptors and indexes are bounded, and a file that is not what it was is not read.

use super::warm::WARM_BYTES;
use super::*;
use crate::format::Offset;
use crate::format::offset_index::OffsetPosition;
use crate::log::segment::SegmentFiles;
use crate::serve::outgoing::FileChunk;
use std::path::Path;

fn listed(path: &Path) -> FileEntry {
    let metadata = std::fs::metadata(path).unwrap();
    FileEntry { path: path.to_owned(), size: metadata.len(), modified: metadata.modified().ok() }
}

/// A segment of any bytes.
fn segment(root: &Path, number: u32, bytes: &[u8]) -> ServedSegment {
    let path = root.join(format!("{number:020}.log"));
    std::fs::write(&path, bytes).unwrap();
    let (log, base) = (listed(&path), Offset(number.into()));
    ServedSegment {
        id: SegmentId(number),
        base,
        next_base: Offset(i64::MAX),
        end: Position(log.size),
        holes: Box::default(),
        files: SegmentFiles::new(base, log),
    }
}

/// Gives it an index with an entry for each `step` bytes.
fn with_index(root: &Path, mut segment: ServedSegment, step: usize) -> ServedSegment {
    let mut bytes = Vec::new();
    let end = usize::try_from(segment.end.0).unwrap();
    for (relative, position) in (1..).zip((step..end).step_by(step)) {
        OffsetPosition::encode(relative, i32::try_from(position).unwrap(), &mut bytes);
    }
    let path = root.join(format!("{:020}.index", segment.id.0));
    std::fs::write(&path, bytes).unwrap();
    segment.files.index = Some(listed(&path));
    segment
}

/// The descriptors of this process that are open below a directory.
fn descriptors(root: &Path) -> usize {
    let links = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = links.filter_map(|link| std::fs::read_link(link.unwrap().path()).ok());
    targets.filter(|target| target.starts_with(root)).count()
}

#[test]
fn descriptors_are_bounded_and_come_back() {
    let root = tempfile::tempdir().unwrap();
    let segments: Vec<_> = (0..20).map(|n| segment(root.path(), n, b"x")).collect();
    let files = OpenFiles::new(5, 0);
    for round in 0..3 {
        for segment in &segments {
            let open = files.open(segment).unwrap().unwrap();
            assert_eq!((open.id, open.length), (segment.id, 1));
            assert!(descriptors(root.path()) <= 5, "in round {round}");
        }
    }
    assert_eq!(files.snapshot().open_segments, 5);
    // The same one is the same descriptor.
    let (a, b) = (files.open(&segments[7]).unwrap(), files.open(&segments[7]).unwrap());
    assert!(Arc::ptr_eq(&a.unwrap(), &b.unwrap()));

    let mut held: Vec<_> =
        segments[..5].iter().map(|segment| files.open(segment).unwrap().unwrap()).collect();
    assert!(files.open(&segments[5]).unwrap().is_none(), "all are in use");
    assert!(files.open(&segments[4]).unwrap().is_some(), "but this one is open");
    held.remove(2);
    assert!(files.open(&segments[5]).unwrap().is_some());
    assert_eq!(descriptors(root.path()), 5);
    drop((held, files));
    assert_eq!(descriptors(root.path()), 0);
    assert!(OpenFiles::new(0, 0).open(&segments[0]).unwrap().is_none());
}

#[test]
fn many_at_once_share_them() {
    let root = tempfile::tempdir().unwrap();
    let segments: Vec<_> = (0..12).map(|n| segment(root.path(), n, b"x")).collect();
    let files = OpenFiles::new(4, 0);
    std::thread::scope(|scope| {
        for start in 0..4 {
            let (files, segments) = (&files, &segments);
            scope.spawn(move || {
                for step in 0..500 {
                    let segment = &segments[(start * 7 + step * 5) % segments.len()];
                    if let Some(open) = files.open(segment).unwrap() {
                        assert_eq!(open.id, segment.id);
                    }
                }
            });
        }
    });
    assert!(files.snapshot().open_segments <= 4);
    assert!(descriptors(root.path()) <= 4);
}

#[test]
fn a_file_that_is_not_the_one_that_was_listed_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let files = OpenFiles::new(5, 0);
    let refused = |segment: &ServedSegment, expected: [u64; 4]| {
        for _ in 0..2 {
            files.open(segment).unwrap_err();
        }
        assert_eq!(files.snapshot().segments_failed, expected, "counted once");
    };
    let longer = segment(root.path(), 0, b"abc");
    std::fs::write(&longer.files.log.path, b"abcd").unwrap();
    refused(&longer, [0, 1, 0, 0]);
    let touched = segment(root.path(), 1, b"abc");
    let file = File::options().write(true).open(&touched.files.log.path).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    refused(&touched, [0, 2, 0, 0]);
    let gone = segment(root.path(), 2, b"abc");
    std::fs::remove_file(&gone.files.log.path).unwrap();
    refused(&gone, [0, 2, 1, 0]);
    let link = segment(root.path(), 3, b"abc");
    std::fs::remove_file(&link.files.log.path).unwrap();
    std::os::unix::fs::symlink(&longer.files.log.path, &link.files.log.path).unwrap();
    refused(&link, [0, 2, 1, 1]);
    // One that was found to be too short while it was open stays closed, in use or not.
    let shrunk = segment(root.path(), 4, b"abc");
    files.open(&shrunk).unwrap().unwrap().mark_broken();
    refused(&shrunk, [1, 2, 1, 1]);
    let evicted = segment(root.path(), 5, b"abc");
    files.open(&evicted).unwrap().unwrap().mark_broken();
    for number in 10..16 {
        files.open(&segment(root.path(), number, b"abc")).unwrap().unwrap();
    }
    refused(&evicted, [2, 2, 1, 1]);
}

#[test]
fn indexes_are_kept_within_their_bytes() {
    let root = tempfile::tempdir().unwrap();
    let make = |n| with_index(root.path(), segment(root.path(), n, &vec![1; 1 << 20]), 4096);
    let segments: Vec<_> = (0..10).map(make).collect();
    let one = OpenFiles::new(5, 1 << 20);
    one.index(&segments[0]).unwrap();
    let weight = one.snapshot().index_bytes;
    assert!(weight > 255 * 8 && weight < 256 * 8 + 200);
    let files = OpenFiles::new(5, 3 * weight + weight / 2);
    for segment in segments.iter().chain(&segments) {
        let index = files.index(segment).unwrap();
        assert!(!index.is_rebuilt() && index.entries().bytes() == 255 * 8);
        assert!(files.snapshot().index_bytes <= 3 * weight);
    }
    assert_eq!(files.snapshot().index_bytes, 3 * weight);
    let again = files.index(&segments[9]).unwrap();
    assert!(Arc::ptr_eq(&again, &files.index(&segments[9]).unwrap()));
    // One that is larger than all of them may be is used all the same.
    let none = OpenFiles::new(5, 100);
    assert_eq!(none.index(&segments[0]).unwrap().entries().bytes(), 255 * 8);
    assert_eq!(none.snapshot().index_bytes, 0);
    assert_eq!(descriptors(root.path()), 0, "no index stays open");
}

#[test]
fn an_index_is_made_from_its_log_once() {
    let root = tempfile::tempdir().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/kafka-4.3.1/codec-none-0/00000000000000000000.log");
    let mut bytes = std::fs::read(path).unwrap();
    let end = bytes.len() as u64;
    bytes.resize(bytes.len() + 70_000, 0);
    let served = with_index(root.path(), segment(root.path(), 0, &bytes), 500);
    let files = OpenFiles::new(5, 1 << 20);
    assert!(!files.index(&served).unwrap().is_rebuilt());
    for _ in 0..2 {
        let index = files.distrust(&served).unwrap();
        assert!(index.is_rebuilt() && index.damaged().is_empty());
        assert_eq!(index.end(), Some(Position(end)), "the zeros are no damage");
        assert!(Arc::ptr_eq(&index, &files.index(&served).unwrap()));
    }
    assert_eq!(files.snapshot().indexes_distrusted, 1);
    let torn = segment(root.path(), 1, &bytes[..usize::try_from(end).unwrap() - 7]);
    let index = files.index(&torn).unwrap();
    let [damage] = index.damaged() else { panic!("{:?}", index.damaged()) };
    assert_eq!((damage.end, index.end()), (torn.end, Some(torn.end)));
}

fn chunk(file: &Arc<OpenSegment>, at: u64, end: u64) -> FileChunk {
    FileChunk { file: Arc::clone(file), at, end, warm_to: at }
}

#[test]
fn a_range_is_brought_in_step_by_step() {
    let root = tempfile::tempdir().unwrap();
    let size = 19_u64 << 20;
    let bytes = vec![7; usize::try_from(size).unwrap()];
    let served = with_index(root.path(), segment(root.path(), 0, &bytes), 100_000);
    let files = OpenFiles::new(5, 1 << 20);
    let open = files.open(&served).unwrap().unwrap();
    open.log.sync_all().unwrap();
    let drop_pages = || {
        rustix::fs::fadvise(&open.log, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    };
    // Without an index in memory nothing can be asked, so all of it is brought in.
    assert_eq!(files.warm(&chunk(&open, 5, size)).unwrap(), 5 + WARM_BYTES);
    let snapshot = files.snapshot();
    assert_eq!((snapshot.ranges_hit, snapshot.ranges_cold), (0, 9));
    files.index(&served).unwrap();
    drop_pages();
    let mut at = 0;
    for expected in [WARM_BYTES, 2 * WARM_BYTES, size] {
        at = files.warm(&chunk(&open, at, size)).unwrap();
        assert_eq!(at, expected);
    }
    // Now all of it is there, or is taken to be.
    let before = files.snapshot();
    for start in [0, 8, 16] {
        files.warm(&chunk(&open, start << 20, size)).unwrap();
    }
    let after = files.snapshot();
    assert_eq!(after.ranges_hit - before.ranges_hit, 19);
    assert_eq!(after.ranges_cold, before.ranges_cold);
    // A part of a part.
    assert_eq!(files.warm(&chunk(&open, 1000, 2000)).unwrap(), 2000);
}

#[test]
fn a_range_behind_the_end_of_a_file_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let served = segment(root.path(), 0, &vec![7; 3 << 20]);
    let files = OpenFiles::new(5, 1 << 20);
    let open = files.open(&served).unwrap().unwrap();
    let log = File::options().write(true).open(&served.files.log.path).unwrap();
    log.set_len(1_500_000).unwrap();
    // What is there comes first.
    assert_eq!(files.warm(&chunk(&open, 0, 3 << 20)).unwrap(), 1_500_000);
    assert!(open.is_broken());
    let error = files.warm(&chunk(&open, 1_500_000, 3 << 20)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    files.open(&served).unwrap_err();
}
