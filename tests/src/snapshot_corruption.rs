//! Objects of a repository are broken behind the platform's back: that is found and named, and nothing of it is restored in silence.

use crate::bucket::repository;
use crate::disk::{Disk, Load};
use crate::parts::Part;
use crate::people::User;
use crate::stack::Stack;
use crate::wait::until;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::time::Duration;

/// From the loss of the container until the failed start is told.
const TOLD_WITHIN: Duration = Duration::from_secs(60);
/// From the repair until the sandbox serves: a failed start is tried again after a pause.
const HEALED_WITHIN: Duration = Duration::from_secs(120);

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// One byte in the middle is another.
    Flipped,
    /// Its second half is gone.
    Truncated,
    /// It holds the bytes of another object of its kind, or of nothing.
    Swapped,
    /// It is gone.
    Deleted,
}

/// Every one.
pub const HARMS: [Harm; 4] = [Harm::Flipped, Harm::Truncated, Harm::Swapped, Harm::Deleted];
/// Folders of a repository whose objects a restore needs.
pub const KINDS: [&str; 3] = ["data", "index", "snapshots"];

/// A new user's snapshot is harmed so, and looked at in every way that there is.
///
/// # Panics
/// When the harm is not found and named, when a harmed snapshot is restored, or when the repaired one is not.
pub async fn case(stack: &Stack, kind: &str, harm: Harm) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let disk = Disk::of(stack, &user).await;
    let load = Load {
        files: 60,
        longest: 200_000,
    };
    disk.change(load, 1);
    let snapshot = stack.backup(&user).await;
    let digest = disk.digest();
    let objects = stack.objects(&format!("{}{kind}/", repository(&user)));
    let broken = objects
        .iter()
        .max_by_key(|object| object.size)
        .expect("an object")
        .key
        .clone();
    let other = objects
        .iter()
        .find(|object| object.key != broken)
        .map(|object| object.key.clone());
    let good = stack.object(&broken).await;
    match harm {
        Harm::Flipped => {
            let mut bytes = good.clone();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            stack.put_object(&broken, &bytes).await;
        }
        Harm::Truncated => stack.put_object(&broken, &good[..good.len() / 2]).await,
        Harm::Swapped => {
            let bytes = match &other {
                Some(other) => stack.object(other).await,
                None => vec![7; good.len()],
            };
            stack.put_object(&broken, &bytes).await;
        }
        Harm::Deleted => stack.delete_object(&broken).await,
    }
    let name: String = broken.rsplit('/').next().expect("a name").chars().take(8).collect();
    // Nothing in a repository says which indexes there were; what only the lost one named is told.
    let name = if (kind, harm) == ("index", Harm::Deleted) {
        "no index names it".to_owned()
    } else {
        name
    };

    let job = stack
        .changed(
            &user,
            "POST",
            &format!("backups/{snapshot}/verify"),
            &json!({"full": true}),
        )
        .await;
    assert!(
        names(&job, &name),
        "{kind} {harm:?}: a verification does not name {name}: {job}"
    );

    // The disk goes; what was saved cannot come back as it is.
    stack.signal_part(&user, Part::Container, Signal::SIGKILL).await;
    let failed = until("the start has failed", TOLD_WITHIN, async || {
        let reply = stack.get("/echo").user(&user).send().await;
        assert_ne!(
            reply.status, 200,
            "{kind} {harm:?}: it was started with less than was saved"
        );
        let state = stack.state(&user).await;
        (state["lifecycle"] == "failed").then_some(state)
    });
    let failed = failed.await;
    assert!(
        names(&failed["error"], &name),
        "{kind} {harm:?}: the cause does not name {name}: {failed}"
    );

    stack.put_object(&broken, &good).await;
    let disk = healed(stack, &user).await;
    assert_eq!(disk.digest(), digest, "{kind} {harm:?}");
}

async fn healed(stack: &Stack, user: &User) -> Disk {
    until("the repaired sandbox serves", HEALED_WITHIN, async || {
        (stack.get("/echo").user(user).send().await.status == 200).then_some(())
    })
    .await;
    Disk::of(stack, user).await
}

fn names(told: &Value, name: &str) -> bool {
    told.to_string().contains(name)
}
