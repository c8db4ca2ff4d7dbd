//! `molt migrate rollback`: everybody back to what ran before, at once.

use super::args::Back;
use super::deployment::Deployment;
use super::flags_api::ApiError;
use super::interrupt::Interrupt;
use super::kill::{self, Way};
use super::old_path::{self, Wanted};
use super::outcome::Ending;
use super::prober::Probers;
use super::report::Report;
use super::run::Run;
use super::state_file::{StateError, StateFile};
use super::wire::Wire;
use molt_common::flag::Flag;
use serde_json::json;
use std::time::{Duration, Instant};

/// Rolls back, and shows that the old path answers.
///
/// # Errors
/// How it ended, when that was not shown.
pub fn rollback(options: &Back, url: &str, report: &Report) -> Result<(), Ending> {
    let deployment = Deployment::find(&options.which, url)?;
    let interrupt = Interrupt::default();
    let mut run = Run::new(&deployment, report, &interrupt, &options.which.tools);
    run.calling = Wire::new(options.api_timeout);
    let flags: Vec<Flag> = if options.flags.is_empty() {
        Flag::ALL.into()
    } else {
        options.flags.clone()
    };
    // Before anything is changed: what is missing for the proof is said now and not half-way.
    let probers: Vec<Probers> = flags
        .iter()
        .map(|flag| Probers::find(*flag, &options.probe, &deployment))
        .collect::<Result<_, _>>()?;
    let legacy = legacy(&deployment, options)?;
    if options.which.dry_run {
        rehearse(&run, options, &flags, legacy);
        return Ok(());
    }
    let begun = Instant::now();
    let way = kill(&run, options, &flags)?;
    forget(&run, &flags);
    let wanted = Wanted {
        legacy,
        discard_disk: options.discard_disk,
        off: true,
        begun,
        limit: options.proof_timeout,
    };
    let mut took = Duration::ZERO;
    let mut unproven = Vec::new();
    for (flag, probers) in flags.iter().zip(&probers) {
        match old_path::show(&run, *flag, probers, &wanted) {
            Ok(obeyed) => took = took.max(obeyed),
            Err(said) => unproven.push(format!("{} ({said})", flag.name())),
        }
    }
    if !unproven.is_empty() {
        let text = format!("the old path was not seen to answer for {}", unproven.join(" and "));
        return Err(Ending::Stuck(text));
    }
    let late = if took > way.promised() {
        ", later than promised"
    } else {
        ""
    };
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let text = format!("rolled back by {} in {:.1} s{late}", way.word(), took.as_secs_f64());
    report.tell(
        "rolled_back",
        &text,
        json!({"by": way.word(), "tookMs": ms, "flags": names(&flags)}),
    );
    Ok(())
}

fn names(flags: &[Flag]) -> Vec<&'static str> {
    flags.iter().map(|flag| flag.name()).collect()
}

/// Whether there is something to go back to. Not knowing it is as good as there being nothing.
fn legacy(deployment: &Deployment, options: &Back) -> Result<bool, Ending> {
    let (legacy, why) = match deployment.about() {
        Ok(about) => (about.legacy, "nothing is bound as LEGACY".to_owned()),
        Err(said) => (
            false,
            format!("the router does not say whether anything is bound as LEGACY ({said})"),
        ),
    };
    if legacy || options.allow_outage {
        return Ok(legacy);
    }
    Err(Ending::Refused(format!(
        "{why}, so a rollback would leave everybody without an answer; --allow-outage does it all the same"
    )))
}

fn kill(run: &Run<'_>, options: &Back, flags: &[Flag]) -> Result<Way, Ending> {
    let api = run.api(&options.reason, options.allow_outage);
    let mut left = flags.to_vec();
    while let Some(flag) = left.first() {
        match kill::by_api(run, &api, *flag, options.discard_disk) {
            Ok(()) => {
                left.remove(0);
            }
            Err(ApiError::Unavailable(said)) => {
                let text = format!("{said}; writing the override to KV");
                run.report.tell("api_silent", &text, json!({"said": said}));
                kill::by_override(run, &left, options.discard_disk, &options.reason).map_err(Ending::Stuck)?;
                return Ok(Way::Override);
            }
            Err(error) if left.len() == flags.len() => return Err(error.into()),
            Err(error) => return Err(Ending::Stuck(format!("{}: {error}", flag.name()))),
        }
    }
    Ok(Way::ControlPlane)
}

/// What is rolled back is no longer under way. A migration that still runs holds its file, and will find the flag changed.
fn forget(run: &Run<'_>, flags: &[Flag]) {
    let forgotten = StateFile::open(&run.deployment.state_file, &run.deployment.url)
        .and_then(|mut file| flags.iter().try_for_each(|flag| file.keep(*flag, None)));
    if let Err(error) = forgotten {
        let text = match error {
            StateError::Busy(_) => "a migration is still running; it will find its flag changed and stop".to_owned(),
            other => format!("the progress of the migration could not be removed: {other}"),
        };
        run.report.tell("progress_kept", &text, json!({}));
    }
}

fn rehearse(run: &Run<'_>, options: &Back, flags: &[Flag], legacy: bool) {
    let tell = |text: String| {
        run.report
            .tell("would", &format!("would {text}"), json!({"text": text}))
    };
    let disks = if options.discard_disk {
        "their disk is lost"
    } else {
        "users go back with what they made, which is written for LEGACY first"
    };
    tell(format!("kill {} by the flags API, {disks}", names(flags).join(" and ")));
    tell(format!(
        "write the override to {} instead when the API does not answer within {:?}",
        run.deployment.kv.described(),
        options.api_timeout
    ));
    let proof = if legacy {
        "LEGACY answers"
    } else {
        "nothing answers, as was allowed"
    };
    tell(format!("show by requests that {proof}"));
}
