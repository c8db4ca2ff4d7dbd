//! The figures as text (OpenMetrics).

use super::fleet::Fleet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::sync::atomic::AtomicU64;

/// Bounds of ages in seconds: two intervals, three, an hour, half a day, a day, three days, a week.
const AGES: [f64; 8] = [300.0, 600.0, 900.0, 3_600.0, 43_200.0, 86_400.0, 259_200.0, 604_800.0];

type Labels = Vec<(&'static str, String)>;

struct Text {
    registry: Registry,
}

impl Text {
    fn one(&mut self, name: &str, help: &str, value: u64) {
        let gauge = Gauge::<i64>::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        self.registry.register(name, help, gauge);
    }

    fn seconds(&mut self, name: &str, help: &str, value: f64) {
        let gauge = Gauge::<f64, AtomicU64>::default();
        gauge.set(value);
        self.registry.register_with_unit(name, help, Unit::Seconds, gauge);
    }

    fn by(&mut self, name: &str, help: &str, values: impl Iterator<Item = (Labels, u64)>) {
        let family = Family::<Labels, Gauge>::default();
        for (labels, value) in values {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            family.get_or_create(&labels).set(value);
        }
        self.registry.register(name, help, family);
    }

    fn ages(&mut self, name: &str, help: &str, values: &[f64]) {
        let histogram = Histogram::new(AGES);
        values.iter().for_each(|age| histogram.observe(*age));
        self.registry.register_with_unit(name, help, Unit::Seconds, histogram);
        let most = values.iter().copied().fold(0.0, f64::max);
        self.seconds(&format!("{name}_max"), &format!("{help}: the longest"), most);
    }
}

/// All of them.
///
/// # Errors
/// When a figure cannot be written.
pub fn text(fleet: &Fleet) -> Result<String, fmt::Error> {
    let mut text = Text {
        registry: Registry::with_prefix("molt"),
    };
    let label = |name: &'static str, word: &str| vec![(name, word.to_owned())];
    text.by(
        "users",
        "Users by status",
        fleet.users.iter().map(|(word, count)| (label("status", word), *count)),
    );
    text.by(
        "sandboxes",
        "Sandboxes by where they stand, as they last announced themselves",
        fleet
            .sandboxes
            .iter()
            .map(|(word, count)| (label("lifecycle", word), *count)),
    );
    let jobs = fleet.jobs.iter().map(|((kind, state), count)| {
        let labels = vec![("kind", kind.clone()), ("state", state.clone())];
        (labels, *count)
    });
    text.by("jobs", "Jobs of the last 30 days by kind and state", jobs);
    text.ages(
        "snapshot_age",
        "Age of the newest snapshot that counts, of each user who has one, now",
        &fleet.snapshot_age,
    );
    text.ages(
        "unsaved",
        "For how long something that changed has been in no snapshot, of each running sandbox that changes, now",
        &fleet.unsaved,
    );
    text.seconds(
        "state_age_max",
        "Since a running sandbox was asked last, the longest",
        fleet.unobserved,
    );
    text.one(
        "snapshots_kept_apart",
        "Snapshots that wait for a decision",
        fleet.quarantined,
    );
    text.one(
        "sandboxes_with_snapshots_kept_apart",
        "Sandboxes with snapshots that wait for a decision",
        fleet.with_quarantined,
    );
    text.one(
        "sandboxes_save_failed",
        "Sandboxes whose newest save failed",
        fleet.save_failed,
    );
    text.one(
        "sandboxes_verification_failed",
        "Sandboxes whose newest verification found faults",
        fleet.faults_found,
    );
    text.by(
        "sandboxes_stop_refused",
        "Sandboxes of which a stop did not happen because they could not be saved, by reason",
        fleet
            .stop_refused
            .iter()
            .map(|(word, count)| (label("code", word), *count)),
    );
    text.one(
        "sandboxes_ended_unsaved",
        "Sandboxes whose last unexpected end may have cost what was not saved",
        fleet.lost,
    );
    text.one(
        "sandboxes_alerted",
        "Sandboxes with something that somebody should look at",
        fleet.alerted,
    );
    let mut out = String::new();
    encode(&mut out, &text.registry)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::fleet::{Fleet, SandboxRow};
    use super::text;
    use molt_common::disk_view::StopRefusal;
    use molt_common::sandbox_call::Lifecycle;
    use molt_common::time::Millis;

    const NOW: Millis = Millis(1_800_000_000_000);

    fn row(lifecycle: Lifecycle) -> SandboxRow {
        SandboxRow {
            status: "active".into(),
            lifecycle,
            observed_at: Some(Millis(NOW.0 - 4_000)),
            last_snapshot_at: Some(Millis(NOW.0 - 700_000)),
            safe_until: Some(Millis(NOW.0 - 650_000)),
            since: Millis(NOW.0 - 9_000_000),
            changed: true,
            kept: true,
            quarantined: 0,
            save_failed: false,
            faults_found: false,
            stop_refused: None,
            lost: false,
            alerted: false,
        }
    }

    fn lines(fleet: &Fleet) -> Vec<String> {
        text(fleet).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    #[track_caller]
    fn has(lines: &[String], line: &str) {
        assert!(lines.iter().any(|one| one == line), "{line} is not in {lines:#?}");
    }

    #[test]
    fn nobody_is_told_as_nought_and_not_left_out() {
        let lines = lines(&Fleet::new());
        for line in [
            "molt_users{status=\"suspended\"} 0",
            "molt_sandboxes{lifecycle=\"failed\"} 0",
            "molt_unsaved_seconds_count 0",
            "molt_unsaved_max_seconds 0.0",
            "molt_sandboxes_save_failed 0",
            "molt_sandboxes_stop_refused{code=\"snapshot_kept_apart\"} 0",
            "# EOF",
        ] {
            has(&lines, line);
        }
    }

    #[test]
    fn what_is_late_failed_or_waits_is_counted_and_what_rests_is_not_late() {
        let mut fleet = Fleet::new();
        let trouble = SandboxRow {
            quarantined: 3,
            save_failed: true,
            faults_found: true,
            stop_refused: Some(StopRefusal::SnapshotKeptApart),
            lost: true,
            alerted: true,
            ..row(Lifecycle::Running)
        };
        fleet.add(&trouble, NOW);
        fleet.add(&row(Lifecycle::Sleeping), NOW);
        let calm = SandboxRow {
            changed: false,
            ..row(Lifecycle::Running)
        };
        fleet.add(&calm, NOW);
        let unsaved = SandboxRow {
            last_snapshot_at: None,
            safe_until: None,
            status: "suspended".into(),
            ..row(Lifecycle::Running)
        };
        fleet.add(&unsaved, NOW);
        fleet.jobs.insert(("lifecycle".into(), "failed".into()), 2);
        let lines = lines(&fleet);
        for line in [
            "molt_users{status=\"active\"} 3",
            "molt_users{status=\"suspended\"} 1",
            "molt_sandboxes{lifecycle=\"running\"} 3",
            "molt_sandboxes{lifecycle=\"sleeping\"} 1",
            "molt_jobs{kind=\"lifecycle\",state=\"failed\"} 2",
            "molt_snapshot_age_seconds_bucket{le=\"600.0\"} 0",
            "molt_snapshot_age_seconds_bucket{le=\"900.0\"} 3",
            "molt_snapshot_age_max_seconds 700.0",
            // One that was never saved counts from when it came up.
            "molt_unsaved_seconds_count 2",
            "molt_unsaved_seconds_bucket{le=\"900.0\"} 1",
            "molt_unsaved_max_seconds 9000.0",
            "molt_state_age_max_seconds 4.0",
            "molt_snapshots_kept_apart 3",
            "molt_sandboxes_with_snapshots_kept_apart 1",
            "molt_sandboxes_save_failed 1",
            "molt_sandboxes_verification_failed 1",
            "molt_sandboxes_stop_refused{code=\"snapshot_kept_apart\"} 1",
            "molt_sandboxes_stop_refused{code=\"not_saved\"} 0",
            "molt_sandboxes_ended_unsaved 1",
            "molt_sandboxes_alerted 1",
        ] {
            has(&lines, line);
        }
    }
}
