//! The rings of root keys of this deployment.

use crate::settings;
use molt_common::root_keys::{RootKeys, RootKeysError};
use std::cell::RefCell;
use std::rc::Rc;
use worker::Env;

/// Secret with the ring of repositories.
pub const REPOSITORIES: &str = "MOLT_REPOSITORY_KEYS";
/// Secret with the ring of users' secrets and of tokens for providers.
pub const SECRETS: &str = "MOLT_SECRET_KEYS";

/// A ring, and the text that it was read from.
struct Known {
    secret: &'static str,
    text: String,
    keys: Rc<RootKeys>,
}

thread_local! {
    // Many calls show a token; the text is compared, so that a changed secret is not missed.
    static KNOWN: RefCell<Vec<Known>> = const { RefCell::new(Vec::new()) };
}

/// The ring in a secret ([`REPOSITORIES`], [`SECRETS`]).
///
/// # Errors
/// When the secret is missing or malformed.
pub fn ring(env: &Env, secret: &'static str) -> Result<Rc<RootKeys>, RootKeysError> {
    let text = settings::text(env, secret).ok_or(RootKeysError("the secret is missing"))?;
    KNOWN.with_borrow_mut(|known| {
        if let Some(same) = known.iter().find(|one| one.secret == secret && one.text == text) {
            return Ok(Rc::clone(&same.keys));
        }
        let keys = Rc::new(RootKeys::parse(&text)?);
        known.retain(|one| one.secret != secret);
        known.push(Known {
            secret,
            text,
            keys: Rc::clone(&keys),
        });
        Ok(keys)
    })
}
