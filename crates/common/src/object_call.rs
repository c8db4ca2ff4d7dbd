//! Typed calls to Durable Objects: one path, one request type and one answer type each.
//!
//! A call is `POST http://calls.object<PATH>` with JSON on the object's stub. Only a worker that holds the binding can make it.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Host name of calls.
pub const CALL_HOST: &str = "calls.object";

/// One kind of call.
pub trait Call: Serialize + DeserializeOwned {
    /// Path, unique among the calls of an object.
    const PATH: &'static str;
    /// What the object answers.
    type Answer: Serialize + DeserializeOwned;
}
