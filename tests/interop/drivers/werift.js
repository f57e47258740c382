/**
 * The engine werift: everything in TypeScript, and no codec. It sends what was encoded before, and hands over what it
 * took out of the packets to be decoded.
 */
import { RTCPeerConnection, useNACK, useOPUS, usePLI, useREMB, useSdesMid, useTransportWideCC, useTWCC, useVP8 } from 'werift';
import { OpusPacketizer, Vp8Packetizer, Vp8RtpPayload } from 'werift/nonstandard';
import { obey } from './lines.js';
import { readIvf, Replay, writeIvf } from './recording.js';
import { paced, Talk, until } from './scene.js';

const PROTOCOL = 'enfilade.data.v1';
const sessions = new Map();

class Session {
  stops = [];
  packets = { audio: [], video: [] };

  /** @param {any} order */
  constructor({ role, picture, recording, media, data }) {
    this.connection = new RTCPeerConnection({
      iceServers: [],
      bundlePolicy: 'max-bundle',
      codecs: { audio: [useOPUS()], video: [useVP8({ rtcpFeedback: [useNACK(), usePLI(), useREMB(), useTWCC()] })] },
      headerExtensions: { audio: [useSdesMid(), useTransportWideCC()], video: [useSdesMid(), useTransportWideCC()] },
    });
    if (media && role === 'publish') this.#send(picture, recording);
    if (media && role === 'subscribe') this.#receive();
    if (!data) return;
    const channel = this.connection.createDataChannel('interop', { protocol: PROTOCOL });
    const say = (to, payload) => {
      const name = Buffer.from(to);
      if (channel.readyState === 'open') channel.send(Buffer.concat([Buffer.from([name.length]), name, payload]));
    };
    this.talk = new Talk(say);
    channel.onMessage.subscribe((message) => {
      const [length] = message;
      this.talk.hear(message.subarray(1, 1 + length).toString(), message.subarray(1 + length));
    });
  }

  #send({ fps }, recording) {
    const video = new Replay(readIvf(recording.video));
    const sound = readIvf(recording.audio);
    const lines = Object.fromEntries(['audio', 'video'].map((kind) => [kind, this.connection.addTransceiver(kind, { direction: 'sendonly' })]));
    lines.video.sender.onPictureLossIndication.subscribe(() => video.askKeyframe());
    /** The payload type is known only after the answer; until then nothing can be sent anyway. */
    const packetizer = (kind, Kind) => {
      let made = null;
      return () => {
        const { codec, ssrc } = lines[kind].sender;
        if (!codec || this.connection.connectionState !== 'connected') return null;
        return (made ??= new Kind({ payloadType: codec.payloadType, ssrc, maxPayloadSize: 1_100 }));
      };
    };
    const put = (kind, packets) => packets.forEach((packet) => lines[kind].sender.sendRtp(packet));
    const [vp8, opus] = [packetizer('video', Vp8Packetizer), packetizer('audio', OpusPacketizer)];
    this.stops = [
      paced(fps, (n) => vp8() && put('video', vp8().packetize(video.next(), ((n * 90_000) / fps) >>> 0))),
      paced(50, (n) => opus() && put('audio', opus().packetize(sound[n % sound.length], (n * 960) >>> 0))),
    ];
  }

  #receive() {
    for (const kind of ['audio', 'video']) this.connection.addTransceiver(kind, { direction: 'recvonly' });
    this.connection.onTrack.subscribe((track) => {
      track.onReceiveRtp.subscribe((packet) => this.packets[track.kind].push(packet.clone()));
    });
  }

  async watch({ from, pictures, limitMs, dump }) {
    const enough = () => this.packets.video.filter((packet) => packet.header.marker).length > pictures && this.packets.audio.length > 55;
    const [, data] = await Promise.all([until(enough, limitMs), this.talk ? this.talk.talk(from.data, limitMs) : null]);
    const video = inOrder(this.packets.video);
    const audio = inOrder(this.packets.audio);
    const files = { video: `${dump}-video.ivf`, audio: `${dump}-audio.ivf` };
    writeIvf(files.video, 'VP80', pictureFrames(video.packets));
    writeIvf(files.audio, 'OPUS', audio.packets.map((packet) => packet.payload));
    return { video: { file: files.video, lost: video.lost }, audio: { file: files.audio, lost: audio.lost }, data };
  }
}

/** Packets by sequence number without repetitions or padding, and how many are not there. */
function inOrder(packets) {
  if (packets.length === 0) return { packets, lost: 0 };
  const first = packets[0].header.sequenceNumber;
  const place = (packet) => ((packet.header.sequenceNumber - first + 0x8000) & 0xffff) - 0x8000;
  const byPlace = new Map(packets.map((packet) => [place(packet), packet]));
  const places = [...byPlace.keys()].sort((a, b) => a - b);
  const lost = places.at(-1) - places[0] + 1 - places.length;
  return { packets: places.map((at) => byPlace.get(at)).filter((packet) => packet.payload.length > 0), lost };
}

/** Whole frames, the first of them a keyframe. */
function pictureFrames(packets) {
  const frames = [];
  let parts = [];
  for (const packet of packets) {
    const part = Vp8RtpPayload.deSerialize(packet.payload);
    if (part.isPartitionHead && part.pid === 0) parts = [];
    parts.push(part);
    if (!packet.header.marker) continue;
    if (frames.length || parts[0].isKeyframe) frames.push(Buffer.concat(parts.map((one) => one.payload)));
    parts = [];
  }
  return frames;
}

obey({
  async offer(order) {
    const session = new Session(order);
    sessions.set(order.session, session);
    await session.connection.setLocalDescription(await session.connection.createOffer());
    return { sdp: session.connection.localDescription.sdp };
  },

  async answer({ session, sdp, limitMs }) {
    const { connection } = sessions.get(session);
    await connection.setRemoteDescription({ type: 'answer', sdp });
    if (!(await until(() => connection.connectionState === 'connected', limitMs))) throw new Error(`the connection is ${connection.connectionState}`);
  },

  watch: (order) => sessions.get(order.session).watch(order),

  async end({ session: name }) {
    const session = sessions.get(name);
    sessions.delete(name);
    session?.stops.forEach((stop) => stop());
    await session?.connection.close();
  },
});
