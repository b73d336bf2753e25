//! Where rows go: a [`Sink`] is visited field by field and writes straight into a buffer.
//!
//! The names of fields come from `row/`; a sink knows how a value looks and nothing about what it
//! means. Each sink owns the buffer of one worker; buffers are written in order by `Output`.

use crate::values::{self, ValueStyle};

/// The name of an output field: what JSON calls it, and what stands before it in text.
#[derive(Clone, Copy)]
pub struct Name {
    /// `,"name":`
    json: &'static str,
    /// What people read before the value; empty where the value speaks for itself.
    label: &'static str,
    /// The least width of the value in text, so that columns line up while streaming. It is fixed:
    /// output does not depend on how the work was cut.
    width: usize,
}

impl Name {
    /// Use the macro `name!`.
    pub const fn new(json: &'static str, label: &'static str, width: usize) -> Self {
        Self { json, label, width }
    }
}

/// Makes a [`Name`]: JSON name, then the label and the width of the text form.
macro_rules! name {
    ($json:literal) => {
        $crate::render::Name::new(concat!(",\"", $json, "\":"), concat!($json, " "), 0)
    };
    ($json:literal, $label:literal, $width:literal) => {
        $crate::render::Name::new(concat!(",\"", $json, "\":"), $label, $width)
    };
}
pub(crate) use name;

/// Takes a row field by field. The methods that end in `_unless` leave the field out of the text
/// form where it has its value for "nothing to say"; JSON always has it.
pub trait Sink {
    /// The buffer that rows are written to.
    fn buffer(&mut self) -> &mut Vec<u8>;
    /// A row of this type begins.
    fn begin(&mut self, kind: &'static str);
    /// The row ends.
    fn end(&mut self);
    /// The file that the row speaks of: a field in JSON, a heading in text.
    fn file(&mut self, name: Name, path: &str);
    /// A whole number.
    fn int(&mut self, name: Name, value: i64);
    /// A whole number that text leaves out when it is `nothing`.
    fn int_unless(&mut self, nothing: i64, name: Name, value: i64);
    /// First and last of a range, both inside.
    fn range(&mut self, first: Name, last: Name, from: i64, to: i64);
    /// The same, left out of the text when both are `nothing`.
    fn range_unless(&mut self, nothing: i64, first: Name, last: Name, from: i64, to: i64);
    /// Yes or no; text shows the bare label for yes.
    fn flag(&mut self, name: Name, value: bool);
    /// Yes or no; text shows the bare label for no.
    fn warning_unless(&mut self, name: Name, value: bool);
    /// Words of our own that text leaves out where they are the `usual` ones.
    fn text_unless(&mut self, usual: &str, name: Name, value: &str);
    /// Words of our own.
    fn text(&mut self, name: Name, value: &str);
    /// Milliseconds since the epoch; text leaves out -1.
    fn timestamp(&mut self, name: Name, millis: i64);
    /// A whole number that text does not show.
    fn int_detail(&mut self, name: Name, value: i64);
    /// Milliseconds since the epoch that text does not show.
    fn timestamp_detail(&mut self, name: Name, millis: i64);
    /// Bytes out of a file.
    fn bytes(&mut self, name: Name, value: Option<&[u8]>, style: ValueStyle);
    /// JSON that is ready to be taken over.
    fn json(&mut self, name: Name, value: &[u8]);
    /// A list of nothing; text leaves it out.
    fn empty_list(&mut self, name: Name);
    /// A list of objects begins.
    fn begin_list(&mut self, name: Name);
    /// The list ends.
    fn end_list(&mut self);
    /// An object begins: a field, or an item of the list that is open.
    fn begin_object(&mut self, name: Option<Name>);
    /// The object ends.
    fn end_object(&mut self);

    /// Fields that are the same for many rows: built once, copied from then on.
    #[inline]
    fn repeated(&mut self, part: &mut Option<Vec<u8>>, build: impl FnOnce(&mut Self))
    where
        Self: Sized,
    {
        match part {
            Some(bytes) => self.buffer().extend_from_slice(bytes),
            None => {
                let from = self.buffer().len();
                build(self);
                *part = self.buffer().get(from..).map(<[u8]>::to_vec);
            }
        }
    }
}

/// One JSON object a line.
#[derive(Default)]
pub struct JsonLines {
    out: Vec<u8>,
    /// An object has begun and has no field yet, so that the first has no comma before it.
    is_object_empty: bool,
}

impl JsonLines {
    #[inline(always)]
    fn name(&mut self, name: Name) {
        if self.is_object_empty {
            self.is_object_empty = false;
            let json = name.json.strip_prefix(',').unwrap_or(name.json);
            return self.out.extend_from_slice(json.as_bytes());
        }
        self.out.extend_from_slice(name.json.as_bytes());
    }
}

impl Sink for JsonLines {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    #[inline(always)]
    fn begin(&mut self, kind: &'static str) {
        self.out.extend_from_slice(b"{\"type\":\"");
        self.out.extend_from_slice(kind.as_bytes());
        self.out.push(b'"');
    }

    #[inline(always)]
    fn end(&mut self) {
        self.out.extend_from_slice(b"}\n");
    }

    #[inline(always)]
    fn file(&mut self, name: Name, path: &str) {
        self.text(name, path);
    }

    #[inline(always)]
    fn int(&mut self, name: Name, value: i64) {
        self.name(name);
        values::push_int(&mut self.out, value);
    }

    #[inline(always)]
    fn int_unless(&mut self, _nothing: i64, name: Name, value: i64) {
        self.int(name, value);
    }

    fn range(&mut self, first: Name, last: Name, from: i64, to: i64) {
        self.int(first, from);
        self.int(last, to);
    }

    fn range_unless(&mut self, _nothing: i64, first: Name, last: Name, from: i64, to: i64) {
        self.range(first, last, from, to);
    }

    #[inline(always)]
    fn flag(&mut self, name: Name, value: bool) {
        self.name(name);
        self.out.extend_from_slice(if value { b"true".as_slice() } else { b"false" });
    }

    fn warning_unless(&mut self, name: Name, value: bool) {
        self.flag(name, value);
    }

    fn text_unless(&mut self, _usual: &str, name: Name, value: &str) {
        self.text(name, value);
    }

    #[inline(always)]
    fn text(&mut self, name: Name, value: &str) {
        self.name(name);
        values::push_json_text(&mut self.out, value);
    }

    #[inline(always)]
    fn timestamp(&mut self, name: Name, millis: i64) {
        self.int(name, millis);
    }

    #[inline(always)]
    fn int_detail(&mut self, name: Name, value: i64) {
        self.int(name, value);
    }

    fn timestamp_detail(&mut self, name: Name, millis: i64) {
        self.int(name, millis);
    }

    #[inline(always)]
    fn bytes(&mut self, name: Name, value: Option<&[u8]>, style: ValueStyle) {
        if style == ValueStyle::None {
            return;
        }
        self.name(name);
        match value {
            Some(bytes) => values::push_json_value(&mut self.out, bytes, style),
            None => self.out.extend_from_slice(b"null"),
        }
    }

    fn json(&mut self, name: Name, value: &[u8]) {
        self.name(name);
        self.out.extend_from_slice(value);
    }

    #[inline(always)]
    fn empty_list(&mut self, name: Name) {
        self.name(name);
        self.out.extend_from_slice(b"[]");
    }

    fn begin_list(&mut self, name: Name) {
        self.name(name);
        self.out.push(b'[');
    }

    fn end_list(&mut self) {
        self.out.push(b']');
    }

    fn begin_object(&mut self, name: Option<Name>) {
        match name {
            Some(name) => self.name(name),
            None if self.out.last() == Some(&b'}') => self.out.push(b','),
            None => {}
        }
        self.out.push(b'{');
        self.is_object_empty = true;
    }

    fn end_object(&mut self) {
        self.is_object_empty = false;
        self.out.push(b'}');
    }
}

/// One line a row for people: bare values or `label value`, with the file as a heading.
#[derive(Default)]
pub struct TextLines {
    out: Vec<u8>,
    line_start: usize,
    open: Vec<Bracket>,
}

/// What a line has opened and not closed yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    List,
    Object,
    /// An object in a list, which text shows without brackets of its own.
    Item,
}

/// Between two fields of a line.
const GAP: &[u8] = b"  ";

impl TextLines {
    fn label(&mut self, name: Name) {
        let first = self.out.len() == self.line_start;
        let opened = matches!(self.out.last(), Some(b'(' | b'['));
        if !self.open.is_empty() && !opened {
            self.out.extend_from_slice(b", ");
        } else if !first && !opened {
            self.out.extend_from_slice(GAP);
        }
        self.out.extend_from_slice(name.label.as_bytes());
    }

    /// Fills up to the width of the field whose value began at `from`. Counts characters, not
    /// bytes: ranges have a dash of three bytes.
    fn pad(&mut self, from: usize, width: usize) {
        let written = self.out.get(from..).unwrap_or_default();
        let shown = written.iter().filter(|&&byte| byte & 0xc0 != 0x80).count();
        self.fill(shown, width);
    }

    /// The same where the number of characters is known.
    fn fill(&mut self, shown: usize, width: usize) {
        if shown < width {
            self.out.resize(self.out.len() + width - shown, b' ');
        }
    }
}

impl Sink for TextLines {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// What a line looks like depends on where it began.
    fn repeated(&mut self, _part: &mut Option<Vec<u8>>, build: impl FnOnce(&mut Self)) {
        build(self);
    }

    fn begin(&mut self, _kind: &'static str) {
        self.line_start = self.out.len();
        self.open.clear();
    }

    fn end(&mut self) {
        while self.out.len() > self.line_start && self.out.last() == Some(&b' ') {
            self.out.pop();
        }
        self.out.push(b'\n');
    }

    fn file(&mut self, _name: Name, _path: &str) {}

    fn int(&mut self, name: Name, value: i64) {
        self.label(name);
        let from = self.out.len();
        values::push_int(&mut self.out, value);
        self.fill(self.out.len() - from, name.width);
    }

    fn int_unless(&mut self, nothing: i64, name: Name, value: i64) {
        if value != nothing {
            self.int(name, value);
        }
    }

    fn range(&mut self, first: Name, _last: Name, from: i64, to: i64) {
        self.label(first);
        let start = self.out.len();
        values::push_int(&mut self.out, from);
        if from != to {
            self.out.extend_from_slice("–".as_bytes());
            values::push_int(&mut self.out, to);
        }
        self.pad(start, first.width);
    }

    fn range_unless(&mut self, nothing: i64, first: Name, last: Name, from: i64, to: i64) {
        if (from, to) != (nothing, nothing) {
            self.range(first, last, from, to);
        }
    }

    fn flag(&mut self, name: Name, value: bool) {
        if value {
            self.label(name);
        }
    }

    fn warning_unless(&mut self, name: Name, value: bool) {
        self.flag(name, !value);
    }

    fn int_detail(&mut self, _name: Name, _value: i64) {}

    fn timestamp_detail(&mut self, _name: Name, _millis: i64) {}

    fn text_unless(&mut self, usual: &str, name: Name, value: &str) {
        if value != usual {
            self.text(name, value);
        }
    }

    fn text(&mut self, name: Name, value: &str) {
        self.label(name);
        let from = self.out.len();
        values::push_terminal_text(&mut self.out, value);
        self.pad(from, name.width);
    }

    fn timestamp(&mut self, name: Name, millis: i64) {
        self.label(name);
        let from = self.out.len();
        values::push_timestamp(&mut self.out, millis);
        self.fill(self.out.len() - from, name.width);
    }

    fn bytes(&mut self, name: Name, value: Option<&[u8]>, style: ValueStyle) {
        if style == ValueStyle::None {
            return;
        }
        self.label(name);
        let from = self.out.len();
        match value {
            Some(bytes) => values::push_text_value(&mut self.out, bytes, style),
            None => self.out.extend_from_slice(b"null"),
        }
        self.pad(from, name.width);
    }

    fn json(&mut self, name: Name, value: &[u8]) {
        self.label(name);
        values::push_terminal_text(&mut self.out, &String::from_utf8_lossy(value));
    }

    fn empty_list(&mut self, _name: Name) {}

    fn begin_list(&mut self, name: Name) {
        self.label(name);
        self.out.push(b'[');
        self.open.push(Bracket::List);
    }

    fn end_list(&mut self) {
        self.open.pop();
        self.out.push(b']');
    }

    fn begin_object(&mut self, name: Option<Name>) {
        match name {
            None => self.open.push(Bracket::Item),
            Some(name) => {
                self.label(name);
                self.out.push(b'(');
                self.open.push(Bracket::Object);
            }
        }
    }

    fn end_object(&mut self) {
        if self.open.pop() == Some(Bracket::Object) {
            self.out.push(b')');
        }
    }
}
