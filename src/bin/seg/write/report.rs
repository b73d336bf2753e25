//! What was written, partition by partition.

use super::args::Args;
use super::lane::Closed;
use super::pipeline::Finished;
use super::place::partition_name;
use crate::cli::Format;
use crate::output::Output;
use crate::render::{JsonLines, Sink};
use crate::row::{self, WrittenRow};
use crate::table::Table;
use crate::values::{count, plural, size};
use segkit::log::writer::Written;
use std::io;

/// What the run came to.
pub struct Report<'f> {
    written: Vec<&'f Closed>,
    total: Written,
    seconds: f64,
}

impl<'f> Report<'f> {
    /// Of what is closed.
    pub fn new(finished: &'f Finished, seconds: f64) -> Self {
        let all = finished.closed.values();
        let written: Vec<&Closed> = all.filter(|closed| closed.written.batches > 0).collect();
        let mut total = Written::default();
        for Closed { written, .. } in &written {
            total.batches += written.batches;
            total.records += written.records;
            total.bytes += written.bytes;
            total.segments += written.segments;
        }
        Self { written, total, seconds }
    }

    /// True when nothing was written.
    pub fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    /// Says it on stdout.
    pub fn print(&self, args: &Args, out: &mut Output) -> io::Result<()> {
        match args.format {
            Format::Json => self.rows(out),
            Format::Text => self.text(out),
        }
    }

    fn rows(&self, out: &mut Output) -> io::Result<()> {
        let mut sink = JsonLines::default();
        for closed in &self.written {
            let name = partition_name(&closed.directory).ok();
            let row = WrittenRow {
                path: &closed.directory,
                name: name.as_ref().map(|name| &name.topic_partition),
                written: &closed.written,
            };
            row::written(&mut sink, &row);
        }
        let partitions = self.written.len() as u64;
        row::written_summary(&mut sink, partitions, &self.total, self.seconds);
        out.write(sink.buffer())
    }

    fn text(&self, out: &mut Output) -> io::Result<()> {
        if self.written.is_empty() {
            return out.write(b"nothing was written\n");
        }
        let mut table =
            Table::new(&["partition", "offsets", ">records", ">batches", ">new segments", ">size"]);
        for Closed { directory, written, .. } in &self.written {
            let name = partition_name(directory).map(|name| name.topic_partition.to_string());
            let first = written.first_offset.unwrap_or_default();
            table.row(vec![
                name.unwrap_or_else(|_| directory.to_string_lossy().into_owned()),
                format!("{first}–{}", written.log_end.0.saturating_sub(1)),
                count(written.records),
                count(written.batches),
                count(written.segments),
                size(written.bytes),
            ]);
        }
        out.write(table.render().as_bytes())?;
        let total = &self.total;
        let partitions = plural(self.written.len() as u64, "partition");
        let records = plural(total.records, "record");
        let batches = match total.batches {
            1 => "1 batch".to_owned(),
            more => format!("{} batches", count(more)),
        };
        let (size, seconds) = (size(total.bytes), self.seconds);
        let text = format!("{partitions}, {records} in {batches}, {size} in {seconds:.2} s\n");
        out.write(text.as_bytes())
    }

    /// In half a sentence, where writing failed: partitions do not wait for each other.
    pub fn how_far_of_each(&self) -> String {
        let records = count(self.total.records);
        match (self.total.records, self.written.len()) {
            (0, _) => "nothing was written".to_owned(),
            (_, 1) => format!("the first {records} records of the input are written"),
            _ => format!("{records} records are written, of each partition the first"),
        }
    }

    /// In half a sentence, of the records `before` what ended it.
    pub fn how_far(&self, before: &str) -> String {
        match self.total.records {
            0 => "nothing was written".to_owned(),
            1 => format!("the record{before} is written"),
            more => format!("the {} records{before} are written", count(more)),
        }
    }
}
