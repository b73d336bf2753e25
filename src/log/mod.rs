//! Disk: names, bytes and directories. Nothing in here changes a file but [`disk`], which
//! [`new_file`] makes whole files of; [`lock`], which may create a broker's lock file; and
//! [`writer`], which appends.
//!
//! ```text
//!   log dir                              a directory of log.dirs
//!     meta.properties, .lock, .kafka_cleanshutdown, four offset checkpoints
//!     orders-0/                          a partition directory
//!       leader-epoch-checkpoint, partition.metadata
//!       00000000000000000000.log         a segment: batches end to end
//!       00000000000000000000.index       derived: offset -> position
//!       00000000000000000000.timeindex   derived: timestamp -> offset
//!       00000000000000118264.log  ...    the next segment
//!       00000000000000118264.snapshot    producer state below that offset
//! ```
//!
//! What a file is, its name says; what a directory is, its content says.

pub mod appender;
mod cutter;
pub mod damage;
pub mod disk;
mod entry;
pub mod feed;
pub mod file_bytes;
pub mod file_facts;
pub mod header_at;
pub mod image;
pub mod index_bytes;
pub mod lease;
pub mod loaded;
pub mod lock;
pub mod log_dir;
mod log_dir_context;
pub mod lookup;
pub mod names;
pub mod new_file;
pub mod partition;
pub mod runs;
pub mod segment;
mod stream;
pub mod summary;
mod window;
pub mod writer;

pub use entry::{EntryKind, names_in, open_directory};
pub use file_bytes::{Access, FileBytes, open_regular, read_small};
pub use log_dir::{LogDir, find};
pub use log_dir_context::LogDirContext;
pub use lookup::{OpenPartition, Workspace};
pub use names::{FileKind, FileName, PartitionDirName, TopicPartition};
pub use partition::PartitionDir;
pub use segment::{Segment, SegmentFiles};
