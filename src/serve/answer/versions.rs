//! ApiVersions: the table of what is served, unless the client is not to be trusted with its own
//! name, or looks for another server.

use super::Response;
use crate::serve::catalog::Catalog;
use crate::serve::wire::errors::ErrorCode;
use crate::serve::wire::versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse};
use crate::serve::wire::writer::Writer;
use crate::serve::wire::{Api, Versions};

/// The first version in which a client says what it is.
const SOFTWARE_FROM: i16 = 3;

/// The table.
pub fn versions(
    catalog: &Catalog,
    version: i16,
    request: &ApiVersionsRequest<'_>,
) -> ApiVersionsResponse {
    let refuse = |error_code| ApiVersionsResponse { error_code, api_keys: Vec::new() };
    let (name, release) = (request.client_software_name, request.client_software_version);
    if version >= SOFTWARE_FROM && !(is_software(name) && is_software(release)) {
        return refuse(ErrorCode::INVALID_REQUEST);
    }
    if version >= SOFTWARE_FROM {
        tracing::debug!(software = name, release, "a client says what it is");
    }
    let (has_cluster, has_node) = (request.cluster_id.is_some(), request.node_id != -1);
    if has_cluster != has_node {
        return refuse(ErrorCode::INVALID_REQUEST);
    }
    let is_ours = |id| id == catalog.cluster_id && request.node_id == catalog.node_id;
    if request.cluster_id.is_some_and(|id| !is_ours(id)) {
        return refuse(ErrorCode::REBOOTSTRAP_REQUIRED);
    }
    ApiVersionsResponse { error_code: ErrorCode::NONE, api_keys: ApiVersion::supported() }
}

/// The answer in version 0 to whoever asks in one that is not ours: which of this API are.
pub fn of_unknown_version() -> ApiVersionsResponse {
    let row = Versions::of(Api::ApiVersions).map(|versions| ApiVersion {
        api_key: versions.api.key(),
        min_version: versions.min,
        max_version: versions.max,
    });
    ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        api_keys: row.into_iter().collect(),
    }
}

/// Letters and digits, and between them also `-` and `.`.
fn is_software(name: &str) -> bool {
    let bytes = name.as_bytes();
    let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let is_inside = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.".contains(byte);
    is_edge(bytes.first()) && is_edge(bytes.last()) && bytes.iter().all(is_inside)
}

impl Response for ApiVersionsResponse {
    fn write(&self, w: &mut Writer) {
        self.write(w);
    }

    fn errors(&self, each: &mut dyn FnMut(ErrorCode)) {
        each(self.error_code);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_software() {
        for name in ["a", "7", "librdkafka", "apache-kafka-java", "4.4.0", "a--.b"] {
            assert!(is_software(name), "{name}");
        }
        for name in ["", "-", "a-", ".a", "a b", "a_b", "a\n", "\u{e9}", "a\u{e9}b"] {
            assert!(!is_software(name), "{name:?}");
        }
    }
}
