//! Takes over what the system before this one kept of a user: onto an empty home, verified before it counts.
//!
//! An archive counts when its compression's checksums agree, its end is there, it holds files, and what lies on the disk afterwards is as much as it said. One that does
//! not is passed over for the next candidate, and that is told. A damaged database or a configuration that is none is another matter: the newest copy has it, and
//! whether an older copy is better only somebody who knows can say. So that fails the import, unless an operator said otherwise.

mod archive;
mod checks;
mod edge;
mod laying;
mod single;

use crate::failure::{Failure, Outcome};
use crate::progress::Progress;
use crate::restore::{clear, onto_empty};
use crate::work_dir::WorkDir;
use edge::Edge;
use laying::Laying;
use molt_common::control::snapshot::RepositoryAccess;
use molt_common::legacy_data::{FILES, ImportPlan, ImportReport, MOST_NAMED, Source};
use std::os::fd::OwnedFd;
use std::path::Path;

/// Why one copy was not taken.
enum Trouble {
    /// It is not whole: another copy may be.
    Broken(String),
    /// Nothing can be imported.
    Failure(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// Where to, and by which plan.
pub struct Import<'a> {
    /// Where it is read.
    pub repository: &'a RepositoryAccess,
    /// The home.
    pub home: &'a Path,
    /// For copies of databases that are checked.
    pub work_dir: &'a WorkDir,
    /// Whose all of it is from now on.
    pub owner: (u32, u32),
    /// What is taken.
    pub plan: &'a ImportPlan,
}

impl Import<'_> {
    /// Does it.
    ///
    /// # Errors
    /// When the home is not empty (nothing was changed then), and when no copy is whole: the home is empty then, and the cause names each.
    pub fn run(&self, progress: &Progress) -> Outcome<ImportReport> {
        let edge = Edge::new(self.repository, self.plan.user);
        onto_empty(self.home, self.work_dir, FILES, |root| match &self.plan.source {
            Source::Archives { candidates } => {
                let mut passed_over = Vec::new();
                for candidate in candidates {
                    let mut laying = Laying::new(root, self.home, self.owner, progress);
                    laying.report.source.clone_from(&candidate.key);
                    laying.report.etag = Some(candidate.etag.clone());
                    let taken = archive::unpack(&edge, candidate, &mut laying).and_then(|()| self.conclude(laying));
                    match taken {
                        Ok(mut report) => {
                            report.passed_over = passed_over;
                            return Ok(report);
                        }
                        Err(Trouble::Failure(failure)) => return Err(failure),
                        Err(Trouble::Broken(why)) => {
                            passed_over.push(format!("{}: {why}", candidate.key));
                            clear(root).map_err(|error| Failure::disk("emptying", self.home, &error.into()))?;
                        }
                    }
                }
                Err(Failure::lasting(format!(
                    "no copy of what was there before is whole: {}",
                    passed_over.join("; ")
                )))
            }
            Source::Files { bytes, .. } => {
                progress.set_total(0, *bytes);
                let mut laying = Laying::new(root, self.home, self.owner, progress);
                FILES.clone_into(&mut laying.report.source);
                match single::fetch(&edge, &mut laying).and_then(|()| self.conclude(laying)) {
                    Ok(report) => Ok(report),
                    Err(Trouble::Failure(failure)) => Err(failure),
                    Err(Trouble::Broken(why)) => {
                        Err(Failure::lasting(format!("what was there before is not whole: {why}")))
                    }
                }
            }
        })
    }

    /// All of it is laid: it is looked at, and finished.
    fn conclude(&self, laying: Laying<'_>) -> Result<ImportReport, Trouble> {
        if laying.report.files == 0 {
            return Err(Trouble::Broken("it holds no file of the user's".into()));
        }
        let (root, home) = (laying.root, laying.name);
        let mut report = laying.finish()?;
        checks::paths(root, home, self.plan.accept_damaged, &mut report)?;
        checks::contents(root, home, self.work_dir, self.plan.accept_damaged, &mut report)?;
        sync(root, home)?;
        Ok(report)
    }
}

fn sync(root: &OwnedFd, home: &Path) -> Outcome<()> {
    rustix::fs::syncfs(root).map_err(|error| Failure::disk("writing to the disk of", home, &error.into()))
}

/// Notes a name with what is wrong about it, up to a number of them.
fn name(list: &mut Vec<String>, path: &[u8], why: &str) {
    /// Longest name that is told, characters.
    const LONGEST: usize = 300;
    if list.len() < MOST_NAMED {
        let path: String = String::from_utf8_lossy(path).escape_debug().take(LONGEST).collect();
        list.push(format!("{path}: {why}"));
    }
}
