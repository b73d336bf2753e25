//! The two files of one line of JSON. Neither is worth a JSON reader here.
//!
//! ```text
//!   .kafka_cleanshutdown   {"version":0,"brokerEpoch":27}    empty in older releases
//!   quorum-state           {"leaderId":1,"leaderEpoch":8, ... ,"data_version":1}
//! ```

use crate::format::{FormatError, FormatErrorKind, Position, Result};

/// The broker epoch in a `.kafka_cleanshutdown`. `None` is no damage: that the file exists is all
/// that says the shutdown was clean.
#[must_use]
pub fn broker_epoch(bytes: &[u8]) -> Option<i64> {
    integer(std::str::from_utf8(bytes).ok()?, "\"brokerEpoch\"")
}

/// The text of a `quorum-state`, without white space around it.
///
/// # Errors
/// When it is not UTF-8.
pub fn quorum_state(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map(str::trim).map_err(|error| {
        FormatError::new(Position(error.valid_up_to() as u64), FormatErrorKind::Utf8)
    })
}

/// The integer behind the first `name` (in its quotes) and a colon.
fn integer(text: &str, name: &str) -> Option<i64> {
    let (_, behind) = text.split_once(name)?;
    let value = behind.trim_start().strip_prefix(':')?.trim_start();
    let end = value.find([',', '}']).unwrap_or(value.len());
    value.get(..end)?.trim_end().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broker_epochs() {
        assert_eq!(broker_epoch(br#"{"version":0,"brokerEpoch":27}"#), Some(27));
        assert_eq!(broker_epoch(b"{ \"brokerEpoch\" : -1 ,\n\"version\" : 0 }\n"), Some(-1));
        for text in [
            "",
            "{}",
            r#"{"version":0}"#,
            r#"{"brokerEpoch":null}"#,
            r#"{"brokerEpoch":1.5}"#,
            r#"{"brokerEpoch":}"#,
            r#"{"brokerEpoch""#,
            r#"{"brokerEpoch":99999999999999999999}"#,
        ] {
            assert_eq!(broker_epoch(text.as_bytes()), None, "{text}");
        }
        assert_eq!(broker_epoch(b"\xff{\"brokerEpoch\":1}"), None);
    }

    #[test]
    fn quorum_states_are_text() {
        assert_eq!(quorum_state(b"{\"leaderId\":1}\n"), Ok("{\"leaderId\":1}"));
        assert_eq!(quorum_state(b""), Ok(""));
        let error = quorum_state(b"{\xff").unwrap_err();
        assert_eq!((error.position, error.kind), (Position(1), FormatErrorKind::Utf8));
    }
}
