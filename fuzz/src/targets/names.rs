//! Names of files and of partition directories.

use super::memory::{SMALL, within};
use segkit::log::{FileName, PartitionDirName};

pub fn run(data: &[u8]) {
    within(SMALL + 8 * data.len(), || {
        let name = String::from_utf8_lossy(data);
        if let Some(file) = FileName::parse(&name) {
            assert_eq!(FileName::parse(&file.to_string()), Some(file));
        }
        if let Some(directory) = PartitionDirName::parse(&name) {
            let partition = &directory.topic_partition;
            assert!(!partition.topic.is_empty() && name.starts_with(&partition.topic));
            let again = PartitionDirName::parse(&partition.to_string());
            if directory.suffix.is_none() {
                assert_eq!(again, Some(directory));
            }
        }
    });
}
