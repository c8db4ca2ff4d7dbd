//! Calls to the identity provider (Supabase auth): renewing a session and ending it. Both are bounded in time and size.

use crate::dispatch::Call;
use molt_common::renewal::Outcome;
use molt_platform::outbound::{self, Limits};
use molt_platform::{log, settings};
use serde_json::json;
use url::Url;

/// Shorter than `molt_common::renewal::ABANDONED_MS`.
const RENEWAL: Limits = Limits {
    time_ms: 3_000,
    bytes: 64 * 1024,
};
/// A person waits for it, and his cookies are gone either way.
const SIGN_OUT: Limits = Limits {
    time_ms: 2_000,
    bytes: 16 * 1024,
};

/// Whether sessions can be renewed here.
pub fn is_configured(call: &Call<'_>) -> bool {
    settings::text(call.env, "AUTH_URL").is_some()
}

/// `AUTH_URL` with a path below it. Credentials go over TLS, or do not leave this machine.
fn endpoint(call: &Call<'_>, path: &str) -> Option<String> {
    let base = settings::text(call.env, "AUTH_URL")?;
    let url = Url::parse(&base).ok()?;
    let local = match url.host()? {
        url::Host::Domain(name) => name == "localhost",
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.is_loopback(),
    };
    if url.scheme() == "https" || (url.scheme() == "http" && local) {
        return Some(format!("{}{path}", base.trim_end_matches('/')));
    }
    log::error("auth_url_refused", json!({"why": "neither https nor on this machine"}));
    None
}

/// Spends a refresh token.
pub async fn renew(call: &Call<'_>, refresh_token: &str) -> Outcome {
    let Some(url) = endpoint(call, "/token?grant_type=refresh_token") else {
        return Outcome::Unavailable;
    };
    let key = settings::text(call.env, "AUTH_API_KEY").unwrap_or_default();
    let body = json!({"refresh_token": refresh_token}).to_string();
    match outbound::post(&url, &[("apikey", &key)], &body, RENEWAL).await {
        Ok(answer) => {
            let outcome = Outcome::of_answer(answer.status, &answer.body);
            let (event, status) = ("provider_did_not_renew", answer.status);
            match &outcome {
                Outcome::Granted(_) => {}
                Outcome::Refused => log::info(event, json!({"requestId": call.id, "status": status})),
                Outcome::Unavailable => log::error(event, json!({"requestId": call.id, "status": status})),
            }
            outcome
        }
        Err(error) => {
            log::error(
                "provider_unreachable",
                json!({"requestId": call.id, "error": error.to_string()}),
            );
            Outcome::Unavailable
        }
    }
}

/// Tells the provider that this session has ended; others of the same person go on. A provider that does not answer changes nothing here.
pub async fn sign_out(call: &Call<'_>, token: &str) {
    let Some(url) = endpoint(call, "/logout?scope=local") else {
        return;
    };
    let key = settings::text(call.env, "AUTH_API_KEY").unwrap_or_default();
    let bearer = format!("Bearer {token}");
    let headers = [("apikey", key.as_str()), ("authorization", bearer.as_str())];
    let failed = match outbound::post(&url, &headers, "{}", SIGN_OUT).await {
        Ok(answer) if (200..300).contains(&answer.status) => return,
        Ok(answer) => format!("answered {}", answer.status),
        Err(error) => error.to_string(),
    };
    log::error(
        "provider_not_told_of_sign_out",
        json!({"requestId": call.id, "why": failed}),
    );
}
