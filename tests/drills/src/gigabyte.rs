//! One GiB up and down through the whole path by plain `curl`: equal on both ends, in flat memory.

use e2e_tests::drill;
use e2e_tests::transfer::{MIB, there_and_back};
use std::process::ExitCode;

fn main() -> ExitCode {
    drill::run("gigabyte", &[], async |stack| {
        let user = stack.new_user().await;
        stack.awake(&user).await;
        there_and_back(stack, &user, 1024 * MIB).await;
    })
}
