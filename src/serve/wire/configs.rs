//! DescribeConfigs: how topics and brokers are configured, which no disk says.
//!
//! ```text
//!   request    [ type | name | [ key ]? ] | synonyms? | documentation? 3+
//!   response   throttle time | [ error | message? | type | name | [ config: none ] ]
//! ```

use super::errors::ErrorCode;
use super::reader::{Counts, Reader, Result};
use super::writer::Writer;
use std::borrow::Cow;

/// Asks for configs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeConfigsRequest<'a> {
    /// Of what, repeated ones included.
    pub resources: Vec<DescribeConfigsResource<'a>>,
}

/// One thing that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DescribeConfigsResource<'a> {
    /// 2: a topic, 4: a broker.
    pub resource_type: i8,
    /// Its name.
    pub resource_name: &'a str,
}

/// Says configs: none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeConfigsResponse<'a> {
    /// Of what.
    pub results: Vec<DescribeConfigsResult<'a>>,
}

/// One thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeConfigsResult<'a> {
    /// Why it cannot be given.
    pub error_code: ErrorCode,
    /// The same in words.
    pub error_message: Option<Cow<'a, str>>,
    /// 2: a topic, 4: a broker.
    pub resource_type: i8,
    /// Its name.
    pub resource_name: Cow<'a, str>,
}

impl<'a> DescribeConfigsRequest<'a> {
    /// Reads the body.
    pub fn read(r: &mut Reader<'a>) -> Result<Self> {
        let resources = r.array(Counts::Topics, |r| {
            let (resource_type, resource_name) = (r.i8()?, r.string()?);
            r.skip_array(Counts::Other, |r| r.string().map(drop))?;
            r.skip_tags()?;
            Ok(DescribeConfigsResource { resource_type, resource_name })
        })?;
        r.bool()?;
        if r.since(3) {
            r.bool()?;
        }
        r.skip_tags()?;
        Ok(Self { resources })
    }
}

impl DescribeConfigsResponse<'_> {
    /// Writes the body.
    pub fn write(&self, w: &mut Writer) {
        w.throttle_time(0).array(&self.results, |w, result| {
            w.error(result.error_code).nullable_string(result.error_message.as_deref());
            w.i8(result.resource_type).string(&result.resource_name).empty_array().no_tags();
        });
        w.no_tags();
    }
}
