//! Decoded values as the JSON that Kafka's tools print, byte for byte.
//!
//! ```text
//!   number   as it is, without quotes          uuid    "url-safe base64, 22 characters"
//!   string   "quotes, \, controls escaped"     bytes   "base64 with padding"
//!   null     null                              no spaces; fields in the order of the schema
//! ```

use super::schema::Value;

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Appends `value` as JSON. It goes as deep as the value, which is as deep as a static table.
pub fn write_kafka_json(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Float64(bits) => write_double(f64::from_bits(*bits), out),
        Value::Uuid(uuid) => {
            out.push(b'"');
            write_uuid(uuid, out);
            out.push(b'"');
        }
        Value::Str(bytes) => write_string(bytes, out),
        Value::Bytes(bytes) => {
            out.push(b'"');
            write_base64(bytes, STANDARD, Some(b'='), out);
            out.push(b'"');
        }
        Value::Array(elements) => {
            out.push(b'[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_kafka_json(element, out);
            }
            out.push(b']');
        }
        Value::Struct(fields) => {
            out.push(b'{');
            for (index, (name, field)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_string(name.as_bytes(), out);
                out.push(b':');
                write_kafka_json(field, out);
            }
            out.push(b'}');
        }
    }
}

/// Appends a number as Java writes one: plain from a thousandth up to ten millions, and with two
/// digits at least. What is no number is a string.
fn write_double(value: f64, out: &mut Vec<u8>) {
    let size = value.abs();
    let text = if value.is_nan() {
        "\"NaN\"".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "\"Infinity\"".to_owned() } else { "\"-Infinity\"".to_owned() }
    } else if size == 0.0 || (1e-3..1e7).contains(&size) {
        format!("{value:?}")
    } else {
        let shortest = format!("{value:e}");
        // Of numbers with two digits the nearest, where one digit would do.
        let text = if shortest.contains('.') { shortest } else { format!("{value:.1e}") };
        text.replace('e', "E")
    };
    out.extend_from_slice(text.as_bytes());
}

/// Appends a UUID's 22 characters.
pub fn write_uuid(uuid: &[u8; 16], out: &mut Vec<u8>) {
    write_base64(uuid, URL_SAFE, None, out);
}

/// Appends `bytes` as Java reads UTF-8: what is not UTF-8 becomes U+FFFD. This differs from Rust's
/// own replacement only in encoded surrogates, which Java replaces as a whole.
pub fn write_java_utf8(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Err(error) = std::str::from_utf8(rest) {
        let (valid, broken) = rest.split_at_checked(error.valid_up_to()).unwrap_or((rest, &[]));
        out.extend_from_slice(valid);
        out.extend_from_slice("\u{fffd}".as_bytes());
        let skipped = match broken {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] => 3,
            [0xed, 0xa0..=0xbf, ..] => 2,
            _ => error.error_len().unwrap_or(broken.len()),
        };
        rest = broken.get(skipped..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

fn write_string(bytes: &[u8], out: &mut Vec<u8>) {
    let mut valid = Vec::new();
    let text = if std::str::from_utf8(bytes).is_ok() {
        bytes
    } else {
        write_java_utf8(bytes, &mut valid);
        &valid
    };
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0..0x20 => {
                out.extend_from_slice(b"\\u00");
                out.extend([byte >> 4, byte & 15].map(|digit| symbol(HEX, digit)));
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

fn write_base64(bytes: &[u8], alphabet: &[u8; 64], padding: Option<u8>, out: &mut Vec<u8>) {
    for chunk in bytes.chunks(3) {
        let byte = |index| chunk.get(index).copied().unwrap_or(0);
        let sextets = [
            byte(0) >> 2,
            (byte(0) & 3) << 4 | byte(1) >> 4,
            (byte(1) & 15) << 2 | byte(2) >> 6,
            byte(2) & 63,
        ];
        for (index, sextet) in sextets.into_iter().enumerate() {
            if index <= chunk.len() {
                out.push(symbol(alphabet, sextet));
            } else {
                out.extend(padding);
            }
        }
    }
}

fn symbol(alphabet: &[u8], index: u8) -> u8 {
    alphabet.get(usize::from(index)).copied().unwrap_or(b'?')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &Value<'_>) -> String {
        let mut out = Vec::new();
        write_kafka_json(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_are_escaped_as_jackson_does() {
        let text =
            Value::Str("a\"b\\c/\n\r\t\u{8}\u{c}\u{1}\u{1f}\u{7f}\u{e9}\u{1f600}".as_bytes());
        let expected = "\"a\\\"b\\\\c/\\n\\r\\t\\b\\f\\u0001\\u001F\u{7f}\u{e9}\u{1f600}\"";
        assert_eq!(json(&text), expected);
    }

    #[test]
    fn base64_of_its_standard_vectors() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
            assert_eq!(json(&Value::Bytes(bytes.as_bytes())), format!("\"{text}\""));
        }
        assert_eq!(json(&Value::Bytes(&[0xfb, 0xff])), "\"+/8=\"");
        assert_eq!(json(&Value::Uuid([0xff; 16])), "\"_____________________w\"");
        let mut one = [0; 16];
        one[15] = 1;
        assert_eq!(json(&Value::Uuid(one)), "\"AAAAAAAAAAAAAAAAAAAAAQ\"");
    }

    #[test]
    fn structs_and_arrays_nest() {
        let array = Value::Array(vec![Value::Int(-1), Value::Null, Value::Struct(Vec::new())]);
        assert_eq!(
            json(&Value::Struct(vec![("a", array), ("b", Value::Int(2))])),
            r#"{"a":[-1,null,{}],"b":2}"#
        );
    }

    #[test]
    fn what_is_not_utf8_is_replaced_as_java_does() {
        let cases: [(&[u8], &str); 6] = [
            (b"a\xffb", "a\u{fffd}b"),
            (b"\xed\xa0\x80x", "\u{fffd}x"),
            (b"\xed\xa0x", "\u{fffd}x"),
            (b"\xf0\x9f\x98", "\u{fffd}"),
            (b"\xe0\x80\x80", "\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xf5\x80", "\u{fffd}\u{fffd}"),
        ];
        for (bytes, text) in cases {
            assert_eq!(json(&Value::Str(bytes)), format!("\"{text}\""), "{bytes:x?}");
        }
    }
}
