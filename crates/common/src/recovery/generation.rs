//! The number of starts of a restored sandbox: higher than any that the platform of before can have given, or a token of then would count again.

use crate::time::Millis;

/// Starts that are taken for possible in any case.
const AT_LEAST: u64 = 1_000;
/// No start of a sandbox is over, and the next begun, in less time than this.
const FASTEST_START_MS: u64 = 100;

/// The number that the next start must exceed. The archive says `exported`; the platform of before may have gone on after that, and may still.
/// A sandbox that was never started gave no number.
#[must_use]
pub fn after(exported: u64, exported_at: Millis, now: Millis) -> u64 {
    if exported == 0 {
        return 0;
    }
    let possible = now.since(exported_at) / FASTEST_START_MS;
    exported.saturating_add(possible).saturating_add(AT_LEAST)
}

#[cfg(test)]
mod tests {
    use super::after;
    use crate::time::Millis;

    #[test]
    fn it_is_higher_than_what_the_time_since_allows() {
        assert_eq!(after(7, Millis(1_000), Millis(1_000)), 1_007);
        // Ten starts a second for a day.
        assert_eq!(after(7, Millis(0), Millis(86_400_000)), 7 + 864_000 + 1_000);
        assert_eq!(after(7, Millis(5_000), Millis(0)), 1_007, "clocks may differ");
        assert_eq!(after(0, Millis(0), Millis(86_400_000)), 0);
    }
}
