//! Setting up the inside of a fresh network namespace, and the one way out of it.
//!
//! There is no link to the outside at all, only the loopback. A default route over it makes every connection attempt start, and a
//! redirection then leads each one to a listener of ours, whatever its destination. What is not TCP or a name look-up is refused.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::libc;

/// Address of the sandbox itself, for connections that leave.
const OWN_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 255, 1);

/// The listeners inside a namespace.
#[derive(Debug)]
pub struct Listeners {
    /// Where outgoing TCP connections end up.
    pub egress: TcpListener,
    /// The name service.
    pub names_udp: UdpSocket,
    /// The name service for long answers.
    pub names_tcp: TcpListener,
}

/// Brings the loopback up and opens the listeners.
pub fn set_up() -> io::Result<Listeners> {
    loopback_up()?;
    // Nobody else shares these ports, so no user inside needs a privilege for the low ones.
    std::fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0")?;
    let names = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 53);
    Ok(Listeners {
        egress: TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?,
        names_udp: UdpSocket::bind(names)?,
        names_tcp: TcpListener::bind(names)?,
    })
}

/// Leads everything that leaves to the listener on `egress_port`. Without it, nothing leaves.
pub fn open_way_out(egress_port: u16) -> Result<(), String> {
    redirect(egress_port)?;
    // The route comes last: where there are no rules, an attempt to leave must fail at once and not hang.
    let route = format!("address add {OWN_ADDRESS}/32 dev lo\nroute add default dev lo src {OWN_ADDRESS}\n");
    run("ip", &["-batch", "-"], &route)
}

fn redirect(egress_port: u16) -> Result<(), String> {
    if find("nft").is_some() {
        let outcome = run("nft", &["-f", "-"], &nft_rules(egress_port));
        if outcome.is_ok() || find("iptables-restore").is_none() {
            return outcome;
        }
    }
    run("iptables-restore", &[], &iptables_rules(egress_port))
}

fn nft_rules(egress_port: u16) -> String {
    format!(
        "table ip sandbox {{
  chain to_engine {{
    type nat hook output priority -100; policy accept;
    ip daddr {{ 127.0.0.0/8, {OWN_ADDRESS} }} return
    meta l4proto {{ tcp, udp }} th dport 53 redirect to :53
    meta l4proto tcp redirect to :{egress_port}
  }}
  chain refused {{
    type filter hook output priority 0; policy accept;
    ip daddr {{ 127.0.0.0/8, {OWN_ADDRESS} }} accept
    reject with icmp type admin-prohibited
  }}
}}
"
    )
}

fn iptables_rules(egress_port: u16) -> String {
    format!(
        "*nat
:OUTPUT ACCEPT [0:0]
-A OUTPUT -d 127.0.0.0/8 -j RETURN
-A OUTPUT -d {OWN_ADDRESS} -j RETURN
-A OUTPUT -p udp --dport 53 -j REDIRECT --to-ports 53
-A OUTPUT -p tcp --dport 53 -j REDIRECT --to-ports 53
-A OUTPUT -p tcp -j REDIRECT --to-ports {egress_port}
COMMIT
*filter
:OUTPUT ACCEPT [0:0]
-A OUTPUT -d 127.0.0.0/8 -j ACCEPT
-A OUTPUT -d {OWN_ADDRESS} -j ACCEPT
-A OUTPUT -j REJECT --reject-with icmp-admin-prohibited
COMMIT
"
    )
}

/// Administrators' tools are often missing from the path of ordinary users.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(usual)
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
}

fn run(program: &str, arguments: &[&str], input: &str) -> Result<(), String> {
    let path = find(program).ok_or_else(|| format!("the program {program} is not installed"))?;
    let outcome = || -> io::Result<std::process::Output> {
        let mut child = Command::new(path)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes())?;
        }
        child.wait_with_output()
    }();
    match outcome {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("{program}: {error}")),
    }
}

fn loopback_up() -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    // SAFETY: an all-zero ifreq is a valid one; the kernel reads and writes within it while the call lasts.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (place, letter) in request.ifr_name.iter_mut().zip(b"lo") {
            *place = libc::c_char::from_ne_bytes([*letter]);
        }
        request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING).unwrap_or_default();
        nix::errno::Errno::result(libc::ioctl(
            std::os::fd::AsRawFd::as_raw_fd(&socket),
            libc::SIOCSIFFLAGS as libc::Ioctl,
            &mut request,
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sets_of_rules_lead_names_and_connections_to_us_and_refuse_the_rest() {
        for rules in [nft_rules(40_001), iptables_rules(40_001)] {
            assert!(rules.contains("40001"), "{rules}");
            assert!(rules.contains("53"), "{rules}");
            assert!(rules.contains("admin-prohibited"), "{rules}");
            let untouched = rules.find("127.0.0.0/8").unwrap();
            assert!(
                untouched < rules.find("40001").unwrap(),
                "loopback must be left alone first: {rules}"
            );
        }
    }
}
