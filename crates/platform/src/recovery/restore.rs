//! Keeping rows of an archive in an object that has nothing of its own: what every object does alike.

use super::{filled, insert, mark, set_mark, table_of};
use crate::transaction;
use molt_common::recovery::call::{RestoreState, Restored, TableRow};
use molt_common::recovery::tables::{Place, Table};
use std::collections::BTreeMap;
use std::result::Result as Outcome;
use worker::{Error, Result, SqlStorage, State};

/// Why nothing was kept.
pub enum Not {
    /// The object has something of its own: what.
    Empty(String),
    /// The rows make no sense there: why.
    Refused(String),
    /// Storage failed.
    Storage(Error),
}

impl From<Error> for Not {
    fn from(error: Error) -> Self {
        Self::Storage(error)
    }
}

impl Not {
    /// The rows make no sense.
    pub fn refused(why: impl std::fmt::Display) -> Self {
        Self::Refused(why.to_string())
    }
}

/// An object that rows are restored into.
pub trait Target {
    /// Which of them it is in the archive.
    const PLACE: Place;

    /// Of the runtime.
    fn state(&self) -> &State;

    /// Rows by table that it must not have before the first are restored.
    ///
    /// # Errors
    /// When storage fails.
    fn own(&self, sql: &SqlStorage) -> Result<BTreeMap<&'static str, u64>> {
        filled(sql, Self::PLACE)
    }

    /// Keeps a row that fits its table.
    ///
    /// # Errors
    /// When it makes no sense, or storage fails.
    fn keep(&self, sql: &SqlStorage, table: &Table, told: &TableRow, _asked: &RestoreState) -> Outcome<(), Not> {
        Ok(insert(sql, table, &told.row)?)
    }

    /// All rows are there: they must make sense together, and from here on they are the truth.
    ///
    /// # Errors
    /// When they make none, or storage fails.
    fn settle(&self, asked: &RestoreState) -> Outcome<(), Not>;
}

/// Keeps rows of an archive, all that came or none. The same rows once more change nothing.
///
/// # Errors
/// When storage fails.
pub fn restore(target: &impl Target, asked: &RestoreState) -> Result<Restored> {
    match transaction::transaction(target.state(), || keep(target, asked)) {
        Ok(()) => Ok(Restored::Kept),
        Err(Not::Empty(what)) => Ok(Restored::NotEmpty { what }),
        Err(Not::Refused(why)) => Ok(Restored::Refused { why }),
        Err(Not::Storage(error)) => Err(error),
    }
}

fn keep<T: Target>(target: &T, asked: &RestoreState) -> Outcome<(), Not> {
    let sql = target.state().storage().sql();
    match mark(&sql)? {
        Some(mark) if mark.recovery != asked.recovery => return Err(Not::Empty("another restore".into())),
        Some(mark) if mark.done => return Ok(()),
        Some(_) => {}
        None => {
            if let Some((table, rows)) = target.own(&sql)?.into_iter().next() {
                return Err(Not::Empty(format!("{table} ({rows})")));
            }
        }
    }
    for told in &asked.rows {
        let table = table_of(T::PLACE, told).map_err(Not::Refused)?;
        target.keep(&sql, table, told, asked)?;
    }
    if let Some(rows) = asked.end {
        let found: u64 = filled(&sql, T::PLACE)?.values().sum();
        if found != rows {
            return Err(Not::refused(format_args!("it has {found} rows, not {rows}")));
        }
        target.settle(asked)?;
    }
    Ok(set_mark(&sql, &asked.recovery, asked.end.is_some())?)
}
