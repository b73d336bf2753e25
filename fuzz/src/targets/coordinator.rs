//! Records of `__consumer_offsets`, `__transaction_state` and control batches, decoded and printed.

use super::memory::{SMALL, within};
use super::picks::Picks;
use super::slow;
use segkit::format::control::ControlRecord;
use segkit::format::coordinator::Decoded;
use segkit::format::{Offset, Position, consumer_offsets, transaction_state};

/// A choice, the key behind its length, and the value, which is null or the rest.
pub fn run(data: &[u8]) {
    let mut picks = Picks::new(data);
    let choice = picks.byte();
    let key = picks.bytes();
    let value = (choice & 8 == 0).then(|| picks.rest());
    // Most for an array of small structs, whose fields' names are printed again and again.
    within(SMALL + 1_500 * data.len(), || match choice & 3 {
        0 => print(&transaction_state::decode(key, value)),
        1 => {
            if let Ok(control) = ControlRecord::parse(Some(key), value, Position(7)) {
                control.kafka_text(&mut Vec::new());
                let is_known = (2..=6).contains(&slow::number(key, 2, 2));
                assert_eq!(control.value().is_some(), is_known);
            }
        }
        _ => print(&consumer_offsets::decode(key, value)),
    });
}

fn print(decoded: &Decoded<'_>) {
    let mut out = Vec::new();
    decoded.kafka_key_text(Offset(1), &mut out);
    let _ = decoded.kafka_value_text(&mut out);
    if let Decoded::Undecodable(why) = decoded {
        assert!(!why.to_string().is_empty());
    }
}
