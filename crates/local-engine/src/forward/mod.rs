//! The way of the edge to the internet, in development: where the gateway sends what it lets out of a sandbox.
//!
//! In production the platform's own `fetch` reaches public hosts alone. The local runtime's reaches whatever the machine does, its loopback and private
//! networks among it, so the gateway's requests come here instead, each with its URL in a header, and go on to public addresses only, and to
//! stand-ins for hosts that were named on the command line.

mod connect;
mod serve;
pub mod stand_in;

pub use connect::Internet;
pub use serve::serve;
