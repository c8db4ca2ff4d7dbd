//! What the edge has told a sandbox's network.

use serde::Deserialize;

use crate::glob;

/// Body of `PUT /egress`. Fields that are absent leave things as they were.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Update {
    /// Port on the host's loopback at which the edge takes `CONNECT`.
    pub port: u16,
    /// Names of its intercepts.
    pub dns: Option<DnsUpdate>,
    /// Whether the internet is open.
    pub internet: Option<InternetUpdate>,
}

/// Part of [`Update`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DnsUpdate {
    /// Host name patterns; `*` alone when there is an intercept by address.
    #[serde(default)]
    pub allow_hostnames: Vec<String>,
}

/// Part of [`Update`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InternetUpdate {
    /// Whether the internet is open.
    #[serde(default)]
    pub enabled: bool,
}

/// What is in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// Port on the host's loopback at which the edge takes `CONNECT`, once it has said so.
    pub edge_port: Option<u16>,
    /// Host name patterns of the edge's intercepts, in lower case.
    pub intercepts: Vec<String>,
    /// Whether the internet is open.
    pub internet: bool,
    /// Whether the edge itself connects onwards what it does not intercept. A restarted edge does not, although the sandbox keeps
    /// its internet: it only sends its new port.
    pub edge_connects_onwards: bool,
}

impl Config {
    /// Takes over an update.
    pub fn apply(&mut self, update: Update) {
        self.edge_port = Some(update.port);
        if let Some(dns) = update.dns {
            self.intercepts = dns
                .allow_hostnames
                .into_iter()
                .map(|pattern| pattern.to_ascii_lowercase())
                .collect();
        }
        self.edge_connects_onwards = update.internet.as_ref().is_some_and(|internet| internet.enabled);
        if let Some(internet) = update.internet {
            self.internet = internet.enabled;
        }
    }

    /// Whether an intercept names this host, be it with a pattern.
    pub fn intercepts_name(&self, name: &str) -> bool {
        self.intercepts
            .iter()
            .any(|pattern| pattern != "*" && glob::matches(pattern, name))
    }

    /// Whether an intercept may match whatever the name: one for all names, or one by address.
    pub fn intercepts_anything(&self) -> bool {
        self.intercepts.iter().any(|pattern| pattern == "*")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(json: &str) -> Update {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_restarted_edge_sends_its_port_alone_and_the_rest_stays() {
        let mut config = Config::default();
        config.apply(update(
            r#"{"port":1,"dns":{"allowHostnames":["Edge.internal"]},"internet":{"enabled":true}}"#,
        ));
        assert!(config.internet && config.edge_connects_onwards && config.intercepts_name("edge.internal"));
        config.apply(update(r#"{"port":2}"#));
        assert_eq!(config.edge_port, Some(2));
        assert!(config.internet && config.intercepts_name("edge.internal"));
        assert!(
            !config.edge_connects_onwards,
            "it does not know that the internet is open"
        );
    }

    #[test]
    fn the_list_of_names_is_replaced_not_added_to() {
        let mut config = Config::default();
        config.apply(update(r#"{"port":1,"dns":{"allowHostnames":["a","*"]}}"#));
        assert!(config.intercepts_anything());
        config.apply(update(r#"{"port":1,"dns":{"allowHostnames":["b"]}}"#));
        assert!(!config.intercepts_name("a") && config.intercepts_name("b") && !config.intercepts_anything());
    }

    #[test]
    fn the_internet_is_closed_until_it_is_opened_and_can_be_closed_again() {
        let mut config = Config::default();
        assert!(!config.internet);
        config.apply(update(r#"{"port":1,"internet":{"enabled":true}}"#));
        config.apply(update(r#"{"port":1,"internet":{}}"#));
        assert!(!config.internet, "an absent value of the flag is false");
    }
}
