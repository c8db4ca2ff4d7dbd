//! What the router must know besides signatures: admin keys, ended sessions, suspended users. Truth is in the `ControlPlane` object of the
//! admin worker; routers hold a snapshot for seconds.

use crate::admin_key::{AdminKey, KeyRecord};
use crate::control::SessionEnd;
use crate::flag::FlagSet;
use crate::id::{UserId, hex};
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Path at the admin worker that answers `GET` with a [`TrustSnapshot`] to a service identity; with `If-None-Match: "<version>"` 304.
pub const SNAPSHOT_PATH: &str = "/internal/trust";
/// Path at the admin worker that takes `POST` with an [`EndSession`] and answers with the [`TrustSnapshot`] that has it.
pub const END_SESSION_PATH: &str = "/internal/sessions/end";
/// Key of the copy in KV, for when the admin worker does not answer.
pub const KV_KEY: &str = "trust:snapshot";

/// Names one session of a user without being a credential: a hash of the provider's session id, or of the token where it has none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionRef(String);

impl SessionRef {
    /// The session of a verified token: `session_id` is its claim of that name. 32 hexadecimal digits after a letter.
    #[must_use]
    pub fn of(user: UserId, session_id: Option<&str>, token: &str) -> Self {
        // What is signed, without the signature: with ECDSA anybody can turn one valid signature into another, and an ended token would
        // be good again.
        let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
        let (letter, what) = session_id.map_or(("t", signed), |id| ("s", id));
        let digest = Sha256::digest(format!("molt/session/{user}/{letter}/{what}").as_bytes());
        let digits: String = hex(&digest).chars().take(32).collect();
        Self(format!("{letter}{digits}"))
    }

    /// Reads one that another worker states.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(['s', 't'])?;
        (digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| Self(text.into()))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A session that somebody ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndSession {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub session: SessionRef,
    /// Its token ends by itself then, so that it need not be remembered longer.
    pub until: Millis,
    /// Request that ended it.
    pub request_id: String,
}

/// Tokens are accepted a little beyond their end, and a session may hold one that was renewed a moment before this one was shown.
const END_MARGIN_MS: u64 = 6 * 60 * 1000;

impl EndSession {
    /// The end of the session of a verified token, which ends at `until` by itself.
    #[must_use]
    pub fn of(user: UserId, session_id: Option<&str>, token: &str, until: Millis, request_id: &str) -> Self {
        Self {
            user,
            session: SessionRef::of(user, session_id, token),
            until: until.plus(END_MARGIN_MS),
            request_id: request_id.to_owned(),
        }
    }
}

/// One state of all that the router must know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustSnapshot {
    /// Grows with every change.
    pub version: u64,
    /// Whether the bootstrap secret has been switched off.
    pub bootstrap_off: bool,
    /// Admin keys that are neither revoked nor expired.
    pub keys: Vec<KeyRecord>,
    /// Ended sessions and when their tokens end by themselves.
    pub ended: BTreeMap<SessionRef, Millis>,
    /// Users who may not come in.
    pub suspended: BTreeSet<UserId>,
    /// Feature flags.
    #[serde(default)]
    pub flags: FlagSet,
}

impl TrustSnapshot {
    /// The record of a key that is presented, if it is good.
    #[must_use]
    pub fn key(&self, key: &AdminKey, now: Millis) -> Option<&KeyRecord> {
        self.keys.iter().find(|record| record.admits(key, now))
    }

    /// Why a session of a user is shut out; `None` when it is not.
    #[must_use]
    pub fn shuts_out(&self, user: UserId, session: &SessionRef) -> Option<SessionEnd> {
        if self.suspended.contains(&user) {
            Some(SessionEnd::Suspended)
        } else {
            self.has_ended(session).then_some(SessionEnd::SignedOut)
        }
    }

    /// Whether a session has been ended.
    #[must_use]
    pub fn has_ended(&self, session: &SessionRef) -> bool {
        self.ended.contains_key(session)
    }
}

/// How old a snapshot may be (DESIGN section 8): an isolate has no timer outside a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Used as it is.
    Fresh,
    /// Used, and refreshed behind the request.
    Ageing,
    /// Refreshed before the decision.
    Old,
}

/// Age in milliseconds until which a snapshot is [`Freshness::Fresh`].
pub const FRESH_MS: u64 = 2_000;
/// Age in milliseconds until which it is [`Freshness::Ageing`].
pub const AGEING_MS: u64 = 5_000;
/// A refresh before a decision takes at most this long.
pub const REFRESH_LIMIT_MS: u64 = 300;
/// A snapshot older than this admits no admin key: its revocation might have been missed.
pub const KEYS_LIMIT_MS: u64 = 25_000;

/// See [`Freshness`].
#[must_use]
pub const fn freshness(age_ms: u64) -> Freshness {
    match age_ms {
        0..FRESH_MS => Freshness::Fresh,
        FRESH_MS..AGEING_MS => Freshness::Ageing,
        _ => Freshness::Old,
    }
}

#[cfg(test)]
mod tests {
    use super::{EndSession, Freshness, SessionRef, TrustSnapshot, freshness};
    use crate::admin_key::{AdminKey, KeyRecord};
    use crate::control::SessionEnd;
    use crate::id::UserId;
    use crate::time::Millis;

    #[test]
    fn a_session_is_named_by_its_id_else_by_its_token() {
        let user = |last: u8| UserId::parse(&format!("0b0f3c1e-6f0e-4b51-9a35-5a7d3c0f1a{last:02x}")).unwrap();
        let first = SessionRef::of(user(1), Some("a"), "token");
        assert_eq!(first, SessionRef::of(user(1), Some("a"), "a renewed token"));
        assert_ne!(first, SessionRef::of(user(1), Some("b"), "token"));
        assert_ne!(
            first,
            SessionRef::of(user(2), Some("a"), "token"),
            "ids of two providers may collide"
        );
        let bare = SessionRef::of(user(1), None, "token");
        assert_ne!(bare, SessionRef::of(user(1), None, "a renewed token"));
        let signed_by = |signature: &str| SessionRef::of(user(1), None, &format!("header.claims.{signature}"));
        assert_eq!(signed_by("one"), signed_by("another"));
        assert_ne!(signed_by("one"), SessionRef::of(user(1), None, "header.others.one"));
        assert_ne!(bare, SessionRef::of(user(1), Some("token"), "x"));
        assert_eq!(SessionRef::parse(first.as_str()), Some(first));
        for bad in [
            "",
            "s",
            "x0123456789abcdef0123456789abcdef",
            "s0123456789abcdef0123456789abcde\n",
        ] {
            assert_eq!(SessionRef::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_snapshot_admits_the_keys_it_holds() {
        let key = AdminKey::new([1; 8], [2; 32]);
        let mut snapshot = TrustSnapshot::default();
        assert!(snapshot.key(&key, Millis(0)).is_none());
        snapshot.keys.push(KeyRecord {
            id: key.id().clone(),
            hash: key.hash(),
            scopes: vec![],
            expires_at: Some(Millis(10)),
        });
        assert!(snapshot.key(&key, Millis(9)).is_some());
        assert!(snapshot.key(&key, Millis(10)).is_none());
    }

    #[test]
    fn ended_sessions_and_suspended_users_are_shut_out() {
        let user = |last: u8| UserId::parse(&format!("0b0f3c1e-6f0e-4b51-9a35-5a7d3c0f1a{last:02x}")).unwrap();
        let ended = EndSession::of(user(1), Some("a"), "token", Millis(1_000), "req_1");
        assert!(ended.until > Millis(61_000), "for as long as its tokens are accepted");
        let mut snapshot = TrustSnapshot::default();
        snapshot.ended.insert(ended.session, ended.until);
        snapshot.suspended.insert(user(2));
        for (number, session, expected) in [
            (1, "a", Some(SessionEnd::SignedOut)),
            (1, "b", None),
            (2, "a", Some(SessionEnd::Suspended)),
            (3, "a", None),
        ] {
            let session = SessionRef::of(user(number), Some(session), "token");
            assert_eq!(snapshot.shuts_out(user(number), &session), expected, "{number}");
        }
    }

    #[test]
    fn older_snapshots_are_refreshed_sooner() {
        assert_eq!(freshness(0), Freshness::Fresh);
        assert_eq!(freshness(2_000), Freshness::Ageing);
        assert_eq!(freshness(4_999), Freshness::Ageing);
        assert_eq!(freshness(5_000), Freshness::Old);
    }
}
