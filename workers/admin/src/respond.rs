//! Errors of handlers as responses: the one place that decides what an admin may see of them.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use molt_common::problem::{self, Problem};
use molt_platform::log;
use serde_json::json;

/// What a handler answers when it cannot do what was asked.
#[derive(Debug)]
pub struct Failure(pub Box<Problem>);

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<worker::Error> for Failure {
    /// The text of an inner error is for the log; the client learns that it was our fault.
    fn from(error: worker::Error) -> Self {
        log::error("admin_failed", json!({"error": error.to_string()}));
        Problem::internal().into()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.0.json()));
        *response.status_mut() = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(problem::CONTENT_TYPE));
        if let Some(seconds) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
