//! A client made with the library's own attributes against the server: who is let in, whom it reaches, what comes back.

mod scene;

use std::net::SocketAddr;
use std::time::Duration;

use rtc_stun::attributes::AttrType;
use rtc_stun::message::{Getter, Message, Setter, TransactionId};
use rtc_turn::proto::channum::ChannelNumber;
use rtc_turn::proto::data::Data;
use rtc_turn::proto::evenport::EvenPort;
use rtc_turn::proto::lifetime::Lifetime;
use rtc_turn::proto::peeraddr::PeerAddress;
use rtc_turn::proto::relayaddr::RelayedAddress;
use rtc_turn::proto::reqfamily::{REQUESTED_FAMILY_IPV4, REQUESTED_FAMILY_IPV6, RequestedAddressFamily};
use rtc_turn::proto::reqtrans::RequestedTransport;

use super::*;
use scene::*;

#[test]
fn what_a_client_sends_reaches_the_media_port_and_the_answer_comes_back() {
    for way in [Way::Udp, Way::Tcp] {
        let mut scene = Scene::new(&[], 10);
        let mut ann = scene.caller("ann", 1000, way);
        let answer = scene.ask(&mut ann, METHOD_ALLOCATE, &[&udp()]);
        let mut relayed = RelayedAddress::default();
        relayed.get_from(&answer).unwrap();
        assert_eq!((relayed.ip, relayed.port), (media().ip(), 50_001));
        let id = scene.opened[0];
        assert_eq!(
            code(&scene.ask(&mut ann, METHOD_CREATE_PERMISSION, &[&peer_of(media())])),
            0
        );
        scene.give(ann.client, &ann.send(media(), b"check")).unwrap();
        // Behind a 1:1 NAT the advertised address is not reached from here.
        assert_eq!(scene.sent, [("127.0.1.0:7882".parse().unwrap(), b"check".to_vec())]);
        scene
            .turn
            .handle_peer(scene.now, id, "127.0.1.0:7882".parse().unwrap(), b"answer")
            .unwrap();
        scene.drain();
        let mut indication = Message::new();
        indication.unmarshal_binary(&scene.received[0]).unwrap();
        let (mut peer, mut data) = (PeerAddress::default(), Data::default());
        peer.get_from(&indication).unwrap();
        data.get_from(&indication).unwrap();
        assert_eq!((peer, data.0), (peer_of(media()), b"answer".to_vec()));

        let bind: [&dyn Setter; 2] = [&ChannelNumber(0x4001), &peer_of(media())];
        assert_eq!(code(&scene.ask(&mut ann, METHOD_CHANNEL_BIND, &bind)), 0);
        scene.give(ann.client, b"\x40\x01\0\x05media\0\0\0").unwrap();
        assert_eq!(scene.sent[1].1, b"media");
        scene
            .turn
            .handle_peer(scene.now, id, "127.0.1.0:7882".parse().unwrap(), b"media")
            .unwrap();
        scene.drain();
        let padded: &[u8] = if way == Way::Udp {
            b"\x40\x01\0\x05media"
        } else {
            b"\x40\x01\0\x05media\0\0\0"
        };
        assert_eq!(scene.received[1], padded);
        let stranger = scene
            .turn
            .handle_peer(scene.now, id, "198.51.100.1:7882".parse().unwrap(), b"x");
        assert_eq!(stranger, Err(TurnDrop::NoPermission));
    }
}

/// Every kind of address that leads somewhere it should not, in every clothing, and beside it what may be reached.
const TABLE: [(&str, bool, bool); 44] = [
    // Peer; reached by default; reached when the operator has allowed 0.0.0.0/0 and ::/0, that is the Internet.
    (MEDIA, true, true),
    (MEDIA_V6, true, true),
    ("203.0.113.7:22", false, false),
    ("203.0.113.7:7880", false, false),
    ("203.0.113.7:3478", false, false),
    ("198.51.100.9:3478", false, false),
    ("203.0.113.7:0", false, false),
    ("[2001:db8::7]:7880", false, false),
    ("8.8.8.8:53", false, true),
    ("[2606:4700::1]:443", false, true),
    ("127.0.0.1:7882", false, false),
    ("127.0.0.1:6379", false, false),
    ("127.255.255.254:80", false, false),
    ("0.0.0.0:7882", false, false),
    ("0.1.2.3:80", false, false),
    ("10.0.0.1:80", false, false),
    ("10.255.255.255:80", false, false),
    ("100.64.0.1:80", false, false),
    ("100.127.255.255:80", false, false),
    ("169.254.169.254:80", false, false),
    ("172.16.0.1:80", false, false),
    ("172.31.255.255:80", false, false),
    ("192.0.0.8:80", false, false),
    ("192.168.1.1:80", false, false),
    ("198.18.0.1:80", false, false),
    ("224.0.0.1:5353", false, false),
    ("239.255.255.250:1900", false, false),
    ("240.0.0.1:80", false, false),
    ("255.255.255.255:67", false, false),
    ("192.88.99.1:80", false, false),
    ("[::]:7882", false, false),
    ("[::1]:6379", false, false),
    ("[fe80::1]:80", false, false),
    ("[fc00::1]:80", false, false),
    ("[fdff::1]:80", false, false),
    ("[fec0::1]:80", false, false),
    ("[ff02::1]:80", false, false),
    ("[::ffff:127.0.0.1]:7882", false, false),
    ("[::ffff:203.0.113.7]:7882", false, false),
    ("[::ffff:10.0.0.1]:80", false, false),
    ("[::10.0.0.1]:80", false, false),
    ("[64:ff9b::a00:1]:80", false, false),
    ("[2002:a00:1::1]:80", false, false),
    ("[2001:0:a00:1::1]:80", false, false),
];

/// T37.
#[test]
fn nobody_is_reached_but_our_media_ports_and_what_was_allowed_by_permission_channel_or_indication() {
    for allowed in [&[][..], &["0.0.0.0/0", "::/0"]] {
        for (text, by_default, over_the_internet) in TABLE {
            let wanted = if allowed.is_empty() {
                by_default
            } else {
                over_the_internet
            };
            let peer: SocketAddr = text.parse().unwrap();
            let mut scene = Scene::new(allowed, 10);
            let mut ann = scene.caller("ann", 1000, Way::Udp);
            let family = if peer.is_ipv6() {
                REQUESTED_FAMILY_IPV6
            } else {
                REQUESTED_FAMILY_IPV4
            };
            assert_eq!(code(&scene.ask(&mut ann, METHOD_ALLOCATE, &[&udp(), &family])), 0);

            let bind: [&dyn Setter; 2] = [&ChannelNumber(0x4000), &peer_of(peer)];
            let bound = code(&scene.ask(&mut ann, METHOD_CHANNEL_BIND, &bind));
            assert_eq!(bound, if wanted { 0 } else { 403 }, "ChannelBind {text} {allowed:?}");
            let channel_data = scene.give(ann.client, b"\x40\0\0\x04data").map(|_| ());
            assert_eq!(channel_data.is_ok(), wanted, "ChannelData {text} {allowed:?}");

            let permitted = code(&scene.ask(&mut ann, METHOD_CREATE_PERMISSION, &[&peer_of(peer)]));
            // A permission is for an address: ours may be had, whatever the port, and then only the media ports are reached.
            let is_ours = [MEDIA, MEDIA_V6]
                .iter()
                .any(|media| media.parse::<SocketAddr>().unwrap().ip() == peer.ip());
            let is_ours_elsewhere = text.starts_with("198.51.100.9");
            if !is_ours_elsewhere {
                let want = if wanted || is_ours { 0 } else { 403 };
                assert_eq!(permitted, want, "CreatePermission {text} {allowed:?}");
            }
            scene.sent.clear();
            let sent = scene.give(ann.client, &ann.send(peer, b"data")).map(|_| ());
            assert_eq!(sent.is_ok(), wanted, "Send {text} {allowed:?}");
            assert_eq!(scene.sent.len(), usize::from(wanted), "{text} {allowed:?}");
        }
    }
}

#[test]
fn a_private_network_is_reached_only_when_it_was_named() {
    let peer = "10.1.2.3:80".parse().unwrap();
    for (allowed, wanted) in [
        (&["10.1.0.0/16"][..], true),
        (&["10.0.0.0/8"], true),
        (&["10.2.0.0/16"], false),
        (&["8.0.0.0/6"], false),
        (&["0.0.0.0/0"], false),
    ] {
        assert_eq!(peers(allowed).allows(peer), wanted, "{allowed:?}");
    }
    // Not even a name opens our own listeners, or what is no single host.
    let named = peers(&[
        "127.0.0.0/8",
        "::1/128",
        "224.0.0.0/4",
        "::ffff:0:0/96",
        "203.0.113.0/24",
    ]);
    for (text, wanted) in [
        ("127.0.0.1:9000", true),
        ("127.0.0.1:7880", false),
        ("127.1.2.3:3478", false),
        ("[::1]:9000", true),
        ("224.0.0.1:9000", false),
        ("[::ffff:8.8.8.8]:53", false),
        ("203.0.113.9:7880", true),
        ("203.0.113.7:7880", false),
    ] {
        assert_eq!(named.allows(text.parse().unwrap()), wanted, "{text}");
    }
}

/// T38.
#[test]
fn a_user_gets_twelve_allocations_and_has_room_again_for_each_that_is_released() {
    let mut scene = Scene::new(&[], 100);
    let mut callers: Vec<Caller> = (0..12).map(|port| scene.caller("ann", port, Way::Udp)).collect();
    for caller in &mut callers {
        assert_eq!(scene.allocate(caller), 0);
    }
    // Fresh credentials make no other user.
    scene.pass(Duration::from_secs(1));
    let mut one_more = scene.caller("ann", 100, Way::Udp);
    assert_eq!(scene.allocate(&mut one_more), QUOTA_REACHED);
    assert_eq!(
        scene.allocate(&mut scene.caller("bob", 101, Way::Udp)),
        0,
        "somebody else"
    );
    assert_eq!(
        code(&scene.ask(&mut callers[0], METHOD_REFRESH, &[&Lifetime(Duration::ZERO)])),
        0
    );
    assert_eq!(scene.allocate(&mut one_more), 0);
}

#[test]
fn nothing_is_left_of_what_comes_and_goes() {
    let mut scene = Scene::new(&[], 50);
    for round in 0..1_000u32 {
        let way = if round % 2 == 0 { Way::Udp } else { Way::Tcp };
        let mut caller = scene.caller(&format!("user-{}", round % 7), (round % 60_000) as u16, way);
        assert_eq!(scene.allocate(&mut caller), 0, "{round}");
        match round % 3 {
            0 => scene.turn.gone(caller.client),
            1 => {
                scene.ask(&mut caller, METHOD_REFRESH, &[&Lifetime(Duration::ZERO)]);
            }
            _ => scene.pass(Duration::from_secs(601)),
        }
        scene.drain();
        assert_eq!(scene.turn.allocations(), 0, "{round}");
        assert!(scene.turn.users.is_empty() && scene.turn.clients.is_empty());
    }
    assert_eq!(scene.opened, scene.closed, "each socket was closed, once");
}

#[test]
fn the_server_has_an_end_and_says_so() {
    let mut scene = Scene::new(&[], 2);
    for port in 0..2 {
        assert_eq!(
            scene.allocate(&mut scene.caller(&format!("user-{port}"), port, Way::Udp)),
            0
        );
    }
    let mut third = scene.caller("third", 9, Way::Udp);
    assert_eq!(scene.allocate(&mut third), INSUFFICIENT_CAPACITY);
    scene.pass(Duration::from_secs(601));
    assert_eq!(scene.allocate(&mut scene.caller("third", 9, Way::Udp)), 0);
}

#[test]
fn a_socket_that_cannot_be_opened_is_an_answer_and_leaves_nothing() {
    let mut scene = Scene::new(&[], 2);
    let mut ann = scene.caller("ann", 1, Way::Udp);
    scene.challenge(&mut ann);
    let request = ann.request(METHOD_ALLOCATE, &[&udp()]);
    scene
        .turn
        .handle_client(scene.now, scene.unix, ann.client, &request)
        .unwrap();
    let Some(Output::Open { allocation, .. }) = scene.turn.poll_output() else {
        panic!()
    };
    scene.turn.opened(scene.now, allocation, None);
    assert_eq!(code(&scene.drain()[0]), INSUFFICIENT_CAPACITY);
    assert_eq!((scene.turn.allocations(), scene.turn.users.len()), (0, 0));
}

#[test]
fn credentials_end_but_a_relay_in_use_outlives_them() {
    let mut scene = Scene::new(&[], 10);
    let mut ann = scene.caller("ann", 1, Way::Udp);
    assert_eq!(scene.allocate(&mut ann), 0);
    scene.pass(Duration::from_secs(301));
    assert_eq!(code(&scene.ask(&mut ann, METHOD_REFRESH, &[])), 0);
    let mut late = Caller {
        client: scene.caller("ann", 2, Way::Udp).client,
        ..ann.clone()
    };
    assert_eq!(scene.allocate(&mut late), UNAUTHORIZED);
}

#[test]
fn whoever_does_not_know_the_password_gets_a_challenge_and_nothing_is_kept() {
    let mut scene = Scene::new(&[], 10);
    for port in 0..500 {
        let mut liar = scene.caller("ann", port, Way::Udp);
        liar.password = "guess".to_owned();
        assert_eq!(scene.allocate(&mut liar), UNAUTHORIZED);
        let request = liar.request(METHOD_REFRESH, &[]);
        let answer = &scene.give(liar.client, &request).unwrap()[0];
        assert!(
            answer.raw.len() <= request.len(),
            "an answer is no longer than what is signed"
        );
    }
    let unsigned = scene.caller("ann", 1, Way::Udp);
    let request = unsigned.request(METHOD_ALLOCATE, &[&udp()]);
    let answer = &scene.give(unsigned.client, &request).unwrap()[0];
    assert!(answer.raw.len() <= 64 && request.len() >= 28, "{}", answer.raw.len());
    assert_eq!(
        scene.turn.allocations() + scene.turn.users.len() + scene.turn.clients.len(),
        0
    );
}

#[test]
fn a_nonce_is_for_one_address_and_one_hour() {
    let mut scene = Scene::new(&[], 10);
    let mut ann = scene.caller("ann", 1, Way::Udp);
    assert_eq!(scene.allocate(&mut ann), 0);
    let mut other = scene.caller("ann", 2, Way::Udp);
    other.nonce = ann.nonce.clone();
    let answer = scene
        .give(other.client, &other.request(METHOD_ALLOCATE, &[&udp()]))
        .unwrap();
    assert_eq!(code(&answer[0]), STALE_NONCE);
    for _ in 0..8 {
        scene.pass(Duration::from_secs(500));
        assert_eq!(code(&scene.ask(&mut ann, METHOD_REFRESH, &[])), 0);
    }
    assert_ne!(ann.nonce, other.nonce, "it was given a new one");
}

#[test]
fn the_allocation_of_another_user_is_not_touched() {
    let mut scene = Scene::new(&[], 10);
    let mut ann = scene.caller("ann", 1, Way::Udp);
    assert_eq!(scene.allocate(&mut ann), 0);
    let mut bob = scene.caller("bob", 1, Way::Udp);
    let codes = [METHOD_REFRESH, METHOD_CREATE_PERMISSION, METHOD_CHANNEL_BIND];
    for method in codes {
        assert_eq!(
            code(&scene.ask(&mut bob, method, &[&Lifetime(Duration::ZERO)])),
            WRONG_CREDENTIALS
        );
    }
    assert_eq!(scene.turn.allocations(), 1);
}

#[test]
fn requests_that_make_no_sense_get_the_code_of_the_rfc() {
    let mut scene = Scene::new(&[], 10);
    let tcp = RequestedTransport {
        protocol: rtc_turn::proto::PROTO_TCP,
    };
    let mut ann = scene.caller("ann", 1, Way::Udp);
    let odd = RequestedAddressFamily(7);
    let code_of =
        |scene: &mut Scene, ann: &mut Caller, method, with: &[&dyn Setter]| code(&scene.ask(ann, method, with));
    assert_eq!(code_of(&mut scene, &mut ann, METHOD_ALLOCATE, &[]), BAD_REQUEST);
    assert_eq!(
        code_of(&mut scene, &mut ann, METHOD_ALLOCATE, &[&tcp]),
        UNSUPPORTED_TRANSPORT
    );
    assert_eq!(
        code_of(&mut scene, &mut ann, METHOD_ALLOCATE, &[&udp(), &odd]),
        UNSUPPORTED_FAMILY
    );
    assert_eq!(code_of(&mut scene, &mut ann, METHOD_REFRESH, &[]), MISMATCH);
    assert_eq!(scene.allocate(&mut ann), 0);
    assert_eq!(scene.allocate(&mut ann), MISMATCH);
    assert_eq!(
        code_of(&mut scene, &mut ann, METHOD_CREATE_PERMISSION, &[]),
        BAD_REQUEST
    );
    let v6 = peer_of(MEDIA_V6.parse().unwrap());
    assert_eq!(
        code_of(&mut scene, &mut ann, METHOD_CREATE_PERMISSION, &[&v6]),
        FAMILY_MISMATCH
    );
    let number = |number: u16| ChannelNumber(number);
    for bad in [0, 0x3fff, 0x8000, 0xffff] {
        let with: [&dyn Setter; 2] = [&number(bad), &peer_of(media())];
        assert_eq!(
            code_of(&mut scene, &mut ann, METHOD_CHANNEL_BIND, &with),
            BAD_REQUEST,
            "{bad:#x}"
        );
    }
    let with: [&dyn Setter; 2] = [&number(0x4000), &peer_of(media())];
    assert_eq!(code_of(&mut scene, &mut ann, METHOD_CHANNEL_BIND, &with), 0);
    let with: [&dyn Setter; 2] = [&number(0x4001), &peer_of(media())];
    assert_eq!(
        code_of(&mut scene, &mut ann, METHOD_CHANNEL_BIND, &with),
        BAD_REQUEST,
        "the peer has a number"
    );
    let mut bob = scene.caller("bob", 2, Way::Udp);
    struct WithTheNext;
    impl Setter for WithTheNext {
        fn add_to(&self, message: &mut Message) -> rtc_shared::error::Result<()> {
            message.add(rtc_stun::attributes::ATTR_EVEN_PORT, &[0x80]);
            Ok(())
        }
    }
    assert_eq!(
        code_of(&mut scene, &mut bob, METHOD_ALLOCATE, &[&udp(), &WithTheNext]),
        INSUFFICIENT_CAPACITY
    );
    assert_eq!(
        code_of(&mut scene, &mut bob, METHOD_ALLOCATE, &[&udp(), &EvenPort::default()]),
        0
    );
    assert!(scene.even, "an even port was asked for");
    struct Strange;
    impl Setter for Strange {
        fn add_to(&self, message: &mut Message) -> rtc_shared::error::Result<()> {
            message.add(AttrType(0x7abc), b"what?");
            Ok(())
        }
    }
    assert_eq!(
        code_of(&mut scene, &mut ann, METHOD_REFRESH, &[&Strange]),
        UNKNOWN_ATTRIBUTE
    );
}

#[test]
fn an_allocate_that_is_repeated_is_answered_again_and_makes_no_second() {
    let mut scene = Scene::new(&[], 10);
    let mut ann = scene.caller("ann", 1, Way::Udp);
    scene.challenge(&mut ann);
    let request = ann.request(METHOD_ALLOCATE, &[&udp()]);
    let first = scene.give(ann.client, &request).unwrap();
    let second = scene.give(ann.client, &request).unwrap();
    assert_eq!(first[0].raw, second[0].raw);
    assert_eq!(scene.opened.len(), 1);
}

#[test]
fn what_stands_behind_the_signature_means_nothing() {
    let mut scene = Scene::new(&["0.0.0.0/0"], 10);
    let mut ann = scene.caller("ann", 1, Way::Udp);
    assert_eq!(scene.allocate(&mut ann), 0);
    let mut request = Message::new();
    request
        .unmarshal_binary(&ann.request(METHOD_CREATE_PERMISSION, &[&peer_of(media())]))
        .unwrap();
    peer_of("8.8.8.8:53".parse().unwrap()).add_to(&mut request).unwrap();
    assert_eq!(code(&scene.give(ann.client, &request.raw).unwrap()[0]), 0);
    let sent = scene.give(ann.client, &ann.send("8.8.8.8:53".parse().unwrap(), b"x"));
    assert_eq!(sent.unwrap_err(), TurnDrop::NoPermission);
}

#[test]
fn no_bytes_make_it_stumble() {
    let mut scene = Scene::new(&["0.0.0.0/0"], 10);
    let mut ann = scene.caller("ann", 1, Way::Udp);
    assert_eq!(scene.allocate(&mut ann), 0);
    let with: [&dyn Setter; 3] = [
        &peer_of(media()),
        &ChannelNumber(0x4000),
        &Lifetime(Duration::from_secs(9)),
    ];
    let mut seeds = vec![ann.send(media(), b"data"), b"\x40\0\0\x04data".to_vec()];
    for method in [
        METHOD_ALLOCATE,
        METHOD_REFRESH,
        METHOD_CREATE_PERMISSION,
        METHOD_CHANNEL_BIND,
    ] {
        seeds.push(ann.request(method, &with));
    }
    for seed in seeds {
        for len in 0..=seed.len() {
            let _any = scene.give(ann.client, &seed[..len]);
        }
        for at in 0..seed.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = seed.clone();
                bytes[at] = value;
                let _any = scene.give(ann.client, &bytes);
            }
        }
    }
    assert_eq!(scene.turn.users.values().sum::<usize>(), scene.turn.allocations());
}

#[test]
fn attributes_of_any_length_are_taken_from_whoever_knows_the_password() {
    struct Any(AttrType, Vec<u8>);
    impl Setter for Any {
        fn add_to(&self, message: &mut Message) -> rtc_shared::error::Result<()> {
            message.add(self.0, &self.1);
            Ok(())
        }
    }
    let mut scene = Scene::new(&[], 10);
    let mut ann = scene.caller("ann", 1, Way::Udp);
    assert_eq!(scene.allocate(&mut ann), 0);
    // LIFETIME comes last: 0 seconds end the allocation.
    for kind in [0x0c, 0x12, 0x13, 0x17, 0x18, 0x19, 0x22, 0x1a, 0x8000, 0x0d] {
        for len in 0..24 {
            for method in [
                METHOD_ALLOCATE,
                METHOD_CREATE_PERMISSION,
                METHOD_CHANNEL_BIND,
                METHOD_REFRESH,
            ] {
                scene.ask(&mut ann, method, &[&Any(AttrType(kind), vec![0; len])]);
                scene.ask(&mut ann, method, &[&Any(AttrType(kind), vec![0xff; len])]);
            }
        }
    }
    assert!(scene.turn.allocations() <= 1);
}

#[test]
fn permissions_and_channels_of_one_allocation_have_an_end() {
    let mut scene = Scene::new(&["0.0.0.0/0"], 10);
    let mut ann = scene.caller("ann", 1, Way::Udp);
    assert_eq!(scene.allocate(&mut ann), 0);
    let mut codes = Vec::new();
    for number in 0..200u8 {
        let peer = SocketAddr::from(([8, 8, 8, number], 53));
        let with: [&dyn Setter; 2] = [&ChannelNumber(0x4000 + u16::from(number)), &peer_of(peer)];
        codes.push(code(&scene.ask(&mut ann, METHOD_CHANNEL_BIND, &with)));
    }
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 32);
    assert!(codes[32..].iter().all(|code| *code == INSUFFICIENT_CAPACITY));
    // A permission lasts five minutes, a channel ten.
    scene.pass(Duration::from_secs(301));
    let peer = SocketAddr::from(([8, 8, 8, 1], 53));
    assert_eq!(
        scene.give(ann.client, &ann.send(peer, b"x")).unwrap_err(),
        TurnDrop::NoPermission
    );
    scene.ask(&mut ann, METHOD_REFRESH, &[]);
    scene.give(ann.client, b"\x40\x01\0\x01x\0\0\0").unwrap();
    scene.pass(Duration::from_secs(300));
    assert_eq!(
        scene.give(ann.client, b"\x40\x01\0\x01x\0\0\0").unwrap_err(),
        TurnDrop::NoPermission
    );
}

#[test]
fn who_is_asked_only_how_he_looks_from_here_answers_that() {
    let mut scene = Scene::new(&[], 10);
    let client = Client {
        way: Way::Udp,
        address: "[::ffff:192.0.2.9]:4000".parse().unwrap(),
    };
    let mut request = Message::new();
    request
        .build(&[
            Box::new(TransactionId::new()),
            Box::new(rtc_stun::message::BINDING_REQUEST),
        ])
        .unwrap();
    let answer = scene.give(client, &request.raw).unwrap();
    let mut mapped = rtc_stun::xoraddr::XorMappedAddress::default();
    mapped.get_from(&answer[0]).unwrap();
    assert_eq!((mapped.ip.to_string(), mapped.port), ("192.0.2.9".to_owned(), 4000));
}
