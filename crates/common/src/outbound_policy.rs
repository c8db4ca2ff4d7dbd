//! Which hosts a user's sandbox may reach. Enforced by the engine's interception at the edge, not inside the sandbox (docs/outbound.md).

mod host;
mod verdict;

pub use host::{EntryError, HostRefusal};
pub use verdict::{Verdict, decide, is_own};

use crate::problem::Problem;
use serde::{Deserialize, Serialize};

/// Most entries of a list.
pub const MOST: usize = 200;

/// What of the internet a sandbox reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OutboundPolicy {
    /// Hosts that it reaches; `None`: every one. `example.com` is that host alone, `*.example.com` whatever lies below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// Hosts that it does not reach, whatever `allow` says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
}

impl OutboundPolicy {
    /// Whether it keeps nothing back, so that nothing needs to be intercepted.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.allow.is_none() && self.deny.is_empty()
    }

    /// The policy as it is kept: names in lower case and in ASCII (punycode), without a final dot, each once.
    ///
    /// # Errors
    /// `invalid_request` that names the entry (`allow[3]`), or the list when it is too long.
    pub fn normalized(&self) -> Result<Self, Problem> {
        Ok(Self {
            allow: self
                .allow
                .as_deref()
                .map(|entries| normalized("allow", entries))
                .transpose()?,
            deny: normalized("deny", &self.deny)?,
        })
    }
}

fn normalized(list: &str, entries: &[String]) -> Result<Vec<String>, Problem> {
    if entries.len() > MOST {
        return Err(Problem::invalid(list, format!("has more than {MOST} entries")));
    }
    let mut kept: Vec<String> = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let name = host::entry(entry).map_err(|error| Problem::invalid(&format!("{list}[{index}]"), error))?;
        if !kept.contains(&name) {
            kept.push(name);
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Lists of these entries.
    pub(super) fn policy(allow: Option<&[&str]>, deny: &[&str]) -> OutboundPolicy {
        let own = |list: &[&str]| list.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>();
        OutboundPolicy {
            allow: allow.map(own),
            deny: own(deny),
        }
    }

    #[test]
    fn entries_are_kept_in_one_spelling_and_once() {
        let given = policy(
            Some(&["EXAMPLE.com.", "example.com", "*.Münster.de", "xn--mnster-3ya.de"]),
            &["_dmarc.example.com", "a-b.example。com"],
        );
        let kept = policy(
            Some(&["example.com", "*.xn--mnster-3ya.de", "xn--mnster-3ya.de"]),
            &["_dmarc.example.com", "a-b.example.com"],
        );
        assert_eq!(given.normalized().unwrap(), kept);
        assert_eq!(kept.normalized().unwrap(), kept);
    }

    #[test]
    fn a_bad_entry_is_named_with_its_list_and_place() {
        let problem = policy(Some(&["a.example", "b.example", "c.example:80"]), &[])
            .normalized()
            .unwrap_err();
        assert_eq!((problem.status, problem.field.as_deref()), (400, Some("allow[2]")));
        assert!(problem.detail.contains("port"), "{}", problem.detail);
        let problem = policy(None, &["10.0.0.0/8"]).normalized().unwrap_err();
        assert_eq!(problem.field.as_deref(), Some("deny[0]"));
    }

    #[test]
    fn a_list_has_an_end() {
        let names: Vec<String> = (0..=MOST).map(|number| format!("h{number}.example.com")).collect();
        let most = OutboundPolicy {
            allow: Some(names[..MOST].to_vec()),
            deny: vec![],
        };
        assert!(most.normalized().is_ok());
        let more = OutboundPolicy {
            allow: None,
            deny: names,
        };
        assert_eq!(more.normalized().unwrap_err().field.as_deref(), Some("deny"));
    }

    #[test]
    fn an_empty_list_of_allowed_hosts_is_not_everything() {
        assert!(policy(None, &[]).is_everything());
        assert!(!policy(Some(&[]), &[]).is_everything());
        assert!(!policy(None, &["a.example"]).is_everything());
    }

    proptest! {
        /// Whatever is taken is taken again as it is, and could stand in a URL.
        #[test]
        fn what_is_kept_is_kept_again(entry in "\\PC{0,40}") {
            if let Ok(kept) = policy(None, &[&entry]).normalized() {
                prop_assert_eq!(&kept.normalized().unwrap(), &kept);
                let name = kept.deny[0].trim_start_matches("*.");
                let url = format!("https://{name}/");
                prop_assert!(name.bytes().all(|byte| byte.is_ascii_graphic()) && !name.contains(['/', '@', ':', '?', '#', '%']), "{url}");
            }
        }
    }
}
