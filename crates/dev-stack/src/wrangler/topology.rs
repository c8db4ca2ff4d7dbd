//! Which worker runs in which `wrangler dev` process, and on which port. Pure.

/// The three workers, the public one first, and what stands for the one that ran before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Worker {
    /// The public worker.
    Router,
    /// The admin API.
    Admin,
    /// The sandboxes.
    ContainerGateway,
    /// What ran before; only with `--legacy`.
    Legacy,
}

impl Worker {
    /// All of the platform's, in the order in which wrangler is given them: the first answers on the port.
    pub const ALL: [Self; 3] = [Self::Router, Self::Admin, Self::ContainerGateway];

    /// Name of its folder below `workers/` and of its file below `wrangler/`; of `Legacy` only in options, messages and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Router => "router",
            Self::Admin => "admin",
            Self::ContainerGateway => "container-gateway",
            Self::Legacy => "legacy",
        }
    }
}

/// One `wrangler dev` process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WranglerProcess {
    /// Name in messages, logs and the ready file.
    pub name: String,
    /// What runs in it; the first answers on the port.
    pub workers: Vec<Worker>,
    /// Port on 127.0.0.1; `None` where nobody calls it by port, so that any free one does.
    pub port: Option<u16>,
}

/// The processes for routers on `router_ports`. One router and not `split`: all in one process. Else each worker has its own, and the
/// routers start last, since they call the others. What ran before is always a process of its own, and the first.
pub fn processes(split: bool, legacy: bool, router_ports: &[u16]) -> Vec<WranglerProcess> {
    let own = |worker: Worker| WranglerProcess {
        name: worker.name().to_owned(),
        workers: vec![worker],
        port: None,
    };
    let before = legacy.then(|| own(Worker::Legacy));
    if let ([port], false) = (router_ports, split) {
        let all = WranglerProcess {
            name: "workers".to_owned(),
            workers: Worker::ALL.to_vec(),
            port: Some(*port),
        };
        return before.into_iter().chain([all]).collect();
    }
    let inner = [Worker::ContainerGateway, Worker::Admin].map(own);
    let routers = router_ports.iter().enumerate().map(|(index, port)| WranglerProcess {
        name: if index == 0 {
            "router".to_owned()
        } else {
            format!("router-{}", index + 1)
        },
        workers: vec![Worker::Router],
        port: Some(*port),
    });
    before.into_iter().chain(inner).chain(routers).collect()
}

/// Addresses of the routers, as a person would open them.
pub fn router_urls(router_ports: &[u16]) -> Vec<String> {
    router_ports
        .iter()
        .map(|port| format!("http://127.0.0.1:{port}"))
        .collect()
}

/// Value of `PUBLIC_ORIGINS`: every router under both names of the loopback address.
pub fn public_origins(router_ports: &[u16]) -> String {
    let origins: Vec<String> = router_ports
        .iter()
        .flat_map(|port| [format!("http://127.0.0.1:{port}"), format!("http://localhost:{port}")])
        .collect();
    origins.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(processes: &[WranglerProcess]) -> Vec<(&str, Option<u16>)> {
        processes
            .iter()
            .map(|process| (process.name.as_str(), process.port))
            .collect()
    }

    #[test]
    fn one_process_holds_everything_by_default() {
        let all = processes(false, false, &[8787]);
        assert_eq!(names(&all), [("workers", Some(8787))]);
        assert_eq!(all[0].workers, Worker::ALL);
    }

    #[test]
    fn split_gives_each_worker_its_own() {
        assert_eq!(
            names(&processes(true, false, &[1])),
            [("container-gateway", None), ("admin", None), ("router", Some(1))]
        );
    }

    #[test]
    fn several_routers_imply_split() {
        let all = processes(false, false, &[1, 2]);
        assert_eq!(
            names(&all),
            [
                ("container-gateway", None),
                ("admin", None),
                ("router", Some(1)),
                ("router-2", Some(2))
            ]
        );
    }

    #[test]
    fn what_ran_before_has_a_process_of_its_own_and_starts_first() {
        let together = processes(false, true, &[1]);
        assert_eq!(names(&together), [("legacy", None), ("workers", Some(1))]);
        assert_eq!(together[0].workers, [Worker::Legacy]);
        let apart = processes(true, true, &[1]);
        assert_eq!(
            names(&apart),
            [
                ("legacy", None),
                ("container-gateway", None),
                ("admin", None),
                ("router", Some(1))
            ]
        );
    }

    #[test]
    fn every_router_is_an_origin_under_both_names() {
        assert_eq!(
            public_origins(&[1, 2]),
            "http://127.0.0.1:1,http://localhost:1,http://127.0.0.1:2,http://localhost:2"
        );
        assert_eq!(router_urls(&[1, 2]), ["http://127.0.0.1:1", "http://127.0.0.1:2"]);
    }
}
