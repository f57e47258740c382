/**
 * Runs in the browser, beside the SDK: a meeting of the Meeting API that writes down everything it is told. Loaded as a module script.
 */
import { VideoSDK } from '/sdk/client.js';

/** What of an argument can leave the page. */
function plain(value) {
  if (value === null || typeof value !== 'object') return typeof value === 'function' ? 'function' : value;
  if ('meeting' in value && 'rights' in value) return { connection: value.id, payload: value.payload };
  if ('displayName' in value) return { id: value.id, displayName: value.displayName, ...(value.reason ? { reason: value.reason } : {}) };
  return Object.fromEntries(Object.entries(value).map(([key, v]) => [key, plain(v)]));
}

const MEETING_EVENTS = [
  'entry-waiting', 'entry-requested', 'entry-responded', 'mic-requested', 'webcam-requested', 'pin-state-changed', 'presenter-changed', 'video-state-changed', 'error',
  'meeting-joined', 'meeting-left', 'meeting-state-changed', 'participant-joined', 'participant-left', 'connection-open', 'connection-close', 'switch-meeting',
];
const CONNECTION_EVENTS = ['participant-joined', 'participant-left', 'chat-message', 'chat-message-sent'];

const meet = {
  /** @type {import('/sdk/client.js').Meeting} */ meeting: null,
  /** [event, ...arguments]; events of a connection as `id event`. */
  events: [],
  /** @type {(() => Promise<void>) | null} */ acceptSwitch: null,

  async token(room, participant, permissions) {
    const body = JSON.stringify({ room, participant, permissions });
    const answer = await fetch('/v1/dev/token', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    if (!answer.ok) throw new Error(`no development token: ${answer.status}`);
    return (await answer.json()).token;
  },

  async join({ room, name, settings, permissions, ...options }) {
    const meeting = (meet.meeting = VideoSDK.initMeeting({
      token: await meet.token(room, name, permissions), meetingId: room, participantId: name, name: name.toUpperCase(), micEnabled: false, webcamEnabled: false, settings, ...options,
    }));
    for (const event of MEETING_EVENTS) meeting.on(event, (...args) => meet.events.push([event, ...args.map(plain)]));
    meeting.on('switch-meeting', ({ accept }) => (meet.acceptSwitch = accept));
    meeting.on('connection-open', (connection) => {
      for (const event of CONNECTION_EVENTS) connection.meeting.on(event, (...args) => meet.events.push([`${connection.id} ${event}`, ...args.map(plain)]));
    });
    await meeting.join();
  },

  /** Whether it worked, or the code of the refusal. */
  async try(run) {
    try {
      return { ok: (await run()) ?? null };
    } catch (error) {
      return { code: error.code, number: error.number };
    }
  },

  connectTo: (where) => meet.try(async () => plain(await meet.meeting.connectTo(where))),
  chat: (id, text, options) => meet.try(() => meet.meeting.connections.get(id).meeting.sendChatMessage(text, options)),
  close: (id) => meet.try(() => meet.meeting.connections.get(id).close()),
  end: (id) => meet.try(() => meet.meeting.connections.get(id).meeting.end()),
  accept: () => meet.try(() => meet.acceptSwitch()),
  async switchOther(id, participant, to, payload) {
    const token = await meet.token(to, participant);
    return meet.try(() => meet.meeting.connections.get(id).meeting.participants.get(participant).switchTo({ meetingId: to, token, payload }));
  },
  /** A call by its path: `participants.bob.setQuality`. `$` stands for ourselves. */
  call: (path, ...args) => meet.try(() => {
    const names = path.split('.');
    const name = names.pop();
    const on = names.reduce((at, step) => (at instanceof Map ? at.get(step) : at[step === '$' ? 'localParticipant' : step]), meet.meeting);
    return on[name](...args);
  }),
  /** Writes down what is told by somebody. */
  watch(id) {
    const participant = meet.meeting.participants.get(id);
    for (const event of ['stream-enabled', 'stream-disabled', 'media-status-changed', 'video-quality-changed', 'stream-paused', 'stream-resumed']) {
      participant.on(event, (e) => meet.events.push([`${id} ${event}`, e.track ? e.kind : plain(e)]));
    }
  },
  /** Shows them; later `frames` and `size` of what is shown. */
  show(id, type) {
    const element = meet.meeting.participants.get(id).renderVideo({ type });
    element.id = `${id}-${type}`;
    document.documentElement.append(element);
  },
  /** Frames decoded so far (a browser without a screen paints none), and what the element makes of them. */
  async shown(id, type = 'video') {
    const element = document.getElementById(`${id}-${type}`);
    const [track] = element.srcObject?.getTracks() ?? [];
    let frames = 0;
    if (track) for (const report of (await meet.meeting.room.peerConnection.getStats(track)).values()) frames += report.framesDecoded ?? 0;
    return { frames, width: element.videoWidth, height: element.videoHeight, playing: element.srcObject !== null };
  },
  listenData() {
    meet.meeting.on('data', ({ payload, from, reliability }) => meet.events.push(['data', typeof payload === 'string' ? payload : [...new Uint8Array(payload)], from, reliability]));
  },
  sendBytes: (bytes, options) => meet.try(() => meet.meeting.send(new Uint8Array(bytes).buffer, options)),
  listenTopic: (topic) => meet.try(async () => (await meet.meeting.pubSub.subscribe(topic, ({ message, senderName, payload }) => meet.events.push(['topic', message, senderName, payload]))).map((m) => m.message)),
  observe: (key) => void meet.meeting.realtimeStore.observe(key, (value, by) => meet.events.push(['store', value, by])),
  async shareCanvas() {
    const canvas = Object.assign(document.createElement('canvas'), { width: 1280, height: 720 });
    const context = canvas.getContext('2d');
    let t = 0;
    setInterval(() => {
      context.fillStyle = `hsl(${(t += 7) % 360} 70% 50%)`;
      context.fillRect(0, 0, 1280, 720);
    }, 50);
    await meet.meeting.enableScreenShare(canvas.captureStream(20));
  },
  leave: () => meet.meeting.leave(),
  /** Listens late, and says what came of it. */
  listenLate: () => new Promise((resolve) => {
    const got = [];
    meet.meeting.on('connection-open', (connection, { replayed }) => got.push([connection.id, replayed]));
    setTimeout(() => resolve(got), 50);
  }),
  view: () => ({
    id: meet.meeting.id,
    state: meet.meeting.state,
    people: [...meet.meeting.participants.keys()].sort(),
    connections: Object.fromEntries([...meet.meeting.connections].map(([id, c]) => [id, [...c.meeting.participants.keys()].sort()])),
  }),
  /** What the browser and the server have agreed on. */
  descriptions: () => [meet.meeting.room.peerConnection.localDescription.sdp, meet.meeting.room.peerConnection.remoteDescription.sdp].join('\n'),
};

window.meet = meet;
