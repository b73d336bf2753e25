//! `meta.properties`, and the syntax of Java properties that it is written in.
//!
//! ```text
//!   # or ! begins a comment             escapes: \t \n \r \f \uXXXX; any other \c is c
//!   key=value                           a line that ends in \ goes on in the next one,
//!   key : value                         without the white space at its front
//!   key value                           bytes are ISO-8859-1
//!
//!   version      0 (also when missing)   1              2
//!   cluster.id   may be missing          needed         may be missing
//!   broker.id    may be missing          -              -
//!   node.id      -                       needed         needed
//!   directory.id may be missing          may be missing needed
//! ```

use super::{Line, Lines, Uuid};
use crate::format::{FormatError, FormatErrorKind, Position, Result};

/// What Java skips at the front of a line and around a separator.
const WHITE: [u8; 3] = [b' ', b'\t', 0x0c];

/// One property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Where the line begins in the file.
    pub position: Position,
    /// The line, the first one of several, counted from 1.
    pub line: u32,
    /// The key without escapes.
    pub key: String,
    /// The value without escapes.
    pub value: String,
}

impl Property {
    fn error(&self, why: &'static str) -> FormatError {
        FormatError::new(self.position, FormatErrorKind::Line { line: self.line, why })
    }

    /// The value as a number, without trimming.
    fn id(&self, why: &'static str) -> Result<i32> {
        self.value.parse().map_err(|_| self.error(why))
    }
}

/// The properties of a whole file in the order of their lines. Where a key comes twice Java takes
/// the later one.
///
/// # Errors
/// When four hexadecimal digits do not follow a `\u`, the one thing that Java refuses.
pub fn properties(bytes: &[u8]) -> Result<Vec<Property>> {
    let mut found = Vec::new();
    let mut first: Option<Line<'_>> = None;
    let mut logical = Vec::new();
    for line in Lines::new(bytes) {
        let skipped = line.bytes.iter().take_while(|byte| WHITE.contains(byte)).count();
        let text = line.bytes.get(skipped..).unwrap_or_default();
        if logical.is_empty() {
            if matches!(text.first(), None | Some(b'#' | b'!')) {
                continue;
            }
            first = Some(line);
        }
        let backslashes = text.iter().rev().take_while(|&&byte| byte == b'\\').count();
        let goes_on = backslashes % 2 == 1;
        let counts = text.len() - usize::from(goes_on);
        logical.extend_from_slice(text.get(..counts).unwrap_or_default());
        if !goes_on {
            found.extend(first.take().map(|first| property(first, &logical)).transpose()?);
            logical.clear();
        }
    }
    if !logical.is_empty() {
        found.extend(first.map(|first| property(first, &logical)).transpose()?);
    }
    Ok(found)
}

/// `logical` is a line with its continuations, not empty.
fn property(first: Line<'_>, logical: &[u8]) -> Result<Property> {
    let mut escaped = false;
    let end = logical.iter().position(|&byte| {
        let ends = !escaped && (matches!(byte, b'=' | b':') || WHITE.contains(&byte));
        escaped = !escaped && byte == b'\\';
        ends
    });
    let (key, rest) = end.and_then(|end| logical.split_at_checked(end)).unwrap_or((logical, &[]));
    let value = match skip_white(rest) {
        [b'=' | b':', value @ ..] => skip_white(value),
        value => value,
    };
    let unescape = |text| {
        unescape(text).ok_or_else(|| first.error("four hexadecimal digits do not follow a \\u"))
    };
    Ok(Property {
        position: first.position,
        line: first.number,
        key: unescape(key)?,
        value: unescape(value)?,
    })
}

fn skip_white(mut text: &[u8]) -> &[u8] {
    while let [byte, rest @ ..] = text {
        if !WHITE.contains(byte) {
            break;
        }
        text = rest;
    }
    text
}

/// Escapes name UTF-16 units, of which two may make one character.
fn unescape(mut text: &[u8]) -> Option<String> {
    let mut units = Vec::new();
    loop {
        let (unit, rest) = match text {
            [] => return Some(String::from_utf16_lossy(&units)),
            [b'\\', b'u', rest @ ..] => {
                let (digits, rest) = rest.split_first_chunk::<4>()?;
                (hexadecimal(digits)?, rest)
            }
            [b'\\', b't', rest @ ..] => (u16::from(b'\t'), rest),
            [b'\\', b'n', rest @ ..] => (u16::from(b'\n'), rest),
            [b'\\', b'r', rest @ ..] => (u16::from(b'\r'), rest),
            [b'\\', b'f', rest @ ..] => (0x0c, rest),
            [b'\\', byte, rest @ ..] | [byte, rest @ ..] => (u16::from(*byte), rest),
        };
        units.push(unit);
        text = rest;
    }
}

fn hexadecimal(digits: &[u8; 4]) -> Option<u16> {
    digits.iter().try_fold(0, |sum, &byte| {
        let digit = char::from(byte).to_digit(16).and_then(|digit| u16::try_from(digit).ok())?;
        Some(sum << 4 | digit)
    })
}

/// What `meta.properties` says of a log dir.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// 0 (with `ZooKeeper`), 1 or 2.
    pub version: i32,
    /// The cluster id, in most clusters a UUID, but any text.
    pub cluster_id: Option<String>,
    /// `broker.id` in version 0, `node.id` in the others.
    pub node_id: Option<i32>,
    /// The id of this log dir.
    pub directory_id: Option<Uuid>,
}

impl MetaProperties {
    /// Reads a whole file. Keys it does not know are skipped.
    ///
    /// # Errors
    /// When a broker could not use the file: a version above 2, an id that is none, or one that the
    /// version needs and that is missing. And when no broker wrote it, though one would take it for
    /// version 0, which needs no ids: a line that says nothing, or no key that a broker knows.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let properties = properties(bytes)?;
        let get = |key: &str| properties.iter().rev().find(|property| property.key == key);
        let end = Position(bytes.len() as u64);
        let line = u32::try_from(Lines::new(bytes).count()).unwrap_or(u32::MAX);
        let missing = |why| FormatError::new(end, FormatErrorKind::Line { line, why });
        let is_known = |property: &&Property| KEYS.contains(&property.key.as_str());
        if let Some(odd) = properties.iter().find(|p| !is_known(p) && p.value.is_empty()) {
            return Err(odd.error("neither a key that is known nor a value"));
        }
        if !properties.iter().any(|property| is_known(&property)) {
            let why = "there is no version and no id above";
            let kind = FormatErrorKind::Line { line, why };
            return Err(FormatError::new(Position(0), kind));
        }
        let version = get("version").map_or(Ok(0), version)?;
        let node_id = match version {
            0 => get("broker.id").map(|id| id.id("broker.id is no number")).transpose()?,
            _ => {
                let id = get("node.id").ok_or_else(|| missing("node.id is missing above"))?;
                Some(id.id("node.id is no number")?)
            }
        };
        let cluster_id = get("cluster.id").map(|property| property.value.clone());
        if version == 1 && cluster_id.is_none() {
            return Err(missing("cluster.id is missing above"));
        }
        let directory_id = get("directory.id")
            .map(|p| Uuid::parse(&p.value).ok_or_else(|| p.error("directory.id is no UUID")))
            .transpose()?;
        if version == 2 && directory_id.is_none() {
            return Err(missing("directory.id is missing above"));
        }
        Ok(Self { version, cluster_id, node_id, directory_id })
    }
}

/// What a broker writes. Without one of them the file says nothing.
const KEYS: [&str; 5] = ["version", "broker.id", "node.id", "cluster.id", "directory.id"];

fn version(property: &Property) -> Result<i32> {
    let number = property.value.trim().parse::<i32>();
    match number.map_err(|_| property.error("the version is no number"))? {
        known @ 0..=2 => Ok(known),
        unknown => {
            let kind = FormatErrorKind::Version(i64::from(unknown));
            Err(FormatError::new(property.position, kind))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KRAFT: &str = "#\n#Sun Nov 22 10:00:00 UTC 2026\ncluster.id=4L6g3nShT-eMCtK--X86sw\n\
        directory.id=5Bz2VvOcRJmkzBrHrVZ2Yw\nnode.id=1\nversion=1\n";

    fn pairs(text: &str) -> Vec<(String, String)> {
        let found = properties(text.as_bytes()).unwrap();
        found.into_iter().map(|property| (property.key, property.value)).collect()
    }

    fn pair(key: &str, value: &str) -> Vec<(String, String)> {
        vec![(key.into(), value.into())]
    }

    fn failure(text: &str) -> FormatErrorKind {
        MetaProperties::parse(text.as_bytes()).unwrap_err().kind
    }

    fn failed_line(text: &str) -> u32 {
        match failure(text) {
            FormatErrorKind::Line { line, .. } => line,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_syntax_line_by_line() {
        for text in
            ["a=b", "a = b", "a:b", "a b", "  a\t\x0c:  b\r", "a=b\n", "\n\n#x\n!y\n a=\\\n  b"]
        {
            assert_eq!(pairs(text), pair("a", "b"), "{text:?}");
        }
        assert_eq!(pairs("a"), pair("a", ""));
        assert_eq!(pairs("=b"), pair("", "b"));
        assert_eq!(pairs("a==b"), pair("a", "=b"));
        assert_eq!(pairs("a b=c "), pair("a", "b=c "));
        assert_eq!(pairs("a\\=\\:\\ \\#=b"), pair("a=: #", "b"));
        assert_eq!(pairs("a=\\t\\n\\r\\f\\z\\\\"), pair("a", "\t\n\r\x0cz\\"));
        assert_eq!(pairs("a=b\\\\\nc=d").len(), 2);
        assert_eq!(pairs("a=b\\\n#c"), pair("a", "b#c"));
        assert_eq!(pairs("#a\\\nb=c"), pair("b", "c"));
        assert_eq!(pairs("a=b\\\n\nc"), [pair("a", "b"), pair("c", "")].concat());
        assert_eq!(pairs("a=b\\"), pair("a", "b"));
        assert_eq!(pairs("\\\n#c\n\\"), []);
        assert_eq!(pairs("a\\\\ b"), pair("a\\", "b"));
    }

    #[test]
    fn characters_beyond_ascii() {
        assert_eq!(pairs("a=\\u00e9\\uD83D\\uDE00\\ud83d"), pair("a", "\u{e9}\u{1f600}\u{fffd}"));
        let found = properties(b"a=\xe9").unwrap();
        assert_eq!(found[0].value, "\u{e9}");
        for text in ["a=\\u", "a=\\u00e", "a=\\u00g0", "\\u+123=a", "x\na=\\u"] {
            let error = properties(text.as_bytes()).unwrap_err();
            assert_eq!(error.position.0, if text.starts_with("x\n") { 2 } else { 0 });
        }
    }

    #[test]
    fn versions_0_1_and_2() {
        let meta = MetaProperties::parse(KRAFT.as_bytes()).unwrap();
        assert_eq!(meta.version, 1);
        assert_eq!(meta.cluster_id.as_deref(), Some("4L6g3nShT-eMCtK--X86sw"));
        assert_eq!(meta.node_id, Some(1));
        assert_eq!(meta.directory_id, Uuid::parse("5Bz2VvOcRJmkzBrHrVZ2Yw"));

        let old = "#\nversion=0\nbroker.id=7\nnode.id=x\n";
        let meta = MetaProperties::parse(old.as_bytes()).unwrap();
        let expected =
            MetaProperties { version: 0, cluster_id: None, node_id: Some(7), directory_id: None };
        assert_eq!(meta, expected);
        let no_id = Ok(MetaProperties { node_id: None, ..expected });
        assert_eq!(MetaProperties::parse(b"version=0\n"), no_id);

        let v2 = KRAFT.replace("version=1", "version= 2 ").replace("cluster.id", "x");
        let meta = MetaProperties::parse(v2.as_bytes()).unwrap();
        assert_eq!((meta.version, meta.cluster_id), (2, None));
        assert_eq!(failed_line(&v2.replace("directory.id", "y")), 6);
    }

    #[test]
    fn what_a_broker_refuses() {
        assert_eq!(failure("version=3"), FormatErrorKind::Version(3));
        assert_eq!(failure("version=-1"), FormatErrorKind::Version(-1));
        assert_eq!(failed_line("\nversion="), 2);
        assert_eq!(failed_line("broker.id=1\nbroker.id= 1 "), 2);
        assert_eq!(failed_line(&KRAFT.replace("node.id=1", "node.id=one")), 5);
        assert_eq!(failed_line(&KRAFT.replace("node.id", "broker.id")), 6);
        assert_eq!(failed_line(&KRAFT.replace("cluster.id", "cluster")), 6);
        assert_eq!(failed_line(&KRAFT.replace("=5Bz", "=5B")), 4);
    }

    #[test]
    fn what_a_broker_would_take_and_none_wrote() {
        assert_eq!(failed_line("hello"), 1);
        assert_eq!(failed_line("version=0\nhello\nbroker.id=1\n"), 2);
        assert_eq!(failed_line("hello=world\nversions=1\n"), 2);
        for nothing in ["", "\n", "#version=1\n"] {
            assert!(MetaProperties::parse(nothing.as_bytes()).is_err(), "{nothing:?}");
        }
        assert_eq!(failed_line("\u{fffd}\x01\x02\n\x7f\x03"), 1);
        for sound in ["broker.id=1\n", "cluster.id=x\n", "broker.id=1\nsomething=else\n"] {
            assert!(MetaProperties::parse(sound.as_bytes()).is_ok(), "{sound:?}");
        }
    }

    #[test]
    fn no_truncation_and_no_flipped_bit_panics() {
        let text = format!("{KRAFT}x\\u00e9\\=: a\\\n  b\\n\n");
        for end in 0..=text.len() {
            let read = properties(&text.as_bytes()[..end]);
            assert!(read.map_or(0, |found| found.len()) <= 5);
        }
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let found = properties(&bytes).map_or(0, |found| found.len());
            assert!(found <= 7);
            let _ = MetaProperties::parse(&bytes);
        }
    }
}
