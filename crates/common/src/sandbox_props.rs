//! What the runtime itself says about where a call from inside a sandbox comes from. The `Sandbox` object gives it to the runtime together with the name that
//! it leads to this worker, so nothing in the sandbox can set it, and no other caller has it.

use crate::id::SandboxId;
use serde::{Deserialize, Serialize};

/// Properties (`ctx.props`) of a call that a sandbox makes through a name or a way out that is led to the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxProps {
    /// Which sandbox.
    pub sandbox: SandboxId,
    /// The start that is or was on when the name was led.
    pub generation: u64,
}
