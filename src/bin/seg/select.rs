//! Ranges on the command line: `A..B`, half open, either side may be missing.

use crate::time;
use std::str::FromStr;

/// A range of offsets as it was typed: a negative start counts from the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetRange {
    /// The first offset wanted; negative: that many before the end.
    pub from: Option<i64>,
    /// The offset behind the last one wanted; negative: that many before the end.
    pub to: Option<i64>,
}

/// A range of times in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// The first millisecond wanted.
    pub from: Option<i64>,
    /// The millisecond behind the last one wanted.
    pub to: Option<i64>,
}

impl OffsetRange {
    /// True when a side counts from the end.
    pub fn is_relative(&self) -> bool {
        self.from.is_some_and(|from| from < 0) || self.to.is_some_and(|to| to < 0)
    }

    /// The range in offsets of a log that ends at `end`.
    pub fn resolve(&self, end: i64) -> std::ops::Range<i64> {
        let side = |value: i64| if value < 0 { end.saturating_add(value).max(0) } else { value };
        self.from.map_or(0, side)..self.to.map_or(i64::MAX, side)
    }
}

impl FromStr for OffsetRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |side: &str| {
            side.trim().parse::<i64>().map_err(|_| format!("'{side}' is no offset; use A..B"))
        };
        let (from, to) = sides(text, number)?;
        match (from, to) {
            (Some(a), Some(b)) if (a < 0) == (b < 0) && a >= b => {
                Err(format!("{a}..{b} is empty: the end is not inside, so {a}..{} is one", a + 1))
            }
            _ => Ok(Self { from, to }),
        }
    }
}

impl FromStr for TimeRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let now = time::now();
        let (from, to) = sides(text, |side| time::parse(side, now))?;
        match (from, to) {
            (Some(a), Some(b)) if a >= b => Err("the range ends before it begins".to_owned()),
            _ => Ok(Self { from, to }),
        }
    }
}

/// Splits at `..`; without it, one value stands for itself alone.
fn sides(
    text: &str,
    parse: impl Fn(&str) -> Result<i64, String>,
) -> Result<(Option<i64>, Option<i64>), String> {
    let Some((from, to)) = text.split_once("..") else {
        let only = parse(text)?;
        // "-5" alone is the fifth from the end; behind -1 stands the end itself.
        let behind = if only == -1 { None } else { only.checked_add(1) };
        return Ok((Some(only), behind));
    };
    let side = |side: &str| match side.trim() {
        "" => Ok(None),
        side => parse(side).map(Some),
    };
    Ok((side(from)?, side(to)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_offsets() {
        let parse = |text: &str| text.parse::<OffsetRange>();
        assert_eq!(parse("10..20").unwrap().resolve(100), 10..20);
        assert_eq!(parse("..20").unwrap().resolve(100), 0..20);
        assert_eq!(parse("10..").unwrap().resolve(100), 10..i64::MAX);
        assert_eq!(parse("-10..").unwrap().resolve(100), 90..i64::MAX);
        assert_eq!(parse("-10..-5").unwrap().resolve(100), 90..95);
        assert_eq!(parse("-10..").unwrap().resolve(4), 0..i64::MAX);
        assert_eq!(parse("7").unwrap().resolve(100), 7..8);
        assert_eq!(parse("-1").unwrap().resolve(100), 99..i64::MAX);
        assert_eq!(parse("..").unwrap().resolve(100), 0..i64::MAX);
        assert!(parse("20..10").is_err());
        assert!(parse("a..b").is_err());
    }

    #[test]
    fn ranges_of_times() {
        let range = "2023-11-14T22:13:20Z..".parse::<TimeRange>().unwrap();
        assert_eq!(range, TimeRange { from: Some(1_700_000_000_000), to: None });
        assert!("5..3".parse::<TimeRange>().is_err());
    }
}
