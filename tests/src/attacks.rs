//! The catalogue of hostile requests: what an attacker would try, what must come of it, and what came of it.
//!
//! Each attack names the weakness that it is about: numbers 18 to 32 are those of the earlier platform (SECURITY.md lists them), `-` is one
//! that it had not. The same catalogue runs in `scripts/test` and, with its table printed, in `scripts/drill hostile-requests`.

mod admin;
mod browser;
mod cast;
mod injection;
mod leaks;
mod ledger;
mod paths;
mod posing;
mod repository;
mod tokens;
mod wire;

pub use cast::Cast;
pub use ledger::{Ledger, Row};

use crate::stack::Stack;

/// Makes all of them, one after another; answers with a row each.
///
/// # Panics
/// When the stack does not do what an honest caller may rely on, so that nothing could be shown.
pub async fn all(stack: &Stack) -> Vec<Row> {
    let cast = Cast::gather(stack).await;
    let mut ledger = Ledger::new(stack);
    tokens::run(&mut ledger, &cast).await;
    admin::run(&mut ledger, &cast).await;
    posing::run(&mut ledger, &cast).await;
    paths::run(&mut ledger, &cast).await;
    browser::run(&mut ledger, &cast).await;
    injection::run(&mut ledger, &cast).await;
    leaks::run(&mut ledger, &cast).await;
    repository::run(&mut ledger, &cast).await;
    wire::run(&mut ledger, &cast).await;
    ledger.close().await
}

/// The rows as a Markdown table, and below it how many there are, were let in, were answered 5xx.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    use std::fmt::Write;
    let mut text = String::from("| # | weakness | attack | expected | seen | |\n|---|---|---|---|---|---|\n");
    for (index, row) in rows.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            index + 1,
            row.weakness,
            row.attack,
            row.expected,
            row.seen,
            if row.held { "held" } else { "**FAILED**" }
        );
    }
    let count = |test: fn(&Row) -> bool| rows.iter().filter(|row| test(row)).count();
    let _ = write!(
        text,
        "\n{} attacks: {} held, {} not as expected, {} answered 5xx",
        rows.len(),
        count(|row| row.held),
        count(|row| !row.held),
        count(|row| row.status >= 500)
    );
    text
}
