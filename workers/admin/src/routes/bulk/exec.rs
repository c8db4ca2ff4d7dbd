//! One command in the sandboxes of many users.

use super::{all, limits, named};
use crate::bulk_job::calls::{Submit, Submitted, Work};
use crate::bulk_job::stub;
use crate::caller::Caller;
use crate::extract::{JsonBody, fitted};
use crate::idempotency;
use crate::respond::Failure;
use crate::users;
use axum::Json;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use molt_common::api::ExecRequest;
use molt_common::api::bulk::{BulkAccepted, BulkExecRequest, BulkOptions};
use molt_common::id::ExecId;
use molt_common::job_id::{JobId, JobKind};
use molt_common::problem::Problem;
use molt_lifecycle::bulk::MOST_CHILDREN;
use molt_platform::{call, entropy};
use serde_json::{Map, Value};
use worker::Env;

/// Runs one command in the sandboxes of many users, some at a time.
///
/// The answer comes at once; the job is read at `pollUrl`, its parts at `/api/super/jobs/{id}/children`. Each part is an ordinary exec of its user. The
/// same `Idempotency-Key` with the same body answers with the same job; with another body it is refused.
#[utoipa::path(post, path = "/api/super/bulk/exec", tag = "jobs", request_body = BulkExecRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 202, body = BulkAccepted), (status = 400, body = Problem), (status = 413, body = Problem),
              (status = 422, body = Problem, description = "The key was used with another body")))]
#[worker::send]
pub async fn submit(
    State(env): State<Env>,
    caller: Caller,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<(StatusCode, Json<BulkAccepted>), Failure> {
    let asked = read(body)?;
    let unnamed = ExecId::new(entropy::now(), entropy::bytes()?);
    // A command that no sandbox would take is refused here, not by each of them.
    asked.exec.checked(&unnamed)?;
    let limits = limits(asked.options.concurrency, asked.options.stop_after_failures, None)?;
    let fingerprint = asked.fingerprint();
    // One key names one job, and so one object, however many ask at the same time.
    let local = match idempotency::key(&headers)? {
        Some(key) => ExecId::of_key(JobKind::BulkExec.word(), &key),
        None => unnamed,
    };
    let targets = match asked.options.user_ids.as_deref() {
        Some(wanted) => named(&env, "userIds", wanted).await?,
        None => all(
            users::active(&env, MOST_CHILDREN.saturating_add(1)).await?,
            "active user",
        )?,
    };
    let submit = Submit {
        job_id: JobId::fleet(JobKind::BulkExec, local),
        work: Work::Exec {
            request: Box::new(asked.exec),
        },
        targets,
        limits,
        fingerprint,
        author: caller.author(),
    };
    match call::make(&stub(&env, &submit.job_id)?, &submit).await? {
        Submitted::Accepted { view } => Ok((
            StatusCode::ACCEPTED,
            Json(BulkAccepted {
                poll_url: format!("/api/super/jobs/{}", view.job_id),
                job_id: view.job_id,
                state: view.state,
                total: view.progress.map_or(0, |progress| progress.total),
            }),
        )),
        Submitted::OtherBody => Err(idempotency::reused().into()),
        Submitted::Refused { error } => Err(Problem::invalid("body", error).into()),
    }
}

/// Two documents in one: serde cannot refuse unknown fields of what it flattens, and would not name a field that does not fit.
fn read(mut body: Map<String, Value>) -> Result<BulkExecRequest, Failure> {
    let own = BulkOptions::FIELDS
        .into_iter()
        .filter_map(|name| body.remove_entry(name));
    let own: Map<String, Value> = own.collect();
    let exec: ExecRequest = fitted(Value::Object(body))?;
    let options: BulkOptions = fitted(Value::Object(own))?;
    Ok(BulkExecRequest { options, exec })
}

#[cfg(test)]
mod tests {
    use super::read;
    use serde_json::{Value, json};

    fn refused(body: Value) -> Option<String> {
        let Value::Object(body) = body else { unreachable!() };
        read(body).err().and_then(|failure| failure.0.field)
    }

    #[test]
    fn what_does_not_fit_is_named_by_field() {
        for (body, field) in [
            (json!({"command": "a", "userIds": "all"}), "userIds"),
            (json!({"command": "a", "userIds": ["x"]}), "userIds[0]"),
            (json!({"command": "a", "concurrency": "5"}), "concurrency"),
            (json!({"command": "a", "concurrency": -1}), "concurrency"),
            (json!({"command": "a", "stopAfterFailures": 1.5}), "stopAfterFailures"),
            (json!({"command": 1}), "command"),
            (json!({"command": "a", "limits": {"memory": 1}}), "limits.memory"),
            (json!({"command": "a", "useIds": []}), "useIds"),
        ] {
            assert_eq!(refused(body.clone()).as_deref(), Some(field), "{body}");
        }
        let fits =
            json!({"argv": ["a"], "timeout": 5, "userIds": ["ada00000-0000-4000-8000-000000000001"], "concurrency": 2});
        assert_eq!(refused(fits), None);
    }
}
