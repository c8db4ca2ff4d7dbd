//! Paths in the agent's configuration: the old home was `/root`.

use serde_json::Value;

/// The home of the old system.
pub const OLD_HOME: &str = "/root";

/// Rewrites texts that are a path in the home `from` to the same path in `to`. How many were. Texts that only contain one are sentences, and stay.
pub fn homed(document: &mut Value, from: &str, to: &str) -> u64 {
    match document {
        Value::String(text) => {
            let rest = text
                .strip_prefix(from)
                .filter(|rest| rest.is_empty() || rest.starts_with('/'));
            let Some(rest) = rest else { return 0 };
            *text = format!("{to}{rest}");
            1
        }
        Value::Array(items) => items.iter_mut().map(|item| homed(item, from, to)).sum(),
        Value::Object(members) => members.values_mut().map(|member| homed(member, from, to)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn paths_move_and_sentences_stay() {
        let mut document = json!({"agents": {"defaults": {"workspace": "/root/openclaw"}, "list": [{"agentDir": "/root"}]},
                                  "prompt": "look in /root/x", "other": "/rooted", "n": 1});
        assert_eq!(homed(&mut document, OLD_HOME, "/home/agent"), 2);
        assert_eq!(
            document,
            json!({"agents": {"defaults": {"workspace": "/home/agent/openclaw"}, "list": [{"agentDir": "/home/agent"}]},
                                    "prompt": "look in /root/x", "other": "/rooted", "n": 1})
        );
    }

    proptest! {
        #[test]
        fn the_way_back_is_the_same(paths in prop::collection::vec("(/root)?(/[a-z]{1,6}){0,3}", 0..6)) {
            prop_assume!(paths.iter().all(|path| !path.starts_with("/home/agent")));
            let before = json!(paths);
            let mut document = before.clone();
            let there = homed(&mut document, OLD_HOME, "/home/agent");
            prop_assert!(!document.to_string().contains("\"/root\"") && !document.to_string().contains("\"/root/"));
            prop_assert_eq!(homed(&mut document, "/home/agent", OLD_HOME), there);
            prop_assert_eq!(document, before);
        }
    }
}
