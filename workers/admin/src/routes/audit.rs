//! The audit trail: is it as it was written?

use crate::control_plane;
use crate::exec_store;
use crate::respond::Failure;
use axum::Json;
use axum::extract::{Query, State};
use molt_common::audit::{Broken, Chain, Head};
use molt_common::audit_call::VerifyChain;
use molt_common::id::SandboxId;
use molt_common::problem::Problem;
use molt_platform::call;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use worker::Env;
use worker::d1::D1Type;

/// How far a chain is sound.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChainVerification {
    /// Name of the chain.
    chain: String,
    /// Entries that are as they were written and follow from each other.
    entries: u64,
    /// Hash of the last of them.
    head: String,
    /// Whether the whole chain is sound and its copy agrees; null while there is more to walk: call again with `nextCursor`.
    verified: Option<bool>,
    /// Number of the first entry that is not.
    broken_at: Option<u64>,
    /// What is wrong with it.
    why: Option<String>,
    /// Entries in the copy.
    copied: u64,
    /// Whether the copy's newest entry is the chain's of the same number; null when there is no copy yet.
    copy_agrees: Option<bool>,
    /// Where to go on; null at the end.
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct CopyRow {
    seq: f64,
    hash: String,
}

/// Walks along a chain in the object that keeps it, and compares it with the copy.
///
/// Chains are `control-plane`, `exec:<user id>` and `sandbox:<user id>`. A call walks a bounded way; go on with `cursor`.
#[utoipa::path(get, path = "/api/super/audit/verify", tag = "audit",
    params(("chain" = Option<String>, Query, description = "`control-plane` when absent"),
           ("cursor" = Option<String>, Query, description = "`nextCursor` of the call before")),
    responses((status = 200, body = ChainVerification), (status = 400, body = Problem)))]
#[worker::send]
pub async fn verify(
    State(env): State<Env>,
    query: Result<Query<BTreeMap<String, String>>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<ChainVerification>, Failure> {
    let Ok(Query(query)) = query else {
        return Err(Problem::invalid("query", "is not a form").into());
    };
    let chain: Chain = match query.get("chain") {
        None => Chain::ControlPlane,
        Some(text) => text.parse().map_err(|error| Problem::invalid("chain", error))?,
    };
    let behind = match query.get("cursor") {
        None => Head::start(),
        Some(text) => {
            Head::from_cursor(text).ok_or_else(|| Problem::invalid("cursor", "is not one that an answer gave"))?
        }
    };
    let copy = newest_copy(&env, chain).await?;
    let copied = copy.as_ref().map_or(0, |head| head.seq);
    let ask = VerifyChain { chain, behind, copy };
    let stub = match chain {
        Chain::ControlPlane => control_plane::stub(&env)?,
        Chain::Exec(user) => exec_store::stub(&env, user)?,
        Chain::Sandbox(user) => call::sandbox(&env, &SandboxId::personal(user))?,
    };
    let report = call::make(&stub, &ask).await?;
    let done = report.whole || report.broken.is_some();
    Ok(Json(ChainVerification {
        chain: chain.to_string(),
        entries: report.sound.seq,
        head: report.sound.hash.clone(),
        verified: done.then(|| report.whole && report.copy_agrees != Some(false)),
        broken_at: report.broken.as_ref().map(|broken| broken.seq),
        why: report.broken.map(|Broken { why, .. }| why),
        copied,
        copy_agrees: report.copy_agrees,
        next_cursor: (!done).then(|| report.sound.cursor()),
    }))
}

async fn newest_copy(env: &Env, chain: Chain) -> worker::Result<Option<Head>> {
    let name = chain.to_string();
    let row = env
        .d1("PLATFORM_DB")?
        .prepare("SELECT seq, hash FROM audit WHERE chain = ?1 ORDER BY seq DESC LIMIT 1")
        .bind_refs(&[D1Type::Text(&name)])?
        .first::<CopyRow>(None)
        .await?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // A counter.
    Ok(row.map(|row| Head {
        seq: row.seq as u64,
        hash: row.hash,
    }))
}
