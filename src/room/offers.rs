//! Offers of participants: the answer, the transport behind it, and the seats in it.

use std::{collections::BTreeMap, time::Instant};

use super::{
    Output, Room,
    negotiate::code_of,
    next,
    participant::Answered,
    requests::{Answer, Refusal},
    roster::{MemberKey, Owner},
    seat::Bound,
};
use crate::{
    media::{EgressKey, Feedback, PayloadTypes},
    packet::Kind,
    shard::command::{ShardCommand, ShardId, TransportKey},
    transport::negotiation::SendLine,
    wire::{
        ErrorCode, SeatIndex,
        signal::{AnswerPublication, AnswerSeat, PublishLine, Sdp, ServerMessage},
    },
};

impl Room {
    pub(super) fn offer(&mut self, now: Instant, member: MemberKey, sdp: &Sdp, publish: &[PublishLine]) -> Answer {
        let (next, random, new) = (self.next_transport(), self.random_bytes(), self.new_negotiation);
        let policy = self.settings.policy(&self.config);
        let unreadable = || {
            Refusal::field(
                ErrorCode::SdpInvalid,
                "sdpDeflate",
                "this is no compressed text, or too long",
            )
        };
        let text = sdp.text().ok_or_else(unreadable)?;
        let gone = || Refusal::new(ErrorCode::Forbidden, "you are not in the room");
        let participant = self.roster.get_mut(member).ok_or_else(gone)?;
        let shard = participant.path.shard;
        let answered = participant.path.answer(&text, &policy, new, next, random);
        let answered = answered.map_err(|error| Refusal::field(code_of(&error), "sdp", error.to_string()))?;
        if let Some(old) = answered.replaced {
            self.end_transport(now, member, shard, old);
        }
        self.set_transport(shard, member.owner(), &answered);
        self.end_lost_lines(now, member);
        let mut lines = answered.negotiated.send;
        lines.retain(|line| line.seat < self.seats_max());
        self.set_seats(now, member, shard, answered.transport, &lines);

        let mut publications = Vec::new();
        for line in publish {
            // A line that cannot be published on is missing in the answer. The answer itself has to go out: the
            // negotiation stands.
            if let Ok(publication) = self.publish(now, member, line) {
                publications.push(AnswerPublication {
                    mid: line.mid.clone(),
                    publication,
                });
            }
        }
        let seats = answer_seats(&lines);
        Ok(ServerMessage::Answer {
            sdp: sdp.answered(answered.negotiated.sdp),
            seats,
            publications,
        })
    }

    /// Makes a transport, or tells its shard what changed on it.
    pub(super) fn set_transport(&mut self, shard: ShardId, owner: Owner, answered: &Answered) {
        let (transport, negotiated) = (answered.transport, &answered.negotiated);
        if let Some(ice) = &answered.fresh {
            self.roster.own_transport(transport, owner);
            self.voices.use_shard(shard);
            self.command(
                shard,
                ShardCommand::AddTransport {
                    transport,
                    ice: ice.clone(),
                },
            );
            let fingerprint = negotiated.remote_fingerprint;
            self.outputs.push_back(Output::StartHandshake {
                transport,
                shard,
                fingerprint,
            });
        } else if let Some(ice) = &negotiated.ice_restarted {
            self.command(
                shard,
                ShardCommand::SetIce {
                    transport,
                    ice: ice.clone(),
                },
            );
        }
        let (lines, extensions) = (negotiated.receive.clone(), negotiated.extensions);
        self.command(
            shard,
            ShardCommand::SetReceive {
                transport,
                lines,
                extensions,
            },
        );
    }

    /// The client came with another certificate: what was on its old transport is over.
    fn end_transport(&mut self, now: Instant, member: MemberKey, shard: ShardId, old: TransportKey) {
        let publications: Vec<_> = self
            .publications
            .all_of(member)
            .map(|publication| publication.id)
            .collect();
        for publication in publications {
            self.remove_publication(now, publication);
        }
        self.set_seats(now, member, shard, old, &[]);
        self.channels.leave(member);
        self.command(shard, ShardCommand::RemoveTransport { transport: old });
        self.outputs.push_back(Output::StopHandshake { transport: old });
        self.roster.disown_transport(old);
    }

    /// Ends publications whose m-line the client has stopped.
    fn end_lost_lines(&mut self, now: Instant, member: MemberKey) {
        let Some(live) = self
            .roster
            .get(member)
            .and_then(|participant| participant.path.live.as_ref())
        else {
            return;
        };
        let lost = self.publications.all_of(member).filter(|publication| {
            let line = live.receive.iter().find(|line| line.mid == publication.mid);
            line.is_none_or(|line| line.kind != publication.kind())
        });
        let lost: Vec<_> = lost.map(|publication| publication.id).collect();
        for publication in lost {
            self.remove_publication(now, publication);
        }
    }

    /// Takes over the seats of an answer.
    fn set_seats(
        &mut self,
        now: Instant,
        member: MemberKey,
        shard: ShardId,
        transport: TransportKey,
        lines: &[SendLine],
    ) {
        let (number, counter) = (self.number, &mut self.last.egress);
        let Some(participant) = self.roster.get_mut(member) else {
            return;
        };
        let change = participant
            .seating
            .set_lines(lines, &mut || egress_key(number, counter));
        for half in change.removed {
            if let Some(publication) = half.undecodable {
                self.backups.note(member.owner(), publication, None);
            }
            if let Some(bound) = half.bound {
                self.unbind(shard, half.egress, &bound);
            }
            self.command(shard, ShardCommand::RemoveEgress { egress: half.egress });
        }
        for (egress, line) in change.added {
            self.outputs.push_back(Output::Shard {
                shard,
                command: add_egress(transport, egress, line),
            });
        }
        self.fill_free_seats(now, member);
    }

    fn unbind(&mut self, shard: ShardId, egress: EgressKey, bound: &Bound) {
        self.command(shard, ShardCommand::Unbind { egress });
        super::fill::release(&mut self.feeds, &mut self.outputs, shard, bound);
    }
}

pub(super) fn egress_key(number: u32, counter: &mut u32) -> EgressKey {
    EgressKey((u64::from(number) << 32) | u64::from(next(counter)))
}

pub(super) fn add_egress(transport: TransportKey, egress: EgressKey, line: SendLine) -> ShardCommand {
    let mut payload_types = PayloadTypes::default();
    for codec in &line.codecs {
        payload_types.add(codec.codec, codec.payload_type, codec.rtx_payload_type);
    }
    let SendLine {
        kind,
        ssrc,
        rtx_ssrc,
        cname,
        transport_cc,
        remb,
        ..
    } = line;
    let feedback = match (transport_cc, remb) {
        (true, _) => Feedback::TransportCc,
        (false, true) => Feedback::Remb,
        (false, false) => Feedback::None,
    };
    ShardCommand::AddEgress {
        transport,
        egress,
        kind,
        ssrc,
        rtx_ssrc,
        cname,
        payload_types,
        feedback,
    }
}

fn answer_seats(lines: &[SendLine]) -> Vec<AnswerSeat> {
    let mut seats: BTreeMap<usize, AnswerSeat> = BTreeMap::new();
    for line in lines {
        let Ok(index) = u16::try_from(line.seat) else { continue };
        let empty = AnswerSeat {
            seat: SeatIndex(index),
            audio_mid: None,
            video_mid: None,
        };
        let seat = seats.entry(line.seat).or_insert(empty);
        match line.kind {
            Kind::Audio => seat.audio_mid = Some(line.mid.clone()),
            Kind::Video => seat.video_mid = Some(line.mid.clone()),
        }
    }
    seats.into_values().collect()
}
