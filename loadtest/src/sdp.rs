//! Offers of endpoints, and what is needed of answers.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, bail};
use enfilade::packet::{ExtensionKind, ExtensionMap, Kind};
use enfilade::transport::fingerprint::Fingerprint;

use crate::engine::Credentials;

pub(crate) const OPUS: u8 = 111;
pub(crate) const VP8: u8 = 96;
pub(crate) const RTX: u8 = 97;

/// Which way media goes on an m-line, from us.
#[derive(Clone, Debug)]
pub(crate) enum Direction {
    Receives,
    /// One SSRC for each encoding; `rids` is empty where there is only one.
    Sends {
        ssrcs: Vec<u32>,
        rids: Vec<String>,
    },
}

/// One m-line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) kind: Kind,
    pub(crate) direction: Direction,
}

/// What an offer is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes {
    /// Transport-wide numbers and feedback about them.
    pub(crate) feedback: bool,
    /// Retransmission as RFC 4588 has it.
    pub(crate) rtx: bool,
}

/// Ids that an offer gives to header extensions.
fn offered(kind: Kind, wishes: Wishes) -> Vec<(ExtensionKind, u8)> {
    let mut ids = vec![(ExtensionKind::Mid, 4)];
    if wishes.feedback {
        ids.push((ExtensionKind::TransportCc, 3));
    }
    match kind {
        Kind::Audio => ids.push((ExtensionKind::AudioLevel, 1)),
        Kind::Video => ids.extend([(ExtensionKind::Rid, 10), (ExtensionKind::PlayoutDelay, 5)]),
    }
    ids
}

/// Writes an offer.
pub(crate) fn offer(own: &Credentials, fingerprint: Fingerprint, lines: &[Line], wishes: Wishes) -> String {
    let mids: Vec<String> = (0..lines.len()).map(|mid| mid.to_string()).collect();
    let mut sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\na=msid-semantic: WMS\r\n",
        mids.join(" ")
    );
    for (mid, line) in mids.iter().zip(lines) {
        // Writing to a string cannot fail.
        let _written = write_line(&mut sdp, own, fingerprint, mid, line, wishes);
    }
    sdp
}

fn write_line(
    sdp: &mut String,
    own: &Credentials,
    fingerprint: Fingerprint,
    mid: &str,
    line: &Line,
    wishes: Wishes,
) -> std::fmt::Result {
    let formats = match line.kind {
        Kind::Audio => format!("audio 9 UDP/TLS/RTP/SAVPF {OPUS}"),
        Kind::Video if wishes.rtx => format!("video 9 UDP/TLS/RTP/SAVPF {VP8} {RTX}"),
        Kind::Video => format!("video 9 UDP/TLS/RTP/SAVPF {VP8}"),
    };
    write!(sdp, "m={formats}\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n")?;
    write!(sdp, "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", own.ufrag, own.pwd)?;
    write!(sdp, "a=fingerprint:{fingerprint}\r\na=setup:active\r\na=mid:{mid}\r\n")?;
    for (kind, id) in offered(line.kind, wishes) {
        write!(sdp, "a=extmap:{id} {}\r\n", kind.uri())?;
    }
    let way = match line.direction {
        Direction::Receives => "recvonly",
        Direction::Sends { .. } => "sendonly",
    };
    write!(sdp, "a={way}\r\na=rtcp-mux\r\na=rtcp-rsize\r\n")?;
    match line.kind {
        Kind::Audio => {
            write!(
                sdp,
                "a=rtpmap:{OPUS} opus/48000/2\r\na=fmtp:{OPUS} minptime=10;useinbandfec=1\r\n"
            )?;
            if wishes.feedback {
                write!(sdp, "a=rtcp-fb:{OPUS} transport-cc\r\n")?;
            }
        }
        Kind::Video => {
            write!(sdp, "a=rtpmap:{VP8} VP8/90000\r\n")?;
            for feedback in ["ccm fir", "nack", "nack pli"] {
                write!(sdp, "a=rtcp-fb:{VP8} {feedback}\r\n")?;
            }
            if wishes.feedback {
                write!(sdp, "a=rtcp-fb:{VP8} transport-cc\r\n")?;
            }
            if wishes.rtx {
                write!(sdp, "a=rtpmap:{RTX} rtx/90000\r\na=fmtp:{RTX} apt={VP8}\r\n")?;
            }
        }
    }
    if let Direction::Sends { ssrcs, rids } = &line.direction {
        write!(sdp, "a=msid:- track{mid}\r\n")?;
        if rids.is_empty() {
            for ssrc in ssrcs {
                write!(sdp, "a=ssrc:{ssrc} cname:loadtest\r\n")?;
            }
        } else {
            for rid in rids {
                write!(sdp, "a=rid:{rid} send\r\n")?;
            }
            write!(sdp, "a=simulcast:send {}\r\n", rids.join(";"))?;
        }
    }
    Ok(())
}

/// Answers an offer to send: everything is taken, with the header extensions that endpoints know.
pub(crate) fn answer(offer: &str, own: &Credentials, fingerprint: Fingerprint) -> String {
    let mut sdp = String::from("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
    for line in offer.lines().map(str::trim) {
        let known = [
            "a=group:",
            "m=",
            "a=mid:",
            "a=rtpmap:",
            "a=fmtp:",
            "a=rtcp-fb:",
            "a=rtcp-mux",
        ];
        let stamp = line.starts_with("a=extmap:") && line.contains(ExtensionKind::PlayoutDelay.uri());
        if stamp || known.iter().any(|prefix| line.starts_with(prefix)) {
            sdp.push_str(line);
            sdp.push_str("\r\n");
        }
        if line.starts_with("m=") {
            let Credentials { ufrag, pwd } = own;
            // Writing to a string cannot fail.
            let _written = write!(
                sdp,
                "c=IN IP4 0.0.0.0\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\na=fingerprint:{fingerprint}\r\n\
                 a=setup:active\r\na=recvonly\r\na=end-of-candidates\r\n"
            );
        }
    }
    sdp
}

/// The payload type of retransmissions.
pub(crate) fn rtx_of(sdp: &str) -> Option<u8> {
    let line = sdp
        .lines()
        .find(|line| line.starts_with("a=rtpmap:") && line.contains(" rtx/"))?;
    line.strip_prefix("a=rtpmap:")?.split(' ').next()?.parse().ok()
}

/// What an answer says of the server.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) server: Credentials,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) remote: SocketAddr,
    /// Header extensions of each m-line.
    pub(crate) extensions: Vec<ExtensionMap>,
}

impl Answer {
    /// Reads an answer. Of several candidates the one with the address in `near` is taken, or else the first.
    pub(crate) fn read(sdp: &str, near: Option<IpAddr>) -> anyhow::Result<Self> {
        let value = |key: &str| {
            let prefix = format!("a={key}:");
            sdp.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::trim)
        };
        let server = Credentials {
            ufrag: value("ice-ufrag").context("an answer without ice-ufrag")?.to_owned(),
            pwd: value("ice-pwd").context("an answer without ice-pwd")?.to_owned(),
        };
        let hash = sdp
            .lines()
            .filter_map(|line| line.strip_prefix("a=fingerprint:"))
            .find_map(|value| {
                value
                    .trim()
                    .split_once(' ')
                    .filter(|(name, _)| name.eq_ignore_ascii_case("sha-256"))
            })
            .context("an answer without a SHA-256 fingerprint")?
            .1;
        let fingerprint = Fingerprint::from_hex(hash).context("an unreadable fingerprint")?;
        let candidates: Vec<SocketAddr> = sdp
            .lines()
            .filter_map(|line| candidate(line.trim().strip_prefix("a=candidate:")?))
            .collect();
        let usual = candidates.first().copied();
        let Some(remote) = candidates.into_iter().find(|at| Some(at.ip()) == near).or(usual) else {
            bail!("an answer without a UDP candidate");
        };
        let mut extensions: Vec<ExtensionMap> = Vec::new();
        for line in sdp.lines().map(str::trim) {
            if line.starts_with("m=") {
                extensions.push(ExtensionMap::default());
            } else if let (Some(value), Some(map)) = (line.strip_prefix("a=extmap:"), extensions.last_mut())
                && let Some((id, uri)) = value.split_once(' ')
                && let (Ok(id), Some(kind)) = (
                    id.split('/').next().unwrap_or_default().parse(),
                    ExtensionKind::from_uri(uri.split(' ').next().unwrap_or_default()),
                )
            {
                map.set(kind, id);
            }
        }
        Ok(Self {
            server,
            fingerprint,
            remote,
            extensions,
        })
    }
}

/// The address of a UDP candidate of component 1.
fn candidate(value: &str) -> Option<SocketAddr> {
    let mut fields = value.split_whitespace();
    let (_, component, protocol) = (fields.next()?, fields.next()?, fields.next()?);
    let (_, ip, port) = (fields.next()?, fields.next()?, fields.next()?);
    if component != "1" || !protocol.eq_ignore_ascii_case("udp") {
        return None;
    }
    Some(SocketAddr::new(ip.parse().ok()?, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_gives_path_certificate_and_extensions() {
        let hash = vec!["AB"; 32].join(":");
        let sdp = format!(
            "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:us\r\na=ice-pwd:secret\r\na=fingerprint:SHA-256 {hash}\r\n\
             a=candidate:1 1 udp 1 192.0.2.1 7882 typ host\r\na=candidate:2 1 UDP 1 127.0.0.1 7882 typ host\r\n\
             a=candidate:3 1 tcp 1 127.0.0.1 7882 typ host tcptype passive\r\n\
             a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=extmap:5/sendrecv {}\r\n",
            ExtensionKind::PlayoutDelay.uri()
        );
        let near = Answer::read(&sdp, Some([127, 0, 0, 1].into())).unwrap();
        assert_eq!(near.remote, SocketAddr::from(([127, 0, 0, 1], 7882)));
        assert_eq!((near.server.ufrag.as_str(), near.server.pwd.as_str()), ("us", "secret"));
        assert_eq!(near.fingerprint, Fingerprint([0xab; 32]));
        assert_eq!(near.extensions[0].id(ExtensionKind::Mid), Some(4));
        assert_eq!(near.extensions[1].id(ExtensionKind::PlayoutDelay), Some(5));
        let far = Answer::read(&sdp, None).unwrap();
        assert_eq!(far.remote, SocketAddr::from(([192, 0, 2, 1], 7882)));
        for missing in ["ice-ufrag", "ice-pwd", "fingerprint", "candidate"] {
            let without: String = sdp
                .lines()
                .filter(|line| !line.contains(missing))
                .fold(String::new(), |all, line| all + line + "\r\n");
            assert!(Answer::read(&without, None).is_err(), "{missing}");
        }
    }
}
