//! `molt outbound`: which hosts of the internet a user's sandbox reaches.

use crate::client::{Client, ClientError};
use crate::exec::user;
use crate::show;
use clap::Subcommand;
use molt_common::outbound_policy::OutboundPolicy;
use serde_json::{Value, json};

/// What is to be done with the lists.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Shows them.
    Get {
        /// User id or name
        user: String,
    },
    /// Sets both. `example.com` is that host alone, `*.example.com` whatever lies below it; what is denied is denied although it is allowed.
    #[command(group(clap::ArgGroup::new("lists").required(true).multiple(true).args(["allow", "allow_none", "deny"])))]
    Set {
        /// User id or name
        user: String,
        /// Reaches this host and, beside the other ones allowed, no further one; may be repeated
        #[arg(long, value_name = "HOST")]
        allow: Vec<String>,
        /// Reaches no host at all
        #[arg(long, conflicts_with = "allow")]
        allow_none: bool,
        /// Does not reach this host; may be repeated
        #[arg(long, value_name = "HOST")]
        deny: Vec<String>,
    },
    /// Takes both away: it reaches everything.
    Clear {
        /// User id or name
        user: String,
    },
}

/// Does it.
///
/// # Errors
/// See [`ClientError`].
pub fn run(client: &Client, action: &Action, json: bool) -> Result<(), ClientError> {
    let path = |name: &str| Ok::<_, ClientError>(format!("/api/super/users/{}/outbound", user(client, name)?));
    let answer = match action {
        Action::Get { user } => client.get(&path(user)?, true)?,
        Action::Set {
            user,
            allow,
            allow_none,
            deny,
        } => {
            let policy = OutboundPolicy {
                allow: (*allow_none || !allow.is_empty()).then(|| allow.clone()),
                deny: deny.clone(),
            };
            client.change("PUT", &path(user)?, None, Some(&json!(policy)))?
        }
        Action::Clear { user } => client.change("DELETE", &path(user)?, None, None)?,
    };
    show::outbound(&in_words(&answer, json), json)
}

/// The answer with words for what a table cannot show: no list at all, and an empty one.
fn in_words(answer: &Value, json: bool) -> Value {
    let mut words = answer.clone();
    if !json && let Some(row) = words.as_object_mut() {
        let allow = match row.get("allow") {
            Some(Value::Array(list)) if list.is_empty() => "nothing".into(),
            Some(Value::Array(list)) => Value::Array(list.clone()),
            _ => "everything".into(),
        };
        row.insert("allow".into(), allow);
        if row.get("deny") == Some(&json!([])) {
            row.insert("deny".into(), "nothing".into());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::in_words;
    use serde_json::json;

    #[test]
    fn no_list_and_an_empty_one_are_told_apart() {
        let shown = |allow| in_words(&json!({"allow": allow, "deny": []}), false);
        assert_eq!(shown(json!(null)), json!({"allow": "everything", "deny": "nothing"}));
        assert_eq!(shown(json!([]))["allow"], "nothing");
        assert_eq!(shown(json!(["a.example"]))["allow"], json!(["a.example"]));
    }
}
