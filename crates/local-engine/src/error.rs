//! What can go wrong with a request, and the status that says so.

use http::StatusCode;

use crate::container::request::RequestError;
use crate::egress::tls::AuthorityError;
use crate::launch::start::StartError;
use crate::limits::UnknownTier;
use crate::netns::NamespaceError;

/// Why a request was not fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No container of this name or id.
    #[error("No such container: {0}")]
    NoContainer(String),
    /// No entry of the images file matches.
    #[error("No such image: {reference} (the images file has {patterns})")]
    NoImage {
        /// What was asked for.
        reference: String,
        /// What there is.
        patterns: String,
    },
    /// The name is taken.
    #[error("Conflict. The container name \"/{0}\" is already in use")]
    NameTaken(String),
    /// The container is not in the right state.
    #[error("{0}")]
    Conflict(String),
    /// The request makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// This engine does not do that.
    #[error("not implemented by this engine: {0}")]
    NotImplemented(String),
    /// As many sandboxes run as may. In the words of the platform, by which a worker knows it.
    #[error("Maximum number of running container instances exceeded. Try again later")]
    NoPlace,
    /// The engine is about to end.
    #[error("the engine is stopping")]
    Stopping,
    /// The network could not be made.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The sandbox could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The sandbox's authority could not be made.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The machine did not play along.
    #[error("{0}: {1}")]
    Io(&'static str, std::io::Error),
}

impl From<RequestError> for EngineError {
    fn from(error: RequestError) -> Self {
        Self::BadRequest(error.to_string())
    }
}

impl From<UnknownTier> for EngineError {
    fn from(error: UnknownTier) -> Self {
        Self::BadRequest(error.to_string())
    }
}

impl EngineError {
    /// The HTTP status of this error.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoContainer(_) | Self::NoImage { .. } => StatusCode::NOT_FOUND,
            Self::NameTaken(_) | Self::Conflict(_) => StatusCode::CONFLICT,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NotImplemented(_) => StatusCode::NOT_IMPLEMENTED,
            Self::Stopping | Self::NoPlace => StatusCode::SERVICE_UNAVAILABLE,
            Self::Namespace(_) | Self::Start(_) | Self::Authority(_) | Self::Io(..) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }
}
