//! From a request line to an operation. Pure.

use std::collections::HashMap;

use http::Method;
use percent_encoding::percent_decode_str;

/// Operations of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Is the engine there?
    Ping,
    /// Facts about the engine.
    Info,
    /// Versions.
    Version,
    /// All containers, as this engine knows them.
    MoltContainers,
    /// The containers that filters select.
    ListContainers,
    /// A new container.
    CreateContainer,
    /// Something about one container.
    Container(String, ContainerRoute),
    /// One image.
    InspectImage(String),
    /// All images.
    ListImages,
    /// Forget an image.
    RemoveImage(String),
    /// All volumes, of which there are none.
    ListVolumes,
    /// A volume, which does not exist.
    Volume(String),
    /// The one network there is.
    InspectNetwork(String),
}

/// Operations on one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerRoute {
    /// What is known of it.
    Inspect,
    /// Start it.
    Start,
    /// Ask it to end.
    Stop,
    /// Send it a signal.
    Kill,
    /// Wait for it.
    Wait,
    /// What it wrote.
    Logs,
    /// Put files into it.
    PutArchive,
    /// Get files out of it.
    GetArchive,
    /// Remove it.
    Remove,
}

/// The operation for a method and a path, without query; `None` for those that this engine does not have.
pub fn route(method: &Method, path: &str) -> Option<Route> {
    let decode = |text: &str| {
        percent_decode_str(text)
            .decode_utf8()
            .ok()
            .map(|text| text.into_owned())
    };
    let path = without_version(path);
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (get, post, put, delete) = (
        method == Method::GET,
        method == Method::POST,
        method == Method::PUT,
        method == Method::DELETE,
    );
    Some(match parts.as_slice() {
        ["_ping"] if get || method == Method::HEAD => Route::Ping,
        ["info"] if get => Route::Info,
        ["version"] if get => Route::Version,
        ["molt", "containers"] if get => Route::MoltContainers,
        ["containers", "json"] if get => Route::ListContainers,
        ["containers", "create"] if post => Route::CreateContainer,
        ["containers", name] if delete => Route::Container(decode(name)?, ContainerRoute::Remove),
        ["containers", name, action] => {
            let action = match *action {
                "json" if get => ContainerRoute::Inspect,
                "start" if post => ContainerRoute::Start,
                "stop" if post => ContainerRoute::Stop,
                "kill" if post => ContainerRoute::Kill,
                "wait" if post => ContainerRoute::Wait,
                "logs" if get => ContainerRoute::Logs,
                "archive" if put => ContainerRoute::PutArchive,
                "archive" if get => ContainerRoute::GetArchive,
                _ => return None,
            };
            Route::Container(decode(name)?, action)
        }
        ["images", "json"] if get => Route::ListImages,
        // A reference holds slashes of its own, encoded or not.
        ["images", reference @ .., "json"] if get && !reference.is_empty() => {
            Route::InspectImage(decode(&reference.join("/"))?)
        }
        ["images", reference @ ..] if delete && !reference.is_empty() => {
            Route::RemoveImage(decode(&reference.join("/"))?)
        }
        ["volumes"] if get => Route::ListVolumes,
        ["volumes", name] if get || delete => Route::Volume(decode(name)?),
        ["networks", name] if get => Route::InspectNetwork(decode(name)?),
        _ => return None,
    })
}

/// Clients may name the version of the interface that they speak.
fn without_version(path: &str) -> &str {
    let Some((version, rest)) = path.strip_prefix("/v").and_then(|path| path.split_once('/')) else {
        return path;
    };
    let numbers = version
        .split('.')
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    if numbers { rest } else { path }
}

/// The parameters of a query; the last of a name wins.
pub fn query(text: Option<&str>) -> HashMap<String, String> {
    let decode = |text: &str| {
        percent_decode_str(&text.replace('+', " "))
            .decode_utf8_lossy()
            .into_owned()
    };
    text.unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// As the engine's clients write yes.
pub fn truth(value: Option<&String>) -> bool {
    value.is_some_and(|value| !matches!(value.to_ascii_lowercase().as_str(), "" | "0" | "no" | "false" | "none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, path: &str) -> Option<Route> {
        route(&method.parse().unwrap(), path)
    }

    #[test]
    fn every_call_of_the_runtime_has_an_operation() {
        let container = |action| Some(Route::Container("w-1-proxy".into(), action));
        assert_eq!(
            of("GET", "/containers/w-1-proxy/json"),
            container(ContainerRoute::Inspect)
        );
        assert_eq!(
            of("POST", "/containers/w-1-proxy/start"),
            container(ContainerRoute::Start)
        );
        assert_eq!(
            of("POST", "/containers/w-1-proxy/stop"),
            container(ContainerRoute::Stop)
        );
        assert_eq!(
            of("POST", "/containers/w-1-proxy/kill"),
            container(ContainerRoute::Kill)
        );
        assert_eq!(
            of("POST", "/containers/w-1-proxy/wait"),
            container(ContainerRoute::Wait)
        );
        assert_eq!(of("DELETE", "/containers/w-1-proxy"), container(ContainerRoute::Remove));
        assert_eq!(
            of("PUT", "/containers/w-1-proxy/archive"),
            container(ContainerRoute::PutArchive)
        );
        assert_eq!(
            of("GET", "/containers/w-1-proxy/archive"),
            container(ContainerRoute::GetArchive)
        );
        assert_eq!(of("POST", "/containers/create"), Some(Route::CreateContainer));
        assert_eq!(of("GET", "/containers/json"), Some(Route::ListContainers));
        assert_eq!(of("GET", "/volumes"), Some(Route::ListVolumes));
        assert_eq!(
            of("GET", "/networks/bridge"),
            Some(Route::InspectNetwork("bridge".into()))
        );
        assert_eq!(
            of("GET", "/volumes/workerd-snap-1"),
            Some(Route::Volume("workerd-snap-1".into()))
        );
    }

    #[test]
    fn a_version_in_front_changes_nothing() {
        assert_eq!(of("GET", "/v1.41/info"), Some(Route::Info));
        assert_eq!(of("GET", "/v1/_ping"), Some(Route::Ping));
        assert_eq!(of("GET", "/vx/info"), None);
    }

    #[test]
    fn an_image_is_found_by_an_encoded_and_by_a_plain_reference() {
        let expected = Some(Route::InspectImage("cloudflare-dev/sandbox:1".into()));
        assert_eq!(of("GET", "/images/cloudflare-dev%2Fsandbox%3A1/json"), expected);
        assert_eq!(of("GET", "/images/cloudflare-dev/sandbox:1/json"), expected);
    }

    #[test]
    fn what_the_engine_does_not_do_has_no_operation() {
        for (method, path) in [
            ("POST", "/containers/a/exec"),
            ("POST", "/commit"),
            ("POST", "/volumes/create"),
            ("POST", "/containers/a/json"),
            ("GET", "/containers/a/start"),
            ("GET", "/"),
            ("GET", "/containers/%ff/json"),
        ] {
            assert_eq!(of(method, path), None, "{method} {path}");
        }
    }

    #[test]
    fn queries_are_decoded() {
        let all = query(Some("name=a%20b&force=true&x&all=1"));
        assert_eq!(all["name"], "a b");
        assert!(truth(all.get("force")) && truth(all.get("all")) && !truth(all.get("x")) && !truth(all.get("absent")));
    }
}
