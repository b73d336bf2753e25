//! The error codes that answers use.
//!
//! ```text
//!   | i16 code |     0: none     -1: what nobody expected
//! ```

use std::fmt;

/// A number that says why something is not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub i16);

macro_rules! error_codes {
    ($($code:literal $name:ident)*) => {
        #[allow(missing_docs, reason = "Kafka's own names")]
        impl ErrorCode {
            $(pub const $name: Self = Self($code);)*
        }

        /// Those that have a name here.
        pub const NAMED: &[(ErrorCode, &str)] =
            &[$((ErrorCode::$name, stringify!($name))),*];
    };
}

error_codes! {
    -1 UNKNOWN_SERVER_ERROR
    0 NONE
    1 OFFSET_OUT_OF_RANGE
    2 CORRUPT_MESSAGE
    3 UNKNOWN_TOPIC_OR_PARTITION
    5 LEADER_NOT_AVAILABLE
    6 NOT_LEADER_OR_FOLLOWER
    10 MESSAGE_TOO_LARGE
    12 OFFSET_METADATA_TOO_LARGE
    14 COORDINATOR_LOAD_IN_PROGRESS
    15 COORDINATOR_NOT_AVAILABLE
    16 NOT_COORDINATOR
    17 INVALID_TOPIC_EXCEPTION
    22 ILLEGAL_GENERATION
    23 INCONSISTENT_GROUP_PROTOCOL
    24 INVALID_GROUP_ID
    25 UNKNOWN_MEMBER_ID
    26 INVALID_SESSION_TIMEOUT
    27 REBALANCE_IN_PROGRESS
    28 INVALID_COMMIT_OFFSET_SIZE
    29 TOPIC_AUTHORIZATION_FAILED
    30 GROUP_AUTHORIZATION_FAILED
    31 CLUSTER_AUTHORIZATION_FAILED
    35 UNSUPPORTED_VERSION
    42 INVALID_REQUEST
    53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    54 SECURITY_DISABLED
    56 KAFKA_STORAGE_ERROR
    69 GROUP_ID_NOT_FOUND
    70 FETCH_SESSION_ID_NOT_FOUND
    74 FENCED_LEADER_EPOCH
    75 UNKNOWN_LEADER_EPOCH
    79 MEMBER_ID_REQUIRED
    81 GROUP_MAX_SIZE_REACHED
    82 FENCED_INSTANCE_ID
    100 UNKNOWN_TOPIC_ID
    114 MISMATCHED_ENDPOINT_TYPE
    115 UNSUPPORTED_ENDPOINT_TYPE
    129 REBOOTSTRAP_REQUIRED
}

impl ErrorCode {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// Whether something is wrong.
    #[must_use]
    pub fn is_error(self) -> bool {
        self != Self::NONE
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMED.iter().find(|(code, _)| code == self) {
            Some((_, name)) => f.pad(name),
            None => write!(f, "error {}", self.0),
        }
    }
}
