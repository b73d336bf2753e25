//! How many files may be open at one time.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For everything that is neither a connection nor a segment: streams, event loops, listeners,
/// directories while they are listed.
const OTHERS: u64 = 64;
/// Fewer open segments than this make no server.
const LEAST: u64 = 64;
/// More than this are of no use.
const MOST: u64 = 16_384;
/// Where the system names no limit.
const UNLIMITED: u64 = 1 << 20;

/// Raises the process's own limit as far as it may, and says how many segments may be open beside
/// so many connections.
///
/// # Errors
/// A sentence, when there are too few for a server.
pub fn open_segments(connections: usize) -> Result<usize, String> {
    let limit = getrlimit(Resource::Nofile);
    // Whatever it cannot be raised to, it stays as it is.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(UNLIMITED);
    let left = allowed.saturating_sub(connections as u64).saturating_sub(OTHERS);
    if left < LEAST {
        let why = "lower --max-connections, or raise the limit (ulimit -n)";
        return Err(format!(
            "{allowed} open files are too few for {connections} connections: {why}"
        ));
    }
    Ok(usize::try_from(left.min(MOST)).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_room_for_segments_is_refused() {
        assert!(open_segments(10).is_ok_and(|segments| segments >= 64));
        assert!(open_segments(usize::MAX).is_err());
    }
}
