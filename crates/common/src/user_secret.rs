//! Secrets of one user: keys of providers that the edge shows for him, and tokens of channels that his agent itself must hold. Write-only: nobody reads
//! a value again.

use crate::audit::Author;
use crate::id::UserId;
use crate::object_call::Call;
use crate::problem::Problem;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Longest value, in bytes.
pub const LONGEST_VALUE: usize = 8 * 1024;
/// Most secrets of a user.
pub const MOST: usize = 64;

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum SecretUse {
    /// Shown to a provider by the edge; no sandbox ever gets it.
    Provider,
    /// Held by the agent, in its environment, from its next start on.
    Channel,
}

impl SecretUse {
    /// As in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Channel => "channel",
        }
    }
}

/// A name that a secret may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KnownName {
    /// `[A-Z][A-Z0-9_]{0,63}`.
    pub name: String,
    /// What it is for.
    #[serde(rename = "use")]
    pub used_for: SecretUse,
}

/// What is told of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretView {
    /// `[A-Z][A-Z0-9_]{0,63}`.
    pub name: String,
    /// What it is for.
    #[serde(rename = "use")]
    pub used_for: SecretUse,
    /// The last four characters behind dots, for values of at least sixteen; else only dots.
    pub masked: String,
    /// When it was set.
    pub set_at: Millis,
    /// Id of the root key that it is sealed under.
    pub key_id: String,
    /// Whether it can be opened. One that cannot, because its root key is gone, is used for nothing, and nothing is used in its place.
    pub readable: bool,
}

/// Sets one. Noted in the audit trail, without the value.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetSecret {
    /// Whose.
    pub owner: UserId,
    /// Its name. The object knows which there are, and what each is for.
    pub name: String,
    /// Its value, as it came.
    pub value: String,
    /// Who sets it.
    pub by: Author,
}

impl fmt::Debug for SetSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetSecret")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Call for SetSecret {
    const PATH: &'static str = "/secrets/set";
    type Answer = SecretSet;
}

/// Answer to [`SetSecret`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "answer")]
pub enum SecretSet {
    /// It is kept.
    #[serde(rename_all = "camelCase")]
    Kept {
        /// As it is listed.
        secret: SecretView,
        /// Whether it took the place of an earlier one.
        replaced: bool,
        /// Whether an agent runs, or is about to, that may have an earlier one.
        agent_runs: bool,
    },
    /// Nothing was changed.
    Refused {
        /// Why: 400 (name or value), 409 (there are [`MOST`] already), 503 (this deployment has no root keys for secrets).
        problem: Problem,
    },
}

/// Takes one away.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoveSecret {
    /// Whose.
    pub owner: UserId,
    /// Which.
    pub name: String,
    /// Who takes it away.
    pub by: Author,
}

impl Call for RemoveSecret {
    const PATH: &'static str = "/secrets/remove";
    /// `None`: there was none.
    type Answer = Option<SecretRemoved>;
}

/// Answer to [`RemoveSecret`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretRemoved {
    /// What it was for.
    pub used_for: SecretUse,
    /// Whether an agent runs, or is about to, that may have it.
    pub agent_runs: bool,
}

/// What there is. Starts nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListSecrets {
    /// Whose.
    pub owner: UserId,
}

impl Call for ListSecrets {
    const PATH: &'static str = "/secrets/list";
    type Answer = SecretList;
}

/// Answer to [`ListSecrets`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretList {
    /// By name.
    pub secrets: Vec<SecretView>,
    /// Names that there may be.
    pub names: Vec<KnownName>,
    /// Id of the root key that everything is to be sealed under; `None` when this deployment has none.
    pub current_key: Option<String>,
}

/// Values by name, inside one object only. Printed nowhere.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Values(pub BTreeMap<String, String>);

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
