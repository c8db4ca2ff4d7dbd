//! Which foreign pages may read answers: those of listed origins and no others (the Fetch standard's CORS protocol).

/// Methods that a page of a listed origin may use.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
/// Headers that it may send beyond those that are always allowed.
const REQUEST_HEADERS: &str = "Authorization, Content-Type, Idempotency-Key, If-Match, Tus-Resumable, Upload-Checksum, Upload-Length, Upload-Metadata, Upload-Offset, X-Admin-Secret, X-HTTP-Method-Override";
/// Headers of answers that it may read beyond those that are always allowed.
const ANSWER_HEADERS: &str = "ETag, Location, RateLimit, RateLimit-Policy, Retry-After, Tus-Resumable, Upload-Expires, Upload-Length, Upload-Metadata, Upload-Offset, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-Request-Id";
/// Seconds for which a browser may remember that it was allowed to ask.
const PREFLIGHT_S: &str = "600";

/// What a request means to the CORS protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// Nothing: it names no origin, or our own.
    Own,
    /// It comes from a page of this listed origin.
    Listed(&'a str),
    /// It comes from a page that may not read the answer.
    Foreign,
}

/// Compares the origin exactly; `null` is never listed, because every sandboxed page shares it, and neither is `*`.
#[must_use]
pub fn standing<'a>(origin: Option<&'a str>, own: &str, listed: &[String]) -> Standing<'a> {
    match origin {
        None => Standing::Own,
        Some(origin) if origin == own => Standing::Own,
        Some(origin) if origin != "null" && origin != "*" && listed.iter().any(|one| one == origin) => {
            Standing::Listed(origin)
        }
        Some(_) => Standing::Foreign,
    }
}

/// Whether the request is the question a browser asks before a request that a form could not have made.
#[must_use]
pub fn is_preflight(method: &str, origin: Option<&str>, requested_method: Option<&str>) -> bool {
    method == "OPTIONS" && origin.is_some() && requested_method.is_some()
}

/// Headers of an answer to a page of a listed origin. `cookies`: whether the user's cookie counts on this route; it never does where an
/// admin credential is wanted.
#[must_use]
pub fn answer_headers(origin: &str, cookies: bool) -> Vec<(&'static str, &str)> {
    let mut headers = vec![
        ("access-control-allow-origin", origin),
        ("access-control-expose-headers", ANSWER_HEADERS),
    ];
    if cookies {
        headers.push(("access-control-allow-credentials", "true"));
    }
    headers
}

/// Headers of the answer to a preflight from a listed origin.
#[must_use]
pub fn preflight_headers(origin: &str, cookies: bool) -> Vec<(&'static str, &str)> {
    let mut headers = answer_headers(origin, cookies);
    headers.extend([
        ("access-control-allow-methods", METHODS),
        ("access-control-allow-headers", REQUEST_HEADERS),
        ("access-control-max-age", PREFLIGHT_S),
    ]);
    headers
}

#[cfg(test)]
mod tests {
    use super::{Standing, answer_headers, is_preflight, preflight_headers, standing};

    const OWN: &str = "https://bot.example";

    #[test]
    fn only_listed_origins_count_and_only_exactly() {
        let listed = ["https://app.example".into(), "null".into(), "*".into()];
        let of = |origin| standing(Some(origin), OWN, &listed);
        assert_eq!(standing(None, OWN, &listed), Standing::Own);
        assert_eq!(of(OWN), Standing::Own);
        assert_eq!(of("https://app.example"), Standing::Listed("https://app.example"));
        for foreign in [
            "",
            "*",
            "null",
            "http://app.example",
            "https://app.example:8443",
            "https://APP.example",
            "https://app.example.evil.example",
            "https://evil.example",
        ] {
            assert_eq!(of(foreign), Standing::Foreign, "{foreign}");
        }
    }

    #[test]
    fn credentials_are_named_only_where_the_cookie_counts() {
        let names = |cookies| -> Vec<&str> {
            preflight_headers("https://app.example", cookies)
                .into_iter()
                .map(|(name, _)| name)
                .collect()
        };
        assert!(names(true).contains(&"access-control-allow-credentials"));
        assert!(!names(false).contains(&"access-control-allow-credentials"));
        assert!(
            answer_headers("https://app.example", true)
                .iter()
                .all(|(_, value)| *value != "*")
        );
    }

    #[test]
    fn an_ordinary_options_request_is_no_preflight() {
        assert!(is_preflight("OPTIONS", Some("x"), Some("POST")));
        assert!(!is_preflight("OPTIONS", Some("x"), None));
        assert!(!is_preflight("OPTIONS", None, Some("POST")));
        assert!(!is_preflight("GET", Some("x"), Some("POST")));
    }
}
