//! Each planted defect is found by one of the first thousand stories.

use super::{fault, simulation::replay};
use crate::federation::fault::Fault;

/// Stories within which a defect has to show.
const SEEDS: u64 = 1_000;

fn found_by(fault: Fault) -> Option<(u64, String)> {
    let told = |seed| replay(seed).err().map(|what| (seed, what));
    fault::with(fault, || (0..SEEDS).find_map(told))
}

macro_rules! found {
    ($($name:ident: $fault:ident,)*) => {
        $(#[test]
        fn $name() {
            let (seed, what) = found_by(Fault::$fault).expect("a defect that no story shows");
            super::support::show(format_args!("{:?}: seed {seed}: {what}", Fault::$fault));
        })*
    };
}

found! {
    taking_a_message_twice_is_found: NoDedupe,
    telling_third_rooms_who_is_there_is_found: ForwardRoster,
    ending_a_link_without_a_word_is_found: ForgetGhosts,
    taking_frames_of_another_session_is_found: IgnoreSession,
    never_sending_again_is_found: NoResend,
    acknowledging_what_has_not_come_is_found: AckAhead,
    giving_messages_on_as_they_come_is_found: OutOfOrder,
    doing_what_was_not_allowed_is_found: NoRights,
    opening_before_the_other_side_can_know_is_found: HalfOpen,
    two_links_when_both_ask_are_found: NoGlare,
    keeping_a_dead_link_is_found: NoDeadline,
    telling_that_somebody_left_before_what_he_said_is_found: RosterFirst,
}
