//! Whether a page's content security policy (CSP 3) lets it run a script of its own origin that asks that origin and opens sockets to it. Pure.

use hyper::header::{CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue};

/// Why a page is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its policy would stop the script, and report it.
    #[error("its content security policy does not allow scripts and connections of its own origin")]
    Policy,
    /// It is compressed although it was not to be, or in an encoding in which a tag is no text.
    #[error("it came in an encoding that a tag cannot be put into")]
    Encoding,
}

/// Whether every policy of the answer allows the script. `public_host` is the `Host` by which the browser knows the page.
///
/// # Errors
/// [`Refusal::Policy`] when one does not.
pub fn allows_own_script(answer: &HeaderMap, public_host: Option<&HeaderValue>) -> Result<(), Refusal> {
    // Asks for a hash on every script, which the tag does not carry.
    if answer.contains_key("integrity-policy") {
        return Err(Refusal::Policy);
    }
    let host = public_host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    for header in answer.get_all(CONTENT_SECURITY_POLICY) {
        let text = header.to_str().map_err(|_| Refusal::Policy)?;
        // Several policies in one header each count by themselves.
        if !text.split(',').all(|policy| Policy::parse(policy).allows(host)) {
            return Err(Refusal::Policy);
        }
    }
    Ok(())
}

struct Policy<'a> {
    /// Name and sources; of a name that stands there twice the first counts.
    directives: Vec<(String, Vec<&'a str>)>,
}

impl<'a> Policy<'a> {
    fn parse(text: &'a str) -> Self {
        let mut directives: Vec<(String, Vec<&str>)> = Vec::new();
        for directive in text.split(';') {
            let mut words = directive.split_ascii_whitespace();
            if let Some(name) = words.next().map(str::to_ascii_lowercase)
                && !directives.iter().any(|(known, _)| *known == name)
            {
                directives.push((name, words.collect()));
            }
        }
        Self { directives }
    }

    fn sources(&self, names: &[&str]) -> Option<&[&'a str]> {
        let of = |name: &&str| self.directives.iter().find(|(known, _)| known == name);
        names.iter().find_map(of).map(|(_, sources)| sources.as_slice())
    }

    fn allows(&self, host: &str) -> bool {
        let scripts = self.sources(&["script-src-elem", "script-src", "default-src"]);
        let connections = self.sources(&["connect-src", "default-src"]);
        let boxed = self.sources(&["sandbox"]);
        // Then only scripts count that a trusted one adds, whatever else is listed.
        let trusts_only_its_own = scripts.is_some_and(|sources| has(sources, "'strict-dynamic'"));
        !trusts_only_its_own
            && scripts.is_none_or(|sources| own_origin(sources, host))
            && connections.is_none_or(|sources| own_origin(sources, host))
            && boxed.is_none_or(|flags| has(flags, "allow-scripts") && has(flags, "allow-same-origin"))
    }
}

fn has(sources: &[&str], word: &str) -> bool {
    sources.iter().any(|source| source.eq_ignore_ascii_case(word))
}

/// Whether the sources cover the page's own origin. Hosts with wildcards or paths are not looked into: the page is left as it is.
fn own_origin(sources: &[&str], host: &str) -> bool {
    let own = |source: &&str| {
        let bare = source.trim_start_matches("https://").trim_start_matches("http://");
        !host.is_empty() && bare.eq_ignore_ascii_case(host)
    };
    has(sources, "'self'") || has(sources, "*") || sources.iter().any(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(policies: &[&str]) -> bool {
        let mut answer = HeaderMap::new();
        for policy in policies {
            answer.append(CONTENT_SECURITY_POLICY, policy.parse().unwrap());
        }
        allows_own_script(&answer, Some(&HeaderValue::from_static("a.example:8080"))).is_ok()
    }

    #[test]
    fn scripts_of_the_own_origin_are_found() {
        for good in [
            "",
            "default-src 'self'; script-src 'self' 'sha256-x='; connect-src 'self' ws: wss:",
            "DEFAULT-SRC 'none'; Script-Src 'Self'; connect-src *",
            "script-src 'none'; script-src-elem 'self'",
            "script-src http://a.example:8080",
            "img-src 'none'",
            "sandbox allow-scripts allow-same-origin allow-forms",
            "frame-ancestors 'none';; ",
        ] {
            assert!(allowed(&[good]), "{good}");
        }
        assert!(allowed(&[]));
    }

    #[test]
    fn a_page_that_would_not_run_it_is_left_alone() {
        for bad in [
            "default-src 'none'",
            "script-src 'nonce-x'",
            "script-src 'nonce-x' 'strict-dynamic' 'self'",
            "script-src 'self'; connect-src 'none'",
            "script-src 'none'; script-src 'self'",
            "script-src b.example",
            "script-src",
            "sandbox allow-scripts",
            "script-src 'self', script-src 'none'",
        ] {
            assert!(!allowed(&[bad]), "{bad}");
        }
        assert!(!allowed(&["script-src 'self'", "script-src 'none'"]));
        let mut answer = HeaderMap::new();
        answer.insert(
            "integrity-policy",
            HeaderValue::from_static("blocked-destinations=(script)"),
        );
        assert_eq!(allows_own_script(&answer, None), Err(Refusal::Policy));
    }
}
