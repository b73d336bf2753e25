//! The row of a page of `seg explain`.

use super::names::*;
use crate::render::Sink;
use segkit::check::explain::{Page, Part};

/// A row of type `explanation`. Parts that a page does not have are left out.
pub fn explanation(sink: &mut impl Sink, page: &Page, example: &str) {
    sink.begin("explanation");
    sink.text(CODE, page.code);
    sink.text(GROUP, page.group);
    let fields = [
        (Part::Severity, SEVERITY),
        (Part::Title, TITLE),
        (Part::Meaning, MEANING),
        (Part::Cause, CAUSE),
        (Part::CleanStart, CLEAN_START),
        (Part::UncleanStart, UNCLEAN_START),
        (Part::Next, NEXT),
    ];
    for (part, name) in fields {
        if let Some(words) = page.part(part) {
            sink.text(name, &words);
        }
    }
    sink.text(EXAMPLE, example);
    sink.end();
}
