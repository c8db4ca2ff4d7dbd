//! Who may still add objects: a generation that is over adds nothing more, although its token is good for hours.
//!
//! Its object knows which generation lives. Asking it with every pack would double the hops of a save, so each isolate asks once in a while for the
//! least generation that may add, which only ever grows: what is below it is refused at once, and what an isolate has not heard of is refused
//! when it asks next.

use crate::repository::Call;
use crate::repository::refusal::Refusal;
use molt_common::id::SandboxId;
use molt_common::problem::Problem;
use molt_common::snapshot_call::LeastGeneration;
use molt_common::time::Millis;
use molt_platform::{call as object_call, entropy};
use std::cell::RefCell;
use std::collections::HashMap;

/// The object is asked again after this long.
const FRESH_MS: u64 = 10_000;
/// Sandboxes that an isolate remembers at most.
const MOST: usize = 2_000;

thread_local! {
    // Plain data, never a future: a request must not wait for another one's I/O.
    static KNOWN: RefCell<HashMap<SandboxId, (Millis, u64)>> = RefCell::new(HashMap::new());
}

/// Whether the call's token may add objects now.
///
/// # Errors
/// 403 `generation_over`; 503 when the object does not say.
pub async fn may_add(call: &Call<'_>) -> Result<(), Refusal> {
    let (sandbox, generation) = (&call.root.sandbox, call.claims.generation);
    let now = entropy::now();
    let known = KNOWN.with_borrow(|known| known.get(sandbox).copied());
    let least = match known {
        Some((at, least)) if generation < least || now.since(at) < FRESH_MS => least,
        _ => {
            let object = object_call::sandbox(call.env, sandbox)?;
            let least = object_call::make(&object, &LeastGeneration {}).await?;
            KNOWN.with_borrow_mut(|known| {
                if known.len() >= MOST {
                    known.clear();
                }
                known.insert(sandbox.clone(), (now, least));
            });
            least
        }
    };
    if generation < least {
        let text = "The generation that this token was made for is over: it stores nothing any more.";
        return Err(Problem::new(403, "generation_over", text).into());
    }
    Ok(())
}
