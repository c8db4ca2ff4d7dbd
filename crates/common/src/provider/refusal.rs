//! A refusal of ours as a client of a provider shows it: the problem, whose `error` is the object in which both protocols carry their errors.

use crate::problem::Problem;
use serde_json::{Value, json};

/// The last event of a stream at which the provider broke off: an error to clients of both protocols. The blank lines end what was begun.
pub const BROKEN_STREAM: &[u8] =
    b"\n\nevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"code\":\"provider_broke_off\",\
    \"message\":\"The provider broke off in the middle of its answer.\"}}\n\n";

/// The body. Clients show `error.message`, and decide by the status and `error.type`.
#[must_use]
pub fn body(problem: &Problem) -> String {
    let mut body = serde_json::to_value(problem).unwrap_or_default();
    if let Value::Object(members) = &mut body {
        let error =
            json!({"type": kind(problem.status), "code": problem.code, "message": problem.detail, "param": null});
        members.insert("error".into(), error);
    }
    body.to_string()
}

/// What providers call errors of a status.
fn kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

#[cfg(test)]
mod tests {
    use super::{BROKEN_STREAM, body};
    use crate::problem::Problem;
    use serde_json::Value;

    #[test]
    fn a_broken_streams_last_event_is_an_error() {
        let text = std::str::from_utf8(BROKEN_STREAM).unwrap();
        let event = text
            .strip_prefix("\n\nevent: error\ndata: ")
            .and_then(|rest| rest.strip_suffix("\n\n"));
        let data: Value = serde_json::from_str(event.unwrap()).unwrap();
        assert_eq!(
            (&data["type"], &data["error"]["code"]),
            (&"error".into(), &"provider_broke_off".into())
        );
    }

    #[test]
    fn it_is_a_problem_and_an_error_of_both_protocols() {
        let problem = Problem::new(402, "budget_used_up", "The budget of today is used up.").request("req_1");
        let body: Value = serde_json::from_str(&body(&problem)).unwrap();
        assert_eq!(
            (&body["status"], &body["code"]),
            (&402.into(), &"budget_used_up".into())
        );
        assert_eq!(body["detail"], body["error"]["message"]);
        assert_eq!(
            (&body["error"]["type"], &body["error"]["code"]),
            (&"billing_error".into(), &body["code"])
        );
        assert_eq!(body["requestId"], "req_1");
    }
}
