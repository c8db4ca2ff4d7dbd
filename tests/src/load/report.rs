//! A record in a few lines, for people.

use super::Record;
use std::fmt;
use std::time::Duration;

/// A time in seconds, `-` for none.
#[must_use]
pub fn seconds(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| format!("{:.2}", time.as_secs_f64()))
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.failed();
        let ms = |share: f64| self.percentile(share).as_millis();
        write!(
            f,
            "{} requests, {} failed, p50 {} ms, p95 {} ms, p99 {} ms, longest {} ms, by {:?}",
            self.samples.len(),
            failed.samples.len(),
            ms(0.5),
            ms(0.95),
            ms(0.99),
            ms(1.0),
            self.backends(),
        )?;
        failed
            .examples(3)
            .iter()
            .try_for_each(|example| write!(f, "\n  {example}"))
    }
}

/// Rows of text under a head, printed with columns of even width.
#[derive(Clone, Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With this head.
    #[must_use]
    pub fn new(head: &[&str]) -> Self {
        let head = head.iter().map(|cell| (*cell).to_owned()).collect();
        Self { rows: vec![head] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
        };
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn columns_are_even() {
        let mut table = Table::new(&["router", "s"]);
        table.row(["1".to_owned(), "0.10".to_owned()]);
        assert_eq!(table.to_string(), "router  s\n1       0.10\n");
    }
}
