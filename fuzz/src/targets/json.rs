//! Records as lines of JSON or as plain lines: however the bytes come in, they say the same, and
//! they say what a reader of JSON finds.

use super::memory::{SMALL, within};
use super::picks::Picks;
use segkit::produce::input::{Input, InputRecord, JsonLines, Lines};
use std::io::{self, Read};

const LINE_BYTES: usize = 20_000;
/// A block is read at a time, and there are two while the buffer grows.
const BLOCKS: usize = 4 << 20;

/// Gives a few bytes at a time.
struct Drops<'a>(&'a [u8], usize);

impl Read for Drops<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(buffer.len()).min(self.0.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

/// What was read of a record, as text to compare.
type Told = (u64, Option<Vec<u8>>, Option<Vec<u8>>, String);

/// The first byte says how the bytes come in, and whether they are JSON.
pub fn run(data: &[u8]) {
    let mut picks = Picks::new(data);
    let choice = picks.byte();
    let step = 1 + usize::from(choice & 63);
    let separator = (choice & 64 != 0).then(|| picks.take(2));
    let text = picks.rest();
    within(BLOCKS + SMALL + 200 * text.len(), || {
        if choice & 128 == 0 {
            let whole = tell(JsonLines::new(text, LINE_BYTES));
            assert_eq!(tell(JsonLines::new(Drops(text, step), LINE_BYTES)), whole);
            compare(text, &whole.0);
        } else {
            let whole = tell(Lines::new(text, LINE_BYTES, separator));
            assert_eq!(tell(Lines::new(Drops(text, step), LINE_BYTES, separator)), whole);
            plain(text, separator.unwrap_or_default(), &whole);
        }
    });
}

/// What comes before the error, and the error.
fn tell(mut input: impl Input) -> (Vec<Told>, Option<String>) {
    let mut all = Vec::new();
    loop {
        match input.next_record() {
            Ok(Some(record)) => all.push(told(&record)),
            Ok(None) => return (all, None),
            Err(why) => {
                assert!(input.next_record().is_ok_and(|next| next.is_none()), "it goes on");
                return (all, Some(why.to_string()));
            }
        }
    }
}

fn told(record: &InputRecord<'_>) -> Told {
    let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    let headers: Vec<_> = record.headers.collect();
    assert_eq!(headers.len(), record.headers.len());
    let InputRecord { offset, timestamp, partition, sequence, producer, .. } = record;
    let rest =
        format!("{offset:?} {timestamp:?} {partition:?} {sequence} {producer:?} {headers:?}");
    (record.line, owned(record.key), owned(record.value), rest)
}

/// Where a line that gave a record is JSON, its plain strings are the record's.
fn compare(text: &[u8], told: &[Told]) {
    let lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    for (line, key, value, _) in told {
        let line = lines[*line as usize - 1];
        // In what nobody asks for only brackets are looked at.
        let Ok(json) = serde_json::from_slice::<serde_json::Value>(line) else { continue };
        if json.get("control").is_some() {
            continue;
        }
        for (name, found) in [("key", key), ("value", value)] {
            match json.get(name) {
                Some(serde_json::Value::String(text)) => {
                    assert_eq!(found.as_deref(), Some(text.as_bytes()), "{name}");
                }
                Some(serde_json::Value::Null) | None => assert_eq!(found, &None, "{name}"),
                Some(_) => assert!(found.is_some(), "{name}"),
            }
        }
    }
}

/// One value a line, the key in front of the first separator.
fn plain(text: &[u8], separator: &[u8], told: &(Vec<Told>, Option<String>)) {
    let text = text.strip_suffix(b"\n").map_or((text, text.is_empty()), |text| (text, false));
    let mut lines = text.0.split(|&byte| byte == b'\n');
    let mut expected = Vec::new();
    while !text.1
        && let Some(line) = lines.next()
    {
        if line.len() > LINE_BYTES {
            break;
        }
        let end = line.strip_suffix(b"\r").unwrap_or(line);
        if separator.is_empty() {
            expected.push((None, Some(end.to_vec())));
            continue;
        }
        let at = (0..line.len()).find(|&at| line[at..].starts_with(separator));
        let Some(at) = at else { break };
        let value = end.get(at + separator.len()..).unwrap_or_default();
        expected.push((Some(line[..at].to_vec()), Some(value.to_vec())));
    }
    let found = told.0.iter().map(|(_, key, value, _)| (key.clone(), value.clone()));
    assert_eq!(found.collect::<Vec<_>>(), expected);
}
