//! The records of a control batch.
//!
//! ```text
//!   key     | i16 version 0 | i16 type |
//!
//!   type  0 ABORT             value  | i16 version 0 | i32 coordinator epoch |
//!         1 COMMIT                   the same
//!         2 LEADER_CHANGE            a flexible message that begins with its own i16 version
//!         3 SNAPSHOT_HEADER          "
//!         4 SNAPSHOT_FOOTER          "
//!         5 KRAFT_VERSION            "
//!         6 KRAFT_VOTERS             "
//! ```
//!
//! As in Kafka, versions above the known ones are read as the highest known one, and bytes behind
//! what is known are ignored.

use super::kafka_json::write_kafka_json;
use super::schema::{self, Field, Kind, Schema, Value};
use super::{Cursor, FormatErrorKind, Position, Result};

/// What a control record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlRecord<'a> {
    /// The producer's transaction ends here and did not happen.
    Abort {
        /// The epoch of the transaction coordinator that wrote the marker.
        coordinator_epoch: i32,
    },
    /// The producer's transaction ends here and holds.
    Commit {
        /// The epoch of the transaction coordinator that wrote the marker.
        coordinator_epoch: i32,
    },
    /// A leader of the metadata log and the voters that elected it.
    LeaderChange(Value<'a>),
    /// The first record of a metadata snapshot.
    SnapshotHeader(Value<'a>),
    /// The last record of a metadata snapshot.
    SnapshotFooter(Value<'a>),
    /// The version of the `KRaft` protocol.
    KRaftVersion(Value<'a>),
    /// The voters of the metadata log.
    KRaftVoters(Value<'a>),
    /// A type that consumers ignore.
    Unknown(i16),
}

static LEADER_CHANGE: Schema = Schema {
    last_version: 1,
    flexible_from: Some(0),
    fields: &[
        Field::new("version", Kind::Int16),
        Field::new("leaderId", Kind::Int32),
        Field::new("voters", Kind::Array(&Kind::Struct(&LEADER_CHANGE_VOTER))),
        Field::new("grantingVoters", Kind::Array(&Kind::Struct(&LEADER_CHANGE_VOTER))),
    ],
};

static LEADER_CHANGE_VOTER: Schema = Schema {
    last_version: 1,
    flexible_from: Some(0),
    fields: &[
        Field::new("voterId", Kind::Int32),
        Field::new("voterDirectoryId", Kind::Uuid).since(1),
    ],
};

static SNAPSHOT_HEADER: Schema = first_version(&[
    Field::new("version", Kind::Int16),
    Field::new("lastContainedLogTimestamp", Kind::Int64),
]);

static SNAPSHOT_FOOTER: Schema = first_version(&[Field::new("version", Kind::Int16)]);

static KRAFT_VERSION: Schema =
    first_version(&[Field::new("version", Kind::Int16), Field::new("kRaftVersion", Kind::Int16)]);

static KRAFT_VOTERS: Schema = first_version(&[
    Field::new("version", Kind::Int16),
    Field::new("voters", Kind::Array(&Kind::Struct(&VOTER))),
]);

static VOTER: Schema = first_version(&[
    Field::new("voterId", Kind::Int32),
    Field::new("voterDirectoryId", Kind::Uuid),
    Field::new("endpoints", Kind::Array(&Kind::Struct(&ENDPOINT))),
    Field::new("kRaftVersionFeature", Kind::Struct(&KRAFT_VERSION_FEATURE)),
]);

static ENDPOINT: Schema = first_version(&[
    Field::new("name", Kind::String),
    Field::new("host", Kind::String),
    Field::new("port", Kind::Uint16),
]);

static KRAFT_VERSION_FEATURE: Schema = first_version(&[
    Field::new("minSupportedVersion", Kind::Int16),
    Field::new("maxSupportedVersion", Kind::Int16),
]);

const fn first_version(fields: &'static [Field]) -> Schema {
    Schema { last_version: 0, flexible_from: Some(0), fields }
}

impl<'a> ControlRecord<'a> {
    /// Reads the key and the value of a control record in the batch at `position`, which every
    /// error names. The value of an unknown type is not looked at.
    pub fn parse(
        key: Option<&'a [u8]>,
        value: Option<&'a [u8]>,
        position: Position,
    ) -> Result<Self> {
        let mut key = Cursor::decompressed(key.unwrap_or_default(), position);
        let version = key.i16()?;
        let type_id = key.i16()?;
        check_version(&key, version)?;
        let value = Cursor::decompressed(value.unwrap_or_default(), position);
        let kraft = |schema| read_kraft(schema, value);
        Ok(match type_id {
            0 => Self::Abort { coordinator_epoch: read_coordinator_epoch(value)? },
            1 => Self::Commit { coordinator_epoch: read_coordinator_epoch(value)? },
            2 => Self::LeaderChange(kraft(&LEADER_CHANGE)?),
            3 => Self::SnapshotHeader(kraft(&SNAPSHOT_HEADER)?),
            4 => Self::SnapshotFooter(kraft(&SNAPSHOT_FOOTER)?),
            5 => Self::KRaftVersion(kraft(&KRAFT_VERSION)?),
            6 => Self::KRaftVoters(kraft(&KRAFT_VOTERS)?),
            unknown => Self::Unknown(unknown),
        })
    }

    /// Kafka's name of the type.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Abort { .. } => "ABORT",
            Self::Commit { .. } => "COMMIT",
            Self::LeaderChange(_) => "LEADER_CHANGE",
            Self::SnapshotHeader(_) => "SNAPSHOT_HEADER",
            Self::SnapshotFooter(_) => "SNAPSHOT_FOOTER",
            Self::KRaftVersion(_) => "KRAFT_VERSION",
            Self::KRaftVoters(_) => "KRAFT_VOTERS",
            Self::Unknown(_) => "UNKNOWN",
        }
    }

    /// The decoded value of a `KRaft` record.
    #[must_use]
    pub fn value(&self) -> Option<&Value<'a>> {
        match self {
            Self::LeaderChange(value)
            | Self::SnapshotHeader(value)
            | Self::SnapshotFooter(value)
            | Self::KRaftVersion(value)
            | Self::KRaftVoters(value) => Some(value),
            Self::Abort { .. } | Self::Commit { .. } | Self::Unknown(_) => None,
        }
    }

    /// Appends what `kafka-dump-log` prints behind the record's metadata, from the space on.
    pub fn kafka_text(&self, out: &mut Vec<u8>) {
        let name = self.name();
        let title = match self {
            Self::Abort { coordinator_epoch: epoch }
            | Self::Commit { coordinator_epoch: epoch } => {
                format!(" endTxnMarker: {name} coordinatorEpoch: {epoch}")
            }
            Self::LeaderChange(_) => " LeaderChange: ".to_owned(),
            Self::SnapshotHeader(_) => " SnapshotHeader ".to_owned(),
            Self::SnapshotFooter(_) => " SnapshotFooter ".to_owned(),
            Self::KRaftVersion(_) => " KRaftVersion ".to_owned(),
            Self::KRaftVoters(_) => " KRaftVoters ".to_owned(),
            Self::Unknown(type_id) => format!(" controlType: {name}({type_id})"),
        };
        out.extend_from_slice(title.as_bytes());
        if let Some(value) = self.value() {
            write_kafka_json(value, out);
        }
    }
}

fn read_coordinator_epoch(mut value: Cursor<'_>) -> Result<i32> {
    let version = value.i16()?;
    check_version(&value, version)?;
    value.i32()
}

fn check_version(cursor: &Cursor<'_>, version: i16) -> Result<()> {
    match version {
        ..0 => Err(cursor.error(FormatErrorKind::Version(i64::from(version)))),
        _ => Ok(()),
    }
}

fn read_kraft<'a>(schema: &'static Schema, mut value: Cursor<'a>) -> Result<Value<'a>> {
    let mut first = value;
    let version = first.i16()?.clamp(0, schema.last_version);
    Ok(schema::decode(schema, version, &mut value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = hex.as_bytes().chunks_exact(2);
        let pairs = digits.map(|pair| std::str::from_utf8(pair).unwrap());
        pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    }

    fn text(record: &ControlRecord<'_>) -> String {
        let mut out = Vec::new();
        record.kafka_text(&mut out);
        String::from_utf8(out).unwrap()
    }

    // Key, value, and what kafka-dump-log 4.3.1 prints for them; all but the third and the last
    // were written by a broker of that release.
    const VECTORS: [(&str, &str, &str); 8] = [
        ("00000001", "000000000000", " endTxnMarker: COMMIT coordinatorEpoch: 0"),
        ("00000000", "000000000000", " endTxnMarker: ABORT coordinatorEpoch: 0"),
        ("00010000", "0003fffffffe", " endTxnMarker: ABORT coordinatorEpoch: -2"),
        (
            "00000002",
            "00000000000102000000010002000000010000",
            " LeaderChange: {\"version\":0,\"leaderId\":1,\"voters\":[{\"voterId\":1}],\
             \"grantingVoters\":[{\"voterId\":1}]}",
        ),
        (
            "00000003",
            "0000000001a2043e1aa500",
            " SnapshotHeader {\"version\":0,\"lastContainedLogTimestamp\":1795367508645}",
        ),
        ("00000004", "000000", " SnapshotFooter {\"version\":0}"),
        ("00000005", "0000000100", " KRaftVersion {\"version\":0,\"kRaftVersion\":1}"),
        ("00000007", "7f", " controlType: UNKNOWN(7)"),
    ];

    const VOTERS: &str = "0000020000000107f112958ccd4139865e3d71a33b201f020b434f4e54524f4c4c4552\
                          0a3132372e302e302e31997d0000000001000000";

    #[test]
    fn records_print_as_kafka_prints_them() {
        for (key, value, expected) in VECTORS {
            let (key, value) = (bytes(key), bytes(value));
            let record = ControlRecord::parse(Some(&key), Some(&value), Position(0)).unwrap();
            assert_eq!(text(&record), expected);
        }
        let voters = bytes(VOTERS);
        let record = ControlRecord::parse(Some(&[0, 0, 0, 6]), Some(&voters), Position(0)).unwrap();
        let expected = r#" KRaftVoters {"version":0,"voters":[{"voterId":1,"voterDirectoryId":"#
            .to_owned()
            + r#""B_ESlYzNQTmGXj1xozsgHw","endpoints":[{"name":"CONTROLLER","host":"127.0.0.1","#
            + r#""port":39293}],"kRaftVersionFeature":{"minSupportedVersion":0,"#
            + r#""maxSupportedVersion":1}}]}"#;
        assert_eq!(text(&record), expected);
        assert_eq!(record.name(), "KRAFT_VOTERS");
    }

    #[test]
    fn a_version_of_the_record_itself_is_obeyed() {
        let mut value = vec![0, 1, 0, 0, 0, 9, 2, 0, 0, 0, 9];
        value.extend([0; 15]);
        value.extend([1, 0, 1, 0]);
        let record = ControlRecord::parse(Some(&[0, 0, 0, 2]), Some(&value), Position(0)).unwrap();
        let expected = " LeaderChange: {\"version\":1,\"leaderId\":9,\"voters\":[{\"voterId\":9,\
                        \"voterDirectoryId\":\"AAAAAAAAAAAAAAAAAAAAAQ\"}],\"grantingVoters\":[]}";
        assert_eq!(text(&record), expected);
    }

    #[test]
    fn damage_is_an_error_of_the_batch_and_never_a_panic() {
        let parse = |key: &[u8], value: &[u8]| {
            let result = ControlRecord::parse(Some(key), Some(value), Position(7));
            result.as_ref().map(text).map_err(|error| {
                assert_eq!(error.position, Position(7));
                *error
            })
        };
        let known = VECTORS.iter().filter(|(key, ..)| *key != "00000007");
        let voters = [("00000006", VOTERS)];
        for (key, value) in known.map(|&(key, value, _)| (key, value)).chain(voters) {
            let (key, value) = (bytes(key), bytes(value));
            for end in 0..key.len() {
                assert!(parse(&key[..end], &value).is_err());
            }
            for end in 0..value.len() {
                assert!(parse(&key, &value[..end]).is_err());
            }
            for bit in 0..value.len() * 8 {
                let mut flipped = value.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let _ = parse(&key, &flipped);
            }
        }
        let negative = Err(FormatErrorKind::Version(-1));
        assert_eq!(parse(&[0xff, 0xff, 0, 1], &[0; 6]).map_err(|error| error.kind), negative);
        assert_eq!(parse(&[0, 0, 0, 1], &[0xff; 6]).map_err(|error| error.kind), negative);
        assert!(ControlRecord::parse(None, None, Position(0)).is_err());
    }
}
