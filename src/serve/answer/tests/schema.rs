//! A second reader and writer of the protocol, slow and led by a table of Kafka's own fields
//! (`schemas.txt`), so that nothing here knows how the server writes.

use serde_json::{Map, Value, json};

const SCHEMAS: &str = include_str!("schemas.txt");

/// A request or a response.
#[derive(Debug)]
pub struct Schema {
    pub key: i16,
    pub name: String,
    pub flexible: i16,
    pub request: Vec<Field>,
    pub response: Vec<Field>,
}

#[derive(Debug, Default)]
pub struct Field {
    name: String,
    kind: String,
    versions: Versions,
    nullable: Option<Versions>,
    tag: Option<u64>,
    default: Option<String>,
    fields: Vec<Field>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Versions(i16, i16);

impl Versions {
    fn parse(text: &str) -> Self {
        let number = |text: &str| text.parse().unwrap();
        match text.split_once('-') {
            Some((low, high)) => Self(number(low), number(high)),
            None => match text.strip_suffix('+') {
                Some(low) => Self(number(low), i16::MAX),
                None => Self(number(text), number(text)),
            },
        }
    }

    fn has(self, version: i16) -> bool {
        (self.0..=self.1).contains(&version)
    }
}

/// That of an API.
pub fn schema(name: &str) -> Schema {
    let heads = SCHEMAS.lines().filter(|line| line.starts_with("== ")).count();
    let blocks: Vec<&str> = SCHEMAS.split("\n\n").collect();
    assert_eq!(blocks.len(), heads);
    let block = blocks.into_iter().find(|block| block.split(' ').nth(2) == Some(name)).unwrap();
    let head: Vec<&str> = block.lines().next().unwrap().split_whitespace().collect();
    let (request, response) = block.split_once("  response\n").unwrap();
    let request = request.split_once("  request\n").unwrap().1;
    Schema {
        key: head[1].parse().unwrap(),
        name: name.to_owned(),
        flexible: head[6].trim_end_matches('+').parse().unwrap(),
        request: fields(&mut request.lines().peekable(), 4),
        response: fields(&mut response.lines().peekable(), 4),
    }
}

fn fields<'a>(
    lines: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
    depth: usize,
) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    while let Some(line) = lines.peek() {
        let indent = line.len() - line.trim_start().len();
        if line.is_empty() || indent < depth {
            break;
        }
        if indent > depth {
            fields.last_mut().unwrap().fields = self::fields(lines, indent);
            continue;
        }
        fields.push(field(lines.next().unwrap()));
    }
    fields
}

fn field(line: &str) -> Field {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut field = Field {
        name: words[0].to_owned(),
        kind: words[1].to_owned(),
        versions: Versions::parse(words[2]),
        ..Field::default()
    };
    for word in &words[3..] {
        match word.split_at(1) {
            ("?", versions) => field.nullable = Some(Versions::parse(versions)),
            ("@", tag) => field.tag = Some(tag.parse().unwrap()),
            ("=", value) => field.default = Some(value.to_owned()),
            // The versions of a tag are those of its field.
            _ => assert!(field.tag.is_some(), "{line}"),
        }
    }
    field
}

impl Schema {
    /// A request without its length. What the body does not name has its default.
    pub fn encode(&self, version: i16, correlation_id: i32, body: &Value) -> Vec<u8> {
        let flexible = version >= self.flexible;
        let mut out = [self.key.to_be_bytes(), version.to_be_bytes()].concat();
        out.extend_from_slice(&correlation_id.to_be_bytes());
        out.extend_from_slice(b"\0\x04test");
        if flexible {
            out.push(0);
        }
        let mut encoder = Encoder { out, version, flexible };
        encoder.fields(&self.request, body);
        encoder.out
    }

    /// A response behind its length, to its last byte, and the records in it.
    pub fn decode(&self, version: i16, correlation_id: i32, frame: &[u8]) -> (Value, Vec<Vec<u8>>) {
        let flexible = version >= self.flexible;
        let mut decoder = Decoder { rest: frame, version, flexible, records: Vec::new() };
        assert_eq!(decoder.number(4), i64::from(correlation_id));
        if flexible && self.name != "ApiVersions" {
            assert_eq!(decoder.uvarint(), 0);
        }
        let body = decoder.fields(&self.response);
        assert!(decoder.rest.is_empty(), "{} bytes behind {body}", decoder.rest.len());
        (body, decoder.records)
    }
}

struct Encoder {
    out: Vec<u8>,
    version: i16,
    flexible: bool,
}

impl Encoder {
    fn fields(&mut self, fields: &[Field], value: &Value) {
        let present = |f: &&Field| f.versions.has(self.version);
        for name in value.as_object().unwrap().keys() {
            assert!(fields.iter().any(|field| field.name == *name), "{name}");
        }
        let present: Vec<&Field> = fields.iter().filter(present).collect();
        for field in present.iter().filter(|field| field.tag.is_none()) {
            let value = value.get(&field.name).cloned().unwrap_or_else(|| field.missing());
            self.field(field, &value);
        }
        if self.flexible {
            let tagged = present.iter().filter_map(|f| Some((f.tag?, *f, value.get(&f.name)?)));
            let tagged: Vec<_> = tagged.collect();
            self.uvarint(tagged.len() as u64);
            for (tag, field, value) in tagged {
                let (version, flexible) = (self.version, self.flexible);
                let mut inside = Self { out: Vec::new(), version, flexible };
                inside.field(field, value);
                self.uvarint(tag);
                self.uvarint(inside.out.len() as u64);
                self.out.extend_from_slice(&inside.out);
            }
        }
    }

    fn field(&mut self, field: &Field, value: &Value) {
        let width = |kind: &str| kind.trim_start_matches("int").parse::<usize>().ok();
        match field.kind.as_str() {
            "bool" => self.out.push(u8::from(value.as_bool().unwrap())),
            "string" => {
                let text = value.as_str();
                self.length(2, text.map(str::len));
                self.out.extend_from_slice(text.unwrap_or_default().as_bytes());
            }
            "records" => self.length(4, None),
            "uuid" => self.out.extend_from_slice(&unhex(value.as_str().unwrap())),
            kind if kind.starts_with("[]") => {
                let items = value.as_array();
                self.length(4, items.map(Vec::len));
                let kind = kind[2..].to_owned();
                for item in items.into_iter().flatten() {
                    match field.fields.is_empty() {
                        true => self.field(&Field { kind: kind.clone(), ..Field::default() }, item),
                        false => self.fields(&field.fields, item),
                    }
                }
            }
            kind if width(kind).is_some() => {
                let bytes = value.as_i64().unwrap().to_be_bytes();
                self.out.extend_from_slice(&bytes[8 - width(kind).unwrap() / 8..]);
            }
            _ if field.nullable.is_some() => {
                self.out.push(if value.is_null() { 0xff } else { 1 });
                if !value.is_null() {
                    self.fields(&field.fields, value);
                }
            }
            _ => self.fields(&field.fields, value),
        }
    }

    fn length(&mut self, width: usize, length: Option<usize>) {
        if self.flexible {
            return self.uvarint(length.map_or(0, |length| length as u64 + 1));
        }
        let length = length.map_or(-1, |length| length as i64).to_be_bytes();
        self.out.extend_from_slice(&length[8 - width..]);
    }

    fn uvarint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.out.push((value & 0x7f | 0x80) as u8);
            value >>= 7;
        }
        self.out.push(value as u8);
    }
}

impl Field {
    fn missing(&self) -> Value {
        let hex = |text: &str| i64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
        match (self.default.as_deref(), self.kind.as_str()) {
            (Some("null"), _) => Value::Null,
            (Some(text), "bool") => json!(text.eq_ignore_ascii_case("true")),
            (Some(text), _) => json!(text.parse().ok().or(hex(text)).unwrap()),
            (None, "string") => json!(""),
            (None, "bool") => json!(false),
            (None, "uuid") => json!("0".repeat(32)),
            (None, "records") => Value::Null,
            (None, kind) if kind.starts_with("[]") => json!([]),
            (None, kind) if kind.starts_with("int") => json!(0),
            (None, _) => json!({}),
        }
    }
}

struct Decoder<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    records: Vec<Vec<u8>>,
}

impl Decoder<'_> {
    fn fields(&mut self, fields: &[Field]) -> Value {
        let mut value = Map::new();
        let present: Vec<&Field> =
            fields.iter().filter(|field| field.versions.has(self.version)).collect();
        for field in present.iter().filter(|field| field.tag.is_none()) {
            value.insert(field.name.clone(), self.field(field));
        }
        let tags = if self.flexible { self.uvarint() } else { 0 };
        let mut last = None;
        for _ in 0..tags {
            let (tag, size) = (self.uvarint(), self.uvarint());
            assert!(last.replace(tag) < Some(tag), "tags out of order");
            let field = present.iter().find(|field| field.tag == Some(tag)).unwrap();
            let behind = self.rest.len() - usize::try_from(size).unwrap();
            value.insert(field.name.clone(), self.field(field));
            assert_eq!(self.rest.len(), behind, "the size of tag {tag}");
        }
        Value::Object(value)
    }

    fn field(&mut self, field: &Field) -> Value {
        let width = |kind: &str| kind.trim_start_matches("int").parse::<usize>().ok();
        let may_be_null = field.nullable.is_some_and(|versions| versions.has(self.version));
        let null = |value: Option<Value>| {
            assert!(value.is_some() || may_be_null, "{} is null", field.name);
            value.unwrap_or(Value::Null)
        };
        match field.kind.as_str() {
            "bool" => json!(self.number(1) != 0),
            "string" => {
                let text = self.length(2).map(|length| self.take(length).to_vec());
                null(text.map(|text| json!(String::from_utf8(text).unwrap())))
            }
            "records" => {
                let length = self.length(4).unwrap();
                let records = self.take(length).to_vec();
                if length > 0 {
                    self.records.push(records);
                }
                json!(length)
            }
            "uuid" => json!(hex(self.take(16))),
            kind if kind.starts_with("[]") => {
                let kind = kind[2..].to_owned();
                let each = Field { kind, ..Field::default() };
                let count = self.length(4);
                let items = count.map(|count| {
                    let item = |_| match field.fields.is_empty() {
                        true => self.field(&each),
                        false => self.fields(&field.fields),
                    };
                    (0..count).map(item).collect()
                });
                null(items.map(Value::Array))
            }
            kind if width(kind).is_some() => json!(self.number(width(kind).unwrap() / 8)),
            _ if field.nullable.is_some() && self.number(1) < 0 => Value::Null,
            _ => self.fields(&field.fields),
        }
    }

    fn length(&mut self, width: usize) -> Option<usize> {
        match self.flexible {
            true => usize::try_from(self.uvarint()).unwrap().checked_sub(1),
            false => match self.number(width) {
                -1 => None,
                length => Some(usize::try_from(length).unwrap()),
            },
        }
    }

    fn number(&mut self, width: usize) -> i64 {
        let bytes = self.take(width).to_vec();
        let first = if bytes[0] & 0x80 == 0 { 0 } else { -1 };
        bytes.iter().fold(first, |number, &byte| number << 8 | i64::from(byte))
    }

    fn uvarint(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.take(1)[0];
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    }

    fn take(&mut self, count: usize) -> &[u8] {
        let (bytes, rest) = self.rest.split_at(count);
        self.rest = rest;
        bytes
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}
