//! Typed calls to Durable Objects (see `molt_common::object_call`), both ends.

use molt_common::id::SandboxId;
use molt_common::object_call::{CALL_HOST, Call};
use worker::{Env, Error, Headers, Method, Request, RequestInit, Response, Result, Stub};

/// Binding of the `Sandbox` objects, under the same name in every worker that has it.
pub const SANDBOX_BINDING: &str = "Sandbox";
/// Longest call body that an object reads.
const LONGEST_CALL: usize = 2 * 1024 * 1024;

/// The one object of a sandbox.
///
/// # Errors
/// When the binding is missing.
pub fn sandbox(env: &Env, id: &SandboxId) -> Result<Stub> {
    env.durable_object(SANDBOX_BINDING)?.get_by_name(id.as_str())
}

/// Makes a call.
///
/// # Errors
/// When the object does not answer 200 with the answer's type.
pub async fn make<C: Call>(stub: &Stub, call: &C) -> Result<C::Answer> {
    read_answer::<C>(make_for_response(stub, call).await?).await
}

/// Makes a call whose answer may be a stream, and passes on what the object says.
///
/// # Errors
/// When the object does not answer 200.
pub async fn make_for_response<C: Call>(stub: &Stub, call: &C) -> Result<Response> {
    let headers = Headers::new();
    headers.set("content-type", "application/json")?;
    let mut init = RequestInit::new();
    init.with_method(Method::Post)
        .with_headers(headers)
        .with_body(Some(serde_json::to_string(call)?.into()));
    let request = Request::new_with_init(&format!("http://{CALL_HOST}{}", C::PATH), &init)?;
    let response = stub.fetch_with_request(request).await?;
    if response.status_code() != 200 {
        return Err(Error::RustError(format!(
            "call {} answered {}",
            C::PATH,
            response.status_code()
        )));
    }
    Ok(response)
}

/// Reads the answer of a call.
///
/// # Errors
/// When it is not of the answer's type.
pub async fn read_answer<C: Call>(mut response: Response) -> Result<C::Answer> {
    let text = response.text().await?;
    serde_json::from_str(&text).map_err(|error| Error::RustError(format!("call {}: {error}", C::PATH)))
}

/// Reads a call on the object's side.
///
/// # Errors
/// When the body is not the call's type or too long.
pub async fn read<C: Call>(request: &mut Request) -> Result<C> {
    let text = request.text().await?;
    if text.len() > LONGEST_CALL {
        return Err(Error::RustError(format!("call {} is too long", C::PATH)));
    }
    serde_json::from_str(&text).map_err(|error| Error::RustError(format!("call {}: {error}", C::PATH)))
}

/// Answers a call on the object's side.
///
/// # Errors
/// When the answer cannot be serialised.
pub fn answer<C: Call>(answer: &C::Answer) -> Result<Response> {
    Response::from_json(answer)
}
