//! What cannot be undone is asked for twice: the first call is refused with a token, the second one carries it.

use crate::respond::Failure;
use molt_common::confirmation::{self, Confirmed};
use molt_common::id::UserId;
use molt_common::problem::Problem;
use molt_platform::{admitted, entropy};
use worker::{Env, Error};

/// What is to be confirmed.
pub struct Confirmation<'a> {
    /// What is to be done, in words of ours without a line end.
    pub action: &'a str,
    /// Whose.
    pub user: UserId,
    /// A number that is another one as soon as something else would be meant.
    pub generation: u64,
    /// What it comes to, for people.
    pub says: &'a str,
}

/// Accepts the token that a caller gave.
///
/// # Errors
/// 409 `confirmation_required` with a token that the same call may carry.
pub fn given(env: &Env, what: &Confirmation<'_>, token: Option<&str>) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Error::RustError(error.to_string());
    let keys = admitted::keys(env).map_err(|error| failed(&error))?;
    let confirmed = Confirmed {
        action: what.action,
        user: what.user,
        generation: what.generation,
    };
    let now = entropy::now();
    let why = match token.map(|token| confirmation::check(&keys, token, &confirmed, now)) {
        Some(Ok(())) => return Ok(()),
        Some(Err(error)) => format!("confirm {error}."),
        None => what.says.to_owned(),
    };
    let token = confirmation::token(&keys, &confirmed, now).map_err(|error| failed(&error))?;
    Err(Problem::new(
        409,
        "confirmation_required",
        format!("{why} Send the same call with the value of `confirm` of this answer within two minutes."),
    )
    .confirmed_by(&token)
    .into())
}
