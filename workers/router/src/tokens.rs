//! User tokens at the edge: the issuers that this deployment names, their published keys, and the runtime's crypto.

use crate::dispatch::Call;
use molt_common::problem::Problem;
use molt_common::user_token::{Issuers, Settings, Source, TokenError, User};
use molt_platform::forward::header;
use molt_platform::jwks::IsolateKeys;
use molt_platform::verify::WebCrypto;
use molt_platform::{entropy, log, settings};
use serde_json::json;

/// Header of Cloudflare Access. Not its cookie: that one any page below the team's domain can plant.
const ASSERTION: &str = "cf-access-jwt-assertion";

fn issuers(call: &Call<'_>) -> Result<Issuers, TokenError> {
    let text = |name| settings::text(call.env, name);
    let settings = Settings {
        secret: text("SUPABASE_JWT_SECRET"),
        previous_secret: text("SUPABASE_JWT_SECRET_PREVIOUS"),
        issuer: text("JWT_ISSUER"),
        audience: text("JWT_AUDIENCE"),
        jwks_url: text("JWKS_URL"),
        jwks_fresh_s: text("JWKS_FRESH_S"),
        access_team: text("ACCESS_TEAM"),
        access_audience: text("ACCESS_AUDIENCE"),
    };
    Issuers::read(&settings).map_err(|error| {
        log::error(
            "issuers_misconfigured",
            json!({"requestId": call.id, "error": error.to_string()}),
        );
        TokenError::NotConfigured
    })
}

/// The person whom a token stands for. It waits for a fetch only where the key is not held.
pub async fn verify(call: &Call<'_>, token: &str, source: Source) -> Result<User, TokenError> {
    let keys = IsolateKeys(call.context);
    issuers(call)?
        .authenticate(token, source, &keys, &WebCrypto, entropy::now())
        .await
}

/// The assertion that Access put on this request; none where this deployment is behind no Access, so that the header means nothing.
pub fn assertion(call: &Call<'_>) -> Option<String> {
    let given = header(call.request, ASSERTION)?;
    issuers(call)
        .is_ok_and(|issuers| issuers.access.is_some())
        .then_some(given)
}

/// The problem of a token that says nothing about the person: it may be good, and nobody can tell. Neither let in nor sent to sign in.
pub fn undecided(error: &TokenError) -> Option<Problem> {
    match error {
        TokenError::NotConfigured => Some(
            Problem::new(
                503,
                "authentication_not_configured",
                "Sign-in is not configured on this deployment.",
            )
            .labelled("Authentication not configured"),
        ),
        TokenError::Unavailable(seconds) => Some(
            Problem::new(
                503,
                "authentication_unavailable",
                "Your sign-in cannot be checked, because the identity provider does not answer. Try again in a moment.",
            )
            .labelled("Authentication unavailable")
            .retry_after(*seconds),
        ),
        _ => None,
    }
}
