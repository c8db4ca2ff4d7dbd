//! The identity that the router signs, checked on the side of the worker that is called.

use crate::forward::header;
use crate::{entropy, log, settings};
use molt_common::identity::{self, Identity, IdentityError, IdentityKeys, Kind};
use molt_common::problem::Problem;
use serde_json::json;
use std::cell::RefCell;
use std::rc::Rc;
use web_sys::Request;
use worker::Env;

thread_local! {
    // Parsing takes longer than verifying; the text is compared, so that a changed secret is not missed.
    static KEYS: RefCell<Option<(String, Rc<IdentityKeys>)>> = const { RefCell::new(None) };
}

/// The keys of this deployment (secret `MOLT_IDENTITY_KEYS`).
///
/// # Errors
/// [`IdentityError::Keys`].
pub fn keys(env: &Env) -> Result<Rc<IdentityKeys>, IdentityError> {
    let text = settings::text(env, "MOLT_IDENTITY_KEYS").unwrap_or_default();
    let known = KEYS.with_borrow(|known| {
        let (same, keys) = known.as_ref()?;
        (*same == text).then(|| Rc::clone(keys))
    });
    if let Some(keys) = known {
        return Ok(keys);
    }
    let keys = Rc::new(IdentityKeys::parse(&text)?);
    KEYS.with_borrow_mut(|known| *known = Some((text, Rc::clone(&keys))));
    Ok(keys)
}

/// Who calls: accepted for exactly this method and `path`, and only from a principal of this kind.
///
/// # Errors
/// 401 `identity_required`; the log says why.
pub fn verified(request: &Request, env: &Env, kind: Kind, path: &str) -> Result<Identity, Problem> {
    let token = header(request, identity::HEADER);
    keys(env)
        .and_then(|keys| keys.verify(token.as_deref(), kind, &request.method(), path, entropy::now()))
        .map_err(|error| {
            log::error("identity_refused", json!({"path": path, "why": error.to_string()}));
            Problem::new(401, "identity_required", "Calls come through the router.")
        })
}
