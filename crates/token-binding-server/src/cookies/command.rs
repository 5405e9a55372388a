//! Runs a command and returns what it prints. httpd waits for it at each start and restart, so its time and output are
//! limited.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read, retry_on_intr};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};
use thiserror::Error;
use zeroize::Zeroizing;

/// How long a killed process has to disappear.
const GRACE: Duration = Duration::from_secs(1);
/// How often to poll where there is nothing to wait on.
const PAUSE: Duration = Duration::from_millis(10);

/// The limits of a command's output.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) bytes: usize,
    /// Until it has closed its output and exited.
    pub(super) time: Duration,
}

/// Why a command gave no answer.
#[derive(Debug, Error)]
pub enum CommandError {
    #[error("can't be run: {0}")]
    Start(io::Error),
    #[error("its output can't be read")]
    NoOutput,
    #[error("its answer can't be waited for: {0}")]
    Wait(Errno),
    #[error("its end can't be waited for: {0}")]
    End(io::Error),
    #[error("gave no answer within {} seconds{behind}", limit.as_secs_f32())]
    Late {
        limit: Duration,
        /// What has ended and what has not; empty where nothing has.
        behind: &'static str,
    },
    #[error("it printed more than {0} bytes, too many for a secret")]
    TooLong(usize),
    #[error("the command failed ({0})")]
    Failed(ExitStatus),
}

/// Runs the command without a shell. One that exceeds a limit is killed with its whole process group.
pub(super) fn run(
    command: &Path,
    arguments: &[String],
    limits: Limits,
) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    let end = Instant::now() + limits.time;
    let mut child = Command::new(command)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .process_group(0)
        .spawn()
        .map_err(CommandError::Start)?;
    let answer = match answer(&mut child, limits, end) {
        Ok(answer) => answer,
        Err(problem) => {
            kill(child);
            return Err(problem);
        }
    };
    // The process has exited: this does not block.
    let status = child.wait().map_err(CommandError::End)?;
    if status.success() { Ok(answer) } else { Err(CommandError::Failed(status)) }
}

/// The command's whole output, once it has exited.
fn answer(child: &mut Child, limits: Limits, end: Instant) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    let late = |behind| Err(CommandError::Late { limit: limits.time, behind });
    let stdout = child.stdout.take().ok_or(CommandError::NoOutput)?;
    // As large as it can get: a buffer that grows leaves copies behind.
    let mut content = Zeroizing::new(Vec::with_capacity(limits.bytes + 1));
    loop {
        if !is_readable(&stdout, end).map_err(CommandError::Wait)? {
            return if has_ended(child, end).map_err(CommandError::Wait)? {
                late(" (it has ended, but what it started holds its output open)")
            } else {
                late("")
            };
        }
        if read_some(&stdout, &mut content).map_err(CommandError::Wait)? == 0 {
            break;
        }
        if content.len() > limits.bytes {
            return Err(CommandError::TooLong(limits.bytes));
        }
    }
    if has_ended(child, end).map_err(CommandError::Wait)? {
        Ok(content)
    } else {
        late(" (its output is closed, but it has not ended)")
    }
}

fn read_some(stdout: &ChildStdout, content: &mut Vec<u8>) -> Result<usize, Errno> {
    retry_on_intr(|| read(stdout, rustix::buffer::spare_capacity(content)))
}

/// Waits until the process exits, without reaping it. Returns `false` at the deadline.
fn has_ended(child: &Child, end: Instant) -> Result<bool, Errno> {
    match pidfd_open(Pid::from_child(child), PidfdFlags::empty()) {
        Ok(process) => is_readable(&process, end),
        Err(_) => ask_until_it_has_ended(child, end),
    }
}

/// The same by polling: for Linux before 5.3, and where a container or valgrind forbids pidfd_open.
fn ask_until_it_has_ended(child: &Child, end: Instant) -> Result<bool, Errno> {
    let child = WaitId::Pid(Pid::from_child(child));
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    while retry_on_intr(|| waitid(child.clone(), options))?.is_none() {
        if Instant::now() >= end {
            return Ok(false);
        }
        std::thread::sleep(PAUSE);
    }
    Ok(true)
}

/// Waits for data or end of file. Returns `false` at the deadline.
fn is_readable(descriptor: impl AsFd, end: Instant) -> Result<bool, Errno> {
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
        match poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&left)) {
            Err(Errno::INTR) => {}
            ready => return Ok(ready? > 0),
        }
    }
}

fn kill(mut child: Child) {
    // The process is not reaped yet, so its pid can't have been reused.
    let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    // A process that can't be killed (a setuid program, a hung disk) must not block httpd, which reaps all of its children
    // later.
    if has_ended(&child, Instant::now() + GRACE) == Ok(true) {
        let _ = child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};

    const LONG: Duration = Duration::from_secs(60);
    /// Long enough for a shell to get as far as it can.
    const SHORT: Duration = Duration::from_millis(1500);

    fn answer_of(command: &str, arguments: &[&str], time: Duration) -> Result<Vec<u8>, String> {
        let arguments: Vec<String> = arguments.iter().copied().map(str::to_owned).collect();
        let answer = run(Path::new(command), &arguments, Limits { bytes: 1000, time });
        answer.map(|answer| answer.to_vec()).map_err(|error| error.to_string())
    }

    fn shell(script: &str, time: Duration) -> Result<Vec<u8>, String> {
        answer_of("/bin/sh", &["-c", script], time)
    }

    /// An argument for `sleep` that no other process has.
    fn unique() -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        format!("3600.{}{:03}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
    }

    /// The processes that have this argument, but for zombies, which have none.
    fn processes(argument: &str) -> Vec<PathBuf> {
        fs::read_dir("/proc")
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|process| {
                let line = fs::read(process.join("cmdline")).unwrap_or_default();
                line.split(|byte| *byte == 0).any(|word| word == argument.as_bytes())
            })
            .collect()
    }

    /// SIGKILL has been sent, and takes effect by itself.
    fn assert_gone(argument: &str) {
        let end = Instant::now() + LONG;
        while !processes(argument).is_empty() {
            assert!(Instant::now() < end, "{:?}", processes(argument));
            std::thread::yield_now();
        }
    }

    #[test]
    fn an_answer_is_all_that_is_printed_to_the_end() {
        assert_eq!(shell("printf one; sleep 0.01; printf two", LONG).unwrap(), b"onetwo");
        assert_eq!(shell("printf %1000d 1", LONG).unwrap().len(), 1000);
        assert_eq!(shell("(sleep 0.01; printf late) &", LONG).unwrap(), b"late");
        assert!(shell(":", LONG).unwrap().is_empty());
        assert!(shell("printf answer; exit 3", LONG).unwrap_err().contains("failed (exit status: 3)"));
    }

    #[test]
    fn an_endless_answer_is_cut_off_and_its_command_ended() {
        let argument = unique();
        let script = format!("sleep {argument} & printf %1001d 1; wait");
        assert_eq!(
            shell(&script, LONG).unwrap_err(),
            "it printed more than 1000 bytes, too many for a secret"
        );
        assert_gone(&argument);
        let endless = answer_of("/bin/cat", &["/dev/zero"], LONG);
        assert!(endless.unwrap_err().contains("more than 1000 bytes"));
    }

    #[test]
    fn a_command_that_does_not_answer_in_time_is_ended() {
        let scripts = [
            ("exec sleep N", "seconds"),
            ("sleep N; :", "seconds"),
            ("printf answer; trap '' TERM HUP; sleep N; :", "seconds"),
            ("printf answer; sleep N &", "(it has ended, but what it started holds its output open)"),
            ("printf answer; exec >&-; sleep N; :", "(its output is closed, but it has not ended)"),
        ];
        std::thread::scope(|threads| {
            for (script, words) in scripts {
                threads.spawn(move || {
                    let argument = unique();
                    let problem = shell(&script.replace('N', &argument), SHORT).unwrap_err();
                    assert!(problem.starts_with("gave no answer within 1.5 seconds"), "{script}: {problem}");
                    assert!(problem.ends_with(words), "{script}: {problem}");
                    assert_gone(&argument);
                });
            }
        });
    }

    /// A process that has left the group is not ours to end, nor to wait for.
    #[test]
    fn nobody_who_holds_the_output_open_holds_up_httpd() {
        let argument = unique();
        let answer = shell(&format!("printf answer; setsid sleep {argument} &"), SHORT);
        for process in processes(&argument) {
            let pid = process.file_name().unwrap().to_str().unwrap().parse().unwrap();
            rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        }
        assert!(answer.unwrap_err().contains("what it started holds its output open"));
    }

    #[test]
    fn both_ways_to_wait_for_an_end_tell_the_same() {
        for wait in [has_ended, ask_until_it_has_ended] {
            let mut child = Command::new("/bin/sleep").arg(unique()).process_group(0).spawn().unwrap();
            assert_eq!(wait(&child, Instant::now()), Ok(false));
            child.kill().unwrap();
            assert_eq!(wait(&child, Instant::now() + LONG), Ok(true));
            assert_eq!(wait(&child, Instant::now()), Ok(true), "it is still there to be waited for");
            assert!(!child.wait().unwrap().success());
        }
    }
}
