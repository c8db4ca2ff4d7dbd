//! The store's tables: commands and where they stand, what they wrote, and what is forgotten.

pub mod jobs;
pub mod output;
pub mod retention;
mod schema;
mod steps;

use super::announce;
use molt_common::time::Millis;
use molt_platform::transaction;
use worker::{Error, Result, SqlStorage, SqlStorageValue, State};

/// The object's tables.
#[derive(Clone)]
pub struct Store {
    sql: SqlStorage,
}

impl Store {
    /// Makes or upgrades the tables; once in the object's life is enough.
    pub fn create(state: &State) -> Result<()> {
        let sql = state.storage().sql();
        transaction::atomically(state, || {
            schema::bring_up_to_date(&sql)?;
            announce::create(&sql)
        })
    }

    /// The tables, which exist.
    pub fn of(state: &State) -> Self {
        Self {
            sql: state.storage().sql(),
        }
    }

    fn rows(&self, query: &str, values: Vec<SqlStorageValue>) -> Result<impl Iterator<Item = Result<Row>>> {
        Ok(self.sql.exec(query, values)?.raw().map(|row| row.map(Row::new)))
    }

    fn row(&self, query: &str, values: Vec<SqlStorageValue>) -> Result<Option<Row>> {
        self.rows(query, values)?.next().transpose()
    }
}

/// The columns of a row, taken in their order. Bytes come as they are, which rows of structures cannot say.
struct Row(std::vec::IntoIter<SqlStorageValue>);

impl Row {
    fn new(values: Vec<SqlStorageValue>) -> Self {
        Self(values.into_iter())
    }

    fn optional_text(&mut self) -> Result<Option<String>> {
        match self.0.next() {
            Some(SqlStorageValue::String(text)) => Ok(Some(text)),
            Some(SqlStorageValue::Null) => Ok(None),
            other => Err(unexpected("a text", other.as_ref())),
        }
    }

    fn text(&mut self) -> Result<String> {
        self.optional_text()?.ok_or_else(|| unexpected("a text", None))
    }

    fn optional_number(&mut self) -> Result<Option<u64>> {
        match self.0.next() {
            Some(SqlStorageValue::Integer(number)) => Ok(Some(u64::try_from(number).unwrap_or_default())),
            Some(SqlStorageValue::Null) => Ok(None),
            other => Err(unexpected("a number", other.as_ref())),
        }
    }

    fn number(&mut self) -> Result<u64> {
        Ok(self.optional_number()?.unwrap_or_default())
    }

    fn time(&mut self) -> Result<Option<Millis>> {
        Ok(self.optional_number()?.map(Millis))
    }

    fn bytes(&mut self) -> Result<Vec<u8>> {
        match self.0.next() {
            Some(SqlStorageValue::Blob(bytes)) => Ok(bytes),
            other => Err(unexpected("bytes", other.as_ref())),
        }
    }

    fn json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T> {
        serde_json::from_str(&self.text()?).map_err(stored)
    }

    fn parsed<T, E: std::fmt::Display>(&mut self, parse: impl FnOnce(&str) -> std::result::Result<T, E>) -> Result<T> {
        parse(&self.text()?).map_err(stored)
    }
}

fn stored(error: impl std::fmt::Display) -> Error {
    Error::RustError(format!("stored exec: {error}"))
}

/// Says the kind of what was found, never the value.
fn unexpected(wanted: &str, found: Option<&SqlStorageValue>) -> Error {
    let found = match found {
        None => "nothing",
        Some(SqlStorageValue::Null) => "null",
        Some(SqlStorageValue::Boolean(_)) => "a boolean",
        Some(SqlStorageValue::Integer(_) | SqlStorageValue::Float(_)) => "a number",
        Some(SqlStorageValue::String(_)) => "a text",
        Some(SqlStorageValue::Blob(_)) => "bytes",
    };
    stored(format!("a column holds {found}, not {wanted}"))
}
