//! `molt migrate status`: how far it is.

use super::args::Status;
use super::deployment::Deployment;
use super::interrupt::Interrupt;
use super::outcome::Ending;
use super::report::Report;
use super::run::Run;
use super::state_file;
use super::users;
use serde_json::json;

/// Tells what the router, the flags API and the state file say.
///
/// # Errors
/// When one of them says nothing.
pub fn status(options: &Status, url: &str, report: &Report) -> Result<(), Ending> {
    let deployment = Deployment::find(&options.which, url)?;
    let interrupt = Interrupt::default();
    let run = Run::new(&deployment, report, &interrupt, &options.which.tools);
    let about = deployment.about_first()?;
    let bound = if about.legacy {
        "is bound: there is a way back"
    } else {
        "is not bound: there is no way back"
    };
    report.tell("legacy", &format!("LEGACY {bound}"), json!({"legacy": about.legacy}));
    let kept = state_file::read(&deployment.state_file, &deployment.url)?;
    let flags = run.patiently(|| run.api("", false).all())?;
    for view in &flags.flags {
        let name = view.name.name();
        let stands = match view.setting() {
            None => format!(
                "never set: its variable decides, which is {}",
                if about.is_on(view.name) { "on" } else { "off" }
            ),
            Some(setting) if setting.killed => "killed".to_owned(),
            Some(setting) if setting.enabled => format!("{} %", setting.percent),
            Some(_) => "off".to_owned(),
        };
        let journey = kept.journeys.get(&view.name);
        let journey_text = journey.map_or_else(String::new, |journey| {
            format!(
                "; a migration by steps {} was interrupted after {} %",
                journey.steps, journey.reached
            )
        });
        report.tell(
            "flag",
            &format!("{name}: {stands}{journey_text}"),
            json!({"flag": name, "setting": view.setting(), "version": view.version, "reason": view.reason, "migration": journey}),
        );
    }
    let users = users::counts(&run).map_err(Ending::Refused)?;
    report.tell("users", &users.to_string(), json!({"users": users}));
    Ok(())
}
