//! What every code means: one page each, in `pages/`, and an example of each finding.
//!
//! ```text
//!   batch-crc                                   the code begins a page
//!   title: a batch's checksum is not ...        its parts, each with a label
//!   meaning: In magic 2 the checksum ...
//!     batch, in magic 0 and 1 ...               white space at the front: the part goes on
//!                                               an empty line ends the page
//! ```

mod examples;

pub use examples::example;

/// A group of pages, as in the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// What the group is about.
    pub title: &'static str,
    text: &'static str,
}

/// All groups in the order of the catalogue.
pub const GROUPS: [Group; 6] = [
    Group { title: "The log: framing", text: include_str!("pages/framing.txt") },
    Group { title: "The log: inside a batch", text: include_str!("pages/batch.txt") },
    Group { title: "Order", text: include_str!("pages/order.txt") },
    Group { title: "Derived files", text: include_str!("pages/derived.txt") },
    Group { title: "The directory", text: include_str!("pages/directory.txt") },
    Group { title: "While looking", text: include_str!("pages/looking.txt") },
];

/// The page of one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The code.
    pub code: &'static str,
    /// The title of its group.
    pub group: &'static str,
    /// Lines of the parts, with their labels.
    text: &'static str,
}

/// A part of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// One line that says what is wrong.
    Title,
    /// How bad it is, and when which.
    Severity,
    /// What it means.
    Meaning,
    /// How it arises.
    Cause,
    /// What a broker does that starts after a clean stop.
    CleanStart,
    /// What a broker does that starts after any other stop.
    UncleanStart,
    /// What to do.
    Next,
}

impl Part {
    /// All parts in the order in which they stand on a page.
    pub const ALL: [Self; 7] = [
        Self::Title,
        Self::Severity,
        Self::Meaning,
        Self::Cause,
        Self::CleanStart,
        Self::UncleanStart,
        Self::Next,
    ];

    /// What stands before it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Severity => "severity",
            Self::Meaning => "meaning",
            Self::Cause => "cause",
            Self::CleanStart => "clean start",
            Self::UncleanStart => "unclean start",
            Self::Next => "next",
        }
    }
}

impl Group {
    /// The pages of the group in the order of the catalogue.
    pub fn pages(self) -> impl Iterator<Item = Page> {
        let pages = self.text.split("\n\n").filter_map(|page| page.split_once('\n'));
        pages.map(move |(code, text)| Page { code: code.trim(), group: self.title, text })
    }
}

impl Page {
    /// A part on one line. `None` where nothing is known, or there is nothing to say.
    #[must_use]
    pub fn part(&self, part: Part) -> Option<String> {
        let mut words: Vec<&str> = Vec::new();
        let mut is_in = false;
        for line in self.text.lines() {
            let text = if line.starts_with(' ') {
                line
            } else {
                let (label, text) = line.split_once(':')?;
                is_in = label == part.label();
                text
            };
            if is_in {
                words.extend(text.split_whitespace());
            }
        }
        (!words.is_empty()).then(|| words.join(" "))
    }

    /// The severities that a finding of this code can have: `error`, or `note/warning`.
    #[must_use]
    pub fn severities(&self) -> String {
        let text = self.part(Part::Severity).unwrap_or_default();
        let is_named = |name: &&str| text.split([' ', ',', ';']).any(|word| word == *name);
        let named: Vec<&str> = ["error", "warning", "note"].into_iter().filter(is_named).collect();
        named.join("/")
    }
}

/// All pages in the order of the catalogue.
pub fn pages() -> impl Iterator<Item = Page> {
    GROUPS.into_iter().flat_map(Group::pages)
}

/// The page of `code`.
#[must_use]
pub fn page(code: &str) -> Option<Page> {
    pages().find(|page| page.code == code)
}

/// The codes that are most like `code`, which is none: those that begin or end with it or with one
/// of its words, then those that few letters part from it. None where nothing is like it.
#[must_use]
pub fn nearest(code: &str) -> Vec<&'static str> {
    /// How many are named.
    const MOST: usize = 5;
    /// No code is longer; of more, the beginning is compared.
    const LETTERS: usize = 40;
    let asked: String =
        code.to_lowercase().replace(['_', ' '], "-").chars().take(LETTERS).collect();
    let distance = |known: &'static str| match !asked.is_empty() && known.contains(&asked) {
        true => 0,
        false => edits(&asked, known),
    };
    let mut all: Vec<_> = pages().map(|page| (distance(page.code), page.code)).collect();
    all.sort_by_key(|(distance, _)| *distance);
    let least = all.first().map_or(0, |(distance, _)| *distance);
    // Where every second letter is another one, nothing is alike.
    if least > 2.max(asked.len() / 2) {
        return Vec::new();
    }
    let is_near = |(distance, _): &&(usize, &str)| *distance <= least.max(2);
    all.iter().take_while(is_near).take(MOST).map(|(_, code)| *code).collect()
}

/// How many letters have to be put in, taken out or changed to make `b` of `a`.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.bytes().enumerate() {
        let mut next = vec![i + 1];
        let above = row.iter().zip(row.iter().skip(1));
        for ((&diagonal, &up), right) in above.zip(b.bytes()) {
            let before = next.last().copied().unwrap_or_default();
            let changed = diagonal + usize::from(left != right);
            next.push(changed.min(up + 1).min(before + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
