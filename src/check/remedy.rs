//! What to do next about a finding.

use super::problem::TextKind;
use super::{Problem, Severity};
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

/// The directory of a file as a shell takes it; `None` for what came in through a pipe.
fn directory(file: &Path) -> Option<String> {
    let parent = file.parent()?;
    let path = match parent.to_string_lossy() {
        text if text.is_empty() && file == Path::new("-") => return None,
        text if text.is_empty() => ".".to_owned(),
        text => text.into_owned(),
    };
    let is_plain = |char: char| char.is_alphanumeric() || "/._-+:,=@%".contains(char);
    Some(match path.chars().all(is_plain) {
        true => path,
        false => format!("'{}'", path.replace('\'', r"'\''")),
    })
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
            ("-", "keep this copy until then"),
        ] {
            assert_eq!(next(file), format!("{damaged}{expected}"));
        }
    }
}
