//! Addresses in answers: the agent may name itself by the address on which it listens, which no client reaches. Pure.

use std::net::Ipv6Addr;

/// Names by which the agent may call the machine that it runs on.
const LOCAL: [&str; 4] = ["127.0.0.1", "localhost", "[::1]", "0.0.0.0"];

/// Where a client finds the agent.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// `http` or `https`.
    pub proto: &'a str,
    /// Host, with the port where it is not the scheme's own.
    pub host: &'a str,
    /// Loopback port of the agent.
    pub agent_port: u16,
}

impl Seen<'_> {
    /// The public form of a `Location` that names the agent itself: by its own address, or by the public name and the wrong scheme. `None` when
    /// the value names nobody or somebody else.
    pub fn public_form(&self, location: &str) -> Option<String> {
        let location = location.trim_matches([' ', '\t']);
        let (scheme, rest) = match location.strip_prefix("//") {
            Some(rest) => (self.proto, rest),
            None => location.split_once("://")?,
        };
        if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return None;
        }
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let itself = self.is_agent(scheme, authority) || authority.eq_ignore_ascii_case(self.host);
        // A backslash is a slash to browsers and a part of the name to others: such a value is nobody's.
        (itself && !rest.starts_with('\\')).then(|| format!("{}://{}{rest}", self.proto, self.host))
    }

    fn is_agent(&self, scheme: &str, authority: &str) -> bool {
        let (host, port) = split_port(authority);
        let default = if scheme.eq_ignore_ascii_case("https") { 443 } else { 80 };
        is_local(host) && port.map_or(Some(default), |port| port.parse().ok()) == Some(self.agent_port)
    }

    /// A `Set-Cookie` without its `Domain`, where that names this very host: it is meant for the agent's own pages, and a cookie without
    /// `Domain` is just that. `None` when there is nothing to change.
    pub fn host_only(&self, set_cookie: &str) -> Option<String> {
        let (public, _) = split_port(self.host);
        let domain = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim().trim_matches('"').trim_start_matches('.').to_owned();
            name.trim().eq_ignore_ascii_case("domain").then_some(value)
        };
        let mut parts = set_cookie.split(';');
        let pair = parts.next()?;
        let (named, kept): (Vec<&str>, Vec<&str>) = parts.partition(|part| domain(part).is_some());
        let own = |part: &&str| {
            domain(part).is_some_and(|value| value.is_empty() || value.eq_ignore_ascii_case(public) || is_local(&value))
        };
        (!named.is_empty() && named.iter().all(own)).then(|| {
            let mut cookie = pair.to_owned();
            for part in kept {
                cookie.push(';');
                cookie.push_str(part);
            }
            cookie
        })
    }
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        // A colon within brackets belongs to the address.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn is_local(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']);
    LOCAL.iter().any(|known| host.eq_ignore_ascii_case(known))
        || address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::Seen;

    const SEEN: Seen<'static> = Seen {
        proto: "https",
        host: "bot.example:8443",
        agent_port: 18789,
    };

    #[test]
    fn the_agents_own_address_becomes_the_public_one() {
        for (own, public) in [
            ("http://127.0.0.1:18789/a?b#c", "https://bot.example:8443/a?b#c"),
            ("http://LOCALHOST:18789", "https://bot.example:8443"),
            ("HTTP://[::1]:18789/", "https://bot.example:8443/"),
            ("//127.0.0.1:18789/x", "https://bot.example:8443/x"),
            ("http://0.0.0.0:18789?x", "https://bot.example:8443?x"),
            ("http://bot.example:8443/x", "https://bot.example:8443/x"),
            (" http://127.0.0.1:18789/a", "https://bot.example:8443/a"),
        ] {
            assert_eq!(SEEN.public_form(own).as_deref(), Some(public), "{own}");
        }
        let plain = Seen {
            proto: "http",
            host: "a.localhost",
            agent_port: 80,
        };
        assert_eq!(
            plain.public_form("http://localhost/x").as_deref(),
            Some("http://a.localhost/x")
        );
    }

    #[test]
    fn whoever_else_is_named_stays() {
        for other in [
            "/a",
            "a",
            "",
            "?x",
            "#x",
            "https://other.example/x",
            "http://127.0.0.1:8080/x",
            "http://127.0.0.1/x",
            "http://127.0.0.1:18789.evil.example/",
            "http://127.0.0.1:18789@evil.example/",
            "http://x@127.0.0.1:18789/",
            "http://127.0.0.1:18789\\@evil.example/",
            "http://localhost.evil.example:18789/",
            "javascript:alert(1)",
            "ws://127.0.0.1:18789/",
            "http:/127.0.0.1:18789/",
        ] {
            assert_eq!(SEEN.public_form(other), None, "{other}");
        }
    }

    #[test]
    fn a_cookie_for_this_host_is_one_without_domain() {
        for (set, expected) in [
            ("a=1; Domain=bot.example; Path=/", "a=1; Path=/"),
            ("a=1;domain=.BOT.example", "a=1"),
            ("a=1; Domain=localhost; Secure", "a=1; Secure"),
            ("a=1; Domain=127.0.0.1", "a=1"),
            ("a=1; Domain=; HttpOnly", "a=1; HttpOnly"),
        ] {
            assert_eq!(SEEN.host_only(set).as_deref(), Some(expected), "{set}");
        }
        for stays in [
            "a=1; Path=/",
            "a=1; Domain=example",
            "a=1; Domain=bot.example; Domain=example",
            "Domain=bot.example",
            "",
        ] {
            assert_eq!(SEEN.host_only(stays), None, "{stays}");
        }
    }
}
