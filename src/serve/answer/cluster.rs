//! DescribeCluster: one broker, and no controller to talk to.

use super::Response;
use super::common::node;
use crate::serve::catalog::Catalog;
use crate::serve::wire::cluster::{DescribeClusterRequest, DescribeClusterResponse};
use crate::serve::wire::errors::ErrorCode;
use crate::serve::wire::writer::Writer;
use std::borrow::Cow;

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// Names the one broker.
pub fn cluster<'a>(
    catalog: &'a Catalog,
    version: i16,
    request: &DescribeClusterRequest,
) -> DescribeClusterResponse<'a> {
    let (error_code, why) = match request.endpoint_type {
        BROKERS => {
            return DescribeClusterResponse {
                error_code: ErrorCode::NONE,
                error_message: None,
                endpoint_type: BROKERS,
                cluster_id: Cow::Borrowed(&catalog.cluster_id),
                controller_id: catalog.node_id,
                brokers: vec![node(catalog)],
            };
        }
        _ if version == 0 => (ErrorCode::INVALID_REQUEST, "there is no such endpoint type"),
        CONTROLLERS => (ErrorCode::MISMATCHED_ENDPOINT_TYPE, "this is a broker, no controller"),
        _ => (ErrorCode::UNSUPPORTED_ENDPOINT_TYPE, "there is no such endpoint type"),
    };
    DescribeClusterResponse {
        error_code,
        error_message: Some(Cow::Borrowed(why)),
        endpoint_type: BROKERS,
        cluster_id: Cow::Borrowed(""),
        controller_id: -1,
        brokers: Vec::new(),
    }
}

impl Response for DescribeClusterResponse<'_> {
    fn write(&self, w: &mut Writer) {
        self.write(w);
    }

    fn errors(&self, each: &mut dyn FnMut(ErrorCode)) {
        each(self.error_code);
    }
}
