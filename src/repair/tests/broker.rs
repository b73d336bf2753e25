//! What a broker does to a partition directory when it starts, before it loads a segment: the
//! temporaries, then the replacements that were interrupted, then their names.

use super::*;

/// The offset that a broker takes a file's name for.
pub(super) fn offset_of(name: &str) -> Option<i64> {
    name.split_once('.')?.0.parse().ok()
}

/// Behind the last batch of a log.
pub(super) fn next_offset(base: i64, log: &[u8]) -> i64 {
    let (mut rest, mut next) = (log, base);
    while rest.len() >= 17 {
        let length = i32::from_be_bytes(rest[8..12].try_into().unwrap());
        let size = usize::try_from(length + 12).unwrap();
        if rest.len() < size {
            break;
        }
        let delta = i32::from_be_bytes(rest[23..27].try_into().unwrap());
        next = i64::from_be_bytes(rest[..8].try_into().unwrap()) + i64::from(delta) + 1;
        rest = &rest[size..];
    }
    next
}

/// The three passes, over names and what is behind them.
pub(super) fn start<F: Clone>(files: &mut BTreeMap<String, F>, log: impl Fn(&F) -> Vec<u8>) {
    let with = |files: &BTreeMap<String, F>, suffix: &str| -> Vec<String> {
        files.keys().filter(|name| name.ends_with(suffix)).cloned().collect()
    };
    files.retain(|name, _| !name.ends_with(".deleted"));
    let cleaned = with(files, ".cleaned");
    let lowest = cleaned.iter().filter_map(|name| offset_of(name)).min().unwrap_or(i64::MAX);
    files.retain(|name, _| !(name.ends_with(".swap") && offset_of(name).unwrap() >= lowest));
    files.retain(|name, _| !name.ends_with(".cleaned"));

    let logs = with(files, ".log.swap").into_iter().map(|name| (offset_of(&name).unwrap(), name));
    let ranges: Vec<(i64, i64)> =
        logs.map(|(base, name)| (base, next_offset(base, &log(&files[&name])))).collect();
    let first = ranges.iter().map(|range| range.0).min().unwrap_or(i64::MAX);
    let last = ranges.iter().map(|range| range.1).max().unwrap_or(i64::MIN);
    files.retain(|name, _| {
        name.ends_with(".swap")
            || !offset_of(name).is_some_and(|offset| first <= offset && offset < last)
    });

    for name in with(files, ".swap") {
        let file = files.remove(&name).unwrap();
        files.insert(name.strip_suffix(".swap").unwrap().to_owned(), file);
    }
}

/// The same, done to a directory.
pub(super) fn start_in(directory: &Path) {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            files.insert(path.file_name().unwrap().to_str().unwrap().to_owned(), path);
        }
    }
    let before = files.clone();
    start(&mut files, |path| fs::read(path).unwrap());
    let stays: Vec<&PathBuf> = files.values().collect();
    for path in before.values().filter(|path| !stays.contains(path)) {
        fs::remove_file(path).unwrap();
    }
    for (name, path) in files {
        if !path.ends_with(&name) {
            fs::rename(path, directory.join(name)).unwrap();
        }
    }
}
