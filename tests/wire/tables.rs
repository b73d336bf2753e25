//! Which APIs, versions and error codes there are.

use crate::bodies::{all, path};
use segkit::serve::wire::errors::{ErrorCode, NAMED};
use segkit::serve::wire::versions::ApiVersion;
use segkit::serve::wire::{SUPPORTED, Versions};
use std::fs;

fn rows(name: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path(name)).unwrap();
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// What a broker tells its clients, of what is served.
#[test]
fn versions_are_those_of_a_broker() {
    let rows = rows("versions.tsv");
    for versions in SUPPORTED {
        let key = versions.api.key().to_string();
        let row = rows.iter().find(|row| row[0] == key).unwrap();
        let ours = [
            format!("{:?}", versions.api),
            versions.min.to_string(),
            versions.max.to_string(),
            versions.flexible_from.to_string(),
        ];
        assert_eq!(row[1..], ours);
        assert_eq!(Versions::of(versions.api), Some(versions));
    }
    assert!(SUPPORTED.is_sorted_by_key(|versions| versions.api.key()));
    assert_eq!(ApiVersion::supported().len(), SUPPORTED.len());
    let produce = ApiVersion { api_key: 0, min_version: 0, max_version: 13 };
    assert_eq!(ApiVersion::supported()[0], produce);
}

#[test]
fn versions_are_flexible_where_their_headers_are() {
    for body in all() {
        let is_flexible = Versions::of(body.api).unwrap().is_flexible(body.version);
        let is_versions = body.api.key() == 18;
        let expected = match body.is_request {
            true => 1 + i64::from(is_flexible),
            false => i64::from(is_flexible && !is_versions),
        };
        assert_eq!(body.header, expected, "{}", body.name());
    }
}

#[test]
fn error_codes_are_kafkas() {
    let rows = rows("errors.tsv");
    for (code, name) in NAMED {
        let row = rows.iter().find(|row| row[1] == *name).unwrap();
        assert_eq!(row[0], code.0.to_string(), "{name}");
        assert_eq!(code.to_string(), *name);
    }
    assert_eq!(ErrorCode(4711).to_string(), "error 4711");
    assert!(ErrorCode::UNKNOWN_SERVER_ERROR.is_error() && !ErrorCode::NONE.is_error());
}
