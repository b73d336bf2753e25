//! The small text files: what is read and written again says the same.

use super::memory::{SMALL, within};
use super::picks::Picks;
use segkit::format::checkpoint::json::{broker_epoch, quorum_state};
use segkit::format::checkpoint::properties::properties;
use segkit::format::checkpoint::{
    CheckpointEntry, LeaderEpochs, MetaProperties, PartitionMetadata, Uuid, encode,
    leader_epoch_checkpoint, offset_checkpoint,
};
use segkit::format::{Offset, Position};

/// The first byte says which file it is.
pub fn run(data: &[u8]) {
    let mut picks = Picks::new(data);
    let choice = picks.byte();
    let bytes = picks.rest();
    within(SMALL + 256 * bytes.len(), || match choice % 6 {
        0 => offsets(bytes),
        1 => epochs(bytes),
        2 => metadata(bytes),
        3 => meta_properties(bytes),
        4 => {
            if let Ok(text) = quorum_state(bytes) {
                assert!(text.len() <= bytes.len() && text == text.trim());
            }
            let _ = broker_epoch(bytes);
        }
        _ => uuid(bytes),
    });
}

/// Lines rise, and entries stand in them.
fn check_places<T>(bytes: &[u8], entries: &[CheckpointEntry<T>]) {
    assert!(entries.is_sorted_by(|a, b| a.position < b.position && a.line < b.line));
    for entry in entries {
        let Position(at) = entry.position;
        assert!(at < bytes.len() as u64 && matches!(bytes[at as usize - 1], b'\n' | b'\r'));
        assert!(entry.line > 2);
    }
}

fn offsets(bytes: &[u8]) {
    let Ok(entries) = offset_checkpoint(bytes) else { return };
    check_places(bytes, &entries);
    let values: Vec<_> = entries.iter().map(|entry| entry.value).collect();
    let text = encode(&values);
    let again = offset_checkpoint(text.as_bytes()).unwrap();
    assert!(again.iter().map(|entry| entry.value).eq(values));
}

fn epochs(bytes: &[u8]) {
    let Ok(entries) = leader_epoch_checkpoint(bytes) else { return };
    check_places(bytes, &entries);
    let values: Vec<_> = entries.iter().map(|entry| entry.value).collect();
    let text = encode(&values);
    let again = leader_epoch_checkpoint(text.as_bytes()).unwrap();
    assert!(again.iter().map(|entry| entry.value).eq(values.iter().copied()));
    let epochs = LeaderEpochs::new(values.iter().copied());
    let all = epochs.entries();
    assert!(all.is_sorted_by(|a, b| a.epoch < b.epoch));
    assert_eq!(epochs.latest().as_ref(), all.last());
    let rises = all.is_sorted_by(|a, b| a.start_offset < b.start_offset);
    for asked in all.iter().take(100) {
        for offset in [asked.start_offset, asked.start_offset.plus(1), asked.start_offset.plus(-1)]
        {
            let found = epochs.epoch_for_offset(offset);
            let obvious = all.iter().rfind(|entry| entry.start_offset <= offset);
            assert!(!rises || found == obvious.map(|entry| entry.epoch));
        }
        if asked.epoch >= 0 {
            let (epoch, end) = epochs.end_offset_for(asked.epoch, Offset(i64::MAX)).unwrap();
            let next = all.iter().find(|entry| entry.epoch > asked.epoch);
            assert_eq!(epoch, asked.epoch);
            assert_eq!(end, next.map_or(Offset(i64::MAX), |entry| entry.start_offset));
        }
    }
}

fn metadata(bytes: &[u8]) {
    let Ok(metadata) = PartitionMetadata::parse(bytes) else { return };
    assert!(metadata.version >= 0 && metadata.topic_id != Uuid::ZERO);
    assert_eq!(PartitionMetadata::parse(metadata.encode().as_bytes()), Ok(metadata));
}

fn meta_properties(bytes: &[u8]) {
    let found = properties(bytes);
    if let Ok(found) = &found {
        assert!(found.is_sorted_by(|a, b| a.position < b.position && a.line < b.line));
        let held: usize = found.iter().map(|one| one.key.len() + one.value.len()).sum();
        assert!(held <= 3 * bytes.len());
    }
    let meta = MetaProperties::parse(bytes);
    assert!(meta.is_err() || found.is_ok());
}

fn uuid(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(uuid) = Uuid::parse(&text) {
        assert_eq!(Uuid::parse(&uuid.to_string()), Some(uuid));
    }
}
