//! What groups committed in this run, at its end: a table or rows, and the file of
//! `--offsets-out`, which Kafka's own program takes to set the offsets of a living cluster.
//!
//! ```text
//!   group   topic   partition  offset
//!   rescue  orders          0    4711        rescue,orders,0,4711
//! ```

use crate::cli::UsageError;
use crate::output::Output;
use crate::render::{JsonLines, Sink};
use crate::repair::plan_file;
use crate::row;
use crate::table::Table;
use crate::values::{count, plural};
use segkit::log::new_file::directory_of;
use segkit::serve::groups::NewCommit;
use segkit::serve::groups::offsets_out::lines;
use std::io;
use std::path::Path;

/// More rows are counted only, where a file has them all.
const ROWS: usize = 40;

/// Refuses at the start what could not be written at the end: a place where a broker looks, one
/// that is taken, one that is not there.
pub fn check(path: &Path) -> Result<(), UsageError> {
    const FLAG: &str = "--offsets-out";
    plan_file::check_outside(FLAG, path)?;
    let shown = path.display();
    let directory = directory_of(path);
    if path.symlink_metadata().is_ok() {
        return Err(UsageError(format!("{FLAG} {shown} is there already, and stays as it is")));
    }
    let may_write = rustix::fs::access(directory, rustix::fs::Access::WRITE_OK);
    match directory.is_dir() && path.file_name().is_some() {
        false => Err(UsageError(format!("{FLAG} {shown} is in no directory"))),
        true => may_write.map_err(|error| {
            let error = io::Error::from(error);
            UsageError(format!("{FLAG} {shown} cannot be written: {error}"))
        }),
    }
}

/// Says what was committed, and writes it down at `path`.
pub fn finish(
    commits: &[NewCommit],
    path: Option<&Path>,
    is_json: bool,
    out: &mut Output,
) -> io::Result<()> {
    let is_written = match path {
        Some(path) => write(commits, path, out)?,
        None => false,
    };
    if is_json {
        let mut sink = JsonLines::default();
        for commit in commits {
            row::commit(&mut sink, commit);
            out.write(sink.buffer())?;
            sink.buffer().clear();
        }
        return out.flush();
    }
    let text = text(commits, path.filter(|_| is_written), out.verbose);
    out.write(text.as_bytes())?;
    out.flush()
}

/// Whether the file is there.
fn write(commits: &[NewCommit], path: &Path, out: &mut Output) -> io::Result<bool> {
    let (lines, left_out) = lines(commits);
    for group in left_out {
        let why = "has a line end in its name or in that of a topic, which no such file can say";
        out.error(&format!("{} is not all of it: the group {group:?} {why}", path.display()))?;
    }
    if let Err(error) = plan_file::write(path, lines.as_bytes()) {
        out.error(&error)?;
        return Ok(false);
    }
    Ok(true)
}

/// `file` is where all of it is.
fn text(commits: &[NewCommit], file: Option<&Path>, verbose: bool) -> String {
    if commits.is_empty() {
        return "no group committed an offset\n".to_owned();
    }
    let is_cut = file.is_some() && !verbose && commits.len() > ROWS;
    let shown = if is_cut { ROWS } else { commits.len() };
    let mut table = Table::new(&["group", "topic", ">partition", ">offset"]);
    for commit in commits.iter().take(shown) {
        let NewCommit { group, topic, partition, offset } = commit;
        let (partition, offset) = (partition.to_string(), offset.to_string());
        table.row(vec![group.to_string(), topic.to_string(), partition, offset]);
    }
    let mut text = table.render();
    let more = commits.len() - shown;
    if more > 0 {
        text.push_str(&format!("... and {} more\n", count(more as u64)));
    }
    // They are sorted by group.
    let groups = commits.chunk_by(|one, next| one.group == next.group).count();
    let (commits, groups) =
        (plural(commits.len() as u64, "committed offset"), plural(groups as u64, "group"));
    text.push_str(&match file {
        None => format!("{commits} of {groups}, kept nowhere; --offsets-out FILE writes them\n"),
        Some(path) => format!(
            "{commits} of {groups} in {path}; next: kafka-consumer-groups --bootstrap-server \
             HOST:PORT --all-groups --reset-offsets --from-file {path} --dry-run\n",
            path = path.display()
        ),
    });
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn commits(number: i64) -> Vec<NewCommit> {
        let one = |offset| NewCommit {
            group: if offset == 0 { "a" } else { "b" }.into(),
            topic: "orders".into(),
            partition: 2,
            offset,
        };
        (0..number).map(one).collect()
    }

    #[test]
    fn what_was_committed_is_said() {
        assert_eq!(text(&[], None, false), "no group committed an offset\n");
        let few = text(&commits(2), None, false);
        assert!(few.starts_with("group  topic   partition  offset\n"), "{few}");
        assert!(few.contains("\nb      orders          2       1\n"), "{few}");
        assert!(few.contains("2 committed offsets of 2 groups, kept nowhere"), "{few}");
        let path = Some(Path::new("out.csv"));
        let many = text(&commits(50), path, false);
        assert!(many.contains("... and 10 more\n50 committed offsets of 2 groups in out.csv"));
        assert_eq!(text(&commits(50), path, true).lines().count(), 52);
        // Where no file has them, nothing is left out.
        assert_eq!(text(&commits(50), None, false).lines().count(), 52);
    }

    #[test]
    fn the_place_is_looked_at_before_anything_is_served() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.csv");
        check(&path).unwrap();
        let mut out = Output::new(None);
        assert!(write(&commits(2), &path, &mut out).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a,orders,2,0\nb,orders,2,1\n");
        let refused = |path: &Path| check(path).unwrap_err().0;
        assert!(refused(&path).contains("is there already"));
        assert!(!write(&commits(3), &path, &mut out).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
        assert!(refused(&directory.path().join("no/out.csv")).contains("in no directory"));
        std::fs::write(directory.path().join("meta.properties"), "").unwrap();
        assert!(refused(&directory.path().join("new.csv")).contains("log dir"));
    }
}
