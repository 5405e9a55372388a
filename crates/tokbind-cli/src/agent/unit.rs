//! Systemd units that start the agent for one user, when a browser first asks for it.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SOCKET: &str = "tokbind-agent.socket";
const SERVICE: &str = "tokbind-agent.service";

/// Where the units of this user are.
fn directory(home: &Path) -> PathBuf {
    let config = std::env::var_os("XDG_CONFIG_HOME").filter(|path| !path.is_empty());
    config.map_or_else(|| home.join(".config"), PathBuf::from).join("systemd/user")
}

/// Writes the units; their paths.
pub(super) fn write(home: &Path, listen: SocketAddr, command: &[String]) -> io::Result<[PathBuf; 2]> {
    let directory = directory(home);
    fs::create_dir_all(&directory)?;
    let paths = [SOCKET, SERVICE].map(|name| directory.join(name));
    let [socket, service] = &paths;
    fs::write(socket, socket_unit(listen))?;
    fs::write(service, service_unit(command))?;
    Ok(paths)
}

/// Deletes the units; whether there were any.
pub(super) fn remove(home: &Path) -> io::Result<bool> {
    let mut were_there = false;
    for name in [SOCKET, SERVICE] {
        match fs::remove_file(directory(home).join(name)) {
            Ok(()) => were_there = true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(were_there)
}

/// Whether the units are there.
pub(super) fn exist(home: &Path) -> bool {
    [SOCKET, SERVICE].iter().all(|name| directory(home).join(name).exists())
}

/// Has systemd listen, now and in each session. `false`: there is no systemd for this user.
pub(super) fn start() -> bool {
    systemctl(&["daemon-reload"])
        && systemctl(&["enable", "--now", SOCKET])
        // One that runs already has the old options.
        && systemctl(&["try-restart", SERVICE])
}

/// Ends the agent, and has systemd forget it.
pub(super) fn stop() -> bool {
    systemctl(&["disable", "--now", SOCKET, SERVICE])
}

/// Has systemd see that the units are gone.
pub(super) fn reload() {
    systemctl(&["daemon-reload"]);
}

fn systemctl(arguments: &[&str]) -> bool {
    let mut command = Command::new("systemctl");
    command.arg("--user").args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn socket_unit(listen: SocketAddr) -> String {
    format!(
        "[Unit]\nDescription=Local proxy that gives Token Binding to browsers\n\n\
         [Socket]\nListenStream={listen}\nNoDelay=true\n\n[Install]\nWantedBy=sockets.target\n"
    )
}

/// What is forbidden needs no name space of its own: those are not to be had for every user.
fn service_unit(command: &[String]) -> String {
    let command: Vec<_> = command.iter().map(|word| quoted(word)).collect();
    format!(
        "[Unit]\nDescription=Local proxy that gives Token Binding to browsers\nRequires={SOCKET}\n\n\
         [Service]\nType=exec\nExecStart={}\nRestart=on-failure\nUMask=0077\nLimitNOFILE=65536\n\
         NoNewPrivileges=yes\nLockPersonality=yes\nMemoryDenyWriteExecute=yes\nRestrictNamespaces=yes\n\
         RestrictRealtime=yes\nRestrictSUIDSGID=yes\nRestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK\n\
         SystemCallArchitectures=native\nSystemCallFilter=@system-service\n",
        command.join(" ")
    )
}

/// A word of a command line, as systemd reads it (systemd.service(5)).
fn quoted(word: &str) -> String {
    let mut text = String::from("\"");
    for character in word.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            // Specifiers and variables.
            '%' | '$' => text.extend([character, character]),
            other => text.push(other),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one() {
        assert_eq!(quoted(r#"/a b/$HOME/100%/"x"\y"#), r#""/a b/$$HOME/100%%/\"x\"\\y""#);
    }
}
