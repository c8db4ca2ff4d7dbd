//! The whole catalogue of hostile requests against a stack of its own, as a table.

use e2e_tests::{attacks, drill};
use std::process::ExitCode;

fn main() -> ExitCode {
    drill::run("hostile-requests", &[], async |stack| {
        let rows = attacks::all(stack).await;
        println!("{}", attacks::table(&rows));
        assert!(
            rows.iter().all(|row| row.held && row.status < 500),
            "something did not hold"
        );
    })
}
