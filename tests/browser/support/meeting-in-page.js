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
  'meeting-joined', 'meeting-left', 'meeting-state-changed', 'participant-joined', 'participant-left', 'connection-open', 'connection-close', 'switch-meeting',
];
const CONNECTION_EVENTS = ['participant-joined', 'participant-left', 'chat-message', 'chat-message-sent'];

const meet = {
  /** @type {import('/sdk/client.js').Meeting} */ meeting: null,
  /** [event, ...arguments]; events of a connection as `id event`. */
  events: [],
  /** @type {(() => Promise<void>) | null} */ acceptSwitch: null,

  async token(room, participant) {
    const body = JSON.stringify({ room, participant });
    const answer = await fetch('/v1/dev/token', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    if (!answer.ok) throw new Error(`no development token: ${answer.status}`);
    return (await answer.json()).token;
  },

  async join({ room, name, settings }) {
    const meeting = (meet.meeting = VideoSDK.initMeeting({
      token: await meet.token(room, name), meetingId: room, participantId: name, name: name.toUpperCase(), micEnabled: false, webcamEnabled: false, settings,
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
