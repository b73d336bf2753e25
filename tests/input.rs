//! What `seg dump -r --format json` prints of real partitions is read back, field by field.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use common::{Random, seg, testdata};
use segkit::produce::input::{Input, InputRecord, JsonLines, STANDARD_LINE_BYTES};
use serde_json::Value;

/// Every record that the fixtures hold, as lines.
fn dumped() -> Vec<u8> {
    let run = seg(&testdata(), &["dump", "-r", "--format", "json", "."]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    run.stdout
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect()
}

/// The bytes that a value of JSON stands for.
fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Object(object) => Some(BASE64.decode(object["base64"].as_str().unwrap()).unwrap()),
        other => panic!("{other} stands for no bytes"),
    }
}

fn assert_same(record: &InputRecord<'_>, row: &Value) {
    assert_eq!(record.offset, row["offset"].as_i64(), "{row}");
    assert_eq!(record.timestamp, row["timestamp"].as_i64(), "{row}");
    assert_eq!(Some(i64::from(record.sequence)), row["sequence"].as_i64(), "{row}");
    assert_eq!(record.key.map(<[u8]>::to_vec), bytes(&row["key"]), "{row}");
    assert_eq!(record.value.map(<[u8]>::to_vec), bytes(&row["value"]), "{row}");
    let headers = row["headers"].as_array().unwrap();
    assert_eq!(record.headers.len(), headers.len(), "{row}");
    for (header, row) in record.headers.zip(headers) {
        assert_eq!(Some(header.key.to_vec()), bytes(&row["key"]), "{row}");
        assert_eq!(header.value.map(<[u8]>::to_vec), bytes(&row["value"]), "{row}");
    }
    let epoch = record.partition_leader_epoch.map(i64::from);
    assert_eq!(epoch, row["partitionLeaderEpoch"].as_i64(), "{row}");
    let producer = record.producer;
    assert_eq!(Some(producer.producer_id), row["producerId"].as_i64(), "{row}");
    assert_eq!(Some(i64::from(producer.producer_epoch)), row["producerEpoch"].as_i64(), "{row}");
    assert_eq!(Some(producer.is_transactional), row["isTransactional"].as_bool(), "{row}");
    assert_eq!(producer.is_control, row.get("control").is_some(), "{row}");
    assert_eq!(record.partition, None, "{row}");
}

#[test]
fn every_record_of_real_brokers_is_read_back() {
    let text = dumped();
    let mut input = JsonLines::new(&text[..], STANDARD_LINE_BYTES);
    let (mut records, mut controls, mut with_headers, mut encoded) = (0, 0, 0, 0);
    for line in lines(&text) {
        let row: Value = serde_json::from_slice(line).unwrap();
        assert_eq!(row["type"], "record");
        let record = input.next_record().unwrap().unwrap();
        assert_same(&record, &row);
        records += 1;
        assert_eq!(record.line, records);
        controls += usize::from(record.producer.is_control);
        with_headers += usize::from(!record.headers.is_empty());
        encoded += usize::from(row["value"].is_object());
    }
    assert!(input.next_record().unwrap().is_none());
    assert_eq!(input.findings(), 0);
    let counts = (records, controls, with_headers, encoded);
    assert!(records > 10_000 && controls > 10 && with_headers > 10 && encoded > 10, "{counts:?}");
}

/// Rows of batches say nothing that could be written.
#[test]
fn batches_are_not_taken_for_records() {
    let run = seg(&testdata(), &["dump", "--format", "json", "kafka-4.3.1/txn-0"]);
    assert!(!run.rows_of("batch").is_empty());
    let mut input = JsonLines::new(&run.stdout[..], STANDARD_LINE_BYTES);
    assert!(input.next_record().unwrap().is_none());
    // What another file is dumped as is refused.
    let run = seg(&testdata(), &["dump", "--format", "json", "kafka-4.3.1/meta.properties"]);
    let mut input = JsonLines::new(&run.stdout[..], STANDARD_LINE_BYTES);
    let error = input.next_record().unwrap_err().to_string();
    assert!(error.starts_with("line 1: a row of type '"), "{error}");
}

/// Values that are shown in another way than they are would be written wrong.
#[test]
fn values_that_are_not_as_they_were_are_refused() {
    for (style, is_refused) in
        [("auto", false), ("base64", true), ("hex", true), ("none", true), ("i32", false)]
    {
        let arguments =
            ["dump", "-r", "--format", "json", "kafka-4.3.1/txn-0", "--value-as", style];
        let run = seg(&testdata(), &arguments);
        let mut input = JsonLines::new(&run.stdout[..], STANDARD_LINE_BYTES);
        match input.next_record() {
            Ok(record) => assert!(record.is_some() && !is_refused, "{style}"),
            Err(error) => {
                let error = error.to_string();
                assert!(is_refused, "{style}: {error}");
                assert!(error.starts_with("line 1: valueSize is "), "{style}: {error}");
            }
        }
    }
}

/// One line is changed: the one before it is read, and it is read as others read it, or refused
/// with its number.
#[test]
fn changed_lines_are_refused_by_their_number_or_read_as_others_read_them() {
    let text = dumped();
    let all = lines(&text);
    let mut random = Random::new(7);
    let (mut read, mut refused) = (0, 0);
    for line in all.iter().step_by(7) {
        let mut changed = line.to_vec();
        for _ in 0..=random.below(3) {
            if changed.is_empty() {
                break;
            }
            let at = random.below(changed.len());
            let with = b"\"\\{}[],:0-9eEn\x00\xff ux"[random.below(19)];
            match random.below(4) {
                0 => drop(changed.remove(at)),
                1 => changed.insert(at, with),
                2 => changed.truncate(at.max(1)),
                _ => changed[at] = with,
            }
        }
        let text = [line, &b"\n"[..], &changed, b"\n", line].concat();
        let mut input = JsonLines::new(&text[..], STANDARD_LINE_BYTES);
        assert_same(&input.next_record().unwrap().unwrap(), &serde_json::from_slice(line).unwrap());
        match input.next_record() {
            Ok(Some(record)) if record.line == 2 => {
                read += 1;
                // What nobody asks for is not read as strictly as others read it.
                let Ok(row) = serde_json::from_slice::<Value>(&changed) else { continue };
                assert_eq!(record.offset, row["offset"].as_i64(), "{row}");
                assert_eq!(record.timestamp, row["timestamp"].as_i64(), "{row}");
                if row["control"].is_null() {
                    assert_eq!(record.key.map(<[u8]>::to_vec), bytes(&row["key"]), "{row}");
                    assert_eq!(record.value.map(<[u8]>::to_vec), bytes(&row["value"]), "{row}");
                }
            }
            Ok(other) => assert!(other.is_some_and(|record| record.line == 3), "no end here"),
            Err(error) => {
                refused += 1;
                assert!(error.to_string().starts_with("line 2: "), "{error}");
                assert!(input.next_record().unwrap().is_none());
            }
        }
    }
    assert!(read > 100 && refused > 1000, "{read} read, {refused} refused");
}
