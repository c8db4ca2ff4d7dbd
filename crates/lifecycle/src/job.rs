//! What every kind of job shares: leases on steps, pauses between tries, who may begin, how long results stay.
//!
//! A job is data that an object stores. A *step* is one call that brings it on: begun with a lease, which is stored before the call is made, and
//! answered for that lease. So an object that was evicted in between finds what it had begun, and what answers an older try changes nothing.

mod doubt;
mod lease;
mod patience;
mod queue;
mod retention;

pub use doubt::Doubt;
pub use lease::Lease;
pub use patience::{Patience, pause_ms};
pub use queue::{Admission, Limits};
pub use retention::Retention;
