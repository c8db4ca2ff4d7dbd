//! Cookies that belong to the platform and must not reach the agent, or come from it.

/// Name of the cookie that carries the user's session at the edge.
const SESSION: &str = "sb-access-token";

/// Whether a cookie of this name is the platform's. The prefixes are reserved by browsers for cookies that a host sets for itself, which
/// on this origin is the edge; browsers compare them without regard to case, so do we.
fn is_ours(name: &str) -> bool {
    let name = name.trim();
    let starts = |prefix: &str| {
        name.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    name.eq_ignore_ascii_case(SESSION) || starts("__Host-") || starts("__Secure-")
}

fn name_of(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name)
}

/// The rest of a `cookie` header, nothing when nothing rests.
pub fn without_ours(header: &str) -> Option<String> {
    let kept: Vec<&str> = header
        .split(';')
        .map(str::trim)
        .filter(|pair| !pair.is_empty() && !is_ours(name_of(pair)))
        .collect();
    (!kept.is_empty()).then(|| kept.join("; "))
}

/// Whether a `set-cookie` header of the agent would set one of the platform's cookies.
pub fn sets_ours(header: &str) -> bool {
    is_ours(name_of(header.split(';').next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_go_and_the_others_stay() {
        let header = "a=1; sb-access-token=x; __Host-refresh=y;__Secure-z=1; b=2; SB-Access-Token=q; __hOST-k=1";
        assert_eq!(without_ours(header).as_deref(), Some("a=1; b=2"));
        assert_eq!(without_ours("sb-access-token=x"), None);
        assert_eq!(without_ours("  ;; "), None);
        assert_eq!(
            without_ours("sb-access-token-other=x").as_deref(),
            Some("sb-access-token-other=x")
        );
        assert_eq!(without_ours("sb-access-token").as_deref(), None);
        assert_eq!(
            without_ours("a=sb-access-token=1").as_deref(),
            Some("a=sb-access-token=1")
        );
    }

    #[test]
    fn the_agent_cannot_set_ours() {
        assert!(sets_ours("sb-access-token=evil; Path=/"));
        assert!(sets_ours(" __Host-refresh = evil"));
        assert!(!sets_ours("theme=dark; Domain=sb-access-token"));
    }
}
