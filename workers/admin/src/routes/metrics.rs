//! Figures for monitors.

use crate::metrics;
use crate::respond::Failure;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use molt_common::problem::Problem;
use worker::Env;

/// As Prometheus expects it of what it reads.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Figures about users, sandboxes, snapshots and jobs as OpenMetrics text, which Prometheus reads.
///
/// They come from what sandboxes last announced, at most a minute old of one that runs; reading them wakes and asks none.
#[utoipa::path(get, path = "/api/super/metrics", tag = "state",
    responses((status = 200, content_type = "application/openmetrics-text", body = String), (status = 403, body = Problem)))]
#[worker::send]
pub async fn read(State(env): State<Env>) -> Result<Response, Failure> {
    let fleet = metrics::count(&env).await?;
    let text = metrics::text(&fleet).map_err(|_| Problem::internal())?;
    let headers = [(CONTENT_TYPE, OPEN_METRICS), (CACHE_CONTROL, "no-store")];
    Ok((headers, text).into_response())
}
