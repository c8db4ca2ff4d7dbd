//! What D1 has of a user. The job that removes him stays, and so does what the control plane noted.

use molt_common::id::UserId;
use molt_lifecycle::removal::Told;
use serde::Deserialize;
use worker::d1::{D1PreparedStatement, D1Type};
use worker::{Env, Result};

/// Tables and the rows in them, `?1` being the user's id and `?2` his address or nothing. His own row goes last: while it is there, he is suspended.
const ROWS: [(&str, &str); 8] = [
    ("sandbox_states", "user_id = ?1"),
    ("usage_days", "user_id = ?1"),
    ("container_days", "user_id = ?1"),
    ("storage_days", "user_id = ?1"),
    ("jobs", "user_id = ?1 AND kind <> 'user-removal'"),
    ("audit", "chain IN ('exec:' || ?1, 'sandbox:' || ?1)"),
    ("invitations", "used_by = ?1 OR email = ?2"),
    ("users", "id = ?1"),
];

#[derive(Deserialize)]
struct Count {
    value: u64,
}

fn statements(env: &Env, user: UserId, email: Option<&str>, verb: &str) -> Result<Vec<D1PreparedStatement>> {
    let database = env.d1("PLATFORM_DB")?;
    let id = user.to_string();
    ROWS.iter()
        .map(|(table, rows)| {
            // Every statement names both parameters, so that all are bound alike.
            let text = format!("{verb} FROM {table} WHERE ({rows}) AND (?2 IS NULL OR ?2 IS NOT NULL)");
            let email = email.map_or(D1Type::Null, D1Type::Text);
            database.prepare(text).bind_refs(&[D1Type::Text(&id), email])
        })
        .collect()
}

/// Removes all of it, in one transaction.
pub async fn empty(env: &Env, user: UserId, email: Option<&str>) -> Result<Told> {
    let results = env
        .d1("PLATFORM_DB")?
        .batch(statements(env, user, email, "DELETE")?)
        .await?;
    let mut removed = 0_u64;
    for result in &results {
        let changes = result.meta()?.and_then(|meta| meta.changes).unwrap_or(0);
        removed = removed.saturating_add(u64::try_from(changes).unwrap_or(u64::MAX));
    }
    Ok(Told::Done { removed, bytes: 0 })
}

/// How many rows there are.
pub async fn count(env: &Env, user: UserId, email: Option<&str>) -> Result<Told> {
    let counts = statements(env, user, email, "SELECT COUNT(*) AS value")?;
    let results = env.d1("PLATFORM_DB")?.batch(counts).await?;
    let mut left = 0_u64;
    for result in &results {
        let rows: Vec<Count> = result.results()?;
        left = left.saturating_add(rows.iter().map(|row| row.value).sum());
    }
    Ok(Told::Counted { left })
}
