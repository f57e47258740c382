//! WHIP publishers (RFC 9725), who are participants without signalling, and WHEP viewers, who are none.

use std::time::{Duration, Instant};

use super::{
    HttpKey, HttpOffer, HttpPatch, HttpReply, Output, Room,
    agenda::Timer,
    hex,
    negotiate::code_of,
    next,
    offers::{add_egress, egress_key},
    participant::{Participant, Path},
    rate::Rates,
    roster::{MemberKey, Owner, ViewerKey},
    seat::{Half, Seating},
    subscription::Wishes,
    viewer::Viewer,
};
use crate::{
    packet::Kind,
    shard::command::ShardCommand,
    wire::{
        ErrorCode, ParticipantId,
        signal::{Intent, LeaveReason, PublishLine, SourceKind},
    },
};

/// How long a WHIP or WHEP client may take to connect after its answer.
const CONNECT_WINDOW: Duration = Duration::from_secs(30);

impl Room {
    fn reply(&mut self, request: HttpKey, reply: HttpReply) {
        self.outputs.push_back(Output::HttpReply { request, reply });
    }

    fn refuse_http(&mut self, request: HttpKey, code: ErrorCode, message: &str) {
        self.reply(
            request,
            HttpReply::Refused {
                code,
                message: message.to_owned(),
            },
        );
    }

    /// May somebody come in who can be asked nothing, not even a password?
    fn check_http_entry(
        &self,
        id: Option<&ParticipantId>,
        grant: super::Grant,
    ) -> Result<(), (ErrorCode, &'static str)> {
        let lobby = self.settings.lobby && self.roster.len() > 0;
        if grant.ask || (lobby && !grant.moderate) {
            return Err((
                ErrorCode::Forbidden,
                "somebody inside has to be asked, which takes signalling",
            ));
        }
        self.check_entry(id, grant, Intent::Any, None)
    }

    pub(super) fn handle_whip(
        &mut self,
        now: Instant,
        unix_ms: u64,
        request: HttpKey,
        id: ParticipantId,
        offer: HttpOffer,
    ) {
        let HttpOffer {
            sdp,
            grant,
            pass,
            shard,
            local,
        } = offer;
        if let Err((code, sentence)) = self.check_http_entry(Some(&id), grant) {
            return self.refuse_http(request, code, sentence);
        }
        if !grant.publish {
            return self.refuse_http(request, ErrorCode::Forbidden, "the token does not allow publishing");
        }
        let ice_session = local.ice.ufrag.clone();
        let mut path = Path::new(shard, local);
        let (next_transport, random) = (self.next_transport(), self.random_bytes());
        let policy = self.settings.policy(&self.config);
        let answered = match path.answer(&sdp, &policy, self.new_negotiation, next_transport, random) {
            Ok(answered) => answered,
            Err(error) => return self.refuse_http(request, code_of(&error), &error.to_string()),
        };
        if answered.negotiated.receive.is_empty() {
            return self.refuse_http(request, ErrorCode::SdpUnsupported, "the offer sends nothing");
        }
        if self.roster.len() == 0 {
            self.begin(now, None);
        }
        self.replace_duplicate(now, &id);
        let key = MemberKey(next(&mut self.last.member));
        let resource = hex(&(self.random)());
        self.roster.own_resource(resource.clone(), key.owner());
        self.roster.insert(Participant {
            key,
            display_name: id.as_str().to_owned(),
            id,
            metadata: None,
            joined_at_ms: unix_ms,
            grant: super::Grant {
                subscribe: false,
                ..grant
            },
            pass,
            mode: crate::wire::signal::Mode::SendAndReceive,
            session: None,
            resource: Some(resource.clone()),
            path,
            seating: Seating::default(),
            wishes: Wishes::new(false),
            last_n: None,
            rates: Rates::default(),
        });
        let owner_changed = self.settle_owner(Some(key));
        self.announce(now, key);
        if owner_changed {
            self.tell_room(Some(key));
        }
        self.set_transport(shard, key.owner(), &answered);
        for (rank, line) in ranked(answered.negotiated.receive.iter().map(|line| (line.kind, &line.mid))) {
            let source = match (line.0, rank) {
                (Kind::Audio, 0) => SourceKind::Microphone,
                (Kind::Audio, _) => SourceKind::ScreenAudio,
                (Kind::Video, 0) => SourceKind::Camera,
                (Kind::Video, _) => SourceKind::Screen,
            };
            let (mid, muted) = (line.1.clone(), false);
            let line = PublishLine {
                mid,
                source,
                muted,
                width: None,
                height: None,
                metadata: None,
                backup_of: None,
                encrypted: false,
            };
            // A third line of one kind has no name; it is agreed and not published.
            let _ = self.publish(now, key, &line);
        }
        self.agenda.set(Timer::Away(key.owner()), now + CONNECT_WINDOW);
        self.reply(
            request,
            HttpReply::Created {
                resource,
                sdp: answered.negotiated.sdp,
                ice_session,
            },
        );
    }

    pub(super) fn handle_whep(&mut self, now: Instant, request: HttpKey, publisher: ParticipantId, offer: HttpOffer) {
        let HttpOffer {
            sdp,
            grant,
            pass,
            shard,
            local,
        } = offer;
        // A viewer is no participant and takes nobody's place.
        if let Err((code, sentence)) = self.check_http_entry(None, grant)
            && code != ErrorCode::RoomFull
        {
            return self.refuse_http(request, code, sentence);
        }
        if !grant.subscribe {
            return self.refuse_http(request, ErrorCode::Forbidden, "the token does not allow receiving");
        }
        let ice_session = local.ice.ufrag.clone();
        let mut path = Path::new(shard, local);
        let (next_transport, random) = (self.next_transport(), self.random_bytes());
        let policy = self.settings.policy(&self.config);
        let answered = match path.answer(&sdp, &policy, self.new_negotiation, next_transport, random) {
            Ok(answered) => answered,
            Err(error) => return self.refuse_http(request, code_of(&error), &error.to_string()),
        };
        if answered.negotiated.send.is_empty() {
            return self.refuse_http(request, ErrorCode::SdpUnsupported, "the offer receives nothing");
        }
        let key = ViewerKey(next(&mut self.last.viewer));
        let resource = hex(&(self.random)());
        self.roster.own_resource(resource.clone(), key.owner());
        self.set_transport(shard, key.owner(), &answered);
        let mut viewer = Viewer {
            publisher,
            pass,
            resource: resource.clone(),
            path,
            audio: None,
            video: None,
        };
        for line in answered.negotiated.send {
            let half = match line.kind {
                Kind::Audio => &mut viewer.audio,
                Kind::Video => &mut viewer.video,
            };
            if half.is_none() {
                let egress = egress_key(self.number, &mut self.last.egress);
                *half = Some(Half::new(egress, line.clone()));
                self.command(shard, add_egress(answered.transport, egress, line));
            }
        }
        let watched = self.roster.find(&viewer.publisher);
        self.viewers.insert(key, viewer);
        if let Some(publisher) = watched {
            self.viewers_changed(publisher);
        }
        self.dirty.insert(key.owner());
        self.agenda.set(Timer::Away(key.owner()), now + CONNECT_WINDOW);
        self.reply(
            request,
            HttpReply::Created {
                resource,
                sdp: answered.negotiated.sdp,
                ice_session,
            },
        );
    }

    pub(super) fn handle_http_delete(&mut self, now: Instant, request: HttpKey, resource: &str) {
        match self.roster.resource(resource) {
            None => return self.reply(request, HttpReply::NotFound),
            Some(Owner::Member(member)) => self.depart(now, member, LeaveReason::Left, None),
            Some(Owner::Viewer(viewer)) => self.drop_viewer(viewer),
        }
        self.reply(request, HttpReply::Done);
    }

    pub(super) fn handle_http_patch(&mut self, request: HttpKey, resource: &str, patch: &HttpPatch) {
        let reply = self.patch(resource, patch);
        self.reply(request, reply);
    }

    fn patch(&mut self, resource: &str, patch: &HttpPatch) -> HttpReply {
        let path = match self.roster.resource(resource) {
            Some(Owner::Member(member)) => self.roster.get_mut(member).map(|publisher| &mut publisher.path),
            Some(Owner::Viewer(viewer)) => self.viewers.get_mut(viewer).map(|viewer| &mut viewer.path),
            None => None,
        };
        let Some((shard, live)) = path.and_then(|path| Some((path.shard, path.live.as_mut()?))) else {
            return HttpReply::NotFound;
        };
        match patch {
            HttpPatch::Candidates { session: Some(session) } if *session != live.ice_session => HttpReply::OtherSession,
            HttpPatch::Candidates { session: _ } => HttpReply::Done,
            HttpPatch::Restart { remote } => match live.restart_ice(remote) {
                Ok(restarted) => {
                    let transport = live.transport;
                    let ice_session = restarted.local.ufrag.clone();
                    if restarted.is_new {
                        let ice = restarted.local;
                        self.command(shard, ShardCommand::SetIce { transport, ice });
                    }
                    HttpReply::Restarted {
                        fragment: restarted.fragment,
                        ice_session,
                    }
                }
                Err(error) => HttpReply::Refused {
                    code: code_of(&error),
                    message: error.to_string(),
                },
            },
        }
    }
}

/// Each line with its rank among those of its kind.
fn ranked<T>(lines: impl Iterator<Item = (Kind, T)>) -> impl Iterator<Item = (usize, (Kind, T))> {
    let mut counts = [0_usize; 2];
    lines.map(move |line| {
        let count = &mut counts[usize::from(line.0 == Kind::Video)];
        *count += 1;
        (*count - 1, line)
    })
}
