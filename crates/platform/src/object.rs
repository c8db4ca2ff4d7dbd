//! What `worker::State` leaves out of a Durable Object, on the same JS object.

use std::future::pending;
use wasm_bindgen::prelude::*;
use worker::{Error, Result, State};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_name = setTimeout)]
    fn set_timeout(callback: &JsValue, ms: u32) -> std::result::Result<JsValue, JsValue>;
}

/// Drops the object's memory: it is built anew at the next event, with a fresh view of its container. What storage holds stays.
///
/// The runtime ends the script where it stands, together with every microtask that waits. One of those may be the one that runs the futures of the
/// whole isolate, which would never run again. So it is done in a task of its own, in which nothing of ours waits.
///
/// # Errors
/// When it could not be asked for. Otherwise it does not return.
pub async fn abort(state: &State, reason: &str) -> Result<()> {
    let js: &JsValue = state.as_raw().as_ref();
    let abort: js_sys::Function = js_sys::Reflect::get(js, &JsValue::from_str("abort"))?
        .dyn_into()
        .map_err(|_| Error::RustError("the object cannot be dropped".into()))?;
    set_timeout(abort.bind1(js, &JsValue::from_str(reason)).as_ref(), 0)?;
    pending().await
}
