//! Rivals that are processes of their own: this program, asked to do one thing with a file that it
//! takes to be sound.
//!
//! ```text
//!   |== run ==|== run ==|== run ==|     whoever is free takes the next; cut at entries of the index
//!   |window|                            read one by one, or the whole file mapped
//! ```

use crate::{map, peers};
use segkit::format::Offset;
use segkit::format::offset_index::OffsetIndex;
use segkit::log::runs::RUN_BYTES;
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Asks this program to be a rival.
pub const FLAG: &str = "--bare";
const WINDOW_BYTES: usize = 512 << 10;

/// What a rival does with every batch.
type Work = fn(&mut peers::Buffers, &[u8]) -> i64;

/// The process that does `work` on `threads` threads with the bytes of `log`, mapped or read.
pub fn rival(work: &str, access: &str, threads: usize, log: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([FLAG, work, access, &threads.to_string()]).arg(log);
    command
}

/// What that process does.
pub fn run(args: &[String]) {
    let [work, access, threads, path] = args else { panic!("{args:?}") };
    let path = Path::new(path);
    if work == "hop" {
        std::hint::black_box(peers::headers(&map(path)));
        return;
    }
    let work: Work = match work.as_str() {
        "checksum" => |_, batch| peers::checksum(batch).into(),
        "records" => |_, batch| i64::from(peers::checksum(batch)) + peers::varints(batch),
        "lz4" => |buffers, batch| i64::from(peers::checksum(batch)) + buffers.lz4(batch),
        "snappy" => |buffers, batch| i64::from(peers::checksum(batch)) + buffers.snappy(batch),
        "gzip" => |buffers, batch| i64::from(peers::checksum(batch)) + buffers.gzip(batch),
        "zstd" => |buffers, batch| i64::from(peers::checksum(batch)) + buffers.zstd(batch),
        other => panic!("no rival {other}"),
    };
    let (file, runs) = (File::open(path).unwrap(), runs(path));
    let mapped = (access == "map").then(|| map(path));
    let next = AtomicUsize::new(0);
    let all = || {
        let (mut buffers, mut window, mut sum) = (peers::Buffers::default(), Vec::new(), 0i64);
        while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut each = |batch: &[u8]| sum = sum.wrapping_add(work(&mut buffers, batch));
            match &mapped {
                Some(bytes) => {
                    batches(&bytes[run.start as usize..run.end as usize], &mut each);
                }
                None => read(&file, run, &mut window, &mut each),
            }
        }
        std::hint::black_box(sum);
    };
    match threads.parse().unwrap() {
        1 => all(),
        threads => std::thread::scope(|scope| {
            (0..threads).for_each(|_| drop(scope.spawn(all)));
        }),
    }
}

fn runs(path: &Path) -> Vec<Range<u64>> {
    let index = fs::read(path.with_extension("index")).unwrap();
    let index = OffsetIndex::new(&index, Offset(0));
    let (mut runs, mut from) = (Vec::new(), 0);
    for entry in index.iter() {
        let at = u64::try_from(entry.position).unwrap();
        if at >= from + RUN_BYTES {
            runs.push(from..at);
            from = at;
        }
    }
    runs.push(from..fs::metadata(path).unwrap().len());
    runs
}

fn read(file: &File, run: &Range<u64>, window: &mut Vec<u8>, each: &mut impl FnMut(&[u8])) {
    window.resize(WINDOW_BYTES, 0);
    let mut at = run.start;
    while at < run.end {
        let length = WINDOW_BYTES.min((run.end - at) as usize);
        file.read_exact_at(&mut window[..length], at).unwrap();
        at += batches(&window[..length], each) as u64;
    }
}

/// Goes from batch to batch as long as they are whole; how far that was.
fn batches(bytes: &[u8], each: &mut impl FnMut(&[u8])) -> usize {
    let mut at = 0;
    while let Some(size) = bytes.get(at..).and_then(peers::size)
        && let Some(batch) = bytes.get(at..at + size)
    {
        each(batch);
        at += size;
    }
    assert!(at > 0, "no whole batch in a window");
    at
}
