//! The body of a request to create a container: the parts of it that mean something here.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A container as a client describes it. What is not listed is ignored, privileges and restart policies above all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateRequest {
    /// Reference of the image.
    #[serde(default)]
    pub image: String,
    /// Arguments after the entry point.
    pub cmd: Option<Vec<String>>,
    /// Instead of the image's entry point.
    pub entrypoint: Option<Vec<String>>,
    /// `NAME=value`, over the image's.
    pub env: Option<Vec<String>>,
    /// Labels, by which clients find their containers.
    pub labels: Option<BTreeMap<String, String>>,
    /// Settings of the host.
    pub host_config: Option<HostConfig>,
}

/// Part of [`CreateRequest`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HostConfig {
    /// `container:<name>` to share another's network.
    #[serde(default)]
    pub network_mode: String,
}

/// What a request may not hold.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A container's name goes into paths.
    #[error("name must be 1 to 200 letters, digits, '_', '.' and '-', and begin with a letter or digit")]
    Name,
    /// Not `NAME=value`.
    #[error("Env[{0}] is not NAME=value")]
    Env(usize),
    /// A zero byte cannot be passed on.
    #[error("{0} holds a zero byte")]
    ZeroByte(&'static str),
}

/// Whether a name may be given to a container.
pub fn check_name(name: &str) -> Result<(), RequestError> {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
    if first && rest && name.len() <= 200 {
        Ok(())
    } else {
        Err(RequestError::Name)
    }
}

impl CreateRequest {
    /// The variables. A later one of the same name wins, as in a shell.
    pub fn variables(&self) -> Result<BTreeMap<String, String>, RequestError> {
        let mut variables = BTreeMap::new();
        for (place, entry) in self.env.iter().flatten().enumerate() {
            let (name, value) = entry.split_once('=').ok_or(RequestError::Env(place))?;
            if name.is_empty() {
                return Err(RequestError::Env(place));
            }
            if entry.contains('\0') {
                return Err(RequestError::ZeroByte("Env"));
            }
            variables.insert(name.to_owned(), value.to_owned());
        }
        Ok(variables)
    }

    /// Program and arguments, given the image's entry point.
    pub fn command(&self, entrypoint: &[String]) -> Result<Vec<String>, RequestError> {
        let program = self
            .entrypoint
            .as_deref()
            .filter(|own| !own.is_empty())
            .unwrap_or(entrypoint);
        let command: Vec<String> = program.iter().chain(self.cmd.iter().flatten()).cloned().collect();
        if command.iter().any(|word| word.contains('\0')) {
            return Err(RequestError::ZeroByte("Cmd"));
        }
        Ok(command)
    }

    /// Name or id of the container whose network is shared.
    pub fn network_of(&self) -> Option<&str> {
        self.host_config.as_ref()?.network_mode.strip_prefix("container:")
    }

    /// As the client gave it.
    pub fn network_mode(&self) -> &str {
        self.host_config.as_ref().map_or("", |config| &config.network_mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> CreateRequest {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_request_as_the_edge_sends_it() {
        let request = parse(
            r#"{"Image":"cloudflare-dev/sandbox:1","Env":["A=1","B=x=y","A=2"],"Labels":{"dev.workerd.session":"s"},"Tty":false,
                "HostConfig":{"RestartPolicy":{"Name":"on-failure"},"NetworkMode":"container:box-proxy","PidMode":"host"}}"#,
        );
        assert_eq!(request.network_of(), Some("box-proxy"));
        assert_eq!(
            request.variables().unwrap().into_iter().collect::<Vec<_>>(),
            [("A".to_owned(), "2".to_owned()), ("B".to_owned(), "x=y".to_owned())]
        );
        assert_eq!(request.command(&["/init".into()]).unwrap(), ["/init"]);
    }

    #[test]
    fn arguments_come_after_the_entry_point_and_a_new_entry_point_replaces_it() {
        let entrypoint = ["/a".to_owned(), "init".to_owned()];
        assert_eq!(
            parse(r#"{"Cmd":["x"]}"#).command(&entrypoint).unwrap(),
            ["/a", "init", "x"]
        );
        assert_eq!(
            parse(r#"{"Entrypoint":["/b"],"Cmd":["x"]}"#)
                .command(&entrypoint)
                .unwrap(),
            ["/b", "x"]
        );
        assert_eq!(
            parse(r#"{"Entrypoint":[]}"#).command(&entrypoint).unwrap(),
            ["/a", "init"]
        );
    }

    #[test]
    fn what_cannot_be_passed_on_is_refused() {
        assert_eq!(
            parse(r#"{"Env":["A=1","nonsense"]}"#).variables(),
            Err(RequestError::Env(1))
        );
        assert_eq!(parse(r#"{"Env":["=1"]}"#).variables(), Err(RequestError::Env(0)));
        assert_eq!(
            parse(r#"{"Env":["A=\u0000"]}"#).variables(),
            Err(RequestError::ZeroByte("Env"))
        );
        assert_eq!(
            parse(r#"{"Cmd":["\u0000"]}"#).command(&[]),
            Err(RequestError::ZeroByte("Cmd"))
        );
    }

    #[test]
    fn names_cannot_leave_their_directory() {
        for name in ["", ".", "..", "../x", "a/b", ".a", "-a", "a b", "ä", &"x".repeat(201)] {
            assert_eq!(check_name(name), Err(RequestError::Name), "{name}");
        }
        for name in ["a", "workerd-s1-gateway-Sandbox-00ff_x.y-proxy"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
    }
}
