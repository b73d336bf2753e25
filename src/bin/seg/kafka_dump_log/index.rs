//! Offset indexes and time indexes: printed, compared with their log, or asked as a broker asks.

use super::sanity;
use crate::cli::Common;
use crate::findings;
use crate::input::Target;
use crate::kafka_text;
use crate::output::Output;
use crate::progress_bar::Bar;
use crate::scope::scope;
use crate::signals::{self, Interrupted};
use segkit::check::report::PartitionReport;
use segkit::check::{Depth, Listener, VerifyOptions, verify};
use segkit::format::offset_index::OffsetIndex;
use segkit::format::time_index::TimeIndex;
use segkit::log::FileKind;
use std::ffi::OsString;
use std::io;

/// What is asked of indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexMode {
    /// Their entries, and whether they are right.
    Print,
    /// Whether their entries are right.
    Verify,
    /// Whether a broker that starts takes them as they are.
    Sanity,
}

/// The dump of one index.
pub struct IndexDump<'a> {
    pub target: Target,
    pub mode: IndexMode,
    pub common: &'a Common,
}

impl IndexDump<'_> {
    /// Prints what is asked for; what is wrong goes to stderr.
    pub fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let file = match self.target.open() {
            Ok(file) => file,
            Err(error) => return Ok(out.error(&error)?),
        };
        let mut buffer = Vec::new();
        let length = usize::try_from(file.len()).unwrap_or(usize::MAX);
        let bytes = match file.read(0, length, &mut buffer) {
            Ok(bytes) => bytes,
            Err(error) => return Ok(out.error(&error)?),
        };
        let mut text = Vec::new();
        if self.mode == IndexMode::Sanity && !self.target.path.with_extension("log").exists() {
            // A broker deletes it unseen.
            kafka_text::dumping(&mut text, &self.target.shown());
            out.write_foreign(&text)?;
            return self.judge(out);
        }
        let insane = self.text(bytes, &mut text);
        out.write_foreign(&text)?;
        match (insane, self.mode) {
            (Some(why), _) => sanity::report(&self.target, &why, out)?,
            (None, IndexMode::Sanity) => {}
            (None, IndexMode::Print | IndexMode::Verify) => self.judge(out)?,
        }
        Ok(())
    }

    /// What stands on stdout; and why a broker would not take the index, if that is asked.
    fn text(&self, bytes: &[u8], text: &mut Vec<u8>) -> Option<String> {
        let shown = self.target.shown();
        let base = self.target.base_offset().unwrap_or_default();
        kafka_text::dumping(text, &shown);
        let insane = match self.target.kind {
            FileKind::OffsetIndex => {
                let index = OffsetIndex::new(bytes, base);
                if index.entries_as_kafka() == 0 {
                    kafka_text::empty_index(text, &shown);
                    return None;
                }
                if self.mode == IndexMode::Print {
                    kafka_text::offset_index(text, &index, base);
                }
                sanity::of_offset_index(&index, base)
            }
            _ => {
                let index = TimeIndex::new(bytes, base);
                if self.mode == IndexMode::Print {
                    kafka_text::time_index(text, &index, base);
                }
                sanity::of_time_index(&index, base)
            }
        };
        if self.mode != IndexMode::Sanity {
            return None;
        }
        if insane.is_none() {
            kafka_text::passed_sanity_check(text, &shown);
        }
        insane
    }

    /// Compares the index with its log.
    fn judge(&self, out: &mut Output) -> anyhow::Result<()> {
        let scope = scope(std::slice::from_ref(&self.target.path), None, out)?;
        let options = VerifyOptions {
            depth: Depth::Records,
            access: self.target.access,
            threads: self.common.threads(),
            limits: self.common.limits(),
            max_duration: None,
            rebuild_with_interval: None,
            collects_stretches: false,
        };
        let logs = scope.partitions.iter().map(|partition| partition.dir.log_bytes()).sum();
        let bar = Bar::new(self.common, logs);
        let name = self.target.path.file_name().unwrap_or_default().to_owned();
        let mut told = Told { out, name, failed: None };
        verify(&scope, &options, &bar, &mut told);
        if let Some(error) = told.failed {
            return Err(error.into());
        }
        if signals::is_interrupted() {
            return Err(Interrupted(format!("printed {}", self.target.shown())).into());
        }
        Ok(())
    }
}

/// Says what was found about the one file.
struct Told<'a> {
    out: &'a mut Output,
    name: OsString,
    failed: Option<io::Error>,
}

impl Listener for Told<'_> {
    fn partition(&mut self, report: PartitionReport) -> bool {
        for finding in &report.findings {
            if finding.file.file_name() == Some(&self.name) || finding.problem.is_unread() {
                let told = findings::report(finding, false, self.out);
                self.failed = self.failed.take().or(told.err());
            }
        }
        self.failed.is_none()
    }
}
