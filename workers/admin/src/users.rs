//! Users and the copies of their sandboxes' states, in D1.

use crate::respond::Failure;
use molt_common::id::UserId;
use molt_common::problem::Problem;
use molt_common::sandbox_call::{Lifecycle, SandboxView};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use worker::{Env, Result, d1::D1Database, d1::D1Type};

/// One user.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// UUID of the identity provider.
    #[serde(alias = "id")]
    pub user_id: String,
    /// Display name.
    pub name: String,
    /// E-mail address.
    pub email: Option<String>,
    /// 1, 2 or 3.
    pub tier: u8,
    /// `active` or `suspended`.
    pub status: String,
    /// ISO-8601.
    #[serde(alias = "created_at")]
    pub created_at: String,
}

impl User {
    /// Whether he may not come in, so that nothing is started for him.
    pub fn is_suspended(&self) -> bool {
        self.status != "active"
    }
}

/// How many there are.
#[derive(Debug, Deserialize)]
pub struct Counts {
    /// All users.
    pub total: u32,
    /// Those that are not suspended.
    pub active: u32,
}

/// One user with what his sandbox last announced.
pub struct UserState {
    /// His id.
    pub user_id: UserId,
    /// His name.
    pub name: String,
    /// What the sandbox announced; that of a sandbox never started when there is nothing.
    pub view: SandboxView,
}

#[derive(Deserialize)]
struct StateRow {
    id: String,
    name: String,
    tier: u8,
    view: Option<String>,
}

#[derive(Deserialize)]
struct TierRow {
    id: String,
    tier: u8,
}

impl TierRow {
    fn read(self) -> Result<(UserId, u8)> {
        let id = UserId::parse(&self.id).map_err(|error| format!("user id {}: {error}", self.id))?;
        Ok((id, self.tier))
    }
}

#[derive(Deserialize)]
struct LifecycleCount {
    lifecycle: Option<String>,
    count: u32,
}

const COLUMNS: &str = "id, name, email, tier, status, created_at";

fn database(env: &Env) -> Result<D1Database> {
    env.d1("PLATFORM_DB")
}

/// A page of users by id, and how many there are in all.
pub async fn list(env: &Env, after: &str, limit: u32) -> Result<(Vec<User>, Counts)> {
    let database = database(env)?;
    let limit = i32::try_from(limit).unwrap_or(i32::MAX);
    let users = database
        .prepare(format!(
            "SELECT {COLUMNS} FROM users WHERE id > ?1 ORDER BY id LIMIT ?2"
        ))
        .bind_refs(&[D1Type::Text(after), D1Type::Integer(limit)])?
        .all()
        .await?
        .results::<User>()?;
    let counts = database
        .prepare("SELECT COUNT(*) AS total, COALESCE(SUM(status = 'active'), 0) AS active FROM users")
        .first::<Counts>(None)
        .await?;
    Ok((users, counts.unwrap_or(Counts { total: 0, active: 0 })))
}

/// One user.
///
/// # Errors
/// 404 when there is none of this id.
pub async fn find(env: &Env, id: UserId) -> std::result::Result<User, Failure> {
    let text = id.to_string();
    database(env)?
        .prepare(format!("SELECT {COLUMNS} FROM users WHERE id = ?1"))
        .bind_refs(&[D1Type::Text(&text)])?
        .first::<User>(None)
        .await?
        .ok_or_else(|| {
            Problem::new(404, "unknown_user", format!("There is no user {id}."))
                .labelled("Not found")
                .into()
        })
}

/// Users who are not suspended, by id, with their tiers; at most so many.
pub async fn active(env: &Env, most: usize) -> Result<Vec<(UserId, u8)>> {
    let most = i32::try_from(most).unwrap_or(i32::MAX);
    let rows = database(env)?
        .prepare("SELECT id, tier FROM users WHERE status = 'active' ORDER BY id LIMIT ?1")
        .bind_refs(&[D1Type::Integer(most)])?
        .all()
        .await?
        .results::<TierRow>()?;
    rows.into_iter().map(TierRow::read).collect()
}

/// Users who are not suspended and whose sandboxes ran or were being started when they last announced themselves, by id, with their tiers.
pub async fn up(env: &Env, most: usize) -> Result<Vec<(UserId, u8)>> {
    let most = i32::try_from(most).unwrap_or(i32::MAX);
    let rows = database(env)?
        .prepare(
            "SELECT u.id, u.tier FROM users u JOIN sandbox_states s ON s.user_id = u.id WHERE u.status = 'active' \
             AND json_extract(s.view, '$.lifecycle') IN ('starting', 'running') ORDER BY u.id LIMIT ?1",
        )
        .bind_refs(&[D1Type::Integer(most)])?
        .all()
        .await?
        .results::<TierRow>()?;
    rows.into_iter().map(TierRow::read).collect()
}

/// Which of these users are suspended.
pub async fn suspended(env: &Env, users: &[UserId]) -> Result<Vec<UserId>> {
    let ids = serde_json::to_string(users)?;
    let rows = database(env)?
        .prepare("SELECT id, tier FROM users WHERE status <> 'active' AND id IN (SELECT value FROM json_each(?1))")
        .bind_refs(&[D1Type::Text(&ids)])?
        .all()
        .await?
        .results::<TierRow>()?;
    rows.into_iter().map(|row| row.read().map(|(id, _)| id)).collect()
}

/// Those of these users whom there are, with their tiers.
pub async fn tiers(env: &Env, users: &[UserId]) -> Result<Vec<(UserId, u8)>> {
    // One parameter: a statement may have a hundred.
    let ids = serde_json::to_string(users)?;
    let rows = database(env)?
        .prepare("SELECT id, tier FROM users WHERE id IN (SELECT value FROM json_each(?1))")
        .bind_refs(&[D1Type::Text(&ids)])?
        .all()
        .await?
        .results::<TierRow>()?;
    rows.into_iter().map(TierRow::read).collect()
}

/// Every user of this name, whatever its capitals.
pub async fn named(env: &Env, name: &str) -> Result<Vec<User>> {
    database(env)?
        .prepare(format!(
            "SELECT {COLUMNS} FROM users WHERE name = ?1 ORDER BY id LIMIT 20"
        ))
        .bind_refs(&[D1Type::Text(name)])?
        .all()
        .await?
        .results::<User>()
}

/// A page of users with the states that their sandboxes last announced: of all, or of those that stand there.
pub async fn states(env: &Env, lifecycle: Option<Lifecycle>, after: &str, limit: u32) -> Result<Vec<UserState>> {
    let limit = i32::try_from(limit).unwrap_or(i32::MAX);
    let rows = database(env)?
        .prepare(
            "SELECT u.id, u.name, u.tier, s.view FROM users u LEFT JOIN sandbox_states s ON s.user_id = u.id \
             WHERE u.id > ?1 AND (?3 IS NULL OR COALESCE(json_extract(s.view, '$.lifecycle'), 'stopped') = ?3) ORDER BY u.id LIMIT ?2",
        )
        .bind_refs(&[
            D1Type::Text(after),
            D1Type::Integer(limit),
            lifecycle.map_or(D1Type::Null, |lifecycle| D1Type::Text(lifecycle.word())),
        ])?
        .all()
        .await?
        .results::<StateRow>()?;
    rows.into_iter()
        .map(|row| {
            let user_id = UserId::parse(&row.id).map_err(|error| format!("user id {}: {error}", row.id))?;
            let view = match row.view {
                Some(json) => serde_json::from_str(&json)?,
                None => never_started(user_id, row.tier),
            };
            Ok(UserState {
                user_id,
                name: row.name,
                view,
            })
        })
        .collect()
}

/// How many sandboxes stand where; users whose sandbox never started count as stopped.
pub async fn lifecycles(env: &Env) -> Result<Vec<(Lifecycle, u32)>> {
    let rows = database(env)?
        .prepare(
            "SELECT json_extract(s.view, '$.lifecycle') AS lifecycle, COUNT(*) AS count \
             FROM users u LEFT JOIN sandbox_states s ON s.user_id = u.id GROUP BY 1",
        )
        .all()
        .await?
        .results::<LifecycleCount>()?;
    rows.into_iter()
        .map(|row| {
            let word = row.lifecycle.unwrap_or_else(|| "stopped".into());
            Ok((serde_json::from_value(serde_json::Value::String(word))?, row.count))
        })
        .collect()
}

fn never_started(owner: UserId, tier: u8) -> SandboxView {
    SandboxView {
        owner: Some(owner),
        ..SandboxView::never_started(tier)
    }
}
