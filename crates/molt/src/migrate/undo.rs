//! Brings back what was before a migration that failed a check.

use super::flags_api::ApiError;
use super::kill::{self, Way as By};
use super::old_path::{self, Wanted};
use super::outcome::Ending;
use super::plan::{self, Journey, Resume, Undo};
use super::step::Way;
use molt_common::flag::{Flag, FlagSetting};
use serde_json::json;
use std::time::{Duration, Instant};

/// Until the old path must have answered after a change by the API.
const BY_API: Duration = Duration::from_secs(30);
/// And after an override: KV takes up to a minute in production.
const BY_OVERRIDE: Duration = Duration::from_secs(90);

/// Undoes, shows that the old path answers, and says how it ended. `why` is the check that failed.
#[must_use]
pub fn undo(way: &mut Way<'_>, why: &str, legacy: bool) -> Ending {
    let name = way.flag.name();
    let report = way.run.report;
    report.tell(
        "check_failed",
        &format!("{name}: {why}; undoing"),
        json!({"flag": name, "why": why}),
    );
    let begun = Instant::now();
    let limit = match bring_back(way, legacy) {
        Ok(By::ControlPlane) => BY_API,
        Ok(By::Override) => BY_OVERRIDE,
        Err(ending) => return ending,
    };
    if let Err(error) = way.file.keep(way.flag, None) {
        return Ending::Stuck(format!("{why}; undone, but {error}"));
    }
    if still_reaches(way.flag, &way.journey) {
        // It had been begun by somebody before this migration, and the probe was on the new path already.
        return Ending::Undone(format!(
            "{name}: {why}. It is as it was before this migration, which had the probe on the new path already"
        ));
    }
    let wanted = Wanted {
        legacy,
        discard_disk: way.journey.discard_disk,
        off: false,
        begun,
        limit,
    };
    match old_path::show(way.run, way.flag, way.probers, &wanted) {
        Ok(_) => Ending::Undone(format!(
            "{name}: {}. The flag is as it was before",
            why.trim_end_matches('.')
        )),
        Err(said) => Ending::Stuck(format!(
            "{name}: {why}. It was undone, but the old path was not seen to answer: {said}"
        )),
    }
}

/// Whether the probe is on the new path by what was before, too.
fn still_reaches(flag: Flag, journey: &Journey) -> bool {
    let before = journey.before.setting.as_ref();
    before.is_some_and(|setting| plan::reaches(flag, setting, &journey.probe))
}

fn bring_back(way: &mut Way<'_>, legacy: bool) -> Result<By, Ending> {
    let name = way.flag.name();
    let by_api = {
        let (run, api, flag, journey) = (way.run, &way.api, way.flag, &way.journey);
        run.patiently(|| {
            let seen = api.get(flag)?;
            if journey.resume(&seen) == Resume::Changed {
                return Err(ApiError::Moved);
            }
            let undo = plan::undo(journey.before.setting.as_ref(), journey.discard_disk);
            if is_done(&undo, seen.setting.as_ref()) {
                return Ok(seen);
            }
            api.undo(flag, &undo, seen.version)
        })
    };
    match by_api {
        Ok(seen) => {
            let text = format!("{name}: back to what it was, version {} of the flag", seen.version);
            way.run.report.tell(
                "undone",
                &text,
                json!({"flag": name, "flagVersion": seen.version, "by": "control-plane"}),
            );
            Ok(By::ControlPlane)
        }
        Err(ApiError::Unavailable(said)) if legacy || way.api.allow_outage => {
            let text = format!("{name}: {said}; writing the override to KV");
            way.run
                .report
                .tell("api_silent", &text, json!({"flag": name, "said": said}));
            kill::by_override(way.run, &[way.flag], way.journey.discard_disk, way.api.reason)
                .map_err(|error| Ending::Stuck(format!("{name}: {error}")))?;
            Ok(By::Override)
        }
        Err(error) => Err(Ending::Stuck(format!("{name}: it could not be undone: {error}"))),
    }
}

fn is_done(undo: &Undo, seen: Option<&FlagSetting>) -> bool {
    match undo {
        Undo::Remove => seen.is_none(),
        Undo::Set(setting) => seen == Some(setting),
    }
}
