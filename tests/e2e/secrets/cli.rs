//! The command line.

use crate::world::{list, masked, value};
use e2e_tests::people::User;
use e2e_tests::stack::Stack;
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;

/// `molt secrets set` with this standard input: how it ended, and what it wrote.
async fn set_from_input(stack: &Stack, user: &User, name: &str, input: &str) -> (bool, String) {
    let mut command = stack.molt_command(&["secrets", "set", &user.id, name]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("molt");
    let mut stdin = child.stdin.take().expect("its input");
    stdin.write_all(input.as_bytes()).await.expect("it reads");
    drop(stdin);
    let ended = child.wait_with_output().await.expect("it ends");
    let told = [ended.stdout, ended.stderr].concat();
    (ended.status.success(), String::from_utf8_lossy(&told).into_owned())
}

pub async fn the_command_line_does_what_the_api_does(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let (key, token) = (value(), value());
    let (done, told) = set_from_input(&stack, &user, "OPENAI_API_KEY", &format!("{key}\n")).await;
    assert!(done && told.contains(&masked(&key)) && !told.contains(&key), "{told}");
    let mut command = stack.molt_command(&["secrets", "set", &user.id, "TELEGRAM_BOT_TOKEN", "--from-env", "TOKEN"]);
    let ended = command.env("TOKEN", &token).output().await.expect("molt");
    let told = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success() && told.contains("next start"), "{told}");
    let listed = list(&stack, &user).await;
    assert_eq!(
        (&listed[0]["masked"], &listed[1]["masked"]),
        (&masked(&key).into(), &masked(&token).into())
    );
    let table = stack.molt(&["secrets", "list", &user.id]).await;
    let table = table.done();
    assert!(table.contains(&masked(&token)) && table.contains("channel"), "{table}");
    let names = stack.molt(&["secrets", "list", &user.id, "--names"]).await;
    assert!(names.done().contains("ANTHROPIC_API_KEY"), "{}", names.done());
    for (input, said) in [("two\nlines", "value"), ("", "value")] {
        let (done, told) = set_from_input(&stack, &user, "OPENAI_API_KEY", input).await;
        assert!(!done && told.contains(said), "{told}");
    }
    let (done, told) = set_from_input(&stack, &user, "NODE_OPTIONS", "--inspect").await;
    assert!(!done && told.contains("no secret that is used"), "{told}");
    stack
        .molt(&["secrets", "remove", &user.id, "OPENAI_API_KEY"])
        .await
        .done();
    let again = stack.molt(&["secrets", "remove", &user.id, "OPENAI_API_KEY"]).await;
    again.refused("no secret OPENAI_API_KEY");
    assert_eq!(list(&stack, &user).await.len(), 1);
}
