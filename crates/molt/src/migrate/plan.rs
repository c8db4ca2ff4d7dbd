//! What a migration does next. Pure: it reads flags and says which setting is to be written, nothing more.

use molt_common::flag::Flag;
use molt_common::flag::{FlagSetting, Subject, rule};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Shares of subjects, one step after another: each between 1 and 100, each more than the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Steps(Vec<u8>);

impl TryFrom<Vec<u8>> for Steps {
    type Error = &'static str;

    fn try_from(steps: Vec<u8>) -> Result<Self, Self::Error> {
        let growing = steps.is_sorted_by(|a, b| a < b);
        if steps.is_empty() || !growing || steps.iter().any(|step| !(1..=100).contains(step)) {
            return Err("must be growing percentages between 1 and 100, such as 5,25,50,100");
        }
        Ok(Self(steps))
    }
}

impl From<Steps> for Vec<u8> {
    fn from(steps: Steps) -> Self {
        steps.0
    }
}

impl FromStr for Steps {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let steps: Result<Vec<u8>, _> = text.split(',').map(|step| step.trim().parse()).collect();
        steps.unwrap_or_default().try_into()
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(u8::to_string).collect();
        f.write_str(&words.join(","))
    }
}

impl Steps {
    /// Those that are left when `done` per cent have been reached.
    pub fn after(&self, done: u8) -> impl Iterator<Item = u8> + '_ {
        self.0.iter().copied().filter(move |step| *step > done)
    }
}

/// A flag as the API tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// What `If-Match` takes: it moves with every change of this flag.
    pub version: u64,
    /// What it is set to; `None` while it was never set, so that the variable of deployment decides.
    pub setting: Option<FlagSetting>,
}

/// Why a migration does not begin. Nothing was touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// The kill switch is on.
    #[error("it is killed, by a rollback or by hand; see why with `molt flags history`, then lift it (`--lift-kill`)")]
    Killed,
    /// The probe would never reach the new path.
    #[error("the probe's subject is on its deny list; probe with another, or take it off")]
    ProbeDenied,
}

/// How a migration begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// Percentage that has been reached already: no step goes below it.
    pub done: u8,
}

/// Whether a migration can begin from here. `on_without_setting` is what the variable of deployment says.
///
/// # Errors
/// The [`Obstacle`].
pub fn begin(seen: &Seen, on_without_setting: bool, probe: &Subject, lift_kill: bool) -> Result<Beginning, Obstacle> {
    let Some(setting) = &seen.setting else {
        let done = if on_without_setting { 100 } else { 0 };
        return Ok(Beginning { done });
    };
    if setting.killed && !lift_kill {
        return Err(Obstacle::Killed);
    }
    if setting.deny.contains(probe) {
        return Err(Obstacle::ProbeDenied);
    }
    // A setting that was killed begins anew: everybody is on the old path now.
    let on = setting.enabled && !setting.killed;
    Ok(Beginning {
        done: if on { setting.percent } else { 0 },
    })
}

/// What the flag is to be at a step. The lists stay as they were; the probe is let in until everybody is.
#[must_use]
pub fn setting_at(before: Option<&FlagSetting>, percent: u8, probe: &Subject) -> FlagSetting {
    let before = before.cloned().unwrap_or_default();
    let mut allow = before.allow;
    if percent < 100 {
        allow.insert(probe.clone());
    }
    FlagSetting {
        enabled: true,
        percent,
        allow,
        deny: before.deny,
        killed: false,
        discard_disk: false,
    }
}

/// How the state before the migration is brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// The flag is taken away, so that its variable decides again.
    Remove,
    /// The flag is set to this.
    Set(FlagSetting),
}

/// What brings back the state before. With `discard_disk` those who were moved go back although that loses the disk of their sandbox,
/// which only a setting can say: a flag that was never set is then switched off, which is what it was.
#[must_use]
pub fn undo(before: Option<&FlagSetting>, discard_disk: bool) -> Undo {
    match before {
        None if discard_disk => Undo::Set(FlagSetting {
            discard_disk,
            ..FlagSetting::default()
        }),
        None => Undo::Remove,
        Some(before) => Undo::Set(FlagSetting {
            discard_disk: before.discard_disk || discard_disk,
            ..before.clone()
        }),
    }
}

/// The setting of a rollback: off for everybody at once, everything else kept for whoever lifts it.
#[must_use]
pub fn killed(before: Option<&FlagSetting>, discard_disk: bool) -> FlagSetting {
    FlagSetting {
        killed: true,
        discard_disk,
        ..before.cloned().unwrap_or_default()
    }
}

/// A migration under way, as it is kept between runs. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Journey {
    /// Steps that were asked for.
    pub steps: Steps,
    /// The flag before the first step.
    pub before: Seen,
    /// Percentage at the beginning.
    pub begun_at_percent: u8,
    /// Who is probed with.
    pub probe: Subject,
    /// Whether an undo sends users back although the disk of their sandbox is lost by that.
    pub discard_disk: bool,
    /// Last step that was seen through; the beginning's percentage before any.
    pub reached: u8,
    /// The flag as this migration left it.
    pub left: Seen,
    /// What is being written: a run that is killed cannot tell whether it arrived.
    pub writing: Option<FlagSetting>,
}

/// How a migration that was interrupted goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// The flag is as this migration left it, or as it was about to leave it.
    AsLeft,
    /// Somebody else changed it: not ours to touch.
    Changed,
}

impl Journey {
    /// A migration that has not written anything yet.
    #[must_use]
    pub fn new(steps: Steps, before: Seen, done: u8, probe: Subject, discard_disk: bool) -> Self {
        Self {
            steps,
            left: before.clone(),
            before,
            begun_at_percent: done,
            probe,
            discard_disk,
            reached: done,
            writing: None,
        }
    }

    /// The steps that are still to be done, with what the flag is to be at each.
    pub fn ahead(&self) -> impl Iterator<Item = (u8, FlagSetting)> + '_ {
        self.steps
            .after(self.reached)
            .map(|percent| (percent, setting_at(self.before.setting.as_ref(), percent, &self.probe)))
    }

    /// Compares the flag with what this migration knows of it.
    #[must_use]
    pub fn resume(&self, seen: &Seen) -> Resume {
        let arrived = seen.version > self.left.version && self.writing.is_some() && seen.setting == self.writing;
        if *seen == self.left || arrived {
            Resume::AsLeft
        } else {
            Resume::Changed
        }
    }
}

/// Whether a setting has everybody on the new path.
#[must_use]
pub fn is_complete(setting: &FlagSetting) -> bool {
    setting.enabled && setting.percent == 100 && !setting.killed && setting.deny.is_empty()
}

/// Whether a setting sends the probe on the new path.
#[must_use]
pub fn reaches(flag: Flag, setting: &FlagSetting, probe: &Subject) -> bool {
    rule(flag, setting, Some(probe)).on
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
