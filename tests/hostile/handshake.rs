//! Attacks on the moment between connectivity check and keys, and on the transport behind it.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use testkit::endpoint::Options;
use testkit::{Participant, eventually};

use super::call::{Call, token};

/// T6: a stranger's ClientHello in a race with the client's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_client_hello_stops_nobody() {
    let call = Call::begin(&[]).await;
    let hello: Vec<u8> = call
        .captured()
        .into_iter()
        .find(|datagram| datagram.len() > 13 && datagram[0] == 22 && datagram[13] == 1)
        .unwrap();
    let server = SocketAddr::from(([127, 0, 0, 1], call.server.media_port));
    let done = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&done);
    let spray = std::thread::spawn(move || {
        let sockets: Vec<UdpSocket> = (0..8).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        while !stop.load(Ordering::Relaxed) {
            for socket in &sockets {
                let _sent = socket.send_to(&hello, server);
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    });
    for number in 0..20 {
        let name = format!("guest-{number}");
        let mut guest = Participant::join(&call.server.url, &token(&name), json!({}))
            .await
            .unwrap();
        guest.endpoint.add_seats(3).unwrap();
        guest.negotiate().await.unwrap();
        eventually("media for the guest", || {
            (guest.endpoint.record().streams().count() > 2).then_some(())
        })
        .await
        .unwrap();
    }
    done.store(true, Ordering::Relaxed);
    spray.join().unwrap();
}

/// T9: each flight of a handshake with flipped bits. That session may fail; nobody else's does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_with_flipped_bits_fail_alone() {
    let mut call = Call::begin(&[]).await;
    call.start_counting();
    for number in 0..40_usize {
        let name = format!("broken-{number}");
        let mut broken = Participant::join_with(&call.server.url, &token(&name), json!({}), Options::default())
            .await
            .unwrap();
        broken.endpoint.add_seats(1).unwrap();
        broken.offer(false).await.unwrap();
        let server = SocketAddr::from(([127, 0, 0, 1], call.server.media_port));
        let endpoint = Arc::downgrade(&broken.endpoint);
        let (forward, queue) = std::sync::mpsc::sync_channel::<Vec<u8>>(256);
        let mut position = number * 7;
        broken.endpoint.gate_outbound(Some(Box::new(move |datagram| {
            if datagram.first().is_some_and(|first| (20..64).contains(first)) {
                let mut flipped = datagram.to_vec();
                position += 13;
                let at = position % flipped.len();
                flipped[at] ^= 1 << (position % 8);
                let _full = forward.try_send(flipped);
                return false;
            }
            true
        })));
        for _ in 0..30 {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            let Some(endpoint) = endpoint.upgrade() else { break };
            while let Ok(flipped) = queue.try_recv() {
                endpoint.inject(&flipped, server);
            }
        }
    }
    call.everything_flows(20).await;
    call.assert_unharmed("broken handshakes");
    call.assert_no_panic().await;
}

/// T5: valid credentials from many addresses: the server remembers a few and follows the client.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hops_through_many_ports_is_still_followed() {
    let mut call = Call::begin(&[]).await;
    let before = call.server.resident_bytes().unwrap();
    for _ in 0..100 {
        call.people[0].endpoint.move_away().await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    call.everything_flows(30).await;
    let growth = call.server.resident_bytes().unwrap().saturating_sub(before);
    assert!(growth < 4 << 20, "{growth} bytes for a hundred ports");
    call.assert_no_panic().await;
}
