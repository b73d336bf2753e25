//! ApiVersions: which APIs there are, in which versions. The first thing a client asks.
//!
//! ```text
//!   request    software name 3+ | software version 3+ | cluster id? 5+ | node id 5+
//!   response   error | [ key | lowest | highest ] | throttle time 1+
//! ```
//!
//! Features of the cluster are tagged fields of the response; there are none.

use super::SUPPORTED;
use super::errors::ErrorCode;
use super::reader::{Reader, Result};
use super::writer::Writer;

/// Asks for the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiVersionsRequest<'a> {
    /// Which client it is; empty below version 3.
    pub client_software_name: &'a str,
    /// Of which release; empty below version 3.
    pub client_software_version: &'a str,
    /// The cluster that the client means to talk to.
    pub cluster_id: Option<&'a str>,
    /// The node that it means to talk to, or -1.
    pub node_id: i32,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiVersion {
    /// Which API.
    pub api_key: i16,
    /// The lowest version of it.
    pub min_version: i16,
    /// The highest.
    pub max_version: i16,
}

/// The table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiVersionsResponse {
    /// What is wrong with the request.
    pub error_code: ErrorCode,
    /// In the order of keys.
    pub api_keys: Vec<ApiVersion>,
}

impl<'a> ApiVersionsRequest<'a> {
    /// Reads the body.
    pub fn read(r: &mut Reader<'a>) -> Result<Self> {
        let (name, version) = if r.since(3) { (r.string()?, r.string()?) } else { ("", "") };
        let cluster_id = if r.since(5) { r.nullable_string()? } else { None };
        let node_id = if r.since(5) { r.i32()? } else { -1 };
        r.skip_tags()?;
        let (client_software_name, client_software_version) = (name, version);
        Ok(Self { client_software_name, client_software_version, cluster_id, node_id })
    }
}

impl ApiVersion {
    /// Everything that is served.
    #[must_use]
    pub fn supported() -> Vec<Self> {
        let row = |versions: &super::Versions| Self {
            api_key: versions.api.key(),
            min_version: versions.min,
            max_version: versions.max,
        };
        SUPPORTED.iter().map(row).collect()
    }
}

impl ApiVersionsResponse {
    /// Writes the body.
    pub fn write(&self, w: &mut Writer) {
        w.error(self.error_code).array(&self.api_keys, |w, row| {
            w.i16(row.api_key).i16(row.min_version).i16(row.max_version).no_tags();
        });
        w.throttle_time(1).no_tags();
    }
}
