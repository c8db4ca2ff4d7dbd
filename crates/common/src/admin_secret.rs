//! The bootstrap admin secret: compared in constant time, closed when it is not configured.

use crate::problem::Problem;
use subtle::ConstantTimeEq;

/// Header that carries it.
pub const HEADER: &str = "x-admin-secret";
const LABEL: &str = "Super admin access required";
/// A shorter one could be guessed; it counts as not configured.
const SHORTEST: usize = 16;

/// Decides whether `given` (the header) opens the admin API guarded by `configured` (the secret).
///
/// # Errors
/// 503 when no usable secret is configured, 401 when none or an empty one is given, 403 when it is wrong.
pub fn check(given: Option<&str>, configured: Option<&str>) -> Result<(), Problem> {
    let configured = configured.filter(|secret| secret.len() >= SHORTEST).ok_or_else(|| {
        Problem::new(
            503,
            "admin_secret_not_configured",
            "No admin secret of 16 characters or more is configured.",
        )
        .labelled(LABEL)
    })?;
    let given = given.filter(|secret| !secret.is_empty()).ok_or_else(|| {
        Problem::new(
            401,
            "admin_secret_missing",
            "Send the admin secret in the header X-Admin-Secret.",
        )
        .labelled(LABEL)
    })?;
    if bool::from(given.as_bytes().ct_eq(configured.as_bytes())) {
        Ok(())
    } else {
        Err(Problem::new(
            403,
            "admin_secret_wrong",
            "The value of X-Admin-Secret is not the admin secret.",
        )
        .labelled(LABEL))
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    const SECRET: &str = "0123456789abcdef0123";

    #[test]
    fn only_the_secret_opens() {
        assert!(check(Some(SECRET), Some(SECRET)).is_ok());
        for (given, status) in [
            (None, 401),
            (Some(""), 401),
            (Some("0123456789abcdef012"), 403),
            (Some("0123456789abcdef01234"), 403),
            (Some("wrong"), 403),
        ] {
            assert_eq!(check(given, Some(SECRET)).unwrap_err().status, status, "{given:?}");
        }
    }

    #[test]
    fn closed_when_unset_empty_or_short() {
        for configured in [None, Some(""), Some("short")] {
            for given in [None, Some(""), configured, Some(SECRET)] {
                assert_eq!(check(given, configured).unwrap_err().status, 503);
            }
        }
    }
}
