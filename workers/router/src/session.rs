//! Whose session a request belongs to: a bearer token as it is, or the browser's cookies, renewed when the token is about to end.

pub mod renewal;

use crate::admission::{self, Refusal};
use crate::dispatch::Call;
use crate::tokens;
use molt_common::cookie::{self, LOGIN_STATE, REFRESH, SESSION};
use molt_common::problem::Problem;
use molt_common::seal::{Opened, Purpose, SealError, SessionKeys};
use molt_common::user_token::{Source, TokenError, User};
use molt_common::{access, renewal as rules};
use molt_platform::forward::header;
use molt_platform::{entropy, log, settings};
use renewal::Renewed;
use serde_json::json;

/// How long a browser keeps a refresh token at most, in seconds; the provider decides how long it is good for.
const REFRESH_S: u64 = 30 * 24 * 3600;

/// Who a request is from.
pub struct Session {
    /// The person.
    pub user: User,
    /// His token, the renewed one if it was renewed.
    pub token: String,
    /// Whether the browser sent his credential by itself, which a page of another site could have made it do.
    pub by_cookie: bool,
}

/// Finds out who a request is from. What changes in the browser's cookies goes out with the answer.
pub async fn of(call: &Call<'_>) -> Result<Session, Refusal> {
    let authorization = header(call.request, "authorization");
    if let Some(token) = authorization.as_deref().and_then(access::bearer) {
        // Whoever holds a token in a program renews it himself.
        let user = verified(call, token, Source::Bearer).await?;
        return Ok(Session {
            user,
            token: token.to_owned(),
            by_cookie: false,
        });
    }
    if let Some(assertion) = tokens::assertion(call) {
        // A browser sends it as it sends a cookie. A bad one is not overlooked in favour of a cookie: Access would have sent none.
        admission::cookie_may_be_used(call)?;
        let user = verified(call, &assertion, Source::Access).await?;
        return Ok(Session {
            user,
            token: assertion,
            by_cookie: true,
        });
    }
    let cookies = header(call.request, "cookie").unwrap_or_default();
    let (user, token) = by_cookie(call, &cookies).await?;
    Ok(Session {
        user,
        token,
        by_cookie: true,
    })
}

async fn verified(call: &Call<'_>, token: &str, source: Source) -> Result<User, Refusal> {
    let outcome = tokens::verify(call, token, source).await;
    outcome.map_err(|error| refused(call, &error))
}

fn refused(call: &Call<'_>, error: &TokenError) -> Refusal {
    if let Some(problem) = tokens::undecided(error) {
        return problem.into();
    }
    log::info("token_refused", json!({"requestId": call.id, "why": error.to_string()}));
    Refusal::SignIn
}

async fn by_cookie(call: &Call<'_>, cookies: &str) -> Result<(User, String), Refusal> {
    let kept = kept(call, cookies);
    let token = token(call, cookies, kept.is_some());
    if token.is_none() && kept.is_none() {
        return Err(Refusal::SignIn);
    }
    // Before anything is spent.
    admission::cookie_may_be_used(call)?;
    let verified = match token {
        Some(token) => Some((token, tokens::verify(call, token, Source::Cookie).await)),
        None => None,
    };
    let known = match verified {
        // The next token could be checked no better, and the refresh token would be spent for it.
        Some((_, Err(error @ (TokenError::NotConfigured | TokenError::Unavailable(_))))) => {
            return Err(refused(call, &error));
        }
        Some((token, Ok(user))) => Some((user, token.to_owned())),
        // One that is no good counts for nothing beside a refresh token.
        Some((_, Err(error))) if kept.is_none() => return Err(refused(call, &error)),
        Some((_, Err(_))) | None => None,
    };
    let spendable = match (&known, kept) {
        (Some((user, _)), Some(kept)) => Some(kept).filter(|kept| kept.user == user.id && is_due(call, user)),
        (_, kept) => kept,
    };
    let Some(kept) = spendable else {
        return known.ok_or(Refusal::SignIn);
    };
    match renewal::renew(call, &kept, known.is_none()).await {
        Renewed::Granted { user, token, cookies } => {
            call.set_cookies(cookies);
            Ok((user, token))
        }
        Renewed::Refused => Err(over(call)),
        Renewed::Unavailable => known.ok_or_else(|| unavailable().into()),
    }
}

fn is_due(call: &Call<'_>, user: &User) -> bool {
    rules::is_due(user.until, call.wants_page, entropy::now())
}

/// The session is over at the provider: the browser forgets it.
fn over(call: &Call<'_>) -> Refusal {
    call.set_cookies(forgotten());
    Refusal::SignIn
}

fn unavailable() -> Problem {
    Problem::new(
        503,
        "authentication_unavailable",
        "Your session has to be renewed, and the sign-in service does not answer. You stay signed in; try again in a moment.",
    )
    .labelled("Authentication unavailable")
    .retry_after(5)
}

/// The token of the session cookie. A neighbour under the same domain can plant a cookie of the older name, but none with our prefix: where
/// the browser holds our refresh cookie, the older name counts for nothing.
pub fn token<'a>(call: &Call<'_>, cookies: &'a str, has_refresh: bool) -> Option<&'a str> {
    if call.secure() && has_refresh {
        return cookie::value(cookies, SESSION.name(true));
    }
    cookie::session(cookies)
}

/// The refresh token that the browser keeps, if it is ours and can be spent here.
pub fn kept(call: &Call<'_>, cookies: &str) -> Option<Opened> {
    let sealed = cookie::value(cookies, REFRESH.name(call.secure()))?;
    let keys = keys(call)?;
    keys.open(Purpose::RefreshCookie, sealed)
        .inspect_err(|error| {
            log::info(
                "refresh_cookie_ignored",
                json!({"requestId": call.id, "why": error.to_string()}),
            );
        })
        .ok()
}

/// The keys that seal refresh tokens; none where sessions cannot be renewed.
fn keys(call: &Call<'_>) -> Option<SessionKeys> {
    if !crate::provider::is_configured(call) {
        return None;
    }
    let secret = settings::text(call.env, "MOLT_SESSION_KEYS").unwrap_or_default();
    SessionKeys::parse(&secret)
        .inspect_err(|error| log::error("session_keys_unusable", json!({"why": error.to_string()})))
        .ok()
}

/// `Set-Cookie`s of a session: its token for as long as that is good, and the refresh token, sealed, or its removal.
pub fn cookies(call: &Call<'_>, token: &str, user: &User, refresh_token: Option<&str>) -> Vec<String> {
    let left_s = user.until.since(entropy::now()) / 1000;
    let mut cookies = vec![SESSION.set(token, left_s, call.secure())];
    match refresh_token.and_then(|refresh_token| sealed(call, user, refresh_token)) {
        Some(sealed) => cookies.push(REFRESH.set(&sealed, REFRESH_S, call.secure())),
        // One of an earlier session, perhaps of somebody else.
        None => cookies.push(REFRESH.set("", 0, call.secure())),
    }
    cookies
}

fn sealed(call: &Call<'_>, user: &User, refresh_token: &str) -> Option<String> {
    let keys = keys(call)?;
    if !rules::is_refresh_token(refresh_token) {
        log::info(
            "refresh_token_not_kept",
            json!({"requestId": call.id, "why": "its form"}),
        );
        return None;
    }
    let nonce = entropy::bytes().ok()?;
    keys.seal(Purpose::RefreshCookie, user.id, refresh_token, nonce)
        .inspect_err(|error: &SealError| log::error("refresh_token_not_kept", json!({"why": error.to_string()})))
        .ok()
        .filter(|sealed| REFRESH.fits(sealed))
}

/// `Set-Cookie`s that remove everything of ours.
pub fn forgotten() -> Vec<String> {
    [SESSION, REFRESH, LOGIN_STATE]
        .into_iter()
        .flat_map(cookie::Cookie::clear)
        .collect()
}
