//! User-token key, identity key and admin key replaced on a running stack, under load, without one failed legitimate request.

use e2e_tests::{drill, rotation};
use std::process::ExitCode;

fn main() -> ExitCode {
    drill::run("rotate-keys", &[], async |stack| {
        rotation::rotate(stack, |step| println!("{step}")).await;
    })
}
