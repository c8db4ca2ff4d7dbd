//! Paths of a repository at the edge, what each call to one takes, and where its objects are stored.
//!
//! Below `crate::snapshot::REPOSITORY_PATH` a sandbox's repository speaks restic's REST protocol: `config`, and five kinds of objects, each
//! under the SHA-256 of its bytes. In the bucket the same names lie under `snapshots/<sandbox id>/`. A name is read into types before a key is
//! made of it, so no spelling of a path leads anywhere else.

use crate::id::{SandboxId, UserId};
use crate::path;
use crate::problem::Problem;
use crate::repository_token::Access;
use crate::snapshot::{ObjectId, REPOSITORY_PATH};

/// Kinds of objects that are named by their contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Keys that open the repository by a password.
    Keys,
    /// Who works on it.
    Locks,
    /// Snapshots.
    Snapshots,
    /// Which blob is in which pack.
    Index,
    /// Packs.
    Data,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Keys, Self::Locks, Self::Snapshots, Self::Index, Self::Data];

    /// As in paths.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Locks => "locks",
            Self::Snapshots => "snapshots",
            Self::Index => "index",
            Self::Data => "data",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == text)
    }

    /// Longest object that is taken, bytes. restic makes packs of up to 128 MiB and an index of about 8; the others are a few lines of JSON.
    #[must_use]
    pub const fn longest(self) -> u64 {
        match self {
            Self::Data | Self::Index => 160 * 1024 * 1024,
            Self::Snapshots => 4 * 1024 * 1024,
            Self::Keys | Self::Locks => 64 * 1024,
        }
    }
}

/// Longest configuration of a repository, bytes; they have about 150.
pub const LONGEST_CONFIG: u64 = 64 * 1024;

/// A thing in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// Its configuration: written once, named by nothing.
    Config,
    /// An object, named by its contents.
    Object(Kind, ObjectId),
}

/// Where a repository lies in the bucket. A sandbox has one; further ones are begun beside it when nobody has the key of those before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Whose.
    pub sandbox: SandboxId,
    /// 0 for the first, then how many lie before it.
    pub incarnation: u32,
}

impl Root {
    /// What its keys begin with.
    #[must_use]
    pub fn prefix(&self) -> String {
        let all = prefix(&self.sandbox);
        match self.incarnation {
            0 => all,
            number => format!("{all}again-{number}/"),
        }
    }

    /// What its keys of one kind begin with.
    #[must_use]
    pub fn prefix_of(&self, kind: Kind) -> String {
        format!("{}{}/", self.prefix(), kind.word())
    }
}

impl Item {
    /// Its key in the bucket.
    #[must_use]
    pub fn key(&self, root: &Root) -> String {
        match self {
            Self::Config => format!("{}config", root.prefix()),
            Self::Object(kind, id) => format!("{}{id}", root.prefix_of(*kind)),
        }
    }

    /// Longest one that is taken, bytes.
    #[must_use]
    pub const fn longest(&self) -> u64 {
        match self {
            Self::Config => LONGEST_CONFIG,
            Self::Object(kind, _) => kind.longest(),
        }
    }
}

/// What all keys of a sandbox's repositories begin with.
#[must_use]
pub fn prefix(sandbox: &SandboxId) -> String {
    format!("snapshots/{sandbox}/")
}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The repository as a whole.
    Whole,
    /// All objects of a kind.
    List(Kind),
    /// One thing.
    Item(Item),
    /// Where a snapshot is announced.
    Publish,
    /// What the old system kept of the sandbox's user, object by object.
    Kept(UserId),
    /// One object of that.
    KeptObject(UserId),
}

/// What a call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The repository is to exist.
    Create,
    /// Names and sizes of all objects of a kind.
    List(Kind),
    /// Whether a thing is there and how long it is.
    Stat(Item),
    /// Its bytes.
    Read(Item),
    /// It is to be stored.
    Write(Item),
    /// It is to be removed.
    Remove(Item),
    /// A snapshot is to count.
    Publish,
    /// A page of what the old system kept of the sandbox's user.
    ListKept(UserId),
    /// A span of one object of that.
    ReadKept(UserId),
}

/// A path of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryPath {
    /// Whose.
    pub sandbox: SandboxId,
    /// What in it.
    pub place: Place,
}

impl RepositoryPath {
    /// Whether a path is one of those.
    #[must_use]
    pub fn covers(path: &str) -> bool {
        path::below(path, REPOSITORY_PATH)
    }

    /// Reads the path of a URL as it stands there.
    ///
    /// # Errors
    /// 400 `invalid_request` that names `path`, for everything that is not written in the one way that it can be.
    pub fn parse(path: &str) -> Result<Self, Problem> {
        let rest = path
            .strip_prefix(REPOSITORY_PATH)
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or_else(|| Problem::invalid("path", "is not that of a repository"))?;
        let (sandbox, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let sandbox = SandboxId::parse(sandbox)
            .map_err(|error| Problem::invalid("path", format!("names no sandbox: its id {error}")))?;
        let place = place(rest, &sandbox).ok_or_else(|| {
            Problem::invalid(
                "path",
                "must be restic/, restic/config, restic/<keys|locks|snapshots|index|data>/ with or without 64 hexadecimal digits in lower case, publish, \
                 import/<the sandbox's user>/objects or import/<the sandbox's user>/object",
            )
        })?;
        Ok(Self { sandbox, place })
    }

    /// What a call of this method asks for, and what access that takes. `creates` is whether its query says `create=true`.
    ///
    /// # Errors
    /// 405 `method_not_allowed`; 400 `invalid_request` for a repository that is to be neither made nor anything else.
    pub fn operation(&self, method: &str, creates: bool) -> Result<(Operation, Access), Problem> {
        let operation = match (self.place, method) {
            (Place::Whole, "POST") if creates => Operation::Create,
            (Place::Whole, "POST") => return Err(Problem::invalid("create", "must be true")),
            (Place::List(kind), "GET") => Operation::List(kind),
            (Place::Item(item), "GET") => Operation::Read(item),
            (Place::Item(item), "HEAD") => Operation::Stat(item),
            (Place::Item(item), "POST") => Operation::Write(item),
            (Place::Item(item), "DELETE") => Operation::Remove(item),
            (Place::Publish, "POST") => Operation::Publish,
            (Place::Kept(user), "GET") => Operation::ListKept(user),
            (Place::KeptObject(user), "GET") => Operation::ReadKept(user),
            (place, _) => {
                let taken = match place {
                    Place::Whole | Place::Publish => "POST",
                    Place::List(_) | Place::Kept(_) | Place::KeptObject(_) => "GET",
                    Place::Item(_) => "GET, HEAD, POST and DELETE",
                };
                let text = format!("This path of a repository takes {taken}, not {method}.");
                return Err(Problem::new(405, "method_not_allowed", text));
            }
        };
        Ok((operation, operation.takes()))
    }
}

impl Operation {
    /// What access it takes. Lock files come and go with every work on a repository; nothing else is removed by whoever only adds.
    const fn takes(self) -> Access {
        match self {
            Self::List(_) | Self::Stat(_) | Self::Read(_) | Self::ListKept(_) | Self::ReadKept(_) => Access::Read,
            Self::Create | Self::Write(_) | Self::Publish | Self::Remove(Item::Object(Kind::Locks, _)) => {
                Access::Append
            }
            Self::Remove(_) => Access::Full,
        }
    }
}

fn place(rest: &str, sandbox: &SandboxId) -> Option<Place> {
    if rest == "publish" {
        return Some(Place::Publish);
    }
    if let Some(rest) = rest.strip_prefix("import/") {
        let (user, what) = rest.split_once('/')?;
        // A sandbox's token opens what was kept of its own user, and of nobody else.
        let user = UserId::parse(user)
            .ok()
            .filter(|user| user.to_string() == rest.get(..36).unwrap_or_default())?;
        return match what {
            _ if SandboxId::personal(user) != *sandbox => None,
            "objects" => Some(Place::Kept(user)),
            "object" => Some(Place::KeptObject(user)),
            _ => None,
        };
    }
    let rest = rest.strip_prefix("restic/")?;
    match rest.split_once('/') {
        None if rest.is_empty() => Some(Place::Whole),
        None if rest == "config" => Some(Place::Item(Item::Config)),
        None => None,
        Some((kind, "")) => Kind::parse(kind).map(Place::List),
        Some((kind, id)) => {
            let id = ObjectId::parse(id).ok()?;
            Some(Place::Item(Item::Object(Kind::parse(kind)?, id)))
        }
    }
}

#[cfg(test)]
#[path = "repository_path_tests.rs"]
mod tests;
