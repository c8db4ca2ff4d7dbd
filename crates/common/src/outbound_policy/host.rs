//! Names of hosts: what may stand in a list, and what a request's host is called. Pure.

use url::Host;

/// Longest name, in characters of its ASCII form (RFC 1035, without the final dot).
const LONGEST: usize = 253;
/// Longest label.
const LONGEST_LABEL: usize = 63;

/// Ends of names that no public name has: special use (RFC 6761, 6762, 7686, 8375, 9476), what networks call themselves inside, and
/// what the platform's own objects are called in URLs.
const NOT_PUBLIC: [&str; 15] = [
    "alt",
    "arpa",
    "corp",
    "home",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "object",
    "onion",
    "private",
    "sandbox",
];

/// Why an entry of a list cannot be kept; the text continues the entry's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Nothing.
    #[error("is empty")]
    Empty,
    /// With a port.
    #[error("names a port: give the host alone, of which ports 80 and 443 are reached")]
    Port,
    /// A URL, or part of one.
    #[error("is not a host name alone: leave out scheme, user and path")]
    Url,
    /// An address or a block of them.
    #[error("is an address: hosts are known by their names, and addresses are never reached under a policy")]
    Address,
    /// A star that is not the whole first label.
    #[error("has a star in a place other than `*.` in front; leave `allow` out for every host")]
    Star,
    /// One label alone.
    #[error("has no dot: give the full name of the host")]
    Short,
    /// Not a name by the rules of DNS and IDNA.
    #[error("is not a host name")]
    Name,
    /// A name that is not one of the public internet.
    #[error("is no name of the public internet: such names are never reached")]
    NotPublic,
}

/// What a request's host is not, so that no list is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostRefusal {
    /// An address.
    Address,
    /// Not a name of the public internet.
    NotPublic,
}

/// An entry of a list as it is kept: `example.com` or `*.example.com`.
pub fn entry(text: &str) -> Result<String, EntryError> {
    if text.is_empty() {
        return Err(EntryError::Empty);
    }
    let (wild, name) = text.strip_prefix("*.").map_or((false, text), |rest| (true, rest));
    if name.contains('*') {
        return Err(EntryError::Star);
    }
    check_form(name)?;
    let ascii = match Host::parse(name) {
        Ok(Host::Domain(ascii)) => ascii,
        Ok(_) => return Err(EntryError::Address),
        Err(_) => return Err(EntryError::Name),
    };
    let ascii = ascii.strip_suffix('.').unwrap_or(&ascii);
    if !is_name(ascii) {
        return Err(EntryError::Name);
    }
    if is_not_public(ascii) {
        return Err(EntryError::NotPublic);
    }
    // A whole top-level domain may be meant with a star, never without.
    if !wild && !ascii.contains('.') {
        return Err(EntryError::Short);
    }
    Ok(if wild { format!("*.{ascii}") } else { ascii.to_owned() })
}

/// Says what is wrong with what is clearly something else than a name, before it is read as one.
fn check_form(name: &str) -> Result<(), EntryError> {
    let is_block = |text: &str| {
        text.split_once('/')
            .is_some_and(|(address, _)| address.parse::<std::net::IpAddr>().is_ok())
    };
    if name.starts_with('[') || name.parse::<std::net::IpAddr>().is_ok() || is_block(name) {
        return Err(EntryError::Address);
    }
    // `%` would be decoded, and what is not seen should not decide.
    if name.contains("://") || name.contains(['/', '\\', '@', '?', '#', '%']) {
        return Err(EntryError::Url);
    }
    if name.contains(':') {
        return Err(EntryError::Port);
    }
    if name.chars().any(|char| char.is_whitespace() || char.is_control()) {
        return Err(EntryError::Name);
    }
    Ok(())
}

/// The name of a request's host as lists have it.
pub fn of_request(host: &str) -> Result<String, HostRefusal> {
    let name = match Host::parse(host) {
        Ok(Host::Domain(name)) => name,
        Ok(_) => return Err(HostRefusal::Address),
        Err(_) => return Err(HostRefusal::NotPublic),
    };
    let name = name.strip_suffix('.').unwrap_or(&name);
    if !is_name(name) || !name.contains('.') || is_not_public(name) {
        return Err(HostRefusal::NotPublic);
    }
    Ok(name.to_owned())
}

fn is_not_public(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    NOT_PUBLIC.contains(&last)
}

/// Whether an ASCII name keeps the rules of DNS; underscores are in use.
fn is_name(ascii: &str) -> bool {
    let label = |label: &str| {
        (1..=LONGEST_LABEL).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_')
    };
    ascii.len() <= LONGEST && ascii.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_host_name_is_refused_with_its_reason() {
        for (text, why) in [
            ("", EntryError::Empty),
            ("*", EntryError::Star),
            ("**.example.com", EntryError::Star),
            ("a*.example.com", EntryError::Star),
            ("*.*.example.com", EntryError::Star),
            ("example.com:80", EntryError::Port),
            ("*.example.com:443", EntryError::Port),
            ("https://example.com", EntryError::Url),
            ("example.com/path", EntryError::Url),
            ("user@example.com", EntryError::Url),
            ("user:pass@example.com", EntryError::Url),
            ("example.com\\@evil.com", EntryError::Url),
            ("%65xample.com", EntryError::Url),
            ("example.com?x", EntryError::Url),
            ("[::1]", EntryError::Address),
            ("[::1]:80", EntryError::Address),
            ("::1", EntryError::Address),
            ("127.0.0.1", EntryError::Address),
            ("127.1", EntryError::Address),
            ("0x7f000001", EntryError::Address),
            ("2130706433", EntryError::Address),
            ("017700000001", EntryError::Address),
            ("127.0.0.1.", EntryError::Address),
            ("127。0。0。1", EntryError::Address),
            ("10.0.0.0/8", EntryError::Address),
            ("fc00::/7", EntryError::Address),
            ("*.127.0.0.1", EntryError::Address),
            ("com", EntryError::Short),
            ("localhost", EntryError::NotPublic),
            ("LOCALHOST.", EntryError::NotPublic),
            ("*.internal", EntryError::NotPublic),
            ("repository.molt.internal", EntryError::NotPublic),
            ("calls.object", EntryError::NotPublic),
            ("traffic.sandbox", EntryError::NotPublic),
            ("printer.local", EntryError::NotPublic),
            (".example.com", EntryError::Name),
            ("example..com", EntryError::Name),
            ("example.com..", EntryError::Name),
            ("-a.example.com", EntryError::Name),
            ("exa mple.com", EntryError::Name),
            ("example.com\n", EntryError::Name),
            ("exam\u{0}ple.com", EntryError::Name),
            ("a,b.example.com", EntryError::Name),
            (".", EntryError::Name),
        ] {
            assert_eq!(entry(text), Err(why), "{text:?}");
        }
        assert_eq!(entry(&format!("{}.example.com", "a".repeat(64))), Err(EntryError::Name));
        assert_eq!(entry(&format!("{}com", "a.".repeat(126))), Err(EntryError::Name));
    }

    #[test]
    fn names_of_every_writing_are_one() {
        for (text, kept) in [
            ("EXAMPLE.com.", "example.com"),
            ("*.EXAMPLE.com.", "*.example.com"),
            ("*.com", "*.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.example", "xn--bcher-kva.example"),
            ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
            ("ｅｘａｍｐｌｅ．ｃｏｍ", "example.com"),
            ("exam\u{ad}ple.com", "example.com"),
        ] {
            assert_eq!(entry(text).as_deref(), Ok(kept), "{text:?}");
        }
    }

    #[test]
    fn a_request_by_address_or_to_a_name_inside_is_known_whatever_its_spelling() {
        for host in [
            "127.0.0.1",
            "[::1]",
            "2130706433",
            "0x7f.1",
            "169.254.169.254",
            "127.0.0.1.",
            "8.8.8.8",
        ] {
            assert_eq!(of_request(host), Err(HostRefusal::Address), "{host}");
        }
        for host in [
            "localhost",
            "LocalHost.",
            "calls.object",
            "traffic.sandbox",
            "gateway.internal",
            "metadata.google.internal",
            "x.localhost",
            "router",
            "",
            "a..b",
        ] {
            assert_eq!(of_request(host), Err(HostRefusal::NotPublic), "{host}");
        }
        assert_eq!(of_request("EXAMPLE.com.").as_deref(), Ok("example.com"));
    }
}
