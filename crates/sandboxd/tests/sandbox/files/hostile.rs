//! An agent that wants more than it has: links out of its home, pipes, files of others, and exchanges in the middle of it all.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::unistd::Uid;
use reqwest::Method;

use super::{files, get, put, refused};
use crate::support::Sandbox;

/// What lies outside and must neither be read nor change.
const SECRET: &str = "outside secret";

#[tokio::test]
async fn links_lead_nowhere_outside() {
    let sandbox = Sandbox::ready().await;
    let outside = sandbox.home().parent().unwrap().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::set_permissions(&outside, PermissionsExt::from_mode(0o777)).unwrap();
    fs::write(outside.join("secret"), SECRET).unwrap();
    let home = sandbox.home();
    symlink(&outside, home.join("absolute")).unwrap();
    symlink("../outside", home.join("relative")).unwrap();
    symlink(outside.join("secret"), home.join("file")).unwrap();
    symlink("/proc/self/root", home.join("magic")).unwrap();
    symlink("absolute", home.join("chain")).unwrap();
    symlink("circle", home.join("circle")).unwrap();
    for query in [
        "path=absolute/secret",
        "path=relative/secret",
        "path=file",
        "path=chain/secret",
        "path=magic/etc/passwd",
        "path=absolute&as=list",
        "path=absolute&as=tar",
        "path=absolute/secret&as=stat",
        "path=chain&as=list",
    ] {
        assert_eq!(
            refused(get(&sandbox, query).await).await,
            (403, "outside_home".to_owned()),
            "{query}"
        );
    }
    assert_eq!(
        refused(get(&sandbox, "path=circle").await).await,
        (409, "link_loop".to_owned())
    );
    for query in [
        "path=absolute/new",
        "path=relative/secret",
        "path=chain/a/b",
        "path=magic/tmp/x",
    ] {
        assert_eq!(
            refused(put(&sandbox, query, "x").await).await,
            (403, "outside_home".to_owned()),
            "{query}"
        );
    }
    assert_eq!(
        refused(put(&sandbox, "path=file", "x").await).await,
        (409, "is_a_link".to_owned())
    );
    for query in ["path=absolute/secret", "path=relative/secret&recursive=1"] {
        let answer = files(&sandbox, Method::DELETE, query).send().await.unwrap();
        assert_eq!(refused(answer).await, (403, "outside_home".to_owned()), "{query}");
    }
    // The link goes, not what it leads to.
    let answer = files(&sandbox, Method::DELETE, "path=absolute&recursive=1")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 204);
    assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), SECRET);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

#[tokio::test]
async fn pipes_and_sockets_are_told_and_never_opened() {
    let sandbox = Sandbox::ready().await;
    nix::unistd::mkfifo(
        &sandbox.home().join("pipe"),
        nix::sys::stat::Mode::from_bits_truncate(0o666),
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(sandbox.home().join("socket")).unwrap();
    for name in ["pipe", "socket"] {
        let told: serde_json::Value = get(&sandbox, &format!("path={name}&as=stat"))
            .await
            .json()
            .await
            .unwrap();
        assert_eq!(told["kind"], "other");
        assert_eq!(
            refused(get(&sandbox, &format!("path={name}")).await).await,
            (409, "not_a_file".to_owned())
        );
        assert_eq!(
            refused(put(&sandbox, &format!("path={name}"), "x").await).await,
            (409, "not_a_file".to_owned())
        );
    }
}

#[tokio::test]
async fn what_the_agent_may_not_do_is_not_done_for_it() {
    if !Uid::effective().is_root() {
        // Then everything belongs to one user.
        return;
    }
    let sandbox = Sandbox::ready().await;
    let (theirs, folder) = (sandbox.home().join("of-root"), sandbox.home().join("folder-of-root"));
    fs::write(&theirs, SECRET).unwrap();
    fs::set_permissions(&theirs, PermissionsExt::from_mode(0o600)).unwrap();
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
    for query in ["path=of-root", "path=of-root&as=tar"] {
        assert_eq!(
            refused(get(&sandbox, query).await).await,
            (403, "not_permitted".to_owned()),
            "{query}"
        );
    }
    let refusal = (403, "not_permitted".to_owned());
    assert_eq!(
        refused(put(&sandbox, "path=folder-of-root/new", "x").await).await,
        refusal
    );
    fs::write(folder.join("kept"), "x").unwrap();
    let answer = files(&sandbox, Method::DELETE, "path=folder-of-root&recursive=1")
        .send()
        .await
        .unwrap();
    assert_eq!(refused(answer).await, refusal);
    assert!(folder.join("kept").exists());
    // What comes after it on the same thread is done with the same rights.
    assert_eq!(put(&sandbox, "path=mine", "x").await.status(), 201);
}

#[tokio::test]
async fn an_exchange_in_the_middle_opens_no_way_out() {
    let sandbox = Sandbox::ready().await;
    let outside = sandbox.home().parent().unwrap().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::set_permissions(&outside, PermissionsExt::from_mode(0o777)).unwrap();
    fs::write(outside.join("note"), SECRET).unwrap();
    fs::set_permissions(outside.join("note"), PermissionsExt::from_mode(0o666)).unwrap();
    let home = sandbox.home();
    for folder in ["place", "real"] {
        fs::create_dir(home.join(folder)).unwrap();
        if Uid::effective().is_root() {
            std::os::unix::fs::chown(home.join(folder), Some(1000), Some(1000)).unwrap();
        }
    }
    fs::write(home.join("place/note"), "inside").unwrap();
    symlink(&outside, home.join("way-out")).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let exchanging = std::thread::spawn({
        let (home, done) = (home.clone(), Arc::clone(&done));
        move || {
            use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
            let mut exchanges = 0_u64;
            while !done.load(Ordering::Relaxed) {
                renameat2(
                    AT_FDCWD,
                    &home.join("place"),
                    AT_FDCWD,
                    &home.join("way-out"),
                    RenameFlags::RENAME_EXCHANGE,
                )
                .unwrap();
                exchanges += 1;
            }
            exchanges
        }
    });
    let (mut inside, mut shut_out) = (0, 0);
    for round in 0..400 {
        let answer = match round % 4 {
            0 => get(&sandbox, "path=place/note").await,
            1 => put(&sandbox, "path=place/new", "new").await,
            2 => files(&sandbox, Method::DELETE, "path=place/new").send().await.unwrap(),
            _ => get(&sandbox, "path=place&as=list").await,
        };
        match answer.status().as_u16() {
            200 | 201 | 204 => {
                inside += 1;
                assert!(!answer.text().await.unwrap().contains(SECRET));
            }
            403 | 404 => shut_out += 1,
            other => panic!("{other}: {}", answer.text().await.unwrap()),
        }
    }
    done.store(true, Ordering::Relaxed);
    assert!(
        exchanging.join().unwrap() > 400 && inside > 0 && shut_out > 0,
        "{inside} inside, {shut_out} shut out"
    );
    assert_eq!(fs::read_to_string(outside.join("note")).unwrap(), SECRET);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1, "nothing was made outside");
}
