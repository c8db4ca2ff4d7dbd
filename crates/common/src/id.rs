//! Identifiers as types, so that none is taken for another and none is used unchecked.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use uuid::Uuid;

/// Why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// A user id is a UUID in its usual form (8-4-4-4-12 hexadecimal digits).
    #[error("is not a UUID of the form 8-4-4-4-12")]
    NotUuid,
    /// An exec id is `[A-Za-z0-9_-]{1,64}`.
    #[error("must be 1 to 64 characters of A-Z, a-z, 0-9, '_' and '-'")]
    NotToken,
    /// The id of a sandbox is `sbx_` and 32 hexadecimal digits in lower case.
    #[error("must be sbx_ and 32 hexadecimal digits in lower case")]
    NotSandbox,
}

/// A user's id: the UUID that the identity provider gave (`sub`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserId(Uuid);

impl UserId {
    /// Reads a hyphenated UUID of 36 characters; the nil UUID is nobody.
    ///
    /// # Errors
    /// [`IdError::NotUuid`] for anything else, braces, `urn:uuid:` and bare hexadecimal included.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if text.len() != 36 {
            return Err(IdError::NotUuid);
        }
        match Uuid::try_parse(text) {
            Ok(uuid) if !uuid.is_nil() => Ok(Self(uuid)),
            _ => Err(IdError::NotUuid),
        }
    }

    /// Version of the UUID; `None` when its bits name none.
    #[must_use]
    pub fn version(&self) -> Option<uuid::Version> {
        self.0.get_version()
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.hyphenated())
    }
}

impl TryFrom<String> for UserId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl From<UserId> for String {
    fn from(id: UserId) -> Self {
        id.to_string()
    }
}

/// Opaque id of a sandbox: names its Durable Objects, its storage, its tokens and its jobs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SandboxId(String);

impl SandboxId {
    /// The personal sandbox of a user. It follows from the user id, so that nothing has to look it up and no two paths can
    /// ever name two sandboxes for one user.
    #[must_use]
    pub fn personal(user: UserId) -> Self {
        let digest = Sha256::digest(format!("molt/personal/{user}").as_bytes());
        let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self(format!("sbx_{hex}"))
    }

    /// Reads an id in the one way that it is written: `sbx_` and 32 hexadecimal digits in lower case.
    ///
    /// # Errors
    /// [`IdError::NotSandbox`].
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let digits = text.strip_prefix("sbx_").ok_or(IdError::NotSandbox)?;
        let ok = digits.len() == 32 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if ok {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError::NotSandbox)
        }
    }

    /// As text: `sbx_` and 32 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SandboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Id of one command run for an admin.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExecId(String);

impl ExecId {
    /// A new id from 12 random bytes, sortable by time: `exec_<milliseconds>_<24 hexadecimal digits>`.
    #[must_use]
    pub fn new(now: crate::time::Millis, random: [u8; 12]) -> Self {
        Self(format!("exec_{}_{}", now.0, hex(&random)))
    }

    /// The id that a caller's key names among the jobs of a kind: always the same one, which tells nothing of the key.
    #[must_use]
    pub fn of_key(kind: &str, key: &str) -> Self {
        let digest = Sha256::digest(format!("molt/{kind}/{key}").as_bytes());
        let digits: String = hex(&digest).chars().take(32).collect();
        Self(format!("key_{digits}"))
    }

    /// Reads an id given by a caller.
    ///
    /// # Errors
    /// [`IdError::NotToken`].
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let ok = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if ok {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError::NotToken)
        }
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExecId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ExecId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl From<ExecId> for String {
    fn from(id: ExecId) -> Self {
        id.0
    }
}

/// `req_<32 hexadecimal digits>`: ours, never the client's.
#[must_use]
pub fn request_id(random: [u8; 16]) -> String {
    format!("req_{}", hex(&random))
}

/// Whether a text is a request id as we make them.
#[must_use]
pub fn is_request_id(text: &str) -> bool {
    text.strip_prefix("req_").is_some_and(|digits| {
        digits.len() == 32 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{ExecId, SandboxId, UserId};
    use crate::time::Millis;

    const ADA: &str = "0b0f3c1e-6f0e-4b51-9a35-5a7d3c0f1a11";

    #[test]
    fn a_user_id_is_a_hyphenated_uuid_and_nothing_else() {
        assert_eq!(UserId::parse(ADA).unwrap().to_string(), ADA);
        assert_eq!(UserId::parse(&ADA.to_uppercase()).unwrap().to_string(), ADA);
        for bad in [
            "",
            "undefined",
            "../etc/passwd",
            "0b0f3c1e6f0e4b519a355a7d3c0f1a11",
            "{0b0f3c1e-6f0e-4b51-9a35-5a7d3c0f1a11}",
            "urn:uuid:0b0f3c1e-6f0e-4b51-9a35-5a7d3c0f1a11",
            "00000000-0000-0000-0000-000000000000",
            "0b0f3c1e-6f0e-4b51-9a35-5a7d3c0f1a1g",
        ] {
            assert!(UserId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_sandbox_id_follows_from_the_user_and_differs_between_users() {
        let ada = UserId::parse(ADA).unwrap();
        let ben = UserId::parse("1b0f3c1e-6f0e-4b51-9a35-5a7d3c0f1a11").unwrap();
        assert_eq!(SandboxId::personal(ada), SandboxId::personal(ada));
        assert_ne!(SandboxId::personal(ada), SandboxId::personal(ben));
        assert_eq!(SandboxId::personal(ada).as_str().len(), 36);
        assert!(!SandboxId::personal(ada).as_str().contains("0b0f3c1e"), "opaque");
    }

    #[test]
    fn a_sandbox_id_is_read_as_it_is_written() {
        let id = SandboxId::personal(UserId::parse(ADA).unwrap());
        assert_eq!(SandboxId::parse(id.as_str()).unwrap(), id);
        for bad in [
            "",
            "sbx_",
            &id.as_str()[..35],
            &format!("{id}0"),
            &id.as_str().to_uppercase(),
            &format!("sbx_{}", "g".repeat(32)),
            &format!("../{}", &id.as_str()[3..]),
            ADA,
        ] {
            assert!(SandboxId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_request_id_is_known_by_its_form() {
        assert!(super::is_request_id(&super::request_id([0xab; 16])));
        for other in ["", "req_", "req_1", &format!("req_{}", "g".repeat(32)), &"a".repeat(36)] {
            assert!(!super::is_request_id(other), "{other}");
        }
    }

    #[test]
    fn exec_ids_are_checked() {
        let id = ExecId::new(Millis(5), [7; 12]);
        assert_eq!(ExecId::parse(id.as_str()).unwrap(), id);
        let keyed = ExecId::of_key("bulk-exec", "a key");
        assert_eq!(ExecId::parse(keyed.as_str()).unwrap(), keyed);
        assert_eq!(ExecId::of_key("bulk-exec", "a key"), keyed);
        assert_ne!(ExecId::of_key("bulk-exec", "another"), keyed);
        for bad in ["", "a b", "a/b", "é", &"x".repeat(65)] {
            assert!(ExecId::parse(bad).is_err(), "{bad}");
        }
    }
}
