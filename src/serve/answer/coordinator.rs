//! FindCoordinator: this node coordinates every group, and no transaction.

use super::Response;
use super::common::node;
use crate::serve::catalog::Catalog;
use crate::serve::wire::common::Node;
use crate::serve::wire::coordinator::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse,
};
use crate::serve::wire::errors::ErrorCode;
use crate::serve::wire::writer::Writer;
use std::borrow::Cow;
use std::collections::HashSet;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

/// Names the coordinator of each key.
pub fn coordinator<'a>(
    catalog: &'a Catalog,
    request: &FindCoordinatorRequest<'a>,
) -> FindCoordinatorResponse<'a> {
    let (error_code, why) = match request.key_type {
        GROUP => (ErrorCode::NONE, None),
        TRANSACTION => (
            // A producer gives up at this one. It would ask for ever at most others.
            ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            Some("seg serve only reads: it coordinates no transactions"),
        ),
        _ => (ErrorCode::INVALID_REQUEST, Some("seg serve coordinates groups only")),
    };
    let nowhere = Node { node_id: -1, host: Cow::Borrowed(""), port: -1 };
    let node = if error_code.is_none() { node(catalog) } else { nowhere };
    let mut seen = HashSet::new();
    let distinct = request.coordinator_keys.iter().filter(|key| seen.insert(**key));
    let coordinators = distinct.map(|&key| Coordinator {
        key: Cow::Borrowed(key),
        node: node.clone(),
        error_code,
        error_message: why.map(Cow::Borrowed),
    });
    FindCoordinatorResponse { coordinators: coordinators.collect() }
}

impl Response for FindCoordinatorResponse<'_> {
    fn write(&self, w: &mut Writer) {
        self.write(w);
    }

    fn errors(&self, each: &mut dyn FnMut(ErrorCode)) {
        self.coordinators.iter().for_each(|coordinator| each(coordinator.error_code));
    }
}
