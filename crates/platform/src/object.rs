//! What `worker::State` leaves out of a Durable Object, on the same JS object.

use std::future::pending;
use wasm_bindgen::JsCast;
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

/// The worker that the object belongs to, as a service: what it is asked arrives at the worker's own `fetch`. The runtime gives it to every object
/// (`ctx.exports.default`); a service binding of a worker to itself would name a worker that is not there yet when it is deployed first.
///
/// # Errors
/// When the runtime is older than these bindings.
pub fn own_worker(state: &State) -> Result<worker_sys::Fetcher> {
    let js: &JsValue = state.as_raw().as_ref();
    let exports = js_sys::Reflect::get(js, &JsValue::from_str("exports"))?;
    let own = js_sys::Reflect::get(&exports, &JsValue::from_str("default"))?;
    if own.is_undefined() {
        return Err(Error::RustError(
            "the runtime gives no binding to the worker itself".into(),
        ));
    }
    Ok(own.unchecked_into())
}

/// The same, with properties that the runtime hands to the worker with every call made through it (`Context::props`): they cannot be forged by whoever calls.
///
/// # Errors
/// When the runtime is older than these bindings, or the properties are no object.
pub fn own_worker_as(state: &State, props: &impl serde::Serialize) -> Result<worker_sys::Fetcher> {
    let own: JsValue = own_worker(state)?.into();
    let make: js_sys::Function = own
        .dyn_into()
        .map_err(|_| Error::RustError("the runtime takes no properties for the worker itself".into()))?;
    let options = js_sys::Object::new();
    let props = props
        .serialize(&serde_wasm_bindgen::Serializer::json_compatible())
        .map_err(JsValue::from)?;
    js_sys::Reflect::set(&options, &JsValue::from_str("props"), &props)?;
    // Not by the function's own `call`: of a service, every property that is not declared is a method of the worker behind it.
    let made = js_sys::Reflect::apply(&make, &JsValue::UNDEFINED, &js_sys::Array::of1(&options))?;
    Ok(made.unchecked_into())
}
