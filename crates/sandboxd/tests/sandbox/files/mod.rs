//! Files of the home through the control API.

mod hostile;
mod reading;
mod writing;

use reqwest::{Method, RequestBuilder, Response, StatusCode};

use crate::support::{Sandbox, error_of};

/// A request about files; `query` is as it stands in the URL.
fn files(sandbox: &Sandbox, method: Method, query: &str) -> RequestBuilder {
    sandbox.control(method, &format!("/v1/files?{query}"))
}

async fn get(sandbox: &Sandbox, query: &str) -> Response {
    files(sandbox, Method::GET, query).send().await.unwrap()
}

async fn put(sandbox: &Sandbox, query: &str, body: impl Into<reqwest::Body>) -> Response {
    files(sandbox, Method::PUT, query).body(body).send().await.unwrap()
}

/// Status and code of what must be refused.
async fn refused(answer: Response) -> (u16, String) {
    let (status, error) = error_of(answer).await;
    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{error:?}");
    (status.as_u16(), error.code)
}
