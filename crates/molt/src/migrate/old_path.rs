//! That the old path answers again, shown by requests.

use super::probe::{Probe, Shown, Side};
use super::prober::Probers;
use super::run::Run;
use super::users;
use super::wire::{Credential, Wire};
use molt_common::flag::Flag;
use serde_json::json;
use std::time::{Duration, Instant};

/// A user who may keep his place is given this long to go back all the same.
const MAY_STAY: Duration = Duration::from_secs(10);

/// What runs today answers within this.
const ANSWERS: Duration = Duration::from_secs(5);

/// What is to be shown.
#[derive(Clone, Copy)]
pub struct Wanted {
    /// Whether something is bound as `LEGACY`; else it is shown that nothing answers.
    pub legacy: bool,
    /// Whether users go back although their disk is lost; else they may stay where their data is.
    pub discard_disk: bool,
    /// Whether the flag is off for everybody by this, which the routers have to say first.
    pub off: bool,
    /// When the way back began.
    pub begun: Instant,
    /// How long it may take.
    pub limit: Duration,
}

/// Shows it for one flag, and says so. Returns how long it took since the beginning until routers obeyed; a user who goes back takes longer, since
/// his sandbox has to stop first, or stays where his data is.
///
/// # Errors
/// What was answered instead.
pub fn show(run: &Run<'_>, flag: Flag, probers: &Probers, wanted: &Wanted) -> Result<Duration, String> {
    let user = probers
        .first
        .as_ref()
        .filter(|_| flag == Flag::NewContainerGateway && wanted.legacy);
    let nobody = nobody(flag, probers);
    let probe = match (user, &probers.first) {
        (None, Some(probe)) => probe,
        _ => &nobody,
    };
    let side = if wanted.legacy { Side::Legacy } else { Side::Nothing };
    if wanted.off {
        // Somebody without a credential may have been with the old path all the time.
        run.switched_off(flag, wanted.begun, wanted.limit)?;
    }
    let took = run.prove(probe, side, wanted.begun, wanted.limit)?;
    let (name, seconds) = (flag.name(), took.as_secs_f64());
    let text = match (side, &probe.credential) {
        (Side::Nothing, _) => {
            format!("{name}: switched off after {seconds:.1} s; nothing answers in its place, as was allowed")
        }
        (_, Credential::Nobody) => {
            format!("{name}: the old path answers after {seconds:.1} s (asked without a credential)")
        }
        _ => format!("{name}: the old path answers after {seconds:.1} s"),
    };
    tell(run, flag, &text, took, probe, wanted);
    match user {
        Some(user) => show_user(run, flag, user, wanted).map(|()| took),
        None => Ok(took),
    }
}

/// The same for a user who may have been moved.
fn show_user(run: &Run<'_>, flag: Flag, user: &Probe, wanted: &Wanted) -> Result<(), String> {
    let (name, subject) = (
        flag.name(),
        user.subject.as_ref().map_or("", |subject| subject.as_str()),
    );
    let proven = if wanted.discard_disk {
        run.prove(user, Side::Legacy, wanted.begun, wanted.limit)
    } else {
        run.prove(user, Side::Legacy, Instant::now(), MAY_STAY)
    };
    match proven {
        Ok(_) => {
            let took = wanted.begun.elapsed();
            let text = format!("{name}: and {subject} after {:.1} s", took.as_secs_f64());
            tell(run, flag, &text, took, user, wanted);
            Ok(())
        }
        Err(said) if wanted.discard_disk => Err(said),
        Err(said) => {
            let how_many =
                users::counts(run).map_or_else(|_| "those".to_owned(), |users| format!("{} users", users.new));
            let text = format!(
                "{name}: {how_many} who were moved are not back yet, {subject} among them ({said}): each goes back once what he made is written for LEGACY, \
                 and stays where it cannot be; --discard-disk sends them back without it"
            );
            run.report.tell(
                "users_stay",
                &text,
                json!({"flag": name, "subject": subject, "said": said}),
            );
            Ok(())
        }
    }
}

fn tell(run: &Run<'_>, flag: Flag, text: &str, took: Duration, probe: &Probe, wanted: &Wanted) {
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let whom = probe.subject.as_ref().map(|subject| subject.as_str());
    run.report.tell(
        "old_path",
        text,
        json!({"flag": flag.name(), "afterMs": ms, "subject": whom, "legacy": wanted.legacy}),
    );
}

/// That there is a way back at all, before the way there begins.
///
/// # Errors
/// What was answered instead.
pub fn check(run: &Run<'_>, flag: Flag, probers: &Probers) -> Result<(), String> {
    let (probe, wire) = (nobody(flag, probers), Wire::new(ANSWERS));
    let answers = |url: &String| match probe.shows(&wire, url, Side::Legacy) {
        Shown::Right => Ok(()),
        Shown::NotYet(said) | Shown::Limited(said) | Shown::Wrong(said) => Err(said),
    };
    // Once more: one accident is no reason to turn somebody away.
    run.deployment
        .urls
        .iter()
        .try_for_each(|url| answers(url).or_else(|_| answers(url)))
}

/// Somebody without a credential, whom the general side answers. What ran before sends him away by itself.
fn nobody(flag: Flag, probers: &Probers) -> Probe {
    let path = probers.first.as_ref().map(|probe| probe.path.clone());
    Probe {
        flag,
        subject: None,
        credential: Credential::Nobody,
        path: path.unwrap_or_else(|| "/".to_owned()),
    }
}
