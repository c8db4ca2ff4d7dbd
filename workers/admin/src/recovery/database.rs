//! D1 in an export and in its restore.

use molt_common::id::UserId;
use molt_common::recovery::BEGUN_AGAIN;
use molt_common::recovery::line::Row;
use molt_common::recovery::tables::{self, Kind, LEFT_OUT, Place, Table, USERS};
use molt_common::time::Millis;
use molt_platform::recovery;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use worker::d1::{D1PreparedStatement, D1Type};
use worker::{Env, Error, Result};

const DATABASE: &str = "PLATFORM_DB";
/// Statements of a batch.
const BATCH: usize = 50;
/// Counts the changes of a row, in the tables that objects tell.
const VERSION: &str = "version";
/// Nobody is let in before the restore is finished.
const SHUT_OUT: &str = "suspended";

#[derive(Deserialize)]
struct Count {
    value: u64,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

/// A table of D1 that is exported.
pub fn table(name: &str) -> Result<&'static Table> {
    tables::find(Place::Database, name).ok_or_else(|| Error::RustError(format!("no table {name}")))
}

/// Rows behind a number, with theirs.
pub async fn rows(env: &Env, table: &Table, after: u64, limit: u32) -> Result<Vec<(u64, Row)>> {
    #[allow(clippy::cast_precision_loss)] // Numbers of rows.
    let after = after as f64;
    let found = env
        .d1(DATABASE)?
        .prepare(recovery::database_query(table, limit))
        .bind_refs(&[D1Type::Real(after)])?
        .all()
        .await?
        .results::<Row>()?;
    found.into_iter().map(|row| recovery::numbered(table, row)).collect()
}

/// Rows of each table of ours that has any, exported or not.
pub async fn filled(env: &Env) -> Result<BTreeMap<String, u64>> {
    let database = env.d1(DATABASE)?;
    let exported = tables::of(Place::Database).map(|table| table.name);
    let left_out = LEFT_OUT.iter().filter(|(place, _, _)| *place == Place::Database);
    let names: Vec<&str> = exported.chain(left_out.map(|(_, name, _)| *name)).collect();
    let counts = names
        .iter()
        .map(|name| database.prepare(format!("SELECT COUNT(*) AS value FROM \"{name}\"")));
    let results = database.batch(counts.collect()).await?;
    let mut filled = BTreeMap::new();
    for (name, result) in names.iter().zip(&results) {
        let rows: Vec<Count> = result.results()?;
        let count = rows.first().map_or(0, |row| row.value);
        if count > 0 {
            filled.insert(format!("{}.{name}", Place::Database), count);
        }
    }
    Ok(filled)
}

/// Which of these users have no row.
pub async fn unknown(env: &Env, users: &BTreeSet<UserId>) -> Result<BTreeSet<UserId>> {
    if users.is_empty() {
        return Ok(BTreeSet::new());
    }
    let ids = serde_json::to_string(users)?;
    let found = env
        .d1(DATABASE)?
        .prepare("SELECT id FROM users WHERE id IN (SELECT value FROM json_each(?1))")
        .bind_refs(&[D1Type::Text(&ids)])?
        .all()
        .await?
        .results::<Id>()?;
    let known: BTreeSet<UserId> = found.iter().filter_map(|row| UserId::parse(&row.id).ok()).collect();
    Ok(users.difference(&known).copied().collect())
}

/// The statement that keeps a row, whatever is there. An object that is restored before tells its rows at once: of those with versions the newer one
/// stays.
fn keeping(table: &Table) -> String {
    let (name, columns) = (table.name, table.column_list());
    let numbers: Vec<String> = (1..=table.columns.len()).map(|number| format!("?{number}")).collect();
    let numbers = numbers.join(", ");
    if !table.columns.iter().any(|column| column.name == VERSION) {
        return format!("INSERT OR REPLACE INTO \"{name}\" ({columns}) VALUES ({numbers})");
    }
    let set = table
        .columns
        .iter()
        .map(|column| format!("\"{0}\" = excluded.\"{0}\"", column.name));
    let set: Vec<String> = set.collect();
    format!(
        "INSERT INTO \"{name}\" ({columns}) VALUES ({numbers}) \
         ON CONFLICT DO UPDATE SET {} WHERE excluded.{VERSION} > \"{name}\".{VERSION}",
        set.join(", ")
    )
}

/// Users whose sandboxes noted since then that another repository was begun beside one that nobody can open.
pub async fn begun_again(env: &Env, since: Millis) -> Result<Vec<String>> {
    #[allow(clippy::cast_precision_loss)] // Times of this era are exact.
    let since = since.0 as f64;
    let found = env
        .d1(DATABASE)?
        .prepare("SELECT DISTINCT target AS id FROM audit WHERE at >= ?1 AND action = ?2 ORDER BY target LIMIT 1000")
        .bind_refs(&[D1Type::Real(since), D1Type::Text(BEGUN_AGAIN)])?
        .all()
        .await?
        .results::<Id>()?;
    Ok(found.into_iter().map(|row| row.id).collect())
}

/// Keeps rows. Kept before, they are the same again.
pub async fn keep(env: &Env, rows: &[(&'static Table, Row)]) -> Result<()> {
    let database = env.d1(DATABASE)?;
    for some in rows.chunks(BATCH) {
        let mut statements: Vec<D1PreparedStatement> = Vec::with_capacity(some.len());
        for (table, row) in some {
            statements.push(database.prepare(keeping(table)).bind_refs(&values(table, row))?);
        }
        database.batch(statements).await?;
    }
    Ok(())
}

fn values<'a>(table: &Table, row: &'a Row) -> Vec<D1Type<'a>> {
    let value = |column: &tables::Column| match (row.get(column.name), column.kind) {
        _ if table.name == USERS && column.name == "status" => D1Type::Text(SHUT_OUT),
        (Some(Value::String(text)), Kind::Text) => D1Type::Text(text),
        // Counters and times of this era are exact in the f64 that D1 takes.
        (Some(value), Kind::Integer) => value.as_f64().map_or(D1Type::Null, D1Type::Real),
        _ => D1Type::Null,
    };
    table.columns.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::{VERSION, keeping};
    use molt_common::recovery::tables::{Kind, Place, of};
    use rusqlite::Connection;
    use rusqlite::types::Value;

    const MIGRATIONS: [&str; 2] = [
        include_str!("../../../../wrangler/migrations/0005_jobs.sql"),
        include_str!("../../../../wrangler/migrations/0007_usage.sql"),
    ];

    #[test]
    fn what_an_object_has_told_meanwhile_is_not_overwritten_by_what_is_older() -> rusqlite::Result<()> {
        let sql = Connection::open_in_memory()?;
        for migration in MIGRATIONS {
            sql.execute_batch(migration)?;
        }
        let mut tried = vec![];
        for table in of(Place::Database).filter(|table| table.columns.iter().any(|column| column.name == VERSION)) {
            let statement = keeping(table);
            let row = |version: i64| {
                let value = |column: &molt_common::recovery::tables::Column| match column.kind {
                    _ if column.name == VERSION || column.name == "updated_at" => Value::Integer(version),
                    Kind::Text => Value::Text("a".into()),
                    Kind::Integer => Value::Integer(1),
                };
                rusqlite::params_from_iter(table.columns.iter().map(value).collect::<Vec<_>>())
            };
            for (told, kept) in [(3, 3), (2, 3), (3, 3), (5, 5), (4, 5)] {
                sql.execute(&statement, row(told))?;
                let query = format!("SELECT COUNT(*), SUM({VERSION}), SUM(updated_at) FROM {}", table.name);
                let found = sql.query_row(&query, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
                assert_eq!(found, Ok((1, kept, kept)), "{} {told}", table.name);
            }
            tried.push(table.name);
        }
        assert_eq!(tried, ["jobs", "usage_days", "container_days", "storage_days"]);
        Ok(())
    }
}
