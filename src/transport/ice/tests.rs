//! A full agent's behaviour towards us, step by step in virtual time.

use super::super::stun::tests::{CONTROLLING, Check, judge, message_with};
use super::*;

mod requests;

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
