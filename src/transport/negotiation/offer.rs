//! Reads an offer into the few things that we negotiate. Everything else in it is ignored, as SDP asks.
//!
//! One pass over the attributes, bounded lists, no lookups inside loops: a hostile offer at the size limit costs what
//! its bytes cost.

use std::collections::BTreeMap;
use std::io::Cursor;

use rtc_sdp::SessionDescription;
use rtc_sdp::description::common::Attribute;
use rtc_sdp::description::media::MediaDescription;

use super::NegotiationError;
use super::limits;
use super::simulcast;

/// What kind of m-line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    Audio,
    Video,
    /// Data channels.
    Application,
    /// `text`, `message`, `image`: never accepted.
    Other,
}

/// Direction as the client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    fn from_attribute(key: &str) -> Option<Direction> {
        match key {
            "sendrecv" => Some(Direction::SendRecv),
            "sendonly" => Some(Direction::SendOnly),
            "recvonly" => Some(Direction::RecvOnly),
            "inactive" => Some(Direction::Inactive),
            _ => None,
        }
    }

    pub(super) fn attribute(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    /// The same flow from the other end (RFC 3264 section 6.1).
    pub(super) fn flipped(self) -> Direction {
        match self {
            Direction::SendOnly => Direction::RecvOnly,
            Direction::RecvOnly => Direction::SendOnly,
            Direction::SendRecv | Direction::Inactive => self,
        }
    }

    pub(super) fn client_sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    pub(super) fn client_receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }
}

/// RTCP feedback of one payload type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Feedback {
    pub(super) nack: bool,
    pub(super) pli: bool,
    pub(super) fir: bool,
    pub(super) remb: bool,
    pub(super) transport_cc: bool,
}

impl Feedback {
    fn add(&mut self, value: &str) {
        let mut words = value.split_ascii_whitespace();
        match (words.next(), words.next()) {
            (Some("nack"), None) => self.nack = true,
            (Some("nack"), Some("pli")) => self.pli = true,
            (Some("ccm"), Some("fir")) => self.fir = true,
            (Some("goog-remb"), None) => self.remb = true,
            (Some("transport-cc"), None) => self.transport_cc = true,
            _ => {}
        }
    }

    pub(super) fn or(self, other: Feedback) -> Feedback {
        Feedback {
            nack: self.nack || other.nack,
            pli: self.pli || other.pli,
            fir: self.fir || other.fir,
            remb: self.remb || other.remb,
            transport_cc: self.transport_cc || other.transport_cc,
        }
    }
}

/// What `a=rtpmap`, `a=fmtp` and `a=rtcp-fb` say about one payload type.
#[derive(Clone, Debug, Default)]
pub(super) struct Format {
    /// `opus/48000/2`.
    pub(super) rtpmap: String,
    pub(super) fmtp: String,
    pub(super) feedback: Feedback,
}

/// An `a=extmap`.
#[derive(Clone, Debug)]
pub(super) struct Extmap {
    pub(super) id: u8,
    pub(super) direction: Option<Direction>,
    pub(super) uri: String,
}

/// The attributes that belong to the path and not to one medium. May stand at session or media level.
#[derive(Clone, Debug, Default)]
pub(super) struct Path {
    pub(super) ufrag: Option<String>,
    pub(super) pwd: Option<String>,
    /// Algorithm and value.
    pub(super) fingerprints: Vec<(String, String)>,
    pub(super) setup: Option<String>,
}

impl Path {
    fn add(&mut self, key: &str, value: &str) {
        match key {
            "ice-ufrag" => self.ufrag = Some(value.to_owned()),
            "ice-pwd" => self.pwd = Some(value.to_owned()),
            "setup" => self.setup = Some(value.to_owned()),
            "fingerprint" if self.fingerprints.len() < limits::FINGERPRINTS => {
                let (algorithm, print) = value.split_once(' ').unwrap_or((value, ""));
                self.fingerprints
                    .push((algorithm.to_ascii_lowercase(), print.trim().to_owned()));
            }
            _ => {}
        }
    }
}

/// One m-line.
#[derive(Clone, Debug)]
pub(super) struct OfferedLine {
    pub(super) media: Media,
    /// The word in the m-line.
    pub(super) media_name: String,
    /// `UDP/TLS/RTP/SAVPF`, as written.
    pub(super) proto: String,
    /// As written; payload types for RTP.
    pub(super) formats: Vec<String>,
    /// Port 0 and not `a=bundle-only`: stopped (RFC 8829 section 5.2.2).
    pub(super) stopped: bool,
    pub(super) mid: Option<String>,
    pub(super) direction: Direction,
    pub(super) path: Path,
    pub(super) rtcp_mux: bool,
    pub(super) rtcp_rsize: bool,
    /// Who only receives would learn the round trip (RFC 3611 section 5.1).
    pub(super) receiver_round_trip: bool,
    pub(super) mixed_extensions: bool,
    pub(super) extmaps: Vec<Extmap>,
    pub(super) by_payload_type: BTreeMap<u8, Format>,
    /// `a=rtcp-fb:*`.
    pub(super) feedback_for_all: Feedback,
    /// Simulcast stream ids that the client sends, in its order.
    pub(super) rids: Vec<String>,
    pub(super) ssrcs: Vec<u32>,
    /// Primary and RTX.
    pub(super) fid_groups: Vec<(u32, u32)>,
    /// Order of simulcast SSRCs in clients that do not use rid.
    pub(super) sim_group: Vec<u32>,
    pub(super) max_message_bytes: Option<u64>,
}

/// An offer.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    /// Mids of the first BUNDLE group; `None` when the client bundles nothing.
    pub(super) bundle: Option<Vec<String>>,
    pub(super) mixed_extensions: bool,
    pub(super) ice_lite: bool,
    pub(super) path: Path,
    pub(super) lines: Vec<OfferedLine>,
}

impl Offer {
    /// Reads an offer.
    ///
    /// # Errors
    /// Too large, not SDP, or keyed by `a=crypto`.
    pub(super) fn parse(text: &str) -> Result<Offer, NegotiationError> {
        refuse_oversized(text)?;
        let description = SessionDescription::unmarshal(&mut Cursor::new(text))
            .map_err(|error| NegotiationError::Syntax(sentence(&error.to_string())))?;

        let mut offer = Offer {
            bundle: None,
            mixed_extensions: false,
            ice_lite: false,
            path: Path::default(),
            lines: Vec::new(),
        };
        let mut direction = Direction::SendRecv;
        for Attribute { key, value } in &description.attributes {
            let value = value.as_deref().unwrap_or_default();
            match key.as_str() {
                "group" if offer.bundle.is_none() => offer.bundle = bundle_group(value),
                "extmap-allow-mixed" => offer.mixed_extensions = true,
                "ice-lite" => offer.ice_lite = true,
                "crypto" => return Err(NegotiationError::Sdes),
                _ => offer.path.add(key, value),
            }
            direction = Direction::from_attribute(key).unwrap_or(direction);
        }
        for media in &description.media_descriptions {
            offer.lines.push(read_line(media, direction)?);
        }
        Ok(offer)
    }
}

/// Counts before parsing, so that a huge offer costs one pass over its bytes.
fn refuse_oversized(text: &str) -> Result<(), NegotiationError> {
    let too_large = |of, limit| Err(NegotiationError::TooLarge { of, limit });
    if text.len() > limits::OFFER_BYTES {
        return too_large("bytes", limits::OFFER_BYTES);
    }
    let (mut lines, mut m_lines) = (0, 0);
    for line in text.split('\n') {
        lines += 1;
        m_lines += usize::from(line.trim_start().starts_with("m="));
    }
    if lines > limits::TEXT_LINES {
        return too_large("lines", limits::TEXT_LINES);
    }
    if m_lines > limits::M_LINES {
        return too_large("m-lines", limits::M_LINES);
    }
    Ok(())
}

/// The parser's words, cut to what fits an error message and never more than one line.
fn sentence(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(120).collect()
}

fn bundle_group(value: &str) -> Option<Vec<String>> {
    let mut words = value.split_ascii_whitespace();
    (words.next()? == "BUNDLE").then(|| words.map(str::to_owned).collect())
}

fn read_line(media: &MediaDescription, direction: Direction) -> Result<OfferedLine, NegotiationError> {
    let name = &media.media_name;
    let mut bundle_only = false;
    let mut line = OfferedLine {
        media: match name.media.as_str() {
            "audio" => Media::Audio,
            "video" => Media::Video,
            "application" => Media::Application,
            _ => Media::Other,
        },
        media_name: name.media.clone(),
        proto: name.protos.join("/"),
        formats: name.formats.clone(),
        stopped: false,
        mid: None,
        direction,
        path: Path::default(),
        rtcp_mux: false,
        rtcp_rsize: false,
        receiver_round_trip: false,
        mixed_extensions: false,
        extmaps: Vec::new(),
        by_payload_type: BTreeMap::new(),
        feedback_for_all: Feedback::default(),
        rids: Vec::new(),
        ssrcs: Vec::new(),
        fid_groups: Vec::new(),
        sim_group: Vec::new(),
        max_message_bytes: None,
    };
    let mut rids = simulcast::Reader::default();
    for Attribute { key, value } in &media.attributes {
        let value = value.as_deref().unwrap_or_default().trim();
        match key.as_str() {
            "crypto" => return Err(NegotiationError::Sdes),
            "bundle-only" => bundle_only = true,
            "mid" if line.mid.is_none() => line.mid = Some(value.to_owned()),
            "rtcp-mux" => line.rtcp_mux = true,
            "rtcp-rsize" => line.rtcp_rsize = true,
            "rtcp-xr" => {
                let mut formats = value.split_whitespace();
                let asks = |format: &str| format == "rcvr-rtt=all" || format.starts_with("rcvr-rtt=all:");
                line.receiver_round_trip |= formats.any(asks);
            }
            "extmap-allow-mixed" => line.mixed_extensions = true,
            "extmap" if line.extmaps.len() < limits::EXTMAPS => line.extmaps.extend(extmap(value)),
            "rtpmap" => line.format(value, |format, rest| format.rtpmap = rest.to_owned()),
            "fmtp" => line.format(value, |format, rest| format.fmtp = rest.to_owned()),
            "rtcp-fb" => match value.strip_prefix("* ") {
                Some(rest) => line.feedback_for_all.add(rest),
                None => line.format(value, |format, rest| format.feedback.add(rest)),
            },
            "rid" => rids.rid(value),
            "simulcast" => rids.simulcast(value),
            "ssrc" => line.ssrc(value),
            "ssrc-group" => line.ssrc_group(value),
            "max-message-size" => line.max_message_bytes = value.parse().ok(),
            _ => line.path.add(key, value),
        }
        line.direction = Direction::from_attribute(key).unwrap_or(line.direction);
    }
    line.rids = rids.sent();
    line.stopped = name.port.value == 0 && !bundle_only;
    Ok(line)
}

impl OfferedLine {
    /// `<payload type> <rest>`; the first statement about a payload type wins only for those that overwrite, which
    /// is what browsers do as well.
    fn format(&mut self, value: &str, set: impl FnOnce(&mut Format, &str)) {
        if let Some((payload_type, rest)) = value.split_once(' ')
            && let Ok(payload_type @ 0..=127) = payload_type.parse::<u8>()
        {
            set(self.by_payload_type.entry(payload_type).or_default(), rest.trim());
        }
    }

    fn ssrc(&mut self, value: &str) {
        if self.ssrcs.len() < limits::SSRCS
            && let Some(ssrc) = value.split(' ').next().and_then(|ssrc| ssrc.parse().ok())
            && !self.ssrcs.contains(&ssrc)
        {
            self.ssrcs.push(ssrc);
        }
    }

    fn ssrc_group(&mut self, value: &str) {
        let mut words = value.split_ascii_whitespace();
        let semantics = words.next();
        let ssrcs: Vec<u32> = words.take(limits::SSRCS).map_while(|ssrc| ssrc.parse().ok()).collect();
        match (semantics, ssrcs.as_slice()) {
            (Some("FID"), &[primary, rtx]) if self.fid_groups.len() < limits::SSRCS && primary != rtx => {
                self.fid_groups.push((primary, rtx));
            }
            (Some("SIM"), _) => self.sim_group = ssrcs,
            _ => {}
        }
    }

    /// Primary SSRCs, each with its RTX SSRC, in the order of the encodings.
    pub(super) fn ssrc_pairs(&self) -> Vec<(u32, Option<u32>)> {
        let rtx_of = |primary| {
            self.fid_groups
                .iter()
                .find(|(first, _)| *first == primary)
                .map(|(_, rtx)| *rtx)
        };
        let mut pairs: Vec<_> = self
            .ssrcs
            .iter()
            .filter(|ssrc| !self.fid_groups.iter().any(|(_, rtx)| rtx == *ssrc))
            .map(|ssrc| (*ssrc, rtx_of(*ssrc)))
            .collect();
        // Stable: SSRCs outside the group stay behind it, in their own order.
        let place = |ssrc: u32| {
            self.sim_group
                .iter()
                .position(|other| *other == ssrc)
                .unwrap_or(usize::MAX)
        };
        pairs.sort_by_key(|(ssrc, _)| place(*ssrc));
        pairs
    }
}

/// `<id>[/<direction>] <uri> [<attributes>]` (RFC 8285 section 8). Ids above 255 are offers of an offer, not ids.
fn extmap(value: &str) -> Option<Extmap> {
    let mut words = value.split_ascii_whitespace();
    let (id, direction) = match words.next()?.split_once('/') {
        Some((id, direction)) => (id, Some(Direction::from_attribute(direction)?)),
        None => (value.split_ascii_whitespace().next()?, None),
    };
    let id = id.parse::<u8>().ok().filter(|id| *id != 0)?;
    Some(Extmap {
        id,
        direction,
        uri: words.next()?.to_owned(),
    })
}
