//! Who calls: verifies the user's token or the admin credential and signs the identity that the backends accept.

use crate::dispatch::Call;
use crate::session::Session;
use crate::{session, tokens, trust};
use molt_common::admin_credential::{self, AdminCredential};
use molt_common::control::SessionEnd;
use molt_common::flag::Subject;
use molt_common::identity::{Identity, Kind, LIFETIME_MS};
use molt_common::limit;
use molt_common::problem::Problem;
use molt_common::route::{self, Auth};
use molt_common::time::Millis;
use molt_common::trust::SessionRef;
use molt_common::user_token::{Source, TokenError, User};
use molt_common::{admin_secret, origin};
use molt_platform::forward::header;
use molt_platform::{admitted, entropy, log, settings};
use serde_json::json;

/// Why somebody does not get in.
pub enum Refusal {
    /// No valid token of a person.
    SignIn,
    /// A person whom an operator suspended.
    Suspended,
    /// Anything else.
    Problem(Box<Problem>),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<SessionEnd> for Refusal {
    fn from(end: SessionEnd) -> Self {
        match end {
            SessionEnd::Suspended => Self::Suspended,
            SessionEnd::Expired | SessionEnd::SignedOut => Self::SignIn,
        }
    }
}

/// The person who presents `token`, for the pages that take one.
pub async fn person(call: &Call<'_>, token: &str) -> Result<User, Problem> {
    let outcome = tokens::verify(call, token, Source::Cookie).await;
    outcome.map_err(|error| {
        let label = if error == TokenError::Time {
            "Token expired"
        } else {
            "Invalid or expired token"
        };
        tokens::undecided(&error).unwrap_or_else(|| {
            Problem::new(401, "invalid_token", "This token is not accepted. Sign in again.").labelled(label)
        })
    })
}

/// Somebody whose credential was verified.
pub enum Caller {
    /// A person.
    User(Box<Session>),
    /// A holder of an admin key or of the bootstrap secret.
    Admin {
        /// Id of the key, or `bootstrap`.
        id: String,
        /// As backends know him.
        sub: String,
        /// What he may do.
        scopes: Vec<String>,
    },
}

impl Caller {
    /// As whom flags count him.
    pub fn subject(&self) -> Option<Subject> {
        match self {
            Self::User(session) => Subject::parse(&session.user.id.to_string()).ok(),
            Self::Admin { id, .. } => Subject::parse(id).ok(),
        }
    }

    /// As whom rate limits count him.
    pub fn counted_as(&self) -> limit::Subject {
        match self {
            Self::User(session) => limit::Subject::User(session.user.id),
            Self::Admin { sub, .. } => limit::Subject::Admin(sub.clone()),
        }
    }
}

impl Refusal {
    /// Whether the credential may be good all the same: nobody can tell now.
    pub fn is_undecided(&self) -> bool {
        matches!(self, Self::Problem(problem) if problem.status >= 500)
    }
}

/// Who calls a route that asks for this. A person may still be shut out.
pub async fn caller(call: &Call<'_>, auth: Auth) -> Result<Caller, Refusal> {
    match auth {
        Auth::Admin => admin(call).await,
        Auth::User => Ok(Caller::User(Box::new(session::of(call).await?))),
        // No row of the table that leads here has these: closed all the same.
        Auth::None | Auth::Repository => Err(Problem::internal().into()),
    }
}

/// Admits somebody and signs his identity for this call.
pub async fn admit(call: &Call<'_>, caller: &Caller) -> Result<String, Refusal> {
    match caller {
        Caller::User(session) => user(call, session).await,
        Caller::Admin { sub, scopes, .. } => {
            sign(call, sub.clone(), Kind::Admin, scopes.clone(), Stated::default(), None)
        }
    }
}

async fn user(call: &Call<'_>, session: &Session) -> Result<String, Refusal> {
    // No browser sends a token by itself; a socket is more than a request all the same.
    if call.upgrade && !session.by_cookie {
        same_origin(call)?;
    }
    let open = open_session(call, &session.user, &session.token).await?;
    let user = &session.user;
    sign(
        call,
        user.id.to_string(),
        Kind::User,
        vec![],
        Stated {
            email: user.email.clone(),
            email_verified: user.email_verified,
        },
        Some((open, user.until)),
    )
}

/// The session of a verified token, unless it or its user is shut out.
pub async fn open_session(call: &Call<'_>, user: &User, token: &str) -> Result<SessionRef, Refusal> {
    // A socket lives no longer than its token, so one that is past its end opens none, whatever clocks may differ by.
    if call.upgrade && user.until <= entropy::now() {
        return Err(Refusal::SignIn);
    }
    let session = SessionRef::of(user.id, user.session.as_deref(), token);
    trust::refresh(call).await;
    match trust::shuts_out(user.id, &session) {
        None => Ok(session),
        Some(end) => Err(end.into()),
    }
}

/// The holder of an admin key or of the bootstrap secret. A user's cookie or token is never looked at.
async fn admin(call: &Call<'_>) -> Result<Caller, Refusal> {
    let secret = header(call.request, admin_secret::HEADER);
    let authorization = header(call.request, "authorization");
    match admin_credential::read(secret.as_deref(), authorization.as_deref())? {
        AdminCredential::Bootstrap(given) => {
            let configured = settings::text(call.env, "MOLTBOT_GATEWAY_MASTER_TOKEN");
            admin_secret::check(given, configured.as_deref())?;
            trust::refresh(call).await;
            if trust::bootstrap_is_off() {
                return Err(admin_credential::bootstrap_off().into());
            }
            Ok(Caller::Admin {
                id: "bootstrap".into(),
                sub: "bootstrap".into(),
                scopes: vec!["*".into()],
            })
        }
        AdminCredential::Key(key) => {
            let record = trust::admit(call, &key).await?;
            Ok(Caller::Admin {
                id: record.id.to_string(),
                sub: format!("key:{}", record.id),
                scopes: record.scopes.iter().map(|scope| scope.word().to_owned()).collect(),
            })
        }
    }
}

/// Only pages of ours may take part in a sign-in or sign-out.
pub fn same_origin(call: &Call<'_>) -> Result<(), Problem> {
    sent_by(call, &settings::list(call.env, "PUBLIC_ORIGINS"))
}

/// A page of another site can make a browser send the user's cookie. It may do nothing with it but read what it cannot see; pages of
/// origins that the operator lists may change things too, but open no socket.
pub fn cookie_may_be_used(call: &Call<'_>) -> Result<(), Problem> {
    if call.upgrade {
        return same_origin(call);
    }
    if matches!(call.method.as_str(), "GET" | "HEAD") {
        return Ok(());
    }
    if route::find(&call.method, call.url.path()).is_ok_and(|route| route.own_pages) {
        return same_origin(call);
    }
    let mut listed = settings::list(call.env, "PUBLIC_ORIGINS");
    listed.extend(settings::list(call.env, "CORS_ORIGINS"));
    sent_by(call, &listed)
}

fn sent_by(call: &Call<'_>, listed: &[String]) -> Result<(), Problem> {
    let (origin, site) = (header(call.request, "origin"), header(call.request, "sec-fetch-site"));
    let sender = origin::Sender {
        origin: origin.as_deref(),
        site: site.as_deref(),
    };
    if sender.is_ours(&call.origin(), listed) {
        return Ok(());
    }
    Err(Problem::new(
        403,
        "foreign_origin",
        "This request comes from a page of another site.",
    ))
}

/// What the user's token says beyond who he is.
#[derive(Default)]
struct Stated {
    email: Option<String>,
    email_verified: Option<bool>,
}

fn sign(
    call: &Call<'_>,
    sub: String,
    kind: Kind,
    scopes: Vec<String>,
    stated: Stated,
    session: Option<(SessionRef, Millis)>,
) -> Result<String, Refusal> {
    let identity = Identity {
        sub,
        kind,
        scopes,
        email: stated.email,
        email_verified: stated.email_verified,
        rid: call.id.clone(),
        until: entropy::now().plus(LIFETIME_MS).0,
        session_until: session.as_ref().map(|(_, until)| until.0),
        session: session.map(|(session, _)| session.as_str().to_owned()),
        method: call.method.clone(),
        path: call.url.path().to_owned(),
    };
    admitted::keys(call.env)
        .and_then(|keys| keys.sign(&identity))
        .map_err(|error| {
            log::error(
                "identity_not_signed",
                json!({"requestId": call.id, "error": error.to_string()}),
            );
            Refusal::Problem(Box::new(Problem::new(
                503,
                "identity_not_configured",
                "The platform's identity keys are not configured.",
            )))
        })
}
