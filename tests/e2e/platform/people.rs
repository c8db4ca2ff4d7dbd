//! Two users at once.

use e2e_tests::people::User;
use e2e_tests::sandbox::Seen;
use e2e_tests::stack::Stack;
use futures_util::future::join_all;
use serde_json::json;
use std::sync::Arc;

async fn asks(stack: &Stack, user: &User) {
    for round in 0..20 {
        let marker = format!("{}-{round}", user.id);
        let seen = Seen::from(
            stack
                .post(&format!("/echo?{marker}"))
                .user(user)
                .body(marker.clone())
                .send()
                .await,
        );
        assert_eq!(seen.header("x-openclaw-user"), Some(user.id.as_str()));
        assert_eq!(
            (&seen.0["path"], &seen.0["bodyBytes"]),
            (&json!(format!("/echo?{marker}")), &json!(marker.len()))
        );
        let page = stack.get("/").user(user).send().await;
        assert!(
            page.expect(200)
                .text()
                .contains(&format!("<b id=\"user\">{}</b>", user.id))
        );
    }
}

async fn talks(stack: &Stack, user: &User) {
    let mut socket = stack.socket(user).await;
    for round in 0..20 {
        socket.echoes(&format!("{} {round}", user.id)).await;
    }
}

pub async fn two_users_never_see_each_other(stack: Arc<Stack>) {
    let users = [stack.seeded("Ada"), stack.seeded("Ben")];
    for user in &users {
        stack.awake(user).await;
    }
    let everything = users
        .iter()
        .flat_map(|user| (0..4).map(move |_| user))
        .map(async |user| {
            tokio::join!(asks(&stack, user), talks(&stack, user));
        });
    join_all(everything).await;
}

pub async fn files_of_one_are_not_in_the_other(stack: Arc<Stack>) {
    let (ada, ben) = (stack.seeded("Ada"), stack.seeded("Ben"));
    let name = format!("only-adas-{}", e2e_tests::people::now());
    stack
        .sh(&ada, &format!("echo private > ~/{name} && echo private > /tmp/{name}"))
        .await;
    let find = format!("find / -xdev -name '{name}' 2>/dev/null; ls -a ~ /tmp | grep '{name}'; true");
    assert_eq!(stack.sh(&ben, &find).await, "");
    // The same search finds them where they are.
    assert!(stack.sh(&ada, &find).await.contains(&name));
}
