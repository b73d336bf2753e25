//! Kafka's generated messages, decoded by static tables.
//!
//! ```text
//!            below the flexible version      from the flexible version on
//!   string   | i16 length | bytes    |       | varint length + 1 | bytes    |
//!   bytes    | i32 length | bytes    |       | varint length + 1 | bytes    |
//!   array    | i32 count  | elements |       | varint count + 1  | elements |
//!   struct   | fields                |       | fields | varint count of tagged fields | ...
//!
//!   a negative length is null (the varint then is 0); a struct that may be null: | i8 < 0 |
//!   each tagged field:  | varint tag | varint size | value |
//! ```
//!
//! Nesting comes from the tables alone, which are a few levels deep and never refer to themselves,
//! so no input can make the decoder go deeper. Like Kafka, it trusts the size of a tagged field
//! only where it does not know the tag, and takes the fields in any order.

use super::{Cursor, FormatError, FormatErrorKind, Position};
use std::fmt;

/// One message or nested struct.
#[derive(Debug)]
pub struct Schema {
    /// The highest version there is.
    pub last_version: i16,
    /// The version from which on lengths are compact and tagged fields follow, if there is one.
    pub flexible_from: Option<i16>,
    /// Fields in the order in which they are written and printed.
    pub fields: &'static [Field],
}

/// One field of a [`Schema`].
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// As Kafka's JSON has it.
    pub name: &'static str,
    kind: Kind,
    first_version: i16,
    last_version: i16,
    nullable: bool,
    tag: Option<u32>,
    default: i64,
    null_by_default: bool,
}

impl Field {
    /// A field of every version that cannot be null.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        let (first_version, last_version) = (0, i16::MAX);
        Self {
            name,
            kind,
            first_version,
            last_version,
            nullable: false,
            tag: None,
            default: 0,
            null_by_default: false,
        }
    }

    /// The same field, which may be null.
    #[must_use]
    pub const fn nullable(self) -> Self {
        Self { nullable: true, ..self }
    }

    /// The same field, in `first` and later versions only.
    #[must_use]
    pub const fn since(self, first: i16) -> Self {
        Self { first_version: first, ..self }
    }

    /// The same field, in one version only.
    #[must_use]
    pub const fn only(self, version: i16) -> Self {
        Self { first_version: version, last_version: version, ..self }
    }

    /// The same field in the tagged section; it is left out of the result where it has its
    /// default: `default` for a number, else zero or empty.
    #[must_use]
    pub const fn tagged(self, tag: u32, default: i64) -> Self {
        Self { tag: Some(tag), default, ..self }
    }

    /// The same field in the tagged section, null where it is left out.
    #[must_use]
    pub const fn tagged_null(self, tag: u32) -> Self {
        Self { tag: Some(tag), nullable: true, null_by_default: true, ..self }
    }

    /// The field's type.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    fn is_in(&self, version: i16) -> bool {
        self.first_version <= version && version <= self.last_version
    }

    fn has_default(&self, value: &Value<'_>) -> bool {
        match value {
            value if self.null_by_default => *value == Value::Null,
            Value::Int(value) => *value == self.default,
            Value::Struct(fields) => fields.iter().all(|(_, value)| is_zero(value)),
            value => is_zero(value),
        }
    }
}

/// The type of a field.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `int8`
    Int8,
    /// `int16`
    Int16,
    /// `uint16`
    Uint16,
    /// `int32`
    Int32,
    /// `int64`
    Int64,
    /// `bool`
    Bool,
    /// `float64`
    Float64,
    /// `uuid`
    Uuid,
    /// `string`
    String,
    /// `bytes`
    Bytes,
    /// An array of anything but arrays.
    Array(&'static Kind),
    /// A nested struct.
    Struct(&'static Schema),
}

/// A decoded value. Strings are UTF-8 in healthy records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A null string, array, or struct.
    Null,
    /// A number of any width.
    Int(i64),
    /// True or false.
    Bool(bool),
    /// The bits of a floating-point number.
    Float64(u64),
    /// A UUID's 16 bytes.
    Uuid([u8; 16]),
    /// A string.
    Str(&'a [u8]),
    /// Bytes.
    Bytes(&'a [u8]),
    /// The elements.
    Array(Vec<Value<'a>>),
    /// Fields that this version has, by name, without tagged fields at their default.
    Struct(Vec<(&'static str, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// The field `name` of a struct.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        let Self::Struct(fields) = self else { return None };
        fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Value<'a>> {
        let Self::Struct(fields) = self else { return None };
        fields.iter_mut().find(|(field, _)| *field == name).map(|(_, value)| value)
    }
}

fn is_zero(value: &Value<'_>) -> bool {
    match value {
        Value::Int(value) => *value == 0,
        Value::Bool(value) => !value,
        Value::Float64(bits) => *bits == 0,
        Value::Uuid(uuid) => *uuid == [0; 16],
        Value::Str(bytes) | Value::Bytes(bytes) => bytes.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Null | Value::Struct(_) => false,
    }
}

/// A message that does not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaError {
    /// Where the cursor stood.
    pub position: Position,
    /// What is wrong there.
    pub kind: SchemaErrorKind,
}

/// Why a message does not decode. Displayed in the words of Kafka's own decoder, because its tools
/// print them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaErrorKind {
    /// The bytes end inside a number; Kafka has no words for it.
    #[error("null")]
    Underflow {
        /// Bytes the number needs.
        needed: u64,
        /// Bytes that are there.
        have: u64,
    },
    /// A varint that goes on past its fifth byte.
    #[error(
        "Varint is too long, the most significant bit in the 5th byte is set, \
         converted value: {value:x}"
    )]
    Varint {
        /// What its five bytes give.
        value: u32,
    },
    /// A field that cannot be null is.
    #[error("non-nullable field {0} was serialized as null")]
    Null(Place),
    /// A string that no old version could hold.
    #[error("string field {place} had invalid length {length}")]
    StringLength {
        /// The field.
        place: Place,
        /// Its length.
        length: i32,
    },
    /// A string, bytes or an unknown tagged field that is longer than what is left.
    #[error("Error reading byte array of {size} byte(s): only {remaining} byte(s) available")]
    ByteArray {
        /// Its length.
        size: i32,
        /// The bytes left.
        remaining: usize,
    },
    /// An array with more elements than there are bytes left.
    #[error(
        "Tried to allocate a collection of size {size}, \
         but there are only {remaining} bytes remaining."
    )]
    Collection {
        /// Its count.
        size: i32,
        /// The bytes left.
        remaining: usize,
    },
    /// An unknown tagged field with a negative size.
    #[error("{0}")]
    NegativeSize(i32),
    /// A version that the struct does not have.
    #[error("Can't read version {0}")]
    Version(i16),
}

/// A field, or an element of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The field's name.
    pub field: &'static str,
    /// True for an element of it.
    pub element: bool,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.field)?;
        f.write_str(if self.element { " element" } else { "" })
    }
}

impl From<SchemaError> for FormatError {
    fn from(error: SchemaError) -> Self {
        use SchemaErrorKind as Kind;
        let truncated = |size: i32, remaining: usize| FormatErrorKind::Truncated {
            needed: u64::try_from(size).unwrap_or_default(),
            have: remaining as u64,
        };
        let kind = match error.kind {
            Kind::Underflow { needed, have } => FormatErrorKind::Truncated { needed, have },
            Kind::Varint { .. } => {
                FormatErrorKind::Varint { maximum: crate::limits::VARINT_MAX_BYTES }
            }
            Kind::ByteArray { size, remaining } | Kind::Collection { size, remaining } => {
                truncated(size, remaining)
            }
            Kind::Null(_) => FormatErrorKind::Record { what: "length of a field", value: -1 },
            Kind::StringLength { length: size, .. } | Kind::NegativeSize(size) => {
                FormatErrorKind::Record { what: "length of a field", value: i64::from(size) }
            }
            Kind::Version(version) => FormatErrorKind::Version(i64::from(version)),
        };
        Self { position: error.position, kind }
    }
}

type Result<T> = std::result::Result<T, SchemaError>;

/// Decodes one message of `version`, and leaves the cursor behind it.
pub fn decode<'a>(
    schema: &'static Schema,
    version: i16,
    cursor: &mut Cursor<'a>,
) -> Result<Value<'a>> {
    let flexible = schema.flexible_from.is_some_and(|first| version >= first);
    let mut reader = Reader { cursor: *cursor, version, flexible };
    let value = reader.fields(schema);
    *cursor = reader.cursor;
    value
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    version: i16,
    flexible: bool,
}

impl<'a> Reader<'a> {
    fn fields(&mut self, schema: &'static Schema) -> Result<Value<'a>> {
        let mut fields = Vec::with_capacity(schema.fields.len());
        for field in schema.fields {
            if field.tag.is_none() && field.is_in(self.version) {
                fields.push((field.name, self.field(field)?));
            }
        }
        if self.flexible {
            self.tagged_fields(schema, &mut fields)?;
        }
        Ok(Value::Struct(fields))
    }

    fn tagged_fields(
        &mut self,
        schema: &'static Schema,
        fields: &mut Vec<(&'static str, Value<'a>)>,
    ) -> Result<()> {
        // A count past `i32` is negative to Kafka: none.
        let count = self.unsigned_varint()?.cast_signed();
        for _ in 0..count {
            let tag = self.unsigned_varint()?;
            let size = self.unsigned_varint()?.cast_signed();
            let known = |field: &Field| field.tag == Some(tag) && field.is_in(self.version);
            let Some(index) = schema.fields.iter().position(known) else {
                self.byte_array(size)?;
                continue;
            };
            if let Some(field) = schema.fields.get(index) {
                let value = self.field(field)?;
                // The last one counts, should a tag come twice.
                fields.retain(|(name, _)| *name != field.name);
                if !field.has_default(&value) {
                    let before = |name| schema.fields.iter().take(index).any(|f| f.name == name);
                    let at = fields.iter().take_while(|(name, _)| before(*name)).count();
                    fields.insert(at, (field.name, value));
                }
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &'static Field) -> Result<Value<'a>> {
        let place = Place { field: field.name, element: false };
        match field.kind {
            Kind::Struct(_) if field.nullable && self.is_null_struct(field)? => Ok(Value::Null),
            kind => self.value(kind, place, field.nullable),
        }
    }

    fn is_null_struct(&mut self, field: &Field) -> Result<bool> {
        match field.tag {
            Some(_) => self.unsigned_varint().map(|length| length.cast_signed() <= 0),
            None => self.number(Cursor::i8).map(|marker| marker < 0),
        }
    }

    fn value(&mut self, kind: Kind, place: Place, nullable: bool) -> Result<Value<'a>> {
        Ok(match kind {
            Kind::Int8 => Value::Int(self.number(Cursor::i8)?.into()),
            Kind::Int16 => Value::Int(self.number(Cursor::i16)?.into()),
            Kind::Uint16 => Value::Int(self.number(Cursor::u16)?.into()),
            Kind::Int32 => Value::Int(self.number(Cursor::i32)?.into()),
            Kind::Int64 => Value::Int(self.number(Cursor::i64)?),
            Kind::Bool => Value::Bool(self.number(Cursor::i8)? != 0),
            Kind::Float64 => Value::Float64(self.number(Cursor::i64)?.cast_unsigned()),
            Kind::Uuid => Value::Uuid(self.number(Cursor::uuid)?),
            Kind::Struct(schema) if self.version > schema.last_version => {
                return Err(self.error(SchemaErrorKind::Version(self.version)));
            }
            Kind::Struct(schema) => self.fields(schema)?,
            Kind::String => {
                let length = if self.flexible {
                    self.compact_length()?
                } else {
                    self.number(Cursor::i16)?.into()
                };
                match length {
                    ..0 => self.null(place, nullable)?,
                    0..=0x7fff => Value::Str(self.byte_array(length)?),
                    _ => return Err(self.error(SchemaErrorKind::StringLength { place, length })),
                }
            }
            Kind::Bytes => match self.length()? {
                ..0 => self.null(place, nullable)?,
                length => Value::Bytes(self.byte_array(length)?),
            },
            Kind::Array(element) => match self.length()? {
                ..0 => self.null(place, nullable)?,
                count => self.array(*element, count, place)?,
            },
        })
    }

    fn array(&mut self, element: Kind, size: i32, place: Place) -> Result<Value<'a>> {
        let remaining = self.cursor.remaining();
        if usize::try_from(size).is_ok_and(|size| size > remaining) {
            return Err(self.error(SchemaErrorKind::Collection { size, remaining }));
        }
        // Every element takes at least a byte, so what is pushed is what was read.
        let mut elements = Vec::new();
        for _ in 0..size {
            elements.push(self.value(element, Place { element: true, ..place }, false)?);
        }
        Ok(Value::Array(elements))
    }

    fn null(&self, place: Place, nullable: bool) -> Result<Value<'a>> {
        if nullable { Ok(Value::Null) } else { Err(self.error(SchemaErrorKind::Null(place))) }
    }

    fn length(&mut self) -> Result<i32> {
        if self.flexible { self.compact_length() } else { self.number(Cursor::i32) }
    }

    fn compact_length(&mut self) -> Result<i32> {
        self.unsigned_varint().map(|raw| raw.cast_signed().wrapping_sub(1))
    }

    fn byte_array(&mut self, size: i32) -> Result<&'a [u8]> {
        let remaining = self.cursor.remaining();
        let Ok(count) = usize::try_from(size) else {
            return Err(self.error(SchemaErrorKind::NegativeSize(size)));
        };
        let too_long = SchemaErrorKind::ByteArray { size, remaining };
        self.cursor.take(count).map_err(|error| SchemaError { kind: too_long, ..at(error) })
    }

    fn unsigned_varint(&mut self) -> Result<u32> {
        self.number(Cursor::unsigned_varint).map_err(|error| match error.kind {
            SchemaErrorKind::Varint { .. } => {
                let bytes = self.cursor.rest().iter().zip([0, 7, 14, 21, 28]);
                let value =
                    bytes.fold(0, |sum, (byte, shift)| sum | u32::from(byte & 0x7f) << shift);
                SchemaError { kind: SchemaErrorKind::Varint { value }, ..error }
            }
            _ => error,
        })
    }

    fn number<T>(&mut self, read: impl Fn(&mut Cursor<'a>) -> super::Result<T>) -> Result<T> {
        read(&mut self.cursor).map_err(at)
    }

    #[cold]
    fn error(&self, kind: SchemaErrorKind) -> SchemaError {
        SchemaError { position: self.cursor.position(), kind }
    }
}

// The cursor's numbers and varints fail in two ways only.
fn at(error: FormatError) -> SchemaError {
    let kind = match error.kind {
        FormatErrorKind::Truncated { needed, have } => SchemaErrorKind::Underflow { needed, have },
        _ => SchemaErrorKind::Varint { value: 0 },
    };
    SchemaError { position: error.position, kind }
}

#[cfg(test)]
mod tests;
