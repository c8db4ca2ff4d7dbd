//! Jobs as people read them.

use crate::client::ClientError;
use crate::show;
use molt_common::api::jobs::JobView;
use molt_common::time::Millis;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const COLUMNS: &[&str] = &["job", "state", "age", "took", "title", "error"];

/// Prints jobs in the order given.
///
/// # Errors
/// [`ClientError::Output`].
pub fn print(jobs: &[JobView]) -> Result<(), ClientError> {
    let now = now();
    let rows: Vec<Value> = jobs.iter().map(|job| row(job, now)).collect();
    show::line(&show::table(COLUMNS, &rows))
}

/// Milliseconds since the epoch.
fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn row(job: &JobView, now: Millis) -> Value {
    let at = |text: &Option<String>| text.as_deref().and_then(Millis::parse_iso);
    let created = Millis::parse_iso(&job.created_at);
    // What never began took nothing, and what still goes on takes until now.
    let took = at(&job.started_at).map(|began| span(began, at(&job.completed_at).unwrap_or(now)));
    let state = match job.progress {
        Some(progress) => format!(
            "{} {}/{}",
            job.state.word(),
            progress.succeeded + progress.failed,
            progress.total
        ),
        None => job.state.word().to_owned(),
    };
    json!({
        "job": job.job_id, "state": state, "age": created.map(|created| span(created, now)), "took": took,
        "title": job.title, "error": job.error,
    })
}

/// The time between, as exact as somebody cares: tenths of a second, seconds, minutes, hours.
fn span(from: Millis, to: Millis) -> String {
    let ms = to.0.saturating_sub(from.0);
    let exact = match ms {
        0..10_000 => 100,
        10_000..3_600_000 => 1_000,
        3_600_000..86_400_000 => 60_000,
        _ => 3_600_000,
    };
    humantime::format_duration(Duration::from_millis(ms - ms % exact)).to_string()
}

#[cfg(test)]
mod tests {
    use super::{row, span};
    use molt_common::api::jobs::JobView;
    use molt_common::time::Millis;
    use serde_json::json;

    #[test]
    fn times_are_as_exact_as_somebody_cares() {
        let of = |ms: u64| span(Millis(1_000), Millis(1_000 + ms));
        assert_eq!(of(0), "0s");
        assert_eq!(of(1_234), "1s 200ms");
        assert_eq!(of(75_900), "1m 15s");
        assert_eq!(of(7_384_000), "2h 3m");
        assert_eq!(of(180_000_000), "2days 2h");
        assert_eq!(span(Millis(9), Millis(3)), "0s", "clocks differ");
    }

    #[test]
    fn a_row_tells_how_far_a_job_is() {
        let job: JobView = serde_json::from_value(json!({
            "jobId": "bulk-exec.fleet.b1", "kind": "bulk-exec", "userId": null, "parent": null, "title": "make", "state": "running",
            "status": "running", "error": null, "createdAt": "2026-01-01T00:00:00.000Z", "startedAt": "2026-01-01T00:00:10.000Z",
            "completedAt": null, "resultUrl": null,
            "progress": {"total": 9, "queued": 3, "underWay": 2, "succeeded": 3, "failed": 1},
        }))
        .unwrap();
        let now = Millis::parse_iso("2026-01-01T00:01:00.000Z").unwrap();
        let row = row(&job, now);
        assert_eq!(
            (&row["state"], &row["age"], &row["took"]),
            (&json!("running 4/9"), &json!("1m"), &json!("50s"))
        );
    }
}
