//! Feature flags. Routers obey a change within seconds.

use crate::caller::Caller;
use crate::control_plane::flag_calls::{
    ChangeFlag, FlagChanged, FlagsState, ReadFlagHistory, ReadFlags, StoredFlag, Wanted,
};
use crate::control_plane::stub;
use crate::extract::{Asked, ChangePage, IfMatch, JsonBody, OptionalBody, Parameters};
use crate::respond::Failure;
use axum::Json;
use axum::extract::State;
use http::header::ETAG;
use molt_common::api::flags::{
    FlagEvaluation, FlagHistory, FlagList, FlagRequest, FlagView, UndoRequest, reason as checked,
};
use molt_common::flag::{Flag, Source, Subject, rule};
use molt_common::problem::Problem;
use molt_common::time::Millis;
use molt_platform::{call, settings};
use worker::Env;

/// A flag, with its version as `ETag`.
type Answer = ([(http::HeaderName, String); 1], Json<FlagView>);

fn view(flag: Flag, stored: Option<&StoredFlag>) -> FlagView {
    let setting = stored.and_then(|stored| stored.setting.clone());
    let source = if setting.is_some() {
        Source::ControlPlane
    } else {
        Source::Var
    };
    let shown = setting.clone().unwrap_or_default();
    FlagView {
        name: flag,
        source,
        enabled: setting.as_ref().map(|setting| setting.enabled),
        percent: setting.as_ref().map(|setting| setting.percent),
        allow: shown.allow,
        deny: shown.deny,
        killed: shown.killed,
        discard_disk: shown.discard_disk,
        version: stored.map_or(0, |stored| stored.version),
        author: stored.map(|stored| stored.author.clone()),
        reason: stored.map(|stored| stored.reason.clone()),
        updated_at: stored.map(|stored| Millis::iso(stored.at)),
    }
}

fn answer(flag: Flag, stored: Option<&StoredFlag>) -> Answer {
    let view = view(flag, stored);
    ([(ETAG, format!("\"{}\"", view.version))], Json(view))
}

fn named(parameters: &Parameters) -> Result<Flag, Problem> {
    let name = parameters.text("name");
    Flag::parse(name).ok_or_else(|| {
        let known: Vec<&str> = Flag::ALL.into_iter().map(Flag::name).collect();
        let text = format!("There is no flag of this name. There are {}.", known.join(", "));
        Problem::new(404, "unknown_flag", text).labelled("Not found")
    })
}

async fn state(env: &Env) -> Result<FlagsState, Failure> {
    Ok(call::make(&stub(env)?, &ReadFlags {}).await?)
}

/// Lists every flag, those that were never set too.
#[utoipa::path(get, path = "/api/super/flags", tag = "flags", responses((status = 200, body = FlagList)))]
#[worker::send]
pub async fn list(State(env): State<Env>) -> Result<Json<FlagList>, Failure> {
    let state = state(&env).await?;
    Ok(Json(FlagList {
        flags: Flag::ALL.into_iter().map(|flag| view(flag, state.flag(flag))).collect(),
        version: state.version,
        epoch: state.epoch,
        next_cursor: None,
    }))
}

/// One flag. `ETag` is its version in quotes, `"0"` when it was never changed.
#[utoipa::path(get, path = "/api/super/flags/{name}", tag = "flags", params(("name" = String, Path)),
    responses((status = 200, body = FlagView, headers(("ETag" = String, description = "Its version in quotes"))),
              (status = 404, body = Problem)))]
#[worker::send]
pub async fn read(State(env): State<Env>, parameters: Parameters) -> Result<Answer, Failure> {
    let flag = named(&parameters)?;
    let state = state(&env).await?;
    Ok(answer(flag, state.flag(flag)))
}

/// Sets a flag.
///
/// The body is the whole setting: what is left out has its default, not the value that it has now. Setting what is set already changes
/// nothing and makes no version.
#[utoipa::path(put, path = "/api/super/flags/{name}", tag = "flags", request_body = FlagRequest,
    params(("name" = String, Path),
           ("If-Match" = Option<String>, Header, description = "Version in quotes that is to be changed; `\"0\"`: only when it was never changed"),
           ("allowOutage" = Option<bool>, Query, description = "Although somebody is left without anything that answers")),
    responses((status = 200, body = FlagView, headers(("ETag" = String, description = "Its version in quotes"))),
              (status = 400, body = Problem), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`would_cause_outage`: nothing is bound as LEGACY, and somebody would be taken off the new workers"),
              (status = 412, body = Problem, description = "`version_moved`, with the version that is there now")))]
#[worker::send]
pub async fn set(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    asked: Asked,
    if_match: IfMatch,
    JsonBody(request): JsonBody<FlagRequest>,
) -> Result<Answer, Failure> {
    let flag = named(&parameters)?;
    let (setting, reason) = (request.setting()?, checked(&request.reason)?);
    change(&env, &caller, flag, Wanted::Set(setting), reason, &asked, &if_match).await
}

/// Leaves a flag to the variable of deployment again. Its version goes on. Doing it twice does no harm.
#[utoipa::path(delete, path = "/api/super/flags/{name}", tag = "flags",
    params(("name" = String, Path),
           ("reason" = Option<String>, Query, description = "Why: 1 to 500 characters; \"cleared\" when absent"),
           ("If-Match" = Option<String>, Header, description = "As for PUT")),
    responses((status = 200, body = FlagView, headers(("ETag" = String, description = "Its version in quotes"))),
              (status = 400, body = Problem), (status = 404, body = Problem),
              (status = 412, body = Problem, description = "`version_moved`, with the version that is there now")))]
#[worker::send]
pub async fn clear(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    asked: Asked,
    if_match: IfMatch,
) -> Result<Answer, Failure> {
    let flag = named(&parameters)?;
    let reason = checked(asked.text("reason").unwrap_or("cleared"))?;
    change(&env, &caller, flag, Wanted::Cleared, reason, &asked, &if_match).await
}

/// Takes the last change of a flag back, as a new version. An undo is a change too: undoing it brings back what it took.
#[utoipa::path(post, path = "/api/super/flags/{name}/undo", tag = "flags", request_body = Option<UndoRequest>,
    params(("name" = String, Path),
           ("If-Match" = Option<String>, Header, description = "As for PUT"),
           ("allowOutage" = Option<bool>, Query, description = "As for PUT")),
    responses((status = 200, body = FlagView, headers(("ETag" = String, description = "Its version in quotes"))),
              (status = 400, body = Problem), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`nothing_to_undo`, or `would_cause_outage` as for PUT"),
              (status = 412, body = Problem, description = "`version_moved`, with the version that is there now")))]
#[worker::send]
pub async fn undo(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    asked: Asked,
    if_match: IfMatch,
    OptionalBody(request): OptionalBody<UndoRequest>,
) -> Result<Answer, Failure> {
    let flag = named(&parameters)?;
    let reason = checked(request.reason.as_deref().unwrap_or("undone"))?;
    change(&env, &caller, flag, Wanted::Undone, reason, &asked, &if_match).await
}

async fn change(
    env: &Env,
    caller: &Caller,
    flag: Flag,
    wanted: Wanted,
    reason: String,
    asked: &Asked,
    if_match: &IfMatch,
) -> Result<Answer, Failure> {
    let has_legacy = settings::text(env, "LEGACY_MODE").as_deref() == Some("on");
    let ask = ChangeFlag {
        flag,
        wanted,
        if_version: if_match.0,
        keeps_everybody: !has_legacy && !asked.switch("allowOutage")?,
        reason,
        author: caller.author(),
    };
    let name = flag.name();
    let problem = match call::make(&stub(env)?, &ask).await? {
        FlagChanged::Done(stored) => return Ok(answer(flag, stored.as_ref())),
        FlagChanged::Moved(version) => Problem::moved(version),
        FlagChanged::NothingToUndo => Problem::new(409, "nothing_to_undo", format!("{name} was never changed.")),
        FlagChanged::WouldWithdraw => {
            let text = format!(
                "Nothing is bound as LEGACY (LEGACY_MODE is not on), so those whom this takes {name} from would get 503. \
                 If that is what you want, add ?allowOutage=true (molt: --allow-outage)."
            );
            Problem::new(409, "would_cause_outage", text)
        }
    };
    Err(problem.into())
}

/// Changes of a flag, newest first. The newest 500 are kept; the audit trail has all.
#[utoipa::path(get, path = "/api/super/flags/{name}/history", tag = "flags",
    params(("name" = String, Path),
           ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
           ("limit" = Option<u32>, Query, description = "1 to 200, 100 when absent; a page of long lists may be shorter")),
    responses((status = 200, body = FlagHistory), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn history(
    State(env): State<Env>,
    parameters: Parameters,
    page: ChangePage,
) -> Result<Json<FlagHistory>, Failure> {
    let read = ReadFlagHistory {
        flag: named(&parameters)?,
        below: page.cursor.parse().ok(),
        limit: page.limit,
    };
    Ok(Json(call::make(&stub(&env)?, &read).await?))
}

/// What a flag says about a subject, as routers that have the newest version decide.
#[utoipa::path(get, path = "/api/super/flags/{name}/evaluate", tag = "flags",
    params(("name" = String, Path),
           ("subject" = Option<String>, Query, description = "A user's id, an admin key's id, or `bootstrap`; absent: somebody without a verified credential")),
    responses((status = 200, body = FlagEvaluation), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn evaluate(
    State(env): State<Env>,
    parameters: Parameters,
    asked: Asked,
) -> Result<Json<FlagEvaluation>, Failure> {
    let flag = named(&parameters)?;
    let subject = asked.text("subject").map(Subject::parse).transpose();
    let subject = subject.map_err(|why| Problem::invalid("subject", why))?;
    let state = state(&env).await?;
    let stored = state.flag(flag);
    let setting = stored.and_then(|stored| stored.setting.as_ref());
    let ruling = setting.map(|setting| rule(flag, setting, subject.as_ref()));
    Ok(Json(FlagEvaluation {
        name: flag,
        on: ruling.map(|ruling| ruling.on),
        reason: ruling.map(|ruling| ruling.reason),
        source: if ruling.is_some() {
            Source::ControlPlane
        } else {
            Source::Var
        },
        version: stored.map_or(0, |stored| stored.version),
        subject,
    }))
}
