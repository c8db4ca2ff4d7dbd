//! One change of the configuration at a time: what an answer of the supervisor says is noted before the next question is asked.

use crate::sandbox_do::Sandbox;
use molt_platform::entropy;
use std::cell::Cell;
use std::time::Duration;
use worker::Delay;

/// How long a change waits for those before it.
const PATIENCE_MS: u64 = 25_000;
/// Between two looks whether it is its turn.
const LOOK: Duration = Duration::from_millis(20);

/// Held by the one whose turn it is.
pub struct Turn<'a>(&'a Cell<bool>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// Takes the turn if nobody has it.
pub fn take(object: &Sandbox) -> Option<Turn<'_>> {
    (!object.config_turn.replace(true)).then(|| Turn(&object.config_turn))
}

/// Waits for the turn; `None` when it did not come.
pub async fn wait(object: &Sandbox) -> Option<Turn<'_>> {
    let until = entropy::now().plus(PATIENCE_MS);
    loop {
        if let Some(turn) = take(object) {
            return Some(turn);
        }
        if entropy::now() >= until {
            return None;
        }
        Delay::from(LOOK).await;
    }
}
