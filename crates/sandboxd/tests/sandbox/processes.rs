//! Processes of this machine, read from `/proc`.

use std::path::Path;

use nix::unistd::Pid;

/// Bytes that a process holds in memory at most until now.
pub fn memory_of(pid: Pid) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Its command line, with blanks between the words.
pub fn cmdline(pid: Pid) -> String {
    String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).replace('\0', " ")
}

/// Whether a process exists and is no zombie.
pub fn is_alive(pid: Pid) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.trim_start().starts_with('Z'))
}

/// Processes that have this one as their parent.
pub fn children(parent: Pid) -> Vec<Pid> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")) else {
            continue;
        };
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        if fields[1] == parent.to_string() {
            found.push(Pid::from_raw(pid));
        }
    }
    found
}

/// Every process below `root`.
pub fn tree(root: Pid) -> Vec<Pid> {
    let mut found = children(root);
    let mut index = 0;
    while let Some(pid) = found.get(index).copied() {
        found.extend(children(pid));
        index += 1;
    }
    found
}
