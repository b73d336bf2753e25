//! Kafka's text form of a UUID: URL-safe base64 without padding.
//!
//! ```text
//!   128 bits = 21 characters of 6 bits + 1 character whose upper 2 bits count
//! ```

use std::fmt;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// How far to shift the 128 bits right for the first character's 6.
const FIRST_SHIFT: usize = 122;
const CHARACTERS: usize = 22;

/// A topic, directory or cluster id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// Stands for "no id".
    pub const ZERO: Self = Self([0; 16]);
    /// The topic id of `__cluster_metadata`.
    pub const METADATA_TOPIC_ID: Self = Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

    /// Reads 22 characters, with or without the `==` of padding that Kafka would also take. Like
    /// Kafka it does not look at the last four bits of the last character.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let unpadded = match text.len() {
            CHARACTERS => text,
            _ => text.strip_suffix("==").filter(|unpadded| unpadded.len() == CHARACTERS)?,
        };
        let mut bits = 0_u128;
        for (index, character) in unpadded.bytes().enumerate() {
            let six = ALPHABET.iter().position(|&known| known == character)? as u128;
            bits = if index + 1 < CHARACTERS { bits << 6 | six } else { bits << 2 | six >> 4 };
        }
        Some(Self(bits.to_be_bytes()))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from_be_bytes(self.0);
        let text = (0..CHARACTERS).filter_map(|index| {
            let six = match FIRST_SHIFT.checked_sub(6 * index) {
                Some(shift) => bits >> shift & 63,
                None => bits << 4 & 63,
            };
            usize::try_from(six).ok().and_then(|six| ALPHABET.get(six)).copied().map(char::from)
        });
        f.pad(&text.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_texts() {
        assert_eq!(Uuid::METADATA_TOPIC_ID.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(Uuid::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(Uuid([0xff; 16]).to_string(), "_____________________w");
        // By hand: 5Bz2 is 57,1,51,54: 111001 000001 110011 110110, so e4 1c f6.
        let topic = Uuid::parse("5Bz2VvOcRJmkzBrHrVZ2Yw").unwrap();
        assert_eq!(topic.0[..3], [0xe4, 0x1c, 0xf6]);
        assert_eq!(topic.0[15], 0x63);
        assert_eq!(topic.to_string(), "5Bz2VvOcRJmkzBrHrVZ2Yw");
    }

    #[test]
    fn what_is_a_uuid_and_what_is_not() {
        let one = Some(Uuid::METADATA_TOPIC_ID);
        assert_eq!(Uuid::parse("AAAAAAAAAAAAAAAAAAAAAQ=="), one);
        assert_eq!(Uuid::parse("AAAAAAAAAAAAAAAAAAAAAf"), one);
        for text in [
            "",
            "==",
            "AAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAQ=",
            "AAAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAA+Q",
            "AAAAAAAAAAAAAAAAAAAA\u{e9}",
            " AAAAAAAAAAAAAAAAAAAAQ",
        ] {
            assert_eq!(Uuid::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back(bytes in any::<[u8; 16]>(), text in ".{0,26}") {
            let uuid = Uuid(bytes);
            prop_assert_eq!(uuid.to_string().len(), 22);
            prop_assert_eq!(Uuid::parse(&uuid.to_string()), Some(uuid));
            let _ = Uuid::parse(&text);
        }
    }
}
