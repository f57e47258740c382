//! Coming, coming back, and going.

use std::time::{Duration, Instant};

use super::{
    Frame, Grant, Output, Pass, Room, SocketKey,
    agenda::Timer,
    close, hex, next,
    participant::{Participant, Path},
    rate::Rates,
    roster::{MemberKey, Owner},
    seat::{Half, Seating},
    session::Session,
    subscription::Wishes,
};
use crate::{
    federation::LinkInput,
    shard::command::{ShardCommand, ShardId},
    transport::negotiation::LocalTransport,
    wire::{
        self, ErrorCode, Json, ParticipantId, ResumeKey,
        limits::{CHAT_BYTES_MAX, MESSAGE_BYTES_MAX, METADATA_BYTES_MAX},
        signal::{self, ByeCode, JoinRequest, Joined, JoinedLimits, LeaveReason, ResumeInfo, ServerMessage},
    },
};

/// Clients that are sent away by a draining node come back elsewhere over this time, not all at once.
const DRAIN_SPREAD: Duration = Duration::from_secs(5);

/// What comes with a `join` beside the message.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) socket: SocketKey,
    pub(super) request: u32,
    pub(super) grant: Grant,
    pub(super) pass: Pass,
    pub(super) shard: ShardId,
    pub(super) local: LocalTransport,
}

impl Room {
    pub(super) fn refuse(&mut self, socket: SocketKey, request: u32, code: ErrorCode, message: &str) {
        let error = ServerMessage::Error {
            code,
            message: message.to_owned(),
            field: None,
        };
        let frame = Frame::new(signal::frame(None, Some(request), &signal::encode(&error)));
        self.outputs.push_back(Output::Refuse { socket, frame });
    }

    pub(super) fn handle_join(&mut self, now: Instant, unix_ms: u64, arrival: Arrival, join: JoinRequest) {
        let Arrival {
            socket, request, grant, ..
        } = arrival;
        if let Some(member) = self.roster.at_socket(socket) {
            let message = "this socket has joined already".to_owned();
            let error = ServerMessage::Error {
                code: ErrorCode::AlreadyJoined,
                message,
                field: None,
            };
            self.tell_encoded(member, Some(request), signal::encode(&error));
            return;
        }
        let Some(version) = wire::pick_version(&join.versions) else {
            let sentence = format!("this server speaks versions {:?}", wire::VERSIONS);
            return self.refuse(socket, request, ErrorCode::UnsupportedVersion, &sentence);
        };
        if let Err((code, sentence)) =
            self.check_entry(join.participant.as_ref(), grant, join.intent, join.password.as_ref())
        {
            return self.refuse(socket, request, code, sentence);
        }
        if self.has_to_wait(grant) {
            return self.wait(now, arrival, join, version);
        }
        self.enter(now, unix_ms, arrival, join, version);
    }

    /// Somebody comes in.
    pub(super) fn enter(&mut self, now: Instant, unix_ms: u64, arrival: Arrival, join: JoinRequest, version: u32) {
        let Arrival {
            socket,
            request,
            grant,
            pass,
            shard,
            local,
        } = arrival;
        let created = self.roster.len() == 0;
        if created {
            self.begin(now, join.settings.map(|settings| *settings));
        }
        let id = join.participant.unwrap_or_else(|| self.make_up_id());
        self.replace_duplicate(now, &id);

        let key = MemberKey(next(&mut self.last.member));
        let resume = ResumeKey::new(self.config.node_tag, self.number, key.0, (self.random)());
        let info = ResumeInfo {
            key: resume.to_string(),
            window_ms: millis(self.config.resume_window),
        };
        // Who has to ask may not do to other rooms what it may not do here.
        let grant = if self.config.links.open_to_all && !grant.ask {
            grant.with_links()
        } else {
            grant
        };
        self.roster.insert(Participant {
            key,
            display_name: join.display_name.unwrap_or_else(|| id.as_str().to_owned()),
            id,
            metadata: join.metadata.filter(Json::is_something),
            joined_at_ms: unix_ms,
            grant,
            pass,
            mode: join.mode,
            session: Some(Session::new(resume, socket, request)),
            resource: None,
            path: Path::new(shard, local),
            seating: Seating::default(),
            wishes: Wishes::new(join.auto_subscribe),
            last_n: None,
            rates: Rates::default(),
        });
        self.roster.attach(key, socket);
        let owner_changed = self.settle_owner(Some(key));
        self.tell_joined(key, request, version, info, created);
        self.announce(now, key);
        if owner_changed {
            self.tell_room(Some(key));
        }
        self.tell_who_waits(key);
        self.tell_link_requests(now, key);
        self.want_everything(now, key);
    }

    pub(super) fn make_up_id(&mut self) -> ParticipantId {
        loop {
            let text = format!("p-{}", &hex(&(self.random)())[..12]);
            if let Ok(id) = ParticipantId::new(&text)
                && self.roster.find(&id).is_none()
                && !self.lobby.knows(&id)
            {
                return id;
            }
        }
    }

    /// The newer one takes over.
    pub(super) fn replace_duplicate(&mut self, now: Instant, id: &ParticipantId) {
        if let Some(earlier) = self.roster.find(id) {
            self.say_bye(
                earlier,
                ByeCode::DuplicateParticipant,
                "you joined from somewhere else",
                false,
                None,
            );
            self.depart(
                now,
                earlier,
                LeaveReason::Duplicate,
                Some((close::DUPLICATE, "duplicate")),
            );
        }
    }

    fn tell_joined(&mut self, key: MemberKey, request: u32, version: u32, resume: ResumeInfo, created: bool) {
        let infos = self
            .roster
            .iter()
            .map(|one| (one.key, one.info(self.publications.infos(one.key))));
        let (own, others): (Vec<_>, Vec<_>) = infos.partition(|(one, _)| *one == key);
        let Some((_, participant)) = own.into_iter().next() else {
            return;
        };
        let (ice_servers, ice_servers_ttl_ms) = self.ice_servers(&participant.id);
        let joined = ServerMessage::Joined(Box::new(Joined {
            version,
            room: self.id.clone(),
            session: self.session.clone(),
            participant,
            resume,
            participants: others.into_iter().map(|(_, info)| info).collect(),
            ice_servers,
            ice_servers_ttl_ms,
            limits: JoinedLimits {
                message_bytes: MESSAGE_BYTES_MAX,
                metadata_bytes: METADATA_BYTES_MAX,
                chat_bytes: CHAT_BYTES_MAX,
                seats: self.seats_max(),
            },
            created,
            owner: self.owner_id(),
            permissions: self
                .roster
                .get(key)
                .map(|one| one.grant.permissions())
                .unwrap_or_default(),
            settings: self.settings.info(),
            links: self.linking.infos(),
            pins: self.pins.all(),
            recording: self.recordings.live().cloned(),
        }));
        self.tell_encoded(key, Some(request), signal::encode(&joined));
        // Whoever resumes has the key that stands in this message. It is by far the longest of a large room.
        if let Some(session) = self.roster.get_mut(key).and_then(|one| one.session.as_mut()) {
            session.outbox.acknowledge_all();
        }
        self.tell_how_it_stands(key);
    }

    /// Tells the others of a new participant.
    pub(super) fn announce(&mut self, now: Instant, key: MemberKey) {
        self.presence_changed = true;
        if let Some(participant) = self.roster.get(key) {
            let message = ServerMessage::ParticipantJoined {
                participant: participant.info(Vec::new()),
            };
            self.tell_coming_or_going(now, Some(key), &message);
            self.note_joined(key);
            self.link_joined(now, key);
            self.record_person(key);
        }
    }

    pub(super) fn handle_resume(
        &mut self,
        socket: SocketKey,
        request: u32,
        versions: &[u32],
        key: &ResumeKey,
        last_seq: u64,
    ) {
        if let Some(member) = self.roster.at_socket(socket) {
            let message = "this socket has a session already".to_owned();
            let error = ServerMessage::Error {
                code: ErrorCode::AlreadyJoined,
                message,
                field: None,
            };
            return self.tell_encoded(member, Some(request), signal::encode(&error));
        }
        if wire::pick_version(versions).is_none() {
            return self.refuse(socket, request, ErrorCode::UnsupportedVersion, "no common version");
        }
        let member = MemberKey(key.member());
        let session = self
            .roster
            .get_mut(member)
            .and_then(|participant| participant.session.as_mut());
        let Some(session) = session.filter(|session| session.key.matches(key)) else {
            return self.refuse(
                socket,
                request,
                ErrorCode::ResumeUnknown,
                "there is no such session (any more)",
            );
        };
        let Ok(missed) = session.outbox.since(last_seq) else {
            return self.refuse(
                socket,
                request,
                ErrorCode::ResumeGap,
                "more was missed than is kept; join again",
            );
        };
        session.outbox.acknowledge(last_seq);
        let resumed = ServerMessage::Resumed {
            last_request: session.last_request,
        };
        if let Some(before) = self.roster.attach(member, socket) {
            self.outputs.push_back(Output::CloseSocket {
                socket: before,
                code: close::RESUMED,
                reason: "resumed",
            });
        }
        self.agenda.cancel(Timer::Away(member.owner()));
        let frame = Frame::new(signal::frame(None, Some(request), &signal::encode(&resumed)));
        let frames = std::iter::once(frame).chain(missed);
        self.outputs.extend(frames.map(|frame| Output::Send { socket, frame }));
    }

    pub(super) fn handle_socket_closed(&mut self, now: Instant, socket: SocketKey, going_away: bool) {
        let Some(member) = self.roster.detach(socket) else {
            return self.handle_waiter_gone(socket);
        };
        if self.draining {
            self.depart(now, member, LeaveReason::Closed, None);
        } else if going_away {
            self.depart(now, member, LeaveReason::Left, None);
        } else {
            self.agenda
                .set(Timer::Away(member.owner()), now + self.config.resume_window);
        }
    }

    /// The time to come back is over.
    pub(super) fn handle_away(&mut self, now: Instant, owner: Owner) {
        match owner {
            Owner::Member(member) => self.depart(now, member, LeaveReason::Timeout, None),
            Owner::Viewer(viewer) => self.drop_viewer(viewer),
        }
    }

    pub(super) fn say_bye(
        &mut self,
        member: MemberKey,
        code: ByeCode,
        message: &str,
        reconnect: bool,
        after: Option<Duration>,
    ) {
        let after_ms = after.map(millis);
        self.tell(
            member,
            &ServerMessage::Bye {
                code,
                message: message.to_owned(),
                reconnect,
                after_ms,
                by: None,
            },
        );
    }

    /// A participant goes, with everything that is its own. Others are told, and the socket is closed if there is one.
    pub(super) fn depart(
        &mut self,
        now: Instant,
        member: MemberKey,
        reason: LeaveReason,
        closing: Option<(u16, &'static str)>,
    ) {
        let Some(participant) = self.roster.remove(member) else {
            return;
        };
        let socket = participant.session.as_ref().and_then(|session| session.socket);
        if let (Some(socket), Some((code, reason))) = (socket, closing) {
            self.outputs.push_back(Output::CloseSocket { socket, code, reason });
        }
        if let Some(resource) = &participant.resource {
            self.roster.disown_resource(resource);
        }
        self.agenda.cancel(Timer::Away(member.owner()));
        self.dirty.remove(&member.owner());
        self.listener_left(member.owner());
        self.topics.leave(member);
        self.pins.leave(member);
        self.channels.leave(member);
        self.speakers.forget(member);
        self.qualities.forget(member);
        self.backups.leave(member.owner());
        self.tell_coming_or_going(
            now,
            None,
            &ServerMessage::ParticipantLeft {
                participant: participant.id.clone(),
                reason,
            },
        );
        let participant_id = participant.id.clone();
        self.link_input(
            now,
            LinkInput::Left {
                participant: participant_id,
            },
        );
        let published: Vec<_> = self.publications.of(member).map(|publication| publication.id).collect();
        for publication in published {
            self.end_publication(now, publication, &participant.id);
        }
        self.record_departure(member);
        let bound = participant.seating.bound().map(|(_, bound)| bound).collect::<Vec<_>>();
        self.close_path(&participant.path, &bound);
        self.presence_changed = true;
        self.note_left(&participant, reason);
        self.owner_left(member, reason);
    }

    /// Takes down a path and gives back the sources that were shown on it.
    pub(super) fn close_path(&mut self, path: &Path, bound: &[super::seat::Bound]) {
        if let Some(transport) = path.transport() {
            self.command(path.shard, ShardCommand::RemoveTransport { transport });
            self.outputs.push_back(Output::StopHandshake { transport });
            self.roster.disown_transport(transport);
        }
        for bound in bound {
            super::fill::release(&mut self.feeds, &mut self.outputs, path.shard, bound);
        }
    }

    pub(super) fn drop_viewer(&mut self, key: super::roster::ViewerKey) {
        let Some(viewer) = self.viewers.remove(key) else { return };
        self.roster.disown_resource(&viewer.resource);
        self.agenda.cancel(Timer::Away(key.owner()));
        self.dirty.remove(&key.owner());
        self.listener_left(key.owner());
        self.backups.leave(key.owner());
        let bound: Vec<_> = viewer.halves().filter_map(|half: &Half| half.bound).collect();
        self.close_path(&viewer.path, &bound);
    }

    /// The same for a room that is another node's by now. This node goes on, so who can be told nothing has to notice by being cut off.
    pub(super) fn handle_superseded(&mut self, now: Instant) {
        for viewer in self.viewers.keys() {
            self.drop_viewer(viewer);
        }
        for member in self.roster.keys() {
            if self.roster.get(member).is_some_and(|one| one.session.is_none()) {
                self.depart(now, member, LeaveReason::Closed, None);
            }
        }
        self.handle_drain(now);
    }

    /// Everybody is told to go elsewhere; nobody is cut off. Media goes on until the sockets close or the node stops.
    pub(super) fn handle_drain(&mut self, now: Instant) {
        if std::mem::replace(&mut self.draining, true) {
            return;
        }
        self.turn_everybody_away(ErrorCode::NodeDraining, "this node is going away; join again elsewhere");
        let members = self.roster.keys();
        let count = u32::try_from(members.len()).unwrap_or(u32::MAX).max(1);
        for (rank, member) in (0_u32..).zip(members) {
            let Some(participant) = self.roster.get(member) else {
                continue;
            };
            // Without signalling there is nobody to tell; its client notices when the node stops.
            let Some(session) = &participant.session else { continue };
            if session.socket.is_none() {
                self.depart(now, member, LeaveReason::Closed, None);
                continue;
            }
            let after = DRAIN_SPREAD * rank / count;
            self.say_bye(
                member,
                ByeCode::NodeDraining,
                "this node is going away",
                true,
                Some(after),
            );
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
