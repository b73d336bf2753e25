//! Reads the fields of a request.
//!
//! ```text
//!              plain                         flexible
//!   string     | i16 n | n bytes |           | uvarint n+1 | n bytes |
//!   bytes      | i32 n | n bytes |           | uvarint n+1 | n bytes |
//!   array      | i32 n | n elements |        | uvarint n+1 | n elements |
//!   struct     | fields |                    | fields | uvarint n | n x tag, size, bytes |
//!   null       n is -1                       n+1 is 0
//! ```
//!
//! Any bytes: no panic, no recursion, time linear in the frame. Strings and bytes are borrowed from
//! the frame; only arrays take memory, and each pays for it from one budget before it grows. A
//! count is never believed: an array grows as its elements are met.

use super::{Refusal, WireLimits};
use crate::format::checkpoint::Uuid;

/// Room for this many elements is made first; then it doubles, up to the count.
const FIRST_ELEMENTS: usize = 4;

/// What every reading function gives.
pub type Result<T> = std::result::Result<T, Refusal>;

/// Where in a frame one reads, in which version.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    /// Where `rest` ends in the frame.
    end: usize,
    version: i16,
    flexible: bool,
    limits: &'a WireLimits,
    spent: Spent,
}

/// What the whole request has taken so far.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    bytes: usize,
    topics: usize,
    partitions: usize,
}

/// What the elements of an array count as, besides memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// Each is a topic.
    Topics,
    /// Each is a partition.
    Partitions,
    /// Nothing that is counted.
    Other,
}

/// The width of a length where it is no varint.
#[derive(Clone, Copy)]
enum Plain {
    I16,
    I32,
}

impl<'a> Reader<'a> {
    /// Reads a whole frame, in the plain form until [`Reader::speak`] says otherwise.
    #[must_use]
    pub fn new(frame: &'a [u8], limits: &'a WireLimits) -> Self {
        let spent = Spent::default();
        Self { rest: frame, end: frame.len(), version: 0, flexible: false, limits, spent }
    }

    /// From here on fields are those of this version.
    pub fn speak(&mut self, version: i16, flexible: bool) {
        self.version = version;
        self.flexible = flexible;
    }

    /// Whether a field that came in version `first` is there.
    #[must_use]
    pub fn since(&self, first: i16) -> bool {
        self.version >= first
    }

    /// How many bytes are not read yet.
    #[must_use]
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// One byte; as Kafka, everything but 0 is true.
    pub fn bool(&mut self) -> Result<bool> {
        Ok(self.i8()? != 0)
    }

    /// One byte.
    pub fn i8(&mut self) -> Result<i8> {
        Ok(i8::from_be_bytes(self.take()?))
    }

    /// Two bytes.
    pub fn i16(&mut self) -> Result<i16> {
        Ok(i16::from_be_bytes(self.take()?))
    }

    /// Four bytes.
    pub fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.take()?))
    }

    /// Eight bytes.
    pub fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.take()?))
    }

    /// Sixteen bytes.
    pub fn uuid(&mut self) -> Result<Uuid> {
        Ok(Uuid(self.take()?))
    }

    /// Up to 32 bits in up to 5 bytes.
    pub fn uvarint(&mut self) -> Result<u32> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.take()?;
            if shift == 28 && byte > 0x0f {
                break;
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.malformed("a varint of more than 32 bits"))
    }

    /// A string that cannot be null.
    pub fn string(&mut self) -> Result<&'a str> {
        let string = self.nullable_string()?;
        string.ok_or(self.malformed("null for a string that cannot be null"))
    }

    /// A string or null.
    pub fn nullable_string(&mut self) -> Result<Option<&'a str>> {
        let length = self.length(Plain::I16, self.flexible)?;
        self.text(length)
    }

    /// A string or null in the plain form, also where the version is flexible.
    pub fn plain_nullable_string(&mut self) -> Result<Option<&'a str>> {
        let length = self.length(Plain::I16, false)?;
        self.text(length)
    }

    /// Bytes that cannot be null.
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let bytes = self.nullable_bytes()?;
        bytes.ok_or(self.malformed("null for bytes that cannot be null"))
    }

    /// Bytes or null.
    pub fn nullable_bytes(&mut self) -> Result<Option<&'a [u8]>> {
        let length = self.length(Plain::I32, self.flexible)?;
        length.map(|length| self.slice(length)).transpose()
    }

    /// An array that cannot be null.
    pub fn array<T>(
        &mut self,
        counts: Counts,
        element: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let array = self.nullable_array(counts, element)?;
        array.ok_or(self.malformed("null for an array that cannot be null"))
    }

    /// An array or null.
    pub fn nullable_array<T>(
        &mut self,
        counts: Counts,
        mut element: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Option<Vec<T>>> {
        let Some(count) = self.count(counts)? else { return Ok(None) };
        let mut elements = Vec::new();
        for read in 0..count {
            if elements.len() == elements.capacity() {
                self.make_room(&mut elements, count - read)?;
            }
            elements.push(element(self)?);
        }
        Ok(Some(elements))
    }

    /// Steps over an array or null. Takes no memory, but counts as if it did.
    pub fn skip_array(
        &mut self,
        counts: Counts,
        mut element: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        for _ in 0..self.count(counts)?.unwrap_or_default() {
            element(self)?;
        }
        Ok(())
    }

    /// The tagged fields of a struct; nothing where the version has none. `known` reads of those
    /// that it knows, from exactly their bytes; the others are stepped over.
    pub fn tags(&mut self, mut known: impl FnMut(u32, &mut Self) -> Result<()>) -> Result<()> {
        if !self.flexible {
            return Ok(());
        }
        let count = self.uvarint()?;
        if count > self.limits.tagged_fields {
            let allowed = usize::try_from(self.limits.tagged_fields).unwrap_or(usize::MAX);
            return Err(Refusal::Limit { name: "tagged_fields", allowed });
        }
        for _ in 0..count {
            let (tag, size) = (self.uvarint()?, self.uvarint()?);
            let bytes = self.slice(usize::try_from(size).unwrap_or(usize::MAX))?;
            let end = self.end - self.rest.len();
            let mut inside = Self { rest: bytes, end, ..*self };
            known(tag, &mut inside)?;
            self.spent = inside.spent;
        }
        Ok(())
    }

    /// The tagged fields of a struct none of which is of interest.
    pub fn skip_tags(&mut self) -> Result<()> {
        self.tags(|_, _| Ok(()))
    }

    /// The count of an array's elements; null is `None`. Each element takes a byte or more.
    fn count(&mut self, counts: Counts) -> Result<Option<usize>> {
        let Some(count) = self.length(Plain::I32, self.flexible)? else { return Ok(None) };
        if count > self.rest.len() {
            return Err(self.malformed("an array that is longer than its frame"));
        }
        let (name, counted, allowed) = match counts {
            Counts::Topics => ("topics", &mut self.spent.topics, self.limits.topics),
            Counts::Partitions => {
                ("partitions", &mut self.spent.partitions, self.limits.partitions)
            }
            Counts::Other => return Ok(Some(count)),
        };
        *counted = counted.saturating_add(count);
        if *counted > allowed {
            return Err(Refusal::Limit { name, allowed });
        }
        Ok(Some(count))
    }

    /// Lets a full vector grow, at most to double its size, if the budget pays for it.
    fn make_room<T>(&mut self, elements: &mut Vec<T>, missing: usize) -> Result<()> {
        let more = missing.min(elements.len().max(FIRST_ELEMENTS));
        let bytes = more.saturating_mul(size_of::<T>());
        self.spent.bytes = self.spent.bytes.saturating_add(bytes);
        let allowed = self.limits.decoded_request_bytes;
        if self.spent.bytes > allowed {
            return Err(Refusal::Limit { name: "decoded_request_bytes", allowed });
        }
        elements.reserve_exact(more);
        Ok(())
    }

    fn text(&mut self, length: Option<usize>) -> Result<Option<&'a str>> {
        let Some(length) = length else { return Ok(None) };
        let allowed = self.limits.string_bytes;
        if length > allowed {
            return Err(Refusal::Limit { name: "string_bytes", allowed });
        }
        let bytes = self.slice(length)?;
        let text = std::str::from_utf8(bytes);
        text.map(Some).map_err(|_| self.malformed("a string that is not UTF-8"))
    }

    fn length(&mut self, plain: Plain, flexible: bool) -> Result<Option<usize>> {
        let length = match plain {
            _ if flexible => i64::from(self.uvarint()?) - 1,
            Plain::I16 => i64::from(self.i16()?),
            Plain::I32 => i64::from(self.i32()?),
        };
        match usize::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(self.malformed("a negative length")),
        }
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8]> {
        let split = self.rest.split_at_checked(length);
        let (bytes, rest) = split.ok_or(self.malformed("a length beyond the frame"))?;
        self.rest = rest;
        Ok(bytes)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let split = self.rest.split_first_chunk();
        let (bytes, rest) = split.ok_or(self.malformed("a frame that ends inside a field"))?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn malformed(&self, what: &'static str) -> Refusal {
        Refusal::Malformed { at: self.end - self.rest.len(), what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(bytes: &[u8]) -> Reader<'_> {
        Reader::new(bytes, &WireLimits::STANDARD)
    }

    fn flexible(bytes: &[u8]) -> Reader<'_> {
        let mut reader = plain(bytes);
        reader.speak(9, true);
        reader
    }

    fn at<T: std::fmt::Debug>(result: Result<T>) -> usize {
        let Refusal::Malformed { at, .. } = result.unwrap_err() else { panic!("a limit") };
        at
    }

    #[test]
    fn varints_end_at_32_bits() {
        let read = |bytes: &[u8]| plain(bytes).uvarint();
        assert_eq!(read(&[0]), Ok(0));
        assert_eq!(read(&[0xac, 0x02]), Ok(300));
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Ok(u32::MAX));
        // Longer than it has to be, which Kafka takes.
        assert_eq!(read(&[0x80, 0x80, 0x00]), Ok(0));
        assert_eq!(at(read(&[0xff, 0xff, 0xff, 0xff, 0x1f])), 5);
        assert_eq!(at(read(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00])), 5);
        assert_eq!(at(read(&[0x80])), 1);
    }

    #[test]
    fn null_is_no_empty_string() {
        assert_eq!(plain(&[0xff, 0xff]).nullable_string(), Ok(None));
        assert_eq!(plain(&[0, 0]).nullable_string(), Ok(Some("")));
        assert_eq!(flexible(&[0]).nullable_string(), Ok(None));
        assert_eq!(flexible(&[1]).nullable_string(), Ok(Some("")));
        assert_eq!(flexible(&[0xff, 0xff]).plain_nullable_string(), Ok(None));
        assert_eq!(at(plain(&[0xff, 0xff]).string()), 2);
        assert_eq!(at(flexible(&[0]).string()), 1);
        assert_eq!(at(plain(&[0xff; 4]).bytes()), 4);
        assert_eq!(at(plain(&[0xff; 4]).array(Counts::Other, Reader::i8)), 4);
        assert_eq!(plain(&[0xff; 4]).nullable_array(Counts::Other, Reader::i8), Ok(None));
        // Null is -1 and nothing else that is below 0.
        assert_eq!(at(plain(&[0xff, 0xfe]).nullable_string()), 2);
    }

    #[test]
    fn known_tags_are_read_from_their_own_bytes() {
        let bytes = [3, 0, 4, 0, 0, 0, 7, 1, 2, 0xaa, 0xbb, 5, 0, 0x55];
        let (mut reader, mut seen) = (flexible(&bytes), Vec::new());
        let read = reader.tags(|tag, inside| {
            seen.push((tag, inside.left()));
            if tag == 0 {
                assert_eq!(inside.i32(), Ok(7));
            }
            Ok(())
        });
        assert_eq!((read, reader.left()), (Ok(()), 1));
        assert_eq!(seen, [(0, 4), (1, 2), (5, 0)]);
        // A field that is read beyond its own bytes, though the frame goes on.
        let mut reader = flexible(&[1, 0, 2, 9, 9, 9, 9]);
        assert_eq!(at(reader.tags(|_, inside| inside.i32().map(drop))), 3);
        assert_eq!(plain(&[0x55]).skip_tags(), Ok(()));
    }

    #[test]
    fn what_tags_hold_counts_as_all_else() {
        let limits = WireLimits { topics: 3, ..WireLimits::STANDARD };
        let mut reader = Reader::new(&[2, 0, 3, 3, 0, 0, 1, 3, 3, 0, 0], &limits);
        reader.speak(9, true);
        let read = reader
            .tags(|_, inside| inside.skip_array(Counts::Topics, |inside| inside.i8().map(drop)));
        assert_eq!(read, Err(Refusal::Limit { name: "topics", allowed: 3 }));
    }
}
