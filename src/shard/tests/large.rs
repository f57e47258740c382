//! Large rooms: who is heard, and what is wanted, over two shards.

use super::*;
use crate::media::{Claim, DropReason, Feedback};
use crate::packet::ExtensionKind;
use crate::shard::event::ShardEvent;

const ROOM: u32 = 1;
const LEVEL_ID: u8 = 1;

fn source(nth: u64) -> SourceKey {
    SourceKey(u64::from(ROOM) << 32 | nth)
}

fn egress(nth: u64) -> EgressKey {
    EgressKey(u64::from(ROOM) << 32 | nth)
}

fn extensions() -> ExtensionMap {
    let mut map = ExtensionMap::default();
    map.set(ExtensionKind::AudioLevel, LEVEL_ID);
    map
}

/// Somebody with a microphone that says how loud it is.
struct Speaker {
    client: Client,
    nth: u64,
    index: u64,
}

impl Speaker {
    fn join(shard: &mut Ready, nth: u64) -> Speaker {
        let client = Client::connect(shard, nth as u32);
        let line = ReceiveLine {
            mid: "0".to_owned(),
            kind: Kind::Audio,
            codecs: vec![CodecLine {
                payload_type: 111,
                codec: Codec::Opus,
                rtx_payload_type: None,
                fmtp: String::new(),
            }],
            rids: Vec::new(),
            ssrcs: Vec::new(),
            nack: false,
            transport_cc: false,
            remb: false,
        };
        shard.tell(ShardCommand::SetReceive {
            transport: client.transport,
            lines: vec![line],
            extensions: extensions(),
        });
        shard.tell(ShardCommand::Publish {
            transport: client.transport,
            mid: "0".to_owned(),
            source: source(nth),
            kind: Kind::Audio,
            is_voice: true,
            encodings: 1,
        });
        Speaker { client, nth, index: 0 }
    }

    /// The next packet, this loud (-dBov).
    fn say(&mut self, shard: &mut Ready, dbov: u8) {
        let index = self.index;
        self.index += 1;
        let header = FixedHeader {
            marker: false,
            payload_type: 111,
            sequence_number: index as u16,
            timestamp: index as u32 * 960,
            ssrc: 7,
        };
        let mut datagram = header.to_bytes().to_vec();
        datagram[0] |= 0x10;
        datagram.extend_from_slice(&[0xbe, 0xde, 0, 1, LEVEL_ID << 4, 0x80 | dbov, 0, 0]);
        let head = datagram.len();
        datagram.extend_from_slice(b"a frame of speech");
        let plain = datagram.len();
        datagram.resize(plain + 16, 0);
        self.client.sealer.seal_rtp(&mut datagram, head, plain, 0);
        let from = self.client.socket.local_addr().unwrap();
        let arrival = Arrival::udp(from);
        shard.shard.handle_datagram(Instant::now(), arrival, &mut datagram);
        shard.shard.flush();
    }
}

/// Somebody who listens to several: a seat for each.
fn listen(shard: &mut Ready, nth: u32, sources: &[(u64, Limits)]) -> Client {
    let client = Client::connect(shard, nth);
    for (speaker, limits) in sources {
        let mut payload_types = PayloadTypes::default();
        payload_types.add(Codec::Opus, 111, None);
        let egress = egress(u64::from(nth) * 1000 + speaker);
        shard.tell(ShardCommand::AddEgress {
            transport: client.transport,
            egress,
            kind: Kind::Audio,
            ssrc: *speaker as u32,
            rtx_ssrc: None,
            cname: "test".to_owned(),
            payload_types,
            feedback: Feedback::None,
        });
        let (source, limits) = (source(*speaker), *limits);
        shard.tell(ShardCommand::Bind { egress, source, limits });
    }
    client
}

/// Sequence numbers of what came, by who said it.
fn heard(client: &mut Client, from: u64) -> Vec<u16> {
    let (mut heard, mut buffer) = (Vec::new(), [0; 2_000]);
    let mut others = Vec::new();
    while let Ok(len) = client.socket.recv(&mut buffer) {
        let datagram = &mut buffer[..len];
        if (192..=223).contains(&datagram[1]) {
            continue;
        }
        let header = RtpHeader::parse(datagram).unwrap();
        client.opener.open_rtp(datagram, &header).unwrap();
        if u64::from(header.ssrc) == from {
            heard.push(header.sequence_number);
        } else {
            others.push(header.ssrc);
        }
    }
    assert!(others.is_empty(), "{others:?} were heard as well");
    heard
}

fn drops(shard: &Ready) -> u64 {
    let dropped = shard.shard.counters.dropped();
    dropped
        .filter(|(reason, _)| *reason == DropReason::NotLoudest)
        .map(|(_, n)| n)
        .sum()
}

fn replicate(away: &mut Ready, home: &mut Ready, nth: u64) {
    away.tell(ShardCommand::AddReplica {
        source: source(nth),
        kind: Kind::Audio,
        is_voice: true,
        encodings: 1,
        extensions: extensions(),
        home: home.shard.id,
    });
    home.tell(ShardCommand::Relay {
        source: source(nth),
        to: away.shard.id,
        on: true,
    });
}

fn loudest(shard: &mut Ready, most: usize) {
    shard.tell(ShardCommand::SetLoudest { room: ROOM, most });
}

#[test]
fn of_many_voices_the_loudest_are_heard_and_the_others_cost_nothing_behind_the_door() {
    let mut shards = shards(2);
    let [home, away] = shards.as_mut_slice() else { panic!() };
    let mut people: Vec<Speaker> = (1..=8).map(|nth| Speaker::join(home, nth)).collect();
    for nth in 1..=8 {
        replicate(away, home, nth);
    }
    let everybody: Vec<_> = (1..=8).map(|nth| (nth, Limits::default())).collect();
    let mut here = listen(home, 20, &everybody);
    let mut there = listen(away, 21, &everybody);
    loudest(home, 1);
    loudest(away, 1);
    for _ in 0..20 {
        for speaker in &mut people {
            let dbov = if speaker.nth == 5 { 30 } else { 127 };
            speaker.say(home, dbov);
        }
    }
    assert_eq!(home.shard.counters.relayed.get(), 20);
    away.turn();
    assert_eq!(heard(&mut here, 5).len(), 20);
    assert_eq!(heard(&mut there, 5).len(), 20);
    assert_eq!((drops(home), drops(away)), (140, 0));
}

#[test]
fn who_is_heard_again_has_no_gap_in_its_numbers_here_and_on_other_shards() {
    let mut shards = shards(2);
    let [home, away] = shards.as_mut_slice() else { panic!() };
    let mut ann = Speaker::join(home, 1);
    replicate(away, home, 1);
    let mut here = listen(home, 20, &[(1, Limits::default())]);
    let mut there = listen(away, 21, &[(1, Limits::default())]);
    loudest(home, 1);
    loudest(away, 1);
    let (mut seen_here, mut seen_there) = (Vec::new(), Vec::new());
    for round in 0..6 {
        for _ in 0..10 {
            // Silence takes no place, so a pause before the first word is a pause for everybody.
            ann.say(home, if round % 2 == 1 { 30 } else { 127 });
        }
        if round % 2 == 1 {
            home.shard.loudest.remove(source(1));
            away.shard.loudest.remove(source(1));
        }
        away.turn();
        seen_here.extend(heard(&mut here, 1));
        seen_there.extend(heard(&mut there, 1));
    }
    for seen in [seen_here, seen_there] {
        assert_eq!(seen.len(), 30);
        assert!(seen.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seen:?}");
    }
}

#[test]
fn who_is_pinned_is_heard_by_who_pinned_it_wherever_they_are() {
    let mut shards = shards(2);
    let [home, away] = shards.as_mut_slice() else { panic!() };
    let (mut ann, mut bob) = (Speaker::join(home, 1), Speaker::join(home, 2));
    replicate(away, home, 1);
    let pinned = Limits {
        claim: Claim::Pinned,
        ..Limits::default()
    };
    let mut fan = listen(away, 21, &[(1, pinned)]);
    let mut other = listen(away, 22, &[(1, Limits::default())]);
    away.turn();
    home.turn();
    loudest(home, 1);
    loudest(away, 1);
    for _ in 0..20 {
        bob.say(home, 20);
        ann.say(home, 50);
    }
    away.turn();
    assert_eq!(heard(&mut fan, 1).len(), 20);
    // That shard knows of nobody louder: Bob has no listener there, so his packets do not come.
    assert_eq!(heard(&mut other, 1).len(), 20);
}

#[test]
fn a_subscriber_gets_no_more_voices_than_the_room_allows_wherever_they_come_from() {
    let mut shards = shards(2);
    let [home, away] = shards.as_mut_slice() else { panic!() };
    let mut near: Vec<Speaker> = (1..=3).map(|nth| Speaker::join(away, nth)).collect();
    let mut far: Vec<Speaker> = (4..=6).map(|nth| Speaker::join(home, nth)).collect();
    (4..=6).for_each(|nth| replicate(away, home, nth));
    let everybody: Vec<_> = (1..=6).map(|nth| (nth, Limits::default())).collect();
    let listener = listen(away, 20, &everybody);
    loudest(home, 2);
    loudest(away, 2);
    for _ in 0..20 {
        near.iter_mut().for_each(|speaker| speaker.say(away, 30));
        far.iter_mut().for_each(|speaker| speaker.say(home, 30));
        away.shard.read_relay(Instant::now());
        away.shard.flush();
    }
    let (mut packets, mut buffer) = (0, [0; 2_000]);
    while let Ok(len) = listener.socket.recv(&mut buffer) {
        packets += usize::from(len > 0 && !(192..=223).contains(&buffer[1]));
    }
    assert_eq!(packets, 40);
}

#[test]
fn when_the_room_is_small_again_everybody_is_heard() {
    let mut shards = shards(1);
    let shard = &mut shards[0];
    let (mut ann, mut bob) = (Speaker::join(shard, 1), Speaker::join(shard, 2));
    let mut cat = listen(shard, 20, &[(1, Limits::default())]);
    loudest(shard, 1);
    for _ in 0..10 {
        bob.say(shard, 30);
        ann.say(shard, 30);
    }
    assert!(heard(&mut cat, 1).is_empty());
    loudest(shard, 0);
    (0..10).for_each(|_| ann.say(shard, 127));
    assert_eq!(heard(&mut cat, 1).len(), 10);
}

/// What the shard told the room of who watches [`SOURCE`].
fn demands(events: &mut tokio::sync::mpsc::Receiver<ShardEvent>) -> Vec<u8> {
    let mut demands = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let ShardEvent::Demand { source, encodings } = event {
            assert_eq!(source, SOURCE);
            demands.push(encodings);
        }
    }
    demands
}

#[test]
fn what_is_wanted_on_any_shard_is_told_to_the_room_once() {
    let mut shards = shards(2);
    let [home, away] = shards.as_mut_slice() else { panic!() };
    let (sender, mut events) = tokio::sync::mpsc::channel(100);
    home.shard.handle_mail(
        Instant::now(),
        Mail::RoomOpened {
            number: ROOM,
            events: sender,
        },
    );
    let ann = Client::connect(home, 1);
    let bob = Client::connect(away, 2);
    ann.publish(home, Kind::Video);
    home.turn();
    assert_eq!(demands(&mut events), [0]);
    away.tell(ShardCommand::AddReplica {
        source: SOURCE,
        kind: Kind::Video,
        is_voice: false,
        encodings: 1,
        extensions: ExtensionMap::default(),
        home: ShardId(0),
    });
    let relay = |on| ShardCommand::Relay {
        source: SOURCE,
        to: ShardId(1),
        on,
    };
    home.tell(relay(true));
    bob.add_seat(away, Kind::Video, EGRESS);
    away.turn();
    home.turn();
    assert_eq!(demands(&mut events), [1]);
    let cat = Client::connect(home, 3);
    cat.add_seat(home, Kind::Video, EgressKey(EGRESS.0 + 1));
    home.turn();
    away.turn();
    home.turn();
    assert_eq!(demands(&mut events), [0_u8; 0], "no news");
    home.tell(ShardCommand::Unbind {
        egress: EgressKey(EGRESS.0 + 1),
    });
    home.turn();
    assert_eq!(demands(&mut events), [0_u8; 0], "it is still watched over there");
    // The replica goes, and what it said last arrives afterwards.
    home.tell(relay(false));
    let late = Mail::Demand {
        source: SOURCE,
        from: ShardId(1),
        demand: home.shard.sources.get_mut(SOURCE).unwrap().source.demand(),
    };
    home.shard.handle_mail(Instant::now(), late);
    home.turn();
    assert_eq!(demands(&mut events), [0]);
}

#[test]
fn reports_of_all_seats_travel_in_as_few_datagrams_as_hold_them() {
    const SPEAKERS: u64 = 40;
    let mut ready = shards(1).remove(0);
    let shard = &mut ready;
    let (mut everybody, mut sources) = (Vec::new(), Vec::new());
    for nth in 1..=SPEAKERS {
        everybody.push(Speaker::join(shard, nth));
        sources.push((nth, Limits::default()));
    }
    let mut bob = listen(shard, 500, &sources);
    for speaker in &mut everybody {
        speaker.say(shard, 30);
    }
    let slot = shard.shard.table.slot(bob.transport).unwrap();
    let mut buffer = [0; 2_000];
    // What they said is of no interest here.
    while bob.socket.recv(&mut buffer).is_ok() {}
    shard.shard.send_reports(Instant::now(), slot);
    let (mut reported, mut datagrams) = (Vec::new(), 0);
    while let Ok(len) = bob.socket.recv(&mut buffer) {
        assert!(len <= 1_232, "{len} bytes");
        datagrams += 1;
        let mut compound = buffer[..len].to_vec();
        let opened = bob.opener.open_rtcp(&mut compound).unwrap();
        for (at, block) in blocks(&compound[..opened]).enumerate() {
            if let RtcpBlock::SenderReport { ssrc, .. } = block {
                reported.push(u64::from(ssrc));
            }
            let is_report = matches!(block, RtcpBlock::SenderReport { .. } | RtcpBlock::ReceiverReport { .. });
            assert!(
                at > 0 || is_report,
                "a compound begins with a report (RFC 3550 section 6.1)"
            );
        }
    }
    assert_eq!(reported, (1..=SPEAKERS).collect::<Vec<_>>());
    assert!(datagrams <= 3, "{datagrams} datagrams");
}
