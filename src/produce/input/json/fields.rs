//! The fields of a line: where they stand, and what those that are numbers say.

use super::super::{LineError, Span};
use super::scan::{Scan, Text};
use super::text::{Coding, unescape};

type Result<T> = std::result::Result<T, LineError>;

/// Key or value as it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Bytes {
    #[default]
    Missing,
    Null,
    Some(Text, Coding),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HeaderFields {
    pub key: Bytes,
    pub value: Bytes,
}

/// What `control` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Control {
    pub span: Span,
    /// `None` for those of the controllers, of which only the bytes tell what they say.
    pub marker: Option<Marker>,
    pub coordinator_epoch: i32,
}

/// What ends a transaction: the number that stands in its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    Abort = 0,
    Commit = 1,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    seen: u32,
    pub row_type: Option<Text>,
    pub offset: Option<i64>,
    pub timestamp: Option<i64>,
    pub partition: Option<u32>,
    pub sequence: Option<i32>,
    pub key_size: Option<i64>,
    pub value_size: Option<i64>,
    pub key: Bytes,
    pub value: Bytes,
    pub partition_leader_epoch: Option<i32>,
    pub producer_id: Option<i64>,
    pub producer_epoch: Option<i16>,
    pub is_transactional: Option<bool>,
    pub control: Option<Control>,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    Record,
    Finding,
    /// Nothing to be written: an empty line, or one that tells of records and is none.
    Other,
}

impl Bytes {
    #[inline]
    pub fn span(self) -> Option<Span> {
        match self {
            Self::Some(text, _) => Some(text.span),
            Self::Missing | Self::Null => None,
        }
    }
}

/// Finds the fields of `line`.
#[inline]
pub(super) fn scan_line(
    line: &[u8],
    fields: &mut Fields,
    headers: &mut Vec<HeaderFields>,
) -> Result<Row> {
    if let Err(error) = std::str::from_utf8(line) {
        return Err(LineError::Utf8 { at: error.valid_up_to() + 1 });
    }
    if usual(&mut Scan::new(line), fields, headers).is_some() {
        return Ok(Row::Record);
    }
    any_line(line, fields, headers)
}

/// A line as it is printed, its fields in their order, and nothing of a control record: the names
/// need not be looked for. `None` for any other, of which [`any_line`] says what it is.
#[inline]
fn usual(scan: &mut Scan<'_>, fields: &mut Fields, headers: &mut Vec<HeaderFields>) -> Option<()> {
    headers.clear();
    scan.word(b"{\"type\":\"record\",\"file\":\"").then_some(())?;
    scan.text().ok()?;
    scan.word(b",\"position\":").then_some(())?;
    scan.integer("position").ok()?;
    scan.word(b",\"offset\":").then_some(())?;
    let offset = number(scan, "offset", 0).ok()?;
    scan.word(b",\"timestamp\":").then_some(())?;
    let timestamp = number(scan, "timestamp", i64::MIN).ok()?;
    scan.word(b",\"sequence\":").then_some(())?;
    let sequence = number(scan, "sequence", -1).ok()?;
    scan.word(b",\"keySize\":").then_some(())?;
    let key_size = number(scan, "keySize", -1).ok()?;
    scan.word(b",\"valueSize\":").then_some(())?;
    let value_size = number(scan, "valueSize", -1).ok()?;
    scan.word(b",\"key\":").then_some(())?;
    let key = bytes(scan, "key").ok()?;
    scan.word(b",\"value\":").then_some(())?;
    let value = bytes(scan, "value").ok()?;
    scan.word(b",\"headers\":").then_some(())?;
    header_list(scan, headers).ok()?;
    scan.word(b",\"partitionLeaderEpoch\":").then_some(())?;
    let partition_leader_epoch = number(scan, "partitionLeaderEpoch", -1).ok()?;
    scan.word(b",\"producerId\":").then_some(())?;
    let producer_id = number(scan, "producerId", -1).ok()?;
    scan.word(b",\"producerEpoch\":").then_some(())?;
    let producer_epoch = number(scan, "producerEpoch", -1).ok()?;
    scan.word(b",\"isTransactional\":").then_some(())?;
    let is_transactional = Some(!scan.word(b"false") && scan.word(b"true").then_some(true)?);
    scan.word(b"}").then_some(())?;
    scan.end().ok()?;
    *fields = Fields {
        seen: 0,
        row_type: None,
        offset,
        timestamp,
        partition: None,
        sequence,
        key_size,
        value_size,
        key,
        value,
        partition_leader_epoch,
        producer_id,
        producer_epoch,
        is_transactional,
        control: None,
    };
    Some(())
}

/// Any line: its fields in any order.
fn any_line(line: &[u8], fields: &mut Fields, headers: &mut Vec<HeaderFields>) -> Result<Row> {
    let mut scan = Scan::new(line);
    *fields = Fields::default();
    headers.clear();
    if scan.next_token().is_none() {
        return Ok(Row::Other);
    }
    scan.take(b'{', "an object has to stand")?;
    let mut is_first = true;
    while let Some(name) = scan.name(&mut is_first)? {
        scan.next_token();
        if name.has_escapes {
            let name = unescaped(&scan, name)?;
            field(&mut scan, &name, fields, headers)?;
        } else {
            let name = scan.of(name.span);
            field(&mut scan, name, fields, headers)?;
        }
    }
    scan.end()?;
    match fields.row_type.map(|text| unescaped(&scan, text)).transpose()?.as_deref() {
        None | Some(b"record") => Ok(Row::Record),
        Some(b"batch" | b"summary") => Ok(Row::Other),
        Some(b"finding") => Ok(Row::Finding),
        Some(other) => Err(LineError::RowType(String::from_utf8_lossy(other).into_owned())),
    }
}

#[cold]
fn unescaped(scan: &Scan<'_>, text: Text) -> Result<Vec<u8>> {
    let mut bytes = scan.of(text.span).to_vec();
    let span = Span { start: 0, end: bytes.len() };
    let span = unescape(&mut bytes, Text { span, ..text }, "a field's name")?;
    bytes.truncate(span.end);
    Ok(bytes)
}

/// Takes the value of the field `name`.
fn field(
    scan: &mut Scan<'_>,
    name: &[u8],
    fields: &mut Fields,
    headers: &mut Vec<HeaderFields>,
) -> Result<()> {
    let mut once = |bit: u32, field: &'static str| {
        let is_new = fields.seen & 1 << bit == 0;
        fields.seen |= 1 << bit;
        if is_new { Ok(()) } else { Err(LineError::Field { field, problem: "is there twice" }) }
    };
    match name {
        b"type" => {
            once(0, "type")?;
            scan.take(b'"', "a string has to stand")?;
            fields.row_type = Some(scan.text()?);
        }
        b"offset" => {
            once(1, "offset")?;
            fields.offset = number(scan, "offset", 0)?;
        }
        b"timestamp" => {
            once(2, "timestamp")?;
            fields.timestamp = number(scan, "timestamp", i64::MIN)?;
        }
        b"partition" => {
            once(3, "partition")?;
            fields.partition = number(scan, "partition", 0)?;
        }
        b"sequence" => {
            once(4, "sequence")?;
            fields.sequence = number(scan, "sequence", -1)?;
        }
        b"keySize" => {
            once(5, "keySize")?;
            fields.key_size = number(scan, "keySize", -1)?;
        }
        b"valueSize" => {
            once(6, "valueSize")?;
            fields.value_size = number(scan, "valueSize", -1)?;
        }
        b"key" => {
            once(7, "key")?;
            fields.key = bytes(scan, "key")?;
        }
        b"value" => {
            once(8, "value")?;
            fields.value = bytes(scan, "value")?;
        }
        b"headers" => {
            once(9, "headers")?;
            header_list(scan, headers)?;
        }
        _ => return batch_field(scan, name, fields),
    }
    Ok(())
}

/// What a record has of its batch, and what nobody asks for.
fn batch_field(scan: &mut Scan<'_>, name: &[u8], fields: &mut Fields) -> Result<()> {
    let mut once = |bit: u32, field: &'static str| {
        let is_new = fields.seen & 1 << bit == 0;
        fields.seen |= 1 << bit;
        if is_new { Ok(()) } else { Err(LineError::Field { field, problem: "is there twice" }) }
    };
    match name {
        b"partitionLeaderEpoch" => {
            once(10, "partitionLeaderEpoch")?;
            fields.partition_leader_epoch = number(scan, "partitionLeaderEpoch", -1)?;
        }
        b"producerId" => {
            once(11, "producerId")?;
            fields.producer_id = number(scan, "producerId", -1)?;
        }
        b"producerEpoch" => {
            once(12, "producerEpoch")?;
            fields.producer_epoch = number(scan, "producerEpoch", -1)?;
        }
        b"isTransactional" => {
            once(13, "isTransactional")?;
            fields.is_transactional = match () {
                () if scan.word(b"true") => Some(true),
                () if scan.word(b"false") => Some(false),
                () if scan.word(b"null") => None,
                () => return Err(scan.broken("true or false has to stand")),
            };
        }
        b"control" => {
            once(14, "control")?;
            fields.control = control(scan)?;
        }
        _ => scan.skip()?,
    }
    Ok(())
}

/// A whole number of at least `least`, `None` for null.
#[inline(always)]
fn number<T: TryFrom<i64>>(
    scan: &mut Scan<'_>,
    field: &'static str,
    least: i64,
) -> Result<Option<T>> {
    if scan.next_token() == Some(b'n') && scan.word(b"null") {
        return Ok(None);
    }
    let value = scan.integer(field)?;
    match T::try_from(value) {
        Ok(number) if value >= least => Ok(Some(number)),
        _ => Err(LineError::Field { field, problem: "is out of its range" }),
    }
}

/// Text, null, or an object that names a coding.
#[inline(always)]
fn bytes(scan: &mut Scan<'_>, field: &'static str) -> Result<Bytes> {
    if scan.take_if(b'"') {
        return Ok(Bytes::Some(scan.text()?, Coding::Text));
    }
    coded_bytes(scan, field)
}

fn coded_bytes(scan: &mut Scan<'_>, field: &'static str) -> Result<Bytes> {
    if scan.word(b"null") {
        return Ok(Bytes::Null);
    }
    let problem = "is neither text, null, {\"base64\": …} nor {\"hex\": …}";
    let other = LineError::Field { field, problem };
    if !scan.take_if(b'{') {
        return Err(other);
    }
    let Some(name) = scan.name(&mut true)? else { return Err(other) };
    let coding = match scan.of(name.span) {
        b"base64" => Coding::Base64,
        b"hex" => Coding::Hex,
        _ => return Err(other),
    };
    if !scan.take_if(b'"') {
        return Err(other);
    }
    let text = scan.text()?;
    if scan.take_if(b'}') { Ok(Bytes::Some(text, coding)) } else { Err(other) }
}

#[inline(always)]
fn header_list(scan: &mut Scan<'_>, headers: &mut Vec<HeaderFields>) -> Result<()> {
    if scan.word(b"[]") { Ok(()) } else { some_headers(scan, headers) }
}

fn some_headers(scan: &mut Scan<'_>, headers: &mut Vec<HeaderFields>) -> Result<()> {
    if scan.word(b"null") {
        return Ok(());
    }
    scan.take(b'[', "a list of headers has to stand")?;
    if scan.take_if(b']') {
        return Ok(());
    }
    loop {
        scan.take(b'{', "a header has to stand")?;
        headers.push(header(scan)?);
        if scan.take_if(b']') {
            return Ok(());
        }
        scan.take(b',', "a comma or the end of the list has to stand")?;
    }
}

fn header(scan: &mut Scan<'_>) -> Result<HeaderFields> {
    let mut header = HeaderFields::default();
    let mut is_first = true;
    while let Some(name) = scan.name(&mut is_first)? {
        scan.next_token();
        let (place, field) = match scan.of(name.span) {
            b"key" => (&mut header.key, "a header's key"),
            b"value" => (&mut header.value, "a header's value"),
            _ if name.has_escapes => {
                let problem = "has a field whose name is written with escapes";
                return Err(LineError::Field { field: "a header", problem });
            }
            _ => {
                scan.skip()?;
                continue;
            }
        };
        if *place != Bytes::Missing {
            return Err(LineError::Field { field, problem: "is there twice" });
        }
        *place = bytes(scan, field)?;
    }
    Ok(header)
}

/// `{"type":"COMMIT","coordinatorEpoch":0}` and others.
fn control(scan: &mut Scan<'_>) -> Result<Option<Control>> {
    if scan.word(b"null") {
        return Ok(None);
    }
    let start = scan.position();
    scan.take(b'{', "an object has to stand")?;
    let (mut kind, mut epoch, mut is_first) = (None, None, true);
    while let Some(name) = scan.name(&mut is_first)? {
        scan.next_token();
        match scan.of(name.span) {
            b"type" => {
                scan.take(b'"', "a string has to stand")?;
                kind = Some(scan.text()?);
            }
            b"coordinatorEpoch" => epoch = number(scan, "coordinatorEpoch", i32::MIN.into())?,
            _ => scan.skip()?,
        }
    }
    let Some(kind) = kind else {
        return Err(LineError::Field { field: "control", problem: "has no type" });
    };
    let marker = match scan.of(kind.span) {
        b"ABORT" => Some(Marker::Abort),
        b"COMMIT" => Some(Marker::Commit),
        _ => None,
    };
    let span = Span { start, end: scan.position() };
    Ok(Some(Control { span, marker, coordinator_epoch: epoch.unwrap_or(0) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Where the short way says something, it is what the long way says.
        #[test]
        fn both_ways_read_the_same(
            value in "([a-z\"\\\\\n]{0,6}|.{0,6})",
            number in prop_oneof![-2_i64..10, any::<i64>()],
            is_transactional in any::<bool>(),
            headers in prop_oneof![
                Just("[]"), Just("[ ]"), Just("null"), Just(r#"[{"key":"h","value":null}]"#),
                Just(r#"[{"key":"h"},{"value":"v","key":{"hex":"00"}}]"#),
                Just("[{}]"), Just("[1]"),
            ],
            change in proptest::option::of((any::<prop::sample::Index>(), "[\\x00-\\x7f]")),
        ) {
            let value = serde_json::to_string(&value).unwrap();
            let line = format!(
                concat!(
                    r#"{{"type":"record","file":{value},"position":7,"offset":{number},"#,
                    r#""timestamp":{number},"sequence":-1,"keySize":0,"valueSize":3,"#,
                    r#""key":null,"value":{value},"headers":{headers},"#,
                    r#""partitionLeaderEpoch":0,"producerId":{number},"producerEpoch":-1,"#,
                    r#""isTransactional":{is_transactional}}}"#
                ),
                value = value,
                number = number,
                headers = headers,
                is_transactional = is_transactional
            );
            let mut line = line.into_bytes();
            let is_changed = change.is_some();
            if let Some((at, with)) = change {
                let at = at.index(line.len());
                line[at] = with.as_bytes()[0];
            }
            let (mut short, mut long) = (Fields::default(), Fields::default());
            let (mut short_headers, mut long_headers) = (Vec::new(), Vec::new());
            let is_usual = usual(&mut Scan::new(&line), &mut short, &mut short_headers).is_some();
            let row = any_line(&line, &mut long, &mut long_headers);
            if is_usual {
                prop_assert_eq!(row, Ok(Row::Record));
                (long.seen, long.row_type) = (0, None);
                prop_assert_eq!(short, long);
                prop_assert_eq!(short_headers, long_headers);
            } else if !is_changed && number >= 0 {
                // Only what cannot be read at all takes the long way.
                prop_assert!(row.is_err());
            }
        }
    }
}
