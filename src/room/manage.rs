//! What is asked of a room over HTTP by whoever may manage it, without being in it.

use std::time::{Duration, Instant};

use super::{
    HttpKey, HttpReply, Output, Preset, Room, close,
    links::{Asker, Wanted},
    requests::Refusal,
};
use crate::{
    federation::LinkInput,
    wire::{
        ErrorCode, Json, ParticipantId, RoomId,
        link::Person,
        signal::{self, ByeCode, LeaveReason, ServerMessage, SourceKind, Switch, Token, TopicMessage},
    },
};

/// How long a link waits for a room that is not there.
const LINK_WAIT: Duration = Duration::from_secs(5);

/// Something to do or to tell.
#[derive(Clone, Debug, PartialEq)]
pub enum Manage {
    /// Who is here. Answered by [`HttpReply::Participants`].
    Participants,
    /// With which rooms it is linked. Answered by [`HttpReply::Links`].
    Links,
    /// Put somebody out.
    Remove {
        /// Whom.
        participant: ParticipantId,
    },
    /// End the session for all.
    Close,
    /// Mute what somebody publishes, or ask them to unmute it.
    Mute {
        /// Whose.
        participant: ParticipantId,
        /// What.
        source: SourceKind,
        /// Let it be heard and seen again.
        on: bool,
        /// In whose name.
        from: ParticipantId,
    },
    /// Ask somebody to go to another room.
    Move {
        /// Whom.
        participant: ParticipantId,
        /// Where to.
        room: RoomId,
        /// To join there with.
        token: Token,
        /// For the application.
        payload: Option<Json>,
        /// In whose name.
        from: ParticipantId,
    },
    /// Say something as chat.
    Chat {
        /// What.
        text: String,
        /// To whom; `None`: everybody.
        to: Option<Vec<ParticipantId>>,
        /// In whose name.
        from: ParticipantId,
    },
    /// Say something on a topic.
    Topic {
        /// Which.
        topic: String,
        /// What.
        payload: Json,
        /// To whom of its subscribers; `None`: all.
        to: Option<Vec<ParticipantId>>,
        /// In whose name.
        from: ParticipantId,
    },
    /// Open a link. Answered when it is open or refused.
    OpenLink {
        /// With which room.
        room: RoomId,
        /// Told to everybody in both rooms.
        payload: Option<Json>,
        /// In whose name.
        from: ParticipantId,
    },
    /// Close a link.
    CloseLink {
        /// With which room.
        room: RoomId,
    },
    /// Change what the room was made with.
    Preset(Box<Preset>),
}

impl Room {
    pub(super) fn handle_manage(&mut self, now: Instant, request: HttpKey, manage: Manage) {
        let reply = match self.manage(now, request, manage) {
            Ok(Some(reply)) => reply,
            Ok(None) => return,
            Err(Refusal { code, message, .. }) => HttpReply::Refused { code, message },
        };
        self.outputs.push_back(Output::HttpReply { request, reply });
    }

    /// `Ok(None)`: answered later.
    fn manage(&mut self, now: Instant, request: HttpKey, manage: Manage) -> Result<Option<HttpReply>, Refusal> {
        match manage {
            Manage::Participants => {
                let info = |one: &super::participant::Participant| one.info(self.publications.infos(one.key));
                let participants = self.roster.iter().map(info).collect();
                return Ok(Some(HttpReply::Participants { participants }));
            }
            Manage::Links => {
                let links = self.linking.infos();
                return Ok(Some(HttpReply::Links { links }));
            }
            Manage::Remove { participant } => {
                let target = self.present(&participant)?;
                self.say_bye(target, ByeCode::Removed, "you were removed", false, None);
                self.depart(now, target, LeaveReason::Removed, Some((close::REMOVED, "removed")));
            }
            Manage::Close => self.closing = Some(super::owner::Closing { by: None }),
            Manage::Mute {
                participant,
                source,
                on,
                from,
            } => {
                let target = self.present(&participant)?;
                self.request_media(target, source, on, from);
            }
            Manage::Move {
                participant,
                room,
                token,
                payload,
                from,
            } => {
                let refused = |(code, sentence): (ErrorCode, String)| Refusal::field(code, "token", sentence);
                (self.linking.verify)(&token, &room, self.unix_ms).map_err(refused)?;
                let switch = Switch {
                    room,
                    token,
                    payload,
                    participant: from,
                    link: None,
                };
                self.hand_over_from_outside(now, &participant, switch)?;
            }
            Manage::Chat { text, to, from } => {
                let receivers = match &to {
                    Some(to) => self.addressees(to)?,
                    None => self.roster.keys(),
                };
                let chat = ServerMessage::Chat {
                    message: self.next_message(),
                    display_name: from.as_str().to_owned(),
                    participant: from,
                    text,
                    to,
                    timestamp_ms: self.unix_ms,
                };
                let body = signal::encode(&chat);
                for receiver in receivers {
                    self.tell_encoded(receiver, None, body.clone());
                }
            }
            Manage::Topic {
                topic,
                payload,
                to,
                from,
            } => {
                let addressees = to.as_deref().map(|to| self.addressees(to)).transpose()?;
                let message = TopicMessage {
                    message: self.next_message(),
                    topic,
                    display_name: from.as_str().to_owned(),
                    participant: from,
                    payload,
                    timestamp_ms: self.unix_ms,
                };
                let receivers = self.topics.subscribers(&message.topic);
                let body = signal::encode(&ServerMessage::TopicMessage(message));
                for receiver in receivers {
                    if addressees.as_ref().is_none_or(|to| to.contains(&receiver)) {
                        self.tell_encoded(receiver, None, body.clone());
                    }
                }
            }
            Manage::OpenLink { room, payload, from } => {
                let by = Person {
                    display_name: from.as_str().to_owned(),
                    id: from,
                };
                let ask = self.linking.ask(Asker::Http(request), Wanted::Open(room.clone()));
                let open = LinkInput::Open {
                    ask,
                    room,
                    payload,
                    by,
                    wait: LINK_WAIT,
                    rights: self.settings.link_rights,
                };
                self.link_input(now, open);
                return Ok(None);
            }
            Manage::CloseLink { room } => {
                self.link_there(&room)?;
                self.link_input(now, LinkInput::Close { room });
            }
            Manage::Preset(preset) => self.change_preset(now, *preset),
        }
        Ok(Some(HttpReply::Done))
    }
}
