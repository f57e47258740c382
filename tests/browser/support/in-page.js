/**
 * Runs in the browser, beside the SDK: makes a room, counts its offers, and looks at what arrives. Loaded as a module script.
 */
import { browserPlatform, KeyProvider, Room } from '/sdk/client.js';

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const shown = new Map();

const call = {
  /** @type {Room} */ room: null,
  offers: 0,
  events: [],
  /** What was told of codecs and encryption. @type {string[]} */ media: [],
  /** @type {KeyProvider | null} */ keys: null,

  /**
   * `key`: encrypt end to end with it (empty: with one that comes later). `window.platformChange` goes over the browser's platform.
   * @param {{room: string, name: string, camera?: {width: number, height: number, publish?: object}, microphone?: boolean, seats?: number, key?: string, participant?: string}} options
   */
  async join({ room, name, camera, microphone, seats, key, participant }) {
    const platform = { ...browserPlatform(), ...window.platformChange };
    if (key !== undefined) {
      call.keys = new KeyProvider({ switchAfterMs: 1000 });
      if (key) call.keys.setKey(key);
    }
    const token = async () => {
      const answer = await fetch('/v1/dev/token', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ room }) });
      if (!answer.ok) throw new Error(`no development token: ${answer.status}`);
      return (await answer.json()).token;
    };
    call.room = new Room({
      token, room, displayName: name, seats, participant, e2ee: call.keys ? { keys: call.keys } : undefined,
      platform: {
        ...platform,
        createPeerConnection(config) {
          const pc = platform.createPeerConnection(config);
          const real = pc.setLocalDescription.bind(pc);
          pc.setLocalDescription = (description) => ((call.offers += 1), real(description));
          return pc;
        },
      },
    });
    for (const event of ['participant-joined', 'participant-left']) call.room.on(event, (who) => call.events.push(`${event} ${who.displayName}`));
    call.room.on('encryption', (publication, outcome) => call.media.push(`encryption ${publication.participantId ?? 'own'} ${publication.source} ${outcome}`));
    call.room.on('subscription', (publication) => call.media.push(`subscription ${publication.source} ${publication.state}`));
    call.room.on('backup', (publication, { codec }) => call.media.push(`backup ${publication.source} ${codec}`));
    call.room.on('error', (error) => call.media.push(`error ${error.code} ${error.message}`));
    call.room.on('chat', (message) => call.events.push(`chat ${message.text}`));
    call.room.on('state', (state) => call.events.push(`state ${state}`));
    call.room.on('track-started', (publication) => publication.kind === 'audio' && call.listen(publication));
    const published = [];
    if (camera) published.push(call.room.devices.setCamera(true, camera));
    if (microphone) published.push(call.room.devices.setMicrophone(true));
    await Promise.all([call.room.join(), ...published]);
  },

  /** Sound is decoded only when somebody listens. */
  listen(publication) {
    const audio = new Audio();
    audio.srcObject = new MediaStream([publication.track]);
    audio.play().catch(() => {});
    document.documentElement.append(audio);
  },

  /** A picture that moves, as a screen to share. */
  async shareCanvas() {
    const canvas = Object.assign(document.createElement('canvas'), { width: 1280, height: 720 });
    const context = canvas.getContext('2d');
    let t = 0;
    setInterval(() => {
      context.fillStyle = `hsl(${(t += 7) % 360} 70% 50%)`;
      context.fillRect(0, 0, 1280, 720);
      context.fillStyle = '#fff';
      context.fillRect((t * 5) % 1200, 300, 80, 80);
    }, 50);
    await call.room.devices.setScreen(true, { track: canvas.captureStream(20).getVideoTracks()[0] });
  },

  /** A picture whose colours one knows, as a camera: red on the left, blue on the right, something that moves at the bottom. */
  async publishColours(options = {}) {
    const canvas = Object.assign(document.createElement('canvas'), { width: 1280, height: 720 });
    const context = canvas.getContext('2d');
    let t = 0;
    setInterval(() => {
      context.fillStyle = '#c00000';
      context.fillRect(0, 0, 640, 720);
      context.fillStyle = '#0000c0';
      context.fillRect(640, 0, 640, 720);
      context.fillStyle = `hsl(${(t += 11) % 360} 80% 60%)`;
      context.fillRect((t * 3) % 1200, 620, 80, 80);
    }, 50);
    await call.room.publish(canvas.captureStream(20).getVideoTracks()[0], { source: 'camera', ...options });
  },

  /** Red, green and blue in the middle of the left and of the right half; null without a picture. */
  async colours(name, source) {
    if (!(await call.pixels(name, source))) return null;
    const video = shown.get(call.publication(name, source)?.track);
    const canvas = Object.assign(document.createElement('canvas'), { width: 4, height: 3 });
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(video, 0, 0, 4, 3);
    return [0, 3].map((x) => [...context.getImageData(x, 1, 1, 1).data.slice(0, 3)]);
  },

  publication(name, source) {
    const who = [...call.room.participants.values()].find((p) => p.displayName === name);
    return who?.publication(source) ?? null;
  },

  /** What the browser received of it: counters of inbound-rtp, or null. */
  async stats(name, source) {
    const track = call.publication(name, source)?.track;
    if (!track || !call.room.peerConnection) return null;
    for (const report of (await call.room.peerConnection.getStats(track)).values()) {
      if (report.type !== 'inbound-rtp') continue;
      const codec = (await call.room.peerConnection.getStats()).get(report.codecId)?.mimeType;
      const { freezeCount, pliCount, framesDropped } = report;
      const { framesDecoded = 0, frameWidth, frameHeight, packetsReceived = 0, totalAudioEnergy, totalSamplesReceived } = report;
      return { framesDecoded, frameWidth, frameHeight, packetsReceived, totalAudioEnergy, totalSamplesReceived, track: track.id, codec, freezeCount, pliCount, framesDropped };
    }
    return null;
  },

  async transport() {
    for (const report of (await call.room.peerConnection.getStats()).values()) {
      if (report.type === 'transport') return { srtpCipher: report.srtpCipher, dtlsState: report.dtlsState };
    }
    return null;
  },

  /** The picture as one number, 0 for black or nothing. */
  async pixels(name, source) {
    const track = call.publication(name, source)?.track;
    if (!track) return 0;
    let video = shown.get(track);
    if (!video) {
      video = Object.assign(document.createElement('video'), { muted: true, playsInline: true, srcObject: new MediaStream([track]) });
      document.documentElement.append(video);
      shown.set(track, video);
      await Promise.race([video.play().catch(() => {}), wait(2000)]); // without a frame it never begins
    }
    for (let i = 0; i < 40 && video.readyState < 2; i++) await wait(50);
    if (video.readyState < 2) return 0;
    const canvas = Object.assign(document.createElement('canvas'), { width: 160, height: 90 });
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(video, 0, 0, 160, 90);
    const { data } = context.getImageData(0, 0, 160, 90);
    let sum = 0;
    // Weighted by place, so that something that merely moves changes the number too.
    for (let i = 0; i < data.length; i += 4) sum += (data[i] + data[i + 1] + data[i + 2]) * (1 + (i % 251));
    return sum;
  },
};

window.call = call;
