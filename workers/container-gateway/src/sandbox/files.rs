//! Files of the user: from the running sandbox, or from a snapshot. Nothing is started for them.

mod notes;
pub mod refusal;
pub mod saved;

use super::alarm;
use crate::sandbox_do::Sandbox;
use molt_common::control::CONTROL_PORT;
use molt_common::control::files::{self as control, FilesQuery};
use molt_common::files_call::{BATCH_PATH, Destination, FilesOrder, ORDER};
use molt_lifecycle::sandbox::Stage;
use molt_platform::forward::{Outgoing, header};
use molt_platform::log;
use refusal::Refusal;
use serde_json::json;
use url::Url;
use web_sys::{Request, Response};
use worker::{Error, Result};

/// Headers of a caller that mean something to the supervisor.
const PASSED: [&str; 7] = [
    "content-length",
    "content-type",
    "if-match",
    "if-none-match",
    "if-range",
    "range",
    "transfer-encoding",
];

/// A call, read.
struct Call<'a> {
    request: &'a Request,
    order: FilesOrder,
    query: FilesQuery,
    batch: bool,
}

/// Answers one call of the admin worker.
pub async fn answer(object: &Sandbox, request: &Request) -> Result<Response> {
    match perform(object, request).await {
        Ok(response) => Ok(response),
        Err(Refusal::Failed(error)) => Err(error),
        Err(refusal) => refusal.response(),
    }
}

async fn perform(object: &Sandbox, request: &Request) -> std::result::Result<Response, Refusal> {
    let call = read(request)?;
    let writes = !matches!(request.method().as_str(), "GET" | "HEAD");
    let runs = object.store()?.load()?.stage == Stage::Running && object.container()?.running();
    match call.order.destination(writes, runs) {
        Destination::ReadOnly => Err(Refusal::ReadOnly),
        Destination::NotRunning => Err(Refusal::NotRunning),
        Destination::Snapshot => {
            notes::note(object, &call, "snapshot").await?;
            saved::answer(object, &call).await
        }
        Destination::Sandbox => {
            notes::note(object, &call, "sandbox").await?;
            pass(object, &call).await
        }
    }
}

fn read(request: &Request) -> std::result::Result<Call<'_>, Refusal> {
    let url = Url::parse(&request.url()).map_err(|error| Error::RustError(error.to_string()))?;
    let order = header(request, ORDER).unwrap_or_default();
    let order = serde_json::from_str(&order).map_err(|error| Error::RustError(format!("order of files: {error}")))?;
    let query = FilesQuery::parse(url.query().unwrap_or_default()).map_err(Refusal::Query)?;
    Ok(Call {
        request,
        order,
        query,
        batch: url.path() == BATCH_PATH,
    })
}

/// Hands it to the supervisor; neither body is read here.
async fn pass(object: &Sandbox, call: &Call<'_>) -> std::result::Result<Response, Refusal> {
    let path = if call.batch {
        format!("http://sandbox{}", control::BATCH_PATH)
    } else {
        format!("http://sandbox{}?{}", control::PATH, call.query.text())
    };
    let outgoing = Outgoing::new(&path, call.request)?;
    outgoing.strip(|name| !PASSED.contains(&name))?;
    let token = object.store()?.control_token()?;
    outgoing.set("authorization", &format!("Bearer {token}"))?;
    let port = object.container()?.port(CONTROL_PORT)?;
    match outgoing.to_fetcher(&port).await {
        Ok(response) => Ok(response),
        Err(error) => {
            log::error(
                "files_not_reached",
                json!({"requestId": call.order.author.request_id, "error": error.to_string()}),
            );
            // Perhaps the container is gone: have it looked at now instead of with the next heartbeat.
            alarm::now(object).await?;
            Err(Refusal::Unreachable)
        }
    }
}
