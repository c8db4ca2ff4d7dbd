//! The keys that are the platform's, and those that have a value as long as the user has chosen none.
//!
//! Names and meaning follow the schema of the pinned release (`gateway.*`, `update.*`); an unknown key would stop the agent.

use super::USER_HEADER;
use super::providers;
use crate::provider::AgentProvider;
use serde_json::{Value, json};

/// Scopes that a browser of the owner gets for good. Administration is left out here and granted per connection by `identityScopes`, so a
/// copied device key alone is no administrator.
const DEVICE_SCOPES: [&str; 4] = [
    "operator.read",
    "operator.write",
    "operator.approvals",
    "operator.questions",
];
/// Scopes of a connection that the proxy has identified as the owner's.
pub const OWNER_SCOPES: [&str; 2] = ["operator.admin", "operator.pairing"];

/// Maps that belong to the platform as a whole: an entry of the user's would let another identity in.
pub const WHOLE: [&[&str]; 1] = [&["gateway", "auth", "identityScopes"]];
/// Keys that the agent keeps for itself, at the top of its document. Nobody sets them, and they are part of no version.
pub const AGENTS_OWN: [&str; 1] = ["meta"];

/// Keys that are the platform's: whatever the user's document says about them is replaced. `offered` are the providers that the agent may ask through the
/// edge; the user's own beside them are not touched.
#[must_use]
pub fn locked(owner: &str, public_origins: &[String], port: u16, offered: &[AgentProvider]) -> Value {
    let mut locked = json!({
        "gateway": {
            "port": port,
            "bind": "loopback",
            "trustedProxies": ["127.0.0.1"],
            "auth": {
                "mode": "trusted-proxy",
                "identityScopes": { owner: OWNER_SCOPES },
                "trustedProxy": {
                    "userHeader": USER_HEADER,
                    "requiredHeaders": ["x-forwarded-proto", "x-forwarded-host"],
                    "allowUsers": [owner],
                    "allowLoopback": true,
                    "deviceAutoApprove": { "enabled": true, "scopes": DEVICE_SCOPES },
                },
            },
            "controlUi": { "allowedOrigins": public_origins },
        },
    });
    // Absent where none is offered, as it was before there were any.
    if !offered.is_empty()
        && let Some(fields) = locked.as_object_mut()
    {
        fields.insert("models".into(), json!({ "providers": providers::entries(offered) }));
    }
    locked
}

/// Keys that have a value as long as the user has chosen none. The agent cannot replace itself in a read-only image, so asking an outside
/// server for a newer release helps nobody. `model` is `provider/model`, where the platform offers one.
#[must_use]
pub fn defaults(model: Option<&str>) -> Value {
    providers::with_model(&json!({ "update": { "checkOnStart": false } }), model)
}
