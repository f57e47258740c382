//! Decides what to accept of an offer, against what was agreed before.

use std::collections::HashSet;
use std::sync::Arc;

use super::codecs::{self, AcceptedCodec};
use super::limits;
use super::offer::{Direction, Feedback, Media, Offer, OfferedLine, Path};
use super::{
    CodecLine, CodecPolicy, DataLine, LiveLine, NegotiationError, ReceiveLine, Remote, SeatHalf, SendLine, Slot, State,
};
use crate::packet::extension::ExtensionKind;
use crate::packet::{Codec, Kind};
use crate::transport::fingerprint::Fingerprint;
use crate::transport::ice::Credentials;
use crate::transport::sctp::MAX_MESSAGE_BYTES;

/// RFC 8841 section 6.1: what a peer takes that says nothing.
const DEFAULT_MESSAGE_BYTES: usize = 65_536;

/// Everything that the answer says.
pub(super) struct Plan {
    pub(super) remote: Remote,
    pub(super) ice_restarted: bool,
    /// Accepted mids of the bundle, in the offered order; `None` when the client bundles nothing.
    pub(super) bundle: Option<Vec<String>>,
    /// One for every m-line; `None` is rejected.
    pub(super) lines: Vec<Option<AcceptedLine>>,
}

pub(super) enum AcceptedLine {
    Rtp(RtpLine),
    Data(DataLine),
}

impl AcceptedLine {
    pub(super) fn mid(&self) -> &str {
        match self {
            AcceptedLine::Rtp(line) => &line.mid,
            AcceptedLine::Data(line) => &line.mid,
        }
    }
}

/// An accepted audio or video m-line.
pub(super) struct RtpLine {
    pub(super) mid: String,
    pub(super) kind: Kind,
    /// As the client sees it.
    pub(super) direction: Direction,
    pub(super) codecs: Vec<AcceptedCodec>,
    /// Ids with the direction to answer, in the order of the offer.
    pub(super) extensions: Vec<(u8, ExtensionKind, Option<Direction>)>,
    pub(super) rids: Vec<String>,
    ssrcs: Vec<(u32, Option<u32>)>,
    /// Present whenever the client wants to receive here; kept, but idle, when it stops wanting to.
    seat: Option<SeatHalf>,
}

impl RtpLine {
    /// The seat that we send on, if the client receives now.
    pub(super) fn active_seat(&self) -> Option<SeatHalf> {
        self.seat.filter(|_| self.direction.client_receives())
    }

    pub(super) fn has_rtx(&self) -> bool {
        self.codecs.iter().any(|codec| codec.line.rtx_payload_type.is_some())
    }

    fn feedback(&self) -> Feedback {
        self.codecs
            .iter()
            .fold(Feedback::default(), |all, codec| all.or(codec.feedback))
    }

    fn codec_lines(&self) -> Vec<CodecLine> {
        self.codecs.iter().map(|codec| codec.line.clone()).collect()
    }

    pub(super) fn receive_line(&self) -> Option<ReceiveLine> {
        let feedback = self.feedback();
        self.direction.client_sends().then(|| ReceiveLine {
            mid: self.mid.clone(),
            kind: self.kind,
            codecs: self.codec_lines(),
            rids: self.rids.clone(),
            ssrcs: self.ssrcs.clone(),
            nack: feedback.nack,
            transport_cc: feedback.transport_cc,
            remb: feedback.remb,
        })
    }

    pub(super) fn send_line(&self, cname: &str) -> Option<SendLine> {
        let feedback = self.feedback();
        self.active_seat().map(|seat| SendLine {
            mid: self.mid.clone(),
            kind: self.kind,
            ssrc: seat.ssrc,
            rtx_ssrc: self.has_rtx().then_some(seat.rtx_ssrc),
            cname: cname.to_owned(),
            seat: seat.number,
            codecs: self.codec_lines(),
            nack: feedback.nack,
            transport_cc: feedback.transport_cc,
            remb: feedback.remb,
        })
    }
}

/// Decides, and writes into `state` what has to be remembered.
pub(super) fn make(offer: &Offer, policy: &CodecPolicy, state: &mut State) -> Result<Plan, NegotiationError> {
    if offer.lines.len() < state.slots.len() {
        return Err(NegotiationError::LinesRemoved {
            before: state.slots.len(),
            now: offer.lines.len(),
        });
    }
    state.slots.resize_with(offer.lines.len(), Slot::default);
    if offer.ice_lite {
        return Err(NegotiationError::IceLite);
    }

    let bundled = bundled_lines(offer)?;
    refuse_changed_lines(offer, state)?;
    let mut lines: Vec<Option<AcceptedLine>> = Vec::with_capacity(offer.lines.len());
    let taken_ssrcs: HashSet<u32> = offer.lines.iter().flat_map(|line| line.ssrcs.iter().copied()).collect();
    let policy = Arc::new(policy.clone());
    let mut has_data = false;
    for (index, line) in offer.lines.iter().enumerate() {
        let accepted = match line.media {
            _ if !bundled.contains(&index) => None,
            Media::Audio => accept_rtp(index, line, Kind::Audio, offer, &policy, state, &taken_ssrcs)?,
            Media::Video => accept_rtp(index, line, Kind::Video, offer, &policy, state, &taken_ssrcs)?,
            Media::Application if !has_data => accept_data(line),
            Media::Application | Media::Other => None,
        };
        has_data |= matches!(accepted, Some(AcceptedLine::Data(_)));
        if accepted.is_none() {
            state.slots[index].live = None;
        } else if state.slots[index].live.is_none() {
            state.slots[index].live = Some(LiveLine {
                mid: line.mid.clone().unwrap_or_default(),
                media: line.media,
                seat: None,
                policy: None,
            });
        }
        if let (Some(AcceptedLine::Rtp(rtp)), Some(live)) = (&accepted, &mut state.slots[index].live) {
            live.seat = rtp.seat;
            if rtp.direction.client_sends() {
                live.policy.get_or_insert_with(|| Arc::clone(&policy));
            }
        }
        lines.push(accepted);
    }

    let bundle = offer.bundle.as_deref().map(|offered| bundle(offered, &lines));
    let (remote, ice_restarted) = remote(offer, &lines, bundle.as_deref().unwrap_or_default(), state)?;
    Ok(Plan {
        remote,
        ice_restarted,
        bundle,
        lines,
    })
}

fn live_lines(state: &State) -> impl Iterator<Item = &LiveLine> {
    state.slots.iter().filter_map(|slot| slot.live.as_ref())
}

/// The offered group without what we reject, in the offered order: the first is what describes the path (RFC 9143
/// section 7.3.1). Chromium gives a refilled first m-line new ICE credentials; naming an older m-line first instead
/// leaves it with two transports.
fn bundle(offered: &[String], lines: &[Option<AcceptedLine>]) -> Vec<String> {
    let accepted: HashSet<&str> = lines.iter().flatten().map(AcceptedLine::mid).collect();
    let mut seen = HashSet::new();
    offered
        .iter()
        .filter(|mid| accepted.contains(mid.as_str()) && seen.insert(mid.as_str()))
        .cloned()
        .collect()
}

/// Indices of the m-lines that share the path. Without a group that is the first m-line alone (RFC 9143 section 7.3).
fn bundled_lines(offer: &Offer) -> Result<HashSet<usize>, NegotiationError> {
    let mut mids = HashSet::new();
    let mut bundled = HashSet::new();
    let group: Option<HashSet<&str>> = offer
        .bundle
        .as_ref()
        .map(|mids| mids.iter().map(String::as_str).collect());
    for (index, line) in offer.lines.iter().enumerate().filter(|(_, line)| !line.stopped) {
        let mid = line
            .mid
            .as_deref()
            .filter(|mid| is_mid(mid))
            .ok_or(NegotiationError::Mid { line: index })?;
        if !mids.insert(mid) {
            return Err(NegotiationError::Mid { line: index });
        }
        let inside = group.as_ref().map_or(bundled.is_empty(), |group| group.contains(mid));
        if inside {
            bundled.insert(index);
        }
    }
    Ok(bundled)
}

/// SDP token characters (RFC 8866 section 9), since we write it back.
pub(super) fn is_mid(mid: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&byte);
    (1..=limits::MID_BYTES).contains(&mid.len()) && mid.bytes().all(token)
}

fn refuse_changed_lines(offer: &Offer, state: &State) -> Result<(), NegotiationError> {
    for (index, (line, slot)) in offer.lines.iter().zip(&state.slots).enumerate() {
        if let Some(live) = &slot.live
            && !line.stopped
            && (line.mid.as_ref() != Some(&live.mid) || line.media != live.media)
        {
            return Err(NegotiationError::LineChanged { line: index });
        }
    }
    Ok(())
}

fn accept_data(line: &OfferedLine) -> Option<AcceptedLine> {
    let known = matches!(line.proto.as_str(), "UDP/DTLS/SCTP" | "TCP/DTLS/SCTP");
    if !known || line.formats.first().map(String::as_str) != Some("webrtc-datachannel") {
        return None;
    }
    // Zero means any size (RFC 8841 section 6.1).
    let max_message_bytes = match line.max_message_bytes {
        None => DEFAULT_MESSAGE_BYTES,
        Some(0) => MAX_MESSAGE_BYTES,
        Some(bytes) => usize::try_from(bytes)
            .unwrap_or(MAX_MESSAGE_BYTES)
            .min(MAX_MESSAGE_BYTES),
    };
    Some(AcceptedLine::Data(DataLine {
        mid: line.mid.clone()?,
        max_message_bytes,
    }))
}

fn accept_rtp(
    index: usize,
    line: &OfferedLine,
    kind: Kind,
    offer: &Offer,
    policy: &Arc<CodecPolicy>,
    state: &mut State,
    taken_ssrcs: &HashSet<u32>,
) -> Result<Option<AcceptedLine>, NegotiationError> {
    // SAVPF over DTLS is the only profile (RFC 8834 section 4.2); the transport word of it means nothing (RFC 8829).
    if !matches!(line.proto.as_str(), "UDP/TLS/RTP/SAVPF" | "TCP/TLS/RTP/SAVPF") {
        return Ok(None);
    }
    let mut codecs = codecs::accept(line);
    if line.direction.client_sends() && !codecs.is_empty() {
        let live = state.slots[index].live.as_ref();
        let agreed = live.and_then(|live| live.policy.as_ref()).unwrap_or(policy);
        agreed.apply(kind, &mut codecs);
        if codecs.is_empty() {
            return Err(NegotiationError::CodecsNotAllowed { line: index });
        }
    }
    let only_red = codecs.iter().all(|codec| codec.line.codec == Codec::Red);
    let Some(mid) = line.mid.clone().filter(|_| !only_red) else {
        return Ok(None);
    };
    if !line.rtcp_mux {
        return Err(NegotiationError::RtcpMux { line: index });
    }

    let mixed = offer.mixed_extensions || line.mixed_extensions;
    let extensions = accept_extensions(line, mixed, state);
    let has = |kind| extensions.iter().any(|(_, other, _)| *other == kind);
    for codec in &mut codecs {
        codec.feedback.transport_cc &= has(ExtensionKind::TransportCc);
    }
    // Without these two a simulcast stream cannot be told from the next one.
    let by_rid = line.direction.client_sends() && has(ExtensionKind::Mid) && has(ExtensionKind::Rid);
    let seat = match state.slots[index].live.as_ref().and_then(|live| live.seat) {
        None if line.direction.client_receives() => Some(new_seat(line.media, state, taken_ssrcs)),
        seat => seat,
    };
    Ok(Some(AcceptedLine::Rtp(RtpLine {
        mid,
        kind,
        direction: line.direction,
        codecs,
        extensions,
        rids: if by_rid { line.rids.clone() } else { Vec::new() },
        ssrcs: if line.direction.client_sends() {
            line.ssrc_pairs()
        } else {
            Vec::new()
        },
        seat,
    })))
}

/// The extensions we know, as long as an id means the same in every m-line and in every offer.
fn accept_extensions(
    line: &OfferedLine,
    mixed: bool,
    state: &mut State,
) -> Vec<(u8, ExtensionKind, Option<Direction>)> {
    let mut accepted: Vec<(u8, ExtensionKind, Option<Direction>)> = Vec::new();
    for extmap in &line.extmaps {
        let Some(kind) = ExtensionKind::from_uri(&extmap.uri) else {
            continue;
        };
        // Ids above 14 need the two-byte form, and both forms in one stream need consent (RFC 8285 section 6).
        let usable = extmap.id <= 14 || mixed;
        if !usable || accepted.iter().any(|(_, other, _)| *other == kind) {
            continue;
        }
        let agrees = match (state.extensions.id(kind), state.extensions.kind(extmap.id)) {
            (None, None) => {
                state.extensions.set(kind, extmap.id);
                true
            }
            (Some(id), _) => id == extmap.id,
            (None, Some(_)) => false,
        };
        if agrees {
            accepted.push((extmap.id, kind, extmap.direction.map(Direction::flipped)));
        }
    }
    accepted
}

fn new_seat(media: Media, state: &mut State, taken_ssrcs: &HashSet<u32>) -> SeatHalf {
    let of_this_kind: HashSet<usize> = live_lines(state)
        .filter(|line| line.media == media)
        .filter_map(|line| line.seat)
        .map(|seat| seat.number)
        .collect();
    let mut used: HashSet<u32> = live_lines(state)
        .filter_map(|line| line.seat)
        .flat_map(|seat| [seat.ssrc, seat.rtx_ssrc])
        .collect();
    let number = (0..).find(|number| !of_this_kind.contains(number)).unwrap_or_default();
    let mut ssrc = || {
        loop {
            let ssrc = (state.random.next() >> 32) as u32;
            if ssrc != 0 && !taken_ssrcs.contains(&ssrc) && used.insert(ssrc) {
                return ssrc;
            }
        }
    };
    SeatHalf {
        number,
        ssrc: ssrc(),
        rtx_ssrc: ssrc(),
    }
}

/// The client's half of the path, and whether it restarted ICE; new local credentials are in `state` then.
fn remote(
    offer: &Offer,
    lines: &[Option<AcceptedLine>],
    bundle: &[String],
    state: &mut State,
) -> Result<(Remote, bool), NegotiationError> {
    let accepted = || {
        offer
            .lines
            .iter()
            .zip(lines)
            .filter(|(_, accepted)| accepted.is_some())
            .map(|(line, _)| line)
    };
    if accepted().next().is_none() {
        // Everything was stopped: the path stays as it was, until something is added again.
        return state
            .remote
            .clone()
            .map(|remote| (remote, false))
            .ok_or(NegotiationError::NothingInCommon);
    }
    // The path of a bundle is described in the m-line of its first mid (RFC 9143 section 7.1.3). Clients repeat it in
    // the others or at session level.
    let tag = bundle.first();
    let tagged = accepted().filter(|line| tag.is_some() && line.mid.as_ref() == tag);
    let paths: Vec<&Path> = tagged
        .chain(accepted())
        .map(|line| &line.path)
        .chain(std::iter::once(&offer.path))
        .collect();

    let setup = paths.iter().find_map(|path| path.setup.as_deref());
    if !matches!(setup, None | Some("actpass" | "active")) {
        return Err(NegotiationError::Setup);
    }
    let prints = paths
        .iter()
        .map(|path| &path.fingerprints)
        .find(|prints| !prints.is_empty());
    let fingerprint = fingerprint(prints.ok_or(NegotiationError::FingerprintMissing)?)?;
    let (ufrag, pwd) = paths
        .iter()
        .find_map(|path| path.ufrag.clone().zip(path.pwd.clone()))
        .filter(|(ufrag, pwd)| is_ice_word(ufrag, 4) && is_ice_word(pwd, 22))
        .ok_or(NegotiationError::IceCredentials)?;

    let remote = Remote {
        ufrag,
        pwd,
        fingerprint,
    };
    let restarted = state
        .remote
        .as_ref()
        .is_some_and(|old| old.ufrag != remote.ufrag || old.pwd != remote.pwd);
    if restarted {
        state.ice = Credentials::random();
    }
    Ok((remote, restarted))
}

/// RFC 8839 section 5.4: 4 to 256 characters for the fragment, 22 to 256 for the password.
pub(super) fn is_ice_word(word: &str, shortest: usize) -> bool {
    (shortest..=256).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The one SHA-256 fingerprint among those given; others may stand beside it (RFC 8122 section 5).
fn fingerprint(prints: &[(String, String)]) -> Result<Fingerprint, NegotiationError> {
    let mut found = None;
    for (_, value) in prints.iter().filter(|(algorithm, _)| algorithm == "sha-256") {
        let print = Fingerprint::from_hex(value).ok_or(NegotiationError::FingerprintUnusable)?;
        if found.replace(print).is_some_and(|other| other != print) {
            return Err(NegotiationError::FingerprintAmbiguous);
        }
    }
    found.ok_or(NegotiationError::FingerprintUnusable)
}
