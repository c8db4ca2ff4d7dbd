//! Rate limits: which policy counts a request ([`Class`]), how much it allows ([`Policies`]), whose request it is ([`Subject`]), whether it
//! is one too many ([`WindowLog`]), and what the answer says about it ([`headers`]).
//!
//! At most N requests are admitted within any span of a window's length, and what is refused is not counted. Where the count is kept is not
//! decided here: an isolate of the router keeps most classes and shares them through KV ([`IsolateCounters`]), a Durable Object the strict ones
//! ([`Take`]).

mod class;
pub mod headers;
mod isolate;
mod policy;
mod refusals;
mod standing;
mod subject;
mod take;
mod window_log;

pub use class::{Class, Keeper, Traits};
pub use isolate::{Duty, IsolateCounters, KV_PREFIX, LEAST_TTL_S};
pub use policy::{BadPolicy, Policies, Policy};
pub use refusals::Refusals;
pub use standing::{Standing, rate_limited, unavailable};
pub use subject::{CounterKey, Subject};
pub use take::{TAKE_PATH, Take};
pub use window_log::WindowLog;
