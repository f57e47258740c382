//! A client that knows only what it was sent.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    room::SocketKey,
    wire::{
        ParticipantId,
        signal::{self, ByeCode, LeaveReason, ParticipantInfo, Pin, PublicationInfo, ServerMessage, SettingsInfo},
    },
};

/// What a client knows, from its messages alone.
#[derive(Debug, Default)]
pub(super) struct Client {
    pub(super) socket: Option<SocketKey>,
    /// Sent but not yet read.
    pub(super) wire: Vec<String>,
    pub(super) id: Option<ParticipantId>,
    pub(super) key: Option<String>,
    pub(super) next_request: u32,
    pub(super) last_seq: u64,
    pub(super) others: BTreeMap<ParticipantId, ParticipantInfo>,
    pub(super) seats: BTreeMap<u16, signal::SeatEntry>,
    pub(super) answers: BTreeMap<u32, ServerMessage>,
    pub(super) asked: BTreeSet<u32>,
    pub(super) pongs: usize,
    pub(super) log: Vec<ServerMessage>,
    pub(super) bye: Option<ByeCode>,
    pub(super) left: Vec<(ParticipantId, LeaveReason)>,
    pub(super) last_request: Option<u32>,
    pub(super) created: bool,
    pub(super) owner: Option<ParticipantId>,
    pub(super) settings: Option<SettingsInfo>,
    pub(super) pins: BTreeMap<ParticipantId, Pin>,
    pub(super) is_waiting: bool,
    /// Who waits to be let in, as far as it was told.
    pub(super) lobby: BTreeSet<ParticipantId>,
}

impl Client {
    pub(super) fn read_all(&mut self) {
        for frame in std::mem::take(&mut self.wire) {
            self.read(&frame);
        }
    }

    fn read(&mut self, frame: &str) {
        let mut value: serde_json::Value = serde_json::from_str(frame).unwrap();
        let fields = value.as_object_mut().unwrap();
        let seq = fields.remove("seq").and_then(|seq| seq.as_u64());
        let re = fields.remove("re").and_then(|re| u32::try_from(re.as_u64()?).ok());
        let message: ServerMessage = serde_json::from_value(value).unwrap();
        match seq {
            Some(seq) => {
                assert_eq!(seq, self.last_seq + 1, "no gap, nothing twice: {frame}");
                self.last_seq = seq;
            }
            None => assert!(match message {
                ServerMessage::Pong | ServerMessage::Resumed { .. } | ServerMessage::Error { .. } => true,
                ServerMessage::Waiting | ServerMessage::Ok(_) => self.id.is_none(),
                _ => false,
            }),
        }
        if let Some(re) = re
            && !matches!(
                message,
                ServerMessage::Pong | ServerMessage::Waiting | ServerMessage::Resumed { .. }
            )
        {
            assert!(
                self.answers.insert(re, message.clone()).is_none(),
                "{re} answered twice"
            );
        }
        self.learn(&message);
        self.log.push(message);
    }

    fn publications(&mut self, of: &ParticipantId) -> &mut Vec<PublicationInfo> {
        &mut self
            .others
            .get_mut(of)
            .unwrap_or_else(|| panic!("{of} is unknown"))
            .publications
    }

    fn learn(&mut self, message: &ServerMessage) {
        match message.clone() {
            ServerMessage::Waiting => self.is_waiting = true,
            ServerMessage::EntryRequested { participant, .. } => assert!(self.lobby.insert(participant)),
            ServerMessage::EntryResponded { participant, .. } => assert!(self.lobby.remove(&participant)),
            ServerMessage::Joined(joined) => {
                self.is_waiting = false;
                self.id = Some(joined.participant.id);
                self.key = Some(joined.resume.key);
                (self.created, self.owner) = (joined.created, joined.owner);
                self.settings = Some(joined.settings);
                self.pins = joined
                    .pins
                    .into_iter()
                    .map(|pin| (pin.participant.clone(), pin))
                    .collect();
                self.others = joined
                    .participants
                    .into_iter()
                    .map(|info| (info.id.clone(), info))
                    .collect();
            }
            ServerMessage::ParticipantJoined { participant } => {
                assert!(self.others.insert(participant.id.clone(), participant).is_none());
            }
            ServerMessage::ParticipantLeft { participant, reason } => {
                assert!(self.others.remove(&participant).is_some());
                self.pins.remove(&participant);
                self.left.push((participant, reason));
            }
            ServerMessage::ParticipantUpdated {
                participant,
                display_name,
                metadata,
                mode,
            } => {
                let info = self.others.get_mut(&participant).unwrap();
                info.display_name = display_name.unwrap_or(info.display_name.clone());
                info.mode = mode.unwrap_or(info.mode);
                if metadata.is_some() {
                    info.metadata = metadata.filter(|metadata| metadata.as_str() != "null");
                }
            }
            ServerMessage::PublicationAdded {
                participant,
                publication,
            } => {
                self.publications(&participant).push(publication);
            }
            ServerMessage::PublicationUpdated {
                participant,
                publication,
            } => {
                let all = self.publications(&participant);
                let known = all.iter_mut().find(|known| known.id == publication.id);
                *known.unwrap() = publication;
            }
            ServerMessage::PublicationRemoved {
                participant,
                publication,
            } => {
                let all = self.publications(&participant);
                let before = all.len();
                all.retain(|known| known.id != publication);
                assert_eq!(all.len() + 1, before);
            }
            ServerMessage::Seats { seats } => {
                for seat in seats {
                    assert!(
                        seat.participant.as_ref().is_none_or(|id| self.others.contains_key(id)),
                        "{seat:?}"
                    );
                    self.seats.insert(seat.seat.0, seat);
                }
            }
            ServerMessage::RoomUpdated { owner, settings } => {
                let known = owner.as_ref().filter(|owner| Some(*owner) != self.id.as_ref());
                assert!(known.is_none_or(|owner| self.others.contains_key(owner)), "{owner:?}");
                (self.owner, self.settings) = (owner, Some(*settings));
            }
            ServerMessage::Pin(pin) => {
                let known = self.pins.remove(&pin.participant);
                let same = known.is_some_and(|known| (known.camera, known.screen) == (pin.camera, pin.screen));
                assert!(!same, "nothing new");
                if pin.camera || pin.screen {
                    self.pins.insert(pin.participant.clone(), pin);
                }
            }
            ServerMessage::Bye { code, .. } => self.bye = Some(code),
            ServerMessage::Resumed { last_request } => self.last_request = Some(last_request),
            ServerMessage::Pong => self.pongs += 1,
            ServerMessage::Ok(_)
            | ServerMessage::Error { .. }
            | ServerMessage::Answer { .. }
            | ServerMessage::SeatsWanted { .. }
            | ServerMessage::PublicationWanted { .. }
            | ServerMessage::PublicationBackup { .. }
            | ServerMessage::Speakers { .. }
            | ServerMessage::Quality { .. }
            | ServerMessage::Subscription { .. }
            | ServerMessage::Chat { .. }
            | ServerMessage::TopicMessage(_)
            | ServerMessage::Transport { .. }
            | ServerMessage::Presence(_)
            | ServerMessage::Rooms { .. }
            | ServerMessage::Recording(_)
            | ServerMessage::MediaRequested { .. }
            | ServerMessage::StoreChanged { .. }
            | ServerMessage::LinkOpened(_)
            | ServerMessage::LinkClosed { .. }
            | ServerMessage::LinkRoster { .. }
            | ServerMessage::LinkChat(_)
            | ServerMessage::LinkChatSent(_)
            | ServerMessage::LinkGap { .. }
            | ServerMessage::LinkState { .. }
            | ServerMessage::LinkRequested { .. }
            | ServerMessage::LinkRequestEnded { .. }
            | ServerMessage::Switch(_) => {}
        }
    }
}
