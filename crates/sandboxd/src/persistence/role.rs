//! `sandboxd snapshot`: the process that saves, restores and keeps up. One order, then its end.
//!
//! It is a process of its own so that its memory, its priority and its end are: when memory is short it goes before anything that the user sees, and killed
//! at any moment it harms nothing.

use std::io::{self, BufWriter, Read, Write};
use std::process::ExitCode;

use molt_snapshots::order::{Order, Report};

use crate::process::hardening;

/// Does what the order on standard input says; its reports go to standard output.
pub fn run() -> ExitCode {
    // First, so that key and token are never in a process that others can look into.
    hardening::make_undumpable();
    let order = match read_order() {
        Ok(order) => order,
        Err(error) => {
            tracing::error!(%error, "there is no order");
            return ExitCode::FAILURE;
        }
    };
    let mut reader_is_there = true;
    molt_snapshots::run(order, &mut |report| {
        reader_is_there = reader_is_there && tell(&report).is_ok();
    });
    if reader_is_there {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn read_order() -> io::Result<Order> {
    let mut order = Vec::new();
    io::stdin().read_to_end(&mut order)?;
    // The parser's words could repeat a secret, so they are not passed on.
    serde_json::from_slice(&order).map_err(|_| io::Error::other("this is no order"))
}

fn tell(report: &Report) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    serde_json::to_writer(&mut out, report)?;
    out.write_all(b"\n")?;
    out.flush()
}
