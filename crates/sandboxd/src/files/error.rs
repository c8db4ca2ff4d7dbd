//! Why something about a file was not done.

use hyper::StatusCode;
use rustix::io::Errno;

/// Why not; the text says of what (`path`) and is for the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    #[error("there is nothing at this path")]
    NotFound,
    #[error("a part of the path is no folder")]
    NotAFolder,
    #[error("it is a folder")]
    IsAFolder,
    #[error("it is no regular file")]
    NotAFile,
    #[error("it is a link, which is not written through; write to where it leads")]
    IsALink,
    #[error("the path leads out of the agent's home")]
    Outside,
    #[error("the agent itself may not do that")]
    NotPermitted,
    #[error("its links lead in a circle")]
    LinkLoop,
    #[error("the folder is not empty")]
    NotEmpty,
    #[error("the folder is deeper than is followed")]
    TooDeep,
    #[error("the disk has no room for it")]
    NoSpace,
    #[error("it has more than {0} bytes")]
    TooLarge(u64),
    #[error("what is there is not what the condition names")]
    Condition,
    #[error("{0}")]
    Invalid(String),
    #[error("body: broke off")]
    BrokeOff,
    #[error("only {0} is possible here")]
    Method(&'static str),
    #[error("too many files are on their way; try again in a moment")]
    Busy,
    #[error("files of the sandbox cannot be reached now: {0}")]
    NotReady(&'static str),
    #[error("the disk failed: {0}")]
    Io(String),
}

impl FileError {
    /// Status and stable code.
    pub const fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::NotAFolder => (StatusCode::CONFLICT, "not_a_folder"),
            Self::IsAFolder => (StatusCode::CONFLICT, "is_a_folder"),
            Self::NotAFile => (StatusCode::CONFLICT, "not_a_file"),
            Self::IsALink => (StatusCode::CONFLICT, "is_a_link"),
            Self::Outside => (StatusCode::FORBIDDEN, "outside_home"),
            Self::NotPermitted => (StatusCode::FORBIDDEN, "not_permitted"),
            Self::LinkLoop => (StatusCode::CONFLICT, "link_loop"),
            Self::NotEmpty => (StatusCode::CONFLICT, "not_empty"),
            Self::TooDeep => (StatusCode::CONFLICT, "too_deep"),
            Self::NoSpace => (StatusCode::INSUFFICIENT_STORAGE, "no_space"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::Condition => (StatusCode::PRECONDITION_FAILED, "precondition_failed"),
            Self::Invalid(_) | Self::BrokeOff => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Busy => (StatusCode::TOO_MANY_REQUESTS, "busy"),
            Self::NotReady(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
            Self::Io(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }
}

impl From<Errno> for FileError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT => Self::NotFound,
            Errno::NOTDIR => Self::NotAFolder,
            Errno::ISDIR => Self::IsAFolder,
            Errno::XDEV => Self::Outside,
            Errno::ACCESS | Errno::PERM | Errno::ROFS => Self::NotPermitted,
            Errno::LOOP => Self::LinkLoop,
            Errno::NOTEMPTY => Self::NotEmpty,
            Errno::NOSPC | Errno::DQUOT => Self::NoSpace,
            Errno::NAMETOOLONG => Self::Invalid("path: has a name that the disk does not take".to_owned()),
            other => Self::Io(other.to_string()),
        }
    }
}

impl From<std::io::Error> for FileError {
    fn from(error: std::io::Error) -> Self {
        Errno::from_io_error(&error).map_or_else(|| Self::Io(error.to_string()), Self::from)
    }
}
