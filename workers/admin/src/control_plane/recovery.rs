//! Calls about an export of the control plane and its restore.

use crate::control_plane_do::ControlPlane;
use molt_common::object_call::Call;
use molt_common::recovery::call::{
    BeginRestore, ExportState, FinishRestore, NoteExport, NoteMember, ReadSession, ReadStanding, RestoreState, Session,
};
use molt_platform::{call, entropy};
use worker::d1::D1Type;
use worker::{Request, Response, Result};

/// What the paths of these calls begin with.
pub const PREFIX: &str = "/recovery/";
/// Ids that one statement names: they are one text, and D1 takes two million bytes.
const IDS: usize = 20_000;

/// Answers one call.
pub async fn answer(object: &ControlPlane, request: &mut Request) -> Result<Response> {
    let store = object.store()?;
    match request.path().as_str() {
        ExportState::PATH => call::answer::<ExportState>(&store.export(call::read(request).await?)?),
        NoteExport::PATH => {
            let note: NoteExport = call::read(request).await?;
            store.note_export(&note.by)?;
            object.carry_on().await?;
            call::answer::<NoteExport>(&())
        }
        ReadSession::PATH => call::answer::<ReadSession>(&store.session()?),
        ReadStanding::PATH => call::answer::<ReadStanding>(&store.standing()?),
        BeginRestore::PATH => {
            let asked: BeginRestore = call::read(request).await?;
            call::answer::<BeginRestore>(&store.begin_restore(&asked, entropy::now())?)
        }
        RestoreState::PATH => call::answer::<RestoreState>(&store.restore(&call::read(request).await?)?),
        NoteMember::PATH => {
            let asked: NoteMember = call::read(request).await?;
            call::answer::<NoteMember>(&store.note_member(&asked.recovery, asked.number)?)
        }
        FinishRestore::PATH => {
            let asked: FinishRestore = call::read(request).await?;
            call::answer::<FinishRestore>(&finish(object, &asked).await?)
        }
        _ => Response::error("no such call", 404),
    }
}

async fn finish(object: &ControlPlane, asked: &FinishRestore) -> Result<Option<Session>> {
    let store = object.store()?;
    let Some(session) = store.restored(&asked.recovery)? else {
        return Ok(None);
    };
    if session.finished_at.is_some() {
        return Ok(Some(session));
    }
    let_in(object).await?;
    let finished = store.finish_restore(session, &asked.by, entropy::now())?;
    object.carry_on().await?;
    Ok(Some(finished))
}

/// Until now everybody was shut out. From now on those whom the object says are, whatever their rows said when they were exported.
async fn let_in(object: &ControlPlane) -> Result<()> {
    let store = object.store()?;
    let database = object.env.d1("PLATFORM_DB")?;
    let mut statements = vec![database.prepare("UPDATE users SET status = 'active' WHERE status <> 'active'")];
    for some in store.suspended_ids()?.chunks(IDS) {
        let ids = serde_json::to_string(some)?;
        statements.push(
            database
                .prepare("UPDATE users SET status = 'suspended' WHERE id IN (SELECT value FROM json_each(?1))")
                .bind_refs(&[D1Type::Text(&ids)])?,
        );
    }
    database.batch(statements).await?;
    Ok(())
}
