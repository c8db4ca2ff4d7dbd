//! What every part of a run has at hand.

use super::args::Tools;
use super::deployment::Deployment;
use super::flags_api::{ApiError, FlagsApi};
use super::interrupt::Interrupt;
use super::probe::{Probe, Shown, Side};
use super::report::Report;
use super::wire::{Credential, Wire};
use molt_common::flag::Flag;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Longer than a sandbox's first request is held (30 s).
const PROBE: Duration = Duration::from_secs(45);
/// One call of the flags API.
const CALL: Duration = Duration::from_secs(10);
/// How often something is looked at that is waited for.
pub const AGAIN: Duration = Duration::from_millis(250);
/// What is waited for usually happens within this.
const SOON: Duration = Duration::from_secs(5);
/// How often it is looked at after that.
const SELDOM: Duration = Duration::from_millis(1_500);
/// How often the flags API is asked that does not answer.
const ATTEMPTS: u32 = 3;

/// A run.
pub struct Run<'a> {
    /// Of which deployment.
    pub deployment: &'a Deployment,
    /// Where it tells.
    pub report: &'a Report,
    /// Whether it is to end.
    pub interrupt: &'a Interrupt,
    /// Where the tools are.
    pub tools: &'a Tools,
    /// For probes.
    pub probing: Wire,
    /// For the flags API.
    pub calling: Wire,
}

impl<'a> Run<'a> {
    /// A run of this deployment.
    #[must_use]
    pub fn new(deployment: &'a Deployment, report: &'a Report, interrupt: &'a Interrupt, tools: &'a Tools) -> Self {
        Self {
            deployment,
            report,
            interrupt,
            tools,
            probing: Wire::new(PROBE),
            calling: Wire::new(CALL),
        }
    }

    /// The flags API, for changes with this reason.
    #[must_use]
    pub fn api<'b>(&'b self, reason: &'b str, allow_outage: bool) -> FlagsApi<'b> {
        FlagsApi {
            wire: &self.calling,
            url: &self.deployment.url,
            credential: &self.deployment.admin,
            reason,
            allow_outage,
        }
    }

    /// Asks the flags API, and again when it does not answer.
    ///
    /// # Errors
    /// The last [`ApiError`].
    pub fn patiently<T>(&self, mut ask: impl FnMut() -> Result<T, ApiError>) -> Result<T, ApiError> {
        let mut attempt = 1;
        loop {
            match ask() {
                Err(ApiError::Unavailable(_)) if attempt < ATTEMPTS && !self.interrupt.asked() => {
                    attempt += 1;
                    self.interrupt.wait_until(Instant::now() + AGAIN * 4);
                }
                outcome => return outcome,
            }
        }
    }

    /// Waits until every router obeys flags of `version` or newer.
    ///
    /// # Errors
    /// Which does not within `limit`, and what it said last.
    pub fn routers_obey(&self, version: u64, limit: Duration) -> Result<Duration, String> {
        let begun = Instant::now();
        for url in &self.deployment.urls {
            loop {
                let asked = self.calling.get(&format!("{url}/api/status"), &Credential::Nobody);
                let said = match asked {
                    Ok(answer) => match answer.json().pointer("/flags/version").and_then(Value::as_u64) {
                        Some(obeyed) if obeyed >= version => break,
                        Some(obeyed) => format!("it obeys version {obeyed}"),
                        None => answer.brief(),
                    },
                    Err(error) => error,
                };
                if begun.elapsed() > limit || self.interrupt.asked() {
                    return Err(format!(
                        "{url} does not obey version {version} of the flags yet: {said}"
                    ));
                }
                self.interrupt.wait_until(Instant::now() + AGAIN);
            }
        }
        Ok(begun.elapsed())
    }

    /// Waits until every router says that the flag is on for nobody.
    ///
    /// # Errors
    /// Which does not, when `limit` has passed since `begun`.
    pub fn switched_off(&self, flag: Flag, begun: Instant, limit: Duration) -> Result<(), String> {
        let pointer = format!("/flags/{}/on", flag.name());
        for url in &self.deployment.urls {
            loop {
                let asked = self.calling.get(&format!("{url}/api/status"), &Credential::Nobody);
                let said = match asked {
                    Ok(answer) if answer.json().pointer(&pointer).and_then(Value::as_str) == Some("none") => break,
                    Ok(answer) => answer.brief(),
                    Err(error) => error,
                };
                if begun.elapsed() > limit {
                    return Err(format!("{url} has not switched it off: {said}"));
                }
                self.interrupt.wait_until(Instant::now() + AGAIN);
            }
        }
        Ok(())
    }

    /// Waits until `side` answers the probe at every router.
    ///
    /// # Errors
    /// What was answered last, when `limit` has passed since `begun`.
    pub fn prove(&self, probe: &Probe, side: Side, begun: Instant, limit: Duration) -> Result<Duration, String> {
        for url in &self.deployment.urls {
            loop {
                match probe.shows(&self.probing, url, side) {
                    Shown::Right => break,
                    Shown::NotYet(said) | Shown::Limited(said) | Shown::Wrong(said) if begun.elapsed() > limit => {
                        return Err(said);
                    }
                    // Whoever waits long asks seldom, so as not to use up the rate limit of a page.
                    _ if begun.elapsed() > SOON => self.interrupt.wait_until(Instant::now() + SELDOM),
                    _ => self.interrupt.wait_until(Instant::now() + AGAIN),
                }
                if self.interrupt.asked() {
                    // What is to be proven is done; only the waiting is cut short, and nothing is claimed.
                    std::thread::sleep(AGAIN);
                }
            }
        }
        Ok(begun.elapsed())
    }
}
