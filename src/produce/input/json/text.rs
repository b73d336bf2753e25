//! The bytes that a string of JSON stands for, put in its own place: they are never longer.

use super::super::{LineError, Span};
use super::scan::Text;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// With or without the padding at the end, as others write it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How bytes are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Coding {
    #[default]
    Text,
    Base64,
    Hex,
}

/// Replaces escapes in `text` by what they stand for.
pub(super) fn unescape(
    line: &mut [u8],
    text: Text,
    field: &'static str,
) -> Result<Span, LineError> {
    let Text { span, has_escapes } = text;
    if !has_escapes {
        return Ok(span);
    }
    let Some(bytes) = line.get_mut(span.start..span.end) else { return Ok(span) };
    let length = unescape_all(bytes)
        .ok_or(LineError::Field { field, problem: "has an escape that stands for nothing" })?;
    Ok(Span { start: span.start, end: span.start + length })
}

/// How many bytes are left.
fn unescape_all(bytes: &mut [u8]) -> Option<usize> {
    let (mut from, mut to) = (0, 0);
    while let Some(&byte) = bytes.get(from) {
        let mut utf8 = [byte; 4];
        let (read, written) = match byte {
            b'\\' => escape(bytes.get(from + 1..)?, &mut utf8)?,
            _ => (1, 1),
        };
        for (place, byte) in bytes.iter_mut().skip(to).zip(utf8.iter().take(written)) {
            *place = *byte;
        }
        (from, to) = (from + read, to + written);
    }
    Some(to)
}

/// What stands behind a backslash: how many bytes the whole escape has, and how many it comes to.
#[inline(always)]
fn escape(behind: &[u8], utf8: &mut [u8; 4]) -> Option<(usize, usize)> {
    let byte = match behind.first()? {
        byte @ (b'"' | b'\\' | b'/') => *byte,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'f' => 0x0c,
        b'u' => return unicode(behind, utf8),
        _ => return None,
    };
    *utf8 = [byte; 4];
    Some((2, 1))
}

fn unicode(behind: &[u8], utf8: &mut [u8; 4]) -> Option<(usize, usize)> {
    let unit = four_digits(behind.get(1..5)?)?;
    let (code, read) = match unit {
        0xd800..0xdc00 => {
            let (marker, digits) = behind.get(5..11)?.split_at_checked(2)?;
            let low = four_digits(digits)?;
            if marker != b"\\u" || !(0xdc00..0xe000).contains(&low) {
                return None;
            }
            (0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00), 12)
        }
        unit => (unit, 6),
    };
    // A surrogate alone is no character.
    let written = char::from_u32(code)?.encode_utf8(utf8).len();
    Some((read, written))
}

fn four_digits(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, &digit| Some(value << 4 | hex_digit(digit)?))
}

fn hex_digit(digit: u8) -> Option<u32> {
    char::from(digit).to_digit(16)
}

/// Replaces `text` by the bytes that it stands for. `scratch` is used again and again.
pub(super) fn decode(
    line: &mut [u8],
    text: Text,
    coding: Coding,
    field: &'static str,
    scratch: &mut Vec<u8>,
) -> Result<Span, LineError> {
    let span = unescape(line, text, field)?;
    let Some(bytes) = line.get_mut(span.start..span.end) else { return Ok(span) };
    let length = match coding {
        Coding::Text => return Ok(span),
        Coding::Base64 => {
            scratch.clear();
            BASE64
                .decode_vec(&*bytes, scratch)
                .map_err(|_| LineError::Field { field, problem: "has base64 that is broken" })?;
            for (place, byte) in bytes.iter_mut().zip(scratch.iter()) {
                *place = *byte;
            }
            scratch.len()
        }
        Coding::Hex => hex(bytes).ok_or(LineError::Field {
            field,
            problem: "has hex that is not pairs of hexadecimal digits",
        })?,
    };
    Ok(Span { start: span.start, end: span.start + length })
}

fn hex(digits: &mut [u8]) -> Option<usize> {
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let length = digits.len() / 2;
    for index in 0..length {
        let (high, low) = (*digits.get(index * 2)?, *digits.get(index * 2 + 1)?);
        let byte = u8::try_from(hex_digit(high)? << 4 | hex_digit(low)?).ok()?;
        *digits.get_mut(index)? = byte;
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unescaped(text: &str) -> Option<String> {
        let mut line = text.as_bytes().to_vec();
        let length = unescape_all(&mut line)?;
        line.truncate(length);
        Some(String::from_utf8(line).unwrap())
    }

    proptest! {
        #[test]
        fn escapes_are_those_of_a_parser_of_json(
            parts in proptest::collection::vec(
                prop_oneof![
                    "[a-zé漢🦀]{0,9}".prop_map(|text| text),
                    "\\\\[\"\\\\/bfnrtux0]",
                    "\\\\u[0-9a-fA-F]{4}",
                    "\\\\u[dD][89abcdefAB][0-9a-fA-F]{2}",
                    Just("\\ud83e\\udd80".to_owned()),
                ],
                0..8,
            ),
        ) {
            let text = parts.concat();
            let expected = serde_json::from_str::<String>(&format!("\"{text}\"")).ok();
            prop_assert_eq!(unescaped(&text), expected);
        }

        #[test]
        fn hex_is_read_back(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let pairs = bytes.iter().map(|byte| format!("{byte:02x}"));
            let mut digits = pairs.collect::<String>().into_bytes();
            let length = hex(&mut digits).unwrap();
            prop_assert_eq!(digits.get(..length), Some(&bytes[..]));
        }
    }

    #[test]
    fn broken_hex_is_refused() {
        assert_eq!(hex(&mut b"0".to_vec()), None);
        assert_eq!(hex(&mut b"0g".to_vec()), None);
        assert_eq!(hex(&mut b"+1".to_vec()), None);
        assert_eq!(hex(&mut b"aF".to_vec()), Some(1));
    }
}
