//! Questions before what cannot be undone: a person types the name of what it is about.

use crate::client::ClientError;
use crate::console::Console;
use std::io::{IsTerminal, stderr, stdin};

/// What is asked, and what is said instead.
pub struct Question<'a> {
    /// What has to be typed.
    pub name: &'a str,
    /// What would happen, as a sentence before the one that asks for the name.
    pub warning: &'a str,
    /// Where nobody can be asked: how to say beforehand that it is meant.
    pub without_terminal: &'a str,
    /// When something else was typed.
    pub declined: &'a str,
}

impl Question<'_> {
    /// Asks on the terminal.
    ///
    /// # Errors
    /// [`ClientError::Argument`] without a terminal, or when the name was not typed; an error of reading.
    pub fn ask(&self, console: &mut Console) -> Result<(), ClientError> {
        let refused = |text: &str| Err(ClientError::Argument(text.to_owned()));
        if !stdin().is_terminal() || !stderr().is_terminal() {
            return refused(self.without_terminal);
        }
        console.ask(&format!("{} Type {} to go on: ", self.warning, self.name));
        let mut line = String::new();
        stdin().read_line(&mut line)?;
        console.entered();
        if line.trim() == self.name {
            Ok(())
        } else {
            refused(self.declined)
        }
    }
}
