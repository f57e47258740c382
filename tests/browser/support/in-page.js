/**
 * Runs in the browser, beside the SDK: makes a room, counts its offers, and looks at what arrives. Loaded as a module script.
 */
import { browserPlatform, KeyProvider, Room } from '/sdk/client.js';

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const shown = new Map();

/**
 * The answer as somebody sees it whose network has these ways only, each through a port of this machine.
 * @param {string} sdp
 * @param {{udp?: number, tcp?: number}} ways
 */
const byWays = (sdp, ways) => {
  const lines = sdp.split('\r\n').flatMap((line) => {
    const [, protocol] = /^a=candidate:\S+ 1 (udp|tcp) \d+ \d+\.\d+\.\d+\.\d+ \d+ typ host/.exec(line) ?? [];
    if (!protocol) return line.startsWith('a=candidate') ? [] : [line];
    return ways[protocol] ? [line.replace(/ \d+ typ host/, ` ${ways[protocol]} typ host`)] : [];
  });
  return lines.join('\r\n');
};

const call = {
  /** @type {Room} */ room: null,
  offers: 0,
  events: [],
  /** What was told of codecs and encryption. @type {string[]} */ media: [],
  /** @type {KeyProvider | null} */ keys: null,

  /**
   * `key`: encrypt end to end with it (empty: with one that comes later). `window.platformChange` goes over the browser's platform.
   * `ways`: of the media, by port of this machine; absent: the server's own. `policy`: of the peer connection. `relays`: a part of the URLs of the TURN servers that it is told of.
   * @param {{room: string, name: string, camera?: {width: number, height: number, publish?: object}, microphone?: boolean, seats?: number,
   *   key?: string, participant?: string, ways?: {udp?: number, tcp?: number}, policy?: RTCIceTransportPolicy, relays?: string, url?: string[]}} options url: of nodes that act as one
   */
  async join({ room, name, camera, microphone, seats, key, participant, ways, policy, relays, url }) {
    const platform = { ...browserPlatform(), ...window.platformChange };
    if (key !== undefined) {
      call.keys = new KeyProvider({ switchAfterMs: 1000 });
      if (key) call.keys.setKey(key);
    }
    const token = async () => {
      for (const node of url ?? ['']) {
        const asked = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ room }) };
        const answer = await fetch(`${node}/v1/dev/token`, asked).catch(() => null);
        if (answer?.ok) return (await answer.json()).token;
      }
      throw new Error('no development token');
    };
    call.room = new Room({
      token, room, url, displayName: name, seats, participant, e2ee: call.keys ? { keys: call.keys } : undefined,
      platform: {
        ...platform,
        createPeerConnection(config) {
          const told = relays ? config.iceServers.map((server) => ({ ...server, urls: [server.urls].flat().filter((one) => one.includes(relays)) })) : config.iceServers;
          const pc = platform.createPeerConnection({ ...config, iceServers: told, ...(policy ? { iceTransportPolicy: policy } : {}) });
          const real = pc.setLocalDescription.bind(pc);
          pc.setLocalDescription = (description) => ((call.offers += 1), real(description));
          const answered = pc.setRemoteDescription.bind(pc);
          pc.setRemoteDescription = ({ type, sdp }) => answered({ type, sdp: ways ? byWays(sdp, ways) : sdp });
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

  /** The way of the media: protocol, kind of our candidate, and round trip; null while there is none. */
  async way() {
    const reports = await call.room.peerConnection.getStats();
    const pairs = [...reports.values()].filter((r) => r.type === 'candidate-pair' && (r.selected || (r.nominated && r.state === 'succeeded')));
    const transport = [...reports.values()].find((r) => r.type === 'transport');
    const pair = reports.get(transport?.selectedCandidatePairId) ?? pairs[0];
    const local = reports.get(pair?.localCandidateId);
    return local ? { protocol: local.protocol, type: local.candidateType, relay: local.relayProtocol ?? null } : null;
  },

  /** Frames (or packets of sound) sent so far of one of our own sources, by encoding; the only one is called "-". */
  async sent(source) {
    const track = call.room.publications.find((p) => p.source === source)?.track;
    const sender = call.room.peerConnection.getSenders().find((s) => s.track === track);
    const sent = {};
    if (!sender) return sent; // it has let go of the track
    for (const report of (await sender.getStats()).values()) {
      if (report.type === 'outbound-rtp') sent[report.rid ?? '-'] = report.framesSent ?? report.packetsSent;
    }
    return sent;
  },

  /** What the server says is wanted of one of our own sources. */
  wanted: (source) => call.room.publications.find((p) => p.source === source)?.wanted ?? null,

  /** Shows a picture in an element of the page, as large as this, in CSS pixels. */
  show(name, source, width, height) {
    const video = Object.assign(document.createElement('video'), { muted: true, id: 'shown', style: `display:block;width:${width}px;height:${height}px` });
    document.body.append(video);
    call.publication(name, source).attach(video);
  },
  resize(width, height) {
    Object.assign(document.getElementById('shown').style, { width: `${width}px`, height: `${height}px` });
  },
  scroll(away) {
    document.body.style.paddingTop = away ? '5000px' : '0';
    window.scrollTo(0, 0);
  },

  /** Does something and says how many ms later the first frame after it is there. `what`: see `scroll`, or limits of a subscription. */
  async firstFrameAfter(name, source, what) {
    const publication = call.publication(name, source);
    const receiver = call.room.peerConnection.getReceivers().find((r) => r.track === publication.track);
    const newest = () => Math.max(0, ...receiver.getSynchronizationSources().map((s) => s.timestamp));
    const before = newest();
    const start = performance.now();
    if (what === 'scroll') call.scroll(false);
    else await publication.subscribe(what);
    while (newest() <= before) {
      if (performance.now() - start > 15_000) return null;
      await wait(4);
    }
    return performance.now() - start;
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
