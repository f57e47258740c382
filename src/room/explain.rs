//! How connections are doing: asked of the shards, answered when they have.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{HttpKey, HttpReply, Output, Room, rate::Talk, requests::Refusal, roster::MemberKey};
use crate::{
    media::estimate::{Estimate, LimitedBy},
    shard::{
        command::ShardCommand,
        event::{Explained, ExplainedSource, ExplainedVideo},
    },
    wire::{
        ErrorCode, ParticipantId,
        signal::{
            self, DownStats, EncodingStats, OkFields, ParticipantStats, PathLimit, PublicationStats, ServerMessage,
            Stats, SubscriptionStats, UpStats,
        },
    },
};

/// Questions that wait for a shard at a time. A shard answers within a turn, unless it has stopped.
const PENDING_MAX: usize = 4_096;

/// Questions about everybody at a time: each is one about every member.
const GATHERS_MAX: usize = 2;

/// Who waits for what.
#[derive(Debug, Default)]
pub(super) struct Explains {
    last: u32,
    pending: BTreeMap<u32, Question>,
    gathers: BTreeMap<HttpKey, Gather>,
}

/// One question to a shard.
#[derive(Debug)]
struct Question {
    about: MemberKey,
    asked_by: Asker,
}

#[derive(Clone, Copy, Debug)]
enum Asker {
    /// By a request of this number.
    Member(MemberKey, u32),
    /// Together with others.
    Http(HttpKey),
}

/// What was asked over HTTP: about everybody.
#[derive(Debug)]
struct Gather {
    waiting: usize,
    found: Vec<ParticipantStats>,
}

impl Room {
    /// `stats`: of oneself, or as a moderator of somebody else. Answered later.
    pub(super) fn stats(
        &mut self,
        now: Instant,
        (member, request): (MemberKey, u32),
        about: Option<&ParticipantId>,
    ) -> Result<Option<ServerMessage>, Refusal> {
        let about = match about {
            None => member,
            Some(id) => {
                let found = self.roster.find(id);
                let is_moderator = self.roster.get(member).is_some_and(|asker| asker.grant.moderate);
                if found != Some(member) && !is_moderator {
                    let sentence = "the token does not allow to see how others are connected";
                    return Err(Refusal::new(ErrorCode::Forbidden, sentence));
                }
                let sentence = format!("{id} is not in the room");
                found.ok_or_else(|| Refusal::field(ErrorCode::NoSuchParticipant, "participant", sentence))?
            }
        };
        self.pace(now, member, Talk::State)?;
        let asked_by = Asker::Member(member, request);
        if self.ask(Question { about, asked_by }) {
            return Ok(None);
        }
        Ok(Some(answer(nothing())))
    }

    /// `GET /v1/rooms/{room}/stats`: of everybody.
    pub(super) fn handle_http_stats(&mut self, request: HttpKey) {
        if self.explains.gathers.len() >= GATHERS_MAX {
            let reply = HttpReply::Refused {
                code: ErrorCode::RateLimited,
                message: "others are asking the same; ask again in a moment".to_owned(),
            };
            self.outputs.push_back(Output::HttpReply { request, reply });
            return;
        }
        let members: Vec<MemberKey> = self.roster.keys();
        let gather = Gather {
            waiting: members.len(),
            found: Vec::with_capacity(members.len()),
        };
        self.explains.gathers.insert(request, gather);
        for about in members {
            let asked_by = Asker::Http(request);
            if !self.ask(Question { about, asked_by }) {
                self.gather(request, about, nothing());
            }
        }
        self.settle_gather(request);
    }

    /// A shard has answered; `None`: the transport is gone.
    pub(super) fn handle_explained(&mut self, ask: u32, explained: Option<&Explained>) {
        let Some(Question { about, asked_by }) = self.explains.pending.remove(&ask) else {
            return;
        };
        let stats = explained.map_or_else(nothing, |explained| self.told(about, explained));
        match asked_by {
            Asker::Member(member, request) => {
                self.tell_encoded(member, Some(request), signal::encode(&answer(stats)));
            }
            Asker::Http(request) => {
                self.gather(request, about, stats);
                self.settle_gather(request);
            }
        }
    }

    /// False when there is nobody to ask: who has no media path, has nothing to tell.
    fn ask(&mut self, question: Question) -> bool {
        let about = self
            .roster
            .get(question.about)
            .map(|about| (&about.path, about.path.transport()));
        let Some((path, Some(transport))) = about else {
            return false;
        };
        let shard = path.shard;
        if self.explains.pending.len() >= PENDING_MAX {
            return false;
        }
        self.explains.last = self.explains.last.wrapping_add(1);
        let ask = self.explains.last;
        self.explains.pending.insert(ask, question);
        self.command(shard, ShardCommand::Explain { transport, ask });
        true
    }

    fn gather(&mut self, request: HttpKey, about: MemberKey, stats: Stats) {
        let participant = self.roster.id(about);
        if let Some(gather) = self.explains.gathers.get_mut(&request) {
            gather.waiting -= 1;
            // Who has left meanwhile is nobody's business any more.
            gather
                .found
                .extend(participant.map(|participant| ParticipantStats { participant, stats }));
        }
    }

    fn settle_gather(&mut self, request: HttpKey) {
        let is_done = |gather: &Gather| gather.waiting == 0;
        if self.explains.gathers.get(&request).is_some_and(is_done)
            && let Some(mut gather) = self.explains.gathers.remove(&request)
        {
            gather.found.sort_by(|a, b| a.participant.cmp(&b.participant));
            let reply = HttpReply::Stats {
                participants: gather.found,
            };
            self.outputs.push_back(Output::HttpReply { request, reply });
        }
    }

    /// In the words of the protocol.
    fn told(&self, about: MemberKey, explained: &Explained) -> Stats {
        let published = explained.sources.iter().filter_map(|source| {
            let publication = self.publications.by_source(source.source)?;
            let encodings = source.encodings.iter().map(|layer| EncodingStats {
                live: layer.live,
                bps: layer.bps.into(),
                width: layer.size.map(|size| size.0),
                height: layer.size.map(|size| size.1),
            });
            Some(PublicationStats {
                publication,
                encodings: encodings.collect(),
            })
        });
        let loss = |share: f32| (f64::from(share) * 1_000.0).round() / 1_000.0;
        let path = explained.path;
        Stats {
            down: down(explained, loss),
            up: UpStats {
                received_bps: explained
                    .sources
                    .iter()
                    .map(|source: &ExplainedSource| source.arriving_bps)
                    .sum(),
                loss: loss(path.loss_up),
                round_trip_ms: path.round_trip.map(millis),
                publications: published.collect(),
            },
            subscriptions: explained
                .videos
                .iter()
                .filter_map(|video| self.subscription(about, video))
                .collect(),
        }
    }

    fn subscription(&self, about: MemberKey, video: &ExplainedVideo) -> Option<SubscriptionStats> {
        let participant = self.roster.get(about)?;
        let mut bound = participant.seating.bound();
        let (_, bound) =
            bound.find(|(half, bound)| half.egress == video.decision.key && bound.source == video.source)?;
        let layer = video.layer;
        let size = layer.and_then(|layer| layer.size);
        Some(SubscriptionStats {
            publication: bound.publication,
            encoding: layer.map(|layer| layer.encoding),
            spatial: layer.map(|layer| layer.spatial),
            temporal: layer.map(|layer| layer.temporal),
            width: size.map(|size| size.0),
            height: size.map(|size| size.1),
            bps: video.decision.bps,
            wanted_bps: video.decision.wished_bps,
            reason: video.decision.reason.as_str().to_owned(),
            text: video.decision.reason.to_string(),
        })
    }
}

fn answer(stats: Stats) -> ServerMessage {
    ServerMessage::Ok(OkFields {
        stats: Some(Box::new(stats)),
        ..OkFields::default()
    })
}

fn nothing() -> Stats {
    Stats {
        down: DownStats::default(),
        up: UpStats::default(),
        subscriptions: Vec::new(),
    }
}

fn down(explained: &Explained, loss: impl Fn(f32) -> f64) -> DownStats {
    let path = explained.path;
    let Some(down) = explained.down else {
        return DownStats {
            loss: loss(path.loss_down),
            round_trip_ms: path.round_trip.map(millis),
            ..DownStats::default()
        };
    };
    let estimate = down.estimate;
    // Before there is feedback on each packet, what the client's reports say.
    let measured = estimate.filter(|estimate| estimate.limited_by != LimitedBy::Start);
    let of = |value: fn(&Estimate) -> u64| estimate.as_ref().map(value);
    DownStats {
        estimate_bps: of(|estimate| estimate.bps),
        sent_bps: down.sent_bps,
        resent_bps: down.resent_bps,
        pacing_bps: explained.pacing_bps,
        audio_bps: down.audio_bps,
        video_bps: down.video_bps,
        wanted_bps: down.wished_bps,
        loss: loss(measured.map_or(path.loss_down, |estimate| estimate.loss)),
        round_trip_ms: measured
            .and_then(|estimate| estimate.round_trip)
            .or(path.round_trip)
            .map(millis),
        queue_delay_ms: of(|estimate| millis(estimate.queue_delay)),
        limited_by: estimate.map(|estimate| match estimate.limited_by {
            LimitedBy::Start => PathLimit::Start,
            LimitedBy::Delay => PathLimit::Delay,
            LimitedBy::Loss => PathLimit::Loss,
            LimitedBy::Application => PathLimit::Application,
            LimitedBy::Receiver => PathLimit::Receiver,
            LimitedBy::Maximum => PathLimit::Maximum,
            LimitedBy::Nothing => PathLimit::Nothing,
        }),
    }
}

fn millis(time: Duration) -> u64 {
    time.as_millis() as u64
}
