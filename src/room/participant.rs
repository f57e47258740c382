//! One participant and its media path.

use super::{
    Grant, Negotiate, NewNegotiation, Pass, negotiate::fingerprint_of, rate::Rates, roster::MemberKey, seat::Seating,
    session::Session, subscription::Wishes,
};
use crate::{
    packet::extension::ExtensionMap,
    shard::command::{ShardId, TransportKey},
    transport::{
        fingerprint::Fingerprint,
        ice::Credentials,
        negotiation::{CodecPolicy, IceRestart, LocalTransport, Negotiated, NegotiationError, ReceiveLine},
    },
    wire::{
        Json, ParticipantId, PublicationId,
        signal::{Mode, ParticipantInfo, PublicationInfo},
    },
};

/// Somebody who is here.
#[derive(Debug)]
pub(super) struct Participant {
    pub(super) key: MemberKey,
    pub(super) id: ParticipantId,
    pub(super) display_name: String,
    pub(super) metadata: Option<Json>,
    pub(super) joined_at_ms: u64,
    pub(super) grant: Grant,
    /// By which it came.
    pub(super) pass: Pass,
    pub(super) mode: Mode,
    /// `None`: a WHIP publisher, who has no signalling.
    pub(super) session: Option<Session>,
    /// The HTTP resource of a WHIP publisher.
    pub(super) resource: Option<String>,
    pub(super) path: Path,
    pub(super) seating: Seating,
    pub(super) wishes: Wishes,
    /// Most pictures it wants to be sent; `None`: it did not say.
    pub(super) last_n: Option<usize>,
    pub(super) rates: Rates,
}

impl Participant {
    /// As others see it.
    pub(super) fn info(&self, publications: Vec<PublicationInfo>) -> ParticipantInfo {
        ParticipantInfo {
            id: self.id.clone(),
            display_name: self.display_name.clone(),
            metadata: self.metadata.clone(),
            joined_at_ms: self.joined_at_ms,
            mode: self.mode,
            publications,
        }
    }

    /// Does it receive media at all?
    pub(super) fn receives(&self) -> bool {
        self.grant.subscribe && self.mode != Mode::SignallingOnly
    }

    /// Does it want to receive this?
    pub(super) fn wants(&self, publication: PublicationId) -> bool {
        self.receives() && self.wishes.wants(publication)
    }
}

/// The media path of a participant or viewer: where it is, and what was agreed on it.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) shard: ShardId,
    pub(super) local: LocalTransport,
    pub(super) live: Option<Live>,
    pub(super) connected: bool,
}

/// A path that an offer has opened.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) transport: TransportKey,
    pub(super) fingerprint: Fingerprint,
    pub(super) receive: Vec<ReceiveLine>,
    pub(super) extensions: ExtensionMap,
    /// Name of the ICE session: the user name fragment on our side.
    pub(super) ice_session: String,
    negotiation: Box<dyn Negotiate>,
}

/// An offer that was answered.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) negotiated: Negotiated,
    pub(super) transport: TransportKey,
    /// Credentials of a transport that has to be made.
    pub(super) fresh: Option<Credentials>,
    /// The transport before it, which is over.
    pub(super) replaced: Option<TransportKey>,
}

impl Path {
    pub(super) const fn new(shard: ShardId, local: LocalTransport) -> Self {
        Self {
            shard,
            local,
            live: None,
            connected: false,
        }
    }

    pub(super) fn transport(&self) -> Option<TransportKey> {
        self.live.as_ref().map(|live| live.transport)
    }

    /// Answers an offer, on a new transport if there is none yet or if the offer shows another certificate than before.
    /// `next` is the key of a new transport, `random` feeds its credentials. On an error nothing changes.
    pub(super) fn answer(
        &mut self,
        offer: &str,
        policy: &CodecPolicy,
        new: NewNegotiation,
        next: TransportKey,
        random: [u8; 32],
    ) -> Result<Answered, NegotiationError> {
        let shown = fingerprint_of(offer);
        if let Some(live) = self
            .live
            .as_mut()
            .filter(|live| shown.is_none_or(|shown| shown == live.fingerprint))
        {
            let negotiated = live.negotiation.answer(offer, policy)?;
            live.fingerprint = negotiated.remote_fingerprint;
            live.receive.clone_from(&negotiated.receive);
            live.extensions = negotiated.extensions;
            if let Some(ice) = &negotiated.ice_restarted {
                live.ice_session.clone_from(&ice.ufrag);
            }
            return Ok(Answered {
                negotiated,
                transport: live.transport,
                fresh: None,
                replaced: None,
            });
        }
        let replaced = self.transport();
        let ice = if replaced.is_none() {
            self.local.ice.clone()
        } else {
            credentials(&random)
        };
        let local = LocalTransport {
            ice: ice.clone(),
            ..self.local.clone()
        };
        let seed = u64::from_le_bytes(std::array::from_fn(|n| random[24 + n]));
        let mut negotiation = new(local, seed);
        let negotiated = negotiation.answer(offer, policy)?;
        self.connected = false;
        self.live = Some(Live {
            transport: next,
            fingerprint: negotiated.remote_fingerprint,
            receive: negotiated.receive.clone(),
            extensions: negotiated.extensions,
            ice_session: ice.ufrag.clone(),
            negotiation,
        });
        Ok(Answered {
            negotiated,
            transport: next,
            fresh: Some(ice),
            replaced,
        })
    }
}

impl Live {
    /// The client restarts ICE without an offer.
    pub(super) fn restart_ice(&mut self, remote: &Credentials) -> Result<IceRestart, NegotiationError> {
        let restarted = self.negotiation.restart_ice(remote)?;
        self.ice_session.clone_from(&restarted.local.ufrag);
        Ok(restarted)
    }
}

/// ICE credentials of a transport that replaces another: 64 and 128 bits in hexadecimal.
fn credentials(random: &[u8; 32]) -> Credentials {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Credentials {
        ufrag: hex(&random[..8]),
        pwd: hex(&random[8..24]),
    }
}
