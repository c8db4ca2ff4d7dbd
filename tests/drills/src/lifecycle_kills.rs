//! Kill -9 of every part in every phase of a sandbox's life, while a request waits: time until the state was true, and until a request was served.
//! A phase is held by stopping the process that would end it.

use e2e_tests::drill;
use e2e_tests::parts::Part;
use e2e_tests::people::User;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const TRUE_WITHIN: Duration = Duration::from_secs(5);
const SERVED_WITHIN: Duration = Duration::from_secs(90);
/// From the hold until the state shows the phase.
const SEEN_WITHIN: Duration = Duration::from_secs(3);
/// Longest way into a phase.
const REACHED_WITHIN: Duration = Duration::from_secs(60);
const IDLE: &[&str] = &["--var", "container-gateway.IDLE_SLEEP_SECONDS=6"];

/// A phase: what is seen in it, whose process is held so that it lasts, and what there is to be killed.
struct Held {
    name: &'static str,
    lifecycle: &'static str,
    phase: Option<&'static str>,
    hold: Option<Part>,
    victims: &'static [Part],
}

const PHASES: [Held; 5] = [
    Held {
        name: "container",
        lifecycle: "starting",
        phase: Some("container"),
        hold: Some(Part::Serve),
        victims: &[Part::Serve, Part::Init, Part::Container, Part::Engine],
    },
    Held {
        name: "configure",
        lifecycle: "starting",
        phase: Some("configure"),
        hold: Some(Part::Shim),
        victims: &[Part::Shim, Part::Serve, Part::Init, Part::Container, Part::Engine],
    },
    Held {
        name: "agent",
        lifecycle: "starting",
        phase: Some("agent"),
        hold: Some(Part::Agent),
        victims: &[Part::Agent, Part::Serve, Part::Init, Part::Container, Part::Engine],
    },
    Held {
        name: "running",
        lifecycle: "running",
        phase: None,
        hold: None,
        victims: &[Part::Agent, Part::Serve, Part::Init, Part::Container, Part::Engine],
    },
    Held {
        name: "stopping",
        lifecycle: "stopping",
        phase: None,
        hold: Some(Part::Serve),
        victims: &[Part::Agent, Part::Serve, Part::Init, Part::Container, Part::Engine],
    },
];

fn main() -> ExitCode {
    drill::run("lifecycle-kills", IDLE, async |stack| {
        println!("{:<10} {:<10} {:>10} {:>10}", "phase", "killed", "true ms", "served ms");
        let mut late = vec![];
        for phase in &PHASES {
            for victim in phase.victims {
                let (told, served) = case(stack, phase, *victim).await;
                let killed = format!("{victim:?}").to_lowercase();
                println!(
                    "{:<10} {killed:<10} {:>10} {:>10}",
                    phase.name,
                    told.as_millis(),
                    served.as_millis()
                );
                if told > TRUE_WITHIN {
                    late.push(format!("{killed} in {}", phase.name));
                }
            }
        }
        assert!(
            late.is_empty(),
            "the state was untrue for longer than {TRUE_WITHIN:?}: {late:?}"
        );
    })
}

/// What is told; `None` while the object itself cannot say.
async fn boot(stack: &Stack, user: &User) -> Option<Value> {
    let reply = stack.get("/_molt/boot").user(user).send().await;
    (reply.status == 200).then(|| reply.json(200))
}

fn is(boot: &Value, phase: &Held) -> bool {
    boot["lifecycle"] == phase.lifecycle && phase.phase.is_none_or(|name| boot["phase"] == name)
}

async fn case(stack: &Stack, phase: &Held, victim: Part) -> (Duration, Duration) {
    let (user, before) = reach(stack, phase).await;
    let held = match phase.hold {
        Some(part) => stack.part(&user, part).await,
        None => vec![],
    };
    let begun = Instant::now();
    stack.signal_part(&user, victim, Signal::SIGKILL).await;
    for pid in held {
        // What was killed needs no help to end; nothing can be asked of an engine that was.
        let _ = kill(Pid::from_raw(pid), Signal::SIGCONT);
    }
    let told = async {
        until("the state is true", SERVED_WITHIN, async || {
            let now = boot(stack, &user).await;
            let same = now.is_some_and(|now| {
                now["generation"] == before["generation"]
                    && now["lifecycle"] == before["lifecycle"]
                    && now["phase"] == before["phase"]
            });
            // What serves again is as it says, also where it never had to say otherwise.
            (!same || serves_as_before(stack, &user, phase).await).then(|| begun.elapsed())
        })
        .await
    };
    let served = async {
        until("a request is served", SERVED_WITHIN, async || {
            let reply = stack.get("/echo").user(&user).send().await;
            (reply.status == 200).then(|| begun.elapsed())
        })
        .await
    };
    tokio::join!(told, served)
}

async fn serves_as_before(stack: &Stack, user: &User, phase: &Held) -> bool {
    phase.lifecycle == "running" && stack.get("/echo").user(user).send().await.status == 200
}

/// A user whose sandbox is held in the phase. Phases are short, so it may take some users.
async fn reach(stack: &Stack, phase: &Held) -> (User, Value) {
    let deadline = Instant::now() + REACHED_WITHIN;
    while Instant::now() < deadline {
        let user = stack.new_user().await;
        if phase.lifecycle == "starting" {
            // A page is answered at once and starts what it needs.
            stack.get("/").user(&user).browser().send().await;
        } else {
            stack.awake(&user).await;
        }
        if let Some(before) = hold(stack, &user, phase, deadline).await {
            return (user, before);
        }
    }
    panic!("{} was never reached", phase.name);
}

/// Waits for the phase, and holds it; `None` when it is over already.
async fn hold(stack: &Stack, user: &User, phase: &Held, deadline: Instant) -> Option<Value> {
    let starting = phase.lifecycle == "starting";
    let mut held = !starting;
    let mut held_since = None;
    while Instant::now() < deadline {
        // Nothing else is asked before that: a phase may last a tenth of a second.
        let patience = Instant::now() + Duration::from_secs(1);
        while let (Some(part), false) = (phase.hold, held || Instant::now() >= patience) {
            held = stack.signal_part(user, part, Signal::SIGSTOP).await > 0;
        }
        let now = boot(stack, user).await.unwrap_or_default();
        if is(&now, phase) && held {
            if let (Some(part), false) = (phase.hold, starting) {
                stack.signal_part(user, part, Signal::SIGSTOP).await;
            }
            return Some(now);
        }
        // Held too late, it stands still in another phase.
        let missed = held && starting && held_since.get_or_insert_with(Instant::now).elapsed() > SEEN_WITHIN;
        let over = if starting { "running" } else { "sleeping" };
        if missed || now["lifecycle"] == over {
            if let Some(part) = phase.hold {
                stack.signal_part(user, part, Signal::SIGCONT).await;
            }
            return None;
        }
    }
    None
}
