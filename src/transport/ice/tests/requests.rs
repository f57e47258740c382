//! What a check has to be to be answered, and what is answered.

use super::*;

/// S1.
#[test]
fn a_controlled_client_is_told_of_the_role_conflict() {
    let mut call = Call::new();
    let outcome = call.check_as("ufragone", addr(1), &[CONTROLLED, USE_CANDIDATE]);
    assert_eq!(outcome, BindingOutcome::Refused(487));
    assert_eq!((call.ice.selected(), call.ice.is_validated(addr(1))), (None, false));
    let datagram = Check {
        username: "ufragone:abcd",
        pwd: &credentials("ufragone").pwd,
        extra: &[CONTROLLED],
        behind: &[],
    }
    .build();
    call.datagram(addr(1), &datagram);
    assert_eq!(
        judge(&call.response, &datagram, &credentials("ufragone").pwd),
        (Some(487), vec![], None)
    );
}

/// S2.
#[test]
fn unknown_required_attributes_are_refused_only_to_the_authentic() {
    let mut call = Call::new();
    let pwd = credentials("ufragone").pwd;
    let extra: &[(u16, &[u8])] = &[CONTROLLING, (0x7777, &[1])];
    let datagram = Check {
        username: "ufragone:abcd",
        pwd: &pwd,
        extra,
        behind: &[],
    }
    .build();
    assert_eq!(call.datagram(addr(1), &datagram), BindingOutcome::Refused(420));
    assert_eq!(judge(&call.response, &datagram, &pwd), (Some(420), vec![0x7777], None));
    let datagram = Check {
        username: "ufragone:abcd",
        pwd: "a guess",
        extra,
        behind: &[],
    }
    .build();
    assert_eq!(
        call.datagram(addr(1), &datagram),
        BindingOutcome::Ignored(StunDrop::Integrity)
    );
    assert!(!call.ice.is_validated(addr(1)));
}

/// T3.
#[test]
fn a_nomination_appended_on_the_way_has_no_effect() {
    let mut call = Call::new();
    call.nominate(addr(1));
    let datagram = Check {
        username: "ufragone:abcd",
        pwd: &credentials("ufragone").pwd,
        extra: &[CONTROLLING],
        behind: &[USE_CANDIDATE],
    }
    .build();
    assert_eq!(call.datagram(addr(2), &datagram), answered(true, None));
}

/// T1 and T4: nothing is sent to a stranger and nothing is kept about one.
#[test]
fn strangers_get_nothing_and_leave_nothing() {
    let mut call = Call::new();
    call.nominate(addr(0));
    let pwd = credentials("ufragone").pwd;
    let wrong = [
        (
            Check {
                username: "ufragone:abcd",
                pwd: "guess",
                extra: &[CONTROLLING],
                behind: &[],
            },
            StunDrop::Integrity,
        ),
        (
            Check {
                username: "ufragon:abcd",
                pwd: &pwd,
                extra: &[USE_CANDIDATE],
                behind: &[],
            },
            StunDrop::UnknownUser,
        ),
        (
            Check {
                username: "ufragone",
                pwd: &pwd,
                extra: &[USE_CANDIDATE],
                behind: &[],
            },
            StunDrop::UnknownUser,
        ),
        (
            Check {
                username: "ufragonex:a",
                pwd: &pwd,
                extra: &[USE_CANDIDATE],
                behind: &[],
            },
            StunDrop::UnknownUser,
        ),
        (
            Check {
                username: "",
                pwd: &pwd,
                extra: &[USE_CANDIDATE],
                behind: &[],
            },
            StunDrop::UnknownUser,
        ),
    ];
    let datagrams: Vec<_> = wrong.iter().map(|(check, reason)| (check.build(), *reason)).collect();
    for n in 0..60_000u32 {
        let (datagram, reason) = &datagrams[n as usize % datagrams.len()];
        let outcome = call.datagram(SocketAddr::from(([198, 51, 100, 7], n as u16)).into(), datagram);
        assert_eq!(outcome, BindingOutcome::Ignored(*reason));
    }
    assert_eq!(call.ice.validated().count(), 1);
    assert_eq!(call.ice.selected(), Some(addr(0)));
    assert!(call.response.is_empty());
}

/// T2, through the whole agent: no single attribute of any type and length gets an answer.
#[test]
fn no_attribute_alone_gets_an_answer() {
    let mut call = Call::new();
    for kind in (0..0x60).chain(0x7ff0..0x8040).chain(0xC050..0xC080) {
        for len in 0..=64u16 {
            let body = vec![0x3a; usize::from(len).next_multiple_of(4)];
            let outcome = call.datagram(addr(1), &message_with(kind, len, &body));
            assert!(
                matches!(outcome, BindingOutcome::Ignored(_)),
                "type {kind:#06x} length {len}"
            );
        }
    }
}

/// T2 with the password known: an authentic request with one odd attribute never panics and never amplifies.
#[test]
fn an_authentic_request_survives_every_attribute() {
    let pwd = credentials("ufragone").pwd;
    for kind in (0..0x60u16)
        .filter(|kind| *kind != 0x0008)
        .chain(0x8020..0x8028)
        .chain(0x8029..0x8030)
        .chain([0xC057, 0xC070, 0xFFFF])
    {
        for len in 0..=64 {
            let mut call = Call::new();
            let body = vec![0x3a; len];
            let extra: &[(u16, &[u8])] = &[(kind, &body)];
            let datagram = Check {
                username: "ufragone:abcd",
                pwd: &pwd,
                extra,
                behind: &[],
            }
            .build();
            call.datagram(addr(1), &datagram);
        }
    }
}

#[test]
fn an_ipv4_client_of_an_ipv6_socket_learns_its_ipv4_address() {
    let mut call = Call::new();
    let mapped: SocketAddr = "[::ffff:203.0.113.9]:4321".parse().unwrap();
    let mapped = Remote::from(mapped);
    let pwd = credentials("ufragone").pwd;
    let datagram = Check {
        username: "ufragone:abcd",
        pwd: &pwd,
        extra: &[CONTROLLING],
        behind: &[],
    }
    .build();
    assert_eq!(call.datagram(mapped, &datagram), answered(true, Some(mapped)));
    let want = "203.0.113.9:4321".parse().unwrap();
    assert_eq!(judge(&call.response, &datagram, &pwd), (None, vec![], Some(want)));
}

/// T4: a forged source address must not receive more than its forger sent, not even with the right password.
#[test]
fn a_request_shorter_than_its_answer_gets_none() {
    let mut call = Call::new();
    let pwd = credentials("ufragone").pwd;
    // Without PRIORITY, role and FINGERPRINT, which RFC 8445 section 7.1 requires: 60 bytes against 64 or 76.
    let mut datagram = message_with(0x0006, 9, b"ufragone:\0\0\0");
    datagram[3] += 24;
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, pwd.as_bytes());
    let tag = aws_lc_rs::hmac::sign(&key, &datagram);
    datagram.extend_from_slice(&[0, 8, 0, 20]);
    datagram.extend_from_slice(tag.as_ref());
    let v6: Remote = SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7], 99)).into();
    for from in [addr(1), v6] {
        assert_eq!(
            call.datagram(from, &datagram),
            BindingOutcome::Ignored(StunDrop::ShorterThanAnswer)
        );
        assert!(!call.ice.is_validated(from));
    }
    // The shortest real check: 92 bytes, for an answer of 76.
    let shortest = Check {
        username: "ufragone:abcd",
        pwd: &pwd,
        extra: &[CONTROLLING],
        behind: &[],
    }
    .build();
    assert_eq!(shortest.len(), 92);
    call.datagram(v6, &shortest);
    assert_eq!(call.response.len(), 76);
}
