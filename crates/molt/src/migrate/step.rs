//! One step: write, see it obeyed, probe the new path, watch it.

use super::args::Forward;
use super::error_rate::{Verdict, Watched};
use super::flags_api::{ApiError, FlagsApi};
use super::plan::{Journey, Resume};
use super::probe::{Shown, Side, is_limited, is_served};
use super::prober::Probers;
use super::run::Run;
use super::state_file::{StateError, StateFile};
use super::users::{self, Counts};
use molt_common::flag::{Flag, FlagSetting};
use serde_json::json;
use std::time::{Duration, Instant};

/// A change is to be obeyed within 5 s; the rest is for a machine that is busy.
pub const OBEYED: Duration = Duration::from_secs(15);
/// Between two probes.
const PERIOD: Duration = Duration::from_secs(1);
/// So many wrong answers in a row are no accident.
const WRONG: u32 = 3;

/// Why a step was not seen through.
#[derive(Debug)]
pub enum Failure {
    /// A check says that it is to be undone.
    Check(String),
    /// Somebody else changed the flag.
    Moved,
    /// The API refuses what is asked.
    Refused(String),
    /// It was interrupted.
    Interrupted,
    /// Progress cannot be kept.
    State(StateError),
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Moved => Self::Moved,
            ApiError::Outage | ApiError::Refused(_) => Self::Refused(error.to_string()),
            ApiError::Unavailable(_) => Self::Check(error.to_string()),
        }
    }
}

/// A flag on its way.
pub struct Way<'a> {
    /// The run.
    pub run: &'a Run<'a>,
    /// The flags API.
    pub api: FlagsApi<'a>,
    /// Which flag.
    pub flag: Flag,
    /// Who probes.
    pub probers: &'a Probers,
    /// What was asked.
    pub options: &'a Forward,
    /// Where progress is kept.
    pub file: &'a mut StateFile,
    /// The progress.
    pub journey: Journey,
    /// Where users were at the beginning, where users are what is moved and the platform says so.
    pub users: Option<Counts>,
}

impl Way<'_> {
    /// Sees one step through.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn step(&mut self, percent: u8, setting: &FlagSetting) -> Result<(), Failure> {
        let begun = Instant::now();
        self.write(percent, setting)?;
        let version = self.run.patiently(|| self.api.all())?.version;
        let obeyed = self.run.routers_obey(version, OBEYED);
        if self.run.interrupt.asked() {
            return Err(Failure::Interrupted);
        }
        let obeyed = obeyed.map_err(Failure::Check)?;
        let name = self.flag.name();
        self.run.report.tell(
            "obeyed",
            &format!(
                "{name} {percent} %: routers obey version {version} after {:.1} s",
                obeyed.as_secs_f64()
            ),
            json!({"flag": name, "percent": percent, "version": version, "afterMs": ms(obeyed)}),
        );
        self.first_answer(percent)?;
        let watched = self.watch(percent)?;
        self.nobody_is_stuck(percent)?;
        // Nothing is widened that somebody else has touched meanwhile.
        let seen = self.run.patiently(|| self.api.get(self.flag))?;
        if seen != self.journey.left {
            return Err(Failure::Moved);
        }
        self.journey.reached = percent;
        self.keep()?;
        self.run.report.tell(
            "reached",
            &format!(
                "{name} {percent} %: reached in {:.1} s; {} requests watched, {} failed",
                begun.elapsed().as_secs_f64(),
                watched.asked,
                watched.failed
            ),
            json!({"flag": name, "percent": percent, "tookMs": ms(begun.elapsed()), "watched": watched}),
        );
        Ok(())
    }

    fn keep(&mut self) -> Result<(), StateError> {
        self.file.keep(self.flag, Some(&self.journey))
    }

    /// Brings the flag to this setting, unless it is there already because an earlier run wrote it.
    fn write(&mut self, percent: u8, setting: &FlagSetting) -> Result<(), Failure> {
        let seen = self.run.patiently(|| self.api.get(self.flag))?;
        if self.journey.resume(&seen) == Resume::Changed {
            return Err(Failure::Moved);
        }
        self.journey.left = seen;
        if self.journey.left.setting.as_ref() != Some(setting) {
            // Said before it is done: a run that is killed in between must know its own hand afterwards.
            self.journey.writing = Some(setting.clone());
            self.keep()?;
            let version = self.journey.left.version;
            let written = match self.api.set(self.flag, setting, version) {
                // It may have arrived.
                Err(ApiError::Unavailable(_)) => {
                    let seen = self.run.patiently(|| self.api.get(self.flag))?;
                    match seen.setting.as_ref() == Some(setting) {
                        true => Ok(seen),
                        false => self.api.set(self.flag, setting, version),
                    }
                }
                other => other,
            };
            self.journey.left = written?;
            let name = self.flag.name();
            let version = self.journey.left.version;
            self.run.report.tell(
                "set",
                &format!("{name} {percent} %: set, version {version} of the flag"),
                json!({"flag": name, "percent": percent, "flagVersion": version}),
            );
        }
        self.journey.writing = None;
        Ok(self.keep()?)
    }

    /// Waits for the first right answer of the new path, at each router.
    fn first_answer(&self, percent: u8) -> Result<(), Failure> {
        let Some(probe) = &self.probers.first else {
            return Ok(());
        };
        let begun = Instant::now();
        for url in &self.run.deployment.urls {
            let mut wrong = 0;
            loop {
                let (said, bad) = match probe.shows(&self.run.probing, url, Side::New) {
                    Shown::Right => break,
                    Shown::NotYet(said) | Shown::Limited(said) => (said, false),
                    Shown::Wrong(said) => (said, true),
                };
                wrong = if bad { wrong + 1 } else { 0 };
                self.tell_bad(percent, "probe", &said);
                if self.run.interrupt.asked() {
                    return Err(Failure::Interrupted);
                }
                if wrong >= WRONG || begun.elapsed() > self.options.probe_timeout {
                    return Err(Failure::Check(format!(
                        "the new path does not answer as it should: {said}"
                    )));
                }
                self.run.interrupt.wait_until(Instant::now() + PERIOD);
            }
        }
        let name = self.flag.name();
        self.run.report.tell(
            "probed",
            &format!(
                "{name} {percent} %: the new path answers rightly ({:.1} s)",
                begun.elapsed().as_secs_f64()
            ),
            json!({"flag": name, "percent": percent, "tookMs": ms(begun.elapsed())}),
        );
        Ok(())
    }

    /// Asks once a second for the time of a step.
    fn watch(&self, percent: u8) -> Result<Watched, Failure> {
        let mut watched = Watched::default();
        let highest = self.options.max_error_rate;
        let end = Instant::now() + self.options.watch;
        let mut turn = 0;
        loop {
            let next = Instant::now() + PERIOD;
            let url = self
                .run
                .deployment
                .urls
                .iter()
                .cycle()
                .nth(turn)
                .unwrap_or(&self.run.deployment.url);
            turn += 1;
            for good in self.ask_all(percent, url).into_iter().flatten() {
                watched.count(good);
            }
            if self.run.interrupt.asked() {
                return Err(Failure::Interrupted);
            }
            let left = end.saturating_duration_since(Instant::now());
            let to_come = u32::try_from(left.as_secs())
                .unwrap_or(u32::MAX)
                .saturating_mul(self.probers.count());
            let verdict = if left.is_zero() {
                watched.at_the_end(highest)
            } else {
                watched.so_far(to_come, highest)
            };
            let rate = watched.rate() * 100.0;
            match verdict {
                Verdict::TooMany => {
                    let (asked, failed) = (watched.asked, watched.failed);
                    return Err(Failure::Check(format!(
                        "{failed} of {asked} requests failed ({rate:.1} %)"
                    )));
                }
                Verdict::NothingSeen => return Err(Failure::Check("nothing was seen while it was watched".into())),
                Verdict::Fine if left.is_zero() => return Ok(watched),
                Verdict::Fine => self.run.interrupt.wait_until(next.min(end)),
            }
        }
    }

    /// What the platform itself can tell: users who were to be moved and could not be.
    fn nobody_is_stuck(&self, percent: u8) -> Result<(), Failure> {
        let Some(before) = self.users else { return Ok(()) };
        let now = users::counts(self.run).map_err(Failure::Check)?;
        let name = self.flag.name();
        let text = format!("{name} {percent} %: {now}");
        self.run
            .report
            .tell("users", &text, json!({"flag": name, "percent": percent, "users": now}));
        if now.stuck_since(before) > self.options.max_error_rate {
            return Err(Failure::Check(format!("users cannot be moved: {now}")));
        }
        Ok(())
    }

    /// One request of each who is watched, and whether it was answered as it should be. `None` when the router refused it for its rate: a
    /// request a second is what the default limit admits, so whoever watches meets it, and it says nothing about a path.
    fn ask_all(&self, percent: u8, url: &str) -> Vec<Option<bool>> {
        let wire = &self.run.probing;
        let first = self
            .probers
            .first
            .iter()
            .map(|probe| match probe.shows(wire, url, Side::New) {
                Shown::Right => Ok(true),
                Shown::Limited(_) => Ok(false),
                Shown::NotYet(said) | Shown::Wrong(said) => Err(said),
            });
        let others = self.probers.others.iter().map(|probe| match probe.ask(wire, url) {
            Ok(answer) if is_limited(&answer) => Ok(false),
            Ok(answer) if is_served(self.flag, &answer) => Ok(true),
            Ok(answer) => Err(answer.brief()),
            Err(error) => Err(error),
        });
        let tell = |outcome: Result<bool, String>| match outcome {
            Ok(counts) => counts.then_some(true),
            Err(said) => {
                self.tell_bad(percent, "failed", &said);
                Some(false)
            }
        };
        first.chain(others).map(tell).collect()
    }

    fn tell_bad(&self, percent: u8, event: &str, said: &str) {
        let name = self.flag.name();
        self.run.report.tell(
            event,
            &format!("{name} {percent} %: {said}"),
            json!({"flag": name, "percent": percent, "said": said}),
        );
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
