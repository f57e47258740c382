//! A million datagrams at the media port during a call.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use super::call::Call;
use super::mutate::{self, Dice};

const DATAGRAMS: usize = 1_000_000;
const BURST: usize = 64;
/// Bytes that may wait in the server's socket. Above that the kernel would drop packets of the call, and the test would
/// measure the kernel.
const QUEUE_MAX: u64 = 48 * 1024;

/// Bytes waiting in the UDP socket on this port, and datagrams the kernel dropped for it.
fn kernel_queue(port: u16) -> (u64, u64) {
    let wanted = format!(":{port:04X}");
    for table in ["/proc/net/udp", "/proc/net/udp6"] {
        let text = std::fs::read_to_string(table).unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields.get(1).is_some_and(|local| local.ends_with(&wanted)) {
                let waiting = fields[4]
                    .split(':')
                    .nth(1)
                    .map_or(0, |hex| u64::from_str_radix(hex, 16).unwrap_or(0));
                let dropped = fields.last().and_then(|count| count.parse().ok()).unwrap_or(0);
                return (waiting, dropped);
            }
        }
    }
    (0, 0)
}

/// Waits for the server to keep up.
async fn let_it_breathe(port: u16) {
    while kernel_queue(port).0 > QUEUE_MAX {
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_datagrams_do_not_disturb_a_call() {
    let mut call = Call::begin(&[]).await;
    call.everything_flows(30).await;
    let seeds: Vec<Vec<u8>> = call
        .captured()
        .into_iter()
        .filter(|datagram| datagram.len() > 1)
        .collect();
    let kinds = |test: fn(&[u8]) -> bool| seeds.iter().filter(|seed| test(seed)).count();
    assert!(kinds(mutate::is_stun) > 3 && kinds(|seed| (20..64).contains(&seed[0])) > 3);
    assert!(kinds(|seed| seed[0] >> 6 == 2) > 100);

    let port = call.server.media_port;
    let server = SocketAddr::from(([127, 0, 0, 1], port));
    // Strangers on the clients' own address and on others.
    let strangers: Vec<UdpSocket> = (0..64_u8)
        .map(|number| {
            let ip = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1 + number % 8));
            UdpSocket::bind((ip, 0)).unwrap()
        })
        .collect();

    let seed = 0x0e5f_11ad_e000_0001;
    let mut dice = Dice::new(seed);
    let mut datagram = Vec::with_capacity(2_048);
    let (mut at_first, mut sent) = (0, 0_usize);
    let (_, dropped_before) = kernel_queue(port);
    call.start_counting();
    while sent < DATAGRAMS {
        for _ in 0..BURST {
            mutate::datagram(&mut dice, &seeds, &mut datagram);
            // One in eight comes from a client's own, validated address.
            let delivered = if dice.below(8) == 0 {
                call.people[dice.below(3)].endpoint.inject(&datagram, server)
            } else {
                strangers[dice.below(strangers.len())]
                    .send_to(&datagram, server)
                    .is_ok()
            };
            sent += usize::from(delivered || datagram.is_empty());
        }
        if at_first == 0 && sent > DATAGRAMS / 10 {
            at_first = call.server.resident_bytes().unwrap();
        }
        let_it_breathe(port).await;
        tokio::task::yield_now().await;
    }
    let_it_breathe(port).await;
    call.everything_flows(50).await;
    let (_, dropped) = kernel_queue(port);
    let at_clients: u64 = call
        .people
        .iter()
        .map(|person| kernel_queue(person.endpoint.local_address().unwrap().port()).1)
        .sum();
    eprintln!(
        "seed {seed:#x}: {sent} sent; the kernel dropped {} at the server, {at_clients} at the clients",
        dropped - dropped_before
    );

    call.assert_unharmed("a million datagrams");
    call.assert_no_panic().await;
    let growth = call.server.resident_bytes().unwrap().saturating_sub(at_first);
    assert!(growth < 6 << 20, "the server grew by {growth} bytes");
    let metrics = call.server.metrics().await.unwrap();
    let reasons = metrics
        .0
        .lines()
        .filter(|line| line.starts_with("enfilade_datagrams_dropped_total{") && !line.ends_with(" 0"))
        .count();
    let counted = metrics.sum("enfilade_datagrams_dropped_total", "");
    assert!(reasons >= 4, "drops have reasons:\n{}", metrics.0);
    assert!(
        counted > DATAGRAMS as f64 * 0.8,
        "{counted} of {sent} drops are counted"
    );
    for person in &mut call.people {
        person.signal.request("ping", serde_json::json!({})).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replayed_packets_of_a_client_are_forwarded_once() {
    let mut call = Call::begin(&[]).await;
    let server = SocketAddr::from(([127, 0, 0, 1], call.server.media_port));
    call.start_counting();
    for _ in 0..20 {
        for person in &call.people {
            person.endpoint.start_capture();
        }
        call.everything_flows(3).await;
        for person in &call.people {
            let media = person.endpoint.take_capture();
            for datagram in media.iter().filter(|datagram| datagram[0] >> 6 == 2) {
                person.endpoint.inject(datagram, server);
                person.endpoint.inject(datagram, server);
            }
        }
    }
    call.everything_flows(20).await;
    call.assert_unharmed("replays");
    call.assert_no_panic().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_get_no_answer() {
    let mut call = Call::begin(&[]).await;
    let seeds: Vec<Vec<u8>> = call
        .captured()
        .into_iter()
        .filter(|datagram| datagram.len() > 1)
        .collect();
    let server = SocketAddr::from(([127, 0, 0, 1], call.server.media_port));
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.set_nonblocking(true).unwrap();
    let mut dice = Dice::new(77);
    let (mut sent, mut answered) = (0_u64, 0_u64);
    let mut datagram = Vec::new();
    let mut buffer = [0; 2_048];
    for round in 0..20_000 {
        // Verbatim handshakes and media of others as well: replayed from here they are not ours to send.
        let seed = &seeds[dice.below(seeds.len())];
        if round % 4 == 0 && !mutate::is_stun(seed) {
            datagram.clone_from(seed);
        } else {
            mutate::datagram(&mut dice, &seeds, &mut datagram);
        }
        if stranger.send_to(&datagram, server).is_ok() {
            sent += datagram.len() as u64;
        }
        while let Ok(len) = stranger.recv(&mut buffer) {
            answered += len as u64;
        }
        if round % 64 == 0 {
            let_it_breathe(call.server.media_port).await;
        }
    }
    call.everything_flows(10).await;
    while let Ok(len) = stranger.recv(&mut buffer) {
        answered += len as u64;
    }
    assert_eq!(answered, 0, "{sent} bytes from a stranger were answered");
    call.assert_no_panic().await;
}
