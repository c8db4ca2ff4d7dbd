//! Calls to the `Sandbox` object by which the gateway learns how far it is.

use super::BootView;
use crate::object_call::Call;
use serde::{Deserialize, Serialize};

/// How far is the sandbox, for its user? Starts, wakes and extends nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GetBoot {}

impl Call for GetBoot {
    const PATH: &'static str = "/boot";
    type Answer = BootView;
}

/// The same as a stream of server-sent events, each time it changes: `progress` with a [`BootView`], whose `event` is the event's id. It ends
/// by itself once nothing is under way any more, or after a while. Starts, wakes and extends nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WatchBoot {
    /// Id of the last event that was seen; nothing is told before there is another one.
    pub seen: Option<String>,
}

impl Call for WatchBoot {
    const PATH: &'static str = "/boot/watch";
    type Answer = NotWatched;
}

/// Answer to [`WatchBoot`] that is no stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotWatched {
    /// So many streams are open already.
    pub open: usize,
}
