//! With whom users are while what ran before is still there, out of the copies in D1.

use crate::respond::Failure;
use molt_common::id::{SandboxId, UserId};
use molt_common::ownership::{Owner, Placement};
use molt_common::problem::Problem;
use molt_common::sandbox_call::{GetState, SandboxView};
use molt_platform::{call, settings};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use worker::{Env, Result, d1::D1Type};

/// Everybody with whom he is. `?1` is whether what ran before is bound: where it is not, whatever was noted counts no more.
const PLACED: &str = "WITH placed AS (SELECT u.id, u.name, \
     CASE WHEN ?1 = 0 THEN 'new' WHEN s.owner IS NOT NULL THEN s.owner \
          WHEN COALESCE(json_extract(s.view, '$.generation'), 0) > 0 THEN 'new' ELSE 'legacy' END AS owner, \
     COALESCE(s.epoch, 0) AS epoch, ?1 = 1 AND COALESCE(s.moving, 0) = 1 AS moving, \
     CASE WHEN ?1 = 1 THEN s.refused END AS refused \
     FROM users u LEFT JOIN sandbox_states s ON s.user_id = u.id) ";

/// How many users are where: `legacy`, `new` and `moving` make up all of them.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    /// With what ran before. Users whom the platform has never met are not among them.
    legacy: u32,
    /// With the platform.
    new: u32,
    /// On their way.
    moving: u32,
    /// Of all these, those who were to be moved and were not, or not yet.
    refused: u32,
    /// Of those refused, those who were to go back and stay with the platform, where their data is.
    staying: u32,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    name: String,
    owner: Owner,
    epoch: u64,
    moving: u8,
    refused: Option<String>,
}

/// Where one user is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Placed {
    /// UUID of the identity provider.
    pub user_id: String,
    name: String,
    #[serde(flatten)]
    placement: Placement,
}

/// Whether what ran before is bound. A variable says so.
pub fn legacy_is_bound(env: &Env) -> bool {
    settings::text(env, "LEGACY_MODE").as_deref() == Some("on")
}

/// With whom the user of a sandbox is. One whose sandbox never ran is with what ran before, until something is known of him.
pub fn owner(env: &Env, view: &SandboxView) -> Owner {
    match &view.placement {
        _ if !legacy_is_bound(env) => Owner::New,
        Some(placement) => placement.owner,
        None if view.generation > 0 => Owner::New,
        None => Owner::Legacy,
    }
}

/// Refuses what would start the sandbox of a user who is with what ran before: nobody but his own requests moves him.
///
/// # Errors
/// 409 `owned_by_legacy`.
pub async fn with_platform(env: &Env, user: UserId) -> std::result::Result<(), Failure> {
    if !legacy_is_bound(env) {
        return Ok(());
    }
    let view = call::make(&call::sandbox(env, &SandboxId::personal(user))?, &GetState {}).await?;
    match owner(env, &view) {
        Owner::New => Ok(()),
        Owner::Legacy => Err(Problem::new(
            409,
            "owned_by_legacy",
            "This user is with what ran before, so he has no sandbox here. He moves with his first request once the flag covers him.",
        )
        .into()),
    }
}

/// How many are where.
pub async fn counts(env: &Env) -> Result<Counts> {
    let counts = env
        .d1("PLATFORM_DB")?
        .prepare(format!(
            "{PLACED} SELECT COALESCE(SUM(owner = 'legacy' AND NOT moving), 0) AS legacy, COALESCE(SUM(owner = 'new' AND NOT moving), 0) AS new, \
             COALESCE(SUM(moving), 0) AS moving, COALESCE(SUM(refused IS NOT NULL), 0) AS refused, \
             COALESCE(SUM(refused IS NOT NULL AND owner = 'new' AND NOT moving), 0) AS staying FROM placed"
        ))
        .bind_refs(&[D1Type::Integer(i32::from(legacy_is_bound(env)))])?
        .first::<Counts>(None)
        .await?;
    Ok(counts.unwrap_or_default())
}

/// A page of users by id, of one owner or of all.
pub async fn page(env: &Env, owner: Option<Owner>, after: &str, limit: u32) -> Result<Vec<Placed>> {
    let limit = i32::try_from(limit).unwrap_or(i32::MAX);
    let wanted = match owner {
        None => D1Type::Null,
        Some(Owner::Legacy) => D1Type::Text("legacy"),
        Some(Owner::New) => D1Type::Text("new"),
    };
    let rows = env
        .d1("PLATFORM_DB")?
        .prepare(format!(
            "{PLACED} SELECT id, name, owner, epoch, moving, refused FROM placed \
             WHERE id > ?2 AND (?3 IS NULL OR owner = ?3) ORDER BY id LIMIT ?4"
        ))
        .bind_refs(&[
            D1Type::Integer(i32::from(legacy_is_bound(env))),
            D1Type::Text(after),
            wanted,
            D1Type::Integer(limit),
        ])?
        .all()
        .await?
        .results::<Row>()?;
    Ok(rows
        .into_iter()
        .map(|row| Placed {
            user_id: row.id,
            name: row.name,
            placement: Placement {
                owner: row.owner,
                epoch: row.epoch,
                moving: row.moving == 1,
                refused: row.refused,
            },
        })
        .collect())
}
