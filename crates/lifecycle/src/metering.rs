//! What a user's sandbox uses: which calls to providers are admitted, what is counted of them, and for how long a container ran.

pub mod admission;
pub mod call;
pub mod run;
pub mod tables;

#[cfg(test)]
#[path = "metering/tables_tests.rs"]
mod tables_tests;
