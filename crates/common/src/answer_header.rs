//! Which headers of a sandbox's answer would act beyond the page they come with, and are therefore taken off at the edge.
//!
//! The agent's pages share their origin with our own (sign-in, sign-out, boot page), so a header that speaks for the whole origin is ours to
//! send. What concerns one page stays the agent's: its content security policy and frame rules, permissions policy, caching, redirects,
//! cookies that are not ours. Its service worker stays possible too (the agent's page registers one for its own scope); a wider scope than
//! the script's folder is not, and signing out removes it together with all other storage.

use crate::cookie;
use crate::limit::headers::is_about_limits;

/// Headers with an effect on the whole origin, the connection's security or the browser's idea of who is signed in.
const WHOLE: [&str; 15] = [
    "alt-svc",
    "clear-site-data",
    "expect-ct",
    "nel",
    "origin-agent-cluster",
    "public-key-pins",
    "public-key-pins-report-only",
    "report-to",
    "reporting-endpoints",
    "service-worker-allowed",
    "set-login",
    "strict-transport-security",
    // A dictionary for compression is chosen by a pattern of paths, which may be ours.
    "use-as-dictionary",
    // The browser would ask for a password in our name.
    "www-authenticate",
    "x-request-id",
];

/// Whether a header of this name in a sandbox's answer is not the sandbox's to send.
#[must_use]
pub fn is_stripped(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    WHOLE.contains(&name.as_str())
        // What counts is counted at the edge; a page that reads of other limits would be misled.
        || is_about_limits(&name)
        || ["access-control-", "x-molt-"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// Whether a `Set-Cookie` value would set one of the platform's cookies, by whatever spelling, or any cookie for more than this host:
/// neighbours under the same domain are none of the agent's business.
#[must_use]
pub fn is_cookie_stripped(set_cookie: &str) -> bool {
    let mut parts = set_cookie.split(';');
    // A cookie without a name is sent back as its bare value, which may read `name=value` again.
    let pair = parts.next().unwrap_or_default().trim_start_matches([' ', '\t', '=']);
    let named = cookie::is_ours(pair.split('=').next().unwrap_or_default());
    named
        || parts.any(|part| {
            part.split('=')
                .next()
                .unwrap_or_default()
                .trim()
                .eq_ignore_ascii_case("domain")
        })
}

#[cfg(test)]
mod tests {
    use super::{is_cookie_stripped, is_stripped};

    #[test]
    fn what_speaks_for_the_origin_is_ours() {
        for name in [
            "Clear-Site-Data",
            "strict-transport-security",
            "Access-Control-Allow-Origin",
            "access-control-allow-credentials",
            "X-Molt-Backend",
            "Service-Worker-Allowed",
            "NEL",
            "WWW-Authenticate",
            "RateLimit",
            "RateLimit-Remaining",
            "X-RateLimit-Reset",
        ] {
            assert!(is_stripped(name), "{name}");
        }
    }

    #[test]
    fn what_concerns_the_page_stays() {
        for name in [
            "content-security-policy",
            "content-type",
            "cache-control",
            "set-cookie",
            "location",
            "x-frame-options",
            "permissions-policy",
            "etag",
            "retry-after",
            "vary",
            "sec-websocket-protocol",
            "x-content-type-options",
        ] {
            assert!(!is_stripped(name), "{name}");
        }
    }

    #[test]
    fn the_agent_sets_cookies_of_its_own_for_this_host_only() {
        for bad in [
            "sb-access-token=evil; Path=/",
            " __Host-molt-session = evil",
            "=sb-access-token=evil",
            "MOLT-refresh=evil",
            "theme=dark; Domain=example.com",
            "theme=dark;DOMAIN = .example.com; Path=/",
        ] {
            assert!(is_cookie_stripped(bad), "{bad}");
        }
        for good in ["theme=dark; Path=/; HttpOnly", "a=domain", "", "x=sb-access-token=1"] {
            assert!(!is_cookie_stripped(good), "{good}");
        }
    }
}
