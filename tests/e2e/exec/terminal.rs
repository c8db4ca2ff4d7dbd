//! `molt exec` as somebody sees it who sits at a terminal.

use e2e_tests::harness::Group;
use e2e_tests::stack::Stack;
use e2e_tests::wait::within;
use libtest_mimic::Trial;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Until what is waited for is on the screen.
const SOON: Duration = Duration::from_secs(60);
const CTRL_C: &[u8] = b"\x03";
const QUESTION: &str = "(Ctrl-C cancels)? ";

pub fn trials(group: &Arc<Group>) -> Vec<Trial> {
    vec![
        group.shared(
            "terminal::a_question_is_answered_by_the_end_too",
            a_question_is_answered_by_the_end_too,
        ),
        group.shared(
            "terminal::every_message_has_a_line_of_its_own",
            every_message_has_a_line_of_its_own,
        ),
    ]
}

/// `molt` on a terminal of its own, which `script` makes.
struct Terminal {
    script: Child,
    keys: ChildStdin,
    screen: ChildStdout,
    shown: String,
}

impl Terminal {
    /// `line` is what follows `molt` on the command line of a shell.
    fn new(stack: &Stack, line: &str) -> Self {
        let molt = stack.molt_command(&[]);
        let molt = molt.as_std();
        let mut script = Command::new("script")
            .arg("-qefc")
            // A shell that stayed would end as the Ctrl-C that it got as well has it.
            .arg(format!("exec {} {line}", molt.get_program().to_string_lossy()))
            .arg("/dev/null")
            .env_clear()
            .envs(molt.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("script, of util-linux");
        Self {
            keys: script.stdin.take().expect("a pipe"),
            screen: script.stdout.take().expect("a pipe"),
            script,
            shown: String::new(),
        }
    }

    /// Waits until `text` was shown.
    async fn shows(&mut self, text: &str) {
        let shown = within(text, SOON, async {
            let mut bytes = [0; 4096];
            while !self.shown.contains(text) {
                let count = self.screen.read(&mut bytes).await.expect("the screen");
                assert!(count > 0, "it ended with {}", self.shown);
                self.shown.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        shown.await;
    }

    async fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).await.expect("keys");
        self.keys.flush().await.expect("keys");
    }

    /// Exit code, and everything that was shown.
    async fn ended(mut self) -> (Option<i32>, String) {
        let mut rest = Vec::new();
        within("the terminal closes", SOON, self.screen.read_to_end(&mut rest))
            .await
            .expect("the screen");
        let status = within("molt has ended", SOON, self.script.wait())
            .await
            .expect("its end");
        (status.code(), self.shown + &String::from_utf8_lossy(&rest))
    }
}

async fn a_question_is_answered_by_the_end_too(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let line = "'echo first; until test -e ~/go; do sleep 0.1; done; echo last; exit 7'";
    let mut terminal = Terminal::new(&stack, &format!("exec {} --timeout 60s -- {line}", user.id));
    terminal.shows("first\r\n").await;
    terminal.press(CTRL_C).await;
    terminal.shows(QUESTION).await;
    stack.sh(&user, "touch ~/go").await;
    let (code, shown) = terminal.ended().await;
    assert_eq!(code, Some(7), "{shown}");
    assert!(shown.ends_with(&format!("{QUESTION}\r\nlast\r\n")), "{shown:?}");
}

async fn every_message_has_a_line_of_its_own(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let terminal = Terminal::new(&stack, &format!("exec {} -- 'printf unended; kill -KILL $$'", user.id));
    let (code, shown) = terminal.ended().await;
    assert_eq!(code, Some(137), "{shown}");
    assert!(
        shown.ends_with("unended\r\nmolt: ended by signal 9 (SIGKILL)\r\n"),
        "{shown:?}"
    );
}
