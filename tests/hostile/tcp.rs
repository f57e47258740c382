//! Strangers at the TCP side of the media port, during a call of which one is over TCP.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use testkit::endpoint::Options;

use super::call::Call;
use super::mutate::{self, Dice};

async fn call() -> Call {
    let tcp = Options {
        tcp: true,
        ..Options::default()
    };
    let call = Call::begin_with(&[], &tcp).await;
    call.everything_flows(30).await;
    call
}

fn framed(datagram: &[u8]) -> Vec<u8> {
    let mut frame = (datagram.len() as u16).to_be_bytes().to_vec();
    frame.extend_from_slice(datagram);
    frame
}

/// A connection from one of several addresses of this machine.
fn stranger(server: SocketAddr, number: usize) -> Option<TcpStream> {
    let from = IpAddr::V4(Ipv4Addr::new(127, 0, 1, (number % 250) as u8 + 1));
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).ok()?;
    socket.bind(&SocketAddr::new(from, 0).into()).ok()?;
    socket.connect(&server.into()).ok()?;
    socket.set_nonblocking(true).ok()?;
    Some(socket.into())
}

/// Reads until the server closes; how many bytes it said before.
async fn farewell(stream: &mut TcpStream) -> usize {
    let (mut said, mut buffer) = (0, [0; 4_096]);
    for _ in 0..4_000 {
        match stream.read(&mut buffer) {
            Ok(0) => return said,
            Ok(len) => said += len,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(_) => return said,
        }
    }
    panic!("the server keeps a stranger's connection");
}

/// Half frames, empty frames, giant lengths, one byte at a time: all of it ends, and nobody else notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_are_none_are_closed_and_harm_nobody() {
    let mut call = call().await;
    let server = SocketAddr::from(([127, 0, 0, 1], call.server.media_port));
    call.start_counting();
    let (endless, large) = ([0xff; 10_000], framed(&[0x80; 2_049]));
    let opening = |bytes: &[u8]| {
        let mut stream = stranger(server, 7).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    };
    let mut streams = vec![
        opening(&[]),
        opening(&[0]),
        opening(&[4, 0, 1, 2, 3]),
        opening(&[0; 2_000]),
        opening(&endless),
        opening(&large[..2_000]),
        opening(&large),
    ];
    let mut slow = stranger(server, 8).unwrap();
    let drip = tokio::spawn(async move {
        // A frame that would take until tomorrow.
        while slow.write_all(&[1]).is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    for stream in &mut streams {
        assert_eq!(farewell(stream).await, 0, "a stranger is not answered");
    }
    drip.await.unwrap();
    call.everything_flows(20).await;
    call.assert_unharmed("streams that are none");
    call.assert_no_panic().await;
    let metrics = call.server.metrics().await.unwrap();
    for reason in ["unproven", "strange", "frame_too_large"] {
        let closed = metrics.sum("enfilade_tcp_connections_closed_total", &format!("\"{reason}\""));
        assert!(closed >= 1.0, "{reason}:\n{}", metrics.0);
    }
    assert_eq!(
        metrics.sum("enfilade_tcp_connections", ""),
        1.0,
        "only the caller's is left"
    );
}

/// T7: strangers by the thousand cost the places of strangers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_connections_leave_the_call_and_the_memory_alone() {
    let mut call = call().await;
    let server = SocketAddr::from(([127, 0, 0, 1], call.server.media_port));
    let mut dice = Dice::new(5);
    let seeds: Vec<Vec<u8>> = call
        .captured()
        .into_iter()
        .filter(|datagram| datagram.len() > 1)
        .collect();
    call.start_counting();
    let (mut kept, mut datagram, mut at_first) = (Vec::new(), Vec::new(), 0);
    for number in 0..20_000_usize {
        let Some(mut stream) = stranger(server, number) else {
            continue;
        };
        for _ in 0..dice.below(3) {
            mutate::datagram(&mut dice, &seeds, &mut datagram);
            let _closed = stream.write_all(&framed(&datagram));
        }
        if number % 16 == 0 {
            kept.push(stream);
            kept.truncate(600);
        }
        if number == 4_000 {
            at_first = call.server.resident_bytes().unwrap();
        }
        if number % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    call.everything_flows(30).await;
    let growth = call.server.resident_bytes().unwrap().saturating_sub(at_first);
    drop(kept);
    call.assert_unharmed("twenty thousand connections");
    call.assert_no_panic().await;
    assert!(growth < 6 << 20, "the server grew by {growth} bytes");
    let metrics = call.server.metrics().await.unwrap();
    assert!(
        metrics.sum("enfilade_tcp_connections_total", "") > 19_000.0,
        "{}",
        metrics.0
    );
}

/// What the caller over TCP sent, sent again by strangers over TCP: no answer but to whoever knows a password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replayed_handshakes_and_media_of_a_caller_get_no_answer() {
    let mut call = call().await;
    let server = SocketAddr::from(([127, 0, 0, 1], call.server.media_port));
    let replayed: Vec<Vec<u8>> = call
        .captured()
        .into_iter()
        .filter(|datagram| datagram.len() > 1 && !mutate::is_stun(datagram))
        .collect();
    assert!(
        replayed.iter().any(|datagram| datagram[0] == 22),
        "a handshake is among them"
    );
    call.start_counting();
    for (number, few) in replayed.chunks(20).take(50).enumerate() {
        let mut stream = stranger(server, number).unwrap();
        // More than is tolerated, so that it is over before its time.
        for datagram in few.iter().cycle().take(600) {
            let _closed = stream.write_all(&framed(datagram));
        }
        assert_eq!(farewell(&mut stream).await, 0);
    }
    call.everything_flows(10).await;
    call.assert_unharmed("replays over TCP");
    call.assert_no_panic().await;
}
