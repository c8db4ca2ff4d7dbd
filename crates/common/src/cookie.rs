//! The few cookies of ours.

/// Name of the session cookie on a secure origin. The prefix makes browsers refuse it for another host or without `Secure`.
pub const SESSION_SECURE: &str = "__Host-molt-session";
/// Name that older clients send; also ours where the origin is plain `http` on loopback.
pub const SESSION: &str = "sb-access-token";
/// Binds a login to the browser that began it.
pub const LOGIN_STATE: &str = "molt-login-state";

/// All values of the cookie `name` in a `Cookie` header, in order.
pub fn values<'a>(header: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    header.split(';').filter_map(move |pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key.trim() == name).then(|| value.trim().trim_matches('"'))
    })
}

/// The session token of a request: ours first, then the older name.
#[must_use]
pub fn session(header: &str) -> Option<&str> {
    values(header, SESSION_SECURE)
        .chain(values(header, SESSION))
        .find(|value| !value.is_empty())
}

/// Whether a cookie of this name is the platform's: a sandbox neither sees nor sets it. Browsers reserve the two prefixes for cookies that
/// a host sets for itself, which on this origin is the edge, and compare them without regard to case; so do we.
#[must_use]
pub fn is_ours(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    ["__host-", "__secure-", "sb-", "molt-"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || name == "cf_authorization"
}

/// A `Cookie` header without the platform's own cookies; `None` when nothing is left. Commas count as separators too where one of ours
/// follows: that is how repeated headers are joined.
#[must_use]
pub fn foreign(header: &str) -> Option<String> {
    let mut kept = Vec::new();
    for pair in header.split(';') {
        let mut parts = pair.split(',');
        let end = parts.position(|part| is_ours(part.split('=').next().unwrap_or_default()));
        let whole = match end {
            // What follows one of ours after a comma may be the rest of its value.
            Some(index) => pair.split(',').take(index).collect::<Vec<_>>().join(","),
            None => pair.to_owned(),
        };
        if !whole.trim().is_empty() {
            kept.push(whole.trim().to_owned());
        }
    }
    (!kept.is_empty()).then(|| kept.join("; "))
}

/// `Set-Cookie` for a session token that lives `max_age` seconds; 0 removes it.
#[must_use]
pub fn set_session(token: &str, max_age: u64, secure: bool) -> String {
    let (name, flag) = if secure {
        (SESSION_SECURE, "; Secure")
    } else {
        (SESSION, "")
    };
    format!("{name}={token}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{flag}")
}

/// `Set-Cookie` for the state of a login in progress; an empty one removes it.
#[must_use]
pub fn set_login_state(state: &str, secure: bool) -> String {
    let age = if state.is_empty() { 0 } else { 600 };
    let flag = if secure { "; Secure" } else { "" };
    format!("{LOGIN_STATE}={state}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{flag}")
}

#[cfg(test)]
mod tests {
    use super::{foreign, session, set_session};

    #[test]
    fn finds_the_session_among_others() {
        assert_eq!(session("a=b; sb-access-token=x.y.z ; c=d"), Some("x.y.z"));
        assert_eq!(session("sb-access-token=; __Host-molt-session=t"), Some("t"));
        assert_eq!(
            session("xsb-access-token=t; sb-access-tokenx=t; =t; sb-access-token"),
            None
        );
    }

    #[test]
    fn only_foreign_cookies_reach_a_sandbox() {
        assert_eq!(
            foreign("a=1; sb-access-token=t; __Host-x=y; b=2").as_deref(),
            Some("a=1; b=2")
        );
        assert_eq!(
            foreign(" sb-access-token=t;SB-x=1 ; CF_Authorization=z; molt-login-state=q"),
            None
        );
        assert_eq!(foreign("  ;; "), None);
        assert_eq!(foreign("a=sb-access-token=1").as_deref(), Some("a=sb-access-token=1"));
        assert_eq!(
            foreign("a=1; b=2, sb-access-token=t").as_deref(),
            Some("a=1; b=2"),
            "two headers, joined"
        );
        assert_eq!(foreign("a=1,sb-access-token=t,u; c=x,y").as_deref(), Some("a=1; c=x,y"));
    }

    #[test]
    fn a_session_cookie_is_closed_to_scripts_and_other_hosts() {
        let secure = set_session("t", 60, true);
        assert!(secure.starts_with("__Host-") && secure.contains("HttpOnly") && secure.contains("; Secure"));
        assert!(!secure.contains("Domain"));
        assert!(!set_session("t", 60, false).contains("Secure"));
    }
}
