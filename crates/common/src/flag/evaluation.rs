//! Whether a flag is on for a subject.

use super::{Flag, FlagSetting, Subject};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Why a flag is on or off for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Reason {
    /// Off for all by the kill switch.
    Killed,
    /// On the deny list.
    Denied,
    /// On the allow list.
    Allowed,
    /// Not enabled.
    Disabled,
    /// By the share of subjects.
    Percent,
}

/// What a setting says about a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Whether it is on.
    pub on: bool,
    /// Why.
    pub reason: Reason,
}

/// Decides: kill, deny, allow, then the share. A subject keeps its side while the share grows; without a subject only a share of 100 is on.
#[must_use]
pub fn rule(flag: Flag, setting: &FlagSetting, subject: Option<&Subject>) -> Ruling {
    let listed = |list: &std::collections::BTreeSet<Subject>| subject.is_some_and(|subject| list.contains(subject));
    let (on, reason) = if setting.killed {
        (false, Reason::Killed)
    } else if listed(&setting.deny) {
        (false, Reason::Denied)
    } else if listed(&setting.allow) {
        (true, Reason::Allowed)
    } else if !setting.enabled {
        (false, Reason::Disabled)
    } else {
        let share = u64::from(setting.percent) * SHARES / 100;
        let place = subject.map_or(SHARES - 1, |subject| place(flag, subject));
        (place < share, Reason::Percent)
    };
    Ruling { on, reason }
}

/// Subjects stand in this many places.
const SHARES: u64 = 10_000;

/// Where a subject stands, the same in every isolate and for ever. Flags are independent: who is first in one is not first in all.
fn place(flag: Flag, subject: &Subject) -> u64 {
    let digest = Sha256::digest(format!("molt/flag/{}/{}", flag.name(), subject.as_str()));
    let first = digest
        .iter()
        .take(8)
        .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    first % SHARES
}
