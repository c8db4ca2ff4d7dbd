//! A command as the tests look at it: its report, and its output read page by page.

use std::ops::Deref;

use molt_common::control::{ExecPage, ExecReport};
use molt_common::output::{OutputCursor, StreamName};
use reqwest::{Method, StatusCode};

use crate::support::Sandbox;

/// A command's report with what is kept of its output; invalid UTF-8 is replaced.
#[derive(Debug, PartialEq)]
pub struct Told {
    report: ExecReport,
    pub stdout: String,
    pub stderr: String,
}

impl Deref for Told {
    type Target = ExecReport;

    fn deref(&self) -> &ExecReport {
        &self.report
    }
}

impl Sandbox {
    /// How a command stands after waiting for its end up to `wait_ms`, with all that is kept of its output by then. `None` when the supervisor does not say.
    pub async fn told(&self, id: &str, wait_ms: u64) -> Option<Told> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let (mut cursor, mut wait_ms) = (OutputCursor::default(), wait_ms);
        loop {
            let path = format!("/v1/exec/{id}/output?after={cursor}&waitMs={wait_ms}&waitFor=end");
            let answer = self.control(Method::GET, &path).send().await.ok()?;
            if answer.status() != StatusCode::OK {
                return None;
            }
            let page: ExecPage = answer.json().await.ok()?;
            for piece in &page.pieces {
                match piece.stream {
                    StreamName::Stdout => stdout.extend_from_slice(&piece.bytes),
                    StreamName::Stderr => stderr.extend_from_slice(&piece.bytes),
                }
            }
            (cursor, wait_ms) = (page.cursor, 0);
            if !page.more {
                return Some(Told {
                    report: page.report,
                    stdout: String::from_utf8_lossy(&stdout).into_owned(),
                    stderr: String::from_utf8_lossy(&stderr).into_owned(),
                });
            }
        }
    }
}
