//! What `worker::State` and `worker::Storage` leave out of a Durable Object, on the same JS objects.

use wasm_bindgen::prelude::*;
use worker::{State, Storage};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = js_sys::Object)]
    type JsState;
    #[wasm_bindgen(method, catch)]
    fn abort(this: &JsState, reason: &str) -> std::result::Result<(), JsValue>;

    #[wasm_bindgen(extends = js_sys::Object)]
    type JsStorage;
    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    fn transaction_sync(
        this: &JsStorage,
        body: &mut dyn FnMut() -> std::result::Result<JsValue, JsValue>,
    ) -> std::result::Result<JsValue, JsValue>;
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

/// Runs `body` in one SQLite transaction; an `Err` rolls it back.
///
/// # Errors
/// What `body` returned, or the database's own error.
pub fn transaction<T>(storage: &Storage, mut body: impl FnMut() -> worker::Result<T>) -> worker::Result<T> {
    let js: &JsValue = storage.as_raw().as_ref();
    let mut outcome = None;
    js.unchecked_ref::<JsStorage>().transaction_sync(&mut || {
        outcome = Some(body()?);
        Ok(JsValue::UNDEFINED)
    })?;
    outcome.ok_or_else(|| worker::Error::RustError("transactionSync did not run its body".into()))
}
