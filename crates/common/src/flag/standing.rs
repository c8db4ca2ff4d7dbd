//! What a router obeys, of all that it may know about a flag.

use super::{Flag, FlagOverride, FlagSet, Reason, Subject, rule};
use serde::{Deserialize, Serialize};

/// Who decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Source {
    /// The `ControlPlane` object, seconds ago.
    ControlPlane,
    /// The copy in KV.
    Kv,
    /// What was known last: neither answers.
    LastKnown,
    /// An operator's override in KV.
    Override,
    /// The variable of deployment: nobody ever set this flag.
    Var,
    /// Nobody said anything, which is off.
    Off,
}

impl Source {
    /// As in a header.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ControlPlane => "control-plane",
            Self::Kv => "kv",
            Self::LastKnown => "last-known",
            Self::Override => "override",
            Self::Var => "var",
            Self::Off => "off",
        }
    }
}

/// How a flag stands for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether it is on.
    pub on: bool,
    /// Why, where a setting decided.
    pub reason: Option<Reason>,
    /// Who decided.
    pub source: Source,
    /// Whether the same holds for every subject, so that nobody need be asked who he is.
    pub for_all: bool,
}

/// Decides. `held` are the flags that are known and from where; an override counts when its epoch is higher than theirs.
#[must_use]
pub fn standing(
    flag: Flag,
    held: Option<(&FlagSet, Source)>,
    over: Option<&FlagOverride>,
    variable: Option<&str>,
    subject: Option<&Subject>,
) -> Standing {
    let epoch = held.map_or(0, |(set, _)| set.epoch);
    let known = held.and_then(|(set, _)| set.flags.get(&flag));
    let forced = over
        .filter(|over| over.epoch > epoch)
        .and_then(|over| over.applied(flag, known));
    let decided = match (&forced, held) {
        (Some(setting), _) => Some((setting, Source::Override)),
        (None, Some((_, source))) => known.map(|setting| (setting, source)),
        (None, None) => None,
    };
    match decided {
        Some((setting, source)) => {
            let ruling = rule(flag, setting, subject);
            let lists_matter = !setting.deny.is_empty() || !setting.allow.is_empty();
            let share_matters = setting.enabled && setting.percent > 0 && setting.percent < 100;
            Standing {
                on: ruling.on,
                reason: Some(ruling.reason),
                source,
                for_all: setting.killed || !(lists_matter || share_matters),
            }
        }
        None => Standing {
            on: Flag::is_on(variable),
            reason: None,
            source: if variable.is_some() { Source::Var } else { Source::Off },
            for_all: true,
        },
    }
}

/// How new what decided is: of two decisions about one user by two routers the higher holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rank {
    /// Of the override that was in force or was adopted last.
    pub epoch: u64,
    /// Of the flags.
    pub version: u64,
}

impl Rank {
    /// As in a header between our workers: `<epoch>.<version>`.
    #[must_use]
    pub fn header(self) -> String {
        format!("{}.{}", self.epoch, self.version)
    }

    /// Reads [`Rank::header`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (epoch, version) = text.split_once('.')?;
        Some(Self {
            epoch: epoch.parse().ok()?,
            version: version.parse().ok()?,
        })
    }
}

/// The rank of what is known.
#[must_use]
pub fn rank(held: Option<&FlagSet>, over: Option<&FlagOverride>) -> Rank {
    Rank {
        epoch: held.map_or(0, |set| set.epoch).max(over.map_or(0, |over| over.epoch)),
        version: held.map_or(0, |set| set.version),
    }
}
