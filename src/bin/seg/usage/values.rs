//! A value that an option does not take, and the one that was meant.

use super::detail;
use clap::error::ContextKind;

/// Mends the value that `error` is about, and says what was wrong.
pub fn mend(error: &clap::Error, words: &mut Vec<String>) -> Option<String> {
    let option = detail(error, ContextKind::InvalidArg)?;
    let option = option.split([' ', '=']).next()?;
    let value = detail(error, ContextKind::InvalidValue)?;
    let (meant, why) = match option {
        "--offsets" => (range(&value)?, "a range is A..B, and B is not inside"),
        "--listen" | "--metrics" => (address(&value)?, "an address has a port"),
        "--offset" if words.first()? == "lookup" => match &*value.to_lowercase() {
            "latest" | "last" | "end" => return Some(dump(&value, "--offsets=-1..", words)),
            "earliest" | "first" | "beginning" => return Some(dump(&value, "--limit=1", words)),
            _ => (number(&value)?, "it has digits only"),
        },
        "--offset" | "--limit" | "--threads" => (number(&value)?, "it has digits only"),
        // No shell does for another.
        "<SHELL>" => return None,
        _ => (detail(error, ContextKind::SuggestedValue)?, "there is no such one"),
    };
    let at =
        words.iter().position(|word| *word == value || word.ends_with(&format!("={value}")))?;
    let word = words.get_mut(at)?;
    let option = option.to_owned();
    *word = word.replacen(&value, &meant, 1);
    Some(format!("'{value}' is nothing for {option}: {why}"))
}

/// `10-20`, `10:20`, `10,20` and `10...20` are `10..20`.
fn range(value: &str) -> Option<String> {
    let is_digit = |char: char| char.is_ascii_digit();
    let from = value.split(|char| !is_digit(char)).next()?;
    let to = value.rsplit(|char| !is_digit(char)).next()?;
    let between = value.get(from.len()..value.len().checked_sub(to.len())?)?;
    let (a, b): (i64, i64) = (from.parse().ok()?, to.parse().ok()?);
    let is_separator = ["-", ":", ",", "...", "..=", " ", " - ", "–"].contains(&between);
    (is_separator && a < b).then(|| format!("{a}..{b}"))
}

/// `9092`, `:9092` and `localhost:9092` are of this machine.
fn address(value: &str) -> Option<String> {
    let (host, port) = value.rsplit_once(':').unwrap_or(match value.parse::<u16>() {
        Ok(_) => ("", value),
        Err(_) => (value, "9092"),
    });
    let host = if ["", "localhost"].contains(&host) { "127.0.0.1" } else { host };
    let address = format!("{host}:{}", port.parse::<u16>().ok()?);
    address.parse::<std::net::SocketAddr>().ok().map(|_| address)
}

/// `1,000` and `1_000` are `1000`.
fn number(value: &str) -> Option<String> {
    let digits: String = value.chars().filter(|char| !",_' ".contains(*char)).collect();
    let number = digits.parse::<u64>().ok()?.to_string();
    (number != value).then_some(number)
}

/// Lookup takes a number; the ends of a log are dumped.
fn dump(value: &str, select: &str, words: &mut Vec<String>) -> String {
    if let Some(at) = words.iter().position(|word| word.starts_with("--offset")) {
        let is_apart = words.get(at).is_some_and(|word| word == "--offset");
        words.splice(at..=at + usize::from(is_apart), [select.to_owned()]);
    }
    words.splice(..1, ["dump".to_owned(), "-r".to_owned()]);
    format!("'{value}' is no offset, which is a number; dump prints either end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant() {
        for (value, meant) in [
            ("10-20", Some("10..20")),
            ("10...20", Some("10..20")),
            ("1:2", Some("1..2")),
            ("20-10", None),
            ("a-b", None),
            ("", None),
            ("7", None),
        ] {
            assert_eq!(range(value).as_deref(), meant, "{value}");
        }
        for (value, meant) in [
            ("9092", Some("127.0.0.1:9092")),
            (":9092", Some("127.0.0.1:9092")),
            ("localhost", Some("127.0.0.1:9092")),
            ("10.0.0.1", Some("10.0.0.1:9092")),
            ("127.0.0.1:99999", None),
            ("somewhere:9092", None),
        ] {
            assert_eq!(address(value).as_deref(), meant, "{value}");
        }
        assert_eq!(number("1,000").as_deref(), Some("1000"));
        assert_eq!(number("ten"), None);
        assert_eq!(number("0"), None);
    }
}
