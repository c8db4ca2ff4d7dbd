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
    use super::{session, set_session};

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
    fn a_session_cookie_is_closed_to_scripts_and_other_hosts() {
        let secure = set_session("t", 60, true);
        assert!(secure.starts_with("__Host-") && secure.contains("HttpOnly") && secure.contains("; Secure"));
        assert!(!secure.contains("Domain"));
        assert!(!set_session("t", 60, false).contains("Secure"));
    }
}
