//! Whether the agent's port is free, and who has it when it is not.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};

use super::leftovers::command_line;

/// `Ok` when the agent can listen on loopback `port`; otherwise words for a person.
pub fn free(port: u16) -> Result<(), String> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(match holder(port) {
            Some(pid) => format!(
                "port {port} is taken by process {pid} ({}): end it, and the agent starts",
                command_line(pid)
            ),
            None => format!("port {port} is taken by another process of the sandbox: end it, and the agent starts"),
        }),
        Err(error) => Err(format!("port {port} cannot be used: {error}")),
    }
}

/// The process that listens on `port`.
fn holder(port: u16) -> Option<i32> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listeners(&table, port))
        .collect();
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.find(|pid| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_link(file.path()).ok()).any(|target| {
            inodes
                .iter()
                .any(|inode| target.as_os_str() == format!("socket:[{inode}]").as_str())
        })
    })
}

/// Inodes of the sockets that listen on `port`, from a table of the kernel.
fn listeners(table: &str, port: u16) -> Vec<String> {
    const LISTENING: &str = "0A";
    let wanted = format!(":{port:04X}");
    table
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let listens = fields.get(1)?.ends_with(&wanted) && *fields.get(3)? == LISTENING;
            listens
                .then(|| fields.get(9).map(|inode| (*inode).to_owned()))
                .flatten()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_found_by_its_port() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
               0: 0100007F:4965 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 x\n\
               1: 0100007F:4965 0100007F:1000 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 x\n";
        assert_eq!(listeners(table, 18_789), ["4711"]);
        assert!(listeners(table, 18_790).is_empty());
    }

    #[test]
    fn whoever_has_the_port_is_named() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let cause = free(port).unwrap_err();
        assert!(cause.contains(&format!("process {}", std::process::id())), "{cause}");
        drop(taken);
        assert_eq!(free(port), Ok(()));
    }
}
