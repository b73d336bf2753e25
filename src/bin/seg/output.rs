//! stdout and stderr, and what becomes the exit status.

use crate::cli::{ColorWhen, Common};
use crate::values::terminal_text;
use crate::{advice, signals};
use segkit::error::Error;
use std::any::Any;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::ExitCode;

/// What a command came to; two bits that add up over everything it looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The answer is no: damage found, or what was asked for is not there.
    pub is_no: bool,
    /// It could not look everywhere.
    pub is_partial: bool,
}

impl Outcome {
    /// The answer is no.
    pub const NO: Self = Self { is_no: true, is_partial: false };
    /// It could not look everywhere.
    pub const PARTIAL: Self = Self { is_no: false, is_partial: true };

    /// Both together.
    pub fn add(&mut self, other: Self) {
        self.is_no |= other.is_no;
        self.is_partial |= other.is_partial;
        signals::found_so_far(self.status());
    }

    /// The exit status: the sum of 1 and 2.
    pub fn status(self) -> u8 {
        u8::from(self.is_no) + 2 * u8::from(self.is_partial)
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome.status())
    }
}

/// The two streams. stdout carries the answer, stderr everything else.
pub struct Output {
    stdout: BufWriter<io::Stdout>,
    /// True when stdout takes colours.
    pub color: bool,
    /// True when stderr takes colours.
    pub color_stderr: bool,
    /// True when notes are wanted.
    pub verbose: bool,
    /// What was said so far adds up to this.
    pub outcome: Outcome,
    /// What was advised last: the same thing stands in the way of many files.
    advised: String,
}

/// Bytes that are collected before they are written.
const BUFFER_BYTES: usize = 256 << 10;

impl Output {
    /// The streams of this process.
    pub fn new(common: Option<&Common>) -> Self {
        let when = common.map_or(ColorWhen::Never, |common| common.color);
        Self {
            stdout: BufWriter::with_capacity(BUFFER_BYTES, io::stdout()),
            color: wants_color(when, &io::stdout()),
            color_stderr: wants_color(when, &io::stderr()),
            verbose: common.is_some_and(|common| common.verbose),
            outcome: Outcome::default(),
            advised: String::new(),
        }
    }

    /// Writes to stdout.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stdout.write_all(bytes)
    }

    /// Writes text in which bytes of files stand as they are: escaped on a terminal, line by line.
    pub fn write_foreign(&mut self, text: &[u8]) -> io::Result<()> {
        if !io::stdout().is_terminal() {
            return self.write(text);
        }
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            let shown = line.strip_suffix(b"\n").unwrap_or(line);
            self.write(terminal_text(&String::from_utf8_lossy(shown)).as_bytes())?;
            self.write(line.get(shown.len()..).unwrap_or_default())?;
        }
        Ok(())
    }

    /// One line on stderr about something that stood in the way, and what to do about it; sets exit
    /// bit 2.
    pub fn error<E: std::fmt::Display + 'static>(&mut self, error: &E) -> io::Result<()> {
        self.outcome.add(Outcome::PARTIAL);
        let mut line = error.to_string();
        let error = (error as &dyn Any).downcast_ref::<Error>();
        if let Some(advice) = error.and_then(advice::of)
            && advice != self.advised
        {
            line = format!("{line}; {advice}");
            self.advised = advice;
        }
        let line = terminal_text(&line);
        self.say(format!("seg: {line}\n").as_bytes())
    }

    /// Writes to stderr, behind everything that was written to stdout.
    pub fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        let flushed = self.stdout.flush();
        // A closed stderr is no reason to stop answering.
        let _ = io::stderr().write_all(bytes);
        flushed
    }

    /// Everything leaves the buffer.
    pub fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }
}

fn wants_color(when: ColorWhen, stream: &impl anstream::stream::RawStream) -> bool {
    match when {
        ColorWhen::Auto => anstream::AutoStream::choice(stream) != anstream::ColorChoice::Never,
        ColorWhen::Always => true,
        ColorWhen::Never => false,
    }
}

/// True when stdout was closed by its reader.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
