//! Who calls: verifies the user's token or the admin credential and signs the identity that the backends accept.

use crate::dispatch::Call;
use crate::{session, tokens, trust};
use molt_common::admin_credential::{self, AdminCredential};
use molt_common::control::SessionEnd;
use molt_common::identity::{Identity, Kind, LIFETIME_MS};
use molt_common::problem::Problem;
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

/// Admits a user and signs his identity for this call.
pub async fn user(call: &Call<'_>) -> Result<String, Refusal> {
    let session = session::of(call).await?;
    // No browser sends a token by itself; a socket is more than a request all the same.
    if call.upgrade && !session.by_cookie {
        same_origin(call)?;
    }
    let open = open_session(call, &session.user, &session.token).await?;
    let user = session.user;
    sign(
        call,
        user.id.to_string(),
        Kind::User,
        vec![],
        Stated {
            email: user.email,
            email_verified: user.email_verified,
        },
        Some((open, user.until)),
    )
}

/// The session of a verified token, unless it or its user is shut out.
async fn open_session(call: &Call<'_>, user: &User, token: &str) -> Result<SessionRef, Refusal> {
    // A socket lives no longer than its token, so one that is past its end opens none, whatever clocks may differ by.
    if call.upgrade && user.until <= entropy::now() {
        return Err(Refusal::SignIn);
    }
    let session = SessionRef::of(user.id, user.session.as_deref(), token);
    trust::refresh(call).await;
    match trust::shuts_out(user.id, &session) {
        None => Ok(session),
        Some(SessionEnd::Suspended) => Err(Refusal::Suspended),
        Some(SessionEnd::Expired | SessionEnd::SignedOut) => Err(Refusal::SignIn),
    }
}

/// Admits the holder of an admin key or of the bootstrap secret. A user's cookie or token is never looked at.
pub async fn admin(call: &Call<'_>) -> Result<String, Refusal> {
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
            sign(
                call,
                "bootstrap".into(),
                Kind::Admin,
                vec!["*".into()],
                Stated::default(),
                None,
            )
        }
        AdminCredential::Key(key) => {
            let record = trust::admit(call, &key).await?;
            let scopes = record.scopes.iter().map(|scope| scope.word().to_owned()).collect();
            sign(
                call,
                format!("key:{}", record.id),
                Kind::Admin,
                scopes,
                Stated::default(),
                None,
            )
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
