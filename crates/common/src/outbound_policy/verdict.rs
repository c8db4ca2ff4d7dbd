//! May a request go there? Pure.

use super::OutboundPolicy;
use super::host::{self, HostRefusal};
use crate::provider::PROVIDER_HOST;
use crate::snapshot::REPOSITORY_HOST;

/// What is decided about a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be reached.
    Allowed,
    /// This entry of the denied hosts stands against it.
    Denied {
        /// As it is kept.
        entry: String,
    },
    /// Only listed hosts may be reached, and it is none of them.
    NotListed,
    /// It is an address, by which no host is known.
    Address,
    /// It is no name of the public internet, or the port is not that of the scheme.
    NotPublic,
}

impl Verdict {
    /// Why not, as a sentence about `host`; `None` when it may be reached.
    #[must_use]
    pub fn why_not(&self, host: &str) -> Option<String> {
        match self {
            Self::Allowed => None,
            Self::Denied { entry } => Some(format!(
                "This sandbox may not reach {host}: {entry} is among the hosts that are denied to it."
            )),
            Self::NotListed => Some(format!(
                "This sandbox may not reach {host}: it is not among the hosts that are allowed to it."
            )),
            Self::Address => Some(format!(
                "This sandbox may not reach {host}: its ways out are limited to hosts with names."
            )),
            Self::NotPublic => Some(format!(
                "This sandbox may not reach {host}: that is no host of the public internet on its usual port."
            )),
        }
    }
}

/// Whether a host is the platform's own for sandboxes: reached whatever the lists say.
#[must_use]
pub fn is_own(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    [REPOSITORY_HOST, PROVIDER_HOST]
        .iter()
        .any(|own| host.eq_ignore_ascii_case(own))
}

/// Whether a policy, as it is kept, lets requests through to `host`, as a URL has it, on `port`, when that is not the scheme's own.
#[must_use]
pub fn decide(policy: &OutboundPolicy, host: &str, port: Option<u16>) -> Verdict {
    if is_own(host) {
        return Verdict::Allowed;
    }
    let name = match host::of_request(host) {
        Ok(name) => name,
        Err(HostRefusal::Address) => return Verdict::Address,
        Err(HostRefusal::NotPublic) => return Verdict::NotPublic,
    };
    // What is intercepted are ports 80 and 443: another one in `Host` is a way around.
    if port.is_some() {
        return Verdict::NotPublic;
    }
    if let Some(entry) = policy.deny.iter().find(|entry| covers(entry, &name)) {
        return Verdict::Denied { entry: entry.clone() };
    }
    match &policy.allow {
        Some(allow) if !allow.iter().any(|entry| covers(entry, &name)) => Verdict::NotListed,
        _ => Verdict::Allowed,
    }
}

/// Whether an entry means a name.
fn covers(entry: &str, name: &str) -> bool {
    match entry.strip_prefix("*.") {
        Some(parent) => name
            .strip_suffix(parent)
            .is_some_and(|below| below.len() > 1 && below.ends_with('.')),
        None => entry == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound_policy::tests::policy;
    use proptest::prelude::*;

    fn denied(entry: &str) -> Verdict {
        Verdict::Denied { entry: entry.into() }
    }

    #[test]
    fn a_star_means_what_lies_below_and_not_the_name_itself() {
        let below = policy(Some(&["*.example.com"]), &[]);
        for (host, verdict) in [
            ("a.example.com", Verdict::Allowed),
            ("a.b.example.com", Verdict::Allowed),
            ("A.EXAMPLE.com.", Verdict::Allowed),
            ("example.com", Verdict::NotListed),
            ("evilexample.com", Verdict::NotListed),
            ("example.com.evil.net", Verdict::NotListed),
        ] {
            assert_eq!(decide(&below, host, None), verdict, "{host}");
        }
        let alone = policy(Some(&["example.com"]), &[]);
        assert_eq!(decide(&alone, "a.example.com", None), Verdict::NotListed);
        assert_eq!(decide(&alone, "example.com.", None), Verdict::Allowed);
    }

    #[test]
    fn what_is_denied_is_denied_although_it_is_allowed() {
        let both = policy(Some(&["*.example.com"]), &["bad.example.com", "*.evil.net"]);
        assert_eq!(decide(&both, "bad.example.com", None), denied("bad.example.com"));
        assert_eq!(decide(&both, "BAD.example.com.", None), denied("bad.example.com"));
        assert_eq!(decide(&both, "good.example.com", None), Verdict::Allowed);
        assert_eq!(
            decide(&policy(None, &["*.evil.net"]), "a.evil.net", None),
            denied("*.evil.net")
        );
        assert_eq!(
            decide(&policy(None, &["*.evil.net"]), "evil.net", None),
            Verdict::Allowed
        );
    }

    #[test]
    fn the_platforms_own_names_are_reached_and_none_of_its_others() {
        let nothing = policy(Some(&[]), &["*.com"]);
        assert_eq!(decide(&nothing, REPOSITORY_HOST, None), Verdict::Allowed);
        assert_eq!(decide(&nothing, "Providers.Molt.Internal.", None), Verdict::Allowed);
        for host in [
            "calls.object",
            "gateway.internal",
            "traffic.sandbox",
            "evil.molt.internal",
            "localhost",
        ] {
            assert_eq!(decide(&policy(None, &[]), host, None), Verdict::NotPublic, "{host}");
        }
    }

    #[test]
    fn addresses_and_other_ports_are_no_way_around() {
        let most = policy(None, &["example.com"]);
        for host in [
            "93.184.216.34",
            "[2606:2800:220:1::1]",
            "169.254.169.254",
            "127.0.0.1",
            "0x7f000001",
        ] {
            assert_eq!(decide(&most, host, None), Verdict::Address, "{host}");
        }
        assert_eq!(decide(&most, "other.example.com", Some(22)), Verdict::NotPublic);
    }

    #[test]
    fn a_refusal_names_the_host_and_the_entry() {
        let text = denied("*.evil.net").why_not("a.evil.net").unwrap();
        assert!(text.contains("a.evil.net") && text.contains("*.evil.net"), "{text}");
        assert_eq!(Verdict::Allowed.why_not("x"), None);
    }

    proptest! {
        /// Deny beats allow, and with a list of allowed hosts nothing passes that no entry means.
        #[test]
        fn nothing_passes_that_is_denied_or_not_listed(
            labels in proptest::collection::vec("[a-c]", 1..4), allow in proptest::collection::vec("(\\*\\.)?[a-c](\\.[a-c])?\\.example", 0..4),
            deny in proptest::collection::vec("(\\*\\.)?[a-c](\\.[a-c])?\\.example", 0..4),
        ) {
            let host = format!("{}.example", labels.join("."));
            let policy = OutboundPolicy { allow: Some(allow.clone()), deny: deny.clone() }.normalized().unwrap();
            // The meaning of an entry, said in another way: by labels from the right.
            let means = |entry: &String| {
                let (wild, name) = entry.strip_prefix("*.").map_or((false, entry.as_str()), |rest| (true, rest));
                let (name, host): (Vec<_>, Vec<_>) = (name.rsplit('.').collect(), host.rsplit('.').collect());
                if wild { host.len() > name.len() && host.starts_with(&name) } else { host == name }
            };
            let expected = !deny.iter().any(means) && allow.iter().any(means);
            prop_assert_eq!(decide(&policy, &host, None) == Verdict::Allowed, expected);
        }

        /// No text makes it panic, and no address passes.
        #[test]
        fn no_host_breaks_it(host in "\\PC{0,30}", bits: u32) {
            let _ = decide(&OutboundPolicy::default(), &host, None);
            let address = std::net::Ipv4Addr::from_bits(bits).to_string();
            prop_assert_eq!(decide(&OutboundPolicy::default(), &address, None), Verdict::Address);
        }
    }
}
