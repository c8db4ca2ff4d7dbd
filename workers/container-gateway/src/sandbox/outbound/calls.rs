//! What others ask about the lists.

use super::internet;
use super::store::Outbound;
use crate::sandbox::alarm;
use crate::sandbox::changes::notes::note;
use crate::sandbox_do::Sandbox;
use molt_common::outbound_call::{OutboundAdmission, OutboundView, SetOutbound, Started, standing};
use molt_platform::{entropy, log, transaction};
use serde_json::json;
use worker::Result;

/// What it may reach.
pub fn get(object: &Sandbox) -> Result<OutboundView> {
    let outbound = Outbound::of(object)?;
    let kept = outbound.kept()?;
    let started = if object.container()?.running() {
        let generation = object.store()?.load()?.generation;
        match outbound.is_intercepted(generation)? {
            Some(true) => Started::Intercepted,
            Some(false) | None => Started::Open,
        }
    } else {
        Started::NotAtAll
    };
    Ok(OutboundView {
        standing: standing(&kept.policy, started, internet(object)),
        policy: kept.policy,
        version: kept.version,
        changed_at: kept.changed_at,
    })
}

/// It may reach this from now on.
pub async fn set(object: &Sandbox, asked: &SetOutbound) -> Result<OutboundView> {
    let outbound = Outbound::of(object)?;
    let before = outbound.kept()?;
    if before.policy != asked.policy {
        let version = before.version.saturating_add(1);
        // The lists of before are in the entry before.
        let detail = json!({"version": version, "allow": asked.policy.allow, "deny": asked.policy.deny});
        let target = asked.owner.to_string();
        transaction::atomically(&object.state, || {
            outbound.save(&asked.policy, version, entropy::now())?;
            note(object, asked.owner, &asked.by, "sandbox.outbound_set", &target, &detail)
        })?;
        log::info(
            "outbound_set",
            json!({"sandbox": object.state.id().name(), "version": version, "requestId": asked.by.request_id}),
        );
        // It copies the audit trail.
        alarm::now(object).await?;
    }
    get(object)
}

/// What an intercepted request is measured by.
pub fn admit(object: &Sandbox) -> Result<OutboundAdmission> {
    if !internet(object) {
        return Ok(OutboundAdmission::Closed);
    }
    let policy = Outbound::of(object)?.policy()?;
    Ok(OutboundAdmission::By { policy })
}
