//! What a command writes, while it writes it.

use super::ids;
use crate::exec_store::read_calls::{FollowOutput, NotFollowed, OutputRead, ReadOutput};
use crate::exec_store::stub;
use crate::extract::{Asked, Parameters};
use crate::respond::{Failure, Passed};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, Method, StatusCode};
use molt_common::api::exec::{ExecOutput, OUTPUT_WAIT_MAX_S};
use molt_common::id::{ExecId, UserId};
use molt_common::output::OutputCursor;
use molt_common::output::events::{self, LastEvent};
use molt_common::problem::Problem;
use molt_platform::call;
use worker::Env;

/// Bytes of an answer when nothing is asked.
const USUAL_BYTES: u64 = 256 * 1024;
/// Most bytes of an answer.
const MOST_BYTES: u64 = 1024 * 1024;
const LAST_EVENT_ID: &str = "last-event-id";

/// What a command wrote after a cursor.
///
/// As JSON: answers as soon as there is something after the cursor or the command has ended, at the latest when `wait` is over. Ask again with
/// the `cursor` of the answer until `done`. A character that is not whole yet comes with a later answer.
///
/// With `Accept: text/event-stream` as server-sent events: `stdout`, `stderr` and `gap` with an `OutputChunk`, `state` with an `ExecChange`,
/// and at last `end` with an `ExecEnd`. Whoever comes back with the `Last-Event-ID` that he saw misses nothing and gets nothing twice; it
/// counts more than `after`. After the end the answer is 204, at which browsers stop.
#[utoipa::path(get, path = "/api/super/users/{id}/exec/{execId}/output", tag = "exec",
    params(("id" = String, Path, format = "uuid"), ("execId" = String, Path),
           ("after" = Option<String>, Query, description = "A cursor that an answer gave; the beginning (`0-0`) when absent"),
           ("wait" = Option<u64>, Query, maximum = 25, description = "Seconds to wait for something new, 0 when absent; JSON only"),
           ("limit" = Option<u64>, Query, minimum = 1, maximum = 1_048_576, description = "Bytes of an answer, 262,144 when absent, but one character at least; JSON only"),
           ("Last-Event-ID" = Option<String>, Header, description = "Id of the last event that was seen; events only")),
    responses((status = 200, content((ExecOutput = "application/json"), (String = "text/event-stream"))),
              (status = 204, description = "Events only: the end was told already"),
              (status = 400, body = Problem), (status = 404, body = Problem),
              (status = 429, body = Problem, description = "`too_many_streams`: too many follow the command or the sandbox already")))]
#[worker::send]
pub async fn output(
    State(env): State<Env>,
    method: Method,
    parameters: Parameters,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (user_id, exec_id) = ids(&parameters)?;
    let after = match asked.text("after").filter(|text| !text.is_empty()) {
        Some(text) => text.parse().map_err(|error| Problem::invalid("after", error))?,
        None => OutputCursor::default(),
    };
    let wait = number(&asked, "wait", 0, 0..=OUTPUT_WAIT_MAX_S)?;
    let limit = number(&asked, "limit", USUAL_BYTES, 1..=MOST_BYTES)?;
    let accept = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let events = events::are_wanted(&accept.collect::<Vec<_>>().join(","));
    let head = method == Method::HEAD;
    if events && !head {
        let last = last_event(&headers, after)?;
        return follow(&env, user_id, exec_id, last).await;
    }
    let read = ReadOutput {
        exec_id: exec_id.clone(),
        after,
        limit,
        // Whoever wants no body waits for none.
        wait_ms: if head { 0 } else { wait.saturating_mul(1_000) },
    };
    match call::make(&stub(&env, user_id)?, &read).await? {
        OutputRead::Output { .. } if events => Ok(([(CONTENT_TYPE, events::CONTENT_TYPE)], ()).into_response()),
        OutputRead::Output { output } => Ok(Json(*output).into_response()),
        OutputRead::Unknown => Err(Problem::unknown_exec(user_id, &exec_id).into()),
        OutputRead::Beyond => Err(beyond("after").into()),
    }
}

async fn follow(env: &Env, user_id: UserId, exec_id: ExecId, last: Last) -> Result<Response, Failure> {
    let follow = FollowOutput {
        exec_id,
        last: last.event,
    };
    let response = call::make_for_response(&stub(env, user_id)?, &follow).await?;
    let streamed = response.headers().get(CONTENT_TYPE.as_str())?;
    if streamed.as_deref() == Some(events::CONTENT_TYPE) {
        return Ok(Passed::new(response).into_response());
    }
    match call::read_answer::<FollowOutput>(response).await? {
        NotFollowed::Unknown => Err(Problem::unknown_exec(user_id, &follow.exec_id).into()),
        NotFollowed::Beyond => Err(beyond(last.named).into()),
        NotFollowed::Over => Ok(StatusCode::NO_CONTENT.into_response()),
        NotFollowed::TooMany { open } => Err(Problem::new(
            429,
            "too_many_streams",
            format!("{open} follow this command, or commands of this sandbox, already. Read without events."),
        )
        .retry_after(5)
        .into()),
    }
}

fn beyond(field: &str) -> Problem {
    Problem::invalid(field, "lies beyond what the command wrote")
}

/// Where a stream goes on, and what said so.
struct Last {
    event: LastEvent,
    named: &'static str,
}

fn last_event(headers: &HeaderMap, after: OutputCursor) -> Result<Last, Problem> {
    let named = "Last-Event-ID";
    let event = match headers.get(LAST_EVENT_ID) {
        // A browser comes back with the URL that it began with.
        Some(value) => value.to_str().unwrap_or_default().parse().map_err(|_| {
            Problem::invalid(
                named,
                "must be the id of an event of this stream, such as 0-0 or 512-7-end",
            )
        })?,
        None => {
            return Ok(Last {
                event: LastEvent {
                    cursor: after,
                    ended: false,
                },
                named: "after",
            });
        }
    };
    Ok(Last { event, named })
}

fn number(asked: &Asked, name: &str, usual: u64, range: std::ops::RangeInclusive<u64>) -> Result<u64, Problem> {
    let Some(text) = asked.text(name) else { return Ok(usual) };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && range.contains(number));
    number.ok_or_else(|| Problem::invalid(name, format!("must be from {} to {}", range.start(), range.end())))
}
