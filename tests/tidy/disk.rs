//! One file changes disks, and few call it.

use crate::source::{Source, complain, product, read, trips};

/// The one file that changes disks.
const DISK_FILE: &str = "src/log/disk.rs";

/// Files that may ask it to: what makes whole files of its calls, the lock file, plans and what
/// they keep.
const DISK_USERS: [&str; 17] = [
    "src/log/appender.rs",
    "src/log/new_file.rs",
    "src/log/lock.rs",
    "src/log/writer/create.rs",
    "src/log/writer/files.rs",
    "src/log/writer/mod.rs",
    "src/log/writer/open.rs",
    "src/log/writer/reserve.rs",
    "src/repair/apply/derived.rs",
    "src/repair/apply/files.rs",
    "src/repair/apply/mod.rs",
    "src/repair/apply/segments.rs",
    "src/repair/backup/manifest.rs",
    "src/repair/backup/mod.rs",
    "src/repair/backup/place.rs",
    "src/repair/copy.rs",
    "src/repair/undo.rs",
];

const CALLS: [&str; 28] = [
    "fs::write(",
    "fs::rename(",
    "fs::copy(",
    "fs::create_dir",
    "fs::remove_",
    "fs::hard_link(",
    "fs::set_permissions(",
    "fs::symlink(",
    "File::create",
    "File::options(",
    "OpenOptions",
    "OFlags::CREATE",
    "OFlags::TRUNC",
    "OFlags::TMPFILE",
    ".set_len(",
    ".set_modified(time)",
    ".set_times(",
    ".sync_all(",
    ".sync_data(",
    "fs::fchmod(",
    "fchown(",
    "setxattr(",
    "removexattr(",
    "linkat(",
    "renameat",
    "fs::unlink",
    "ftruncate(",
    "fallocate(",
];

fn changes_a_disk(source: &Source) -> Vec<String> {
    if source.path == DISK_FILE {
        return Vec::new();
    }
    let may_ask = DISK_USERS.contains(&source.path.as_str());
    let mut problems = Vec::new();
    for (number, line) in source.code_lines() {
        let asks = line.contains("disk.");
        let is_call = CALLS.iter().any(|call| line.contains(call)) && !(may_ask && asks);
        let is_user = line.contains("dyn Disk") || line.contains("impl Disk") || asks;
        if is_call || is_user && !may_ask {
            problems.push(format!("{}: {}", source.at(number), line.trim()));
        }
    }
    problems
}

#[test]
fn disks_are_changed_in_one_place() {
    let product = product();
    complain(&product.iter().flat_map(changes_a_disk).collect::<Vec<_>>());
    let disk = read(DISK_FILE);
    assert!(CALLS.iter().filter(|call| disk.contains(*call)).count() > 8, "the calls have moved");
    for user in DISK_USERS {
        let source = product.iter().find(|source| source.path == user);
        let has_disk = source.is_some_and(|source| source.code().to_lowercase().contains("disk"));
        assert!(has_disk, "{user} has no disk");
    }
    let bad = [
        ("src/repair/mend.rs", "std::fs::rename(a, b)?;"),
        ("src/repair/mend.rs", "fn f(disk: &dyn Disk) {}"),
        ("src/repair/copy.rs", "file.set_len(0)?;"),
        ("src/bin/seg/ls.rs", "File::create(path)?;"),
    ];
    let good = [
        ("src/repair/copy.rs", "disk.ftruncate(file)?;"),
        ("src/repair/mend.rs", "// fs::rename( is not for here"),
        (DISK_FILE, "file.set_len(0)?;"),
    ];
    trips(changes_a_disk, &bad, &good);
}

/// Whoever is allowed to call it, the architecture page names, by file or by folder.
#[test]
fn the_architecture_names_who_changes_disks() {
    let source = Source { path: "src/lib.rs".to_owned(), text: read("src/lib.rs") };
    let head = source.head();
    for user in DISK_USERS {
        let name = user.trim_start_matches("src/");
        let folder = name.rsplit_once('/').unwrap().0;
        let module = name.trim_end_matches(".rs");
        let is_named =
            [name, folder, module].iter().any(|name| head.contains(&format!("`{name}`")));
        assert!(is_named, "src/lib.rs does not say that {name} changes disks");
    }
}
