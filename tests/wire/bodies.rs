//! The bodies that Kafka's classes wrote (`testdata/protocol`), and frames around them.

use segkit::serve::wire::reader::{Reader, Result};
use segkit::serve::wire::{Api, Opened, RequestHeader, SUPPORTED, WireLimits, open};
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

pub const CORRELATION_ID: i32 = 0x0102_0304;

/// One body.
pub struct Body {
    pub api: Api,
    pub version: i16,
    pub kind: String,
    pub is_request: bool,
    /// The version of the header that belongs to it.
    pub header: i64,
    pub bytes: Vec<u8>,
    pub json: Value,
}

impl Body {
    pub fn name(&self) -> String {
        let side = if self.is_request { "request" } else { "response" };
        format!("{:?} {} {side}, {}", self.api, self.version, self.kind)
    }

    /// The body behind a header, without the length.
    pub fn frame(&self) -> Vec<u8> {
        let mut frame = header(self.api.key(), self.version, self.header == 2);
        frame.extend_from_slice(&self.bytes);
        frame
    }
}

/// A header that calls the client "c".
pub fn header(key: i16, version: i16, is_flexible: bool) -> Vec<u8> {
    let mut header = [key.to_be_bytes(), version.to_be_bytes()].concat();
    header.extend_from_slice(&CORRELATION_ID.to_be_bytes());
    header.extend_from_slice(&[0, 1, b'c']);
    if is_flexible {
        header.push(0);
    }
    header
}

pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/protocol").join(name)
}

/// All of them that are of a version that is served.
pub fn all() -> Vec<Body> {
    let mut text = String::new();
    let file = File::open(path("bodies.jsonl.gz")).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let bodies: Vec<Body> = text.lines().filter_map(body).collect();
    for versions in SUPPORTED {
        for version in versions.answered_from..=versions.max {
            let of_it = bodies.iter().filter(|b| b.api == versions.api && b.version == version);
            assert_eq!(of_it.count(), 6, "{:?} {version}", versions.api);
        }
    }
    bodies
}

pub fn requests() -> impl Iterator<Item = Body> {
    all().into_iter().filter(|body| body.is_request)
}

fn body(line: &str) -> Option<Body> {
    let mut row: Value = serde_json::from_str(line).unwrap();
    let key = row["key"].as_i64().unwrap();
    let versions = SUPPORTED.iter().find(|versions| i64::from(versions.api.key()) == key).unwrap();
    let version = i16::try_from(row["version"].as_i64().unwrap()).unwrap();
    if !versions.are_answered(version) {
        // The one version that is not stable yet.
        assert_eq!((versions.api, version), (Api::InitProducerId, 6));
        return None;
    }
    let hex = row["hex"].as_str().unwrap();
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    Some(Body {
        api: versions.api,
        version,
        kind: row["kind"].as_str().unwrap().to_owned(),
        is_request: row["name"].as_str().unwrap().ends_with("RequestData"),
        header: row["header"].as_i64().unwrap(),
        bytes: (0..hex.len()).step_by(2).map(byte).collect(),
        json: row["json"].take(),
    })
}

/// Opens a frame whose version is one that is served.
pub fn opened<'a>(
    frame: &'a [u8],
    limits: &'a WireLimits,
) -> Result<Option<(RequestHeader<'a>, Reader<'a>)>> {
    Ok(match open(frame, limits)? {
        Opened::Body(header, reader) => Some((header, reader)),
        Opened::UnknownApiVersions { .. } => None,
    })
}
