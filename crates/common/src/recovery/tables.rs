//! Which tables are exported, column by column, and which are not, with the reason. A table or column that is in neither list fails a test.

mod left_out;
mod list;

pub use left_out::LEFT_OUT;
pub use list::TABLES;

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// D1.
    Database,
    /// The `ControlPlane` object.
    ControlPlane,
    /// The `Sandbox` object of a user.
    Sandbox,
    /// The `ExecResultStore` object of a user.
    Exec,
}

impl Place {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Database, Self::ControlPlane, Self::Sandbox, Self::Exec];

    /// As in an archive.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::ControlPlane => "control-plane",
            Self::Sandbox => "sandbox",
            Self::Exec => "exec",
        }
    }

    /// Whether there is one for each user.
    #[must_use]
    pub const fn is_of_user(self) -> bool {
        matches!(self, Self::Sandbox | Self::Exec)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A whole number that is not negative.
    Integer,
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// It may be null.
    pub optional: bool,
}

/// How a table of an object is read, so that what is exported of one object was true at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// At once: its rows change, and there are few.
    Whole,
    /// Page by page up to the row that was the newest at that moment: rows never change. Should one be removed meanwhile, the object is read again.
    Appended,
    /// The same, and rows may be removed at any time: they have run out.
    Expiring,
}

/// A table that is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Where it is.
    pub place: Place,
    /// Its name.
    pub name: &'static str,
    /// What is exported of it.
    pub columns: &'static [Column],
    /// How.
    pub reading: Reading,
    /// It has one row, whose `id` is 1.
    pub single: bool,
    /// SQL condition of the rows that are exported; empty for all.
    pub only: &'static str,
    /// Columns that are not, and why.
    pub left_columns: &'static [(&'static str, &'static str)],
}

/// The user's row, without which nothing of his objects is restored.
pub const USERS: &str = "users";
/// The chain's table in every object.
pub const AUDIT_TABLE: &str = "audit";

/// The tables of a place.
pub fn of(place: Place) -> impl Iterator<Item = &'static Table> {
    TABLES.iter().filter(move |table| table.place == place)
}

/// One table.
#[must_use]
pub fn find(place: Place, name: &str) -> Option<&'static Table> {
    of(place).find(|table| table.name == name)
}

impl Table {
    /// `<place>.<name>`, as counts are kept.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.place, self.name)
    }

    /// The columns' names for SQL, with commas.
    #[must_use]
    pub fn column_list(&self) -> String {
        let names: Vec<String> = self
            .columns
            .iter()
            .map(|column| format!("\"{}\"", column.name))
            .collect();
        names.join(", ")
    }

    /// `WHERE` and what is exported of it, behind another condition where there is one.
    #[must_use]
    pub fn condition(&self, other: &str) -> String {
        match (other, self.only) {
            ("", "") => String::new(),
            ("", only) => format!("WHERE {only}"),
            (other, "") => format!("WHERE {other}"),
            (other, only) => format!("WHERE {other} AND {only}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LEFT_OUT, Place, TABLES, find};
    use std::collections::BTreeSet;

    #[test]
    fn no_table_is_in_both_lists_or_twice_in_one() {
        let mut seen = BTreeSet::new();
        for (place, name) in TABLES.iter().map(|table| (table.place, table.name)) {
            assert!(seen.insert((place, name)), "{place}.{name}");
        }
        for (place, name, why) in LEFT_OUT {
            assert!(seen.insert((*place, *name)), "{place}.{name}");
            assert!(why.len() > 10, "{place}.{name} has no reason");
        }
    }

    #[test]
    fn a_condition_names_what_is_exported() {
        let jobs = find(Place::Database, "jobs").unwrap();
        assert!(
            jobs.condition("rowid > ?")
                .starts_with("WHERE rowid > ? AND state NOT IN")
        );
        assert_eq!(find(Place::ControlPlane, "keys").unwrap().condition(""), "");
        assert_eq!(find(Place::Sandbox, "keys"), None);
    }
}
