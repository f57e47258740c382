//! Defects that a test plants, to show that the simulation would find them. Outside tests there is none.

/// One defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A message that came again is taken again.
    NoDedupe,
    /// What a linked room says of its people is told to the other linked rooms.
    ForwardRoster,
    /// The people of a link that ended are still shown.
    ForgetGhosts,
    /// Frames of another session of the room are taken.
    IgnoreSession,
    /// What got lost stays lost.
    NoResend,
    /// Acknowledges what has not come.
    AckAhead,
    /// Takes messages as they come.
    OutOfOrder,
    /// Does what was not allowed.
    NoRights,
    /// Takes a link for open when it is accepted.
    HalfOpen,
    /// Opens the links of both, when both asked.
    NoGlare,
    /// Keeps a link that nothing is heard of.
    NoDeadline,
    /// Takes somebody's leaving before the chat that waits.
    RosterFirst,
}

#[cfg(not(test))]
impl Fault {
    pub(super) const fn is_planted(self) -> bool {
        false
    }
}

#[cfg(test)]
impl Fault {
    pub(super) fn is_planted(self) -> bool {
        super::tests::fault::planted() == Some(self)
    }
}
