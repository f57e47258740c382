//! Puts a bad network between two namespaces of this machine: `README.md` beside this crate says how to talk to it.

#![allow(clippy::print_stdout, reason = "what it says on standard output is its protocol")]

#[cfg(target_os = "linux")]
mod program;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    program::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("emulator: network namespaces and TUN devices as it needs them exist on Linux only");
    std::process::ExitCode::FAILURE
}
