//! The providers of this deployment.

use crate::settings;
use molt_common::provider::Provider;
use molt_common::provider::table::{Table, TableError};
use std::cell::RefCell;
use std::rc::Rc;
use worker::Env;

/// Variable with rows of providers.
pub const ROWS: &str = "PROVIDERS";
/// Base URL of an AI Gateway.
pub const GATEWAY_BASE: &str = "AI_GATEWAY_BASE_URL";

/// Settings, and what was read from them.
struct Known {
    rows: Option<String>,
    gateway: Option<String>,
    table: Rc<Table>,
}

thread_local! {
    // Every call to a provider asks for it.
    static KNOWN: RefCell<Option<Known>> = const { RefCell::new(None) };
}

/// The table of this deployment.
///
/// # Errors
/// When a setting is malformed: there is no provider then.
pub fn table(env: &Env) -> Result<Rc<Table>, TableError> {
    let rows = settings::text(env, ROWS);
    let gateway = settings::text(env, GATEWAY_BASE);
    KNOWN.with_borrow_mut(|known| {
        if let Some(same) = known.as_ref().filter(|one| one.rows == rows && one.gateway == gateway) {
            return Ok(Rc::clone(&same.table));
        }
        let table = Rc::new(Table::read(rows.as_deref(), gateway.as_deref())?);
        *known = Some(Known {
            rows,
            gateway,
            table: Rc::clone(&table),
        });
        Ok(table)
    })
}

/// The platform's own key for a provider, where the deployment has one.
#[must_use]
pub fn key(env: &Env, provider: &Provider) -> Option<String> {
    settings::text(env, &provider.key_name)
}
