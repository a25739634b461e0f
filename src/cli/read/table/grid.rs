//! Columns that line up, without those of which nothing is known.

/// One column.
pub(super) struct Column<Row> {
    /// What stands above it.
    pub(super) title: &'static str,
    /// Words are set to the left, numbers to the right.
    pub(super) is_text: bool,
    /// Whether it is left out where no row has a value.
    pub(super) is_optional: bool,
    /// The cell of a row; empty if the row has none.
    pub(super) cell: fn(&Row) -> String,
}

impl<Row> Column<Row> {
    /// A column of words.
    pub(super) const fn text(title: &'static str, cell: fn(&Row) -> String) -> Self {
        Self { title, is_text: true, is_optional: false, cell }
    }

    /// A column of numbers.
    pub(super) const fn number(title: &'static str, cell: fn(&Row) -> String) -> Self {
        Self { title, is_text: false, is_optional: false, cell }
    }

    /// The same, left out where no row has a value.
    pub(super) const fn if_known(self) -> Self {
        Self { is_optional: true, ..self }
    }
}

/// The rows below the titles, each line indented by two blanks. Nothing without rows.
pub(super) fn render<Row>(columns: &[Column<Row>], rows: &[Row]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut lines = vec![String::from(" "); rows.len() + 1];
    for column in columns {
        let cells: Vec<String> = rows.iter().map(column.cell).collect();
        if column.is_optional && cells.iter().all(|cell| cell.is_empty() || cell == "-") {
            continue;
        }
        let titled = || std::iter::once(column.title).chain(cells.iter().map(String::as_str));
        let width = titled().map(|cell| cell.chars().count()).max().unwrap_or_default();
        for (line, cell) in lines.iter_mut().zip(titled()) {
            let padding = " ".repeat(width - cell.chars().count());
            let (before, after) =
                if column.is_text { ("", padding.as_str()) } else { (padding.as_str(), "") };
            line.extend([" ", before, cell, after, " "]);
        }
    }
    lines.iter().flat_map(|line| [line.trim_end(), "\n"]).collect()
}
