//! What the edge reads of a request's credentials and what it never lets through.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The token of `Authorization: Bearer`, which wins over the session cookie.
#[must_use]
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The token of `Authorization: Bearer`, or the password of `Authorization: Basic`: programs that know user names and passwords alone send a
/// token as the latter, under any name.
#[must_use]
pub fn bearer_or_password(header: &str) -> Option<String> {
    if let Some(token) = bearer(header) {
        return Some(token.to_owned());
    }
    let (scheme, encoded) = header.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (_, password) = pair.split_once(':')?;
    (!password.is_empty()).then(|| password.to_owned())
}

/// Headers that a client may not hand on: internal ones, credentials, claims about where the request came from, and
/// `expect` (a forwarded `100-continue` is answered 500 by the next hop). Underscores count as dashes, as some servers read them.
#[must_use]
pub fn is_stripped(name: &str) -> bool {
    const WHOLE: [&str; 9] = [
        "authorization",
        "proxy-authorization",
        "x-admin-secret",
        "x-request-id",
        "x-real-ip",
        "true-client-ip",
        "forwarded",
        "expect",
        "cdn-loop",
    ];
    let name = name.to_ascii_lowercase().replace('_', "-");
    WHOLE.contains(&name.as_str())
        || ["x-molt-", "x-forwarded-", "cf-"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// Whether the client is a browser that navigates: it gets pages and redirects instead of JSON.
#[must_use]
pub fn wants_page(method: &str, accept: Option<&str>, upgrade: bool) -> bool {
    matches!(method, "GET" | "HEAD") && !upgrade && accept.is_some_and(|accept| accept.contains("text/html"))
}

/// A path to come back to after a login: only a path of this origin, else `/`.
#[must_use]
pub fn return_path(asked: Option<&str>) -> &str {
    match asked {
        Some(path)
            if path.starts_with('/')
                && !path.starts_with("//")
                && !path.contains('\\')
                && path.len() <= 2048
                && path.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            path
        }
        _ => "/",
    }
}

#[cfg(test)]
mod tests {
    use super::{bearer, bearer_or_password, is_stripped, return_path, wants_page};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn only_a_bearer_token_is_one() {
        assert_eq!(bearer("bearer  a.b "), Some("a.b"));
        for none in ["Basic x", "Bearer", "Bearer ", "", "a.b"] {
            assert_eq!(bearer(none), None, "{none}");
        }
    }

    #[test]
    fn a_token_may_come_as_the_password_of_basic() {
        let basic = |pair: &str| bearer_or_password(&format!("Basic {}", STANDARD.encode(pair)));
        assert_eq!(bearer_or_password("Bearer a.b"), Some("a.b".into()));
        assert_eq!(basic("anybody:a.b"), Some("a.b".into()));
        assert_eq!(basic(":a:b"), Some("a:b".into()));
        for none in ["", "anybody", "anybody:"] {
            assert_eq!(basic(none), None, "{none}");
        }
        for none in ["", "Basic", "Basic ", "Basic !!", "Basic /w==", "Digest a"] {
            assert_eq!(bearer_or_password(none), None, "{none}");
        }
    }

    #[test]
    fn internal_headers_and_credentials_are_stripped_in_every_spelling() {
        for name in [
            "X-Molt-Identity",
            "x_molt_user",
            "X-Forwarded-For",
            "Authorization",
            "X_Admin_Secret",
            "CF-Ray",
            "Expect",
            "Forwarded",
        ] {
            assert!(is_stripped(name), "{name}");
        }
        for name in [
            "accept",
            "content-type",
            "sec-websocket-key",
            "range",
            "if-none-match",
            "origin",
        ] {
            assert!(!is_stripped(name), "{name}");
        }
    }

    #[test]
    fn only_navigations_get_pages() {
        assert!(wants_page("GET", Some("text/html,*/*"), false));
        assert!(!wants_page("GET", Some("*/*"), false));
        assert!(!wants_page("POST", Some("text/html"), false));
        assert!(!wants_page("GET", Some("text/html"), true));
    }

    #[test]
    fn a_login_returns_to_this_origin_only() {
        assert_eq!(return_path(Some("/chat?x=1")), "/chat?x=1");
        for bad in [
            None,
            Some(""),
            Some("//evil.example"),
            Some("https://evil.example"),
            Some("/\\evil"),
            Some("/a\r\nb"),
            Some("/\t/evil.example"),
            Some("\t//evil.example"),
            Some("/\u{a0}/evil.example"),
            Some("/chat\u{202e}"),
            Some("javascript:alert(1)"),
            Some("@evil.example"),
            Some("evil.example"),
            Some(&format!("/{}", "a".repeat(2048))),
        ] {
            assert_eq!(return_path(bad), "/", "{bad:?}");
        }
    }
}
