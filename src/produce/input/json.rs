//! Records as JSON, one object a line, as `seg dump -r --format json` prints them.
//!
//! ```text
//!   {"type":"record","offset":7,"timestamp":1700000000000,"key":"k","value":{"base64":"/w=="},
//!    "headers":[{"key":"h","value":null}],"producerId":-1,"isTransactional":false}
//!
//!   scan     where the fields stand         \
//!   decode   escapes, base64, hex, in place  >  a record whose bytes are those of the line
//!   check    is it a record, as it says?    /
//! ```
//!
//! Every field may be missing but the value. Fields that nobody knows are ignored. What could be
//! misunderstood is refused: it would be written wrong.

mod fields;
mod scan;
mod text;

use super::blocks::Blocks;
use super::{
    HeaderSpans, Input, InputError, InputHeaders, InputRecord, LineError, ProducerFields, Span,
};
use fields::{Bytes, Control, Fields, HeaderFields, Row, scan_line};
use scan::Text;
use std::io::Read;
use text::{Coding, decode};

type Result<T> = std::result::Result<T, LineError>;

/// Reads records from lines of JSON.
pub struct JsonLines<R> {
    blocks: Blocks<R>,
    headers: Vec<HeaderFields>,
    spans: Vec<HeaderSpans>,
    scratch: Vec<u8>,
    findings: u64,
    passed: u64,
}

impl<R: Read> JsonLines<R> {
    /// The lines of `reader`, of at most `line_bytes` bytes.
    pub fn new(reader: R, line_bytes: usize) -> Self {
        Self {
            blocks: Blocks::new(reader, line_bytes),
            headers: Vec::new(),
            spans: Vec::new(),
            scratch: Vec::new(),
            findings: 0,
            passed: 0,
        }
    }

    /// The number of the line that was read last.
    pub fn line(&self) -> u64 {
        self.blocks.line()
    }

    /// How many lines said so far that something is wrong where the records come from: then they
    /// may not be all there were.
    pub fn findings(&self) -> u64 {
        self.findings
    }

    /// How many lines so far are no records, and say nothing of any.
    pub fn passed(&self) -> u64 {
        self.passed
    }

    /// Puts the bytes that key, value and headers stand for in their places.
    #[inline]
    fn decode(&mut self, span: Span, fields: &mut Fields) -> Result<()> {
        let (line, scratch) = (self.blocks.bytes(span), &mut self.scratch);
        decode_bytes(line, &mut fields.key, "key", scratch)?;
        decode_bytes(line, &mut fields.value, "value", scratch)?;
        check_size(fields.key_size, "keySize", fields.key, "key")?;
        check_size(fields.value_size, "valueSize", fields.value, "value")?;
        self.spans.clear();
        for header in &mut self.headers {
            decode_bytes(line, &mut header.key, "a header's key", scratch)?;
            decode_bytes(line, &mut header.value, "a header's value", scratch)?;
            let Some(key) = header.key.span() else {
                return Err(LineError::Field { field: "a header", problem: "has no key" });
            };
            self.spans.push(HeaderSpans { key, value: header.value.span() });
        }
        match fields.control {
            Some(control) => complete(line, fields, control),
            None if fields.key == Bytes::Missing && fields.value == Bytes::Missing => {
                Err(LineError::Nothing)
            }
            // A name that is spelt otherwise would be a tombstone.
            None if fields.value == Bytes::Missing => {
                let problem = "is not there; where there is none, say \"value\":null";
                Err(LineError::Field { field: "value", problem })
            }
            None => Ok(()),
        }
    }
}

impl<R: Read> Input for JsonLines<R> {
    fn next_record(&mut self) -> std::result::Result<Option<InputRecord<'_>>, InputError> {
        let mut fields = Fields::default();
        let span = loop {
            let Some(span) = self.blocks.next()? else { return Ok(None) };
            match scan_line(self.blocks.bytes(span), &mut fields, &mut self.headers) {
                Ok(Row::Record) => break span,
                Ok(Row::Finding) => self.findings += 1,
                Ok(Row::Other) => self.passed += 1,
                Err(why) => return Err(self.blocks.refuse(why)),
            }
        };
        let line = self.blocks.line();
        if let Err(why) = self.decode(span, &mut fields) {
            return Err(self.blocks.refuse(why));
        }
        let bytes: &[u8] = self.blocks.bytes(span);
        let of = |piece: Bytes| match piece {
            Bytes::Some(text, _) => Some(text.span.of(bytes)),
            Bytes::Missing | Bytes::Null => None,
        };
        Ok(Some(InputRecord {
            line,
            offset: fields.offset,
            timestamp: fields.timestamp,
            key: of(fields.key),
            value: of(fields.value),
            headers: InputHeaders { spans: &self.spans, line: bytes },
            partition: fields.partition,
            sequence: fields.sequence.unwrap_or(-1),
            partition_leader_epoch: fields.partition_leader_epoch,
            producer: ProducerFields {
                producer_id: fields.producer_id.unwrap_or(-1),
                producer_epoch: fields.producer_epoch.unwrap_or(-1),
                is_transactional: fields.is_transactional.unwrap_or(false),
                is_control: fields.control.is_some(),
            },
        }))
    }
}

#[inline]
fn decode_bytes(
    line: &mut [u8],
    bytes: &mut Bytes,
    field: &'static str,
    scratch: &mut Vec<u8>,
) -> Result<()> {
    if let Bytes::Some(text, coding) = bytes
        && (text.has_escapes || *coding != Coding::Text)
    {
        text.span = decode(line, *text, *coding, field, scratch)?;
    }
    Ok(())
}

/// A size that was printed tells whether the bytes were printed as they are: hexadecimal digits and
/// replaced characters look like text.
#[inline]
fn check_size(
    stored: Option<i64>,
    size_field: &'static str,
    bytes: Bytes,
    field: &'static str,
) -> Result<()> {
    let Some(stored) = stored else { return Ok(()) };
    let size = |span: Span| i64::try_from(span.end - span.start).unwrap_or(i64::MAX);
    let found = bytes.span().map_or(-1, size);
    if stored == found {
        return Ok(());
    }
    Err(LineError::Size { size_field, stored, field, found })
}

/// A control record says the same twice, for people and in its bytes. Where the bytes are missing,
/// those of a transaction's end are made; where they are there, they have to agree.
#[cold]
fn complete(line: &mut [u8], fields: &mut Fields, control: Control) -> Result<()> {
    let Some(marker) = control.marker else {
        return match (fields.key, fields.value) {
            (Bytes::Some(..), Bytes::Some(..)) => Ok(()),
            _ => {
                Err(LineError::Field { field: "control", problem: "has no key and value with it" })
            }
        };
    };
    let key = [0, 0, 0, marker as u8];
    let mut value = [0; 6];
    if let Some(epoch) = value.last_chunk_mut() {
        *epoch = control.coordinator_epoch.to_be_bytes();
    }
    match (fields.key.span(), fields.value.span()) {
        (Some(key_span), Some(value_span)) => {
            // Newer versions may add to the value.
            let is_same = key_span.of(line).get(2..4) == key.get(2..4)
                && value_span.of(line).get(2..6) == value.get(2..6);
            let problem = "says something else than the bytes of key and value; leave out those";
            if is_same { Ok(()) } else { Err(LineError::Field { field: "control", problem }) }
        }
        (None, None) => {
            // The object that says so is longer than these bytes.
            let places = line.get_mut(control.span.start..).unwrap_or_default();
            for (place, byte) in places.iter_mut().zip(key.into_iter().chain(value)) {
                *place = byte;
            }
            let start = control.span.start;
            let text = |start, end| Text { span: Span { start, end }, has_escapes: false };
            fields.key = Bytes::Some(text(start, start + 4), Coding::Text);
            fields.value = Bytes::Some(text(start + 4, start + 10), Coding::Text);
            Ok(())
        }
        _ => Err(LineError::Field { field: "control", problem: "has one of key and value only" }),
    }
}

#[cfg(test)]
mod tests;
