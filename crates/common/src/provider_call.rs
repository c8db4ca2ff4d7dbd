//! Calls to a `Sandbox` Durable Object about providers: may this call be made and with whose key, and what became of it.
//!
//! The gateway asks once before it passes a call on and tells once after its end. The object alone counts, so a budget of n admits exactly n.

use crate::object_call::Call;
use crate::problem::Problem;
use crate::usage::CallUsage;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A sandbox wants to ask a provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdmitProviderCall {
    /// The generation that the token is for, which the runtime's own word has confirmed.
    pub generation: u64,
    /// Names the call; the same again is the same call.
    pub call: String,
    /// `crate::provider::Provider::id`.
    pub provider: String,
    /// `crate::provider::Provider::key_name`.
    pub key_name: String,
}

impl Call for AdmitProviderCall {
    const PATH: &'static str = "/providers/admit";
    type Answer = ProviderAdmission;
}

/// Answer to [`AdmitProviderCall`]. Printed nowhere.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "answer")]
pub enum ProviderAdmission {
    /// Go on, and tell its end with [`FinishProviderCall`].
    Admitted {
        /// The user's own key; `None`: the platform's.
        key: Option<String>,
        /// Said to the agent in a header when a budget is nearly used up.
        warning: Option<String>,
    },
    /// Not now, and why: 401 (a generation that is over), 402 (budget), 403 (suspended), 429 (too many at once or in this minute).
    Refused {
        /// What the agent is answered.
        problem: Problem,
    },
}

impl fmt::Debug for ProviderAdmission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admitted { .. } => f.write_str("Admitted"),
            Self::Refused { problem } => f.debug_tuple("Refused").field(problem).finish(),
        }
    }
}

/// A call has ended, however it did.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FinishProviderCall {
    /// As in [`AdmitProviderCall`].
    pub call: String,
    /// `crate::provider::Provider::id`.
    pub provider: String,
    /// What it took.
    pub usage: CallUsage,
}

impl Call for FinishProviderCall {
    const PATH: &'static str = "/providers/finish";
    /// Whether the call was known and had not been told yet.
    type Answer = bool;
}
