//! When the object's alarm runs next, seen from requests: it is brought forward, and set again where it was lost, without a read of storage.

use crate::sandbox_do::Sandbox;
use molt_common::time::Millis;
use molt_lifecycle::sandbox::IN_USE_MS;
use molt_platform::entropy;
use std::cell::Cell;
use worker::Result;

/// An alarm that is this late is taken for lost.
const LATE_MS: u64 = 10_000;

/// What the object's memory knows of its alarm.
#[derive(Default)]
pub struct Alarm {
    /// When it is due; `None` when that is not known.
    due: Cell<Option<Millis>>,
    /// It runs now.
    running: Cell<bool>,
    /// Somebody wants it to run again as soon as it has ended.
    again: Cell<bool>,
}

/// Marks the alarm as running for as long as it lives.
pub struct Running<'a>(&'a Alarm);

impl Alarm {
    /// It runs from now on.
    pub fn begin(&self) -> Running<'_> {
        self.running.set(true);
        self.again.set(false);
        self.due.set(None);
        Running(self)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.set(false);
    }
}

/// Has the alarm run now, or once more when it runs.
pub async fn now(object: &Sandbox) -> Result<()> {
    object.alarm.again.set(true);
    object.alarm.due.set(Some(entropy::now()));
    object.state.storage().set_alarm(0_i64).await
}

/// Has it run within `ms`. Where it is due by then already, nothing is written.
pub async fn within(object: &Sandbox, ms: u64) -> Result<()> {
    let now = entropy::now();
    let due = object.alarm.due.get();
    if object.alarm.running.get() || due.is_some_and(|due| due <= now.plus(ms) && now.since(due) < LATE_MS) {
        return Ok(());
    }
    set(object, Some(now.plus(ms)), now).await
}

/// A request or job is under way: the state is to be true soon, and an alarm that was lost is set again.
pub async fn in_use(object: &Sandbox) -> Result<()> {
    within(object, IN_USE_MS).await
}

/// Sets it at the end of a run.
pub async fn set(object: &Sandbox, at: Option<Millis>, now: Millis) -> Result<()> {
    let at = if object.alarm.again.replace(false) {
        Some(now)
    } else {
        at
    };
    object.alarm.due.set(at);
    let Some(at) = at else {
        return Ok(());
    };
    let wait = i64::try_from(at.since(now)).unwrap_or(i64::MAX);
    object.state.storage().set_alarm(wait).await
}
