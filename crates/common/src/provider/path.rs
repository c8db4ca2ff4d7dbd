//! Which paths of a provider a sandbox may ask for.

use super::{PROVIDER_PATH, Provider, is_id};
use crate::path;

/// Longest path of a provider, in bytes.
const LONGEST: usize = 512;
/// What a row's path ends with when everything below it may be asked for.
const ALL_BELOW: &str = "/*";

/// A path below [`PROVIDER_PATH`], read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// Which provider; perhaps there is none of this id.
    pub provider: &'a str,
    /// The path at the provider, with its first slash. Plain: see [`is_plain`].
    pub path: &'a str,
}

/// Whether a path belongs to providers, in whatever spelling of what follows.
#[must_use]
pub fn covers(path: &str) -> bool {
    path::below(path, PROVIDER_PATH)
}

/// Reads a request's path; `None` when it names no provider, or a path that two readers could read differently.
#[must_use]
pub fn asked(path: &str) -> Option<Asked<'_>> {
    let rest = path.strip_prefix(PROVIDER_PATH)?.strip_prefix('/')?;
    let slash = rest.find('/')?;
    let (provider, path) = rest.split_at_checked(slash)?;
    (is_id(provider) && is_plain(path)).then_some(Asked { provider, path })
}

/// Whether a path is one for every reader: segments of letters, digits and `._~:@-`, none of them empty or of dots alone. So it has no escapes, which
/// the provider might undo, and nothing for anybody to tidy up.
#[must_use]
pub fn is_plain(path: &str) -> bool {
    let segment = |text: &str| {
        !text.is_empty()
            && text.bytes().any(|byte| byte != b'.')
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._~:@-".contains(&byte))
    };
    path.len() <= LONGEST
        && path
            .strip_prefix('/')
            .is_some_and(|segments| segments.split('/').all(segment))
}

/// Whether a text is a path as a row may list it.
#[must_use]
pub(super) fn is_listed_form(path: &str) -> bool {
    match path.strip_suffix(ALL_BELOW) {
        Some("") => true,
        Some(above) => is_plain(above),
        None => is_plain(path),
    }
}

impl Provider {
    /// Whether it may be asked for a plain path.
    #[must_use]
    pub fn admits(&self, path: &str) -> bool {
        self.paths.iter().any(|listed| match listed.strip_suffix(ALL_BELOW) {
            Some(above) => path
                .strip_prefix(above)
                .is_some_and(|below| below.len() > 1 && below.starts_with('/')),
            None => path == listed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, asked, covers, is_listed_form, is_plain};
    use crate::provider::table::Table;
    use proptest::prelude::*;

    #[test]
    fn a_path_names_a_provider_and_what_is_asked_of_it() {
        let read = asked("/_molt/providers/openai/v1/models/ft:gpt-4o@x").unwrap();
        assert_eq!((read.provider, read.path), ("openai", "/v1/models/ft:gpt-4o@x"));
        for none in [
            "/_molt/providers",
            "/_molt/providers/",
            "/_molt/providers/openai",
            "/_molt/providers/openai/",
            "/_molt/providersopenai/v1/models",
            "/_molt/providers/Openai/v1/models",
            "/_molt/providers//openai/v1/models",
            "/x/_molt/providers/openai/v1/models",
        ] {
            assert_eq!(asked(none), None, "{none}");
        }
        assert!(covers("/_molt/providers") && covers("/_molt/providers/%2e") && !covers("/_molt/providersx"));
    }

    #[test]
    fn odd_spellings_are_none() {
        for odd in [
            "/v1/../v1/chat/completions",
            "/v1/./models",
            "/v1/...",
            "/v1//models",
            "/v1/models/",
            "/v1%2Fmodels",
            "/v1/%6dodels",
            "/v1/models/%2e%2e",
            "/v1\\models",
            "/v1/models;x",
            "/v1/models?x",
            "/v1/models#x",
            "/v1/mödels",
            "/v1/models\n",
            "/v1/models x",
            "",
            "v1/models",
        ] {
            assert!(!is_plain(odd), "{odd:?}");
        }
        assert!(!is_plain(&format!("/{}", "a".repeat(512))));
    }

    #[test]
    fn only_listed_paths_are_admitted() {
        let table = Table::read(None, None).unwrap();
        let openai = table.find("openai").unwrap();
        assert!(openai.admits("/v1/chat/completions") && openai.admits("/v1/models/gpt-4o"));
        for outside in [
            "/v1/files",
            "/v1/models/a/b/../c/",
            "/v1/chat/completions/x",
            "/v1/chat",
            "/v1/models/",
            "/v1/modelsx",
            "/v1/organization/admin_api_keys",
            "/V1/models",
            "/",
        ] {
            assert!(!(is_plain(outside) && openai.admits(outside)), "{outside}");
        }
    }

    #[test]
    fn a_listed_path_is_plain_and_ends_with_one_star_at_most() {
        for good in ["/v1/models", "/v1/models/*", "/*"] {
            assert!(is_listed_form(good), "{good}");
        }
        for bad in ["", "*", "/v1/*/x", "/v1/models*", "/v1/**", "/v1/../*", "/v1/*/*"] {
            assert!(!is_listed_form(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_sent(text in "/_molt/providers/[a-zA-Z0-9./%~*_\\\\-]{0,40}") {
            if let Some(Asked { provider, path }) = asked(&text) {
                prop_assert_eq!(format!("/_molt/providers/{provider}{path}"), text.as_str());
                let tidied = ["//", "/./", "/../", "%", "\\"];
                prop_assert!(!tidied.iter().any(|odd| path.contains(odd)), "{}", path);
            }
        }
    }
}
