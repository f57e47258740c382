//! What shards and data channels tell.

use std::time::Instant;

use super::{
    DataEvent, Output, Room,
    agenda::Timer,
    channel::{self, End},
    quality::QUALITY_INTERVAL,
    roster::{MemberKey, Owner},
    seat::{Bound, Half},
    speaker::SPEAKERS_INTERVAL,
};
use crate::{
    media::News,
    shard::{command::TransportKey, event::ShardEvent},
    wire::{
        limits::DATA_PROTOCOL,
        signal::{
            LeaveReason, QualityEntry, ServerMessage, SourceKind, SpeakerEntry, SubscriptionReason, SubscriptionState,
            TransportState,
        },
    },
};

impl Room {
    pub(super) fn handle_shard(&mut self, now: Instant, event: ShardEvent) {
        match event {
            ShardEvent::Connected { transport } => self.handle_connected(transport),
            ShardEvent::Interrupted { transport } => self.handle_interrupted(transport),
            ShardEvent::Lost { transport } => self.handle_lost(now, transport),
            ShardEvent::StreamStarted {
                source,
                encoding: _,
                codec,
            } => self.set_codec(now, source, codec),
            ShardEvent::Demand { source, encodings } => self.handle_demand(now, source, encodings),
            ShardEvent::Levels { levels } => {
                for (source, level) in levels {
                    let id = self.publications.by_source(source);
                    let Some(publication) = id.and_then(|id| self.publications.get(id)) else {
                        continue;
                    };
                    if publication.source != SourceKind::Microphone || publication.muted {
                        continue;
                    }
                    let speaker = publication.owner();
                    if self.speakers.hear(now, speaker, level) {
                        self.reconsider_speaker(now, speaker);
                    }
                }
                if let Some(at) = self.speakers.next_lapse() {
                    self.agenda.set_first(Timer::Hush, at);
                }
                // The first words are told at once, what follows in steps.
                self.agenda.set_first(Timer::Speakers, now);
            }
            ShardEvent::Served { transport, news } => self.tell_served(transport, news),
            ShardEvent::Explained { ask, explained } => self.handle_explained(ask, explained.as_deref()),
            ShardEvent::Stats { transport, stats } => {
                if let Some(Owner::Member(member)) = self.roster.owner(transport) {
                    self.qualities.measure(member, &stats);
                    self.note_stats(now, member, &stats);
                    if self.qualities.is_changed() {
                        self.agenda.set_first(Timer::Quality, now + QUALITY_INTERVAL);
                    }
                }
            }
        }
    }

    /// Who was a recent speaker is one no more: claims to seats and bandwidth are others now.
    pub(super) fn handle_hush(&mut self, now: Instant) {
        for speaker in self.speakers.lapsed(now) {
            self.reconsider_speaker(now, speaker);
        }
        if let Some(at) = self.speakers.next_lapse() {
            self.agenda.set(Timer::Hush, at);
        }
    }

    /// Bandwidth takes something of a picture away from a subscriber, or gives it back.
    fn tell_served(&mut self, transport: TransportKey, news: News) {
        let Some(Owner::Member(member)) = self.roster.owner(transport) else {
            return;
        };
        let Some(participant) = self.roster.get(member) else {
            return;
        };
        let shown = |(half, bound): (&Half, Bound)| {
            (half.egress == news.key && bound.source == news.source).then_some(bound.publication)
        };
        let Some(publication) = participant.seating.bound().find_map(shown) else {
            return;
        };
        let state = match news.encoding {
            Some(_) => SubscriptionState::Active,
            None if news.limited => SubscriptionState::Paused,
            // By a wish: that was told when the wish was made.
            None => return,
        };
        let message = ServerMessage::Subscription {
            publication,
            state,
            encoding: news.encoding,
            reason: news.limited.then_some(SubscriptionReason::Budget),
        };
        self.tell(member, &message);
    }

    fn handle_connected(&mut self, transport: TransportKey) {
        match self.roster.owner(transport) {
            Some(Owner::Member(member)) => {
                let Some(participant) = self.roster.get_mut(member) else {
                    return;
                };
                participant.path.connected = true;
                if participant.session.is_none() {
                    self.agenda.cancel(Timer::Away(member.owner()));
                }
                self.tell(
                    member,
                    &ServerMessage::Transport {
                        state: TransportState::Connected,
                    },
                );
            }
            Some(Owner::Viewer(viewer)) => {
                if let Some(viewer) = self.viewers.get_mut(viewer) {
                    viewer.path.connected = true;
                }
                self.agenda.cancel(Timer::Away(viewer.owner()));
            }
            None => {}
        }
    }

    /// Who has signalling can restart ICE now. Who has none finds back by itself, or is lost when consent ends.
    fn handle_interrupted(&mut self, transport: TransportKey) {
        if let Some(Owner::Member(member)) = self.roster.owner(transport) {
            self.tell(
                member,
                &ServerMessage::Transport {
                    state: TransportState::Lost,
                },
            );
        }
    }

    /// Who has signalling can restart ICE; who has none is gone.
    pub(super) fn handle_lost(&mut self, now: Instant, transport: TransportKey) {
        match self.roster.owner(transport) {
            Some(Owner::Member(member)) => {
                let Some(participant) = self.roster.get_mut(member) else {
                    return;
                };
                participant.path.connected = false;
                if participant.session.is_none() {
                    self.depart(now, member, LeaveReason::Timeout, None);
                } else {
                    self.tell(
                        member,
                        &ServerMessage::Transport {
                            state: TransportState::Lost,
                        },
                    );
                }
            }
            Some(Owner::Viewer(viewer)) => self.drop_viewer(viewer),
            None => {}
        }
    }

    pub(super) fn tell_speakers(&mut self, now: Instant) {
        self.views_changed();
        if let Some(speakers) = self.speakers.changed(now) {
            let entry = |(member, level): (MemberKey, u8)| {
                self.roster
                    .id(member)
                    .map(|participant| SpeakerEntry { participant, level })
            };
            let speakers = speakers.into_iter().filter_map(entry).collect();
            self.tell_others(None, &ServerMessage::Speakers { speakers });
        }
        if self.speakers.is_lively() {
            self.agenda.set(Timer::Speakers, now + SPEAKERS_INTERVAL);
        }
    }

    pub(super) fn tell_quality(&mut self) {
        let entry = |(member, score): (MemberKey, u8)| {
            self.roster
                .id(member)
                .map(|participant| QualityEntry { participant, score })
        };
        let quality: Vec<QualityEntry> = self.qualities.changed().into_iter().filter_map(entry).collect();
        if !quality.is_empty() {
            self.tell_others(None, &ServerMessage::Quality { quality });
        }
    }

    /// Tells a newcomer what the others were told by `speakers` and `quality` and will not be told again until it changes.
    pub(super) fn tell_how_it_stands(&mut self, newcomer: MemberKey) {
        let speakers = self.speakers.told().iter().filter_map(|(member, level)| {
            let participant = self.roster.id(*member)?;
            Some(SpeakerEntry {
                participant,
                level: *level,
            })
        });
        let speakers: Vec<SpeakerEntry> = speakers.collect();
        let quality = self.qualities.told().filter_map(|(member, score)| {
            let participant = self.roster.id(member)?;
            Some(QualityEntry { participant, score })
        });
        let quality: Vec<QualityEntry> = quality.collect();
        if !speakers.is_empty() {
            self.tell(newcomer, &ServerMessage::Speakers { speakers });
        }
        if !quality.is_empty() {
            self.tell(newcomer, &ServerMessage::Quality { quality });
        }
    }

    pub(super) fn handle_data(&mut self, transport: TransportKey, event: DataEvent) {
        let Some(Owner::Member(member)) = self.roster.owner(transport) else {
            return;
        };
        match event {
            DataEvent::Opened {
                channel,
                label,
                protocol,
            } => {
                if protocol == DATA_PROTOCOL {
                    self.channels.open(member, End { transport, channel }, label);
                }
            }
            DataEvent::Closed { channel } => self.channels.close(member, End { transport, channel }),
            DataEvent::Message { channel, data } => {
                let Some(sender) = self.roster.get(member).filter(|sender| sender.grant.talk) else {
                    return;
                };
                let Some(message) = channel::read(&data) else { return };
                let Some(data) = channel::write(&sender.id, &message.payload) else {
                    return;
                };
                let to = match message.to.map(|id| self.roster.find(&id)) {
                    // To nobody who is here.
                    Some(None) => return,
                    Some(to) => to,
                    None => None,
                };
                for (other, end) in self.channels.others(member, End { transport, channel }) {
                    if to.is_none_or(|to| to == other) {
                        let End { transport, channel } = end;
                        self.outputs.push_back(Output::SendData {
                            transport,
                            channel,
                            data: data.clone(),
                        });
                    }
                }
            }
        }
    }
}
