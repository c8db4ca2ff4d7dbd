//! `molt secrets`: secrets of a user. A value comes from standard input or from a variable, never from an argument, which every process of the machine
//! could read; it cannot be read again.

use crate::client::{Client, ClientError, encoded};
use crate::show;
use clap::{Args, Subcommand};
use molt_common::user_secret::LONGEST_VALUE;
use serde_json::{Value, json};
use std::io::{self, IsTerminal, Read};

/// Columns of a list.
const SECRET: &[&str] = &["name", "use", "masked", "setAt", "keyId", "readable"];
/// Columns of the names that there may be.
const NAME: &[&str] = &["name", "use"];

/// What is to be done with them.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Lists a user's secrets, without their values.
    List {
        /// User id or name
        user: String,
        /// Lists the names that a secret may have instead
        #[arg(long)]
        names: bool,
    },
    /// Sets a secret, in the place of an earlier one: its value is standard input, as in `molt secrets set Ada OPENAI_API_KEY < FILE`.
    Set(Set),
    /// Takes a secret away for good.
    Remove {
        /// User id or name
        user: String,
        /// Which
        name: String,
    },
}

/// A secret that is set.
#[derive(Debug, Args)]
pub struct Set {
    /// User id or name
    user: String,
    /// One of `molt secrets list USER --names`
    name: String,
    /// Takes the value of this environment variable instead of standard input
    #[arg(long, value_name = "VARIABLE")]
    from_env: Option<String>,
}

/// Does it.
///
/// # Errors
/// See [`ClientError`].
pub fn run(client: &Client, action: &Action, json: bool) -> Result<(), ClientError> {
    match action {
        Action::List { user, names } => {
            let answer = client.get(&path(client, user, "")?, true)?;
            if json {
                return show::line(&answer.to_string());
            }
            let (columns, field) = if *names { (NAME, "names") } else { (SECRET, "secrets") };
            let rows = answer[field].as_array().cloned().unwrap_or_default();
            show::line(&show::table(columns, &rows))
        }
        Action::Set(set) => {
            let value = match &set.from_env {
                Some(variable) => of_variable(variable)?,
                None => of_input(io::stdin().lock(), io::stdin().is_terminal())?,
            };
            let path = path(client, &set.user, &format!("/{}", encoded(&set.name)))?;
            let answer = client.change("PUT", &path, None, Some(&json!({"value": value})))?;
            told(&set.name, &answer["secret"]["masked"], &answer, json)
        }
        Action::Remove { user, name } => {
            let path = path(client, user, &format!("/{}", encoded(name)))?;
            told(name, &Value::from("removed"), &client.delete(&path)?, json)
        }
    }
}

fn path(client: &Client, given: &str, rest: &str) -> Result<String, ClientError> {
    Ok(format!("/api/super/users/{}/secrets{rest}", client.user(given)?))
}

fn told(name: &str, what: &Value, answer: &Value, json: bool) -> Result<(), ClientError> {
    if json {
        return show::line(&answer.to_string());
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    show::line(&format!("{name} {}: {}", text(what), text(&answer["message"])))
}

fn of_variable(name: &str) -> Result<String, ClientError> {
    let refused = |why: &str| ClientError::Argument(format!("the variable {name} {why}"));
    match std::env::var(name) {
        Ok(value) => Ok(value),
        Err(std::env::VarError::NotPresent) => Err(refused("is not set")),
        Err(std::env::VarError::NotUnicode(_)) => Err(refused("is no text")),
    }
}

/// A value as a file or program gives it: without the end of its line.
fn of_input(input: impl Read, terminal: bool) -> Result<String, ClientError> {
    let refused = |why: &str| ClientError::Argument(format!("the value: {why}"));
    if terminal {
        return Err(refused(
            "a terminal would show it; redirect a file or a program's output, or use --from-env",
        ));
    }
    let mut bytes = Vec::new();
    // One byte more than the longest with the end of its line: what is longer is seen to be too long.
    let most = u64::try_from(LONGEST_VALUE).unwrap_or(u64::MAX).saturating_add(3);
    input
        .take(most)
        .read_to_end(&mut bytes)
        .map_err(|error| refused(&error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| refused("it is no text"))?;
    let value = text.strip_suffix('\n').unwrap_or(&text);
    let value = value.strip_suffix('\r').unwrap_or(value);
    if value.len() > LONGEST_VALUE {
        return Err(refused(&format!("it has more than {LONGEST_VALUE} bytes")));
    }
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{of_input, of_variable};
    use molt_common::user_secret::LONGEST_VALUE;

    fn read(text: &str) -> Option<String> {
        of_input(text.as_bytes(), false).ok()
    }

    #[test]
    fn one_end_of_a_line_is_no_part_of_a_value() {
        for text in ["sk-1", "sk-1\n", "sk-1\r\n"] {
            assert_eq!(read(text).as_deref(), Some("sk-1"), "{text:?}");
        }
        assert_eq!(read("sk-1\n\n").as_deref(), Some("sk-1\n"), "the API refuses it");
        assert_eq!(read(" sk-1").as_deref(), Some(" sk-1"), "the API refuses it");
        assert_eq!(read("").as_deref(), Some(""), "the API refuses it");
    }

    #[test]
    fn what_is_too_long_or_typed_is_not_sent() {
        let longest = "a".repeat(LONGEST_VALUE);
        assert_eq!(read(&format!("{longest}\r\n")), Some(longest.clone()));
        for long in [format!("{longest}a"), longest.repeat(3)] {
            let error = of_input(long.as_bytes(), false).unwrap_err().to_string();
            assert!(error.contains("more than") && !error.contains("aaa"), "{error}");
        }
        assert!(of_input("sk-1".as_bytes(), true).is_err());
        assert!(of_input([0xff_u8].as_slice(), false).is_err());
    }

    #[test]
    fn a_variable_that_is_not_there_is_named() {
        let error = of_variable("MOLT_NOT_SET_IN_ANY_TEST").unwrap_err().to_string();
        assert!(error.contains("MOLT_NOT_SET_IN_ANY_TEST"), "{error}");
    }
}
