//! Who calls: verifies the user's token or the admin secret and signs the identity that the backends accept.

use crate::dispatch::Call;
use molt_common::identity::{Identity, IdentityKeys, Kind, LIFETIME_MS};
use molt_common::problem::Problem;
use molt_common::user_token::{TokenError, TokenPolicy, User};
use molt_common::{access, admin_secret};
use molt_platform::forward::header;
use molt_platform::{entropy, log, settings};
use serde_json::json;

/// Why somebody does not get in.
pub enum Refusal {
    /// No valid token of a person.
    SignIn,
    /// Anything else.
    Problem(Box<Problem>),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

/// The policy by which this deployment verifies user tokens.
fn verify(call: &Call<'_>, token: &str) -> Result<User, TokenError> {
    let secret = settings::text(call.env, "SUPABASE_JWT_SECRET");
    let issuer = settings::text(call.env, "JWT_ISSUER").unwrap_or_default();
    TokenPolicy {
        secret: secret.as_deref(),
        issuer: &issuer,
    }
    .verify(token, entropy::now())
}

/// The person who presents `token`, for the pages that take one.
pub fn person(call: &Call<'_>, token: &str) -> Result<User, Problem> {
    verify(call, token).map_err(|error| match error {
        TokenError::NotConfigured => not_configured(),
        other => Problem::new(401, "invalid_token", "This token is not accepted. Sign in again.").labelled(
            if other == TokenError::Time {
                "Token expired"
            } else {
                "Invalid or expired token"
            },
        ),
    })
}

fn not_configured() -> Problem {
    Problem::new(
        503,
        "authentication_not_configured",
        "Sign-in is not configured on this deployment.",
    )
    .labelled("Authentication not configured")
}

/// Admits a user and signs his identity for this call.
pub fn user(call: &Call<'_>) -> Result<String, Refusal> {
    let authorization = header(call.request, "authorization");
    let cookie = header(call.request, "cookie");
    let token = access::user_token(authorization.as_deref(), cookie.as_deref()).ok_or(Refusal::SignIn)?;
    let user = match verify(call, token) {
        Ok(user) => user,
        Err(TokenError::NotConfigured) => return Err(not_configured().into()),
        Err(error) => {
            log::info("token_refused", json!({"requestId": call.id, "why": error.to_string()}));
            return Err(Refusal::SignIn);
        }
    };
    let by_cookie = authorization.is_none();
    if call.upgrade || (by_cookie && !matches!(call.method.as_str(), "GET" | "HEAD")) {
        same_origin(call)?;
    }
    sign(
        call,
        user.id.to_string(),
        Kind::User,
        vec![],
        user.email,
        Some(user.until.0),
    )
}

/// Admits the holder of the admin secret. A user's cookie or token is never looked at.
pub fn admin(call: &Call<'_>) -> Result<String, Refusal> {
    let given = header(call.request, admin_secret::HEADER);
    let configured = settings::text(call.env, "MOLTBOT_GATEWAY_MASTER_TOKEN");
    admin_secret::check(given.as_deref(), configured.as_deref())?;
    sign(call, "bootstrap".into(), Kind::Admin, vec!["*".into()], None, None)
}

/// A browser names the page that sends a request; only our own pages may use a user's cookie for more than reading.
pub fn same_origin(call: &Call<'_>) -> Result<(), Problem> {
    let Some(origin) = header(call.request, "origin") else {
        return Ok(());
    };
    // A page under no-referrer hides its origin from its own server; this header, which no script can set, says the same.
    let hidden = origin == "null" && header(call.request, "sec-fetch-site").as_deref() == Some("same-origin");
    if hidden || origin == call.origin() || settings::list(call.env, "PUBLIC_ORIGINS").contains(&origin) {
        return Ok(());
    }
    Err(Problem::new(
        403,
        "foreign_origin",
        "This request comes from a page of another site.",
    ))
}

fn sign(
    call: &Call<'_>,
    sub: String,
    kind: Kind,
    scopes: Vec<String>,
    email: Option<String>,
    session_until: Option<u64>,
) -> Result<String, Refusal> {
    let identity = Identity {
        sub,
        kind,
        scopes,
        email,
        rid: call.id.clone(),
        until: entropy::now().plus(LIFETIME_MS).0,
        session_until,
        session: None,
        method: call.method.clone(),
        path: call.url.path().to_owned(),
    };
    let keys = settings::text(call.env, "MOLT_IDENTITY_KEYS").unwrap_or_default();
    IdentityKeys::parse(&keys)
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
