//! The small text files of a log dir and of a partition, read by Kafka's own rules.
//!
//! ```text
//!   recovery-point-, log-start-, replication-, cleaner-     leader-epoch-checkpoint
//!   offset-checkpoint
//!     0                     version                           0
//!     2                     number of entries                 2
//!     orders 0 118264       topic partition offset            0 0          epoch start-offset
//!     orders 1 42                                             3 118264
//!
//!   partition.metadata      see partition_metadata            meta.properties  see properties
//!   .kafka_cleanshutdown    see json                          quorum-state     see json
//! ```
//!
//! An empty checkpoint is sound, and so is one that ends behind its version: both mean no entry.
//! Fields are parted by any white space. Anything else, an empty line too, is an error, and a
//! checkpoint with an error yields nothing: a broker does not use part of one either.

pub mod json;
pub mod leader_epochs;
pub mod partition_metadata;
pub mod properties;
mod uuid;

pub use leader_epochs::{EpochEntry, LeaderEpochs};
pub use partition_metadata::PartitionMetadata;
pub use properties::MetaProperties;
pub use uuid::Uuid;

use super::{FormatError, FormatErrorKind, Offset, Position, Result};
use std::fmt;

const VERSION: i32 = 0;

/// An entry of a checkpoint and where its line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointEntry<T> {
    /// Where the line begins in the file.
    pub position: Position,
    /// The line, counted from 1.
    pub line: u32,
    /// What it says.
    pub value: T,
}

/// An entry of an offset checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionOffset<'a> {
    /// The topic, as it stands there: Kafka does not check names here.
    pub topic: &'a str,
    /// The partition, negative ones included.
    pub partition: i32,
    /// What the checkpoint keeps of the partition.
    pub offset: Offset,
}

impl fmt::Display for PartitionOffset<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.topic, self.partition, self.offset)
    }
}

/// The entries of an offset checkpoint in the order of the file. Where a partition comes twice
/// Kafka takes the later one.
///
/// # Errors
/// When a broker could not read the file.
pub fn offset_checkpoint(bytes: &[u8]) -> Result<Vec<CheckpointEntry<PartitionOffset<'_>>>> {
    entries(bytes, |text| {
        let [topic, partition, offset] = fields(text)?;
        let offset = Offset(offset.parse().ok()?);
        Some(PartitionOffset { topic, partition: partition.parse().ok()?, offset })
    })
}

/// The entries of a leader-epoch-checkpoint in the order of the file.
///
/// # Errors
/// When a broker could not read the file.
pub fn leader_epoch_checkpoint(bytes: &[u8]) -> Result<Vec<CheckpointEntry<EpochEntry>>> {
    entries(bytes, |text| {
        let [epoch, start_offset] = fields(text)?;
        let start_offset = Offset(start_offset.parse().ok()?);
        Some(EpochEntry { epoch: epoch.parse().ok()?, start_offset })
    })
}

/// The text of a checkpoint with these entries.
#[must_use]
pub fn encode<T: fmt::Display>(entries: &[T]) -> String {
    let lines = entries.iter().map(|entry| format!("{entry}\n"));
    format!("{VERSION}\n{}\n{}", entries.len(), lines.collect::<String>())
}

fn entries<'a, T>(
    bytes: &'a [u8],
    parse: impl Fn(&'a str) -> Option<T>,
) -> Result<Vec<CheckpointEntry<T>>> {
    let mut lines = Lines::new(bytes);
    let Some(first) = lines.next() else { return Ok(Vec::new()) };
    let version: i32 = first.parse("the version is no number")?;
    if version != VERSION {
        return Err(FormatError::new(Position(0), FormatErrorKind::Version(i64::from(version))));
    }
    let Some(second) = lines.next() else { return Ok(Vec::new()) };
    let expected: i32 = second.parse("the number of entries is no number")?;
    let mut found = Vec::new();
    for line in lines {
        let Some(value) = parse(line.text()?) else {
            return Err(line.error("not the fields of an entry"));
        };
        found.push(CheckpointEntry { position: line.position, line: line.number, value });
    }
    if usize::try_from(expected) != Ok(found.len()) {
        return Err(second.error("not the number of entries that follow"));
    }
    Ok(found)
}

/// Exactly `N` fields parted by runs of white space. As in Java's split, white space at the front
/// leaves an empty first field, and white space at the end nothing.
fn fields<const N: usize>(text: &str) -> Option<[&str; N]> {
    // What a Java pattern holds for white space.
    let white = |c: char| matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r');
    let mut rest = Some(text.trim_end_matches(white));
    let mut found = [""; N];
    for field in &mut found {
        match rest?.split_once(white) {
            Some((front, behind)) => {
                *field = front;
                rest = Some(behind.trim_start_matches(white));
            }
            None => *field = rest.take()?,
        }
    }
    rest.is_none().then_some(found)
}

/// The lines of a text file as Java reads them: each ends in LF, CR, CR LF or with the file.
#[derive(Clone, Copy, Debug)]
struct Lines<'a> {
    rest: &'a [u8],
    position: Position,
    number: u32,
}

/// One line without its end.
#[derive(Clone, Copy, Debug)]
struct Line<'a> {
    bytes: &'a [u8],
    position: Position,
    number: u32,
}

impl<'a> Lines<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, position: Position(0), number: 0 }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        self.number = self.number.saturating_add(1);
        let end = self.rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let (bytes, behind) = self.rest.split_at_checked(end.unwrap_or(self.rest.len()))?;
        let line = Line { bytes, position: self.position, number: self.number };
        let before = self.rest.len();
        self.rest = match behind {
            [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
            [] => &[],
        };
        self.position = self.position.plus((before - self.rest.len()) as u64);
        Some(line)
    }
}

impl<'a> Line<'a> {
    fn text(&self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes).map_err(|error| {
            let at = self.position.plus(error.valid_up_to() as u64);
            FormatError::new(at, FormatErrorKind::Utf8)
        })
    }

    /// The whole line as one number. Rust and Java agree on what is one, except that Java takes
    /// the digits of all scripts.
    fn parse<T: std::str::FromStr>(&self, why: &'static str) -> Result<T> {
        self.text()?.parse().map_err(|_| self.error(why))
    }

    fn error(&self, why: &'static str) -> FormatError {
        FormatError::new(self.position, FormatErrorKind::Line { line: self.number, why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFSETS: &str = "0\n2\norders 0 118264\norders 1 42\n";
    const EPOCHS: &str = "0\n2\n0 0\n3 118264\n";

    fn offsets(text: &str) -> Result<Vec<(&str, i32, i64)>> {
        let entries = offset_checkpoint(text.as_bytes())?.into_iter().map(|entry| entry.value);
        Ok(entries.map(|v| (v.topic, v.partition, v.offset.0)).collect())
    }

    fn failed_line(text: &str) -> u32 {
        match offset_checkpoint(text.as_bytes()).unwrap_err().kind {
            FormatErrorKind::Line { line, .. } => line,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_examples_of_the_format_notes() {
        let entries = offset_checkpoint(OFFSETS.as_bytes()).unwrap();
        let values = entries.iter().map(|entry| entry.value).collect::<Vec<_>>();
        let orders = |partition, offset| PartitionOffset {
            topic: "orders",
            partition,
            offset: Offset(offset),
        };
        assert_eq!(values, [orders(0, 118_264), orders(1, 42)]);
        assert_eq!((entries[1].position, entries[1].line), (Position(20), 4));
        assert_eq!(encode(&values), OFFSETS);

        let entries = leader_epoch_checkpoint(EPOCHS.as_bytes()).unwrap();
        let values = entries.iter().map(|entry| entry.value).collect::<Vec<_>>();
        assert_eq!(values[1], EpochEntry { epoch: 3, start_offset: Offset(118_264) });
        assert_eq!(encode(&values), EPOCHS);
        assert_eq!(encode::<EpochEntry>(&[]), "0\n0\n");
    }

    #[test]
    fn what_a_broker_takes() {
        for text in ["", "0", "0\n", "0\n0", "0\n0\n", "+0\n-0\n"] {
            assert_eq!(offsets(text), Ok(vec![]), "{text:?}");
        }
        let one = Ok(vec![("a", 1, 2)]);
        for text in
            ["0\r\n1\r\na 1 2\r\n", "0\r1\ra 1 2", "0\n1\na \t 1\x0b\x0c2  ", "0\n+1\na +1 2"]
        {
            assert_eq!(offsets(text), one, "{text:?}");
        }
        assert_eq!(offsets("0\n1\na -1 -1\n"), Ok(vec![("a", -1, -1)]));
        // White space at the front is an empty first field, which is taken for the topic.
        assert_eq!(offsets("0\n1\n 7 8\n"), Ok(vec![("", 7, 8)]));
        assert_eq!(offsets("0\n2\na 0 1\na 0 2\n").unwrap().len(), 2);
    }

    #[test]
    fn what_a_broker_refuses() {
        assert_eq!(failed_line("\n"), 1);
        assert_eq!(failed_line("x\n0\n"), 1);
        assert_eq!(failed_line(" 0\n0\n"), 1);
        assert_eq!(failed_line("0\n\n"), 2);
        assert_eq!(failed_line("0\n1 \na 1 2\n"), 2);
        assert_eq!(failed_line("0\n99999999999\n"), 2);
        for entry in
            ["", " ", "a 1", "a 1 2 3", " a 1 2", "a x 2", "a 1 x", "a 1 9223372036854775808"]
        {
            assert_eq!(failed_line(&format!("0\n1\n{entry}\n")), 3, "{entry:?}");
        }
        assert_eq!(failed_line("0\n2\na 1 2\n"), 2);
        assert_eq!(failed_line("0\n0\na 1 2\n"), 2);
        assert_eq!(failed_line("0\n-1\n"), 2);
        assert_eq!(failed_line("0\n1\na 1 2\n\n"), 4);
        let version = offset_checkpoint(b"1\n0\n").unwrap_err().kind;
        assert_eq!(version, FormatErrorKind::Version(1));
        let error = offset_checkpoint(b"0\n1\nab\xff 1 2\n").unwrap_err();
        assert_eq!((error.position, error.kind), (Position(6), FormatErrorKind::Utf8));
        for entry in ["1", "1 2 3", " 1 2", "x 2", "2147483648 0"] {
            let text = format!("0\n1\n{entry}\n");
            let error = leader_epoch_checkpoint(text.as_bytes()).unwrap_err();
            assert_eq!(error.position, Position(4), "{entry:?}");
        }
    }

    #[test]
    fn any_truncation_and_any_flipped_bit_end_in_entries_or_in_an_error() {
        for end in 0..OFFSETS.len() {
            // What is cut off is a line, or digits of the last one, which nothing guards.
            let read = offset_checkpoint(&OFFSETS.as_bytes()[..end]);
            let sound = matches!(end, 0..=2 | 30..);
            assert_eq!(read.is_ok(), sound, "{end}");
        }
        for (text, bit) in
            [OFFSETS, EPOCHS].iter().flat_map(|t| (0..t.len() * 8).map(move |b| (t, b)))
        {
            let mut bytes = text.as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let found = offset_checkpoint(&bytes).map_or(0, |entries| entries.len());
            let epochs = leader_epoch_checkpoint(&bytes).map_or(0, |entries| entries.len());
            assert!(found <= 3 && epochs <= 3);
        }
    }
}
