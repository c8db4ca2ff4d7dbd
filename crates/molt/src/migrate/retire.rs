//! `molt migrate retire`: the last step, once nobody needs what ran before any more.

use super::args::Retire;
use super::deploy;
use super::deployment::Deployment;
use super::interrupt::Interrupt;
use super::outcome::Ending;
use super::plan::is_complete;
use super::report::Report;
use super::run::Run;
use super::users;
use molt_common::api::flags::FlagChange;
use molt_common::flag::Flag;
use molt_common::time::Millis;
use serde_json::json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Checks that nobody needs it, and takes it out of the deployment.
///
/// # Errors
/// What speaks against it.
pub fn retire(options: &Retire, url: &str, report: &Report) -> Result<(), Ending> {
    let deployment = Deployment::find(&options.which, url)?;
    let interrupt = Interrupt::default();
    let run = Run::new(&deployment, report, &interrupt, &options.which.tools);
    let about = deployment.about_first()?;
    if !about.legacy {
        report.tell(
            "nothing_to_do",
            "nothing is bound as LEGACY: it is retired already",
            json!({}),
        );
        return Ok(());
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    let now = Millis(u64::try_from(now).unwrap_or(u64::MAX));
    let api = run.api("", false);
    for flag in Flag::ALL {
        let name = flag.name();
        let seen = run.patiently(|| api.get(flag))?;
        let history = run.patiently(|| api.history(flag))?;
        if !seen.setting.as_ref().is_some_and(is_complete) {
            return Err(Ending::Refused(format!(
                "{name}: not everybody is on the new path, or the flag was never set; migrate first"
            )));
        }
        let since = complete_since(&history);
        let since = since.ok_or_else(|| {
            Ending::Refused(format!(
                "{name}: its history does not say since when everybody is on the new path"
            ))
        })?;
        let passed = Duration::from_millis(now.since(since));
        if passed < options.watch_period {
            let left = Duration::from_secs((options.watch_period - passed).as_secs());
            return Err(Ending::Refused(format!(
                "{name}: everybody is on the new path since {}; the watch period ends in {}",
                since.iso(),
                humantime::format_duration(left)
            )));
        }
        let text = format!("{name}: everybody is on the new path since {}", since.iso());
        report.tell("complete", &text, json!({"flag": name, "since": since.iso()}));
    }
    let users = users::counts(&run).map_err(Ending::Refused)?;
    if users.legacy + users.moving > 0 {
        return Err(Ending::Refused(format!(
            "{} users are still with what ran before and {} on their way: they move with their next request",
            users.legacy, users.moving
        )));
    }
    report.tell("nobody_left", "nobody is with what ran before", json!({"users": users}));
    if deployment.local {
        let text = "would deploy with LEGACY_MODE=off; on this machine: start scripts/dev without --legacy";
        report.tell("would", text, json!({"legacyMode": "off"}));
        return Ok(());
    }
    match deployment.site {
        Some(site) if site.has_legacy() => Err(Ending::Refused(
            "nothing speaks against it: take `legacy` out of the deployment's file and run this again, which deploys without it".into(),
        )),
        _ => deploy::run(&options.which, report),
    }
}

/// When a flag came to have everybody on the new path, by its history, newest first.
fn complete_since(history: &[FlagChange]) -> Option<Millis> {
    let complete = |change: &&FlagChange| change.after.as_ref().is_some_and(is_complete);
    let first = history.iter().take_while(complete).last()?;
    Millis::parse_iso(&first.at)
}

#[cfg(test)]
mod tests {
    use super::complete_since;
    use molt_common::api::flags::{FlagAction, FlagChange};
    use molt_common::flag::FlagSetting;
    use molt_common::time::Millis;

    fn change(at: u64, percent: u8) -> FlagChange {
        FlagChange {
            version: at,
            action: FlagAction::Set,
            before: None,
            after: Some(FlagSetting {
                enabled: true,
                percent,
                ..FlagSetting::default()
            }),
            author: "bootstrap".into(),
            reason: "r".into(),
            at: Millis(at).iso(),
            request_id: None,
        }
    }

    #[test]
    fn it_counts_from_the_last_time_that_somebody_was_let_back() {
        let history = [change(50, 100), change(40, 100), change(30, 50), change(20, 100)];
        assert_eq!(complete_since(&history), Some(Millis(40)));
        assert_eq!(complete_since(&history[2..]), None);
        assert_eq!(complete_since(&[]), None);
    }
}
