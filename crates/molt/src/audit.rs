//! `molt audit`: whether the audit trail is as it was written.

use crate::client::{Client, ClientError, encoded};
use crate::show;
use clap::Subcommand;
use molt_common::audit::Chain;
use serde::Deserialize;
use serde_json::Value;
use std::process::ExitCode;
use std::str::FromStr;

const VERIFY: &str = "/api/super/audit/verify";
/// The chain is not sound.
const BROKEN: u8 = 1;

/// What is to be done with the audit trail.
#[derive(Subcommand)]
pub enum Action {
    /// Walks along a chain to its end; ends with 0 only when it is sound, with 1 when it is broken.
    Verify {
        /// `control-plane`, `exec:USER` or `sandbox:USER`, where USER is an id or a name.
        #[arg(long, default_value = "control-plane")]
        chain: ChainOf,
    },
}

/// A chain whose user may be given by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainOf {
    /// Fully named.
    Known(Chain),
    /// `exec` or `sandbox` of a user of this name.
    Named(&'static str, String),
}

impl FromStr for ChainOf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(chain) = text.parse() {
            return Ok(Self::Known(chain));
        }
        match text.split_once(':') {
            Some(("exec", user)) if !user.is_empty() => Ok(Self::Named("exec", user.into())),
            Some(("sandbox", user)) if !user.is_empty() => Ok(Self::Named("sandbox", user.into())),
            _ => Err("must be control-plane, exec:<user> or sandbox:<user>".into()),
        }
    }
}

/// What a call says about a chain, see the API's `ChainVerification`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    chain: String,
    entries: u64,
    verified: Option<bool>,
    broken_at: Option<u64>,
    why: Option<String>,
    copied: u64,
    copy_agrees: Option<bool>,
    next_cursor: Option<String>,
}

/// Does it; the exit code says how the chain stands.
///
/// # Errors
/// See [`ClientError`].
pub fn run(client: &Client, action: &Action, json: bool) -> Result<ExitCode, ClientError> {
    let Action::Verify { chain } = action;
    let chain = match chain {
        ChainOf::Known(chain) => chain.to_string(),
        ChainOf::Named(kind, user) => format!("{kind}:{}", client.user(user)?),
    };
    let (answer, report) = walk(&chain, |cursor| {
        let cursor = cursor.map_or_else(String::new, |cursor| format!("&cursor={}", encoded(cursor)));
        client.get(&format!("{VERIFY}?chain={}{cursor}", encoded(&chain)), true)
    })?;
    show::line(&if json { answer.to_string() } else { finding(&report) })?;
    Ok(if is_sound(&report) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(BROKEN)
    })
}

/// Asks on until the chain's end or its first broken entry; the last answer.
fn walk(
    chain: &str,
    mut ask: impl FnMut(Option<&str>) -> Result<Value, ClientError>,
) -> Result<(Value, Report), ClientError> {
    let mut behind: Option<(String, u64)> = None;
    loop {
        let answer = ask(behind.as_ref().map(|(cursor, _)| cursor.as_str()))?;
        let unexpected = || ClientError::Unexpected(VERIFY.into(), answer.to_string());
        let report: Report = serde_json::from_value(answer.clone()).map_err(|_| unexpected())?;
        if report.chain != chain {
            return Err(unexpected());
        }
        if report.verified.is_some() {
            return Ok((answer, report));
        }
        // Without a step forward it would never end.
        let before = behind.as_ref().map_or(0, |(_, entries)| *entries);
        match report.next_cursor {
            Some(cursor) if report.entries > before => behind = Some((cursor, report.entries)),
            _ => return Err(unexpected()),
        }
    }
}

fn is_sound(report: &Report) -> bool {
    report.verified == Some(true) && report.broken_at.is_none()
}

fn finding(report: &Report) -> String {
    let Report {
        chain, entries, copied, ..
    } = report;
    if let Some(seq) = report.broken_at {
        let why = report.why.as_deref().unwrap_or("is not sound");
        return format!("{chain}: BROKEN at entry {seq}, which {why}; entries up to {entries} are sound");
    }
    let copy = match report.copy_agrees {
        None => "there is no copy yet".to_owned(),
        Some(true) => format!("its copy of {copied} agrees"),
        Some(false) => format!("entry {copied} of its copy is not the chain's"),
    };
    let verdict = if is_sound(report) { "sound" } else { "BROKEN" };
    format!("{chain}: {verdict}, {entries} entries follow from each other; {copy}")
}

#[cfg(test)]
mod tests {
    use super::{ChainOf, Report, finding, is_sound, walk};
    use crate::client::ClientError;
    use serde_json::{Value, json};

    fn page(entries: u64, verified: Option<bool>, next: Option<&str>) -> Value {
        json!({"chain": "control-plane", "entries": entries, "head": "0", "verified": verified, "brokenAt": null, "why": null,
               "copied": entries, "copyAgrees": true, "nextCursor": next})
    }

    /// Walks over these pages; the cursors that were asked for, and how it ended.
    fn walked(pages: &[Value]) -> (Vec<Option<String>>, Result<Report, ClientError>) {
        let (mut asked, mut left) = (Vec::new(), pages.iter());
        let outcome = walk("control-plane", |cursor| {
            asked.push(cursor.map(str::to_owned));
            Ok(left.next().cloned().expect("no more was to be asked"))
        });
        (asked, outcome.map(|(_, report)| report))
    }

    #[test]
    fn chains_are_given_by_id_or_by_name() {
        let id = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
        for known in [
            "control-plane".to_owned(),
            format!("exec:{id}"),
            format!("sandbox:{id}"),
        ] {
            let Ok(ChainOf::Known(chain)) = known.parse() else {
                panic!("{known}")
            };
            assert_eq!(chain.to_string(), known);
        }
        assert_eq!("exec:Ada".parse(), Ok(ChainOf::Named("exec", "Ada".into())));
        assert_eq!("sandbox:a:b".parse(), Ok(ChainOf::Named("sandbox", "a:b".into())));
        for bad in ["", "exec", "exec:", "control-plane:", "Ada", "EXEC:Ada"] {
            assert!(bad.parse::<ChainOf>().is_err(), "{bad}");
        }
    }

    #[test]
    fn it_goes_on_by_cursor_to_the_verdict() {
        let (asked, report) = walked(&[
            page(10, None, Some("10.a")),
            page(20, None, Some("20.b")),
            page(25, Some(true), None),
        ]);
        assert_eq!(asked, [None, Some("10.a".into()), Some("20.b".into())]);
        let report = report.unwrap();
        assert!(is_sound(&report));
        assert_eq!(
            finding(&report),
            "control-plane: sound, 25 entries follow from each other; its copy of 25 agrees"
        );
    }

    #[test]
    fn a_broken_entry_is_named_with_its_cause() {
        let mut last = page(10, Some(false), None);
        last["brokenAt"] = json!(11);
        last["why"] = json!("is not as it was written");
        let report = walked(&[page(5, None, Some("5.a")), last]).1.unwrap();
        assert!(!is_sound(&report));
        assert_eq!(
            finding(&report),
            "control-plane: BROKEN at entry 11, which is not as it was written; entries up to 10 are sound"
        );
    }

    #[test]
    fn a_copy_that_differs_is_no_sound_chain() {
        let mut last = page(10, Some(false), None);
        last["copyAgrees"] = json!(false);
        let report = walked(&[last]).1.unwrap();
        assert!(!is_sound(&report));
        assert_eq!(
            finding(&report),
            "control-plane: BROKEN, 10 entries follow from each other; entry 10 of its copy is not the chain's"
        );
    }

    #[test]
    fn answers_that_decide_nothing_are_errors() {
        let mut other = page(1, Some(true), None);
        other["chain"] = json!("exec:x");
        for pages in [
            vec![page(5, None, None)],
            vec![page(0, None, Some("0.a"))],
            vec![page(5, None, Some("5.a")), page(5, None, Some("5.a"))],
            vec![other],
            vec![json!({"verified": true})],
        ] {
            assert!(
                matches!(walked(&pages).1, Err(ClientError::Unexpected(..))),
                "{pages:?}"
            );
        }
    }
}
