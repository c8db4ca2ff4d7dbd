//! Spends a refresh token once, however many requests of a burst come with it.

use crate::dispatch::Call;
use crate::{provider, session, tokens};
use molt_common::renewal::{Outcome, RenewalMemory, Step};
use molt_common::seal::Opened;
use molt_common::user_token::{Source, User};
use molt_platform::{entropy, log};
use serde_json::json;
use std::cell::RefCell;
use std::time::Duration;
use worker::Delay;

/// A request whose token has ended looks this often for what another one is finding out.
const POLL: Duration = Duration::from_millis(40);

thread_local! {
    // Plain data, never a future: a request must not wait for another one's I/O, only for its own timer.
    static MEMORY: RefCell<RenewalMemory> = RefCell::default();
}

/// What came of it.
pub enum Renewed {
    /// The session goes on.
    Granted {
        /// Who it is, by the new token.
        user: User,
        /// The new token.
        token: String,
        /// `Set-Cookie`s for the browser.
        cookies: Vec<String>,
    },
    /// The session is over.
    Refused,
    /// Nobody knows now.
    Unavailable,
}

/// Renews a session. Without `patient` it does not wait for a renewal that another request has begun: the token is still good then.
pub async fn renew(call: &Call<'_>, kept: &Opened, patient: bool) -> Renewed {
    loop {
        let step = MEMORY.with_borrow_mut(|memory| memory.begin(&kept.text, entropy::now()));
        match step {
            Step::Known(outcome) => return concluded(call, kept, outcome).await,
            Step::Wait if !patient => return Renewed::Unavailable,
            // Ends: a renewal that never ends is taken over, and this is then the one that asks.
            Step::Wait => Delay::from(POLL).await,
            Step::Ask => {
                let outcome = provider::renew(call, &kept.text).await;
                MEMORY.with_borrow_mut(|memory| memory.end(&kept.text, outcome.clone(), entropy::now()));
                return concluded(call, kept, outcome).await;
            }
        }
    }
}

/// A granted token is looked at like any other, and must be of the same person.
async fn concluded(call: &Call<'_>, kept: &Opened, outcome: Outcome) -> Renewed {
    let grant = match outcome {
        Outcome::Granted(grant) => grant,
        Outcome::Refused => return Renewed::Refused,
        Outcome::Unavailable => return Renewed::Unavailable,
    };
    match tokens::verify(call, &grant.access_token, Source::Cookie).await {
        Ok(user) if user.id == kept.user => {
            log::info("session_renewed", json!({"requestId": call.id}));
            let refresh_token = grant.refresh_token.as_deref().unwrap_or(&kept.text);
            Renewed::Granted {
                cookies: session::cookies(call, &grant.access_token, &user, Some(refresh_token)),
                token: grant.access_token,
                user,
            }
        }
        Ok(_) => {
            log::error("renewed_for_somebody_else", json!({"requestId": call.id}));
            Renewed::Refused
        }
        Err(error) => {
            log::error(
                "renewed_token_refused",
                json!({"requestId": call.id, "why": error.to_string()}),
            );
            Renewed::Unavailable
        }
    }
}
