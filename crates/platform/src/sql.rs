//! Values of SQLite statements in Durable Objects, and the end of everything that one keeps.

use serde::Deserialize;
use worker::{Result, SqlStorage, SqlStorageValue};

/// Largest number that both sides hold exactly: numbers pass through JavaScript.
const LARGEST: i64 = 9_007_199_254_740_991;

/// A count or a time; one that is larger than can be held is the largest.
#[must_use]
pub fn integer(value: u64) -> SqlStorageValue {
    SqlStorageValue::Integer(i64::try_from(value).unwrap_or(i64::MAX).min(LARGEST))
}

#[derive(Deserialize)]
struct Table {
    name: String,
}

#[derive(Deserialize)]
struct Count {
    value: u64,
}

/// Removes every row of every table but those named, and answers how many there were. Tables that a later release adds are emptied too. Call it in a transaction.
///
/// # Errors
/// When storage fails.
pub fn erase(sql: &SqlStorage, but: &[&str]) -> Result<u64> {
    // Those of the runtime and of SQLite itself may not be touched.
    let tables: Vec<Table> = sql
        .exec(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_cf_*' AND name NOT GLOB 'sqlite_*'",
            None,
        )?
        .to_array()?;
    let mut rows = 0_u64;
    for table in tables.iter().filter(|table| !but.contains(&table.name.as_str())) {
        let name = table.name.replace('"', "\"\"");
        let count: Vec<Count> = sql
            .exec(&format!("SELECT COUNT(*) AS value FROM \"{name}\""), None)?
            .to_array()?;
        rows = rows.saturating_add(count.first().map_or(0, |count| count.value));
        sql.exec(&format!("DELETE FROM \"{name}\""), None)?;
    }
    Ok(rows)
}
