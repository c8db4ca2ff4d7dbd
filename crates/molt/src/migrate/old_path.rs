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
    /// When the way back began.
    pub begun: Instant,
    /// How long it may take.
    pub limit: Duration,
}

/// Shows it for one flag. Says so, and how long it took since the beginning.
///
/// # Errors
/// What was answered instead.
pub fn show(run: &Run<'_>, flag: Flag, probers: &Probers, wanted: &Wanted) -> Result<(), String> {
    let side = if wanted.legacy { Side::Legacy } else { Side::Nothing };
    let nobody = nobody(flag, probers);
    let may_stay = flag == Flag::NewContainerGateway && wanted.legacy && !wanted.discard_disk;
    let probe = probers.first.as_ref().unwrap_or(&nobody);
    let limit = if may_stay {
        wanted.limit.min(MAY_STAY)
    } else {
        wanted.limit
    };
    let mut stayed = None;
    let took = match run.prove(probe, side, wanted.begun, limit) {
        Err(said) if may_stay && probers.first.is_some() => {
            stayed = Some(said);
            run.prove(&nobody, side, wanted.begun, wanted.limit)?
        }
        outcome => outcome?,
    };
    let name = flag.name();
    let seconds = took.as_secs_f64();
    let text = match (side, &stayed, &probe.credential) {
        (Side::Nothing, ..) => {
            format!("{name}: switched off after {seconds:.1} s; nothing answers in its place, as was allowed")
        }
        (_, Some(_), _) => format!("{name}: the old path answers new callers after {seconds:.1} s"),
        (_, None, Credential::Nobody) => {
            format!("{name}: the old path answers after {seconds:.1} s (asked without a credential)")
        }
        (_, None, _) => format!("{name}: the old path answers after {seconds:.1} s"),
    };
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let whom = probe
        .subject
        .as_ref()
        .filter(|_| stayed.is_none())
        .map(|subject| subject.as_str());
    run.report.tell(
        "old_path",
        &text,
        json!({"flag": name, "afterMs": ms, "subject": whom, "legacy": wanted.legacy}),
    );
    if let (Some(said), Some(subject)) = (stayed, &probe.subject) {
        let how_many = users::counts(run).map_or_else(|_| "those".to_owned(), |users| format!("{} users", users.new));
        let text = format!(
            "{name}: {how_many} who were moved stay where their data is, {} among them ({said}); --discard-disk sends them back without it",
            subject.as_str()
        );
        run.report.tell(
            "users_stay",
            &text,
            json!({"flag": name, "subject": subject.as_str(), "said": said}),
        );
    }
    Ok(())
}

/// That there is a way back at all, before the way there begins.
///
/// # Errors
/// What was answered instead.
pub fn check(run: &Run<'_>, flag: Flag, probers: &Probers) -> Result<(), String> {
    let (probe, wire) = (nobody(flag, probers), Wire::new(ANSWERS));
    let answers = |url: &String| match probe.shows(&wire, url, Side::Legacy) {
        Shown::Right => Ok(()),
        Shown::NotYet(said) | Shown::Wrong(said) => Err(said),
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
