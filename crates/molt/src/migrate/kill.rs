//! Switches flags off for everybody at once: by the flags API, or by the override in KV when that does not answer.

use super::flags_api::{ApiError, FlagsApi};
use super::plan::killed;
use super::run::Run;
use molt_common::flag::{Flag, FlagOverride};
use molt_common::time::Millis;
use serde_json::json;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Which way it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By the flags API.
    ControlPlane,
    /// By the override in KV.
    Override,
}

impl Way {
    /// As it is told.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ControlPlane => "control-plane",
            Self::Override => "override",
        }
    }

    /// Within this the old path is promised to answer.
    #[must_use]
    pub const fn promised(self) -> Duration {
        match self {
            Self::ControlPlane => Duration::from_secs(5),
            Self::Override => Duration::from_secs(90),
        }
    }
}

/// How often a flag is read again that others change at the same time: a rollback is meant whatever they did.
const ATTEMPTS: u32 = 5;

/// Kills a flag by the API.
///
/// # Errors
/// See [`ApiError`].
pub fn by_api(run: &Run<'_>, api: &FlagsApi<'_>, flag: Flag, discard_disk: bool) -> Result<(), ApiError> {
    let name = flag.name();
    let mut attempt = 1;
    loop {
        let seen = api.get(flag)?;
        let wanted = killed(seen.setting.as_ref(), discard_disk);
        if seen.setting.as_ref() == Some(&wanted) {
            let text = format!("{name}: it was killed already, version {} of the flag", seen.version);
            run.report.tell(
                "killed",
                &text,
                json!({"flag": name, "flagVersion": seen.version, "changed": false}),
            );
            return Ok(());
        }
        match api.set(flag, &wanted, seen.version) {
            Err(ApiError::Moved) if attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error),
            Ok(seen) => {
                let text = format!("{name}: killed, version {} of the flag", seen.version);
                run.report.tell(
                    "killed",
                    &text,
                    json!({"flag": name, "flagVersion": seen.version, "changed": true}),
                );
                return Ok(());
            }
        }
    }
}

/// Kills flags by the override. Flags that an override in force has killed stay so: there is but one.
///
/// # Errors
/// Why it was not written.
pub fn by_override(run: &Run<'_>, flags: &[Flag], discard_disk: bool, reason: &str) -> Result<(), String> {
    let begun = Instant::now();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    let now = u64::try_from(now).unwrap_or(u64::MAX);
    let in_force = run
        .deployment
        .about()
        .map(|about| about.overridden())
        .unwrap_or_default();
    let mut values = in_force;
    values.extend(flags.iter().map(|flag| (*flag, false)));
    let over = FlagOverride {
        epoch: now,
        values,
        discard_disk,
        at: Millis(now),
        author: author(|name| std::env::var(name).ok()),
        reason: reason.to_owned(),
    };
    run.deployment.kv.write(&over, run.tools)?;
    let names: Vec<&str> = over.values.keys().map(|flag| flag.name()).collect();
    let text = format!(
        "override written to {} in {:.1} s: {} off, epoch {}",
        run.deployment.kv.described(),
        begun.elapsed().as_secs_f64(),
        names.join(" and "),
        over.epoch
    );
    run.report
        .tell("override", &text, json!({"flags": names, "epoch": over.epoch}));
    Ok(())
}

/// Who is at the keyboard, as far as the environment says.
fn author(variable: impl Fn(&str) -> Option<String>) -> String {
    let name = variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_default();
    let name: String = name.chars().filter(char::is_ascii_graphic).take(64).collect();
    if name.is_empty() { "operator".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::author;

    #[test]
    fn an_author_is_a_plain_name() {
        let of = |value: &str| author(|name| (name == "USER").then(|| value.to_owned()));
        assert_eq!(of("ada"), "ada");
        assert_eq!(of("a\nb c"), "abc");
        assert_eq!(of(""), "operator");
        assert_eq!(author(|name| (name == "LOGNAME").then(|| "log".to_owned())), "log");
        assert_eq!(of(&"x".repeat(100)).len(), 64);
    }
}
