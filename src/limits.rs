//! Every bound on untrusted input, named, with its default.

/// The bounds that one reading obeys. Hitting one is reported as a limit, never as corruption.
///
/// There is no `Default`: the binary spells every value, so that a reader of a command sees what
/// it allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes that one batch may decompress to.
    pub decompressed_bytes: usize,
    /// The largest batch that is read into memory whole. A mapped file has no such bound.
    pub batch_bytes: usize,
    /// How far behind a damage the next batch is looked for in a file that is not mapped.
    pub resync_bytes: usize,
    /// The most bytes that are looked at of an index, and of any other file derived from a log.
    pub index_bytes: u64,
}

impl Limits {
    /// The defaults of the command line.
    pub const STANDARD: Self = Self {
        decompressed_bytes: 256 << 20,
        batch_bytes: 256 << 20,
        resync_bytes: 64 << 20,
        index_bytes: 64 << 20,
    };
}

/// How often a snappy block may declare to grow: its format cannot exceed this.
pub const SNAPPY_MAX_EXPANSION: usize = 22;
/// Bytes a snappy block may declare on top of [`SNAPPY_MAX_EXPANSION`] times its own size.
pub const SNAPPY_EXPANSION_SLACK: usize = 64;
/// The largest zstd window that is accepted, as a power of two (128 MiB).
pub const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// The most bytes of an `i32` varint.
pub const VARINT_MAX_BYTES: usize = 5;
/// The most bytes of an `i64` varint.
pub const VARLONG_MAX_BYTES: usize = 10;
/// How many levels of directories a search for log dirs goes down.
pub const SEARCH_DEPTH: usize = 4;
/// How many errors or warnings of one code in one file are listed; the rest are counted.
pub const FINDINGS_LISTED: usize = 100;
