//! DescribeAcls: who may do what. Nobody keeps such rules here, which is an error of its own.
//!
//! ```text
//!   request    resource type | name? | pattern type | principal? | host? | operation | permission
//!   response   throttle time | error | message? | [ resource: none ]
//! ```

use super::errors::ErrorCode;
use super::reader::{Reader, Result};
use super::writer::Writer;

/// Asks for rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescribeAclsRequest;

/// Lists none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescribeAclsResponse<'a> {
    /// Why it cannot.
    pub error_code: ErrorCode,
    /// The same in words.
    pub error_message: Option<&'a str>,
}

impl DescribeAclsRequest {
    /// Reads the body.
    pub fn read(r: &mut Reader<'_>) -> Result<Self> {
        r.i8()?;
        r.nullable_string()?;
        r.i8()?;
        r.nullable_string()?;
        r.nullable_string()?;
        r.i8()?;
        r.i8()?;
        r.skip_tags()?;
        Ok(Self)
    }
}

impl DescribeAclsResponse<'_> {
    /// Writes the body.
    pub fn write(&self, w: &mut Writer) {
        w.throttle_time(0).error(self.error_code).nullable_string(self.error_message);
        w.empty_array().no_tags();
    }
}
