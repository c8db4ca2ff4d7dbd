//! `molt flags`: which backend answers, and for whom.

mod merge;
mod table;

use crate::client::{Client, ClientError, encoded};
use crate::show;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args, Subcommand};
use merge::{merged, request, unkilled};
use molt_common::api::flags::{FlagChange, FlagView};
use molt_common::flag::{Flag, FlagSetting, Subject};
use serde_json::{Value, json};
use std::io::Write;
use table::{CHANGE, EVALUATION, FLAG, history_row, row};

const FLAGS: &str = "/api/super/flags";
/// How often a change is tried again when somebody else's came between.
const TRIES: u32 = 5;

/// What is to be done with flags.
#[derive(Subcommand)]
pub enum Action {
    /// Lists all flags, those that were never set too.
    List,
    /// Shows one flag.
    Get {
        /// Name of the flag.
        #[arg(value_parser = flag_parser())]
        name: Flag,
    },
    /// Changes what is given and leaves the rest as it is.
    Set(Set),
    /// Switches a flag off for everybody, whatever the rest of its setting says.
    Kill(Change),
    /// Takes a kill back: the rest of the setting counts again.
    Unkill(Change),
    /// Takes the last change back. Undoing an undo brings back what it took.
    Undo(Change),
    /// Leaves a flag to the variable of deployment.
    Clear(Change),
    /// Lists the changes of a flag, newest first.
    History {
        /// Name of the flag.
        #[arg(value_parser = flag_parser())]
        name: Flag,
    },
    /// Says whether a flag is on for somebody, and why.
    Evaluate {
        /// Name of the flag.
        #[arg(value_parser = flag_parser())]
        name: Flag,
        /// A user's id, an admin key's id or `bootstrap`; when not given, somebody without a verified credential.
        #[arg(value_parser = subject)]
        subject: Option<Subject>,
    },
}

/// A change of a flag.
#[derive(Args)]
pub struct Change {
    /// Name of the flag.
    #[arg(value_parser = flag_parser())]
    name: Flag,
    /// Why, for the history and the audit trail.
    #[arg(long)]
    reason: Option<String>,
    /// Only when the flag has this version; 0 when it was never changed.
    #[arg(long)]
    if_version: Option<u64>,
    /// Although nothing is bound as LEGACY, so that those who are taken off get 503.
    #[arg(long)]
    allow_outage: bool,
}

/// What is to be set.
#[derive(Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(true))]
pub struct Set {
    #[command(flatten)]
    change: Change,
    /// Off: nobody but those on the allow list.
    #[arg(long, group = "what", action = clap::ArgAction::Set)]
    enabled: Option<bool>,
    /// Share of subjects, 0 to 100. A flag that was never set is enabled by this.
    #[arg(long, group = "what", value_parser = clap::value_parser!(u8).range(0..=100))]
    percent: Option<u8>,
    /// Puts a subject, such as a user's id, on the allow list (and takes it off the other); may be given several times.
    #[arg(long, group = "what", value_parser = subject)]
    allow: Vec<Subject>,
    /// Puts a subject on the deny list (and takes it off the other); may be given several times.
    #[arg(long, group = "what", value_parser = subject)]
    deny: Vec<Subject>,
    /// Takes a subject off both lists; may be given several times.
    #[arg(long, group = "what", value_parser = subject)]
    unlist: Vec<Subject>,
    /// Whether users whom the flag no longer covers go back although the disk of their sandbox is discarded by that.
    #[arg(long, group = "what", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    discard_disk: Option<bool>,
}

fn flag_parser() -> impl TypedValueParser<Value = Flag> {
    PossibleValuesParser::new(Flag::ALL.map(Flag::name)).try_map(|name| Flag::parse(&name).ok_or("is no flag"))
}

fn subject(text: &str) -> Result<Subject, String> {
    Subject::parse(text).map_err(str::to_owned)
}

/// Does it.
///
/// # Errors
/// See [`ClientError`].
pub fn run(client: &Client, action: &Action, json: bool) -> Result<(), ClientError> {
    match action {
        Action::List => {
            let answer = client.get(FLAGS, true)?;
            let flags: Vec<FlagView> = read(FLAGS, &answer["flags"])?;
            show_all(&answer, flags.iter().map(row).collect(), FLAG, json)
        }
        Action::Get { name } => show_flag(&client.get(&path(*name), true)?, json),
        Action::Set(set) => {
            let merge = |present: Option<FlagSetting>| merged(set, present);
            let answer = put(client, &set.change, "set", &merge)?;
            show_flag(&answer, json)?;
            remark(without_effect(set, &read(FLAGS, &answer)?));
            Ok(())
        }
        Action::Kill(change) => {
            let killed = |present: Option<FlagSetting>| {
                Ok(FlagSetting {
                    killed: true,
                    ..present.unwrap_or_default()
                })
            };
            show_flag(&put(client, change, "kill", &killed)?, json)
        }
        Action::Unkill(change) => {
            let answer = put(client, change, "unkill", &unkilled)?;
            show_flag(&answer, json)?;
            let disabled = answer["enabled"] == false;
            remark(
                disabled.then_some(
                    "it is killed no more, but disabled: `molt flags set NAME --enabled true` switches it on",
                ),
            );
            Ok(())
        }
        Action::Undo(change) => {
            let body = change.reason.as_ref().map(|reason| json!({"reason": reason}));
            let path = format!("{}/undo{}", path(change.name), outage(change, '?'));
            show_flag(&client.change("POST", &path, change.if_version, body.as_ref())?, json)
        }
        Action::Clear(change) => {
            let reason = change.reason.as_deref().unwrap_or("molt flags clear");
            let path = format!(
                "{}?reason={}{}",
                path(change.name),
                encoded(reason),
                outage(change, '&')
            );
            show_flag(&client.change("DELETE", &path, change.if_version, None)?, json)
        }
        Action::History { name } => {
            let path = format!("{}/history", path(*name));
            let changes = Value::from(client.list(&path, "history")?);
            let read: Vec<FlagChange> = read(&path, &changes)?;
            show_all(&changes, read.iter().map(history_row).collect(), CHANGE, json)
        }
        Action::Evaluate { name, subject } => {
            let who = subject
                .as_ref()
                .map(|subject| format!("?subject={}", encoded(subject.as_str())));
            let answer = client.get(&format!("{}/evaluate{}", path(*name), who.unwrap_or_default()), true)?;
            show_all(&answer, vec![answer.clone()], EVALUATION, json)
        }
    }
}

fn path(flag: Flag) -> String {
    format!("{FLAGS}/{}", flag.name())
}

fn outage(change: &Change, before: char) -> String {
    if change.allow_outage {
        format!("{before}allowOutage=true")
    } else {
        String::new()
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &str, answer: &Value) -> Result<T, ClientError> {
    serde_json::from_value(answer.clone()).map_err(|_| ClientError::Unexpected(path.into(), answer.to_string()))
}

/// Sets a flag to what `merge` makes of its present setting (`None`: the variable decides), and again when it was changed meanwhile.
fn put(
    client: &Client,
    change: &Change,
    verb: &str,
    merge: &dyn Fn(Option<FlagSetting>) -> Result<FlagSetting, ClientError>,
) -> Result<Value, ClientError> {
    let path = path(change.name);
    let mut tries = TRIES;
    loop {
        let present: FlagView = read(&path, &client.get(&path, true)?)?;
        let reason = change.reason.clone().unwrap_or_else(|| format!("molt flags {verb}"));
        let body = json!(request(merge(present.setting())?, reason));
        let version = change.if_version.unwrap_or(present.version);
        let target = format!("{path}{}", outage(change, '?'));
        match client.change("PUT", &target, Some(version), Some(&body)) {
            Err(ClientError::Refused(problem)) if problem.status == 412 && change.if_version.is_none() && tries > 1 => {
                tries -= 1;
            }
            other => return other,
        }
    }
}

/// What an operator may not have thought of: that what he set does not count yet.
fn without_effect(set: &Set, now: &FlagView) -> Option<&'static str> {
    if now.killed {
        Some("it is killed, so nothing of this counts until `molt flags unkill`")
    } else if set.percent.is_some() && now.enabled == Some(false) {
        Some("it is disabled, so the share does not count until it has --enabled true")
    } else {
        None
    }
}

/// Says something beside the answer. Nothing that goes wrong with it is a failure.
fn remark(text: Option<&str>) {
    if let Some(text) = text {
        let _ = writeln!(std::io::stderr(), "molt: {text}");
    }
}

fn show_flag(answer: &Value, json: bool) -> Result<(), ClientError> {
    show_all(answer, vec![row(&read(FLAGS, answer)?)], FLAG, json)
}

fn show_all(answer: &Value, rows: Vec<Value>, columns: &[&str], json: bool) -> Result<(), ClientError> {
    if json {
        show::line(&answer.to_string())
    } else {
        show::line(&show::table(columns, &rows))
    }
}
