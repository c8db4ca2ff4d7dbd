//! Whether a request comes from a page of ours: what guards everything that a cookie alone would open.

/// What a browser says about the page that sends a request.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// `Sec-Fetch-Site`, which no script can set; older browsers do not send it.
    pub site: Option<&'a str>,
}

impl Sender<'_> {
    /// Whether the page is of `own` origin or of a listed one, compared exactly. A request that names no page is not a browser's, or is one
    /// that the person made himself; no page can make a browser send a WebSocket upgrade or a POST without `Origin`.
    #[must_use]
    pub fn is_ours(&self, own: &str, listed: &[String]) -> bool {
        let known = |origin: &str| origin == own || listed.iter().any(|one| one == origin);
        match (self.origin, self.site) {
            // Whatever the origin says: a page of another site has no business with the cookie.
            (_, Some("cross-site")) => false,
            // A page under no-referrer hides its origin from its own server, and the other header says that it is the same.
            (Some("null") | None, Some("same-origin")) | (None, Some("none") | None) => true,
            // `same-site` alone names a neighbour, and an unknown word nobody.
            (None, Some(_)) => false,
            (Some(origin), _) => origin != "null" && known(origin),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sender;

    const OWN: &str = "https://bot.example";

    fn ours(origin: Option<&str>, site: Option<&str>) -> bool {
        Sender { origin, site }.is_ours(OWN, &["https://app.example".into()])
    }

    #[test]
    fn pages_of_ours_and_programs_pass() {
        for (origin, site) in [
            (None, None),
            (None, Some("none")),
            (None, Some("same-origin")),
            (Some(OWN), None),
            (Some(OWN), Some("same-origin")),
            (Some("null"), Some("same-origin")),
            (Some("https://app.example"), None),
            (Some("https://app.example"), Some("same-site")),
        ] {
            assert!(ours(origin, site), "{origin:?} {site:?}");
        }
    }

    #[test]
    fn everybody_else_is_refused() {
        for (origin, site) in [
            (None, Some("cross-site")),
            (None, Some("same-site")),
            (None, Some("")),
            (None, Some("Same-Origin")),
            (Some("null"), None),
            (Some("null"), Some("none")),
            (Some("null"), Some("same-site")),
            (Some("null"), Some("cross-site")),
            (Some(OWN), Some("cross-site")),
            (Some("https://app.example"), Some("cross-site")),
            (Some("https://evil.example"), Some("same-origin")),
            (Some(""), None),
            (Some("http://bot.example"), None),
            (Some("https://bot.example:443"), None),
            (Some("https://bot.example/"), None),
            (Some("https://bot.example.evil.example"), None),
            (Some("https://BOT.example"), None),
            (Some("https://bot.example, https://evil.example"), None),
        ] {
            assert!(!ours(origin, site), "{origin:?} {site:?}");
        }
    }

    #[test]
    fn null_is_never_listed() {
        let sender = Sender {
            origin: Some("null"),
            site: None,
        };
        assert!(!sender.is_ours(OWN, &["null".into()]));
    }
}
