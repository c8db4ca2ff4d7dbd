//! Operations on one container.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use nix::sys::signal::Signal;
use serde_json::json;

use super::archive;
use super::route::{ContainerRoute, truth};
use super::server::{Answer, bytes, json as json_answer, no_body, read_body};
use super::views;
use crate::container::Container;
use crate::container::state::Status;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::signals;

/// Seconds that a container has to end unless the client says otherwise.
const PATIENCE: u64 = 10;

/// Carries out an operation on the container that `reference` names.
pub async fn operate(
    engine: &Arc<Engine>,
    reference: &str,
    operation: ContainerRoute,
    query: &HashMap<String, String>,
    body: Incoming,
) -> Result<Answer, EngineError> {
    let container = engine.container(reference)?;
    match operation {
        ContainerRoute::Inspect => Ok(json_answer(StatusCode::OK, &views::inspect(&container))),
        ContainerRoute::Start => {
            drop(body.collect().await);
            let started = detached(engine, &container, async |engine, container| {
                engine.start(&container).await
            });
            let started = match started.await {
                // Of a refused start the runtime tells its worker nothing, of a refused wait it tells the words; on the platform, too, the worker
                // hears of it only after the start.
                Err(EngineError::NoPlace) => true,
                other => other?,
            };
            Ok(no_body(if started {
                StatusCode::NO_CONTENT
            } else {
                StatusCode::NOT_MODIFIED
            }))
        }
        ContainerRoute::Stop => {
            let seconds = match query.get("t") {
                None => PATIENCE,
                Some(text) => text
                    .parse()
                    .map_err(|_| EngineError::BadRequest("t must be seconds".to_owned()))?,
            };
            let patience = Duration::from_secs(seconds);
            let stopped = detached(engine, &container, async move |engine, container| {
                engine.stop(&container, patience).await
            });
            Ok(no_body(if stopped.await? {
                StatusCode::NO_CONTENT
            } else {
                StatusCode::NOT_MODIFIED
            }))
        }
        ContainerRoute::Kill => {
            let signal = match query.get("signal").filter(|text| !text.is_empty()) {
                None => Signal::SIGKILL,
                Some(text) => {
                    signals::parse(text).ok_or_else(|| EngineError::BadRequest(format!("no signal {text:?}")))?
                }
            };
            engine.signal(&container, signal)?;
            Ok(no_body(StatusCode::NO_CONTENT))
        }
        ContainerRoute::Remove => {
            let force = truth(query.get("force"));
            detached(engine, &container, async move |engine, container| {
                engine.remove(&container, force).await
            })
            .await?;
            Ok(no_body(StatusCode::NO_CONTENT))
        }
        ContainerRoute::Wait => wait(&container, query.get("condition").map(String::as_str)).await,
        ContainerRoute::Logs => {
            let lines = query.get("tail").and_then(|text| text.parse().ok());
            Ok(bytes("application/vnd.docker.raw-stream", container.log.read(lines)))
        }
        ContainerRoute::PutArchive => {
            let body = read_body(body).await?;
            archive::put(&archive::etc_of(engine, &container)?, query.get("path"), &body)?;
            Ok(no_body(StatusCode::OK))
        }
        ContainerRoute::GetArchive => {
            let tar = archive::get(&archive::etc_of(engine, &container)?, query.get("path"))?;
            Ok(bytes("application/x-tar", tar))
        }
    }
}

/// Runs an operation to its end even if the client goes away in the middle.
async fn detached<T, F>(
    engine: &Arc<Engine>,
    container: &Arc<Container>,
    operation: impl FnOnce(Arc<Engine>, Arc<Container>) -> F,
) -> Result<T, EngineError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, EngineError>> + Send + 'static,
{
    tokio::spawn(operation(Arc::clone(engine), Arc::clone(container)))
        .await
        .map_err(|error| EngineError::Io("the operation ended early", std::io::Error::other(error)))?
}

/// Held open until what the client waits for has come.
async fn wait(container: &Container, condition: Option<&str>) -> Result<Answer, EngineError> {
    let state = match condition {
        None | Some("" | "not-running") => {
            container
                .wait_until(|state| state.status != Status::Running || state.removed)
                .await
        }
        Some("next-exit") => {
            let seen = container.state().finished_at;
            container
                .wait_until(|state| state.finished_at.is_some() && state.finished_at != seen || state.removed)
                .await
        }
        Some("removed") => container.wait_until(|state| state.removed).await,
        Some(other) => return Err(EngineError::BadRequest(format!("no condition {other:?}"))),
    };
    if state.no_place {
        return Err(EngineError::NoPlace);
    }
    Ok(json_answer(StatusCode::OK, &json!({"StatusCode": state.exit_code})))
}
