//! Why a call was not passed on, and how the agent's client is told.

use molt_common::problem::{self, Problem};
use molt_common::provider::refusal::body;
use molt_platform::respond;
use web_sys::Response;
use worker::Result;

/// The caller's doing, or ours.
pub enum Refusal {
    /// He is told.
    Problem(Box<Problem>),
    /// The log says what happened.
    Failed(String),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<worker::Error> for Refusal {
    fn from(error: worker::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// The answer.
pub fn answer(problem: &Problem) -> Result<Response> {
    let retry = problem.retry_after.map(|seconds| seconds.to_string());
    let mut headers = vec![("content-type", problem::CONTENT_TYPE)];
    headers.extend(respond::DATA);
    if let Some(retry) = &retry {
        headers.push(("retry-after", retry));
    }
    respond::with(problem.status, &headers, Some(&body(problem)))
}
