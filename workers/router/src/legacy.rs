//! What ran before (`LEGACY`): the target while a flag is off, and what is said where there is none.

use crate::admission::{self, Caller};
use crate::body::Body;
use crate::dispatch::{Answered, Call, problem, refuse};
use crate::placement::{self, Side};
use crate::session::Session;
use crate::{limits, pages, tokens, trust};
use molt_common::admin_key::AdminKey;
use molt_common::control::SessionEnd;
use molt_common::flag::Flag;
use molt_common::problem::Problem;
use molt_common::route::{Auth, Route, Target};
use molt_common::user_token::claimed;
use molt_common::{access, admin_secret, control, cookie};
use molt_platform::forward::{Outgoing, header};
use molt_platform::{log, settings};
use serde_json::json;
use web_sys::Response;
use worker::{Error, Result};

/// Whether the operator bound a worker as `LEGACY`. A variable says so: a binding to a worker that does not exist looks bound.
pub fn is_bound(call: &Call<'_>) -> bool {
    settings::text(call.env, "LEGACY_MODE").as_deref() == Some("on")
}

/// Who calls while the flag of the route is off for everybody: a person whose token is good, so that he is known there too.
pub async fn caller(call: &Call<'_>, route: &Route) -> Option<Caller> {
    if route.auth != Auth::User || !is_bound(call) {
        return None;
    }
    admission::caller(call, route.auth).await.ok()
}

/// Answers a call that `flag` keeps from the new backend of `route`.
pub async fn answer(call: &Call<'_>, route: &Route, flag: Flag, caller: Option<&Caller>) -> Answered {
    if !is_bound(call) {
        return ("router", route.auth, switched_off(call, flag));
    }
    let subject = caller.map(Caller::counted_as);
    if let Err(refused) = limits::legacy(call, route, subject.as_ref()).await {
        return ("router", route.auth, pages::refused(call, refused));
    }
    let session = match caller {
        Some(Caller::User(session)) => Some(session),
        _ => None,
    };
    // What ran before knows nothing of suspended users and ended sessions.
    if let Some(session) = session
        && let Err(refusal) = admission::open_session(call, &session.user, &session.token).await
    {
        return ("router", route.auth, refuse(call, route.auth, refusal));
    }
    // It may read a token more generously than we do, or while nobody here can tell whether it is good.
    if session.is_none()
        && route.auth == Auth::User
        && let Some(end) = shut_out(call)
    {
        return ("router", route.auth, refuse(call, route.auth, end.into()));
    }
    match caller {
        Some(caller @ Caller::User(_)) if route.target == Target::ContainerGateway => {
            placement::answer(call, route, caller, Side::Legacy, None).await
        }
        _ => {
            let answer = forward(call, &Body::passing(call), session.map(Box::as_ref)).await;
            answer.map_or_else(
                |error| unreachable(call, route, &error),
                |answer| ("legacy", Auth::None, Ok(answer)),
            )
        }
    }
}

/// Why somebody is shut out whom a token names that was not accepted here.
fn shut_out(call: &Call<'_>) -> Option<SessionEnd> {
    let authorization = header(call.request, "authorization")?;
    claimed(&authorization).find_map(|(user, session)| trust::shuts_out(user, &session))
}

/// It authenticates by itself, so it gets the client's credentials. Our cookies say nothing to it: whom one signed in, it knows by his token.
pub async fn forward(call: &Call<'_>, body: &Body, session: Option<&Session>) -> Result<Response> {
    let outgoing = body.outgoing(call)?;
    let cookies = header(call.request, "cookie").as_deref().and_then(cookie::foreign);
    outgoing
        .strip(|name| name.replace('_', "-").starts_with("x-molt-") || name == "x-request-id" || name == "expect")?;
    match cookies {
        Some(cookies) => outgoing.set("cookie", &cookies)?,
        None => outgoing.remove("cookie")?,
    }
    // An assertion of Access is a header of its own.
    let by_cookie = session.filter(|session| session.by_cookie && tokens::assertion(call).is_none());
    if let Some(session) = by_cookie.filter(|_| header(call.request, "authorization").is_none()) {
        outgoing.set("authorization", &format!("Bearer {}", session.token))?;
    }
    withhold_keys(call, &outgoing)?;
    outgoing.set(control::header::REQUEST_ID, &call.id)?;
    outgoing.to_service(call.env, "LEGACY").await
}

/// It knows no admin keys of ours, and might write one down.
fn withhold_keys(call: &Call<'_>, outgoing: &Outgoing) -> Result<()> {
    for name in [admin_secret::HEADER, "authorization"] {
        let text = header(call.request, name).unwrap_or_default();
        let text = access::bearer(&text).unwrap_or(&text);
        if AdminKey::parse(text).is_ok() {
            outgoing.remove(name)?;
        }
    }
    Ok(())
}

/// Says that it does not answer. Users whom the platform has are not concerned.
pub fn unreachable(call: &Call<'_>, route: &Route, error: &Error) -> Answered {
    log::error(
        "legacy_unreachable",
        json!({"requestId": call.id, "error": error.to_string()}),
    );
    let text = "What serves you just now does not answer. Try again in a moment.";
    let answer = if call.wants_page {
        pages::notice(call, 503, "No answer", text, &[("retry-after", "5")])
    } else {
        problem(call, Problem::new(503, "legacy_unreachable", text).retry_after(5))
    };
    ("router", route.auth, answer)
}

fn switched_off(call: &Call<'_>, flag: Flag) -> Result<Response> {
    let name = flag.name();
    let text = format!("This part of the platform is switched off by its operator ({name}).");
    if call.wants_page {
        return pages::notice(call, 503, "Switched off", &text, &[("retry-after", "30")]);
    }
    problem(call, Problem::new(503, "switched_off", text).retry_after(30))
}
