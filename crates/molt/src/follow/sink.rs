//! Where a command's output goes.

use molt_common::output::StreamName;
use std::io::{self, IsTerminal, Write};

/// Takes the bytes of both streams.
pub trait Sink {
    /// Passes bytes on at once.
    ///
    /// # Errors
    /// When nobody takes them.
    fn write(&mut self, stream: StreamName, bytes: &[u8]) -> io::Result<()>;

    /// Whether a terminal shows what is written.
    fn is_terminal(&self, stream: StreamName) -> bool;
}

/// To the streams of this process of the same names.
pub struct Stdio;

impl Sink for Stdio {
    fn write(&mut self, stream: StreamName, bytes: &[u8]) -> io::Result<()> {
        match stream {
            StreamName::Stdout => pass_on(&mut io::stdout().lock(), bytes),
            StreamName::Stderr => pass_on(&mut io::stderr().lock(), bytes),
        }
    }

    fn is_terminal(&self, stream: StreamName) -> bool {
        match stream {
            StreamName::Stdout => io::stdout().is_terminal(),
            StreamName::Stderr => io::stderr().is_terminal(),
        }
    }
}

fn pass_on(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}

/// Nowhere: the result is shown as a whole later.
pub struct Discard;

impl Sink for Discard {
    fn write(&mut self, _: StreamName, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn is_terminal(&self, _: StreamName) -> bool {
        false
    }
}
