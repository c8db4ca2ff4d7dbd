//! Calls to the `Sandbox` object about what its sandbox reaches.

use crate::audit::Author;
use crate::id::UserId;
use crate::object_call::Call;
use crate::outbound_policy::OutboundPolicy;
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// What may it reach? Starts and wakes nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GetOutbound {}

impl Call for GetOutbound {
    const PATH: &'static str = "/outbound";
    type Answer = OutboundView;
}

/// It may reach this from now on. Saying it again changes nothing and is no entry of the audit trail.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SetOutbound {
    /// Owner of the sandbox.
    pub owner: UserId,
    /// As [`OutboundPolicy::normalized`] has it.
    pub policy: OutboundPolicy,
    /// Who says so.
    pub by: Author,
}

impl Call for SetOutbound {
    const PATH: &'static str = "/outbound/set";
    type Answer = OutboundView;
}

/// May a request of the sandbox go out that was intercepted? By which lists?
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AdmitOutbound {}

impl Call for AdmitOutbound {
    const PATH: &'static str = "/outbound/admit";
    type Answer = OutboundAdmission;
}

/// Answer to [`AdmitOutbound`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum OutboundAdmission {
    /// What these lists let through.
    By {
        /// As it is kept.
        policy: OutboundPolicy,
    },
    /// Nothing: sandboxes of this deployment reach no internet.
    Closed,
}

/// What is kept, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutboundView {
    /// The lists.
    pub policy: OutboundPolicy,
    /// Counts changes; 0 when nothing was ever set.
    pub version: u64,
    /// When they were changed last.
    pub changed_at: Option<Millis>,
    /// Whether they hold for what runs.
    pub standing: Standing,
}

/// Whether the lists hold for the sandbox as it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Standing {
    /// Nothing runs; they hold from the next start on.
    NotRunning,
    /// They hold, within two seconds of a change.
    InForce,
    /// What runs began without any and goes on as it was; they hold from the next start on.
    AtNextStart,
    /// There are none any more: everything is reached by HTTP and HTTPS, other ports from the next start on.
    OtherPortsAtNextStart,
}

/// How the sandbox that runs was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// It is not there.
    NotAtAll,
    /// With the internet open.
    Open,
    /// With everything led through the edge.
    Intercepted,
}

/// Whether lists hold for what was started so. `internet`: whether sandboxes of this deployment reach any.
#[must_use]
pub fn standing(policy: &OutboundPolicy, started: Started, internet: bool) -> Standing {
    match (started, policy.is_everything()) {
        (Started::NotAtAll, _) => Standing::NotRunning,
        (Started::Intercepted, false) | (Started::Open, true) => Standing::InForce,
        // Nothing is reached whatever they say.
        _ if !internet => Standing::InForce,
        (Started::Open, false) => Standing::AtNextStart,
        (Started::Intercepted, true) => Standing::OtherPortsAtNextStart,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_truly_whether_the_lists_hold_now() {
        let everything = OutboundPolicy::default();
        let some = OutboundPolicy {
            allow: Some(vec![]),
            deny: vec![],
        };
        for (policy, started, expected) in [
            (&some, Started::NotAtAll, Standing::NotRunning),
            (&some, Started::Intercepted, Standing::InForce),
            (&some, Started::Open, Standing::AtNextStart),
            (&everything, Started::Open, Standing::InForce),
            (&everything, Started::Intercepted, Standing::OtherPortsAtNextStart),
        ] {
            assert_eq!(standing(policy, started, true), expected, "{policy:?} {started:?}");
        }
        assert_eq!(standing(&some, Started::Open, false), Standing::InForce);
        assert_eq!(standing(&everything, Started::Intercepted, false), Standing::InForce);
    }
}
