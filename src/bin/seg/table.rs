//! Tables for bounded results: columns that line up, nothing around them.

use crate::values::terminal_text;
use comfy_table::{CellAlignment, ContentArrangement, Table as Inner, presets};

/// Rows under a heading.
pub struct Table {
    inner: Inner,
    columns: usize,
}

impl Table {
    /// With these columns; a name that begins with `>` is aligned to the right.
    pub fn new(columns: &[&str]) -> Self {
        let mut inner = Inner::new();
        inner.load_style(presets::NOTHING);
        // Lines are never wrapped: what a terminal shows is what a file gets.
        inner.set_content_arrangement(ContentArrangement::Disabled);
        inner.set_header(columns.iter().map(|name| name.trim_start_matches('>')));
        let mut table = Self { inner, columns: columns.len() };
        for (index, name) in columns.iter().enumerate() {
            if let Some(column) = table.inner.column_mut(index) {
                column.set_padding((0, 2));
                if name.starts_with('>') {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        table
    }

    /// Adds a row; nothing in it reaches a terminal unescaped.
    pub fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.columns);
        self.inner.add_row(cells.iter().map(|cell| terminal_text(cell)));
    }

    /// The table with a line break at its end.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for line in self.inner.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}
