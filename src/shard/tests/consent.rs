//! How long a client is sent to of whom nothing but this or that is heard: the time of the shard is given by the test.

use super::*;
use crate::transport::stun::tests::{CONTROLLING, Check};

const USE_CANDIDATE: (u16, &[u8]) = (0x0025, &[]);

/// A STUN header and nothing behind it: Binding indication, no attributes.
const KEEPALIVE: [u8; 20] = [
    0, 0x11, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
];

/// The publisher of a microphone whose path was checked and nominated at `now`.
fn checked(shard: &mut Ready, now: Instant) -> Client {
    let credentials = Credentials::random();
    let mut client = Client::of(TransportKey::new(1, 1));
    shard.tell(ShardCommand::AddTransport {
        transport: client.transport,
        ice: credentials.clone(),
    });
    let mut check = Check {
        username: &format!("{}:far", credentials.ufrag),
        pwd: &credentials.pwd,
        extra: &[CONTROLLING, USE_CANDIDATE],
        behind: &[],
    }
    .build();
    let from = Arrival::udp(client.socket.local_addr().unwrap());
    shard.shard.handle_datagram(now, from, &mut check);
    client.shake_hands(shard, 1);
    client.publish(shard, Kind::Audio);
    client
}

fn sealed_rtp(client: &Client, sequence_number: u16) -> Vec<u8> {
    let header = FixedHeader {
        marker: true,
        payload_type: KINDS[0].2,
        sequence_number,
        timestamp: 0,
        ssrc: 7,
    };
    let mut datagram = header.to_bytes().to_vec();
    datagram.extend_from_slice(b"voice");
    let plain = datagram.len();
    datagram.resize(plain + 16, 0);
    client.sealer.seal_rtp(&mut datagram, FIXED_HEADER_LEN, plain, 0);
    datagram
}

#[test]
fn media_its_control_and_keepalives_keep_a_client_that_checks_no_more() {
    let mut ready = shards(1).remove(0);
    let begun = Instant::now();
    let at = |seconds| begun + Duration::from_secs(seconds);
    let mut ann = checked(&mut ready, begun);
    let from = Arrival::udp(ann.socket.local_addr().unwrap());
    let slot = ready.shard.table.slot(ann.transport).unwrap();
    let is_lost = |ready: &Ready, seconds| ready.shard.transports[slot.0 as usize].ice.is_expired(at(seconds));

    let mut media = sealed_rtp(&ann, 1);
    ready.shard.handle_datagram(at(20), from, &mut media.clone());
    assert!(!is_lost(&ready, 49));
    // What was heard before is no sign of life: whoever recorded it could send it.
    ready.shard.handle_datagram(at(40), from, &mut media);
    assert!(is_lost(&ready, 50));

    // An empty receiver report.
    let mut report = vec![0x80, 201, 0, 1, 0, 0, 0, 7];
    ann.sealer.seal_rtcp(&mut report).unwrap();
    ready.shard.handle_datagram(at(40), from, &mut report);
    assert!(!is_lost(&ready, 69));
    ready.shard.handle_datagram(at(60), from, &mut KEEPALIVE.clone());
    assert!(!is_lost(&ready, 89));

    let elsewhere = Arrival::udp("127.0.0.1:9".parse().unwrap());
    ready.shard.handle_datagram(at(80), elsewhere, &mut KEEPALIVE.clone());
    let mut media = sealed_rtp(&ann, 2);
    ready.shard.handle_datagram(at(80), elsewhere, &mut media);
    let mut forged = sealed_rtp(&ann, 3);
    *forged.last_mut().unwrap() ^= 1;
    ready.shard.handle_datagram(at(80), from, &mut forged);
    assert!(is_lost(&ready, 90), "neither from elsewhere nor without authentication");
}

/// A client that is near sends its first check before the shard has had a turn to read of the transport.
#[test]
fn a_check_that_came_with_its_transport_is_answered_in_the_same_turn() {
    let (handles, mut ready) = assemble(&config(1)).unwrap();
    let Ready { shard, poll, inbox } = ready.remove(0);
    let ice = Credentials::random();
    let check = Check {
        username: &format!("{}:far", ice.ufrag),
        pwd: &ice.pwd,
        extra: &[CONTROLLING, USE_CANDIDATE],
        behind: &[],
    }
    .build();
    let transport = TransportKey::new(1, 1);
    let added = Mail::Command(ShardCommand::AddTransport { transport, ice });
    assert!(handles[0].try_send(added));
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(&check, handles[0].local_addr).unwrap();
    let running = std::thread::spawn(move || shard.run(poll, inbox));
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut answer = [0; 200];
    let len = client.recv(&mut answer).expect("it is sent once, and answered");
    assert_eq!(answer[..2], [0x01, 0x01], "a success of {len} bytes");
    assert!(handles[0].try_send(Mail::Stop));
    running.join().unwrap().unwrap();
}
