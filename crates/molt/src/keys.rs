//! `molt keys`: admin keys.

use crate::client::{Client, ClientError};
use crate::show;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use molt_common::admin_key::KeyId;
use molt_common::scope::Scope;
use serde::Serialize;
use serde_json::Value;
use std::io::{IsTerminal, Write};

const KEYS: &str = "/api/super/keys";
const BOOTSTRAP: &str = "/api/super/keys/bootstrap";

/// What is to be done with keys.
#[derive(Subcommand)]
pub enum Action {
    /// Lists the bootstrap secret and all keys, the revoked and expired ones too.
    List,
    /// Makes a key and writes it to standard output, alone; everything else goes to standard error.
    Create(Create),
    /// Revokes a key: it is refused everywhere within half a minute.
    Revoke {
        /// Its id, 16 hexadecimal digits.
        id: String,
    },
    /// Switches the bootstrap secret on or off.
    Bootstrap {
        /// Off is refused while no key with `keys:write` is good.
        switch: Switch,
    },
}

/// A key that is wanted.
#[derive(Args)]
pub struct Create {
    /// What it is for.
    #[arg(long)]
    name: String,
    /// What it may do, no more than the credential that makes it; may be given several times.
    #[arg(long = "scope", required = true, num_args = 1.., value_parser = scope_parser())]
    scopes: Vec<Scope>,
    /// How long it is good, such as 30d, 12h or 1h30m; it does not expire when not given. An M is a month, an m a minute.
    #[arg(long, value_parser = milliseconds)]
    expires_in: Option<u64>,
}

/// How the bootstrap secret is to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// It opens everything.
    On,
    /// It opens nothing.
    Off,
}

/// The request as the API takes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyRequest<'a> {
    name: &'a str,
    scopes: &'a [Scope],
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in_ms: Option<u64>,
}

fn scope_parser() -> impl TypedValueParser<Value = Scope> {
    let words = Scope::ALL
        .iter()
        .map(|scope| PossibleValue::new(scope.word()).help(scope.says()));
    PossibleValuesParser::new(words).try_map(|word| word.parse::<Scope>())
}

fn milliseconds(text: &str) -> Result<u64, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    u64::try_from(duration.as_millis()).map_err(|_| "is too long".into())
}

/// Does it.
///
/// # Errors
/// See [`ClientError`].
pub fn run(client: &Client, action: &Action, json: bool) -> Result<(), ClientError> {
    match action {
        Action::List => show::keys(&client.list(KEYS, "keys")?, json),
        Action::Create(wanted) => create(client, wanted, json),
        Action::Revoke { id } => show::key(&client.delete(&format!("{KEYS}/{}", key_id(id)?))?, json),
        Action::Bootstrap { switch: Switch::On } => show::key(&client.post_empty(BOOTSTRAP)?, json),
        Action::Bootstrap { switch: Switch::Off } => show::key(&client.delete(BOOTSTRAP)?, json),
    }
}

/// An id of a key and of nothing else: the path of `bootstrap` lies beside those of keys and means another thing. What was given is not
/// repeated, for it may be a whole key.
fn key_id(given: &str) -> Result<KeyId, ClientError> {
    KeyId::parse(given).map_err(|_| {
        let text = "ID must be the 16 hexadecimal digits that `molt keys list` shows; for the bootstrap secret use `molt keys bootstrap off`";
        ClientError::Argument(text.into())
    })
}

fn create(client: &Client, wanted: &Create, json: bool) -> Result<(), ClientError> {
    let request = KeyRequest {
        name: &wanted.name,
        scopes: &wanted.scopes,
        expires_in_ms: wanted.expires_in,
    };
    let made = client.post(KEYS, &request)?;
    let (Some(id), Some(key)) = (made["id"].as_str(), made["key"].as_str()) else {
        // Whatever it is, it may hold the key.
        return Err(ClientError::Unexpected(KEYS.into(), "without an id or a key".into()));
    };
    let mut output = std::io::stdout().lock();
    let written = if json {
        writeln!(output, "{made}")
    } else {
        writeln!(output, "{key}")
    };
    written
        .and_then(|()| output.flush())
        .map_err(|cause| ClientError::KeyLost { id: id.into(), cause })?;
    // The key is where it was wanted: nothing that goes wrong with the remarks is a failure.
    let _ = writeln!(
        std::io::stderr(),
        "{}",
        remarks(&made, json, std::io::stdout().is_terminal())
    );
    Ok(())
}

/// What is said about a new key beside it.
fn remarks(made: &Value, json: bool, terminal: bool) -> String {
    let about = (!json).then(|| show::table(show::KEY, std::slice::from_ref(made)));
    let warning = if terminal {
        "molt: the key above is shown this once and cannot be had again: keep it now, and clear the terminal"
    } else {
        "molt: the key is on standard output and cannot be had again"
    };
    about
        .into_iter()
        .chain([warning.to_owned()])
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::{KeyRequest, key_id, milliseconds, remarks};
    use molt_common::admin_key::AdminKey;
    use molt_common::scope::Scope;
    use serde_json::json;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, expected) in [
            ("30d", 30 * 86_400_000),
            ("1h30m", 5_400_000),
            ("2 weeks", 14 * 86_400_000),
            ("250ms", 250),
            ("0s", 0),
        ] {
            assert_eq!(milliseconds(text), Ok(expected), "{text}");
        }
        for bad in [
            "",
            "30",
            "d",
            "-1d",
            "soon",
            "1 fortnight",
            "9223372036854775807y",
            "18446744073709551615s",
        ] {
            assert!(milliseconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_request_is_as_the_api_takes_it() {
        let request = |expires_in_ms| KeyRequest {
            name: "nightly",
            scopes: &[Scope::FleetRead, Scope::Everything],
            expires_in_ms,
        };
        assert_eq!(
            serde_json::to_value(request(Some(5))).unwrap(),
            json!({"name": "nightly", "scopes": ["fleet:read", "*"], "expiresInMs": 5})
        );
        assert!(!serde_json::to_string(&request(None)).unwrap().contains("expires"));
    }

    #[test]
    fn only_ids_of_keys_are_revoked_and_a_whole_key_is_not_repeated() {
        assert_eq!(key_id("0123456789abcdef").unwrap().as_str(), "0123456789abcdef");
        let key = AdminKey::new([0xab; 8], [0xcd; 32]).reveal();
        for bad in ["", "bootstrap", "0123456789ABCDEF", "../keys/bootstrap", key.as_str()] {
            let refused = key_id(bad).unwrap_err().to_string();
            assert!(refused.starts_with("ID must be"), "{refused}");
            assert!(!refused.contains("cdcd"), "{refused}");
        }
    }

    #[test]
    fn remarks_never_hold_the_key_and_warn_at_a_terminal() {
        let made = json!({"id": "0123456789abcdef", "name": "n", "scopes": ["*"], "key": "molt_secret", "createdBy": "bootstrap"});
        for (json, terminal) in [(false, false), (false, true), (true, false), (true, true)] {
            let text = remarks(&made, json, terminal);
            assert!(!text.contains("molt_secret"), "{text}");
            assert_eq!(text.contains("shown this once"), terminal, "{text}");
            assert_eq!(text.contains("0123456789abcdef"), !json, "{text}");
        }
    }
}
