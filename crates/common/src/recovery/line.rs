//! One line of a member: a row, or the end of an object.

use super::tables::{self, Kind, Place, Table};
use crate::id::UserId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A row: values by column.
pub type Row = Map<String, Value>;

/// See the module. Either `table` and `row`, or `end`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Line {
    /// Where the row was.
    pub place: Place,
    /// Whose object; `None` where there is one for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// The row's table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<Row>,
    /// The object ends here and has so many rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<u64>,
}

/// What a line that is in order says.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A row of this table.
    Row(&'static Table, Row),
    /// The end of an object with so many rows.
    End(u64),
}

/// A line that is in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// Where the row was.
    pub place: Place,
    /// Whose object.
    pub user: Option<UserId>,
    /// What it says.
    pub content: Content,
}

/// Why a line is not in order. The text names what is wrong and quotes no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    /// Longer than any that is written.
    #[error("is longer than {} bytes", super::LONGEST_LINE)]
    TooLong,
    /// No JSON of a line's form.
    #[error("is no line of an archive, at column {0}")]
    Form(usize),
    /// Neither a row nor an end, or both.
    #[error("must be a row of a table or the end of an object")]
    Neither,
    /// A place of users without one, or the other way round.
    #[error("must name a user where, and only where, each has an object")]
    User,
    /// No such table.
    #[error("names the table {0:?} of {1}, which no archive of this version has")]
    Table(String, Place),
    /// A column that is not there.
    #[error("has a column {0:?} that the table has not")]
    Unknown(String),
    /// A value of another kind.
    #[error("column {0} does not hold what it must")]
    Value(&'static str),
}

impl Line {
    /// A row.
    #[must_use]
    pub fn of_row(table: &Table, user: Option<UserId>, row: Row) -> Self {
        Self {
            place: table.place,
            user,
            table: Some(table.name.into()),
            row: Some(row),
            end: None,
        }
    }

    /// The end of an object.
    #[must_use]
    pub const fn of_end(place: Place, user: Option<UserId>, rows: u64) -> Self {
        Self {
            place,
            user,
            table: None,
            row: None,
            end: Some(rows),
        }
    }

    /// Reads one and looks whether it is in order.
    ///
    /// # Errors
    /// [`BadLine`].
    pub fn parse(text: &[u8]) -> Result<Checked, BadLine> {
        if text.len() > super::LONGEST_LINE {
            return Err(BadLine::TooLong);
        }
        let line: Self = serde_json::from_slice(text).map_err(|error| BadLine::Form(error.column()))?;
        line.checked()
    }

    /// Looks whether it is in order.
    ///
    /// # Errors
    /// [`BadLine`].
    pub fn checked(self) -> Result<Checked, BadLine> {
        if self.place.is_of_user() != self.user.is_some() {
            return Err(BadLine::User);
        }
        let content = match (self.table, self.row, self.end) {
            (Some(name), Some(row), None) => match tables::find(self.place, &name) {
                Some(table) => {
                    check(table, &row)?;
                    Content::Row(table, row)
                }
                None => return Err(BadLine::Table(name, self.place)),
            },
            // D1 is no object that ends.
            (None, None, Some(rows)) if self.place != Place::Database => Content::End(rows),
            _ => return Err(BadLine::Neither),
        };
        Ok(Checked {
            place: self.place,
            user: self.user,
            content,
        })
    }
}

/// Whether a row fits its table. A column that is not there counts as null, as in the archive of a version that did not have it.
///
/// # Errors
/// [`BadLine::Unknown`], [`BadLine::Value`].
pub fn check(table: &Table, row: &Row) -> Result<(), BadLine> {
    if let Some(name) = row
        .keys()
        .find(|name| table.columns.iter().all(|column| column.name != *name))
    {
        return Err(BadLine::Unknown(name.clone()));
    }
    for column in table.columns {
        let fits = match (row.get(column.name), column.kind) {
            (None | Some(Value::Null), _) => column.optional,
            (Some(value), Kind::Text) => value.is_string(),
            (Some(value), Kind::Integer) => value.as_u64().is_some_and(|number| number < 1 << 53),
        };
        if !fits {
            return Err(BadLine::Value(column.name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{BadLine, Content, Line};
    use serde_json::json;

    fn parsed(line: &serde_json::Value) -> Result<super::Checked, BadLine> {
        Line::parse(line.to_string().as_bytes())
    }

    #[test]
    fn a_row_fits_its_table_or_is_refused() {
        let user = "ada00000-0000-4000-8000-000000000001";
        let good = json!({"place": "sandbox", "user": user, "table": "repository_key", "row": {"wrapped": "1.k.x"}});
        assert!(matches!(parsed(&good).unwrap().content, Content::Row(table, _) if table.name == "repository_key"));
        let end = json!({"place": "exec", "user": user, "end": 3});
        assert_eq!(parsed(&end).unwrap().content, Content::End(3));
        let row = |table: &str, row: serde_json::Value| json!({"place": "control-plane", "table": table, "row": row});
        for (bad, why) in [
            (
                json!({"place": "sandbox", "table": "repository_key", "row": {"wrapped": "x"}}),
                BadLine::User,
            ),
            (json!({"place": "control-plane", "user": user, "end": 1}), BadLine::User),
            (json!({"place": "database", "end": 1}), BadLine::Neither),
            (
                json!({"place": "exec", "user": user, "end": 1, "table": "audit", "row": {}}),
                BadLine::Neither,
            ),
            (
                row("outbox", json!({})),
                BadLine::Table("outbox".into(), super::Place::ControlPlane),
            ),
            (
                row("suspended", json!({"user": user, "since": 1, "x": 1})),
                BadLine::Unknown("x".into()),
            ),
            (row("suspended", json!({"user": user})), BadLine::Value("since")),
            (
                row("suspended", json!({"user": user, "since": -1})),
                BadLine::Value("since"),
            ),
            (
                row("suspended", json!({"user": user, "since": 1.5})),
                BadLine::Value("since"),
            ),
            (row("suspended", json!({"user": 7, "since": 1})), BadLine::Value("user")),
        ] {
            assert_eq!(parsed(&bad), Err(why), "{bad}");
        }
        assert!(matches!(Line::parse(b"{\"place\":"), Err(BadLine::Form(_))));
        assert_eq!(
            Line::parse(&vec![b' '; super::super::LONGEST_LINE + 1]),
            Err(BadLine::TooLong)
        );
    }
}
