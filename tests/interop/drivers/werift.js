/**
 * The engine werift: everything in TypeScript, and no codec. It sends what was encoded before, and hands over what it
 * took out of the packets to be decoded.
 */
import { RTCPeerConnection, useAV1, useH264, useNACK, useOPUS, usePLI, useREMB, useSdesMid, useTransportWideCC, useTWCC, useVP8, useVP9 } from 'werift';
import { Av1Packetizer, dePacketizeRtpPackets, H264Packetizer, OpusPacketizer, Vp8Packetizer, Vp9Packetizer } from 'werift/nonstandard';
import { obey } from './lines.js';
import { readIvf, Replay, writeIvf } from './recording.js';
import { paced, Talk, until } from './scene.js';

const PROTOCOL = 'enfilade.data.v1';
const FEEDBACK = { rtcpFeedback: [useNACK(), usePLI(), useREMB(), useTWCC()] };
/** By our names: how it is offered, cut into packets and put together again. */
const CODECS = {
  vp8: { offer: useVP8(FEEDBACK), Packetizer: Vp8Packetizer, depacketizer: 'VP8' },
  vp9: { offer: useVP9(FEEDBACK), Packetizer: Vp9Packetizer, depacketizer: 'VP9' },
  h264: { offer: useH264(FEEDBACK), Packetizer: H264Packetizer, depacketizer: 'MPEG4/ISO/AVC' },
  av1: { offer: useAV1(FEEDBACK), Packetizer: Av1Packetizer, depacketizer: 'AV1' },
};
const sessions = new Map();

class Session {
  stops = [];
  packets = { audio: [], video: [] };

  /** @param {any} order */
  constructor({ role, picture, recording, codec, media, data }) {
    const wanted = role === 'subscribe' ? Object.values(CODECS) : [CODECS[codec]];
    this.connection = new RTCPeerConnection({
      iceServers: [],
      bundlePolicy: 'max-bundle',
      codecs: { audio: [useOPUS()], video: wanted.map(({ offer }) => offer) },
      headerExtensions: { audio: [useSdesMid(), useTransportWideCC()], video: [useSdesMid(), useTransportWideCC()] },
    });
    this.media = media;
    const direction = { publish: 'sendonly', subscribe: 'recvonly', call: 'sendrecv' }[role];
    const lines = media && { audio: this.connection.addTransceiver('audio', { direction }), video: this.connection.addTransceiver('video', { direction }) };
    if (media && role !== 'subscribe') this.#send(lines, picture, recording, codec);
    this.connection.onTrack.subscribe((track) => {
      track.onReceiveRtp.subscribe((packet) => this.packets[track.kind].push(packet.clone()));
    });
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

  #send(lines, { fps }, recording, codec) {
    const video = new Replay(readIvf(recording.video), recording.keyframes);
    const sound = readIvf(recording.audio);
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
    const [pictures, opus] = [packetizer('video', CODECS[codec].Packetizer), packetizer('audio', OpusPacketizer)];
    this.stops = [
      paced(fps, (n) => {
        if (!pictures()) return;
        const { frame, isKeyframe } = video.next();
        put('video', pictures().packetize(frame, ((n * 90_000) / fps) >>> 0, { isKeyframe }));
      }),
      paced(50, (n) => opus() && put('audio', opus().packetize(sound[n % sound.length], (n * 960) >>> 0))),
    ];
  }

  /** Our name of the codec that comes. */
  #received() {
    const [line] = this.connection.getTransceivers().filter((one) => one.kind === 'video');
    const payloadType = this.packets.video.at(-1)?.header.payloadType;
    const found = line?.codecs.find((one) => one.payloadType === payloadType);
    return Object.keys(CODECS).find((name) => found?.mimeType.toLowerCase() === `video/${name}`);
  }

  async watch({ from, pictures, seconds, limitMs, dump }) {
    this.packets.audio.length = 0;
    // Pictures are kept from where the last look ended, since a keyframe may have come meanwhile.
    const before = this.packets.video.length;
    // A few packets of sound more: a decoder swallows the first.
    const enough = () => !this.media || (this.packets.video.slice(before).filter((packet) => packet.header.marker).length > pictures && this.packets.audio.length > 50 * seconds + 5);
    const [, data] = await Promise.all([until(enough, limitMs), this.talk && from.data ? this.talk.talk(from.data, limitMs) : null]);
    if (!this.media) return { video: null, audio: null, data };
    const video = inOrder(this.packets.video);
    const audio = inOrder(this.packets.audio);
    const files = { video: `${dump}-video.ivf`, audio: `${dump}-audio.ivf` };
    const codec = this.#received();
    this.packets = { audio: [], video: [] };
    writeIvf(files.video, codec ? pictureFrames(video.packets, CODECS[codec].depacketizer) : []);
    writeIvf(files.audio, audio.packets.map((packet) => packet.payload));
    return { video: { file: files.video, lost: video.lost, codec }, audio: { file: files.audio, lost: audio.lost }, data };
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
function pictureFrames(packets, depacketizer) {
  const frames = [];
  let parts = [];
  for (const packet of packets) {
    if (parts.length && parts[0].header.timestamp !== packet.header.timestamp) parts = [];
    parts.push(packet);
    if (!packet.header.marker) continue;
    const { isKeyframe, data } = dePacketizeRtpPackets(depacketizer, parts);
    if (frames.length || isKeyframe) frames.push(data);
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
