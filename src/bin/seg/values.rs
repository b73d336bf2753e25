//! How single values look: numbers, times, and bytes out of files in JSON and on a terminal.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::ValueEnum;
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;

/// How keys and values are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ValueStyle {
    /// Text where it is valid UTF-8, else hex (in JSON `{"base64": …}`)
    Auto,
    /// Text, with replacement characters where it is not UTF-8
    Text,
    /// Hexadecimal digits
    Hex,
    /// Base64
    Base64,
    /// JSON as it is; what is not JSON is shown as with `auto`
    Json,
    /// A big-endian 32-bit number; other lengths as with `auto`
    I32,
    /// A big-endian 64-bit number; other lengths as with `auto`
    I64,
    /// A big-endian 64-bit floating point number; other lengths as with `auto`
    F64,
    /// A UUID of 16 bytes; other lengths as with `auto`
    Uuid,
    /// Not at all
    None,
}

/// Decimal digits.
#[inline]
pub fn push_int(out: &mut Vec<u8>, value: i64) {
    // Sizes, epochs and what is not there: pieces of a known length need no call to be copied.
    match u8::try_from(value) {
        Ok(digit @ 0..10) => out.push(b'0' + digit),
        Ok(two @ 10..100) => out.extend_from_slice(&[b'0' + two / 10, b'0' + two % 10]),
        _ if value == -1 => out.extend_from_slice(b"-1"),
        _ => push_long(out, value),
    }
}

fn push_long(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// RFC 3339 in UTC with milliseconds; `-` for -1, and the bare number where no calendar reaches.
pub fn push_timestamp(out: &mut Vec<u8>, millis: i64) {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
    if millis == -1 {
        return out.push(b'-');
    }
    match Timestamp::from_millisecond(millis) {
        Ok(time) => {
            // Writing to memory cannot fail.
            let _ = PRINTER.print_timestamp(&time, &mut *out);
        }
        Err(_) => push_int(out, millis),
    }
}

/// RFC 3339 in UTC with milliseconds, as a string.
pub fn timestamp(millis: i64) -> String {
    let mut out = Vec::new();
    push_timestamp(&mut out, millis);
    String::from_utf8(out).unwrap_or_default()
}

/// Date, hour and minute in UTC, for listings.
pub fn minute(millis: i64) -> String {
    match Timestamp::from_millisecond(millis) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%MZ").to_string(),
        Err(_) => millis.to_string(),
    }
}

/// A JSON string.
#[inline]
pub fn push_json_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    push_json_escaped(out, text.as_bytes());
    out.push(b'"');
}

/// True when `bytes` are printable ASCII that JSON takes over without an escape. Goes by eights, of
/// which the last overlaps the one before it: what is left over would be slow.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk::<8>() else { return are_plain(bytes) };
    let (eights, _rest) = bytes.as_chunks::<8>();
    are_plain(eights.as_flattened()) & are_plain(last)
}

#[inline]
fn are_plain(bytes: &[u8]) -> bool {
    // No early end: the compiler turns this into vector instructions.
    bytes.iter().fold(true, |plain, &byte| {
        plain & (0x20..0x7f).contains(&byte) & (byte != b'"') & (byte != b'\\')
    })
}

/// The inside of a JSON string; `bytes` are UTF-8.
#[inline]
fn push_json_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    if is_plain(bytes) {
        return out.extend_from_slice(bytes);
    }
    push_with_escapes(out, bytes);
}

fn push_with_escapes(out: &mut Vec<u8>, bytes: &[u8]) {
    // No early end here either. Most text that has quotes has nothing else to escape.
    if bytes.iter().fold(true, |all, byte| all & (0x20..0x7f).contains(byte)) {
        return push_quoted(out, bytes);
    }
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|&byte| needs_a_look(byte)) {
        let (quoted, tail) = rest.split_at(at);
        push_quoted(out, quoted);
        // The lead byte of a character that may have to be escaped, or an ASCII one that has to be.
        let length = match tail.first() {
            Some(0xe0..) => 3,
            Some(0xc2..) => 2,
            _ => 1,
        };
        let Some((char, tail)) = tail.split_at_checked(length) else { break };
        push_escape(out, char);
        rest = tail;
    }
    push_quoted(out, rest);
}

/// Text in which quotes and backslashes are all there is to escape. Makes room for the worst, then
/// writes two bytes for each and counts one or both: a branch would be mispredicted at every quote.
fn push_quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    let begin = out.len();
    out.resize(begin + 2 * bytes.len(), 0);
    let room = out.get_mut(begin..).unwrap_or_default();
    let mut end = 0;
    for &byte in bytes {
        let is_escaped = byte == b'"' || byte == b'\\';
        if let Some([first, second]) = room.get_mut(end..).and_then(<[u8]>::first_chunk_mut) {
            *first = if is_escaped { b'\\' } else { byte };
            *second = byte;
        }
        end += 1 + usize::from(is_escaped);
    }
    out.truncate(begin + end);
}

/// True for bytes besides quotes and backslashes at which an escape may be due. What a terminal
/// would act on is escaped in JSON too: read back it is the same text.
fn needs_a_look(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, 0x7f | 0xc2 | 0xe2 | 0xef)
}

/// One character of UTF-8.
fn push_escape(out: &mut Vec<u8>, utf8: &[u8]) {
    match utf8 {
        b"\n" => out.extend_from_slice(b"\\n"),
        b"\r" => out.extend_from_slice(b"\\r"),
        b"\t" => out.extend_from_slice(b"\\t"),
        _ => match std::str::from_utf8(utf8).ok().and_then(|text| text.chars().next()) {
            Some(char) if is_unsafe_to_show(char) => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(char)).as_bytes());
            }
            _ => out.extend_from_slice(utf8),
        },
    }
}

/// Bytes out of a file as a JSON value.
#[inline]
pub fn push_json_value(out: &mut Vec<u8>, bytes: &[u8], style: ValueStyle) {
    if style == ValueStyle::Auto {
        return push_json_auto(out, bytes);
    }
    match style {
        ValueStyle::Text => push_json_text(out, &String::from_utf8_lossy(bytes)),
        ValueStyle::Hex => {
            out.push(b'"');
            push_hex(out, bytes);
            out.push(b'"');
        }
        ValueStyle::Base64 => {
            out.push(b'"');
            push_base64(out, bytes);
            out.push(b'"');
        }
        ValueStyle::Json if is_json(bytes) => push_json_line(out, bytes),
        ValueStyle::Uuid => match <[u8; 16]>::try_from(bytes) {
            Ok(uuid) => push_json_text(out, &hyphenated(uuid)),
            Err(_) => push_json_auto(out, bytes),
        },
        _ => match number(bytes, style) {
            Some(text) => out.extend_from_slice(text.as_bytes()),
            None => push_json_auto(out, bytes),
        },
    }
}

#[inline]
fn push_json_auto(out: &mut Vec<u8>, bytes: &[u8]) {
    if is_plain(bytes) {
        out.push(b'"');
        out.extend_from_slice(bytes);
        out.push(b'"');
    } else if std::str::from_utf8(bytes).is_ok() {
        out.push(b'"');
        push_with_escapes(out, bytes);
        out.push(b'"');
    } else {
        out.extend_from_slice(b"{\"base64\":\"");
        push_base64(out, bytes);
        out.extend_from_slice(b"\"}");
    }
}

/// Bytes out of a file for people. Nothing that a terminal would act on gets through.
pub fn push_text_value(out: &mut Vec<u8>, bytes: &[u8], style: ValueStyle) {
    match style {
        ValueStyle::Text => push_terminal_text(out, &String::from_utf8_lossy(bytes)),
        ValueStyle::Hex => push_hex(out, bytes),
        ValueStyle::Base64 => push_base64(out, bytes),
        ValueStyle::Uuid => match <[u8; 16]>::try_from(bytes) {
            Ok(uuid) => out.extend_from_slice(hyphenated(uuid).as_bytes()),
            Err(_) => push_text_auto(out, bytes),
        },
        _ => match number(bytes, style) {
            Some(text) => out.extend_from_slice(text.as_bytes()),
            None => push_text_auto(out, bytes),
        },
    }
}

/// Text in quotes, so that its ends show; JSON bare, because it shows them itself.
fn push_text_auto(out: &mut Vec<u8>, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.starts_with(['{', '[']) => push_terminal_text(out, text),
        Ok(text) => {
            out.push(b'"');
            let from = out.len();
            push_terminal_text(out, text);
            if out.get(from..).is_some_and(|shown| shown.contains(&b'"')) {
                let quoted = String::from_utf8_lossy(&out.split_off(from)).replace('"', "\\\"");
                out.extend_from_slice(quoted.as_bytes());
            }
            out.push(b'"');
        }
        Err(_) => {
            out.extend_from_slice(b"0x");
            push_hex(out, bytes);
        }
    }
}

/// Text with everything escaped that a terminal would act on or that would hide something:
/// control characters, bidirectional overrides, line separators, and characters of no width.
pub fn push_terminal_text(out: &mut Vec<u8>, text: &str) {
    let mut utf8 = [0; 4];
    for char in text.chars() {
        match char {
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            _ if is_unsafe_to_show(char) => {
                out.extend_from_slice(format!("\\u{{{:x}}}", u32::from(char)).as_bytes());
            }
            _ => out.extend_from_slice(char.encode_utf8(&mut utf8).as_bytes()),
        }
    }
}

fn is_unsafe_to_show(char: char) -> bool {
    const HIDING: [std::ops::RangeInclusive<char>; 4] = [
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2060}'..='\u{206f}',
        '\u{feff}'..='\u{feff}',
    ];
    char.is_control() || HIDING.iter().any(|range| range.contains(&char))
}

/// [`push_terminal_text`] as a string, for messages.
pub fn terminal_text(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    push_terminal_text(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}

fn number(bytes: &[u8], style: ValueStyle) -> Option<String> {
    Some(match style {
        ValueStyle::I32 => i32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        ValueStyle::I64 => i64::from_be_bytes(bytes.try_into().ok()?).to_string(),
        ValueStyle::F64 => {
            let value = f64::from_be_bytes(bytes.try_into().ok()?);
            // JSON has no infinities and no NaN: those are shown as bytes.
            value.is_finite().then(|| format!("{value:?}"))?
        }
        _ => return None,
    })
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

/// JSON may hold line breaks between its tokens; a row may not.
fn push_json_line(out: &mut Vec<u8>, json: &[u8]) {
    out.extend(json.iter().map(|&byte| if byte < 0x20 { b' ' } else { byte }));
}

fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'?');
    out.extend(bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte & 0xf)]));
}

fn push_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(BASE64.encode(bytes).as_bytes());
}

fn hyphenated(uuid: [u8; 16]) -> String {
    let mut hex = Vec::with_capacity(36);
    for (index, byte) in uuid.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            hex.push(b'-');
        }
        push_hex(&mut hex, &[byte]);
    }
    String::from_utf8(hex).unwrap_or_default()
}

/// A size in binary units, as people read it.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut unit = 0;
    let mut left = bytes;
    while left >= 1024 * 10 && unit + 1 < UNITS.len() {
        left /= 1024;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if left >= 1024 && unit + 1 < UNITS.len() {
        let tenths = left * 10 / 1024;
        let name = UNITS.get(unit + 1).copied().unwrap_or_default();
        return format!("{}.{} {name}", tenths / 10, tenths % 10);
    }
    format!("{left} {name}")
}

/// A number of things: `1 file`, `1,234 files`.
pub fn plural(number: u64, name: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {name}{ending}", count(number))
}

/// A count with thousands separators.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(bytes: &[u8], style: ValueStyle) -> String {
        let mut out = Vec::new();
        push_json_value(&mut out, bytes, style);
        String::from_utf8(out).unwrap()
    }

    fn text(bytes: &[u8], style: ValueStyle) -> String {
        let mut out = Vec::new();
        push_text_value(&mut out, bytes, style);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn quotes_are_escaped_as_another_writer_of_json_does() {
        let printable: String = (' '..='~').collect();
        for text in
            ["", "\"", "\\\"\\", "\"a\"", "k\u{e4}se \"\u{20ac}\" \\", "{\"id\":1,\"note\":\"x\"}"]
        {
            for length in 0..40 {
                let text = [&printable[..length], text, &printable].concat();
                let shown = json(text.as_bytes(), ValueStyle::Auto);
                assert_eq!(shown, serde_json::to_string(&text).unwrap());
            }
        }
    }

    #[test]
    fn json_text_reads_back_as_the_same_text() {
        let every_char: String = (0u32..0x1_1000).filter_map(char::from_u32).collect();
        let read: String =
            serde_json::from_str(&json(every_char.as_bytes(), ValueStyle::Auto)).unwrap();
        assert_eq!(read, every_char);
        let hiding = "a\u{9b}b\u{202e}c\u{feff}d\u{2013}e";
        assert_eq!(
            json(hiding.as_bytes(), ValueStyle::Auto),
            "\"a\\u009bb\\u202ec\\ufeffd\u{2013}e\""
        );
        assert_eq!(json(b"a\"b\\\n\x01", ValueStyle::Auto), r#""a\"b\\\n\u0001""#);
    }

    #[test]
    fn bytes_that_are_no_text() {
        assert_eq!(json(&[0xff, 0x00], ValueStyle::Auto), r#"{"base64":"/wA="}"#);
        assert_eq!(text(&[0xff, 0x00], ValueStyle::Auto), "0xff00");
        assert_eq!(text(b"null", ValueStyle::Auto), "\"null\"");
        assert_eq!(text(b"a\"b", ValueStyle::Auto), "\"a\\\"b\"");
        assert_eq!(text(b"{\"a\":1}", ValueStyle::Auto), "{\"a\":1}");
        assert_eq!(text(b"", ValueStyle::Auto), "\"\"");
    }

    #[test]
    fn styles() {
        assert_eq!(json(&[0, 0, 0, 7], ValueStyle::I32), "7");
        assert_eq!(json(&7i64.to_be_bytes(), ValueStyle::I64), "7");
        assert_eq!(json(&1.5f64.to_be_bytes(), ValueStyle::F64), "1.5");
        assert_eq!(json(&f64::NAN.to_be_bytes(), ValueStyle::F64), r#"{"base64":"f/gAAAAAAAA="}"#);
        assert_eq!(json(b"abc", ValueStyle::I32), "\"abc\"");
        assert_eq!(json(b"{\"a\":\n1}", ValueStyle::Json), "{\"a\": 1}");
        assert_eq!(json(b"{\"a\":", ValueStyle::Json), "\"{\\\"a\\\":\"");
        assert_eq!(json(&[0x12; 16], ValueStyle::Uuid), "\"12121212-1212-1212-1212-121212121212\"");
        assert_eq!(json(&[1, 0xab], ValueStyle::Hex), "\"01ab\"");
    }

    #[test]
    fn nothing_reaches_a_terminal_that_it_would_act_on() {
        let shown = text("\x1b[31m\u{202e}\u{9b}x".as_bytes(), ValueStyle::Auto);
        assert_eq!(shown, "\"\\u{1b}[31m\\u{202e}\\u{9b}x\"");
        assert_eq!(text(b"a\nb", ValueStyle::Auto), "\"a\\nb\"");
        assert_eq!(text(b"{\n\x07", ValueStyle::Auto), "{\\n\\u{7}");
    }

    #[test]
    fn people_read_sizes_counts_and_times() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1024), "1.0 KiB");
        assert_eq!(size(1_181_116_006), "1.0 GiB");
        assert_eq!(size(640_679_936), "611 MiB");
        assert_eq!(count(1_620_000), "1,620,000");
        assert_eq!(timestamp(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(timestamp(-1), "-");
        assert_eq!(timestamp(i64::MAX), "9223372036854775807");
    }
}
