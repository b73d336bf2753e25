//! What the records of `__consumer_offsets` and `__transaction_state` have in common.
//!
//! ```text
//!   key     | i16 type    | the type's key message, never flexible |
//!   value   | i16 version | the type's value message of that version |       null: a tombstone
//! ```
//!
//! Bytes behind a message are ignored, as Kafka ignores them.

use super::kafka_json::write_kafka_json;
use super::schema::{self, Schema, SchemaError, Value};
use super::{Cursor, Offset, Position};
use std::fmt;

/// A type of record.
#[derive(Debug)]
pub struct RecordType {
    /// The number at the beginning of a key.
    pub id: i16,
    /// Kafka's name of its messages, without `Key` and `Value`.
    pub name: &'static str,
    /// The key behind the number.
    pub key: &'static Schema,
    /// The value behind its version.
    pub value: &'static Schema,
}

/// What one record says.
#[derive(Clone, Debug)]
pub enum Decoded<'a> {
    /// A record of a known type.
    Record {
        /// Its type.
        record_type: &'static RecordType,
        /// The key's fields.
        key: Value<'a>,
        /// The value, `None` for a tombstone.
        value: Option<VersionedValue<'a>>,
    },
    /// A type of an older or newer Kafka, or damage.
    UnknownType(i16),
    /// Bytes that do not decode.
    Undecodable(Undecodable),
}

/// A decoded value with its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionedValue<'a> {
    /// The version it is written in.
    pub version: i16,
    /// Its fields.
    pub value: Value<'a>,
}

/// The half of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The key.
    Key,
    /// The value.
    Value,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "key",
            Self::Value => "value",
        })
    }
}

/// Why a record does not decode. Displayed in Kafka's words, because its tool prints them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// Less than two bytes.
    #[error("Could not read version from {0}'s buffer.")]
    NoVersion(Part),
    /// A version of the value that this type does not have.
    #[error("Found an unknown record version {version} for {type_id} type")]
    Version {
        /// The type.
        type_id: i16,
        /// The version found.
        version: i16,
    },
    /// A message that does not decode; the error's position counts from the start of the part.
    #[error("Could not read record with version {version} from {part}'s buffer due to: {}.",
        error.kind
    )]
    Message {
        /// The key's type or the value's version.
        version: i16,
        /// The key or the value.
        part: Part,
        /// What is wrong with it.
        error: SchemaError,
    },
}

/// Decodes a record of one of `types`.
pub(super) fn decode<'a>(
    types: &'static [RecordType],
    key: &'a [u8],
    value: Option<&'a [u8]>,
) -> Decoded<'a> {
    let mut key = Cursor::new(key, Position(0));
    let Ok(id) = key.i16() else {
        return Decoded::Undecodable(Undecodable::NoVersion(Part::Key));
    };
    let Some(record_type) = types.iter().find(|record_type| record_type.id == id) else {
        return Decoded::UnknownType(id);
    };
    let decoded = schema::decode(record_type.key, 0, &mut key)
        .map_err(|error| Undecodable::Message { version: id, part: Part::Key, error })
        .and_then(|key| {
            Ok((key, value.map(|value| decode_value(record_type, value)).transpose()?))
        });
    match decoded {
        Ok((key, value)) => Decoded::Record { record_type, key, value },
        Err(reason) => Decoded::Undecodable(reason),
    }
}

fn decode_value<'a>(
    record_type: &'static RecordType,
    bytes: &'a [u8],
) -> Result<VersionedValue<'a>, Undecodable> {
    let mut cursor = Cursor::new(bytes, Position(0));
    let version = cursor.i16().map_err(|_| Undecodable::NoVersion(Part::Value))?;
    if !(0..=record_type.value.last_version).contains(&version) {
        return Err(Undecodable::Version { type_id: record_type.id, version });
    }
    schema::decode(record_type.value, version, &mut cursor)
        .map(|value| VersionedValue { version, value })
        .map_err(|error| Undecodable::Message { version, part: Part::Value, error })
}

impl Decoded<'_> {
    /// Appends what `kafka-dump-log` prints behind ` key: ` for the record at `offset`.
    pub fn kafka_key_text(&self, offset: Offset, out: &mut Vec<u8>) {
        let text = match self {
            Self::Record { record_type, key, .. } => {
                return write_json("type", record_type.id, key, out);
            }
            Self::UnknownType(id) => {
                format!("Unknown record type {id} at offset {offset}, skipping.")
            }
            Self::Undecodable(reason) => format!("Error at offset {offset}, skipping. {reason}"),
        };
        out.extend_from_slice(text.as_bytes());
    }

    /// Appends what `kafka-dump-log` prints behind ` payload: `; false where it prints neither.
    pub fn kafka_value_text(&self, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Record { value: Some(value), .. } => {
                write_json("version", value.version, &value.value, out);
            }
            Self::Record { value: None, .. } => out.extend_from_slice(b"<DELETE>"),
            Self::UnknownType(_) | Self::Undecodable(_) => return false,
        }
        true
    }
}

fn write_json(name: &str, number: i16, data: &Value<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(format!(r#"{{"{name}":"{number}","data":"#).as_bytes());
    write_kafka_json(data, out);
    out.push(b'}');
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::format::schema::Kind;

    type Decode = for<'a> fn(&'a [u8], Option<&'a [u8]>) -> Decoded<'a>;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = hex.as_bytes().chunks_exact(2);
        let pairs = digits.map(|pair| std::str::from_utf8(pair).unwrap());
        pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    }

    fn texts(decoded: &Decoded<'_>, offset: i64) -> (String, String) {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        decoded.kafka_key_text(Offset(offset), &mut key);
        if !decoded.kafka_value_text(&mut value) {
            assert!(value.is_empty());
            value.push(b'-');
        }
        (String::from_utf8(key).unwrap(), String::from_utf8(value).unwrap())
    }

    /// `vectors` are records, five lines each: the offset, the key's and the value's bytes, and
    /// what kafka-dump-log 4.3.1 prints for the key and the payload; `-` is nothing. The records
    /// were written by a broker, or at random after the schemas of the release.
    pub fn check_vectors(vectors: &str, decode: Decode) {
        let lines: Vec<&str> = vectors.lines().collect();
        assert_eq!(lines.len() % 5, 0);
        for record in lines.chunks(5) {
            let offset = record[0].parse().unwrap();
            let key = bytes(record[1]);
            let value = (record[2] != "-").then(|| bytes(record[2]));
            let decoded = decode(&key, value.as_deref());
            assert_eq!(texts(&decoded, offset), (record[3].into(), record[4].into()));
            let healthy = matches!(decoded, Decoded::Record { .. });
            check_truncations(&key, value.as_deref(), healthy, decode);
            check_flips(&key, value.as_deref(), decode);
        }
    }

    fn check_truncations(key: &[u8], value: Option<&[u8]>, healthy: bool, decode: Decode) {
        let undecodable = |decoded: Decoded<'_>| {
            texts(&decoded, 0);
            matches!(decoded, Decoded::Undecodable(_))
        };
        // The random ones may have one byte too many, which is ignored.
        for end in 0..key.len().saturating_sub(1) {
            assert!(undecodable(decode(&key[..end], value)) || !healthy, "key of {end} bytes");
        }
        let value = value.unwrap_or_default();
        for end in 0..value.len().saturating_sub(1) {
            assert!(undecodable(decode(key, Some(&value[..end]))) || !healthy, "value of {end}");
        }
    }

    // What comes out has no meaning; it comes out without a panic, and as text.
    fn check_flips(key: &[u8], value: Option<&[u8]>, decode: Decode) {
        for bit in 0..key.len() * 8 {
            let mut flipped = key.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            texts(&decode(&flipped, value), 0);
        }
        for bit in 0..value.map_or(0, |value| value.len() * 8) {
            let mut flipped = value.unwrap().to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            texts(&decode(key, Some(&flipped)), 0);
        }
    }

    /// No table leads deeper than a few levels, so neither does any input.
    pub fn check_depth(types: &[RecordType]) {
        let roots = types.iter().flat_map(|record_type| [record_type.key, record_type.value]);
        let mut schemas: Vec<(&Schema, u32)> = roots.map(|schema| (schema, 0)).collect();
        while let Some((schema, depth)) = schemas.pop() {
            assert!(depth < 4, "{schema:?}");
            schemas.extend(schema.fields.iter().filter_map(|field| match field.kind() {
                Kind::Struct(nested) | Kind::Array(&Kind::Struct(nested)) => {
                    Some((nested, depth + 1))
                }
                _ => None,
            }));
        }
    }
}
