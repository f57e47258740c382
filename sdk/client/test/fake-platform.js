/**
 * A platform without a browser: a clock that is moved by hand, sockets whose far end is a script, peer connections that
 * agree to everything.
 */

/** Lets every microtask and pending promise run. */
export const settle = async (rounds = 30) => {
  for (let i = 0; i < rounds; i++) await Promise.resolve();
};

export class FakeTrack extends EventTarget {
  static count = 0;
  id = `track-${FakeTrack.count++}`;
  enabled = true;
  readyState = 'live';
  constructor(kind, settings = kind === 'video' ? { width: 1280, height: 720 } : {}) {
    super();
    this.kind = kind;
    this.settings = settings;
  }
  getSettings() {
    return this.settings;
  }
  clone() {
    return new FakeTrack(this.kind, this.settings);
  }
  async applyConstraints(constraints) {
    this.constraints = constraints;
  }
  stop() {
    this.readyState = 'ended';
  }
  /** The device went away by itself. */
  end() {
    this.readyState = 'ended';
    this.dispatchEvent(new Event('ended'));
  }
}

class FakeSender {
  constructor(track, encodings) {
    this.track = track;
    this.parameters = { encodings: encodings.map((e) => ({ active: true, ...e })) };
  }
  async replaceTrack(track) {
    this.track = track;
  }
  getParameters() {
    return structuredClone(this.parameters);
  }
  async setParameters(parameters) {
    this.parameters = parameters;
  }
}

class FakeTransceiver {
  mid = null;
  stopped = false;
  constructor(trackOrKind, init) {
    const kind = typeof trackOrKind === 'string' ? trackOrKind : trackOrKind.kind;
    this.kind = kind;
    this.direction = init.direction;
    this.sender = new FakeSender(typeof trackOrKind === 'string' ? null : trackOrKind, init.sendEncodings ?? [{}]);
    this.receiver = { track: new FakeTrack(kind) };
  }
  setCodecPreferences(codecs) {
    this.codecs = codecs.map((c) => c.mimeType);
  }
  stop() {
    this.stopped = true;
  }
}

export class FakePeerConnection {
  transceivers = [];
  channels = [];
  signalingState = 'stable';
  iceConnectionState = 'new';
  connectionState = 'new';
  localDescription = null;
  offers = [];
  applied = [];
  closed = false;
  oniceconnectionstatechange = null;
  onconnectionstatechange = null;
  constructor(config) {
    this.config = config;
  }
  setConfiguration(config) {
    this.config = config;
  }
  addTransceiver(trackOrKind, init) {
    const transceiver = new FakeTransceiver(trackOrKind, init);
    this.transceivers.push(transceiver);
    return transceiver;
  }
  createDataChannel(label, options) {
    const channel = Object.assign(new EventTarget(), {
      label, options, readyState: 'connecting', bufferedAmount: 0, sent: [],
      send(bytes) { this.sent.push(bytes); },
      close() { this.readyState = 'closed'; this.onclose?.(); },
    });
    this.channels.push(channel);
    return channel;
  }
  async createOffer({ iceRestart = false } = {}) {
    if (this.signalingState !== 'stable') throw new Error('an offer while another is under way');
    this.offers.push({ iceRestart });
    return { type: 'offer' };
  }
  async setLocalDescription(description) {
    if (description.type === 'rollback') {
      this.signalingState = 'stable';
      return;
    }
    this.transceivers.forEach((t, i) => (t.mid ??= String(i)));
    this.signalingState = 'have-local-offer';
    const data = this.channels.length ? ['m=application 9 UDP/DTLS/SCTP webrtc-datachannel'] : [];
    this.localDescription = {
      type: 'offer',
      sdp: ['v=0', ...this.transceivers.flatMap((t) => [`m=${t.kind} 9 X`, `a=mid:${t.mid}`, `a=${t.direction}`]), ...data].join('\r\n') + '\r\n',
    };
  }
  async setRemoteDescription(description) {
    this.applied.push(description.sdp);
    this.signalingState = 'stable';
  }
  /** What a test puts there. */
  stats = [];
  async getStats() {
    return new Map(this.stats.map((report) => [report.id, report]));
  }
  /** Each counts what the whole connection does, as long as a test says nothing else. */
  #counting(ways) {
    return ways.map(({ track }) => ({ track, getStats: () => this.getStats() }));
  }
  getSenders() {
    return this.#counting(this.transceivers.map(({ sender }) => sender));
  }
  getReceivers() {
    return this.#counting(this.transceivers.map(({ receiver }) => receiver));
  }
  ice(state, connection = state) {
    this.iceConnectionState = state;
    this.connectionState = connection;
    this.oniceconnectionstatechange?.();
  }
  close() {
    this.closed = true;
  }
}

class FakeSocket {
  readyState = 0;
  onopen = null;
  onmessage = null;
  onclose = null;
  onerror = null;
  constructor(url, server) {
    this.url = url;
    this.server = server;
    queueMicrotask(() => server.accept(this));
  }
  send(data) {
    if (this.readyState === 1) this.server.receive(this, JSON.parse(data));
  }
  close() {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.server.closed?.(this);
  }
  // far end
  open() {
    this.readyState = 1;
    this.onopen?.();
  }
  deliver(message) {
    if (this.readyState === 1) this.onmessage?.({ data: typeof message === 'string' ? message : JSON.stringify(message) });
  }
  break(code = 1006) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code, reason: '' });
  }
}

export function fakePlatform(server) {
  let now = 0;
  let next = 1;
  const timers = new Map();
  const pageListeners = { network: new Set(), pagehide: new Set() };
  const platform = {
    sockets: [],
    peers: [],
    createSocket(url) {
      const socket = new FakeSocket(url, server);
      platform.sockets.push(socket);
      return socket;
    },
    createPeerConnection(config) {
      const pc = new FakePeerConnection(config);
      platform.peers.push(pc);
      return pc;
    },
    createStream: (tracks) => ({
      tracks, getTracks: () => tracks, getAudioTracks: () => tracks.filter((t) => t.kind === 'audio'), getVideoTracks: () => tracks.filter((t) => t.kind === 'video'),
    }),
    receiveCapabilities: (kind) => ({
      codecs: kind === 'audio' ? [{ mimeType: 'audio/opus' }, { mimeType: 'audio/red' }] : [{ mimeType: 'video/VP8' }, { mimeType: 'video/VP9' }],
      headerExtensions: [],
    }),
    mediaDevices: {
      /** What was asked of getUserMedia and getDisplayMedia; `refuse` makes them throw. */
      opened: [],
      refuse: null,
      getUserMedia: async (constraints) => {
        const { audio } = constraints;
        platform.mediaDevices.opened.push(constraints);
        if (platform.mediaDevices.refuse) throw Object.assign(new Error('no'), { name: platform.mediaDevices.refuse });
        const track = new FakeTrack(audio ? 'audio' : 'video');
        return { getTracks: () => [track], getAudioTracks: () => (audio ? [track] : []), getVideoTracks: () => (audio ? [] : [track]) };
      },
      getDisplayMedia: async (constraints) => {
        platform.mediaDevices.opened.push(constraints);
        const [video, audio] = [new FakeTrack('video', { width: 1920, height: 1080 }), new FakeTrack('audio')];
        return { getVideoTracks: () => [video], getAudioTracks: () => (constraints.audio ? [audio] : []) };
      },
      devices: [],
      enumerateDevices: async () => platform.mediaDevices.devices,
    },
    defaultUrl: () => 'http://localhost:7880',
    setTimeout(run, ms) {
      timers.set(next, { run, at: now + ms });
      return next++;
    },
    clearTimeout: (handle) => timers.delete(handle),
    now: () => now,
    random: () => 0.5,
    date: () => 1_700_000_000_000 + now,
    permission: async (kind) => kind === 'camera',
    captureFrame: async (track, { width }) => `${track.id}@${width}`,
    createElement: (kind) => ({ kind, srcObject: null }),
    watchSize(element, seen) {
      element.seen = seen;
      return () => delete element.seen;
    },
    onPage(event, listener) {
      pageListeners[event].add(listener);
      return () => pageListeners[event].delete(listener);
    },
    page: (event) => pageListeners[event].forEach((l) => l()),
    /** Moves the clock, firing every timer at its time. */
    async advance(ms) {
      const end = now + ms;
      for (;;) {
        await settle();
        const due = [...timers].filter(([, t]) => t.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
        if (!due) break;
        timers.delete(due[0]);
        now = due[1].at;
        due[1].run();
      }
      now = end;
      await settle();
    },
  };
  return platform;
}
