//! Answer type of `…/outbound`; the body of a change is [`OutboundPolicy`](crate::outbound_policy::OutboundPolicy).

use crate::id::UserId;
use crate::outbound_call::{OutboundView, Standing};
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// What a user's sandbox reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OutboundState {
    /// Whose.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// Hosts that it reaches; null: every one that is not denied.
    pub allow: Option<Vec<String>>,
    /// Hosts that it does not reach.
    pub deny: Vec<String>,
    /// Counts changes; 0 when nothing was ever set.
    pub version: u64,
    /// When the lists were changed last; ISO-8601.
    pub changed_at: Option<String>,
    /// Whether they hold for the sandbox as it runs.
    pub standing: Standing,
}

impl OutboundState {
    /// As admins see it.
    #[must_use]
    pub fn of(user_id: UserId, view: OutboundView) -> Self {
        Self {
            user_id,
            allow: view.policy.allow,
            deny: view.policy.deny,
            version: view.version,
            changed_at: view.changed_at.map(Millis::iso),
            standing: view.standing,
        }
    }
}
