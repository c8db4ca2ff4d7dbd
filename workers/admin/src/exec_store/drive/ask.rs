//! The calls that bring a job on, each with a time limit.

use futures_util::future::{Either, select};
use molt_common::control::{ExecStart, WaitFor};
use molt_common::id::UserId;
use molt_common::output::OutputCursor;
use molt_common::sandbox_call::{CancelExec, ExecAnswer, FollowExec, Followed, SandboxView, StartExec, Wake};
use molt_lifecycle::exec::Next;
use molt_platform::call;
use std::pin::pin;
use std::time::Duration;
use worker::{Delay, Error, Result, Stub};

/// Most bytes of output that one answer brings: many of them are in memory at once.
const PAGE_BYTES: u64 = 128 * 1024;

/// What is to be asked.
pub struct Question {
    /// The call.
    pub next: Next,
    /// Owner of the sandbox.
    pub user: UserId,
    /// His tier.
    pub tier: u8,
    /// Id of the command.
    pub exec_id: String,
    /// The command, when it is to be handed over.
    pub start: Option<ExecStart>,
    /// How far its output was fetched.
    pub after: OutputCursor,
    /// What a read waits for.
    pub wait_for: WaitFor,
    /// How long it waits, milliseconds.
    pub wait_ms: u64,
    /// No answer counts after so many milliseconds.
    pub limit_ms: u64,
}

/// What was answered.
pub enum Answer {
    /// To [`Next::Wake`].
    Sandbox(Box<SandboxView>),
    /// To everything else; output is told by reads alone.
    Exec(Followed),
}

/// Asks, and waits for the answer as long as the question says.
pub async fn ask(sandbox: &Stub, question: Question) -> Result<Answer> {
    let limit_ms = question.limit_ms;
    let answer = pin!(make(sandbox, question));
    match select(answer, pin!(Delay::from(Duration::from_millis(limit_ms)))).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => Err(Error::RustError(format!("no answer within {limit_ms} ms"))),
    }
}

async fn make(sandbox: &Stub, question: Question) -> Result<Answer> {
    let exec_id = question.exec_id;
    let bare = |answer: ExecAnswer| Answer::Exec(Followed { answer, output: None });
    match (question.next, question.start) {
        (Next::Wake, _) => {
            let (owner, tier) = (question.user, question.tier);
            let view = call::make(sandbox, &Wake { owner, tier }).await?;
            Ok(Answer::Sandbox(Box::new(view)))
        }
        (Next::Start(generation), Some(start)) => {
            let answer = call::make(sandbox, &StartExec { generation, start }).await?;
            Ok(bare(answer))
        }
        (Next::Read(generation), _) => {
            let follow = FollowExec {
                generation,
                exec_id,
                after: question.after,
                wait_ms: question.wait_ms,
                wait_for: question.wait_for,
                limit_bytes: PAGE_BYTES,
            };
            Ok(Answer::Exec(call::make(sandbox, &follow).await?))
        }
        (Next::Cancel(generation), _) => {
            let answer = call::make(sandbox, &CancelExec { generation, exec_id }).await?;
            Ok(bare(answer))
        }
        (Next::Start(_) | Next::Nothing, _) => Err(Error::RustError("there is nothing to ask".into())),
    }
}
