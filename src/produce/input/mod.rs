//! What is to be written, record by record, as it comes in.
//!
//! ```text
//!   a reader -- blocks.rs: lines ---> json.rs    as `seg dump -r --format json` prints them
//!                                ---> lines.rs   one value a line
//!                                     generate.rs: made up
//! ```

mod blocks;
pub mod generate;
pub mod json;
pub mod lines;

pub use generate::{Generate, Generator, Payload};
pub use json::JsonLines;
pub use lines::Lines;

use crate::format::Header;
use std::fmt;

/// The longest line that is read, unless something else is asked for.
pub const STANDARD_LINE_BYTES: usize = 256 << 20;

/// Gives one record after the other.
pub trait Input {
    /// The next record; `None` at the end. An error is the end as well.
    fn next_record(&mut self) -> Result<Option<InputRecord<'_>>, InputError>;
}

/// A record as it came in. What is `None` was not said.
#[derive(Clone, Copy, Debug)]
pub struct InputRecord<'a> {
    /// The line it stands in, counted from 1; of made-up records, which one it is.
    pub line: u64,
    /// The offset it had.
    pub offset: Option<i64>,
    /// Milliseconds since the epoch, -1 for none.
    pub timestamp: Option<i64>,
    /// The key, `None` for null.
    pub key: Option<&'a [u8]>,
    /// The value, `None` for null.
    pub value: Option<&'a [u8]>,
    /// The headers.
    pub headers: InputHeaders<'a>,
    /// The partition it has to go to.
    pub partition: Option<u32>,
    /// The sequence number, -1 for none.
    pub sequence: i32,
    /// The leader epoch of its batch.
    pub partition_leader_epoch: Option<i32>,
    /// What it shares with the other records of its batch.
    pub producer: ProducerFields,
}

/// What a batch says of all its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerFields {
    /// -1 for none.
    pub producer_id: i64,
    /// -1 for none.
    pub producer_epoch: i16,
    /// Part of a transaction.
    pub is_transactional: bool,
    /// A control record: what ends a transaction, or belongs to the controllers.
    pub is_control: bool,
}

impl ProducerFields {
    /// Of a producer that is neither idempotent nor transactional.
    pub const NONE: Self =
        Self { producer_id: -1, producer_epoch: -1, is_transactional: false, is_control: false };
}

impl<'a> InputRecord<'a> {
    /// A record of which no more is known than key and value.
    #[must_use]
    pub fn plain(line: u64, key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Self {
        Self {
            line,
            offset: None,
            timestamp: None,
            key,
            value,
            headers: InputHeaders::default(),
            partition: None,
            sequence: -1,
            partition_leader_epoch: None,
            producer: ProducerFields::NONE,
        }
    }
}

/// Where a piece of a line stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
}

impl Span {
    fn of(self, line: &[u8]) -> &[u8] {
        line.get(self.start..self.end).unwrap_or_default()
    }
}

/// A header's key and value.
#[derive(Clone, Copy, Debug, Default)]
struct HeaderSpans {
    key: Span,
    value: Option<Span>,
}

/// A record's headers, one by one.
#[derive(Clone, Copy, Debug, Default)]
pub struct InputHeaders<'a> {
    spans: &'a [HeaderSpans],
    line: &'a [u8],
}

impl InputHeaders<'_> {
    /// How many headers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }
}

impl<'a> Iterator for InputHeaders<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        let (first, rest) = self.spans.split_first()?;
        self.spans = rest;
        let value = first.value.map(|value| value.of(self.line));
        Some(Header { key: first.key.of(self.line), value })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.spans.len(), Some(self.spans.len()))
    }
}

impl ExactSizeIterator for InputHeaders<'_> {}

/// Why there is no further record. What was read before it is good.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The input could not be read.
    #[error("after line {line}: {source}")]
    Read {
        /// The last line that was read whole.
        line: u64,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not what it has to be.
    #[error("line {line}: {why}")]
    Line {
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        why: LineError,
    },
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The limit on lines.
    #[error("longer than the limit of {allowed} bytes for a line")]
    TooLong {
        /// The limit.
        allowed: usize,
    },
    /// The line has bytes that no text has.
    #[error("not UTF-8 at byte {at} of the line; bytes that are no text go into {{\"base64\": …}}")]
    Utf8 {
        /// Counted from 1.
        at: usize,
    },
    /// No JSON object, or one that is broken.
    #[error("{expected} at byte {at} of the line, and there is {found}")]
    Json {
        /// What has to be there, as the beginning of the sentence.
        expected: &'static str,
        /// Counted from 1.
        at: usize,
        /// What is there.
        found: Found,
    },
    /// A field that has no business with such a value.
    #[error("{field} {problem}")]
    Field {
        /// Its name.
        field: &'static str,
        /// What is wrong with it, as the end of a sentence.
        problem: &'static str,
    },
    /// A size that is not the one of the bytes that are there.
    #[error(
        "{size_field} is {stored}, but {field} has {found}: shown in another way than the bytes \
         it is? If it was changed on purpose, leave out {size_field}"
    )]
    Size {
        /// The field that says how long it is.
        size_field: &'static str,
        /// What it says; -1 for null.
        stored: i64,
        /// The field it speaks of.
        field: &'static str,
        /// How long that is; -1 for null.
        found: i64,
    },
    /// Another row than a record.
    #[error("a row of type '{0}' is no record")]
    RowType(String),
    /// Nothing that could be written.
    #[error("neither key nor value: lines that are values themselves are read with --lines")]
    Nothing,
    /// A line in which the separator of key and value does not occur.
    #[error("the key separator does not occur")]
    NoSeparator,
}

/// What stands where something else has to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing more.
    End,
    /// This byte, the first of a character.
    Byte(u8),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End => f.write_str("nothing more"),
            Self::Byte(byte @ 0x21..0x7f) => write!(f, "'{}'", char::from(*byte)),
            Self::Byte(byte) => write!(f, "the byte {byte:#04x}"),
        }
    }
}
