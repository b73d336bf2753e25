//! What one Fetch may still take: bytes of files, ranges, memory, and time of a disk.
//!
//! ```text
//!   bytes    what the client wants at most, what the server gives at most: one batch may be more
//!   ranges   each is a descriptor that is held until it is sent
//!   memory   the envelope, of which aborted transactions are the part that has no other bound
//!   warmed   how much is brought into the page cache before the answer begins
//! ```

use super::Asked;
use crate::serve::limits::ServeLimits;
use crate::serve::wire::common::TopicKey;
use crate::serve::wire::fetch::FetchRequest;

/// More than any partition takes in the envelope besides its aborted transactions.
const PARTITION_BYTES: usize = 128;
/// More than a topic takes besides its name, and the envelope besides its topics.
const TOPIC_BYTES: usize = 64;
/// More than one aborted transaction takes.
const TRANSACTION_BYTES: usize = 17;
/// What is brought into the page cache before an answer begins. The rest follows while it is sent.
const WARM_BYTES: u64 = 8 << 20;

/// What is left.
#[derive(Debug)]
pub struct Budget {
    bytes: u64,
    /// Whether it is the server that has no more bytes for the client.
    is_cut: bool,
    ranges: usize,
    memory: usize,
    /// How much more is brought into the page cache.
    pub warm: u64,
    /// Whether no partition has had bytes yet.
    pub is_first: bool,
    /// Which limits have kept something from the client.
    over: Over,
}

#[derive(Debug, Default)]
struct Over {
    bytes: bool,
    ranges: bool,
    memory: bool,
    descriptors: bool,
}

impl Budget {
    /// All of it.
    pub fn of(request: &FetchRequest<'_>, asked: &[Asked<'_>], limits: &ServeLimits) -> Self {
        let wanted = u64::try_from(request.max_bytes).unwrap_or(0);
        let name_bytes = |asked: &Asked<'_>| match asked.topic {
            TopicKey::Name(name) => name.len(),
            TopicKey::Id(_) => 0,
        };
        // Every partition may begin a topic anew.
        let names: usize = asked.iter().map(|asked| name_bytes(asked) + TOPIC_BYTES).sum();
        let envelope = names + asked.len() * PARTITION_BYTES + TOPIC_BYTES;
        Self {
            bytes: wanted.min(limits.fetch_bytes),
            is_cut: wanted > limits.fetch_bytes,
            ranges: limits.fetch_files,
            memory: limits.response_bytes.saturating_sub(envelope),
            warm: WARM_BYTES,
            is_first: true,
            over: Over::default(),
        }
    }

    /// How many bytes a partition may have that is asked for at most so many; `None` if there is
    /// no room for any.
    pub fn bytes_for(&mut self, partition_max_bytes: i32) -> Option<u64> {
        let wanted = u64::try_from(partition_max_bytes).unwrap_or(0);
        if self.is_first {
            return Some(wanted.min(self.bytes));
        }
        if self.bytes == 0 {
            self.over.bytes |= self.is_cut;
            return None;
        }
        if self.ranges == 0 {
            self.over.ranges = true;
            return None;
        }
        Some(wanted.min(self.bytes))
    }

    /// Whether there is memory for so many aborted transactions; takes it.
    pub fn takes_transactions(&mut self, count: usize) -> bool {
        let left = self.memory.checked_sub(count.saturating_mul(TRANSACTION_BYTES));
        self.over.memory |= left.is_none();
        self.memory = left.unwrap_or(self.memory);
        left.is_some()
    }

    /// A partition has had so many bytes.
    pub fn took(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.ranges = self.ranges.saturating_sub(1);
        self.is_first = false;
    }

    /// All descriptors are in use.
    pub fn no_descriptor(&mut self) {
        self.over.descriptors = true;
    }

    /// The limits that have kept something from the client.
    pub fn over(&self) -> impl Iterator<Item = &'static str> {
        let Over { bytes, ranges, memory, descriptors } = self.over;
        let all = [
            (bytes, "fetch_bytes"),
            (ranges, "fetch_files"),
            (memory, "response_bytes"),
            (descriptors, "descriptors"),
        ];
        all.into_iter().filter_map(|(is_over, limit)| is_over.then_some(limit))
    }
}
