//! Errors as clients see them: `application/problem+json` (RFC 9457) with a stable `code`, plus the older `error` field.

use crate::id::{ExecId, IdError, UserId};
use crate::job_id::JobId;
use serde::{Deserialize, Serialize};

/// Content type of a serialised [`Problem`].
pub const CONTENT_TYPE: &str = "application/problem+json";

/// One error answer. `status` is repeated in the body, as the RFC asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Always `about:blank`: `code` is what programs read.
    #[serde(rename = "type")]
    pub kind: Box<str>,
    /// HTTP reason phrase.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Stable machine-readable code, `snake_case`.
    pub code: String,
    /// What is wrong, for people; names the field when input was bad.
    pub detail: String,
    /// The field of the request that is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Short text that older clients read.
    pub error: String,
    /// Id of the request, to quote to an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Seconds after which trying again makes sense; sent as `Retry-After` too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// Phase of a sandbox that is still starting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Box<str>>,
    /// Version that is there now, where `If-Match` named another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// False where an exec was asked for that there is not; older clients read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<bool>,
    /// The user whose exec it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Box<str>>,
    /// The exec that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec_id: Option<Box<str>>,
    /// What stands in the way of a change of a sandbox. Apart, so that errors stay small enough to be passed on.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<Box<Obstacle>>,
}

/// What stands in the way of a change of a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Obstacle {
    /// The job that is under way.
    JobId(String),
    /// What the same call must carry as `confirm` to be done.
    Confirm(String),
}

impl Problem {
    /// A problem whose `error` equals its `detail`.
    #[must_use]
    pub fn new(status: u16, code: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let title = http::StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or("Error");
        Self {
            kind: "about:blank".into(),
            title: title.into(),
            status,
            code: code.into(),
            error: detail.clone(),
            detail,
            field: None,
            request_id: None,
            retry_after: None,
            phase: None,
            version: None,
            found: None,
            user_id: None,
            exec_id: None,
            obstacle: None,
        }
    }

    /// 400 `invalid_request` that names the field.
    #[must_use]
    pub fn invalid(field: &str, why: impl std::fmt::Display) -> Self {
        let mut problem = Self::new(400, "invalid_request", format!("{field} {why}"));
        problem.field = Some(field.into());
        problem
    }

    /// 404 `not_found`, with the old label.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, "not_found", detail).labelled("Not found")
    }

    /// 500 that says nothing of the inside; the cause belongs in the log.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            500,
            "internal_error",
            "The request failed on our side. Quote the request id to an operator.",
        )
        .labelled("Internal server error")
    }

    /// Replaces the short text that older clients read.
    #[must_use]
    pub fn labelled(mut self, error: &str) -> Self {
        self.error = error.into();
        self
    }

    /// Says when trying again makes sense.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Names the request.
    #[must_use]
    pub fn request(mut self, id: &str) -> Self {
        self.request_id = Some(id.into());
        self
    }

    /// 412 `version_moved`: what was to be changed is no longer what the caller saw.
    #[must_use]
    pub fn moved(version: u64) -> Self {
        let detail =
            format!("If-Match names another version than the one that is there now, {version}. Read it again.");
        let mut problem = Self::new(412, "version_moved", detail);
        problem.version = Some(version);
        problem
    }

    /// 404 `unknown_exec`, with what older clients read of it.
    #[must_use]
    pub fn unknown_exec(user: UserId, exec: &ExecId) -> Self {
        let detail = format!("This user has no exec {exec}; results are kept for a day, the newest hundred.");
        let mut problem = Self::new(404, "unknown_exec", detail).labelled("Exec result not found");
        problem.found = Some(false);
        problem.about(user, exec)
    }

    /// Names the exec that it is about.
    #[must_use]
    pub fn about(mut self, user: UserId, exec: &ExecId) -> Self {
        self.user_id = Some(user.to_string().into());
        self.exec_id = Some(exec.as_str().into());
        self
    }

    /// Names the job that stands in the way.
    #[must_use]
    pub fn job(mut self, job: &JobId) -> Self {
        self.obstacle = Some(Box::new(Obstacle::JobId(job.to_string())));
        self
    }

    /// Says by what the same call is confirmed.
    #[must_use]
    pub fn confirmed_by(mut self, token: &str) -> Self {
        self.obstacle = Some(Box::new(Obstacle::Confirm(token.into())));
        self
    }

    /// Names the phase of a start.
    #[must_use]
    pub fn phase(mut self, phase: &str) -> Self {
        self.phase = Some(phase.into());
        self
    }

    /// As JSON text.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| r#"{"error":"Internal server error"}"#.into())
    }
}

impl From<(&str, IdError)> for Problem {
    fn from((field, error): (&str, IdError)) -> Self {
        Self::invalid(field, error)
    }
}

#[cfg(test)]
mod tests {
    use super::Problem;
    use crate::id::{ExecId, UserId};
    use crate::job_id::JobId;

    #[test]
    fn bad_input_names_the_field() {
        let json: serde_json::Value = serde_json::from_str(
            &Problem::invalid("timeoutMs", "must be positive")
                .request("req_1")
                .json(),
        )
        .unwrap();
        assert_eq!(json["status"], 400);
        assert_eq!(json["field"], "timeoutMs");
        assert_eq!(json["error"], "timeoutMs must be positive");
        assert_eq!(json["title"], "Bad Request");
        assert_eq!(json["requestId"], "req_1");
        assert!(json.get("retryAfter").is_none());
        assert!(json.get("found").is_none());
    }

    #[test]
    fn what_stands_in_the_way_is_named_and_read_again() {
        let user = UserId::parse("ada00000-0000-4000-8000-000000000001").unwrap();
        let job = JobId::lifecycle(user, ExecId::parse("a").unwrap());
        let busy = Problem::new(409, "change_in_progress", "busy").job(&job);
        let json: serde_json::Value = serde_json::from_str(&busy.json()).unwrap();
        assert_eq!(json["jobId"], job.to_string());
        assert_eq!(serde_json::from_value::<Problem>(json).unwrap(), busy);
        let asked = Problem::new(409, "confirmation_required", "sure?").confirmed_by("t");
        let json: serde_json::Value = serde_json::from_str(&asked.json()).unwrap();
        assert_eq!((&json["confirm"], json.get("jobId")), (&"t".into(), None));
        assert_eq!(serde_json::from_value::<Problem>(json).unwrap(), asked);
        let plain = Problem::new(404, "not_found", "x");
        assert_eq!(serde_json::from_str::<Problem>(&plain.json()).unwrap(), plain);
    }

    #[test]
    fn an_exec_that_there_is_not_is_said_as_older_clients_expect() {
        let user = UserId::parse("ada00000-0000-4000-8000-000000000001").unwrap();
        let problem = Problem::unknown_exec(user, &ExecId::parse("exec_1_ab").unwrap());
        let json: serde_json::Value = serde_json::from_str(&problem.json()).unwrap();
        assert_eq!((&json["status"], &json["code"]), (&404.into(), &"unknown_exec".into()));
        assert_eq!(json["found"], false);
        assert_eq!(json["userId"], "ada00000-0000-4000-8000-000000000001");
        assert_eq!(json["execId"], "exec_1_ab");
        assert_eq!(json["error"], "Exec result not found");
    }
}
