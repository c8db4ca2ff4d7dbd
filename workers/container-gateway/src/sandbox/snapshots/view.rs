//! What the list adds to how a sandbox is shown.

use super::interval_ms;
use super::store::Snapshots;
use crate::sandbox_do::Sandbox;
use molt_common::sandbox_call::{Lifecycle, SandboxView};
use molt_common::time::Millis;
use molt_lifecycle::snapshots::{Circumstances, Keeping};
use molt_platform::{entropy, repository_keys};
use worker::Result;

/// What somebody should look at.
pub fn alerts(object: &Sandbox, view: &SandboxView, keeping: &Keeping, now: Millis) -> Vec<String> {
    let circumstances = Circumstances {
        running_since: (view.lifecycle == Lifecycle::Running).then_some(view.since),
        interval_ms: interval_ms(&object.env),
        kept: view.disk.as_ref().is_some_and(|disk| disk.kept),
    };
    let mut alerts = keeping.alerts(now, circumstances);
    if let Some(refused) = view.disk.as_ref().and_then(|disk| disk.stop_refused.as_ref()) {
        alerts.push(format!(
            "It was not stopped at {}, because it could not be saved: {}",
            refused.at.iso(),
            refused.text()
        ));
    }
    alerts
}

/// Shows how the disk is kept.
pub fn show(object: &Sandbox, view: &mut SandboxView) -> Result<()> {
    let keeping = Snapshots::of(object)?.keeping()?;
    let alerts = alerts(object, view, &keeping, entropy::now());
    let at_rest = matches!(
        view.lifecycle,
        Lifecycle::Stopped | Lifecycle::Sleeping | Lifecycle::Failed
    );
    let mut disk = view.disk.take().unwrap_or_default();
    if at_rest {
        disk.kept = repository_keys::keys(&object.env).is_ok();
    }
    disk.head = keeping.head;
    disk.last_snapshot_at = keeping.last_snapshot_at;
    disk.safe_until = keeping.safe_until;
    disk.changed = keeping.changed;
    disk.published = keeping.published;
    disk.quarantined = keeping.quarantined;
    disk.save_failed_at = keeping.failure.as_ref().map(|failure| failure.at);
    disk.faults_found_at = keeping.verified.filter(|checked| !checked.ok).map(|checked| checked.at);
    disk.chosen = keeping.chosen.map(|chosen| chosen.snapshot);
    disk.loss = keeping.loss.as_ref().map(molt_lifecycle::snapshots::Loss::text);
    disk.alerts = alerts;
    view.disk = Some(disk);
    Ok(())
}
