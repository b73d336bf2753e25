//! The next step, behind an error: the library says what stood in the way, and here is what to do
//! about it.

use rustix::io::Errno;
use segkit::check::remedy::shell_word;
use segkit::error::Error;
use segkit::log::{Access, FileBytes, read_small};
use std::fs::{self, FileType};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// How many names of a directory are told.
const NAMES: usize = 3;
/// How much of a file is looked at for what it is.
const HEAD_BYTES: usize = 512;

/// What to do about an error, where more than its own sentence is to be said.
pub fn of(error: &Error) -> Option<String> {
    let path = error.path.as_path();
    match error.source.kind() {
        ErrorKind::AddrInUse => {
            return Some("another process has it; --listen 127.0.0.1:0 takes a free port".into());
        }
        ErrorKind::AddrNotAvailable => {
            return Some("this machine has no such address; 127.0.0.1 is its own".into());
        }
        ErrorKind::PermissionDenied if error.doing == "listening on" => {
            return Some("ports below 1024 are root's; take another".into());
        }
        ErrorKind::NotFound => return missing(path),
        ErrorKind::PermissionDenied => return Some(forbidden(path)),
        // What the library itself has against it.
        ErrorKind::Other if error.doing == "opening" => return not_regular(path),
        _ => {}
    }
    of_cause(&error.source).map(str::to_owned)
}

/// What to do about what the operating system said, whatever it said it of.
pub fn of_cause(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        ErrorKind::ReadOnlyFilesystem => {
            return Some("nothing was changed; seg repair --to DIR makes a copy elsewhere");
        }
        _ if is_full(error) => return Some("make room on this disk and run it again"),
        ErrorKind::NotADirectory => return Some("a part of this path is a file"),
        _ => {}
    }
    Some(match Errno::from_io_error(error)? {
        Errno::LOOP => "these symbolic links lead to each other; name the directory itself",
        Errno::IO => "the disk fails: copy it first, with ddrescue for one, and look at the copy",
        Errno::MFILE | Errno::NFILE => "raise the limit, as in: ulimit -n 4096",
        Errno::NOMEM => "fewer --threads need less memory",
        _ => return None,
    })
}

/// True where there is no room on a disk, or no more for this user.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// What else to name than a link or a pipe.
fn not_regular(path: &Path) -> Option<String> {
    let kind = path.symlink_metadata().ok()?.file_type();
    if kind.is_symlink() {
        return Some(format!("it leads to {}", path.canonicalize().ok()?.display()));
    }
    let word = shell_word(&path.to_string_lossy());
    kind.is_fifo().then(|| format!("use: seg dump - < {word}"))
}

/// What to do where there is nothing at `path`.
fn missing(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    if text == "-" {
        return Some("only dump and verify read a .log from stdin".into());
    }
    if text.contains(['*', '?', '[']) {
        return Some("no file is of this pattern; seg ls lists what there is".into());
    }
    if let Ok(target) = fs::read_link(path) {
        let target = target.display();
        return Some(format!("it is a symbolic link to {target}, and that is not there"));
    }
    let parts: Vec<&str> = text.split(',').collect();
    if parts.len() > 1 && parts.iter().all(|part| Path::new(part).exists()) {
        let parts: Vec<String> = parts.into_iter().map(shell_word).collect();
        return Some(format!("there are spaces between PATHs: {}", parts.join(" ")));
    }
    let is_number = text.chars().all(|char| char.is_ascii_digit() || ".-".contains(char));
    if is_number && text.contains(|char: char| char.is_ascii_digit()) {
        return Some("for offsets there are --offset N and --offsets A..B".into());
    }
    around(path)
}

/// What there is instead of `path`, in the nearest directory above it.
fn around(path: &Path) -> Option<String> {
    let above = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Some(PathBuf::from(".")),
        parent => parent.map(Path::to_owned),
    };
    let mut lost = path.to_owned();
    let mut parent = above(path)?;
    while !parent.exists() {
        lost = parent;
        // The current directory can be gone.
        parent = above(&lost).filter(|parent| *parent != lost)?;
    }
    let shown = parent.display();
    let mut names: Vec<String> = fs::read_dir(&parent)
        .ok()?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    if names.is_empty() {
        return Some(format!("{shown} is empty: is its disk mounted?"));
    }
    names.sort();
    let wanted = lost.file_name()?.to_string_lossy().to_lowercase();
    if let Some(near) = names.iter().find(|name| is_near(&wanted, &name.to_lowercase())) {
        return Some(format!("there is {}", parent.join(near).display()));
    }
    let more = names.len().saturating_sub(NAMES);
    let mut there = names.into_iter().take(NAMES).collect::<Vec<_>>().join(", ");
    if more > 0 {
        there.push_str(&format!(" and {more} more"));
    }
    let none = if lost == path { String::new() } else { format!("no {} either; ", lost.display()) };
    Some(format!("{none}in {shown} there is {there}"))
}

/// True where one word is the beginning of the other, or they differ in a letter, or in two that
/// changed places.
fn is_near(a: &str, b: &str) -> bool {
    let shorter = a.len().min(b.len());
    if shorter >= NAMES && (a.starts_with(b) || b.starts_with(a)) {
        return true;
    }
    let same = |(left, right): &(u8, u8)| left == right;
    let begin = a.bytes().zip(b.bytes()).take_while(same).count();
    let end = a.bytes().rev().zip(b.bytes().rev()).take_while(same).count();
    let middle = |word: &str| word.len().saturating_sub(begin + end.min(shorter - begin));
    let (left, right) = (middle(a), middle(b));
    let is_swapped = left == 2 && right == 2 && {
        let pair = |word: &str| word.bytes().skip(begin).take(2).collect::<Vec<u8>>();
        pair(a).into_iter().rev().eq(pair(b))
    };
    shorter >= NAMES && (left.max(right) <= 1 || is_swapped)
}

/// Who may do it.
fn forbidden(path: &Path) -> String {
    let is_there = |path: &&Path| path.symlink_metadata().is_ok();
    let Some(at) = path.ancestors().find(is_there) else {
        return "run seg as the broker's user".into();
    };
    let Ok(metadata) = at.symlink_metadata() else {
        return "run seg as the broker's user".into();
    };
    let uid = metadata.uid();
    let shown = if at == path { "it".to_owned() } else { at.display().to_string() };
    if uid == rustix::process::geteuid().as_raw() {
        return format!("{shown} is yours, with mode {:04o}", metadata.mode() & 0o7777);
    }
    let users = read_small(Path::new("/etc/passwd")).unwrap_or_default();
    let users = String::from_utf8_lossy(&users);
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    });
    let owner = name.map_or_else(|| format!("user {uid}"), str::to_owned);
    format!("{shown} belongs to {owner}: run seg as that user, or as root")
}

/// Where to look instead of a directory that holds nothing of Kafka's.
pub fn instead_of(directory: &Path) -> String {
    let settings = ["server.properties", "broker.properties", "config/server.properties"];
    let mut settings = settings.iter().map(|name| directory.join(name));
    let found = settings.find_map(|file| log_dirs_of(&file));
    found.unwrap_or_else(|| "log.dirs in the broker's server.properties says where they are".into())
}

/// The log dirs that a broker's settings name.
fn log_dirs_of(file: &Path) -> Option<String> {
    let text = String::from_utf8(read_small(file).ok()?).ok()?;
    let value = |key: &str| {
        let settings = text.lines().filter_map(|line| line.split_once('='));
        settings.filter(|(name, _)| name.trim() == key).map(|(_, value)| value.trim()).next_back()
    };
    let dirs = value("log.dirs").or_else(|| value("log.dir"))?;
    let dirs: Vec<String> = dirs.split(',').map(|dir| shell_word(dir.trim())).collect();
    let name = file.file_name()?.to_string_lossy();
    Some(format!("{name} says where they are; use: seg ls {}", dirs.join(" ")))
}

/// Why a file is not read whose name is none that Kafka gives one, and what to do, by a `command`
/// that takes stdin.
pub fn unnamed(path: &Path, command: &str) -> String {
    let word = shell_word(&path.to_string_lossy());
    let kind = fs::metadata(path).map(|metadata| metadata.file_type());
    if kind.as_ref().is_ok_and(FileType::is_fifo) {
        return format!("it is a named pipe; use: seg {command} - < {word}");
    }
    if kind.as_ref().is_ok_and(FileType::is_block_device) {
        return "it is a disk; mount it, read-only for one, and name the directory".into();
    }
    if !kind.is_ok_and(|kind| kind.is_file()) {
        return "it is no file that could be a log".into();
    }
    if let Some(found) = log_dirs_of(path) {
        return format!("it is a broker's settings: {found}");
    }
    let unnamed = "its name is none that Kafka gives a file";
    let mut scratch = Vec::new();
    let bytes = FileBytes::open(path, Access::Read).ok();
    let head = bytes.as_ref().and_then(|bytes| bytes.read(0, HEAD_BYTES, &mut scratch).ok());
    let head = head.unwrap_or_default();
    let packed: [(&[u8], &str, &str); 5] = [
        (b"\x1f\x8b", "gzip", "zcat"),
        (b"\x28\xb5\x2f\xfd", "zstd", "zstdcat"),
        (b"\xfd7zXZ\0", "xz", "xzcat"),
        (b"BZh", "bzip2", "bzcat"),
        (b"\x04\x22\x4d\x18", "lz4", "lz4cat"),
    ];
    if let Some((_, name, cat)) = packed.iter().find(|(magic, ..)| head.starts_with(magic)) {
        return format!("it is packed with {name}; use: {cat} {word} | seg {command} -");
    }
    // Offset, length, leader epoch, magic: as every batch begins since Kafka 0.8.
    let length = head.get(8..12).and_then(|bytes| bytes.try_into().ok()).map(i32::from_be_bytes);
    let magic = head.get(16).is_some_and(|&magic| magic <= 2);
    if magic && length.is_some_and(|length| length >= 14) && head.first() == Some(&0) {
        return format!(
            "{unnamed}, and it begins like a log; use: seg {command} --kind log {word}"
        );
    }
    if is_text(head) {
        return "it is text; a log of records is called 00000000000000000000.log".into();
    }
    format!("{unnamed}; --kind says what it is")
}

/// True for the beginning of a text.
fn is_text(head: &[u8]) -> bool {
    let is_character = |char: char| !char.is_control() || "\t\r\n\x1b".contains(char);
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The last character may be cut.
        Err(error) if head.len() == HEAD_BYTES && error.error_len().is_none() => "",
        Err(_) => return false,
    };
    !head.is_empty() && text.chars().all(is_character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_near() {
        for (a, b, near) in [
            ("orders-0", "orders-1", true),
            ("kafak", "kafka", true),
            ("kafka", "kafka-logs", true),
            ("kafa", "kafka", true),
            ("data", "logs", false),
            ("aa", "ab", false),
            ("", "kafka", false),
            ("aaaa", "aaaaa", true),
            ("abcd", "badc", false),
        ] {
            assert_eq!(is_near(a, b), near, "{a} {b}");
            assert_eq!(is_near(b, a), near, "{b} {a}");
        }
    }
}
