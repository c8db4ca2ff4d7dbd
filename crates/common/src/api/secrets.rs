//! Request and answer types of users' secrets. No answer has a value.

use crate::id::UserId;
use crate::user_secret::{KnownName, SecretUse};
use serde::{Deserialize, Serialize};

/// One secret, as it is told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SecretEntry {
    /// Its name, as a variable is called.
    pub name: String,
    /// What it is for.
    #[serde(rename = "use")]
    pub used_for: SecretUse,
    /// The last four characters behind dots, for values of at least sixteen; else only dots.
    pub masked: String,
    /// When it was set, ISO-8601.
    pub set_at: String,
    /// Id of the root key that it is sealed under.
    pub key_id: String,
    /// False when its root key is gone: then it is used for nothing, and nothing is used in its place, until it is set again or removed.
    pub readable: bool,
}

/// Answer to `GET …/secrets`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SecretsAnswer {
    /// Whose.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// By name, all of them.
    pub secrets: Vec<SecretEntry>,
    /// Names that a secret may have, and what each is for.
    pub names: Vec<KnownName>,
    /// Id of the root key that all are going to be sealed under; null when the deployment has none.
    pub current_key_id: Option<String>,
    /// Null: there is one page.
    pub next_cursor: Option<String>,
}

/// Body of `PUT …/secrets/{name}`, for the document; it is read by hand, so that no refusal quotes a value.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SecretRequest {
    /// 1 to 8,192 bytes without control characters, not beginning or ending with white space; printable ASCII for a provider's key.
    pub value: String,
}

/// From when a change of a secret counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum CountsFrom {
    /// From the next call to the provider.
    Now,
    /// From the next start of the sandbox, which does not run.
    NextStart,
    /// From when the running agent is started again.
    AgentRestart,
}

impl CountsFrom {
    /// For a secret of this use, while an agent runs or not.
    #[must_use]
    pub const fn of(used_for: SecretUse, agent_runs: bool) -> Self {
        match (used_for, agent_runs) {
            (SecretUse::Provider, _) => Self::Now,
            (SecretUse::Channel, false) => Self::NextStart,
            (SecretUse::Channel, true) => Self::AgentRestart,
        }
    }

    /// For people.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::Now => "It counts from the next call to the provider.",
            Self::NextStart => "It counts from the sandbox's next start.",
            Self::AgentRestart => {
                "The agent runs, and goes on with what it has until it is started again: `molt restart`, or POST …/restart."
            }
        }
    }
}

/// Answer to `PUT …/secrets/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SecretChanged {
    /// Whose.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// How it is listed from now on.
    pub secret: SecretEntry,
    /// Whether it took the place of an earlier one.
    pub replaced: bool,
    /// From when it counts.
    pub counts_from: CountsFrom,
    /// For people.
    pub message: String,
}

/// Answer to `DELETE …/secrets/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SecretRemoval {
    /// Whose.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// Its name.
    pub name: String,
    /// From when that counts.
    pub counts_from: CountsFrom,
    /// For people.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::CountsFrom;
    use crate::user_secret::SecretUse;

    #[test]
    fn only_what_a_running_agent_holds_waits_for_its_restart() {
        assert_eq!(CountsFrom::of(SecretUse::Provider, true), CountsFrom::Now);
        assert_eq!(CountsFrom::of(SecretUse::Provider, false), CountsFrom::Now);
        assert_eq!(CountsFrom::of(SecretUse::Channel, true), CountsFrom::AgentRestart);
        assert_eq!(CountsFrom::of(SecretUse::Channel, false), CountsFrom::NextStart);
    }
}
