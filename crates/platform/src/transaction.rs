//! All or nothing in a Durable Object's SQLite storage.
//!
//! Statements between two awaits commit together anyway; what this adds is that a failure half way takes back what came before it.

use wasm_bindgen::closure::ScopedClosure;
use wasm_bindgen::prelude::*;
use worker::{Error, Result, State};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = js_sys::Object)]
    type JsStorage;
    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    fn transaction_sync(
        this: &JsStorage,
        body: &ScopedClosure<'_, dyn FnMut() -> std::result::Result<(), JsValue>>,
    ) -> std::result::Result<JsValue, JsValue>;
}

/// Runs `body` in a transaction. When it fails, nothing of what it wrote remains; a panic in it is a failure like any other.
///
/// # Errors
/// That of `body`, or the runtime's when it cannot commit.
pub fn transaction<T, E: From<Error>>(
    state: &State,
    body: impl FnOnce() -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let storage = state.storage();
    let storage: &JsValue = storage.as_raw().as_ref();
    let mut body = Some(body);
    let mut outcome = None;
    let mut run = || -> std::result::Result<(), JsValue> {
        let body = body
            .take()
            .ok_or_else(|| JsValue::from_str("a transaction runs once"))?;
        let result = body();
        let failed = result.is_err();
        outcome = Some(result);
        // What is thrown makes the runtime roll back; the error itself is handed over on our side.
        if failed {
            Err(JsValue::from_str("rolled back"))
        } else {
            Ok(())
        }
    };
    // Whatever a panic leaves half done in `outcome` is dropped: then the runtime's answer is an error.
    let committed = {
        let closure = ScopedClosure::borrow_mut_assert_unwind_safe(&mut run);
        storage.unchecked_ref::<JsStorage>().transaction_sync(&closure)
    };
    match (committed, outcome) {
        (Ok(_), Some(Ok(value))) => Ok(value),
        (Err(_), Some(Err(error))) => Err(error),
        (Err(error), _) => Err(Error::from(error).into()),
        (Ok(_), _) => Err(Error::RustError("a transaction did not run".into()).into()),
    }
}

/// [`transaction`] where every failure is the runtime's.
///
/// # Errors
/// See there.
pub fn atomically<T>(state: &State, body: impl FnOnce() -> Result<T>) -> Result<T> {
    transaction(state, body)
}
