//! Reading a request's body with a limit.

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

/// Largest body of a request, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("body: larger than {MAX_BODY} bytes")]
    TooLarge,
    #[error("body: broke off")]
    BrokeOff,
}

/// The whole body. Stops reading at the limit, whatever length the request claims.
pub async fn read(body: Incoming) -> Result<Bytes, BodyError> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Err(_) => Err(BodyError::BrokeOff),
    }
}
