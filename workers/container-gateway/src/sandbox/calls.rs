//! Typed calls of other workers (see `molt_common::sandbox_call`).

use super::alarm;
use super::boot;
use super::changes::calls as changes;
use super::drive;
use super::observe;
use super::ownership;
use super::supervisor::{ExecReply, Supervisor};
use super::trail;
use crate::sandbox_do::Sandbox;
use molt_common::audit_call::{NoteEnrolment, VerifyChain};
use molt_common::boot::{GetBoot, WatchBoot};
use molt_common::control;
use molt_common::object_call::Call;
use molt_common::sandbox_call::{
    CancelExec, EndSessions, ExecAnswer, FollowExec, Followed, FollowedOutput, GetPlacement, GetState, ProbeSandbox,
    ReleaseUser, SandboxView, SessionsEnded, StartExec, Wake,
};
use molt_common::sandbox_change::{CancelChange, ChangeSandbox, GetChange, SetKeepAlive};
use molt_lifecycle::sandbox::{Action, Event, Stage};
use molt_platform::{call, entropy, log};
use serde_json::json;
use worker::{Request, Response, Result};

/// Longest wait of a read, so that no caller's alarm step gets long.
const LONGEST_WAIT_MS: u64 = 8_000;

/// Answers one call.
pub async fn answer(object: &Sandbox, mut request: Request) -> Result<Response> {
    match request.path().as_str() {
        GetState::PATH => call::answer::<GetState>(&ownership::view(object)?),
        GetBoot::PATH => call::answer::<GetBoot>(&boot::progress(object)?),
        WatchBoot::PATH => boot::watch(object, call::read(&mut request).await?),
        ProbeSandbox::PATH => call::answer::<ProbeSandbox>(&observe::ask(object).await?),
        GetPlacement::PATH => call::answer::<GetPlacement>(&ownership::placement(object)?),
        ReleaseUser::PATH => {
            let wanted: ReleaseUser = call::read(&mut request).await?;
            call::answer::<ReleaseUser>(&ownership::release(object, &wanted).await?)
        }
        Wake::PATH => {
            let wake: Wake = call::read(&mut request).await?;
            call::answer::<Wake>(&need(object, wake.owner, wake.tier).await?)
        }
        NoteEnrolment::PATH => {
            trail::note_enrolment(object, &call::read(&mut request).await?).await?;
            call::answer::<NoteEnrolment>(&())
        }
        VerifyChain::PATH => {
            let verify: VerifyChain = call::read(&mut request).await?;
            call::answer::<VerifyChain>(&trail::verify(object, &verify)?)
        }
        EndSessions::PATH => {
            let wanted: EndSessions = call::read(&mut request).await?;
            call::answer::<EndSessions>(&end_sessions(object, &wanted).await?)
        }
        StartExec::PATH => {
            let start: StartExec = call::read(&mut request).await?;
            call::answer::<StartExec>(&hand_over(object, &start).await?)
        }
        FollowExec::PATH => {
            let wanted: FollowExec = call::read(&mut request).await?;
            call::answer::<FollowExec>(&follow(object, &wanted).await?)
        }
        CancelExec::PATH => {
            let cancel: CancelExec = call::read(&mut request).await?;
            let answer = ask(object, cancel.generation, async |supervisor| {
                supervisor.cancel(&cancel.exec_id).await
            })
            .await?;
            call::answer::<CancelExec>(&answer)
        }
        ChangeSandbox::PATH => {
            let asked: ChangeSandbox = call::read(&mut request).await?;
            call::answer::<ChangeSandbox>(&changes::ask(object, &asked).await?)
        }
        GetChange::PATH => {
            let asked: GetChange = call::read(&mut request).await?;
            call::answer::<GetChange>(&changes::get(object, &asked)?)
        }
        CancelChange::PATH => {
            let asked: CancelChange = call::read(&mut request).await?;
            call::answer::<CancelChange>(&changes::cancel(object, &asked).await?)
        }
        SetKeepAlive::PATH => {
            let asked: SetKeepAlive = call::read(&mut request).await?;
            call::answer::<SetKeepAlive>(&changes::keep_alive(object, &asked).await?)
        }
        _ => Response::error("no such call", 404),
    }
}

/// Somebody needs the sandbox: a start begins unless there is one. Answers at once with where it stands.
pub async fn need(object: &Sandbox, owner: molt_common::id::UserId, tier: u8) -> Result<SandboxView> {
    // Whoever is with what ran before is not moved by this: only his own requests do that.
    if ownership::may_run(object)? {
        object.used_at.set(Some(entropy::now()));
        let actions = drive::step(object, Event::Needed { owner, tier })?;
        let running = object.store()?.load()?.stage == Stage::Running;
        if actions.contains(&Action::Start) || (running && !object.container()?.running()) {
            alarm::now(object).await?;
        } else {
            alarm::in_use(object).await?;
        }
    }
    ownership::view(object)
}

/// Ends sessions where there are any: in requests that wait here, and in the container. Starts, wakes and keeps alive nothing.
async fn end_sessions(object: &Sandbox, wanted: &EndSessions) -> Result<SessionsEnded> {
    object
        .ended
        .borrow_mut()
        .end(wanted.session.as_ref(), wanted.reason, entropy::now());
    object.waits.changed();
    let store = object.store()?;
    let container = object.container()?;
    // While it starts it has admitted nothing yet; what waits for it is refused here.
    let admits = matches!(store.load()?.stage, Stage::Running | Stage::Stopping { .. });
    if !admits || !container.running() {
        return Ok(SessionsEnded { sockets: Some(0) });
    }
    let supervisor = Supervisor {
        container: &container,
        token: store.control_token()?,
    };
    let call = control::EndSessions {
        session: wanted.session.as_ref().map(|session| session.as_str().to_owned()),
        reason: wanted.reason,
    };
    let sockets = match supervisor.end_sessions(&call).await {
        Ok(sockets) => Some(sockets),
        Err(error) => {
            let sandbox = object.state.id().name();
            log::error(
                "sessions_not_ended",
                json!({"sandbox": sandbox, "error": error.to_string()}),
            );
            // Perhaps the container is gone: have it looked at now instead of with the next heartbeat.
            alarm::now(object).await?;
            None
        }
    };
    Ok(SessionsEnded { sockets })
}

async fn follow(object: &Sandbox, wanted: &FollowExec) -> Result<Followed> {
    let wait = wanted.wait_ms.min(LONGEST_WAIT_MS);
    let mut output = None;
    let answer = ask(object, wanted.generation, async |supervisor| {
        Ok(match supervisor.follow(wanted, wait).await? {
            ExecReply::Report(page) => {
                output = Some(FollowedOutput {
                    pieces: page.pieces,
                    cursor: page.cursor,
                    more: page.more,
                });
                ExecReply::Report(Box::new(page.report))
            }
            ExecReply::Unknown => ExecReply::Unknown,
            ExecReply::Refused(error) => ExecReply::Refused(error),
            ExecReply::NotNow(error) => ExecReply::NotNow(error),
        })
    })
    .await?;
    Ok(Followed { answer, output })
}

/// Hands a command over. Where the container went away while no object looked, this try certainly reached nobody. That says nothing about tries
/// before, which may have run in it: so the answer is that the generation has ended, which the alarm is about to find as well.
async fn hand_over(object: &Sandbox, start: &StartExec) -> Result<ExecAnswer> {
    object.used_at.set(Some(entropy::now()));
    if !object.container()?.running() {
        alarm::now(object).await?;
        return Ok(ExecAnswer::Ended {
            generation: object.store()?.load()?.generation,
        });
    }
    ask(object, start.generation, async |supervisor| {
        supervisor.start(&start.start).await
    })
    .await
}

async fn ask(
    object: &Sandbox,
    generation: u64,
    question: impl AsyncFnOnce(&Supervisor<'_>) -> Result<ExecReply>,
) -> Result<ExecAnswer> {
    // Work in it is to be told its end soon.
    object.followed_at.set(Some(entropy::now()));
    alarm::in_use(object).await?;
    let store = object.store()?;
    let machine = store.load()?;
    if !machine.lives(generation) {
        return Ok(ExecAnswer::Ended {
            generation: machine.generation,
        });
    }
    let container = object.container()?;
    let supervisor = Supervisor {
        container: &container,
        token: store.control_token()?,
    };
    Ok(match question(&supervisor).await {
        Ok(ExecReply::Report(report)) => ExecAnswer::Report { report },
        Ok(ExecReply::Unknown) => ExecAnswer::Unknown,
        Ok(ExecReply::Refused(error)) => ExecAnswer::Refused { error },
        Ok(ExecReply::NotNow(error)) => ExecAnswer::NotNow { error },
        Err(error) => {
            // Perhaps the container is gone: have it looked at now instead of with the next heartbeat.
            alarm::now(object).await?;
            ExecAnswer::Unreachable {
                error: error.to_string(),
            }
        }
    })
}
