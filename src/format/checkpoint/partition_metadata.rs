//! `partition.metadata`: the topic id of a partition, in two lines of which the second has no end.
//!
//! ```text
//!   version: 0
//!   topic_id: 5Bz2VvOcRJmkzBrHrVZ2Yw
//! ```

use super::{Line, Lines, Uuid};
use crate::format::{FormatError, FormatErrorKind, Position, Result};

/// What `partition.metadata` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// 0; Kafka takes higher ones too.
    pub version: i32,
    /// The topic id, never zero.
    pub topic_id: Uuid,
}

impl PartitionMetadata {
    /// Reads a whole file. What follows its second line is not looked at, as Kafka does not.
    ///
    /// # Errors
    /// When a broker could not read the file: a line is missing, has another key or no value, the
    /// version is negative, or the topic id is none or zero.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut lines = Lines::new(bytes);
        let (line, value) = value_of(lines.next(), "version", 1, bytes)?;
        let version = value.parse::<i32>().map_err(|_| line.error("the version is no number"))?;
        if version < 0 {
            return Err(FormatError::new(
                line.position,
                FormatErrorKind::Version(i64::from(version)),
            ));
        }
        let (line, value) = value_of(lines.next(), "topic_id", 2, bytes)?;
        match Uuid::parse(value) {
            None => Err(line.error("the topic id is not 22 characters of base64")),
            Some(Uuid::ZERO) => Err(line.error("the topic id is zero")),
            Some(topic_id) => Ok(Self { version, topic_id }),
        }
    }

    /// The text of the file.
    #[must_use]
    pub fn encode(&self) -> String {
        format!("version: {}\ntopic_id: {}", self.version, self.topic_id)
    }
}

/// Splits a line at its first colon with white space behind it.
fn value_of<'a>(
    line: Option<Line<'a>>,
    key: &str,
    number: u32,
    file: &[u8],
) -> Result<(Line<'a>, &'a str)> {
    let end = Line { bytes: &[], position: Position(file.len() as u64), number };
    let line = line.ok_or_else(|| end.error("the line is missing"))?;
    let white = |c: char| matches!(c, ' ' | '\t' | '\x0b' | '\x0c');
    let value = line.text()?.strip_prefix(key).and_then(|rest| rest.strip_prefix(':'));
    match value.filter(|value| value.starts_with(white)) {
        Some(value) => Ok((line, value.trim_start_matches(white))),
        None => Err(line.error("not a key, a colon, a space and a value")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "version: 0\ntopic_id: 5Bz2VvOcRJmkzBrHrVZ2Yw";

    fn failure(text: &str) -> (u64, FormatErrorKind) {
        let error = PartitionMetadata::parse(text.as_bytes()).unwrap_err();
        (error.position.0, error.kind)
    }

    fn failed_line(text: &str) -> u32 {
        match failure(text).1 {
            FormatErrorKind::Line { line, .. } => line,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_example_of_the_format_notes() {
        let metadata = PartitionMetadata::parse(TEXT.as_bytes()).unwrap();
        assert_eq!(metadata.version, 0);
        assert_eq!(metadata.topic_id.to_string(), "5Bz2VvOcRJmkzBrHrVZ2Yw");
        assert_eq!(metadata.encode(), TEXT);
    }

    #[test]
    fn what_a_broker_takes_and_what_not() {
        for text in [
            "version: 7\r\ntopic_id: \t AAAAAAAAAAAAAAAAAAAAAQ\nmore\n",
            "version:\t0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ==\n",
        ] {
            let metadata = PartitionMetadata::parse(text.as_bytes()).unwrap();
            assert_eq!(metadata.topic_id, Uuid::METADATA_TOPIC_ID);
        }
        assert_eq!(failure("version: -1\n"), (0, FormatErrorKind::Version(-1)));
        for text in ["", "\n", "version 0", "version:0", "version: ", "version: x", "v: 0"] {
            assert_eq!(failed_line(text), 1, "{text:?}");
        }
        for topic_id in ["", "topic_id:", "topic_id: ", "topic_id: x", "id: AAAAAAAAAAAAAAAAAAAAAQ"]
        {
            assert_eq!(failed_line(&format!("version: 0\n{topic_id}")), 2, "{topic_id:?}");
        }
        assert_eq!(failed_line("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA"), 2);
        assert_eq!(failure("version: 0\n").0, 11);
    }

    #[test]
    fn every_truncation_is_an_error_and_no_flipped_bit_panics() {
        for end in 0..TEXT.len() {
            assert!(PartitionMetadata::parse(&TEXT.as_bytes()[..end]).is_err(), "{end}");
        }
        for bit in 0..TEXT.len() * 8 {
            let mut bytes = TEXT.as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let read = PartitionMetadata::parse(&bytes);
            assert!(read.is_err() || bit / 8 >= 8, "bit {bit}");
        }
    }
}
