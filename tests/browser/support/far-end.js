/**
 * Runs in the browser: the server's half played by a second, real peer connection of the same page. It agrees to every
 * offer, shows a moving picture on seats 0 and 1 and keeps what it receives. So the browser itself judges our offers.
 */
import { browserPlatform, Room } from '/sdk/client.js';

function picture(hue) {
  const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 180 });
  const context = canvas.getContext('2d');
  let t = 0;
  setInterval(() => {
    context.fillStyle = `hsl(${(hue + (t += 3)) % 360} 80% 50%)`;
    context.fillRect(0, 0, 320, 180);
    context.fillStyle = '#fff';
    context.fillRect((t * 4) % 300, 60, 20, 60);
  }, 50);
  return canvas.captureStream(20).getVideoTracks()[0];
}

const far = { pc: null, seq: 0, publications: 0, received: new Map(), pictures: [], offers: [], deaf: false };

class FarSocket {
  readyState = 0;
  constructor() {
    setTimeout(() => {
      this.readyState = 1;
      this.onopen?.({});
    });
  }
  deliver(message) {
    setTimeout(() => this.readyState === 1 && this.onmessage?.({ data: JSON.stringify(message) }));
  }
  say(message) {
    this.deliver({ seq: ++far.seq, ...message });
  }
  close() {
    this.readyState = 3;
  }
  async send(text) {
    const m = JSON.parse(text);
    if (m.type === 'ping') return this.deliver({ re: m.id, type: 'pong' });
    if (m.type === 'join') {
      const publication = (id) => ({ id, source: 'camera', kind: 'video', muted: false, encodings: 1, width: 320, height: 180 });
      return this.say({
        re: m.id, type: 'joined', version: 1, room: 'r', session: 's', resume: { key: 'k', windowMs: 10000 }, iceServers: [],
        participant: { id: 'me', displayName: 'Me', joinedAtMs: 1, publications: [] },
        participants: [0, 1].map((n) => ({ id: `p${n}`, displayName: `P${n}`, joinedAtMs: 1, publications: [publication(n)] })),
        limits: { messageBytes: 65536, metadataBytes: 16384, chatBytes: 8192, seats: 50 },
      });
    }
    if (m.type === 'offer') {
      try {
        const offer = m.sdp ?? (await far.unpack(m.sdpDeflate));
        const { sdp, seats } = await answer(offer);
        far.offers.push(offer);
        this.say({ re: m.id, type: 'answer', sdp, seats, publications: (m.publish ?? []).map(({ mid }) => ({ mid, publication: 100 + far.publications++ })) });
        this.say({ type: 'seats', seats: [0, 1].map((seat) => ({ seat, participant: `p${seat}`, audio: null, video: seat })) });
      } catch (error) {
        this.say({ re: m.id, type: 'error', code: 'sdp-invalid', message: String(error) });
      }
      return;
    }
    this.say({ re: m.id, type: 'ok', ...(m.type === 'publish' ? { publication: 100 + far.publications++ } : { message: 'm', timestampMs: 1 }) });
  }
}

async function answer(sdp) {
  const fingerprint = /a=fingerprint:\S+ (\S+)/.exec(sdp)[1];
  if (!far.pc || far.fingerprint !== fingerprint) {
    far.pc?.close();
    far.fingerprint = fingerprint;
    far.pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    far.pc.ontrack = ({ track, transceiver }) => far.received.set(transceiver.mid, track);
    far.pc.ondatachannel = ({ channel }) => (channel.onmessage = ({ data }) => channel.send(data));
  }
  await far.pc.setRemoteDescription({ type: 'offer', sdp });
  const sections = sdp.split(/(?=^m=)/m).slice(1).map((s) => ({ kind: s.slice(2, 7), mid: /a=mid:(\S+)/.exec(s)[1], receives: /^a=recvonly/m.test(s) }));
  const [audio, video] = ['audio', 'video'].map((kind) => sections.filter((s) => s.kind === kind && s.receives));
  const seats = audio.map((line, seat) => ({ seat, audioMid: line.mid, videoMid: video[seat].mid }));
  for (const transceiver of far.pc.getTransceivers()) {
    const seat = seats.find((s) => s.videoMid === transceiver.mid);
    if (seats.some((s) => s.audioMid === transceiver.mid || s.videoMid === transceiver.mid)) transceiver.direction = 'sendonly';
    if (seat && seat.seat < 2 && !transceiver.sender.track) await transceiver.sender.replaceTrack((far.pictures[seat.seat] ??= picture(seat.seat * 180)));
  }
  await far.pc.setLocalDescription(await far.pc.createAnswer());
  if (far.pc.iceGatheringState !== 'complete') {
    await new Promise((resolve) => {
      far.pc.onicegatheringstatechange = () => far.pc.iceGatheringState === 'complete' && resolve();
      setTimeout(resolve, 2000);
    });
  }
  return { sdp: far.pc.localDescription.sdp, seats };
}

/** ICE-lite servers ask nothing of the client's candidates; a browser does, so they are handed over here. */
function platform() {
  const base = browserPlatform();
  far.unpack = base.packing.unpack;
  return {
    ...base,
    createSocket: () => (far.socket = new FarSocket()),
    createPeerConnection(config) {
      const pc = base.createPeerConnection(config);
      pc.onicecandidate = async ({ candidate }) => {
        for (let i = 0; i < 100 && !far.pc?.remoteDescription; i++) await new Promise((resolve) => setTimeout(resolve, 20));
        if (candidate) far.pc.addIceCandidate(candidate).catch(() => {});
      };
      return pc;
    },
  };
}

window.far = far;
window.room = new Room({ token: 't', platform: platform() });
window.errors = [];
window.room.on('error', (error) => window.errors.push(error.message));
window.framesOf = async (id) => {
  const track = window.room.participants.get(id)?.publication('camera')?.track;
  if (!track) return 0;
  for (const report of (await window.room.peerConnection.getStats(track)).values()) if (report.type === 'inbound-rtp') return report.framesDecoded ?? 0;
  return 0;
};
window.farFrames = async (kind) => {
  let most = 0;
  for (const report of (await far.pc.getStats()).values()) {
    if (report.type === 'inbound-rtp' && report.kind === kind) most += kind === 'video' ? (report.framesDecoded ?? 0) : (report.packetsReceived ?? 0);
  }
  return most;
};
