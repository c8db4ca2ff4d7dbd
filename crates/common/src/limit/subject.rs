//! Whose requests are counted together: who has been verified, else the address that the connection came from.

use crate::id::{UserId, hex};
use crate::limit::Class;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::net::IpAddr;

/// Somebody whose requests count together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A verified user.
    User(UserId),
    /// A verified admin credential: `bootstrap`, or `key:` with its id.
    Admin(String),
    /// An IPv4 address.
    V4([u8; 4]),
    /// A network of IPv6: the first 64 bits, which is what one subscriber has at least.
    V6([u8; 8]),
    /// Everybody whose address is not known: the edge always names one.
    Unknown,
}

impl Subject {
    /// The subject of a request that nobody vouches for, by what the edge says about the connection (`CF-Connecting-IP`). Nothing that a
    /// client claims about itself counts, neither another header nor the content of a token.
    #[must_use]
    pub fn at(connecting_ip: Option<&str>) -> Self {
        match connecting_ip.and_then(|text| text.trim().parse().ok()) {
            None => Self::Unknown,
            Some(IpAddr::V4(address)) => Self::V4(address.octets()),
            Some(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
                Some(address) => Self::V4(address.octets()),
                None => {
                    let [a, b, c, d, e, f, g, h, ..] = address.octets();
                    Self::V6([a, b, c, d, e, f, g, h])
                }
            },
        }
    }

    fn text(&self) -> String {
        match self {
            Self::User(id) => format!("user/{id}"),
            Self::Admin(credential) => format!("admin/{credential}"),
            Self::V4(octets) => format!("4/{}", hex(octets)),
            Self::V6(octets) => format!("6/{}", hex(octets)),
            Self::Unknown => "unknown".into(),
        }
    }
}

/// Names one counter: a hash, so that what lies in KV and in objects holds no address and no user id. It hides them from a look, not from
/// somebody who tries all addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct CounterKey(String);

/// Hexadecimal digits of a key.
const DIGITS: usize = 32;

impl CounterKey {
    /// The counter of a subject in a class.
    #[must_use]
    pub fn of(class: Class, subject: &Subject) -> Self {
        let text = format!("molt/limit/{}/{}", class.word(), subject.text());
        Self(hex(&Sha256::digest(text.as_bytes())).chars().take(DIGITS).collect())
    }

    /// As text: 32 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which of `shards` places keeps it.
    #[must_use]
    pub fn shard(&self, shards: u32) -> u32 {
        let first = self.0.get(..6).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        first.unwrap_or_default() % shards.max(1)
    }
}

impl TryFrom<String> for CounterKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.len() == DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            Ok(Self(text))
        } else {
            Err("a counter's key is 32 hexadecimal digits")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CounterKey, Subject};
    use crate::id::UserId;
    use crate::limit::Class;
    use std::collections::BTreeSet;

    fn at(text: &str) -> Subject {
        Subject::at(Some(text))
    }

    #[test]
    fn ipv6_counts_by_network_and_ipv4_by_address() {
        let home = at("2001:db8:1:2::1");
        for same in [
            "2001:db8:1:2:ffff:ffff:ffff:ffff",
            "2001:0DB8:0001:0002::",
            " 2001:db8:1:2::7 ",
        ] {
            assert_eq!(at(same), home, "{same}");
        }
        for other in ["2001:db8:1:3::1", "2001:db8:0:2::1", "::1"] {
            assert_ne!(at(other), home, "{other}");
        }
        assert_ne!(at("203.0.113.7"), at("203.0.113.8"));
    }

    #[test]
    fn an_ipv4_address_in_ipv6_is_itself() {
        assert_eq!(at("::ffff:203.0.113.7"), at("203.0.113.7"));
        assert_eq!(at("::ffff:cb00:7107"), at("203.0.113.7"));
        assert_ne!(at("::ffff:203.0.113.8"), at("::ffff:203.0.113.7"));
        // Another prefix that holds an address is a network like others.
        assert!(matches!(at("64:ff9b::203.0.113.7"), Subject::V6(_)));
    }

    #[test]
    fn what_is_no_address_shares_one_counter() {
        for text in [
            None,
            Some(""),
            Some("unknown"),
            Some("203.0.113"),
            Some("203.0.113.7, 10.0.0.1"),
            Some("203.0.113.7:443"),
            Some("[2001:db8::1]"),
        ] {
            assert_eq!(Subject::at(text), Subject::Unknown, "{text:?}");
        }
    }

    #[test]
    fn every_class_and_subject_has_its_own_key() {
        let id = "6f1f0c5e-2f53-4c44-9a0e-0f5a1f3f9a11";
        let subjects = [
            Subject::User(UserId::parse(id).unwrap()),
            Subject::Admin(id.into()),
            Subject::Admin("bootstrap".into()),
            at("203.0.113.7"),
            at("2001:db8:1:2::1"),
            Subject::Unknown,
        ];
        let keys: BTreeSet<CounterKey> = Class::ALL
            .iter()
            .flat_map(|class| subjects.iter().map(|subject| CounterKey::of(*class, subject)))
            .collect();
        assert_eq!(keys.len(), Class::ALL.len() * subjects.len());
        for key in &keys {
            assert_eq!(CounterKey::try_from(key.as_str().to_owned()).as_ref(), Ok(key));
            assert!(!key.as_str().contains(id));
            assert!(key.shard(64) < 64);
        }
        let shards: BTreeSet<u32> = keys.iter().map(|key| key.shard(64)).collect();
        assert!(shards.len() > 16, "{shards:?}");
        for bad in ["", "x", &"A".repeat(32), &"a".repeat(33)] {
            assert!(CounterKey::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
