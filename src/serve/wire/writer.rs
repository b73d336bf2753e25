//! Writes a response: the picture is that of [`super::reader`].
//!
//! ```text
//!   | i32 length | i32 correlation id | flexible: no tags | body ... records | body ... |
//!   '----------- memory ------------------------------------' range  '- memory -'
//! ```
//!
//! Records are never here: their length is written, and what follows begins a new piece. The
//! length of the frame is put in at the end, when all pieces and ranges are known.

use super::reader::Result;
use super::{Api, Refusal, Versions};
use crate::format::checkpoint::Uuid;

/// What a length of 16 bits can say.
const STRING_BYTES: usize = 0x7fff;

/// Fills the pieces of a response.
#[derive(Debug)]
pub struct Writer {
    pieces: Vec<Vec<u8>>,
    /// The piece that is being written.
    piece: Vec<u8>,
    /// Bytes of the pieces before it.
    before: usize,
    /// Bytes of records between the pieces.
    records: u64,
    version: i16,
    flexible: bool,
    allowed: usize,
    is_over: bool,
}

impl Writer {
    /// Begins with the length, not yet known, and the header. The answer to ApiVersions has the
    /// plain header in every version: its reader does not know yet what we speak.
    /// `response_bytes` is how much memory the response may take.
    #[must_use]
    pub fn new(api: Api, version: i16, correlation_id: i32, response_bytes: usize) -> Self {
        let flexible = Versions::of(api).is_some_and(|versions| versions.is_flexible(version));
        let mut writer = Self::inside(version, flexible, response_bytes);
        writer.i32(0).i32(correlation_id);
        if api != Api::ApiVersions {
            writer.no_tags();
        }
        writer
    }

    fn inside(version: i16, flexible: bool, allowed: usize) -> Self {
        let (pieces, piece) = (Vec::new(), Vec::new());
        let (before, records, is_over) = (0, 0, false);
        Self { pieces, piece, before, records, version, flexible, allowed, is_over }
    }

    /// Whether a field that came in version `first` is there.
    #[must_use]
    pub fn since(&self, first: i16) -> bool {
        self.version >= first
    }

    /// Bytes of memory that the response takes so far.
    #[must_use]
    pub fn written(&self) -> usize {
        self.before + self.piece.len()
    }

    /// One byte.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.i8(i8::from(value))
    }

    /// One byte.
    pub fn i8(&mut self, value: i8) -> &mut Self {
        self.put(&value.to_be_bytes())
    }

    /// Two bytes.
    pub fn i16(&mut self, value: i16) -> &mut Self {
        self.put(&value.to_be_bytes())
    }

    /// Four bytes.
    pub fn i32(&mut self, value: i32) -> &mut Self {
        self.put(&value.to_be_bytes())
    }

    /// Eight bytes.
    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.put(&value.to_be_bytes())
    }

    /// Sixteen bytes.
    pub fn uuid(&mut self, value: Uuid) -> &mut Self {
        self.put(&value.0)
    }

    /// One to five bytes.
    pub fn uvarint(&mut self, value: u32) -> &mut Self {
        let mut rest = value;
        while rest > 0x7f {
            self.put(&[low_seven(rest) | 0x80]);
            rest >>= 7;
        }
        self.put(&[low_seven(rest)])
    }

    /// A string; what a client could not take is cut off at a character.
    pub fn string(&mut self, value: &str) -> &mut Self {
        let mut length = value.len().min(STRING_BYTES);
        while !value.is_char_boundary(length) {
            length -= 1;
        }
        self.string_length(Some(length));
        self.put(value.as_bytes().get(..length).unwrap_or_default())
    }

    /// A string or null.
    pub fn nullable_string(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.string(value),
            None => self.string_length(None),
        }
    }

    /// Bytes.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.length(Some(value.len())).put(value)
    }

    /// An array.
    pub fn array<T>(&mut self, items: &[T], mut each: impl FnMut(&mut Self, &T)) -> &mut Self {
        self.length(Some(items.len()));
        for item in items {
            // What is over the limit anyway is not written to its end.
            if self.is_over {
                break;
            }
            each(self, item);
        }
        self
    }

    /// An array of numbers.
    pub fn i32_array(&mut self, items: &[i32]) -> &mut Self {
        self.array(items, |w, &item| {
            w.i32(item);
        })
    }

    /// An array without elements.
    pub fn empty_array(&mut self) -> &mut Self {
        self.length(Some(0))
    }

    /// Null where an array could be.
    pub fn null_array(&mut self) -> &mut Self {
        self.length(None)
    }

    /// The length of an array, or of bytes, that is written element by element.
    pub fn length(&mut self, length: Option<usize>) -> &mut Self {
        match length.map(i32::try_from) {
            None if self.flexible => self.uvarint(0),
            None => self.i32(-1),
            Some(Ok(length)) if self.flexible => self.uvarint(length.unsigned_abs() + 1),
            Some(Ok(length)) => self.i32(length),
            Some(Err(_)) => self.give_up(),
        }
    }

    /// The length of records. If there are any, a piece ends here and the records' range of a file
    /// belongs between it and the next one.
    pub fn records(&mut self, length: u32) -> &mut Self {
        self.length(usize::try_from(length).ok());
        if length > 0 {
            self.records += u64::from(length);
            self.before += self.piece.len();
            self.pieces.push(std::mem::take(&mut self.piece));
        }
        self
    }

    /// The tagged fields of a struct without any; nothing where the version has none.
    pub fn no_tags(&mut self) -> &mut Self {
        self.tags(&[])
    }

    /// The tagged fields of a struct, in the order of their numbers.
    pub fn tags(&mut self, tags: &[(u32, Vec<u8>)]) -> &mut Self {
        if self.flexible {
            self.unsigned(tags.len());
            for (tag, bytes) in tags {
                self.uvarint(*tag).unsigned(bytes.len()).put(bytes);
            }
        }
        self
    }

    /// The bytes of a tagged field.
    pub fn tag(&mut self, write: impl FnOnce(&mut Self)) -> Vec<u8> {
        let left = self.allowed.saturating_sub(self.written());
        let mut inside = Self::inside(self.version, self.flexible, left);
        write(&mut inside);
        self.is_over |= inside.is_over;
        inside.piece
    }

    /// The milliseconds for which a client is asked to be quiet: none. A field since `first`.
    pub fn throttle_time(&mut self, first: i16) -> &mut Self {
        if self.since(first) {
            self.i32(0);
        }
        self
    }

    /// The pieces of the whole frame; between each two of them a range of a file is sent.
    pub fn finish(mut self) -> Result<Vec<Vec<u8>>> {
        let memory = u64::try_from(self.written()).unwrap_or(u64::MAX);
        let behind_length = memory.saturating_add(self.records).saturating_sub(4);
        let length = i32::try_from(behind_length).ok().filter(|_| !self.is_over);
        let over = Refusal::Limit { name: "response_bytes", allowed: self.allowed };
        let length = length.ok_or(over)?;
        self.pieces.push(self.piece);
        let first = self.pieces.first_mut().and_then(|piece| piece.first_chunk_mut());
        *first.ok_or(over)? = length.to_be_bytes();
        Ok(self.pieces)
    }

    fn string_length(&mut self, length: Option<usize>) -> &mut Self {
        if self.flexible {
            return self.length(length);
        }
        match length.map(i16::try_from) {
            None => self.i16(-1),
            Some(Ok(length)) => self.i16(length),
            Some(Err(_)) => self.give_up(),
        }
    }

    fn unsigned(&mut self, value: usize) -> &mut Self {
        match u32::try_from(value) {
            Ok(value) => self.uvarint(value),
            Err(_) => self.give_up(),
        }
    }

    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        if self.is_over || bytes.len() > self.allowed.saturating_sub(self.written()) {
            return self.give_up();
        }
        self.piece.extend_from_slice(bytes);
        self
    }

    /// Nothing more is taken, and [`Writer::finish`] says so.
    fn give_up(&mut self) -> &mut Self {
        self.is_over = true;
        self
    }
}

fn low_seven(value: u32) -> u8 {
    u8::try_from(value & 0x7f).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flexible() -> Writer {
        Writer::inside(9, true, usize::MAX)
    }

    #[test]
    fn varints_are_as_short_as_they_can_be() {
        for (value, bytes) in [
            (0, vec![0]),
            (127, vec![0x7f]),
            (128, vec![0x80, 0x01]),
            (300, vec![0xac, 0x02]),
            (u32::MAX, vec![0xff, 0xff, 0xff, 0xff, 0x0f]),
        ] {
            assert_eq!(flexible().uvarint(value).piece, bytes);
        }
    }

    #[test]
    fn long_strings_are_cut_at_a_character() {
        let text = format!("x{}", "\u{e9}".repeat(20_000));
        let mut odd = flexible();
        odd.string(&text);
        assert_eq!(odd.piece.len(), 3 + STRING_BYTES);
        assert_eq!(&odd.piece[3..], &text.as_bytes()[..STRING_BYTES]);
        let mut even = flexible();
        even.string(&text[1..]);
        assert_eq!(&even.piece[3..], &text.as_bytes()[1..STRING_BYTES]);
        let mut plain = Writer::inside(0, false, usize::MAX);
        plain.string(&text);
        assert_eq!(plain.piece.len(), 2 + STRING_BYTES);
        assert!(!plain.is_over);
    }

    #[test]
    fn pieces_end_where_records_are() {
        let mut writer = Writer::new(Api::Fetch, 12, 5, 1000);
        writer.i32(1).records(0).records(300).i32(2).records(7).no_tags();
        assert_eq!(writer.written(), 8 + 1 + 4 + 1 + 2 + 4 + 1 + 1);
        let pieces = writer.finish().unwrap();
        let length: [u8; 4] = (18_i32 + 307).to_be_bytes();
        let first = [&length[..], &[0, 0, 0, 5, 0], &[0, 0, 0, 1, 1, 0xad, 0x02]].concat();
        assert_eq!(pieces, [first, vec![0, 0, 0, 2, 8], vec![0]]);
    }

    #[test]
    fn frames_that_no_length_can_say_are_refused() {
        let mut writer = Writer::new(Api::Fetch, 4, 5, 1000);
        writer.records(0x7fff_fffc);
        assert_eq!(writer.finish().unwrap_err().name(), "response_bytes");
        let mut writer = Writer::new(Api::Fetch, 4, 5, 1000);
        writer.records(u32::MAX);
        assert_eq!(writer.finish().unwrap_err().name(), "response_bytes");
    }

    #[test]
    fn the_answer_about_versions_has_the_plain_header() {
        let header = |api| Writer::new(api, 4, 5, 1000).finish().unwrap().concat();
        assert_eq!(header(Api::ApiVersions), [0, 0, 0, 4, 0, 0, 0, 5]);
        assert_eq!(header(Api::Heartbeat), [0, 0, 0, 5, 0, 0, 0, 5, 0]);
    }
}
