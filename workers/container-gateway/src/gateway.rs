//! The stateless half: who calls, whose sandbox, and on to its object.

use crate::account::{self, Account};
use crate::sandbox::refusal::{self, Asker};
use crate::sandbox::{ownership, traffic};
use crate::{boot_page, internal, outbound, progress, providers, repository, restart};
use molt_common::access;
use molt_common::control::header as control_header;
use molt_common::id::{SandboxId, UserId};
use molt_common::identity::{self, Kind};
use molt_common::outbound_policy;
use molt_common::ownership::GATEWAY_HOST;
use molt_common::path;
use molt_common::problem::Problem;
use molt_common::repository_path::RepositoryPath;
use molt_common::sandbox_call::TRAFFIC_HOST;
use molt_common::sandbox_props::SandboxProps;
use molt_common::signup::StatedEmail;
use molt_common::upload;
use molt_platform::admitted::verified;
use molt_platform::forward::{Outgoing, header};
use molt_platform::unwound::{Panicked, unwound};
use molt_platform::{call, entropy, log, page, respond};
use serde_json::json;
use url::Url;
use web_sys::{Request, Response};
use worker::{Context, Env, Result};

/// Header in which the object learns the owner's tier.
pub const TIER_HEADER: &str = "x-molt-tier";

/// Answers one request of the router, or of a sandbox to its repository, a provider or the internet.
pub async fn answer(request: &Request, env: &Env, context: Context) -> Result<Response> {
    let url = Url::parse(&request.url()).map_err(|error| worker::Error::RustError(error.to_string()))?;
    let now = entropy::now();
    // Before anything looks at the path: to whom a sandbox meant to speak is its host.
    if let Ok(props) = context.props::<SandboxProps>()
        && !url.host_str().is_some_and(outbound_policy::is_own)
    {
        return outbound::answer(request, env, &url, &props).await;
    }
    // Reached without the router only by a direct call on a developer's machine or a platform check.
    if url.path() == "/health" && header(request, identity::HEADER).is_none() {
        return respond::json(
            200,
            &json!({"status": "healthy", "service": "container-gateway", "timestamp": now.iso()}),
        );
    }
    if providers::covers(&url) {
        return providers::answer(request, env, context, &url).await;
    }
    if RepositoryPath::covers(url.path()) {
        return repository::answer(request, env, &url).await;
    }
    if url.host_str() == Some(GATEWAY_HOST) {
        return internal::answer(request, env, url.path()).await;
    }
    let identity = match verified(request, env, Kind::User, url.path()) {
        Ok(identity) => identity,
        Err(problem) => return respond::problem(&problem),
    };
    let Ok(user) = UserId::parse(&identity.sub) else {
        return respond::problem(&Problem::internal().request(&identity.rid));
    };
    match unwound(serve(request, env, &url, user, &identity)).await {
        Ok(Ok(response)) => Ok(response),
        Err(Panicked) => {
            log::error("gateway_panicked", json!({"requestId": identity.rid}));
            Asker::of(request, &identity.rid).refuse(Problem::internal())
        }
        Ok(Err(error)) => {
            log::error(
                "gateway_failed",
                json!({"requestId": identity.rid, "error": error.to_string()}),
            );
            Asker::of(request, &identity.rid).refuse(refusal::unreachable())
        }
    }
}

async fn serve(
    request: &Request,
    env: &Env,
    url: &Url,
    user: UserId,
    identity: &identity::Identity,
) -> Result<Response> {
    #[cfg(feature = "induced-panic")]
    {
        molt_platform::induced::asked_by(request, "gateway");
        // Users' traffic fails at the front; the objects behind go on.
        if molt_platform::induced::fault(env, "gateway").await {
            return respond::problem(&Problem::internal().request(&identity.rid));
        }
    }
    let upgrade = header(request, "upgrade").is_some();
    let wants_page = access::wants_page(&request.method(), header(request, "accept").as_deref(), upgrade);
    let email = StatedEmail {
        address: identity.email.as_deref(),
        verified: identity.email_verified,
    };
    let tier = match account::admit(env, user, email, &identity.rid).await? {
        Account::Active { tier } => tier,
        // Whom sign-up does not take is served by what ran before, as long as that is there.
        Account::Refused { stranger: true, .. } if ownership::legacy_is_bound(env) => return traffic::elsewhere(),
        Account::Refused { code, text, .. } => {
            return if wants_page {
                page::answer(403, &boot_page::no_access(text, email.address, &identity.rid), &[])
            } else {
                respond::problem(&Problem::new(403, code, text).request(&identity.rid))
            };
        }
    };
    let stub = call::sandbox(env, &SandboxId::personal(user))?;
    if restart::is_at(url.path()) {
        let asked = restart::Asked {
            request,
            url,
            user,
            tier,
            request_id: &identity.rid,
        };
        return restart::answer(&asked, &stub).await;
    }
    if let Some(answered) = progress::answer(request, url, &stub, &identity.rid).await {
        return answered;
    }
    let is_reserved = path::RESERVED.iter().any(|prefix| path::below(url.path(), prefix));
    // What sandboxd itself answers to the owner.
    if is_reserved && !path::below(url.path(), upload::PATH) {
        return respond::problem(&Problem::not_found("Nothing is here.").request(&identity.rid));
    }
    let mut inner = url.clone();
    // The object tells traffic from calls by this host; the client's own is in a header of ours.
    let renamed =
        inner.set_host(Some(TRAFFIC_HOST)).is_ok() && inner.set_scheme("http").is_ok() && inner.set_port(None).is_ok();
    if !renamed {
        return respond::problem(&Problem::internal().request(&identity.rid));
    }
    let outgoing = Outgoing::new(inner.as_str(), request)?;
    outgoing.remove(identity::HEADER)?;
    outgoing.set(control_header::USER, &user.to_string())?;
    outgoing.set(TIER_HEADER, &tier.to_string())?;
    state(&outgoing, control_header::SESSION, identity.session.clone())?;
    let until = identity.session_until.map(|until| until.to_string());
    state(&outgoing, control_header::SESSION_UNTIL, until)?;
    outgoing.to_object(stub).await
}

/// Sets a header to what the identity says; without that, nothing of that name passes.
fn state(outgoing: &Outgoing, name: &str, value: Option<String>) -> Result<()> {
    match value {
        Some(value) => outgoing.set(name, &value),
        None => outgoing.remove(name),
    }
}
