//! The tables, and how those of the release before become them.
//!
//! The release before reads `execs` and `outputs`: columns are added and both tables stay, so that it can be put back.

use molt_platform::{audit_log, recovery};
use serde::Deserialize;
use worker::{Result, SqlStorage};

/// The tables of the release before.
const BEFORE: &str = "
CREATE TABLE IF NOT EXISTS execs (
  exec_id TEXT PRIMARY KEY, user_id TEXT NOT NULL, tier INTEGER NOT NULL, command TEXT NOT NULL, start TEXT NOT NULL,
  job TEXT NOT NULL, ended_at INTEGER, created_at INTEGER NOT NULL, idempotency_key TEXT UNIQUE, fingerprint TEXT
);
CREATE INDEX IF NOT EXISTS execs_by_end ON execs (ended_at);
CREATE TABLE IF NOT EXISTS outputs (
  exec_id TEXT NOT NULL, stream TEXT NOT NULL, text TEXT NOT NULL, bytes INTEGER NOT NULL, truncated INTEGER NOT NULL,
  PRIMARY KEY (exec_id, stream)
);
";

/// Version 1: output as bytes by offset. `state` follows `job`, whoever writes that. `_next` is how far a stream was fetched, `_bytes` how much
/// was written; `ending` is the report of an end whose output is still being fetched, and since when.
const OUTPUT_AS_BYTES: &str = "
ALTER TABLE execs ADD COLUMN state TEXT GENERATED ALWAYS AS (json_extract(job, '$.state')) VIRTUAL;
ALTER TABLE execs ADD COLUMN stdout_next INTEGER NOT NULL DEFAULT 0;
ALTER TABLE execs ADD COLUMN stderr_next INTEGER NOT NULL DEFAULT 0;
ALTER TABLE execs ADD COLUMN stdout_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE execs ADD COLUMN stderr_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE execs ADD COLUMN truncated INTEGER NOT NULL DEFAULT 0;
ALTER TABLE execs ADD COLUMN ending TEXT;
CREATE INDEX execs_by_state ON execs (state, ended_at);
CREATE TABLE output (
  exec_id TEXT NOT NULL, stream TEXT NOT NULL, start INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (exec_id, stream, start)
);
INSERT INTO output (exec_id, stream, start, bytes)
  WITH RECURSIVE part (k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM part WHERE k < 31)
  SELECT o.exec_id, o.stream, k * 262144, substr(CAST(o.text AS BLOB), k * 262144 + 1, 262144)
  FROM outputs o JOIN execs e ON e.exec_id = o.exec_id AND e.ended_at IS NOT NULL
  JOIN part ON length(CAST(o.text AS BLOB)) > k * 262144;
UPDATE execs SET
  stdout_bytes = coalesce((SELECT bytes FROM outputs o WHERE o.exec_id = execs.exec_id AND o.stream = 'stdout'), 0),
  stderr_bytes = coalesce((SELECT bytes FROM outputs o WHERE o.exec_id = execs.exec_id AND o.stream = 'stderr'), 0),
  truncated = coalesce((SELECT MAX(truncated) FROM outputs o WHERE o.exec_id = execs.exec_id), 0)
  WHERE ended_at IS NOT NULL;
UPDATE execs SET
  stdout_bytes = max(stdout_bytes, coalesce((SELECT length(CAST(text AS BLOB)) FROM outputs o WHERE o.exec_id = execs.exec_id AND o.stream = 'stdout'), 0)),
  stderr_bytes = max(stderr_bytes, coalesce((SELECT length(CAST(text AS BLOB)) FROM outputs o WHERE o.exec_id = execs.exec_id AND o.stream = 'stderr'), 0))
  WHERE ended_at IS NOT NULL;
UPDATE execs SET stdout_next = stdout_bytes, stderr_next = stderr_bytes WHERE ended_at IS NOT NULL;
CREATE TABLE steps (id INTEGER PRIMARY KEY CHECK (id = 1), taken INTEGER NOT NULL, longest_ms INTEGER NOT NULL);
INSERT INTO steps (id, taken, longest_ms) VALUES (1, 0, 0);
";

/// Each makes the next version of the one before.
const UPGRADES: [&str; 1] = [OUTPUT_AS_BYTES];

#[derive(Deserialize)]
struct Version {
    version: f64,
}

/// Makes or upgrades the tables. Call it in a transaction.
pub fn bring_up_to_date(sql: &SqlStorage) -> Result<()> {
    sql.exec(BEFORE, None)?;
    sql.exec(audit_log::SCHEMA, None)?;
    sql.exec(recovery::SCHEMA, None)?;
    sql.exec(
        "CREATE TABLE IF NOT EXISTS exec_schema (version INTEGER NOT NULL)",
        None,
    )?;
    let rows: Vec<Version> = sql
        .exec("SELECT coalesce(MAX(version), 0) AS version FROM exec_schema", None)?
        .to_array()?;
    let mut version = rows.first().map_or(0.0, |row| row.version);
    let mut made = 0.0;
    for upgrade in UPGRADES {
        made += 1.0;
        if version < made {
            sql.exec(upgrade, None)?;
            sql.exec("INSERT INTO exec_schema (version) VALUES (?)", vec![made.into()])?;
            version = made;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{BEFORE, OUTPUT_AS_BYTES};
    use rusqlite::Connection;

    fn upgraded() -> rusqlite::Result<Connection> {
        let database = Connection::open_in_memory()?;
        database.execute_batch(BEFORE)?;
        let long = "é".repeat(300_000);
        for (id, ended, text, bytes, truncated) in [
            ("done", Some(5), "hello\n", 6, 0),
            ("long", Some(6), long.as_str(), 900_000, 1),
            ("runs", None, "part", 4, 0),
        ] {
            let state = if ended.is_some() { "succeeded" } else { "running" };
            database.execute(
                "INSERT INTO execs (exec_id, user_id, tier, command, start, job, ended_at, created_at) VALUES (?, 'u', 1, 'c', '{}', ?, ?, 1)",
                (id, format!("{{\"state\":\"{state}\"}}"), ended),
            )?;
            database.execute(
                "INSERT INTO outputs (exec_id, stream, text, bytes, truncated) VALUES (?, 'stdout', ?, ?, ?)",
                (id, text, bytes, truncated),
            )?;
        }
        database.execute_batch(OUTPUT_AS_BYTES)?;
        Ok(database)
    }

    #[test]
    fn results_of_the_release_before_become_bytes() -> rusqlite::Result<()> {
        let database = upgraded()?;
        let text = |id: &str| -> rusqlite::Result<(Vec<u8>, Vec<u64>)> {
            let mut rows = database.prepare("SELECT start, bytes FROM output WHERE exec_id = ? ORDER BY start")?;
            let parts = rows.query_map([id], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)))?;
            let parts: Vec<(u64, Vec<u8>)> = parts.collect::<Result<_, _>>()?;
            let mut end = 0;
            for (start, bytes) in &parts {
                assert_eq!(*start, end, "a row begins where the one before ends");
                end += bytes.len() as u64;
            }
            Ok((
                parts.iter().flat_map(|(_, bytes)| bytes.clone()).collect(),
                parts.iter().map(|(start, _)| *start).collect(),
            ))
        };
        assert_eq!(text("done")?, (b"hello\n".to_vec(), vec![0]));
        assert_eq!(
            text("long")?,
            ("é".repeat(300_000).into_bytes(), vec![0, 262_144, 524_288])
        );
        assert_eq!(
            text("runs")?.0,
            b"",
            "what has not ended is fetched from the sandbox, from its beginning"
        );
        let columns = |id: &str| {
            database.query_row(
                "SELECT state, stdout_next, stdout_bytes, stderr_next, truncated FROM execs WHERE exec_id = ?",
                [id],
                |row| {
                    Ok((
                        row.get::<_, String>(0)?,
                        row.get::<_, u64>(1)?,
                        row.get::<_, u64>(2)?,
                        row.get::<_, u64>(3)?,
                        row.get::<_, u64>(4)?,
                    ))
                },
            )
        };
        assert_eq!(columns("done")?, ("succeeded".into(), 6, 6, 0, 0));
        assert_eq!(columns("long")?, ("succeeded".into(), 900_000, 900_000, 0, 1));
        assert_eq!(columns("runs")?, ("running".into(), 0, 0, 0, 0));
        Ok(())
    }

    #[test]
    fn the_release_before_can_write_on() -> rusqlite::Result<()> {
        let database = upgraded()?;
        database.execute(
            "UPDATE execs SET job = ?, ended_at = ? WHERE exec_id = ?",
            (r#"{"state":"lost"}"#, 9, "runs"),
        )?;
        let state: String =
            database.query_row("SELECT state FROM execs WHERE exec_id = 'runs'", [], |row| row.get(0))?;
        assert_eq!(state, "lost", "the column follows the job");
        database.execute(
            "INSERT INTO execs (exec_id, user_id, tier, command, start, job, created_at, idempotency_key, fingerprint) \
             VALUES ('new', 'u', 1, 'c', '{}', '{}', 2, 'k', 'f')",
            [],
        )?;
        Ok(())
    }
}
