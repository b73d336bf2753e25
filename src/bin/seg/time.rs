//! Times on the command line: epoch milliseconds, RFC 3339, or an age such as `2h ago`.

use jiff::{SignedDuration, Timestamp, civil, tz};

/// Milliseconds since the epoch. A time without a zone is UTC; `now` is what ages count from.
pub fn parse(text: &str, now: Timestamp) -> Result<i64, String> {
    let text = text.trim();
    if let Ok(millis) = text.parse::<i64>() {
        return Ok(millis);
    }
    if text == "now" {
        return Ok(now.as_millisecond());
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.as_millisecond());
    }
    if let Ok(time) = text.parse::<civil::DateTime>() {
        let time = tz::TimeZone::UTC.to_timestamp(time).map_err(|error| error.to_string())?;
        return Ok(time.as_millisecond());
    }
    if let Ok(age) = text.parse::<SignedDuration>()
        && text.ends_with("ago")
    {
        let time = now.checked_add(age).map_err(|error| error.to_string())?;
        return Ok(time.as_millisecond());
    }
    if let Some((time, zone)) = text.rsplit_once(' ')
        && zone.chars().all(|char| char.is_ascii_alphabetic())
        && time.parse::<civil::DateTime>().is_ok()
    {
        let time = time.replace(' ', "T");
        return Err(format!("'{zone}' is no zone; use {time}+01:00, or {time}Z for UTC"));
    }
    Err(format!(
        "'{text}' is no time; use epoch milliseconds, 2026-11-01T08:00:00Z, 2026-11-01, or '2h ago'"
    ))
}

/// What is to be said of a time that was typed as a number of seconds, as it seems.
pub fn doubt(millis: i64) -> Option<String> {
    let meant = Timestamp::from_second(millis).ok()?;
    let typed = Timestamp::from_millisecond(millis).ok()?;
    // As seconds these are of 2001 to 2128, as milliseconds of the first weeks of 1970.
    (1_000_000_000..5_000_000_000)
        .contains(&millis)
        .then(|| format!("{millis} are milliseconds, {typed}; for {meant} it is {millis}000"))
}

/// A length of time: `90s`, `10m`, `2h 30m`.
pub fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || format!("'{text}' is no length of time; use 90s, 10m or 2h");
    let duration = text.trim().parse::<SignedDuration>().map_err(|_| wrong())?;
    duration.try_into().map_err(|_| wrong())
}

/// The current time, for [`parse`].
pub fn now() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        let seconds = |text| parse_duration(text).map(|duration| duration.as_secs());
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("2h 30m"), Ok(9000));
        for text in ["", "-5s", "10", "soon"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn seconds_are_doubted() {
        let said = doubt(1_700_000_000).unwrap();
        assert!(said.ends_with("for 2023-11-14T22:13:20Z it is 1700000000000"), "{said}");
        assert_eq!(doubt(1_700_000_000_000), None);
        assert_eq!(doubt(0), None);
    }

    #[test]
    fn every_spelling() {
        let now = Timestamp::from_millisecond(1_700_000_000_000).unwrap();
        for (text, millis) in [
            ("1700000000123", 1_700_000_000_123),
            ("-1", -1),
            ("2023-11-14T22:13:20.123Z", 1_700_000_000_123),
            ("2023-11-14T23:13:20.123+01:00", 1_700_000_000_123),
            ("2023-11-14T22:13:20", 1_700_000_000_000),
            ("2023-11-14 22:13:20", 1_700_000_000_000),
            ("2023-11-14", 1_699_920_000_000),
            ("2023-11-14T23:13+01:00", 1_699_999_980_000),
            ("2h ago", 1_699_992_800_000),
            ("90 minutes ago", 1_699_994_600_000),
            ("now", 1_700_000_000_000),
        ] {
            assert_eq!(parse(text, now), Ok(millis), "{text}");
        }
        for text in ["", "yesterday", "2h", "2023-13-01"] {
            assert!(parse(text, now).is_err(), "{text}");
        }
        let said = parse("2023-11-14 23:13 CET", now).unwrap_err();
        assert_eq!(
            said,
            "'CET' is no zone; use 2023-11-14T23:13+01:00, or 2023-11-14T23:13Z for UTC"
        );
    }
}
