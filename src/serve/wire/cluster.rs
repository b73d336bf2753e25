//! DescribeCluster: who is in the cluster.
//!
//! ```text
//!   request    operations? | endpoint type 1+ | fenced brokers? 2+
//!   response   throttle time | error | message? | endpoint type 1+ | cluster id | controller
//!              | [ node | fenced: no 2+ ] | operations
//! ```

use super::common::Node;
use super::errors::ErrorCode;
use super::reader::{Reader, Result};
use super::writer::Writer;
use std::borrow::Cow;

/// Asks for the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescribeClusterRequest {
    /// 1: brokers, 2: controllers.
    pub endpoint_type: i8,
}

/// Names the nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeClusterResponse<'a> {
    /// Why there are none.
    pub error_code: ErrorCode,
    /// The same in words.
    pub error_message: Option<Cow<'a, str>>,
    /// 1: brokers, 2: controllers.
    pub endpoint_type: i8,
    /// The id of the cluster.
    pub cluster_id: Cow<'a, str>,
    /// Whom to ask for changes.
    pub controller_id: i32,
    /// The nodes.
    pub brokers: Vec<Node<'a>>,
}

impl DescribeClusterRequest {
    /// Reads the body.
    pub fn read(r: &mut Reader<'_>) -> Result<Self> {
        r.bool()?;
        let endpoint_type = if r.since(1) { r.i8()? } else { 1 };
        if r.since(2) {
            r.bool()?;
        }
        r.skip_tags()?;
        Ok(Self { endpoint_type })
    }
}

impl DescribeClusterResponse<'_> {
    /// Writes the body.
    pub fn write(&self, w: &mut Writer) {
        w.throttle_time(0).error(self.error_code).nullable_string(self.error_message.as_deref());
        if w.since(1) {
            w.i8(self.endpoint_type);
        }
        w.string(&self.cluster_id).i32(self.controller_id).array(&self.brokers, |w, broker| {
            w.node(broker).nullable_string(None);
            if w.since(2) {
                w.bool(false);
            }
            w.no_tags();
        });
        w.operations().no_tags();
    }
}
