//! The tokens of one line of JSON, found without changing a byte.

use super::super::{Found, LineError, Span};

type Result<T> = std::result::Result<T, LineError>;

/// Deeper values are refused. One bit for each level.
const MAX_DEPTH: u32 = 128;

/// The inside of a string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    pub span: Span,
    pub has_escapes: bool,
}

/// Reads a line from front to back.
pub(super) struct Scan<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(line: &'a [u8]) -> Self {
        Self { line, at: 0 }
    }

    /// The bytes of a piece.
    pub(super) fn of(&self, span: Span) -> &'a [u8] {
        span.of(self.line)
    }

    /// Where it is in the line.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The byte that comes next.
    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    /// The first byte behind white space, which stays where it is.
    #[inline(always)]
    pub(super) fn next_token(&mut self) -> Option<u8> {
        match self.peek() {
            Some(b' ' | b'\t' | b'\r' | b'\n') => self.behind_space(),
            byte => byte,
        }
    }

    fn behind_space(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
        self.peek()
    }

    /// Takes `byte` if it comes next.
    #[inline(always)]
    pub(super) fn take_if(&mut self, byte: u8) -> bool {
        let is_it = self.next_token() == Some(byte);
        self.at += usize::from(is_it);
        is_it
    }

    /// Takes `byte`, which has to come next.
    #[inline(always)]
    pub(super) fn take(&mut self, byte: u8, expected: &'static str) -> Result<()> {
        if self.take_if(byte) { Ok(()) } else { Err(self.broken(expected)) }
    }

    /// What is said where something else has to stand.
    #[cold]
    pub(super) fn broken(&self, expected: &'static str) -> LineError {
        let found = self.peek().map_or(Found::End, Found::Byte);
        LineError::Json { expected, at: self.at.min(self.line.len()) + 1, found }
    }

    /// Nothing but white space may be left.
    pub(super) fn end(&mut self) -> Result<()> {
        match self.next_token() {
            None => Ok(()),
            Some(_) => Err(self.broken("the line has to end")),
        }
    }

    /// The name of the next field of an object, and takes the colon behind it. `None`: the object
    /// has ended. `is_first` is true right behind the opening brace.
    #[inline(always)]
    pub(super) fn name(&mut self, is_first: &mut bool) -> Result<Option<Text>> {
        if self.take_if(b'}') {
            return Ok(None);
        }
        if !std::mem::replace(is_first, false) {
            self.take(b',', "a comma or a closing brace has to stand")?;
        }
        self.take(b'"', "the name of a field has to stand")?;
        let name = self.text()?;
        self.take(b':', "a colon has to stand")?;
        Ok(Some(name))
    }

    /// The inside of a string, behind its opening quote; takes the closing one.
    #[inline(always)]
    pub(super) fn text(&mut self) -> Result<Text> {
        let start = self.at;
        let mut has_escapes = false;
        loop {
            self.at += plain_length(self.line.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    let span = Span { start, end: self.at };
                    self.at += 1;
                    return Ok(Text { span, has_escapes });
                }
                Some(b'\\') => {
                    has_escapes = true;
                    // What is escaped is looked at when it is decoded.
                    self.at += 2;
                }
                _ => return Err(self.broken("the string has to go on")),
            }
        }
    }

    /// A whole number.
    #[inline(always)]
    pub(super) fn integer(&mut self, field: &'static str) -> Result<i64> {
        let is_negative = self.next_token() == Some(b'-');
        let from = self.at;
        self.at += usize::from(is_negative);
        let start = self.at;
        let mut value = 0_u64;
        while let Some(byte @ b'0'..=b'9') = self.peek() {
            value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            self.at += 1;
        }
        let digits = self.at - start;
        let has_zeros_in_front = digits > 1 && self.line.get(start) == Some(&b'0');
        let goes_on = matches!(self.peek(), Some(b'.' | b'e' | b'E' | b'-' | b'+'));
        if digits == 0 || has_zeros_in_front || goes_on {
            return Err(LineError::Field { field, problem: "is no whole number" });
        }
        if digits > 18 {
            return self.long_integer(Span { start: from, end: self.at }, field);
        }
        let value = value.cast_signed();
        Ok(if is_negative { -value } else { value })
    }

    /// One of so many digits that it may not fit.
    #[cold]
    fn long_integer(&self, span: Span, field: &'static str) -> Result<i64> {
        let digits = std::str::from_utf8(self.of(span)).ok();
        digits
            .and_then(|digits| digits.parse().ok())
            .ok_or(LineError::Field { field, problem: "does not fit 64 bits" })
    }

    /// Takes `word` if it comes next.
    #[inline(always)]
    pub(super) fn word(&mut self, word: &[u8]) -> bool {
        let is_it = self.line.get(self.at..).is_some_and(|rest| rest.starts_with(word));
        self.at += if is_it { word.len() } else { 0 };
        is_it
    }

    /// Goes behind a value that nobody asks for. Brackets have to match; whether everything between
    /// them stands in its order is not looked at.
    pub(super) fn skip(&mut self) -> Result<()> {
        // A bit for each open bracket, 1 for an object.
        let (mut depth, mut objects) = (0_u32, 0_u128);
        loop {
            match self.next_token() {
                Some(b'"') => {
                    self.at += 1;
                    self.text()?;
                }
                Some(byte @ (b'{' | b'[')) if depth < MAX_DEPTH => {
                    (depth, objects) = (depth + 1, objects << 1 | u128::from(byte == b'{'));
                    self.at += 1;
                }
                Some(b'}') if depth > 0 && objects & 1 == 1 => {
                    (depth, objects) = (depth - 1, objects >> 1);
                    self.at += 1;
                }
                Some(b']') if depth > 0 && objects & 1 == 0 => {
                    (depth, objects) = (depth - 1, objects >> 1);
                    self.at += 1;
                }
                Some(b',' | b':') if depth > 0 => self.at += 1,
                Some(b't') if self.word(b"true") => {}
                Some(b'f') if self.word(b"false") => {}
                Some(b'n') if self.word(b"null") => {}
                Some(b'-' | b'0'..=b'9') => {
                    let in_number =
                        |byte| matches!(byte, b'-' | b'+' | b'.' | b'0'..=b'9' | b'e' | b'E');
                    while self.peek().is_some_and(in_number) {
                        self.at += 1;
                    }
                }
                Some(b'{' | b'[') => return Err(self.broken("no more than 128 levels may stand")),
                _ => return Err(self.broken("a value has to stand")),
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }
}

/// How many bytes come before one that ends a string, begins an escape, or may not be in one.
#[inline(always)]
fn plain_length(bytes: &[u8]) -> usize {
    let mut length = 0;
    // Most strings are short: eight bytes as one number tell where they end.
    while let Some(eight) = bytes.get(length..).and_then(<[u8]>::first_chunk) {
        let special = special_bytes(u64::from_be_bytes(*eight));
        if special != 0 {
            return length + (special.leading_zeros() / 8) as usize;
        }
        length += 8;
        if length >= 32 {
            length += plain_chunks(bytes.get(length..).unwrap_or_default());
        }
    }
    let rest = bytes.get(length..).unwrap_or_default();
    length + rest.iter().position(|&byte| is_special(byte)).unwrap_or(rest.len())
}

/// Bytes of the whole chunks in front that hold nothing special.
#[inline]
fn plain_chunks(bytes: &[u8]) -> usize {
    // No early end inside of a chunk: the compiler turns it into vector instructions.
    let is_plain =
        |chunk: &&[u8; 32]| !chunk.iter().fold(false, |found, &byte| found | is_special(byte));
    bytes.as_chunks::<32>().0.iter().take_while(is_plain).count() * 32
}

#[inline(always)]
fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// The same of eight bytes at once: the top bit of each special one.
#[inline(always)]
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    // The top bit of each byte that is not zero; the sum never goes over into the next byte.
    let not_zero = |word: u64| ((word & LOW) + LOW) | word;
    let quote = not_zero(word ^ (ONES * 0x22));
    let backslash = not_zero(word ^ (ONES * 0x5c));
    let control = not_zero(word & (ONES * 0xe0));
    !(quote & backslash & control) & !LOW
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn plain_bytes_are_counted(
            bytes in proptest::collection::vec(
                prop_oneof![9 => b' '..b'z', 1 => any::<u8>()], 0..200,
            ),
        ) {
            let end = |byte: &u8| *byte < 0x20 || b"\"\\".contains(byte);
            let expected = bytes.iter().position(end).unwrap_or(bytes.len());
            prop_assert_eq!(plain_length(&bytes), expected);
        }

        #[test]
        fn numbers_are_those_of_the_standard_library(number in any::<i64>(), cut in 0_u32..64) {
            let text = (number >> cut).to_string();
            prop_assert_eq!(Scan::new(text.as_bytes()).integer("n").ok(), text.parse().ok());
        }
    }

    #[test]
    fn whole_numbers_only() {
        let integer = |text: &str| Scan::new(text.as_bytes()).integer("n").ok();
        assert_eq!(integer("9223372036854775807"), Some(i64::MAX));
        assert_eq!(integer("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(integer(" 0"), Some(0));
        for text in ["9223372036854775808", "-9223372036854775809", "01", "1.0", "1e3", "-", ""] {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_skipped_has_brackets_that_match() {
        let skip = |text: &str| {
            let mut scan = Scan::new(text.as_bytes());
            scan.skip().and_then(|()| scan.end()).is_ok()
        };
        let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for text in
            ["1", "-1.5e+3", "\"a]\\\"\"", "null", "[]", "{\"a\":[1,{\"b\":true}]}", "[ 1 ]"]
        {
            assert!(skip(text), "{text}");
        }
        for text in ["", "[", "]", "[}", "{]", "nul", "\"a", "[1]]", "{\"a\":[}]", "\"\\"] {
            assert!(!skip(text), "{text}");
        }
        assert!(skip(&deep(128)));
        assert!(!skip(&deep(129)));
        assert!(!skip(&"[{".repeat(100_000)));
    }
}
