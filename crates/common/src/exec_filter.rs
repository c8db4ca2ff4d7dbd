//! Which commands a list of `GET …/exec` shows: the parameters of its query.

use crate::api::exec::JobState;
use crate::id::ExecId;
use crate::problem::Problem;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Entries of a page when nothing is asked.
const USUAL: u32 = 50;
/// Numbers in JavaScript are exact up to here.
const LATEST: u64 = 1 << 53;

/// A place in the list, newest first: what comes after this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// When it was submitted.
    pub created_at: Millis,
    /// Its id.
    pub exec_id: ExecId,
}

impl Before {
    /// Reads what a list gave.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (at, id) = text.split_once('.')?;
        let digits = (1..=16).contains(&at.len()) && at.bytes().all(|byte| byte.is_ascii_digit());
        Some(Self {
            created_at: at.parse().ok().map(Millis).filter(|_| digits)?,
            exec_id: ExecId::parse(id).ok()?,
        })
    }
}

impl fmt::Display for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.created_at.0, self.exec_id)
    }
}

/// Which page of which commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecFilter {
    /// In one of these states; `None` for any.
    pub states: Option<Vec<JobState>>,
    /// Submitted then or later.
    pub since: Option<Millis>,
    /// Submitted earlier.
    pub until: Option<Millis>,
    /// Where the page before ended.
    pub before: Option<Before>,
    /// Entries of a page, from 1 to 200.
    pub limit: u32,
}

impl ExecFilter {
    /// Reads the parameters of a query; of one that is there more than once the last counts, but `state` and `status` add up.
    ///
    /// # Errors
    /// 400 `invalid_request` that names the parameter.
    pub fn read(query: &[(String, String)]) -> Result<Self, Problem> {
        let one = |name: &str| {
            query
                .iter()
                .rev()
                .find(|(key, _)| key == name)
                .map(|(_, text)| text.as_str())
        };
        let limit = match one("limit").map(str::parse) {
            None => USUAL,
            Some(Ok(limit @ 1..=200)) => limit,
            Some(_) => return Err(Problem::invalid("limit", "must be from 1 to 200")),
        };
        let before = match one("cursor").filter(|text| !text.is_empty()) {
            None => None,
            Some(text) => {
                Some(Before::parse(text).ok_or_else(|| Problem::invalid("cursor", "is not one that a list gave"))?)
            }
        };
        Ok(Self {
            states: states(query)?,
            since: one("since").map(|text| time("since", text)).transpose()?,
            until: one("until").map(|text| time("until", text)).transpose()?,
            before,
            limit,
        })
    }
}

/// The states that the filters leave; `None` without a filter.
fn states(query: &[(String, String)]) -> Result<Option<Vec<JobState>>, Problem> {
    let words = |name: &'static str| {
        let given = query.iter().filter(move |(key, _)| key == name);
        given
            .flat_map(|(_, text)| text.split(','))
            .map(str::trim)
            .filter(|word| !word.is_empty())
    };
    let mut left: Option<Vec<JobState>> = None;
    let mut keep = |matching: Vec<JobState>| {
        left = Some(match left.take() {
            Some(before) => before.into_iter().filter(|state| matching.contains(state)).collect(),
            None => matching,
        });
    };
    let mut wanted = Vec::new();
    for word in words("state") {
        let state = JobState::ALL.into_iter().find(|state| state.word() == word);
        wanted.push(state.ok_or_else(|| {
            Problem::invalid(
                "state",
                format!(
                    "has {word:?}, which is none of {}",
                    JobState::ALL.map(JobState::word).join(", ")
                ),
            )
        })?);
    }
    if !wanted.is_empty() {
        keep(wanted);
    }
    let mut wanted = Vec::new();
    for word in words("status") {
        let meant: Vec<_> = JobState::ALL
            .into_iter()
            .filter(|state| state.status() == word)
            .collect();
        if meant.is_empty() {
            return Err(Problem::invalid(
                "status",
                format!("has {word:?}, which is none of running, completed, error"),
            ));
        }
        wanted.extend(meant);
    }
    if !wanted.is_empty() {
        keep(wanted);
    }
    Ok(left)
}

fn time(field: &str, text: &str) -> Result<Millis, Problem> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let at = if digits {
        text.parse().ok().map(Millis)
    } else {
        Millis::parse_iso(text)
    };
    at.filter(|at| at.0 < LATEST).ok_or_else(|| {
        Problem::invalid(
            field,
            "must be ISO-8601 such as 2026-01-31T12:00:00Z (a + as %2B), or milliseconds since 1970",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::ExecFilter;
    use crate::api::exec::JobState;
    use crate::time::Millis;

    fn query(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    }

    #[test]
    fn filters_are_read_in_every_form() {
        let all = ExecFilter::read(&[]).unwrap();
        assert_eq!((all.limit, all.states, all.since, all.until), (50, None, None, None));
        let some = ExecFilter::read(&query(&[
            ("state", "lost,failed"),
            ("state", "queued"),
            ("since", "1767225600007"),
            ("until", "2026-01-01T02:00:00.007+02:00"),
            ("limit", "200"),
            ("cursor", "1767225600007.exec_1_ab"),
        ]))
        .unwrap();
        assert_eq!(
            some.states,
            Some(vec![JobState::Lost, JobState::Failed, JobState::Queued])
        );
        assert_eq!(
            (some.since, some.until),
            (Some(Millis(1_767_225_600_007)), Some(Millis(1_767_225_600_007)))
        );
        let before = some.before.unwrap();
        assert_eq!(
            (before.created_at, before.exec_id.as_str()),
            (Millis(1_767_225_600_007), "exec_1_ab")
        );
    }

    #[test]
    fn old_words_mean_states_and_filters_narrow_one_another() {
        let states = |pairs: &[(&str, &str)]| ExecFilter::read(&query(pairs)).unwrap().states;
        assert_eq!(
            states(&[("status", "completed")]),
            Some(vec![JobState::Succeeded, JobState::Failed])
        );
        assert_eq!(
            states(&[("status", "error"), ("state", "lost,running")]),
            Some(vec![JobState::Lost])
        );
        assert_eq!(states(&[("status", "completed"), ("state", "lost")]), Some(vec![]));
        assert_eq!(states(&[("state", ""), ("status", ",")]), None);
    }

    #[test]
    fn what_is_bad_is_named() {
        for (name, text) in [
            ("limit", "0"),
            ("limit", "201"),
            ("limit", "x"),
            ("cursor", "exec_1_ab"),
            ("cursor", "1.a b"),
            ("cursor", "-1.a"),
            ("state", "done"),
            ("state", "running,"),
            ("status", "succeeded"),
            ("since", ""),
            ("since", "yesterday"),
            ("since", "-5"),
            ("until", "2026-01-01"),
            ("until", "99999999999999999999"),
        ] {
            let refused = ExecFilter::read(&query(&[(name, text)]))
                .err()
                .and_then(|problem| problem.field);
            // An empty part of a list asks for nothing.
            let expected = (text != "running,").then(|| name.to_owned());
            assert_eq!(refused, expected, "{name}={text}");
        }
    }
}
