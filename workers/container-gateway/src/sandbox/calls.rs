//! Typed calls of other workers (see `molt_common::sandbox_call`).

use super::alarm;
use super::boot;
use super::changes::calls as changes;
use super::config;
use super::drive;
use super::erase;
use super::files;
use super::grant;
use super::legacy;
use super::observe;
use super::outbound;
use super::ownership;
use super::providers;
use super::recovery;
use super::secrets;
use super::session_end;
use super::shut_out;
use super::snapshots::calls as snapshots;
use super::supervisor::{ExecReply, Supervisor};
use super::trail;
use super::usage;
use crate::sandbox_do::Sandbox;
use molt_common::audit_call::{NoteEnrolment, VerifyChain};
use molt_common::boot::{GetBoot, WatchBoot};
use molt_common::config_call::{CompareConfig, EditConfig, GetConfig, ListConfigVersions};
use molt_common::control;
use molt_common::files_call;
use molt_common::legacy_call::{DecideImport, GetImport};
use molt_common::object_call::Call;
use molt_common::outbound_call::{AdmitOutbound, GetOutbound, SetOutbound};
use molt_common::recovery::call::{ExportState, RestoreState};
use molt_common::repository_call::{EraseSandbox, GrantRepository};
use molt_common::sandbox_call::{
    CancelExec, EndSessions, ExecAnswer, FollowExec, Followed, FollowedOutput, GetPlacement, GetState, ProbeSandbox,
    ReleaseUser, SandboxView, StartExec, Wake,
};
use molt_common::sandbox_change::{CancelChange, ChangeSandbox, GetChange, SetKeepAlive};
use molt_common::snapshot_call::{
    DecideSnapshot, DestroyRepositoryKey, GetSnapshot, LeastGeneration, ListSnapshots, MayRemove, PublishSnapshot,
};
use molt_lifecycle::sandbox::owner::OwnerStanding;
use molt_lifecycle::sandbox::{Action, Event, Stage};
use molt_platform::{call, entropy};
use worker::{Error, Request, Response, Result};

/// Longest wait of a read, so that no caller's alarm step gets long.
const LONGEST_WAIT_MS: u64 = 8_000;

/// Answers one call.
pub async fn answer(object: &Sandbox, mut request: Request) -> Result<Response> {
    match request.path().as_str() {
        path if path.starts_with("/snapshots/") => snapshot_call(object, path, &mut request).await,
        path if path.starts_with("/secrets/") => secrets::answer(object, path, &mut request).await,
        path if path.starts_with("/providers/") => providers::answer(object, path, &mut request).await,
        path if path.starts_with("/budget/") => usage::answer(object, path, &mut request).await,
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
            call::answer::<Wake>(&wake_up(object, &wake).await?)
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
            let ended = session_end::end(object, &wanted).await?;
            if wanted.session.is_none() && wanted.reason == control::SessionEnd::Suspended {
                shut_out::stop(object).await?;
            }
            call::answer::<EndSessions>(&ended)
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
            call::answer::<ChangeSandbox>(&changes::ask(object, &asked, changes::By::Somebody).await?)
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
        EraseSandbox::PATH => call::answer::<EraseSandbox>(&erase::erase(object).await?),
        ExportState::PATH => {
            let asked: ExportState = call::read(&mut request).await?;
            call::answer::<ExportState>(&recovery::export(object, asked)?)
        }
        RestoreState::PATH => {
            let asked: RestoreState = call::read(&mut request).await?;
            call::answer::<RestoreState>(&recovery::restore(object, &asked).await?)
        }
        GrantRepository::PATH => {
            let asked: GrantRepository = call::read(&mut request).await?;
            call::answer::<GrantRepository>(&grant::grant(object, &asked).await?)
        }
        GetImport::PATH => {
            let asked: GetImport = call::read(&mut request).await?;
            call::answer::<GetImport>(&legacy::calls::get(object, asked.owner).await?)
        }
        DecideImport::PATH => {
            let asked: DecideImport = call::read(&mut request).await?;
            call::answer::<DecideImport>(&legacy::calls::decide(object, &asked).await?)
        }
        files_call::PATH | files_call::BATCH_PATH => files::answer(object, request.inner()).await.map(Response::from),
        GetOutbound::PATH => call::answer::<GetOutbound>(&outbound::get(object)?),
        SetOutbound::PATH => {
            let asked: SetOutbound = call::read(&mut request).await?;
            call::answer::<SetOutbound>(&outbound::set(object, &asked).await?)
        }
        AdmitOutbound::PATH => call::answer::<AdmitOutbound>(&outbound::admit(object)?),
        GetConfig::PATH => {
            let asked: GetConfig = call::read(&mut request).await?;
            call::answer::<GetConfig>(&config::calls::get(object, asked.owner).await?)
        }
        EditConfig::PATH => {
            let asked: EditConfig = call::read(&mut request).await?;
            call::answer::<EditConfig>(&config::edit::edit(object, &asked).await?)
        }
        ListConfigVersions::PATH => {
            let asked: ListConfigVersions = call::read(&mut request).await?;
            call::answer::<ListConfigVersions>(&config::calls::list(object, &asked)?)
        }
        CompareConfig::PATH => {
            let asked: CompareConfig = call::read(&mut request).await?;
            call::answer::<CompareConfig>(&config::calls::compare(object, &asked)?)
        }
        _ => Response::error("no such call", 404),
    }
}

async fn snapshot_call(object: &Sandbox, path: &str, request: &mut Request) -> Result<Response> {
    match path {
        PublishSnapshot::PATH => {
            call::answer::<PublishSnapshot>(&snapshots::publish(object, &call::read(request).await?)?)
        }
        ListSnapshots::PATH => call::answer::<ListSnapshots>(&snapshots::list(object, &call::read(request).await?)?),
        GetSnapshot::PATH => call::answer::<GetSnapshot>(&snapshots::get(object, &call::read(request).await?)?),
        DecideSnapshot::PATH => {
            call::answer::<DecideSnapshot>(&snapshots::decide(object, &call::read(request).await?)?)
        }
        MayRemove::PATH => call::answer::<MayRemove>(&snapshots::may_remove(object, &call::read(request).await?)?),
        LeastGeneration::PATH => call::answer::<LeastGeneration>(&snapshots::least_generation(object)?),
        DestroyRepositoryKey::PATH => {
            call::answer::<DestroyRepositoryKey>(&snapshots::destroy_key(object, &call::read(request).await?)?)
        }
        _ => Response::error("no such call", 404),
    }
}

/// A command needs the sandbox, of whose owner nobody has asked whether he may still have it started.
async fn wake_up(object: &Sandbox, wake: &Wake) -> Result<SandboxView> {
    match shut_out::standing_for_start(object, wake.owner).await? {
        OwnerStanding::LetIn => need(object, wake.owner, wake.tier).await,
        OwnerStanding::ShutOut => Ok(SandboxView {
            shut_out: true,
            ..ownership::view(object)?
        }),
        OwnerStanding::Unknown => Err(Error::RustError("whether its owner is suspended cannot be told".into())),
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
