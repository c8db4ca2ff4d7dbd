//! Which headers pass between a sandbox and a provider. What is not named here stays: a request that leaves the platform with a key says nothing of the
//! platform, the user's other credentials or where he is.

use super::KeyHeader;

/// Of a request, by name.
const REQUEST: [&str; 9] = [
    "accept",
    "accept-language",
    "content-language",
    "content-type",
    "http-referer",
    "idempotency-key",
    "user-agent",
    "x-client-request-id",
    "x-title",
];
/// Of a request, by how they begin.
const REQUEST_PREFIXES: [&str; 3] = ["anthropic-", "openai-", "x-stainless-"];
/// Which account of those that the key opens pays: the operator's decision, where the key is his.
const ACCOUNT: [&str; 2] = ["openai-organization", "openai-project"];
/// Of an answer, what stays here: it is about the connection, about the whole origin, or names the operator's account.
const ANSWER_KEPT: [&str; 17] = [
    "alt-svc",
    "anthropic-organization-id",
    "clear-site-data",
    "connection",
    "content-length",
    "keep-alive",
    "nel",
    "openai-organization",
    "openai-project",
    "proxy-authenticate",
    "proxy-connection",
    "report-to",
    "set-cookie",
    "strict-transport-security",
    "te",
    "trailer",
    "upgrade",
];

/// Whether a header of the sandbox's request goes to the provider; `name` is lower case.
#[must_use]
pub fn goes_out(name: &str) -> bool {
    let listed = REQUEST.contains(&name) || REQUEST_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    listed && !ACCOUNT.contains(&name)
}

/// Whether a header of the provider's answer comes back to the sandbox; `name` is lower case.
#[must_use]
pub fn comes_back(name: &str) -> bool {
    !ANSWER_KEPT.contains(&name) && name != "transfer-encoding" && !name.starts_with("x-molt-")
}

impl KeyHeader {
    /// The header with a key.
    #[must_use]
    pub fn with(self, key: &str) -> (&'static str, String) {
        match self {
            Self::Bearer => ("authorization", format!("Bearer {key}")),
            Self::XApiKey => ("x-api-key", key.to_owned()),
            Self::AiGateway => ("cf-aig-authorization", format!("Bearer {key}")),
        }
    }
}

/// What a client library shows where a key would stand: the value of `Authorization` or of `x-api-key`, whichever it sends.
#[must_use]
pub fn shown<'a>(authorization: Option<&'a str>, x_api_key: Option<&'a str>) -> Option<&'a str> {
    let bearer = authorization.and_then(|value| {
        let (scheme, token) = value.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    bearer.or(x_api_key.map(str::trim)).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{comes_back, goes_out, shown};
    use crate::provider::KeyHeader;

    #[test]
    fn what_client_libraries_need_passes() {
        for name in [
            "content-type",
            "accept",
            "anthropic-version",
            "anthropic-beta",
            "openai-beta",
            "x-stainless-lang",
            "user-agent",
            "idempotency-key",
        ] {
            assert!(goes_out(name), "{name}");
        }
        for name in [
            "content-type",
            "retry-after",
            "request-id",
            "x-request-id",
            "x-ratelimit-remaining-tokens",
            "anthropic-ratelimit-requests-limit",
        ] {
            assert!(comes_back(name), "{name}");
        }
    }

    #[test]
    fn nothing_of_the_platform_or_the_connection_passes() {
        for name in [
            "authorization",
            "x-api-key",
            "api-key",
            "proxy-authorization",
            "cookie",
            "cf-connecting-ip",
            "cf-aig-authorization",
            "cf-ray",
            "x-forwarded-for",
            "forwarded",
            "x-real-ip",
            "x-molt-identity",
            "x-admin-secret",
            "host",
            "connection",
            "upgrade",
            "te",
            "transfer-encoding",
            "content-length",
            "expect",
            "accept-encoding",
            "openai-organization",
            "openai-project",
            "Authorization",
        ] {
            assert!(!goes_out(name), "{name}");
        }
        for name in [
            "set-cookie",
            "transfer-encoding",
            "x-molt-not-ready",
            "anthropic-organization-id",
        ] {
            assert!(!comes_back(name), "{name}");
        }
    }

    #[test]
    fn a_token_is_read_from_where_clients_put_keys() {
        assert_eq!(shown(Some("Bearer a.b.c"), None), Some("a.b.c"));
        assert_eq!(shown(Some("bearer  a "), Some("x")), Some("a"));
        assert_eq!(shown(None, Some("a.b.c")), Some("a.b.c"));
        assert_eq!(shown(Some("Basic eDp5"), Some("k")), Some("k"));
        assert_eq!(shown(Some("Bearer "), None), None);
        assert_eq!(shown(Some(""), Some(" ")), None);
    }

    #[test]
    fn each_kind_of_key_has_its_header() {
        assert_eq!(KeyHeader::Bearer.with("k"), ("authorization", "Bearer k".into()));
        assert_eq!(KeyHeader::XApiKey.with("k"), ("x-api-key", "k".into()));
        assert_eq!(
            KeyHeader::AiGateway.with("k"),
            ("cf-aig-authorization", "Bearer k".into())
        );
    }
}
