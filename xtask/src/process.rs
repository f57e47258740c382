//! Running other programs: what they say is shown as it comes and kept for counting.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// What came of a program.
pub(crate) struct Finished {
    /// Whether it ended by itself with status 0.
    pub(crate) success: bool,
    /// Standard output and standard error, line by line as they came.
    pub(crate) text: String,
}

/// A program with its arguments, to be run in a folder.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command
}

/// The cargo that runs us.
pub(crate) fn cargo(arguments: &[&str], folder: &Path) -> Command {
    command(
        std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
        arguments,
        folder,
    )
}

/// Runs a program to its end, or kills it when it takes longer than `limit`. A program that is not there has failed.
pub(crate) fn run(mut command: Command, limit: Duration) -> Finished {
    let begun = Instant::now();
    let shown = shown(&command);
    eprintln!("$ {shown}");
    let mut child = match command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("{shown}: {error}");
            return Finished {
                success: false,
                text: format!("{shown}: {error}\n"),
            };
        }
    };
    // A line is small and its reader always there: the bound only has to be larger than a burst.
    let (sender, lines) = mpsc::sync_channel(1024);
    for stream in streams(&mut child) {
        let sender = sender.clone();
        thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                let text = String::from_utf8_lossy(&line).into_owned();
                line.clear();
                if sender.send(text).is_err() {
                    return;
                }
            }
        });
    }
    drop(sender);
    let mut text = String::new();
    let mut timed_out = false;
    loop {
        let left = limit.saturating_sub(begun.elapsed());
        match lines.recv_timeout(left.max(Duration::from_millis(1))) {
            Ok(line) => {
                // A closed standard error is no reason to stop testing.
                let _ = std::io::stderr().write_all(line.as_bytes());
                text.push_str(&line);
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                timed_out = true;
                kill(&mut child);
                break;
            }
        }
    }
    let ended = child.wait().is_ok_and(|status| status.success());
    if timed_out {
        let note = format!("{shown}: killed after {} s\n", limit.as_secs());
        eprint!("{note}");
        text.push_str(&note);
    }
    Finished {
        success: ended && !timed_out,
        text,
    }
}

/// Whether a program of this name is found, by running it with an argument that ends at once.
pub(crate) fn is_there(program: &str, argument: &str) -> bool {
    let mut command = Command::new(program);
    command
        .arg(argument)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Ends a program together with those it has started: cargo, npm and browsers all work through others. They stay in our
/// process group, so that Ctrl-C reaches them; hence the walk.
fn kill(child: &mut Child) {
    let mut family = vec![child.id().to_string()];
    let mut next = 0;
    while let Some(parent) = family.get(next).cloned() {
        family.extend(children_of(&parent));
        next += 1;
    }
    let _ = Command::new("kill").arg("-KILL").args(&family).status();
    let _ = child.kill();
}

/// From `/proc/PID/stat`, whose fourth field is the parent; none where there is no `/proc`.
fn children_of(parent: &str) -> Vec<String> {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let is_child = |pid: &String| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The second field is a name in parentheses, which may hold anything.
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.split(' ').nth(1) == Some(parent))
    };
    processes
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(is_child)
        .collect()
}

fn streams(child: &mut Child) -> Vec<Box<dyn Read + Send>> {
    let mut streams: Vec<Box<dyn Read + Send>> = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        streams.push(Box::new(stdout));
    }
    if let Some(stderr) = child.stderr.take() {
        streams.push(Box::new(stderr));
    }
    streams
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut shown = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for argument in command.get_args() {
        shown.push(' ');
        shown.push_str(&argument.to_string_lossy());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_takes_too_long_is_ended_with_its_children() {
        let begun = Instant::now();
        let sleeping = command("sh", &["-c", "echo begun; sleep 60 & wait"], Path::new("/"));
        let finished = run(sleeping, Duration::from_millis(300));
        assert!(!finished.success && finished.text.contains("begun") && finished.text.contains("killed after"));
        assert!(begun.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn children_are_found() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let found = children_of(&std::process::id().to_string());
        kill(&mut child);
        let status = child.wait().unwrap();
        assert!(!status.success());
        assert!(
            !cfg!(target_os = "linux") || found.contains(&child.id().to_string()),
            "{found:?}"
        );
    }

    #[test]
    fn what_a_program_says_is_kept_and_its_status_believed() {
        let both = run(
            command("sh", &["-c", "echo out; echo err >&2"], Path::new("/")),
            Duration::from_secs(60),
        );
        assert!(both.success && both.text.contains("out\n") && both.text.contains("err\n"));
        assert!(
            !run(
                command("sh", &["-c", "exit 3"], Path::new("/")),
                Duration::from_secs(60)
            )
            .success
        );
        assert!(
            !run(
                command("/nowhere/program", &[], Path::new("/")),
                Duration::from_secs(60)
            )
            .success
        );
    }
}
