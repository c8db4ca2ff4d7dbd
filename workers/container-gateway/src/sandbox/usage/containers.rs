//! For how long containers ran: noted after each look at the container, which only the alarm takes.

use super::store::Usage;
use crate::sandbox::snapshots::store::Snapshots;
use crate::sandbox_do::Sandbox;
use molt_common::usage::day::Day;
use molt_lifecycle::metering::run::{self, Look};
use molt_lifecycle::sandbox::{Sandbox as Machine, Stage};
use molt_platform::{entropy, transaction};
use worker::Result;

/// What starts or stops is looked at many times within so long, unless nobody looked at all.
const WATCHED_MS: u64 = 5_000;

/// Counts what a look says, `before` being how things stood at the look before.
pub fn note(object: &Sandbox, before: &Machine) -> Result<()> {
    let now = entropy::now();
    let machine = object.store()?.load()?;
    let usage = Usage::of(object)?;
    let on = usage.container_run()?;
    let moving = matches!(before.stage, Stage::Starting { .. } | Stage::Stopping { .. });
    let look = Look {
        generation: machine.generation,
        tier: machine.tier,
        launched_at: machine.launched_at,
        running: object.container()?.running(),
        seen_at: before.observed_at,
        watched: moving && before.observed_at.is_some_and(|at| now.since(at) < WATCHED_MS),
    };
    let (next, parts) = run::note(on.as_ref(), &look, now);
    if next == on && parts.is_empty() {
        return Ok(());
    }
    transaction::atomically(&object.state, || {
        usage.set_container_run(next.as_ref())?;
        parts.iter().try_for_each(|part| usage.ran(part))?;
        // Snapshots are made while it runs, so this is when another size is known.
        usage.note_storage(Snapshots::of(object)?.stored_bytes()?, Day::of(now))
    })
}
