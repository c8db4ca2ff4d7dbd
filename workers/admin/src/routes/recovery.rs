//! The whole control plane in one archive, and its restore into an empty platform.

use crate::caller::Caller;
use crate::control_plane;
use crate::extract::{Asked, JsonBody, Parameters};
use crate::recovery::{database, export as archive, restore};
use crate::respond::{Failure, Passed};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use molt_common::api::recovery::{FinishRequest, MemberRestored, RestoreRequest, RestoreState, RestoreStatus};
use molt_common::problem::Problem;
use molt_common::recovery::MOST_BYTES;
use molt_common::recovery::call::{BeginRestore, Begun, FinishRestore, NoteExport, NoteMember, ReadSession, Session};
use molt_common::time::Millis;
use molt_platform::{call, entropy};
use std::collections::BTreeMap;
use worker::{Env, ResponseBuilder};

/// Most members of an archive.
const MOST_MEMBERS: u64 = 1_000_000;

fn status(session: Option<&Session>, dry_run: bool) -> RestoreStatus {
    let state = match session {
        None => RestoreState::None,
        Some(session) if session.finished_at.is_some() => RestoreState::Finished,
        Some(session) if dry_run && session.restored == 0 => RestoreState::Possible,
        Some(_) => RestoreState::Restoring,
    };
    RestoreStatus {
        state,
        archive: session.map(|session| session.recovery.clone()),
        exported_at: session.map(|session| session.exported_at.iso()),
        members: session.map_or(0, |session| session.members),
        restored: session.map_or(0, |session| session.restored),
        begun_at: session.map(|session| session.begun_at.iso()),
        finished_at: session.and_then(|session| session.finished_at).map(Millis::iso),
        begun_again: Vec::new(),
    }
}

fn is_archive(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn archive_id(text: &str) -> Result<(), Failure> {
    if is_archive(text) {
        return Ok(());
    }
    Err(Problem::invalid("archive", "must be the SHA-256 of a manifest, 64 hexadecimal digits").into())
}

/// The whole control plane, as one tar archive.
///
/// Users, invitations and ended jobs of D1; keys, flags with their history, suspensions, ended sessions and the audit chain of the control plane; of each user
/// the list of snapshots, the wrapped key of his repository, versions of the configuration, what was chosen for his sandbox, who owns it, and its chains. Not
/// in it: contents of disks (those are in the bucket), root keys and other secrets of the deployment, tokens, commands and their output, jobs under way.
/// It is sensitive: e-mail addresses, hashes of keys. It is written while it is read; one that breaks off lacks its manifest. docs/recovery.md says more.
#[utoipa::path(get, path = "/api/super/recovery/export", tag = "recovery",
    responses((status = 200, content_type = "application/x-tar")))]
#[worker::send]
pub async fn export(State(env): State<Env>, caller: Caller) -> Result<Response, Failure> {
    let by = caller.author();
    call::make(&control_plane::stub(&env)?, &NoteExport { by }).await?;
    let now = entropy::now();
    let answer = ResponseBuilder::new()
        .with_header("content-type", "application/x-tar")?
        .with_header("cache-control", "no-store, no-transform")?
        .with_header(
            "content-disposition",
            "attachment; filename=\"moltworker-recovery.tar\"",
        )?
        .with_header("x-content-type-options", "nosniff")?
        .from_stream(archive::archive(env, now)?)?;
    Ok(Passed::new(answer).into_response())
}

/// How the restore into this platform stands, and who of those that came behind the archive has a repository that nobody can open.
#[utoipa::path(get, path = "/api/super/recovery", tag = "recovery", responses((status = 200, body = RestoreStatus)))]
#[worker::send]
pub async fn read(State(env): State<Env>) -> Result<Json<RestoreStatus>, Failure> {
    let session = call::make(&control_plane::stub(&env)?, &ReadSession {}).await?;
    let begun_again = match &session {
        Some(session) => database::begun_again(&env, session.begun_at).await?,
        None => Vec::new(),
    };
    Ok(Json(RestoreStatus {
        begun_again,
        ..status(session.as_ref(), false)
    }))
}

/// Begins a restore into an empty platform, or says how far the same one came.
///
/// Refused (409 `recovery_target_not_empty`) when the platform has users, keys, flags or anything else of its own. Until the restore is finished every restored
/// user is shut out. With `dryRun` nothing is begun.
#[utoipa::path(post, path = "/api/super/recovery/restore", tag = "recovery", request_body = RestoreRequest,
    responses((status = 200, body = RestoreStatus), (status = 400, body = Problem),
              (status = 409, body = Problem, description = "`recovery_target_not_empty`, or `recovery_other_archive`")))]
#[worker::send]
pub async fn begin(
    State(env): State<Env>,
    JsonBody(body): JsonBody<RestoreRequest>,
) -> Result<Json<RestoreStatus>, Failure> {
    archive_id(&body.archive)?;
    let exported_at = Millis::parse_iso(&body.exported_at)
        .ok_or_else(|| Problem::invalid("exportedAt", "must be a time in ISO-8601"))?;
    if body.members == 0 || body.members > MOST_MEMBERS {
        return Err(Problem::invalid("members", format_args!("must be from 1 to {MOST_MEMBERS}")).into());
    }
    let asked = BeginRestore {
        recovery: body.archive,
        exported_at,
        members: body.members,
        database: database::filled(&env).await?,
        dry_run: body.dry_run,
    };
    match call::make(&control_plane::stub(&env)?, &asked).await? {
        Begun::Stands { session } => Ok(Json(status(Some(&session), body.dry_run))),
        Begun::NotEmpty { rows } => Err(not_empty(&rows).into()),
        Begun::Other { session } => Err(other(&session).into()),
    }
}

fn not_empty(rows: &BTreeMap<String, u64>) -> Problem {
    let told: Vec<String> = rows.iter().map(|(table, rows)| format!("{table} ({rows})")).collect();
    let text = format!(
        "A control plane is restored into an empty platform only, and this one has something of its own: {}.",
        told.join(", ")
    );
    Problem::new(409, "recovery_target_not_empty", text)
}

fn other(session: &Session) -> Problem {
    let how = match session.finished_at {
        Some(at) => format!("finished at {}", at.iso()),
        None => format!("at member {} of {}", session.restored, session.members),
    };
    let text = format!(
        "The restore of another archive, {}, is {how}. A platform is restored once.",
        session.recovery
    );
    Problem::new(409, "recovery_other_archive", text)
}

async fn session(env: &Env, archive: &str) -> Result<Session, Failure> {
    match call::make(&control_plane::stub(env)?, &ReadSession {}).await? {
        Some(session) if session.recovery == archive => Ok(session),
        Some(session) => Err(other(&session).into()),
        None => Err(Problem::new(409, "recovery_not_begun", "No restore of this archive was begun.").into()),
    }
}

/// Restores one member of JSON lines.
///
/// Members come in order, each as the bytes of the archive. Every line is looked at first; a bad one is named and nothing of the member is kept. When an object
/// does not take its lines (409), its first line is named, and what stood before it is kept: repeated, a member comes to the same.
#[utoipa::path(post, path = "/api/super/recovery/restore/members/{number}", tag = "recovery",
    params(("number" = u64, Path, description = "From 1"),
           ("archive" = String, Query, description = "SHA-256 of the archive's manifest, hexadecimal")),
    request_body(content = String, content_type = "application/x-ndjson"),
    responses((status = 200, body = MemberRestored), (status = 400, body = Problem), (status = 413, body = Problem),
              (status = 409, body = Problem,
               description = "`recovery_not_begun`, `recovery_other_archive`, `recovery_out_of_order`, `recovery_target_not_empty` or `recovery_refused`")))]
#[worker::send]
pub async fn member(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    asked: Asked,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<MemberRestored>, Failure> {
    let archive = asked.text("archive").unwrap_or_default();
    archive_id(archive)?;
    let number: u64 = parameters
        .text("number")
        .parse()
        .map_err(|_| Problem::invalid("number", "must be a number from 1"))?;
    let body = match body {
        Ok(body) if body.len() <= MOST_BYTES => body,
        Err(rejection) if rejection.status() != StatusCode::PAYLOAD_TOO_LARGE => {
            return Err(Problem::new(400, "body_not_read", "The body could not be read to its end.").into());
        }
        _ => {
            let text = format!("A member has at most {MOST_BYTES} bytes.");
            return Err(Problem::new(413, "too_large", text).into());
        }
    };
    let session = session(&env, archive).await?;
    if session.finished_at.is_some() || (1..=session.restored).contains(&number) {
        let restored = session.restored;
        let rows = BTreeMap::new();
        return Ok(Json(MemberRestored { restored, rows }));
    }
    if number != session.restored.saturating_add(1) || number > session.members {
        let text = format!(
            "Member {number} does not follow: {} of {} are restored.",
            session.restored, session.members
        );
        return Err(Problem::new(409, "recovery_out_of_order", text).into());
    }
    let contents = restore::read(&env, &body).await??;
    let rows = contents.rows.clone();
    contents.keep(&env, &session, &caller.author()).await??;
    let recovery = session.recovery;
    let noted = call::make(&control_plane::stub(&env)?, &NoteMember { recovery, number }).await?;
    let restored = noted.map_or(number, |session| session.restored);
    Ok(Json(MemberRestored { restored, rows }))
}

/// Finishes a restore: whoever was not suspended is let in, and keys, flags and the switch of the bootstrap secret are those of the archive.
#[utoipa::path(post, path = "/api/super/recovery/restore/finish", tag = "recovery", request_body = FinishRequest,
    responses((status = 200, body = RestoreStatus), (status = 400, body = Problem),
              (status = 409, body = Problem, description = "`recovery_not_begun`, `recovery_other_archive` or `recovery_out_of_order`")))]
#[worker::send]
pub async fn finish(
    State(env): State<Env>,
    caller: Caller,
    JsonBody(body): JsonBody<FinishRequest>,
) -> Result<Json<RestoreStatus>, Failure> {
    archive_id(&body.archive)?;
    let session = session(&env, &body.archive).await?;
    let finish = FinishRestore {
        recovery: body.archive,
        by: caller.author(),
    };
    match call::make(&control_plane::stub(&env)?, &finish).await? {
        Some(finished) => Ok(Json(status(Some(&finished), false))),
        None => {
            let text = format!("{} of {} members are restored.", session.restored, session.members);
            Err(Problem::new(409, "recovery_out_of_order", text).into())
        }
    }
}
