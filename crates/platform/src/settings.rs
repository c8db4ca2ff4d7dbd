//! Variables and secrets of a worker, as text.

use wasm_bindgen::JsValue;
use worker::Env;

/// A variable or secret; `None` when absent or empty, so that an empty one never counts as configured.
#[must_use]
pub fn text(env: &Env, name: &str) -> Option<String> {
    let value = js_sys::Reflect::get(env.as_ref(), &JsValue::from_str(name)).ok()?;
    value.as_string().filter(|text| !text.is_empty())
}

/// A comma-separated variable; blanks around the parts are dropped.
#[must_use]
pub fn list(env: &Env, name: &str) -> Vec<String> {
    let text = text(env, name).unwrap_or_default();
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}
