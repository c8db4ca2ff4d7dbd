//! Cookies that belong to the platform must not come from the agent either; see `molt_common::cookie`.

use molt_common::cookie;

/// Whether a `set-cookie` header of the agent would set one of the platform's cookies.
pub fn sets_ours(header: &str) -> bool {
    let pair = header.split(';').next().unwrap_or_default();
    cookie::is_ours(pair.split('=').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::sets_ours;

    #[test]
    fn the_agent_cannot_set_ours() {
        assert!(sets_ours("sb-access-token=evil; Path=/"));
        assert!(sets_ours("molt-login-state=evil; Path=/"));
        assert!(sets_ours(" __Host-refresh = evil"));
        assert!(!sets_ours("theme=dark; Domain=sb-access-token"));
    }
}
