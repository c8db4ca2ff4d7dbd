//! What `worker::State` leaves out of a Durable Object, on the same JS object.

use wasm_bindgen::prelude::*;
use worker::State;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = js_sys::Object)]
    type JsState;
    #[wasm_bindgen(method, catch)]
    fn abort(this: &JsState, reason: &str) -> std::result::Result<(), JsValue>;
}

/// Drops the object's memory: it is built anew at the next event, with a fresh view of its container. What storage holds stays.
/// The call itself throws into the current event, by the runtime's design.
///
/// # Errors
/// Always: the runtime's own exception.
pub fn abort(state: &State, reason: &str) -> worker::Result<()> {
    let js: &JsValue = state.as_raw().as_ref();
    Ok(js.unchecked_ref::<JsState>().abort(reason)?)
}
