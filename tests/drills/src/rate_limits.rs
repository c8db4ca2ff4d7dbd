//! A thousand requests at once against each kind of limit, and whether what the answers say is true.

use e2e_tests::call::Call;
use e2e_tests::rate::{ADDRESS, Tally, address, burst, network, refusal, said, tally};
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use e2e_tests::{drill, people::User};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const MANY: usize = 1_000;
/// Windows outlast a burst by far.
const FLAGS: [&str; 5] = [
    "--split",
    "--routers",
    "3",
    "--var",
    "router.LIMITS=test;page=60/10m;asset=600/10m;socket=60/10m;api=20/8s;admin-write=120/10m;admin-guess=20/10m;login=10/10m",
];

struct Row {
    what: &'static str,
    asked: usize,
    seen: Tally,
    expected: usize,
    took: Duration,
}

impl Row {
    fn held(&self) -> bool {
        let expected = Tally {
            admitted: self.expected,
            refused: self.asked - self.expected,
            failed: 0,
        };
        self.seen == expected
    }
}

async fn row<'a>(what: &'static str, asked: usize, expected: usize, call: impl Fn(usize) -> Call<'a>) -> Row {
    let begun = Instant::now();
    let seen = tally(&burst(asked, call).await);
    Row {
        what,
        asked,
        seen,
        expected,
        took: begun.elapsed(),
    }
}

fn print(rows: &[Row]) {
    println!("| at once | asked | admitted | refused | failed | took | |");
    println!("|---|---|---|---|---|---|---|");
    for row in rows {
        let Tally {
            admitted,
            refused,
            failed,
        } = row.seen;
        let verdict = if row.held() { "held" } else { "**FAILED**" };
        let seconds = row.took.as_secs_f64();
        println!(
            "| {} | {} | {admitted} of {} | {refused} | {failed} | {seconds:.1} s | {verdict} |",
            row.what, row.asked, row.expected
        );
    }
}

async fn rows(stack: &Stack, user: &User) -> Vec<Row> {
    let urls = &stack.ready.urls;
    let (one, three, guesses, pages, home) = (address(), address(), address(), address(), network());
    let (_, key) = stack.admin_key("a thousand writes", &["fleet:read"]).await;
    // A router that has not heard of a new key looks it up, which a thousand at once need not wait for.
    for url in urls {
        let read = stack.call_at(url, "GET", "/api/super/users").bearer(&key);
        read.send().await.expect(200);
    }
    let login = |url: &str, from: &str| stack.call_at(url, "GET", "/login").header(ADDRESS, from);
    let hosts: Vec<String> = (1..=MANY).map(|host| format!("{home}{host:x}")).collect();
    let secrets: Vec<String> = (0..MANY).map(|number| format!("guess-{number:030}")).collect();
    let left = said(stack.get("/echo").user(user).send().await.expect(200)).remaining as usize;
    vec![
        row("sign-ins, one router", MANY, 10, |_| login(&urls[0], &one)).await,
        row("sign-ins, three routers", MANY, 10, |index| {
            login(&urls[index % urls.len()], &three)
        })
        .await,
        row("sign-ins from one IPv6 network", MANY, 10, |index| {
            login(&urls[0], &hosts[index])
        })
        .await,
        row("writes with one admin key, three routers", MANY, 120, |index| {
            stack
                .call_at(&urls[index % urls.len()], "PUT", "/api/super/nothing")
                .bearer(&key)
        })
        .await,
        row("guesses at the admin secret, three routers", MANY, 20, |index| {
            let call = stack.call_at(&urls[index % urls.len()], "PUT", "/api/super/nothing");
            call.header(ADDRESS, &guesses).header("x-admin-secret", &secrets[index])
        })
        .await,
        row("pages without a user, one isolate", MANY, 60, |_| {
            stack.get("/nothing").header(ADDRESS, &pages)
        })
        .await,
        row("pages of a user, one isolate", MANY, left, |_| {
            stack.get("/echo").user(user)
        })
        .await,
        row("assets of a user, one isolate", MANY, 600, |_| {
            stack.get("/echo").user(user).header("sec-fetch-dest", "script")
        })
        .await,
    ]
}

/// Uses up a limit, waits as long as it is told, and is admitted.
async fn wait_is_true(stack: &Stack) {
    let from = address();
    let ask = || stack.get("/_molt/boot").header(ADDRESS, &from);
    for left in (0..20).rev() {
        assert_eq!(said(ask().send().await.expect(401)).remaining, left);
    }
    let told = Instant::now();
    let wait = Duration::from_secs(refusal(&ask().send().await).into());
    let waited = until("somebody is admitted again", wait * 2, async || {
        (ask().send().await.status != 429).then(|| told.elapsed())
    })
    .await;
    println!(
        "Retry-After said {} s; asked without a pause, the first was admitted after {:.2} s",
        wait.as_secs(),
        waited.as_secs_f64()
    );
    assert!(waited <= wait + Duration::from_secs(1), "{waited:?}");
}

fn main() -> ExitCode {
    drill::run("rate-limits", &FLAGS, async |stack| {
        let user = stack.new_user().await;
        stack.awake(&user).await;
        let rows = rows(stack, &user).await;
        print(&rows);
        wait_is_true(stack).await;
        assert!(rows.iter().all(Row::held), "a limit did not hold");
    })
}
