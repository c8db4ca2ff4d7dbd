//! Feature flags that decide which backend answers a path class.

/// What today's deployment variables can switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// `/api/super` goes to the admin worker.
    NewAdminApi,
    /// Everything of a user's goes to the container gateway.
    NewContainerGateway,
}

impl Flag {
    /// Name of the variable, as operators know it.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Self::NewAdminApi => "USE_NEW_ADMIN_API",
            Self::NewContainerGateway => "USE_NEW_CONTAINER_GATEWAY",
        }
    }

    /// On only when the variable is exactly `true`; anything else, a missing one included, is off.
    #[must_use]
    pub fn is_on(value: Option<&str>) -> bool {
        value == Some("true")
    }
}

#[cfg(test)]
mod tests {
    use super::Flag;

    #[test]
    fn only_the_exact_word_switches_on() {
        assert!(Flag::is_on(Some("true")));
        for off in [None, Some(""), Some("TRUE"), Some("1"), Some("true "), Some("false")] {
            assert!(!Flag::is_on(off), "{off:?}");
        }
    }
}
