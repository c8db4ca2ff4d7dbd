//! The loop over the route table.

use crate::admission::{self, Caller, Refusal};
use crate::body::Body;
use crate::placement::{self, Side};
use crate::rollout::{self, Stamp};
use crate::{finish, legacy, limits, pages, repository, trust};
use molt_common::access;
use molt_common::control::SessionEnd;
use molt_common::identity;
use molt_common::problem::Problem;
use molt_common::route::{self, Auth, Page, Route, Target};
use molt_common::{control, cookie, cors, id, ownership};
use molt_platform::forward::{client_encoding, header};
use molt_platform::unwound::unwound;
use molt_platform::{entropy, log, respond};
use serde_json::json;
use std::cell::{Cell, RefCell};
use url::Url;
use web_sys::{Request, Response};
use worker::{Context, Env, Result};

/// One request, as every part of the router sees it.
pub struct Call<'a> {
    pub request: &'a Request,
    pub env: &'a Env,
    pub context: &'a Context,
    pub url: Url,
    pub method: String,
    /// Ours, never the client's.
    pub id: String,
    /// A WebSocket upgrade.
    pub upgrade: bool,
    /// A browser that navigates.
    pub wants_page: bool,
    /// `Set-Cookie`s that the answer carries, whoever gives it: a session may be renewed on the way.
    pub cookies: RefCell<Vec<String>>,
    /// Flags by which it was decided who answers, where a flag did.
    pub flags: Cell<Option<Stamp>>,
    /// What counted the request, which its answer tells.
    pub counted: Cell<Option<limits::Counted>>,
}

impl Call<'_> {
    /// Scheme, host and port that the client used.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    pub fn secure(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Has the answer carry these `Set-Cookie`s.
    pub fn set_cookies(&self, cookies: impl IntoIterator<Item = String>) {
        self.cookies.borrow_mut().extend(cookies);
    }
}

/// Answers a request; nothing leaves without request id and the name of the backend that answered.
pub async fn answer(request: &Request, env: &Env, context: &Context) -> Result<Response> {
    let started = entropy::now();
    let url = Url::parse(&request.url()).map_err(|error| worker::Error::RustError(error.to_string()))?;
    let method = request.method();
    let upgrade = header(request, "upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    let wants_page = access::wants_page(&method, header(request, "accept").as_deref(), upgrade);
    let call = Call {
        request,
        env,
        context,
        url,
        method,
        id: id::request_id(entropy::bytes()?),
        upgrade,
        wants_page,
        cookies: RefCell::default(),
        flags: Cell::default(),
        counted: Cell::new(None),
    };
    let answered = unwound(route_call(&call)).await;
    let (backend, shared, outcome) = answered.unwrap_or_else(|panicked| ("router", Auth::None, Err(panicked.into())));
    let response = match outcome {
        Ok(response) => response,
        Err(error) => {
            log::error(
                "request_failed",
                json!({"requestId": call.id, "backend": backend, "error": error.to_string()}),
            );
            match backend {
                "admin" => problem(&call, Problem::internal())?,
                _ => pages::refused(&call, Problem::internal())?,
            }
        }
    };
    log::info(
        "request",
        json!({
            "requestId": call.id, "method": call.method, "path": call.url.path(),
            "query": call.url.query(), "status": response.status(), "backend": backend,
            "ms": entropy::now().since(started),
        }),
    );
    finish::answer(&call, backend, shared, &response)
}

/// Service binding of the container gateway.
pub const GATEWAY: &str = "CONTAINER_GATEWAY";

/// Name of who answered, what the answer may be to pages of listed origins, and the answer.
pub type Answered = (&'static str, Auth, Result<Response>);

async fn route_call(call: &Call<'_>) -> Answered {
    #[cfg(feature = "induced-panic")]
    molt_platform::induced::asked_by(call.request, "router");
    let path = call.url.path();
    let route = match route::find(&call.method, path) {
        Ok(route) => route,
        Err(problem) => return ("router", Auth::None, refuse_method(call, &problem)),
    };
    match route.target {
        Target::Router(Page::Reserved) => (
            "router",
            Auth::None,
            problem(call, Problem::not_found("Nothing is here.")),
        ),
        Target::Router(page) => ("router", Auth::None, own_page(call, route, page).await),
        Target::AdminApi => backend(call, route, "admin", "ADMIN_API").await,
        Target::ContainerGateway if route.auth == Auth::Repository => repository::answer(call, route).await,
        Target::ContainerGateway => backend(call, route, "container-gateway", GATEWAY).await,
    }
}

async fn own_page(call: &Call<'_>, route: &Route, page: Page) -> Result<Response> {
    match limits::unverified(call, route).await {
        Ok(()) => pages::answer(page, call).await,
        Err(refused) => pages::refused(call, refused),
    }
}

fn refuse_method(call: &Call<'_>, refused: &Problem) -> Result<Response> {
    let response = problem(call, refused.clone())?;
    match route::allow(call.url.path()).filter(|_| refused.status == 405) {
        Some(allow) => respond::adorned(&response, &[("allow", &allow)]),
        None => Ok(response),
    }
}

async fn backend(call: &Call<'_>, route: &Route, name: &'static str, binding: &str) -> Answered {
    trust::refresh(call).await;
    let flag = route.flag.map(|flag| (flag, rollout::decide(call, flag, None)));
    if let Some((flag, standing)) = flag
        && standing.for_all
        && !standing.on
    {
        let caller = legacy::caller(call, route).await;
        return legacy::answer(call, route, flag, caller.as_ref()).await;
    }
    let origin = header(call.request, "origin");
    let asked = header(call.request, "access-control-request-method");
    // No browser sends a credential with it: for whom it asks nobody can tell.
    if cors::is_preflight(&call.method, origin.as_deref(), asked.as_deref()) {
        return ("router", route.auth, finish::preflight(call, route.auth));
    }
    let caller = admission::caller(call, route.auth).await;
    if let Some((flag, standing)) = flag
        && !standing.for_all
        && !rollout::decide(call, flag, caller.as_ref().ok()).on
    {
        match &caller {
            // Perhaps it is on for him, and what ran before is not to be asked meanwhile. Where nothing did, he may show who he is.
            Err(refusal) if refusal.is_undecided() || !legacy::is_bound(call) => {}
            known => return legacy::answer(call, route, flag, known.as_ref().ok()).await,
        }
    }
    let subject = caller.as_ref().ok().map(Caller::counted_as);
    let (known, admitted) = match caller {
        Ok(caller) => {
            let admitted = admission::admit(call, &caller).await;
            (Some(caller), admitted)
        }
        Err(refusal) => (None, Err(refusal)),
    };
    match (limits::settle(call, route, subject, admitted).await, known) {
        (Ok(identity), Some(caller)) if binding == GATEWAY && legacy::is_bound(call) => {
            placement::answer(call, route, &caller, Side::Gateway, Some(identity)).await
        }
        (Ok(identity), _) => {
            let answer = forward(call, binding, &identity, &Body::passing(call)).await;
            (name, route.auth, answer)
        }
        (Err(refusal), _) => ("router", route.auth, refuse(call, route.auth, refusal)),
    }
}

/// Passes a request on to a backend of ours, for whom `signed` names.
pub async fn forward(call: &Call<'_>, binding: &str, signed: &str, body: &Body) -> Result<Response> {
    let outgoing = body.outgoing(call)?;
    let cookies = header(call.request, "cookie").as_deref().and_then(cookie::foreign);
    let client = header(call.request, "cf-connecting-ip");
    outgoing.strip(access::is_stripped)?;
    match cookies {
        Some(cookies) => outgoing.set("cookie", &cookies)?,
        None => outgoing.remove("cookie")?,
    }
    outgoing.set(identity::HEADER, signed)?;
    outgoing.set(control::header::REQUEST_ID, &call.id)?;
    outgoing.set(control::header::CLIENT_IP, client.as_deref().unwrap_or("unknown"))?;
    outgoing.set(control::header::PROTO, call.url.scheme())?;
    outgoing.set(
        control::header::HOST,
        call.url[url::Position::BeforeHost..url::Position::AfterPort].as_ref(),
    )?;
    outgoing.set(control::header::ACCEPT_ENCODING, &client_encoding(call.request))?;
    // Of the flags that sent him there, whatever this isolate has learned since.
    if let Some(flags) = call.flags.get().filter(|_| binding == GATEWAY) {
        outgoing.set(ownership::RANK, &flags.rank.header())?;
    }
    outgoing.to_service(call.env, binding).await
}

/// Answers somebody who does not get in.
pub fn refuse(call: &Call<'_>, auth: Auth, refusal: Refusal) -> Result<Response> {
    match refusal {
        Refusal::SignIn if call.wants_page => pages::to_login(call),
        Refusal::SignIn => problem(
            call,
            Problem::new(
                401,
                "authentication_required",
                "Sign in, or send a user token as Authorization: Bearer.",
            )
            .labelled("Authentication required"),
        ),
        Refusal::Suspended if call.wants_page => pages::suspended(call),
        Refusal::Suspended => problem(call, SessionEnd::Suspended.into()),
        Refusal::Problem(refused) if call.wants_page && auth == Auth::User => pages::refused(call, *refused),
        Refusal::Problem(refused) => problem(call, *refused),
    }
}

/// A problem that names this request.
pub fn problem(call: &Call<'_>, problem: Problem) -> Result<Response> {
    respond::problem(&problem.request(&call.id))
}
