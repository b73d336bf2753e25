//! Findings on their way out: into the stream in JSON, else on stderr in the place where they are.

use crate::output::{Outcome, Output};
use crate::render::{JsonLines, Sink};
use crate::row;
use crate::values::{count, terminal_text};
use segkit::check::{Finding, Severity};
use std::io;

/// True when it is to be shown: notes only when they are wanted, but always what was not looked at.
pub fn is_shown(finding: &Finding, verbose: bool) -> bool {
    let problem = &finding.problem;
    verbose || problem.severity() > Severity::Note || problem.is_unread()
}

/// Lets it count for the exit status, which notes never do.
pub fn count_in(finding: &Finding, out: &mut Output) {
    let problem = &finding.problem;
    let is_no = problem.severity() > Severity::Note;
    out.outcome.add(Outcome { is_no, is_partial: problem.is_unread() });
}

/// Says what was found: as a JSON line of the answer, or to people on stderr.
pub fn report(finding: &Finding, as_json: bool, out: &mut Output) -> io::Result<()> {
    count_in(finding, out);
    if !is_shown(finding, out.verbose) {
        return Ok(());
    }
    if as_json {
        let mut sink = JsonLines::default();
        row::finding(&mut sink, finding);
        return out.write(sink.buffer());
    }
    let text = text(finding, out.color_stderr);
    out.say(text.as_bytes())
}

/// The same where findings are the answer: on stdout in either form.
pub fn answer(finding: &Finding, as_json: bool, out: &mut Output) -> io::Result<()> {
    if as_json {
        return report(finding, as_json, out);
    }
    count_in(finding, out);
    if !is_shown(finding, out.verbose) {
        return Ok(());
    }
    let text = text(finding, out.color);
    out.write(text.as_bytes())
}

/// Two or three lines for people.
pub fn text(finding: &Finding, color: bool) -> String {
    let problem = &finding.problem;
    let file = terminal_text(&finding.file.to_string_lossy());
    let severity = problem.severity();
    let (on, off) = match (color, severity) {
        (false, _) => ("", ""),
        (true, Severity::Error) => ("\x1b[1;31m", "\x1b[0m"),
        (true, Severity::Warning) => ("\x1b[1;33m", "\x1b[0m"),
        (true, Severity::Note) => ("\x1b[1m", "\x1b[0m"),
    };
    let (from, to) = (finding.range.start.0, finding.range.end.0);
    let places = match finding.places {
        1 => String::new(),
        more => format!(", {} places", count(more)),
    };
    let offsets = finding.offsets.map_or_else(String::new, |(first, last)| {
        if first == last {
            format!(", offset {first}")
        } else {
            format!(", offsets {first}–{last}")
        }
    });
    let mut text = format!(
        "{file}  {on}{}{off}  {}  at {from}, {} bytes{offsets}{places}\n    {}\n",
        severity.name(),
        problem.code(),
        count(to.saturating_sub(from)),
        terminal_text(&problem.message()),
    );
    for (what, sentence) in [("", &finding.broker), ("next: ", &finding.next)] {
        if let Some(sentence) = sentence {
            text.push_str(&format!("    {what}{}\n", terminal_text(sentence)));
        }
    }
    text
}
