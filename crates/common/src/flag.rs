//! Feature flags: which backend answers a path class, and for whom.
//!
//! Truth is in the `ControlPlane` object, routers hold it as part of the trust snapshot; a flag that nobody ever set there is decided by its
//! variable of deployment. When the admin worker is down, an operator's [`FlagOverride`] in KV beats what was known last.

mod evaluation;
mod reading;
mod standing;
mod withdrawal;

pub use evaluation::{Reason, Ruling, rule};
pub use reading::OverrideError;
pub use standing::{Rank, Source, Standing, rank, standing};
pub use withdrawal::withdraws;

use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Key of the operator's override in KV.
pub const OVERRIDE_KEY: &str = "flags:override";
/// Header of an answer whose backend a flag chose: [`FlagSet::version`] that it was chosen by, 0 when no flag was ever set.
pub const VERSION_HEADER: &str = "x-molt-flags-version";
/// Header of the same answers: [`Source::word`].
pub const SOURCE_HEADER: &str = "x-molt-flags-source";
/// Most entries of an allow or deny list.
pub const LONGEST_LIST: usize = 1_000;

/// A flag that routers obey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Flag {
    /// `/api/super` goes to the admin worker.
    #[serde(rename = "USE_NEW_ADMIN_API")]
    NewAdminApi,
    /// Everything of a user's goes to the container gateway.
    #[serde(rename = "USE_NEW_CONTAINER_GATEWAY")]
    NewContainerGateway,
}

impl Flag {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::NewAdminApi, Self::NewContainerGateway];

    /// Name of the flag and of its variable of deployment, as operators know it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NewAdminApi => "USE_NEW_ADMIN_API",
            Self::NewContainerGateway => "USE_NEW_CONTAINER_GATEWAY",
        }
    }

    /// The flag of this name, exactly.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flag| flag.name() == name)
    }

    /// What its variable says: on only when it is exactly `true`; anything else, a missing one included, is off.
    #[must_use]
    pub fn is_on(variable: Option<&str>) -> bool {
        variable == Some("true")
    }
}

/// Whom a flag counts: a user's id, an admin key's id, or `bootstrap` for the bootstrap secret. Always from a verified credential.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String))]
pub struct Subject(String);

impl Subject {
    /// Reads one: 1 to 64 letters, digits, `-`, `_`, `.` or `:`. Letters become small, as user ids are compared.
    ///
    /// # Errors
    /// A sentence about what is wrong.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        if text.is_empty() || text.len() > 64 || !text.bytes().all(good) {
            return Err("must be 1 to 64 letters, digits, '-', '_', '.' or ':'");
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Subject {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.0
    }
}

/// What an operator set a flag to. See [`rule`] for what beats what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FlagSetting {
    /// Off: nobody but those on the allow list.
    pub enabled: bool,
    /// Share of subjects, 0 to 100, when enabled. 100 is everybody, those without a verified credential included.
    pub percent: u8,
    /// Always in, unless killed or also denied.
    #[serde(default)]
    pub allow: BTreeSet<Subject>,
    /// Never in.
    #[serde(default)]
    pub deny: BTreeSet<Subject>,
    /// Nobody is in, whatever the rest says.
    #[serde(default)]
    pub killed: bool,
    /// Users whom this flag no longer covers go back although the disk of their sandbox is discarded by that. Without it they stay where
    /// their data is. Means something for `USE_NEW_CONTAINER_GATEWAY` alone.
    #[serde(default)]
    pub discard_disk: bool,
}

impl FlagSetting {
    /// On for everybody, or for nobody.
    #[must_use]
    pub fn all_or_nobody(on: bool) -> Self {
        Self {
            enabled: on,
            percent: if on { 100 } else { 0 },
            ..Self::default()
        }
    }
}

/// Every flag that was set, as one state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlagSet {
    /// Grows with every change of any flag; 0 when none was ever set.
    pub version: u64,
    /// Epoch of the last override that was adopted; an override counts only with a higher one.
    pub epoch: u64,
    /// Flags that were set; the others are decided by their variables.
    #[serde(deserialize_with = "reading::known")]
    pub flags: BTreeMap<Flag, FlagSetting>,
}

/// What an operator writes to KV under [`OVERRIDE_KEY`] when the admin worker is down. Beats the flags until `ControlPlane` adopts it, which
/// raises [`FlagSet::epoch`] to this one's. Read it with [`FlagOverride::read`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlagOverride {
    /// Milliseconds since 1970 when it was written, so that a later one always beats an earlier one.
    pub epoch: u64,
    /// On for everybody or killed, by flag; the others stay as they are.
    #[serde(deserialize_with = "reading::known")]
    pub values: BTreeMap<Flag, bool>,
    /// As [`FlagSetting::discard_disk`], for flags that are killed by this.
    #[serde(default)]
    pub discard_disk: bool,
    /// When it was written.
    pub at: Millis,
    /// Who wrote it, as far as the operator's tool knows.
    pub author: String,
    /// Why.
    pub reason: String,
}

impl FlagOverride {
    /// What a flag becomes by it; `None` when it says nothing about that flag.
    #[must_use]
    pub fn applied(&self, flag: Flag, before: Option<&FlagSetting>) -> Option<FlagSetting> {
        let on = *self.values.get(&flag)?;
        let before = before.cloned().unwrap_or_default();
        Some(if on {
            FlagSetting {
                deny: before.deny,
                ..FlagSetting::all_or_nobody(true)
            }
        } else {
            FlagSetting {
                killed: true,
                discard_disk: self.discard_disk,
                ..before
            }
        })
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::{Flag, FlagOverride, FlagSetting, Subject};
    use crate::time::Millis;

    #[test]
    fn only_the_exact_word_switches_on() {
        assert!(Flag::is_on(Some("true")));
        for off in [None, Some(""), Some("TRUE"), Some("1"), Some("true "), Some("false")] {
            assert!(!Flag::is_on(off), "{off:?}");
        }
    }

    #[test]
    fn a_subject_is_short_and_plain() {
        assert_eq!(Subject::parse("ADA00000-x").unwrap().as_str(), "ada00000-x");
        for bad in ["", "a b", "a\n", "ä", &"x".repeat(65)] {
            assert!(Subject::parse(bad).is_err(), "{bad:?}");
        }
        assert!(serde_json::from_str::<Subject>("\"a/b\"").is_err());
    }

    #[test]
    fn an_override_kills_or_switches_on_for_all_and_forgets_no_deny_list() {
        let before: FlagSetting =
            serde_json::from_str(r#"{"enabled": true, "percent": 5, "allow": ["a"], "deny": ["d"]}"#).unwrap();
        let over = |on: bool| FlagOverride {
            epoch: 1,
            values: [(Flag::NewAdminApi, on)].into(),
            discard_disk: false,
            at: Millis(1),
            author: "op".into(),
            reason: "drill".into(),
        };
        let killed = over(false).applied(Flag::NewAdminApi, Some(&before)).unwrap();
        assert!(killed.killed && killed.percent == 5 && killed.allow == before.allow);
        let on = over(true).applied(Flag::NewAdminApi, Some(&killed)).unwrap();
        assert!(on.enabled && on.percent == 100 && !on.killed && on.deny == before.deny);
        assert_eq!(over(true).applied(Flag::NewContainerGateway, None), None);
        let text = serde_json::to_string(&over(true)).unwrap();
        assert_eq!(serde_json::from_str::<FlagOverride>(&text).unwrap(), over(true));
        assert!(text.contains("\"USE_NEW_ADMIN_API\":true"), "{text}");
    }
}
