//! What `seg --version` says: where this binary comes from, and what it knows.

use crate::kafka_text::KAFKA_RELEASE;
use segkit::format::Codec;

/// The commit and its date, where this was built from a checkout of it; see `build.rs`.
const COMMIT: Option<&str> = option_env!("SEG_COMMIT");
/// The machine that this was built for.
const TARGET: &str = env!("SEG_TARGET");

/// What `--version` says: the version, which is all of `-V`, and a line for each of: commit,
/// target, codecs, magics, the text of kafka-dump-log.
pub fn long() -> String {
    let mut lines = vec![env!("CARGO_PKG_VERSION").to_owned()];
    lines.extend(COMMIT.map(|commit| format!("commit {commit}")));
    lines.push(format!("target {TARGET}"));
    lines.push(format!("codecs {}", Codec::ALL.map(Codec::name).join(", ")));
    lines.push("magics 0, 1, 2".to_owned());
    lines.push(format!("text of kafka-dump-log as of Kafka {KAFKA_RELEASE}"));
    lines.join("\n")
}
