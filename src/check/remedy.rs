//! What to do next about a finding.

use super::problem::TextKind;
use super::{Problem, Severity};
use crate::log::{FileName, PartitionDirName};
use std::path::Path;

/// The command to run next, or what else to do, about a problem in `file`.
pub(super) fn next(problem: &Problem, file: &Path) -> Option<String> {
    let next = match problem {
        Problem::Limit { limit: "duration", .. } => {
            "run again with a longer --max-duration".to_owned()
        }
        Problem::Limit { .. } => "run again with a higher --max-..., if memory allows".to_owned(),
        Problem::UnreadableRange { .. } => {
            "re-replicate if there is another replica; else copy the disk before it fails further"
                .to_owned()
        }
        Problem::IndexMissing { is_usual: true, .. } => return None,
        Problem::IndexMissing { .. }
        | Problem::TxnIndexMissing { .. }
        | Problem::IndexLength { .. }
        | Problem::IndexZeroTail { sealed: true, .. }
        | Problem::IndexOrder { .. }
        | Problem::IndexUnsafe { .. }
        | Problem::IndexPosition { .. }
        | Problem::IndexStale { .. }
        | Problem::TimeIndexLast { .. }
        | Problem::TxnIndexEntry { .. }
        | Problem::TxnIndexDiffers { .. }
        | Problem::SnapshotDamaged { .. }
        | Problem::LeaderEpochOrder { .. }
        | Problem::LeaderEpochBeyondEnd { .. }
        | Problem::Contradicts { file: TextKind::LeaderEpochCheckpoint, .. } => {
            format!("seg reindex {}", directory(file)?)
        }
        // What its producer, or whoever made the checksum, meant to write.
        problem if problem.severity() == Severity::Error && is_inside(problem) => {
            "compare with another replica; seg repair keeps a batch whose checksum is good".into()
        }
        _ if problem.severity() == Severity::Error => match directory(file) {
            Some(directory) => {
                format!("re-replicate if there is another replica; else seg repair {directory}")
            }
            None => "re-replicate if there is another replica; keep this copy until then".into(),
        },
        _ => return None,
    };
    Some(next)
}

/// True for what is wrong inside a batch with a good checksum. No repair changes such a batch.
fn is_inside(problem: &Problem) -> bool {
    matches!(
        problem,
        Problem::UnknownCodec { .. }
            | Problem::Decompression { .. }
            | Problem::DecompressionTrailing { .. }
            | Problem::RecordStructure { .. }
            | Problem::RecordCount { .. }
            | Problem::RecordOffsetDelta { .. }
            | Problem::LastOffsetDelta { .. }
            | Problem::ControlRecord { .. }
            | Problem::ControlRecords { .. }
            | Problem::WrapperMessage { .. }
    )
}

/// The directory of a file as a shell takes it; `None` for what came in through a pipe, and for
/// what was taken for a file of Kafka's against its name: no partition need be around it.
fn directory(file: &Path) -> Option<String> {
    let parent = file.parent()?;
    let name = file.file_name()?.to_str()?;
    if FileName::parse(name).is_none() && PartitionDirName::parse(name).is_none() {
        return None;
    }
    let path = match parent.to_string_lossy() {
        text if text.is_empty() => ".".to_owned(),
        text => text.into_owned(),
    };
    Some(shell_word(&path))
}

/// A path as a shell takes it.
#[must_use]
pub fn shell_word(path: &str) -> String {
    let is_plain = |char: char| char.is_alphanumeric() || "/._-+:,=@%".contains(char);
    match !path.is_empty() && path.chars().all(is_plain) {
        // Not a flag.
        true if path.starts_with('-') => format!("./{path}"),
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_given_as_a_shell_takes_it() {
        let next = |file: &str| next(&Problem::UnclaimedBytes, Path::new(file)).unwrap();
        let damaged = "re-replicate if there is another replica; ";
        for (file, expected) in [
            ("/data/orders-0/0.log", "else seg repair /data/orders-0"),
            ("0.log", "else seg repair ."),
            ("a b/0.log", "else seg repair 'a b'"),
            ("it's/0.log", r"else seg repair 'it'\''s'"),
            ("-x/0.log", "else seg repair ./-x"),
            ("-", "keep this copy until then"),
            ("photo.log", "keep this copy until then"),
            ("/var/log/kafka/server.log", "keep this copy until then"),
        ] {
            assert_eq!(next(file), format!("{damaged}{expected}"));
        }
    }

    #[test]
    fn nobody_is_sent_to_a_repair_that_changes_nothing() {
        let file = Path::new("/data/orders-0/0.log");
        for problem in [Problem::UnknownCodec { id: 6 }, Problem::ControlRecords { count: 2 }] {
            assert_eq!(problem.severity(), Severity::Error);
            let said = next(&problem, file).unwrap();
            assert!(!said.contains("else seg repair"), "{said}");
        }
    }
}
