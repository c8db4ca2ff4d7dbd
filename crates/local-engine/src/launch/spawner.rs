//! The one thread that starts processes.
//!
//! The kernel sends a child its parent-death signal when the *thread* that started it ends, and a runtime's threads come and go.
//! This one lives exactly as long as the engine.

use std::io;
use std::sync::mpsc;

use tokio::process::{Child, Command};
use tokio::sync::oneshot;

type Order = (Command, oneshot::Sender<io::Result<Child>>);

/// Handle to the thread.
#[derive(Clone, Debug)]
pub struct Spawner {
    orders: mpsc::Sender<Order>,
}

impl Spawner {
    /// Starts the thread. Must be called within a runtime, which will watch over the children.
    pub fn start() -> io::Result<Self> {
        let (orders, incoming) = mpsc::channel::<Order>();
        let runtime = tokio::runtime::Handle::current();
        std::thread::Builder::new().name("spawner".to_owned()).spawn(move || {
            let _entered = runtime.enter();
            for (mut command, answer) in incoming {
                // A caller that has gone away drops the child, and with it kills it.
                drop(answer.send(command.kill_on_drop(true).spawn()));
            }
        })?;
        Ok(Self { orders })
    }

    /// Starts a process that is killed when the returned handle is dropped or the engine ends, in whatever way.
    pub async fn spawn(&self, command: Command) -> io::Result<Child> {
        let (answer, outcome) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts processes has ended");
        self.orders.send((command, answer)).map_err(|_| gone())?;
        outcome.await.map_err(|_| gone())?
    }
}
