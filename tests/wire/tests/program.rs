//! The program between real namespaces. It takes root and `/dev/net/tun`; where they are lacking these tests say so and
//! check nothing (`cargo xtask test` names that among what was skipped, at its step `networks`).

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test")]
#![allow(clippy::print_stdout, reason = "a test that checked nothing says why")]

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_emulator");
/// Long enough for whatever comes at all, on whatever machine.
const PATIENCE: Duration = Duration::from_secs(20);

struct Wire {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    ready: Value,
}

impl Wire {
    /// None, with a word why, where namespaces cannot be made.
    fn start() -> Option<Self> {
        let check = Command::new(PROGRAM).arg("--check").output().unwrap();
        if !check.status.success() {
            let why = String::from_utf8_lossy(&check.stderr).into_owned();
            println!("NOT CHECKED: {why}");
            return None;
        }
        let mut child = Command::new(PROGRAM)
            .args(["--seed", "7"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut wire = Self {
            child,
            stdin,
            stdout,
            ready: Value::Null,
        };
        wire.ready = wire.read()["ready"].take();
        Some(wire)
    }

    fn read(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn say(&mut self, command: &Value) -> Value {
        writeln!(self.stdin.as_mut().unwrap(), "{command}").unwrap();
        self.read()
    }

    fn namespace(&self, side: &str) -> String {
        self.ready[side]["namespace"].as_str().unwrap().to_owned()
    }

    fn address(&self, side: &str) -> String {
        self.ready[side]["address"].as_str().unwrap().to_owned()
    }

    /// Runs it in a thread that stands in one of the namespaces: a socket belongs to where it was made.
    fn inside<T: Send + 'static>(&self, side: &str, make: impl FnOnce() -> T + Send + 'static) -> T {
        let place = File::open(Path::new("/run/netns").join(self.namespace(side))).unwrap();
        let made = thread::spawn(move || {
            move_into_link_name_space(place.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            make()
        });
        made.join().unwrap()
    }

    /// (near, far, the address of near)
    fn udp(&self) -> (UdpSocket, UdpSocket, SocketAddr) {
        let bind = || {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket
        };
        let (near, far) = (self.inside("near", bind), self.inside("far", bind));
        let port = near.local_addr().unwrap().port();
        let address = format!("{}:{port}", self.address("near")).parse().unwrap();
        (near, far, address)
    }

    /// (near, far), connected.
    fn tcp(&self) -> (TcpStream, TcpStream) {
        let listener = self.inside("near", || TcpListener::bind("0.0.0.0:0").unwrap());
        let address = format!("{}:{}", self.address("near"), listener.local_addr().unwrap().port());
        let far = self.inside("far", move || TcpStream::connect(address).unwrap());
        let near = listener.accept().unwrap().0;
        for stream in [&near, &far] {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
        }
        (near, far)
    }

    fn is_there(&self) -> bool {
        ["near", "far"]
            .iter()
            .any(|side| Path::new("/run/netns").join(self.namespace(side)).exists())
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.wait();
    }
}

/// A byte there and back: whatever went before it over the same links has arrived, or never will.
fn round_trip((near, far): &mut (TcpStream, TcpStream)) {
    let mut byte = [0];
    far.write_all(b"?").unwrap();
    near.read_exact(&mut byte).unwrap();
    near.write_all(b"!").unwrap();
    far.read_exact(&mut byte).unwrap();
}

#[test]
fn udp_is_delayed_and_lost_as_told_and_the_statistics_agree() {
    let Some(mut wire) = Wire::start() else { return };
    let down = json!({"delay_ms": 30, "loss": {"random": 0.1}});
    let done = wire.say(&json!({"up": {"delay_ms": 20}, "down": down, "id": 5}));
    assert_eq!(done["done"]["id"], 5);
    let (near, far, address) = wire.udp();
    let mut tcp = wire.tcp();
    let begun = Instant::now();
    far.send_to(b"hello", address).unwrap();
    let mut buffer = [0; 2000];
    let (length, from) = near.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"hello");
    assert!(begun.elapsed() >= Duration::from_millis(20));
    let before = wire.say(&json!({}));
    // As many as surely fit into the buffer of a socket.
    for number in 0_u32..200 {
        near.send_to(&number.to_be_bytes(), from).unwrap();
    }
    round_trip(&mut tcp);
    let after = wire.say(&json!({}));
    far.set_nonblocking(true).unwrap();
    let arrived: Vec<u32> = std::iter::from_fn(|| {
        let length = far.recv(&mut buffer).ok()?;
        Some(u32::from_be_bytes(buffer[..length].try_into().unwrap()))
    })
    .collect();
    assert!(arrived.is_sorted());
    let lost = |answer: &Value| answer["done"]["stats"]["down"]["lost"].as_u64().unwrap();
    let lost_on_the_way = lost(&after) - lost(&before);
    // The bytes of TCP may have been among the lost; it sends them again.
    assert!(
        (200 - arrived.len() as u64).abs_diff(lost_on_the_way) <= 5,
        "{lost_on_the_way}"
    );
    assert!((5..=45).contains(&(200 - arrived.len())), "{}", arrived.len());
}

#[test]
fn tcp_passes_whole_over_a_narrow_lossy_link() {
    let Some(mut wire) = Wire::start() else { return };
    let down = json!({"delay_ms": 5, "loss": {"random": 0.02}, "rate_bps": 20_000_000, "queue": {"ms": 100}});
    wire.say(&json!({"up": {"delay_ms": 5}, "down": down}));
    let (mut near, mut far) = wire.tcp();
    let sent: Vec<u8> = (0..300_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    let copy = sent.clone();
    let sender = thread::spawn(move || near.write_all(&copy));
    let mut received = vec![0; sent.len()];
    far.read_exact(&mut received).unwrap();
    sender.join().unwrap().unwrap();
    assert!(received == sent);
    let stats = wire.say(&json!({}))["done"]["stats"].take();
    assert!(stats["down"]["delivered_bytes"].as_u64().unwrap() >= 300_000);
}

#[test]
fn a_blocked_protocol_does_not_pass_and_the_other_does() {
    let Some(mut wire) = Wire::start() else { return };
    let (near, far, address) = wire.udp();
    let mut tcp = wire.tcp();
    near.set_nonblocking(true).unwrap();
    wire.say(&json!({"block": "udp"}));
    far.send_to(b"no", address).unwrap();
    round_trip(&mut tcp);
    assert!(near.recv(&mut [0; 10]).is_err());
    wire.say(&json!({"block": "none"}));
    far.send_to(b"yes", address).unwrap();
    round_trip(&mut tcp);
    assert_eq!(near.recv(&mut [0; 10]).unwrap(), 3);
    wire.say(&json!({"block": "udp_flows"}));
    far.send_to(b"no", address).unwrap();
    let again = wire.inside("far", || UdpSocket::bind("0.0.0.0:0").unwrap());
    again.send_to(b"again", address).unwrap();
    round_trip(&mut tcp);
    assert_eq!(near.recv(&mut [0; 10]).unwrap(), 5);
    assert!(near.recv(&mut [0; 10]).is_err());
}

#[test]
fn the_far_end_gets_another_address() {
    let Some(mut wire) = Wire::start() else { return };
    let (near, far, address) = wire.udp();
    let source = || {
        far.send_to(b"x", address).unwrap();
        near.recv_from(&mut [0; 10]).unwrap().1.ip().to_string()
    };
    assert_eq!(source(), wire.address("far"));
    assert!(wire.say(&json!({"readdress": "10.77.0.9"})).get("done").is_some());
    assert_eq!(source(), "10.77.0.9");
    // What cannot be is refused and leaves everything as it was.
    assert!(wire.say(&json!({"readdress": "nowhere"})).get("error").is_some());
    assert_eq!(source(), "10.77.0.9");
}

#[test]
fn namespaces_are_each_runs_own_and_go_with_it_however_it_ends() {
    let (Some(mut first), Some(mut second), Some(mut third)) = (Wire::start(), Wire::start(), Wire::start()) else {
        return;
    };
    assert_ne!(first.namespace("near"), second.namespace("near"));
    // Standard input ends.
    first.stdin = None;
    assert!(first.child.wait().unwrap().success());
    assert!(!first.is_there());
    // A signal.
    let pid = second.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(second.child.wait().unwrap().success());
    assert!(!second.is_there() && third.is_there());
    // Killed, it cannot clean up; the next one does.
    third.child.kill().unwrap();
    third.child.wait().unwrap();
    assert!(third.is_there());
    drop(Wire::start());
    assert!(!third.is_there());
}
