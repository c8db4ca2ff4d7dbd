//! Time and randomness of the runtime.

use molt_common::time::Millis;

/// Now. It stands still between two I/O operations, as the runtime has it.
#[must_use]
pub fn now() -> Millis {
    Millis(worker::Date::now().as_millis())
}

/// Random bytes from Web Crypto.
///
/// # Errors
/// Outside a request (global scope has no randomness).
pub fn bytes<const N: usize>() -> worker::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| worker::Error::RustError(format!("randomness: {error}")))?;
    Ok(bytes)
}
