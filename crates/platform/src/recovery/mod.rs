//! What an object keeps, exported and restored by the table of `molt_common::recovery`: the part that every object shares.

pub mod restore;

use crate::audit_log::AuditLog;
use crate::sql::integer;
use molt_common::audit::{Chain, Head};
use molt_common::audit_call::VerifyChain;
use molt_common::recovery::call::{ExportedPage, Rest, TableRow};
use molt_common::recovery::line::{self, Row};
use molt_common::recovery::tables::{self, Kind, Place, Reading, Table};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use worker::{Error, Result, SqlStorage, SqlStorageValue, State};

/// The table; the object makes it once in its life.
pub const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS recovery (name TEXT PRIMARY KEY, state TEXT NOT NULL);";

/// A page that has so many bytes takes no further row.
const PAGE_BYTES: usize = 400_000;
/// Rows that are asked for at once: the longest are as long as a page.
const ROWS: u64 = 20;
/// Alias of the number of a row.
const NUMBER: &str = "recovery_row";
const MARK: &str = "mark";

/// How far a restore into an object came.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mark {
    /// Id of the archive.
    pub recovery: String,
    /// All of it is there.
    pub done: bool,
}

#[derive(Deserialize)]
struct Extent {
    upto: u64,
    count: u64,
}

#[derive(Deserialize)]
struct Text {
    state: String,
}

#[derive(Deserialize)]
struct Count {
    value: u64,
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::RustError(format!("recovery: {error}"))
}

/// What is kept under a name of a restore.
///
/// # Errors
/// When storage fails.
pub fn kept<T: DeserializeOwned>(sql: &SqlStorage, name: &str) -> Result<Option<T>> {
    let rows: Vec<Text> = sql
        .exec("SELECT state FROM recovery WHERE name = ?", vec![name.into()])?
        .to_array()?;
    let kept = rows.first().map(|row| serde_json::from_str(&row.state));
    kept.transpose().map_err(failed)
}

/// Keeps it.
///
/// # Errors
/// When storage fails.
pub fn keep(sql: &SqlStorage, name: &str, state: &impl Serialize) -> Result<()> {
    sql.exec(
        "INSERT INTO recovery (name, state) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET state = excluded.state",
        vec![name.into(), serde_json::to_string(state)?.into()],
    )?;
    Ok(())
}

/// How far a restore into this object came; `None` when there was none.
///
/// # Errors
/// When storage fails.
pub fn mark(sql: &SqlStorage) -> Result<Option<Mark>> {
    kept(sql, MARK)
}

/// Notes it.
///
/// # Errors
/// When storage fails.
pub fn set_mark(sql: &SqlStorage, recovery: &str, done: bool) -> Result<()> {
    let recovery = recovery.to_owned();
    keep(sql, MARK, &Mark { recovery, done })
}

fn extent(sql: &SqlStorage, table: &Table, after: u64, upto: u64) -> Result<Extent> {
    let condition = table.condition("rowid > ? AND rowid <= ?");
    let query = format!(
        "SELECT COALESCE(MAX(rowid), 0) AS upto, COUNT(*) AS count FROM \"{}\" {condition}",
        table.name
    );
    let rows: Vec<Extent> = sql.exec(&query, vec![integer(after), integer(upto)])?.to_array()?;
    rows.into_iter().next().ok_or_else(|| failed("no count"))
}

/// Rows behind a number, with theirs.
fn rows(sql: &SqlStorage, table: &Table, after: u64, upto: u64) -> Result<Vec<(u64, Row)>> {
    let condition = table.condition("rowid > ? AND rowid <= ?");
    let query = format!(
        "SELECT rowid AS {NUMBER}, {} FROM \"{}\" {condition} ORDER BY rowid LIMIT {ROWS}",
        table.column_list(),
        table.name
    );
    let found: Vec<Row> = sql.exec(&query, vec![integer(after), integer(upto)])?.to_array()?;
    found.into_iter().map(|row| numbered(table, row)).collect()
}

/// Takes the number out of a row that a query answered.
///
/// # Errors
/// When the row has none, or is not as the table's columns say.
pub fn numbered(table: &Table, mut row: Row) -> Result<(u64, Row)> {
    let number = row.remove(NUMBER).as_ref().and_then(Value::as_u64);
    let number = number.ok_or_else(|| failed("a row without a number"))?;
    line::check(table, &row).map_err(|error| failed(format_args!("{}: {error}", table.full_name())))?;
    Ok((number, row))
}

/// Selects rows of a table of D1 with their numbers; `?1` is the number behind which it begins.
#[must_use]
pub fn database_query(table: &Table, limit: u32) -> String {
    format!(
        "SELECT rowid AS {NUMBER}, {} FROM \"{}\" {} ORDER BY rowid LIMIT {limit}",
        table.column_list(),
        table.name,
        table.condition("rowid > ?1")
    )
}

fn size(row: &Row) -> usize {
    let texts = row.values().map(|value| value.as_str().map_or(8, str::len));
    texts.sum::<usize>().saturating_add(32)
}

/// A page of the object's tables. The first has every table that changes, and notes how far the others reach at that moment; what is added to those
/// later is not in the export. `None`: rows of those that were still to come are gone.
///
/// # Errors
/// When storage fails, or holds what the table of the export does not know.
pub fn page(sql: &SqlStorage, place: Place, rest: Option<Vec<Rest>>) -> Result<Option<ExportedPage>> {
    let mut found = Vec::new();
    let mut bytes = 0_usize;
    let mut rest = match rest {
        Some(rest) => rest,
        None => {
            for table in tables::of(place).filter(|table| table.reading == Reading::Whole) {
                let mut after = 0;
                loop {
                    let some = rows(sql, table, after, u64::MAX)?;
                    let Some((last, _)) = some.last() else { break };
                    after = *last;
                    for (_, row) in some {
                        bytes = bytes.saturating_add(size(&row));
                        found.push(table_row(table, row));
                    }
                }
            }
            begun(sql, place)?
        }
    };
    while bytes < PAGE_BYTES
        && let Some(first) = rest.first_mut()
    {
        let table = tables::find(place, &first.table).ok_or_else(|| failed("no such table"))?;
        let there = extent(sql, table, first.after, first.upto)?.count;
        if there != first.left && table.reading != Reading::Expiring {
            return Ok(None);
        }
        first.left = there;
        for (number, row) in rows(sql, table, first.after, first.upto)? {
            first.after = number;
            first.left = first.left.saturating_sub(1);
            bytes = bytes.saturating_add(size(&row));
            found.push(table_row(table, row));
            if bytes >= PAGE_BYTES {
                break;
            }
        }
        if first.left == 0 {
            rest.remove(0);
        }
    }
    Ok(Some(ExportedPage { rows: found, rest }))
}

fn begun(sql: &SqlStorage, place: Place) -> Result<Vec<Rest>> {
    let mut rest = Vec::new();
    for table in tables::of(place).filter(|table| table.reading != Reading::Whole) {
        let extent = extent(sql, table, 0, u64::MAX)?;
        if extent.count > 0 {
            rest.push(Rest {
                table: table.name.into(),
                after: 0,
                upto: extent.upto,
                left: extent.count,
            });
        }
    }
    Ok(rest)
}

fn table_row(table: &Table, row: Row) -> TableRow {
    TableRow {
        table: table.name.into(),
        row,
    }
}

/// Rows of each exported table that has any.
///
/// # Errors
/// When storage fails.
pub fn filled(sql: &SqlStorage, place: Place) -> Result<BTreeMap<&'static str, u64>> {
    let mut filled = BTreeMap::new();
    for table in tables::of(place) {
        let query = format!("SELECT COUNT(*) AS value FROM \"{}\"", table.name);
        let counts: Vec<Count> = sql.exec(&query, None)?.to_array()?;
        let count = counts.first().map_or(0, |count| count.value);
        if count > 0 {
            filled.insert(table.name, count);
        }
    }
    Ok(filled)
}

/// The values of a row, in the order of the table's columns.
#[must_use]
pub fn values(table: &Table, row: &Row) -> Vec<SqlStorageValue> {
    let value = |column: &tables::Column| match (row.get(column.name), column.kind) {
        (Some(Value::String(text)), Kind::Text) => text.as_str().into(),
        (Some(value), Kind::Integer) => value.as_u64().map_or(SqlStorageValue::Null, integer),
        _ => SqlStorageValue::Null,
    };
    table.columns.iter().map(value).collect()
}

/// Keeps a row. Kept before, it is the same again.
///
/// # Errors
/// When storage fails, or the row breaks what the table demands.
pub fn insert(sql: &SqlStorage, table: &Table, row: &Row) -> Result<()> {
    let marks = vec!["?"; table.columns.len()].join(", ");
    let (id, one) = if table.single { ("id, ", "1, ") } else { ("", "") };
    let query = format!(
        "INSERT OR REPLACE INTO \"{}\" ({id}{}) VALUES ({one}{marks})",
        table.name,
        table.column_list()
    );
    sql.exec(&query, values(table, row))?;
    Ok(())
}

/// The table of a row that came in a call.
///
/// # Errors
/// In words, when there is none or the row does not fit it.
pub fn table_of(place: Place, row: &TableRow) -> std::result::Result<&'static Table, String> {
    let table = tables::find(place, &row.table).ok_or_else(|| format!("there is no table {:?}", row.table))?;
    line::check(table, &row.row).map_err(|error| error.to_string())?;
    Ok(table)
}

/// Why the chain in the object is not whole; `None` when it is.
///
/// # Errors
/// When storage fails.
pub fn broken_chain(state: &State, chain: Chain) -> Result<Option<String>> {
    let log = AuditLog::of(state, chain);
    let mut behind = Head::start();
    loop {
        let report = log.verify(&VerifyChain {
            chain,
            behind,
            copy: None,
        })?;
        if let Some(broken) = report.broken {
            return Ok(Some(format!("the audit chain {chain}: {broken}")));
        }
        if report.whole {
            return Ok(None);
        }
        behind = report.sound;
    }
}
