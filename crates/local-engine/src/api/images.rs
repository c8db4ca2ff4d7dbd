//! Operations on images, which are entries of the images file and nothing else.

use http::StatusCode;
use serde_json::json;

use super::server::{Answer, json as json_answer};
use super::views;
use crate::engine::Engine;
use crate::error::EngineError;

/// One image.
pub fn inspect(engine: &Engine, reference: &str) -> Result<Answer, EngineError> {
    engine.image(reference)?;
    Ok(json_answer(StatusCode::OK, &views::image(reference)))
}

/// "Untags" an image. Entries of the images file stay, whatever they are called.
pub fn remove(engine: &Engine, reference: &str) -> Result<Answer, EngineError> {
    engine.image(reference)?;
    Ok(json_answer(StatusCode::OK, &json!([{"Untagged": reference}])))
}
