//! Whom a change of a flag takes away from what answers him now.

use super::{Flag, FlagSetting, rule};

/// Whether somebody for whom a flag is on by `before` is off by `after`.
///
/// `None` is the variable of deployment, which the admin worker does not know. It is taken to be on: where nothing is bound as `LEGACY`, which
/// is where this is asked, a deployment whose variable is off answers nobody.
#[must_use]
pub fn withdraws(flag: Flag, before: Option<&FlagSetting>, after: Option<&FlagSetting>) -> bool {
    let all = FlagSetting::all_or_nobody(true);
    let (before, after) = (before.unwrap_or(&all), after.unwrap_or(&all));
    // Those on no list, who may stand anywhere.
    if share(before) > share(after) {
        return true;
    }
    let lists = [&before.allow, &before.deny, &after.allow, &after.deny];
    lists.into_iter().flatten().any(|subject| {
        let on = |setting| rule(flag, setting, Some(subject)).on;
        on(before) && !on(after)
    })
}

/// Share of subjects on no list for whom it is on, 0 to 100.
const fn share(setting: &FlagSetting) -> u8 {
    if setting.enabled && !setting.killed {
        setting.percent
    } else {
        0
    }
}
