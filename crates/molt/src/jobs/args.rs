//! Command line of `molt jobs`.

use crate::client::{Client, ClientError};
use crate::exec::user;
use crate::follow::OnInterrupt;
use clap::{Args, Subcommand};
use molt_common::api::JobState;
use molt_common::id::ExecId;
use molt_common::job_id::{JobId, JobKind};

/// What is to be done with jobs.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Lists jobs, newest first.
    List(List),
    /// Shows one job, and its parts if it has some.
    Show(Which),
    /// Follows a command's output, from its beginning on, and ends with its exit code.
    #[command(after_help = crate::exec::EXIT_CODES)]
    Attach(Attach),
    /// Cancels a job with its parts, and waits for its end.
    Cancel(Cancel),
    /// Waits for the end of a job; ends with 0 only if it and all its parts succeeded, else with 1.
    Watch(Which),
}

/// Which jobs are listed.
#[derive(Debug, Args)]
pub struct List {
    /// `exec`, `bulk-exec`, `lifecycle` or `bulk-restart`
    #[arg(long, value_parser = kind)]
    pub kind: Option<JobKind>,
    /// On whose sandbox; id or name
    #[arg(long)]
    pub user: Option<String>,
    /// Where they stand, such as running or lost
    #[arg(long, value_parser = state)]
    pub state: Option<JobState>,
    /// The parts of this job
    #[arg(long, value_name = "ID", value_parser = JobId::parse)]
    pub parent: Option<JobId>,
    /// At most that many
    #[arg(long, default_value_t = 50)]
    pub limit: usize,
}

/// One job.
#[derive(Debug, Args)]
pub struct Which {
    /// Id of the job; with --user also that of a command alone
    pub id: String,
    /// User whose command it is; id or name
    #[arg(long)]
    pub user: Option<String>,
}

/// Following a command again.
#[derive(Debug, Args)]
pub struct Attach {
    /// Which.
    #[command(flatten)]
    pub which: Which,
    /// Leaves out what it has written before
    #[arg(long)]
    pub from_now: bool,
    /// What Ctrl-C and TERM do
    #[arg(long, value_enum, default_value_t = OnInterrupt::Detach)]
    pub on_interrupt: OnInterrupt,
}

/// Cancelling a job.
#[derive(Debug, Args)]
pub struct Cancel {
    /// Which.
    #[command(flatten)]
    pub which: Which,
    /// Does not wait for its end
    #[arg(long)]
    pub no_wait: bool,
}

impl Which {
    /// The job's id.
    ///
    /// # Errors
    /// [`ClientError::Argument`] when it is none; of [`Client::user`] those.
    pub fn job(&self, client: &Client) -> Result<JobId, ClientError> {
        let given = &self.id;
        match (JobId::parse(given), &self.user) {
            (Ok(job), None) => Ok(job),
            (Ok(job), Some(name)) => match job.owner() {
                Some(owner) if owner == user(client, name)? => Ok(job),
                _ => Err(ClientError::Argument(format!("{given} is no job of {name}"))),
            },
            (Err(_), Some(name)) => {
                let exec_id = ExecId::parse(given)
                    .map_err(|error| ClientError::Argument(format!("{given} is no command's id: it {error}")))?;
                Ok(JobId::exec(user(client, name)?, exec_id))
            }
            (Err(error), None) => Err(ClientError::Argument(format!(
                "{given} is no job's id: it {error}; the id of a command alone needs --user"
            ))),
        }
    }
}

fn kind(text: &str) -> Result<JobKind, String> {
    JobKind::parse(text).ok_or_else(|| format!("must be one of {}", JobKind::ALL.map(JobKind::word).join(", ")))
}

fn state(text: &str) -> Result<JobState, String> {
    JobState::parse(text).ok_or_else(|| format!("must be one of {}", JobState::ALL.map(JobState::word).join(", ")))
}

#[cfg(test)]
mod tests {
    use super::Which;
    use crate::client::Client;

    const ADA: &str = "ada00000-0000-4000-8000-000000000001";

    fn job(id: &str, user: Option<&str>) -> Result<String, String> {
        // Nobody is asked: the user is given by id.
        let client = Client::with_secret("http://127.0.0.1:1", "").unwrap();
        let which = Which {
            id: id.to_owned(),
            user: user.map(str::to_owned),
        };
        which
            .job(&client)
            .map(|job| job.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_job_is_named_in_full_or_as_a_command_of_a_user() {
        let full = format!("exec.{ADA}.exec_1");
        assert_eq!(job(&full, None), Ok(full.clone()));
        assert_eq!(job(&full, Some(ADA)), Ok(full.clone()));
        assert_eq!(job("exec_1", Some(ADA)), Ok(full.clone()));
        assert_eq!(job("bulk-exec.fleet.b1", None), Ok("bulk-exec.fleet.b1".to_owned()));
        for (id, user, said) in [
            ("exec_1", None, "--user"),
            ("a/b", Some(ADA), "no command's id"),
            ("bulk-exec.fleet.b1", Some(ADA), "no job of"),
            (full.as_str(), Some("bbbbbbbb-0000-4000-8000-000000000001"), "no job of"),
        ] {
            let refused = job(id, user).unwrap_err();
            assert!(refused.contains(said), "{id}: {refused}");
        }
    }
}
