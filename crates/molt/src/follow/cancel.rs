//! Asks the platform to cancel, again and again until it answers.

use super::Patience;
use crate::client::{Client, ClientError, Failed};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;

/// A request to cancel that is on its way.
pub struct Cancelling(Receiver<Result<(), ClientError>>);

impl Cancelling {
    /// `DELETE`s `path` behind the caller's back.
    #[must_use]
    pub fn begin(client: &Client, path: String, mut patience: Patience) -> Self {
        let (sender, receiver) = channel();
        let client = client.clone();
        thread::spawn(move || {
            let answer = loop {
                match client.try_delete(&path) {
                    Ok(_) => break Ok(()),
                    Err(Failed::Lasting(error)) => break Err(error),
                    Err(Failed::Passing { wait, .. }) => thread::sleep(patience.pause(wait, fastrand::f64())),
                }
            };
            let _ = sender.send(answer);
        });
        Self(receiver)
    }

    /// # Errors
    /// When the platform refused.
    pub fn refused(&self) -> Result<(), ClientError> {
        match self.0.try_recv() {
            Ok(answer) => answer,
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => Ok(()),
        }
    }
}
