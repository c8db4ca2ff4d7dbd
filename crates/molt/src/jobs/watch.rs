//! Waits for the end of a job.

use crate::client::{Client, ClientError, Failed};
use crate::console::Console;
use crate::follow::{Cancelling, Interrupts, Patience, Wish};
use molt_common::api::jobs::JobView;
use molt_common::job_id::{JobId, JobKind};
use serde_json::Value;
use std::thread;
use std::time::{Duration, Instant};

const SLICE: Duration = Duration::from_millis(50);
const SOONEST: Duration = Duration::from_millis(200);
const LATEST: Duration = Duration::from_secs(2);

/// How waiting ended.
pub enum Watched {
    /// With the job: as it was answered, and read.
    Ended(Value, Box<JobView>),
    /// The job goes on.
    Detached,
    /// It is being cancelled; its end was not waited for.
    Left,
}

/// Path of a job.
#[must_use]
pub fn path(job: &JobId) -> String {
    format!("/api/super/jobs/{job}")
}

/// A job as the API tells it.
///
/// # Errors
/// When the answer is none.
pub fn read(path: &str, answer: &Value) -> Result<JobView, ClientError> {
    serde_json::from_value(answer.clone()).map_err(|_| ClientError::Unexpected(path.into(), answer.to_string()))
}

/// Waits, and shows how far it is. A platform that is away for a while is waited for.
///
/// # Errors
/// A refusal.
pub fn watch(
    client: &Client,
    job: &JobId,
    console: &mut Console,
    interrupts: &mut Interrupts,
) -> Result<Watched, ClientError> {
    let path = path(job);
    let (mut patience, mut between) = (Patience::default(), SOONEST);
    let mut cancelling: Option<Cancelling> = None;
    loop {
        let pause = match client.try_get(&path) {
            Ok(answer) => {
                let view = read(&path, &answer)?;
                if view.state.is_terminal() {
                    interrupts.withdraw(console);
                    console.clear();
                    return Ok(Watched::Ended(answer, Box::new(view)));
                }
                // A question on the terminal is not written over.
                if !interrupts.asking() {
                    show(client, console, &view);
                }
                patience.reset();
                between = (between * 2).min(LATEST);
                between
            }
            Err(Failed::Lasting(error)) => return Err(error),
            Err(Failed::Passing { error, wait, .. }) => {
                if patience.failures() == 1 {
                    console.say(&format!(
                        "{error}; the job goes on, trying again until the platform answers"
                    ));
                }
                patience.pause(wait, fastrand::f64())
            }
        };
        let until = Instant::now() + pause;
        while Instant::now() < until {
            match interrupts.wish(console) {
                Some(Wish::Cancel) if cancelling.is_none() => {
                    console.say("cancelling the job; waiting for its end");
                    cancelling = Some(Cancelling::begin(client, path.clone(), Patience::default()));
                    between = SOONEST;
                }
                Some(Wish::Cancel | Wish::Leave) => return Ok(Watched::Left),
                Some(Wish::Detach) => return Ok(Watched::Detached),
                None => {}
            }
            if let Some(cancelling) = &cancelling {
                cancelling.refused()?;
            }
            thread::sleep(SLICE);
        }
    }
}

fn show(client: &Client, console: &mut Console, view: &JobView) {
    match view.progress {
        Some(progress) => {
            let done = progress.succeeded + progress.failed;
            let message = format!("ended, {} under way, {} failed", progress.under_way, progress.failed);
            console.progress(done, progress.total, &message);
        }
        None => match (view.kind, view.user_id) {
            (JobKind::Lifecycle, Some(user)) if Console::shows() => {
                let path = format!("/api/super/users/{user}/state");
                let sandbox = client
                    .try_get(&path)
                    .ok()
                    .map(|state| standing(&state))
                    .unwrap_or_default();
                console.wait_for(&format!("{}: {}{sandbox}", view.title, view.state.word()));
            }
            _ => console.wait_for(view.state.word()),
        },
    }
}

/// Where a sandbox stands, behind what is being waited for.
fn standing(state: &Value) -> String {
    let text = |name: &str| state.get(name).and_then(Value::as_str);
    match (text("lifecycle"), text("phase")) {
        (Some("starting"), Some(phase)) => format!(", starting ({phase})"),
        (Some(lifecycle), _) => format!(", sandbox {lifecycle}"),
        (None, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::standing;
    use serde_json::json;

    #[test]
    fn a_start_is_told_with_its_phase() {
        assert_eq!(
            standing(&json!({"lifecycle": "starting", "phase": "agent"})),
            ", starting (agent)"
        );
        assert_eq!(
            standing(&json!({"lifecycle": "running", "phase": "ready"})),
            ", sandbox running"
        );
        assert_eq!(standing(&json!({})), "");
    }
}
