//! Answers of the control API. The one place that turns errors into responses.

use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use molt_common::control::{ControlError, config::code};
use serde::Serialize;

use super::body::BodyError;
use crate::agent::{ConfigRefusal, ProvidersRefusal, RestartRefusal};
use crate::exec::StartRefusal;
use crate::files::{self, FileError};
use crate::http_server::{Body, whole};
use crate::persistence::DiskRefusal;

/// Why a request was not answered as it wished.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("the bearer token is missing or wrong")]
    Unauthorized,
    #[error("there is nothing here")]
    NotFound,
    #[error("only {0} is possible here")]
    MethodNotAllowed(&'static str),
    #[error("{0}")]
    Invalid(String),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Start(#[from] StartRefusal),
    #[error(transparent)]
    Restart(#[from] RestartRefusal),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Disk(#[from] DiskRefusal),
    #[error(transparent)]
    Config(#[from] ConfigRefusal),
    #[error(transparent)]
    Providers(#[from] ProvidersRefusal),
    #[error("the state of the command is not known now: {0}")]
    Unanswered(#[from] std::io::Error),
}

impl Refusal {
    const fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Invalid(_)
            | Self::Body(BodyError::BrokeOff)
            | Self::Start(StartRefusal::Invalid(_))
            | Self::Restart(RestartRefusal::Id)
            | Self::Disk(DiskRefusal::Invalid(_)) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Disk(DiskRefusal::NotReady(_)) => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
            Self::Disk(DiskRefusal::Stopping) => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
            Self::Restart(RestartRefusal::UnderWay(_)) | Self::Disk(DiskRefusal::Conflict(_)) => {
                (StatusCode::CONFLICT, "conflict")
            }
            Self::Restart(RestartRefusal::Stopping) => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
            Self::Restart(RestartRefusal::NotNoted(_)) => (StatusCode::SERVICE_UNAVAILABLE, "not_started"),
            Self::Config(refusal) => of_config(refusal),
            Self::Providers(ProvidersRefusal::Request(_)) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Providers(ProvidersRefusal::NotNoted(_)) => (StatusCode::SERVICE_UNAVAILABLE, "not_started"),
            Self::Body(BodyError::TooLarge) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::Start(StartRefusal::Conflict) => (StatusCode::CONFLICT, "conflict"),
            Self::Start(StartRefusal::Stopping) => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
            Self::Start(StartRefusal::Busy) => (StatusCode::TOO_MANY_REQUESTS, "busy"),
            Self::Start(StartRefusal::NotStarted(_) | StartRefusal::NoDisk) => {
                (StatusCode::SERVICE_UNAVAILABLE, "not_started")
            }
            Self::File(error) => error.status_and_code(),
            Self::Start(StartRefusal::Unclear(_)) | Self::Unanswered(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal")
            }
        }
    }

    /// The whole answer.
    pub fn response(&self) -> Response<Body> {
        if let Self::File(error) = self {
            return files::refused(error);
        }
        let (status, code) = self.status_and_code();
        if status.is_server_error() {
            tracing::error!(code, error = %self, "refused");
        }
        let mut response = json(
            status,
            &ControlError {
                code: code.to_owned(),
                error: self.to_string(),
            },
        );
        match self {
            Self::MethodNotAllowed(allowed) => {
                response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
            }
            Self::Unauthorized => {
                response
                    .headers_mut()
                    .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}

const fn of_config(refusal: &ConfigRefusal) -> (StatusCode, &'static str) {
    match refusal {
        ConfigRefusal::Request(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
        ConfigRefusal::Moved(_) => (StatusCode::PRECONDITION_FAILED, code::MOVED),
        ConfigRefusal::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, code::INVALID),
        ConfigRefusal::SecretMissing(_) => (StatusCode::CONFLICT, code::SECRET_MISSING),
        ConfigRefusal::Unreadable(_) => (StatusCode::CONFLICT, code::UNREADABLE),
        ConfigRefusal::Handed(_) => (StatusCode::CONFLICT, "conflict"),
        ConfigRefusal::NotNow => (StatusCode::SERVICE_UNAVAILABLE, "not_started"),
        ConfigRefusal::Unanswered(_) | ConfigRefusal::Failed(_) => (StatusCode::SERVICE_UNAVAILABLE, code::UNANSWERED),
    }
}

/// `value` as JSON.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let (status, bytes) = match serde_json::to_vec(value) {
        Ok(bytes) => (status, bytes),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            (StatusCode::INTERNAL_SERVER_ERROR, Vec::new())
        }
    };
    let mut response = Response::new(whole(bytes));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
