//! The socket, and the way from a request to an answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::{UnixListener, UnixStream};

use super::filters::{Facts, Filters};
use super::route::{Route, query, route, truth};
use super::{containers, images, views};
use crate::container::state::Status;
use crate::engine::Engine;
use crate::error::EngineError;

/// Longest body of a request.
const LONGEST_BODY: usize = 16 << 20;

/// An answer of the engine.
pub type Answer = Response<Full<Bytes>>;

/// Serves the API for as long as it is polled.
pub async fn serve(engine: Arc<Engine>, listener: UnixListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection(Arc::clone(&engine), stream));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(engine: Arc<Engine>, stream: UnixStream) {
    let service = service_fn(move |request| answer(Arc::clone(&engine), request));
    drop(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service)
            .await,
    );
}

/// A JSON answer.
pub fn json(status: StatusCode, value: &Value) -> Answer {
    let mut response = bytes("application/json", value.to_string());
    *response.status_mut() = status;
    response
}

/// An answer with a body of another kind.
pub fn bytes(kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// An answer without a body.
pub fn no_body(status: StatusCode) -> Answer {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// The body of a request, up to its longest.
pub async fn read_body(body: Incoming) -> Result<Bytes, EngineError> {
    let read = Limited::new(body, LONGEST_BODY).collect().await;
    Ok(read
        .map_err(|error| EngineError::BadRequest(format!("body: {error}")))?
        .to_bytes())
}

async fn answer(engine: Arc<Engine>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let begun = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let outcome = operate(&engine, request).await;
    let response = outcome.unwrap_or_else(|error| {
        let status = error.status();
        if status.is_server_error() {
            tracing::warn!(%method, path, %status, %error, "request failed");
        }
        json(status, &json!({"message": error.to_string()}))
    });
    tracing::debug!(%method, path, status = response.status().as_u16(), ms = begun.elapsed().as_millis() as u64, "request");
    Ok(response)
}

async fn operate(engine: &Arc<Engine>, request: Request<Incoming>) -> Result<Answer, EngineError> {
    let Some(route) = route(request.method(), request.uri().path()) else {
        return Err(EngineError::NotImplemented(format!(
            "{} {}",
            request.method(),
            request.uri().path()
        )));
    };
    let query = query(request.uri().query());
    let ok = |value: Value| Ok(json(StatusCode::OK, &value));
    match route {
        Route::Ping if request.method() == Method::HEAD => Ok(no_body(StatusCode::OK)),
        Route::Ping => Ok(bytes("text/plain", "OK")),
        Route::Info => ok(info(engine)),
        Route::Version => ok(json!({
            "Version": env!("CARGO_PKG_VERSION"), "ApiVersion": "1.41", "MinAPIVersion": "1.24",
            "Os": "linux", "Arch": std::env::consts::ARCH, "Components": [{"Name": "local-engine"}],
        })),
        Route::MoltContainers => {
            let containers: Vec<_> = engine
                .containers
                .all()
                .iter()
                .map(|container| views::molt(container))
                .collect();
            ok(json!({"containers": containers}))
        }
        Route::ListContainers => {
            let filters = Filters::parse(query.get("filters")).map_err(EngineError::BadRequest)?;
            let all = truth(query.get("all")) || filters.asks_for_status();
            let containers = engine.containers.all();
            let selected = containers.iter().filter(|container| {
                filters.select(&Facts::of(container)) && (all || container.state().status == Status::Running)
            });
            ok(selected.map(|container| views::summary(container)).collect())
        }
        Route::CreateContainer => {
            let body = read_body(request.into_body()).await?;
            let create =
                serde_json::from_slice(&body).map_err(|error| EngineError::BadRequest(format!("body: {error}")))?;
            let container = engine.create(query.get("name").cloned(), &create)?;
            Ok(json(StatusCode::CREATED, &json!({"Id": container.id, "Warnings": []})))
        }
        Route::Container(name, operation) => {
            containers::operate(engine, &name, operation, &query, request.into_body()).await
        }
        Route::InspectImage(reference) => images::inspect(engine, &reference),
        Route::RemoveImage(reference) => images::remove(engine, &reference),
        Route::ListImages => ok(json!([])),
        Route::ListVolumes => ok(json!({"Volumes": [], "Warnings": null})),
        Route::Volume(name) => Err(EngineError::NoContainer(format!("volume {name}"))),
        // The runtime listens at the gateway for what leaves a sandbox, so that must be an address of the host that nobody else
        // reaches. An IPv6 subnet would promise the sandboxes IPv6.
        Route::InspectNetwork(name) if name == "bridge" => ok(json!({
            "Name": "bridge", "Id": "bridge", "Driver": "bridge", "Scope": "local",
            "IPAM": {"Driver": "default", "Config": [{"Subnet": "127.0.0.0/8", "Gateway": "127.0.0.1"}]},
        })),
        Route::InspectNetwork(name) => Err(EngineError::NoContainer(format!("network {name}"))),
    }
}

fn info(engine: &Engine) -> Value {
    let containers = engine.containers.all();
    let running = containers
        .iter()
        .filter(|container| container.state().status == Status::Running)
        .count();
    json!({
        "Name": "local-engine",
        "ServerVersion": env!("CARGO_PKG_VERSION"),
        "OSType": "linux",
        "Architecture": std::env::consts::ARCH,
        "Containers": containers.len(),
        "ContainersRunning": running,
        "SecurityOptions": [],
        "DriverStatus": [],
    })
}
