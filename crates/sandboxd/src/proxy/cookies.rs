//! Cookies that belong to the platform must not come from the agent either; see `molt_common::cookie`.

use molt_common::cookie;

/// Whether a `set-cookie` header of the agent would set one of the platform's cookies.
pub fn sets_ours(header: &str) -> bool {
    // A cookie without a name is sent back as its bare value, which may read `name=value` again.
    let pair = header
        .split(';')
        .next()
        .unwrap_or_default()
        .trim_start_matches([' ', '\t', '=']);
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
        assert!(sets_ours("=sb-access-token=evil") && sets_ours(" = =__Host-x=evil") && sets_ours("sb-access-token"));
        assert!(!sets_ours("theme=dark; Domain=sb-access-token"));
    }
}
