//! A full agent's behaviour towards us, step by step in virtual time.

use super::super::stun::tests::{CONTROLLING, Check, judge, message_with};
use super::*;

const USE_CANDIDATE: (u16, &[u8]) = (0x0025, &[]);
const CONTROLLED: (u16, &[u8]) = (0x8029, &[7; 8]);

struct Call {
    ice: IceLite,
    now: Instant,
    response: Vec<u8>,
}

fn credentials(ufrag: &str) -> Credentials {
    Credentials {
        ufrag: ufrag.into(),
        pwd: format!("{ufrag}-password-of-some-length"),
    }
}

fn addr(n: u16) -> Remote {
    SocketAddr::from(([203, 0, 113, (n >> 12) as u8], 10_000 + n)).into()
}

/// The same address over TCP.
fn connection(n: u16) -> Remote {
    Remote {
        connection: Some(ConnectionId {
            index: n.into(),
            generation: 0,
        }),
        ..addr(n)
    }
}

impl Call {
    fn new() -> Call {
        Call {
            ice: IceLite::new(credentials("ufragone")),
            now: Instant::now(),
            response: Vec::new(),
        }
    }

    fn after(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn datagram(&mut self, from: Remote, datagram: &[u8]) -> BindingOutcome {
        let outcome = self.ice.handle_binding(self.now, from, datagram, &mut self.response);
        // T4, for every datagram of every test.
        assert!(self.response.len() <= datagram.len());
        assert_eq!(self.response.is_empty(), matches!(outcome, BindingOutcome::Ignored(_)));
        outcome
    }

    fn check_as(&mut self, ufrag: &str, from: Remote, extra: &[(u16, &[u8])]) -> BindingOutcome {
        let local = credentials(ufrag);
        let username = format!("{ufrag}:abcd");
        let datagram = Check {
            username: &username,
            pwd: &local.pwd,
            extra,
            behind: &[],
        }
        .build();
        let outcome = self.datagram(from, &datagram);
        if matches!(outcome, BindingOutcome::Answered { .. }) {
            assert_eq!(
                judge(&self.response, &datagram, &local.pwd),
                (None, vec![], Some(from.address))
            );
        }
        outcome
    }

    fn check(&mut self, from: Remote) -> BindingOutcome {
        self.check_as("ufragone", from, &[CONTROLLING])
    }

    fn nominate(&mut self, from: Remote) -> BindingOutcome {
        self.check_as("ufragone", from, &[CONTROLLING, USE_CANDIDATE])
    }
}

fn answered(validated: bool, selected_changed: Option<Remote>) -> BindingOutcome {
    BindingOutcome::Answered {
        validated,
        evicted: None,
        selected_changed,
        retired_ufrag: None,
    }
}

#[test]
fn media_may_start_before_any_nomination() {
    let mut call = Call::new();
    assert_eq!(call.ice.selected(), None);
    assert_eq!(call.check(addr(1)), answered(true, Some(addr(1))));
    assert_eq!(call.check(addr(2)), answered(true, Some(addr(2))));
    assert_eq!(call.check(addr(2)), answered(false, None));
    assert!(call.ice.is_validated(addr(1)) && !call.ice.is_validated(addr(3)));
}

#[test]
fn the_latest_nomination_wins_and_plain_checks_change_nothing_after_it() {
    let mut call = Call::new();
    call.check(addr(1));
    assert_eq!(call.nominate(addr(2)), answered(true, Some(addr(2))));
    assert_eq!(call.check(addr(1)), answered(false, None));
    assert_eq!(call.check(addr(3)), answered(true, None));
    assert_eq!(call.nominate(addr(1)), answered(false, Some(addr(1))));
    assert_eq!(call.nominate(addr(1)), answered(false, None));
}

#[test]
fn a_phone_that_changes_networks_is_followed() {
    let mut call = Call::new();
    call.nominate(addr(1));
    for n in 2..40 {
        call.after(3);
        let BindingOutcome::Answered {
            validated,
            selected_changed,
            ..
        } = call.nominate(addr(n))
        else {
            panic!("a nomination was not answered");
        };
        assert!(validated);
        assert_eq!(selected_changed, Some(addr(n)));
        assert!(!call.ice.is_expired(call.now));
    }
}

/// T5.
#[test]
fn at_most_eight_tuples_and_the_selected_one_stays() {
    let mut call = Call::new();
    call.nominate(addr(0));
    let mut valid = std::collections::HashSet::from([addr(0)]);
    for n in 1..10_000 {
        // Ten thousand addresses before the client's own counts as silent.
        call.now += Duration::from_micros(200);
        let BindingOutcome::Answered {
            validated: true,
            evicted,
            selected_changed: None,
            retired_ufrag: None,
        } = call.check(addr(n))
        else {
            panic!("unexpected outcome");
        };
        valid.insert(addr(n));
        if let Some(gone) = evicted {
            assert!(valid.remove(&gone));
        }
        assert!(valid.len() <= MAX_TUPLES);
        assert_eq!(call.ice.validated().collect::<std::collections::HashSet<_>>(), valid);
        assert!(call.ice.is_validated(addr(0)));
    }
    assert_eq!(call.ice.selected(), Some(addr(0)));
}

#[test]
fn the_oldest_unselected_tuple_goes_first() {
    let mut call = Call::new();
    for n in 0..8 {
        call.check(addr(n));
        call.now += Duration::from_millis(10);
    }
    call.nominate(addr(0));
    call.check(addr(1));
    let BindingOutcome::Answered { evicted, .. } = call.check(addr(8)) else {
        panic!("not answered")
    };
    assert_eq!(evicted, Some(addr(2)));
}

#[test]
fn a_tuple_without_consent_goes_when_another_comes() {
    let mut call = Call::new();
    call.nominate(addr(1));
    call.check(addr(2));
    call.after(20);
    call.nominate(addr(1));
    call.after(10);
    let BindingOutcome::Answered { evicted, .. } = call.check(addr(3)) else {
        panic!("not answered")
    };
    assert_eq!(evicted, Some(addr(2)));
}

/// S3.
#[test]
fn consent_ends_thirty_seconds_after_the_last_check_on_the_selected_pair() {
    let mut call = Call::new();
    assert_eq!(call.ice.poll_timeout(), None);
    assert!(!call.ice.is_expired(call.now));
    call.nominate(addr(1));
    call.after(2);
    call.check(addr(1));
    assert_eq!(call.ice.poll_timeout(), Some(call.now + CONSENT_TIMEOUT));
    call.after(2);
    call.check(addr(2));
    call.after(27);
    assert!(!call.ice.is_expired(call.now));
    call.after(1);
    assert!(call.ice.is_expired(call.now));

    let mut short = IceLite::new(credentials("ufragone")).with_consent_timeout(Duration::from_secs(5));
    std::mem::swap(&mut call.ice, &mut short);
    call.nominate(addr(1));
    assert_eq!(call.ice.poll_timeout(), Some(call.now + Duration::from_secs(5)));
}

#[test]
fn whoever_is_heard_from_where_we_send_to_consents_and_selects_nothing() {
    let mut call = Call::new();
    call.ice.heard(call.now, addr(1));
    assert_eq!(call.ice.poll_timeout(), None, "nobody was checked");
    call.nominate(addr(1));
    call.after(2);
    call.check(addr(2));
    call.after(20);
    call.ice.heard(call.now, addr(2));
    assert_eq!(
        call.ice.poll_timeout(),
        Some(call.now + CONSENT_TIMEOUT - Duration::from_secs(22))
    );
    call.ice.heard(call.now, addr(1));
    assert_eq!(call.ice.poll_timeout(), Some(call.now + CONSENT_TIMEOUT));
    assert_eq!(call.ice.selected(), Some(addr(1)));
    call.ice.heard(call.now + Duration::from_secs(5), connection(1));
    assert_eq!(call.ice.poll_timeout(), Some(call.now + CONSENT_TIMEOUT), "another way");
}

#[test]
fn a_client_that_moved_without_nominating_is_followed_once_its_old_address_is_silent() {
    let mut call = Call::new();
    call.nominate(addr(1));
    call.after(2);
    call.check(addr(2));
    assert_eq!(
        call.ice.selected(),
        Some(addr(1)),
        "the nominated pair was used just now"
    );
    call.after(1);
    call.check(addr(2));
    assert_eq!(call.ice.selected(), Some(addr(2)));
    call.after(10);
    call.nominate(addr(1));
    call.check(addr(2));
    assert_eq!(call.ice.selected(), Some(addr(1)), "a nomination is a nomination");
}

#[test]
fn before_a_nomination_tcp_takes_over_only_from_a_silent_udp_address() {
    let mut call = Call::new();
    assert_eq!(call.check(connection(1)), answered(true, Some(connection(1))));
    assert_eq!(call.check(addr(1)), answered(true, Some(addr(1))), "UDP is better");
    assert_eq!(call.check(connection(1)), answered(false, None));
    call.after(3);
    assert_eq!(call.check(connection(1)), answered(false, Some(connection(1))));
    call.check(addr(1));
    assert_eq!(call.nominate(connection(2)), answered(true, Some(connection(2))));
}

#[test]
fn a_connection_is_another_remote_than_the_same_address_over_udp() {
    let mut call = Call::new();
    call.check(connection(1));
    assert!(call.ice.is_validated(connection(1)) && !call.ice.is_validated(addr(1)));
    let mut later = connection(1);
    later.connection.as_mut().unwrap().generation = 1;
    assert!(!call.ice.is_validated(later));
}

#[test]
fn when_the_selected_connection_ends_the_next_check_decides_and_consent_goes_on() {
    let mut call = Call::new();
    call.nominate(connection(1));
    call.check(connection(2));
    assert_eq!(call.ice.forget(call.now, connection(2)), Forgotten::Spare);
    let nowhere = Forgotten::Selected { instead: None };
    assert_eq!(call.ice.forget(call.now, connection(1)), nowhere);
    assert_eq!(call.ice.selected(), None);
    assert_eq!(call.ice.poll_timeout(), Some(call.now + CONSENT_TIMEOUT));
    call.after(29);
    assert!(!call.ice.is_expired(call.now));
    assert_eq!(call.check(connection(3)), answered(true, Some(connection(3))));
    assert_eq!(call.ice.validated().collect::<Vec<_>>(), [connection(3)]);
    call.after(29);
    assert_eq!(call.ice.forget(call.now, connection(3)), nowhere);
    call.after(1);
    assert!(call.ice.is_expired(call.now));
}

#[test]
fn when_the_selected_connection_ends_one_that_was_checked_just_now_takes_its_place() {
    let mut call = Call::new();
    call.nominate(connection(1));
    call.check(connection(2));
    call.after(2);
    call.check(connection(3));
    let instead = Some(connection(3));
    assert_eq!(
        call.ice.forget(call.now, connection(1)),
        Forgotten::Selected { instead }
    );
    assert_eq!(call.ice.poll_timeout(), Some(call.now + CONSENT_TIMEOUT));
    call.after(3);
    assert_eq!(
        call.ice.forget(call.now, connection(3)),
        Forgotten::Selected { instead: None },
        "the second one was not checked for 5 s"
    );
}

#[test]
fn a_client_that_spoke_is_followed_soon_and_not_while_it_speaks() {
    let mut call = Call::new();
    let ms = Duration::from_millis;
    call.nominate(addr(1));
    for _ in 0..250 {
        call.now += ms(20);
        call.ice.heard_media(call.now, addr(1));
    }
    call.check(addr(2));
    assert_eq!(call.ice.selected(), Some(addr(1)), "media comes, checks do not");
    call.now += ms(599);
    call.check(addr(2));
    assert_eq!(call.ice.selected(), Some(addr(1)));
    call.now += ms(1);
    call.check(addr(2));
    assert_eq!(call.ice.selected(), Some(addr(2)));
}

/// S6: an ICE restart alone changes neither the path nor the keys.
#[test]
fn a_restart_keeps_the_old_credentials_until_the_new_ones_are_used() {
    let mut call = Call::new();
    call.nominate(addr(1));
    assert_eq!(call.ice.set_local(credentials("ufragtwo")), None);
    assert_eq!(call.ice.local().ufrag, "ufragtwo");
    assert_eq!(call.nominate(addr(1)), answered(false, None));
    assert_eq!(call.ice.selected(), Some(addr(1)));

    let first_new = call.check_as("ufragtwo", addr(2), &[CONTROLLING]);
    let retired_ufrag = Some("ufragone".to_owned());
    assert_eq!(
        first_new,
        BindingOutcome::Answered {
            validated: true,
            evicted: None,
            selected_changed: None,
            retired_ufrag
        }
    );
    assert_eq!(call.ice.selected(), Some(addr(1)));
    assert_eq!(call.check(addr(1)), BindingOutcome::Ignored(StunDrop::UnknownUser));
    let nominated = call.check_as("ufragtwo", addr(2), &[CONTROLLING, USE_CANDIDATE]);
    assert_eq!(nominated, answered(false, Some(addr(2))));
}

#[test]
fn a_second_restart_forgets_what_was_never_used() {
    let mut call = Call::new();
    call.nominate(addr(1));
    assert_eq!(call.ice.set_local(credentials("ufragtwo")), None);
    assert_eq!(call.ice.set_local(credentials("ufragtre")), Some("ufragtwo".to_owned()));
    assert_eq!(call.check(addr(1)), answered(false, None));
    assert_eq!(
        call.check_as("ufragtwo", addr(1), &[CONTROLLING]),
        BindingOutcome::Ignored(StunDrop::UnknownUser)
    );
    assert!(matches!(
        call.check_as("ufragtre", addr(1), &[CONTROLLING]),
        BindingOutcome::Answered { .. }
    ));
}

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

#[test]
fn random_credentials_are_long_enough_and_differ() {
    let all: std::collections::HashSet<String> = (0..1000)
        .map(|_| {
            let Credentials { ufrag, pwd } = Credentials::random();
            assert!((4..=256).contains(&ufrag.len()) && (22..=256).contains(&pwd.len()));
            let is_ice_char = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
            assert!(ufrag.chars().chain(pwd.chars()).all(is_ice_char));
            assert!(
                !format!(
                    "{:?}",
                    Credentials {
                        ufrag: ufrag.clone(),
                        pwd: pwd.clone()
                    }
                )
                .contains(&pwd)
            );
            ufrag
        })
        .collect();
    assert_eq!(all.len(), 1000);
}
