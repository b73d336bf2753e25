//! FindCoordinator: who looks after a group.
//!
//! ```text
//!   request    key -3 | key type 1+ | [ key ] 4+
//!   response   throttle time 1+ | error -3 | message? 1-3 | node -3 | [ coordinator ] 4+
//!   4+         key | node | error | message?
//! ```

use super::common::Node;
use super::errors::ErrorCode;
use super::reader::{Counts, Reader, Result};
use super::writer::Writer;
use std::borrow::Cow;

/// Asks for coordinators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindCoordinatorRequest<'a> {
    /// 0: groups, 1: transactions.
    pub key_type: i8,
    /// The names; exactly one below version 4.
    pub coordinator_keys: Vec<&'a str>,
}

/// Names coordinators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindCoordinatorResponse<'a> {
    /// One a key. Below version 4 the first of them is the answer.
    pub coordinators: Vec<Coordinator<'a>>,
}

/// Who looks after one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coordinator<'a> {
    /// The name.
    pub key: Cow<'a, str>,
    /// The node; -1, "" and -1 with an error.
    pub node: Node<'a>,
    /// Why there is none.
    pub error_code: ErrorCode,
    /// The same in words.
    pub error_message: Option<Cow<'a, str>>,
}

impl<'a> FindCoordinatorRequest<'a> {
    /// Reads the body.
    pub fn read(r: &mut Reader<'a>) -> Result<Self> {
        let key = if r.since(4) { None } else { Some(r.string()?) };
        let key_type = if r.since(1) { r.i8()? } else { 0 };
        let coordinator_keys = match key {
            Some(key) => vec![key],
            None => r.array(Counts::Other, Reader::string)?,
        };
        r.skip_tags()?;
        Ok(Self { key_type, coordinator_keys })
    }
}

impl FindCoordinatorResponse<'_> {
    /// Writes the body.
    pub fn write(&self, w: &mut Writer) {
        w.throttle_time(1);
        if w.since(4) {
            w.array(&self.coordinators, |w, coordinator| {
                w.string(&coordinator.key).node(&coordinator.node);
                w.error(coordinator.error_code);
                w.nullable_string(coordinator.error_message.as_deref()).no_tags();
            });
        } else if let Some(coordinator) = self.coordinators.first() {
            w.error(coordinator.error_code);
            if w.since(1) {
                w.nullable_string(coordinator.error_message.as_deref());
            }
            w.node(&coordinator.node);
        }
        w.no_tags();
    }
}
