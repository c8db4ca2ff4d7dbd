//! What an isolate remembers of sandboxes' lists, for a second.

use molt_common::id::SandboxId;
use molt_common::outbound_call::{AdmitOutbound, OutboundAdmission};
use molt_common::time::Millis;
use molt_platform::{call, entropy};
use std::cell::RefCell;
use std::collections::HashMap;
use worker::{Env, Result};

/// How long an answer of a sandbox's object counts, in milliseconds: a page of a site is dozens of requests, and a change is to be felt at once.
const FRESH_MS: u64 = 1_000;
/// Most sandboxes that are remembered; one more and all are asked anew.
const MOST: usize = 512;

thread_local! {
    static KNOWN: RefCell<HashMap<SandboxId, (Millis, OutboundAdmission)>> = RefCell::new(HashMap::new());
}

/// What a sandbox may reach.
///
/// # Errors
/// When its object does not answer.
pub async fn of(env: &Env, sandbox: &SandboxId) -> Result<OutboundAdmission> {
    let now = entropy::now();
    let known = KNOWN.with_borrow(|known| {
        let (until, admission) = known.get(sandbox)?;
        (*until > now).then(|| admission.clone())
    });
    if let Some(admission) = known {
        return Ok(admission);
    }
    let admission = call::make(&call::sandbox(env, sandbox)?, &AdmitOutbound {}).await?;
    KNOWN.with_borrow_mut(|known| {
        if known.len() >= MOST {
            known.clear();
        }
        // From before it was asked: what was set meanwhile counts that much sooner.
        known.insert(sandbox.clone(), (now.plus(FRESH_MS), admission.clone()));
    });
    Ok(admission)
}
