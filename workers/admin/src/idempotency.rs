//! `Idempotency-Key`: a caller's word for one request, so that a repetition is not done twice.

use http::HeaderMap;
use molt_common::problem::Problem;

const LONGEST_KEY: usize = 255;

/// The key, if the caller gave one.
///
/// # Errors
/// 400 when it is not 1 to 255 visible ASCII characters.
pub fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = value.to_str().unwrap_or_default();
    if key.is_empty() || key.len() > LONGEST_KEY || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Problem::invalid(
            "Idempotency-Key",
            "must be 1 to 255 visible ASCII characters",
        ));
    }
    Ok(Some(key.into()))
}

/// 422 for a key that came with another body.
pub fn reused() -> Problem {
    Problem::new(
        422,
        "idempotency_key_reused",
        "This Idempotency-Key was used with another body. Use a new one for what is new.",
    )
}
