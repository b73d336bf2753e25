//! A member of a group.

use super::messages::{Client, DescribedMember, JoinGroup, JoinedMember, Protocol};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What a member costs besides its strings and bytes.
const FIXED_BYTES: usize = 512;

/// A member; `T` is whom to answer.
pub(super) struct Member<T> {
    pub(super) id: Arc<str>,
    pub(super) instance: Option<Arc<str>>,
    client: Client,
    pub(super) session_timeout: Duration,
    pub(super) rebalance_timeout: Duration,
    pub(super) protocols: Vec<Protocol>,
    pub(super) assignment: Arc<[u8]>,
    /// Its first join was not answered yet.
    pub(super) is_new: bool,
    /// It asked for its assignment in this generation.
    pub(super) has_synced: bool,
    /// Its join that waits for the others.
    pub(super) join: Option<T>,
    /// Its sync that waits for the leader.
    pub(super) sync: Option<T>,
}

/// A time from the wire; what is below 0 is none.
fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

impl<T> Member<T> {
    /// The member that a request describes.
    pub(super) fn new(id: Arc<str>, request: JoinGroup, client: &Client) -> Self {
        let mut member = Self {
            id,
            instance: request.instance.as_deref().map(Arc::from),
            client: client.clone(),
            session_timeout: Duration::ZERO,
            rebalance_timeout: Duration::ZERO,
            protocols: Vec::new(),
            assignment: Arc::new([]),
            is_new: true,
            has_synced: false,
            join: None,
            sync: None,
        };
        member.update(request);
        member
    }

    /// Takes over what it says when it joins again.
    pub(super) fn update(&mut self, request: JoinGroup) {
        self.session_timeout = millis(request.session_timeout_ms);
        self.rebalance_timeout = millis(request.rebalance_timeout_ms);
        self.protocols.clear();
        for protocol in request.protocols {
            // One that is named twice counts once: there are few, so looking for it is quick.
            if !self.protocols.iter().any(|known| known.name == protocol.name) {
                self.protocols.push(protocol);
            }
        }
    }

    /// Another process of the same name takes its place. What the old one waits for is given back.
    pub(super) fn succeed(&mut self, id: Arc<str>, client: &Client) -> (Option<T>, Option<T>) {
        self.id = id;
        self.client = client.clone();
        (self.join.take(), self.sync.take())
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.join.is_some() || self.sync.is_some()
    }

    /// What it costs, as `group_bytes` counts.
    pub(super) fn bytes(&self) -> usize {
        let strings = self.id.len()
            + self.instance.as_ref().map_or(0, |name| name.len())
            + self.client.id.len()
            + self.client.host.len();
        FIXED_BYTES + strings + self.assignment.len() + protocol_bytes(&self.protocols)
    }

    /// True when a request says what it said before.
    pub(super) fn says(&self, protocols: &[Protocol]) -> bool {
        self.protocols == protocols
    }

    /// The protocol it likes best of those that all of `members` know.
    pub(super) fn vote(
        &self,
        supported: &BTreeMap<Arc<str>, usize>,
        members: usize,
    ) -> Option<&Arc<str>> {
        let everybody_knows = |name: &&Arc<str>| supported.get(*name) == Some(&members);
        self.protocols.iter().map(|protocol| &protocol.name).find(everybody_knows)
    }

    fn metadata(&self, protocol: Option<&Arc<str>>) -> Arc<[u8]> {
        let found = self.protocols.iter().find(|known| Some(&known.name) == protocol);
        found.map_or_else(|| Arc::new([]) as Arc<[u8]>, |known| Arc::clone(&known.metadata))
    }

    /// As the leader is told of it.
    pub(super) fn for_leader(&self, protocol: Option<&Arc<str>>) -> JoinedMember {
        JoinedMember {
            member_id: Arc::clone(&self.id),
            instance: self.instance.clone(),
            metadata: self.metadata(protocol),
        }
    }

    /// As it is described: in full in a stable group.
    pub(super) fn describe(&self, protocol: Option<&Arc<str>>, is_stable: bool) -> DescribedMember {
        let nothing = || Arc::new([]) as Arc<[u8]>;
        DescribedMember {
            member_id: Arc::clone(&self.id),
            instance: self.instance.clone(),
            client: self.client.clone(),
            metadata: if is_stable { self.metadata(protocol) } else { nothing() },
            assignment: if is_stable { Arc::clone(&self.assignment) } else { nothing() },
        }
    }
}

/// What protocols cost.
pub(super) fn protocol_bytes(protocols: &[Protocol]) -> usize {
    protocols.iter().fold(0, |sum: usize, protocol| {
        sum.saturating_add(protocol.name.len() * 2 + protocol.metadata.len() + 64)
    })
}

/// What the member that a request describes is going to cost.
pub(super) fn bytes_to_join(request: &JoinGroup, client: &Client) -> usize {
    // An id is made of the client's or the instance's name and 37 bytes more.
    let instance = request.instance.as_ref().map_or(0, String::len);
    let names = request.member_id.len()
        + request.protocol_type.len()
        + 2 * instance
        + 2 * client.id.len()
        + client.host.len();
    FIXED_BYTES + 37 + names + protocol_bytes(&request.protocols)
}
