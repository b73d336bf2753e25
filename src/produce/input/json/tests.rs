//! Lines of JSON, one thing at a time; real ones are read in `tests/input.rs`.

use super::*;
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// A record that owns what it has.
#[derive(Clone, Debug, PartialEq)]
struct Read {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    numbers: [Option<i64>; 4],
    sequence: i32,
    producer: ProducerFields,
}

fn owned(record: &InputRecord<'_>) -> Read {
    let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    let headers = record.headers;
    assert_eq!(headers.len(), headers.count());
    Read {
        key: owned(record.key),
        value: owned(record.value),
        headers: headers.map(|header| (header.key.to_vec(), owned(header.value))).collect(),
        numbers: [
            record.offset,
            record.timestamp,
            record.partition.map(i64::from),
            record.partition_leader_epoch.map(i64::from),
        ],
        sequence: record.sequence,
        producer: record.producer,
    }
}

fn read(text: &str) -> (Vec<Read>, Option<String>) {
    let mut lines = JsonLines::new(text.as_bytes(), 1000);
    let mut records = Vec::new();
    loop {
        match lines.next_record() {
            Ok(Some(record)) => records.push(owned(&record)),
            Ok(None) => return (records, None),
            Err(error) => {
                assert!(matches!(lines.next_record(), Ok(None)), "goes on after an error");
                return (records, Some(error.to_string()));
            }
        }
    }
}

fn one(line: &str) -> Read {
    let (mut records, error) = read(line);
    assert_eq!((records.len(), &error), (1, &None), "{line}");
    records.remove(0)
}

fn refused(line: &str) -> String {
    let error = read(&format!("{{\"value\":\"good\"}}\n{line}\n{{\"value\":\"never\"}}"));
    assert_eq!(error.0.len(), 1, "{line}");
    error.1.unwrap().strip_prefix("line 2: ").unwrap().to_owned()
}

#[test]
fn every_field_is_read() {
    let line = r#" {"offset" : 5,"type":"record", "timestamp":-1,"partition":3,"sequence":8,
        "keySize":1,"valueSize":2,"partitionLeaderEpoch":9,"producerId":10,"producerEpoch":11,
        "isTransactional":true,"unknown":[{"key":"no"}],"key":"\u006b",
        "v\u0061lue":{"base64":"/wA="},
        "headers":[{"key":"h","value":null},{"value":{"hex":"00fF"},"x":1,"key":"ö"} ]} "#;
    let bytes = |bytes: &[u8]| bytes.to_vec();
    let producer = ProducerFields {
        producer_id: 10,
        producer_epoch: 11,
        is_transactional: true,
        is_control: false,
    };
    let expected = Read {
        key: Some(bytes(b"k")),
        value: Some(bytes(b"\xff\x00")),
        headers: vec![(bytes(b"h"), None), ("ö".into(), Some(bytes(b"\x00\xff")))],
        numbers: [Some(5), Some(-1), Some(3), Some(9)],
        sequence: 8,
        producer,
    };
    assert_eq!(one(&line.replace('\n', " ")), expected);
}

#[test]
fn what_is_missing_is_not_known() {
    let expected = Read {
        key: None,
        value: Some(b"v".to_vec()),
        headers: Vec::new(),
        numbers: [None; 4],
        sequence: -1,
        producer: ProducerFields::NONE,
    };
    assert_eq!(one(r#"{"value":"v"}"#), expected);
    let nulls = r#"{"value":"v","key":null,"headers":null,"offset":null,"timestamp":null,
        "sequence":null,"producerId":null,"isTransactional":null,"control":null,"valueSize":null}"#;
    assert_eq!(one(&nulls.replace('\n', "")), expected);
    assert_eq!(one(r#"{"value":null}"#).value, None);
    // Headers of one line are not those of the next.
    let (records, _) = read("{\"value\":\"a\",\"headers\":[{\"key\":\"h\"}]}\n{\"value\":\"b\"}");
    assert_eq!((records[0].headers.len(), records[1].headers.len()), (1, 0));
}

#[test]
fn rows_that_are_no_records() {
    let text = "\n{\"type\":\"batch\",\"offset\":1}\n{\"type\":\"finding\",\"code\":\"x\"}\n \r\n\
                {\"type\":\"summary\"}\r\n{\"type\":\"record\",\"key\":\"k\",\"value\":null}";
    let mut lines = JsonLines::new(text.as_bytes(), 1000);
    let record = lines.next_record().unwrap().unwrap();
    assert_eq!((record.line, record.key), (6, Some(&b"k"[..])));
    assert!(lines.next_record().unwrap().is_none());
    assert_eq!((lines.findings(), lines.line()), (1, 6));
    assert_eq!(refused(r#"{"type":"hit","record":{}}"#), "a row of type 'hit' is no record");
}

/// Sentences for what is wrong. Each line has one thing wrong with it.
#[test]
fn what_could_be_misunderstood_is_refused() {
    for (line, sentence) in [
        ("7", "an object has to stand at byte 1 of the line, and there is '7'"),
        (
            r#"{"key":"k""#,
            "a comma or a closing brace has to stand at byte 11 of the line, and there is nothing \
             more",
        ),
        (
            r#"{"key":"k"#,
            "the string has to go on at byte 10 of the line, and there is nothing more",
        ),
        (
            r#"{"key":"k\"#,
            "the string has to go on at byte 11 of the line, and there is nothing more",
        ),
        (
            "{\"key\":\"\t\"}",
            "the string has to go on at byte 9 of the line, and there is the byte 0x09",
        ),
        (r#"{"key" "k"}"#, "a colon has to stand at byte 8 of the line, and there is '\"'"),
        (
            r#"{key:"k"}"#,
            "the name of a field has to stand at byte 2 of the line, and there is 'k'",
        ),
        (
            r#"{"key":"k",}"#,
            "the name of a field has to stand at byte 12 of the line, and there is '}'",
        ),
        (r#"{"key":"k"} x"#, "the line has to end at byte 13 of the line, and there is 'x'"),
        (r#"{"key":"k","x":}"#, "a value has to stand at byte 16 of the line, and there is '}'"),
        (r#"{"key":"k","key":"k"}"#, "key is there twice"),
        (
            r#"{"key":"k","isTransactional":1}"#,
            "true or false has to stand at byte 30 of the line, and there is '1'",
        ),
        (r#"{"key":"k","offset":-1}"#, "offset is out of its range"),
        (r#"{"key":"k","offset":1.5}"#, "offset is no whole number"),
        (r#"{"key":"k","offset":"1"}"#, "offset is no whole number"),
        (r#"{"key":"k","timestamp":9223372036854775808}"#, "timestamp does not fit 64 bits"),
        (r#"{"key":"k","producerEpoch":32768}"#, "producerEpoch is out of its range"),
        (r#"{"key":"k","sequence":-2}"#, "sequence is out of its range"),
        (r#"{"key":"k","partition":-1}"#, "partition is out of its range"),
        (r#"{"key":7}"#, "key is neither text, null, {\"base64\": …} nor {\"hex\": …}"),
        (
            r#"{"key":"k","value":{"a":1}}"#,
            "value is neither text, null, {\"base64\": …} nor {\"hex\": …}",
        ),
        (
            r#"{"value":{"hex":"0","x":1}}"#,
            "value is neither text, null, {\"base64\": …} nor {\"hex\": …}",
        ),
        (r#"{"value":{"hex":"0"}}"#, "value has hex that is not pairs of hexadecimal digits"),
        (r#"{"value":{"base64":"_w=="}}"#, "value has base64 that is broken"),
        (r#"{"value":"\ud800"}"#, "value has an escape that stands for nothing"),
        (r#"{"value":"\x"}"#, "value has an escape that stands for nothing"),
        (r#"{"key":"k","headers":[{"value":"v"}]}"#, "a header has no key"),
        (r#"{"key":"k","headers":[{"key":null}]}"#, "a header has no key"),
        (r#"{"key":"k","headers":[{"key":"h","key":"h"}]}"#, "a header's key is there twice"),
        (
            r#"{"key":"k","headers":{"h":"v"}}"#,
            "a list of headers has to stand at byte 22 of the line, and there is '{'",
        ),
        (
            r#"{"offset":1}"#,
            "neither key nor value: lines that are values themselves are read with --lines",
        ),
        (
            r#"{"value":"6162","valueSize":2}"#,
            "valueSize is 2, but value has 4: shown in another way than the bytes it is? If it was \
             changed on purpose, leave out valueSize",
        ),
        (
            r#"{"key":"k","value":null,"valueSize":2}"#,
            "valueSize is 2, but value has -1: shown in another way than the bytes it is? If it \
             was changed on purpose, leave out valueSize",
        ),
        (r#"{"key":"k"}"#, "value is not there; where there is none, say \"value\":null"),
        (r#"{"control":{"coordinatorEpoch":0}}"#, "control has no type"),
        (r#"{"control":{"type":"LEADER_CHANGE"}}"#, "control has no key and value with it"),
        (r#"{"control":{"type":"COMMIT"},"key":"k"}"#, "control has one of key and value only"),
    ] {
        assert_eq!(refused(line), sentence, "{line}");
    }
    let bytes = b"{\"key\":\"\xff\"}";
    let mut lines = JsonLines::new(&bytes[..], 100);
    let sentence = "line 1: not UTF-8 at byte 9 of the line; bytes that are no text go into \
                    {\"base64\": …}";
    assert_eq!(lines.next_record().unwrap_err().to_string(), sentence);
    let mut lines = JsonLines::new(&b"{\"key\":\"long\"}"[..], 13);
    let sentence = "line 1: longer than the limit of 13 bytes for a line";
    assert_eq!(lines.next_record().unwrap_err().to_string(), sentence);
}

/// The end of a transaction, without its bytes and with them.
#[test]
fn control_records() {
    let made = one(r#"{"producerId":4,"control":{"type":"COMMIT","coordinatorEpoch":258}}"#);
    assert_eq!(made.key.unwrap(), [0, 0, 0, 1]);
    assert_eq!(made.value.unwrap(), [0, 0, 0, 0, 1, 2]);
    assert!(made.producer.is_control);
    assert_eq!(one(r#"{"control":{"type":"ABORT"}}"#).key.unwrap(), [0; 4]);
    let with = |kind: &str, epoch: i32| {
        format!(
            concat!(
                r#"{{"key":{{"hex":"00000001"}},"value":{{"hex":"000000000102"}},"#,
                r#""control":{{"type":"{kind}","coordinatorEpoch":{epoch}}}}}"#
            ),
            kind = kind,
            epoch = epoch
        )
    };
    assert_eq!(one(&with("COMMIT", 258)).value.unwrap(), [0, 0, 0, 0, 1, 2]);
    let sentence = "control says something else than the bytes of key and value; leave out those";
    assert_eq!(refused(&with("ABORT", 258)), sentence);
    assert_eq!(refused(&with("COMMIT", 2)), sentence);
    // What the controllers write has meaning in its bytes alone.
    let other = one(r#"{"control":{"type":"LEADER_CHANGE","data":{}},"key":"k","value":"v"}"#);
    assert!(other.producer.is_control && other.key.is_some());
}

fn line(value: &str, key: &str) -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    format!(
        concat!(
            r#"{{"type":"record","file":"a/b.log","position":0,"offset":7,"#,
            r#""timestamp":1700000000000,"sequence":-1,"keySize":{},"valueSize":{},"key":{},"#,
            r#""value":{},"headers":[{{"key":"h","value":{}}}],"partitionLeaderEpoch":0,"#,
            r#""producerId":-1,"producerEpoch":-1,"isTransactional":false}}"#
        ),
        key.len(),
        value.len(),
        quoted(key),
        quoted(value),
        quoted(value),
    )
}

proptest! {
    #[test]
    fn any_text_is_read_back(key in any::<String>(), value in any::<String>()) {
        let read = one(&line(&value, &key));
        prop_assert_eq!(&read.headers[0].1, &Some(value.clone().into_bytes()));
        prop_assert_eq!((read.key, read.value), (Some(key.into()), Some(value.into())));
    }

    /// Any line is read or refused, and where a parser of JSON reads it too, both read the same.
    #[test]
    fn changed_lines_are_read_as_others_read_them(
        changes in proptest::collection::vec(
            (any::<prop::sample::Index>(), "[\\x00-\\x7f]", 0..4), 0..4,
        ),
    ) {
        let mut text = line("say \"hi\"\n", "k\\u0041").into_bytes();
        for (at, with, how) in changes {
            if text.is_empty() {
                continue;
            }
            let at = at.index(text.len());
            match how {
                0 => drop(text.remove(at)),
                1 => text.insert(at, with.as_bytes()[0]),
                2 => text[at] = with.as_bytes()[0],
                _ => text.truncate(at.max(1)),
            }
        }
        text.retain(|byte| *byte != b'\n');
        let mut lines = JsonLines::new(&text[..], 10_000);
        let other = serde_json::from_slice::<Reference<'_>>(&text);
        match (lines.next_record(), other) {
            (Ok(Some(record)), Ok(other)) => {
                prop_assert_eq!(record.offset, other.offset);
                prop_assert_eq!(record.key, other.key.as_deref().map(str::as_bytes));
                prop_assert_eq!(record.value, other.value.as_deref().map(str::as_bytes));
            }
            (Err(error), _) => prop_assert!(error.to_string().starts_with("line 1: ")),
            _ => {}
        }
    }
}

/// What a reader with serde would have.
#[derive(Default)]
struct Reference<'a> {
    row_type: Option<Cow<'a, str>>,
    offset: Option<i64>,
    timestamp: Option<i64>,
    sequence: Option<i32>,
    key_size: Option<i64>,
    value_size: Option<i64>,
    key: Option<Cow<'a, str>>,
    value: Option<Cow<'a, str>>,
    headers: Vec<ReferenceHeader<'a>>,
    partition_leader_epoch: Option<i32>,
    producer_id: Option<i64>,
    producer_epoch: Option<i16>,
    is_transactional: Option<bool>,
}

#[derive(Default)]
struct ReferenceHeader<'a> {
    key: Option<Cow<'a, str>>,
    value: Option<Cow<'a, str>>,
}

/// Text that is borrowed where it can be.
struct Borrowed<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Borrowed<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Borrowed<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> std::result::Result<Self::Value, E> {
                Ok(Borrowed(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> std::result::Result<Self::Value, E> {
                Ok(Borrowed(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// A struct whose fields are read by their names, as a derived reader does it.
macro_rules! reader {
    ($name:ident, $($json:literal => $field:ident: $as:ty),*) => {
        impl<'de: 'a, 'a> Deserialize<'de> for $name<'a> {
            fn deserialize<D: Deserializer<'de>>(
                deserializer: D,
            ) -> std::result::Result<Self, D::Error> {
                struct Fields<'a>(std::marker::PhantomData<&'a ()>);
                impl<'de: 'a, 'a> Visitor<'de> for Fields<'a> {
                    type Value = $name<'a>;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> std::result::Result<Self::Value, A::Error> {
                        let mut read = $name::default();
                        while let Some(name) = map.next_key::<Borrowed<'_>>()? {
                            match &*name.0 {
                                $($json => read.$field = map.next_value::<$as>()?.into_field(),)*
                                _ => drop(map.next_value::<IgnoredAny>()?),
                            }
                        }
                        Ok(read)
                    }
                }
                deserializer.deserialize_map(Fields(std::marker::PhantomData))
            }
        }
    };
}

trait IntoField<T> {
    fn into_field(self) -> T;
}

impl<T> IntoField<T> for T {
    fn into_field(self) -> T {
        self
    }
}

impl<'a> IntoField<Option<Cow<'a, str>>> for Option<Borrowed<'a>> {
    fn into_field(self) -> Option<Cow<'a, str>> {
        self.map(|text| text.0)
    }
}

reader!(
    Reference,
    "type" => row_type: Option<Borrowed<'a>>,
    "offset" => offset: Option<i64>,
    "timestamp" => timestamp: Option<i64>,
    "sequence" => sequence: Option<i32>,
    "keySize" => key_size: Option<i64>,
    "valueSize" => value_size: Option<i64>,
    "key" => key: Option<Borrowed<'a>>,
    "value" => value: Option<Borrowed<'a>>,
    "headers" => headers: Vec<ReferenceHeader<'a>>,
    "partitionLeaderEpoch" => partition_leader_epoch: Option<i32>,
    "producerId" => producer_id: Option<i64>,
    "producerEpoch" => producer_epoch: Option<i16>,
    "isTransactional" => is_transactional: Option<bool>
);

reader!(
    ReferenceHeader,
    "key" => key: Option<Borrowed<'a>>,
    "value" => value: Option<Borrowed<'a>>
);

/// Seconds that this thread was at work so far.
fn at_work() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Best of some rounds, in bytes a second.
fn rate(bytes: usize, mut work: impl FnMut() -> usize) -> f64 {
    let round = |_| {
        let start = at_work();
        std::hint::black_box(work());
        at_work() - start
    };
    bytes as f64 / (0..9).map(round).fold(f64::INFINITY, f64::min)
}

#[test]
#[ignore = "measures"]
fn speed_beside_serde_json() {
    let json = r#"{"id":100000000042,"time":1700000000000,"user":"user-0077","amount":481.07}"#;
    let shapes = [
        ("100 bytes of text", "lorem ipsum dolor ".repeat(6)),
        ("JSON of 75 bytes", json.to_owned()),
        ("1000 bytes of text", "lorem ipsum dolor sit ".repeat(45)),
        ("umlauts", "größe ".repeat(20)),
        ("fields in another order", "lorem ipsum dolor ".repeat(6)),
    ];
    for (name, value) in shapes {
        for has_headers in [false, true] {
            let mut line = line(&value, "user-0077");
            if !has_headers {
                let (start, end) = (line.find("[{").unwrap(), line.find("}]").unwrap());
                line.replace_range(start + 1..=end, "");
            }
            if name == "fields in another order" {
                line = line.replacen("{", "{\"x\":1,", 1);
            }
            let text = format!("{line}\n").repeat(20_000_000 / line.len());
            let ours = rate(text.len(), || {
                let mut lines = JsonLines::new(text.as_bytes(), STANDARD);
                let mut count = 0;
                while let Some(record) = lines.next_record().unwrap() {
                    count += record.value.unwrap().len() + record.headers.count();
                }
                count
            });
            // The lines are given: what it takes to find them is not counted against it.
            let lines: Vec<&[u8]> = text.lines().map(str::as_bytes).collect();
            let serde = rate(text.len(), || {
                let mut count = 0;
                for &line in &lines {
                    let read: Reference<'_> = serde_json::from_slice(line).unwrap();
                    count += read.value.as_ref().unwrap().len() + read.headers.len();
                    std::hint::black_box(&read);
                }
                count
            });
            let (ratio, ours, serde) = (ours / serde, ours / 1e6, serde / 1e6);
            println!(
                "{name}, headers {has_headers}: {ours:.0} MB/s, serde_json {serde:.0}: {ratio:.2}"
            );
        }
    }
}

const STANDARD: usize = super::super::STANDARD_LINE_BYTES;
