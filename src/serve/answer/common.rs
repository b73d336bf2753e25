//! What several answers have in common: looking up what a client names, and saying where the one
//! node is.
//!
//! ```text
//!   topic not known, or not so many partitions   3
//!   partition on no disk                         6: its leader is somewhere else, or nowhere
//!   epoch of the client below ours, above ours   74, 75
//! ```

use crate::log::loaded::transactions::Transactions;
use crate::serve::catalog::{Catalog, NotKnown, Partition, Slot, Topic};
use crate::serve::wire::common::Node;
use crate::serve::wire::errors::ErrorCode;
use std::borrow::Cow;
use std::sync::Arc;

/// What is looked up, or the error code that says why it is not there.
pub type Found<T> = std::result::Result<T, ErrorCode>;

/// The longest name of a topic.
const TOPIC_NAME_BYTES: usize = 249;

/// A partition of a topic.
pub fn served(topic: Option<&Topic>, index: i32) -> Found<&Arc<Partition>> {
    match topic.and_then(|topic| topic.partition(index)) {
        None => Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        Some(Slot::Missing) => Err(ErrorCode::NOT_LEADER_OR_FOLLOWER),
        Some(Slot::Served(partition)) => Ok(partition),
    }
}

/// A partition of which the client knows the epoch, or -1.
pub fn served_in_epoch(
    topic: Option<&Topic>,
    index: i32,
    current_leader_epoch: i32,
) -> Found<&Arc<Partition>> {
    let partition = served(topic, index)?;
    if current_leader_epoch >= 0 && current_leader_epoch < partition.leader_epoch {
        return Err(ErrorCode::FENCED_LEADER_EPOCH);
    }
    if current_leader_epoch > partition.leader_epoch {
        return Err(ErrorCode::UNKNOWN_LEADER_EPOCH);
    }
    Ok(partition)
}

/// The one node.
pub fn node(catalog: &Catalog) -> Node<'_> {
    Node {
        node_id: catalog.node_id,
        host: Cow::Borrowed(&catalog.host),
        port: i32::from(catalog.port),
    }
}

/// Why there is no topic of this name.
pub fn why_no_topic(name: &str) -> ErrorCode {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_name = (1..=TOPIC_NAME_BYTES).contains(&name.len())
        && name.bytes().all(is_fine)
        && !matches!(name, "." | "..");
    match is_name {
        true => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        false => ErrorCode::INVALID_TOPIC_EXCEPTION,
    }
}

/// The same in words.
pub fn in_words(code: ErrorCode) -> Option<Cow<'static, str>> {
    let words = match code {
        ErrorCode::NONE => return None,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => "there is no such topic or partition here",
        ErrorCode::NOT_LEADER_OR_FOLLOWER => "the partition is on no disk",
        ErrorCode::INVALID_TOPIC_EXCEPTION => "no topic can have this name",
        ErrorCode::KAFKA_STORAGE_ERROR => "the files of the partition cannot be read",
        _ => return Some(Cow::Owned(code.to_string())),
    };
    Some(Cow::Borrowed(words))
}

/// The isolation level of whoever reads only what was committed.
pub const READ_COMMITTED: i8 = 1;

/// What the log says about transactions, or `unknown`. While another handler finds it out the
/// client is told to ask again, so that this one is free for others.
pub fn transactions_of(partition: &Partition, unknown: ErrorCode) -> Found<&Transactions> {
    partition.transactions_now().map_err(|why| match why {
        NotKnown::Busy => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        NotKnown::Failed(why) => {
            let (topic, index) = (&*partition.topic, partition.index);
            tracing::error!(topic, partition = index, why, "transactions cannot be told");
            unknown
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_topics() {
        let unknown = |name: &str| why_no_topic(name) == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        assert!(unknown("a") && unknown("Orders_2.new-x") && unknown("..."));
        assert!(unknown(&"a".repeat(249)) && !unknown(&"a".repeat(250)));
        for name in ["", ".", "..", "a b", "a/b", "\u{e9}", "a\0"] {
            assert!(!unknown(name), "{name:?}");
        }
    }
}
