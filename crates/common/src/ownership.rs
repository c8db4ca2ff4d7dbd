//! Which side a user is with while what ran before (`LEGACY`) is still there: the gateway flag moves users, not requests.
//!
//! The truth is in the user's `Sandbox` object: owner, epoch, and the rank of the flags by which that was decided. Whoever owns a user may run
//! his agent, the other side is fenced first, so that no user ever has two. A flag says who *may* move; the object moves one user at a time.

use crate::flag::Rank;
use crate::id::UserId;
use serde::{Deserialize, Serialize};

/// Who may run a user's agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Owner {
    /// What ran before.
    Legacy,
    /// The container gateway.
    New,
}

/// Answered with 421 by either side for a request of a user that it does not own; nothing of the request was done.
pub const MISDIRECTED: u16 = 421;
/// Header of such an answer of `LEGACY`: the epoch of its fence.
pub const FENCED: &str = "x-molt-fenced";
/// Header of such an answer of the gateway: the owner's word.
pub const OWNER: &str = "x-molt-owner";
/// Header from router to gateway: the [`Rank`] of the flags by which the router sends the user there.
pub const RANK: &str = "x-molt-flags-rank";

/// Path at `LEGACY` before a user's id: `GET` answers with a [`Fence`], `PUT` takes [`SetOwner`] and answers with the [`Fence`] that holds
/// then; 409 with it when the epoch is older than the one held. `Authorization: Bearer <LEGACY_FENCE_TOKEN>`. Setting is idempotent, and
/// `new` is answered only after the agent has stopped. Routers pass no client's request for this path on.
pub const FENCE_PATH: &str = "/_molt/ownership/";

/// Sets the owner at `LEGACY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetOwner {
    /// To this.
    pub owner: Owner,
    /// Grows with every move of this user.
    pub epoch: u64,
}

/// What `LEGACY` knows of a user's owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fence {
    /// Owner as it knows.
    pub owner: Owner,
    /// Of the last move that it was told of; 0 before any.
    pub epoch: u64,
    /// Whether its agent of this user runs.
    pub agent_running: bool,
    /// Size of what it stores for the user, where it can tell.
    #[serde(default)]
    pub state_bytes: Option<u64>,
}

/// Path at the gateway that takes `POST` with a [`Release`] from a router (service identity) and answers with a [`Placement`].
pub const RELEASE_PATH: &str = "/internal/release";

/// Path at the gateway before a user's id: `GET` answers a router (service identity) with the user's [`Placement`], and moves nobody.
pub const PLACEMENT_PATH: &str = "/internal/placement/";
/// Host of the router's own calls to the gateway: users have such paths too.
pub const GATEWAY_HOST: &str = "gateway.service";

/// A router's flags no longer cover this user: he is to go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    /// Whom.
    pub user: UserId,
    /// Of the flags that say so. Older than what moved him: he stays.
    pub rank: Rank,
    /// Whether he goes although the disk of his sandbox is discarded by that.
    pub discard_disk: bool,
    /// The epoch of the fence that the router met ([`FENCED`]): a fence that nobody here knows of is lifted by that.
    #[serde(default)]
    pub fenced: Option<u64>,
}

/// Where a user is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Placement {
    /// Who owns him.
    pub owner: Owner,
    /// Grows with every move.
    pub epoch: u64,
    /// Whether a move is under way; ask again soon.
    pub moving: bool,
    /// Why he was not moved although he was to be, or not yet, for people.
    #[serde(default)]
    pub refused: Option<String>,
}

impl Placement {
    /// Of everybody where there is no `LEGACY`.
    #[must_use]
    pub const fn without_legacy() -> Self {
        Self {
            owner: Owner::New,
            epoch: 0,
            moving: false,
            refused: None,
        }
    }
}
