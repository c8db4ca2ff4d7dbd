//! The few cookies of ours.

use std::fmt::Display;

/// A cookie of ours under its two names. Each has a prefix on a secure origin, with which browsers refuse it for another host, another path
/// or without `Secure`; plain `http` exists on loopback only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie {
    secure: &'static str,
    plain: &'static str,
}

/// The user's token. Older clients send it by the plain name on a secure origin too.
pub const SESSION: Cookie = Cookie {
    secure: "__Host-molt-session",
    plain: "sb-access-token",
};
/// The identity provider's refresh token, sealed (`crate::seal`).
pub const REFRESH: Cookie = Cookie {
    secure: "__Host-molt-refresh",
    plain: "molt-refresh",
};
/// Binds a sign-in to the browser that began it (`crate::login`).
pub const LOGIN_STATE: Cookie = Cookie {
    secure: "__Host-molt-login-state",
    plain: "molt-login-state",
};

/// Browsers drop a cookie that is longer than this, name and value together (RFC 6265bis), and say nothing.
pub const LONGEST: usize = 4096;

impl Cookie {
    /// Its name on an origin.
    #[must_use]
    pub const fn name(self, secure: bool) -> &'static str {
        if secure { self.secure } else { self.plain }
    }

    /// Whether a value fits into it.
    #[must_use]
    pub fn fits(self, value: &str) -> bool {
        self.secure.len() + 1 + value.len() <= LONGEST
    }

    /// `Set-Cookie` that keeps `value` for `max_age_s` seconds.
    #[must_use]
    pub fn set(self, value: &str, max_age_s: impl Display, secure: bool) -> String {
        let (name, flag) = (self.name(secure), if secure { "; Secure" } else { "" });
        format!("{name}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{flag}")
    }

    /// `Set-Cookie`s that remove it under both names: the browser may hold one from another scheme or an older release. On plain `http`
    /// a browser takes no notice of the one with the prefix, and has none.
    #[must_use]
    pub fn clear(self) -> [String; 2] {
        [self.set("", 0, true), self.set("", 0, false)]
    }
}

/// Holds the token of a session that could not be ended until that is tried again. No route but `/logout` gets it.
pub const ENDING: &str = "molt-ending-session";

/// All values of the cookie `name` in a `Cookie` header, in order.
pub fn values<'a>(header: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    header.split(';').filter_map(move |pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key.trim() == name).then(|| value.trim().trim_matches('"'))
    })
}

/// The value of the cookie `name`. Several that differ mean that a neighbour under the same domain planted one, and which is nobody can
/// tell: then none counts.
#[must_use]
pub fn value<'a>(header: &'a str, name: &'a str) -> Option<&'a str> {
    let mut found = values(header, name).filter(|value| !value.is_empty());
    let first = found.next()?;
    found.all(|other| other == first).then_some(first)
}

/// The session token of a request: ours first, then the older name.
#[must_use]
pub fn session(header: &str) -> Option<&str> {
    value(header, SESSION.secure).or_else(|| value(header, SESSION.plain))
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

/// `Set-Cookie` for the token of a session that is still to be ended; an empty one removes it.
#[must_use]
pub fn set_ending(token: &str, secure: bool) -> String {
    let age = if token.is_empty() { 0 } else { 600 };
    let flag = if secure { "; Secure" } else { "" };
    format!("{ENDING}={token}; Path=/logout; Max-Age={age}; HttpOnly; SameSite=Strict{flag}")
}

#[cfg(test)]
mod tests {
    use super::{LOGIN_STATE, REFRESH, SESSION, foreign, session, set_ending};

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
    fn two_sessions_that_differ_are_none() {
        assert_eq!(session("sb-access-token=mine; sb-access-token=planted"), None);
        assert_eq!(session("sb-access-token=t; a=b; sb-access-token=t"), Some("t"));
        assert_eq!(
            session("sb-access-token=planted; __Host-molt-session=mine; sb-access-token=other"),
            Some("mine")
        );
    }

    #[test]
    fn our_cookies_are_closed_to_scripts_and_other_hosts() {
        for cookie in [SESSION, REFRESH, LOGIN_STATE] {
            let secure = cookie.set("t", 60, true);
            assert!(secure.starts_with("__Host-") && secure.contains("; HttpOnly") && secure.contains("; Secure"));
            assert!(
                secure.contains("; Path=/;") && !secure.contains("Domain"),
                "the prefix asks for it"
            );
            assert!(!cookie.set("t", 60, false).contains("Secure"));
            assert!(super::is_ours(cookie.name(true)) && super::is_ours(cookie.name(false)));
            for cleared in cookie.clear() {
                assert!(cleared.contains("=;") && cleared.contains("Max-Age=0"), "{cleared}");
            }
        }
        assert!(SESSION.fits(&"x".repeat(4000)) && !SESSION.fits(&"x".repeat(4090)));
    }

    #[test]
    fn a_session_that_is_still_to_be_ended_opens_nothing() {
        let ending = set_ending("t", true);
        assert!(ending.contains("; Path=/logout;") && ending.contains("HttpOnly") && ending.contains("; Secure"));
        assert_eq!(session("molt-ending-session=t"), None);
        assert_eq!(foreign("molt-ending-session=t"), None);
    }
}
