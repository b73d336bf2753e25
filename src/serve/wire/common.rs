//! What several APIs have in common: names of topics, nodes.
//!
//! ```text
//!   topic   | string name |  or in newer versions  | uuid id |
//!   node    | i32 id | string host | i32 port | string? rack | tags |
//! ```

use super::errors::ErrorCode;
use super::reader::{Reader, Result};
use super::writer::Writer;
use crate::format::checkpoint::Uuid;
use std::borrow::Cow;

/// Stands for "what you may do here was not asked for".
const OPERATIONS_UNKNOWN: i32 = i32::MIN;

/// How a request names a topic. An answer names it in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TopicKey<'a> {
    /// By its name.
    Name(&'a str),
    /// By its id.
    Id(Uuid),
}

/// Where a client finds a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node<'a> {
    /// The number of the broker.
    pub node_id: i32,
    /// A name or an address, as clients reach it.
    pub host: Cow<'a, str>,
    /// The port there.
    pub port: i32,
}

impl<'a> Reader<'a> {
    /// A topic's name, or its id from version `ids_from` on.
    pub fn topic(&mut self, ids_from: i16) -> Result<TopicKey<'a>> {
        if self.since(ids_from) {
            return Ok(TopicKey::Id(self.uuid()?));
        }
        Ok(TopicKey::Name(self.string()?))
    }
}

impl Writer {
    /// A topic in the way of the request.
    pub fn topic(&mut self, topic: &TopicKey<'_>) -> &mut Self {
        match topic {
            TopicKey::Name(name) => self.string(name),
            TopicKey::Id(id) => self.uuid(*id),
        }
    }

    /// An error code.
    pub fn error(&mut self, code: ErrorCode) -> &mut Self {
        self.i16(code.0)
    }

    /// A node up to its port.
    pub fn node(&mut self, node: &Node<'_>) -> &mut Self {
        self.i32(node.node_id).string(&node.host).i32(node.port)
    }

    /// What the client may do, which nobody knows.
    pub fn operations(&mut self) -> &mut Self {
        self.i32(OPERATIONS_UNKNOWN)
    }
}
