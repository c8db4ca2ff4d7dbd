//! Whether a sandbox may ask a provider now, with whose key, and what became of it. Each decision is one transaction with what it counts.

use crate::account;
use crate::sandbox::alarm;
use crate::sandbox::secrets::{self, SecretFault};
use crate::sandbox::usage::store::{Begun, Usage};
use crate::sandbox_do::Sandbox;
use molt_common::id::UserId;
use molt_common::problem::Problem;
use molt_common::provider_call::{AdmitProviderCall, FinishProviderCall, ProviderAdmission};
use molt_lifecycle::metering::admission::{Decision, Limits, decide};
use molt_lifecycle::metering::call::Addition;
use molt_lifecycle::sandbox::Stage;
use molt_platform::{entropy, log, providers, settings, transaction};
use serde_json::json;
use worker::Result;

/// What was counted is told to lists within about this long.
const TOLD_WITHIN_MS: u64 = 5_000;
/// Variables of the deployment with the limits of every sandbox.
const PER_MINUTE: &str = "PROVIDER_CALLS_PER_MINUTE";
const AT_ONCE: &str = "PROVIDER_CALLS_AT_ONCE";

/// Answers whether the call may be made, and counts it.
pub async fn admit(object: &Sandbox, asked: &AdmitProviderCall) -> Result<ProviderAdmission> {
    let Some(owner) = owner_of_start(object, asked.generation)? else {
        return Ok(over());
    };
    match account::may_go_on(&object.env, owner).await {
        Ok(true) => {}
        Ok(false) => {
            let text = "This account is suspended. Ask your operator.";
            return Ok(refused(Problem::new(403, "user_suspended", text)));
        }
        Err(error) => {
            let sandbox = object.state.id().name();
            log::error(
                "owner_not_looked_up",
                json!({"sandbox": sandbox, "error": error.to_string()}),
            );
            let text = "Whether this account may ask a provider cannot be told just now.";
            return Ok(refused(Problem::new(503, "account_unknown", text).retry_after(2)));
        }
    }
    // It may have ended meanwhile.
    if owner_of_start(object, asked.generation)? != Some(owner) {
        return Ok(over());
    }
    let key = match secrets::provider_key(object, &asked.key_name) {
        Ok(key) => key,
        Err(fault @ SecretFault::Unreadable { .. }) => return Ok(refused(fault.problem())),
        Err(SecretFault::Storage(error)) => return Err(error),
    };
    let usage = Usage::of(object)?;
    let now = entropy::now();
    let begun = Begun {
        call: &asked.call,
        generation: asked.generation,
        provider: &asked.provider,
        own_key: key.is_some(),
    };
    let decision = transaction::atomically(&object.state, || {
        let budget = usage.budget()?.unwrap_or_default();
        let counts = usage.counts(asked.generation, &asked.call, now)?;
        let decision = decide(&budget, limits(object), &counts, now);
        if matches!(decision, Decision::Admit { .. }) {
            usage.sweep(now)?;
            usage.begin(&begun, now)?;
        }
        Ok(decision)
    })?;
    Ok(match decision {
        Decision::Admit { warning } => {
            alarm::within(object, TOLD_WITHIN_MS).await?;
            ProviderAdmission::Admitted { key, warning }
        }
        Decision::Again => ProviderAdmission::Admitted { key, warning: None },
        Decision::Refuse(problem) => refused(*problem),
    })
}

/// Takes note of a call's end.
pub async fn finish(object: &Sandbox, told: &FinishProviderCall) -> Result<bool> {
    let usage = Usage::of(object)?;
    // A table that cannot be read states no price; calls are refused elsewhere then.
    let table = providers::table(&object.env).ok();
    let counted = transaction::atomically(&object.state, || {
        let Some(begun) = usage.under_way(&told.call)? else {
            return Ok(false);
        };
        let row = table.as_ref().and_then(|table| table.find(&begun.provider));
        let add = Addition::of(&told.usage, row.map_or(&[], |row| &row.models));
        usage.end(&told.call, &begun, &add)?;
        Ok(true)
    })?;
    if counted {
        alarm::within(object, TOLD_WITHIN_MS).await?;
    }
    Ok(counted)
}

/// Whose start this is, if it is the one that is on: being made or running, not on its way out.
fn owner_of_start(object: &Sandbox, generation: u64) -> Result<Option<UserId>> {
    let machine = object.store()?.load()?;
    let on = matches!(machine.stage, Stage::Starting { .. } | Stage::Running) && object.container()?.running();
    Ok(machine.owner.filter(|_| on && machine.generation == generation))
}

fn limits(object: &Sandbox) -> Limits {
    let number = |name: &str, default: u64| {
        let set = settings::text(&object.env, name).and_then(|text| text.parse().ok());
        set.filter(|number| *number > 0).unwrap_or(default)
    };
    let default = Limits::default();
    Limits {
        per_minute: number(PER_MINUTE, default.per_minute),
        at_once: number(AT_ONCE, default.at_once),
    }
}

fn over() -> ProviderAdmission {
    let text = "The start of the sandbox that this token was made for is over.";
    refused(Problem::new(401, "generation_over", text))
}

fn refused(problem: Problem) -> ProviderAdmission {
    ProviderAdmission::Refused { problem }
}
