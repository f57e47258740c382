//! Who is pinned for the whole room.

use std::{collections::BTreeMap, time::Instant};

use super::{
    Room,
    rate::Talk,
    requests::{Answer, ok},
    roster::MemberKey,
};
use crate::wire::{
    ParticipantId,
    signal::{Pin, ServerMessage},
};

/// At most one pin for each participant, gone with it.
#[derive(Debug, Default)]
pub(super) struct Pins {
    pins: BTreeMap<MemberKey, Pin>,
}

impl Pins {
    /// Pins somebody, or takes the pin away. True if it is otherwise now; the same again changes nothing, not even by whom.
    fn set(&mut self, member: MemberKey, pin: &Pin) -> bool {
        let what = |pin: &Pin| (pin.camera, pin.screen);
        if self.pins.get(&member).map_or((false, false), what) == what(pin) {
            return false;
        }
        if pin.camera || pin.screen {
            self.pins.insert(member, pin.clone());
        } else {
            self.pins.remove(&member);
        }
        true
    }

    pub(super) fn leave(&mut self, member: MemberKey) {
        self.pins.remove(&member);
    }

    /// In the order in which those who are pinned joined.
    pub(super) fn all(&self) -> Vec<Pin> {
        self.pins.values().cloned().collect()
    }
}

impl Room {
    pub(super) fn pin(
        &mut self,
        now: Instant,
        member: MemberKey,
        whom: ParticipantId,
        camera: bool,
        screen: bool,
    ) -> Answer {
        self.talk_allowed(member)?;
        let target = self.present(&whom)?;
        self.pace(now, member, Talk::State)?;
        if let Some(by) = self.roster.id(member) {
            let pin = Pin {
                participant: whom,
                camera,
                screen,
                by,
            };
            if self.pins.set(target, &pin) {
                self.tell_others(None, &ServerMessage::Pin(pin));
            }
        }
        Ok(ok())
    }
}
