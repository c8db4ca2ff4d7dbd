//! Errors of handlers: the one place that decides what an admin may see of them.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use molt_common::problem::Problem;
use molt_platform::log;
use serde_json::json;
use worker::send::SendWrapper;

/// What a handler answers when it cannot do what was asked.
#[derive(Clone, Debug)]
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
    /// Travels as an extension: the worker's entry knows the request's id and writes the body with it.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(self);
        response
    }
}

/// The answer of an object, passed on as it is: its body is never read here.
#[derive(Clone)]
pub struct Passed(SendWrapper<web_sys::Response>);

impl Passed {
    /// Whatever the object answered.
    pub fn new(response: worker::Response) -> Self {
        Self(SendWrapper::new(response.into()))
    }

    /// As the worker's entry answers with it.
    pub fn into_inner(self) -> web_sys::Response {
        self.0.0
    }
}

impl IntoResponse for Passed {
    /// Travels as an extension: through axum its body would be copied piece by piece.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(self);
        response
    }
}
