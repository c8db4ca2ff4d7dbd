//! Calls to the `ControlPlane` object about flags, both ends in this worker.

use molt_common::api::flags::FlagHistory;
use molt_common::audit::Author;
use molt_common::flag::{Flag, FlagSetting};
use molt_common::object_call::Call;
use molt_common::time::Millis;
use serde::{Deserialize, Serialize};

/// A flag that was changed at least once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFlag {
    /// Which.
    pub flag: Flag,
    /// `None`: back to the variable.
    pub setting: Option<FlagSetting>,
    /// From 1.
    pub version: u64,
    /// Who changed it last.
    pub author: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Millis,
}

/// All flags.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlagsState {
    /// Of all together.
    pub version: u64,
    /// Of the last override that was adopted.
    pub epoch: u64,
    /// Those that were ever changed.
    pub flags: Vec<StoredFlag>,
}

impl FlagsState {
    /// One flag, if it was ever changed.
    #[must_use]
    pub fn flag(&self, flag: Flag) -> Option<&StoredFlag> {
        self.flags.iter().find(|stored| stored.flag == flag)
    }
}

/// How do the flags stand?
#[derive(Debug, Serialize, Deserialize)]
pub struct ReadFlags {}

impl Call for ReadFlags {
    const PATH: &'static str = "/flags/read";
    type Answer = FlagsState;
}

/// Changes of a flag, newest first.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReadFlagHistory {
    /// Which.
    pub flag: Flag,
    /// Only those that made an older version than this.
    pub below: Option<u64>,
    /// Most of them.
    pub limit: u32,
}

impl Call for ReadFlagHistory {
    const PATH: &'static str = "/flags/history";
    type Answer = FlagHistory;
}

/// What a flag is to become.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// This.
    Set(FlagSetting),
    /// Decided by the variable.
    Cleared,
    /// What it was before its last change.
    Undone,
}

/// Change a flag.
#[derive(Debug, Serialize, Deserialize)]
pub struct ChangeFlag {
    /// Which.
    pub flag: Flag,
    /// To what.
    pub wanted: Wanted,
    /// Only from this version.
    pub if_version: Option<u64>,
    /// Whether nobody may lose what answers him now.
    pub keeps_everybody: bool,
    /// Why.
    pub reason: String,
    /// Who.
    pub author: Author,
}

impl Call for ChangeFlag {
    const PATH: &'static str = "/flags/change";
    type Answer = FlagChanged;
}

/// Answer to [`ChangeFlag`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlagChanged {
    /// It is as wanted, by this call or since before; `None` when it was never changed at all.
    Done(Option<StoredFlag>),
    /// It has this version now.
    Moved(u64),
    /// It was never changed.
    NothingToUndo,
    /// Somebody would lose what answers him.
    WouldWithdraw,
}
