//! The one way into a sandbox, and the few ways out.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use serde_json::json;
use support::edge::{Decide, Edge};
use support::{Engine, PATIENCE, Sandbox, Setup, eventually};

/// What a client inside gets from `url`, or the word `failed`.
fn fetch(sandbox: &Sandbox<'_>, host: &str, port: u16) -> String {
    let client = format!(
        "perl -MIO::Socket::INET -e '$s=IO::Socket::INET->new(PeerAddr=>\"{host}\",PeerPort=>{port},Timeout=>15) or do {{ print \"failed\"; exit }}; \
         print $s \"GET /path HTTP/1.1\\r\\nHost: {host}\\r\\n\\r\\n\"; local $/; $r=<$s>; print defined $r && length $r ? $r : \"failed\"'"
    );
    let said = sandbox.run_as_agent_script(&client);
    said.rsplit("\r\n\r\n").next().unwrap_or_default().to_owned()
}

trait AgentScript {
    fn run_as_agent_script(&self, script: &str) -> String;
}

impl AgentScript for Sandbox<'_> {
    fn run_as_agent_script(&self, script: &str) -> String {
        self.run(&format!("setpriv --reuid 1000 --regid 1000 --clear-groups {script}"))
    }
}

/// A server on the host's loopback that greets whoever connects.
fn greeter(text: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            stream.unwrap().write_all(text.as_bytes()).ok();
        }
    });
    port
}

#[test]
fn a_port_nobody_listens_at_is_400_until_somebody_does() {
    let engine = Engine::start();
    let sandbox = engine.sandbox("a");
    assert_eq!(sandbox.connect(9000).err(), Some(400));
    sandbox.run("perl -MIO::Socket::INET -e '$t=IO::Socket::INET->new(LocalAddr=>\"127.0.0.1:9000\",Listen=>5); while($c=$t->accept){print $c \"here\"; close $c}' > /dev/null 2>&1 &");
    let mut stream = eventually("the server inside", || sandbox.connect(9000).ok());
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text, "here");
}

#[test]
fn a_client_may_finish_first_and_still_gets_its_answer() {
    let engine = Engine::start();
    let sandbox = engine.sandbox("a");
    let mut stream = sandbox.connect(8080).unwrap();
    stream.write_all(b"cat; echo done\n").unwrap();
    let payload = vec![b'x'; 3 << 20];
    std::thread::scope(|scope| {
        let mut writer = stream.try_clone().unwrap();
        let payload = &payload;
        scope.spawn(move || {
            writer.write_all(payload).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut back = Vec::new();
        stream.read_to_end(&mut back).unwrap();
        assert_eq!(back.len(), payload.len() + "done\n".len());
        assert!(back.ends_with(b"xdone\n"));
    });
}

#[test]
fn a_thousand_connections_are_open_at_one_time() {
    let engine = Engine::start();
    let sandbox = engine.sandbox("a");
    // One process inside for all of them: the guest would take one each.
    sandbox.run(
        "perl -MIO::Socket::INET -e '$t=IO::Socket::INET->new(LocalAddr=>\"127.0.0.1:9000\",Listen=>4000); \
         while($c=$t->accept){push @c,$c; syswrite $c,\"k\"}' > /dev/null 2>&1 &",
    );
    eventually("the server inside", || sandbox.connect(9000).ok());
    let mut open: Vec<TcpStream> = (0..1_000).map(|_| sandbox.connect(9000).unwrap()).collect();
    for stream in &mut open {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"k");
    }
}

#[test]
fn the_hosts_loopback_and_networks_are_out_of_reach() {
    let engine = Engine::start();
    let sandbox = engine.sandbox("a");
    let edge = Edge::start(Decide::PassNowhere);
    let port = greeter("host");
    assert_eq!(fetch(&sandbox, "127.0.0.1", port), "failed");
    // With everything open, addresses of the host are still nobody's business, and the edge, which would connect, does not learn of them.
    sandbox.put_egress(&json!({"port": edge.port, "dns": {"allowHostnames": ["*"]}, "internet": {"enabled": true}}));
    let host = TcpListener::bind("0.0.0.0:0").unwrap();
    let everywhere = host.local_addr().unwrap().port();
    let own = nix::ifaddrs::getifaddrs()
        .unwrap()
        .filter_map(|one| Some(one.address?.as_sockaddr_in()?.ip().to_string()));
    for address in
        own.chain(["10.0.0.1", "169.254.169.254", "198.18.0.1", "198.19.7.7", "100.64.0.1"].map(str::to_owned))
    {
        assert_eq!(fetch(&sandbox, &address, everywhere), "failed", "{address}");
    }
    assert!(edge.is_untouched(), "the edge was asked about an address of the host");
    host.set_nonblocking(true).unwrap();
    assert!(host.accept().is_err(), "somebody connected");
}

#[test]
fn a_name_that_the_edge_intercepts_leads_to_the_edge() {
    let engine = Engine::start();
    let sandbox = engine.sandbox("a");
    let edge = Edge::start(Decide::Intercept);
    assert_eq!(fetch(&sandbox, "edge.internal", 80), "failed", "not before it is told");
    let told = json!({"port": edge.port, "dns": {"allowHostnames": ["edge.internal", "*.molt.test"]}, "internet": {"enabled": false}});
    sandbox.put_egress(&told);
    assert_eq!(fetch(&sandbox, "edge.internal", 80), "edge saw GET /path HTTP/1.1");
    let head = edge.next();
    assert!(
        head.starts_with("CONNECT ") && head.contains(":80 HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains("X-Hostname: edge.internal\r\n"), "{head}");
    assert_eq!(fetch(&sandbox, "a.molt.test", 8099), "edge saw GET /path HTTP/1.1");
    assert!(edge.next().contains(":8099 HTTP/1.1\r\n"));
    assert_eq!(
        fetch(&sandbox, "other.test", 80),
        "failed",
        "no other name exists without internet"
    );
    sandbox.put_egress(&json!({"port": edge.port, "dns": {"allowHostnames": []}, "internet": {"enabled": false}}));
    assert_eq!(
        fetch(&sandbox, "edge.internal", 80),
        "failed",
        "what was allowed can be taken back"
    );
    assert!(edge.is_untouched());
}

#[test]
fn an_intercepted_https_connection_is_decrypted_for_the_edge() {
    let engine = Engine::start();
    let sandbox = engine.sandbox("a");
    let edge = Edge::start(Decide::Intercept);
    sandbox.put_egress(&json!({"port": edge.port, "dns": {"allowHostnames": ["api.test"]}}));
    let stream = TcpStream::connect(("127.0.0.1", sandbox.port)).unwrap();
    let authority = support::http::call(stream, "GET", "/ca", None).unwrap().text();
    let write = authority
        .lines()
        .map(|line| format!("echo {line}"))
        .collect::<Vec<_>>()
        .join("; ");
    sandbox.run(&format!("({write}) > /tmp/ca.pem"));
    let said = sandbox.run(
        "printf 'GET /tls HTTP/1.1\\r\\nHost: api.test\\r\\n\\r\\n' | timeout 15 openssl s_client -quiet -verify_return_error \
         -CAfile /tmp/ca.pem -verify_hostname api.test -servername api.test -connect api.test:443 2>/dev/null",
    );
    assert!(
        said.ends_with("edge saw GET /tls HTTP/1.1"),
        "{said:?} (is openssl installed?)"
    );
    assert!(edge.next().contains("X-Tls-Sni: api.test\r\n"));
}

#[test]
fn what_the_edge_lets_pass_goes_through_the_edge_when_that_connects_onwards() {
    let engine = Engine::start();
    let sandbox = engine.sandbox("a");
    let edge = Edge::start(Decide::PassToEcho);
    sandbox.put_egress(&json!({"port": edge.port, "dns": {"allowHostnames": ["*"]}, "internet": {"enabled": true}}));
    // A public address that is nobody's here: the echo can only come from the edge.
    let said = sandbox.run(
        "perl -MIO::Socket::INET -e '$s=IO::Socket::INET->new(PeerAddr=>\"1.2.3.4\",PeerPort=>7) or die; print $s \"marco\\n\"; \
         shutdown($s,1); print <$s>'",
    );
    assert_eq!(said, "marco");
    assert!(edge.next().starts_with("CONNECT 1.2.3.4:7 HTTP/1.1\r\n"));
}

#[test]
fn without_internet_nothing_passes_even_if_the_edge_says_so() {
    let engine = Engine::start();
    let sandbox = engine.sandbox("a");
    let edge = Edge::start(Decide::PassNowhere);
    sandbox.put_egress(&json!({"port": edge.port, "dns": {"allowHostnames": ["*"]}, "internet": {"enabled": false}}));
    assert_eq!(fetch(&sandbox, "1.2.3.4", 80), "failed");
    assert!(
        edge.next().starts_with("CONNECT 1.2.3.4:80 "),
        "it was asked, for it may intercept any address"
    );
}

#[test]
fn an_allowed_service_is_reached_by_its_name_at_its_port_and_no_other_is() {
    let (model, other) = (greeter("model"), greeter("other"));
    let engine = Engine::with(Setup {
        allow_host: vec![format!("model.local=127.0.0.1:{model}")],
        ..Setup::default()
    });
    let sandbox = engine.sandbox("a");
    assert_eq!(fetch(&sandbox, "model.local", model), "model");
    assert_eq!(fetch(&sandbox, "model.local", other), "failed");
    assert_eq!(fetch(&sandbox, "127.0.0.1", model), "failed");
    // The same with the whole internet open.
    sandbox.put_egress(&json!({"port": 9, "internet": {"enabled": true}}));
    assert_eq!(fetch(&sandbox, "model.local", model), "model");
    assert_eq!(fetch(&sandbox, "model.local", other), "failed");
}

/// Asserts that with the programs of `without` covered, connections that leave are led to the engine and nothing else leaves.
fn assert_one_way_out(without: Vec<&'static str>) {
    let port = greeter("model");
    let engine = Engine::with(Setup {
        allow_host: vec![format!("model.local=127.0.0.1:{port}")],
        without,
        ..Setup::default()
    });
    let sandbox = engine.sandbox("a");
    assert_eq!(fetch(&sandbox, "model.local", port), "model");
    let said = sandbox.run(
        "perl -MSocket -e 'socket(S,PF_INET,SOCK_DGRAM,0); connect(S,sockaddr_in(443,inet_aton(\"1.2.3.4\"))); \
         print defined(send(S,\"x\",0)) ? \"sent\" : \"refused\"'",
    );
    assert_eq!(said, "refused", "a datagram");
    let look_up = |server: &str| {
        sandbox.run(&format!(
            "perl -MSocket -e 'socket(S,PF_INET,SOCK_DGRAM,0); connect(S,sockaddr_in(53,inet_aton(\"{server}\"))); \
             send(S,pack(\"n6(C/a*)2xn2\",7,256,1,0,0,0,\"model\",\"local\",1,1),0); alarm 10; recv(S,$r,512,0); \
             print join(\".\",unpack(\"C4\",substr($r,-4)))'"
        ))
    };
    assert_eq!(look_up("127.0.0.1"), "198.18.0.1");
    assert_eq!(
        look_up("8.8.8.8"),
        "198.18.0.1",
        "whatever server is asked, the engine answers"
    );
}

#[test]
fn everything_that_leaves_meets_the_engine_by_nftables() {
    assert_one_way_out(vec!["/usr/sbin/iptables-restore"]);
}

#[test]
fn everything_that_leaves_meets_the_engine_by_iptables() {
    assert_one_way_out(vec!["/usr/sbin/nft"]);
}

#[test]
fn a_machine_without_packet_rules_runs_sandboxes_without_a_way_out_and_says_so_once() {
    let without = vec!["/usr/sbin/nft", "/usr/sbin/iptables-restore"];
    let engine = Engine::with(Setup {
        without,
        ..Setup::default()
    });
    let sandbox = engine.sandbox("a");
    let edge = Edge::start(Decide::Intercept);
    sandbox.put_egress(&json!({"port": edge.port, "dns": {"allowHostnames": ["*"]}, "internet": {"enabled": true}}));
    assert_eq!(sandbox.run("echo in works"), "in works");
    assert_eq!(fetch(&sandbox, "1.1.1.1", 80), "failed");
    assert!(edge.is_untouched());
    assert_eq!(engine.log().matches("no way out").count(), 1, "{}", engine.log());
}
