//! One value a line, with its key in front of a separator if one is given.
//!
//! ```text
//!   user-7:logged in      key "user-7", value "logged in" with the separator ":"
//! ```
//!
//! As `kafka-console-producer` reads them: the line end, which may be `\r\n`, belongs to no value;
//! an empty line is an empty value; the first separator counts, and a line without one is refused.
//! Bytes are taken as they are, whether they are UTF-8 or not.

use super::blocks::{Blocks, find};
use super::{Input, InputError, InputRecord, LineError};
use std::io::Read;

/// Reads values from lines.
pub struct Lines<R> {
    blocks: Blocks<R>,
    key_separator: Option<Vec<u8>>,
}

impl<R: Read> Lines<R> {
    /// The lines of `reader`, of at most `line_bytes` bytes. An empty separator is none.
    pub fn new(reader: R, line_bytes: usize, key_separator: Option<&[u8]>) -> Self {
        let key_separator = key_separator.filter(|bytes| !bytes.is_empty()).map(<[u8]>::to_vec);
        Self { blocks: Blocks::new(reader, line_bytes), key_separator }
    }

    /// The number of the line that was read last.
    pub fn line(&self) -> u64 {
        self.blocks.line()
    }
}

impl<R: Read> Input for Lines<R> {
    fn next_record(&mut self) -> Result<Option<InputRecord<'_>>, InputError> {
        let Some(span) = self.blocks.next()? else { return Ok(None) };
        let line = self.blocks.line();
        let place = match &self.key_separator {
            None => None,
            Some(separator) => match find_all(self.blocks.bytes(span), separator) {
                Some(at) => Some((at, at + separator.len())),
                None => return Err(self.blocks.refuse(LineError::NoSeparator)),
            },
        };
        let bytes: &[u8] = self.blocks.bytes(span);
        let end = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        Ok(Some(match place {
            None => InputRecord::plain(line, None, Some(end)),
            Some((at, behind)) => InputRecord::plain(
                line,
                bytes.get(..at),
                Some(end.get(behind..).unwrap_or_default()),
            ),
        }))
    }
}

/// Where `wanted` begins first. Separators are short: the time is that of the line times theirs.
fn find_all(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    loop {
        let rest = bytes.get(from..)?;
        let at = find(rest, first)?;
        if rest.get(at..).is_some_and(|rest| rest.starts_with(wanted)) {
            return Some(from + at);
        }
        from += at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Pair = (Option<Vec<u8>>, Vec<u8>);

    fn read(text: &[u8], separator: Option<&[u8]>) -> (Vec<Pair>, Option<String>) {
        let mut lines = Lines::new(text, 100, separator);
        let mut pairs = Vec::new();
        loop {
            match lines.next_record() {
                Ok(Some(record)) => {
                    assert_eq!(record.line, pairs.len() as u64 + 1);
                    pairs.push((record.key.map(<[u8]>::to_vec), record.value.unwrap().to_vec()));
                }
                Ok(None) => return (pairs, None),
                Err(error) => return (pairs, Some(error.to_string())),
            }
        }
    }

    fn pair(key: &str, value: &str) -> Pair {
        (Some(key.into()), value.into())
    }

    #[test]
    fn a_line_is_a_value() {
        let (pairs, error) = read(b"one\n\ntwo\r\n\xff:\r", None);
        let values: [&[u8]; 4] = [b"one", b"", b"two", b"\xff:"];
        assert_eq!(pairs, values.map(|value| (None, value.to_vec())));
        assert_eq!(error, None);
        assert_eq!(read(b"", None), (Vec::new(), None));
    }

    #[test]
    fn the_first_separator_counts() {
        let (pairs, error) = read(b"a:b:c\r\n:v\nk:\nno key\nk:v\n", Some(b":"));
        assert_eq!(pairs, [pair("a", "b:c"), pair("", "v"), pair("k", "")]);
        assert_eq!(error.unwrap(), "line 4: the key separator does not occur");
        assert_eq!(read(b"a--->b", Some(b"-->")).0, [pair("a-", "b")]);
        // The separator may be what a line end has.
        assert_eq!(read(b"k\r\n", Some(b"\r")).0, [pair("k", "")]);
        assert_eq!(read(b"k:v", Some(b"")).0, [(None, b"k:v".to_vec())]);
    }

    proptest! {
        #[test]
        fn separators_are_found_where_a_plain_search_finds_them(
            line in "[ab]{0,80}", separator in "[ab]{1,4}",
        ) {
            let (pairs, _) = read(format!("{line}\n").as_bytes(), Some(separator.as_bytes()));
            let expected = line.split_once(&separator).map(|(key, value)| pair(key, value));
            prop_assert_eq!(pairs.into_iter().next(), expected);
        }
    }
}
