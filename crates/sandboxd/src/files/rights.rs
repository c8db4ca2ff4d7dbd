//! The agent's rights, for one thread and as long as a piece of work lasts.

use std::marker::PhantomData;

use nix::unistd::{Gid, Uid, getgroups, setfsgid, setfsuid};
use rustix::thread::set_thread_groups;

use super::error::FileError;
use crate::settings::Layout;

/// Whose rights are taken; nobody's where this process is not root, and all is done as who we are.
#[derive(Clone, Copy, Debug)]
pub struct Rights(Option<(u32, u32)>);

impl Rights {
    /// Those of the agent's user and group.
    pub fn of_agent(layout: &Layout) -> Self {
        let root = Uid::effective().is_root();
        Self(root.then_some((layout.agent_uid, layout.agent_gid)))
    }

    /// Takes them for this thread. With a file system user other than root, a thread has no capability over files either (capabilities(7)).
    pub fn take(self) -> Result<Taken, FileError> {
        let Some((uid, gid)) = self.0 else {
            return Ok(Taken {
                before: None,
                of_thread: PhantomData,
            });
        };
        let own = getgroups().map_err(|error| FileError::Io(error.to_string()))?;
        let before = own
            .into_iter()
            .map(|group| rustix::thread::Gid::from_raw(group.as_raw()));
        let taken = Taken {
            before: Some(before.collect()),
            of_thread: PhantomData,
        };
        set_thread_groups(&[])?;
        setfsgid(Gid::from_raw(gid));
        setfsuid(Uid::from_raw(uid));
        // The calls tell no error: what they find the second time is what is.
        let now = (setfsuid(Uid::from_raw(u32::MAX)), setfsgid(Gid::from_raw(u32::MAX)));
        if now == (Uid::from_raw(uid), Gid::from_raw(gid)) {
            Ok(taken)
        } else {
            Err(FileError::Io("the agent's rights cannot be taken".to_owned()))
        }
    }
}

/// Gives them back when it is dropped, on the thread that took them.
pub struct Taken {
    before: Option<Vec<rustix::thread::Gid>>,
    of_thread: PhantomData<*const ()>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(groups) = &self.before {
            setfsuid(Uid::effective());
            setfsgid(Gid::effective());
            if let Err(error) = set_thread_groups(groups) {
                tracing::error!(%error, "a thread keeps fewer groups than it had");
            }
        }
    }
}
