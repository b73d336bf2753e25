//! DescribeConfigs: no disk says what was configured, and what is made up would be a lie. So what
//! exists has an empty list.

use super::Response;
use super::common::{in_words, why_no_topic};
use crate::serve::catalog::Catalog;
use crate::serve::wire::configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse, DescribeConfigsResult,
};
use crate::serve::wire::errors::ErrorCode;
use crate::serve::wire::writer::Writer;
use std::borrow::Cow;
use std::collections::HashSet;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Says which of the resources there are.
pub fn configs<'a>(
    catalog: &Catalog,
    request: &DescribeConfigsRequest<'a>,
) -> DescribeConfigsResponse<'a> {
    let mut seen = HashSet::new();
    let distinct = request.resources.iter().filter(|resource| seen.insert(**resource));
    let results = distinct.map(|resource| {
        let (error_code, error_message) = look_up(catalog, resource);
        DescribeConfigsResult {
            error_code,
            error_message,
            resource_type: resource.resource_type,
            resource_name: Cow::Borrowed(resource.resource_name),
        }
    });
    DescribeConfigsResponse { results: results.collect() }
}

fn look_up(
    catalog: &Catalog,
    resource: &DescribeConfigsResource<'_>,
) -> (ErrorCode, Option<Cow<'static, str>>) {
    let name = resource.resource_name;
    let invalid = |why| (ErrorCode::INVALID_REQUEST, Some(Cow::Borrowed(why)));
    match resource.resource_type {
        TOPIC if catalog.topic(name).is_some() => (ErrorCode::NONE, None),
        TOPIC => (why_no_topic(name), in_words(why_no_topic(name))),
        // Without a name it is the default of all brokers.
        BROKER if name.is_empty() || name.parse() == Ok(catalog.node_id) => (ErrorCode::NONE, None),
        BROKER => invalid("there is no such broker here"),
        _ => invalid("only topics and brokers have configs here, and no disk says them"),
    }
}

impl Response for DescribeConfigsResponse<'_> {
    fn write(&self, w: &mut Writer) {
        self.write(w);
    }

    fn errors(&self, each: &mut dyn FnMut(ErrorCode)) {
        self.results.iter().for_each(|result| each(result.error_code));
    }
}
